"""Runs the tests of the published backend, with this package in its place.

They come with the source distribution of the frontend, but need its demo models, which
not. So they get the configuration of a universe from an example model instead.

Usage: python campaigns/published_tests.py FRONTEND_PYTHON [VERSION]
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STAND_INS = {
    "__init__.py": 'DUMMY_MODEL = "Influenza"\n',
    "_fixtures.py": (
        "import pytest\n\n\n@pytest.fixture\ndef with_test_models():\n    pass\n"
    ),
}


def main(frontend_python: str, version: str = "1.3.11") -> int:
    """Fetches the tests and runs them.

    Args:
        frontend_python: The Python of an environment with the frontend
        version: Of which version the tests are

    Returns:
        The exit code of pytest
    """
    python = Path(frontend_python).absolute()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        pip = [python, "-m", "pip", "--quiet"]
        fetch = ["download", "--no-deps", "--no-binary", "utopya", "--dest", name]
        subprocess.run([*pip, *fetch, f"utopya=={version}"], check=True)
        subprocess.run(
            [*pip, "install", "--target", f"{name}/lib", "pytest"], check=True
        )
        with tarfile.open(directory / f"utopya-{version}.tar.gz") as archive:
            archive.extractall(directory, filter="data")
        tests = directory / "run/tests"
        tests.parent.mkdir()
        (directory / f"utopya-{version}/tests").rename(tests)
        for file, content in STAND_INS.items():
            (tests / file).write_text(content)
        environ = os.environ | {
            "HOME": name,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{name}/lib",
        }
        utopya = python.with_name("utopya")
        register = [utopya, "projects", "register", ROOT / "examples", "--with-models"]
        subprocess.run(register, env=environ, check=True, capture_output=True)
        pytest = [python, "-m", "pytest", "-q", "tests/backend"]
        return subprocess.run(pytest, cwd=tests.parent, env=environ).returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
