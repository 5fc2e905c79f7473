import math
import os
import subprocess
import sys

import numpy as np
import pytest

from utopya_backend.model.config import (
    check_benchmark,
    check_output_path,
    check_root_cfg,
    parse_step_number,
    parse_steps,
)

GOOD = {"root_model_name": "M", "M": {"a": 1}}


def test_defaults():
    assert check_root_cfg(GOOD) == {
        **GOOD,
        "seed": 42,
        "monitor_emit_interval": 2.0,
        "log_levels": {"backend": "warning", "model": "info"},
    }


def test_nothing_is_changed():
    cfg = {
        **GOOD,
        "M": None,
        "seed": 3,
        "log_levels": {"model": 10, "other": 1},
        "x": 1,
    }
    before = dict(cfg)
    checked = check_root_cfg(cfg)
    assert cfg == before
    assert checked["M"] == {}
    assert checked["x"] == 1
    assert checked["log_levels"] == {"backend": "warning", "model": 10, "other": 1}


def test_log_level_none_is_the_default():
    checked = check_root_cfg({**GOOD, "log_levels": {"backend": None}})
    assert checked["log_levels"]["backend"] == "warning"


@pytest.mark.parametrize("cfg", [None, [], "text"])
def test_no_mapping(cfg):
    with pytest.raises(ValueError, match="has to be a mapping of keys to values"):
        check_root_cfg(cfg)


@pytest.mark.parametrize(
    ("cfg", "text"),
    [
        ({}, "lacks the key 'root_model_name'"),
        ({"root_model_nam": "M"}, "Is 'root_model_nam' meant to be that?"),
        ({"root_model_name": "M"}, "lacks the key 'M'"),
    ],
)
def test_missing_key(cfg, text):
    with pytest.raises(KeyError) as error:
        check_root_cfg(cfg)
    assert text in str(error.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *[("seed", seed) for seed in (-1, 1.5, 42.0, "42", None, True, [1])],
        *[("monitor_emit_interval", x) for x in (-1, "2s", None, math.nan, True)],
        ("monitor_emit_interval", 10**400),
        ("output", {"commit_interval": 10**400}),
        ("root_model_name", "a\0b"),
        ("root_model_name", "\ud800"),
        ("log_levels", "info"),
        ("log_levels", {"model": "loud"}),
        ("log_levels", {"backend": "loud"}),
        ("root_model_name", ""),
        ("root_model_name", "a/b"),
        ("root_model_name", 3),
        ("root_model_name", ".."),
        *[("seed_numpy_rng", seed) for seed in ("no", -1, 2**32, 1.5)],
        ("seed_system_rng", "no"),
        ("M", [1]),
        ("M", "x" * 100),
    ],
)
def test_invalid_value(key, value):
    with pytest.raises(ValueError) as error:  # noqa: PT011  # all are checked below
        check_root_cfg({**GOOD, key: value})
    assert key in str(error.value)
    assert "has to be" in str(error.value) or "choose one of" in str(error.value)


def test_odd_keys_and_names():
    with pytest.raises(ValueError, match=r"have to be strings, but 3 \(int\) is not"):
        check_root_cfg({**GOOD, 3: 4})
    with pytest.raises(ValueError, match="A model cannot be called 'seed'"):
        check_root_cfg({"root_model_name": "seed", "seed": {}})


@pytest.mark.parametrize("seed", [None, False, True, 0, 2**32 - 1, np.int64(3)])
def test_seeds_of_the_global_generators(seed):
    assert check_root_cfg({**GOOD, "seed_numpy_rng": seed})["seed_numpy_rng"] is seed


@pytest.mark.parametrize("seed", [0, 2**32 - 1, 2**100, np.int64(3)])
def test_any_integer_from_0_is_a_seed(seed):
    assert check_root_cfg({**GOOD, "seed": seed})["seed"] == seed


# .. Steps ....................................................................


@pytest.mark.parametrize("value", [2, 2.0, np.int64(2), np.float32(2)])
def test_step_number(value):
    number = parse_step_number("num_steps", value, minimum=0)
    assert number == 2
    assert type(number) is int


@pytest.mark.parametrize("value", [-1, 2.5, "abc", "2", None, True, math.inf, math.nan])
def test_invalid_step_number(value):
    with pytest.raises(
        ValueError, match="num_steps has to be a whole number of at lea"
    ):
        parse_step_number("num_steps", value, minimum=0)


@pytest.mark.parametrize("value", [10**18 + 1, 1e308, 2**63, 10**400])
def test_too_many_steps(value):
    for key in ("num_steps", "write_start", "write_every"):
        with pytest.raises(ValueError, match=f"{key} has to be at most 1,000,000,0"):
            parse_steps({"num_steps": 3, key: value})
    assert parse_steps({"num_steps": 1e18}) == (10**18, 0, 1)


def test_steps():
    assert parse_steps({"num_steps": 3.0}) == (3, 0, 1)
    cfg = {"num_steps": 3, "write_start": 2, "write_every": 5, "more": 1}
    assert parse_steps(cfg) == (3, 2, 5)


def test_invalid_steps():
    with pytest.raises(KeyError, match="lacks the key 'num_steps'"):
        parse_steps({"num_step": 3})
    with pytest.raises(ValueError, match=r"write_every .* at least 1, but is 0"):
        parse_steps({"num_steps": 3, "write_every": 0})
    with pytest.raises(ValueError, match=r"write_start .* at least 0, but is -1"):
        parse_steps({"num_steps": 3, "write_start": -1})


# .. The entry `benchmark` ....................................................


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("enabled", "no"), ("write", 1), ("show_on_exit", None), ("group_name", ""),
        ("group_name", 3), ("group_name", "a\0"), ("group_name", "\udfff"),
        ("compression", 10), ("compression", "x"), ("dtype", "foo"),
        ("info_fstr", "{nope}"), ("info_fstr", 3), ("info_kwargs", {"name": 1}),
        ("info_kwargs", 3),
    ],
)  # fmt: skip
def test_wrong_benchmark_entry(key, value):
    part = key.replace("info_kwargs", "info_fstr")
    with pytest.raises(
        ValueError, match=rf"M.benchmark.{part}.*(has to be|cannot form)"
    ):
        check_benchmark({key: value}, section="M.benchmark")


def test_benchmark_entry():
    check_benchmark({}, section="M.benchmark")
    cfg = {
        "enabled": False, "group_name": "a/b", "compression": 0, "dtype": "f8",
        "info_fstr": "{name} {x}", "info_kwargs": {"x": 1},
    }  # fmt: skip
    check_benchmark(cfg, section="M.benchmark")


# .. Output path ..............................................................


def test_output_path(tmp_path, monkeypatch):
    path = str(tmp_path / "data.h5")
    assert check_output_path({"output_path": path}) == path
    assert check_output_path({"output_path": tmp_path / "data.h5"}) == path
    monkeypatch.setenv("HOME", str(tmp_path))
    assert check_output_path({"output_path": "~/data.h5"}) == path
    monkeypatch.chdir(tmp_path)
    assert check_output_path({"output_path": "data.h5"}) == "data.h5"


@pytest.mark.parametrize("path", [None, 3, "", "a\0b", "\ud800"])
def test_no_path(path):
    with pytest.raises(ValueError, match="has to be the path of the HDF5 file"):
        check_output_path({"output_path": path})


def test_bad_output_paths(tmp_path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name, error, text in (
        ("file", FileExistsError, "exists already and is never overwritten"),
        ("dangling", FileExistsError, "exists already and is never overwritten"),
        ("no/data.h5", FileNotFoundError, "does not exist: create it"),
        ("file/data.h5", NotADirectoryError, "is not a directory"),
    ):
        with pytest.raises(error, match=text):
            check_output_path({"output_path": str(tmp_path / name)})
    with pytest.raises(KeyError, match="lacks the key 'output_path'"):
        check_output_path({})
    assert (tmp_path / "file").read_text() == "precious"


def test_output_directory_is_not_writable(tmp_path):
    """As another user, since root may write everywhere."""
    code = (
        "import os, sys\n"
        "from utopya_backend.model.config import check_output_path\n"
        "if os.getuid() == 0:\n"
        "    os.setuid(65534)\n"
        "try:\n"
        "    check_output_path({'output_path': sys.argv[1]})\n"
        "except PermissionError as error:\n"
        "    print(error)\n"
    )
    (tmp_path / "closed").mkdir()
    os.chmod(tmp_path / "closed", 0o555)
    for directory in (tmp_path, *tmp_path.parents[:-2]):
        os.chmod(directory, os.stat(directory).st_mode | 0o055)
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "closed/data.h5")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "is not writable: change its permissions" in process.stdout
