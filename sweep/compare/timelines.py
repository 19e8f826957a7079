"""What students and their teachers say when, in an utterance that none of them was trained on.

Of each condition one row that hears a teacher without targets, and one that hears an Oracle: what
their runs of one confirm seed, which share splits, have kept of the same utterance.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from sweep.compare.kept_tables import (
    STUDENT,
    Heard,
    KeptTables,
    of_row,
    runs_of_one_seed,
    tables_of,
    teachers_of,
)
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Condition

# The tables of a run, and their columns that are no numbers.
SPIKES, FRAMES, SPANS = "spikes", "frames", "spans"
TEXTS = frozenset({"reference", "who", "symbol"})


@dataclass(frozen=True, eq=False)
class Voice:
    """Who says it, and of each ``frame`` the likeliest ``symbol`` but for the blank, its
    ``probability`` and that of the ``blank``."""

    title: str
    spikes: pd.DataFrame


@dataclass(frozen=True, eq=False)
class Timeline:
    """An utterance in a condition.

    ``frames``: its numbers, by ``frame``; ``spans``: the ``symbol`` that is said from ``begin`` to
    ``end``, None where nobody knows. All are in frames of output, from 0.
    """

    condition: Condition
    row: int
    seed: int
    reference: str
    voices: tuple[Voice, ...]
    frames: pd.DataFrame
    spans: pd.DataFrame | None


def timelines(record: SweepRecord, kept: KeptTables) -> list[Timeline]:
    """One for each condition in which some row with teachers has kept it."""
    if record.example_tables != "timelines":
        return []
    found = (_timeline(record, kept, condition) for condition in record.conditions)
    return [timeline for timeline in found if timeline]


def _timeline(record: SweepRecord, kept: KeptTables, condition: Condition) -> Timeline | None:
    heard = list(_heard(record, condition))
    seed, runs = runs_of_one_seed(record, condition, [one.method for one in heard])
    tables = tables_of(kept, runs, SPIKES)
    heard = [one for one in heard if one.method in tables]
    rows = [list(dict.fromkeys(tables[one.method]["row"])) for one in heard]
    shared = [row for row in rows[0] if all(row in others for others in rows)] if rows else []
    if not shared:
        return None
    row, run_id = shared[0], runs[heard[0].method]
    spikes = {method: of_row(table, row, TEXTS) for method, table in tables.items()}
    spans = kept.table(run_id, SPANS)
    frames = kept.table(run_id, FRAMES)
    return Timeline(
        condition,
        int(row),
        seed,
        str(spikes[heard[0].method]["reference"].iloc[0]),
        tuple(_voices(heard, spikes)),
        pd.DataFrame() if frames is None else of_row(frames, row, TEXTS),
        None if spans is None else of_row(spans, row, TEXTS),
    )


def _heard(record: SweepRecord, condition: Condition) -> Iterator[Heard]:
    """The first teacher without targets, and the first Oracle, of the first rows that hear one."""
    for reads_targets in (False, True):
        of_kind = (
            one
            for method in record.methods
            for one in teachers_of(record, condition, method)
            if one.teacher.reads_targets == reads_targets
        )
        if first := next(of_kind, None):
            yield first


def _voices(heard: list[Heard], spikes: Mapping[str, pd.DataFrame]) -> Iterator[Voice]:
    """Each student before the teachers of its row."""
    told: set[str] = set()
    for one in heard:
        table = spikes[one.method]
        if one.method not in told:
            told.add(one.method)
            yield Voice(f"Student of {one.method}", table[table["who"] == STUDENT])
        said = table[table["who"] == one.who]
        if len(said):
            kind = "Its Oracle, shown the target" if one.teacher.reads_targets else "Its teacher"
            yield Voice(f"{kind}: {one.network}", said)
