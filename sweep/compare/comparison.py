"""The tables of a sweep, as data frames: one row per cell, and one row per trial.

Every random stream is derived from the seed, the sweep and the cell alone, so a row stays the same
whichever other rows stand beside it (but for `p_holm` and `called`, which depend on all of them).
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from sweep.compare import statistics
from sweep.compare.questions import DECLARED, EXPLORATORY, against, is_declared
from sweep.compare.records import STAGES, WHOLE, SweepRecord, scores, trial_columns, trials_of
from sweep.compare.statistics import Floats
from sweep.plan.plan import Condition
from sweep.plan.teacher_calls import TEACHER_CALLS

NAN = float("nan")
# A column for the table's own use: the two cells of a comparison.
PAIR = "(cells)"


def comparison_columns(
    metric: str, axes: Sequence[str] = (), limits_calls: bool = False
) -> tuple[str, ...]:
    """Columns of `comparison_table`, in order.

    Means, intervals and differences are in the record's unit; `delta` is method minus baseline,
    whatever the direction, paired by seed; `prob_better` and `called` honour the direction.
    `question` says whether a difference is declared, hence tested, or exploratory.
    `n_seeds` counts finished confirm seeds, `n_failed_seeds` those that ended without a value.
    `n_trials`, `n_pruned` and `n_failed` count search trials; `epochs_trained` sums the epochs of
    search, shortlist and confirm. `clean_labels` says how many of them a row had, and for what;
    where calls are limited, `teacher_calls` how many outputs of teachers a student of it read.
    """
    return (
        *("sweep", "dataset", "noise_kind", "noise_rate", "teacher_labels", *axes),
        *("method", "is_baseline", "baseline", "question", "n_seeds", "n_failed_seeds"),
        *(f"test_{metric}_mean", f"test_{metric}_std", "ci95_low", "ci95_high"),
        *("delta", "delta_ci95_low", "delta_ci95_high", "p_value", "p_holm"),
        *("prob_better", "called", "best_params"),
        *("n_trials", "n_pruned", "n_failed", "epochs_trained", "clean_labels"),
        *((TEACHER_CALLS,) if limits_calls else ()),
    )


def comparison_table(record: SweepRecord, seed: int) -> pd.DataFrame:
    """One row per cell: conditions in the order of the spec, then methods in theirs.

    A method has a row for each that it is compared with, every baseline among them; a baseline has
    one, with no difference in it, if nothing is asked of it. A cell without a finished confirm run
    is there too, with NaN and `n_seeds` 0. Holm's adjustment runs over the declared comparisons;
    one of the same two cells that is shown in several conditions is one. A difference that is not
    declared has no p, as all of a metric that is looked at only. `seed`, a non-negative integer,
    fixes the resampling.
    """
    rows = [
        _cell_row(record, condition, method, seed)
        | _difference_row(record, condition, method, baseline, seed)
        for condition in record.conditions
        for method in record.methods
        for baseline in against(record, method)
    ]
    table = pd.DataFrame(rows)
    table["p_holm"] = _adjusted(table)
    table["called"] = [
        statistics.call(low, high, p_holm, record.direction)
        for low, high, p_holm in zip(
            table["delta_ci95_low"], table["delta_ci95_high"], table["p_holm"], strict=True
        )
    ]
    return table[list(comparison_columns(record.metric, record.axes, bool(record.calls)))]


def trials_table(record: SweepRecord) -> pd.DataFrame:
    """One row per trial of any stage, in a stable order: stage, cell, trial, seed, run.

    Columns as in TRIAL_COLUMNS, then any others the record brought.
    """
    columns = trial_columns(record.metric, record.objective.name)
    extra = [column for column in record.trials.columns if column not in columns]
    trials = record.trials[[*columns, *extra]]
    trials = trials.astype(WHOLE)
    order = pd.DataFrame(
        [_trial_order(record, row) for row in trials.to_dict("records")],
        index=trials.index,
        columns=["stage", "condition", "method", "cell", "noise", "trial", "seed", "stream", "run"],
    )
    by = list(order.columns)
    positions = order.reset_index(drop=True).sort_values(by, kind="stable").index
    return trials.iloc[positions].reset_index(drop=True)


def paired_scores(
    record: SweepRecord, condition: Condition, method: str, baseline: str
) -> tuple[Floats, Floats]:
    """Test values of two methods on the seeds that both finished: (S,) and (S,), by seed."""
    a = scores(record, condition, method)
    b = scores(record, condition, baseline)
    shared = [seed for seed in a if seed in b]
    return np.array([a[seed] for seed in shared]), np.array([b[seed] for seed in shared])


def mean_with_interval(
    record: SweepRecord, condition: Condition, method: str, seed: int
) -> tuple[float, float, float]:
    """Mean of a cell's test values over its seeds, low and high of its interval; NaN without."""
    values = np.array(list(scores(record, condition, method).values()))
    rng = cell_rng(seed, record.name, *_names(record, condition, method), "mean")
    return (statistics.mean(values), *statistics.bca_interval(values, rng))


def cell_rng(seed: int, *names: str) -> np.random.Generator:
    """A generator of its own for the quantity that names spell out.

    Python's own hash differs between processes, hence SHA-256.
    """
    digest = hashlib.sha256("\0".join(names).encode()).digest()
    words = np.frombuffer(digest, dtype="<u4").tolist()
    return np.random.default_rng(np.random.SeedSequence([seed, *words]))


def _cell_row(record: SweepRecord, condition: Condition, method: str, seed: int) -> dict[str, Any]:
    search = trials_of(record, "search", condition, method)
    confirm = trials_of(record, "confirm", condition, method)
    shortlist = trials_of(record, "shortlist", condition, method)
    values = np.array(list(scores(record, condition, method).values()))
    mean, low, high = mean_with_interval(record, condition, method, seed)
    return {
        "sweep": record.name,
        "dataset": record.dataset,
        **condition.columns,
        "method": method,
        "is_baseline": method in record.baselines,
        "n_seeds": len(values),
        "n_failed_seeds": _failed_seeds(confirm, scores(record, condition, method)),
        f"test_{record.metric}_mean": mean,
        f"test_{record.metric}_std": statistics.sample_std(values),
        "ci95_low": low,
        "ci95_high": high,
        # One for the whole cell, or for each of its seeds.
        "best_params": " | ".join(sorted(set(confirm["params"].dropna()))),
        "n_trials": len(search),
        "n_pruned": int((search["state"] == "pruned").sum()),
        "n_failed": int((search["state"] == "failed").sum()),
        "epochs_trained": int(
            sum(runs["epochs_trained"].sum() for runs in (search, shortlist, confirm))
        ),
        "clean_labels": record.clean.get(record.cell(condition, method), ""),
        TEACHER_CALLS: record.calls.get(record.cell(condition, method), ""),
    }


def _difference_row(
    record: SweepRecord, condition: Condition, method: str, baseline: str, seed: int
) -> dict[str, Any]:
    figures, question = (NAN,) * 5, ""
    cells = (record.cell(condition, method), baseline and record.cell(condition, baseline))
    if baseline:
        declared = is_declared(record, condition, (method, baseline))
        if declared or not record.absent.intersection(cells):
            question = DECLARED if declared else EXPLORATORY
        a, b = paired_scores(record, condition, method, baseline)
        other = record.cell(condition, baseline) if condition.varied else baseline
        names = (record.name, *_names(record, condition, method), other)
        low, high = statistics.bca_interval(a - b, cell_rng(seed, *names, "difference"))
        flips = cell_rng(seed, *names, "sign flip")
        p = statistics.sign_flip_p(a - b, flips).value if declared else NAN
        prob = statistics.probability_of_improvement(a, b, record.direction)
        figures = (statistics.mean(a - b), low, high, p, prob)
    names_of_figures = ("delta", "delta_ci95_low", "delta_ci95_high", "p_value", "prob_better")
    return {
        "baseline": baseline,
        "question": question,
        PAIR: cells,
        **dict(zip(names_of_figures, figures, strict=True)),
    }


def _adjusted(table: pd.DataFrame) -> pd.Series:
    """p after Holm; two cells that are compared in several conditions are compared once."""
    once = table.drop_duplicates(PAIR)
    adjusted = statistics.holm(once["p_value"].to_numpy(dtype=float))
    return table[PAIR].map(dict(zip(once[PAIR], adjusted, strict=True)))


def _names(record: SweepRecord, condition: Condition, method: str) -> tuple[str, ...]:
    """What makes a cell, for the draws of its own."""
    if condition.varied:
        return (record.cell(condition, method),)
    rate = repr(float(condition.noise_rate))
    return condition.noise_kind, rate, condition.teacher_labels, method


def _failed_seeds(confirm: pd.DataFrame, finished: Mapping[int, float]) -> int:
    """Seeds of a cell that ended without a value; one still running has not failed yet."""
    ended = set(confirm.loc[confirm["state"].isin(["complete", "failed", "pruned"]), "seed"])
    return len(ended - set(finished))


def _trial_order(record: SweepRecord, row: dict[Any, Any]) -> tuple[Any, ...]:
    """Where a row stands among the trials; teachers and their conditions come after the planned."""
    conditions = record.conditions
    place = record.shown.get(str(row["cell"]))
    return (
        STAGES.index(row["stage"]),
        conditions.index(place[0]) if place else len(conditions),
        record.methods.index(row["method"]) if row["method"] in record.methods else -1,
        str(row["cell"]),
        (row["noise_kind"], float(row["noise_rate"])),
        -1 if pd.isna(row["trial"]) else int(row["trial"]),
        int(row["seed"]),
        -1 if pd.isna(row["stream"]) else int(row["stream"]),
        str(row["run_id"]),
    )
