import subprocess
import sys

import pytest

from utopya_backend import get_level


@pytest.mark.parametrize(
    ("level", "expected"), [("WaRn", 30), ("trace", 5), ("none", 0), (15, 15), (0, 0)]
)
def test_get_level(level, expected):
    assert get_level(level) == expected


@pytest.mark.parametrize("level", ["wrn", "", None, True, 1.5])
def test_unknown_level(level):
    with pytest.raises(ValueError, match=r"There is no log level .*: choose one of"):
        get_level(level)


def test_unknown_level_suggests_a_known_one():
    with pytest.raises(ValueError, match="Did you mean 'warning'"):
        get_level("warnin")


def test_logging_is_set_up_on_import():
    code = (
        "import logging, utopya_backend; "
        "logging.info('shown'); logging.debug('hidden'); "
        "print(logging.getLogger().level)"
    )
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert process.stdout == "20\n"
    assert process.stderr == "INFO    shown\n"
