"""What a model has: configuration, logger, random numbers, output."""

from __future__ import annotations  # numpy.random is imported on first use

import copy
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import h5py

from ..errors import Mistakes
from ..handover import handed_over
from ..io.output import create_output_file
from ..logging import backend_logger, get_level
from ..signal import SIGNAL_INFO, SignalInfo, attach_signal_handlers, describe_signal
from ..tools import load_with_constraints
from .config import check_output_path
from .hooks import METHODS_BEFORE_SETUP, ModelHooks, is_ours
from .parameters import check_parameters
from .rng import make_rng

if TYPE_CHECKING:
    import numpy as np

    from ..constraints import Constraint, Path


class ModelParts(ModelHooks):
    """The parts of a model, and the methods that make them.

    A model may override such a method to have a part made in another way.
    """

    _monotonic_clock: Callable[[], float] = staticmethod(time.monotonic)
    _rng: np.random.Generator

    def __init__(self, *, log: logging.Logger) -> None:
        """Begins with empty parts.

        Args:
            log: Where to log until the model has a logger of its own
        """
        self._root_cfg: dict[str, Any] = {}
        self._name = ""
        self._cfg: dict[str, Any] = {}
        self._log = log
        self._h5file: Any = None
        self._h5group: Any = None
        self._signal_info: SignalInfo = SIGNAL_INFO
        self.__constraints: Mapping[Path, Constraint] = {}

    @property
    def name(self) -> str:
        """The name of this model instance, ``root_model_name``."""
        return self._name

    @property
    def log(self) -> logging.Logger:
        """The model's logger."""
        return self._log

    @property
    def rng(self) -> np.random.Generator:
        """The shared random number generator."""
        return self._rng

    @property
    def h5group(self) -> h5py.Group:
        """The HDF5 group this model should write to."""
        return self._h5group

    @property
    def root_cfg(self) -> dict[str, Any]:
        """The configuration of the whole universe, with all defaults."""
        return self._root_cfg

    @property
    def cfg(self) -> dict[str, Any]:
        """The configuration of the model, ``root_cfg[name]``."""
        return self._cfg

    # .. How they are made ....................................................

    def _get_root_cfg(
        self, cfg_file_path: str, *, _log: logging.Logger
    ) -> dict[str, Any]:
        """Loads the configuration of the universe."""
        _log.info("Loading configuration file ...\n  %s", cfg_file_path)
        if (handover := handed_over(cfg_file_path)) is not None:
            return copy.deepcopy(dict(handover.cfg))  # it was checked by then
        cfg: dict[str, Any]
        cfg, self.__constraints = load_with_constraints(cfg_file_path)
        return cfg

    def _check_constraints(self, mistakes: Mistakes) -> None:
        """Checks what the configuration file itself demands of its values.

        Args:
            mistakes: Where to note what is wrong
        """
        if self.__constraints:
            from ..constraints import check_constraints  # few files have any

            check_constraints(self.root_cfg, self.__constraints, mistakes)

    def _setup_loggers(self, _log: logging.Logger) -> None:
        """Sets up the model's logger, and the levels of it and the backend's.

        Args:
            _log: The logger of which the model's is made a child
        """
        levels = self.root_cfg["log_levels"]
        self._log = _log.getChild(self.name)
        self._log.setLevel(get_level(levels["model"]))
        backend_logger.setLevel(get_level(levels["backend"]))

    def _setup_rng(
        self,
        *,
        seed: int,
        seed_numpy_rng: bool | int | None = None,
        seed_system_rng: bool | int | None = None,
        **rng_kwargs: Any,
    ) -> np.random.Generator:
        """Sets up the random number generators, by :py:func:`.make_rng`."""
        self.log.info("Creating the random number generator (seed: %s) ...", seed)
        return make_rng(
            seed,
            seed_numpy_rng=seed_numpy_rng,
            seed_system_rng=seed_system_rng,
            **rng_kwargs,
        )

    def _setup_output_file(self) -> h5py.File:
        """Creates the output file, which must not exist.

        A model that writes its output in another way can override this and
        :py:meth:`_setup_output_group`.
        """
        path = check_output_path(self.root_cfg)
        self.log.info("Creating HDF5 output file at:\n  %s", path)
        options = self.root_cfg.get("output") or {}
        return create_output_file(path, clock=self._monotonic_clock, **options)

    def _setup_output_group(self, h5file: h5py.File | None = None) -> h5py.Group:
        """Creates the group that this model's output is written to.

        Args:
            h5file: Where to create it; by default, in the output file
        """
        return (self._h5file if h5file is None else h5file).create_group(self.name)

    # .. Signals ..............................................................

    def _attach_signal_handlers(self) -> None:
        """Attaches the handlers for stop conditions and interrupts."""
        attach_signal_handlers()

    def _check_signals(self) -> int | None:
        """Whether a signal says that the run is to stop.

        Returns:
            The exit code that the frontend expects, 128 + signum; or None.
        """
        if not self._signal_info["got_signal"]:
            return None
        signum = abs(self._signal_info["signum"] or 0)
        self.log.warning(describe_signal(signum))
        return 128 + signum

    # .. Parts of the set-up ..................................................

    def _check_before_setup(self, mistakes: Mistakes) -> None:
        """Checks, before anything is made, all that can be known by then.

        What a model's own methods use or change is up to them.

        Args:
            mistakes: Where to note what is wrong
        """
        if is_ours(self._setup_output_file):
            with mistakes:
                check_output_path(self.root_cfg)
        if all(is_ours(getattr(self, name)) for name in METHODS_BEFORE_SETUP):
            with mistakes:
                self.__checked_parameters()

    def __checked_parameters(self) -> dict[str, Any]:
        return check_parameters(
            self.setup,
            self._parameters_of_setup(),
            section=self.name,
            elsewhere=self.root_cfg,
        )

    def _parameters_of_setup(self) -> dict[str, Any]:
        """The arguments of ``setup``: the model's configuration."""
        return dict(self.cfg)

    def _invoke_setup(self) -> None:
        self.log.info("Invoking model setup ...")
        self.setup(**self.__checked_parameters())
        self.log.info("Model setup finished.\n")
        self._setup_finished()
