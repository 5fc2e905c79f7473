import subprocess
import sys

import pytest

from utopya_backend import errors

BUILTINS = {
    errors.ConfigError: ValueError,
    errors.MissingKeyError: KeyError,
    errors.ParameterError: TypeError,
    errors.MissingFileError: FileNotFoundError,
    errors.UnreadableFileError: OSError,
    errors.JournalError: ValueError,
    errors.MissingPackageError: ImportError,
    errors.ModelImportError: ImportError,
    errors.ModelNameError: ValueError,
    errors.NotAnOutputFileError: ValueError,
    errors.FileInUseError: BlockingIOError,
    errors.OutputExistsError: FileExistsError,
    errors.OutputPermissionError: PermissionError,
    errors.OutputDirectoryError: OSError,
    errors.OutputNotADirectoryError: NotADirectoryError,
    errors.ExecutableError: OSError,
    errors.ClusterError: RuntimeError,
    errors.InexactError: ValueError,
    errors.NoLastValueError: ValueError,
    errors.UnknownVariableError: LookupError,
    errors.UnknownDimensionError: LookupError,
    errors.NotDrawableError: ValueError,
}


@pytest.mark.parametrize(("error", "builtin"), BUILTINS.items())
def test_derive_from_builtins(error, builtin):
    assert issubclass(error, errors.UserError)
    assert issubclass(error, builtin)
    assert str(error("it's 'text'")) == "it's 'text'"


def test_all_are_tested():
    assert set(errors.UserError.__subclasses__()) == set(BUILTINS)


def test_missing_key_without_text():
    assert str(errors.MissingKeyError()) == ""


def test_suggest():
    assert errors.suggest("num_step", ["num_steps", "seed"]) == (
        " Did you mean 'num_steps'?"
    )
    assert errors.suggest("xyz", ["num_steps", "seed"]) == ""
    assert errors.suggest(17, ["seed"]) == ""


def run_python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_uncaught_user_error_ends_a_program_without_traceback():
    process = run_python(
        "from utopya_backend.errors import *\n"
        "hide_traceback_of_user_errors()\n"
        "raise ConfigError('seed is wrong')"
    )
    assert process.stderr == "Error: seed is wrong\n"
    assert process.returncode == 2


def test_other_errors_keep_their_traceback():
    process = run_python(
        "from utopya_backend.errors import *\n"
        "hide_traceback_of_user_errors()\n"
        "raise ValueError('a bug')"
    )
    assert process.stderr.startswith("Traceback")
    assert process.stderr.endswith("ValueError: a bug\n")
    assert process.returncode == 1


def test_the_hook_of_somebody_else_stays(monkeypatch):
    def hook(*_):
        pass

    monkeypatch.setattr(sys, "excepthook", hook)
    errors.hide_traceback_of_user_errors()
    assert sys.excepthook is hook
