"""What a run costs, in numbers that do not depend on the machine.

What takes how long on one, `make bench` measures.
"""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from utopya_backend import ModelBenchmarkMixin, StepwiseModel
from utopya_backend.io import OutputFile, storage

sys.path.insert(0, str(Path(__file__).parent / "io"))  # for `recording`, no test
from recording import Recording


class Empty(StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")

    def perform_step(self):
        pass

    def write_data(self):
        self.dset.append(1.0)


class Timed(ModelBenchmarkMixin, Empty):
    pass


def calls_per_step(make, tmp_path, cls, **cfg):
    """How many functions, Python's and built-in ones, are called in each step."""
    counts = []
    for num_steps in (640, 1280):
        model = make(cls, num_steps=num_steps, **cfg)
        calls = Counter()
        sys.setprofile(lambda frame, event, arg, calls=calls: calls.update([event]))
        try:
            model.run()
        finally:
            sys.setprofile(None)
        model.close()
        (tmp_path / "data.h5").unlink()
        counts.append(calls["call"] + calls["c_call"])
    return (counts[1] - counts[0]) / 640


NEVER = {"write_start": 10_000}
DISABLED = {"M": {"benchmark": {"enabled": False}}}


@pytest.mark.parametrize(
    ("cls", "cfg", "most"),
    [
        (Empty, NEVER, 2),  # one is perform_step() itself
        (Timed, NEVER, 3),
        (Timed, NEVER | DISABLED, 3),
        (Empty, {}, 25),  # with a row in each step
        (Timed, {}, 80),
    ],
)
def test_calls_per_step(make, tmp_path, cls, cfg, most):
    assert 1 <= calls_per_step(make, tmp_path, cls, **cfg) <= most


def test_writes_and_syncs_of_a_commit(tmp_path, monkeypatch):
    """The tail of the file and the journal, each before what relies on it."""
    recording = Recording()
    monkeypatch.setattr(storage, "DiskFile", recording.disk_file())
    with OutputFile(tmp_path / "data.h5") as file:
        dset = file.create_dataset(
            "x", (0,), maxshape=(None,), chunks=(1000,), dtype="f8"
        )
        for number in range(1, 4):
            dset.resize(number, axis=0)
            dset[-1] = number
            file.commit()
            del recording.events[:]
        dset[0] = 7.0
        assert file.commit()
        assert Counter(event[:2] for event in recording.events) == {
            ("data.h5", "write"): 1,
            ("data.h5", "truncate"): 1,
            ("data.h5", "sync"): 3,
            ("data.h5.wal", "write"): 1,
            ("data.h5.wal", "truncate"): 2,
            ("data.h5.wal", "sync"): 1,
        }


def test_a_commit_without_a_change_does_nothing(tmp_path, monkeypatch):
    recording = Recording()
    monkeypatch.setattr(storage, "DiskFile", recording.disk_file())
    with OutputFile(tmp_path / "data.h5") as file:
        file.create_group("g")
        file.commit()
        del recording.events[:]
        file.commit()
        assert recording.events == []


def test_modules_imported_by_a_run(write_cfg):
    """The whole life of a model, from the import to the end of the process."""
    program = """
import sys, json
before = set(sys.modules)  # as of editable installations, or of the system
import utopya_backend
at_start = sorted(name for name in sys.modules if name.startswith("utopya_backend"))

class M(utopya_backend.StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x")

    def perform_step(self):
        pass

    def write_data(self):
        self.dset.append(1.0)

with M(cfg_file_path=sys.argv[1]) as model:
    model.run()
imported = {name.partition(".")[0] for name in sys.modules.keys() - before}
print(json.dumps([at_start, sorted(imported)]))
"""
    output = subprocess.check_output(
        [sys.executable, "-c", program, write_cfg()], text=True
    )
    at_start, packages = json.loads(output.splitlines()[-1])
    assert len(at_start) <= 41
    others = set(packages) - sys.stdlib_module_names
    # Compiled packages have parts with names that begin with an underscore.
    others = {name for name in others if not name.startswith("_")}
    assert others <= {
        "utopya_backend",
        "numpy",
        "h5py",
        "ruamel",
        "isal",
        "cython_runtime",
    }
