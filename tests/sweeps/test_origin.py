"""Universes of one sweep that come from different sources, or might."""

import importlib
import inspect
import os
import sys
import textwrap
import time
import warnings

import pytest
from click.testing import CliRunner
from paramspace import ParamDim

from utopya_backend import StepwiseModel
from utopya_backend.cli import main
from utopya_backend.errors import ConfigError, UnknownSourceWarning
from utopya_backend.io import open_output
from utopya_backend.io.ensemble import MixedSourcesWarning
from utopya_backend.sweeps import continue_sweep, origin, sweep
from utopya_backend.sweeps.origin import read_origins
from utopya_backend.tools import load_cfg_file

from .conftest import MODEL


@pytest.fixture
def begun(model, tmp_path):
    """A sweep of four universes, of which two are missing."""
    (model / "helper.py").write_text("")
    script = model / "run_model.py"
    script.write_text(f"import helper\n{MODEL}")
    x = ParamDim(default=0.0, values=[1.0, 2.0, 3.0, 4.0])
    result = sweep("M", {"x": x}, num_steps=1, out="out", progress=False)
    lose(result.path)
    return result.path


def lose(run, *numbers):
    for number in numbers or (2, 4):
        (run / f"data/uni{number}").rename(run / f"eval/uni{number}-{time.time_ns()}")


def go_on(run, model=None, *, force=False):
    return continue_sweep(run, model, force=force, progress=False).counts


def hashes(run):
    tree = open_output(run)
    return tree["source_hash"].values.tolist() if "source_hash" in tree else None


def test_the_same(begun):
    (recorded,) = read_origins(begun)
    assert set(recorded["files"]) == {"run_model.py", "helper.py"}
    assert go_on(begun)["finished"] == 4
    assert recorded["source_hash"] == open_output(begun).attrs["source_hash"]
    assert read_origins(begun) == [recorded]
    assert hashes(begun) is None
    assert load_cfg_file(str(begun / "config/provenance.yml"))["started"]


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("run_model.py", "run_model.py has changed"),
        ("helper.py", "helper.py has changed"),
    ],
)
def test_another_source(begun, model, file, expected):
    with open(model / file, "a") as source:
        source.write("\n# another one\n")
    with pytest.raises(ConfigError, match=expected) as caught:
        go_on(begun)
    assert "--force" in str(caught.value)
    assert not (begun / "earlier").exists()
    assert len(read_origins(begun)) == 1
    assert go_on(begun, force=True)["finished"] == 4
    assert len(read_origins(begun)) == 2
    with pytest.warns(MixedSourcesWarning, match="2 different values of source_hash"):
        first, second, third, fourth = hashes(begun)
    assert first == third != second == fourth
    assert {first, second} == {o["source_hash"] for o in read_origins(begun)}
    shown = CliRunner().invoke(main, ["show", str(begun)]).output
    assert shown.endswith(
        f"\nThe universes differ in source_hash:\n  {first}  uni1, uni3\n"
        f"  {second}  uni2, uni4\n"
    )
    drawn = CliRunner().invoke(main, ["plot", str(begun), "--terminal"]).output
    assert "Warning: The universes have 2 different values of source_hash" in drawn
    assert "Not drawn: source_hash" not in drawn
    # Both are there now.
    lose(begun)
    assert go_on(begun)["finished"] == 4


def test_files_that_come_and_go(begun, model):
    script = model / "run_model.py"
    script.write_text(script.read_text().replace("import helper", "import new"))
    (model / "new.py").write_text("x = 1")
    with pytest.raises(ConfigError) as caught:
        go_on(begun)
    assert "\n  helper.py is not part of the model any more\n" in str(caught.value)
    assert "\n  new.py is new\n" in str(caught.value)


def test_nothing_that_would_be_mixed(begun, model):
    script = model / "run_model.py"
    script.write_text(f"{script.read_text()}\n# another one\n")
    lose(begun, 1, 3)
    assert go_on(begun)["finished"] == 4  # none was left of those before
    script.write_text(f"{script.read_text()}\n# a third one\n")
    assert go_on(begun)["finished"] == 4  # nothing is run
    assert hashes(begun) is None


def test_moved(begun, model, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    model.rename(tmp_path / "elsewhere/M")
    begun.rename(tmp_path / "run")
    assert go_on(tmp_path / "run", tmp_path / "elsewhere/M")["finished"] == 4


@pytest.mark.parametrize("name", ["numpy", "utopya_backend", "python"])
def test_other_versions(begun, monkeypatch, name):
    now = origin.versions()
    monkeypatch.setattr(origin, "versions", lambda: {**now, name: "0.0"})
    with pytest.raises(ConfigError, match=f"{name} is 0.0, and was {now[name]}"):
        go_on(begun)
    assert go_on(begun, force=True)["finished"] == 4


def test_other_parameters(begun):
    space = begun / "config/parameter_space.yml"
    text = space.read_text()
    assert text.count("3.0") == 1
    space.write_text(text.replace("3.0", "3.5"))
    with pytest.raises(ConfigError, match=r"config/parameter_space\.yml has changed"):
        go_on(begun)
    # Of those that are there, one would have the wrong label, and is run once more.
    assert go_on(begun, force=True)["finished"] == 4
    cfgs = {
        str(p.parent): load_cfg_file(str(p)) for p in begun.glob("data/*/config.yml")
    }
    assert [cfgs[key]["M"]["x"] for key in sorted(cfgs)] == [1.0, 2.0, 3.5, 4.0]
    assert [path.name for path in (begun / "earlier").iterdir()] == ["uni3_1"]
    assert go_on(begun)["finished"] == 4


def test_it_is_not_known(begun, model):
    """Of a sweep that something else has begun."""
    record = begun / "config/provenance.yml"
    record.write_text(record.read_text().partition("\n")[0])
    with pytest.warns(UnknownSourceWarning, match="begun by the frontend, or an older"):
        assert go_on(begun)["finished"] == 4


class Here(StepwiseModel):
    def setup(self, *, x=0.0):
        self.d = self.create_ts_dset("x")

    def perform_step(self):
        pass

    def write_data(self):
        self.d.append(0)


def test_defined_in_no_file(tmp_path):
    scope = {"__name__": "__main__", "StepwiseModel": StepwiseModel}
    text = "class N(StepwiseModel):\n  def setup(self, *, x=0): pass\n"
    text += "  def perform_step(self): pass\n  def write_data(self): pass\n"
    exec(text, scope)
    x = ParamDim(default=0, values=[1, 2, 3, 4])
    run = sweep(scope["N"], {"x": x}, num_steps=1, out=tmp_path, progress=False).path
    assert read_origins(run)[0]["source_hash"].startswith("unknown: N.")
    lose(run)
    with pytest.warns(UnknownSourceWarning, match=r"N\.\w+ is not defined in a file"):
        assert go_on(run, scope["N"])["finished"] == 4
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert hashes(run) is None  # all of them say that it is not known


def test_a_lazily_imported_module_changes_meanwhile(model):
    """It is not what the server has found when it was started."""
    (model / "helper.py").write_text("")
    change = f"""
        if self.x == 1:
            with open({str(model / "helper.py")!r}, "a") as file: file.write("x = 1")
        import helper"""
    script = model / "run_model.py"
    script.write_text(MODEL.replace('print("set up with", x)', change.strip()))
    x = ParamDim(default=0.0, values=[1.0, 2.0, 3.0])
    run = sweep(
        "M", {"x": x}, num_steps=1, workers=1, out="out", progress=False
    ).path  # fmt: skip
    with pytest.warns(MixedSourcesWarning):
        first, *others = hashes(run)
    assert first == read_origins(run)[0]["source_hash"]
    assert first not in others
    assert not any(text.startswith("unknown") for text in others), others


def test_changed_while_it_runs(model):
    """What runs is what the server has imported."""
    script = model / "run_model.py"
    change = f"open({str(script)!r}, 'a').write('# changed'); print('set up with', x)"
    script.write_text(MODEL.replace('print("set up with", x)', change))
    os.utime(script, (0, 0))
    x = ParamDim(default=0.0, values=[1.0, 2.0, 3.0])
    run = sweep("M", {"x": x}, num_steps=1, out="out", progress=False).path
    assert hashes(run) is None
    (recorded,) = read_origins(run)
    assert open_output(run).attrs["source_hash"] == recorded["source_hash"]


def test_what_is_sent_is_what_this_process_has_imported(tmp_path, monkeypatch):
    """And what is not is what others import from its file."""
    path = tmp_path / "sent_or_not.py"
    body = inspect.getsource(Here)
    path.write_text(
        "from utopya_backend import StepwiseModel\n" + body + "def make():\n"
        + textwrap.indent(body.replace("Here", "Local"), "    ") + "    return Local\n"
    )  # fmt: skip
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("sent_or_not")
    try:
        sent, imported = module.make(), module.Here
        path.write_text(path.read_text() + "# changed\n")
        os.utime(path, (time.time() + 0.02,) * 2)
        x = ParamDim(default=0, values=[1, 2])
        for cls, is_known in ((imported, True), (sent, False)):
            run = sweep(cls, {"x": x}, num_steps=1, progress=False)
            assert run.data.attrs["source_hash"].startswith("unknown") is not is_known
    finally:
        del sys.modules["sent_or_not"]
