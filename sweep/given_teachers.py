"""Teachers that are given, read from their files by the process that launches, before anything is
started."""

from collections.abc import Mapping

from sweep.carried_files import place_of
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.plan.teacher_jobs import TeacherJob
from trainers.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.given_teachers import given_outputs, given_weights
from trainers.loading import content_key
from trainers.task import GivenTeacher


def read_given(plan: Plan, datasets: Mapping[str, Dataset]) -> dict[str, GivenTeacher]:
    """All that a sweep's rows hear, by `TeacherJob.given`; BadInput where one cannot be used."""
    jobs = {job.given: job for job in plan.teachers if job.given}
    return {name: _read(job, datasets) for name, job in jobs.items()}


def _read(job: TeacherJob, datasets: Mapping[str, Dataset]) -> GivenTeacher:
    data, place = job.spec.data_settings(), place_of(str(job.network.given))
    dataset = datasets[content_key(data)]
    try:
        if job.network.logits:
            return given_outputs(place, dataset, data)
        return given_weights(place, job.network.network, dataset, data)
    except DataError as error:
        raise BadInput(f"{job.spec.name}: teacher.{job.network.given_as}: {error}") from None
