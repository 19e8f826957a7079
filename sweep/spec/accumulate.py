"""What trains by batches in parts, ``training.accumulate``, and what cannot."""

from typing import TYPE_CHECKING

from trainers.entries import NORMALISES, WHOLE_BATCHES
from trainers.fields import FieldError

if TYPE_CHECKING:
    from sweep.spec.spec import SweepSpec
    from sweep.spec.student import Model

FIELD = "training.accumulate"


def check_accumulate(spec: "SweepSpec") -> None:
    """FieldError where a method or a network needs a batch as a whole."""
    if spec.student.training.accumulate:
        for place, use in enumerate(spec.methods):
            if not spec.entry_of(use).by_example:
                raise FieldError(
                    f"methods.{place}.method", f"{use.method} {WHOLE_BATCHES}, and student.{FIELD} "
                    "has them computed in parts; drop one of the two"
                )  # fmt: skip
        _check_network(spec, spec.student.model, "student")
    for place, teacher in enumerate(spec.teacher):
        if teacher.model and not teacher.given and teacher.training.accumulate:
            where = "teacher" if len(spec.teacher) == 1 else f"teacher.{place}"
            _check_network(spec, teacher.model, where)


def _check_network(spec: "SweepSpec", model: "Model", where: str) -> None:
    network = spec.task_entry.networks[model.name]
    if network.batch_norm(network.complete(model.settings()).sizes):
        raise FieldError(
            f"{where}.{FIELD}", f"{model.name} {NORMALISES}, which in parts are others; drop it, "
            "or take a smaller batch_size"
        )  # fmt: skip
