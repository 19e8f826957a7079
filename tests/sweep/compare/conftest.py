"""A small sweep, made up from a seeded generator."""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from search_spaces.domains import Float
from sweep.compare.curves import Histories
from sweep.compare.records import SweepRecord, trial_columns
from sweep.plan.plan import Condition

MakeRecord = Callable[..., SweepRecord]

CONDITIONS = tuple(Condition("symmetric", rate, "noisy") for rate in (0.0, 0.4, 0.6))
# Accuracy gained over the baseline at each noise rate, in percentage points.
WEIGHTS = ("lambda_auroc", "lambda_label_clean", "lambda_label_corrupted", "lambda_teacher")
SPACE = {"lr": Float(0.01, 1.0, log=True), "tau": Float(1.0, 8.0)}
GAINS: Mapping[str, tuple[float, ...]] = {
    "fixed_kd": (0.0, 0.0, 0.0),
    "alm_kd": (0.0, 2.0, 4.0),
    "cross_entropy": (-0.5, -3.0, -8.0),
}


def _row(record: Mapping[str, Any], condition: Condition, method: str) -> dict[str, Any]:
    return {
        "sweep": record["name"],
        "cell": f"{condition}/{method}",
        "method": method,
        "noise_kind": condition.noise_kind,
        "noise_rate": condition.noise_rate,
        "teacher_labels": condition.teacher_labels,
        "trial": pd.NA,
        "stream": pd.NA,
        "train_examples": 808,
        "steps_per_epoch": 13,
        "state": "complete",
        "reason": None,
        "best_epoch": 5,
        "epochs_trained": 10,
        "started": 1.7e9,
        "wall_s": 1.5,
        "cohort": f"{method}/{condition.noise_rate}",
        "params": json.dumps({"lr": 0.1, "tau": 4.0}, sort_keys=True),
    }


def _trials(fields: Mapping[str, Any], values: Callable[[int, str, int], float]) -> pd.DataFrame:
    """Four search trials (one pruned, one failed) and one confirm run per seed in each cell."""
    metric = fields["metric"]
    rows = []
    for position, condition in enumerate(fields["conditions"]):
        for method in fields["methods"]:
            base = _row(fields, condition, method)
            for trial, state in enumerate(["complete", "pruned", "complete", "failed"]):
                rows.append(
                    base
                    | {"stage": "search", "trial": trial, "seed": trial, "state": state}
                    | {f"validation_{metric}": 80.0 + trial, f"test_{metric}": np.nan}
                    | {"epochs_trained": 3 if state == "pruned" else 10}
                )
            for seed in fields["confirm_seeds"]:
                value = values(position, method, seed)
                rows.append(
                    base
                    | {"stage": "confirm", "seed": seed}
                    | {f"validation_{metric}": value + 0.5, f"test_{metric}": value}
                )
    frame = pd.DataFrame(rows)
    frame["run_id"] = [f"run{number:04d}" for number in range(len(frame))]
    whole = ("trial", "stream", "train_examples", "steps_per_epoch")
    return frame.astype(dict.fromkeys(whole, "Int64"))[list(trial_columns(metric, metric))]


def _seeded_values(gains: Mapping[str, tuple[float, ...]]) -> Callable[[int, str, int], float]:
    """A value per (condition, method, seed), none of which depends on another method's."""

    def value(condition: int, method: str, seed: int) -> float:
        shared = np.random.default_rng([condition, seed]).normal(0.0, 0.4)
        own = np.random.default_rng([condition, seed, *method.encode()]).normal(0.0, 0.2)
        return float(96.0 - 10.0 * condition + gains[method][condition] + shared + own)

    return value


@pytest.fixture(scope="session")
def make_record() -> MakeRecord:
    """Builds a record; `values(condition, method, seed)` and any field may be given."""

    def build(
        values: Callable[[int, str, int], float] | None = None,
        drop: Callable[[pd.DataFrame], pd.DataFrame] | None = None,
        **changes: Any,
    ) -> SweepRecord:
        fields: dict[str, Any] = {
            "name": "digits-noise",
            "dataset": "digits",
            "metric": "accuracy",
            "unit": "percent",
            "direction": "maximize",
            "methods": ("fixed_kd", "alm_kd"),
            "baselines": ("fixed_kd",),
            "conditions": CONDITIONS,
            "confirm_seeds": tuple(range(8)),
        } | changes
        fields.setdefault("curve_metrics", (*WEIGHTS, f"validation_{fields['metric']}"))
        fields.setdefault("spaces", {method: SPACE for method in fields["methods"]})
        fields.setdefault("planned_trials", {method: 4 for method in fields["methods"]})
        trials = _trials(fields, values or _seeded_values(GAINS))
        return SweepRecord(**fields, trials=drop(trials) if drop else trials)

    return build


@pytest.fixture(scope="session")
def record(make_record: MakeRecord) -> SweepRecord:
    """Two methods, three noise rates, eight seeds; alm_kd is ahead at 40 % and 60 %."""
    return make_record()


class RisingHistories:
    """Every epoch of a run gains one point; what alm_kd weighs moves apart, with no corrupted
    example at rate zero."""

    def __init__(self, record: SweepRecord) -> None:
        self._trials = record.trials.set_index("run_id")
        self.asked: list[int] = []

    def read(self, run_ids: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
        self.asked.append(len(run_ids))
        rows = [
            {"run_id": run_id, "epoch": epoch, **self._values(run_id, epoch, metrics)}
            for run_id in sorted(run_ids)
            for epoch in range(1, int(self._trials.loc[run_id, "epochs_trained"]) + 1)
        ]
        return pd.DataFrame(rows, columns=["run_id", "epoch", *metrics])

    def _values(self, run_id: str, epoch: int, metrics: Sequence[str]) -> dict[str, float]:
        run = self._trials.loc[run_id]
        known = {name: 80.0 + epoch for name in metrics if name.startswith("validation_")}
        if run["method"] == "alm_kd":
            known |= {"lambda_label_clean": 0.5 + epoch / 20, "lambda_teacher": 0.9}
            if run["noise_rate"] > 0.0:
                known |= {"lambda_label_corrupted": 0.1, "lambda_auroc": 0.5 + epoch / 30}
        return known


@pytest.fixture(scope="session")
def make_histories() -> Callable[[SweepRecord], Histories]:
    """Curves of a record's runs."""
    return RisingHistories
