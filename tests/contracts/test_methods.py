"""Every method of every task, through one suite."""

import math
import re
from pathlib import Path

import pytest
import torch

from tests.contracts.specimens.table import EVERY_METHOD, specimen_of
from tests.trainers.cases import Trial, step
from trainers.entries import TEACHERS
from trainers.fields import Field
from trainers.loop.cohort import Cohort
from trainers.method import Method
from trainers.registry import TASKS

HYPERPARAMETERS = [
    pytest.param(h, id=f"{task.name}-{method}-{h.name}")
    for task in TASKS.values()
    for method, entry in task.methods.items()
    for h in entry.hyperparameters
]
NAMES = sorted({method for task in TASKS.values() for method in task.methods})


def _cohort(task: str, method: str) -> Cohort:
    """Two lanes with every hyperparameter at its default and the fewest teachers it reads."""
    fewest = int(TEACHERS[TASKS[task].methods[method].teachers][0])
    teachers = ("strong", "weak")[:fewest]
    trials = [Trial(f"lane-{seed}", seed, teachers=teachers) for seed in (1, 2)]
    return specimen_of(task).cohort(method, trials, 2)


@EVERY_METHOD
def test_row_loads_a_method_and_says_what_it_is(task: str, method: str) -> None:
    entry = TASKS[task].methods[method]
    assert issubclass(entry.load(), Method)
    assert entry.summary
    assert entry.source
    assert entry.teachers in TEACHERS


@pytest.mark.parametrize("method", NAMES)
def test_documentation_has_the_method_once_and_its_hyperparameters(method: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert len(re.findall(rf"^##+ {method}$", text, re.MULTILINE)) == 1
    assert text.count(f"| [`{method}`](#{method}) |") == 1
    rows = [task.methods[method] for task in TASKS.values() if method in task.methods]
    assert all(f"`{h.name}`" in text for row in rows for h in row.hyperparameters)


@EVERY_METHOD
def test_hyperparameters_are_named_once_with_lr_and_weight_decay(task: str, method: str) -> None:
    entry = TASKS[task].methods[method]
    names = [h.name for h in entry.hyperparameters]
    assert len(set(names)) == len(names)
    assert {"lr", "weight_decay"} <= set(names)
    assert entry.hyperparameter("lr").name == "lr"
    with pytest.raises(KeyError):
        entry.hyperparameter("no such name")


@pytest.mark.parametrize("h", HYPERPARAMETERS)
def test_hyperparameter_tells_legal_from_illegal(h: Field) -> None:
    assert h.problem(h.default) is None
    assert all(h.problem(word) is None for word in (*h.choices, *h.words))
    assert h.meaning
    assert h.source
    for nonsense in ("no such word", True, None, [1], math.nan, math.inf, -math.inf, 10**400):
        assert h.problem(nonsense), nonsense
    if math.isfinite(h.low):
        assert h.problem(h.low - 1)
        assert bool(h.problem(h.low)) == h.open_low
    if math.isfinite(h.high):
        assert h.problem(h.high + 1)


@EVERY_METHOD
def test_method_trains_to_finite_metrics(task: str, method: str) -> None:
    specimen, entry = specimen_of(task), TASKS[task]
    cohort = _cohort(task, method)
    reports = []

    def report(epoch: int, names: object, rows: list[dict[str, float]]) -> list[bool]:
        reports.append((epoch, names, rows))
        return [True] * len(rows)

    results = cohort.train(report)
    cohort.test()
    assert [(epoch, names) for epoch, names, _ in reports] == [
        (epoch, ["lane-1", "lane-2"]) for epoch in (1, 2)
    ]
    defined = {f"test_{metric}" for metric in entry.metrics if metric not in specimen.undefined}
    assert {"test_loss", f"test_{entry.objective}"} <= defined
    for result in results.values():
        assert set(result.test) == defined
        for row in (*(row for _, _, rows in reports for row in rows), result.best, result.test):
            assert all(math.isfinite(value) for value in row.values()), row
    every_epoch = {"loss", entry.objective, *entry.every_epoch} - {*specimen.undefined}
    measured = {f"validation_{metric}" for metric in every_epoch}
    measured |= {f"train_{metric}" for metric in ("loss", *specimen.tallied)}
    assert measured <= set(reports[0][2][0])


@EVERY_METHOD
def test_tables_have_a_row_per_training_example(task: str, method: str) -> None:
    cohort = _cohort(task, method)
    examples = cohort.stacks[0].examples
    for result in cohort.train(lambda *_: [True, True]).values():
        assert all(len(table) == examples for table in result.tables.values())


@EVERY_METHOD
def test_losses_are_one_per_example(task: str, method: str) -> None:
    for stack in _cohort(task, method).stacks:
        lanes = len(stack.names)
        stack.method.begin_epoch(1, stack.model, torch.full((lanes,), 0.1))
        batch = stack.data.training_batch(torch.arange(5).expand(lanes, -1))
        assert stack.method.losses(step(stack, batch)).shape == (lanes, 5)
