import os
import subprocess
import sys

import pytest

from utopya_backend.errors import MissingFileError, ParameterError
from utopya_backend.testing import check_same_under_frontend


def test_run_model(run_model, walk, tmp_path):
    first = run_model(walk, {"size": 2}, num_steps=4, seed=1, write_every=2)
    second = run_model(walk, num_steps=1, note="again")
    assert first.path.is_relative_to(tmp_path)
    assert first.data["Walk/state"].shape == (3, 2)
    assert second.num_iterations == 1
    assert first.path.exists()


@pytest.fixture
def made():
    """Looks at a model after the fixture `make_model` is gone."""
    models = []
    yield models
    with pytest.raises(RuntimeError, match="is closed"):
        models[0].run()


def test_make_model(made, make_model, walk, tmp_path):
    made.append(make_model(walk, {"size": 2}, num_steps=4))
    other = make_model(walk, num_steps=1)
    made[0].step()
    assert made[0].time == 1
    assert other.time == 0
    assert made[0].root_cfg["output_path"].startswith(str(tmp_path))


def run(*args, **environ):
    environ = os.environ | environ
    return subprocess.run(args, env=environ, capture_output=True, text=True)


def test_without_pytest(tmp_path):
    (tmp_path / "pytest.py").write_text("raise ModuleNotFoundError('no pytest')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    code = "import utopya_backend.testing"
    process = run(sys.executable, "-c", code, PYTHONPATH=path)
    assert process.returncode == 1
    assert process.stderr.rstrip().endswith("install it by pip install pytest")


def test_nobody_else_needs_pytest():
    code = "import sys, utopya_backend, utopya_backend.cli.new; print(*sys.modules)"
    assert "pytest" not in run(sys.executable, "-c", code).stdout.split()


def test_no_warnings_if_it_was_imported_before(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import utopya_backend.testing\npytest_plugins = ['utopya_backend.testing']"
    )
    (tmp_path / "test_it.py").write_text("def test_it(run_model): pass")
    args = (sys.executable, "-m", "pytest", "-W", "error", str(tmp_path))
    process = run(*args, "--rootdir", str(tmp_path))
    assert process.returncode == 0, process.stdout


def test_without_a_frontend(files, monkeypatch, walk):
    monkeypatch.delenv("UTOPYA", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    directory = files(M_info_yml="model_name: M\npaths: {executable: run_model.py}")
    with pytest.raises(pytest.skip.Exception, match=r"pip install utopya.*UTOPYA="):
        check_same_under_frontend(directory)
    with pytest.raises(MissingFileError, match="no frontend at /bin/nothing"):
        check_same_under_frontend(directory, utopya="/bin/nothing")
    monkeypatch.setenv("UTOPYA", "other")
    with pytest.raises(MissingFileError, match="no frontend at other"):
        check_same_under_frontend(directory)
    with pytest.raises(ParameterError, match="not by its class Walk"):
        check_same_under_frontend(walk)
