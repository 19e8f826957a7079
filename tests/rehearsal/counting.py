"""Counts what the sweep has in both stores, as JSON; run where the head's environment is."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from typing import Any

import optuna
from mlflow import MlflowClient
from optuna.storages import RDBStorage

from sweep.secrets import optuna_url, take_up_files
from tests.faults.launcher import left_in


def counted() -> dict[str, Any]:
    """Runs by status, trials by state, and the counts of `tests.faults.launcher.Left`."""
    take_up_files()
    client, storage = MlflowClient(), RDBStorage(str(optuna_url()))
    experiment = client.get_experiment_by_name("faults")
    runs = client.search_runs([experiment.experiment_id], max_results=10_000)
    trials = [
        trial.state.name
        for study in optuna.get_all_study_names(storage)
        for trial in optuna.load_study(study_name=study, storage=storage).trials
    ]
    return {
        "runs": Counter(run.info.status for run in runs),
        "trials": Counter(trials),
        "left": asdict(left_in(client, storage)),
    }


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    sys.stdout.write(json.dumps(counted()))
