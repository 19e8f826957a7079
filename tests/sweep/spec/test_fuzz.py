"""Whatever a spec holds, the outcome is a spec or one message, and no file."""

import contextlib
import copy
import math
import random
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.adapters.optuna.rules import check_rules
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.spec.presets import PRESETS
from sweep.spec.reader import check_spec, read_spec
from tests.sweep.specs import small_data, small_spec

WORDS = [
    "", "a/b", "digits", "alm_kd", "lr", "low", "choices", "name", "é\x00", "1e999", "on",
    "classification", "metric", "last", "macro_f1", "adamw", "hidden", "class_map", "asymmetric",
]  # fmt: skip
# Every part of a spec that need not be written, and rows of every kind with fields of their own.
WHOLE = {
    "search.shared.lr": {"low": 0.01, "high": 1},
    "resources.cpus": 1,
    "task": "classification",
    "data.augment": "none",
    "data.examples": 300,
    "conditions.noise_kind": ["asymmetric", "file"],
    "conditions.class_map": [[1, 2], [3, 5]],
    "conditions.noise_file": "labels.npy",
    "objective": {"metric": "loss", "selection": "last"},
    "compare": {"metric": "macro_f1"},
    "teacher.snapshots": [1, 3],
    "teacher.model": {"name": "module", "path": "a.b:C", "arguments": {"n": [1, {"x": 2}]}},
    "student.model": {"name": "wrn", "depth": 16, "width": 1},
    "student.training": {
        "epochs": 6, "batch_size": 16, "optimizer": "adamw", "beta1": 0.8, "beta2": 0.99,
        "epsilon": 1e-6, "schedule": "linear", "steps": 40, "warmup_steps": 5, "clip_norm": 1.0,
        "evaluate_every": 2,
    },
    "methods.0.pin": {"variant": "box", "meta_step": "normalised", "look_ahead_lr": 0.1},
}  # fmt: skip
# Classes that come task by task, and the student before as teacher.
STREAM = {
    "task": "incremental",
    "data.stream": {"tasks": 3, "first": 4, "order": "given"},
    "teacher": {"batch_norm": "batch"},
    "student.model": {"name": "mlp", "hidden": [8], "norm": "batch"},
    "methods": [
        {"method": "fixed_kd", "baseline": True, "with": {"teacher.batch_norm": "running"}},
        {"method": "labels_only", "with": {"data.stream.joint": True}},
    ],
}
# A light teacher; few calls of another.
LIGHT = {"teacher.source": {"name": "blobs", "features": 3, "spread": 0.5}}
FEW = {"data.teacher_calls": 0.2, "data.unasked": "label", "methods.0.method": "ckd",
       "methods.0.pin": {"comparisons": "pairs"}}  # fmt: skip
# Conditions on axes, rows with patches and with clean labels: every cell is a spec of its own.
VARIED = {
    "data.clean": 0.05,
    "conditions.noise_rate": [0.4],
    "conditions.vary": {
        "clean": {"field": "data.clean", "values": [0.02, 0.1]},
        "pair": {
            "A → B": {"teacher.model.hidden": [9], "student.model": {"name": "mlp", "hidden": [7]}},
            "C": {"student.training.optimizer": "adamw"},
        },
    },
    "methods.0.clean": "split",
    "methods.1.clean": "train",
    "methods.2.with": {"student.training.batch_size": 32, "teacher.lr": 0.05},
}  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**400, 10**9, -1, 0, 1, 2**63]),
    st.floats(),
    st.sampled_from(WORDS),
    st.dates(),
    st.binary(max_size=3),
)
KEYS = st.one_of(st.sampled_from(WORDS), st.integers(0, 3), st.none())
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3)
)
CHANGES = ("replace", "drop", "add", "double")


def _places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of everything in a nest of mappings and lists."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = []
    for key, value in inner:
        found.append((*path, key))
        if isinstance(value, dict | list):
            found.extend(_places(value, (*path, key)))
    return found


def _change(data: Any, path: tuple[Any, ...], how: str, what: Any) -> None:
    place = data
    for part in path[:-1]:
        place = place[part]
    last = path[-1]
    if how == "replace":
        place[last] = what
    elif how == "drop":
        del place[last]
    elif isinstance(place, dict):
        place[what if isinstance(what, str | int) else "new"] = place[last]
    elif how == "double":
        place.append(place[last])


@pytest.fixture(autouse=True, scope="module")
def _nothing_is_written(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("empty")
    with contextlib.chdir(folder):
        yield
    assert not list(folder.iterdir())


def _refusal(call: Callable[[], object]) -> str:
    """The message with which a call refuses its input; empty where it takes it."""
    try:
        call()
    except BadInput as error:
        return str(error)
    return ""


def _random_scalar(draw: random.Random) -> Any:
    return draw.choice(
        [None, True, False, 0, 1, -1, 10**9, 10**400, 2**63, 0.5, -1.0, 1e308, math.inf, math.nan,
         b"\x00", date(2024, 1, 1), draw.randint(-9, 99), draw.random(), *WORDS]
    )  # fmt: skip


def _random_value(draw: random.Random, depth: int = 3) -> Any:
    how = draw.random()
    if depth == 0 or how < 0.7:
        return _random_scalar(draw)
    parts = [_random_value(draw, depth - 1) for _ in range(draw.randint(0, 3))]
    return parts if how < 0.85 else {draw.choice([*WORDS, 0, None]): part for part in parts}


def test_each_of_five_thousand_mutated_specs_is_a_spec_or_one_message() -> None:
    shared = {"search.shared.lr": {"low": 0.01, "high": 1}}
    bases = [small_data(changes) for changes in (shared, WHOLE, STREAM, LIGHT, FEW)]
    assert not any(_refusal(lambda data=data: check_spec(data, "fuzz")) for data in bases)  # type: ignore[misc]
    taken = [0] * len(bases)
    for seed in range(5_000):
        draw = random.Random(seed)
        data = copy.deepcopy(bases[seed % len(bases)])
        for _ in range(draw.randint(1, 3)):
            path = draw.choice(_places(data) or [()])
            if path:
                _change(data, path, draw.choice(CHANGES), _random_value(draw))
        message = _refusal(lambda data=data: Plan(check_spec(data, "fuzz")).budget())  # type: ignore[misc]
        assert message.startswith(("fuzz: ", "search.generation: ")) or not message, seed
        taken[seed % len(bases)] += not message
    # Neither all refused at the door nor all let in.
    assert all(50 < count < 950 for count in taken), taken


def test_each_of_two_thousand_mutated_specs_with_axes_is_a_spec_or_one_message() -> None:
    assert not _refusal(lambda: check_spec(small_data(VARIED), "fuzz"))
    taken = 0
    for seed in range(2_000):
        draw = random.Random(seed)
        data = small_data(VARIED)
        parts = (data["conditions"], data["methods"], data["data"], data)
        for _ in range(draw.randint(1, 3)):
            part = parts[draw.randrange(len(parts))]
            path = draw.choice(_places(part) or [()])
            if path:
                _change(part, path, draw.choice(CHANGES), _random_value(draw))
        message = _refusal(lambda data=data: Plan(check_spec(data, "fuzz")).budget())  # type: ignore[misc]
        assert (
            message.startswith(("fuzz: ", "search.generation: ", "conditions.vary")) or not message
        )
        taken += not message
    assert 50 < taken < 1_950, taken


@settings(max_examples=300)
@given(st.data())
def test_changed_spec_is_a_spec_or_one_message(draw: st.DataObject) -> None:
    data = small_data(WHOLE)
    for _ in range(draw.draw(st.integers(1, 3))):
        places = _places(data)
        if places:
            path = draw.draw(st.sampled_from(places))
            _change(data, path, draw.draw(st.sampled_from(CHANGES)), draw.draw(ANYTHING))
    message = _refusal(lambda: Plan(check_spec(data, "fuzz")).budget())
    assert message.startswith(("fuzz: ", "search.generation: ")) or not message


@settings(max_examples=100)
@given(
    st.sampled_from(["sampler", "pruner"]),
    st.sampled_from(["tpe", "qmc", "grid", "median", "percentile", "patient", "hyperband"]),
    st.dictionaries(
        st.sampled_from(
            ["n_startup_trials", "multivariate", "points", "percentile", "wrapped", "patience",
             "n_warmup_steps", "interval_steps", "min_resource", "max_resource", "qmc_type"]
        ),
        SCALARS,
        max_size=2,
    ),
)  # fmt: skip
def test_rules_with_any_parameters_are_taken_or_refused(
    part: str, name: str, parameters: dict[str, Any]
) -> None:
    rule = {f"search.{part}": {"name": name, **parameters}}
    message = _refusal(lambda: check_rules(small_spec(rule)))
    assert f"search.{part}" in message or not message


@settings(max_examples=150)
@given(
    st.integers(0, 2000),
    st.integers(0, 60),
    st.text("{}[]:,-&*!|>'\"%@`#?\t\n \x00\udcffabn1.~<", max_size=8),
)
def test_damaged_text_is_a_spec_or_one_message(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int, put: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.yaml"
    text = (PRESETS / "digits.yaml").read_text(encoding="utf-8")
    damaged = text[:at] + put + text[at + length :]
    path.write_bytes(damaged.encode("utf-8", "surrogateescape"))
    message = _refusal(lambda: read_spec(str(path)))
    assert message.startswith(str(path)) or not message


@settings(max_examples=150)
@given(
    st.lists(
        st.sampled_from(["name", "search", "methods", "0", "7", "trials", "shared", "lr", "", "é"]),
        min_size=1,
        max_size=4,
    ),
    ANYTHING,
)
def test_any_override_is_taken_or_refused(parts: list[str], value: Any) -> None:
    try:
        text = yaml.safe_dump(value, default_flow_style=True, width=10**6).strip()
    except ValueError:  # a number with more digits than Python turns into text
        text = "1" * 5000
    override = f"{'.'.join(parts)}={text}"
    message = _refusal(lambda: read_spec("digits", [override]))
    assert "--set" in message or not message
