import os
import sys
import time

import pytest
from paramspace import ParamSpace

from utopya_backend import load_cfg_file, universe
from utopya_backend.universe import make_run_dir, make_universe, resolve_cfg

# .. resolve_cfg ..............................................................


def test_defaults(model):
    assert resolve_cfg(model) == {
        "root_model_name": "M",
        "M": {"a": 1, "d": 4, "nested": {"b": 2, "c": 3}},
        "num_steps": 7,
        "write_start": 0,
        "write_every": 1,
        "seed": 42,
        "monitor_emit_interval": 2.0,
        "log_levels": {"backend": "warning", "model": "info"},
    }


@pytest.mark.parametrize("wrapped", [False, True])
def test_cfg_over_defaults(model, files, wrapped):
    text = "{seed: 3, log_levels: {model: debug}, M: {nested: {b: 20}, e: 5}, own: 1}"
    text = f"parameter_space: {text}\nperform_sweep: true" if wrapped else text
    cfg = resolve_cfg(model, [files(run_yml=text) / "run.yml"], num_steps=9.0)
    assert cfg["M"] == {"a": 1, "d": 4, "nested": {"b": 20, "c": 3}, "e": 5}
    assert (cfg["seed"], cfg["own"], cfg["num_steps"]) == (3, 1, 9)
    assert cfg["log_levels"] == {"backend": "warning", "model": "debug"}
    assert resolve_cfg(model)["seed"] == 42  # the defaults are as before


def test_keys_of_a_models_own(model, files):
    cfg = resolve_cfg(model, [files(run_yml="write_stop: 3") / "run.yml"])
    assert cfg["write_stop"] == 3


@pytest.mark.parametrize("text", ["", "parameter_space:", "{}", "M:"])
def test_empty_cfg(model, files, text):
    assert resolve_cfg(model, [files(run_yml=text) / "run.yml"]) == resolve_cfg(model)


@pytest.mark.parametrize("tag", ["", "!pspace"])
def test_default_of_a_sweep(model, files, tag):
    text = (
        f"parameter_space: {tag}\n"
        "  seed: !sweep {default: 5, range: [10]}\n"
        "  M: {nested: {b: !sweep {default: 20, values: [1, 2]}}}"
    )
    cfg = resolve_cfg(model, [files(run_yml=text) / "run.yml"])
    assert cfg["seed"] == 5
    assert cfg["M"] == {"a": 1, "d": 4, "nested": {"b": 20, "c": 3}}


def test_without_paramspace(model, monkeypatch):
    monkeypatch.delitem(sys.modules, "paramspace", raising=False)
    assert resolve_cfg(model)["num_steps"] == 7


@pytest.mark.parametrize(
    ("text", "error", "expected"),
    [
        ("num_step: 3", ValueError, "no key 'num_step'"),
        ("parameter_space: {num_step: 3}", ValueError, "no key 'num_step'"),
        ("root_model_name: N", ValueError, "is the configuration of another model, N"),
        ("a: 3", ValueError, "'a' is a parameter of M .* Write:\nM:\n  a: 3"),
        ("num_steps: -1", ValueError, "num_steps has to be a whole number"),
        ("write_every: 0", ValueError, "write_every has to be"),
        ("seed: x", ValueError, "seed has to be"),
        ("M: 3", ValueError, "section 'M' has to be a mapping"),
        ("- 1", ValueError, "has to be a mapping of keys to values, but is list"),
        ("parameter_space: 3", ValueError, "parameter_space in .* has to be a mapping"),
        ("a: [", ValueError, "Could not read"),
    ],
)
def test_mistakes(model, files, text, error, expected):
    with pytest.raises(error, match=expected):
        resolve_cfg(model, [files(run_yml=text) / "run.yml"])


def test_missing_cfg(model, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no configuration file .*run.yml"):
        resolve_cfg(model, [tmp_path / "run.yml"])


# .. Directories ..............................................................


def test_run_dir(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    now = time.mktime((2026, 11, 22, 16, 23, 31, 0, 0, -1))
    names = [make_run_dir("out", "M", clock=lambda: now).name for _ in range(3)]
    assert names == [f"261122-162331{end}" for end in ("", "_2", "_3")]
    run_dir = tmp_path / "out/M" / names[0]
    assert sorted(os.listdir(run_dir)) == ["config", "data", "eval"]


def test_run_dir_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"Cannot make a directory .*: give another one"):
        make_run_dir(tmp_path / "file", "M")


def test_universe(tmp_path):
    run_dir = make_run_dir(tmp_path, "M")
    cfg = {"root_model_name": "M", "M": {"range": range(3)}, "seed": 1}
    path = make_universe(run_dir, cfg)
    uni_dir = run_dir / "data/uni0"
    assert path == uni_dir / "config.yml"
    assert load_cfg_file(str(path)) == cfg | {
        "output_dir": str(uni_dir), "output_path": str(uni_dir / "data.h5"),
    }  # fmt: skip
    assert uni_dir.is_absolute()
    # What the frontend wants to see when it evaluates the run
    pspace = load_cfg_file(str(run_dir / "config/parameter_space.yml"))
    assert isinstance(pspace, ParamSpace)
    assert pspace.default == cfg
    meta_cfg = load_cfg_file(str(run_dir / "config/meta_cfg.yml"))
    assert meta_cfg == {"perform_sweep": False, "parameter_space": cfg}


def test_base_cfg_is_that_of_the_frontend():
    assert universe.BASE_CFG == {
        "seed": 42, "monitor_emit_interval": 2.0, "num_steps": 3, "write_start": 0,
        "write_every": 1, "log_levels": {"backend": "warning", "model": "info"},
    }  # fmt: skip


# .. Constraints ..............................................................


def constrained(files, model):
    files(M__M_cfg_yml="a: !is-positive 1\nnested: {b: !is-int 2}")
    return model


def test_constraints_of_the_defaults(files, model, tmp_path):
    model = constrained(files, model)
    assert resolve_cfg(model)["M"]["nested"]["b"] == 2
    directory = files(cfg_yml="seed: -1\nM: {a: -1, nested: {b: 2.5}}\nm: {}")
    with pytest.raises(ValueError, match="has 4 mistakes") as error:
        resolve_cfg(model, [directory / "cfg.yml"])
    for text in (
        "There is no key 'm' in a configuration. Did you mean 'M'?",
        "M.a has to be a number in (0, inf), but is -1 (int).",
        "M.nested.b has to be an integer (of type int64), but is 2.5 (float).",
        "seed has to be an integer of at least 0, but is -1 (int).",
    ):
        assert text in str(error.value)


def test_constraints_of_a_sweep(files, model):
    model = constrained(files, model)
    text = "parameter_space: {M: {a: !sweep {default: 1, values: [1, 0]}}}"
    directory = files(cfg_yml=text)
    with pytest.raises(ValueError, match=r"M\.a has to be a number in .* but is 0"):
        resolve_cfg(model, [directory / "cfg.yml"])
    directory = files(cfg_yml=f"perform_validation: false\n{text}")
    assert resolve_cfg(model, [directory / "cfg.yml"])["M"]["a"] == 1


def test_constraints_of_a_run_configuration(files, model):
    directory = files(cfg_yml="parameter_space: {num_steps: !is-positive-int 0}")
    with pytest.raises(ValueError, match=r"^num_steps has to be a number in \(0, inf"):
        resolve_cfg(model, [directory / "cfg.yml"])
