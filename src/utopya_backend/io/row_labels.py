"""Labels of rows: records of when each of them came.

A model may write when it likes, so nobody knows the times of its rows beforehand. As
long as they are evenly spaced integers, two numbers in an attribute say all; see
:py:mod:`~utopya_backend.io.labels`. Other times are all written: to an attribute, or if
they are too many, to a dataset beside, which grows with the rows.
"""

import math
import numbers
from typing import Any, NoReturn

import h5py
import numpy as np

from .labels import MAX_ATTRIBUTE_BYTES, write_coords


class _Stopped:
    """A clock that always gives the same time, in the place of a model."""

    def __init__(self, time: int | None) -> None:
        self._time = time

    def __call__(self) -> Any:
        return self


no_times = _Stopped(0)
"""The clock of rows that have no times: it is always what is due"""

times_to_be_given = _Stopped(None)
"""That of rows whose times have to be given with them"""


class NoLabels:
    """Rows that have no labels, or none that are anybody's business here."""

    is_dirty = False
    step = 0

    def due(self, num_rows: int) -> float:
        """The time of the next row.

        Args:
            num_rows: How many rows there are
        """
        return 0

    def put(self, dset: h5py.Dataset, num_rows: int, time: Any) -> None:
        """Notes the time of the next row.

        Args:
            dset: The dataset
            num_rows: How many rows there are
            time: The time

        Raises:
            ValueError: If this is not possible
        """
        raise ValueError(
            f"The rows of '{dset.name}' have no times: append them without one."
        )

    def cut(self, dset: h5py.Dataset, num_rows: int) -> None:
        """Forgets the times of the last rows.

        Args:
            dset: The dataset
            num_rows: How many rows are left
        """

    def write(self, dset: h5py.Dataset, num_rows: int) -> None:
        """Writes the times to the file.

        Args:
            dset: The dataset
            num_rows: How many rows there are
        """


class RowLabels(NoLabels):
    """The times of rows that come one after the other.

    Attributes:
        is_dirty: Whether the file lacks something
        step: The time between two rows, 0 if they are not evenly spaced
    """

    step: int

    def __init__(
        self, dim: str, *, start: int, step: int, are_unique: bool = True
    ) -> None:
        """Begins without rows.

        Args:
            dim: The name of the dimension that grows
            start: The time of the first row, as it is expected
            step: Likewise, the time between two rows
            are_unique: Whether a second row for one time is refused
        """
        self._dim = dim
        self._are_unique = are_unique
        self._usual_step = step
        self._written: tuple[str, Any] | None = None
        self._is_foreign = False
        self._linked: h5py.Dataset | None = None
        self._begin(start)

    def _begin(self, start: int) -> None:
        self._start, self.step = start, self._usual_step
        self._num_linked = 0
        # Those that are in no linked dataset: first evenly spaced ones, then others
        self._head, self._tail = range(0), list[float]()
        self._latest = -math.inf
        self._seen: set[float] | None = None
        self.is_dirty = True

    @property
    def _is_even(self) -> bool:
        return not self._tail and self._linked is None

    def due(self, num_rows: int) -> float:
        """The time that the next row has if it needs no word; else NaN.

        Args:
            num_rows: How many rows there are
        """
        return self._start + num_rows * self.step if self._is_even else math.nan

    # .. Rows come and go .....................................................

    def put(self, dset: h5py.Dataset, num_rows: int, time: Any) -> None:
        """Notes the time of the next row.

        Args:
            dset: The dataset
            num_rows: How many rows there are
            time: The time

        Raises:
            TypeError: If the time is no finite number
            ValueError: If there is a row for that time, and it has to be unique
        """
        if self._is_foreign or time == self.due(num_rows):
            return
        time = as_time(dset, time)
        if self._are_unique and self._has(num_rows, time):
            if self._is_ours(dset):
                refuse_second_row(dset, self._dim, time)
            return
        self.is_dirty = True
        if self._is_even:
            if num_rows == 0 and isinstance(time, int):
                self._start, self.step = time, self._usual_step
                return
            if num_rows == 1 and isinstance(time, int) and time != self._start:
                self.step = time - self._start
                return
            self._head = range(self._start, int(self.due(num_rows)), self.step)
            if self._head:
                self._latest = max(self._head[0], self._head[-1])
            self.step = 0
        self._tail.append(time)
        self._latest = max(self._latest, time)
        if self._seen is not None:
            self._seen.add(time)

    def _has(self, num_rows: int, time: float) -> bool:
        if self._is_even:
            times = range(self._start, int(self.due(num_rows)), self.step)
            return isinstance(time, int) and time in times
        if time > self._latest:  # as nearly always
            return False
        if self._seen is None:
            self._seen = set(self._all().tolist())
        return time in self._seen

    def cut(self, dset: h5py.Dataset, num_rows: int) -> None:
        """Forgets the times of the last rows.

        Args:
            dset: The dataset
            num_rows: How many rows are left
        """
        if self._is_even:
            if num_rows < 2 and self.step != self._usual_step:
                self.step, self.is_dirty = self._usual_step, True
            return
        if num_rows >= self._num_linked + len(self._head) + len(self._tail):
            return
        times = self._all().tolist()
        self._unlink(dset)
        self._begin(self._start)
        for number, time in enumerate(times[:num_rows]):
            self.put(dset, number, time)

    def _all(self) -> np.ndarray[Any, Any]:
        linked = [] if self._linked is None else [self._linked[: self._num_linked]]
        return np.concatenate([*linked, self._unlinked()])

    def _unlinked(self) -> np.ndarray[Any, Any]:
        head = np.arange(self._head.start, self._head.stop, self._head.step)
        return np.concatenate([head, self._tail]) if self._tail else head

    # .. The file .............................................................

    def write(self, dset: h5py.Dataset, num_rows: int) -> None:
        """Writes the times to the file.

        Whoever has written other labels meanwhile is right: theirs stay.

        Args:
            dset: The dataset
            num_rows: How many rows there are; some more may have been announced.
        """
        self.is_dirty = False
        if not self._is_ours(dset):
            return
        if self._is_even:
            self._write(dset, "start_and_step", np.array([self._start, self.step]))
            return
        times = self._unlinked()[: num_rows - self._num_linked]
        if self._linked is None and times.nbytes <= MAX_ATTRIBUTE_BYTES:
            self._write(dset, "values", times)
        elif dset.name is None:  # it has been deleted, maybe for a while
            self.is_dirty = True
            return
        else:
            self._link(dset, times)
        self.is_dirty = self._num_linked + len(self._head) + len(self._tail) > num_rows

    def _is_ours(self, dset: h5py.Dataset) -> bool:
        """Whether the labels in the file are those that were written last."""
        if self._written is not None:
            mode, args = self._written
            attrs = dset.attrs
            self._is_foreign = attrs.get(
                f"coords_mode__{self._dim}"
            ) != mode or not np.array_equal(attrs.get(f"coords__{self._dim}"), args)
        return not self._is_foreign

    def _write(self, dset: h5py.Dataset, mode: str, args: Any) -> None:
        write_coords(dset, self._dim, mode=mode, args=args)
        self._written = mode, args

    def _link(self, dset: h5py.Dataset, times: np.ndarray[Any, Any]) -> None:
        """Appends times to the linked dataset, which holds all before."""
        linked = self._linked
        if linked is not None and times.dtype.kind == "f" != linked.dtype.kind:
            times = np.concatenate([linked[: self._num_linked], times])
            self._unlink(dset)
            linked = None
        if linked is None:
            linked = self._create_linked(dset, times.dtype)
            self._write(dset, "linked", linked.name.rpartition("/")[2])
        linked.resize(self._num_linked + len(times), axis=0)
        linked[self._num_linked :] = times
        self._linked = linked
        self._num_linked += len(times)
        rest = len(self._head) + len(self._tail) - len(times)
        self._head, self._tail = range(0), self._tail[len(self._tail) - rest :]

    def _create_linked(self, dset: h5py.Dataset, dtype: np.dtype[Any]) -> h5py.Dataset:
        name = f"{dset.name.rpartition('/')[2]}__coords__{self._dim}"
        while name in dset.parent:  # it is the model's, and not ours to replace
            name += "_"
        linked = dset.parent.create_dataset(
            name, (0,), dtype, maxshape=(None,), chunks=(4096,), compression=2
        )
        linked.attrs["dim_names"] = [self._dim]
        return linked

    def _unlink(self, dset: h5py.Dataset) -> None:
        if self._linked is not None and self._linked.name is not None:
            del dset.parent[self._linked.name]
        self._linked, self._num_linked = None, 0


def as_time(item: h5py.Dataset | h5py.Group, time: Any) -> float:
    """A time as a plain number: an integer, if it is a whole one.

    Args:
        item: What is to have it
        time: The time

    Raises:
        TypeError: If it is none
    """
    if isinstance(time, numbers.Integral) and abs(int(time)) < 2**63:
        return int(time)
    is_real = isinstance(time, numbers.Real) and not isinstance(time, numbers.Integral)
    if is_real and math.isfinite(time):
        number = float(time)
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    raise TypeError(
        f"The time of a row of '{item.name}' has to be a finite number, but is "
        f"{time!r}: give it by append(…, time=…)."
    )


def refuse_second_row(
    item: h5py.Dataset | h5py.Group, dim: str, time: float
) -> NoReturn:
    """Says that there is a row for a time already.

    Args:
        item: Where
        dim: What it is a time of
        time: The time

    Raises:
        ValueError: That
    """
    raise ValueError(
        f"'{item.name}' has a row for {dim} {time} already. Append one row for each "
        "time: in an epilog, only if should_write() is false. For several rows at one "
        "time, give each its own by append(…, time=…), or give the dataset a further "
        "dimension."
    )
