"""``utopya-backend recover``: completes what a killed process has begun."""

import click

from ..errors import UnreadableFileError, UserError
from ..io.opening import check_signature, find_outputs, open_hdf5, reporting_damage
from ..io.recovery import Recovery, find_writer
from ..io.recovery import recover as recover_file
from ..io.writer import Life


@click.command()
@click.argument("path", type=click.Path())
@click.option(
    "--force", is_flag=True,
    help="Do so even if it cannot be known whether the writer still lives: where "
    "there are no locks, and it was on another machine.",
)  # fmt: skip
def recover(path: str, *, force: bool) -> None:
    """Complete the last commit of an output file.

    PATH is a data.h5 whose writer was killed, or the directory of a universe or of a
    run. A file that needs nothing is left as it is.
    """
    for data_path in find_outputs(path):
        _recover(str(data_path), force=force)


def _recover(path: str, *, force: bool) -> None:
    check_signature(path)
    life, writer = find_writer(path)
    if life is Life.SEEMS_GONE and writer is not None:
        click.echo(f"There are no locks here; but the writer, {writer}, has ended.")
    try:
        recovery = recover_file(path, force=force)
    except UserError:
        raise
    except OSError as error:
        raise UnreadableFileError(
            f"{path} could not be completed ({error.strerror}): its journal is kept, "
            "so that you can try again."
        ) from None
    with open_hdf5(path) as file, reporting_damage(path):
        file.visit(lambda _: None)  # or say why it cannot be read
    done = {
        Recovery.NOTHING: "is clean, nothing had to be done",
        Recovery.DROPPED: "is clean; the journal of a commit that had not begun to "
        "change it was removed",
        Recovery.REPLAYED: "was recovered: its last commit is complete now",
    }
    click.echo(f"{path} {done[recovery]}.")
