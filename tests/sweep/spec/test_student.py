"""The parts of a spec about networks: which sizes go with which, what is written, whose code."""

import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.spec.code_needed import check_code_is_allowed, needs_code
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_data, small_spec
from trainers.classification.networks.table import NETWORKS
from trainers.settings import ModelSpec, Training

STEPS = {"epochs": 20, "schedule": "steps", "milestones": [10, 15]}
# A model or a training section, and the words that the message must hold.
WRONG_MODELS: Sequence[tuple[Mapping[str, Any], Sequence[str]]] = (
    ({"name": "resnet8", "hidden": [16]}, ["model.hidden: resnet8 does not take", "remove it"]),
    ({"name": "resnet9"}, ["model.name: 'resnet9' is no model", "did you mean 'resnet"]),
    ({"name": "mlp"}, ["model.hidden: is missing; mlp needs it, add it, e.g. hidden: [16]"]),
    ({"name": "wrn", "depth": 16, "widht": 2}, ["model.widht", "did you mean 'width'?"]),
    ({"name": "wrn", "depth": 15, "width": 1}, ["wrn: depth is 15", "10 or 16"]),
    ({"name": "wrn", "depth": 16, "width": 0}, ["model.width: 0", "[1, inf)"]),
    ({"name": "wrn", "depth": 16.0, "width": 1}, ["model.depth: 16.0", "whole number"]),
    ({"name": "densenet", "hidden": [3]}, ["hidden: densenet does not take", "depth, growth"]),
    ({"name": "module", "path": "a.b"}, ["'a.b'", "package.module:Class"]),
    ({"name": "module", "path": "a:B", "arguments": [1]}, ["model.arguments: [1]", "a mapping"]),
    (
        {"name": "module", "path": "a:B", "arguments": {"x": float("nan")}},
        ["model.arguments", "x: nan", "must be made of numbers"],
    ),
    ({"name": "module", "path": "a:B", "arguments": {"x": b"y"}}, ["model.arguments", "x: b'y'"]),
)
WRONG_LOOPS: Sequence[tuple[Mapping[str, Any], Sequence[str]]] = (
    ({"schedule": "steps"}, ["needs milestones", "milestones: [15, 25]"]),
    ({**STEPS, "milestones": [15, 10]}, ["milestones [15, 10] must rise"]),
    ({**STEPS, "milestones": [10, 10]}, ["milestones [10, 10] must rise"]),
    ({**STEPS, "milestones": [10, 20]}, ["never fall after epoch 20 of 20", "raise epochs"]),
    ({**STEPS, "milestones": []}, ["training.milestones: []", "at least one"]),
    ({**STEPS, "milestones": [0, 10]}, ["milestones.0: 0"]),
    ({**STEPS, "milestones": 10}, ["training.milestones: 10", "a list"]),
    ({**STEPS, "factor": 1.0}, ["training.factor: 1.0", "less than 1"]),
    ({"epochs": 4, "evaluate_every": 0}, ["training.evaluate_every: 0", "equal to 1"]),
    ({"epochs": 4, "evaluate_every": 5}, ["evaluate_every: 5", "more than the 4 epochs; lower it"]),
    ({"evaluate_every": 1.0}, ["training.evaluate_every: 1.0", "whole number"]),
    ({"steps": 0}, ["training.steps: 0", "equal to 1"]),
    ({"warmup_steps": -1}, ["training.warmup_steps: -1", "equal to 0"]),
    ({"accumulate": 1}, ["training.accumulate: 1", "equal to 2"]),
    ({"clip_norm": 0.0}, ["training.clip_norm: 0.0", "greater than 0"]),
    ({"optimizer": "adam"}, ["training.optimizer: 'adam'", "'sgd' or 'adamw'"]),
    ({"optimizer": "adamw", "momentum": 0.9}, ["adamw takes no momentum", "optimizer: sgd"]),
    ({"beta1": 0.9}, ["optimizer: sgd takes no beta1", "optimizer: adamw"]),
    ({"optimizer": "adamw", "beta2": 1.0}, ["training.beta2: 1.0", "less than 1"]),
    ({"milestones": [10]}, ["schedule: cosine takes no milestones", "schedule: steps"]),
    ({"schedule": "constant", "factor": 0.1}, ["schedule: constant takes no factor"]),
)


def _with_student(model: Mapping[str, Any]) -> SweepSpec:
    return small_spec({"student.model": dict(model)})


@pytest.mark.parametrize(("model", "words"), WRONG_MODELS)
def test_wrong_model_is_named_with_the_remedy(
    model: Mapping[str, Any], words: Sequence[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        _with_student(model)
    assert str(caught.value).startswith("small: student.model")
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(("loop", "words"), WRONG_LOOPS)
def test_wrong_schedule_is_named_with_the_remedy(
    loop: Mapping[str, Any], words: Sequence[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        small_spec({"student.training": dict(loop)})
    assert str(caught.value).startswith("small: student.training")
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("name", NETWORKS)
def test_every_network_can_be_asked_for_and_is_written_with_its_own_fields(name: str) -> None:
    network = NETWORKS[name]
    examples = {field.name: field.example for field in network.fields if field.required}
    spec = _with_student({"name": name, **examples})
    assert spec.student.model.settings().name == name
    written = spec.model_dump(mode="json")
    assert written["student"]["model"] == {"name": name, **examples}
    assert check_spec(json.loads(json.dumps(written)), "again") == spec


def test_settings_carry_what_was_given() -> None:
    spec = _with_student({"name": "wrn", "depth": 16, "width": 3})
    assert spec.student.model.settings() == ModelSpec("wrn", {"depth": 16, "width": 3})
    module = {"name": "module", "path": "a.b:C.d", "head": "fc", "arguments": {"n": [1, {"x": 2}]}}
    assert _with_student(module).student.model.settings() == ModelSpec(
        "module", {"path": "a.b:C.d", "head": "fc", "arguments": {"n": [1, {"x": 2}]}}
    )


def test_steps_reach_the_training() -> None:
    loop = small_spec({"student.training": dict(STEPS)}).student.training
    assert loop.settings() == Training(20, 64, 0.9, True, "steps", (10, 15), 0.1)
    loop = small_spec({"student.training": {**STEPS, "factor": 0.2}}).student.training
    assert loop.settings().factor == 0.2
    assert loop.model_dump(mode="json")["milestones"] == [10, 15]


def test_every_setting_reaches_the_training() -> None:
    given = {
        "epochs": 6, "batch_size": 16, "optimizer": "adamw", "beta1": 0.8, "epsilon": 1e-6,
        "schedule": "linear", "steps": 40, "warmup_steps": 5, "clip_norm": 1.0, "evaluate_every": 6,
        "accumulate": 2,
    }  # fmt: skip
    loop = small_spec({"student.training": given}).student.training
    written = loop.model_dump(mode="json")
    assert written == {**given, "beta2": 0.999}
    usual = Training(6, 16)
    assert loop.settings() == replace(
        usual, optimizer="adamw", beta1=0.8, epsilon=1e-6, schedule="linear", steps=40,
        warmup_steps=5, clip_norm=1.0, evaluate_every=6, accumulate=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"methods.0": {"method": "dist"}}, "methods.0.method: dist needs whole batches"),
        (
            {"student.model": {"name": "mlp", "hidden": [8], "norm": "batch"}},
            "student.training.accumulate: mlp normalises over the examples of a batch",
        ),
        (
            {"teacher.model": {"name": "mlp", "hidden": [8], "norm": "batch"},
             "teacher.training.accumulate": 3},
            "teacher.training.accumulate: mlp normalises",
        ),
    ],
)  # fmt: skip
def test_what_needs_whole_batches_has_no_parts(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        small_spec({"student.training.accumulate": 2, **changes})


def test_a_student_has_something_to_learn() -> None:
    still = {"name": "pretrained", "folder": "model", "train": "nothing"}
    data = {
        "name": "still", "task": "language", "data": {"dataset": "addition"},
        "conditions": {"noise_kind": ["swap"], "noise_rate": [0.1]},
        "teacher": {"model": still}, "student": {"model": {**still, "train": "all"}},
        "methods": [{"method": "fixed_kd", "baseline": True}],
    }  # fmt: skip
    check_spec(data, "still")
    with pytest.raises(BadInput, match=r"student\.model: a student learns, and in this pretrained"):
        check_spec({**data, "student": {"model": still}}, "still")


def test_a_cosine_is_written_as_ever() -> None:
    loop = small_spec().student.training.model_dump(mode="json")
    assert loop == {
        "epochs": 4, "batch_size": 64, "momentum": 0.9, "nesterov": True, "schedule": "cosine",
    }  # fmt: skip


def test_the_users_code_is_named_and_has_to_be_allowed() -> None:
    assert needs_code(small_spec()) == ()
    check_code_is_allowed(small_spec(), allowed=False)
    own = {"name": "module", "path": "my.code:Net"}
    spec = small_spec({"student.model": own, "teacher.model": own})
    assert needs_code(spec) == ("my.code:Net",)
    check_code_is_allowed(spec, allowed=True)
    with pytest.raises(BadInput, match=r"small: .*my\.code:Net.*--allow-code"):
        check_code_is_allowed(spec, allowed=False)


def test_networks_are_checked_and_counted_without_torch() -> None:
    program = """
import sys
import trainers.classification.networks.table, trainers.loop.cohort_size, sweep.spec.student
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_spec_never_loads_the_users_code() -> None:
    data = small_data({"student.model": {"name": "module", "path": "no.such.module:Net"}})
    check_spec(data, "small")
