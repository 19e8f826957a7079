"""Small specs of every task, as a user would write them."""

from collections.abc import Mapping
from typing import Any

from tests.contracts.specimens.table import specimen_of
from tests.sweep.specs import small_data
from trainers.fields import Field
from trainers.loading import options_of
from trainers.registry import TASKS
from trainers.settings import Option


def spec_data(task: str, data: Mapping[str, Any]) -> dict[str, Any]:
    """The small spec of a task on this data, as plain data."""
    model = specimen_of(task).model
    sizes = {name: _written(size) for name, size in model.sizes.items()}
    network = {"name": model.name, **sizes}
    kind = next(iter(TASKS[task].noise_kinds))
    # Where the student before teaches, there is no network of the teacher's.
    teacher = {"teacher": {}} if TASKS[task].streams else {"teacher.model": network}
    return small_data(
        {
            "task": task, "data": data, "conditions.noise_kind": [kind],
            "student.model": network, **teacher,
        }
    )  # fmt: skip


def needed(task: str, dataset: str) -> dict[str, Option]:
    """A data set and the options without which there is none."""
    fields = options_of(TASKS[task].datasets[dataset])
    return {"dataset": dataset, **{field.name: some(field) for field in fields if field.required}}


def some(field: Field) -> Option:
    """A legal value of an option, another than the default where there are words to choose."""
    if field.example is None and field.default is None:
        return int(max(field.low, 1))
    value: Option = field.default if field.example is None else field.example
    return field.choices[-1] if field.choices else value


def _written(size: Any) -> Any:
    return list(size) if isinstance(size, tuple) else size
