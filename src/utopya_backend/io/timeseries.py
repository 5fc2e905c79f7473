"""Time series: datasets that grow row by row, at memory speed."""

import logging
import sys
import weakref
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from h5py._objects import phil

from .chunks import BLOCK_BYTES, ChunkWriter
from .row_labels import NoLabels, RowLabels, no_times, times_to_be_given
from .values import convert, unit_of

_Array = np.ndarray

_REATTACH_AFTER = 16
"""After how many rows in a row, with nothing else between, buffering goes on"""


class TimeSeries(h5py.Dataset):  # type: ignore[misc]  # h5py has no type information
    """A dataset whose last rows are in memory until a chunk is full.

    It is an :py:class:`h5py.Dataset` and behaves like one. Growing it by a row,
    ``resize(shape[0] + 1, axis=0)``, and writing the last row, ``[-1, ...] =
    row``, or both by :py:meth:`append`, only touch memory. Everything else
    first brings the file up to date.

    As long as the rows are in memory, that is what counts. As soon as anybody
    else may have changed the file (whoever has used :py:attr:`id`), the file
    is what counts, until rows are written one after the other again.
    """

    # What is looked at for each row; with slots, that is faster.
    __slots__ = (
        "_attached", "_block_size", "_buffer", "_clock", "_dirty", "_due", "_every",
        "_exact_ints", "_exact_types", "_has_warned", "_is_buffered", "_labels",
        "_largest_float", "_max_rows",
        "_may_outgrow", "_native_type", "_ndim", "_num_rows", "_num_unbuffered",
        "_room_until", "_root", "_row_shape", "_scalar_types", "_start", "_unit",
        "_value_type", "_writer",
    )  # fmt: skip

    def __init__(
        self,
        dset: h5py.Dataset,
        file: h5py.File | None = None,
        *,
        buffered: bool = True,
    ) -> None:
        """Takes over a new dataset.

        Args:
            dset: A chunked dataset without rows
            file: The file that sees to it that nothing stays in memory only.
                Without one, nothing is kept in memory.
            buffered: Whether rows may be kept in memory
        """
        self._root = None if file is None else weakref.ref(file)
        # A row costs hardly more if its time is what is due anyway.
        self._labels: NoLabels = NoLabels()
        self._clock: Callable[[], Any] = no_times
        self._due: float = 0
        self._every = 0
        self._may_outgrow = False
        self._take_over(dset, buffered=buffered and file is not None)

    def _take_over(self, dset: h5py.Dataset, *, buffered: bool) -> None:
        self._attached = False  # until it is known whether rows are buffered
        super().__init__(dset.id)  # h5py before 3.13 asks for `id` in it
        self._writer = ChunkWriter(dset)
        self._row_shape: tuple[int, ...] = dset.shape[1:]
        self._ndim = 1 + len(self._row_shape)
        self._max_rows = sys.maxsize if dset.maxshape[0] is None else dset.maxshape[0]
        self._value_type = dset.dtype
        native_type = np.dtype(dset.dtype.type)
        self._native_type = native_type if native_type == dset.dtype else dset.dtype
        self._scalar_types = _scalar_types(dset.dtype)
        is_small = dset.dtype.kind in "fc" and float not in self._scalar_types
        self._largest_float = float(np.finfo(dset.dtype).max) if is_small else -1.0
        self._exact_ints = _exact_ints(dset.dtype)
        self._exact_types = _exact_types(dset.dtype)
        # Whether the rows may be kept in memory, and whether that is what counts
        self._is_buffered = (
            buffered
            and dset.dtype.kind in "biufc"
            and (None not in dset.maxshape[1:] or 0 not in self._row_shape)
            and self._writer.is_direct
            and not np.any(dset.fillvalue)  # the buffer is filled with zeros
        )
        self._block_size = self._writer.shape[0]
        size = self._block_size if self._is_buffered else 0
        self._buffer = np.zeros((size, *self._row_shape), dset.dtype)
        self._start = 0  # the number of the first row in the buffer
        self._num_rows = 0
        self._room_until = 0  # up to how many rows fit, also into the dataset
        if self._is_buffered:
            self._have_buffer_count()
        self._dirty = False  # whether the file lacks something that is in it
        self._num_unbuffered = 0
        self._unit = ""
        self._has_warned = False

    def label_rows(
        self,
        labels: RowLabels,
        clock: Callable[[], Any] = times_to_be_given,
        *,
        may_outgrow: bool = False,
    ) -> None:
        """Has each row labelled with the time at which it comes.

        Args:
            labels: Keeps the labels
            clock: Gives the object with the time, as its ``_time``: the model.
                Without one, whoever appends a row has to give its time.
            may_outgrow: Whether there may be more rows than the dataset has room for
        """
        self._clock = clock
        self._may_outgrow = may_outgrow
        self._labels = labels
        self._due, self._every = labels.due(self._num_rows), labels.step
        labels.write(h5py.Dataset(self._id), self._num_rows)

    # .. The fast way: memory only ............................................

    @property
    def dtype(self) -> Any:
        """The data type of the values."""
        return self._value_type

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the dataset."""
        if self._attached:
            return (self._num_rows,) + self._row_shape  # noqa: RUF005  # is faster
        shape: tuple[int, ...] = h5py.Dataset.shape.fget(self)
        return shape

    @shape.setter
    def shape(self, shape: tuple[int, ...]) -> None:
        self.resize(shape)

    def append(self, row: Any, *, time: float | None = None) -> None:
        """Appends a row.

        Args:
            row: The row. The first one sets the size of those dimensions that
                are not limited.
            time: The time of the row; by default, the model's.

        Raises:
            ValueError: If it has another shape than the rows before, the time of
                another row, or values that are too large, or masked where there is
                no NaN. Nothing is appended then.
            TypeError: If it has values of a type that the dataset cannot hold.
                Nothing is appended then, either.
        """
        is_array = type(row) is _Array
        if self._attached and (
            # Most of all rows, for which no other method is called
            (
                is_array
                and row.dtype is self._native_type
                and row.shape == self._row_shape
            )
            # A number is not to be broadcast.
            or ((is_array or not self._row_shape) and self._fits(row))
        ):
            num_rows = self._num_rows
            if num_rows < self._room_until or self._make_room():
                if time is None:
                    time = self._clock()._time
                if time != self._due:
                    self._label_row(num_rows, time)
                self._num_rows = num_rows + 1
                self._due += self._every
                self._buffer[num_rows - self._start] = row
                self._dirty = True
                if not self._attached:  # any more, see _detach()
                    self._follow(num_rows + 1)
                    super().__setitem__(num_rows, row)
                return
        values = np.asarray(self._converted(row, self._value_type))
        num_rows, *row_shape = self.shape
        if num_rows == 0 and 0 in row_shape and len(row_shape) == values.ndim:
            sizes = zip(row_shape, values.shape, strict=True)
            row_shape = [old or new for old, new in sizes]
        if values.shape != tuple(row_shape):
            raise ValueError(
                f"A row of '{self.name}' has the shape {tuple(row_shape)}, but this "
                f"one has {values.shape}."
            )
        if num_rows >= self._max_rows and not self._may_outgrow:
            raise ValueError(
                f"'{self.name}' has {num_rows} rows, as many as its maxshape allows: "
                "make it without one."
            )
        self._note_unit(row)
        if self.shape[1:] == values.shape:
            self.resize(num_rows + 1, axis=0, time=time)
        else:
            self.resize((num_rows + 1, *row_shape), time=time)
        self[-1, ...] = values

    def _label_row(self, num_rows: int, time: Any) -> None:
        """Labels the next row, whose time (or the model's) is not the one due."""
        if time is None:
            time = self._clock()._time
        with phil:
            self._labels.put(h5py.Dataset(self._id), num_rows, time)
            self._due = self._labels.due(num_rows)
            self._every = self._labels.step

    def _converted(self, values: Any, dtype: np.dtype[Any], **options: Any) -> Any:
        name = h5py.h5i.get_name(self._id) or b"?"  # the file need not be up to date
        return convert(values, dtype, f"'{name.decode(errors='replace')}'", **options)

    def _warn_of_fraction(self, number: float) -> None:
        """Warns, once, of numbers whose fraction is cut off, as h5py does."""
        if not self._has_warned:
            self._has_warned = True
            logging.getLogger().warning(
                "'%s' holds %s: of numbers such as %s, it gets the integer part only. "
                "Use a dtype of floating-point numbers, or round them.",
                self.name, self._value_type, number,
            )  # fmt: skip

    def _note_unit(self, values: Any) -> None:
        """Notes the unit of the values, which is to stay the same."""
        unit = unit_of(values)
        if not unit or unit == self._unit:
            return
        noted = self.attrs.setdefault("units", unit)
        if noted != unit:
            raise ValueError(
                f"'{self.name}' holds values in {noted}, and these are in {unit}: "
                f"convert them, e.g. by .to({noted!r})."
            )
        self._unit = unit

    def resize(
        self, size: Any, axis: int | None = None, *, time: float | None = None
    ) -> None:
        """Resizes the dataset, as :py:meth:`h5py.Dataset.resize`.

        Args:
            size: The new shape, or, with an axis, the new size along that
            axis: Which axis to resize
            time: The time of a new row; by default, the model's.

        Raises:
            ValueError: As of :py:meth:`append`; several rows have the same time, too.
        """
        if axis == 0 and (self._attached or self._may_reattach()):
            num_rows = self._num_rows
            new = num_rows + 1
            if size == new and (num_rows < self._room_until or self._make_room()):
                if (self._clock()._time if time is None else time) != self._due:
                    self._label_row(num_rows, time)
                self._num_rows = new
                self._due += self._every
                self._dirty = True
                if not self._attached:  # any more, see _detach()
                    self._follow(new)
                return
        self._resize_file(size, axis, time)

    def _follow(self, num_rows: int) -> None:
        """Has the file follow, for a row that was counted in memory only."""
        with phil:
            super().resize(num_rows, axis=0)
            self._labels.write(h5py.Dataset(self._id), num_rows)

    def _resize_file(self, size: Any, axis: int | None, time: float | None) -> None:
        with phil:
            old = new = self.id.shape[0]
            if not axis:
                new = int(size if axis == 0 else size[0])
            try:
                for number in range(old, min(new, old + 2)):  # two have the same time
                    if time is None:
                        time = self._clock()._time
                    if time != self._due:
                        self._label_row(number, time)
                    self._due += self._every
                if new > self._max_rows and self._may_outgrow:
                    self._outgrow()
                super().resize(size, axis)
            except BaseException:
                new = old
                raise
            finally:
                dset = h5py.Dataset(self._id)
                self._labels.cut(dset, new)
                self._due, self._every = self._labels.due(new), self._labels.step
                if self._labels.is_dirty:
                    self._labels.write(dset, new)

    def _outgrow(self) -> None:
        """Has room for any number of rows."""
        from .growing import without_limit  # few models need it

        file = None if self._root is None else self._root()
        dset = without_limit(
            h5py.Dataset(self._id),
            block_bytes=BLOCK_BYTES if file is None else file.memory_for_series,
        )
        for name in [name for name in vars(self) if hasattr(h5py.Dataset, name)]:
            delattr(self, name)  # what h5py remembers of the old one
        self._take_over(dset, buffered=self._is_buffered)
        self._attached = False  # but for rows that come one after the other
        if file is not None:
            file.find_series_again()

    def _make_room(self) -> bool:
        """Starts a new block, unless the dataset is at its maximum size."""
        if self._num_rows == self._max_rows:
            return False
        with phil:  # another thread may be committing
            if not self._attached:
                return False
            self._write_block()
            self._start += self._block_size
            self._room_until = min(self._start + self._block_size, self._max_rows)
            self._buffer[...] = 0
        return True

    def __setitem__(self, args: Any, value: Any) -> None:
        """Writes values, as :py:class:`h5py.Dataset` does.

        Args:
            args: Where to
            value: The values

        Raises:
            ValueError: If the type of the dataset has no place for them, as for those
                that are too large. Nothing is written then, unlike by h5py. (The
                fraction of a number is cut off for integers, with a warning.)
            TypeError: If they are of a type that it does not hold, likewise
        """
        fits = self._attached and (
            (  # as in append()
                type(value) is _Array
                and value.dtype is self._native_type
                and value.shape == self._row_shape
            )
            or self._fits(value)
        )
        if not fits:
            value = self._values_for(args, value)
            fits = self._attached and self._fits(value)
        if fits and self._is_last_row(args):
            self._buffer[self._num_rows - 1 - self._start] = value
            self._dirty = True
            if self._attached:  # still, see _detach()
                return
        if type(value) is _Array and value.dtype.hasobject and value.ndim == 0:
            value = value[()]  # h5py before 3.16 takes no array around one of these
        super().__setitem__(args, value)

    def _values_for(self, args: Any, value: Any) -> Any:
        """Converts values for what is at an index."""
        parts = args if type(args) is tuple else (args,)
        dtype, fields = self._value_type, [p for p in parts if isinstance(p, str)]
        if fields:
            if len(fields) > 1 or fields[0] not in (dtype.names or ()):
                return value
            dtype = dtype[fields[0]]
        self._note_unit(value)
        return self._converted(value, dtype, on_fraction=self._warn_of_fraction)

    def _is_last_row(self, args: Any) -> bool:
        """Whether an index is the last row, in one of the usual ways."""
        if type(args) is tuple:
            if len(args) == 2:
                args, columns = args
                if columns is not Ellipsis and not (
                    type(columns) is slice
                    and columns.stop is None
                    and columns.start is None
                    and columns.step is None
                    and self._ndim == 2
                ):
                    return False
            elif len(args) == self._ndim and all(map(_is_all, args[1:])):
                args = args[0]
            else:
                return False
        return (
            type(args) is int
            and (args == -1 or args == self._num_rows - 1)
            and self._num_rows > self._start
        )

    def _fits(self, value: Any) -> bool:
        """Whether numpy stores a value just as HDF5 would."""
        if type(value) is np.ndarray:
            return value.shape == self._row_shape and (
                # Nearly always the same object, which is quickly seen
                value.dtype is self._native_type or value.dtype in self._exact_types
            )
        if isinstance(value, np.generic):
            return not self._row_shape and value.dtype in self._exact_types
        if type(value) is int:
            return value in self._exact_ints
        return type(value) in self._scalar_types or (
            # Beyond what a small type holds, it would become infinite.
            type(value) is float and abs(value) <= self._largest_float
        )

    # .. The file .............................................................

    @property
    def id(self) -> Any:
        """The h5py identifier, for everything else that is done to the file."""
        if self._attached:
            self._detach()
        return self._id

    def _detach(self) -> None:
        """Has the file count, not the buffer.

        Another thread may write a row meanwhile, without a lock, which would cost
        more than all else. So what is in memory does not count any more *before* it
        is written to the file; and a row that was written to memory is written to
        the file, too, if memory does not count any more by then.
        """
        with phil:
            if not self._attached:
                return
            self._attached = False
            self._num_unbuffered = 0
            try:
                if self._dirty:
                    self._write_block()
            except BaseException:
                self._attached = True
                raise

    def bring_up_to_date(self) -> None:
        """Writes what is in memory only to the file, and keeps it in memory."""
        with phil:
            if self._attached and self._dirty:
                self._write_block()

    def _write_block(self) -> None:
        """Writes the rows in the buffer, as the chunks of which they are part."""
        self._dirty = False  # before, so that a row that comes meanwhile counts
        try:
            num_rows = self._num_rows
            self._id.set_extent((num_rows, *self._row_shape))
            if num_rows > self._start and 0 not in self._row_shape:
                self._writer.write(self._id, self._start, self._buffer)
            if self._labels.is_dirty:
                self._labels.write(h5py.Dataset(self._id), num_rows)
        except BaseException:
            self._dirty = True
            raise

    @property
    def file(self) -> Any:
        """The file in which this is."""
        file = None if self._root is None else self._root()
        return super().file if file is None else file

    @property
    def is_deleted(self) -> bool:
        """Whether no name in the file leads to this any more."""
        return bool(h5py.h5o.get_info(self._id).rc == 0)

    def let_go(self) -> None:
        """Brings the file up to date, and keeps nothing in memory from now on."""
        self.bring_up_to_date()
        self._is_buffered = self._attached = False
        self._buffer = self._buffer[:0]

    @property
    def num_bytes_in_memory(self) -> int:
        """How much memory the rows take that are not in the file yet [bytes]."""
        return self._buffer.nbytes

    def _may_reattach(self) -> bool:
        """Has the buffer count again, after many rows with nothing between."""
        with phil:
            if self._is_buffered and not self._attached and self._id:
                self._num_unbuffered += 1
                if self._num_unbuffered >= _REATTACH_AFTER:
                    self._reattach()
        return self._attached

    def _reattach(self) -> None:
        """Has the buffer count again, with what is in the file now."""
        shape = self._id.shape
        if shape[1:] != self._row_shape:
            return
        start = shape[0] // self._block_size * self._block_size
        self._buffer[...] = 0
        self._buffer[: shape[0] - start] = super().__getitem__(slice(start, None))
        self._start, self._num_rows = start, shape[0]
        self._have_buffer_count()

    def _have_buffer_count(self) -> None:
        self._room_until = min(self._start + self._block_size, self._max_rows)
        self._dirty = False
        self._attached = True  # last: from now on, another thread may write


def _exact_types(dtype: np.dtype[Any]) -> frozenset[np.dtype[Any]]:
    """The types of which all values are converted to a type without a difference.

    So it is of no importance whether numpy does it or HDF5. (From 64-bit integers to
    floating-point numbers, both round to the nearest one.)
    """
    if dtype.kind not in "iuf":
        return frozenset({dtype})
    types = map(np.dtype, np.typecodes["AllInteger"] + np.typecodes["Float"])
    return frozenset({dtype, *(t for t in types if np.can_cast(t, dtype, "safe"))})


def _scalar_types(dtype: np.dtype[Any]) -> tuple[type, ...]:
    """Those of Python's own types of which a type can hold all values."""
    types = (float, bool, complex)
    return tuple(kind for kind in types if np.can_cast(kind, dtype, "safe"))


def _exact_ints(dtype: np.dtype[Any]) -> range:
    """The integers that a type can hold exactly, as far as they have no gaps."""
    if dtype.kind in "iu":
        return range(int(np.iinfo(dtype).min), int(np.iinfo(dtype).max) + 1)
    if dtype.kind == "f":
        largest = 2 ** (np.finfo(dtype).nmant + 1)
        return range(-largest, largest + 1)
    return range(0)


def _is_all(index: Any) -> bool:
    return (  # comparing two slices takes three times as long
        type(index) is slice
        and index.stop is None
        and index.start is None
        and index.step is None
    )
