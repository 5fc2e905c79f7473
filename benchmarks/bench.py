"""Measures what this package costs, beside the published one, and writes RESULTS.md.

Everything is measured in turn, in one run, as the machine may be a noisy one; figures
are medians, and ratios those of pairs. What is measured checks its own results.

Usage: python benchmarks/bench.py PYTHON_WITH_THE_PUBLISHED_PACKAGE [--quick]
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROWS = {1: 100_000, 100: 20_000, 1000: 10_000, 10_000: 1000}
QUICK = "--quick" in sys.argv
PAIRS = 3 if QUICK else 9


@dataclass
class Result:
    """A line of the table."""

    what: str
    published: str
    ours: str
    goal: str
    reached: bool
    factor: float
    """How many times less it costs than with the published package"""


def median(values: list[float]) -> float:
    """The median, in short."""
    return statistics.median(values)


def spread(values: list[float], digits: int = 2) -> str:
    """The median and the range of some values."""
    low, high = min(values), max(values)
    return f"{median(values):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def case(python: str, *args: object) -> Any:
    """Runs a case of `measured.py`."""
    return output_of([python, str(HERE / "measured.py"), *map(str, args)])


def output_of(args: list[str]) -> Any:
    """Runs a program; returns what it says it has measured."""
    process = subprocess.run(args, capture_output=True, text=True)
    if process.returncode != 0:
        raise RuntimeError(f"{args} failed:\n{process.stderr}")
    (line,) = (x for x in process.stdout.splitlines() if x.startswith("RESULT"))
    return json.loads(line.removeprefix("RESULT"))


def cpu_of(args: list[str]) -> float:
    """The CPU time of a process [s]."""
    pid = os.posix_spawn(
        args[0],
        args,
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ],
    )
    _, status, usage = os.wait4(pid, 0)
    assert status == 0, args
    return usage.ru_utime + usage.ru_stime


def start_up(pythons: list[str]) -> list[Result]:
    """Importing the package, and one universe as a whole process."""
    with tempfile.TemporaryDirectory() as tmp:
        bare_universe = (
            "import numpy, h5py, itertools, sys\n"
            f"with h5py.File('{tmp}/' + sys.argv[1], 'w') as file:\n"
            "    file.create_dataset('x', data=numpy.arange(101.0))"
        )
        numbers = iter(range(10**6))
        programs: dict[str, tuple[Callable[[], list[str]], Callable[[], list[str]]]] = {
            "import": (
                lambda: ["-c", "import utopya_backend"],
                lambda: ["-c", "import numpy, h5py"],
            ),
            "universe": (
                lambda: [str(HERE / "measured.py"), "universe"],
                lambda: ["-c", bare_universe, str(next(numbers))],
            ),
        }
        ratios: dict[str, list[list[float]]] = {}
        for name, (program, bare) in programs.items():
            ratios[name] = [[], []]
            for number in range(2 * PAIRS + 1):
                for which, python in enumerate(pythons):
                    base = cpu_of([python, *bare()])
                    ratio = cpu_of([python, *program()]) / base
                    if number > 0:  # the first one compiles
                        ratios[name][which].append(ratio)
    return [
        Result(
            what,
            f"{spread(theirs)} ×",
            f"{spread(ours)} ×",
            f"≤ {goal} ×",
            median(ours) <= goal,
            median(theirs) / median(ours),
        )
        for what, (theirs, ours), goal in (
            ("`import`, CPU, beside `import numpy, h5py`", ratios["import"], 1.15),
            (
                "a process with a universe of 100 steps, CPU, beside one that imports "
                "numpy and h5py and writes a file",
                ratios["universe"],
                1.4,
            ),
        )
    ]


def steps(pythons: list[str]) -> list[Result]:
    """A step of an empty model, as a multiple of loops written by hand."""
    number = 20_000 if QUICK else 200_000
    theirs, ours = (case(python, "step", PAIRS, number) for python in pythons)

    def ratios(times: dict[str, list[float]], name: str, base: str) -> list[float]:
        return [a / b for a, b in zip(times[name], times[base], strict=True)]

    results = []
    for what, name, base, goal in (
        ("a step", "plain", "bare", 2.0),
        ("a step with the mixin", "mixin", "bare", 4.5),
        ("a step with the mixin, beside a loop with 4 clocks", "mixin", "clocked", 1.3),
        ("a step with the mixin, `enabled: false`", "off", "bare", 2.2),
    ):
        pair = [ratios(times, name, base) for times in (theirs, ours)]
        nanoseconds = [1e9 * median(times[name]) for times in (theirs, ours)]
        results.append(
            Result(
                what,
                f"{spread(pair[0], 1)} ×, {nanoseconds[0]:.0f} ns",
                f"{spread(pair[1])} ×, {nanoseconds[1]:.0f} ns",
                f"≤ {goal} ×",
                median(pair[1]) <= goal,
                median(pair[0]) / median(pair[1]),
            )
        )
    return results


def rows(pythons: list[str]) -> list[Result]:
    """Written rows, closing and fsync included; and those of a model with timers."""
    results = []
    for (width, number), goal in zip(ROWS.items(), (50, 30, 15, 10), strict=True):
        number //= 10 if QUICK else 1
        args = [str(HERE / "rows.py"), str(width), str(number)]
        runs = [[output_of([python, *args]) for python in pythons] for _ in range(5)]
        pairs = [[run[0] / number for run in pair] for pair in runs]
        line = faster(f"a written row of {width:,}", pairs, goal)
        bulk = median([ours[0] / ours[1] for _, ours in runs])
        size = median([ours[2] / theirs[2] for theirs, ours in runs])
        beside_bulk = f" {bulk:.2f} of a bulk write," if width > 1 else ""
        line.ours += f";{beside_bulk} {size:.2f} of the size"
        results.append(line)
    numbers = [500, 5000] if QUICK else [2000, 50_000]
    pairs = [
        [case(*args, 1, 0) for args in zip(pythons, ["rows"] * 2, numbers, strict=True)]
        for _ in range(5)
    ]
    results.append(faster("a step that writes a row of 1, with the mixin", pairs, 40))
    return results


def faster(what: str, pairs: list[list[float]], goal: float) -> Result:
    """A line for something that is to be so many times as fast."""
    theirs, ours = (1e6 * median(list(times)) for times in zip(*pairs, strict=True))
    factors = [a / b for a, b in pairs]
    return Result(
        what,
        f"{theirs:.0f} µs",
        f"{ours:.1f} µs",
        f"≥ {goal:.0f} × as fast: {spread(factors, 1)}",
        median(factors) >= goal,
        median(factors),
    )


def growth(python: str) -> list[str]:
    """What does not grow, or no more than it has to; of this package alone."""
    number = 10**5 if QUICK else 10**7
    long = case(python, "long", number)
    parts = long["steps"][1:]  # the first one has the set-up
    lines = [
        f"- Over {number:,} steps, a step costs {1e9 * parts[0]:.0f} ns in the second "
        f"tenth and {1e9 * parts[-1]:.0f} ns in the last one; the process takes "
        f"{long['memory'][0]:.1f} MB of memory after the first tenth and "
        f"{long['memory'][-1]:.1f} MB at the end.",
    ]
    for what, counts, args in (
        ("dataset", (1, 10, 100), lambda n: ("rows", 10_000 // n * 10, n, -1)),
        ("timer", (10, 100, 1000, 10_000), lambda n: ("rows", 200_000 // n, 1, n)),
    ):
        costs = [
            f"{count:,}: {1e6 * case(python, *args(count)) / count:.2f} µs"
            for count in counts
        ]
        lines.append(f"- A step that writes, per {what}, with {', '.join(costs)}.")
    return lines


def write_results(results: list[Result], lines: list[str], published: str) -> None:
    """Writes the table, and what it was measured with."""
    environment = (
        f"Python {platform.python_version()}, numpy {version('numpy')}, "
        f"h5py {version('h5py')}, {os.cpu_count()} cores, {platform.machine()}"
    )
    table = "\n".join(
        f"| {r.what} | {r.published} | {r.ours} | {r.goal} | "
        f"{'yes' if r.reached else '**no**'} |"
        for r in results
    )
    (HERE / "RESULTS.md").write_text(
        f"""# What it costs

Written by `make bench`: everything in turn, in one run; medians, and the range in
brackets. {environment}; published package: utopya {published}.

A *step* is one of an empty model that writes nothing, and × says how much more it
costs than `while m.t < n: m.step(); m.t += 1` with a method that does nothing. Rows are
written as `resize` and `[-1, ...] = row`; their times include closing the file and,
here, that the data is really on the disk.

| | published package | this package | goal | reached |
|---|---|---|---|---|
{table}

What does not grow:

{chr(10).join(lines)}

![How many times less it costs](results.png)
""",
        encoding="utf-8",
    )


def draw(results: list[Result]) -> None:
    """Draws how many times less it costs than with the published package."""
    import matplotlib as mpl

    mpl.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 0.5 * len(results) + 1), layout="tight")
    names = [result.what.replace("`", "").split(", CPU")[0] for result in results]
    bars = axes.barh(names, [result.factor for result in results], color="#2f7d32")
    axes.bar_label(bars, [f"{result.factor:.3g} ×" for result in results], padding=3)
    axes.invert_yaxis()
    axes.set_xscale("log")
    axes.set_xlabel("how many times less it costs than with the published package")
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.15)
    figure.savefig(HERE / "results.png", dpi=100)


def main(published: str) -> int:
    """Measures everything; returns how many goals were not reached."""
    for name in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE"):
        os.environ.pop(name, None)
    pythons = [str(Path(published).absolute()), sys.executable]
    get_version = "from importlib.metadata import version as v; print(v('utopya'))"
    utopya = subprocess.check_output([published, "-c", get_version], text=True).strip()
    results = []
    for measure in (start_up, steps, rows):
        for result in measure(pythons):
            print(f"{result.what}: {result.published} | {result.ours} | {result.goal}")
            results.append(result)
    lines = growth(sys.executable)
    print(*lines, sep="\n")
    if not QUICK:
        write_results(results, lines, utopya)
        draw(results)
    return sum(not result.reached for result in results)


if __name__ == "__main__":
    missed = main(sys.argv[1])
    print(
        "All goals are reached." if not missed else f"{missed} goals are not reached."
    )
