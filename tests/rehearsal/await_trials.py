"""Waits until so many trials of a search have ended: `await_trials COUNT`; prints how many have.

Run where the head's environment is. It asks the studies, which know at once; the tracking server is
told seconds later, when on a fast machine a small search may be over.
"""

import sys
import time

import optuna
from optuna.storages import RDBStorage
from optuna.trial import TrialState

from sweep.secrets import optuna_url, take_up_files

LOOK_EVERY_S = 0.05
WAITS_AT_MOST_S = 300.0
ENDS = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)


def main() -> None:
    """Exit code 1 if it takes too long."""
    count = int(sys.argv[1])
    take_up_files()
    storage = RDBStorage(str(optuna_url()))
    deadline = time.monotonic() + WAITS_AT_MOST_S
    while (seen := _ended(storage)) < count:
        if time.monotonic() > deadline:
            sys.exit(f"only {seen} of {count} trials have ended")
        time.sleep(LOOK_EVERY_S)
    sys.stdout.write(f"{seen}\n")


def _ended(storage: RDBStorage) -> int:
    studies = storage.get_all_studies()
    return sum(storage.get_n_trials(study._study_id, ENDS) for study in studies)


if __name__ == "__main__":
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    main()
