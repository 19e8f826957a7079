"""A plan: what runs, counted; seeds that pair; teachers that are trained once."""

from collections.abc import Mapping
from typing import Any

import pytest

from search_spaces.defaults import OWN, SHARED
from sweep.errors import BadInput
from sweep.plan.lanes import LANES_OF_UNKNOWN_INPUTS
from sweep.plan.plan import Plan, spec_hash
from sweep.plan.tasks import confirm_cohort, search_cohort, teacher_cohort
from sweep.spec.reader import read_spec
from tests.sweep.specs import small_spec


def _plan(changes: Mapping[str, Any] | None = None) -> Plan:
    return Plan(small_spec(changes))


def test_digits_has_a_cell_per_row_and_rate_and_a_teacher_per_rate_and_seed() -> None:
    plan = Plan(read_spec("digits"))
    spec = plan.spec
    cells = 6 * 4
    assert len(plan.cells) == cells
    assert len({cell.id for cell in plan.cells}) == cells
    assert len(plan.teachers) == 4 * (1 + spec.confirm.seeds)
    assert spec.search.trials >= 16
    assert spec.confirm.seeds >= 10
    assert plan.budget().search_trials == cells * spec.search.trials
    assert plan.budget().confirm_runs == cells * spec.confirm.seeds


def test_budget_counts_what_runs() -> None:
    budget = _plan({"search.trials": 7, "resources.max_lanes": 4}).budget()
    assert budget.teachers == 2 * (1 + 3)
    assert budget.search_trials == 6 * 7
    assert budget.confirm_runs == 6 * 3
    # teachers: 2 of the search, 6 in two cohorts; per cell 3 generations and one of confirm runs
    assert budget.cohorts == 1 + 2 + 6 * 3 + 6
    assert (budget.shortlist_runs, budget.student_epochs) == (0, (6 * 7 + 6 * 3) * 4)


def test_budget_counts_the_shortlist_and_the_search_of_every_seed() -> None:
    shortlist = {"search.shortlist": {"configurations": 2, "seeds": 3}, "resources.max_lanes": 4}
    budget = _plan(shortlist).budget()
    assert budget.shortlist_runs == 6 * 2 * 3
    # teachers: 2 of the search, 6 in two cohorts; per cell 2 generations, 2 of the shortlist, 1
    assert budget.cohorts == 1 + 2 + 6 * 5
    budget = _plan({**shortlist, "search.per_seed": True}).budget()
    assert (budget.search_trials, budget.shortlist_runs) == (6 * 3 * 6, 6 * 3 * 6)
    assert budget.confirm_runs == 6 * 3
    assert budget.cohorts == 2 + 6 * 3 * 5
    assert budget.student_epochs == (6 * 3 * 6 + 6 * 3 * 6 + 6 * 3) * 4


def test_budget_of_any_size_is_counted_to_the_last_cohort() -> None:
    trials = 10**400 + 1
    budget = _plan({"search.trials": trials, "resources.max_lanes": 4}).budget()
    assert budget.search_trials == 6 * trials
    # Generations of 3, the last of 2; beside them 3 cohorts of teachers and 6 of confirm runs.
    assert budget.cohorts == 1 + 2 + 6 * ((trials + 1) // 3) + 6


def test_cohorts_are_as_large_as_pays_for_the_network() -> None:
    def lanes(**changes: Any) -> int:
        paths = {path.replace("__", "."): value for path, value in changes.items()}
        return _plan({"resources.max_lanes": "auto", **paths}).lanes

    assert lanes() > 100  # a hidden layer of 8 on 64 inputs, which is next to nothing
    assert 1 < lanes(student__model__hidden=[256, 256], search__generation=1) < 32
    assert lanes(student__model__hidden=[4096, 4096]) == 3  # a generation is never split
    assert lanes(student__model__hidden=[4096, 4096], search__generation=1) == 1
    assert lanes(resources__memory_gib=0.001) < lanes(resources__memory_gib=0.002) < 100
    assert lanes(student__model={"name": "resnet8"}) == 3
    on_gpu = lanes(student__model={"name": "resnet8"}, resources__gpus=1.0)
    assert 3 < lanes(student__model={"name": "resnet8"}, resources__gpus=0.25) < on_gpu


def test_largest_cohort_is_the_specs_word_where_it_has_one() -> None:
    assert _plan({"resources.max_lanes": 5}).lanes == 5
    changes = {"data": {"dataset": "npz", "path": "mine.npz"}, "resources.max_lanes": "auto"}
    assert _plan(changes).lanes == LANES_OF_UNKNOWN_INPUTS


def test_cells_are_every_method_in_every_condition() -> None:
    plan = _plan({"conditions.teacher_labels": ["noisy", "clean"]})
    assert [str(c) for c in plan.conditions] == [
        "symmetric-0-noisy", "symmetric-0.4-noisy", "symmetric-0-clean", "symmetric-0.4-clean",
    ]  # fmt: skip
    assert len(plan.cells) == 4 * 3
    assert plan.cell("symmetric-0.4-clean/alm_kd").use.label == "alm_kd"


def test_seeds_of_search_and_confirm_are_apart_and_the_same_for_every_cell() -> None:
    plan = _plan({"seed": 7, "confirm.seeds": 4})
    assert plan.search_seed == 7
    assert plan.confirm_seeds == (8, 9, 10, 11)
    for cell in plan.cells:
        cohort = confirm_cohort(plan, plan.searches_of(cell)[0], 0, {}, plan.confirm_seeds)
        assert tuple(lane.lane.seed for lane in cohort.lanes) == plan.confirm_seeds
        assert tuple(lane.source.seed for lane in cohort.lanes) == plan.confirm_seeds
        search = search_cohort(plan, plan.searches_of(cell)[0], {0: {}, 1: {}}, 0)
        assert {lane.lane.seed for lane in search.lanes} == {7}


def test_students_of_a_condition_and_seed_share_labels_and_teacher() -> None:
    plan = _plan()
    noisy = [cell for cell in plan.cells if cell.condition.noise_rate]
    lanes = {
        cell.use.label: confirm_cohort(plan, plan.searches_of(cell)[0], 0, {}, (1,)).lanes[0]
        for cell in noisy
    }
    assert lanes["alm_kd"].source == lanes["fixed_kd"].source
    assert lanes["cross_entropy"].source.labels == lanes["fixed_kd"].source.labels
    assert lanes["cross_entropy"].source.teachers == ()


def test_pins_reach_the_lanes_and_leave_the_space() -> None:
    plan = _plan()
    cell = next(cell for cell in plan.cells if cell.use.label == "alm_kd")
    assert set(cell.space) == {"lr", "temperature", "meta_lr", "variant"}
    (lane,) = search_cohort(plan, plan.searches_of(cell)[0], {0: {"lr": 0.5}}, 0).lanes
    assert lane.lane.hyperparameters == {"lr": 0.5, "warmup_epochs": 1, "update_every": 1}


@pytest.mark.parametrize("label", ["alm_kd", "fixed_kd", "cross_entropy"])
def test_space_is_the_defaults_less_the_pins(label: str) -> None:
    uses = [
        {"method": m, "baseline": m == "fixed_kd", "pin": {"lr": 0.1}}
        for m in ("alm_kd", "fixed_kd", "cross_entropy")
    ]
    plan = _plan({"methods": uses})
    cell = next(cell for cell in plan.cells if cell.use.label == label)
    # What only AdamW reads is not searched with SGD.
    has = {h.name for h in cell.entry.hyperparameters if not h.needs_optimizer}
    assert set(cell.space) == (has & set(SHARED) - {"lr"}) | set(OWN[cell.use.method])
    assert plan.trials_of(cell) == (0 if label == "cross_entropy" else 6)


def test_what_one_optimizer_alone_reads_is_searched_with_it_alone() -> None:
    adamw = {"student.training.optimizer": "adamw"}
    for changes, searched in ((adamw, True), ({}, False)):
        alm, fixed, _ = (set(cell.space) for cell in _plan(changes).cells[:3])
        assert ("look_ahead_lr" in alm) == searched
        assert "look_ahead_lr" not in fixed
    with pytest.raises(BadInput, match=r"look_ahead_lr: means something with optimizer: adamw"):
        _plan({"methods.0.pin": {"look_ahead_lr": 0.1}})


def test_shared_range_holds_for_every_method_that_has_it() -> None:
    plan = _plan({"search.shared.temperature": {"low": 2, "high": 3}})
    found = {cell.use.label: str(cell.space.get("temperature")) for cell in plan.cells}
    assert found == {"alm_kd": "[2, 3]", "fixed_kd": "[2, 3]", "cross_entropy": "None"}


def test_teachers_of_clean_labels_are_one_whatever_the_condition() -> None:
    clean = _plan({"conditions.teacher_labels": ["clean"]})
    assert len(clean.teachers) == 1 + 3
    both = _plan({"conditions.teacher_labels": ["noisy", "clean"]})
    # Noisy labels at rate 0 are the clean ones.
    assert len(both.teachers) == 2 * (1 + 3)
    assert {job.key for job in clean.teachers} < {job.key for job in both.teachers}


def test_no_teacher_is_trained_where_no_method_reads_one() -> None:
    plan = _plan({"methods": [{"method": "cross_entropy", "baseline": True}]})
    assert plan.teachers == ()
    assert plan.teacher_cohorts == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("teacher.lr", 0.05),
        ("teacher.weight_decay", 0.0),
        ("teacher.model.hidden", [25]),
        ("teacher.training.epochs", 4),
        ("teacher.training.schedule", "constant"),
        ("data.splits.train", 0.3),
        ("data.splits.test", 0.2),
        ("objective.metric", "loss"),
        ("seed", 100),
    ],
)
def test_teachers_are_others_where_something_they_depend_on_is(path: str, value: Any) -> None:
    keys = {job.key for job in _plan().teachers}
    assert not keys & {job.key for job in _plan({path: value}).teachers}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("name", "other"),
        ("description", "words"),
        ("student.model.hidden", [99]),
        ("student.training.epochs", 99),
        ("search.trials", 99),
        ("search.pruner.name", "none"),
        ("methods.0.pin", {}),
        ("resources.retries", 9),
        ("resources.max_lanes", 4),
    ],
)
def test_teachers_are_the_same_where_only_something_else_changes(path: str, value: Any) -> None:
    pruner = {"search.pruner": {"name": "none"}} if path == "search.pruner.name" else {path: value}
    assert _plan(pruner).teachers == _plan().teachers
    assert spec_hash(small_spec(pruner)) != spec_hash(small_spec())


def test_teachers_of_other_rates_and_seeds_differ() -> None:
    jobs = _plan().teachers
    assert len({job.key for job in jobs}) == len(jobs) == 8
    more = {job.key for job in _plan({"confirm.seeds": 5}).teachers}
    assert {job.key for job in jobs} < more


def test_teachers_of_the_search_train_first_and_cohorts_hold_each_once() -> None:
    plan = _plan({"confirm.seeds": 9})
    first, *others = plan.teacher_cohorts
    assert {job.seed for job in first} == {plan.search_seed}
    flat = [job for jobs in (first, *others) for job in jobs]
    assert sorted(job.key for job in flat) == sorted(job.key for job in plan.teachers)
    task = teacher_cohort(first)
    assert task.spec.method == "labels_only"
    assert task.spec.model.sizes == {"hidden": (24,)}


def test_comparisons_are_counted_per_condition_method_and_baseline() -> None:
    assert _plan().comparisons == 2 * 2 * 1
    assert _plan({"methods.2.baseline": True}).comparisons == 2 * 1 * 2
