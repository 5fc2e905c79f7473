"""Pictures made of characters.

Lines consist of the dots of braille characters, four below each other and two beside
each other. Cells of a grid are the halves of a character in two colours, or shades.
"""

import textwrap
from collections.abc import Iterator, Sequence

import numpy as np

from ..io.walking import visible
from .axes import lay_out, limits_as_texts
from .colors import STATES, VIRIDIS, blend, line_colors, rgb
from .pictures import Bars, Image, Lines, Map, Picture, map_texts
from .reduce import Array

_MIN_WIDTH = 30
_BRAILLE = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_SHADES = " ░▒▓█"
_SIGNS = " +#o%x@*"  # of the states of cells, and of lines


def draw_text(
    picture: Picture, title: str, *, width: int, height: int = 20, color: bool = False
) -> str:
    """Draws a picture.

    Args:
        picture: What it shows; of many images, the last one
        title: What stands above it
        width: How wide it may be, in characters
        height: How high it may be, in lines
        color: Whether the terminal understands colours
    """
    width = max(width, _MIN_WIDTH)
    picture, title = map_texts((picture, title), _in_one_line)
    if isinstance(picture, Image):
        title = f"{title}, {picture.times[-1]}" if picture.times[-1] else title
        lines = _image(picture, width, height, color)
    elif isinstance(picture, Bars):
        lines = _bars(picture, width, color)
    elif isinstance(picture, Map):
        lines = _map(picture, width, height, color)
    else:
        lines = _lines(picture, width, height, color)
    if isinstance(picture, Lines):
        title = _with_label(title, picture.y_label)
    elif isinstance(picture, Bars):
        title = _with_label(title, picture.x_label)
    elif isinstance(picture, Map):
        title = _with_label(title, picture.value_label)
    head = textwrap.wrap(title, width) or [""]
    notes = textwrap.wrap("; ".join(picture.notes), width)
    return "\n".join([*head, *lines, *notes])


def _in_one_line(text: str) -> str:
    return visible(text).replace("\n", " ")


def _lines(picture: Lines, width: int, height: int, color: bool) -> Iterator[str]:
    is_many = len(picture.curves) > 1
    # Those of several lines cannot be told apart here.
    bands = [] if is_many else picture.curves[0].bands[:1]
    limits = [limit for band in bands for limit in band]
    drawn = np.concatenate([*(curve.values for curve in picture.curves), *limits])
    low, high = float(np.nanmin(drawn)), float(np.nanmax(drawn))
    scale = limits_as_texts(low, high)[::-1]
    margin = max(map(len, scale))
    canvas = _Canvas(width - margin - 2, height)
    axis = lay_out(picture.x, picture.ticks)
    x = axis.scaled(picture.x)
    x = _unit(x, x[0], x[-1])
    colors = line_colors(len(picture.curves))
    for number, curve in enumerate(picture.curves):
        for limit in limits:
            canvas.add(x, _unit(limit, low, high), number, is_dotted=True)
        canvas.add(x, _unit(curve.values, low, high), number)
    for number, row in enumerate(canvas.rows(colors, color, is_many)):
        label = {0: scale[0], height - 1: scale[1]}.get(number, "")
        yield f"{label:>{margin}s} │{row}"
    yield f"{'':{margin}s} └{'─' * canvas.width}"
    ends = _ends(picture.x, picture.ticks)
    x_label = f"{picture.x_label} (logarithmic)" if axis.is_log else picture.x_label
    yield f"{'':{margin + 2}s}{_below(ends, x_label, canvas.width)}"[:width]
    if is_many:
        if picture.legend:
            yield f"  {picture.legend}:"[:width]
        signs = ["━━" if color else sign for sign in _letters(len(colors))]
        for curve, sign, shade in zip(picture.curves, signs, colors, strict=True):
            text = f"{curve.label}"[: width - 5]
            yield f"  {_paint(sign, shade) if color else sign} {text}"


def _ends(coords: Array, ticks: dict[int, str]) -> tuple[str, str]:
    """The first and the last coordinate of an axis as texts."""
    first, last = limits_as_texts(float(coords[0]), float(coords[-1]), 6)
    if ticks:
        return ticks.get(int(coords[0]), first), ticks.get(int(coords[-1]), last)
    return first, last


def _below(ends: tuple[str, str], label: str, width: int) -> str:
    """What stands below an axis: where it begins and ends, and what it is."""
    first, last = ends
    middle = width - len(first) - len(last)
    return f"{first}{label[: max(middle - 2, 0)]:^{max(middle, 1)}s}{last}"


class _Canvas:
    """Dots, two by four in each character."""

    def __init__(self, width: int, height: int) -> None:
        self.width = max(width, 1)
        self._dots = np.full((4 * height, 2 * self.width), -1)

    def add(self, x: Array, y: Array, number: int, is_dotted: bool = False) -> None:
        """Draws a line through points of which both coordinates go from 0 to 1."""
        rows, columns = self._dots.shape
        places = np.stack([(1 - y) * (rows - 1), x * (columns - 1)], axis=1)
        for start, stop in zip(places, places[min(1, len(places) - 1) :], strict=False):
            ends = np.stack([start, stop])[np.isfinite([start[0], stop[0]])]
            if not len(ends):
                continue
            steps = int(np.abs(ends[-1] - ends[0]).max()) + 1
            line = np.linspace(ends[0], ends[-1], steps + 1).round().astype(int)
            if is_dotted:
                line = line[line[:, 1] % 4 == 0]
            self._dots[line[:, 0], line[:, 1]] = number

    def rows(self, colors: Sequence[str], color: bool, is_many: bool) -> Iterator[str]:
        """The lines of characters."""
        letters = _letters(len(colors))
        for top in range(0, len(self._dots), 4):
            row = ""
            for left in range(0, 2 * self.width, 2):
                dots = self._dots[top : top + 4, left : left + 2]
                number = int(dots.max())
                if number < 0:
                    row += " "
                elif is_many and not color:
                    row += letters[number]
                else:
                    sign = chr(0x2800 + int(_BRAILLE[dots >= 0].sum()))
                    row += _paint(sign, colors[number]) if color else sign
            yield row


def _letters(number: int) -> str:
    return "abcdefghijklmnopqrstuvwxyz"[:number]


def _bars(picture: Bars, width: int, color: bool) -> Iterator[str]:
    longest = float(np.nanmax(np.abs(picture.values))) or 1.0
    name_width = min(max(map(len, picture.names)), width // 3)
    shares = picture.values / longest
    texts = [
        f"{value:.3g}" + (f" {share:6.1%}" if picture.is_share else "")
        for value, share in zip(picture.values, shares, strict=True)
    ]
    room = max(width - name_width - max(map(len, texts)) - 2, 1)
    for name, share, text in zip(picture.names, shares, texts, strict=True):
        eighths = round(abs(share) * room * 8) if np.isfinite(share) else 0
        bar = "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()
        painted = _paint(bar, line_colors(1)[0]) if color and bar else bar
        yield f"{name[:name_width]:>{name_width}s} {painted} {text}"


def _image(picture: Image, width: int, height: int, color: bool) -> Iterator[str]:
    left, right, bottom, top = picture.extent
    frame = picture.frames[-1].T[::-1]  # the rows of the picture
    ratio = (top - bottom) / (right - left)
    room = min(width, round(2 * height / ratio))  # a character is as high as two wide
    size = frame.shape[1]
    columns = max(room // size * size if room > size else room, 1)
    rows = max(min(round(columns * ratio), 2 * height), 2)
    frame = _sample(frame, rows if color else max(rows // 2, 1), columns)
    levels = picture.levels(frame)
    if not picture.states:
        yield from _shaded(levels, color)
        yield _scale(levels, picture.value_label)
        return
    if color:
        yield from _half_blocks(levels, STATES)
    else:
        for row in levels:
            yield "".join(_SIGNS[int(n)] if np.isfinite(n) else "?" for n in row)
    shown = [
        f"{_paint('██', STATES[i]) if color else repr(_SIGNS[i])} {state}"
        for i, state in enumerate(picture.states)
    ]
    yield f"{picture.value_label}: {'  '.join(shown)}"


def _map(picture: Map, width: int, height: int, color: bool) -> Iterator[str]:
    frame = picture.values.T[::-1]  # the rows of the picture
    y_ends = _ends(picture.y, picture.ticks[1])
    margin = max(map(len, y_ends))
    room = max(width - margin - 2, 1)
    columns = _multiple(frame.shape[1], room)
    rows = _multiple(frame.shape[0], min(height, columns // 2 + 1))
    sampled = _sample(frame, 2 * rows if color else rows, columns)
    yield picture.labels[1][:width]
    for number, row in enumerate(_shaded(sampled, color)):
        label = {0: y_ends[1], rows - 1: y_ends[0]}.get(number, "")
        yield f"{label:>{margin}s} │{row}"
    yield f"{'':{margin}s} └{'─' * columns}"
    below = _below(_ends(picture.x, picture.ticks[0]), picture.labels[0], columns)
    yield f"{'':{margin + 2}s}{below}"[:width]
    has_gaps = not color and not np.isfinite(frame).all()
    gaps = ", ? no data" if has_gaps else ""
    yield f"{_scale(frame, picture.value_label)}{gaps}"[:width]


def _multiple(size: int, room: int) -> int:
    """A multiple of a size, if there is room for that."""
    return room // size * size if room >= size else room


def _scale(frame: Array, label: str) -> str:
    low, high = limits_as_texts(*_limits(frame))
    return f"{label}: {low} (dark) to {high}"


def _limits(frame: Array) -> tuple[float, float]:
    finite = frame[np.isfinite(frame)]
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)


def _shaded(frame: Array, color: bool) -> Iterator[str]:
    """Lines of characters for rows of values, in colours or shades."""
    levels = _unit(frame, *_limits(frame))
    levels[~np.isfinite(frame)] = np.nan
    if color:
        yield from _half_blocks(levels * (len(VIRIDIS) - 1), VIRIDIS)
        return
    for row in levels * (len(_SHADES) - 1):
        yield "".join(_SHADES[round(n)] if np.isfinite(n) else "?" for n in row)


def _sample(frame: Array, rows: int, columns: int) -> Array:
    """The values in the middle of some rows and columns."""
    places = [
        ((np.arange(number) + 0.5) * size / number).astype(int)
        for number, size in zip((rows, columns), frame.shape, strict=True)
    ]
    return frame[np.ix_(*places)]


def _half_blocks(levels: Array, colors: Sequence[str]) -> Iterator[str]:
    if len(levels) % 2:
        levels = np.concatenate([levels, np.full((1, levels.shape[1]), np.nan)])
    for upper, lower in zip(levels[::2], levels[1::2], strict=True):
        row = ""
        for above, below in zip(upper, lower, strict=True):
            codes = [
                f"{code};2;{red};{green};{blue}"
                for code, level in ((38, above), (48, below))
                if np.isfinite(level)
                for red, green, blue in [rgb(blend(colors, float(level)))]
            ]
            sign = "▀" if np.isfinite(above) else "▄" if np.isfinite(below) else " "
            if not np.isfinite(above):
                codes = [code.replace("48;", "38;", 1) for code in codes]
            row += f"\x1b[{';'.join(codes)}m{sign}\x1b[0m" if codes else sign
        yield row


def _with_label(title: str, label: str) -> str:
    return title if title.endswith(label) else f"{title}: {label}"


def _unit(values: Array, low: float, high: float) -> Array:
    """From 0, the lower limit, to 1, the upper one."""
    if low == high:
        return np.where(np.isfinite(values), 0.5, np.nan)
    if not np.isfinite(high - low):  # beyond the largest float
        values, low, high = values / 2, low / 2, high / 2
    return (values - low) / (high - low)


def _paint(text: str, color: str) -> str:
    red, green, blue = rgb(color)
    return f"\x1b[38;2;{red};{green};{blue}m{text}\x1b[0m"
