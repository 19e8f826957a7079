"""Further tables that runs keep of a few examples, and whose runs they are: what is drawn from them
compares rows on the same examples, so it takes runs of one confirm seed, which share splits."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import pandas as pd

from sweep.compare.records import HeardTeacher, SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

# Who speaks in such a table.
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


@dataclass(frozen=True)
class Heard:
    """A row's teacher: which of those in the tables of its runs."""

    method: str
    teacher: HeardTeacher
    number: int

    @property
    def who(self) -> str:
        """What it is called there."""
        return f"{TEACHER}{self.number}"

    @property
    def network(self) -> str:
        """What it is, without its sizes."""
        name, *_ = self.teacher.name.split(" (")
        return name


def teachers_of(record: SweepRecord, condition: Condition, method: str) -> Iterator[Heard]:
    """The teachers of a row, of several snapshots the first."""
    number = 1
    for teacher in record.teachers.get(record.cell(condition, method), ()):
        yield Heard(method, teacher, number)
        number += teacher.count


def runs_of_one_seed(
    record: SweepRecord, condition: Condition, methods: Sequence[str]
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


def tables_of(kept: KeptTables, runs: Mapping[str, str], name: str) -> dict[str, pd.DataFrame]:
    """Of each method whose run has that table, by method."""
    found = {method: kept.table(run_id, name) for method, run_id in runs.items()}
    return {method: table for method, table in found.items() if table is not None}


def of_row(table: pd.DataFrame, row: str, texts: frozenset[str]) -> pd.DataFrame:
    """What a table says of an example; ``texts``: the columns that are no numbers."""
    own = table[table["row"] == row]
    return own.astype({name: float for name in own.columns if name not in {"row", *texts}})
