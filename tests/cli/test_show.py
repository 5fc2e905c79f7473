import h5py
import numpy as np
import pytest
from click.testing import CliRunner

from utopya_backend import ModelBenchmarkMixin, StepwiseModel
from utopya_backend.cli import main
from utopya_backend.io import OutputFile, storage


def show(path, code=0):
    result = CliRunner().invoke(main, ["show", str(path)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.output


class M(ModelBenchmarkMixin, StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("x", extra_dims=["k"], sizes={"k": 2})
        self.h5group["odd/nan"] = [np.nan, 1.0, np.inf]
        self.h5group["odd/none"] = [np.nan]
        self.h5group["odd/text"] = "text"
        self.h5group["odd/empty"] = np.zeros(0)
        self.h5group["odd/one"] = 7
        self.h5group["odd/truth"] = [True, False]

    def perform_step(self):
        pass

    def write_data(self):
        self.dset.append([self.time, -1.5])


def test_show(make, tmp_path):
    model = make(M, num_steps=4)
    model.run()
    model.close()
    output = show(tmp_path / "data.h5")
    rows = [line.split() for line in output.splitlines()]
    assert rows[0][0] == str(tmp_path / "data.h5")
    assert ["status", "finished"] in rows
    assert ["seed", "42"] in rows
    assert ["M/"] in rows
    find = {row[0]: row for row in rows if row}
    assert " ".join(find["x"]).startswith("x time: 5 × k: 2 float64")
    assert find["x"][-3:] == ["-1.5", "to", "4"]
    assert find["nan"][-1] == "1"
    assert find["none"][-3:] == ["no", "finite", "values"]
    assert find["truth"][-3:] == ["0", "to", "1"]
    assert find["one"][1] == "scalar"
    assert find["one"][-1] == "7"
    assert "Elapsed times (M/benchmark/total):" in output
    assert find["simulation"][-2:] == ["100.0", "%"]


def test_run_directory(make, tmp_path):
    model = make(M)
    model.close()
    (tmp_path / "data/uni0").mkdir(parents=True)
    (tmp_path / "data/uni1").mkdir()
    content = (tmp_path / "data.h5").read_bytes()
    assert show(tmp_path).splitlines()[0].startswith(str(tmp_path / "data.h5"))
    (tmp_path / "data.h5").unlink()
    for number in (0, 1):
        (tmp_path / f"data/uni{number}/data.h5").write_bytes(content)
    output = show(tmp_path)
    assert output.count("status          stopped: closed") == 2
    assert "uni1/data.h5" in output


def test_what_the_record_of_a_sweep_knows_better(make, tmp_path):
    for number in (1, 2):
        model = make(M)
        model.run()
        model.close()
        (tmp_path / f"data/uni{number}").mkdir(parents=True)
        (tmp_path / "data.h5").rename(tmp_path / f"data/uni{number}/data.h5")
    (tmp_path / "_universes.tsv").write_text(
        "universe\toutcome\texit_code\nuni1\tfinished\t0\nuni2\tfailed\t137\n"
    )
    line = "program         failed: exit code 137, as the record of the sweep says"
    assert show(tmp_path).count(line) == 1
    assert line in show(tmp_path / "data/uni2")
    assert "program" not in show(tmp_path / "data/uni1/data.h5")


def test_universe_that_cannot_be_read(make, tmp_path):
    make(M).close()
    for number in range(3):
        (tmp_path / f"run/data/uni{number}").mkdir(parents=True)
        content = b"" if number == 1 else (tmp_path / "data.h5").read_bytes()
        (tmp_path / f"run/data/uni{number}/data.h5").write_bytes(content)
    output = show(tmp_path / "run", code=2)
    assert "uni1/data.h5 is empty" in output
    assert "uni2/data.h5 (" in output


def test_timers_of_another_program(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a/total"] = [1.5]
        file["a/total"].attrs["dim_names"] = ["label"]
    assert "total" in show(tmp_path / "x.h5")


def test_killed_while_committing(tmp_path, monkeypatch):
    path = tmp_path / "data.h5"
    file = OutputFile(path)
    file["x"] = 1
    monkeypatch.setattr(storage, "apply", lambda journal, file: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        file.commit()
    monkeypatch.undo()
    content = (tmp_path / "data.h5.wal").read_bytes()
    file.close()
    (tmp_path / "data.h5.wal").write_bytes(content)
    assert "its writer was killed: a commit was completed" in show(path)
    assert "file            clean\n" in show(path)


def test_whether_it_is_clean(tmp_path):
    path = tmp_path / "data.h5"
    with OutputFile(path) as file:
        file.attrs["status"] = "running"
        file.commit()
        assert "the last commit of a writer that has it open" in show(path)
        content = path.read_bytes()
    path.write_bytes(content)
    (tmp_path / "data.h5.wal").touch()
    assert "clean; its writer was killed, this is the last commit" in show(path)


def test_links_that_lead_up_or_nowhere(tmp_path):
    path = tmp_path / "data.h5"
    with OutputFile(path) as file:
        file["group/up"] = h5py.SoftLink("/group")
        file["group/nowhere"] = h5py.SoftLink("/nowhere")
        file["group/x"] = 1
    assert show(path).count("x ") == 1


def test_file_of_another_program(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["a"] = 1
    assert "It does not say where it comes from" in show(tmp_path / "x.h5")


def test_directory_of_runs(tmp_path):
    for name in ("261122-100000", "261122-200000"):
        (tmp_path / name / "data").mkdir(parents=True)
    assert "There is no data.h5 in " in show(tmp_path, code=2)
    (tmp_path / "261122-300000" / "data" / "uni0").mkdir(parents=True)  # no output
    for name in ("261122-100000", "261122-200000"):
        universe = tmp_path / name / "data/uni0"
        universe.mkdir()
        with h5py.File(universe / "data.h5", "w") as file:
            file["x"] = 1
    (line, *_) = show(tmp_path).splitlines()  # of the latest one
    assert line.startswith(f"{tmp_path}/261122-200000/data/uni0/data.h5")


def test_mistakes(tmp_path):
    assert "There is no file" in show(tmp_path / "no.h5", code=2)
    assert "There is no data.h5 in" in show(tmp_path, code=2)
    (tmp_path / "x.h5").write_text("text")
    assert "is no HDF5 file" in show(tmp_path / "x.h5", code=2)


@pytest.mark.parametrize(
    ("values", "attrs"),
    [
        ([1.5], {"dim_names": h5py.Empty("f")}),
        ([1.5], {"dim_names": 5}),
        ([1.5], {"dim_names": [["label"]]}),
        ([np.nan, 1], {"coords__label": ["a", "b"]}),
        (1.5, {}),
        ([[1.5]], {}),
        ([1.5, 2], {"coords__label": ["a"]}),
    ],
)
def test_odd_labels(tmp_path, values, attrs):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["m/total"] = values
        file["m/total"].attrs.update({"dim_names": ["label"], **attrs})
        file[b"m/\xff"] = 1
    assert "total" in show(path)


def test_latest_run(tmp_path):
    for name in ("first", "second"):
        (tmp_path / name / "data/uni0").mkdir(parents=True)
        with h5py.File(tmp_path / name / "data/uni0/data.h5", "w") as file:
            file["x"] = 1
    output = show(tmp_path)
    assert "Warning: second is taken for the latest run in" in output
    assert output.count("Warning") == 1
    assert f"{tmp_path / 'second/data/uni0/data.h5'} (" in output


@pytest.mark.parametrize("command", ["show", "plot"])
def test_names_that_are_no_text(tmp_path, monkeypatch, command):
    """Neither their characters, nor those that a terminal would obey, are printed."""
    monkeypatch.chdir(tmp_path)
    text = h5py.string_dtype()
    with h5py.File("data.h5", "w") as file:
        file[b"n\xff"] = [1.0, 2.0]
        for name, dim in {"x": b"t\xffme", "y": b"\x1b[31m"}.items():
            dset = file.create_dataset(name, data=[1.0, 2.0])
            dset.attrs.create("dim_names", [dim], dtype=text)
            dset.attrs.create("units", b"\xb0C", dtype=text)
    options = ["--terminal"] if command == "plot" else []
    result = CliRunner().invoke(main, [command, "data.h5", *options])
    assert result.exit_code == 0, result.output
    assert "\x1b" not in result.output
    result.output.encode()  # which a terminal of UTF-8 does
    assert r"n\xff" in result.output
    assert r"\x1b[31m" in result.output
