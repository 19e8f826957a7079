"""What a sweep takes from outside before anything trains: data sets, given teachers, code."""

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from sweep.carried_files import place_of
from sweep.errors import BadInput
from sweep.plan.content import fingerprints
from sweep.plan.plan import Cell, Plan
from sweep.spec.code_needed import needs_code, rows_of_own
from trainers.settings import LaneSource

if TYPE_CHECKING:
    from trainers.data.dataset import Dataset
    from trainers.task import GivenTeacher


def refuse_missing_data(plan: Plan) -> None:
    """BadInput, saying what to fetch, where the files of a sweep's data are not there."""
    from trainers.loading import missing

    for cell in plan.cells:
        if problem := missing(cell.spec.data_settings()):
            raise BadInput(problem)
        for teacher in cell.spec.teacher:
            if teacher.given and not _is_there(teacher.given):
                raise BadInput(
                    f"there is no file {teacher.given}; put it there or correct "
                    f"teacher.{teacher.given_as}"
                )


def _is_there(path: str) -> bool:
    """Whether a spec names a file or folder of this machine."""
    try:
        return os.path.exists(place_of(path))
    except RuntimeError:  # below a home of nobody
        return False


def refuse_unsound_code(plan: Plan) -> None:
    """BadInput where code of the user's own does something wrong, told by a few steps of it."""
    if not rows_of_own(plan.spec):
        return
    from sweep.self_check import check_own_code

    check_own_code(plan, load_data(plan))


def read_inputs(plan: Plan) -> "tuple[Mapping[str, Dataset | GivenTeacher], Plan]":
    """The data sets and given teachers, and the plan that knows what was read; or BadInput."""
    datasets = load_data(plan)
    given = load_given(plan, datasets)
    return {**datasets, **given}, Plan(plan.spec, fingerprints(plan.spec, datasets))


def datasets_among(inputs: "Mapping[str, Dataset | GivenTeacher]") -> "Mapping[str, Dataset]":
    """The data sets among what was read."""
    from trainers.data.dataset import Dataset

    return {key: found for key, found in inputs.items() if isinstance(found, Dataset)}


def load_data(plan: Plan) -> "Mapping[str, Dataset]":
    """The data sets by content, if networks take them and every condition's noise can be had; or
    BadInput."""
    from trainers.data.errors import DataError
    from trainers.loading import check_splits, content_key, load_dataset

    datasets: dict[str, Dataset] = {}
    for cell in plan.cells:
        settings = cell.spec.data_settings()
        key = content_key(settings)
        try:
            if key not in datasets:
                datasets[key] = load_dataset(settings)
            check_splits(datasets[key], settings)
        except DataError as error:
            raise BadInput(str(error)) from None
        _check_cell(cell, datasets[key])
    return datasets


def _check_cell(cell: Cell, dataset: "Dataset") -> None:
    """BadInput where a data set cannot have a cell's labels, or its networks do not take it."""
    from trainers.loading import unusable

    spec = cell.spec
    if problem := unusable(dataset, spec.data_settings(), cell.condition.labels):
        raise BadInput(problem)
    student = (spec.student.model, None)
    for model, source in [*((t.model, t.source) for t in spec.teacher if t.model), student]:
        network = spec.task_entry.networks[model.name]
        sizes = network.complete(model.settings()).sizes
        # Light teachers look at examples of their own.
        own = spec.task_entry.teacher_sources[source.name] if source else None
        shape = own.shape(dataset, source.given) if own and source else dataset.shape
        unfit = network.shape_problem(model.name, shape)
        if unfit := unfit or network.data_problem(sizes, dataset):
            raise BadInput(unfit)
    if cell.shifts_bias and needs_code(spec):
        _check_bias(cell, dataset)


def _check_bias(cell: Cell, dataset: "Dataset") -> None:
    """BadInput where a student of the user's own has no bias that a row could shift."""
    import torch

    settings, entry = cell.spec.data_settings(), cell.spec.task_entry
    source = LaneSource(cell.spec.seed, cell.condition.labels)
    task, model = entry.load(), cell.spec.student.model.settings()
    whole = entry.networks[model.name].complete(model)
    data = task.data(dataset, settings, [source], {}, torch.device("cpu"))
    try:
        student = task.network(whole, data, [torch.Generator()])
    except ValueError as error:
        raise BadInput(str(error)) from None
    if student.last_bias is None:
        at = (cell.entry.shifts_bias or {}).items()
        named = ", ".join(f"{name}: {value}" for name, value in at)
        raise BadInput(
            f"{cell.use.label}: {named} shifts the bias of the student's last layer, and "
            f"{whole.sizes.get('path', whole.name)} shows none; give it one, or pin another value"
        )


def load_given(plan: Plan, datasets: "Mapping[str, Dataset]") -> "Mapping[str, GivenTeacher]":
    """The teachers that are given, by `TeacherJob.given`; or BadInput."""
    if not any(job.given for job in plan.teachers):
        return {}
    from sweep.given_teachers import read_given

    return read_given(plan, datasets)
