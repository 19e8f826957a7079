"""How much each hyperparameter mattered in each cell, by Optuna's evaluator, from the record.

The studies are built anew in memory from a record's trials, so that no more than the tracking store
is needed.
"""

import json

import optuna
import pandas as pd
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import TrialState, create_trial

from sweep.adapters.optuna.rules import to_distributions
from sweep.compare.comparison import cell_rng
from sweep.compare.notation import condition_title
from sweep.compare.records import SweepRecord, completed, trials_of
from sweep.plan.plan import Condition

COLUMNS = ("method", "condition", "hyperparameter", "importance", "n_trials")
FEWEST_TRIALS = 6  # complete ones; below, a forest tells the noise of its trees
# Optuna grows 64 trees; the shares of half of them differ by hundredths. The time of each grows
# with the square of the trials, so that beyond a hundred of these fewer are grown, from more data
# each.
MOST_TREES, FEWEST_TREES = 32, 8
TREES_TIMES_TRIALS = 3200


def importances(record: SweepRecord, seed: int) -> pd.DataFrame:
    """One row per cell and hyperparameter; importances of a cell add up to one.

    Cells with one hyperparameter, few complete trials or nothing but ties are left out. Pruned
    trials are not counted: they have no value of the same epoch.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    rows = [
        row
        for condition in record.conditions
        for method in record.methods
        for row in _of_cell(record, condition, method, seed)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _of_cell(
    record: SweepRecord, condition: Condition, method: str, seed: int
) -> list[tuple[str, str, str, float, int]]:
    space = to_distributions(record.spaces.get(method, {}))
    column = record.validation_column
    done = completed(trials_of(record, "search", condition, method), column)
    if len(space) < 2 or len(done) < FEWEST_TRIALS or done[column].nunique() < 2:
        return []
    study = optuna.create_study(direction=record.objective.direction)
    for row in done.sort_values("trial").to_dict("records"):
        given = json.loads(row["params"])
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE,
                params={name: given[name] for name in space},
                distributions=space,
                value=float(row[column]),
            )
        )
    draw = cell_rng(seed, record.name, str(condition), method, "importance")
    trees = max(FEWEST_TREES, min(MOST_TREES, TREES_TIMES_TRIALS // len(done)))
    evaluator = FanovaImportanceEvaluator(n_trees=trees, seed=int(draw.integers(2**31)))
    shares = get_param_importances(study, evaluator=evaluator)
    return [
        (method, condition_title(condition, record.conditions), name, float(share), len(done))
        for name, share in shares.items()
    ]
