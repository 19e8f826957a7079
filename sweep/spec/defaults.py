"""What a task says of a spec where that says nothing."""

from collections.abc import Mapping
from typing import Any

from sweep.spec.student import is_trained
from trainers import registry
from trainers.entries import TaskEntry
from trainers.registry import TASKS

USUAL_NOISE = "symmetric"
# What teachers are trained with where neither spec nor task says anything else.
_USUAL = {
    name: TASKS["classification"].methods["labels_only"].hyperparameter(name).default
    for name in ("lr", "weight_decay")
}


def task_of(data: object) -> TaskEntry | None:
    """The task of a spec as it was written, if it can be told."""
    named = data.get("data") if isinstance(data, dict) else None
    dataset = named.get("dataset") if isinstance(named, dict) else None
    if isinstance(dataset, dict):
        dataset = dataset.get("path")
    task = data.get("task") if isinstance(data, dict) else None
    if isinstance(task, str) and task in TASKS:
        return TASKS[task]
    if isinstance(dataset, str) and (theirs := registry.tasks_with_dataset(dataset)):
        return TASKS[theirs[0]]
    return next(iter(TASKS.values())) if isinstance(data, dict) else None


def with_defaults(data: Mapping[str, Any], task: TaskEntry) -> dict[str, Any]:
    """A spec as it was written, with what the task says where it says nothing."""
    objective, conditions = data.get("objective", {}), data.get("conditions", {})
    whole = dict(data)
    # The usual kind of noise, or the first that the task has.
    if isinstance(conditions, dict) and USUAL_NOISE not in task.noise_kinds and task.noise_kinds:
        whole["conditions"] = {"noise_kind": [next(iter(task.noise_kinds))], **conditions}
    if isinstance(objective, dict):
        whole["objective"] = {"metric": task.objective, **objective}
    if task.streams:
        return _with_stream(whole)
    plain = task.methods["labels_only"]
    usual = {name: plain.hyperparameter(name).default for name in ("lr", "weight_decay")}
    if task.optimizer == "sgd" and usual == _USUAL:
        return whole
    training = {"optimizer": task.optimizer} if task.optimizer != "sgd" else {}
    if isinstance(student := data.get("student"), dict):
        whole["student"] = _with_training(student, training)
    teacher = data.get("teacher")
    if isinstance(teacher, dict):
        whole["teacher"] = _trained(teacher, usual, training)
    elif isinstance(teacher, list):
        whole["teacher"] = [
            _trained(one, usual, training) if isinstance(one, dict) else one for one in teacher
        ]
    return whole


def _with_stream(data: Mapping[str, Any]) -> dict[str, Any]:
    """The same of classes that come task by task, and of the student before as the teacher."""
    teacher, examples = data.get("teacher", {}), data.get("data")
    whole = dict(data)
    if isinstance(teacher, dict):
        whole["teacher"] = {"batch_norm": "frozen", **teacher}
    if isinstance(examples, dict):
        whole["data"] = {"stream": {}, **examples}
    return whole


def _trained(
    teacher: Mapping[str, Any], usual: Mapping[str, Any], training: Mapping[str, Any]
) -> dict[str, Any]:
    """A teacher with what it is trained by, if it is."""
    return {**usual, **_with_training(teacher, training)} if is_trained(teacher) else dict(teacher)


def _with_training(network: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    training = network.get("training", {})
    if not isinstance(training, dict):
        return dict(network)
    return {**network, "training": {**usual, **training}}
