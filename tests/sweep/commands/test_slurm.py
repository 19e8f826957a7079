"""`almkd slurm`: what reaches sbatch, what is said, and that bad input leaves nothing behind."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep import cli
from sweep.slurm import network_disk
from tests.sweep.slurm.test_network_disk import TABLE

Run = Callable[..., tuple[int, str, str]]
JOB = ("--time", "4:00:00", "--nodes", "2")


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in an empty directory, outside a job and where no SLURM is."""
    place = tmp_path / "here"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setenv("PATH", "/nowhere")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["almkd", "slurm", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out, said.err

    return run


@pytest.fixture
def sbatch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A SLURM that keeps the script it was given, and where it was told to refuse, does."""
    place = tmp_path / "slurm"
    place.mkdir()
    program = place / "sbatch"
    program.write_text(
        "#!/bin/sh\n"
        f"[ ! -e {place}/full ] || {{ echo 'sbatch: error: Invalid account' >&2; exit 1; }}\n"
        f"printf '%s ' \"$@\" > {place}/arguments\ncat > {place}/script\necho '42;cluster'\n"
    )
    program.chmod(0o755)
    return place


def test_the_job_is_submitted_and_its_script_kept(
    run: Run, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", f"{sbatch}:/usr/bin:/bin")
    code, out, err = run("digits", *JOB, "--set", "search.trials=9", "--runs-dir", "my runs")
    assert (code, err) == (0, "")
    runs = Path("my runs").resolve()
    script = (runs / "digits.slurm.sh").read_text()
    assert (sbatch / "script").read_text() == script
    assert (sbatch / "arguments").read_text() == "--parsable "
    assert "set -- digits --set search.trials=9\n" in script
    assert "digits: submitted as job 42, 2 nodes for 4:00:00 at a time" in out
    for told in (
        "squeue --jobs 42",
        "almkd watch digits",
        f"{runs}/digits.slurm-42.log",
        "scancel 42",
    ):
        assert told in out
    assert sorted(path.name for path in runs.iterdir()) == ["digits.slurm.sh"]


def test_a_dry_run_prints_the_script_and_needs_no_slurm(run: Run) -> None:
    code, out, err = run("digits", *JOB, "--gpus-per-node", "2", "--dry-run")
    assert (code, err) == (0, "")
    assert out.startswith("#!/bin/bash\n#SBATCH --job-name=almkd-digits\n")
    assert "#SBATCH --gpus-per-node=2\n" in out
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("digits", *JOB), "there is no sbatch here"),
        (("digits", "--time", "2h"), "--time 2h: is no time of SLURM's"),
        (("digits", *JOB, "--cpus-per-node", "0"), "--cpus-per-node: 0 is none"),
        (("digit", *JOB), "digit"),
        (("digits", *JOB, "--set", "search.trails=3"), "search.trails"),
    ],
)
def test_bad_input_ends_with_one_message_and_leaves_nothing(
    run: Run, words: tuple[str, ...], message: str
) -> None:
    code, out, err = run(*words)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("almkd: ")
    assert message in err
    assert list(Path.cwd().iterdir()) == []


def test_what_slurm_refuses_is_said_in_its_words_and_leaves_nothing(
    run: Run, sbatch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sbatch / "full").touch()
    monkeypatch.setenv("PATH", f"{sbatch}:/usr/bin:/bin")
    code, _, err = run("digits", *JOB, "--account", "none")
    assert (code, err) == (2, "almkd: sbatch does not take the job: Invalid account\n")
    assert list(Path.cwd().iterdir()) == []


@pytest.mark.parametrize("command", ["slurm", "launch"])
def test_a_store_on_a_network_file_system_is_refused_before_and_in_the_job(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(TABLE)
    monkeypatch.setattr(network_disk, "MOUNTS", table)
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    job = (*JOB, "--dry-run") if command == "slurm" else ()
    monkeypatch.setattr(sys, "argv", ["almkd", command, "digits", *job, "--runs-dir", "/home/runs"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert stop.value.code == 2
    assert not Path("/home/runs").exists()
