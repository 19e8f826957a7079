"""What a spec may say where teachers are light: trained on a simple set in place of the data."""

from typing import TYPE_CHECKING

from sweep.errors import unknown
from sweep.spec.given_teachers import rows_that_change_inputs
from trainers.fields import FieldError, checked
from trainers.registry import TASKS

if TYPE_CHECKING:
    from sweep.spec.spec import SweepSpec
    from sweep.spec.student import Source


def check_light_teachers(spec: "SweepSpec") -> None:
    """FieldError where a source is not there, does not take an option, or cannot say anything of
    what students are shown; converts its options."""
    for place, teacher in enumerate(spec.teacher):
        if teacher.source:
            where = "teacher" if len(spec.teacher) == 1 else f"teacher.{place}"
            _check_source(spec, teacher.source, f"{where}.source")


def _check_source(spec: "SweepSpec", source: "Source", where: str) -> None:
    known = spec.task_entry.teacher_sources
    if not known:
        theirs = [name for name, task in TASKS.items() if task.teacher_sources]
        raise FieldError(
            where, f"the task {spec.task_entry.name} has no light teachers ({' and '.join(theirs)} "
            "has); drop the source, so that the teacher is trained on the data"
        )  # fmt: skip
    if source.name not in known:
        raise FieldError(f"{where}.name", unknown("source of light teachers", source.name, known))
    try:
        source.take(checked(known[source.name].fields, source.given, source.name))
    except FieldError as error:
        raise FieldError(f"{where}.{error.field}", str(error)) from None
    if changed := rows_that_change_inputs(spec):
        raise FieldError(
            where, f"a light teacher knows an example by its label alone, and {changed[0]} shows "
            "students examples that have none of their own; drop that row, or the source"
        )  # fmt: skip
