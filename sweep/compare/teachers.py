"""What the teachers reached, beside the student that has none."""

import pandas as pd

from sweep.compare.notation import condition_text, listed
from sweep.compare.records import HeardTeacher, SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

NAN = float("nan")
MOST_LISTED = 4  # places in a sentence; more are only counted


def teachers_table(record: SweepRecord) -> pd.DataFrame:
    """One row per teacher and condition in which some row hears it: means over the confirm seeds of
    what it and the plain student reach on the validation split, missing where nothing was measured.
    No student stands beside a teacher that reads targets.
    """
    column = record.validation_column
    rows = []
    for condition in record.conditions:
        plain = _plain(record, condition)
        for teacher in heard_in(record, condition):
            rows.append(
                {
                    **condition.columns,
                    "teacher": teacher.name,
                    "trained_on": teacher.labels,
                    column: mean(teacher.values),
                    "measured": len(teacher.values),
                    f"{column}_plain_student": NAN if teacher.reads_targets else plain,
                }
            )
    return pd.DataFrame(rows)


def worse_teachers_text(record: SweepRecord) -> str:
    """Which teachers are worse than the plain student, in a sentence; empty where none is."""
    sign = 1.0 if record.objective.direction == "maximize" else -1.0
    places: dict[str, list[str]] = {}
    for condition in record.conditions:
        plain = _plain(record, condition)
        for teacher in heard_in(record, condition):
            reached = mean(teacher.values)
            if teacher.comparable and sign * reached < sign * plain:
                where = condition_text(condition, record)
                told = f"{where} ({reached:.4g} against {plain:.4g})"
                places.setdefault(teacher.name, []).append(told)
    if not places:
        return ""
    named = [f"{name} at {some_of(there)}" for name, there in places.items()]
    return (
        f"Warning: teachers are worse than the plain student {record.plain}, by their means of"
        f" validation {record.objective.title}: {'; '.join(named)}. Who follows them follows a"
        " worse network than labels alone give."
    )


def given_teachers_text(record: SweepRecord) -> str:
    """Which teachers were given, in a sentence; empty where none was."""
    names = dict.fromkeys(
        teacher.name
        for teachers in record.teachers.values()
        for teacher in teachers
        if teacher.is_given
    )
    if not names:
        return ""
    was, it = ("was", "it") if len(names) == 1 else ("were", "they")
    return (
        f"{listed(list(names))} {was} given and not trained here. Which examples and labels {it}"
        " saw is not known; where test examples are among them, the comparison is worthless."
    )


def heard_in(record: SweepRecord, condition: Condition) -> list[HeardTeacher]:
    """Each once, whatever rows hear it."""
    heard = [record.teachers.get(record.cell(condition, m), ()) for m in record.methods]
    return list(dict.fromkeys(teacher for teachers in heard for teacher in teachers))


def _plain(record: SweepRecord, condition: Condition) -> float:
    """What the plain student reaches; NaN where there is none."""
    if not record.plain:
        return NAN
    column = record.validation_column
    runs = completed(trials_of(record, "confirm", condition, record.plain), column)
    return float(runs[column].mean())


def mean(values: tuple[float, ...]) -> float:
    """NaN of nothing."""
    return sum(values) / len(values) if values else NAN


def some_of(places: list[str]) -> str:
    """Places in a sentence."""
    if len(places) <= MOST_LISTED:
        return listed(places)
    return f"{listed(places[:MOST_LISTED])} and {len(places) - MOST_LISTED} more"
