"""A sweep whose process was killed: status, list and watch say so at once, as does a launch that
goes on with it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from sweep import cli
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec

SPEC = small_spec({"conditions.noise_rate": [0.4]})
HOLDS = """
import sys, time
from pathlib import Path
from sweep.lock import locked
from sweep.plan.plan import Plan
from sweep.places import Places, open_store
from tests.sweep.specs import small_spec
places = Places(Path(sys.argv[1]))
with locked(places.sweep("small"), "small"):
    runs = open_store(places).open_sweep(Plan(small_spec({"conditions.noise_rate": [0.4]})))
    print("held", flush=True)
    time.sleep(600)
"""
Said = tuple[int, str, str]


@pytest.fixture
def running(places: Places) -> Iterator[subprocess.Popen[str]]:
    """A process that runs the sweep."""
    words = [sys.executable, "-c", HOLDS, str(places.runs_dir)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def almkd(
    places: Places, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Callable[..., Said]:
    """A command on that directory: exit code, standard output, standard error."""

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["almkd", *words, "--runs-dir", str(places.runs_dir)])
        with pytest.raises(SystemExit) as stop:
            cli.main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), " ".join(out.split()), err

    return run


def test_a_killed_launch_is_told_by_all_who_look(
    running: subprocess.Popen[str], places: Places, almkd: Callable[..., Said]
) -> None:
    assert almkd("status", "small")[1].startswith("small: running: ")
    assert "running" in almkd("list")[1]
    running.kill()
    running.wait()
    code, out, _ = almkd("status", "small")
    assert code == 0
    assert out.startswith("small: stopped: teachers 0/4")
    said = f"small: process {running.pid} on "
    assert said in out
    assert "is gone; the same launch goes on from here" in out
    data = json.loads(almkd("status", "small", "--format", "json")[1])
    assert data["state"] == "stopped"
    assert data["notes"][0].startswith(said)
    assert "stopped" in almkd("list")[1]
    code, out, err = almkd("watch", "small")
    assert code == 1
    assert "small: stopped" in err
    assert "is gone; the same launch goes on from here" in out
    open_store(places).open_sweep(Plan(SPEC))
    assert almkd("status", "small")[1].startswith("small: running: ")


def test_one_that_an_earlier_version_left_is_told_by_its_lock(
    running: subprocess.Popen[str], places: Places, almkd: Callable[..., Said]
) -> None:
    client = open_store(places)._client
    client.delete_tag(open_store(places)._find("small").info.run_id, "owner")
    assert almkd("status", "small")[1].startswith("small: running: ")
    running.kill()
    running.wait()
    assert "the process that ran it is gone" in almkd("status", "small")[1]
