"""What a trial of each row took of a device, and what it was counted to take where budgets are of
compute."""

import math

import pandas as pd

from sweep.compare.notation import listed
from sweep.compare.ranges import ranges
from sweep.compare.records import SweepRecord, trials_of
from sweep.plan.plan import Condition

# Rows are told apart whose runs take so many times as long, the longest a second or more: below
# that it is what setting up a cohort takes.
UNLIKE = 1.5
LEAST_S = 1.0


def cohort_s(runs: pd.DataFrame) -> "pd.Series[float]":
    """Seconds that each cohort of some runs trained, by its id: from the first start to the last
    end."""
    ends = (runs["started"] + runs["wall_s"]).groupby(runs["cohort"]).max()
    return ends - runs.groupby("cohort")["started"].min()


def run_s(runs: pd.DataFrame) -> "pd.Series[float]":
    """Each run's share of the seconds that its cohort trained, by the epochs that it trained (equal
    shares where none trained one); NaN where the cohort is not known."""
    of_cohort = runs.groupby("cohort")
    epochs = runs["epochs_trained"].astype(float)
    total = epochs.groupby(runs["cohort"]).transform("sum")
    share = (epochs / total).where(total > 0, 1 / of_cohort["cohort"].transform("size"))
    # Of no runs pandas maps names to names, which are no seconds.
    return runs["cohort"].map(cohort_s(runs)).astype(float) * share


def device_s(record: SweepRecord) -> "pd.Series[float]":
    """Device seconds of each of a sweep's runs: its share of what its cohort held; NaN where the
    cohort is not known."""
    return run_s(record.trials) * record.devices


def cost_table(record: SweepRecord) -> pd.DataFrame:
    """One row per cell, in the order of the comparison: mean device seconds and epochs of a search
    trial and of a confirm run, over those that ended and whose cohort is known.

    ``step_passes``: of a training step of one example, in forward passes of the row's student, and
    ``trial_cost``: of a trial, as a multiple of the first baseline's; where budgets are of compute.
    """
    of_runs = device_s(record)
    return pd.DataFrame([_cell_row(record, of_runs, *place) for place in record.shown.values()])


def _cell_row(
    record: SweepRecord, of_runs: "pd.Series[float]", condition: Condition, method: str
) -> dict[str, object]:
    row: dict[str, object] = {**condition.columns, "method": method}
    if given := record.allotted.get(record.cell(condition, method)):
        row |= {"step_passes": given.cost.step, "trial_cost": given.relative}
    for stage, name in (("search", "trial"), ("confirm", "run")):
        runs = trials_of(record, stage, condition, method)
        seconds = of_runs[runs.index]
        ended = runs["state"].isin(("complete", "pruned", "failed")) & seconds.notna()
        row |= {
            f"{name}s": int(ended.sum()),
            f"{name}_device_s": float(seconds[ended].mean()),
            f"{name}_epochs": float(runs["epochs_trained"][ended].astype(float).mean()),
        }
    return {**row, "device": record.device}


def unlike_costs(record: SweepRecord) -> str:
    """The device time of a confirm run of each row, in a sentence; empty where rows are alike."""
    means = cost_table(record).groupby("method", sort=False)["run_device_s"].mean().dropna()
    if means.empty or means.max() < LEAST_S or means.max() <= UNLIKE * means.min():
        return ""
    rows = [f"{method} {_in_words(means[method])}" for method in record.methods if method in means]
    return f"Rows took unlike time, in {record.device} seconds of a confirm run: {listed(rows)}."


def equal_compute(record: SweepRecord) -> str:
    """That budgets are equal in compute, and what each row has of it, in a sentence; empty where
    they are equal in trials."""
    if not record.allotted:
        return ""
    told: dict[str, list[str]] = {method: [] for method in record.methods}
    for cell, (_, method) in record.shown.items():
        if given := record.allotted.get(cell):
            told[method].append(in_words(given.trials, given.cost.step, given.relative))
    rows = [f"{method} {ranges(words)}" for method, words in told.items() if words]
    return (
        "Search budgets are equal in compute, not in trials, counted in forward passes (a backward"
        f" pass as two) from sizes of networks and inputs: {'; '.join(rows)}."
    )


def in_words(trials: int, step: float, relative: float) -> str:
    """What a row was given: "17 trials of 4.2 passes a step, 1.4 times a baseline's trial"."""
    times = "" if math.isclose(relative, 1) else f", {relative:.4g} times a baseline's trial"
    return f"{f'{trials} trials of' if trials else 'no search,'} {step:.4g} passes a step{times}"


def _in_words(seconds: float) -> str:
    """To two digits, or the second."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
