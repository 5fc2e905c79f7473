"""What our loader reads is what the frontend's reads."""

import datetime
import io
import math
import re
import subprocess
import sys

import numpy as np
import pytest
import ruamel.yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from paramspace.yaml import yaml as frontend_yaml

from utopya_backend import yaml


def load_as_frontend(text):
    """The frontend's loader as it is in a plain installation: without C parser."""
    assert frontend_yaml.Constructor is ruamel.yaml.SafeConstructor
    return ruamel.yaml.YAML(typ="safe", pure=True).load(text)


def result_of(load, text):
    try:
        return repr(load(text))
    except Exception as error:
        return REFUSED if "contains itself" in str(error) else "an error"


REFUSED = "what contains itself"


def run_python(code):
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    return process.stdout.split()


TRAPS_OF_YAML_1_1 = {
    "yes": "yes", "on": "on", "No": "No", "1:30": "1:30", "010": 10, "0o10": 8,
    "1e3": 1000.0, "1e-07": 1e-07, "1_000": 1000, "0x1F": 31, "~": None, "null": None,
    "true": True, "True": True, ".inf": math.inf, "1.": 1.0, "0b11": "0b11",
    "2001-12-14": datetime.date(2001, 12, 14), '"yes"': "yes",
}  # fmt: skip


@pytest.mark.parametrize("text", TRAPS_OF_YAML_1_1)
def test_yaml_1_2(text):
    expected = load_as_frontend(f"key: {text}")
    assert yaml.load(f"key: {text}") == expected
    if text != "0b11":  # ruamel.yaml has a mind of its own on this one
        assert expected == {"key": TRAPS_OF_YAML_1_1[text]}


# One example for each tag of yayaml and paramspace, and of YAML itself
TAGS = """
!any [false, true]; !all [true, false]; !min [3, 1]; !max [3, 1]; !sum [1, 2]
!prod [2, 3]; !sorted [3, 1, 2]; !isorted [3, 1, 2]; !abs -1; !int 1.9; !round 1.6
!expanduser ~/x; !str-to-bool t; !deepcopy [1]; !oneline " a  b"
!collapse-whitespace " a  b"; !slice [0, 10, 2]; !slice 5; !slice [~, 3]; !range [10]
!range [0, 10, 2]; !range 4; !add [1, 2]; !sub [1, 2]; !mul [2, 3]; !truediv [1, 2]
!floordiv [3, 2]; !mod [3, 2]; !pow [2, 3]; !pow [2, 3, 5]; !not [true]
!and [true, false]; !or [true, false]; !xor [true, false]; !lt [1, 2]; !le [1, 2]
!eq [1, 2]; !ne [1, 2]; !neq [1, 2]; !ge [1, 2]; !gt [1, 2]; !negate [1]; !invert [1]
!contains [[1, 2], 1]; !concat [[1], [2]]; !format ["{}-{}", 1, 2]
!format {fstr: "{x}", x: 3}; !join ["-", [a, b]]; !split ["a b"]
!if-else [true, 1, 2]; !if-unix-else [1, 2]; !if-windows-else [1, 2]
!arange [0, 1, 0.25]; !linspace [0, 1, 5]; !logspace [0, 2, 3]; !joinpath [a, b]
!getenv HOME; !getenv [NO_SUCH_THING, fallback]
!env HOME; !getboolenv [NO_SUCH_THING, true]
!boolenv [NO_SUCH_THING, false]; !len [[1, 2, 3]]; !expr 2 ** 3 / 4; !compute 1 + 1
!expression 1e3 * 2; !listgen [0, 6, 2]; !listgen {from_range: [3], append: [7]}
!sweep {default: 0, values: [1, 2]}; !sweep {default: 0, range: [3], name: n, order: 2}
!coupled-sweep {target_name: x}; !sweep-default {default: 3, values: [1]}
!coupled-sweep-default {default: 3, values: [1], target_name: x}
!pdim {default: 0, values: [1]}; !pdim-default {default: 3, values: [1]}
!coupled-pdim {target_name: x}
!coupled-pdim-default {default: 3, values: [1], target_name: x}
!Masked {_val: 3}; !pspace {a: !sweep {default: 0, linspace: [0, 1, 3]}}
!pspace-unsorted {b: 1, a: 2}
!!set {a, b}; !!binary aGk=; !!omap [a: 1]; !!str 1; !!int "1"; !!float 1; !!bool "yes"
!!timestamp 2001-12-14t21:59:43.10-05:00; 2001-12-14 21:59:43; !!null ""
"""
TAG_EXAMPLES = [text.strip() for text in re.split("[;\n]", TAGS) if text]


@pytest.mark.parametrize("text", TAG_EXAMPLES)
def test_tags(text):
    expected = load_as_frontend(text)
    for load in (yaml.load, frontend_yaml.load):
        value = load(text)
        assert type(value) is type(expected)
        # A coupled sweep without its target cannot be compared as a whole.
        coupled = text.startswith(("!coupled-sweep ", "!coupled-pdim ", "!Masked "))
        assert (vars(value) == vars(expected)) if coupled else value == expected


def test_examples_have_all_tags():
    tags = run_python(
        "import paramspace.yaml, ruamel.yaml\n"
        "tags = ruamel.yaml.SafeConstructor.yaml_constructors\n"
        "print(*[tag for tag in tags if tag and tag.startswith('!')])"
    )
    assert len(tags) > 70
    missing = {
        tag
        for tag in tags
        if not any(text.startswith(f"{tag} ") for text in TAG_EXAMPLES)
    }
    assert missing == {"!array"}  # compared in a test of its own


def test_array():
    array = yaml.load("!array [[1, 2], [3, 4]]")
    expected = load_as_frontend("!array [[1, 2], [3, 4]]")
    assert (array.dtype, array.tolist()) == (expected.dtype, expected.tolist())


PARAMETERS = {
    "!is-positive 1.5": 1.5,
    "!is-positive-or-zero 0": 0,
    "!is-negative -1": -1,
    "!is-negative-or-zero 0": 0,
    "!is-probability 0.5": 0.5,
    "!is-in-unit-interval 1e-3": 1e-3,
    "!is-int 3": 3,
    "!is-positive-int 100": 100,
    "!is-negative-int -100": -100,
    "!is-unsigned 7": 7,
    "!is-string foo": "foo",
    "!is-string ''": "",
    "!is-string 1:30": "1:30",
    "!is-bool true": True,
    "!is-int ~": None,
    "!is-int null": None,
    "!param {default: 1.5, limits: [0, 2], dtype: float}": 1.5,
    "!param {default: [1, {a: 2}]}": [1, {"a": 2}],
    "!param {default: !is-int 3}": 3,
}


@pytest.mark.parametrize(("text", "expected"), PARAMETERS.items())
def test_parameters_are_read_as_their_value(text, expected):
    value = yaml.load(text)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2", 'duplicate key "a"'),
        ("a: [1, 2", "line 1"),
        ("a: !swep [1]", "There is no tag !swep. Did you mean '!sweep'"),
        ("a: !Masked 3", "a masked value is written as !Masked {_val: 1}"),
        ("a: !Masked {}", "a masked value is written as !Masked {_val: 1}"),
        ("a: !param 3", "expected !param {default: …}"),
        ("a: !param {limits: [0, 1]}", "expected !param {default: …}"),
        ("a: !range [a]", "expected e.g. !range"),
        ("a: !range {start: 1}", "expected e.g. !range"),
        ("a: !add [1]", "Constructing Python object"),
        ("---\na\n---\nb", "expected a single document"),
        ("a: 2021-02-31", "ValueError: day is out of range"),
        (
            "a: !sweep 3",
            "a sweep is a mapping. Write e.g.: !sweep {default: 8, values:",
        ),
    ],
)
def test_errors(text, message):
    with pytest.raises(yaml.YAMLError) as error:
        yaml.load(text)
    assert message in str(error.value)


TOKENS = [
    "a", "b", "1", "x: ", "- ", ": ", ":", ",", ", ", "{", "}", "[", "]", "\n", "\n  ",
    "  ", '"q"', "'s'", "? ", "!range [1]", "&a ", "&a: ", "*a", "!!!", "!x",
    " #c", "#", "\n---\n", "~",
    "yes", "1e3", "0o10", "010", "1:30", "@", "`", "-", "?", "!!set ", "<<: ", "\\",
    "é", "=", "...", "\r\n", "\r", "\x85", "\u2028", "\ufeff", "\t", "|", ">", "|-\n",
    "%YAML 1.1\n---\n", "%", '"a\n b"', "'a\n\n b'", '"\\x41"', "!!str ", "!!int ",
    "!!float ", "'", '"', "!", "!!", "! ", ".5", "1_000", "-.inf", ".NaN", "2001-12-14",
]  # fmt: skip


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12).map("".join))
def test_equals_the_frontend_on_any_text(text):
    result = result_of(yaml.load, text)
    assert result in (result_of(load_as_frontend, text), REFUSED)
    assert result != REFUSED or ("&a" in text and "*a" in text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_equals_the_frontend_on_any_string(text):
    assert result_of(yaml.load, text) == result_of(load_as_frontend, text)


def test_a_document_with_a_directive_leaves_no_trace():
    assert yaml.load("%YAML 1.1\n---\na: yes") == {"a": True}
    assert yaml.load("a: yes") == {"a": "yes"}


IMPORTED = "print(*[m in sys.modules for m in ('yayaml', 'paramspace')])"


def test_packages_are_imported_only_for_their_tags():
    code = f"import sys; from utopya_backend import yaml; yaml.load({{!r}}); {IMPORTED}"
    survivors = "[!range [3], !slice [3], !!set {a}, !is-int 3, !param {default: 1}]"
    assert run_python(code.format(survivors)) == ["False", "False"]
    assert run_python(code.format("!linspace [0, 1, 2]")) == ["True", "False"]
    sweep = "!sweep {default: 1, values: [1]}"
    assert run_python(code.format(sweep)) == ["True", "True"]


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(yaml, "_PACKAGES_WITH_TAGS", ("no_such_package",))
    with pytest.raises(yaml.YAMLError, match="'no_such_package'"):
        yaml.load("!no-such-tag 1")


# .. Writing ..................................................................


def dump(obj):
    stream = io.StringIO()
    yaml.dump(obj, stream)
    return stream.getvalue()


def test_dump():
    shared = [1]
    obj = {
        "z": (1, 2.5, True, None, "yes", "1:30", "a: b", "1e-07", 1e-07),
        "range": range(0, 10, 2),
        "slice": slice(1, None),
        "set": {"a"},
        "date": datetime.date(2001, 12, 14),
        "bytes": b"hi",
        "array": np.array([[1, 2], [3, 4]]),
        "numbers": [np.float64(0.5), np.int8(3), np.bool_(True)],
        "shared": [shared, shared],
    }
    text = dump(obj)
    for load in (yaml.load, load_as_frontend):
        loaded = load(text)
        assert list(loaded) == list(obj)
        assert loaded == obj | {
            "z": list(obj["z"]),
            "array": [[1, 2], [3, 4]],
            "numbers": [0.5, 3, True],
        }
    assert "&" not in text


def test_cannot_dump_anything_else():
    with pytest.raises(yaml.YAMLError):
        dump({"a": object()})


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda children: st.lists(children) | st.dictionaries(st.text("ab1:-"), children),
    max_leaves=10,
)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), values))
def test_what_is_dumped_is_read_again(obj):
    assert yaml.load(dump(obj)) == obj
