"""Confirm runs of a sweep trained again in this process, for what they did not keep.

A confirm run is deterministic: it gives the same again, bit for bit, on the same kind of machine
and with the same versions.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.compare.confirm_runs import ConfirmRun
from sweep.errors import SweepFailed
from sweep.foreground import Teachers, compute_as_workers_do, go_on
from sweep.inputs import load_data, load_given, refuse_missing_data
from sweep.places import Places
from sweep.plan.content import fingerprints
from sweep.plan.plan import Plan
from sweep.plan.student_description import describe_student
from sweep.plan.tasks import NO_TRIAL, confirm_cohort
from sweep.spec.code_needed import check_code_is_allowed
from sweep.training import train
from trainers.data.dataset import Dataset
from trainers.loading import content_key
from trainers.student_files import write_student
from trainers.task import GivenTeacher

if TYPE_CHECKING:
    from sweep.adapters.mlflow.store import MlflowStore

# Told what takes its time, a line each.
Tell = Callable[[str], None]


@dataclass(frozen=True)
class Again:
    """What it takes to train confirm runs of a sweep again."""

    plan: Plan
    datasets: Mapping[str, Dataset]
    given: Mapping[str, GivenTeacher]
    places: Places
    tell: Tell

    @staticmethod
    def of(
        name: str, store: "MlflowStore", places: Places, tell: Tell, allow_code: bool
    ) -> "Again":
        """With a sweep's data; BadInput where it is not here, or holds something else now."""
        spec = store.spec(name)
        check_code_is_allowed(spec, allow_code)
        plan = Plan(spec)
        refuse_missing_data(plan)
        datasets = load_data(plan)
        in_keys = store.content(Plan(spec, fingerprints(spec, datasets))).in_keys
        compute_as_workers_do(spec)
        given = load_given(plan, datasets)
        return Again(Plan(spec, in_keys), datasets, given, places, tell)

    def train(self, run: ConfirmRun, place: Path) -> Path:
        """Train it and write its student; SweepFailed where it leaves none."""
        cell = self.plan.cell(run.cell)
        search = next(s for s in self.plan.searches_of(cell) if run.seed in s.confirmed)
        task = confirm_cohort(self.plan, search, NO_TRIAL, run.values, (run.seed,))
        dataset = self.datasets[content_key(task.data)]
        teachers = Teachers(dataset, self.places.teachers, self.given)
        for job in dict.fromkeys(self.plan.jobs_of(cell, run.seed)):
            if not teachers.take(job):
                self.tell(f"{run.cell} seed {run.seed}: training its {job.role} {job.key} again")
                teachers.train(job)
        outcomes, _ = train(task, dataset, teachers.outputs, go_on, teachers.weights)
        if not outcomes:
            raise SweepFailed(f"{run.cell} seed {run.seed}: could not be trained to its end again")
        (outcome,) = outcomes.values()
        metric = f"test_{self.plan.spec.tested_metric.name}"
        if (now := outcome.test.get(metric)) != run.test:
            self.tell(
                f"{run.cell} seed {run.seed}: {metric} {now} now and {run.test} on record: not the "
                "same bits, as on another kind of processor or with other versions"
            )
        assert outcome.student is not None
        place.mkdir()
        description = describe_student(self.plan, task, task.lanes[0], outcome)
        write_student(place, outcome.student.weights, description)
        return place
