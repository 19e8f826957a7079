"""The script of a job: what it asks SLURM for, and that the launch in it is the one meant."""

import subprocess
from pathlib import Path

import pytest

from sweep.errors import BadInput
from sweep.slurm.job import SCRIPT, Allocation, seconds_of, written


@pytest.mark.parametrize(
    ("time", "seconds"),
    [
        ("30", 1800),
        ("4:30", 270),
        ("4:00:00", 14_400),
        ("2-12", 216_000),
        ("2-12:30", 217_800),
        ("2-12:30:15", 217_815),
    ],
)
def test_a_time_is_read_as_slurm_does(time: str, seconds: int) -> None:
    assert seconds_of(time) == seconds


@pytest.mark.parametrize(
    "time", ["", "2h", "0", "0:00", "1:2:3:4", "1-", "-1", "4:00:00 ", "UNLIMITED"]
)
def test_another_time_is_refused(time: str) -> None:
    with pytest.raises(BadInput, match="--time"):
        seconds_of(time)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"nodes": 0}, "--nodes: 0"),
        ({"cpus_per_node": -1}, "--cpus-per-node: -1"),
        ({"gpus_per_node": 0}, "--gpus-per-node: 0"),
        ({"others": ("mem=16G",)}, "--sbatch mem=16G"),
        ({"others": ("--mem=1\n#SBATCH --wrap=x",)}, "--sbatch"),
    ],
)
def test_what_sbatch_would_not_take_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Allocation("4:00:00", **wrong)


def options(allocation: Allocation) -> set[str]:
    return set(allocation.options())


def test_whole_nodes_unless_cpus_are_named() -> None:
    assert "--exclusive" in options(Allocation("30"))
    few = options(Allocation("30", nodes=3, cpus_per_node=4, gpus_per_node=2, others=("--mem=8G",)))
    assert "--exclusive" not in few
    assert {"--nodes=3", "--cpus-per-task=4", "--gpus-per-node=2", "--mem=8G"} <= few


def test_the_launch_is_told_before_the_end_of_however_short_a_time() -> None:
    assert "--signal=B:USR1@180" in options(Allocation("4:00:00"))
    assert "--signal=B:USR1@30" in options(Allocation("2"))


def test_what_keeps_a_job_going_is_asked_for_in_the_script_alone_too() -> None:
    always = {"--requeue", "--no-kill", "--open-mode=append", "--ntasks-per-node=1"}
    assert always < options(Allocation("30"))
    lines = SCRIPT.read_text().splitlines()
    assert always < {line.removeprefix("#SBATCH ") for line in lines}


def test_the_script_launches_what_was_meant_whatever_it_is_called(tmp_path: Path) -> None:
    runs = tmp_path / "my runs"
    launch = ["/home/o'neill/my spec.yaml", "--set", 'description=$HOME "x" `id`']
    text = written("small", Allocation("30"), runs, Path("/opt/an env/bin"), launch)
    head = text[: text.index("set -u\n")] + 'printf "%s\\n" "$PATH" "$ALMKD_RUNS" "$@"\n'
    done = subprocess.run(["bash"], input=head, capture_output=True, text=True, check=True)
    path, kept, *told = done.stdout.splitlines()
    assert path.startswith("/opt/an env/bin:")
    assert (kept, told) == (str(runs), launch)
    subprocess.run(["bash", "-n"], input=text, text=True, check=True)


def test_options_stand_before_the_first_command_where_sbatch_reads_them(tmp_path: Path) -> None:
    text = written("small", Allocation("30", partition="gpu"), tmp_path, tmp_path, ["small.yaml"])
    lines = text.splitlines()
    first = next(number for number, line in enumerate(lines) if not line.startswith("#"))
    asked = [line for line in lines if line.startswith("#SBATCH")]
    assert asked == lines[1 : 1 + len(asked)]
    assert len(asked) < first
    assert {"#SBATCH --partition=gpu", f"#SBATCH --output={tmp_path}/small.slurm-%j.log"} <= set(
        asked
    )
    assert len([line for line in asked if "--nodes" in line]) == 1
