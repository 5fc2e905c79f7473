"""Tags that compute something: what that would take is looked at beforehand.

They are those of ``yayaml`` and ``paramspace``, which compute it. A few characters of
text, ``!expr 9**9**9**9`` or ``!linspace [0, 1, 1000000000000]``, could keep them busy
for ever, or fill the memory.
"""

import ast
import math
import operator
import string
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from .errors import ConfigError
from .limits import MAX_BITS, MAX_DIGITS, MAX_MADE, check_integer, length_of

_MAX_EXPRESSION = 1000
_TOO_LARGE = (
    f"this would be an integer of more than {MAX_DIGITS:,} digits: compute with "
    "floats, as in 9.0 ** 9."
)


def number_of_values(tag: str, content: Any) -> float:
    """How many values, or characters, a tag would make.

    Args:
        tag: The tag, one of :py:data:`TAGS` or :py:data:`SPACES`
        content: What stands behind it

    Returns:
        At least as many as it makes; 0 if it will fail

    Raises:
        ValueError: If it makes an integer that is too large
    """
    in_ranges = sum(map(length_of, _ranges_in(content)))
    number_of = _NUMBERS[tag]
    try:
        if tag in _OF_ONE_ARGUMENT or not isinstance(content, (list, dict)):
            return in_ranges + number_of(content)
        if isinstance(content, dict):
            return in_ranges + number_of(**content)
        return in_ranges + number_of(*content)
    except OverflowError:
        return math.inf
    except ConfigError:
        raise
    except Exception:  # as the tag itself, which says what is wrong
        return in_ranges


def check_expression(text: str) -> None:
    """Refuses an arithmetic expression with a result that is too large.

    Args:
        text: What stands behind ``!expr``

    Raises:
        ValueError: If it is too long, or if an integer in it has too many digits
    """
    if len(text) > _MAX_EXPRESSION:
        raise ConfigError(
            f"an expression may have at most {_MAX_EXPRESSION:,} characters, but this "
            f"has {len(text):,}: write its value."
        )
    try:
        tree = ast.parse(
            "".join(c for c in text if c in "0123456789eE-.+*/()"), mode="eval"
        )
        _evaluate(tree.body)
    except ConfigError:
        raise
    except Exception:  # as the tag itself, which says what is wrong
        return


def _evaluate(node: ast.expr) -> Any:
    match node:
        case ast.BinOp(left, op, right):
            return _OPERATORS[type(op)](_evaluate(left), _evaluate(right))
        case ast.UnaryOp(ast.USub(), operand):
            return -_evaluate(operand)
        case ast.UnaryOp(ast.UAdd(), operand):
            return +_evaluate(operand)
    return ast.literal_eval(node)


def _product(a: Any, b: Any) -> Any:
    if isinstance(a, int) and isinstance(b, int):
        _check_bits(a.bit_length() + b.bit_length() - 1)
    return _checked(a * b)


def _power(base: Any, exponent: Any) -> Any:
    if isinstance(base, int) and isinstance(exponent, int) and abs(base) > 1:
        _check_bits((abs(base).bit_length() - 1) * exponent)
    return _checked(base**exponent)


def _check_bits(bits: int) -> None:
    """Refuses an integer before it is computed: it takes long from there on."""
    if bits > MAX_BITS:
        raise ConfigError(_TOO_LARGE)


def _checked(result: Any) -> Any:
    check_integer(result)
    return result


_OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: _product,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Pow: _power,
}


# .. How many values they make ................................................


def _of_product(a: Any, b: Any) -> float:
    for values, times in ((a, b), (b, a)):
        if isinstance(values, (str, bytes, list)):
            return len(values) * int(times)
    _product(a, b)
    return 0


def _of_products(factors: Iterable[Any]) -> float:
    result: Any = 1
    for factor in factors:
        if (number := _of_product(result, factor)) > MAX_MADE:
            return number
        result = result * factor
    return 0


def _of_power(x: Any, y: Any, z: Any = None) -> float:
    if z is None:
        _power(x, y)
    return 0


def _of_arange(start: float, stop: float | None = None, step: float = 1) -> float:
    start, stop = (0, start) if stop is None else (start, stop)
    return math.ceil((stop - start) / step)


def _of_linspace(start: Any, stop: Any, num: float = 50, *args: Any) -> float:
    return num


def _of_listgen(*args: Any, **kwargs: Any) -> float:
    made = kwargs.get("from_range", args)
    number = length_of(range(*made)) if made else 0
    # It goes through all of them for each value that it removes.
    work = (number + len(kwargs.get("append") or ())) * len(kwargs.get("remove") or ())
    return max(number, work / 1000)


def _of_join(jstr: str, elements: Sequence[str]) -> float:
    return len(elements) * len(jstr) + sum(map(len, elements))


def _of_format(fstr: str, *args: Any, **kwargs: Any) -> float:
    formatter = _Counting()
    formatter.vformat(fstr, args, kwargs)
    return formatter.length


def _of_sweep(**entries: Any) -> float:
    number: float = sum(
        _of_linspace(*entries[key])
        for key in ("linspace", "logspace")
        if entries.get(key) is not None
    )
    if entries.get("range") is not None:
        number += length_of(range(*entries["range"]))
    return number


def _of_nothing(*args: Any, **kwargs: Any) -> float:
    return 0


class _Counting(string.Formatter):
    """Formats what does not get too long."""

    def __init__(self) -> None:
        self.length = 0

    def format_field(self, value: Any, format_spec: str) -> str:
        digits = "".join(c if c.isdecimal() else " " for c in format_spec)
        self._count(sum(map(int, digits.split())))  # widths and precisions
        text: str = super().format_field(value, format_spec)
        self._count(len(text))
        return text

    def _count(self, length: int) -> None:
        self.length += length
        if self.length > MAX_MADE:
            raise ConfigError(
                f"this text would have more than {MAX_MADE:,} characters: make the "
                "widths smaller."
            )


def _ranges_in(value: Any) -> Iterator[range]:
    if isinstance(value, range):
        yield value
    elif isinstance(value, Mapping):
        for element in value.values():
            yield from _ranges_in(element)
    elif isinstance(value, list):
        for element in value:
            yield from _ranges_in(element)


_NUMBERS: dict[str, Callable[..., float]] = {
    "!mul": _of_product,
    "!prod": _of_products,
    "!pow": _of_power,
    "!arange": _of_arange,
    "!linspace": _of_linspace,
    "!logspace": _of_linspace,
    "!listgen": _of_listgen,
    "!join": _of_join,
    "!format": _of_format,
    "!array": _of_nothing,
    "!contains": _of_nothing,
}

_OF_ONE_ARGUMENT = ("!prod", "!array")

TAGS = tuple(_NUMBERS)
"""Tags that could make too much of a few characters"""

SPACES = (
    "!pspace", "!pspace-unsorted", *(
        f"!{coupled}{name}{default}"
        for coupled in ("", "coupled-")
        for name in ("sweep", "pdim")
        for default in ("", "-default")
    ),
)  # fmt: skip
"""Tags of what has very many values as long as nobody writes them out"""

_NUMBERS |= dict.fromkeys(SPACES[:2], _of_nothing) | dict.fromkeys(
    SPACES[2:], _of_sweep
)
