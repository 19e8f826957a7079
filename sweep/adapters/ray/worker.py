"""What a worker process runs on Ray Tune: one cohort a trial.

It loads what trains and nothing of the stores, which keeps the start of a worker short.
"""

import os
import traceback
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import ray
from ray import cloudpickle, tune
from ray.exceptions import RayError

from sweep.adapters.ray.dispatch import Dispatch, Worker
from sweep.garbage_collection import loading
from sweep.referee.reports import Reported, Reports
from trainers.data.dataset import Dataset

# How much of a traceback is kept as the reason of a failure, in characters.
REASON_LENGTH = 2000


def _me() -> Worker:
    context = ray.get_runtime_context()
    actor = cloudpickle.dumps(context.current_actor)  # type: ignore[no-untyped-call]
    return Worker(actor, context.get_node_id(), os.getpid())


class CohortTrainable(tune.Trainable):
    """Trains one cohort in one step; the process then serves the next cohort."""

    def setup(self, config: dict[str, str], referee: Any = None, threads: int = 1) -> None:
        with loading():
            import torch

            import sweep.training  # noqa: F401

        torch.set_num_threads(threads)
        self._referee = referee
        self._cohort = config["cohort"]

    def reset_config(self, new_config: dict[str, str]) -> bool:
        self._cohort = new_config["cohort"]
        return True

    def step(self) -> dict[str, Any]:
        from sweep.training import Checkpoints, take_given, train
        from trainers.loop.stopwatch import Stopwatch

        stopwatch = Stopwatch()
        cohort, referee = self._cohort, self._referee
        dispatch: Dispatch = ray.get(referee.fetch.remote(cohort, _me()))
        lanes = len(dispatch.task.lanes)

        def send(reported: list[Reported]) -> Future[Sequence[bool]]:
            answer: Future[Sequence[bool]] = referee.report.remote(cohort, reported).future()
            return answer

        reports = Reports(dispatch.task.spec.training.all_epochs, dispatch.judged_from, send)

        def save(lanes: Sequence[str], epoch: int, state: bytes) -> None:
            reports.flush()
            ray.get(referee.save.remote(cohort, lanes, epoch, state))

        try:
            checkpoints = Checkpoints(dispatch.checkpoint, save, dispatch.save_every_s)
            dataset: Dataset = ray.get(dispatch.dataset[0])
            kept = {key: ray.get(ref) for key, ref in dispatch.outputs.items()}
            weights = {key: ray.get(ref) for key, ref in dispatch.weights.items()}
            given = [ray.get(ref) for ref in dispatch.given]
            stopwatch.lap("waiting")
            if given:
                outcomes, teachers = take_given(dispatch.task, dataset, given[0])
                stopwatch.lap("evaluation")
            else:
                outcomes, teachers = train(
                    dispatch.task, dataset, kept, reports.report, weights, checkpoints, stopwatch
                )
        except RayError:
            # The referee, or what it holds, cannot be reached: no fault of what is trained. Tune
            # takes this process for lost, and the cohort goes to another.
            raise
        except Exception:  # noqa: BLE001 - whatever it raised is the reason on record
            reports.flush()
            ray.get(referee.failed.remote(cohort, traceback.format_exc()[-REASON_LENGTH:]))
            return {"done": True, "lanes": lanes}
        arrays = {
            key: (t.outputs, {name: p.numpy() for name, p in t.parameters.items()})
            for key, t in teachers.items()
        }
        ray.get(referee.finish.remote(cohort, outcomes, arrays, stopwatch.seconds))
        return {"done": True, "lanes": lanes}

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Nothing: the referee keeps the state of cohorts."""

    def load_checkpoint(self, checkpoint: Any) -> None:
        """Nothing, as `save_checkpoint`."""
