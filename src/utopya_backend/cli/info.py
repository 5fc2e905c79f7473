"""``utopya-backend info``: which package is imported as ``utopya_backend``."""

import sys

import click


@click.command()
def info() -> None:
    """Show which package is imported as utopya_backend.

    The utopya frontend ships a package of the same name. This says which of the two
    the Python that runs this command imports, whether files of both are mixed, and
    what to do; the exit code is 1 if it is not utopya-backend, or mixed.
    """
    import utopya_backend_command  # only this command needs it

    sys.exit(utopya_backend_command.info())
