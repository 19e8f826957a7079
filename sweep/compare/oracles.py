"""What Oracles, teachers that read targets, make of them, beside the teachers that do not."""

import pandas as pd

from sweep.compare.notation import condition_text
from sweep.compare.records import SweepRecord
from sweep.compare.teachers import heard_in, mean, some_of


def oracles_table(record: SweepRecord) -> pd.DataFrame:
    """One row per teacher and condition in which some row hears an Oracle: means over the confirm
    seeds on the validation split, missing where nothing was measured."""
    told, rows = record.oracles, []
    for condition in record.conditions:
        heard = heard_in(record, condition)
        if told is None or not any(teacher.reads_targets for teacher in heard):
            continue
        for teacher in heard:
            values = dict(teacher.told)
            rows.append(
                {
                    **condition.columns,
                    "teacher": teacher.name,
                    "trained_on": teacher.labels,
                    "reads_targets": "yes" if teacher.reads_targets else "no",
                    **{f"validation_{name}": mean(values.get(name, ())) for name in told.names},
                    "measured": len(values.get(told.hidden, ())),
                }
            )
    return pd.DataFrame(rows)


def oracles_text(record: SweepRecord) -> str:
    """How the table is read, in sentences; empty where the task has no Oracles."""
    told = record.oracles
    if told is None:
        return ""
    hidden, shown, swapped, *beside = (f"validation_{name}" for name in told.names)
    others = "".join(f" {name}: of an Oracle with its targets shown." for name in beside)
    return (
        "An Oracle is a teacher that reads targets: what it and the other teachers of its"
        " conditions reach on the validation split, means over the confirm seeds."
        f" {hidden}: of an Oracle with all its targets hidden; where that is far worse than of the"
        " other teachers, it has learned to read and not to listen. It still knows how much there"
        f" is to tell, so it is not compared with students. {shown}: with its targets shown; no"
        f" result, as it has read the answer. {swapped}: with its targets and the input of another"
        f" example; where that is near {shown}, it copies its targets whatever the input.{others}"
    )


def copying_oracles_text(record: SweepRecord) -> str:
    """Which Oracles copy their targets, in a sentence; empty where none does."""
    told = record.oracles
    if told is None:
        return ""
    shown, swapped = (name.replace("_", " ") for name in (told.shown, told.swapped))
    places: dict[str, list[str]] = {}
    for condition in record.conditions:
        for teacher in heard_in(record, condition):
            read, copied = (mean(dict(teacher.told).get(n, ())) for n in (told.shown, told.swapped))
            if teacher.reads_targets and copied < told.copies_below:
                where = condition_text(condition, record)
                figures = f"{where} ({swapped} {copied:.3g}, {shown} {read:.3g})"
                places.setdefault(teacher.name, []).append(figures)
    if not places:
        return ""
    named = [f"{name} at {some_of(there)}" for name, there in places.items()]
    return (
        f"Warning: an Oracle copies its targets, as {swapped} below {told.copies_below:g} tells:"
        f" {'; '.join(named)}. What it teaches says little of the input."
    )
