"""The command line: exit codes, messages, and that bad input leaves nothing behind."""

import re
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from sweep import cli
from sweep.commands import launching
from sweep.commands.snapshot import IMPATIENT
from sweep.errors import BadInput, SweepFailed
from sweep.spec.presets import presets
from tests.sweep.specs import SMALL, small_data
from trainers.registry import TASKS

Run = Callable[..., tuple[int, list[str], list[str]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command in an empty directory: exit code, lines of stdout and of stderr."""
    monkeypatch.chdir(tmp_path)
    for name, value in IMPATIENT.items():
        monkeypatch.setenv(name, value)

    def run(*words: str) -> tuple[int, list[str], list[str]]:
        monkeypatch.setattr(sys, "argv", ["almkd", *words])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        said = capsys.readouterr()
        return int(stop.value.code or 0), said.out.splitlines(), said.err.splitlines()

    return run


BAD_SPECS: Sequence[Sequence[str]] = (
    ["missing.yaml"],
    ["digit"],
    ["digits", "--set", "search.trails=3"],
    ["digits", "--set", "search.sampler.n_startup=3"],
    ["digits", "--set", "search.pruner.n_warmup_steps=-1"],
    ["digits", "--set", "search.generation=99", "--set", "resources.max_lanes=98"],
    ["digits", "--set", "data.teacher_calls=0.05"],
    ["teacher_calls", "--set", "student.training.steps=null"],
    ["digits", "--set", "name=../up"],
    ["digits", "--set", "name=mlflow.db"],
    ["digits", "--set", "name=MLflow.db-wal"],
    ["digits", "--set", "name=Teachers"],
    ["digits", "--set", "name=artifacts"],
    ["digits", "--set", "nothing"],
    ["digits", "--set", "task=sorting"],
    ["digits", "--set", "compare.metric=f1"],
    ["digits", "--set", "methods.0.method=seq_kd"],
    ["digits", "--set", "student.model.name=gpt"],
    ["digits", "--set", "conditions.noise_kind=[deletion]"],
    ["digits", "--set", "student.training.evaluate_every=31"],
)


@pytest.mark.parametrize("command", ["check", "plan", "launch"])
@pytest.mark.parametrize("words", BAD_SPECS)
def test_bad_spec_ends_with_one_message_and_leaves_nothing(
    run: Run, tmp_path: Path, command: str, words: Sequence[str]
) -> None:
    code, out, err = run(command, *words)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith("almkd: ")
    assert list(tmp_path.iterdir()) == []


def test_launch_without_its_data_says_what_to_fetch_and_leaves_nothing(
    run: Run, tmp_path: Path
) -> None:
    code, out, err = run(
        *("launch", "digits", "--set", "data.dataset=cifar10"),
        *("--set", f"data.folder={tmp_path / 'absent'}"),
    )
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert "cifar10: no cifar-10-python.tar.gz in " in err[0]
    assert "almkd fetch cifar10 brings what is missing" in err[0]
    assert list(tmp_path.iterdir()) == []


# Where nothing answers.
HTTP = ("--address", "http://127.0.0.1:1")
CLIENT = ("--address", "ray://127.0.0.1:1")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["compare", "digits"], "runs: holds no sweeps"),
        (["export", "digits"], "runs: holds no sweeps"),
        (["list"], "runs: holds no sweeps"),
        (["export", "digits", "--table", "trails"], "'trails' is no table; did you mean 'trials'?"),
        (["export", "digits", "--format", "cvs"], "'cvs' is no format; did you mean 'csv'?"),
        (["export", "digits", "--out", "no/such/file"], "there is no directory no/such"),
        (["compare", "digits", "--tracking-uri", "nonsense://x"], "--tracking-uri nonsense://x"),
        (["launch", "digits", "--address", "127.0.0.1:1"], "127.0.0.1:1: no Ray cluster answers"),
        (["launch", "digits", "--address", "nowhere"], "nowhere: no Ray cluster answers there"),
        (["launch", "digits", "--address", "ray://127.0.0.1"], "give it as ray://HEAD:10001"),
        (["launch", "digits", "--address", "ray://127.0.0.1:x"], "give it as ray://HEAD:10001"),
        (["launch", "digits", *CLIENT], "ray://127.0.0.1:1: no Ray Client server answers there"),
        (["launch", "digits", *CLIENT, "--runs-dir", "here"], "--runs-dir: a submitted sweep"),
        (["launch", "digits", *CLIENT, "--set", "search.trials=0"], "search.trials"),
        (["status", "digits", *CLIENT], "give it as http://HEAD:8265"),
        (["launch", "digits", "--address", "http://127.0.0.1:1"], "nothing answers there"),
        (["launch", "digits", "--address", "http://:x"], "nothing answers there"),
        (["launch", "digits", *HTTP, "--runs-dir", "here"], "--runs-dir: a submitted sweep"),
        (["launch", "digits", *HTTP, "--tracking-uri", "u"], "set MLFLOW_TRACKING_URI in the head"),
        (["launch", "digits", *HTTP, "--set", "search.trials=0"], "search.trials"),
        (["status", "digits"], "runs: holds no sweeps"),
        (["status", "digits", "--format", "yaml"], "'yaml' is no format"),
        (["status", "digits", "--address", "h:6379"], "give it as http://HEAD:8265"),
        (["watch", "digits"], "runs: holds no sweeps"),
        (["watch", "digits", *HTTP], "nothing answers there"),
        (["list", *HTTP], "nothing answers there"),
        (["logs", "digits"], "prints to its own terminal"),
        (["logs", "digits", *HTTP], "nothing answers there"),
        (["stop", "digits"], "no launch of it runs under runs"),
        (["stop", "digits", *HTTP], "nothing answers there"),
        (["launch"], "Missing argument 'SPEC'"),
        (["launch", "digits", "--sett", "a=b"], "No such option"),
        (["lunch", "digits"], "No such command 'lunch'"),
        (["ui", "--port", "0"], "Invalid value for '--port'"),
        (["ui", "--host", "0.0.0.0"], "--host 0.0.0.0: the dashboard asks for no password"),
        (["ui", "--host", "example.org"], "served to this machine alone"),
        (["tasks", "--format", "yaml"], "--format: 'yaml' is no format; known: json, markdown"),
        (["methods", "--format", "jsn"], "--format: 'jsn' is no format; did you mean 'json'?"),
        (["methods", "--task", "classify"], "--task: 'classify' is no task"),
        (["spaces", "--task", ""], "--task: '' is no task"),
        (["tasks", "classify"], "TASK: 'classify' is no task; did you mean 'classification'?"),
        (["methods", "almkd"], "'almkd' is no method; did you mean 'alm_kd'?"),
        (["networks", "resnet9"], "'resnet9' is no "),
        (["datasets", "digit"], "'digit' is no data set; did you mean 'digits'?"),
        (["presets", "--task", "classification"], "No such option"),
        (["export", "digits", "--metric", "loss", "--table", "trials"], "trials has every metric"),
        (["check", "digits", "--set", "compare.metric=f1"], "compare.metric: 'f1' is no metric"),
        (["list", "--tracking-uri", "http://me:s3cret@h"], "http://me:***@h: holds a password"),
    ],
)
def test_bad_words_end_with_one_message_and_leave_nothing(
    run: Run, tmp_path: Path, words: Sequence[str], message: str
) -> None:
    code, out, err = run(*words)
    assert (code, out) == (2, [])
    assert len(err) == 1
    assert err[0].startswith("almkd: ")
    assert message in err[0]
    assert list(tmp_path.iterdir()) == []


def test_a_launch_for_someone_elsewhere_is_kept_where_it_lasts(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    monkeypatch.setenv("ALMKD_RUNS", "here")
    code, out, err = run("launch", "digits", "--address", "auto")
    assert (code, out, len(err)) == (2, [], 1)
    assert "--runs-dir here: a job's own directory goes with the job; set ALMKD_RUNS" in err[0]
    assert list(tmp_path.iterdir()) == []


def test_every_error_of_a_spec_has_its_line(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(yaml.safe_dump(small_data({"seed": "x", "colour": 1})), encoding="utf-8")
    seed, colour = run("check", "bad.yaml")[2]
    assert seed == "almkd: bad.yaml: seed: 'x' (text) must be a whole number"
    assert colour.startswith("almkd: bad.yaml: colour: 'colour' is no field here; known: ")
    assert colour.endswith("; remove it or correct its name")


@pytest.mark.parametrize("command", ["launch", "check"])
def test_command_itself_gives_exit_code_and_message_without_traceback(
    tmp_path: Path, command: str
) -> None:
    program = [sys.executable, "-c", "from sweep.cli import main; main()"]
    ended = subprocess.run(
        [*program, command, "digits", "--set", "search.trails=3"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert line.startswith("almkd: ")
    assert "search.trails: 'trails' is no field here; did you mean 'trials'?" in line
    assert list(tmp_path.iterdir()) == []


def test_a_hangup_is_heard_unless_it_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under nohup."""
    monkeypatch.setattr(sys, "unraisablehook", sys.unraisablehook)
    heard: list[int] = []
    for before, expected in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):
        heard.clear()
        monkeypatch.setattr(signal, "getsignal", lambda number, before=before: before)
        monkeypatch.setattr(signal, "signal", lambda number, handler: heard.append(number))
        launching._end_on_signals()
        assert (signal.SIGHUP in heard) == expected
        assert signal.SIGTERM in heard


def test_a_launch_that_is_ended_while_it_loads_ends_as_any_other(tmp_path: Path) -> None:
    """Started with SIGINT blocked, as by a supervisor: it is pending until it can be heard."""
    launch = "from sweep.cli import main; main()"
    words = ["launch", "digits", "--then", 'echo "$ALMKD_STATE"']
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", launch, *words], cwd=tmp_path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    process.send_signal(signal.SIGINT)
    ended = (*process.communicate(timeout=60), process.returncode)
    told = "almkd: interrupted; the same command goes on from here\n"
    assert ended == ("interrupted\n", told, 130)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_an_interrupt_that_meets_a_destructor_is_heard_after_it(number: str) -> None:
    code = """
import signal, sys, time
from sweep.commands.launching import _end_on_signals

class Held:
    def __del__(self):
        signal.raise_signal(getattr(signal, sys.argv[1]))

_end_on_signals()
# As Ray has it while it starts.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(number))
held = Held()
try:
    del held
    time.sleep(60)
except (KeyboardInterrupt, SystemExit):
    print("heard")
"""
    done = subprocess.run(
        [sys.executable, "-c", code, number], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "heard\n", "")


def test_an_interrupt_that_meets_the_import_system_is_heard_after_it() -> None:
    """As it holds locks there that all threads need."""
    code = """
import signal, sys, time
from sweep.commands.launching import IMPORT_SYSTEM, _end_on_signals

frames = []
sys.setprofile(lambda frame, event, called: frames.append(frame))
import tabnanny
sys.setprofile(None)
_end_on_signals()
importing = next(f for f in frames if f.f_code.co_filename == IMPORT_SYSTEM)
try:
    signal.getsignal(signal.SIGINT)(signal.SIGINT, importing)
    print("later")
    time.sleep(60)
except KeyboardInterrupt:
    print("heard")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "later\nheard\n", "")


@pytest.mark.parametrize(
    ("raised", "code", "line"),
    [
        (BadInput("wrong"), 2, "almkd: wrong"),
        (SweepFailed("broken"), 1, "almkd: broken"),
        (KeyboardInterrupt(), 130, "almkd: interrupted; the same command goes on from here"),
    ],
)
def test_outcomes_have_their_exit_codes(
    run: Run, monkeypatch: pytest.MonkeyPatch, raised: BaseException, code: int, line: str
) -> None:
    def read(*_: object) -> None:
        raise raised

    monkeypatch.setattr(launching, "read", read)
    assert run("check", "digits") == (code, [], [line])


def test_a_message_steers_no_terminal_and_is_not_too_long_to_be_read(
    run: Run, tmp_path: Path
) -> None:
    spec = small_data({"seed": "x" * 100_000, "search.trials": "\x1b[2J"})
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    code, out, err = run("check", "a.yaml")
    assert (code, out, len(err)) == (2, [], 2)
    assert all(line.isprintable() and len(line) < 1300 for line in err)
    assert "\\x1b[2J" in "".join(err)
    assert "xxx [...] xxx" in "".join(err)
    assert any(line.endswith("must be a whole number") for line in err)


def test_good_spec_is_checked_and_planned(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    assert run("check", "small.yaml") == (0, ["small: nothing wrong"], [])
    code, out, err = run("plan", "small.yaml", "--no-forecast", "--set", "confirm.seeds=8")
    assert (code, err) == (0, [])
    plan = dict(line.split(maxsplit=1) for line in out)
    assert plan["cells"].startswith("6:")
    # 1797 examples of 10 classes each, in single precision.
    assert plan["teachers"] == "18, whose kept outputs take 1.23 MiB"
    assert plan["search"].startswith("36 trials, 6 for each cell in generations of 3")
    assert plan["confirm"].startswith("48 runs, seeds 1 to 8")
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


@pytest.mark.parametrize(
    ("changes", "teachers"),
    [
        (["teacher.snapshots=[1, 3]", "methods.0.pin={variant: box}"],
         "8, whose kept outputs take 1.1 MiB"),
        (["data.examples=100"], "8, whose kept outputs take 31.2 KiB"),
        (["data={dataset: npz, path: mine.npz}"], "8"),
        (["methods=[{method: labels_only, baseline: true}]"], "0"),
    ],
)  # fmt: skip
def test_plan_tells_what_is_kept_of_teachers_where_it_is_known(
    run: Run, tmp_path: Path, changes: Sequence[str], teachers: str
) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    words = [word for change in changes for word in ("--set", change)]
    code, out, err = run("plan", "small.yaml", "--no-forecast", *words)
    assert (code, err) == (0, [])
    assert dict(line.split(maxsplit=1) for line in out)["teachers"] == teachers


def test_plan_says_why_a_generation_is_one_trial(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    out = run("plan", "small.yaml", "--no-forecast", "--set", "resources.memory_gib=0.00001")[1]
    said = "in generations of 1 in place of 3, as the device holds one lane"
    assert any(said in line for line in out)


def test_plan_warns_where_the_seeds_cannot_show_anything(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    warning, clean = run("plan", "small.yaml", "--no-forecast")[1][-2:]
    assert warning.startswith("Warning: 3 seeds can never show")
    assert clean.startswith("Clean labels are read by alm_kd alone.")


def test_plan_says_how_long_it_takes_and_keeps_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    alone = ("--set", "methods=[{method: labels_only, baseline: true}]")
    code, out, err = run("plan", "small.yaml", "--slots", "1", *alone)
    assert (code, err) == (0, [])
    told = re.fullmatch(
        r"forecast    about [\d.]+ (?:s|min) with 1 cohort at once on this machine, "
        r"[\d.e-]+ core hours: start [\d.]+ s, training [\d.]+ s, "
        r"comparison [\d.]+ s; timed just now",
        out[-1],
    )
    assert told, out[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["small.yaml"]


def test_plan_without_its_data_is_told_all_the_same(run: Run, tmp_path: Path) -> None:
    data = {**SMALL, "data": {"dataset": "npz", "path": "mine.npz"}}
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(data), encoding="utf-8")
    code, out, _ = run("plan", "small.yaml")
    assert code == 0
    assert out[0] == "sweep       small on npz"
    assert out[-1].startswith("forecast    none: ")
    assert "mine.npz" in out[-1]


def test_no_slots_are_refused(run: Run) -> None:
    said = "almkd: --slots: 0 cohorts train nothing; give 1 or more"
    assert run("plan", "digits", "--slots", "0") == (2, [], [said])


def test_a_plan_says_how_many_cohorts_there_are_on_so_many_slots(run: Run) -> None:
    for slots, count in (("2", "2 slots"), ("1", "1 slot")):
        code, out, _ = run("plan", "digits", "--no-forecast", "--slots", slots)
        (line,) = [line for line in out if line.startswith("cohorts")]
        assert (code, count in line) == (0, True)
        assert "4 of alm_kd" in line


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        (["tasks"], "classification"),
        (["presets"], "digits"),
        (["methods"], "alm_kd"),
        (["datasets"], "digits"),
        (["spaces"], "temperature"),
        (["networks"], "resnet8"),
        (["--help"], "launch"),
        ([], "launch"),
    ],
)
def test_what_there_is_is_shown(run: Run, words: Sequence[str], shown: str) -> None:
    code, out, err = run(*words)
    assert (code, err) == (0, [])
    assert any(shown in line for line in out)


@pytest.mark.parametrize("command", ["methods", "datasets", "networks"])
def test_a_list_that_is_piped_has_a_line_for_each_with_its_source(run: Run, command: str) -> None:
    _, lines, _ = run(command)
    rows = [
        (task.name, name, entry.source)
        for task in TASKS.values()
        for name, entry in getattr(task, command).items()
    ]
    assert [tuple(line.split()[:2]) for line in lines[1:]] == [row[:2] for row in rows]
    for line, (_, _, source) in zip(lines[1:], rows, strict=True):
        assert line.rstrip().endswith(source)


@pytest.mark.parametrize("preset", presets())
def test_every_preset_is_found_by_name(run: Run, preset: str) -> None:
    assert run("check", preset) == (0, [f"{preset}: nothing wrong"], [])


@pytest.mark.parametrize("words", ["2 hours", "0", "-5m", ""])
def test_a_time_to_stop_after_that_is_none_is_refused(run: Run, words: str) -> None:
    code, out, (line,) = run("launch", "digits", f"--stop-after={words}")
    assert (code, out) == (2, [])
    assert line.startswith(f"almkd: --stop-after: {words!r} is no ")
    assert not Path("runs").exists()


def test_a_sweep_to_take_over_from_belongs_to_a_fork(run: Run) -> None:
    code, out, (line,) = run("launch", "digits", "--from", "other")
    assert (code, out) == (2, [])
    assert line == "almkd: --from: is of --fork; name the new sweep with --fork NAME"
