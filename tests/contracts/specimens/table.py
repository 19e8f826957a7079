"""SPECIMENS, one of every task, and the marks that put every row of every task through a test."""

from collections.abc import Mapping

import pytest

from tests.contracts.specimens import (
    classification,
    ctc,
    detection,
    incremental,
    language,
    recommendation,
    text,
)
from tests.contracts.specimens.specimen import Specimen
from trainers.registry import TASKS

SPECIMENS: Mapping[str, Specimen] = {
    module.SPECIMEN.task.name: module.SPECIMEN
    for module in (classification, text, incremental, language, recommendation, ctc, detection)
}
EVERY_TASK = pytest.mark.parametrize("task", TASKS)
EVERY_METHOD = pytest.mark.parametrize(
    ("task", "method"), [(task.name, method) for task in TASKS.values() for method in task.methods]
)
EVERY_DATASET = pytest.mark.parametrize(
    ("task", "name"), [(task.name, name) for task in TASKS.values() for name in task.datasets]
)


def specimen_of(task: str) -> Specimen:
    """That of a task; where there is none, the test fails."""
    if task not in SPECIMENS:
        pytest.fail(
            f"the task {task} has no specimen, so its rows are held to no contract: make one in "
            "tests/contracts/specimens/ and list it in table.py there"
        )
    return SPECIMENS[task]
