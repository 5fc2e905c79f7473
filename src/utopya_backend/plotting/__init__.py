"""Pictures of output, by its labels.

The way of the data: :py:mod:`.select` finds a variable in the output, :py:mod:`.choose`
decides what a picture of it shows, :py:mod:`.reduce` reads no more than that; the
result, one of :py:mod:`.pictures`, is drawn by :py:mod:`.figures` with matplotlib, or
by :py:mod:`.terminal` with characters; :py:mod:`.axes` says how coordinates lie there.

This needs xarray and matplotlib, which a model does not: they come with the extra
``analysis``.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import ParameterError

if TYPE_CHECKING:
    import xarray
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(
    variable: "xarray.DataArray",
    ax: "Axes | None" = None,
    *,
    over: str | Sequence[str] = (),
    at: Mapping[str, Any] | None = None,
) -> "Figure":
    """Draws a variable of the output as ``utopya-backend plot`` does.

    Args:
        variable: The variable, or a part of it
        ax: Where to draw it; a figure is made if there is none.
        over: A dimension, such as a swept parameter, that is the x-axis, or those
            along x and y: the mean over all others is drawn, at the last time of each
            universe
        at: Coordinates of other dimensions at which it is drawn instead; the nearest
            ones are taken.

    Returns:
        The figure. It does not belong to pyplot: a notebook shows it, and
        ``savefig`` writes it.

    Raises:
        TypeError: If it is no variable
        LookupError: If it has no such dimension
        ValueError: If there is no picture of it
        ImportError: If matplotlib is not installed

    Example:
        ::

            tree = open_output("out/Influenza/261122-162331")
            draw(tree["Influenza/I"].sel(time=slice(0, 7)))
            draw(tree["Influenza/I"], over="transmission_rate", at={"time": 7})
    """
    import xarray

    if not isinstance(variable, xarray.DataArray):
        raise ParameterError(
            f"What is drawn is a variable, an xarray.DataArray, but this is of type "
            f"{type(variable).__name__}: take one from the data, e.g. data['SIR/I']."
        )
    from .figures import make_figure
    from .over import choose_part

    names = [over] if isinstance(over, str) else list(over)
    picture = choose_part(variable, names, at or {})
    return make_figure(picture, str(variable.name or ""), ax)
