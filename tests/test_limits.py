"""No configuration ends or hangs who reads it; what fits is read as ever."""

import json
import math
import re
import time

import pytest
import ruamel.yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent

from utopya_backend import load_cfg_file, yaml
from utopya_backend.composing import may_be_too_large
from utopya_backend.limits import MAX_DEPTH

TOO_DEEP = f"More than {MAX_DEPTH} levels"
PURE = "# é\n"  # which the C parser does not get


def refusal(text):
    """How a text is refused, which must not take long."""
    start = time.perf_counter()
    with pytest.raises(yaml.YAMLError) as error:
        yaml.load(text)
    assert time.perf_counter() - start < 5
    return str(error.value)


def nested(template, depth):
    text = "1"
    for _ in range(depth):
        text = template.replace("…", "\n".join(f" {line}" for line in text.split("\n")))
    return text


@pytest.mark.parametrize("start", ["", PURE])
@pytest.mark.parametrize("template", ["[…]", "{a: …}", "-…", "a:\n…", "!!seq […]"])
def test_as_deep_as_may_be_and_deeper(start, template):
    text = start + nested(template, MAX_DEPTH)
    expected = ruamel.yaml.YAML(typ="safe", pure=True).load(text)
    assert repr(yaml.load(text)) == repr(expected)
    for depth in (MAX_DEPTH + 1, 900):
        assert TOO_DEEP in refusal(start + nested(template, depth))


@pytest.mark.parametrize("start", ["", PURE])
@pytest.mark.parametrize("one", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_so_deep_that_python_would_end(start, one):
    assert TOO_DEEP in refusal(start + one * 100_000)


TOKENS = ["a", "- ", "-", "? ", ": ", "a: ", "\n", " ", "   ", "[", "]", "{", "}", '"']


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=60), st.integers(1, 30))
def test_whatever_is_too_deep_is_looked_at_closely(tokens, times):
    text = "".join(tokens) * times
    depth = deepest = 0
    try:
        for event in ruamel.yaml.YAML(typ="safe", pure=True).parse(text):
            depth += isinstance(event, CollectionStartEvent)
            depth -= isinstance(event, CollectionEndEvent)
            deepest = max(depth, deepest)
    except ruamel.yaml.YAMLError:
        pass
    assert may_be_too_large(text) or deepest <= MAX_DEPTH


@pytest.mark.parametrize("start", ["", PURE])
def test_too_many_values(monkeypatch, start):
    for module in ("limits", "composing"):
        monkeypatch.setattr(f"utopya_backend.{module}.MAX_VALUES", 60)
    assert yaml.load(f"{start}[{'1, ' * 59}]") == [1] * 59
    assert "has more than 60 values" in refusal(f"{start}[{'1, ' * 60}]")


# .. Aliases ..................................................................


def test_aliases_are_the_same_object():
    loaded = yaml.load("a: &a [1, &b {x: 2}]\nb: *a\nc: [*b, *b]\nd: {<<: *b, y: 3}")
    assert loaded["a"] is loaded["b"]
    assert loaded["c"] == [{"x": 2}, {"x": 2}]
    assert loaded["d"] == {"x": 2, "y": 3}


@pytest.mark.parametrize(
    "text", ["&a [*a]", "x: &a {b: [1, *a]}", "&a {<<: *a}", "&a {? *a : 1}"]
)
def test_what_contains_itself(text):
    message = "The value &a contains itself, by *a (in line 1 or below): write out what"
    assert message in refusal(text)


def chain(template, number=100):
    lines = [template.replace("OLD", f"*a{n}") for n in range(number)]
    return "a0: &a0 {x: 1}\n" + "".join(
        f"a{n + 1}: &a{n + 1} {line}\n" for n, line in enumerate(lines)
    )


@pytest.mark.parametrize(
    "template",
    ["[OLD, OLD]", "{x: OLD, y: OLD}", "{<<: [OLD, OLD]}", "!concat [[OLD], [OLD]]"],
)
def test_aliases_that_would_become_too_much(template):
    assert "aliases (*name) add more than 100,000 values" in refusal(chain(template))


def test_long_texts_by_aliases():
    text = f"- &a {'x' * 1_000_000}\n- [*a, *a, *a]\n"
    assert len(yaml.load(text)) == 2
    assert "aliases (*name) add more than 100,000" in refusal(text + "- *a\n")


def test_aliases_in_a_large_document():
    text = f"- &a [{'1, ' * 5000}]\n- [{'1, ' * 5000}]\n" + "- *a\n" * 19
    assert len(yaml.load(text)) == 21
    assert "aliases (*name) add more than" in refusal(text + "- *a\n" * 2)


def test_a_chain_of_aliases_is_as_deep_as_it_is_long():
    assert TOO_DEEP in refusal(chain("[OLD]"))
    assert yaml.load(chain("[OLD]", MAX_DEPTH - 3))["a2"] == [[{"x": 1}]]


# .. Numbers ..................................................................


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9" * 4300, 10**4300 - 1), ("-" + "1_0" * 2000, -int("10" * 2000)),
        ("0x" + "f" * 3500, 16**3500 - 1), ("0o" + "7" * 4000, 8**4000 - 1),
    ],
    ids=["decimal", "underscores", "hexadecimal", "octal"],
)  # fmt: skip
def test_integers_that_can_be_written(text, expected):
    assert yaml.load(text) == expected


@pytest.mark.parametrize(
    "text",
    ["9" * 4301, "0x" + "f" * 4000, "0o" + "7" * 5000, "{? " + "9" * 5000 + " : 1}",
     "%YAML 1.1\n---\n" + "1:" * 5000 + "1", "!!int " + "9" * 10**6],
    ids=["decimal", "hexadecimal", "octal", "key", "sexagesimal", "tag"],
)  # fmt: skip
def test_integers_of_too_many_digits(text):
    assert "An integer may have at most 4,300 digits, but this has " in refusal(text)


@pytest.mark.parametrize(
    "text", ["1e400", "-1.5e+999", "[1, 2.0e309]", "!!float 1e400"]
)
def test_floats_that_would_be_infinite(text):
    assert "is beyond the largest float" in refusal(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [(".inf", math.inf), ("-.Inf", -math.inf), ("1e308", 1e308), ("1e-400", 0.0)],
)
def test_floats_that_are_what_is_written(text, expected):
    assert yaml.load(text) == expected


# .. Files ....................................................................


@pytest.fixture
def refused(tmp_path):
    def load_and_fail(name, text):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        with pytest.raises(ValueError, match=re.escape(str(path))) as error:
            load_cfg_file(str(path))
        return str(error.value)

    return load_and_fail


DIGITS = "9" * 5000


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "[" * 100_000, TOO_DEEP),
        ("a.json", "[" * 101 + "]" * 101, TOO_DEEP),
        ("a.json", '{"a": ' * 101 + "1" + "}" * 101, TOO_DEEP),
        ("a.json", DIGITS, "more than 4,300 digits"),
        ("a.toml", "a = " + "[" * 100_000, TOO_DEEP),
        ("a.toml", "a." * 100_000 + "b = 1", TOO_DEEP),
        ("a.toml", "x = {y = {" + "a . " * 100_000 + "b = 1}}", TOO_DEEP),
        ("a.toml", "[[" + "'a'." * 100_000 + "b]]", TOO_DEEP),
        ("a.toml", f"a = {DIGITS}", "more than 4,300 digits"),
        ("a.toml", f"a = 0x{DIGITS}", "at most 4,300 digits, but this has about 6,0"),
        ("a.json", '{"a": [1e400]}', "1e400 is beyond the largest float"),
        ("a.toml", "a = -1e400", "-1e400 is beyond the largest float"),
        ("a.yml", "a: 1e400", "1e400 is beyond the largest float"),
        ("a.yml", "a: \0", "special characters are not allowed"),
    ],
)
def test_refused_files(refused, name, text, message):
    assert message in refused(name, text)


def test_files_that_fit(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("[" * 100 + "]" * 100)
    assert load_cfg_file(str(path)) == json.loads(path.read_text())
    path = tmp_path / "a.toml"
    path.write_text("a." * 90 + "b = 1")
    assert json.dumps(load_cfg_file(str(path))).count("{") == 91
    path.write_text("a = inf\nb = -inf\nc = 1.5")
    assert load_cfg_file(str(path)) == {"a": math.inf, "b": -math.inf, "c": 1.5}


def test_a_file_that_is_too_large(refused, monkeypatch):
    monkeypatch.setattr("utopya_backend.tools.MAX_TEXT", 1000)
    assert "has more than 1,000 characters: keep" in refused("a.yml", "# é" * 400)


def test_a_path_that_cannot_be_one(tmp_path):
    for name in ("a\0.yml", "\ud800.yml"):
        with pytest.raises(ValueError, match="There cannot be a file"):
            load_cfg_file(str(tmp_path / name))
