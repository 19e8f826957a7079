"""The ways in which files reach almkd: as data of a sweep, and as what a student is shown.

Each is what the command itself does, from the spec that names the file to what would be printed or
trained on.
"""

import csv
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sweep import data_check
from sweep.commands.options import checked
from sweep.inputs import datasets_among, read_inputs, refuse_missing_data
from sweep.plan.plan import Plan
from sweep.predicting import Prediction, predict
from sweep.spec.reader import read_spec
from tests.contracts.specimens.specs import spec_data
from tests.fuzz.target import WrongResult
from tests.sweep.specs import put
from trainers.data.dataset import Dataset
from trainers.data.fingerprint import fingerprint
from trainers.loading import content_key
from trainers.settings import LaneSource
from trainers.task import GivenTeacher

CPU = torch.device("cpu")
# One row that listens to the teacher, and one condition, are all that reading data needs.
LITTLE: Mapping[str, Any] = {
    "methods": [{"method": "fixed_kd", "baseline": True}],
    "search.trials": 2,
    "search.generation": 2,
    "confirm.seeds": 2,
}
# Where a case has its files: the folder of a sweep's data stands for it in what a route is told.
HERE = "{here}"

Read = Callable[[Path], object]


@dataclass(frozen=True)
class Launched:
    """As data of a sweep: what ``almkd check --data`` tells, what a launch reads before it starts,
    and what its first cohort makes of that.

    ``data`` and ``changes``: of the spec, with `HERE` for the folder.
    """

    task: str
    data: str
    changes: str = "{}"

    def __call__(self, folder: Path) -> object:
        plan = _plan(self, folder)
        refuse_missing_data(plan)
        inputs, known = read_inputs(plan)
        datasets = datasets_among(inputs)
        found = data_check.checked(plan, datasets)
        tell([*data_check.as_text("fuzz", found), *data_check.remarks(datasets)])
        tell([json.dumps([one.as_data() for one in found], ensure_ascii=False)])
        for cell in known.cells:
            settings = cell.spec.data_settings()
            source = LaneSource(cell.spec.seed, cell.condition.labels)
            own = datasets[content_key(settings)]
            cell.spec.task_entry.load().data(own, settings, [source], {}, CPU)
        return {name: result(one) for name, one in inputs.items()}


@cache
def _plan(of: Launched, folder: Path) -> Plan:
    """The plan of a sweep over files of a folder."""
    data, changes = (json.loads(text.replace(HERE, str(folder))) for text in (of.data, of.changes))
    spec = spec_data(of.task, data)
    for path, value in {**LITTLE, **changes}.items():
        put(spec, path, value)
    return Plan(checked(read_spec(spec)))


def launched(task: str, data: Mapping[str, Any], changes: Mapping[str, Any] | None = None) -> Read:
    """As data of a sweep."""
    return Launched(task, json.dumps(data), json.dumps(changes or {}))


def shown(student: str, file: str, **options: str) -> Read:
    """As what ``almkd predict`` shows the student in the folder ``student``."""

    def read(folder: Path) -> object:
        out = folder / "predictions.csv"
        told: list[str] = []
        files = (folder / file,)
        rows = predict(Prediction(folder / student, files, options=options), out, told.append)
        tell(told)
        with out.open(encoding="utf-8", newline="") as stream:
            table = list(csv.DictReader(stream))
        if len(table) != rows or not rows:
            raise WrongResult(f"{rows} inputs were told, and {len(table)} rows written")
        for row in table:
            numbers = [row[name] for name in row if name.startswith("logit_")]
            if not all(number and math.isfinite(float(number)) for number in numbers):
                raise WrongResult(f"what the student says is not finite: {numbers}")
        return table

    return read


def tell(lines: list[str]) -> None:
    """Print lines as a terminal takes them; WrongResult where it could not."""
    try:
        "\n".join(lines).encode("utf-8")
    except UnicodeEncodeError as error:
        raise WrongResult(f"what is told cannot be printed: {error}") from None


def result(of: Dataset | GivenTeacher) -> object:
    """What was read, as a digest; WrongResult where it cannot be right."""
    if isinstance(of, GivenTeacher):
        arrays = {**(of.outputs or {}), **(of.weights or {})}
        return {name: _digest_of(array, name) for name, array in arrays.items()}
    _check(of)
    return fingerprint(of)


def _digest_of(array: np.ndarray[Any, Any], name: str) -> tuple[str, tuple[int, ...], bytes]:
    _check_finite(name, array)
    return str(array.dtype), array.shape, array.tobytes()


def _check(dataset: Dataset) -> None:
    """WrongResult where no data set could be so."""
    assert is_dataclass(dataset)
    parts = {field.name: getattr(dataset, field.name) for field in fields(dataset)}
    for name, part in parts.items():
        if isinstance(part, np.ndarray):
            _check_finite(name, part)
    labels, classes = parts.get("labels"), parts.get("classes")
    if labels is not None and isinstance(classes, int):
        if len(labels) != len(dataset):
            raise WrongResult(f"{len(labels)} labels of {len(dataset)} examples")
        if labels.min() < 0 or labels.max() >= classes:
            raise WrongResult(f"labels {labels.min()} to {labels.max()} of {classes} classes")
    inputs, vocabulary = parts.get("inputs"), parts.get("vocabulary")
    if isinstance(vocabulary, int) and inputs is not None and inputs.max() >= vocabulary:
        raise WrongResult(f"the token {inputs.max()} of {vocabulary}")


def _check_finite(name: str, array: np.ndarray[Any, Any]) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise WrongResult(f"{name} is not finite")
    if array.dtype.kind == "O":
        raise WrongResult(f"{name} holds objects")
