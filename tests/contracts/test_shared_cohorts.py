"""Cells of every task train in shared cohorts as they do alone: every number is the same."""

from pathlib import Path

import pytest
import yaml

from sweep.plan.plan import Plan
from sweep.plan.sharing import shapes
from sweep.referee.referee import Referee
from sweep.spec.reader import check_spec
from tests.faults.specs import SPECS
from tests.sweep.specs import put
from tests.sweep.stage import (
    MemoryTracker,
    Run,
    assert_same_runs,
    close_studies,
    studies,
    train_in_process,
)
from trainers.loading import load_dataset

# More processes than there are cells, so that none shares a cohort.
MANY = 1000
# Two noise rates; a generation, and confirm runs of two seeds.
SMALL = {
    "conditions.noise_rate": [0.2, 0.4],
    "search.trials": 3,
    "search.shortlist": "none",
    "confirm.seeds": 2,
    "student.training.epochs": 4,
}


@pytest.mark.parametrize("task", SPECS)
def test_numbers_do_not_depend_on_what_shares_a_cohort(task: str, tmp_path: Path) -> None:
    data = yaml.safe_load(SPECS[task](tmp_path))
    for path, value in SMALL.items():
        put(data, path, value)
    plan = Plan(check_spec(data, "small"))
    dataset = load_dataset(plan.spec.data_settings())
    found: list[dict[str, Run]] = []
    most: list[int] = []
    for slots in (1, MANY):
        (tmp_path / str(slots)).mkdir()
        tracker = MemoryTracker()
        referee = Referee(plan, studies(plan, tmp_path / str(slots)), tracker)
        trained = [task for task, _ in train_in_process(referee, dataset, slots)]
        most.append(max(len(cohort.searches) for cohort in trained))
        found.append(tracker.runs)
    close_studies()
    # Where lanes train in turn, as convolutions on images do, none is shared.
    share = bool(shapes(plan))
    assert most == [2 if share else 1, 1]
    assert share == (task != "detection")
    assert_same_runs(*found)
