"""The group of commands, and how they report a user's mistake."""

import sys
from typing import Any

import click

from .. import __version__
from ..errors import EXIT_CODE, UserError
from .info import info
from .recover import recover
from .run import run
from .schema import schema
from .show import show


class _Commands(click.Group):
    """Shows a :py:class:`~utopya_backend.errors.UserError` as its text."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except UserError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(EXIT_CODE)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="utopya-backend")
def main() -> None:
    """Run simulation models that are built with utopya-backend."""


main.add_command(run)
main.add_command(recover)
main.add_command(show)
main.add_command(schema)
main.add_command(info)
