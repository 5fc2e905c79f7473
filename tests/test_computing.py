"""What tags compute is looked at beforehand, and is what the packages make of it."""

import math
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from yayaml.tools import eval_simple_math_expr

from utopya_backend import yaml
from utopya_backend.computing import check_expression
from utopya_backend.errors import ConfigError

# .. Expressions ..............................................................


@pytest.mark.parametrize(
    "text",
    ["9**9**9**9", "9**99999999", "(-3)**9999999", "10**4000 * 10**4000",
     "-(9**9999)", "((10**999)**999)", "1." + "5" * 2000, "1" + "+1" * 1000,
     "(" * 100_000, "-" * 100_000 + "1"],
)  # fmt: skip
def test_refused_expressions(text):
    start = time.perf_counter()
    with pytest.raises(
        yaml.YAMLError, match=r"digits: compute with|at most 1,000 char"
    ):
        yaml.load(f"!expr {text}")
    assert time.perf_counter() - start < 5


numbers = st.sampled_from(["0", "1", "2", "3", "7", "10", "1e3", "0.5", "e", "()", "."])
expressions = st.recursive(
    numbers,
    lambda inner: (
        st.tuples(
            inner,
            st.sampled_from(["+", "-", "*", "/", "//", "**", "** -", " - -"]),
            inner,
        ).map("".join)
        | inner.map("({})".format)
        | inner.map("-{}".format)
    ),
    max_leaves=5,
)


@settings(max_examples=300, deadline=None)
@given(expressions)
def test_expressions_are_evaluated_as_ever(text):
    try:
        check_expression(text)
    except ConfigError:
        assert "**" in text
        return
    # Only now it is sure that this ends.
    assert result(yaml.load, f"!expr {text}") == result(eval_simple_math_expr, text)


def result(func, text):
    try:
        return repr(func(text))
    except Exception:
        return "an error"


# .. Other tags ...............................................................

HUGE = 10**12


@pytest.mark.parametrize(
    "text",
    [
        f"!linspace [0, 1, {HUGE}]", f"!linspace [0, 1, {HUGE}.0]",
        "!logspace [0, 1, .inf]", "!arange [0, 1, 1e-12]", f"!arange {HUGE}",
        f"!arange [{HUGE}, 0, -1]", f"!listgen [{HUGE}]", f"!listgen [1, {10**40}]",
        f"!listgen {{from_range: [5], append: !range [{HUGE}]}}",
        f"!mul [[1], {HUGE}]", f"!mul [{HUGE}, abc]", f"!prod [[1], {HUGE}]",
        f"!prod {{a: 1, {HUGE}: 2}}", f"!join [x, !range [{HUGE}]]",
        f"!join ['{'x' * 10_000}', [{'a, ' * 1000}]]", f"!array [!range [{HUGE}]]",
        f"!contains [!range [{HUGE}], x]", "!linspace [0, 1, 100001]",
        "[!arange [60000], !arange [60000]]",
    ],
)  # fmt: skip
def test_too_many_values(text):
    with pytest.raises(
        yaml.YAMLError, match="tags make more than 100,000 values: keep"
    ):
        yaml.load(text)


@pytest.mark.parametrize(
    "text",
    [
        f"!sweep {{default: 0, range: [{HUGE}]}}",
        f"!sweep {{default: 0, values: !range [{HUGE}]}}",
        f"!sweep {{default: 0, linspace: [0, 1, {HUGE}]}}",
        f"!sweep {{default: 0, range: [{10**40}]}}",
        f"!sweep-default {{default: 0, logspace: [0, 1, {HUGE}]}}",
        f"!coupled-sweep {{target_name: x, range: [{HUGE}]}}",
        f"!pspace {{a: !pdim {{default: 0, range: [{HUGE}]}}}}",
        f"!pspace {{a: !range [{HUGE}]}}",
    ],
)  # fmt: skip
def test_too_large_spaces(text):
    with pytest.raises(yaml.YAMLError, match="takes more than 2,000,000 values: keep"):
        yaml.load(text)


@pytest.mark.parametrize(
    "text",
    ["['{:>999999999}', 1]", "['{:{}}', 1, 999999999]", "['{:.99999999f}', 1.5]",
     "{fstr: '{x:{w}}', x: 1, w: 999999999}", f"['{'{0}' * 1000}', {'x' * 10_000}]"],
)  # fmt: skip
def test_too_long_texts(text):
    with pytest.raises(yaml.YAMLError, match="text would have more than 100,000"):
        yaml.load(f"!format {text}")


@pytest.mark.parametrize(
    "text",
    ["!pow [9, 99999999]", "!pow {x: 9, y: 99999999}", "!pow [10, 5000]",
     f"!mul [{'9' * 3000}, {'9' * 3000}]", "!prod [" + "99999999, " * 1000 + "1]"],
)  # fmt: skip
def test_too_large_integers(text):
    with pytest.raises(yaml.YAMLError, match="an integer of more than 4,300 digits"):
        yaml.load(text)


def test_what_fits():
    assert yaml.load("!range [1000000000000]") == range(HUGE)
    assert yaml.load("!pow [9, 99999999, 7]") == pow(9, 99999999, 7)
    assert yaml.load("!pow [9.0, -400]") == 9.0**-400
    assert len(yaml.load("!linspace [0, 1, 100000]")) == 100_000
    assert math.isclose(yaml.load("!prod [1e300, 1e300, 1e-300]"), math.inf)


# .. Sweeps of many values ....................................................


def test_sweeps_of_many_values():
    for values in (f"[{', '.join(map(str, range(20_000)))}]", "!range [20000]"):
        sweep = yaml.load(f"!sweep {{default: -1, values: {values}}}")
        assert sweep.values == tuple(range(20_000))


def test_many_values_of_which_some_are_the_same():
    values = ", ".join(map(str, [*range(2000), 7]))
    with pytest.raises(yaml.YAMLError, match=r"the value 7 \(int\) is swept twice"):
        yaml.load(f"!sweep {{default: -1, values: [{values}]}}")


def test_a_sweep_with_a_merge_key():
    text = "a: &a {default: 1, name: x}\nb: !sweep {<<: *a, values: [2, 3]}"
    sweep = yaml.load(text)["b"]
    assert (sweep.default, sweep.values, sweep.name) == (1, (2, 3), "x")
