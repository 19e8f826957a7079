"""Axes of the conditions and patches of rows: what they make, and what is refused."""

from typing import Any

import pytest
import yaml

from sweep.errors import BadInput
from sweep.spec.axes import combinations
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from sweep.spec.stored import NOW, migrated, written
from tests.sweep.specs import SMALL, small_data, small_spec

CLEAN = {"field": "data.clean", "values": [0.05, 0.1]}
PAIR = {
    "24 → 8": {
        "teacher.model": {"name": "mlp", "hidden": [24]},
        "student.model": {"name": "mlp", "hidden": [8]},
    },
    "32 → 16": {
        "teacher.model": {"name": "mlp", "hidden": [32]},
        "student.model": {"name": "mlp", "hidden": [16]},
    },
}
TUNED = {"method": "fine_tuning", "pin": {"fine_tune_epochs": 2}}
RANGE, FITTING = {"low": 1, "high": 4}, {"choices": [1, 3]}
VARIED = {"conditions.vary": {"clean": CLEAN, "pair": PAIR}}


def label_of(spec: SweepSpec) -> list[tuple[str, ...]]:
    return [tuple(value.label for value in values) for values in combinations(spec.axes)]


def test_conditions_are_every_combination_the_first_axis_slowest() -> None:
    assert label_of(small_spec(VARIED)) == [
        ("0.05", "24 → 8"),
        ("0.05", "32 → 16"),
        ("0.1", "24 → 8"),
        ("0.1", "32 → 16"),
    ]
    assert label_of(small_spec()) == [()]


def test_a_condition_is_the_spec_with_its_patch() -> None:
    spec = small_spec(VARIED)
    alm_kd = spec.methods[0]
    last = list(combinations(spec.axes))[-1]
    made = spec.at(last, alm_kd)
    assert (made.data.clean, made.student.model.given["hidden"]) == (0.1, (16,))
    assert made.teacher[0].model.given["hidden"] == (32,)
    assert made.student.training == spec.student.training
    assert [use.label for use in made.methods] == ["alm_kd"]
    assert made is spec.at(last, alm_kd)


def test_what_an_axis_gives_need_not_stand_elsewhere() -> None:
    data = small_data(VARIED)
    del data["teacher"]["model"], data["student"]["model"]
    assert check_spec(data, "small").student.model.given["hidden"] == (8,)


def test_a_row_may_differ_from_the_others() -> None:
    methods = [
        {"method": "fixed_kd", "baseline": True},
        {"method": "fixed_kd", "label": "b32", "with": {"student.training.batch_size": 32}},
    ]
    spec = small_spec({"methods": methods})
    assert spec.at((), spec.methods[1]).student.training.batch_size == 32
    assert spec.at((), spec.methods[0]) is spec
    assert spec.student.training.batch_size == 64


def test_another_optimizer_takes_none_of_what_was_written_for_the_first() -> None:
    row = {"method": "fixed_kd", "label": "adamw", "with": {"student.training.optimizer": "adamw"}}
    spec = small_spec({"methods": [*SMALL["methods"], row]})
    training = spec.at((), spec.methods[-1]).student.training
    assert (training.optimizer_name, training.momentum, training.beta1) == ("adamw", None, 0.9)
    # As it is read back from a store, where all defaults are written out.
    again = check_spec(yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json"))), "again")
    assert again == spec
    assert again.at((), again.methods[-1]).student.training == training


def test_without_axes_and_patches_nothing_new_is_written() -> None:
    dumped = small_spec().model_dump(mode="json")
    assert "vary" not in dumped["conditions"]
    assert "clean" not in dumped["data"]
    assert all(set(row) == {"method", "label", "baseline", "pin"} for row in dumped["methods"])


@pytest.mark.parametrize(
    ("vary", "words"),
    [
        ({"a": {"field": "data.cleen", "values": [0.1]}}, "vary.a: 0.1: alm_kd: data.cleen"),
        ({"a": {"field": "student.nodel", "values": ["x"]}}, "vary.a.*did you mean 'model'"),
        ({"a": {"field": "clean", "values": [0.1]}}, "'clean' is no part of a spec that varies"),
        ({"a": {"field": "search.trials", "values": [3]}}, "'search' is no part of a spec"),
        ({"a": {"field": "task", "values": ["classification"]}}, "the task is no condition"),
        ({"a": {"field": "data.clean"}}, "needs a field and values"),
        ({"a": {"field": "data.clean", "values": 0.1}}, "values: 0.1 must be a list"),
        ({"a": {"field": "data.clean", "values": []}}, "has no values"),
        ({"a": {"field": "data.clean", "values": [0.1, 0.3]}}, "vary.a: 0.3: alm_kd: data.clean"),
        ({"a": {"field": "data.clean", "values": [0.1, 0.1]}}, "'0.1' and '0.1' would both"),
        ({"a": {"field": "student.model", "values": [{"name": "mlp"}]}}, "give named patches"),
        ({"a": {"x y": {"data.clean": 0.1}, "x-y": {"data.clean": 0.05}}}, "both be called x-y"),
        ({"a": {"→": {"data.clean": 0.1}}}, "'→' makes no name"),
        ({"a": {"x": 3}}, "x: 3 must be a mapping of fields"),
        ({"method": CLEAN}, "tables have a column method already"),
        ({"lr": CLEAN}, "the name of a hyperparameter"),
        ({"a": CLEAN, "b": CLEAN}, "changes data.clean, and so does a"),
        ({"a": PAIR, "b": {"field": "student.model.hidden", "values": []}}, "no values"),
        (
            {
                "a": PAIR,
                "b": {"x": {"student.model.hidden": [4]}, "y": {"student.model.name": "m"}},
            },
            "b: changes student.model.hidden, and so does a .student.model.",
        ),
        (
            {"a": {"field": "teacher.training.epochs", "values": [2, "x"]}},
            "vary.a: x: alm_kd: teacher.training.epochs",
        ),
        ({}, "must be a list of at least one|at least 1"),
    ],
)
def test_axes_that_make_no_sense_are_refused_by_axis_and_value(vary: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        small_spec({"conditions.vary": vary})


def test_an_axis_that_no_row_reads_is_refused() -> None:
    plain = [{"method": "labels_only", "baseline": True}, {"method": "label_smoothing"}]
    for field, values in (("data.clean", [0.05, 0.1]), ("teacher.training.epochs", [2, 3])):
        axis = {"a": {"field": field, "values": values}}
        with pytest.raises(BadInput, match=f"no row reads {field}"):
            small_spec({"methods": plain, "conditions.vary": axis})
    trained = [{**plain[0], "clean": "train"}, plain[1]]
    small_spec({"methods": trained, "conditions.vary": {"clean": CLEAN}})


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"student.training.batch_sise": 32}, "methods.1.with: b: student.training.batch_sise"),
        ({"search.trials": 3}, "methods.1.with: 'search' is no part"),
        ({"data.splits.test": 0.2}, "methods.1.with: data.splits.test decides which examples"),
        ({"data": {"dataset": "digits"}}, "decides which examples are tested"),
        ({"student.model.hidden": [4]}, "varied by the axis pair already"),
        ({"student.training.epochs": 0}, "methods.1.with: b: student.training.epochs"),
    ],
)
def test_patches_of_rows_that_make_no_sense_are_refused(patch: dict[str, Any], words: str) -> None:
    methods = [
        {"method": "fixed_kd", "baseline": True},
        {"method": "fixed_kd", "label": "b", "with": patch},
    ]
    with pytest.raises(BadInput, match=words):
        small_spec({"methods": methods, "conditions.vary": {"pair": PAIR}})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods.1.clean": "split"}, "methods.1.clean: fixed_kd learns from no held-out"),
        ({"methods.1.clean": "all"}, "methods.1.clean"),
        (
            {"methods.1.clean": "train", "conditions.noisy_splits": ["train", "meta"]},
            "methods.1.clean: conditions.noisy_splits lets noise fall on the meta split",
        ),
        (
            {"methods.1": TUNED},
            "methods.1.clean: fine_tuning trains on the clean labels apart from the others, so",
        ),
        (
            {"methods.1": {**TUNED, "clean": "split"}},
            "methods.1.clean: fine_tuning learns from no held-out examples, so there is nothing to "
            "split; take train$",
        ),
        (
            {
                "methods.1": {**TUNED, "clean": "train"},
                "conditions.noisy_splits": ["train", "meta"],
            },
            "so its labels are not clean; take meta out of it$",
        ),
        ({"data.clean": 0.2}, "data.clean: 0.2 is more than the meta split"),
        ({"data.clean": 0.0}, "data.clean"),
        ({"meta_split_for_baselines": "train"}, "meta_split_for_baselines: is a property of each"),
    ],
)
def test_clean_labels_that_cannot_be_had_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadInput, match=words):
        small_spec(changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"methods.2.pin": {}}, "methods: fine_tuning: fine_tune_epochs: 5 has to be fewer than"),
        ({"methods.2.pin": {"fine_tune_epochs": 4}}, "4 has to be fewer than the 4 epochs of stud"),
        ({"methods.2.pin": {"fine_tune_epochs": 0}}, "pin.fine_tune_epochs: 0 must be in"),
        (
            {"methods.2.pin": {}, "search.own": {"fine_tuning": {"fine_tune_epochs": RANGE}}},
            "fine_tune_epochs: 4 has to be fewer than the 4 epochs",
        ),
        (
            {"conditions.vary": {"long": {"field": "student.training.epochs", "values": [4, 2]}}},
            "conditions.vary.long: 2: fine_tuning: .*2 has to be fewer than the 2 epochs",
        ),
    ],
)
def test_epochs_of_fine_tuning_are_fewer_than_those_of_the_training(
    changes: dict[str, Any], words: str
) -> None:
    tuned = {**TUNED, "clean": "train"}
    fitting = {"methods.2": tuned, "search.own": {"fine_tuning": {"fine_tune_epochs": FITTING}}}
    small_spec({"methods.2": tuned})
    small_spec({**fitting, "methods.2.pin": {}})
    with pytest.raises(BadInput, match=words):
        small_spec({"methods.2": tuned, **changes})


def test_a_stored_spec_is_written_with_a_version_and_read_as_it_was() -> None:
    spec = small_spec({"methods.1.clean": "train", **VARIED})
    kept = yaml.safe_load(yaml.safe_dump(written(spec)))
    assert kept["version"] == NOW
    assert check_spec(migrated(kept), "stored") == spec


@pytest.mark.parametrize(
    ("switch", "expected"),
    [("withhold", [None, None, None]), ("train", [None, "train", "train"])],
)
def test_a_stored_spec_of_earlier_is_read_as_one_of_today(
    switch: str, expected: list[str | None]
) -> None:
    old = {**small_data(), "meta_split_for_baselines": switch}
    spec = check_spec(migrated(old), "stored")
    assert [use.clean for use in spec.methods] == expected
    assert [use.method for use in spec.methods] == ["alm_kd", "fixed_kd", "labels_only"]
    assert [use.label for use in spec.methods] == ["alm_kd", "fixed_kd", "cross_entropy"]
