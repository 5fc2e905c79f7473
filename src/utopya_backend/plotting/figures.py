"""Pictures drawn by matplotlib, without pyplot: nothing of the user's is changed."""

import io
import os
import textwrap
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from ..errors import ConfigError, MissingPackageError
from ..io.walking import visible
from .axes import Axis as AxisOfPicture
from .axes import lay_out
from .colors import STATES, line_colors
from .pictures import Bars, Image, Lines, Map, Picture, map_texts
from .reduce import Array

try:
    import matplotlib
    from matplotlib.axes import Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.figure import Figure, SubFigure
    from matplotlib.ticker import LogFormatter, MaxNLocator, NullLocator
except ImportError as error:
    raise MissingPackageError(
        f"Drawing pictures needs matplotlib ({error}): install it by "
        "pip install matplotlib, or draw them in the terminal, by --terminal."
    ) from None
except ValueError as error:
    if (backend := os.environ.get("MPLBACKEND")) is None:
        raise
    raise ConfigError(
        f"The environment variable MPLBACKEND is {backend!r}, which matplotlib refuses "
        f"({error}): unset it, or set it to agg."
    ) from None

FRAMES_PER_SECOND = 10
"""The speed of an animation"""

_DPI = 150
_DPI_ANIMATED = 80
_MAX_FIELDS_DRAWN = 2_500  # of a map in a pdf or svg; more of them are an image there
_CHARACTERS = 45  # that have room beside each other below or beside an axis
_MAX_LINES = 3  # of a label
_CHARACTERS_OF_NOTES = 90  # in one line above the axes
_GREY = "#555555"
_STYLE = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titlelocation": "left",
    "axes.edgecolor": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "svg.fonttype": "none",  # text remains text
    "text.parse_math": False,  # also if there is a $ in it
}
_AS_TEXT: Any = {"parse_math": False, "usetex": False}  # of axes that are not ours


def make_figure(picture: Picture, title: str, ax: Axes | None = None) -> Figure:
    """Draws a picture.

    Args:
        picture: What it shows; of many images, the last one
        title: What stands above it
        ax: Where to draw it; by default, a figure is made.
    """
    picture, title = map_texts((picture, title), _fitting)
    with _style():
        if ax is None:
            ax = _new_axes(picture)
        if isinstance(picture, Image):
            _draw_image(ax, picture)
            when = picture.times[-1]
            title = f"{title}, {when}" if when else title
        elif isinstance(picture, Bars):
            _draw_bars(ax, picture)
        elif isinstance(picture, Map):
            _draw_map(ax, picture)
        else:
            _draw_lines(ax, picture)
        _draw_title(ax, title, picture.notes)
    figure = ax.figure
    return figure.figure if isinstance(figure, SubFigure) else figure


def render(picture: Picture, title: str, extension: str) -> bytes:
    """Makes the content of a file.

    Args:
        picture: What it shows
        title: What stands above it
        extension: The format: ``png``, ``pdf``, ``svg``; or ``gif``, with all images
    """
    if extension == "gif" and isinstance(picture, Image):
        return _render_frames(picture, title)
    buffer = io.BytesIO()
    figure = make_figure(picture, title)
    with _style():
        figure.savefig(buffer, format=extension, dpi=_DPI)
    return buffer.getvalue()


def _fitting(text: str) -> str:
    """A text that leaves room for the picture: in several lines if it is long."""
    lines = visible(text).split("\n")
    if max(map(len, lines)) > _CHARACTERS:
        lines = [part for line in lines for part in textwrap.wrap(line, _CHARACTERS)]
    if len(lines) > _MAX_LINES:
        lines = [*lines[: _MAX_LINES - 1], f"{lines[_MAX_LINES - 1]} …"]
    return "\n".join(lines)


def _style() -> Any:
    """Our style, on top of the defaults, until the end of a with-statement."""
    style: Any = {**_defaults(), **_STYLE}
    return matplotlib.rc_context(style)


def _defaults() -> dict[str, Any]:
    return {
        key: value
        for key, value in matplotlib.rcParamsDefault.items()
        if not key.startswith(("backend", "interactive", "toolbar", "timezone"))
    }


def _new_axes(picture: Picture) -> Axes:
    size = (7.0, 4.2)
    if isinstance(picture, Bars):
        size = (7.0, max(1.6 + 0.28 * len(picture.names), 2.5))
    if isinstance(picture, Image):
        width, height = _lengths(picture)
        size = (6.4, min(max(5.2 * height / width + 0.8, 2.5), 9.0))
    figure = _Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()


class _Figure(Figure):
    """A figure that a notebook shows as it is, without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        with _style():
            self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def _draw_lines(ax: Axes, picture: Lines) -> None:
    many = len(picture.curves) > 1
    drawn: list[Any] = []
    for curve, color in zip(
        picture.curves, line_colors(len(picture.curves)), strict=True
    ):
        for low, high in curve.bands:
            ax.fill_between(picture.x, low, high, color=color, alpha=0.2, linewidth=0)
        drawn += ax.plot(
            picture.x,
            curve.values,
            color=color,
            linewidth=1.6,
            marker="o",
            markevery=_lone_points(curve.values),
        )
    _set_axis(ax, "x", lay_out(picture.x, picture.ticks))
    ax.yaxis.get_offset_text().set(ha="right")  # not below the notes
    ax.margins(x=0.02)
    ax.set_xlabel(picture.x_label, **_AS_TEXT)
    ax.set_ylabel(picture.y_label, **_AS_TEXT)
    if many:
        names = list(map(str, range(len(drawn))))
        legend = ax.legend(drawn, names, title=picture.legend, loc="center left",
                           bbox_to_anchor=(1.0, 0.5), fontsize=9, title_fontsize=9,
                           alignment="left")  # fmt: skip
        # As labels, those that begin with an underscore would be left out.
        for text, curve in zip(legend.get_texts(), picture.curves, strict=True):
            text.set_text(curve.label)


def _lone_points(values: Array) -> list[int]:
    """The points without neighbours, of which a line would show nothing."""
    there = np.concatenate([[False], np.isfinite(values), [False]])
    lone = there[1:-1] & ~there[:-2] & ~there[2:]
    return list(map(int, np.flatnonzero(lone)))


def _draw_bars(ax: Axes, picture: Bars) -> None:
    positions = np.arange(len(picture.names))
    ax.barh(positions, np.nan_to_num(picture.values), color=line_colors(1)[0])
    longest = np.nanmax(picture.values)
    for position, value in zip(positions, picture.values, strict=True):
        share = f"  {value / longest:.1%}" if picture.is_share and longest > 0 else ""
        text = f" {value:.3g}{share}" if np.isfinite(value) else " –"
        ax.text(max(value, 0) if np.isfinite(value) else 0, float(position), text,
                va="center", fontsize=9, color=_GREY)  # fmt: skip
    ax.set_yticks(positions, list(picture.names), **_AS_TEXT)
    ax.tick_params(axis="y", length=0)
    ax.invert_yaxis()
    ax.margins(x=0.25, y=0.02)
    if np.nanmin(picture.values) >= 0:
        ax.set_xlim(left=0)
    ax.set_xlabel(picture.x_label, **_AS_TEXT)
    ax.set_ylabel(picture.y_label, **_AS_TEXT)


def _draw_image(ax: Axes, picture: Image) -> Any:
    """Draws the last image; returns what can be given the others."""
    options: dict[str, Any] = {}
    if picture.states:
        colors = ListedColormap(STATES[: len(picture.states)])
        limits = np.arange(len(picture.states) + 1) - 0.5
        options = {"cmap": colors, "norm": BoundaryNorm(limits, colors.N),
                   "interpolation_stage": "rgba"}  # fmt: skip
    else:
        low, high = _value_range(picture)
        options = {"cmap": "viridis", "vmin": low, "vmax": high}
    width, height = _lengths(picture)
    is_long = max(width / height, height / width) > 5
    image = ax.imshow(
        picture.levels(picture.frames[-1]).T,
        origin="lower",
        extent=picture.extent,
        aspect="auto" if is_long else "equal",
        **options,
    )
    bar = ax.figure.colorbar(image, ax=ax, shrink=0.8, label=picture.value_label)
    bar.outline.set_visible(False)
    if picture.states:
        ticks = range(len(picture.states))
        bar.set_ticks(ticks, labels=list(map(str, picture.states)))
        bar.ax.tick_params(which="both", length=0)
    ax.set_xlabel(picture.labels[0], **_AS_TEXT)
    ax.set_ylabel(picture.labels[1], **_AS_TEXT)
    return image


def _draw_map(ax: Axes, picture: Map) -> None:
    x = lay_out(picture.x, picture.ticks[0])
    y = lay_out(picture.y, picture.ticks[1])
    fields = ax.pcolormesh(
        x.edges,
        y.edges,
        np.ma.masked_invalid(picture.values).T,
        cmap="viridis",
        rasterized=picture.values.size > _MAX_FIELDS_DRAWN,
    )
    # What is missing shows this, which is no colour of the map.
    ax.patch.set(facecolor="white", edgecolor="#cccccc", hatch="////")
    bar = ax.figure.colorbar(fields, ax=ax, label=picture.value_label)
    bar.outline.set_visible(False)
    _set_axis(ax, "x", x)
    _set_axis(ax, "y", y)
    ax.set_xlabel(picture.labels[0], **_AS_TEXT)
    ax.set_ylabel(picture.labels[1], **_AS_TEXT)


def _set_axis(ax: Axes, along: Literal["x", "y"], shown: AxisOfPicture) -> None:
    axis: Any = ax.xaxis if along == "x" else ax.yaxis
    if shown.is_log:
        ax.set(**{f"{along}scale": "log"})
    if shown.ticks:
        axis.set_ticks(list(shown.ticks), labels=list(shown.ticks.values()), **_AS_TEXT)
        axis.set_minor_locator(NullLocator())
        if along == "x" and not _fits(shown):
            ax.tick_params(axis="x", rotation=45)
            for label in ax.get_xticklabels():
                label.set(ha="right", rotation_mode="anchor")
    elif shown.is_log:
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(LogFormatter(labelOnlyBase=False))
    elif shown.is_integer:
        axis.set_major_locator(MaxNLocator("auto", integer=True))


def _fits(shown: AxisOfPicture) -> bool:
    """Whether the texts at an axis have room beside each other."""
    texts = {place: text for place, text in shown.ticks.items() if text}
    first, last = shown.scaled(shown.edges[[0, -1]])
    gaps = np.diff(shown.scaled(np.array(list(texts)))) / (last - first)
    return not len(gaps) or max(map(len, texts.values())) < _CHARACTERS * gaps.min()


def _value_range(picture: Image) -> tuple[float, float]:
    """The least and the largest finite value of all images."""
    finite = [frame[np.isfinite(frame)] for frame in picture.frames]
    finite = [values for values in finite if values.size]
    if not finite:
        return 0.0, 1.0
    return (
        float(min(values.min() for values in finite)),
        float(max(values.max() for values in finite)),
    )


def _lengths(picture: Image) -> tuple[float, float]:
    left, right, bottom, top = picture.extent
    return right - left, top - bottom


def _draw_title(ax: Axes, title: str, notes: tuple[str, ...]) -> None:
    lines = textwrap.wrap("; ".join(notes), _CHARACTERS_OF_NOTES)
    ax.set_title(title, pad=8 + 12 * len(lines), **_AS_TEXT)
    if lines:
        ax.annotate("\n".join(lines), (0, 1), xycoords="axes fraction",
                    xytext=(0, 6), textcoords="offset points", ha="left", va="bottom",
                    fontsize=8, color=_GREY)  # fmt: skip


def _render_frames(picture: Image, title: str) -> bytes:
    picture, title = map_texts((picture, title), _fitting)
    frames = _draw_frames(picture, title)
    first = next(frames)
    buffer = io.BytesIO()
    first.save(buffer, "gif", save_all=True, append_images=frames,
               duration=1000 // FRAMES_PER_SECOND, loop=0, optimize=True)  # fmt: skip
    return buffer.getvalue()


def _draw_frames(picture: Image, title: str) -> Iterator[Any]:
    """Draws the images one after the other, in the same figure and colours."""
    import PIL.Image

    with _style():
        ax = _new_axes(picture)
        figure: Any = ax.figure
        figure.set_dpi(_DPI_ANIMATED)
        image = _draw_image(ax, picture)
        when = picture.times[-1]
        _draw_title(ax, f"{title}, {when}" if when else title, picture.notes)
        canvas: Any = FigureCanvasAgg(figure)
        # The last one tells the colours; and where things are, which takes the time.
        palette = PIL.Image.fromarray(_pixels(canvas)).quantize(256)
        figure.set_layout_engine("none")
        for frame, when in zip(picture.frames, picture.times, strict=True):
            image.set_data(picture.levels(frame).T)
            ax.set_title(f"{title}, {when}" if when else title, **_AS_TEXT)
            drawn = PIL.Image.fromarray(_pixels(canvas))
            # At once, as all of them in full colours may not fit into memory
            yield drawn.quantize(palette=palette, dither=PIL.Image.Dither.NONE)


def _pixels(canvas: Any) -> Array:
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
