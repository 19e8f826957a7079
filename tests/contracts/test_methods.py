"""Every method of the table, through one suite."""

import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainers.cases import only, step, usual_clean
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.datasets import DATASETS
from trainers.classification.data.lanes import LaneData
from trainers.classification.entry import CLASSIFICATION
from trainers.entries import TEACHERS
from trainers.fields import Field
from trainers.loop.cohort import Cohort
from trainers.method import Method
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Training,
)

EVERY = pytest.mark.parametrize("name", CLASSIFICATION.methods)
EVERY_HYPERPARAMETER = pytest.mark.parametrize(
    "h",
    [
        pytest.param(h, id=f"{name}-{h.name}")
        for name, entry in CLASSIFICATION.methods.items()
        for h in entry.hyperparameters
    ],
)


@pytest.fixture
def digits() -> Dataset:
    """A few of the real digits."""
    whole = DATASETS["digits"].load()
    return Dataset(whole.inputs[:200], whole.labels[:200], whole.classes)


def _cohort(name: str, digits: Dataset) -> Cohort:
    """Two lanes with every hyperparameter at its default and the fewest teachers it reads."""
    right = np.eye(digits.classes, dtype=np.float32)[digits.labels]
    teacher = {"right": right, "unsure": 0.1 * right}
    used = tuple(teacher)[: int(TEACHERS[CLASSIFICATION.methods[name].teachers][0])]
    data = LaneData(
        digits,
        SplitFractions(0.5, 0.1, 0.2, 0.2),
        [LaneSource(seed, Labels("symmetric", 0.4), used, usual_clean(name)) for seed in (1, 2)],
        teacher,
        torch.device("cpu"),
    )
    spec = CohortSpec(
        name,
        ModelSpec("mlp", {"hidden": (8,)}),
        Training(epochs=2, batch_size=32, momentum=0.9, nesterov=True, schedule="cosine"),
        Selection("accuracy", maximize=True),
    )
    return Cohort(spec, [Lane(f"lane-{seed}", seed, {}) for seed in (1, 2)], data)


@EVERY
def test_row_loads_a_method_and_says_what_it_is(name: str) -> None:
    entry = CLASSIFICATION.methods[name]
    assert issubclass(entry.load(), Method)
    assert entry.summary
    assert entry.source


@EVERY
def test_documentation_has_the_method_and_its_hyperparameters(name: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "methods.md").read_text(encoding="utf-8")
    assert re.search(rf"^##+ {name}$", text, re.MULTILINE)
    assert f"| [`{name}`](#{name}) |" in text
    assert all(f"`{h.name}`" in text for h in CLASSIFICATION.methods[name].hyperparameters)


@EVERY
def test_hyperparameters_are_named_once_with_lr_and_weight_decay(name: str) -> None:
    names = [h.name for h in CLASSIFICATION.methods[name].hyperparameters]
    assert len(set(names)) == len(names)
    assert {"lr", "weight_decay"} <= set(names)
    assert CLASSIFICATION.methods[name].hyperparameter("lr").name == "lr"
    with pytest.raises(KeyError):
        CLASSIFICATION.methods[name].hyperparameter("no such name")


@EVERY_HYPERPARAMETER
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


@EVERY
def test_method_trains_digits_to_finite_metrics(name: str, digits: Dataset) -> None:
    cohort = _cohort(name, digits)
    reports = []

    def report(epoch: int, names: object, rows: list[dict[str, float]]) -> list[bool]:
        reports.append((epoch, names, rows))
        return [True] * len(rows)

    results = cohort.train(report)
    cohort.test()
    assert [(epoch, names) for epoch, names, _ in reports] == [
        (epoch, ["lane-1", "lane-2"]) for epoch in (1, 2)
    ]
    # Of ten classes the five likeliest say nothing.
    defined = {f"test_{metric}" for metric in CLASSIFICATION.metrics} - {"test_top_5_accuracy"}
    assert {"test_loss", "test_accuracy"} <= defined
    for result in results.values():
        assert set(result.test) == defined
        for row in (*(row for _, _, rows in reports for row in rows), result.best, result.test):
            assert all(math.isfinite(value) for value in row.values()), row
    assert {"train_loss", "train_accuracy", "validation_loss", "validation_accuracy"} <= set(
        reports[0][2][0]
    )


@EVERY
def test_tables_have_a_row_per_training_example(name: str, digits: Dataset) -> None:
    cohort = _cohort(name, digits)
    examples = only(cohort).examples
    for result in cohort.train(lambda *_: [True, True]).values():
        assert all(len(table) == examples for table in result.tables.values())


@EVERY
def test_losses_are_one_per_example(name: str, digits: Dataset) -> None:
    stack = only(_cohort(name, digits))
    batch = stack.data.batch("train", torch.arange(5).expand(2, -1))
    assert stack.method.losses(step(stack, batch)).shape == (2, 5)


def test_what_a_spec_is_checked_against_loads_without_torch() -> None:
    program = """
import sys
import trainers.classification.data.datasets, trainers.data.noise, trainers.data.splits
import trainers.hyperparameters, trainers.registry, trainers.settings
sys.exit("torch" in sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
