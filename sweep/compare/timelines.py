"""What students and their teachers say when, in an utterance that none of them was trained on.

Of each condition one row that hears a teacher without targets, and one that hears an Oracle: what
their runs of one confirm seed, which share splits, have kept of the same utterance.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from sweep.compare.records import HeardTeacher, SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

# The tables of a run, and who speaks in the first of them.
SPIKES, FRAMES, SPANS = "spikes", "frames", "spans"
STUDENT, TEACHER = "student", "teacher_"


class KeptTables(Protocol):
    """Where further tables of runs are read from."""

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        """A table of a run, every cell as text; None where the run has none of that name."""
        ...


class _NoTables:
    """Of runs that kept none."""

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        return None


NO_TABLES = _NoTables()


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


@dataclass(frozen=True)
class _Heard:
    """A row's teacher: which of those in the tables of its runs."""

    method: str
    teacher: HeardTeacher
    number: int


def timelines(record: SweepRecord, kept: KeptTables) -> list[Timeline]:
    """One for each condition in which some row with teachers has kept it."""
    if not record.timelines:
        return []
    found = (_timeline(record, kept, condition) for condition in record.conditions)
    return [timeline for timeline in found if timeline]


def _timeline(record: SweepRecord, kept: KeptTables, condition: Condition) -> Timeline | None:
    heard = list(_heard(record, condition))
    seed, runs = _runs(record, condition, [one.method for one in heard])
    tables = {
        method: table
        for method, run_id in runs.items()
        if (table := kept.table(run_id, SPIKES)) is not None
    }
    heard = [one for one in heard if one.method in tables]
    rows = [list(dict.fromkeys(tables[one.method]["row"])) for one in heard]
    shared = [row for row in rows[0] if all(row in others for others in rows)] if rows else []
    if not shared:
        return None
    row, run_id = shared[0], runs[heard[0].method]
    spikes = {method: _of_row(table, row) for method, table in tables.items()}
    spans = kept.table(run_id, SPANS)
    frames = kept.table(run_id, FRAMES)
    return Timeline(
        condition,
        int(row),
        seed,
        str(spikes[heard[0].method]["reference"].iloc[0]),
        tuple(_voices(heard, spikes)),
        pd.DataFrame() if frames is None else _of_row(frames, row),
        None if spans is None else _of_row(spans, row),
    )


def _heard(record: SweepRecord, condition: Condition) -> Iterator[_Heard]:
    """The first teacher without targets, and the first Oracle, of the first rows that hear one."""
    for reads_targets in (False, True):
        of_kind = (
            one
            for method in record.methods
            for one in _teachers(record, condition, method)
            if one.teacher.reads_targets == reads_targets
        )
        if first := next(of_kind, None):
            yield first


def _teachers(record: SweepRecord, condition: Condition, method: str) -> Iterator[_Heard]:
    number = 1
    for teacher in record.teachers.get(record.cell(condition, method), ()):
        yield _Heard(method, teacher, number)
        number += teacher.count


def _runs(
    record: SweepRecord, condition: Condition, methods: list[str]
) -> tuple[int, Mapping[str, str]]:
    """The first seed under which confirm runs of all of these are complete, and the runs; none
    where there is no such seed."""
    by_seed = {}
    for method in dict.fromkeys(methods):
        done = completed(trials_of(record, "confirm", condition, method), record.test_column)
        by_seed[method] = dict(zip(done["seed"].astype(int), done["run_id"], strict=True))
    for seed in record.confirm_seeds:
        if all(seed in runs for runs in by_seed.values()):
            return seed, {method: str(runs[seed]) for method, runs in by_seed.items()}
    return 0, {}


def _voices(heard: list[_Heard], spikes: Mapping[str, pd.DataFrame]) -> Iterator[Voice]:
    """Each student before the teachers of its row."""
    told: set[str] = set()
    for one in heard:
        table = spikes[one.method]
        if one.method not in told:
            told.add(one.method)
            yield Voice(f"Student of {one.method}", table[table["who"] == STUDENT])
        said = table[table["who"] == f"{TEACHER}{one.number}"]
        if len(said):
            kind = "Its Oracle, shown the target" if one.teacher.reads_targets else "Its teacher"
            network, *_ = one.teacher.name.split(" (")
            yield Voice(f"{kind}: {network}", said)


def _of_row(table: pd.DataFrame, row: str) -> pd.DataFrame:
    """What a table says of an utterance, its numbers as numbers."""
    own = table[table["row"] == row]
    texts = {"row", "reference", "who", "symbol"}
    return own.astype({name: float for name in own.columns if name not in texts})
