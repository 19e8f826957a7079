"""Sweeps as jobs of a Ray cluster, through the Jobs API of its dashboard, from any machine.

A job is `almkd launch` on the head, with the spec as a file beside it. Where the sweep is kept, and
the passwords for that, are the head's own: nothing secret travels.
"""

import asyncio
import logging
import os
import shlex
import socket
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, cast
from urllib.parse import urlsplit

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import aiohttp
import ray
import yaml
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from sweep.adapters.ray.own_code import carry_own_code
from sweep.carried_files import carry
from sweep.errors import BadInput, SweepFailed
from sweep.spec.code_needed import needs_code, specs_of_cells
from sweep.spec.spec import SweepSpec
from trainers.settings import DESCRIPTION_FILE

State = Literal["pending", "running", "stopped", "succeeded", "failed"]

# Names the sweep in a job's metadata.
SWEEP = "almkd_sweep"
# How long a dashboard may take to take up a connection, and to answer, in seconds.
CONNECTS_WITHIN, ANSWERS_WITHIN = 10.0, 60.0
# How long Ray lets a job write down what was in flight before it kills it, in seconds; its own
# default of 3 s is too short. Read by the process that starts the job, which has the job's
# environment.
STOP_WAIT = {"RAY_JOB_STOP_WAIT_TIME_S": "120"}
STOPS_WITHIN = 150.0
# How long a head may take to take jobs, in seconds, and what it says until then.
STARTS_WITHIN, NOT_YET = 60.0, "No available agent"
LOOK_EVERY = 0.5  # seconds
CHATTY = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
# What a shell makes of Ctrl-C; Ray keeps no exit code of a job that was stopped.
INTERRUPTED = 130
TOKEN = (
    "set RAY_AUTH_MODE=token and the cluster's token as RAY_AUTH_TOKEN, or a file that holds it as "
    "RAY_AUTH_TOKEN_PATH"
)


@dataclass(frozen=True)
class Job:
    """A submitted launch, as the cluster knows it."""

    id: str
    sweep: str
    state: State
    since: datetime
    ended: datetime | None
    exit_code: int | None
    reason: str

    @property
    def is_over(self) -> bool:
        """Whether it will not change any more."""
        return self.state not in ("pending", "running")

    def __str__(self) -> str:
        if self.ended:
            return f"job {self.id}, {self.state} at {_shown(self.ended)}"
        return f"job {self.id}, {self.state} since {_shown(self.since)}"


class Jobs:
    """The jobs of one cluster."""

    def __init__(self, address: str) -> None:
        """BadInput where nothing, or something else, answers at ``address``, or asks for a token.

        ``address``: ``http://HEAD:8265`` or ``https://…``.
        """
        self.address = address.rstrip("/")
        # They tell of every file that is sent, and of connections that end.
        for name in CHATTY:
            logging.getLogger(name).setLevel(logging.ERROR)
        _check_answers(self.address)
        # Ray takes what stands there before what it is given.
        os.environ["RAY_API_SERVER_ADDRESS"] = self.address
        with self._asking():
            self._client = _Client(
                self.address, verify=os.environ.get("REQUESTS_CA_BUNDLE") or True
            )
        self._check_version()

    def submit(self, spec: SweepSpec, options: Sequence[str] = ()) -> str:
        """Have the cluster launch a sweep, with ``options``; the id of the job.

        BadInput if a job of the same sweep is pending or running. Two that are submitted at the
        same moment are told apart on the head, by the lock of the sweep's directory.
        """
        active = [job for job in self.of(spec.name) if not job.is_over]
        if active:
            raise BadInput(
                f"the sweep {spec.name!r} is on {self.address} already: {active[0]}; follow it "
                f"with almkd watch {spec.name}, or end it with almkd stop {spec.name}, both with "
                f"--address {self.address}"
            )
        now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        job = f"{spec.name}-{now}-{os.urandom(2).hex()}"
        with tempfile.TemporaryDirectory(prefix="almkd-") as place:
            words = written_into(Path(place), spec, options)
            with self._asking():
                self._client.submit_patiently(
                    entrypoint=shlex.join(words),
                    submission_id=job,
                    runtime_env={"working_dir": place, "env_vars": dict(STOP_WAIT)},
                    metadata={SWEEP: spec.name},
                )
        return job

    def all(self) -> list[Job]:
        """Every launch that was submitted to the cluster as it is now, the newest first."""
        with self._asking():
            found = [_job(details) for details in self._client.list_jobs()]
        return sorted((job for job in found if job.sweep), key=lambda j: j.since, reverse=True)

    def of(self, sweep: str) -> list[Job]:
        """The jobs of one sweep, the newest first."""
        return [job for job in self.all() if job.sweep == sweep]

    def newest(self, sweep: str) -> Job:
        """The newest job of a sweep; BadInput if there is none."""
        jobs = self.of(sweep)
        if not jobs:
            raise BadInput(
                f"{sweep}: no job of {self.address} is of that sweep; almkd list --address "
                f"{self.address} shows those there are"
            )
        return jobs[0]

    def get(self, job: str) -> Job:
        """One job, as it is now."""
        with self._asking():
            return _job(self._client.get_job_info(job))

    def log(self, job: str) -> str:
        """What a job has printed so far."""
        with self._asking():
            text: str = self._client.get_job_logs(job)
        return text

    def follow(self, job: str) -> Iterator[str]:
        """What a job prints, from its beginning, piece by piece until it is over."""
        loop = asyncio.new_event_loop()
        try:
            with self._asking():
                lines = cast(Any, self._client.tail_job_logs(job))
                while True:
                    try:
                        yield loop.run_until_complete(lines.__anext__())
                    except StopAsyncIteration:
                        return
        finally:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    def exit_code(self, job: str) -> int:
        """The exit code of the launch in a job that ends now."""
        over = self.wait(job)
        if over.state == "stopped":
            return INTERRUPTED
        return over.exit_code if over.exit_code is not None else int(over.state != "succeeded")

    def stop(self, job: str) -> Job:
        """End a job as Ctrl-C would, and wait until it is over."""
        with self._asking():
            self._client.stop_job(job)
        return self.wait(job, STOPS_WITHIN)

    def wait(self, job: str, seconds: float = ANSWERS_WITHIN) -> Job:
        """A job once it is over; SweepFailed if that takes longer."""
        deadline = time.monotonic() + seconds
        while True:
            now = self.get(job)
            if now.is_over:
                return now
            if time.monotonic() > deadline:
                raise SweepFailed(f"{now.sweep}: {now}, and did not end within {seconds:g} s")
            time.sleep(LOOK_EVERY)

    def _check_version(self) -> None:
        here, there = ray.__version__, self._client.server_version
        if there and here.split(".")[:2] != there.split(".")[:2]:
            raise BadInput(
                f"--address {self.address}: runs Ray {there}, and here is Ray {here}; install "
                f"ray[default]=={there} here"
            )

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Whatever goes wrong between here and the dashboard, in one line."""
        try:
            yield
        except AuthenticationError:
            raise BadInput(
                f"--address {self.address}: the cluster takes commands with its token only, and "
                f"none or another was given; {TOKEN}"
            ) from None
        except (OSError, aiohttp.ClientError, KeyError, ValueError) as error:
            raise BadInput(
                f"--address {self.address}: is no dashboard of a Ray cluster, or does not answer "
                f"as one ({first_line(str(error))}); give http://HEAD:8265"
            ) from None
        except RuntimeError as error:
            raise BadInput(f"--address {self.address}: {first_line(str(error))}") from None


class _Client(JobSubmissionClient):
    """Ray's client, which by itself would wait for an answer for ever."""

    @property
    def server_version(self) -> str | None:
        """The version of the cluster's Ray, as it told when it was first asked."""
        return self._server_ray_version

    def submit_patiently(self, **job: Any) -> None:
        """Submit to a head that may just be starting: it answers before it takes jobs."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            try:
                self.submit_job(**job)
                return
            except RuntimeError as error:
                if NOT_YET not in str(error) or time.monotonic() > deadline:
                    raise
            time.sleep(LOOK_EVERY)

    def _do_request(self, method: str, endpoint: str, **more: Any) -> Any:
        return super()._do_request(method, endpoint, timeout=ANSWERS_WITHIN, **more)


def written_into(place: Path, spec: SweepSpec, options: Sequence[str]) -> list[str]:
    """A job's files, in a directory of its own; the command that launches from there."""
    file = f"{spec.name}.yaml"
    text = yaml.safe_dump(spec.model_dump(mode="json"), sort_keys=False)
    (place / file).write_text(text, encoding="utf-8")
    given = [t.given for made in specs_of_cells(spec) for t in made.teacher if t.given]
    carry(given, place, DESCRIPTION_FILE)
    own = needs_code(spec)
    if own:
        carry_own_code(Path.cwd(), place)
    # Ray keeps the modes: whoever else works on a node does not read them.
    for sent in place.rglob("*"):
        sent.chmod(0o700 if sent.is_dir() else 0o600)
    allowed = ["--allow-code"] if own else []
    return ["almkd", "launch", file, "--address", "auto", *allowed, *options]


def _check_answers(address: str) -> None:
    """BadInput if nobody takes up a connection."""
    try:
        parts = urlsplit(address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        socket.create_connection((str(parts.hostname), port), timeout=CONNECTS_WITHIN).close()
    except (OSError, ValueError) as error:
        raise BadInput(
            f"--address {address}: nothing answers there ({error}); give the dashboard of a "
            "running head as http://HEAD:8265"
        ) from None


def _job(details: JobDetails) -> Job:
    return Job(
        id=str(details.submission_id or details.job_id),
        sweep=(details.metadata or {}).get(SWEEP, ""),
        state=cast(State, str(details.status).lower()),
        since=_moment(details.start_time or 0),
        ended=_moment(details.end_time) if details.end_time else None,
        exit_code=details.driver_exit_code,
        reason=first_line(details.message or ""),
    )


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _shown(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")


def first_line(text: str) -> str:
    """What a message of many lines begins with."""
    return text.strip().partition("\n")[0]
