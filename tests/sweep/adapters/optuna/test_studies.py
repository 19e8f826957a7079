"""Studies in memory, kept on disk: what is there, when, and that resuming asks for the same."""

import json
import math
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from sweep.adapters.checked_lines import SUM
from sweep.adapters.optuna.journal import OVER, BatchedJournal
from sweep.adapters.optuna.studies import OptunaStudies, ended_trials
from sweep.errors import SweepFailed
from sweep.plan.plan import Plan
from sweep.referee.stores import Outcome
from tests.sweep.specs import small_spec
from tests.sweep.stage import studies

CELL = "symmetric-0.4-noisy/alm_kd"
SAMPLERS: tuple[dict[str, Any], ...] = (
    {"name": "tpe", "n_startup_trials": 4},
    {"name": "random"},
    {"name": "qmc"},
    {"name": "grid", "points": 2},
)


def _plan(sampler: dict[str, Any] | None = None) -> Plan:
    return Plan(small_spec({"search.sampler": sampler or SAMPLERS[0]}))


def _plain(path: Path) -> list[dict[str, Any]]:
    """What Optuna's own reader finds in a journal, without the sums."""
    found = list(JournalFileBackend(str(path)).read_logs(0)) if path.exists() else []
    return [{key: value for key, value in record.items() if key != SUM} for record in found]


def test_nothing_is_on_disk_before_a_flush_and_everything_after(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = BatchedJournal(path)
    records = [{"op": 0, "n": n} for n in range(5)]
    journal.append_logs(records[:3])
    assert _plain(path) == []
    assert journal.read_logs(0) == records[:3]
    journal.flush()
    assert _plain(path) == records[:3]
    journal.append_logs(records[3:])
    assert journal.read_logs(3) == records[3:]
    journal.flush()
    journal.flush()
    assert _plain(path) == records
    journal.close()
    again = BatchedJournal(path)
    assert again.read_logs(0) == records
    again.close()


def test_journal_damaged_in_its_middle_is_named(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    path.write_bytes(b'{"op": 0}\n{"op": \xff}\n{"op": 1}\n')
    with pytest.raises(SweepFailed, match=f"{path}: is damaged .*restore it"):
        BatchedJournal(path)


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"op_code": 99, "worker_id": "a"}, "there are operations unknown to it"),
        ({"op_code": 0, "worker_id": "a", "name": "s"}, "KeyError: 'study_name'"),
        ({"operation": "create"}, "KeyError: 'op_code'"),
    ],
)
def test_a_journal_of_another_version_is_told_with_the_way_forward(
    tmp_path: Path, record: dict[str, object], said: str
) -> None:
    path = tmp_path / "journal"
    path.write_text(json.dumps(record) + "\n")
    before = path.read_bytes()
    plan = Plan(small_spec())
    told = (
        rf"Optuna .* cannot read its records \({said}\): another version wrote them; .*--fork NAME"
    )
    with pytest.raises(SweepFailed, match=told):
        OptunaStudies(plan, str(path))
    with pytest.raises(SweepFailed, match=told):
        ended_trials(plan, str(path))
    assert path.read_bytes() == before
    # Whoever comes next may have it.
    BatchedJournal(path).close()


def test_line_torn_by_a_kill_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    journal = BatchedJournal(path)
    journal.append_logs([{"op": 0}])
    journal.flush()
    journal.close()
    with path.open("ab") as file:
        file.write(b'{"op": 1, "half')
    again = BatchedJournal(path)
    again.append_logs([{"op": 2}])
    again.flush()
    again.close()
    assert _plain(path) == [{"op": 0}, {"op": 2}]


def test_trials_on_disk_are_those_in_memory(tmp_path: Path) -> None:
    plan = _plan()
    kept = studies(plan, tmp_path)
    asked = kept.ask(CELL, 4)
    kept.report(CELL, 1, {0: 10.0, 1: 20.0, 3: 5.0})
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    study = optuna.load_study(study_name=f"small/{CELL}", storage=storage)
    running = study.get_trials()
    assert {t.number: t.params for t in running} == asked
    assert {t.state for t in running} == {TrialState.RUNNING}
    assert all(t.intermediate_values == {} for t in running)
    kept.tell(
        CELL,
        [
            Outcome(0, "complete", 10.0),
            Outcome(1, "pruned"),
            Outcome(2, "failed", reason="burnt"),
            Outcome(3, "interrupted"),
        ],
    )
    told = study.get_trials()
    states = [TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.WAITING]
    assert [t.state for t in told] == states
    assert [t.intermediate_values for t in told] == [{1: 10.0}, {1: 20.0}, {}, {}]
    assert told[0].value == 10.0
    assert told[2].user_attrs == {"reason": "burnt"}
    past = {t.number: (t.state, t.params) for t in studies(plan, tmp_path).history(CELL)}
    words = ["complete", "pruned", "failed", "interrupted"]
    assert [past[n][0] for n in range(3)] == words[:3]
    assert {n: params for n, (_, params) in past.items()} == asked


def test_what_a_long_search_leaves_behind_is_on_disk_and_not_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.adapters.optuna.studies.LAST", 4)
    plan = _plan({"name": "random"})
    kept = studies(plan, tmp_path)
    asked: dict[int, Any] = {}
    for generation in range(10):
        numbers = kept.ask(CELL, 4)
        asked |= numbers
        kept.report(CELL, 1, {number: float(number) for number in numbers})
        outcomes = [Outcome(n, "failed", reason="burnt") for n in numbers if n % 2]
        kept.tell(CELL, outcomes + [Outcome(n, "complete", n) for n in numbers if not n % 2])
        assert len(kept.history(CELL)) == 4 * (generation + 1)
    of_store = kept._storage._replay_result._trials.values()
    assert {id(trial) for trial in of_store} == {id(OVER)}
    states = ["complete", "failed"] * 20
    live = kept.history(CELL)
    assert [(t.number, t.state) for t in live] == list(enumerate(states))
    assert [t.params for t in live if t.state == "complete"] == [asked[n] for n in range(0, 40, 2)]
    assert live[1].params == {}
    kept.close()
    found = studies(plan, tmp_path).history(CELL)
    assert [(t.number, t.state, t.params) for t in found] == list(
        zip(range(40), states, asked.values(), strict=True)
    )
    assert [t.curve for t in found] == [{1: float(n)} for n in range(40)]
    assert {t.reason for t in found} == {"", "burnt"}


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: str(sampler["name"]))
@pytest.mark.parametrize("parts", [(8,), (3, 5), (1, 6, 1)], ids=str)
def test_trials_are_the_same_however_they_are_asked(
    tmp_path: Path, sampler: dict[str, Any], parts: tuple[int, ...]
) -> None:
    plan = _plan(sampler)
    for folder in (tmp_path / "parts", tmp_path / "whole"):
        folder.mkdir()
    whole = studies(plan, tmp_path / "whole").ask(CELL, 8)
    asked = {}
    for count in parts:
        asked.update(studies(plan, tmp_path / "parts").ask(CELL, count))
    assert asked == whole


def test_trials_depend_on_what_earlier_ones_came_to(tmp_path: Path) -> None:
    plan = _plan()
    seen = []
    for name, sign in (("up", 1), ("down", -1)):
        (tmp_path / name).mkdir()
        kept = studies(plan, tmp_path / name)
        kept.ask(CELL, 6)
        kept.tell(CELL, [Outcome(n, "complete", 50.0 + sign * n) for n in range(6)])
        seen.append(kept.ask(CELL, 3))
    assert seen[0] != seen[1]


def test_cells_and_seeds_have_suggestions_of_their_own(tmp_path: Path) -> None:
    plan, other = _plan(), Plan(small_spec({"seed": 1}))
    (tmp_path / "other").mkdir()
    kept = studies(plan, tmp_path)
    here = kept.ask(CELL, 3)
    assert here != kept.ask(CELL.replace("0.4", "0"), 3)
    assert here != studies(other, tmp_path / "other").ask(CELL, 3)


STARTUP, WARMUP, EPOCHS = 3, 4, 8
RULES = {"n_startup_trials": STARTUP, "n_warmup_steps": WARMUP}
PRUNERS: tuple[tuple[dict[str, Any], list[float]], ...] = (
    ({"name": "median"}, [math.inf, math.inf, math.inf, 1]),
    ({"name": "median", **RULES}, [math.inf, math.inf, WARMUP, WARMUP]),
    ({"name": "median", "n_startup_trials": 0}, [math.inf, 1, 1, 1]),
    ({"name": "percentile", "percentile": 25.0, **RULES}, [math.inf, math.inf, WARMUP, WARMUP]),
    ({"name": "none"}, [math.inf] * 4),
    ({"name": "successive_halving"}, [1] * 4),
    ({"name": "hyperband", "max_resource": EPOCHS}, [1] * 4),
    ({"name": "threshold", "lower": 0.0}, [1] * 4),
    ({"name": "patient", "patience": 1, "wrapped": {"name": "median", **RULES}}, [1] * 4),
)


@pytest.mark.parametrize(
    ("pruner", "expected"), PRUNERS, ids=[str(pruner) for pruner, _ in PRUNERS]
)
def test_no_trial_is_stopped_before_the_first_epoch_that_is_judged(
    tmp_path: Path, pruner: dict[str, Any], expected: list[float]
) -> None:
    """Generations of two, the second of each worse than all before it."""
    kept = studies(Plan(small_spec({"search.pruner": pruner})), tmp_path)
    said = []
    for generation in range(len(expected)):
        good, bad = kept.ask(CELL, 2)
        said.append(kept.judged_from(CELL))
        first_stop = math.inf
        live = {good: 50.0, bad: -1.0 - generation}
        for epoch in range(1, EPOCHS + 1):
            kept.report(CELL, epoch, live)
            assert kept.judged_from(CELL) == said[-1]
            for number in kept.judge(CELL, epoch, list(live)):
                first_stop = min(first_stop, epoch)
                kept.tell(CELL, [Outcome(number, "pruned")])
                del live[number]
        assert first_stop >= said[-1]
        if pruner["name"] in {"median", "percentile", "none"} and generation:
            assert first_stop == said[-1]
        kept.tell(CELL, [Outcome(number, "complete", value) for number, value in live.items()])
    assert said == expected
