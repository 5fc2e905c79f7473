"""The group of commands, and how they report a user's mistake."""

import errno
import importlib
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from .. import __version__
from ..errors import (
    EXIT_CODE,
    LatestRunWarning,
    UnknownSourceWarning,
    UserError,
    suggest,
)
from .unread import drop_output, going_on_unread

# Each in the module of its name, which is imported when it is called: most need
# packages that the others do not.
_COMMANDS = (
    "new", "run", "sweep", "watch", "show", "plot", "schema", "recover", "completion",
    "info",
)  # fmt: skip


_OURS: tuple[type[Warning], ...] = (LatestRunWarning, UnknownSourceWarning)


class _Commands(click.Group):
    """Shows a :py:class:`~utopya_backend.errors.UserError` as its text."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _short_warnings():
                return super().invoke(ctx)
        except UserError as error:
            with going_on_unread():
                click.echo(f"Error: {error}", err=True)
            sys.exit(EXIT_CODE)
        except BrokenPipeError:
            drop_output()
            sys.exit(128 + signal.SIGPIPE)  # as other commands do
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
            with going_on_unread():
                name = str(error.filename)[:50]
                click.echo(
                    f"Error: The name '{name}…' is too long for a file.", err=True
                )
            sys.exit(EXIT_CODE)
        except KeyboardInterrupt:
            sys.exit(128 + signal.SIGINT)

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f".{cmd_name}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            ctx.fail(
                f"There is no command '{args[0]}'.{suggest(args[0], _COMMANDS)} There "
                f"are: {', '.join(_COMMANDS)}."
            )
        return super().resolve_command(ctx, args)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Shows warnings of ours as a line, once, without the code that gives them."""
    shown: set[str] = set()

    def show(message: Any, category: type[Warning], *args: Any) -> None:
        if category not in _OURS:
            show_others(message, category, *args)
        elif str(message) not in shown:
            shown.add(str(message))
            click.echo(f"Warning: {message}", err=True)

    with warnings.catch_warnings():
        for category in _OURS:
            warnings.simplefilter("always", category)
        show_others: Any = warnings.showwarning
        warnings.showwarning = show  # type: ignore[assignment]  # as it is called
        yield


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="utopya-backend")
def main() -> None:
    """Run simulation models that are built with utopya-backend."""
