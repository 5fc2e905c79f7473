"""What a model implements, and what it may override."""

import abc
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

_Hook = TypeVar("_Hook", bound=Callable[..., Any])

METHODS_BEFORE_SETUP = (
    "_setup_loggers",
    "_attach_signal_handlers",
    "_setup_rng",
    "_setup_output_file",
    "_setup_output_group",
    "_parse_root_cfg",
    "_invoke_setup",
)
"""What may change the parameters of a model before they get to its setup"""

METHODS_BETWEEN_ITERATIONS = (
    "should_iterate",
    "_pre_iterate",
    "_invoke_iterate",
    "iterate",
    "trigger_monitor",
    "_monitor_should_emit",
    "should_write",
    "_check_signals",
    "show_iteration_info",
    "_post_iterate",
)
"""What is called in each iteration: if a model has a say in it, it really is"""

# Functions, not marks on them: functools.wraps and mocks would copy a mark.
_idle_hooks: set[Any] = set()
_debug_hooks: set[Any] = set()


def does_nothing(hook: _Hook) -> _Hook:
    """Declares the default of a hook to be one that the loop need not call."""
    _idle_hooks.add(hook)
    return hook


def only_debugs(hook: _Hook) -> _Hook:
    """Declares that a hook has no effect unless debug messages are shown."""
    _debug_hooks.add(hook)
    return hook


def has_effect(hook: Callable[..., Any], *, debugging: bool) -> bool:
    """Whether a hook does anything: the default ones do not.

    Args:
        hook: The hook, as an attribute of the model
        debugging: Whether debug messages are shown
    """
    func = getattr(hook, "__func__", None)  # a function set by hand is no method
    return func not in _idle_hooks and (debugging or func not in _debug_hooks)


def is_ours(method: Callable[..., Any]) -> bool:
    """Whether a method is this package's own, rather than a model's."""
    function = getattr(method, "__func__", method)
    # Not its __module__: functools.wraps copies that.
    module = getattr(function, "__globals__", {}).get("__name__", "")
    return str(module).startswith("utopya_backend.")


def are_ours(model: object, names: Iterable[str]) -> bool:
    """Whether nobody but this package has a say in some methods of a model.

    Args:
        model: The model
        names: The names of the methods

    Returns:
        False if a subclass, a mixin, or an attribute of the model itself defines one
    """
    cls = type(model)
    # Not by vars(model): attributes of an object whose __dict__ exists are slower.
    methods = {name: getattr(model, name) for name in names}
    return all(
        getattr(method, "__func__", None) is getattr(cls, name)
        and method.__self__ is model
        for name, method in methods.items()
    ) and all(
        is_ours(vars(base)[name])
        for base in cls.__mro__
        for name in names
        if name in vars(base)
    )


class ModelHooks(abc.ABC):
    """The methods that :py:class:`~utopya_backend.model.base.BaseModel` calls.

    The abstract ones make up a model. The other ones do nothing by default;
    those with a leading underscore are meant for base classes and mixins.
    """

    # .. To be implemented ....................................................

    @abc.abstractmethod
    def setup(self, *args: Any, **kwargs: Any) -> None:
        """Sets up the model.

        Args:
            *args: Not used. Typed like this, any arguments are fine.
            **kwargs: The parameters of the model, as a subclass defines them:
                the entries of its configuration.
        """

    @abc.abstractmethod
    def should_iterate(self) -> bool:
        """Whether :py:meth:`iterate` is to be called (again)."""

    @abc.abstractmethod
    def iterate(self) -> None:
        """Performs one iteration."""

    @abc.abstractmethod
    def should_write(self) -> bool:
        """Whether :py:meth:`write_data` is to be called after an iteration."""

    @abc.abstractmethod
    def write_data(self) -> None:
        """Writes data to the model's group in the output file, ``h5group``."""

    # .. May be overridden ....................................................

    def monitor(self, monitor_info: dict[str, Any]) -> dict[str, Any]:
        """Updates the information that a frontend gets to see.

        It is called at most every ``monitor_emit_interval`` seconds.

        Args:
            monitor_info: What this returned the last time

        Returns:
            The updated information: numbers, strings, booleans, small arrays
            and lists, nested mappings. None and what else YAML cannot
            represent is left out, and lists and arrays of more than 100
            elements.
        """
        return monitor_info

    def compute_progress(self) -> float:
        """The progress of the run, between 0 and 1; it should never fall."""
        return 0.0

    @does_nothing
    def show_iteration_info(self) -> None:
        """Informs about the current iteration."""

    def prolog(self) -> None:
        """Called at the beginning of a run."""

    def epilog(self, *, finished_run: bool) -> None:
        """Called at the end of a run, but not after an exception.

        Args:
            finished_run: Whether the run came to its end, rather than being
                stopped by a signal.
        """

    def _parse_root_cfg(self, **_: Any) -> None:
        """Called before :py:meth:`setup`, with the root configuration."""

    def _setup_finished(self) -> None:
        """Called after :py:meth:`setup`."""

    def _pre_run(self) -> None:
        """Called at the very beginning of a run."""

    def _post_run(self, *, finished_run: bool) -> None:
        """Called at the very end of a run."""

    @does_nothing
    def _pre_iterate(self) -> None:
        """Called at the beginning of a full iteration."""

    @does_nothing
    def _post_iterate(self) -> None:
        """Called at the end of a full iteration, after the data was written."""

    def _pre_monitor(self) -> None:
        """Called before monitoring information is emitted."""

    def _post_monitor(self) -> None:
        """Called after monitoring information was emitted."""

    # .. Wrappers around the above, for what belongs around them ..............

    def _invoke_prolog(self) -> None:
        self.prolog()

    def _invoke_iterate(self) -> None:
        self.iterate()

    def _invoke_write_data(self) -> None:
        self.write_data()

    def _invoke_epilog(self, **kwargs: Any) -> None:
        self.epilog(**kwargs)
