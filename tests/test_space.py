"""Parameter spaces: their universes are those of the frontend, to the last number."""

import copy

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from paramspace import CoupledParamDim, ParamDim, ParamSpace

from utopya_backend import yaml
from utopya_backend.errors import ConfigError
from utopya_backend.space import Space, default_of, load_space, parameter_space
from utopya_backend.tools import load_cfg_file

VALUES = st.lists(st.integers(0, 99), min_size=1, max_size=4, unique=True)


@st.composite
def dims(draw):
    """A sweep, maybe with an order, and some or all of its values masked."""
    values = draw(VALUES)
    single = st.lists(st.booleans(), min_size=len(values), max_size=len(values))
    return ParamDim(
        default=draw(st.integers(-9, -1)),
        values=values,
        order=draw(st.sampled_from([0, -1, 2, 0.5])),
        mask=draw(st.booleans() | single),
    )


@st.composite
def cfgs(draw):
    """A configuration with sweeps at several places, also coupled ones."""
    cfg = {"plain": 1, "M": {"list": [0, 1], "nested": {"x": 2}}, "N": {}}
    places = [
        (cfg, "seed"), (cfg["M"], "x"), (cfg["M"]["list"], 1), (cfg["N"], "x"),
        (cfg["M"]["nested"], "x"), (cfg["M"]["nested"], "dict"),
    ]  # fmt: skip
    chosen = draw(st.lists(st.sampled_from(range(6)), min_size=1, max_size=4))
    for number, place in enumerate(dict.fromkeys(chosen)):
        where, key = places[place]
        dim = draw(dims())
        if draw(st.booleans()):
            dim._name = f"dim{number}"
        where[key] = dim
    if draw(st.booleans()):
        target = ParamDim(default=0, values=draw(VALUES), name="target")
        cfg["M"]["target"] = target
        own = [10 * value for value in target.values]
        cfg["M"]["coupled"] = CoupledParamDim(target_name="target")
        cfg["N"]["coupled"] = CoupledParamDim(
            target_name="target", default=-1, values=own
        )
    return cfg


@given(cfgs())
@settings(max_examples=50)
def test_universes_are_those_of_paramspace(cfg):
    reference = ParamSpace(copy.deepcopy(cfg))
    if reference.volume == 0:  # a dimension with all of its values masked singly
        assert Space(parameter_space(cfg)).num_universes == 0
        return
    points = list(reference.iterator(with_info=("state_no", "state_no_str")))
    space = Space(parameter_space(cfg))
    assert space.num_universes == len(points)
    assert list(space) == [number for _, number, _ in points]
    assert [space.name(number) for number in space] == [f"uni{s}" for *_, s in points]
    assert [space.cfg(number) for number in space] == [point for point, *_ in points]
    for name, values in space.coords.items():
        assert {space.position(number)[name] for number in space} == set(values)
    for number in space:
        reference.state_no = number
        expected = {name: dim.current_value for name, dim in reference.dims.items()}
        assert space.position(number) == expected


@given(cfgs())
@settings(max_examples=50)
def test_each_value_is_in_the_samples(cfg):
    space = Space(parameter_space(cfg))
    if space.num_universes == 0:
        return
    samples = list(space.samples())
    assert len(samples) == len(set(samples))
    assert set(samples) <= set(space)
    for name, values in space.coords.items():
        assert {space.position(n)[name] for n in samples} == set(values)


@given(cfgs())
@settings(max_examples=50)
def test_order_does_not_matter(cfg):
    """The configuration of a universe does not depend on what was looked at before."""
    space = Space(parameter_space(cfg))
    forward = {number: space.cfg(number) for number in space}
    assert {number: space.cfg(number) for number in reversed(list(space))} == forward


def test_configurations_are_independent():
    cfg = {"M": {"list": [1], "x": ParamDim(default=0, values=[1, 2])}}
    space = Space(parameter_space(cfg))
    first, second = map(space.cfg, space)
    first["M"]["list"].append(2)
    assert second["M"]["list"] == [1]
    assert space.cfg(2)["M"]["list"] == [1]


def test_samples_of_very_many_values():
    cfg = {
        "seed": ParamDim(default=0, range=[5000]),
        "x": ParamDim(default=0, range=[9]),
    }
    space = Space(parameter_space(cfg))
    samples = list(space.samples())
    assert len(samples) == 1 + 999 + 8
    seeds = [space.position(number)["seed"] for number in samples]
    assert {0, 4999} <= set(seeds)


ALIASES = {
    "M: {a: &s !sweep {default: 0, values: [1, 2]}, b: *s}": (
        "a", [{"a": 1, "b": 1}, {"a": 2, "b": 2}]
    ),
    "M: {a: &s !sweep {default: 0, values: [1, 2], name: n}, b: [3, {c: *s}, *s]}": (
        "n", [{"a": 1, "b": [3, {"c": 1}, 1]}, {"a": 2, "b": [3, {"c": 2}, 2]}]
    ),
    "M: {a: &m {x: !sweep {default: 0, range: [1, 3]}}, b: {<<: *m, y: 5}, c: *m}": (
        "x", [{"a": {"x": i}, "b": {"x": i, "y": 5}, "c": {"x": i}} for i in (1, 2)]
    ),
    "M: !pspace {a: [1, &s !sweep {default: 0, values: [1, 2]}], b: *s}": (
        "a.1", [{"a": [1, i], "b": i} for i in (1, 2)]
    ),
    "M: {a: &s !sweep {default: 0, values: [1, 2, 3], mask: [0, 1, 0]}, b: *s}": (
        "a", [{"a": i, "b": i} for i in (1, 3)]
    ),
    "M: {a: &s !sweep {default: 0, values: [1, 2]}, "
    "b: &c !coupled-sweep {target_name: a, values: [3, 4], default: 7}, c: *c}": (
        "a", [{"a": i, "b": i + 2, "c": i + 2} for i in (1, 2)]
    ),
}  # fmt: skip


@pytest.mark.parametrize("text", ALIASES)
def test_a_sweep_that_stands_in_several_places_is_one(text, tmp_path):
    name, expected = ALIASES[text]
    cfg = yaml.load(text)
    content = getattr(cfg["M"], "_dict", cfg["M"])
    space = Space(parameter_space({"M": content}))
    assert list(space.coords) == [name]
    assert [space.cfg(number)["M"] for number in space] == expected
    assert default_of({"M": content})[0]["M"] != expected[0]
    # The frontend reads it as the same space, too.
    path = tmp_path / "space.yml"
    with path.open("w") as file:
        yaml.dump(space.pspace, file)
    points = [point["M"] for point in load_cfg_file(str(path)).iterator()]
    assert points == expected
    assert [load_space(path).cfg(number)["M"] for number in space] == expected


def test_long_ranges_beside_a_sweep():
    """``paramspace`` goes through all that stands in a configuration."""
    cfg = {"M": {"long": range(10**15)}}
    assert default_of(cfg) == (cfg, "")
    cfg["seed"] = ParamDim(default=0, values=[1])
    with pytest.raises(ConfigError, match=r"M\.long, beside what is swept, has more"):
        default_of(cfg)


def test_two_sweeps_with_the_same_values_are_two():
    dims = [ParamDim(default=0, values=[1, 2]) for _ in range(2)]
    assert Space(parameter_space({"a": dims[0], "b": dims[1]})).num_universes == 4
    assert Space(parameter_space({"a": dims[0], "b": dims[0]})).num_universes == 2


# .. Errors ...................................................................


@pytest.mark.parametrize("cfg", [{}, {"seed": 1}, {"M": {"x": [1, 2]}}])
def test_nothing_swept(cfg):
    with pytest.raises(ConfigError, match="Nothing is swept"):
        Space(parameter_space(cfg))


def nested(value):
    return ParamDim(default=0, values=[1, value])


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"y": ParamDim(default=1, values=[2])}, r"M\.x\.y"),
        ([ParamDim(default=1, values=[2])], r"M\.x\S*0\S*"),
        ({"y": [{"z": CoupledParamDim(target_name="x")}]}, r"M\.x\.y\S*0\S*z"),
    ],
)
def test_sweep_within_the_values_of_another_one(value, place):
    with pytest.raises(ConfigError, match=rf"There is a sweep within {place},"):
        Space(parameter_space({"M": {"x": nested(value)}})).check_places()


def test_coupled_sweep_without_target():
    cfg = {"M": {"x": CoupledParamDim(target_name="nobody")}}
    with pytest.raises(
        ConfigError, match="nothing is swept that a coupled sweep could"
    ):
        parameter_space(cfg)
    cfg["seed"] = ParamDim(default=0, values=[1])
    with pytest.raises(ConfigError, match="not resolve the coupling target"):
        parameter_space(cfg)


def test_coupled_sweep_with_another_number_of_values():
    coupled = CoupledParamDim(target_name="x", default=0, values=[1])
    cfg = {"x": ParamDim(default=0, values=[1, 2], name="x"), "y": coupled}
    with pytest.raises(ConfigError, match="The sweeps do not fit together"):
        Space(parameter_space(cfg))


def test_names_that_are_taken():
    same = [ParamDim(default=0, values=[1], name="x") for _ in range(2)]
    with pytest.raises(ConfigError, match="The sweeps do not fit together"):
        parameter_space(dict(zip("ab", same, strict=True)))


@pytest.mark.parametrize(
    "text",
    [
        "M: {x: !sweep {default: 0, values: []}}",
        "M: {x: !sweep {default: 0, range: [0]}}",
        "M: {x: !sweep {default: 0}}",
        "M: {x: !sweep {values: [1]}}",
        "M: {x: !sweep {default: 0, values: [1, 1]}}",
        "M: {x: !sweep {default: 0, valuse: [1]}}",
    ],
)
def test_sweeps_that_are_none(tmp_path, text):
    path = tmp_path / "cfg.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"cfg\.yml"):
        load_cfg_file(str(path))


# .. Files ....................................................................


def test_default_of():
    cfg = {"x": ParamDim(default=3, values=[1]), "M": {"y": [1, {"z": 2}]}}
    assert default_of(cfg) == ({"x": 3, "M": {"y": [1, {"z": 2}]}}, "x=3")
    assert default_of({"x": 1}) == ({"x": 1}, "")


def test_load_space(tmp_path):
    path = tmp_path / "parameter_space.yml"
    path.write_text("!pspace {a: !sweep {default: 0, values: [1, 2]}, b: 5}")
    space = load_space(path)
    assert [space.cfg(number) for number in space] == [
        {"a": 1, "b": 5},
        {"a": 2, "b": 5},
    ]


@pytest.mark.parametrize("text", ["a: 1", "[1, 2]", ""])
def test_load_space_of_another_file(tmp_path, text):
    path = tmp_path / "parameter_space.yml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is not the parameter space of a sweep"):
        load_space(path)


def test_info():
    target = ParamDim(default=0, values=[1, 2, 3], mask=[False, True, False], name="t")
    cfg = {"M": {"t": target, "c": CoupledParamDim(target_name="t")}, "n": 1}
    info = Space(parameter_space(cfg)).info()
    assert info == {
        "shape": [2], "volume": 2, "num_dims": 1, "num_coupled_dims": 1,
        "dims": [{"name": "t", "full_path": ["M", "t"], "values": [1, 2, 3]}],
        "coupled_dims": [
            {
                "name": "c", "full_path": ["M", "c"], "values": [1, 2, 3],
                "target_name": "t",
            }
        ],
        "perform_sweep": True,
    }  # fmt: skip


def test_describe():
    cfg = {
        "x": ParamDim(default=0, values=[0.5, 1]),
        "seed": ParamDim(default=0, range=[10]),
    }
    assert list(Space(parameter_space(cfg)).describe()) == [
        "seed (10): 0, 1, 2, 3, 4, … 9",
        "x (2): 0.5, 1",
    ]
