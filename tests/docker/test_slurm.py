"""docker/slurm.sh as it is, with programs in the place of SLURM's, Ray's and the launch: what
starts where, with which ports and secrets, and how each end of a launch ends the job."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from sweep.adapters.ray.surroundings import BELOW, LONGEST_SOCKET
from tests.rehearsal.compose import ROOT

SCRIPT = ROOT / "docker" / "slurm.sh"
JOB, HEAD, OTHER = "4711", "n1", "n2"
WITHIN_S = 60.0
# What each program notes is a line of its file in $NOTES.
PROGRAMS = {
    # A step: on its node, with what SLURM says there.
    "srun": r"""
name='' ; line="$*"
while [ "$1" != bash ]; do
  case $1 in --nodelist=*) name=${1#--nodelist=} ;; esac
  shift
done
printf '%s\n' "$name ${line%% bash -c*}" >> "$NOTES/srun"
printf '%s\n' "$line" >> "$NOTES/arguments"
printf '%s\n' "$TMPDIR" >> "$NOTES/made-by-slurm"
export SLURMD_NODENAME=$name SLURM_CPUS_ON_NODE=3
[ "$name" = n1 ] || unset SLURM_GPUS_ON_NODE
exec "$@"
""",
    "ray": r"""
printf '%s\n' "$SLURMD_NODENAME token=$RAY_AUTH_TOKEN mode=$RAY_AUTH_MODE $*" >> "$NOTES/ray"
[ ! -e "$NOTES/ray-fails-$SLURMD_NODENAME" ] || { echo "no Ray today" >&2; exit 1; }
for word; do case $word in --temp-dir=*) place=${word#--temp-dir=} ;; esac; done
mkdir -m 777 "$place"
case " $* " in *" --head "*) echo 192.0.2.1:7 > "$place/ray_current_cluster" ;; esac
trap 'echo "$SLURMD_NODENAME" >> "$NOTES/ray-ended"; exit 0' TERM
while [ ! -e "$NOTES/ray-dies-$SLURMD_NODENAME" ]; do /bin/sleep 0.05; done
rm "$NOTES/ray-dies-$SLURMD_NODENAME"
exit 1
""",
    "almkd": r"""
printf '%s\n' "token=$RAY_AUTH_TOKEN TMPDIR=$TMPDIR $*" >> "$NOTES/almkd"
trap 'echo TERM >> "$NOTES/almkd-heard"; [ -e "$NOTES/slow" ] || ended=yes' TERM
while [ -z "$ended" ]; do
  [ ! -s "$NOTES/code" ] || exit "$(cat "$NOTES/code")"
  /bin/sleep 0.05
done
exit 130
""",
    "scontrol": r"""
case "$1 $2" in
  "show hostnames") echo "$3" | tr , '\n' ;;
  *) printf '%s\n' "$*" >> "$NOTES/scontrol" ;;
esac
""",
    "squeue": 'cat "$NOTES/members"\n',
    "sleep": "exec /bin/sleep 0.02\n",
    "python": f'exec "{sys.executable}" "$@"\n',
}


class Batch:
    """A batch job that runs, and what was noted of it."""

    def __init__(self, place: Path) -> None:
        self.notes, self.runs, self.tmp = place / "notes", place / "runs", place / "t"
        programs = place / "bin"
        for folder in (self.notes, self.runs, self.tmp, programs):
            folder.mkdir()
        for name, text in PROGRAMS.items():
            (programs / name).write_text(f"#!/bin/sh\n{text}")
            (programs / name).chmod(0o755)
        (self.notes / "members").write_text(f"{HEAD},{OTHER}\n")
        self.environment = {
            "PATH": f"{programs}:/usr/bin:/bin",
            "NOTES": str(self.notes),
            "ALMKD_RUNS": str(self.runs),
            "ALMKD_TMP": str(self.tmp),
            "SLURM_JOB_ID": JOB,
            "SLURM_JOB_NODELIST": f"{HEAD},{OTHER}",
            "SLURMD_NODENAME": HEAD,
            "SLURM_GPUS_ON_NODE": "2",
        }
        self.process: subprocess.Popen[str]

    def start(self, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [SCRIPT, *(arguments or ("digits",))],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**self.environment, **environment}, start_new_session=True,
        )  # fmt: skip

    def launched(self) -> None:
        """Wait until the launch runs and both nodes have their Ray."""
        self.wait(lambda: (self.notes / "almkd").exists() and len(self.noted("ray")) > 1)

    def end_launch(self, code: int) -> None:
        (self.notes / "code").write_text(str(code))

    def finish(self) -> tuple[int, str]:
        said, _ = self.process.communicate(timeout=WITHIN_S)
        return self.process.returncode, said

    def noted(self, name: str) -> list[str]:
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def wait(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + WITHIN_S
        while not what():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def kill(self) -> None:
        """All that it started."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)


@pytest.fixture
def batch() -> Iterator[Batch]:
    """Below /tmp, for the path of a node's directory has to be short."""
    place = Path(tempfile.mkdtemp(prefix="s", dir="/tmp"))
    found = Batch(place)
    yield found
    found.kill()
    shutil.rmtree(place)


def test_a_sweep_from_start_to_end(batch: Batch) -> None:
    # What an earlier start left when its node was lost, and what is not this job's.
    for name in (f"almkd-{JOB}.before", "almkd-471.another"):
        (batch.tmp / name).mkdir()
        (batch.tmp / name / "node").write_text(f"{OTHER}\n")
    batch.start("my spec.yaml", "--set", "a=b c", TMPDIR="/site")
    batch.launched()
    (first, *_), (launch,) = batch.noted("ray"), batch.noted("almkd")
    assert "my spec.yaml --set a=b c --address 192.0.2.1:7" in launch
    here = launch.partition("TMPDIR=")[2].split(" ")[0]
    assert here.startswith(f"{batch.tmp}/almkd-{JOB}.")
    assert Path(here).stat().st_mode & 0o777 == 0o700
    assert f"--temp-dir={here}/r " in first
    # SLURM makes a step's TMPDIR on the step's node, where nobody would remove the head's.
    assert batch.noted("made-by-slurm") == ["/site", "/site"]
    batch.end_launch(0)
    code, said = batch.finish()
    assert (code, said) == (0, "")
    assert sorted(batch.noted("ray-ended")) == [HEAD, OTHER]
    assert [path.name for path in batch.tmp.iterdir()] == ["almkd-471.another"]
    assert batch.noted("scontrol") == []


def test_every_node_has_what_slurm_gives_it_and_no_port_is_fixed(batch: Batch) -> None:
    batch.start()
    batch.launched()
    head, worker = sorted(batch.noted("ray"))
    assert "--head --port=0 --include-dashboard=false --ray-client-server-port=" in head
    assert "port=0" not in head.partition("--ray-client-server-")[2].partition(" ")[0]
    assert "--address=192.0.2.1:7" in worker
    for line, gpus in ((head, 2), (worker, 0)):
        assert f"--num-cpus=3 --num-gpus={gpus} " in line
        assert "--min-worker-port=0 --max-worker-port=0 --dashboard-agent-listen-port=0" in line
    places = {word for line in (head, worker) for word in line.split() if "--temp-dir" in word}
    assert len(places) == 2
    for line in batch.noted("srun"):
        assert "--overlap --no-kill --export=ALL --cpu-bind=none --nodes=1 --ntasks=1" in line


def test_a_start_has_a_token_of_its_own_which_is_in_no_argument(batch: Batch) -> None:
    batch.start(RAY_AUTH_TOKEN="another", RAY_AUTH_TOKEN_PATH="/elsewhere")
    batch.launched()
    lines = [*batch.noted("ray"), *batch.noted("almkd")]
    (token,) = {line.partition("token=")[2].split(" ")[0] for line in lines}
    assert len(token) == 64
    assert set(token) <= set("0123456789abcdef")
    assert all("mode=token" in line for line in batch.noted("ray"))
    assert not any(token in line for line in batch.noted("arguments"))
    batch.end_launch(0)
    _, said = batch.finish()
    assert token not in said


def test_before_the_time_limit_the_launch_ends_and_the_job_is_queued_again(batch: Batch) -> None:
    (batch.notes / "slow").touch()
    batch.start()
    batch.launched()
    batch.process.send_signal(signal.SIGUSR1)
    batch.wait(lambda: batch.noted("almkd-heard"))
    # SLURM's own signals come while the launch writes down what was in flight: it hears of none.
    batch.process.send_signal(signal.SIGTERM)
    batch.process.send_signal(signal.SIGUSR1)
    batch.end_launch(130)
    code, said = batch.finish()
    assert code == 130
    assert batch.noted("almkd-heard") == ["TERM"]
    assert batch.noted("scontrol") == [f"requeue {JOB}"]
    assert "the time limit is near: the launch ends" in said
    assert sorted(batch.noted("ray-ended")) == [HEAD, OTHER]


def test_a_job_that_is_ended_from_outside_is_left_to_slurm(batch: Batch) -> None:
    batch.start()
    batch.launched()
    batch.process.send_signal(signal.SIGTERM)
    code, said = batch.finish()
    assert (code, batch.noted("almkd-heard"), batch.noted("scontrol")) == (130, ["TERM"], [])
    assert "this job is ended from outside" in said


@pytest.mark.parametrize("code", [1, 2, 137])
def test_a_launch_that_fails_ends_the_job_with_its_code(batch: Batch, code: int) -> None:
    batch.start()
    batch.launched()
    batch.end_launch(code)
    assert batch.finish()[0] == code
    assert batch.noted("scontrol") == []


def test_a_sweep_that_is_complete_at_the_limit_is_not_queued_again(batch: Batch) -> None:
    (batch.notes / "slow").touch()
    batch.start()
    batch.launched()
    batch.process.send_signal(signal.SIGUSR1)
    batch.wait(lambda: batch.noted("almkd-heard"))
    batch.end_launch(0)
    assert batch.finish()[0] == 0
    assert batch.noted("scontrol") == []


def test_a_job_does_not_queue_itself_for_ever(batch: Batch) -> None:
    batch.start(SLURM_RESTART_COUNT="3", ALMKD_RESTARTS="3")
    batch.launched()
    batch.process.send_signal(signal.SIGUSR1)
    code, said = batch.finish()
    assert (code, batch.noted("scontrol")) == (130, [])
    assert "not queued again" in said


def test_a_launch_that_lost_its_head_is_queued_again(batch: Batch) -> None:
    batch.start()
    batch.launched()
    (batch.notes / f"ray-dies-{HEAD}").touch()
    # The launch and the other node's step are left.
    batch.wait(lambda: len(psutil.Process(batch.process.pid).children()) == 2)
    batch.end_launch(1)
    assert batch.finish()[0] == 1
    assert batch.noted("scontrol") == [f"requeue {JOB}"]


def test_a_head_that_does_not_start_ends_the_job(batch: Batch) -> None:
    (batch.notes / f"ray-fails-{HEAD}").touch()
    batch.start()
    code, said = batch.finish()
    assert code == 1
    assert "Ray's head did not start on n1" in said
    assert said.count("no Ray today") == len(batch.noted("ray")) == 3
    assert batch.noted("almkd") == batch.noted("scontrol") == []
    assert list(batch.tmp.iterdir()) == []


def test_a_worker_whose_ray_ends_starts_it_again(batch: Batch) -> None:
    batch.start()
    batch.launched()
    (batch.notes / f"ray-dies-{OTHER}").touch()
    batch.wait(lambda: sum(line.startswith(OTHER) for line in batch.noted("ray")) == 2)
    batch.end_launch(0)
    assert batch.finish()[0] == 0
    assert batch.noted("scontrol") == []


def test_a_worker_that_outlives_the_heads_node_queues_the_job_again(batch: Batch) -> None:
    """SLURM took the node out of the job, and the batch script went with it."""
    batch.start()
    batch.launched()
    (batch.notes / "members").write_text(f"{OTHER}\n")
    (batch.notes / f"ray-dies-{OTHER}").touch()
    batch.wait(lambda: batch.noted("scontrol"))
    assert batch.noted("scontrol") == [f"requeue {JOB}"]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SLURM_JOB_ID": ""}, "runs as a job of SLURM"),
        ({"ALMKD_RUNS": "/nowhere/runs"}, "/nowhere/runs is not there on "),
        ({"ALMKD_TMP": "/directory/of/19/by"}, "too long for the sockets of Ray"),
        ({"ALMKD_TMP": "/nowhere"}, "/nowhere: cannot be written on n1"),
        ({"PATH": "/usr/bin:/bin"}, "there is no almkd in the PATH"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_starts(
    batch: Batch, environment: dict[str, str], message: str
) -> None:
    batch.start(**environment)
    code, said = batch.finish()
    assert code == 2
    assert said.splitlines()[-1].startswith("slurm.sh: ")
    assert message in said
    assert batch.noted("srun") == []


def test_a_directory_that_is_short_enough_leaves_room_for_rays_sockets() -> None:
    """The longest that the script takes, with the number of a job as long as SLURM has them."""
    longest = "/" + "d" * 17 + "/almkd-67108863.XXXXXX/r"
    assert len(longest) + len(BELOW) <= LONGEST_SOCKET
