"""Records, one a line: the studies of a sweep, and the spool of what is still to be written."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from unittest.mock import patch

from sweep.adapters.mlflow import tracking
from sweep.adapters.mlflow.known import SweepRuns
from sweep.adapters.mlflow.spool import Record, Spool
from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.adapters.optuna.studies import OptunaStudies
from sweep.plan.plan import Plan
from sweep.plan.tasks import search_cohort
from sweep.referee.stores import Outcome
from tests.fuzz.target import Apply, Mutation, Target
from tests.sweep.specs import small_spec

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4]}))
SEARCH = PLAN.searches[0]
TRIALS = search_cohort(PLAN, SEARCH, {n: {"lr": 0.1 + n} for n in range(3)}, 0)
JOURNAL = "optuna.journal"
# It tells lines that are no records from such as are not what was written.
CONTAINERS = frozenset({"sweep.adapters.checked_lines:_record"})
Lines = list[bytes]


def journal() -> list[Target]:
    beginnings = _beginnings_of_studies()
    return [
        Target("journal", "of a launch before", _write_journal, [JOURNAL], _recalled,
               _whole_lines, OF_LINES, CONTAINERS,
               lambda good, found: found in beginnings),
    ]  # fmt: skip


def spool() -> list[Target]:
    return [
        Target("spool", "of a launch before", _write_spool, ["spool"], _carried_out, _whole_lines,
               OF_LINES, CONTAINERS,
               lambda good, found: found == good[: len(found)]),  # type: ignore[index, arg-type]
    ]  # fmt: skip


def _write_journal(folder: Path) -> None:
    (folder / JOURNAL).write_bytes(_journal())


@cache
def _journal() -> bytes:
    """Of a generation that is over, and of one that was broken off; always the same times."""
    with TemporaryDirectory() as scratch:
        studies = OptunaStudies(PLAN, f"{scratch}/{JOURNAL}")
        for generation in range(2):
            numbers = sorted(studies.ask(SEARCH.id, 3))
            for epoch in range(1, 4):
                studies.report(SEARCH.id, epoch, {n: 50.0 + n + epoch for n in numbers})
            over = numbers if generation == 0 else numbers[:1]
            studies.tell(SEARCH.id, [Outcome(n, "complete", 50.0 + n) for n in over])
        studies.close()
        return Path(scratch, JOURNAL).read_bytes()


def _recalled(folder: Path) -> str:
    """All trials as a launch takes them up, and what it would ask for next."""
    studies = OptunaStudies(PLAN, str(folder / JOURNAL))
    try:
        # Trials that were broken off begin anew, now.
        trials = {
            search.id: [replace(trial, began=None) for trial in studies.history(search.id)]
            for search in PLAN.searches
        }
        return repr((trials, studies.ask(SEARCH.id, 1)))
    finally:
        studies.close()


def _beginnings_of_studies() -> frozenset[str]:
    """What is recalled of every beginning of the journal: a process may have ended anywhere."""
    found = set()
    for count in range(len(_journal().splitlines()) + 1):
        with TemporaryDirectory() as scratch:
            lines = _journal().splitlines(keepends=True)[:count]
            Path(scratch, JOURNAL).write_bytes(b"".join(lines))
            found.add(_recalled(Path(scratch)))
    return frozenset(found)


def _write_spool(folder: Path) -> None:
    tracker, _ = _tracker(folder)
    tracker.open(TRIALS)
    keys = [lane.key for lane in TRIALS.lanes]
    for epoch in range(1, 4):
        rows = {key: {"validation_accuracy": 60.0 + epoch / 3, "loss": 1 / epoch} for key in keys}
        tracker.log(epoch, rows)
    for key in keys[:2]:
        tracker.close(key, "complete", {"best_validation_accuracy": 61.0})


class _Taken:
    """In the place of a tracking store: what it is handed."""

    def __init__(self, runs: object, spool: Spool, patience_s: float) -> None:
        self._spool = spool
        self.records: list[Record] = []

    def keep(self, records: Sequence[Record]) -> None:
        self._spool.put(records)

    def take(self, record: Record) -> None:
        self.records.append(record)


def _tracker(folder: Path) -> tuple[MlflowTracker, _Taken]:
    """A launch's tracker, over a store that is not there."""
    with patch.object(tracking, "Writer", _Taken):
        tracker = MlflowTracker(PLAN, SweepRuns("sqlite://", "1", 32 * "0"), folder / "spool")
    return tracker, tracker._writer  # type: ignore[return-value]


def _carried_out(folder: Path) -> list[Record]:
    """The records that the store is handed first."""
    return _tracker(folder)[1].records


def _whole_lines(file: Path) -> None:
    content = file.read_bytes()
    if not content.endswith(b"\n"):
        raise ValueError
    for line in content.splitlines():
        json.loads(line)


def lines(change: Callable[[Lines, Random], Lines]) -> Apply:
    """The lines of a file changed."""

    def apply(file: Path, rng: Random) -> None:
        made = change(file.read_bytes().splitlines(), rng)
        file.write_bytes(b"".join(line + b"\n" for line in made))

    return apply


def _moved(lines: Lines, rng: Random) -> Lines:
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)
    return lines


def _left_out(lines: Lines, rng: Random) -> Lines:
    del lines[rng.randrange(len(lines) - 1)]
    return lines


def _digit(lines: Lines, rng: Random) -> Lines:
    """A digit of a number is another."""
    place = rng.randrange(len(lines))
    line = lines[place]
    digits = [at for at, byte in enumerate(line) if chr(byte).isdigit()]
    at = rng.choice(digits)
    lines[place] = line[:at] + str(rng.randrange(10)).encode() + line[at + 1 :]
    return lines


def _value(lines: Lines, rng: Random) -> Lines:
    """A value of a record is another, or gone."""
    place = rng.randrange(len(lines))
    record = json.loads(lines[place])
    key = rng.choice(sorted(record))
    record[key] = rng.choice((None, -1, 2**70, "x", [], {}, True, record[key]))
    if rng.random() < 0.3:
        del record[key]
    lines[place] = json.dumps(record).encode()
    return lines


def _strange(lines: Lines, rng: Random) -> Lines:
    """A line that is JSON and no record."""
    made = rng.choice((b"{}", b"[]", b"null", b"3", b'"x"', b"[" * 100_000 + b"]" * 100_000, b""))
    lines.insert(rng.randrange(len(lines) + 1), made)
    return lines


def _between(lines: Lines, rng: Random) -> Lines:
    a, b = sorted(rng.sample(range(len(lines) + 1), 2))
    return lines[:a] + lines[a:b] * 2 + lines[b:]


def _torn(file: Path, rng: Random) -> None:
    """As a process leaves it that is killed in mid-write."""
    line = rng.choice(file.read_bytes().splitlines())
    with file.open("ab") as stream:
        stream.write(line[: rng.randrange(1, len(line))])


OF_LINES = [
    Mutation("a torn line at its end", "same", _torn),
    Mutation("cut between lines", "any", lines(lambda ls, rng: ls[: rng.randrange(len(ls))])),
    Mutation("a line moved", "any", lines(_moved)),
    Mutation("a line moved", "any", lines(_moved)),
    Mutation("a line left out", "any", lines(_left_out)),
    Mutation("lines twice", "any", lines(_between)),
    Mutation("lines in another order", "any", lines(lambda ls, rng: rng.sample(ls, len(ls)))),
    Mutation("another digit", "any", lines(_digit)),
    Mutation("another digit", "any", lines(_digit)),
    Mutation("another value", "any", lines(_value)),
    Mutation("another value", "any", lines(_value)),
    Mutation("a strange line", "any", lines(_strange)),
]
