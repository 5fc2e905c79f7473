"""The command ``utopya-backend``, and whether the right package is behind it.

The ``utopya`` frontend ships a package ``utopya_backend`` of its own. Where that one
is imported instead of ours, or where files of the two are mixed, the command has to
be able to say so; that is why it stands beside the package, not in it.

It imports hardly anything until it can be interrupted without a traceback.
"""

import os
import sys


def main() -> None:
    """Runs the command; says so if another package is in the place of ours."""
    try:
        if sys.argv[1:] == ["info"]:  # which works whatever is missing
            sys.exit(info())
        from utopya_backend.cli import main as command
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:  # whatever comes of a package that is not ours, or whole
        from utopya_backend_installation import PACKAGE, find_installation

        installation = find_installation()
        if installation.problems:
            sys.exit(str(installation))
        missing = getattr(error, "name", None) or PACKAGE
        if isinstance(error, ModuleNotFoundError) and not missing.startswith(PACKAGE):
            sys.exit(f"Error: {error}. utopya-backend needs it: pip install {missing}")
        raise
    command()


def info() -> int:
    """Shows which package is imported.

    Returns:
        The exit code: 1 if it is not the right one
    """
    from utopya_backend_installation import find_installation

    installation = find_installation()
    try:
        print(installation, flush=True)
    except BrokenPipeError:  # nobody reads it: do not try once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if installation.problems else 0


if __name__ == "__main__":
    main()
