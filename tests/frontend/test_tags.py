"""The values of a run configuration, as they arrive in the model."""

import datetime
import math

RUN_CFG = """
parameter_space:
  seed: !is-unsigned 7
  num_steps: 2.0
  Tags:
    values:
      range: !range [0, 10, 2]
      slice: !slice [1, 9, 3]
      set: !!set {a, b}
      binary: !!binary aGVsbG8=
      date: 2001-12-14
      timestamp: 2001-12-14t21:59:43.10-05:00
      validated: !is-probability 0.25
      parameter: !param {default: 1.5, limits: [0, 2]}
      arithmetics: !add [1, 5]
      listgen: !listgen [0, 6, 2]
      yes: yes
      sexagesimal: 1:30
      small: 1e-07
      large: 1e3
      leading zero: 010
      octal: 0o10
      quoted: "0o10"
      infinite: .inf
      nothing: ~
      text: "ä → '\\"\\n\\t\\u2028"
      nested: {list: [1, [2.5, {key: true}]], 1: one}
"""

EXPECTED = {
    "range": range(0, 10, 2),
    "slice": slice(1, 9, 3),
    "set": {"a", "b"},
    "binary": b"hello",
    "date": datetime.date(2001, 12, 14),
    "timestamp": datetime.datetime(
        *(2001, 12, 14, 21, 59, 43, 100_000),
        tzinfo=datetime.timezone(datetime.timedelta(hours=-5)),
    ),
    "validated": 0.25,
    "parameter": 1.5,
    "arithmetics": 6,
    "listgen": [0, 2, 4],
    "yes": "yes",
    "sexagesimal": "1:30",
    "small": 1e-7,
    "large": 1000.0,
    "leading zero": 10,
    "octal": 8,
    "quoted": "0o10",
    "infinite": math.inf,
    "nothing": None,
    "text": "ä → '\"\n\t\u2028",
    "nested": {"list": [1, [2.5, {"key": True}]], 1: "one"},
}


def test_tags(frontend, run_cfg):
    frontend("run", "Tags", run_cfg(RUN_CFG), "--no-eval")
    universe = frontend.universe(model="Tags")
    written = (universe.path / "config.yml").read_text(encoding="utf-8")
    for survivor in ("!range", "!slice", "!!set", "!!binary", "!param", "!is-"):
        assert f" {survivor}" in written
    with universe.open() as file:
        attrs = dict(file["Tags"].attrs)
    names = {"datetime": datetime, "inf": math.inf}
    arrived = {key: eval(value, names) for key, value in attrs.items()}
    assert arrived == EXPECTED
    assert [*map(type, arrived.values())] == [type(EXPECTED[key]) for key in arrived]
    assert universe.cfg["num_steps"] == 2
    assert universe.cfg["seed"] == 7
