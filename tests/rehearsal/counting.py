"""Counts what a sweep has in both stores, as JSON: `counting [NAME TEACHERS]`.

Run where the head's environment is. NAME: by default that of `tests.faults.launcher`. TEACHERS: how
many networks of their own it trains to teach.
"""

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

import optuna
from mlflow import MlflowClient
from optuna.storages import RDBStorage

from sweep.secrets import optuna_url, take_up_files
from tests.faults.launcher import PLANNED_TEACHERS, SWEEP, left_in


def counted(name: str = SWEEP, teachers: int = PLANNED_TEACHERS) -> dict[str, Any]:
    """Runs by status, trials by state, and the counts of `tests.faults.launcher.Left`."""
    take_up_files()
    client, storage = MlflowClient(), RDBStorage(str(optuna_url()))
    experiment = client.get_experiment_by_name(name)
    runs = client.search_runs([experiment.experiment_id], max_results=10_000)
    trials = [
        trial.state.name
        for study in optuna.get_all_study_names(storage)
        if study.partition("/")[0] == name
        for trial in optuna.load_study(study_name=study, storage=storage).trials
    ]
    return {
        "runs": Counter(run.info.status for run in runs),
        "trials": Counter(trials),
        "left": asdict(left_in(client, storage, teachers, name)),
    }


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    match sys.argv[1:]:
        case [name, teachers]:
            found = counted(name, int(teachers))
        case _:
            found = counted()
    sys.stdout.write(json.dumps(found))
