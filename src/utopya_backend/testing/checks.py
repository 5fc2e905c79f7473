"""Checks of what is expected of every model."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ..finding import find_model, load_class
from ..interactive import Model, Result, simulate, simulation
from ..io.comparing import compare
from ..io.opening import open_for_reading
from ..io.status import describe_exit
from ..model import StepwiseModel
from ..signal import SIG_STOPCOND
from ..tools import load_cfg_file
from ..universe import make_run_dir, make_universe
from .series import check_beginning, read_series

SCHEDULES = (
    (0, 0, 1),
    (0, 1, 1),
    (7, 0, 1),
    (7, 0, 3),
    (7, 0, 8),
    (7, 3, 2),
    (7, 7, 5),
    (7, 8, 1),
)
"""When data is written: ``num_steps``, ``write_start``, ``write_every``"""

STOP_SIGNALS = (SIG_STOPCOND, signal.SIGTERM, signal.SIGINT)
"""Signals that end a run early: a stop condition, a termination, Ctrl-C"""


def check_same_seed_same_data(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: int | None = None,
    seed: int = 42,
    **root: Any,
) -> None:
    """Checks that all runs with the same seed lead to the same data, bit by bit.

    It runs the model twice in this process; and, if it is given by its path, once more
    in one of its own, in which sets of strings have another order.

    Args:
        model: See :py:func:`.simulate`, as for all arguments
        params: See there
        num_steps: See there
        seed: See there
        **root: See there

    Raises:
        AssertionError: If a dataset or an attribute differs
    """
    __tracebackhide__ = True
    given = {"num_steps": num_steps, "seed": seed, "progress": False, **root}
    first = simulate(model, params, **given)
    second = simulate(model, params, **given)
    if differences := compare(first.path, second.path):
        fail(
            f"Two runs of {first.name} with the seed {seed} differ: does it take "
            "random numbers from elsewhere than self.rng, or keep something from one "
            "run to the next?",
            differences,
        )
    if isinstance(model, type):
        return
    with tempfile.TemporaryDirectory() as tmp:
        other = _run_in_own_process(model, first, tmp)
        if differences := compare(first.path, other):
            fail(
                f"A run of {first.name} in a process of its own differs from one here, "
                f"both with the seed {seed}: does something depend on the order of a "
                "set, the time, the environment, or what was imported?",
                differences,
            )


def check_write_schedule(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    schedules: Iterable[tuple[int, int, int]] = SCHEDULES,
    skip: Collection[str] = (),
    **root: Any,
) -> None:
    """Checks that a model with steps writes at the times at which it is to.

    These are ``range(write_start, num_steps + 1, write_every)``: the labels of all
    datasets with a dimension ``time``, and of graphs that change. Other datasets are
    not looked at.

    Args:
        model: See :py:func:`.simulate`
        params: See there
        schedules: Each a ``num_steps``, ``write_start``, ``write_every``
        skip: Datasets with other times, by their paths in the model's group
        **root: See :py:func:`.simulate`

    Raises:
        AssertionError: If times are missing, or there are others
    """
    __tracebackhide__ = True
    cls = model if isinstance(model, type) else load_class(model)
    if not issubclass(cls, StepwiseModel):
        fail(f"{cls.__name__} has no steps, and so no schedule: it is a BaseModel.")
    for num_steps, write_start, write_every in schedules:
        result = simulate(
            model,
            params,
            num_steps=num_steps,
            progress=False,
            write_start=write_start,
            write_every=write_every,
            **root,
        )
        expected = list(range(write_start, num_steps + 1, write_every))
        found = read_series(result.path, result.name, skip)
        wrong = [
            f"{path}: {'no times' if series.times is None else series.times}"
            for path, series in found.items()
            if series.times != expected
        ]
        if wrong:
            fail(
                f"With num_steps={num_steps}, write_start={write_start}, "
                f"write_every={write_every}, {result.name} has to write at the times "
                f"{expected}, but there are:",
                wrong,
            )
        if not found:
            fail(
                f"{result.name} has no dataset with a dimension 'time' whose times "
                "could be checked: make one by self.create_ts_dset."
            )


def check_survives_stop_signal(
    model: Model,
    params: Mapping[str, Any] | None = None,
    *,
    num_steps: int | None = None,
    seed: int = 42,
    signals: Iterable[int] = STOP_SIGNALS,
    skip: Collection[str] = (),
    **root: Any,
) -> None:
    """Checks that a run that is stopped in the middle ends in an orderly way.

    The model is run in this process, and gets a signal after half of its iterations. It
    has to end with the exit code 128 + signum, 138 for a stop condition; the output
    file, to say so; and all datasets with a dimension ``time``, to be the beginning of
    what an undisturbed run writes, without a row too many or too few.

    Args:
        model: See :py:func:`.simulate`
        params: See there
        num_steps: See there; at least 2
        seed: See there
        signals: Which signals to send, each in a run of its own
        skip: Datasets that need not be the beginning of those of a whole run, by their
            paths in the model's group
        **root: See :py:func:`.simulate`

    Raises:
        AssertionError: If something is not as it has to be
    """
    __tracebackhide__ = True
    given = {"num_steps": num_steps, "seed": seed, "progress": False, **root}
    whole = simulate(model, params, **given)
    if whole.num_iterations < 2:
        fail(
            f"{whole.name} makes {whole.num_iterations} iterations, too few to be "
            "stopped in the middle: give e.g. num_steps=10."
        )
    whole_series = read_series(whole.path, whole.name, skip)
    after = (whole.num_iterations + 1) // 2
    for signum in signals:
        with tempfile.TemporaryDirectory() as tmp:
            end = _run_and_stop(model, params, tmp, given, signum, after)
            problems = [*end.problems(signum)]
            series = read_series(end.path, whole.name, skip)
            for path in sorted({**whole_series, **series}):
                pair = whole_series.get(path), series.get(path)
                if problem := check_beginning(*pair, end.time):
                    problems.append(f"{path}: {problem}")
        if problems:
            name = signal.Signals(signum).name
            fail(
                f"{whole.name} does not survive a {name} in iteration {after} of "
                f"{whole.num_iterations}:",
                problems,
            )


def fail(headline: str, details: Collection[str] = ()) -> NoReturn:
    """Fails with a message of at most a screen.

    Args:
        headline: What is wrong
        details: More about it, each a line

    Raises:
        AssertionError: Always
    """
    __tracebackhide__ = True
    lines = [headline, *(f"  {line}" for line in list(details)[:20])]
    if len(details) > 20:
        lines.append(f"  … and {len(details) - 20} more")
    raise AssertionError("\n".join(lines))


# .. Runs .....................................................................


def _run_in_own_process(model: Any, like: Result, out: str) -> Path:
    """Runs a model as a program, with the configuration of another run."""
    info = find_model(model)
    cfg = load_cfg_file(str(like.path.with_name("config.yml")))
    for key in ("output_path", "output_dir"):
        del cfg[key]
    cfg_file = make_universe(make_run_dir(out, info.name), cfg)
    process = subprocess.run(
        [*info.args, cfg_file],
        env=os.environ | {"PYTHONHASHSEED": "1"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if process.returncode != like.exit_code:
        fail(
            f"{info.name} fails with exit code {process.returncode} in a process of "
            "its own:",
            process.stderr.splitlines()[-20:],
        )
    return cfg_file.with_name("data.h5")


@dataclass
class _End:
    """How a run has ended: its file and exit code, and the time of a StepwiseModel."""

    path: Path
    exit_code: int
    time: int | None

    def problems(self, signum: int) -> Iterable[str]:
        """What is not as it has to be after a signal."""
        expected = 128 + signum
        if self.exit_code != expected:
            yield f"the exit code is {self.exit_code}, not {expected}"
        with open_for_reading(self.path)[0] as file:
            status = file.attrs.get("status")
        if status != describe_exit(expected):
            yield f"its status is {status!r}, not {describe_exit(expected)!r}"


def _run_and_stop(
    model: Model,
    params: Mapping[str, Any] | None,
    out: str,
    given: Mapping[str, Any],
    signum: int,
    after: int,
) -> _End:
    """Runs a model that gets a signal after a number of iterations."""
    with simulation(model, params, out=out, **given) as running:
        has_steps = isinstance(running, StepwiseModel)
        # A model with steps may do several of them in one go; that is tested, too.
        name = "perform_step" if has_steps else "iterate"
        setattr(running, name, _then_raise(getattr(running, name), signum, after))
        exit_code = running.run()
        path = Path(running.root_cfg["output_path"])
        return _End(path, exit_code, running.time if has_steps else None)


def _then_raise(
    iterate: Callable[[], None], signum: int, after: int
) -> Callable[[], None]:
    """A method that sends a signal to this process when it has been called often."""
    count = 0

    def iterate_and_raise() -> None:
        nonlocal count
        iterate()
        count += 1
        if count == after:
            default = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)
            if signal.getsignal(signum) in default:  # which might end this process
                fail(
                    f"Nothing handles {signal.Signals(signum).name}: leave "
                    "ATTACH_SIGNAL_HANDLERS = True, and run the test on the main "
                    "thread."
                )
            signal.raise_signal(signum)

    return iterate_and_raise
