"""Cohorts on Ray Tune: the referee as an actor, a searcher that asks it, a trainable that trains.

A cohort is one Tune trial. Tune starts it where there is room and keeps its process for the next
one (actor reuse); what it trains, which lanes go on and what is written down is the referee's.
Ray's own pickled experiment state is not read again.
"""

import logging
import os
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")

import numpy as np
import ray
from numpy.typing import NDArray
from ray import tune
from ray.tune.search import Searcher

from sweep.adapters.mlflow_tracking import MlflowTracker, SweepRuns
from sweep.adapters.optuna_studies import OptunaStudies
from sweep.adapters.teacher_shelf import TeacherShelf
from sweep.plan import Plan
from sweep.referee import Progress, Referee
from sweep.spec import SweepSpec
from sweep.tasks import CohortTask, LaneOutcome
from trainers.data.datasets import Dataset

ALL_DONE = "done"
WAIT = "wait"
# How much of a traceback is kept as the reason of a failure, in characters.
REASON_LENGTH = 2000


@dataclass(frozen=True)
class Stores:
    """Where a sweep is written: MLflow's runs, Optuna's journal or URL, the teachers' directory."""

    runs: SweepRuns
    optuna: str
    teachers: Path


@dataclass(frozen=True)
class Handout:
    """What a cohort needs: its task, and references to the data and the teachers' logits."""

    task: CohortTask
    dataset: list[Any]
    logits: Mapping[str, Any]


class RefereeActor:
    """The referee in a process of its own, with the stores it writes to and the shared arrays."""

    def __init__(self, spec: SweepSpec, stores: Stores, dataset: list[Any]) -> None:
        plan = Plan(spec)
        self._dataset = dataset
        self._shelf = TeacherShelf(stores.teachers)
        kept = self._shelf.logits(job.key for job in plan.teachers)
        self._logits = {key: ray.put(array) for key, array in kept.items()}
        self._tracker = MlflowTracker(plan, stores.runs)
        confirmed = [key for key, run in stores.runs.children.items() if run.state == "complete"]
        self._referee = Referee(
            plan, OptunaStudies(plan, stores.optuna), self._tracker, kept, confirmed
        )
        self._tasks: dict[str, CohortTask] = {}

    def next_cohort(self) -> str:
        """The id of a cohort to train, or `WAIT` or `ALL_DONE`."""
        task = self._referee.next_cohort()
        if isinstance(task, str):
            return task
        self._tasks[task.id] = task
        return task.id

    def fetch(self, cohort: str) -> Handout:
        """The task of that id with what it trains on."""
        task = self._tasks[cohort]
        return Handout(task, self._dataset, {key: self._logits[key] for key in task.teachers})

    def report(
        self, cohort: str, epoch: int, keys: Sequence[str], rows: Sequence[Mapping[str, float]]
    ) -> list[bool]:
        return self._referee.report(cohort, epoch, keys, rows)

    def finish(
        self,
        cohort: str,
        outcomes: Mapping[str, LaneOutcome],
        teachers: Mapping[str, tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]],
    ) -> None:
        """A cohort's results; the arrays of teachers are shelved before they count as there."""
        for key, (logits, parameters) in teachers.items():
            self._shelf.put(key, logits, parameters)
            self._logits[key] = ray.put(logits)
        self._referee.finish(cohort, outcomes, teachers)

    def failed(self, cohort: str, reason: str) -> None:
        self._referee.failed(cohort, reason)

    def lost(self, cohort: str) -> None:
        self._referee.lost(cohort)

    def progress(self) -> Progress:
        return self._referee.progress()

    def close(self, interrupted: bool) -> Progress:
        """Write down everything; what is in flight is marked as interrupted."""
        if interrupted:
            self._referee.interrupt()
        self._tracker.flush()
        return self._referee.progress()


class RefereeSearcher(Searcher):
    """Tune's source of trials: whatever cohort the referee names next."""

    def __init__(self, referee: Any) -> None:
        super().__init__(metric="lanes", mode="max")
        self._referee = referee
        self._cohorts: dict[str, str] = {}

    def suggest(self, trial_id: str) -> Any:
        """A cohort's id as Tune's configuration, None to be asked again, or Tune's end mark."""
        cohort = ray.get(self._referee.next_cohort.remote())
        if cohort == ALL_DONE:
            return Searcher.FINISHED
        if cohort == WAIT:
            return None
        self._cohorts[trial_id] = cohort
        return {"cohort": cohort}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        cohort = self._cohorts.pop(trial_id)
        if error:
            ray.get(self._referee.lost.remote(cohort))

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the referee's stores hold the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as `save`."""


class CohortTrainable(tune.Trainable):
    """Trains one cohort in one step; the process then serves the next cohort."""

    def setup(self, config: dict[str, str], referee: Any = None, threads: int = 1) -> None:
        import torch

        torch.set_num_threads(threads)
        self._referee = referee
        self._cohort = config["cohort"]

    def reset_config(self, new_config: dict[str, str]) -> bool:
        self._cohort = new_config["cohort"]
        return True

    def step(self) -> dict[str, Any]:
        from sweep.training import train

        cohort, referee = self._cohort, self._referee
        handout: Handout = ray.get(referee.fetch.remote(cohort))
        lanes = len(handout.task.lanes)

        def report(
            epoch: int, keys: Sequence[str], rows: Sequence[Mapping[str, float]]
        ) -> list[bool]:
            go_on: list[bool] = ray.get(referee.report.remote(cohort, epoch, keys, rows))
            return go_on

        try:
            dataset: Dataset = ray.get(handout.dataset[0])
            logits = {key: ray.get(ref) for key, ref in handout.logits.items()}
            outcomes, teachers = train(handout.task, dataset, logits, report)
        except Exception:  # noqa: BLE001 - whatever it raised is the reason on record
            ray.get(referee.failed.remote(cohort, traceback.format_exc()[-REASON_LENGTH:]))
            return {"done": True, "lanes": lanes}
        arrays = {
            key: (t.logits, {name: p.numpy() for name, p in t.parameters.items()})
            for key, t in teachers.items()
        }
        ray.get(referee.finish.remote(cohort, outcomes, arrays))
        return {"done": True, "lanes": lanes}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: a cohort that is broken off is trained again."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as `save_checkpoint`."""


@contextmanager
def ray_session(address: str | None) -> Iterator[None]:
    """Ray, started here or joined at ``address``, and left again."""
    ray.init(
        address=address,
        include_dashboard=False if address is None else None,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        yield
    finally:
        ray.shutdown()


def train_everything(
    spec: SweepSpec,
    stores: Stores,
    dataset: Dataset,
    watch: Callable[[Callable[[], Progress], threading.Event], None],
) -> Progress:
    """Run every stage but compare, in a Ray session; ``watch`` shows the progress in a thread.

    Raises KeyboardInterrupt after everything in flight has been written down as interrupted.
    """
    actor = ray.remote(RefereeActor).options(num_cpus=0, max_restarts=0)
    referee: Any = actor.remote(spec, stores, [ray.put(dataset)])
    ended = threading.Event()
    screen = threading.Thread(
        target=watch, args=(lambda: ray.get(referee.progress.remote()), ended), daemon=True
    )
    try:
        ray.get(referee.progress.remote())
        screen.start()
        _run_tune(spec, referee)
        closed: Progress = ray.get(referee.close.remote(interrupted=False))
        return closed
    except KeyboardInterrupt:
        ray.get(referee.close.remote(interrupted=True))
        raise
    finally:
        ended.set()
        if screen.ident is not None:
            screen.join()


def _run_tune(spec: SweepSpec, referee: Any) -> None:
    resources = spec.resources
    threads = max(1, int(resources.cpus))
    trainable = tune.with_resources(
        tune.with_parameters(CohortTrainable, referee=referee, threads=threads),
        {"cpu": resources.cpus, "gpu": resources.gpus},
    )
    with tempfile.TemporaryDirectory(prefix="almkd-") as scratch:
        tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                search_alg=RefereeSearcher(referee), num_samples=-1, reuse_actors=True
            ),
            run_config=tune.RunConfig(name=spec.name, storage_path=scratch, verbose=0),
        ).fit()
