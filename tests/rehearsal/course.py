"""A sweep in the stack: submitted, its nodes killed and joined, stopped, gone on with, exported."""

import io
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pandas as pd

from tests.faults.launcher import (
    PLANNED_CONFIRMED,
    PLANNED_SHORTLISTED,
    PLANNED_TRIALS,
)
from tests.rehearsal.client import CLUSTER, TOKEN, Client
from tests.rehearsal.held import Held
from tests.rehearsal.stack import Stack
from tests.rehearsal.steps import Steps

SWEEP = "faults"
TOLD_WITHIN_S = 300.0


class Course:
    """What a user does, one step after another, and what has to hold then."""

    def __init__(
        self, stack: Stack, client: Client, steps: Steps, spec: Path, held: Held, teachers: int
    ) -> None:
        """``held``: what the stack's workers keep to; ``teachers``: how many networks of their own
        are trained to teach."""
        self._stack, self._client, self._steps, self._spec = stack, client, steps, spec
        self._held, self._teachers = held, teachers
        self._there = ("--address", client.cluster)

    def submit(self) -> None:
        """Returns at once, and a second one is told."""
        printed = self._client.almkd("launch", str(self._spec), *self._there)
        self._steps.check("submitted" in printed, "launch submits", printed)
        code, printed = self._client.run("almkd", "launch", str(self._spec), *self._there)
        self._steps.check(code == 2, "a second launch is told, exit code 2", f"{code}: {printed}")

    def watch(self) -> subprocess.Popen[str]:
        """Somebody watches from now on."""
        return self._client.start("almkd", "watch", SWEEP, *self._there)

    def lose_the_workers(self) -> int:
        """Kill both while each is in the midst of a training; how many trials had ended."""
        self._held.let_one_go()
        ended = self._wait_for(1)
        self._held.wait_for(2)
        for name in ("ray-worker-1", "ray-worker-2"):
            self._stack.nodes[name].end()
        return ended

    def let_another_join(self, ended: int) -> None:
        """It is put to work, ends a cohort, and is in the midst of the next."""
        self._stack.start("ray-worker-3", "ray-worker")
        self._stack.wait("ray-worker-3")
        self._held.let_one_go()
        self._ended = self._wait_for(ended + 1)
        self._held.wait_for(1)

    def look(self) -> None:
        """Status tells of a sweep that runs."""
        # The tracking server is told seconds after the studies.
        deadline = time.monotonic() + TOLD_WITHIN_S
        while (done := (seen := self._status())["stages"]["search"]["done"]) < self._ended:
            if time.monotonic() > deadline:
                break
        self._steps.check(seen["state"] == "running", "status: it runs", seen["state"])
        self._steps.check(seen["job"]["state"] == "running", "status: its job runs", seen["job"])
        midst = self._ended <= done < PLANNED_TRIALS
        self._steps.check(midst, "status: in the midst of the search", done)
        teachers = seen["stages"]["teachers"]["done"]
        self._steps.check(teachers == self._teachers, "status: its teachers are there", teachers)

    def stop(self) -> None:
        """Every state is true then."""
        printed = self._client.almkd("stop", SWEEP, *self._there)
        self._steps.check("goes on from here" in printed, "stop waits for the end", printed)
        seen = self._status()
        self._steps.check(seen["state"] == "interrupted", "status: interrupted", seen["state"])
        self._steps.check(seen["job"]["state"] == "stopped", "its job is stopped", seen["job"])
        counts = self.counts()
        self._steps.check("RUNNING" not in counts["runs"], "no run is left running", counts)
        self._steps.check("RUNNING" not in counts["trials"], "nor a trial", counts)
        self._steps.check(counts["trials"].get("WAITING", 0) > 0, "what flew is marked", counts)

    def go_on(self, watching: subprocess.Popen[str]) -> str:
        """The same command, on the node that joined; what it printed."""
        self._held.let_all_go()
        printed = self._client.almkd("launch", str(self._spec), *self._there, "--wait")
        self._steps.check("fixed_kd" in printed, "the comparison is printed", printed)
        watched, _ = watching.communicate(timeout=60)
        self._steps.check(watching.returncode == 0, "watch ends with the launch", watched)
        self._steps.check(f"{SWEEP}-" in watched, "watch prints lines", watched)
        logged = self._client.almkd("logs", SWEEP, *self._there)
        self._steps.check("fixed_kd" in logged, "logs has what was printed", logged[-300:])
        return printed

    def look_back(self) -> None:
        """Status tells the counts of a sweep that is over."""
        seen = self._status()
        stages = {name: stage["done"] for name, stage in seen["stages"].items()}
        planned = {
            "teachers": self._teachers,
            "search": PLANNED_TRIALS,
            "shortlist": PLANNED_SHORTLISTED,
            "confirm": PLANNED_CONFIRMED,
        }
        self._steps.check(seen["state"] == "complete", "status: complete", seen["state"])
        self._steps.check(stages == planned, "status: all that was planned", stages)

    def export(self) -> pd.DataFrame:
        """The comparison, as a client without a token gets it from the tracking server alone."""
        alone = self._client.without(*TOKEN, CLUSTER)
        return pd.read_csv(io.StringIO(self._client.almkd("export", SWEEP, environment=alone)))

    def counts(self) -> dict[str, Any]:
        """What both stores hold."""
        found: dict[str, Any] = self._ask_on_head("counting")
        return found

    def _status(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(
            self._client.almkd("status", SWEEP, *self._there, "--format", "json")
        )
        return told

    def _wait_for(self, trials: int) -> int:
        ended: int = self._ask_on_head("await_trials", str(trials))
        return ended

    def _ask_on_head(self, module: str, *arguments: str) -> Any:
        head = self._stack.nodes["ray-head"]
        done = subprocess.run(
            [*head.host.enter, sys.executable, "-m", f"tests.rehearsal.{module}", *arguments],
            capture_output=True,
            text=True,
            env=head.environment,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{module}: {done.stderr}")
        return json.loads(done.stdout)
