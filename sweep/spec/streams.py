"""What a spec may say where classes come task by task, and the student before is the teacher."""

from typing import TYPE_CHECKING

from trainers.fields import FieldError

if TYPE_CHECKING:
    from sweep.spec.method_use import MethodUse
    from sweep.spec.spec import SweepSpec


def check_streams(spec: "SweepSpec") -> None:
    """FieldError where a spec says something of streams that its task does not know, or the other
    way round."""
    task = spec.task_entry
    if not task.streams:
        if spec.data.stream is not None:
            raise FieldError(
                "data.stream", f"in the task {task.name} all classes come at once; drop it, or "
                "have task: incremental"
            )  # fmt: skip
        if any(teacher.is_student_before for teacher in spec.teacher):
            raise FieldError(
                "teacher.batch_norm", f"in the task {task.name} the teacher is a network of its "
                "own, which stays as it is; drop it, or have task: incremental"
            )  # fmt: skip
        return
    if len(spec.teacher) > 1:
        raise FieldError("teacher", "is one, the student before; drop the others")
    if list(spec.conditions.teacher_labels) != ["noisy"]:
        raise FieldError(
            "conditions.teacher_labels", "the teacher is the student before, which saw the labels "
            "that the student sees; leave it out"
        )  # fmt: skip
    if spec.student.warm_start is not None:
        raise FieldError(
            "student.warm_start", "is trained on all classes, and here they come task by task; "
            "drop it"
        )  # fmt: skip
    _check_normalises(spec)
    for place, use in enumerate(spec.methods):
        _check_row(spec, place, use)


def _check_normalises(spec: "SweepSpec") -> None:
    """A teacher that adapts has something to adapt."""
    model, how = spec.student.model, spec.teacher[0].batch_norm
    row = spec.task_entry.networks.get(model.name)
    if how == "frozen" or row is None or row.batch_norm(row.complete(model.settings()).sizes):
        return
    remedy = "give it norm: batch" if model.name == "mlp" else "take a network that does"
    raise FieldError(
        "teacher.batch_norm", f"{how} changes nothing, as {model.name} does not normalise over "
        f"batches; {remedy}, or have frozen"
    )  # fmt: skip


def _check_row(spec: "SweepSpec", place: int, use: "MethodUse") -> None:
    if use.clean_use == "split":
        raise FieldError(
            f"methods.{place}.clean", "split leaves tasks with unequal numbers of clean examples; "
            "take train or withhold"
        )  # fmt: skip
    stream = spec.data.stream
    if stream and stream.joint and spec.entry_of(use).uses_teacher:
        raise FieldError(
            "data.stream.joint", f"shows the examples of all tasks so far, so that {use.label} has "
            "no teacher to hear; give it to a row of labels_only"
        )  # fmt: skip
