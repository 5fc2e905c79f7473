"""Parameters, checked against annotations."""

import dataclasses
import enum
import functools
import pathlib
import pickle
import typing
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, TypedDict

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utopya_backend.errors import ConfigError, ManyMistakesError, ParameterError
from utopya_backend.model.annotations import expected
from utopya_backend.model.parameters import check, check_parameters


def setup(*, beta, gamma: float = 1.0):
    pass


def test_parameters():
    check_parameters(setup, {"beta": 1}, section="M")
    check_parameters(lambda **kwargs: None, {"anything": 1}, section="M")
    check_parameters(lambda a, *args: None, {"a": 1}, section="M")


def test_wrong_parameters():
    with pytest.raises(ManyMistakesError) as error:
        check_parameters(setup, {"betta": 1, 3: 4}, section="M")
    assert str(error.value) == (
        "The configuration has 3 mistakes:\n"
        "  - M.betta: setup() takes: beta, gamma. 'betta' is not one of them. "
        "Did you mean 'beta'?\n"
        "  - M.3: setup() takes: beta, gamma. '3' is not one of them.\n"
        "  - M.beta: 'beta' is missing, and has no default."
    )
    assert str(pickle.loads(pickle.dumps(error.value))) == str(error.value)


def test_ranges_that_are_too_long_to_go_through():
    def setup(*, few: tuple[int, ...] = (), some: list[float] = (), any_=None): ...

    long = dict.fromkeys(("few", "some"), range(10**30))
    with pytest.raises(ConfigError) as error:
        check_parameters(setup, long, section="M")
    assert "M.few is made a tuple, and has more than 2,000,000" in str(error.value)
    assert "M.some is checked one by one, and has more" in str(error.value)
    assert check_parameters(setup, {"any_": range(10**30)}, section="M")


def test_parameter_at_the_root_level():
    with pytest.raises(
        TypeError, match=r"at the root level. Write instead:\nM:\n  bet"
    ):
        check_parameters(setup, {}, section="M", elsewhere={"beta": 3})


def test_no_parameters_at_all():
    with pytest.raises(TypeError, match="takes: none"):
        check_parameters(lambda: None, {"a": 1}, section="M")


def test_setup_without_a_name():
    check_parameters(functools.partial(setup, gamma=1), {"beta": 1}, section="M")
    with pytest.raises(TypeError, match=r"setup\(\) takes: beta, gamma"):
        check_parameters(functools.partial(setup, beta=1), {"x": 1}, section="M")


def test_positional_only_arguments_cannot_be_given():
    with pytest.raises(TypeError, match="'a' is not one of them"):
        check_parameters(lambda a, /: None, {"a": 1}, section="M")


# .. Types ....................................................................


@dataclasses.dataclass
class Agents:
    speed: float
    size: tuple[int, int] = (1, 1)
    others: "list[Agents]" = dataclasses.field(default_factory=list)

    def __post_init__(self):
        if self.speed < 0:
            raise ValueError("agents cannot go backwards")


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Options(TypedDict, total=False):
    a: typing.Required[int]
    b: str


Meters = NewType("Meters", float)

FINE = [
    (int, 3, 3), (int, 1e3, 1000), (int, np.int64(3), np.int64(3)), (float, 3, 3),
    (float, np.float32(0.5), np.float32(0.5)), (bool, True, True), (str, "a", "a"),
    (bool, np.True_, np.True_), (Any, "x", "x"), (object, 3, 3), (complex, 1j, 1j),
    (None, None, None), (int | None, None, None), (int | str, "a", "a"),
    (int | float, 1e3, 1e3), (int | str, 1e3, 1000), (bytes, b"a", b"a"),
    (list, [1], [1]), (list[int], [1, 2.0], [1, 2]), (list[float], [1, 2.5], [1, 2.5]),
    (tuple[int, int], [1, 2], (1, 2)), (tuple[int, ...], [], ()), (tuple, [1], (1,)),
    (list[tuple[int, str]], [[1, "a"]], [(1, "a")]), (set[int], {1}, {1}),
    (dict[str, list[float]], {"a": [1]}, {"a": [1]}), (dict, {1: 2}, {1: 2}),
    (Mapping[str, int], {"a": 1e3}, {"a": 1000}), (Sequence[int], range(3), range(3)),
    (Iterable[str], ["a"], ["a"]), (Literal["a", 1], 1.0, 1), (Colour, "red", Colour.RED),
    (Colour, 2, Colour.BLUE), (Colour, "BLUE", Colour.BLUE), (Colour, Colour.RED, Colour.RED),
    (pathlib.Path, "a/b", pathlib.Path("a/b")), (np.ndarray, [1, 2], [1, 2]),
    (npt.NDArray[np.float64], [[1.0]], [[1.0]]), (npt.ArrayLike, [1], [1]),
    (Meters, 2, 2), (Annotated[int, []], 2.0, 2), (Options, {"a": 1.0}, {"a": 1}),
    (Agents, {"speed": 1}, Agents(1)), (Agents, Agents(3), Agents(3)),
    (Agents, {"speed": 1, "size": [2, 3]}, Agents(1, (2, 3))),
    (Agents, {"speed": 1, "others": [{"speed": 2}]}, Agents(1, others=[Agents(2)])),
    (dict[str, Agents], {"a": {"speed": 1}}, {"a": Agents(1)}),
    (Agents | None, None, None), ([1], 3, 3), ("No.Such", 3, 3), (5, 3, 3),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "result"), FINE)
def test_fine(annotation, value, result):
    def setup(*, x: annotation):
        pass

    checked = check_parameters(setup, {"x": value}, section="M")["x"]
    assert repr(checked) == repr(result)
    if repr(checked) == repr(value):
        assert checked is value
    again = check_parameters(setup, {"x": checked}, section="M")["x"]
    assert repr(again) == repr(result)


# ruff: noqa: E501  # messages are given as they are
WRONG = [
    (int, 2.5, "M.x has to be an integer, but is 2.5 (float)."),
    (int, True, "M.x has to be an integer, but is True (bool). true and false are no numbers. Write: 1"),
    (int, "3", "M.x has to be an integer, but is '3' (str). Write it without quotes: 3"),
    (float, "1,5", "M.x has to be a number, but is '1,5' (str). Write it with a decimal point: 1.5"),
    (float, "50%", "M.x has to be a number, but is '50%' (str). Write: 0.5"),
    (float, "1/3", "M.x has to be a number, but is '1/3' (str). To have it computed, write: !expr 1/3"),
    (float, "fast", "M.x has to be a number, but is 'fast' (str)."),
    (float, None, "M.x has to be a number, but has no value. Write one behind the colon."),
    (float, [1, 2], "M.x has to be a number, but is [1, 2] (list). Write a single value; a sweep over several is: !sweep {default: …, values: […]}"),
    (bool, "yes", "M.x has to be true or false, but is 'yes' (str). In YAML 1.2 only true and false are booleans. Write: true"),
    (bool, "off", "M.x has to be true or false, but is 'off' (str). In YAML 1.2 only true and false are booleans. Write: false"),
    (bool, 1, "M.x has to be true or false, but is 1 (int)."),
    (str, 3, "M.x has to be a string, but is 3 (int). Write it in quotes: '3'"),
    (str, True, "M.x has to be a string, but is True (bool). Write it in quotes: 'true'"),
    (list[int], 3, "M.x has to be a list, but is 3 (int). Write it in brackets: [3]"),
    (list[int], [1, "a"], "M.x[1] has to be an integer, but is 'a' (str)."),
    (Sequence[str], "abc", "M.x has to be a list, but is 'abc' (str). Write it in brackets: [abc]"),
    (tuple[int, int], [1], "M.x has to be a list of 2 values, but is [1] (list)."),
    (dict[str, int], [1], "M.x has to be a mapping, but is [1] (list)."),
    (dict[str, int], {"a": "b"}, "M.x.a has to be an integer, but is 'b' (str)."),
    (dict[str, int], {1: 2}, "The key 1 of M.x has to be a string, but is 1 (int). Write it in quotes: '1'"),
    (Literal["a", "bcd"], "bed", "M.x has to be one of 'a', 'bcd', but is 'bed' (str). Did you mean 'bcd'?"),
    (Literal[1], True, "M.x has to be 1, but is True (bool)."),
    (Colour, "rad", "M.x has to be one of 'red', 2, 'RED', 'BLUE', but is 'rad' (str). Did you mean 'red'?"),
    (int | None, "a", "M.x has to be an integer or null, but is 'a' (str)."),
    (list[int] | None, ["a"], "M.x[0] has to be an integer, but is 'a' (str)."),
    (pathlib.Path, 3, "M.x has to be a path, but is 3 (int)."),
    (Agents, 3, "M.x has to be a mapping, to the fields of Agents, but is 3 (int)."),
    (Agents, {}, "M.x.speed: 'speed' is missing, and has no default."),
    (Agents, {"speed": 1, "sise": 2}, "M.x.sise: Agents takes: speed, size, others. 'sise' is not one of them. Did you mean 'size'?"),
    (Agents, {"speed": 1, "size": [1, "a"]}, "M.x.size[1] has to be an integer, but is 'a' (str)."),
    (Agents, {"speed": -1}, "M.x: agents cannot go backwards"),
    (Agents | None, {"speed": "a"}, "M.x.speed has to be a number, but is 'a' (str)."),
    (Options, {}, "M.x.a: 'a' is missing, and has no default."),
]  # fmt: skip


@pytest.mark.parametrize(("annotation", "value", "text"), WRONG)
def test_wrong(annotation, value, text):
    def setup(*, x: annotation):
        pass

    with pytest.raises((ConfigError, ParameterError)) as error:
        check_parameters(setup, {"x": value}, section="M")
    assert str(error.value) == text


def test_default_is_always_fine():
    def setup(*, a: int = None, b: str = 1.5, c: bool = "no", d: int = np.ones(2)):  # noqa: RUF013  # as people write it
        pass

    given = {"a": None, "b": 1.5, "c": "no"}
    assert check_parameters(setup, given, section="M") == given
    # An annotation that its own default contradicts is not to be trusted.
    given = {"b": 1, "c": "yes", "d": [1, 1]}
    assert check_parameters(setup, given, section="M") == given
    with pytest.raises(ConfigError, match=r"M\.a has to be an integer"):
        check_parameters(setup, {"a": "x"}, section="M")


def test_default_that_yaml_cannot_have():
    def setup(*, a: tuple[int] = (1, 2)):
        pass

    assert check_parameters(setup, {"a": [1, 2]}, section="M") == {"a": [1, 2]}


def test_annotation_of_all_others_together():
    def setup(**parameters: dict):
        pass

    assert check_parameters(setup, {"a": 1}, section="M") == {"a": 1}

    def typed(**parameters: int):
        pass

    with pytest.raises(ConfigError, match=r"M\.a has to be an integer"):
        check_parameters(typed, {"a": "x"}, section="M")


def test_annotation_that_is_a_value():
    def setup(*, a: (int, [0]), b: {0: 1}, c: [1]):
        pass

    given = {"a": 1, "b": 2, "c": "x"}
    assert check_parameters(setup, given, section="M") == given


def test_a_bad_annotation_does_not_switch_off_the_others():
    def setup(*, a: "NoSuchThing", b: "int", c: "list[NoSuchThing]", d: "list['int']"):  # noqa: F821
        pass

    wrong = {"a": 1, "b": "x", "c": 1, "d": ["x"]}
    with pytest.raises(ManyMistakesError) as error:
        check_parameters(setup, wrong, section="M")
    assert [str(one).partition(" ")[0] for one in error.value.mistakes] == [
        "M.b",
        "M.d[0]",
    ]


def test_catch_all_has_a_type():
    def setup(*, a: int, **others: float):
        pass

    check_parameters(setup, {"a": 1, "b": 2}, section="M")
    with pytest.raises(ConfigError, match=r"M\.b has to be a number"):
        check_parameters(setup, {"a": 1, "b": "x"}, section="M")


# .. Laws .....................................................................

SCALARS = {
    int: st.integers() | st.integers(-9, 9).map(float),
    float: st.floats() | st.integers(),
    bool: st.booleans(),
    str: st.text(),
    type(None): st.none(),
}


def generic(inner):
    return st.one_of(
        inner.map(lambda one: (list[one[0]], st.lists(one[1], max_size=3))),
        inner.map(lambda one: (one[0] | None, st.none() | one[1])),
        inner.map(lambda one: (dict[str, one[0]], st.dictionaries(st.text(), one[1]))),
        st.tuples(inner, inner).map(
            lambda two: (
                tuple[two[0][0], two[1][0]],
                st.tuples(two[0][1], two[1][1]).map(list),
            )
        ),
    )


ANNOTATIONS = st.recursive(st.sampled_from([*SCALARS.items()]), generic, max_leaves=4)


@given(st.data())
def test_a_value_of_its_type_is_fine(data):
    annotation, values = data.draw(ANNOTATIONS)
    value = data.draw(values)
    checked = check(value, annotation, "x")
    assert check(checked, annotation, "x") is checked or checked != checked
    assert expected(annotation)


@given(st.data())
def test_another_value_is_not(data):
    annotation, _ = data.draw(ANNOTATIONS)
    with pytest.raises(ConfigError, match=r"^x has to be"):
        check(object(), annotation, "x")
