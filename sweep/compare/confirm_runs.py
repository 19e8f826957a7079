"""Finished confirm runs of a sweep, chosen by row, condition and seed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.compare.conditions import parse_where
from sweep.compare.records import SweepRecord, completed
from sweep.errors import BadInput, unknown
from trainers.fields import Value


@dataclass(frozen=True)
class Wanted:
    """Which students: rows by label, conditions as NAME=VALUE, seeds; empty for all of them.

    ``best``: of each cell the one with the best validation value alone.
    """

    methods: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    best: bool = False


@dataclass(frozen=True)
class ConfirmRun:
    """A finished confirm run: its cell, seed, configuration, and how it came out."""

    run_id: str
    cell: str
    seed: int
    values: Mapping[str, Value]
    validation: float
    test: float

    @property
    def folder(self) -> Path:
        """Where its student goes, below the directory of all."""
        return Path(self.cell) / f"seed-{self.seed}"


def select(record: SweepRecord, wanted: Wanted) -> list[ConfirmRun]:
    """The finished confirm runs that are wanted, by cell and seed; BadInput where there is none."""
    where = [parse_where(text, [record]) for text in wanted.where]
    for label in wanted.methods:
        if label not in record.methods:
            raise BadInput(
                f"--method: {unknown(f'method of {record.name}', label, record.methods)}"
            )
    for seed in wanted.seeds:
        if seed not in record.confirm_seeds:
            known = ", ".join(map(str, record.confirm_seeds))
            raise BadInput(f"--seed {seed}: {record.name} is confirmed on seeds {known}")
    confirm = record.trials[record.trials["stage"] == "confirm"]
    done = completed(confirm, record.test_column)
    rows = [
        row
        for row in done.sort_values(["cell", "seed"]).to_dict("records")
        if (not wanted.methods or row["method"] in wanted.methods)
        and (not wanted.seeds or row["seed"] in wanted.seeds)
        and all(w.keeps(row[w.column]) for w in where)
    ]
    if not rows:
        raise BadInput(f"{record.name}: has no finished confirm run of these; almkd status tells")
    runs = [
        ConfirmRun(
            row["run_id"],
            row["cell"],
            int(row["seed"]),
            json.loads(row["params"]),
            row[record.validation_column],
            row[record.test_column],
        )
        for row in rows
    ]
    return winners(record, runs) if wanted.best else runs


def winners(record: SweepRecord, runs: Sequence[ConfirmRun]) -> list[ConfirmRun]:
    """Of each cell the run with the best validation value; of equal ones that of the first seed."""
    sign = 1 if record.objective.direction == "maximize" else -1
    best: dict[str, ConfirmRun] = {}
    for run in runs:
        if run.cell not in best or sign * run.validation > sign * best[run.cell].validation:
            best[run.cell] = run
    return list(best.values())
