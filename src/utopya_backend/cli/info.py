"""``utopya-backend info``: which package of the name is imported."""

import sys

import click

from utopya_backend_command import inspect


@click.command()
def info() -> None:
    """Show which package utopya_backend is imported.

    The utopya frontend ships a package of the same name. This says which of the two
    the Python that runs this command imports, whether files of both are mixed, and
    what to do; the exit code is 1 if it is not utopya-backend, or mixed.
    """
    installation = inspect(sys.path)
    click.echo(installation)
    sys.exit(1 if installation.problems else 0)
