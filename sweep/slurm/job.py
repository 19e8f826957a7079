"""A launch as a batch job of SLURM: the script `job.sh` with a job's options in it, submitted."""

import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sweep.errors import BadInput

SCRIPT = Path(__file__).with_name("job.sh")
MARK = "#SBATCH "
# Before the end of its time a launch is told to end, so many seconds or such a part of the time; it
# takes `sweep.lock.ENDS_WITHIN` at most, and SLURM may be a minute early.
ENDS_BEFORE_S, PART = 180, 4
FORMS = "30 (minutes), 4:00:00, 2-12 or 2-12:30:00 (days-hours)"
# minutes[:seconds], hours:minutes:seconds, days-hours[:minutes[:seconds]]
_TIME = re.compile(
    r"(?P<m>\d+)(:(?P<s>\d\d?))?|(?P<H>\d+):(?P<M>\d\d?):(?P<S>\d\d?)"
    r"|(?P<d>\d+)-(?P<h>\d\d?)(:(?P<dm>\d\d?)(:(?P<ds>\d\d?))?)?"
)
_UNITS = {"d": 86_400, "h": 3_600, "H": 3_600, "m": 60, "M": 60, "dm": 60, "s": 1, "S": 1, "ds": 1}


@dataclass(frozen=True)
class Allocation:
    """What a job asks SLURM for: ``time`` in its forms, CPUs and GPUs of each node.

    Without ``cpus_per_node`` it asks for whole nodes. ``others``: options of sbatch, as written.
    """

    time: str
    nodes: int = 1
    partition: str | None = None
    account: str | None = None
    cpus_per_node: int | None = None
    gpus_per_node: int | None = None
    others: Sequence[str] = ()

    def __post_init__(self) -> None:
        seconds_of(self.time)
        for option in ("nodes", "cpus_per_node", "gpus_per_node"):
            value = getattr(self, option)
            if value is not None and value < 1:
                raise BadInput(f"--{option.replace('_', '-')}: {value} is none; give 1 or more")
        for option in self.others:
            if not option.startswith("-") or "\n" in option:
                raise BadInput(
                    f"--sbatch {option}: is no option of sbatch; write it as --sbatch=--mem=16G"
                )

    def options(self) -> list[str]:
        """Of sbatch."""
        ends_before = min(ENDS_BEFORE_S, seconds_of(self.time) // PART)
        share = ["--exclusive"]
        if self.cpus_per_node:
            share = [f"--cpus-per-task={self.cpus_per_node}"]
        named = {
            "--partition": self.partition,
            "--account": self.account,
            "--gpus-per-node": self.gpus_per_node,
        }
        return [
            f"--nodes={self.nodes}",
            f"--time={self.time}",
            "--ntasks-per-node=1",
            *share,
            *(f"{option}={shlex.quote(str(value))}" for option, value in named.items() if value),
            f"--signal=B:USR1@{ends_before}",
            "--requeue",
            "--no-kill",
            "--open-mode=append",
            *self.others,
        ]


def seconds_of(time: str) -> int:
    """What a time in SLURM's forms is, in seconds; BadInput for others."""
    found = _TIME.fullmatch(time)
    given = {
        unit: int(count) for unit, count in (found.groupdict() if found else {}).items() if count
    }
    seconds = sum(count * _UNITS[unit] for unit, count in given.items())
    if not seconds:
        raise BadInput(f"--time {time}: is no time of SLURM's; write {FORMS}")
    return seconds


def written(
    name: str, allocation: Allocation, runs_dir: Path, programs: Path, launch: Sequence[str]
) -> str:
    """The script of the job for the sweep ``name``, to be submitted from the current directory.

    ``programs``: the directory of the command almkd; ``launch``: arguments of `almkd launch`.
    """
    options = [
        f"--job-name=almkd-{name}",
        f"--output={shlex.quote(str(log_of(runs_dir, name, '%j')))}",
        f"--chdir={shlex.quote(str(Path.cwd()))}",
        *allocation.options(),
    ]
    first, *rest = SCRIPT.read_text(encoding="utf-8").splitlines()
    body = [line for line in rest if not line.startswith(MARK)]
    at = next(number for number, line in enumerate(body) if not line.startswith("#"))
    return "\n".join(
        [
            first,
            *(MARK + option for option in options),
            *body[:at],
            f'export PATH={shlex.quote(str(programs))}:"$PATH"',
            f"export ALMKD_RUNS={shlex.quote(str(runs_dir))}",
            f"set -- {shlex.join(launch)}",
            *body[at:],
            "",
        ]
    )


def script_of(runs_dir: Path, name: str) -> Path:
    """Where the script of a sweep's job is kept."""
    return runs_dir / f"{name}.slurm.sh"


def log_of(runs_dir: Path, name: str, job: str) -> Path:
    """Where a job of a sweep prints to, all its starts one after another."""
    return runs_dir / f"{name}.slurm-{job}.log"


def submit(script: str) -> str:
    """Give a script to SLURM; the number of the job. BadInput where it is not taken."""
    refuse_without_slurm()
    done = subprocess.run(
        ["sbatch", "--parsable"], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = done.stderr.strip() or f"exit code {done.returncode}"
        raise BadInput(f"sbatch does not take the job: {said.removeprefix('sbatch: error: ')}")
    return done.stdout.strip().partition(";")[0]


def refuse_without_slurm() -> None:
    """BadInput where there is no SLURM to submit to."""
    if not shutil.which("sbatch"):
        raise BadInput(
            "there is no sbatch here: run this on a login node of a cluster with SLURM, or print "
            "the script alone with --dry-run"
        )
