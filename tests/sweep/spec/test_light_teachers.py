"""What a spec may say of teachers that are trained on a simple set in place of the data."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.smoke import smallest_of
from sweep.spec.reader import check_spec
from tests.sweep.specs import SMALL, small_data, small_spec
from trainers.registry import TASKS

CODES: Mapping[str, Any] = {
    "source": {"name": "digit_codes"},
    "model": {"name": "mlp", "hidden": [16]},
    "training": {"epochs": 2, "batch_size": 64},
}
KD = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]


def _with(**source: Any) -> dict[str, Any]:
    return {"teacher": {**CODES, "source": source}}


def test_it_is_written_as_it_was_given_and_others_as_before() -> None:
    spec = small_spec(_with(name="blobs", spread=2, examples_per_class=20))
    written = spec.model_dump(mode="json")["teacher"]
    assert written["source"] == {"name": "blobs", "spread": 2.0, "examples_per_class": 20}
    assert check_spec(spec.model_dump(mode="json"), "again") == spec
    assert smallest_of(spec).model_dump(mode="json")["teacher"]["source"] == written["source"]
    assert "source" not in small_spec().model_dump(mode="json")["teacher"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            _with(name="digit_code"),
            "teacher.source.name: 'digit_code' is no source of light teachers; did you mean "
            "'digit_codes'? known: blobs, digit_codes",
        ),
        (_with(noise=0.1), "teacher.source.name: is missing; add it"),
        ({"teacher": {**CODES, "source": "blobs"}}, "teacher.source: 'blobs'"),
        (_with(name="blobs", noise=0.1), "teacher.source.noise: blobs does not take this field"),
        (_with(name="digit_codes", noise=-1), "teacher.source.noise: -1 must be in [0, inf)"),
        (
            _with(name="digit_codes", examples_per_class=4),
            "teacher.source.examples_per_class: 4 must be in [5, 10000]",
        ),
        (
            {"teacher": [SMALL["teacher"], {**CODES, "source": {"name": "x"}}], "methods": KD},
            "teacher.1.source.name: 'x' is no source",
        ),
        ({"teacher": {"source": {"name": "blobs"}}}, "teacher.model: is missing; add it"),
        (
            {"teacher": {**CODES, "generations": 2}},
            "teacher.generations: means nothing here, as a light teacher",
        ),
        (
            {"teacher": {"model": CODES["model"], "source": CODES["source"], "weights": "t.pt"}},
            "teacher.source: means nothing here, as a teacher that is given by its weights",
        ),
        (
            {"teacher": CODES, "conditions.teacher_labels": ["noisy", "clean"]},
            "conditions.teacher_labels: ['noisy', 'clean']: a light teacher is trained on labels "
            "of its own, so that alm_kd would be the same in each; name one",
        ),
        (
            {"methods": [*KD, {"method": "lw_kd", "with": {"teacher.source": {"name": "x"}}}]},
            "methods.2.with: lw_kd: teacher.source.name: 'x' is no source of light teachers",
        ),
    ],
)
def test_what_means_nothing_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as refused:
        small_spec(changes)
    assert said in str(refused.value)


def test_a_task_without_sources_says_which_has_them() -> None:
    data = small_data({"teacher": CODES})
    data["task"] = "text"
    data["data"] = {"dataset": "reuters_r8"}
    for network in (data["student"], data["teacher"]):
        network["model"] = {"name": "transformer"}
    with pytest.raises(BadInput) as refused:
        check_spec(data, "small")
    assert (
        "teacher.source: the task text has no light teachers (classification has); drop the source"
    ) in str(refused.value)


def test_a_method_that_shows_other_examples_cannot_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    task = TASKS["classification"]
    mixing = replace(task.methods["fixed_kd"], changes_inputs=True)
    entry = replace(task, methods={**task.methods, "fixed_kd": mixing})
    monkeypatch.setattr("sweep.spec.spec.TASKS", {"classification": entry})
    with pytest.raises(BadInput) as refused:
        check_spec(small_data({"teacher": CODES}), "small")
    assert (
        "teacher.source: a light teacher knows an example by its label alone, and fixed_kd shows "
        "students examples that have none of their own; drop that row, or the source"
    ) in str(refused.value)


def test_sources_are_values_of_an_axis() -> None:
    values = {"codes": {"teacher": CODES}, "noisier": {"teacher": {**CODES, "source": {
        "name": "digit_codes", "noise": 1.0}}}, "real": {"teacher.lr": 0.05}}  # fmt: skip
    plan = Plan(small_spec({"methods": KD, "conditions.vary": {"taught": values}}))
    sources = {
        condition.varied[0].label: plan.shown(condition, "alm_kd").spec.teacher[0].light_source
        for condition in plan.conditions
    }
    assert sources["real"] is None
    assert [s.options for s in sources.values() if s] == [{}, {"noise": 1.0}]
