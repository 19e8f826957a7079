"""A sweep that was kept gives the table that it gave then.

``kept/digits.yaml`` is the preset `digits` of 0.1.0, ``kept/digits.csv`` its comparison table since
searches have a shortlist and try the ends of a mix first, made on the machine of
``kept/machine.json``. On one like it, with the same torch, the table is the same to the
last digit. Elsewhere the last bits of a product differ, and with them which trial wins: there the
same cells must be there, trained as often, with means no further apart than chance allows.
"""

import io
import json
import platform
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from tests.faults.launcher import COMMAND

KEPT = Path(__file__).parent / "kept"
# Standard errors between two means of ten seeds each: one in 16,000 by chance, for twelve cells.
APART = 4.0


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor()
    lines = info.read_text(encoding="utf-8").splitlines()
    return next((x.split(":")[1].strip() for x in lines if x.startswith("model name")), "")


def _is_like_then() -> bool:
    return {
        "torch": torch.__version__,
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": _processor(),
    } == json.loads((KEPT / "machine.json").read_text(encoding="utf-8"))


def _almkd(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_table_is_the_one_that_was_kept(tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    _almkd("launch", str(KEPT / "digits.yaml"), "--runs-dir", runs)
    now = _almkd("export", "digits", "--runs-dir", runs, "--table", "comparison")
    then = (KEPT / "digits.csv").read_text(encoding="utf-8")
    if _is_like_then():
        assert now == then
    mine, kept = (pd.read_csv(io.StringIO(text)) for text in (now, then))
    assert list(mine.columns) == list(kept.columns)
    cells = ["noise_kind", "noise_rate", "teacher_labels", "method", "baseline", "n_seeds"]
    pd.testing.assert_frame_equal(mine[cells], kept[cells])
    assert (mine["n_trials"] == kept["n_trials"]).all()
    error = np.sqrt((mine["test_accuracy_std"] ** 2 + kept["test_accuracy_std"] ** 2) / 10)
    distance = (mine["test_accuracy_mean"] - kept["test_accuracy_mean"]).abs()
    assert (distance <= APART * error).all()
