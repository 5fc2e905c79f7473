"""Random configurations and damaged files: what does whoever is given them?

Each configuration is loaded, checked by the commands `run` and `sweep`, and run, if it
is accepted. Each damaged file is shown, opened, drawn, watched and recovered. There has
to be a result, or an error in words: no traceback, no crash, no endless wait, and what
is refused is as it was, to the byte. It is done in forked children with limited
memory and time: where HDF5 itself crashes or waits for ever, no program in Python can
do anything about it, so that this is counted, but is no fault.

It takes 15 minutes at most; what was not done by then is said to be missing.

Usage: python campaigns/fuzz.py [CONFIGURATIONS] [FILES] [SEED]
       python campaigns/fuzz.py --only {configuration,file} NUMBER [SEED]
"""

import faulthandler
import json
import os
import random
import resource
import select
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fuzz_configs
import fuzz_files
from fuzz_configs import Refused

from utopya_backend.errors import UserError

PATIENCE = 30  # s, for a single step; the machine may have other things to do
MOST_SECONDS = 15 * 60
MEMORY = 4 * 2**30
BATCH = 25  # tasks of a child
GOOD = ("accepted", "read", "refused", "crashed in HDF5", "hung in HDF5")

Task = tuple[str, int]


def do(task: Task, seed: int, originals: Path, tell: Callable[..., None]) -> None:
    """Does one task; tells which step begins, and what has come of it."""
    what, number = task
    rng = random.Random(f"{seed} {what} {number}")
    with tempfile.TemporaryDirectory(dir=originals.parent) as name:
        directory = Path(name) / "uni0"
        directory.mkdir()
        if what == "configuration":
            kind, path = fuzz_configs.make(rng, directory)
            steps = fuzz_configs.steps(path)
        else:
            kind, path = fuzz_files.make(rng, directory, originals)
            steps = fuzz_files.steps(path)
        for step, func in steps.items():
            tell(kind=kind, step=step)
            before = fuzz_files.content_of(directory)
            outcome, detail = outcome_of(func)
            after = fuzz_files.content_of(directory)
            allowed = [before, fuzz_files.recovered(before, directory)]
            if after not in allowed and (step != "a run" or outcome == "refused"):
                differing = {n for n in before | after if before.get(n) != after.get(n)}
                outcome, detail = "CHANGED", f"{outcome} {differing}: {detail}"
            tell(kind=kind, step=step, outcome=outcome, detail=detail)
            if (
                what == "configuration"
                and outcome != "accepted"
                and step != "sweep --dry-run"
            ):
                return
            restore(directory, before, after)


def restore(directory: Path, before: dict[str, bytes], after: dict[str, bytes]) -> None:
    """Has the next step find what this one has found."""
    if not any(name.endswith("data.h5") for name in before):
        return
    for name in after.keys() - before.keys():
        os.unlink(name)
    for name, content in before.items():
        if after.get(name) != content:
            Path(name).write_bytes(content)


def outcome_of(func: Callable[[], str]) -> tuple[str, str]:
    """What comes of a step; anything but an error for the user is a fault."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return func(), ""
    except (UserError, Refused) as error:
        return "refused", str(error)
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(last.filename).name}:{last.lineno}"
        return "TRACEBACK", f"{type(error).__name__}: {str(error)[:150]} ({where})"


# .. Children .................................................................


def child(tasks: list[Task], seed: int, originals: Path, pipe: int) -> None:
    """Does some tasks, in a process of its own."""
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with (
        os.fdopen(pipe, "w") as file,
        _stack_of(os.getpid(), originals).open("w") as stack,
    ):
        faulthandler.enable(stack)
        for task in tasks:
            faulthandler.dump_traceback_later(PATIENCE - 5, repeat=True, file=stack)

            def tell(task: Task = task, **message: str) -> None:
                file.write(json.dumps([task, message]) + "\n")
                file.flush()

            do(task, seed, originals, tell)


def results(
    tasks: list[Task], seed: int, originals: Path
) -> Iterator[tuple[Task, dict[str, str]]]:
    """Has children do tasks, another one each time that one is gone."""
    todo = list(tasks)
    deadline = time.monotonic() + MOST_SECONDS
    while todo and time.monotonic() < deadline:
        batch = todo[:BATCH]
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            try:
                child(batch, seed, originals, writing)
                os._exit(0)
            except BaseException:
                traceback.print_exc(file=(originals.parent / "errors").open("a"))
                os._exit(1)
        os.close(writing)
        done: list[Task] = []
        last: tuple[Task, dict[str, str]] = (batch[0], {"kind": "?", "step": "begin"})
        with os.fdopen(reading, "rb", buffering=0) as file:
            while line := _next_line(file):
                task, message = json.loads(line)
                last = (tuple(task), message)
                if last[0] not in done[-1:]:
                    done.append(last[0])
                if "outcome" in message:
                    yield last
        if end := _end_of(pid, _stack_of(pid, originals)):
            yield last[0], {**last[1], **end}
            todo = todo[max(1, len(done)) :]
        else:
            todo = todo[len(batch) :]


def _end_of(pid: int, stack_file: Path) -> dict[str, str]:
    """What has come of a child that says nothing more; nothing if it is all right."""
    is_over = _is_over(pid)
    if not is_over:
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    if not status:
        return {}
    stack = stack_file.read_text()
    if "h5py/" in stack.partition("File")[2].partition("\n")[0]:
        what = "crashed in HDF5" if is_over else "hung in HDF5"
    else:
        what = f"CRASHED ({_name_of(status)})" if is_over else "HUNG"
    return {"outcome": what, "detail": stack[-400:]}


def _stack_of(pid: int, originals: Path) -> Path:
    """Where a child writes in which function it is, if it crashes, or hangs."""
    return originals.parent / f"stack {pid}"


def _next_line(file: Any) -> bytes:
    ready, _, _ = select.select([file], [], [], PATIENCE)
    return file.readline() if ready else b""


def _is_over(pid: int) -> bool:
    """Whether a child has ended, or does so in a moment."""
    deadline = time.monotonic() + 1
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None:
            return True
        time.sleep(0.01)
    return False


def _name_of(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def all_results(
    tasks: list[Task], seed: int, originals: Path
) -> Iterator[tuple[Task, dict[str, str]]]:
    """The same, by as many processes at a time as there are cores."""
    number = os.cpu_count() or 1
    files = [originals.parent / f"results {worker}" for worker in range(number)]
    pids = []
    for worker, path in enumerate(files):
        if (pid := os.fork()) == 0:
            try:
                with path.open("w") as file:
                    for result in results(tasks[worker::number], seed, originals):
                        file.write(json.dumps(result) + "\n")
            finally:
                os._exit(0)
        pids.append(pid)
    for pid in pids:
        os.waitpid(pid, 0)
    for path in files:
        for line in path.read_text().splitlines():
            task, message = json.loads(line)
            yield tuple(task), message


# .. The table ................................................................


def main() -> int:
    """Tries everything, and prints what has come of it."""
    sys.path.insert(0, str(Path(__file__).parent))
    args = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        originals = Path(name) / "originals"
        originals.mkdir()
        fuzz_files.make_originals(originals)
        if args[:1] == ["--only"]:
            seed = int(args[3]) if len(args) > 3 else 1
            do(
                (args[1], int(args[2])),
                seed,
                originals,
                lambda **message: print(message),
            )
            return 0
        numbers = [
            int(args[i]) if len(args) > i else n for i, n in enumerate((4000, 2000))
        ]
        seed = int(args[2]) if len(args) > 2 else 1
        tasks = [("configuration", i) for i in range(numbers[0])]
        tasks += [("file", i) for i in range(numbers[1])]
        random.Random(seed).shuffle(tasks)  # so that the processes have the same to do
        start = time.monotonic()
        found = list(all_results(tasks, seed, originals))
        errors = Path(name) / "errors"
        print(errors.read_text()[:3000] if errors.exists() else "")
    return report(tasks, found, time.monotonic() - start)


def report(
    tasks: list[Task], found: list[tuple[Task, dict[str, str]]], seconds: float
) -> int:
    """Prints the table, and the faults; returns an exit code."""
    outcomes = sorted({message["outcome"] for _, message in found}, key=_order)
    for what in ("configuration", "file"):
        of_kind = [(task, m) for task, m in found if task[0] == what]
        number = len({task for task, _ in of_kind})
        print(f"\n{number} {what}s" + "".join(f"{o:>22s}" for o in outcomes))
        for key in ("kind", "step"):
            for name in dict.fromkeys(sorted(m[key] for _, m in of_kind)):
                counts = Counter(m["outcome"] for _, m in of_kind if m[key] == name)
                cells = "".join(f"{counts[o]:22d}" for o in outcomes)
                print(f"{name:26s}{cells}")
            print()
    bad = [(task, m) for task, m in found if m["outcome"] not in GOOD]
    missing = set(tasks) - {task for task, _ in found}
    print(
        f"{len(found)} steps in {seconds:.0f} s; {len(bad)} faults, {len(missing)} "
        "missing"
    )
    seen: Counter[str] = Counter()
    for task, message in sorted(bad, key=lambda one: (one[0], one[1]["step"])):
        text = f"{message['outcome']} {message['step']}: {message['detail']}"
        seen[text[:60]] += 1
        if seen[text[:60]] <= 3:
            print(f"  --only {task[0]} {task[1]}: {text}")
    return 1 if bad or missing else 0


def _order(outcome: str) -> tuple[bool, str]:
    return outcome not in GOOD, outcome


if __name__ == "__main__":
    sys.exit(main())
