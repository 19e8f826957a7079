"""One look at a sweep: in the tracking store, and on the cluster, if one is named."""

import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.commands.options import cluster, needs_cluster_packages, places
from sweep.errors import BadInput

if TYPE_CHECKING:
    from rich.console import RenderableType

    from sweep.adapters.mlflow.store import MlflowStore
    from sweep.adapters.ray.jobs import Job, Jobs
    from sweep.status.progress import SweepProgress

# MLflow by itself tries for minutes, which is for who writes, not for who waits at a screen.
IMPATIENT = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "30"}


@dataclass(frozen=True)
class Seen:
    """A sweep at one moment: in the store, if it is there, and on the cluster, if one is named."""

    address: str | None
    progress: "SweepProgress | None"
    job: "Job | None"
    away: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nobody is at it any more, as far as can be told."""
        if self.away:
            return False
        if self.job is not None:
            return self.job.is_over
        return self.progress is None or self.progress.state != "running"

    @property
    def has_failed(self) -> bool:
        """Whether it ended otherwise than by its end or by who stopped it."""
        if self.job is not None and self.job.state == "failed":
            return True
        return self.progress is not None and self.progress.state in ("failed", "stopped")

    @property
    def ended_as(self) -> str:
        """In a word: failed or stopped."""
        job_failed = self.job is not None and self.job.state == "failed"
        return "failed" if job_failed or self.progress is None else self.progress.state

    def at_rate(self, rates: tuple[float, float] | None) -> "Seen":
        """The same, at rates that were seen more closely, if they were."""
        if self.progress is None or rates is None:
            return self
        return replace(self, progress=self.progress.at_rate(*rates))

    def about_job(self) -> list[str]:
        """Lines on the job and on a store that does not answer."""
        said = []
        if self.job is not None:
            said.append(f"{self.job} on {self.address}")
            if self.job.state == "failed":
                said.append(
                    f"{self.job.reason}; almkd logs {self.job.sweep} --address {self.address} "
                    "shows more"
                )
            if self.progress is None:
                said.append(
                    "not in the tracking store, or none is named: set MLFLOW_TRACKING_URI to the "
                    "cluster's to see how far it is"
                )
        return [*said, self.away] if self.away else said

    def screen(self) -> "RenderableType":
        from sweep.status.text import screen

        return screen(self.progress, self.about_job())

    def line(self) -> str:
        """The same in one line."""
        from sweep.status.text import line

        if self.away or self.progress is None:
            return "; ".join(self.about_job())
        job = f"job {self.job.id} {self.job.state}; " if self.job else ""
        notes = self.progress.notes if self.is_over else ()
        return "; ".join([f"{job}{line(self.progress)}", *notes])

    def as_data(self, sweep: str) -> dict[str, object]:
        """For programs."""
        job = self.job and {
            "id": self.job.id,
            "state": self.job.state,
            "since": self.job.since.isoformat(),
            "ended": self.job.ended.isoformat() if self.job.ended else None,
            "exit_code": self.job.exit_code,
        }
        if self.progress is None:
            return {"sweep": sweep, "state": None, "job": job}
        data = asdict(self.progress)
        return {**data, "seconds_left": self.progress.seconds_left, "job": job}


class View:
    """Where to look: the store, if there is one, and the cluster, if one is named."""

    def __init__(self, runs_dir: Path, tracking_uri: str | None, address: str | None) -> None:
        from sweep.places import open_store

        for name, value in IMPATIENT.items():
            os.environ.setdefault(name, value)
        self._places = kept = places(runs_dir, tracking_uri)
        self.jobs: Jobs | None = jobs_of(address) if address else None
        has_store = bool(tracking_uri) or kept.has_store
        # Without a cluster the message says what is missing.
        self.store: MlflowStore | None = (
            open_store(kept, must_exist=True) if has_store or not address else None
        )

    def look(self, sweep: str) -> Seen:
        """A sweep as it is now; BadInput if neither the store nor the cluster knows it."""
        # The job first: what a job that is over wrote is then in the store.
        found = self.jobs.of(sweep) if self.jobs else []
        job = found[0] if found else None
        address = self.jobs.address if self.jobs else None
        try:
            progress = self.store.progress(sweep) if self.store else None
        except BadInput:
            if job is None:
                raise
            progress = None
        if job is None and self.jobs and progress is None:
            self.jobs.newest(sweep)
        if progress and progress.state == "running" and (job is None or job.is_over):
            why = self.why_stopped(sweep)
            progress = progress.stopped(why) if why else progress
        return Seen(address, progress, job)

    def state_now(self, sweep: str, recorded: str) -> str:
        """The state of a sweep, where the one on record may hold no longer: whoever ran it is
        gone, or runs were deleted after its end."""
        if recorded == "running" and self.why_stopped(sweep):
            return "stopped"
        if recorded != "complete" or self.store is None:
            return recorded
        try:
            return "incomplete" if self.store.lacks_runs(sweep) else recorded
        except BadInput:
            return "unreadable"

    def why_stopped(self, sweep: str) -> str:
        """Why nobody runs a sweep that is on record as running; empty where somebody does, or it
        cannot be told."""
        from sweep.lock import is_locked, was_run_in

        directory = self._places.sweep(sweep)
        if self.store is None or is_locked(directory):
            return ""
        holder = self.store.holder(sweep)
        if holder is not None:
            return holder.why_gone(time.time())
        # As an earlier version left it.
        return "the process that ran it is gone" if was_run_in(directory) else ""


def jobs_of(address: str) -> "Jobs":
    """The jobs of a cluster, by its dashboard's address."""
    with needs_cluster_packages(address):
        from sweep.adapters.ray.jobs import Jobs

    return Jobs(cluster(address))
