"""Every run of a sweep in MLflow: what the referee tells of it, as plain records for the writer."""

import hashlib
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.adapters.mlflow.data import fields_of
from sweep.adapters.mlflow.known import EPOCHS, SEARCH_END, STATUS, TRAINED_FROM, SweepRuns
from sweep.adapters.mlflow.recovery import Recovered
from sweep.adapters.mlflow.run_files import write_run_files
from sweep.adapters.mlflow.source import source_tags
from sweep.adapters.mlflow.spool import Record, Spool
from sweep.adapters.mlflow.writer import Writer
from sweep.plan.plan import Plan, spec_hash
from sweep.plan.run_settings import run_settings
from sweep.plan.search_end import SearchEnd, from_text
from sweep.plan.student_description import describe_student
from sweep.plan.tasks import CohortTask, LaneOutcome, LaneTask
from sweep.referee.states import ENDED, State
from sweep.referee.stores import EndedRun, Metrics, PastTrial
from sweep.version import code_version
from trainers.loading import content_key


class MlflowTracker:
    """Writes the runs of one sweep; `sweep.referee.stores.Tracker`."""

    def __init__(self, plan: Plan, runs: SweepRuns, spool: Path) -> None:
        """Carries out what an earlier process left in the spool first."""
        self._plan = plan
        self._common = {
            "sweep": plan.spec.name,
            "spec_hash": spec_hash(plan.spec),
            "code_version": code_version(),
            MLFLOW_PARENT_RUN_ID: runs.parent_id,
            **source_tags(plan.spec.name),
        }
        self._data = {key: fields_of(data) for key, data in runs.data.items()}
        # Files on their way to the store, until it has them.
        self._outbox = spool.with_name("outbox")
        kept = Spool(spool)
        self._writer = Writer(runs, kept, plan.spec.resources.store_patience_s)
        self._ended = {
            key: EndedRun(run.state, run.best)
            for key, run in runs.children.items()
            if run.state in ENDED
        }
        # When processes began to train runs of which the store does not know that yet, by key; and
        # the runs of which it does, or an earlier launch has trained some of.
        self._begun: dict[str, int] = {}
        self._trained = {key for key, run in runs.children.items() if run.epochs}
        self.search_end = runs.search_end
        best = f"best_validation_{plan.spec.objective.metric}"
        for record in kept.left_over:
            if record["do"] == "attach":
                # The directory may have been moved since.
                record["files"] = [str(self._outbox.joinpath(*Path(file).parts[-2:]))
                                   for file in record["files"]]  # fmt: skip
            self._writer.take(record)
            if record["do"] == "note":
                end = from_text(record["tags"][SEARCH_END])
                self.search_end = end if end.holds_for(plan.spec) else None
            if record["do"] == "close" and record["tags"]["state"] in ENDED:
                over = EndedRun(record["tags"]["state"], record["row"].get(best))
                self._ended[record["key"]] = over
        for key, run in runs.children.items():
            if run.state == "running" and key not in self._ended:
                # Left by a process that was killed; running again once it is handed out.
                self.close(key, "interrupted", {})

    def ended(self) -> Mapping[str, EndedRun]:
        """The runs whose end is in the store, or on its way there, by key."""
        return dict(self._ended)

    def open(self, task: CohortTask) -> None:
        """Runs that start, or are taken up again."""
        self._writer.keep([self._opening(task, lane) for lane in task.lanes])

    def begin(self, keys: Iterable[str]) -> None:
        """Runs that a process trains from now on, which is written with what it reports first."""
        for key in keys:
            if key not in self._trained:
                self._begun.setdefault(key, _now())

    def reuse(self, task: CohortTask, metrics: Metrics) -> None:
        """Runs whose result was at hand before the sweep began, with what is known of it."""
        for lane in task.lanes:
            if lane.key not in self._ended:
                self._writer.keep([self._opening(task, lane)])
                self.close(lane.key, "complete", metrics, reason="at hand, trained before")

    def recover(self, task: CohortTask, trials: Mapping[str, PastTrial]) -> None:
        """Runs that ended before, as their study knows them: of curves the objective alone."""
        for lane in task.lanes:
            recovered = Recovered(self._plan, lane.key, trials[lane.key])
            self._writer.keep(recovered.records(self._opening(task, lane)))
            self._ended[lane.key] = recovered.end

    def end_searches(self, end: SearchEnd) -> None:
        """Searches that end before their trials are over."""
        self._writer.keep([{"do": "note", "tags": {SEARCH_END: end.as_text()}}])

    def log(self, epoch: int, rows: Mapping[str, Metrics]) -> None:
        """Metrics of an epoch, by key; those that an earlier try of a run wrote are left out."""
        epochs, at = {EPOCHS: epoch}, _now()
        self._writer.keep(
            [
                {
                    "do": "log",
                    "key": key,
                    "epoch": epoch,
                    "row": {**row, **epochs},
                    "at": at,
                    "tags": self._trained_from(key),
                }
                for key, row in rows.items()
            ]
        )

    def attach(self, task: CohortTask, key: str, outcome: LaneOutcome) -> None:
        """What a confirm run leaves beside its metrics, as files among its artifacts."""
        place = self._outbox / hashlib.sha256(key.encode()).hexdigest()[:16]
        description = None
        if self._plan.spec.confirm.keeps_students:
            lane = next(lane for lane in task.lanes if lane.key == key)
            description = describe_student(self._plan, task, lane, outcome)
        files = [str(path) for path in write_run_files(place, outcome, description)]
        self._writer.keep([{"do": "attach", "key": key, "files": files, "root": str(place)}])

    def close(self, key: str, state: State, metrics: Metrics, reason: str = "") -> None:
        """A run that ends, with its last metrics and its true state."""
        tags: dict[str, str] = {**self._trained_from(key), "state": state}
        if reason:
            tags["reason"] = reason
        if state == "pruned":
            tags["pruned"] = "true"
        if state in ENDED:
            self._trained.discard(key)
        row = {k: v for k, v in metrics.items() if k != EPOCHS}
        self._writer.keep(
            [{"do": "close", "key": key, "row": row, "tags": tags, "status": STATUS[state],
              "at": _now()}]
        )  # fmt: skip

    def check(self) -> None:
        """SweepFailed if the store has not answered for too long, or refused a write."""
        self._writer.check()

    def flush(self) -> None:
        """Wait until everything is written; SweepFailed if it cannot be."""
        self._writer.flush()

    @property
    def busy_s(self) -> float:
        """Seconds that the writer has spent on the store."""
        return self._writer.busy_s

    def _trained_from(self, key: str) -> dict[str, str]:
        """The tag that tells it, once."""
        self._trained.add(key)
        return {TRAINED_FROM: str(self._begun.pop(key))} if key in self._begun else {}

    def _opening(self, task: CohortTask, lane: LaneTask) -> Record:
        values = {**run_settings(self._plan, task, lane), **lane.lane.hyperparameters}
        data = self._data.get(content_key(task.data))
        return {
            "do": "open",
            "key": lane.key,
            **({"data": data} if data else {}),
            "tags": {**self._common, **self._tags(task, lane)},
            "params": {name: str(value) for name, value in values.items()},
            "at": _now(),
        }

    def _tags(self, task: CohortTask, lane: LaneTask) -> dict[str, str]:
        labels = lane.source.labels
        tags = {
            "key": lane.key,
            "stage": task.stage,
            "state": "running",
            "cohort": task.id,
            "seed": str(lane.source.seed),
            "noise_kind": labels.noise_kind,
            "noise_rate": repr(labels.noise_rate),
            # No row has a name with a space in it.
            "method": "warm start" if task.is_of_starts else "teacher",
        }
        if lane.search:
            cell = self._plan.search(lane.search).cell
            tags["cell"] = cell.id
            tags["method"] = cell.use.label
            tags["teacher_labels"] = cell.condition.teacher_labels
        match task.stage, lane.key.split("/"):
            case "search", [*_, number]:
                tags["trial"] = number
            case "shortlist", [*_, number, stream]:
                tags |= {"trial": number, "stream": stream}
        return tags


def _now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000
