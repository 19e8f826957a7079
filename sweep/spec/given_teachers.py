"""What a spec may say where teachers are given and not trained."""

from typing import TYPE_CHECKING

from trainers.fields import FieldError
from trainers.loading import changing

if TYPE_CHECKING:
    from sweep.spec.method_use import MethodUse
    from sweep.spec.spec import SweepSpec


def check_given_teachers(spec: "SweepSpec") -> None:
    """FieldError where a given teacher cannot be had, or conditions would not differ for it."""
    for place, teacher in enumerate(spec.teacher):
        if teacher.logits:
            where = "teacher.logits" if len(spec.teacher) == 1 else f"teacher.{place}.logits"
            _check_logits(spec, where)
    if all(teacher.given or teacher.source for teacher in spec.teacher):
        _check_labels(spec)


def rows_that_change_inputs(spec: "SweepSpec") -> list[str]:
    """The rows that hear the teachers of the spec and show their students other inputs."""
    return [use.label for use in _listening(spec) if spec.entry_of(use).changes_inputs]


def _listening(spec: "SweepSpec") -> "list[MethodUse]":
    """The rows that hear the teachers of the spec."""
    entries = [(use, spec.entry_of(use)) for use in spec.methods]
    return [use for use, entry in entries if entry.uses_teacher and not entry.teacher_is_student]


def _check_logits(spec: "SweepSpec", where: str) -> None:
    if not spec.task_entry.outputs_from_files:
        raise FieldError(
            where, f"the task {spec.task_entry.name} reads no teachers' outputs from files; give "
            "the teacher's model, and its weights"
        )  # fmt: skip
    changed = [f"data.{name}" for name in changing(spec.data_settings())]
    changed += rows_that_change_inputs(spec)
    if changed and _listening(spec):
        raise FieldError(
            where, f"are of the examples as they are, and {changed[0]} changes them while students "
            "train; give the teacher's model and weights, which can be asked anew"
        )  # fmt: skip


def _check_labels(spec: "SweepSpec") -> None:
    values = spec.conditions.teacher_labels
    if len(values) > 1 and (rows := _listening(spec)):
        why = (
            "which labels a given teacher saw is not known here"
            if any(teacher.given for teacher in spec.teacher)
            else "a light teacher is trained on labels of its own"
        )
        raise FieldError(
            "conditions.teacher_labels", f"{list(values)}: {why}, so that {rows[0].label} would be "
            "the same in each; name one"
        )  # fmt: skip
