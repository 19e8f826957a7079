"""A launcher that is killed in the middle of a training: the next one goes on in that epoch."""

import subprocess
import time
from collections import defaultdict
from pathlib import Path

import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process
from tests.faults.launcher import SPEC, assert_whole, kill, run, start, write_spec
from tests.faults.sabotage import changed

EPOCHS, HANGS_IN = 12, 10
TEXT = (
    SPEC.replace("student: {model: {name: mlp, hidden: [8]}, training: {epochs: 8}}",
                 f"student: {{model: {{name: mlp, hidden: [8]}}, training: {{epochs: {EPOCHS}}}}}")
    + "resources: {checkpoint_every_s: 1.0e-6}\n"
)  # fmt: skip
# Notes each epoch that is trained in the file DIARY names, and, where HANGS_IN is set, stays for
# ever in that epoch of a student.
WATCH = """
import os, time
train = module.Cohort._train_epoch

def watched(self, epoch):
    with open(os.environ["DIARY"], "a") as file:
        file.write("".join(f"{epoch} {name}\\n" for name in self.names))
    while str(epoch) == os.environ.get("HANGS_IN") and "trial" in self.names[0]:
        time.sleep(1)
    return train(self, epoch)

module.Cohort._train_epoch = watched
"""


def trained(diary: Path) -> dict[str, list[int]]:
    """The epochs of every lane that were begun, in order."""
    found = defaultdict(list)
    for line in diary.read_text().splitlines() if diary.exists() else ():
        epoch, name = line.split(" ")
        found[name].append(int(epoch))
    return found


def wait_until_it_hangs(process: subprocess.Popen[str], diary: Path) -> set[str]:
    """The lanes that are in the epoch in which they stay."""
    deadline = time.monotonic() + 120
    while True:
        hanging = {name for name, epochs in trained(diary).items() if epochs[-1] == HANGS_IN}
        if hanging:
            return hanging
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "no lane came so far in time"
        time.sleep(0.05)


def test_the_next_launch_goes_on_in_the_epoch_in_which_the_launcher_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, runs = write_spec(tmp_path, TEXT), tmp_path / "runs"
    first, second = tmp_path / "first", tmp_path / "second"
    watched = changed(tmp_path, "trainers.loop.cohort", WATCH)
    hangs = {**watched, "DIARY": str(first), "HANGS_IN": str(HANGS_IN)}
    process = start(spec, runs, environment=hangs)
    hanging = wait_until_it_hangs(process, first)
    kill(process, "launcher")
    run(spec, runs, environment={**watched, "DIARY": str(second)})
    again = trained(second)
    assert {name: again[name] for name in hanging} == {
        name: list(range(HANGS_IN, EPOCHS + 1))[: len(again[name])] for name in hanging
    }
    assert any(again[name][-1] == EPOCHS for name in hanging)
    assert_whole(runs)
    places = Places(runs)
    assert list(places.checkpoints("faults").iterdir()) == []
    undisturbed = launched_in_process(
        read_spec(str(spec), []), Places(tmp_path / "undisturbed"), monkeypatch
    )
    pd.testing.assert_frame_equal(
        comparison_table(open_store(places).record("faults"), 0), comparison_table(undisturbed, 0)
    )
