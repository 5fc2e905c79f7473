"""The base class of models that advance in discrete steps."""

import abc
import math
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import h5py

from ..errors import Mistakes, suggest
from ..io.graph import GraphSeries, check_graph, create_graph_group, write_graph
from ..io.grid import GridSeries, check_grid
from ..io.labels import (
    Coordinates,
    check_coords,
    check_dims,
    check_name,
    check_sizes,
    write_labels,
)
from ..io.output import create_series, make_series
from ..io.row_labels import RowLabels
from ..io.timeseries import TimeSeries
from .base import BaseModel
from .config import parse_steps
from .hooks import is_ours, only_debugs
from .pace import STEPS_WITHOUT_A_LOOK, Pace


class StepwiseModel(BaseModel):
    """Base class for models that advance in discrete steps.

    A subclass implements ``setup``, :py:meth:`perform_step` and
    ``write_data``. It makes ``num_steps`` steps, and writes data at the times
    ``range(write_start, num_steps + 1, write_every)``; time 0 is the initial
    state, after ``setup`` and before the first step.
    """

    _time: int
    _num_steps: int
    _write_start: int
    _write_every: int

    def __init__(self, **kwargs: Any) -> None:
        """Sets up the model; see :py:class:`BaseModel`.

        Args:
            **kwargs: Passed on to it
        """
        self.__pace = Pace()
        super().__init__(**kwargs)

    # .. To be implemented by a model .........................................

    @abc.abstractmethod
    def perform_step(self) -> None:
        """Performs one step. Called by :py:meth:`iterate`."""

    # .. How a model iterates and writes ......................................

    def should_iterate(self) -> bool:
        """Whether there are steps left to do."""
        return self._time < self._num_steps

    def iterate(self) -> None:
        """Performs a step and advances the time by one."""
        self.perform_step()
        self._time += 1

    def _invoke_iterate(self) -> None:
        may_run_ahead, self._may_run_ahead = self._may_run_ahead, False
        if not may_run_ahead:
            super()._invoke_iterate()
        elif self._write_every == 1 and self._time >= self._write_start:
            self.perform_step()  # data is written after each one
            self._time += 1
        else:
            self.__iterate_until_due()

    def __iterate_until_due(self) -> None:
        """Does iterations until something else is to be done than the next one.

        That is: data is to be written, the clock to be looked at, or the run to be
        ended. The last one is counted by the run loop.
        """
        clock, pace = self._monotonic_clock, self.__pace
        start = time = self._time
        due = min(start + pace.steps, self.__next_write_time())
        look = min(start + STEPS_WITHOUT_A_LOOK, due)
        begin = clock()
        while True:
            self.perform_step()
            if self._time != time:  # the model has set it
                self._time += 1
                break
            self._time = time = time + 1
            if time >= self._num_steps or self._signal_info["got_signal"]:
                break
            if time >= look:
                if time >= due or pace.is_late(clock() - begin):
                    break
                look = min(time + STEPS_WITHOUT_A_LOOK, due)
            self._n_iterations += 1
        pace.update(steps=max(1, time - start), seconds=clock() - begin)

    def __next_write_time(self) -> int:
        """The time of the next write, which may be after the end of the run."""
        if self._time < self._write_start:
            return self._write_start
        since_write = (self._time - self._write_start) % self._write_every
        return self._time + self._write_every - since_write

    def should_write(self) -> bool:
        """Whether data is to be written at this time."""
        since_start = self._time - self._write_start
        return since_start >= 0 and since_start % self._write_every == 0

    def compute_progress(self) -> float:
        """The share of the steps that is done; 1 if there are none to do."""
        return self._time / self._num_steps if self._num_steps else 1.0

    @only_debugs
    def show_iteration_info(self) -> None:
        """Informs about the current step."""
        self.log.debug("Finished step %d / %d.", self.time, self.num_steps)

    # .. Properties ...........................................................

    @property
    def time(self) -> int:
        """The current time: it begins with 0 and grows by 1 with each step."""
        return self._time

    @property
    def num_steps(self) -> int:
        """The number of steps of the run."""
        return self._num_steps

    @property
    def write_start(self) -> int:
        """The time at which data is written for the first time."""
        return self._write_start

    @property
    def write_every(self) -> int:
        """How many steps lie between two writes."""
        return self._write_every

    @property
    def _write_start_stop_step(self) -> tuple[int, int, int]:
        """The times of the writes, as arguments for a range."""
        return (self._write_start, self._num_steps + 1, self._write_every)

    # .. Additions to the base class ..........................................

    def _check_before_setup(self, mistakes: Mistakes) -> None:
        if is_ours(self._parse_root_cfg):
            parse_steps(self.root_cfg, mistakes)
        super()._check_before_setup(mistakes)

    def _parse_root_cfg(self, **root_cfg: Any) -> None:
        """Takes the number of steps and the times of writing.

        Args:
            **root_cfg: ``num_steps``, ``write_start`` (default: 0),
                ``write_every`` (default: 1); whatever else is ignored.
        """
        self._time = 0
        self._num_steps, self._write_start, self._write_every = parse_steps(root_cfg)
        times = range(*self._write_start_stop_step)
        self.log.info("  Steps:   %d", self.num_steps)
        self.log.info("  Writes:  %d, at %s", len(times), times)
        if not times:
            self.log.warning(
                "No data will be written: write_start is %d, the last step %d.",
                self.write_start,
                self.num_steps,
            )

    def _setup_finished(self) -> None:
        """Writes the initial state."""
        if self.write_start <= 0:
            self._invoke_write_data()
            self._iteration_of_last_write = 0
        super()._setup_finished()

    def _invoke_epilog(self, **kwargs: Any) -> None:
        if not kwargs["finished_run"]:
            self.log.info("Last step was: %d / %d.", self.time, self.num_steps)
        super()._invoke_epilog(**kwargs)

    # .. Data .................................................................

    def create_ts_dset(
        self,
        name: str,
        *,
        extra_dims: Sequence[str] = (),
        sizes: Mapping[str, int | None] = {},  # never changed
        coords: Mapping[str, Coordinates] = {},  # likewise
        compression: Any = 2,
        **dset_kwargs: Any,
    ) -> TimeSeries:
        """Creates a labelled dataset for a time series.

        Its first dimension is the ``time``, of size 0 at first, to be grown
        with each write::

            ds.append(row)

        or, the same in the way of h5py::

            ds.resize(ds.shape[0] + 1, axis=0)
            ds[-1, ...] = row

        Each row has the time at which it is appended.

        Args:
            name: Name of the dataset
            extra_dims: Names of the dimensions that follow the time
            sizes: Their sizes. One that is missing or None is not limited: it
                is 0 at first, and set by ``ds.resize(size, axis=...)``.
            coords: The coordinates of the extra dimensions: either a sequence
                of numbers or strings; or a mapping with the ``mode`` and the
                ``coords``, as described in
                ``dantro.utils.coords.extract_coords``.
            compression: Level of the gzip compression, 0 to 9; or what else
                :py:meth:`h5py.Group.create_dataset` takes.
            **dset_kwargs: Passed on to it. The default of ``dtype`` is
                float64.

        Raises:
            TypeError: If ``extra_dims`` is no sequence of strings
            ValueError: If a dimension has the name of another one; on
                coordinates of a dimension that there is not; or if their
                number is not the size of the dimension.

        Example:
            A dataset of shape ``[time, age]``::

                self.create_ts_dset(
                    "counts",
                    extra_dims=["age"],
                    sizes={"age": 3},
                    coords={"age": ["child", "adult", "senior"]},
                )
        """
        for key in dset_kwargs:
            if hint := suggest(key, ("extra_dims", "sizes", "coords"), cutoff=0.75):
                raise TypeError(f"create_ts_dset() has no argument '{key}'.{hint}")
        extra_dims = check_dims(extra_dims)
        check_dims(["time", *extra_dims])
        series: TimeSeries = self._create_series(
            TimeSeries,
            name,
            extra_dims=extra_dims,
            sizes=sizes,
            coords=coords,
            attrs={},
            compression=compression,
            **dset_kwargs,
        )
        return series

    def _create_series(
        self,
        cls: type[TimeSeries],
        name: str,
        *,
        extra_dims: Sequence[str],
        sizes: Mapping[str, int | None],
        coords: Mapping[str, Coordinates],
        attrs: Mapping[str, Any],
        **dset_kwargs: Any,
    ) -> Any:
        check_name(self.h5group, name)
        known = sizes if isinstance(sizes, Mapping) else {}
        all_sizes = {dim: known.get(dim) for dim in extra_dims}
        check_sizes(sizes, all_sizes)
        coords = check_coords(coords, all_sizes)
        times = self._times_of_coming_writes()
        all_times = range(*self._write_start_stop_step)
        dset = create_series(
            self.h5group,
            name,
            # What is made after the last write can still be written to.
            num_rows=len(times) if times or not all_times else None,
            row_shape=tuple(all_sizes.values()),
            **{"dtype": "float64", **dset_kwargs},
        )
        dset.attrs.update(attrs)
        write_labels(dset, ["time", *extra_dims], coords)
        series = make_series(dset, self.h5group, cls)
        series.label_rows(
            RowLabels("time", start=times.start, step=times.step),
            weakref.ref(self),  # the model has the series, and is deleted as one
            may_outgrow="maxshape" not in dset_kwargs,
        )
        return series

    def create_grid_dset(
        self,
        name: str,
        *,
        grid_shape: Sequence[int],
        dtype: Any = "float64",
        space_extent: Sequence[float] | None = None,
        grid_structure: str = "square",
        compression: Any = 2,
        **dset_kwargs: Any,
    ) -> GridSeries:
        """Creates a dataset for a time series of grids.

        It is written by ``append(grid)``, and evaluated by the frontend as an
        array with the dimensions ``time``, ``x``, ``y`` (and ``z``).

        Args:
            name: Name of the dataset
            grid_shape: The shape of a grid, two or three numbers of cells
            dtype: The data type of its cells
            space_extent: The physical size of the grid along each axis; by
                default, the frontend's is used.
            grid_structure: ``square`` or ``hexagonal``
            compression: See :py:meth:`create_ts_dset`
            **dset_kwargs: See :py:meth:`create_ts_dset`

        Raises:
            ValueError: If the description of the grid is not valid

        Example:
            A grid of 512 times 512 cells::

                self.dset = self.create_grid_dset(
                    "state", grid_shape=(512, 512), dtype="uint8"
                )
                ...
                self.dset.append(self.state)  # array[x, y]
        """
        check_grid(grid_shape, space_extent, grid_structure)
        num_cells = math.prod(grid_shape)
        dset: GridSeries = self._create_series(
            GridSeries,
            name,
            extra_dims=("cell_ids",),
            sizes={"cell_ids": num_cells},
            coords={"cell_ids": {"mode": "trivial"}},
            attrs={
                "content": "grid",
                "grid_shape": list(grid_shape),
                "index_order": "C",
                "grid_structure": grid_structure,
                **(
                    {} if space_extent is None else {"space_extent": list(space_extent)}
                ),
            },
            compression=compression,
            dtype=dtype,
            **dset_kwargs,
        )
        dset.grid_shape = tuple(grid_shape)
        return dset

    def create_graph(
        self,
        name: str,
        vertices: Any,
        edges: Any,
        *,
        directed: bool = False,
        parallel_edges: bool = False,
    ) -> h5py.Group:
        """Writes a graph that does not change.

        Its properties are written as datasets in its group, with the dimension
        ``vertex_idx`` or ``edge_idx``; see the example.

        Args:
            name: Name of the group
            vertices: The numbers of the vertices: array[vertex_idx]
            edges: Two vertices for each edge: array[edge_idx, 2]
            directed: Whether edges have a direction
            parallel_edges: Whether there may be several edges between two
                vertices

        Returns:
            The group

        Raises:
            ValueError: If shapes do not fit, a vertex is there twice, or an edge
                leads to one that is not there.
            TypeError: If the vertices or edges are no integers

        Example:
            A triangle, and a property of its vertices that changes::

                self.create_graph(
                    "network", vertices=range(3), edges=[(0, 1), (1, 2), (2, 0)]
                )
                self.opinion = self.create_ts_dset(
                    "network/opinion",
                    extra_dims=["vertex_idx"],
                    sizes={"vertex_idx": 3},
                )
        """
        check_name(self.h5group, name)
        check_graph(vertices, edges)  # before anything is made
        group = create_graph_group(
            self.h5group, name, directed=directed, parallel_edges=parallel_edges
        )
        write_graph(group, vertices, edges)
        return group

    def create_graph_series(
        self, name: str, *, directed: bool = False, parallel_edges: bool = False
    ) -> GraphSeries:
        """Creates a group for a graph that changes with time.

        Append the graph with each write. Its time is that at which it is appended.

        Args:
            name: Name of the group
            directed: Whether edges have a direction
            parallel_edges: Whether there may be several edges between two
                vertices

        Example:
            With a property of the edges::

                self.network = self.create_graph_series("network", directed=True)
                ...
                self.network.append(
                    vertices=range(3),
                    edges=[(0, 1), (1, 2)],
                    edge_properties={"weight": [0.5, 1.5]},
                )
        """
        check_name(self.h5group, name)
        group = create_graph_group(
            self.h5group, name, directed=directed, parallel_edges=parallel_edges
        )
        return GraphSeries(group, weakref.ref(self))

    def _times_of_coming_writes(self) -> range:
        start, stop, step = self._write_start_stop_step
        was_written = self._iteration_of_last_write == self._n_iterations
        now = math.ceil(self._time + was_written)  # a model may have set it to 0.5
        if now > start:
            start += -(-(now - start) // step) * step  # the next one of the schedule
        return range(start, stop, step)
