"""Specs of sweeps, in YAML."""

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import yaml

from sweep.commands.options import checked
from sweep.plan.plan import Plan
from sweep.spec.presets import presets
from sweep.spec.reader import read_spec
from tests.fuzz.target import Apply, Mutation, Target
from tests.sweep.specs import small_data

CONTAINERS = frozenset({"sweep.spec.reader:_parse", "sweep.spec.reader:_text_of"})
# As a user would write them, beside the presets.
VARIED = {
    "data.clean": 0.05,
    "conditions.vary": {
        "clean": {"field": "data.clean", "values": [0.02, 0.1]},
        "pair": {"A": {"teacher.model.hidden": [9]}, "C": {"student.training.optimizer": "adamw"}},
    },
    "methods.0.clean": "split",
    "methods.2.with": {"student.training.batch_size": 32, "teacher.lr": 0.05},
    "search.shared.lr": {"low": 0.01, "high": 1},
}  # fmt: skip
ODD: tuple[Any, ...] = (
    None, True, 0, -1, 1, 0.5, 1e308, float("nan"), float("inf"), 10**400, 2**63, "", " ", "x",
    "../x", "a/b", "/etc/passwd", "a\0b", "\ud800", "\x1b[2J", "x" * 5000, "mlflow.db", "~", "on",
    [], [[]], [None], {}, {"a": 1}, {None: 1}, {1: 2}, b"\xff", list(range(3000)),
)  # fmt: skip


SMALL, MIXED = "small", "varied"


def spec() -> list[Target]:
    """As ``almkd check`` and ``almkd plan`` read them: two of a user's, and a preset."""
    return [
        Target("spec", name, _write, [f"{name}.yaml"], partial(_planned, name), _whole_yaml,
               MUTATIONS, CONTAINERS)
        for name in (SMALL, MIXED, "digits")
    ]  # fmt: skip


def _write(folder: Path) -> None:
    (folder / "digits.yaml").write_bytes(presets()["digits"].read_bytes())
    for name, changes in ((SMALL, {}), (MIXED, VARIED)):
        text = yaml.safe_dump(small_data(changes), sort_keys=False)
        (folder / f"{name}.yaml").write_text(text, "utf-8")


def _planned(name: str, folder: Path) -> object:
    found = checked(read_spec(str(folder / f"{name}.yaml")))
    Plan(found).budget()
    return found.model_dump_json()


def _whole_yaml(file: Path) -> None:
    """A mapping; of huge ones, as aliases can make them, no more is built than the nodes."""
    node = yaml.compose(file.read_text("utf-8"), Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ValueError


Data = dict[Any, Any]


def _data(change: Callable[[Data, Random], object]) -> Apply:
    """What the YAML stands for changed, and written again."""

    def apply(file: Path, rng: Random) -> None:
        data = yaml.safe_load(file.read_text("utf-8"))
        change(data, rng)
        text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10**6)
        file.write_text(text, "utf-8", errors="surrogatepass")

    return apply


def _text(change: Callable[[str, Random], str]) -> Apply:
    return lambda file, rng: file.write_text(change(file.read_text("utf-8"), rng), "utf-8")


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all that is in a nest of mappings and lists."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found += _places(value, (*path, key))
    return found


def _at(data: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def _odd_value(data: Data, rng: Random) -> None:
    *parents, last = rng.choice(_places(data))
    _at(data, tuple(parents))[last] = rng.choice(ODD)


def _moved(data: Data, rng: Random) -> None:
    """What stands at one place stands at another, too."""
    *parents, last = rng.choice(_places(data))
    value = copy.deepcopy(_at(data, rng.choice(_places(data))))
    _at(data, tuple(parents))[last] = value


def _out(data: Data, rng: Random) -> None:
    *parents, last = rng.choice(_places(data))
    del _at(data, tuple(parents))[last]


def _more(data: Data, rng: Random) -> None:
    *parents, _ = rng.choice(_places(data))
    place = _at(data, tuple(parents))
    if isinstance(place, dict):
        place[rng.choice(("x", "", 3, None, "__class__", "../x"))] = rng.choice(ODD)
    else:
        place += place


def _line(*lines: str) -> Apply:
    """A further line, between two or at an end."""

    def change(text: str, rng: Random) -> str:
        there = text.splitlines()
        there.insert(rng.randrange(len(there) + 1), rng.choice(lines))
        return "\n".join(there) + "\n"

    return _text(change)


LAUGHS = "\n".join(
    ["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))]
)
MUTATIONS = [
    Mutation("written again", "same", _data(lambda data, rng: None)),
    Mutation("with remarks", "same", _text(lambda t, rng: t.replace("\n", "  # why\n", 1))),
    Mutation(
        "in one line",
        "same",
        _text(
            lambda t, rng: yaml.safe_dump(
                yaml.safe_load(t), default_flow_style=True, sort_keys=False, width=10**6
            )
        ),
    ),
    *[Mutation("an odd value", "any", _data(_odd_value)) for _ in range(5)],
    Mutation(
        "two odd values", "any", _data(lambda d, rng: (_odd_value(d, rng), _odd_value(d, rng)))
    ),
    *[Mutation("a part in another place", "any", _data(_moved)) for _ in range(2)],
    Mutation("a part out", "any", _data(_out)),
    Mutation("more of it", "any", _data(_more)),
    Mutation("aliases that unfold", "refused", _text(lambda t, rng: t + LAUGHS)),
    Mutation("an alias of itself", "refused", _text(lambda t, rng: t + "x: &x [*x]\n")),
    Mutation("an alias of nothing", "refused", _text(lambda t, rng: t + "x: *nothing\n")),
    Mutation(
        "an object of Python",
        "refused",
        _text(lambda t, rng: t + "x: !!python/object/apply:os.system ['touch x']\n"),
    ),
    Mutation(
        "a tag",
        "any",
        _text(
            lambda t, rng: t.replace(
                ": ",
                rng.choice(
                    (": !!set ", ": !!binary ", ": !!timestamp ", ": !!omap ", ": !!int ", ": !x ")
                ),
                1,
            )
        ),
    ),
    Mutation("two documents", "refused", _text(lambda t, rng: f"{t}---\n{t}")),
    Mutation("a key twice", "refused", _text(lambda t, rng: t + "name: again\n")),
    Mutation("nested deeply", "refused", _text(lambda t, rng: t + "x: " + "[" * 3000 + "]" * 3000)),
    Mutation(
        "a number of ten thousand digits",
        "refused",
        _text(lambda t, rng: t + "x: " + "9" * 10_000 + "\n"),
    ),
    Mutation(
        "a long line", "any", _text(lambda t, rng: t + "#" + "x" * rng.choice((10**5, 10**6)))
    ),
    Mutation(
        "a strange line",
        "any",
        _line(
            "<<: {name: x}",
            "? [1, 2]",
            "%YAML 9.9",
            "\t- x",
            "- x",
            "---",
            "...",
            "}",
            "&",
            "x: |",
            "x: >-",
            "@",
            "`",
            "0o7: 08",
            "2024-01-01: 1e5",
        ),
    ),
    Mutation(
        "in UTF-16",
        "any",
        lambda file, rng: file.write_bytes(file.read_text("utf-8").encode("utf-16")),
    ),
]
