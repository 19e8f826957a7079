"""A sweep as a job of SLURM: submitted, a node killed, its time limit reached twice, ended."""

import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil

from tests.faults.launcher import FIRST_ASKED, SPEC, table, trial_states, write_spec, written
from tests.rehearsal.slurm.cluster import NODES, URGENT, Slurm
from tests.rehearsal.slurm.frozen import Frozen
from tests.rehearsal.steps import Steps

SWEEP = "faults"
# The limit of a start, and how far behind the next full minute it is put to be near. Minutes.
LIMIT, NEAR = 60, 1
# The limit, with half a minute for SLURM to see it, and the way back into the queue. Seconds.
HIT_WITHIN_S, STARTS_WITHIN_S, TRAINS_WITHIN_S, ENDS_WITHIN_S = 300.0, 300.0, 300.0, 1800.0
OTHER_USER = "nobody"


class Course:
    """What happens to a job, one step after another, and what has to hold then."""

    def __init__(self, cluster: Slurm, steps: Steps, spec: Path) -> None:
        self._slurm, self._steps, self._spec = cluster, steps, spec
        self.runs = spec.parent / "runs"
        self._job = self._other = self._other_user = ""
        self._tokens: set[str] = set()
        self._left: set[str] = set()
        self._quiet_ports = {name: cluster.ports(name) for name in NODES}

    def submit(self) -> None:
        """Returns with the number of the job."""
        self._job = self._submitted(self._spec, self.runs)
        script = self.runs / f"{SWEEP}.slurm.sh"
        self._steps.check(script.exists(), "the script is kept beside the runs", script)

    def wait_until_both_train(self) -> None:
        """A search is under way, and there is a process that trains on each node."""
        self._wait(lambda: self._now("JobState") == "RUNNING", "it runs", STARTS_WITHIN_S)
        self._wait(lambda: written(self.runs) >= FIRST_ASKED, "trials are asked", TRAINS_WITHIN_S)
        for name in NODES:
            self._wait(lambda name=name: self._has_trainer(name), f"{name} trains", TRAINS_WITHIN_S)
        self._tokens |= set(self._tokens_of("n1"))

    def look_at_nodes(self) -> None:
        """Each Ray node has what SLURM allocated there, one CPU and one GPU of two."""
        for name in NODES:
            lines = [line for line in self._arguments(name) if "--block" in line]
            asked = [line for line in lines if "--num-cpus=1 --num-gpus=1 " in line]
            self._steps.check(bool(asked), f"{name} has what was allocated", lines)
            places = [self._slurm.place / name / own for own in self._slurm.temporary(name)]
            modes = [oct(place.stat().st_mode & 0o777) for place in places]
            self._steps.check(modes == ["0o700"], "what it writes there is its user's", modes)

    def lose_a_node(self) -> None:
        """All that runs on it is gone at once; the job is not, and trains on."""
        restarts = self._now("Restarts")
        self._slurm.kill_node("n2")
        before = written(self.runs)
        self._wait(lambda: written(self.runs) > before, "trials go on to end", TRAINS_WITHIN_S)
        self._stand_still()
        self._wait(lambda: self._now("NodeList") == "n1", "the job is without it", STARTS_WITHIN_S)
        after = self._now("Restarts")
        self._steps.check(after == restarts, "the job was not started again for that", after)
        # Its next start removes it.
        self._left = set(self._slurm.temporary("n2"))
        self._slurm.start_node("n2")

    def reach_the_limit(self, times: int) -> None:
        """The limit is put near, and SLURM does what it does then: the launch ends with true
        states, and the job waits to start again."""
        self._stand_still()
        minutes = math.ceil(_seconds(self._now("RunTime")) / 60) + NEAR
        self._limit(minutes)
        with self._queued_again(times):
            self._frozen.thaw()
            self._check_interrupted()
            states = set(trial_states(self.runs).values())
            self._steps.check("RUNNING" not in states, "no trial is left running", states)
            self._wait(self._is_quiet, "the nodes are empty meanwhile", STARTS_WITHIN_S)
            self._limit(LIMIT)

    def go_on(self, times: int) -> None:
        """The same job, on both nodes, with a token of its own; another's beside it."""
        before = set(self._tokens)
        self.wait_until_both_train()
        self._steps.check(self._now("NodeList") == "n[1-2]", "on both nodes", self._now("NodeList"))
        self._steps.check(self._now("Restarts") == str(times), "it is the next start")
        self._steps.check(len(self._tokens) == len(before) + 1, "with a token of its own")

    def submit_another(self) -> None:
        """A small sweep on the same nodes, of another user where that one can run this Python; its
        ports and directories are its own."""
        place = self._spec.parent / "other"
        place.mkdir()
        spec = write_spec(place, SPEC)
        as_other = self._slurm.as_user(OTHER_USER)
        if not as_other:
            self._steps.say(f"   ({OTHER_USER} cannot run {sys.executable}: it is the same user's)")
        else:
            shutil.chown(place, OTHER_USER)
        self._other_user = OTHER_USER if as_other else "root"
        self._other = self._submitted(spec, place / "runs", *as_other, home=place)

    def let_the_other_end(self) -> None:
        """It came to its end in one start, whatever happened to the first job meanwhile."""
        self._wait(lambda: self._has_ended(self._other), "the other job ends", ENDS_WITHIN_S)
        job = self._slurm.job(self._other)
        found = {key: job[key] for key in ("JobState", "ExitCode", "Restarts", "UserId")}
        self._steps.check(job["JobState"] == "COMPLETED", "the other job is complete", found)
        self._steps.check(job["Restarts"] == "0", "in one start", found)
        self._steps.check(job["UserId"].startswith(self._other_user), "it is theirs", found)
        # SLURM forgets it after a while.
        self._other = ""

    def preempt(self, times: int) -> None:
        """A job of more weight takes both nodes for as long as it is looked at what it left; SLURM
        itself queues ours again."""
        gate = self._slurm.place / "gate"
        self._slurm.run(
            *("sbatch", f"--partition={URGENT}", "--nodes=2", "--exclusive", "--output=/dev/null"),
            *("--wrap", f"until [ -e {gate} ]; do sleep 0.5; done"),
        )
        self._wait(lambda: self._now("Restarts") == str(times), "queued again", HIT_WITHIN_S)
        self._frozen.thaw()
        if self._slurm.has_cgroups:
            self._check_interrupted()
        else:
            # All its processes were told to end at once; the next start sets the states right.
            self._steps.say("   (without cgroups the states are not looked at here)")
        gate.touch()

    def lose_the_first_node(self, times: int) -> None:
        """The batch script and Ray's head go with it; the other node sees that, and acts."""
        self._slurm.kill_node("n1")
        self._wait(lambda: self._now("Restarts") == str(times), "queued again", HIT_WITHIN_S)
        self._slurm.start_node("n1")

    def let_it_end(self) -> None:
        """It comes to its end."""
        self._wait(lambda: self._has_ended(self._job), "the job ends", ENDS_WITHIN_S)
        job = self._slurm.job(self._job)
        self._steps.check(job["JobState"] == "COMPLETED", "complete", job["JobState"])
        self._steps.check(job["ExitCode"] == "0:0", "exit code 0", job["ExitCode"])
        self._steps.check(job["Restarts"] == "4", "after four restarts", job["Restarts"])

    def table(self) -> pd.DataFrame:
        """The comparison, as a user exports it."""
        return table(self.runs)

    def look_into_log(self) -> None:
        """The log tells of every start, and no token is in anything that was written."""
        log = (self.runs / f"{SWEEP}.slurm-{self._job}.log").read_text()
        for words, times in (
            ("the time limit is near", 2),
            ("is queued again", 2),
            ("fixed_kd", 1),
        ):
            self._steps.check(log.count(words) >= times, f"the log has: {words}", f"\n{log}")
        self._steps.check("Traceback" not in log, "the log has no traceback", f"\n{log}")
        files = [path for path in self._spec.parent.rglob("*") if path.is_file()]
        leaked = [
            path
            for path in files
            if any(token.encode() in path.read_bytes() for token in self._tokens)
        ]
        self._steps.check(not leaked, "no token in a file", leaked)
        self._steps.check(len(self._tokens) == 4, "tokens were there to be looked for")

    def nothing_left(self) -> None:
        """Both nodes are as before."""
        self._left = set()
        self._wait(self._is_quiet, "no process, port or file is left", STARTS_WITHIN_S)

    @contextmanager
    def _queued_again(self, times: int) -> Iterator[None]:
        """Wait for it; during the block the job is held, so that it does not start meanwhile. SLURM
        without a database takes no such change of a job that lost a node."""
        self._wait(lambda: self._now("Restarts") == str(times), "queued again", HIT_WITHIN_S)
        self._slurm.run("scontrol", "hold", self._job)
        yield
        now = self._now("JobState")
        self._steps.check(now == "PENDING", "it has not started meanwhile", now)
        self._slurm.run("scontrol", "release", self._job)

    def _check_interrupted(self) -> None:
        told = json.loads(self._almkd("status", SWEEP, "--format", "json"))
        self._steps.check(told["state"] == "interrupted", "status: interrupted", told["state"])

    def _stand_still(self) -> None:
        """What trains does not until the next start, so that no machine is too fast to be stopped
        in the midst."""
        self._frozen = Frozen(os.getpid(), _trains)

    def _is_quiet(self) -> bool:
        """Whether nothing of our job is on a node; that of the other user may be."""
        if self._other and not self._has_ended(self._other):
            return not any(self._temporary_of(self._job, name) for name in NODES)
        return all(
            not self._slurm.processes(name)
            and self._left.issuperset(self._slurm.temporary(name))
            and self._slurm.ports(name) == self._quiet_ports[name]
            for name in NODES
        )

    def _temporary_of(self, job: str, name: str) -> list[str]:
        return [entry for entry in self._slurm.temporary(name) if f"almkd-{job}." in entry]

    def _submitted(self, spec: Path, runs: Path, *user: str, home: Path | None = None) -> str:
        printed = self._slurm.run(
            *user, "almkd", "slurm", str(spec), "--nodes", "2", "--time", str(LIMIT),
            "--cpus-per-node", "1", "--gpus-per-node", "1", "--runs-dir", str(runs),
            environment={"HOME": str(home)} if home else None,
        )  # fmt: skip
        found = re.search(r"submitted as job (\d+)", printed)
        self._steps.check(found is not None, "almkd slurm names the job", printed)
        assert found is not None
        return found[1]

    def _limit(self, minutes: int) -> None:
        self._slurm.run("scontrol", "update", f"JobId={self._job}", f"TimeLimit={minutes}")

    def _now(self, key: str) -> str:
        return self._slurm.job(self._job).get(key, "")

    def _has_ended(self, job: str) -> bool:
        return self._slurm.job(job)["JobState"] not in ("PENDING", "RUNNING", "COMPLETING")

    def _almkd(self, *words: str) -> str:
        return self._slurm.run("almkd", *words, "--runs-dir", str(self.runs))

    def _has_trainer(self, name: str) -> bool:
        """Whether a process of our job trains on a node."""
        for process in self._slurm.processes(name):
            with suppress(psutil.Error):
                if _trains(process):
                    return True
        return False

    def _arguments(self, name: str) -> list[str]:
        """What any user of a node can read of its processes."""
        found = []
        for process in self._slurm.processes(name):
            with suppress(psutil.Error):
                found.append(" ".join(process.cmdline()))
        return found

    def _tokens_of(self, name: str) -> Iterator[str]:
        """Those of our job's launch, in the environment that its user alone can read; and that no
        argument holds one."""
        arguments = self._arguments(name)
        for process in self._slurm.processes(name):
            with suppress(psutil.Error):
                words = process.cmdline()
                if "launch" in words and not process.uids().real:
                    token = process.environ()["RAY_AUTH_TOKEN"]
                    shown = any(token in line for line in arguments)
                    self._steps.check(not shown, "no argument holds the token")
                    yield token

    def _wait(self, what: Callable[[], bool], expected: str, within_s: float) -> None:
        """As `Slurm.wait`, with the end of the job's log where it does not become so."""
        try:
            self._slurm.wait(what, expected, within_s)
        except Exception as error:
            logs = sorted(self.runs.glob("*.log"), key=os.path.getmtime)
            said = logs[-1].read_text()[-4000:] if logs else "no log"
            raise RuntimeError(f"{error}\n{self._slurm.job(self._job)}\n{said}") from error


def _trains(process: psutil.Process) -> bool:
    """Whether it is one of Ray's that train, and of our job: the other is another user's."""
    title = " ".join(process.cmdline())
    return title.startswith("ray::") and "Trainable" in title and process.uids().real == 0


def _seconds(time: str) -> int:
    """Of a time as scontrol has it, [DAYS-]HH:MM:SS."""
    days, _, clock = time.rpartition("-")
    hours, minutes, seconds = map(int, clock.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds
