"""Completion, driven as bash does it: the script that almkd prints, then a tab after some words."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.cli import COMMANDS
from sweep.spec.presets import presets
from trainers.classification.data.datasets import DATASETS
from trainers.classification.networks.table import NETWORKS
from trainers.registry import TASKS

MARK = "----"
# `_almkd_completion` is what bash calls; it is given the words, and answers in COMPREPLY.
ASK = """
set -eu
eval "$(almkd --show-completion)"
complete -p almkd
while IFS= read -r line; do
  echo {mark}
  IFS=' ' read -r -a COMP_WORDS <<< "${{line% }}"
  case "$line" in *' ') COMP_WORDS+=('');; esac
  COMP_CWORD=$(( ${{#COMP_WORDS[@]}} - 1 ))
  _almkd_completion almkd
  printf '%s\\n' "${{COMPREPLY[@]}}"
done
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with specs, sweeps and a command ``almkd`` in it."""
    place = tmp_path_factory.mktemp("home")
    for name in ("mine.yaml", "digits_mine.yml", "notes.txt", "specs/deep.yaml", "specs/a.csv"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).touch()
    for name in ("runs/first", "runs/second", "elsewhere/third"):
        (place / name).mkdir(parents=True)
        (place / name / "lock").touch()
    for name in ("teachers", "artifacts", "first+second/results"):
        (place / "runs" / name).mkdir(parents=True)
    (place / "runs" / "mlflow.db").touch()
    command = place / "bin" / "almkd"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom sweep.cli import main\nmain()\n")
    command.chmod(0o755)
    return place


def bash(place: Path, script: str, given: str = "") -> str:
    """What bash prints, with ``almkd`` on its path and nothing said beside."""
    kept = {k: v for k, v in os.environ.items() if k not in ("ALMKD_RUNS", "MLFLOW_TRACKING_URI")}
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        input=given,
        cwd=place,
        env={
            **kept,
            "HOME": str(place),
            "PATH": f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}",
            # Without the packages with tasks that other tests put there.
            "PYTHONPATH": os.pathsep.join(p for p in sys.path if p and not p.endswith("/toys")),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_what_bash_is_offered(place: Path) -> None:
    offered = {
        "almkd ": {name for name, _ in COMMANDS},
        "almkd la": {"launch"},
        "almkd launch --th": {"--then"},
        "almkd launch ": {*presets(), "mine.yaml", "digits_mine.yml", "specs/deep.yaml"},
        "almkd plan digits_": {"digits_clean_teacher", "digits_mine.yml"},
        "almkd check specs/": {"specs/deep.yaml"},
        "almkd status ": {"first", "second"},
        "almkd export first --sweep s": {"second"},
        "almkd rm --runs-dir elsewhere ": {"third"},
        "almkd watch --runs-dir nowhere ": {""},
        "almkd methods alm_": {"alm_kd", "alm_kd_token"},
        "almkd datasets --task classification ": set(DATASETS),
        "almkd networks --task classification ": set(NETWORKS),
        "almkd tasks ": set(TASKS),
        "almkd students first --method fix": {"fixed_kd"},
        "almkd export first --table p": {"predictions"},
    }
    told = bash(place, ASK.format(mark=MARK), "".join(f"{line}\n" for line in offered))
    registered, *answers = told.split(f"{MARK}\n")
    assert "-F _almkd_completion almkd" in registered
    assert dict(zip(offered, (set(a[:-1].split("\n")) for a in answers), strict=True)) == offered


def test_it_is_installed_for_the_shell_that_asks(place: Path) -> None:
    assert "bash completion installed" in bash(place, "almkd --install-completion; true")
    script = place / ".bash_completions" / "almkd.sh"
    assert "complete -o default -F _almkd_completion almkd" in script.read_text(encoding="utf-8")
    assert str(script) in (place / ".bashrc").read_text(encoding="utf-8")


def test_completing_loads_nothing_heavy() -> None:
    code = (
        "import sys, sweep.commands.completion as c; c.specs('d'); c.tasks(''); c.methods('a'); "
        "print([m for m in ('pandas', 'pydantic', 'torch', 'ray', 'mlflow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
