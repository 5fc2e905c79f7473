import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import PIL.Image
import pytest
from click.testing import CliRunner

from utopya_backend import ModelBenchmarkMixin, StepwiseModel, yaml
from utopya_backend.cli import main
from utopya_backend.cli.plot import _MAX_PICTURES
from utopya_backend.io import OutputFile, write_labels

RNG = np.random.default_rng(1)


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def plot(*args, code=0):
    result = CliRunner().invoke(main, ["plot", *map(str, args)])
    assert result.exit_code == code, (result.output, result.exception)
    assert "Traceback" not in result.output
    return result.output


def write(path, **dsets):
    """Writes an output file, of values with the names of their dimensions."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with OutputFile(path) as file:
        file.create_group("M")
        for name, (values, *dims) in dsets.items():
            dset = file.create_dataset(f"M/{name}", data=values)
            write_labels(dset, dims, {dim: {"mode": "trivial"} for dim in dims})
            if dims[-1:] == ["cell_ids"]:
                shape = [2, dset.shape[-1] // 2]
                dset.attrs.update(content="grid", grid_shape=shape, index_order="C")
    return path


LINE = (np.arange(5.0), "time")
GRID = (RNG.integers(0, 2, (20, 6)), "time", "cell_ids")
PNG = b"\x89PNG\r\n\x1a\n"


class M(ModelBenchmarkMixin, StepwiseModel):
    def setup(self):
        self.dset = self.create_ts_dset("position", extra_dims=["k"], sizes={"k": 20})
        self.grid = self.create_grid_dset("grid", grid_shape=(4, 5))
        self.create_graph("network", range(3), [(0, 1)])
        self.h5group["text"] = "text"

    def perform_step(self):
        pass

    def write_data(self):
        self.dset.append(self.rng.random(20))
        self.grid.append(self.rng.random((4, 5)))


def test_all_of_a_model_that_runs(make, tmp_path):
    model = make(M, num_steps=4, output={"commit_interval": 0})
    model.prolog()
    for _ in range(4):
        model.iterate()
        model.write_data()
    model._h5file.commit()
    output = plot("data.h5")  # that is still open
    names = {"M-position.png", "M-grid.png"}
    assert names <= set(output.split())
    assert "Not drawn: text is text" in output
    assert "_edges" not in output
    for name in names:
        assert Path(name).read_bytes().startswith(PNG)


def test_timers(make):
    model = make(M, num_steps=4)
    model.run()
    model.close()
    assert plot("data.h5", "benchmark").split() == [
        "M-benchmark-cumulative.png",
        "M-benchmark-total.png",
    ]
    assert re.search("simulation █+.* 100.0%", plot("data.h5", "total", "--terminal"))


def test_in_the_directory_of_a_run():
    for number in (1, 2):
        write(f"run/data/uni{number}/data.h5", line=LINE)
    assert plot("run") == "run/eval/M-line.png\n"
    assert plot("run", "line") == "run/eval/M-line-2.png\n"
    assert plot("run/data/uni2") == "run/eval/uni2-M-line.png\n"
    write("single/data/uni0/data.h5", line=LINE)
    (Path("single") / "eval").mkdir()
    os.chdir("single/data/uni0")
    assert plot(".").strip().endswith("single/eval/M-line.png")
    assert plot("data.h5").strip().endswith("single/eval/M-line-2.png")
    assert os.listdir() == ["data.h5"]


def test_lines_of_universes():
    write("run/data/uni1/data.h5", line=LINE)
    write("run/data/uni2/data.h5", line=(np.arange(3.0), "time"))
    (Path("run/data/uni3")).mkdir()
    Path("run/data/uni3/data.h5").touch()
    output = plot("run", "M/line", "--terminal")
    assert output.startswith("Warning: ")
    assert "uni3/data.h5 is empty" in output
    assert "  universe:\n  a 1\n  b 2\n" in output


SPACE = """!pspace
M:
  rate: !sweep {default: 0, values: [0.1, 0.5, 2.0]}
  kind: !sweep {default: a, values: [a, b]}
  twice: !coupled-sweep {default: 0, target_name: rate, values: [0.2, 1.0, 4.0]}
seed: !sweep {default: 0, range: [4]}
"""


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """A run of a sweep; one universe is missing, and one has ended early."""
    run = tmp_path_factory.mktemp("sweep")
    (run / "config").mkdir()
    (run / "config/parameter_space.yml").write_text(SPACE)
    info = ("state_no", "state_no_str")
    for point, number, digits in yaml.load(SPACE).iterator(with_info=info):
        if number != 33:
            size = 3 if number == 32 else 5
            line = np.arange(size) * point["M"]["rate"] + point["seed"]
            dsets = {"line": (line, "time"), "number": ([1.0, 2.0], "k")}
            write(run / f"data/uni{digits}/data.h5", **dsets)
    return run


def test_over_a_parameter(sweep, tmp_path):
    output = plot(sweep, "line", "--over", "rate", "--terminal")
    assert "M: line" in output
    assert "\n  kind:\n  a a\n  b b\n" in output
    text = " ".join(output.split())
    assert "each at its last time, 2 to 4; mean, 50 % of seed (4); 1 of 24 val" in text
    text = " ".join(plot(sweep, "line", "--terminal").split())
    assert "23 of 24 have values at time = 0, 22 at time = 4: the mean is of" in text
    args = [sweep, "line", "--over", "rate", "--at", "time=4", "--terminal"]
    assert "2 of 24 values are missing" in " ".join(plot(*args).split())
    args = [sweep, "line", "--over", "rate", "--at", "time=2", "--at", "kind=b"]
    text = plot(*args, "-o", "a.png")
    assert Path("a.png").read_bytes().startswith(PNG)


def test_map_of_two_parameters(sweep):
    output = plot(sweep, "line", "--over", "rate", "--over", "kind", "--terminal")
    assert "mean of seed (4)" in output
    assert "\nkind\nb │" in output
    plot(sweep, "line", "--over", "seed", "--over", "twice", "-o", "a.pdf")
    assert Path("a.pdf").read_bytes().startswith(b"%PDF")


def test_all_variables_over_a_dimension(sweep):
    output = plot(sweep, "--over", "rate", "--terminal")
    assert "M: line" in output
    assert "M: number" in output
    output = plot(sweep, "M", "--over", "time", "--terminal")
    assert "M: line" in output
    assert "M: number" not in output
    assert "k = 1" in plot(sweep, "--at", "k=1", "--terminal")


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["line", "--over", "rat"], "line has no dimension rat, but the swept para"),
        (["line", "--over", "M.rate"], "Did you mean 'rate'?"),
        (["--over", "rat"], "There is no dimension rat, but the swept parameters"),
        (["--over", "k", "--at", "time=1"], "all of the dimensions k, time"),
        (["line", *["--over", "rate"] * 2], "both over rate: name two dimensions"),
        ([*["--over", "a", "--over", "b", "--over", "c"]], "these are 3: a, b, c"),
        (["line", "--over", "rate", "--at", "rate=1"], "leave out --at rate"),
        (["line", "--over", "rate", "--at", "tim=1"], "Did you mean 'time'?"),
        (["line", "--over", "rate", "--at", "time"], "--at takes DIM=VALUE"),
        (["line", "--at", "time=1", "--at", "time=2"], "given twice for time"),
        (["line", "--over", "rate", "--at", "time=x"], "a number, but is 'x'"),
        (["line", "--over", "rate", "--animate"], "leave out --over"),
    ],
)
def test_mistakes_about_dimensions(sweep, args, expected):
    output = plot(sweep, *args, code=2)
    assert expected in output
    assert os.listdir() == []


def test_a_warning_of_many_universes_is_shown_once():
    for number in (1, 2, 3):
        path = write(f"run/data/uni{number}/data.h5", line=LINE)
        with h5py.File(path, "a") as file:
            attrs = {"coords_mode__time": "odd", "coords__time": 1}
            file["M/line"].attrs.update(attrs)
    output = plot("run", "line", "--terminal")
    assert output.count("Warning: ") == 1


def test_nothing_is_overwritten():
    path = write("data.h5", line=LINE, grid=GRID)
    contents = {}
    for _ in range(3):
        plot(path, "line")
        for file in Path().glob("*.png"):
            content = contents.setdefault(file, file.read_bytes())
            assert content == file.read_bytes()
    names = ["M-line-2.png", "M-line-3.png", "M-line.png"]
    assert sorted(map(str, contents)) == names
    Path("mine.png").write_text("mine")
    output = plot(path, "line", "-o", "mine.png", code=2)
    assert "There is a file mine.png already" in output
    assert "choose another name" in output
    assert Path("mine.png").read_text() == "mine"
    Path("link.gif").symlink_to("nowhere")
    plot(path, "grid", "--animate", "-o", "link.gif", code=2)
    assert not Path("nowhere").exists()


def test_output():
    path = write("data.h5", line=LINE)
    signatures = {"a.png": PNG, "b.pdf": b"%PDF", "c.SVG": b"<?xml"}
    for name, signature in signatures.items():
        assert plot(path, "line", "-o", name) == f"{name}\n"
        assert Path(name).read_bytes().startswith(signature)
    assert plot(path, "-o", "one.png") == "one.png\n"  # there is but one


def test_animation():
    path = write("data.h5", line=LINE, grid=GRID)
    assert plot(path, "--animate") == "M-grid.gif\n"
    assert plot(path, "grid", "--animate", "-o", "a.gif") == "a.gif\n"
    with PIL.Image.open("a.gif") as gif:
        assert gif.format == "GIF"
        assert gif.n_frames == 20


def test_a_part_of_many():
    path = write("data.h5", **{f"x{number:02}": LINE for number in range(15)})
    output = plot(path)
    assert len(list(Path().glob("*.png"))) == _MAX_PICTURES
    assert "name others to draw them: M/x12, M/x13, M/x14." in output


def test_same_name_twice():
    path = write("data.h5", **{"a/x": LINE, "b/x": LINE})
    assert "several variables x: give one of M/a/x, M/b/x" in plot(path, "x", code=2)
    assert plot(path, "b/x") == "M-b-x.png\n"
    assert plot(path, "/M/a/x") == "M-a-x.png\n"


def test_names_that_are_no_file_names():
    path = write("data.h5", **{"a b: c*?": LINE, "dots..": LINE})
    names = plot(path).splitlines()
    assert len(set(names)) == 2
    assert all(Path(name).exists() and "/" not in name for name in names)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["no.h5"], "There is no file no.h5"),
        (["directory"], "There is no data.h5 in directory"),
        (["data.h5", "lime"], "Did you mean 'M/line'?"),
        (["data.h5", "M/lime"], "Did you mean 'M/line'?"),
        (["data.h5", "zzz"], "There is no variable zzz, but M/grid, M/"),
        (["data.h5", "text"], "text is text: only real numbers are drawn"),
        (["data.h5", "scalar"], "scalar is a single value, 5"),
        (["data.h5", "nan"], "nan has no finite values"),
        (["data.h5", "nothing"], "nothing is empty"),
        (["data.h5", "line", "--animate"], "only grids can be animated"),
        (["line.h5", "--animate"], "There is no grid to animate, but M/line"),
        (["empty.h5"], "There is no data in empty.h5"),
        (["empty.h5", "x"], "the output is empty"),
        (["broken.h5"], "cannot be read as HDF5"),
        (["damaged.h5"], "damaged.h5 is damaged"),
        (["text.h5"], "is no HDF5 file"),
        (["data.h5", "line", "-o", "a.jpg"], ".png, .pdf, .svg, but is a.jpg"),
        (["data.h5", "line", "-o", "a"], ".png, .pdf, .svg, but is a."),
        (["data.h5", "line", "-o", "a.gif"], "without --animate"),
        (["data.h5", "grid", "--animate", "-o", "a.png"], "ends with .gif"),
        (["data.h5", "-o", "a.png"], "name one variable, e.g. M/grid"),
        (["data.h5", "line", "-o", "no/a.png"], "There is no directory no"),
        (["data.h5", "line", "-o", "text.h5/a.png"], "There is no directory text.h5"),
        (["data.h5", "--terminal", "--open"], "--terminal writes no file"),
    ],
)
def test_mistakes(args, expected):
    path = write("data.h5", line=LINE, grid=GRID, text=("text",), scalar=(5.0,),
                 nan=([np.nan], "time"), nothing=(np.zeros(0), "time"))  # fmt: skip
    write("line.h5", line=LINE)
    write("empty.h5")
    Path("broken.h5").write_bytes(path.read_bytes()[:3000])
    Path("text.h5").write_text("text")
    Path("directory").mkdir()
    with h5py.File("damaged.h5", "w") as file:
        dset = file.create_dataset("M/x", data=RNG.random(999), compression="gzip")
        offset = dset.id.get_chunk_info(0).byte_offset
    with open("damaged.h5", "r+b") as file:
        file.seek(offset)
        file.write(bytes(100))
    before = sorted(os.listdir())
    assert expected in plot(*args, code=2)
    assert sorted(os.listdir()) == before


def test_directory_that_cannot_be_made():
    write("run/data/uni0/data.h5", line=LINE)
    Path("run/eval").write_text("a file")
    assert "run/eval cannot be made" in plot("run", code=2)


def test_without_matplotlib(monkeypatch):
    path = write("data.h5", line=LINE)
    for name in [n for n in sys.modules if n.startswith("utopya_backend.plotting.fig")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    output = plot(path)
    assert output.startswith("matplotlib is not installed")
    assert "M: line" in output
    assert "pip install matplotlib" in plot(path, "line", "-o", "a.png", code=2)


@pytest.mark.parametrize("args", [[], ["--over", "time"], ["--terminal"]])
def test_without_xarray(args):
    path = write("data.h5", line=LINE)
    code = (
        "import sys; sys.modules['xarray'] = None; "
        "from utopya_backend.cli import main; main()"
    )
    command = [sys.executable, "-c", code, "plot", str(path), *args]
    result = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    assert result.returncode == 2
    assert "pip install xarray" in result.stderr
    assert "Traceback" not in result.stderr


def test_terminal_without_colours(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    path = write("data.h5", line=LINE, grid=GRID)
    output = plot(path, "--terminal")
    assert "\x1b" not in output
    assert max(map(len, output.splitlines())) <= 50
    assert {"M: line", "M: grid, time = 19"} <= set(output.splitlines())
    assert os.listdir() == ["data.h5"]


# click leaves the program that opens a file to itself.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.filterwarnings("ignore:subprocess:ResourceWarning")
def test_open(tmp_path, monkeypatch):
    """A program of the name that a desktop has tells what it has been given."""
    path = write("data.h5", line=LINE)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/xdg-open"
    os.mkfifo(tmp_path / "told")
    program.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/told\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
    reader = subprocess.Popen(
        ["cat", tmp_path / "told"], stdout=subprocess.PIPE, text=True
    )
    plot(path, "--open")
    told, _ = reader.communicate(timeout=30)
    assert told == "M-line.png\n"


def test_start_of_the_command_line():
    code = "import json, sys, utopya_backend.cli; print(json.dumps(list(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert not {"matplotlib", "xarray", "PIL", "utopya_backend.plotting"} & set(
        json.loads(result.stdout)
    )


@pytest.mark.parametrize("name", ["ä" * 200, "a$b: c", "$", "..."])
def test_names_that_are_no_names_of_files(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write("data.h5", **{name: ([1.0, 2.0], "time")})
    picture = plot("data.h5").removesuffix("\n")
    assert picture.startswith("M-") or picture == "M.png"
    assert Path(picture).read_bytes().startswith(PNG)
    output = plot("data.h5", "-o", f"{'x' * 300}.png", code=2)
    assert "File name too long" in output
