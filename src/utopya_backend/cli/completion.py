"""``utopya-backend completion``: makes a shell complete the command."""

import click
from click.shell_completion import get_completion_class

_HOW = {
    "bash": 'eval "$(utopya-backend completion bash)"   # in ~/.bashrc',
    "zsh": 'eval "$(utopya-backend completion zsh)"   # in ~/.zshrc',
    "fish": "utopya-backend completion fish | source   # in config.fish",
}


@click.command(epilog="\b\n" + "\n".join(_HOW.values()))
@click.argument("shell", type=click.Choice(list(_HOW)))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print what makes a SHELL complete commands, options and paths."""
    cls = get_completion_class(shell)
    assert cls is not None  # as it is one of the shells that click knows
    variable = "_UTOPYA_BACKEND_COMPLETE"
    click.echo(cls(ctx.find_root().command, {}, "utopya-backend", variable).source())
