"""Random configurations: what a user, a program or an accident could put in a file."""

import json
import random
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from utopya_backend import StepwiseModel, load_cfg_file
from utopya_backend.cli import main as command
from utopya_backend.errors import UserError
from utopya_backend.finding import ModelInfo
from utopya_backend.universe import make_run_dir, make_universe, resolve_cfg


class Fuzzed(StepwiseModel):
    """Has parameters of many types."""

    def setup(
        self,
        *,
        number: float = 1.0,
        count: int = 1,
        flag: bool = False,
        text: str = "",
        sizes: tuple[int, ...] = (1, 2),
        rates: list[float] | None = None,
        options: dict[str, float] | None = None,
        anything: Any = None,
    ) -> None:
        """Takes them all."""
        self.dset = self.create_ts_dset("value")

    def perform_step(self) -> None:
        """Does nothing."""

    def write_data(self) -> None:
        """Writes the time."""
        self.dset.append(self.time)


MODEL_FILE = Path(__file__).parent / "fuzz_configs.py"

ROOT = [
    "num_steps", "write_every", "write_start", "seed", "seed_numpy_rng", "output_path",
    "monitor_emit_interval", "log_levels", "output", "root_model_name", "Fuzzed",
    "parameter_space", "perform_validation", "parallel_execution", "run_kwargs",
    "worker_manager", "<<", "~", "1", "[a]", "{a: b}",
]  # fmt: skip
PARAMETERS = [
    "number", "count", "flag", "text", "sizes", "rates", "options", "anything",
    "benchmark",
]  # fmt: skip
SCALARS = [
    "0", "1", "-1", "3", "2.0", "1e308", "-1e308", "1e-320", ".inf", "-.inf", ".nan",
    "~", "true", "yes", "''", "a", '"a b"', "é", "'\u2028'", '"\\0"', '"\\ud800"',
    '"\\x1b[2J"', "1" + "0" * 400, "9" * 5000, "0x" + "f" * 30, "0o17", "010", "1_0",
    "2001-12-14", "2021-02-31", "12:30", "1:30", "!!binary aGk=", "!!set {a, b}",
    "!!str 1", "!!omap [a: 1]", "!!float .nan", "2001-12-14t21:59:43.10-05:00", "*x",
    "*y", "$x$", "info", "{default: 1}", "[]", "{}", "[[], {}]",
]  # fmt: skip
TAGS = [
    "!expr", "!pow", "!mul", "!prod", "!add", "!sub", "!range", "!slice", "!linspace",
    "!logspace", "!arange", "!listgen", "!sweep", "!coupled-sweep", "!pdim", "!param",
    "!is-positive", "!is-int", "!is-probability", "!is-bool", "!join", "!format",
    "!array", "!concat", "!sum", "!min", "!int", "!round", "!if-else", "!getenv",
    "!len", "!pspace", "!contains", "!deepcopy", "!sorted", "!sweep-default",
    "!stop-condition", "!nonsense", "!Masked", "!truediv", "!mod", "!str-to-bool",
    "!joinpath", "!expanduser", "!abs",
]  # fmt: skip
FITTING = {
    "number": ["1", "1.5", "-1e308", ".inf", ".nan", "!is-positive 2", "0x10"],
    "count": ["3", "2.0", "-5", "1" + "0" * 300, "!expr 2**10", "!is-int 7", "1e3"],
    "flag": ["true", "false", "!is-bool true", "!str-to-bool y"],
    "text": ["a", "'1:30'", "é", '"\\0"', '"\\n"', "''", "!join [a, [b, c]]", "$x$"],
    "sizes": ["[1, 2]", "!range [3]", "[]", "[5]", "!listgen [4]"],
    "rates": ["[0.5]", "!linspace [0, 1, 3]", "~", "[.nan, 1]", "!array [1.5, 2]"],
    "options": ["{a: 1}", "{}", "{1: 2}", "~", "{é: .inf}", "{'': 0}"],
    "seed": ["0", "7", "1" + "0" * 60],
    "num_steps": ["2", "2.0", "!expr 1+1", "0"],
    "write_every": ["1", "2", "1000"],
    "write_start": ["0", "1", "1e6"],
    "output": ["{commit_interval: 0}", "{fsync: false}", "~"],
    "log_levels": ["{model: error}", "{backend: 10}"],
    "monitor_emit_interval": ["1e308", "0", ".inf"],
    "perform_validation": ["true", "false"],
    "parallel_execution": ["{enabled: false}", "~"],
}
SWEPT = [
    "default", "values", "range", "linspace", "name", "order", "mask", "target_name",
]  # fmt: skip
PARAM = [
    "default", "limits", "limits_mode", "is_any_of", "dtype", "name", "description",
]  # fmt: skip
NOISE = [
    "\0", "\x85", "\u2028", "\ufeff", "\t", "\r\n", "\r", "[", "{", "}", "]", "- ",
    ": ", "? ", "#", "&x ", "*x", "<<: *x", "!", "!!", "%", "|", ">", '"', "'", "\\",
    "---\n", "...\n", "%YAML 1.1\n---\n", "\x1b", "\U0001f600", ",", "\n", " " * 40,
]  # fmt: skip


def value(rng: random.Random, depth: int = 0) -> str:
    """A random value, in flow style."""
    kind = rng.random()
    if depth > 3 or kind < 0.5:
        return rng.choice(SCALARS)
    if kind < 0.6:
        return f"[{', '.join(value(rng, depth + 1) for _ in range(rng.randrange(5)))}]"
    if kind < 0.7:
        return mapping(rng, PARAMETERS + SWEPT, depth)
    if kind < 0.75:
        return f"&{rng.choice('xy')} {value(rng, depth + 1)}"
    tag = rng.choice(TAGS)
    if "sweep" in tag or "pdim" in tag:
        default = value(rng, 4)
        values = ", ".join(value(rng, depth + 2) for _ in range(rng.randrange(4)))
        more = mapping(rng, SWEPT, depth)[1:] if rng.random() < 0.3 else "}"
        return f"{tag} {{default: {default}, values: [{values}], {more}"
    if tag == "!param":
        return f"{tag} {{default: {value(rng, 4)}, {mapping(rng, PARAM, depth)[1:]}"
    if tag == "!expr":
        parts = rng.choices(["9", "2", "1e3", "**", "*", "-", "/", "(", ")"], k=9)
        return f"{tag} {''.join(parts)}"
    return f"{tag} {value(rng, depth + 1)}"


def mapping(rng: random.Random, keys: list[str], depth: int) -> str:
    """A random mapping, in flow style."""
    chosen = rng.sample(keys, k=rng.randrange(min(4, len(keys))))
    return "{" + ", ".join(f"{k}: {value(rng, depth + 1)}" for k in chosen) + "}"


def sensible(rng: random.Random) -> str:
    """A configuration with keys that there are, and values of which most fit."""
    odd = rng.choice([0, 0, 0.1, 0.5, 1])  # the share of those that need not
    chosen = rng.sample(ROOT, k=rng.randrange(3))
    lines = [f"{k}: {fitting(rng, k, odd)}" for k in chosen if k != "Fuzzed"]
    lines += ["Fuzzed:"]
    chosen = rng.sample(PARAMETERS, k=rng.randrange(1, 4))
    lines += [f"  {key}: {fitting(rng, key, odd)}" for key in chosen]
    if rng.random() < 0.2:
        lines = ["parameter_space:", *(f"  {line}" for line in lines)]
    return "\n".join(lines) + "\n"


def fitting(rng: random.Random, key: str, odd: float) -> str:
    """A value that fits to a key, a sweep of such, or anything."""
    if rng.random() < odd:
        return value(rng)
    one = rng.choice(FITTING.get(key, SCALARS))
    if key in [*PARAMETERS, "seed", "num_steps"] and rng.random() < 0.3:
        values = ", ".join(
            rng.choices(FITTING.get(key, SCALARS), k=rng.randrange(1, 4))
        )
        anchor = rng.choice(["", "", "&x "])
        return f"{anchor}!sweep {{default: {one}, values: [{values}]}}"
    return one


def mutated(rng: random.Random) -> str:
    """A configuration that was damaged as a text."""
    text = sensible(rng)
    for _ in range(rng.randrange(1, 6)):
        place, length = rng.randrange(len(text) + 1), rng.randrange(10)
        noise = rng.choice(
            [*NOISE, rng.choice(string.printable), chr(rng.randrange(0xD800))]
        )
        text = text[:place] + noise + text[place + rng.choice([0, length]) :]
    return text


def bomb(rng: random.Random) -> str:
    """A short text of which much would become."""
    times = rng.choice([50, 99, 100, 101, 400, 1000, 20_000])
    kind = rng.randrange(9)
    if kind == 0:
        return "a: " + rng.choice("[{") * times
    if kind == 1:
        return "a: " + "[" * times + "]" * times
    if kind == 2:
        return "".join(f"{' ' * n}a:\n" for n in range(min(times, 1000)))
    if kind == 3:
        return rng.choice(["- ", "? ", "- - ", "a:\n- "]) * times
    if kind == 4:
        style = rng.choice(["[*a, *a]", "{x: *a, y: *a}", "{<<: [*a, *a]}", "[*a]"])
        lines = [f"b{n}: &a {style}\n" for n in range(min(times, 200))]
        return "b: &a {z: 1}\n" + "".join(lines)
    if kind == 5:
        power = "**".join(
            rng.choices(["9", "99", "(2)", "-3", "1.5"], k=rng.randrange(2, 9))
        )
        return f"Fuzzed: {{count: !expr {power}}}"
    if kind == 6:
        huge = 10 ** rng.randrange(3, 40)
        tag = rng.choice(
            [
                "!range [{}]", "!arange [{}]", "!listgen [{}]", "!linspace [0, 1, {}]",
                "!mul [[1], {}]", "!sweep {default: 0, range: [{}]}",
            ]
        )  # fmt: skip
        return f"Fuzzed: {{anything: {tag.replace('{}', str(huge))}}}"
    if kind == 7:
        return f"&a {{Fuzzed: {{anything: {rng.choice(['*a', '[*a]', '{b: *a}'])}}}}}"
    return f"Fuzzed: {{count: {'9' * times}}}"


def as_data(rng: random.Random, depth: int = 0) -> Any:
    """Something that JSON can have."""
    if depth > 3 or rng.random() < 0.4:
        choices = [
            0,
            1,
            -1.5,
            1e308,
            10**400,
            None,
            True,
            "",
            "a\0b",
            "\ud800",
            "é",
            "\n",
        ]
        return rng.choice(choices)
    if rng.random() < 0.4:
        return [as_data(rng, depth + 1) for _ in range(rng.randrange(4))]
    keys = rng.sample(ROOT[:16] + PARAMETERS, k=rng.randrange(4))
    return {key: as_data(rng, depth + 1) for key in keys}


def as_json(rng: random.Random) -> str:
    """A configuration in JSON, perhaps damaged."""
    if rng.random() < 0.1:
        return rng.choice(['{"a":', "["]) * rng.choice([100, 101, 3000, 100_000])
    content: dict[str, Any] = {"Fuzzed": {rng.choice(PARAMETERS): as_data(rng)}}
    if rng.random() < 0.5:
        content[rng.choice(ROOT[:10])] = as_data(rng)
    text = json.dumps(content)
    return text if rng.random() < 0.7 else text[: rng.randrange(len(text))]


def as_toml(rng: random.Random) -> str:
    """A configuration in TOML, perhaps damaged."""
    if rng.random() < 0.1:
        return rng.choice(["a.", "[a.", "a = [", "a = {b = "]) * rng.choice(
            [100, 50_000]
        )
    values = ["1", "1e308", "0x" + "f" * 40, "9" * 5000, "'a'", '"\\u0000"', "07:32:00",
              "1979-05-27", "1979-05-27T07:32:00Z", "[1, 'a']", "{a = 1}", "inf", "nan",
              "true", '"""a\nb"""', "[[[]]]"]  # fmt: skip
    lines = [f"{rng.choice(ROOT[:9])} = {rng.choice(values)}"]
    lines += ["[Fuzzed]"]
    chosen = rng.sample(PARAMETERS, k=2)
    lines += [f"{key} = {rng.choice(values)}" for key in chosen]
    text = "\n".join(lines)
    return text if rng.random() < 0.8 else text[: rng.randrange(len(text))]


KINDS: dict[str, tuple[Callable[[random.Random], str], str]] = {
    "sensible keys, any values": (sensible, "yml"),
    "damaged text": (mutated, "yml"),
    "bombs": (bomb, "yml"),
    "JSON": (as_json, "json"),
    "TOML": (as_toml, "toml"),
}


def make(rng: random.Random, directory: Path) -> tuple[str, Path]:
    """Writes a random configuration; returns its kind and its path."""
    kind = rng.choices(list(KINDS), weights=[10, 5, 2, 2, 2])[0]
    text, ending = KINDS[kind]
    path = directory / f"cfg.{ending}"
    content = text(rng).encode("utf-8", "surrogatepass")
    if rng.random() < 0.05:
        content = b"\xef\xbb\xbf" + content.replace(b"\n", b"\r\n")
    path.write_bytes(content)
    return kind, path


def steps(path: Path) -> dict[str, Callable[[], str]]:
    """What is done with a configuration, by names; each says what has come of it."""
    model = f"{MODEL_FILE}:Fuzzed"

    def load() -> str:
        load_cfg_file(str(path))
        return "accepted"

    def dry_run() -> str:
        return invoke("run", model, str(path), "--dry-run")

    def dry_sweep() -> str:
        return invoke("sweep", model, str(path), "--dry-run")

    def run() -> str:
        info = ModelInfo("Fuzzed", cls=Fuzzed)
        cfg = resolve_cfg(info, [path], num_steps=2, write_every=1)
        cfg_file = make_universe(make_run_dir(path.parent / "out", "Fuzzed"), cfg)
        Fuzzed.USE_SYS_EXIT = False
        with Fuzzed(cfg_file_path=str(cfg_file)) as model:
            model.run()
        return "accepted"

    return {"load_cfg_file": load, "run --dry-run": dry_run,
            "sweep --dry-run": dry_sweep, "a run": run}  # fmt: skip


def invoke(*args: str) -> str:
    """Calls the command; a traceback is an exception here, too."""
    result = CliRunner().invoke(command, args)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert "Traceback" not in result.output, result.output[-300:]
    assert result.exit_code in (0, 2), (result.exit_code, result.output[-300:])
    if result.exit_code == 2:
        assert "Error" in result.output, result.output[-300:]
        raise Refused(result.output)
    return "accepted"


class Refused(UserError):  # noqa: N818  # it is none
    """The command refuses something, in words."""
