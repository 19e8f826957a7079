"""What a spec may say where students ask their teachers about some examples alone."""

from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING

from search_spaces.domains import Choice, Domain
from trainers.fields import FieldError, Value
from trainers.hyperparameters import CLEAN_ALPHA
from trainers.loading import changing

if TYPE_CHECKING:
    from sweep.spec.method_use import MethodUse
    from sweep.spec.spec import SweepSpec

CALLS, UNASKED = "data.teacher_calls", "data.unasked"


def check_teacher_calls(spec: "SweepSpec") -> None:
    """FieldError where a share of calls cannot be kept to, or would change more than the calls."""
    if spec.data.teacher_calls is None:
        varied = [path for axis in spec.axes for path in axis.fields]
        if spec.data.unasked and CALLS not in varied:
            raise FieldError(
                UNASKED, "says what becomes of examples that teachers are not asked about, and "
                f"they are about all; add {CALLS}, or drop it"
            )  # fmt: skip
        return
    if not spec.task_entry.takes_calls:
        raise FieldError(
            CALLS, f"the task {spec.task_entry.name} keeps what teachers say of every example; "
            "drop it"
        )  # fmt: skip
    if spec.data.unasked_rule == "drop" and spec.student.training.steps is None:
        raise FieldError(
            CALLS, "with the other examples dropped an epoch would be a pass over those that are "
            "left, and smaller shares would train for fewer steps; say how many an epoch has, "
            "student.training.steps, or keep the labels of the others, data.unasked: label"
        )  # fmt: skip
    if any(teacher.source for teacher in spec.teacher):
        raise FieldError(
            CALLS, "a light teacher is asked about examples of its own alone; drop it, or "
            "teacher.source"
        )  # fmt: skip
    for use in spec.methods:
        if spec.entry_of(use).uses_teacher:
            _check_row(spec, use)


def _check_row(spec: "SweepSpec", use: "MethodUse") -> None:
    entry = spec.entry_of(use)
    if changed := changing(spec.data_settings()):
        raise FieldError(
            CALLS, f"data.{next(iter(changed))} changes inputs while students train, so that "
            f"{use.label} asks its teacher at every step; drop one of the two"
        )  # fmt: skip
    if entry.changes_inputs:
        raise FieldError(
            CALLS, f"{use.label} asks its teacher about inputs that it makes itself; drop the row, "
            f"or {CALLS}"
        )  # fmt: skip
    later = [t for t in spec.teacher if (t.generations or 1) > 1]
    if later and not entry.teacher_is_student:
        raise FieldError(
            CALLS, "a teacher's later generations ask the one before about every training "
            "example; drop teacher.generations"
        )  # fmt: skip
    space = spec.space_of(use)
    for values in _all_of(use, [name for at in entry.asks_held_out for name in at], space, spec):
        if problem := entry.held_out_problem(values):
            raise FieldError(CALLS, f"{use.label} {problem}")
    alpha = space.get(CLEAN_ALPHA.name, use.pin.get(CLEAN_ALPHA.name, CLEAN_ALPHA.default))
    if use.clean_use != "withhold" and entry.has(CLEAN_ALPHA.name) and alpha != 0:
        raise FieldError(
            CALLS, f"{use.label}: {CLEAN_ALPHA.name} weighs teachers on clean examples, which are "
            "of the meta split and not asked about; leave it at 0"
        )  # fmt: skip


def _all_of(
    use: "MethodUse", names: list[str], space: Mapping[str, Domain], spec: "SweepSpec"
) -> list[dict[str, Value]]:
    """Every combination of values that these hyperparameters, which are words, can have in a
    row."""
    distinct, entry = list(dict.fromkeys(names)), spec.entry_of(use)
    possible: list[tuple[Value, ...]] = []
    for name in distinct:
        domain = space.get(name)
        fixed = use.pin.get(name, entry.hyperparameter(name).default)
        possible.append(domain.choices if isinstance(domain, Choice) else (fixed,))
    return [dict(zip(distinct, values, strict=True)) for values in product(*possible)]
