"""A sweep that was kept gives the table that it gave then.

``kept/digits.yaml`` is the preset `digits` of 0.1.0, ``kept/digits.csv`` its comparison table since
searches have a shortlist and try the ends of a mix first, made on the machine of
``kept/machine.json``. One of its four noise rates is launched: no row depends on the others, but
for ``p_holm``. On a machine like that one, with the same torch, the rows are the same to the last
digit. Elsewhere the last bits of a product differ, and with them which trial wins: there the same
cells must be there, trained as often, with means no further apart than chance allows.
"""

import io
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd

from tests.end_to_end.like_then import is_like_then
from tests.faults.launcher import COMMAND

KEPT = Path(__file__).parent / "kept"
RATES = [0.4]
# Standard errors between two means of ten seeds each: of a cell, one in 16,000 by chance.
APART = 4.0


def _almkd(*words: str) -> str:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _rows(table: str) -> pd.DataFrame:
    """The rows of the rates that are launched, every value as it is written."""
    rows = pd.read_csv(io.StringIO(table), dtype=str, keep_default_na=False)
    return rows[rows["noise_rate"].astype(float).isin(RATES)].reset_index(drop=True)


def test_the_rows_are_those_that_were_kept(tmp_path: Path) -> None:
    runs = str(tmp_path / "runs")
    rates = f"conditions.noise_rate={RATES}"
    _almkd("launch", str(KEPT / "digits.yaml"), "--runs-dir", runs, "--set", rates)
    now = _rows(_almkd("export", "digits", "--runs-dir", runs, "--table", "comparison"))
    then = _rows((KEPT / "digits.csv").read_text(encoding="utf-8"))
    assert list(now.columns) == list(then.columns)
    if is_like_then(KEPT / "machine.json"):
        pd.testing.assert_frame_equal(now.drop(columns="p_holm"), then.drop(columns="p_holm"))
    cells = ["noise_kind", "noise_rate", "teacher_labels", "method", "baseline"]
    pd.testing.assert_frame_equal(now[cells], then[cells])
    trained = ["n_seeds", "n_trials"]
    pd.testing.assert_frame_equal(now[trained], then[trained])
    measured = ["test_accuracy_mean", "test_accuracy_std"]
    mine, kept = (rows[measured].astype(float) for rows in (now, then))
    error = np.sqrt((mine["test_accuracy_std"] ** 2 + kept["test_accuracy_std"] ** 2) / 10)
    distance = (mine["test_accuracy_mean"] - kept["test_accuracy_mean"]).abs()
    assert (distance <= APART * error).all()
