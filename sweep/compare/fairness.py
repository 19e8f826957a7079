"""What every cell was given and what became of it: budgets, time, failures."""

from collections.abc import Sequence

import pandas as pd

from sweep.compare.cost import device_s
from sweep.compare.notation import listed
from sweep.compare.records import TEACHER, SweepRecord, completed, trials_of
from sweep.plan.plan import Condition
from sweep.plan.teacher_calls import TEACHER_CALLS

REASON_LENGTH = 300  # characters of a reason that a table shows, from its end


def fairness_table(record: SweepRecord) -> pd.DataFrame:
    """One row per cell, in the order of the comparison: what its search and confirm took.

    A cell that is shown in several conditions has one row, in the first of them.

    `enqueued` trials are those that the spec names, where it names any; `left_out` those that a
    limit of time left out, where one did. `asked` trials are those
    that started; `unfinished` ones run or wait to be taken up again.
    `wall_s` runs from the cell's first start to its last end, pauses and other cells' turns
    included. `device_s` adds up what its runs took: of what each cohort held, its time times the
    CPUs or GPUs (`device`), their share.
    """
    of_runs = device_s(record)
    return pd.DataFrame([_cell_row(record, of_runs, *place) for place in record.shown.values()])


def failures_table(record: SweepRecord) -> pd.DataFrame:
    """Trials that failed, confirm runs that diverged or never ended, in the order of the cells.

    A planned confirm run without a trace has the state "missing".
    """
    rows = []
    for row in record.trials[record.trials["stage"] == TEACHER].to_dict("records"):
        if row["state"] == "failed":
            rows.append(_failure(row, row["state"]))
    for condition, method in record.shown.values():
        search = trials_of(record, "search", condition, method)
        for row in search[search["state"] == "failed"].to_dict("records"):
            rows.append(_failure(row, "failed"))
        rows.extend(_unconfirmed(record, condition, method))
    columns = ["stage", "cell", "trial", "seed", "state", "epochs_trained", "reason", "run_id"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"trial": "Int64", "seed": "Int64", "epochs_trained": "Int64"})


def _cell_row(
    record: SweepRecord, of_runs: "pd.Series[float]", condition: Condition, method: str
) -> dict[str, object]:
    search, shortlist, confirm = (
        trials_of(record, stage, condition, method) for stage in ("search", "shortlist", "confirm")
    )
    states = search["state"].value_counts()
    confirmed = len(completed(confirm, record.test_column))
    both = pd.concat([search, shortlist, confirm])
    ends = both["started"] + both["wall_s"]
    return {
        **condition.columns,
        "method": method,
        "clean_labels": record.clean.get(record.cell(condition, method), ""),
        **({TEACHER_CALLS: _calls(record, condition, method)} if record.calls else {}),
        **{name: _one(confirm[name]) for name in ("train_examples", "steps_per_epoch")},
        "planned": record.planned(condition, method),
        **({"enqueued": _enqueued(record, condition, method)} if record.enqueued else {}),
        **({"left_out": _left_out(record, condition, method)} if record.search_ends else {}),
        "asked": len(search),
        "complete": int(states.get("complete", 0)),
        "pruned": int(states.get("pruned", 0)),
        "failed": int(states.get("failed", 0)),
        "unfinished": int(states.get("running", 0) + states.get("interrupted", 0)),
        "search_epochs": int(search["epochs_trained"].sum()),
        "shortlisted": int((shortlist["state"] == "complete").sum()),
        "shortlist_epochs": int(shortlist["epochs_trained"].sum()),
        "confirmed": confirmed,
        "confirm_planned": len(record.confirm_seeds),
        "confirm_epochs": int(confirm["epochs_trained"].sum()),
        "wall_s": float(ends.max() - both["started"].min()) if len(both) else 0.0,
        "device_s": float(of_runs[both.index].sum()),
        "device": record.device,
    }


def trained_alike(record: SweepRecord) -> str:
    """Which rows of a condition trained on other numbers of examples or steps, and what is paired
    then, in a sentence; empty where all are alike, or nothing is known of it."""
    found: dict[str, set[tuple[int, int]]] = {method: set() for method in record.methods}
    differ = False
    for condition in record.conditions:
        here: set[tuple[int, int]] = set()
        for method in record.methods:
            counts = _counts(trials_of(record, "confirm", condition, method))
            found[method] |= counts
            here |= counts
        differ |= len(here) > 1
    if not differ:
        return ""
    told: dict[str, list[str]] = {}
    for method, counts in found.items():
        if not counts:
            continue
        examples, steps = (_range(values) for values in zip(*sorted(counts), strict=True))
        told.setdefault(f"on {examples} in {steps} steps", []).append(method)
    rows = "; ".join(f"{listed(methods)} {words}" for words, methods in told.items())
    return (
        f"Rows train on different numbers of examples an epoch: {rows}. Between rows that differ"
        " the split, the noise and the first weights are paired by seed, the batches are not."
    )


def known_first(record: SweepRecord) -> str:
    """How many configurations of the spec the searches of each row tried first, in a sentence;
    empty where that is as many for all rows."""
    found: dict[str, list[str]] = {}
    for method in record.methods:
        counts = [_enqueued(record, condition, method) for condition in record.conditions]
        found.setdefault(_range(counts) if any(counts) else "none", []).append(method)
    if len(found) == 1:
        return ""
    rows = "; ".join(f"{listed(methods)} {count}" for count, methods in found.items())
    return (
        f"Searches began with configurations that the spec names, which count among the trials: "
        f"{rows}. A row that was told good ones was searched less blindly than the others."
    )


def ended_early(record: SweepRecord) -> list[str]:
    """Where a limit of time ended the searches, a sentence for each sweep."""
    several = len(record.search_ends) > 1 or record.name not in record.search_ends
    return [f"{name}: {end}" if several else str(end) for name, end in record.search_ends.items()]


def _left_out(record: SweepRecord, condition: Condition, method: str) -> int:
    """Planned trials of a cell's searches that there was no time for."""
    sweeps = trials_of(record, "search", condition, method)["sweep"].unique()
    ends = [end for name, end in record.search_ends.items() if name in sweeps]
    planned = record.planned(condition, method)
    return sum(planned * (end.planned - end.trials) // end.planned for end in ends)


def _enqueued(record: SweepRecord, condition: Condition, method: str) -> int:
    return record.enqueued.get(record.cell(condition, method), 0)


def _calls(record: SweepRecord, condition: Condition, method: str) -> str:
    return record.calls.get(record.cell(condition, method), "")


def _counts(runs: pd.DataFrame) -> set[tuple[int, int]]:
    """Examples and steps of an epoch of runs that ended."""
    known = runs[["train_examples", "steps_per_epoch"]].dropna().drop_duplicates()
    return {(int(examples), int(steps)) for examples, steps in known.itertuples(index=False)}


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _one(counts: "pd.Series[int]") -> int | None:
    """The number that all confirm runs of a cell share; None where it is not known."""
    known = counts.dropna().unique()
    return int(known[0]) if len(known) == 1 else None


def _unconfirmed(record: SweepRecord, condition: Condition, method: str) -> list[dict[str, object]]:
    """Confirm runs of a cell that brought no value: as they are, or missing."""
    runs = trials_of(record, "confirm", condition, method)
    done = set(completed(runs, record.test_column)["seed"])
    rows = []
    for seed in record.confirm_seeds:
        if seed in done:
            continue
        tries = runs[runs["seed"] == seed].to_dict("records")
        if not tries:
            cell = record.cell(condition, method)
            rows.append({"stage": "confirm", "cell": cell, "seed": seed, "state": "missing"})
        rows.extend(
            _failure(row, "diverged" if row["state"] == "complete" else row["state"])
            for row in tries
        )
    return rows


def _failure(row: dict[object, object], state: object) -> dict[str, object]:
    reason = "" if pd.isna(row["reason"]) else str(row["reason"])  # type: ignore[call-overload]
    shown = reason if len(reason) <= REASON_LENGTH else f"… {reason[-REASON_LENGTH:]}"
    kept = ("stage", "cell", "trial", "seed", "epochs_trained", "run_id")
    return {**{name: row[name] for name in kept}, "state": state, "reason": shown}
