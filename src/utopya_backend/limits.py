"""How large a configuration may be, so that none ends or hangs who reads it.

A configuration says what a model is to do; data belongs into files of its own. So the
limits are far beyond what anybody writes, and each is told in words.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from .errors import ConfigError

MAX_TEXT = 64 * 2**20
"""How many characters a file may have"""

MAX_DEPTH = 100
"""How many levels of lists and mappings it may have"""

MAX_VALUES = 2_000_000
"""How many values it may have, or a sweep"""

MAX_MADE = 100_000
"""How many values its tags may make, or its aliases if they are written out"""

MAX_DIGITS = 4300
"""How many digits an integer may have: Python writes no longer ones"""

_TOO_LARGE = 10**MAX_DIGITS

MAX_BITS = _TOO_LARGE.bit_length()
"""The same in bits"""

_TOO_MANY_DIGITS = (
    f"An integer may have at most {MAX_DIGITS:,} digits, but this has {{}}: write it "
    "as a float, e.g. 1e300, or in quotes, as a string."
)
REMEDY = "keep such data in a file of its own, and give its path as a parameter."
"""What to do about too much of it"""

TOO_DEEP = (
    f"More than {MAX_DEPTH} levels of lists and mappings are nested in each other{{}}: "
    f"check brackets, indentation and dots, or {REMEDY}"
)
"""What is said about too many levels, with a place for where they are"""


def check_depth(depth: int, line: int | None = None) -> None:
    """Refuses what is nested too deeply.

    Args:
        depth: How many levels there are
        line: Where in the text, counted from 0

    Raises:
        ValueError: If these are too many
    """
    if depth > MAX_DEPTH:
        raise ConfigError(
            TOO_DEEP.format("" if line is None else f" (in line {line + 1})")
        )


def check_number(
    number: float, what: str = "The configuration has", most: int | None = None
) -> None:
    """Refuses too many values.

    Args:
        number: How many there are
        what: What has so many, as the start of a sentence
        most: How many there may be, :py:data:`MAX_VALUES` by default

    Raises:
        ValueError: If these are too many
    """
    most = MAX_VALUES if most is None else most
    if number > most:
        raise ConfigError(f"{what} more than {most:,} values: {REMEDY}")


def check_digits(text: str) -> None:
    """Refuses an integer that takes long to read.

    Args:
        text: How it is written, in base 2 to 16

    Raises:
        ValueError: If it has more digits than may be
    """
    digits = text.replace("_", "").lstrip("+-")
    has_base = digits[:2] in ("0b", "0o", "0x")
    if len(digits) > (MAX_BITS + 2 if has_base else MAX_DIGITS):
        raise ConfigError(_TOO_MANY_DIGITS.format(f"{len(digits):,}"))


def check_integer(value: Any) -> None:
    """Refuses an integer that nobody can write.

    Args:
        value: The value, of any type

    Raises:
        ValueError: If it is one
    """
    if isinstance(value, int) and abs(value) >= _TOO_LARGE:
        number = math.ceil(value.bit_length() / math.log2(10))
        raise ConfigError(_TOO_MANY_DIGITS.format(f"about {number:,}"))


def to_float(text: str) -> float:
    """The float that a text stands for. Refused if only infinity is left of it.

    Args:
        text: The text

    Raises:
        ValueError: If it is
    """
    value = float(text)
    check_float(value, text)
    return value


def check_float(value: float, text: str) -> None:
    """Refuses a float that is infinite, although it was written as a number.

    Args:
        value: The float
        text: How it was written

    Raises:
        ValueError: If it is
    """
    if math.isinf(value) and "inf" not in text.lower():
        raise ConfigError(
            f"{text:.50} is beyond the largest float, 1.8e308, and would be infinite: "
            "check it, or write .inf in YAML, inf in TOML, if that is meant."
        )


def length_of(values: range) -> int:
    """As ``len``, which knows machine words only.

    Args:
        values: The range
    """
    return max(0, -((values.start - values.stop) // values.step))


def check_range(values: Any, what: str) -> None:
    """Refuses a range that is too long to go through all of it.

    Args:
        values: The range; or anything else
        what: What it is, as the start of a sentence

    Raises:
        ValueError: If it is
    """
    if isinstance(values, range):
        check_number(length_of(values), what)


def check_value(value: Any) -> None:
    """Checks what was read by another parser, which has its own limits.

    Args:
        value: Dicts and lists

    Raises:
        ValueError: If it is too large
    """
    depth = number = 0
    level = [value]
    while level:
        check_number(number := number + len(level))
        for one in level:
            check_integer(one)
        collections = [one for one in level if isinstance(one, (Mapping, list, tuple))]
        check_depth(depth := depth + bool(collections))
        level = [element for one in collections for element in _elements_of(one)]


def _elements_of(collection: Any) -> Iterable[Any]:
    return collection.values() if isinstance(collection, Mapping) else collection
