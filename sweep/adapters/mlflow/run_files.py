"""What a confirm run leaves as files among its artifacts, and their way there."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

from sweep.adapters.mlflow.artifacts import Artifacts
from sweep.adapters.mlflow.example_files import write_examples
from sweep.adapters.mlflow.spool import Record
from sweep.atomic_files import replaced
from sweep.plan.tasks import LaneOutcome
from trainers.student_files import write_student

PREDICTIONS_FILE = "predictions.parquet"
# The folder of a student's own files, which `trainers.load_student` takes as it is.
STUDENT = "student"


def write_run_files(
    directory: Path, outcome: LaneOutcome, description: Mapping[str, Any] | None
) -> list[Path]:
    """The files of one run, in ``directory``; ``description``: of the student, None to keep none.

    Beside those of `write_examples` ``predictions.parquet``, a row per test example with ``row``
    (its place in the data set), what is true of it, and what the student says, an array of several
    numbers in numbered columns; further tables of the task as ``NAME.csv``; and the folder
    ``student``.
    """
    files = write_examples(directory, outcome.examples)
    with replaced(directory / PREDICTIONS_FILE) as path:
        pd.DataFrame(_columns(outcome.predictions)).to_parquet(path, index=False)
    files.append(directory / PREDICTIONS_FILE)
    for name, columns in outcome.tables.items():
        with replaced(directory / f"{name}.csv") as path:
            pd.DataFrame(columns).to_csv(path, index=False)
        files.append(directory / f"{name}.csv")
    if description is not None and outcome.student is not None:
        (directory / STUDENT).mkdir(exist_ok=True)
        files += write_student(directory / STUDENT, outcome.student.weights, description)
    return files


class FetchedPredictions:
    """`sweep.compare.predictions.KeptPredictions` over a store, each file fetched once."""

    def __init__(self, artifacts: Artifacts, scratch: Path) -> None:
        """``scratch``: an empty directory that takes them."""
        self._artifacts, self._scratch = artifacts, scratch
        self._found: dict[str, Path | None] = {}

    def file(self, run_id: str) -> Path | None:
        if run_id not in self._found:
            place = self._scratch / run_id
            place.mkdir()
            self._found[run_id] = self._artifacts.fetch(run_id, PREDICTIONS_FILE, place)
        return self._found[run_id]


class FetchedTables:
    """`sweep.compare.kept_tables.KeptTables` over a store."""

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        with TemporaryDirectory(prefix="almkd-") as scratch:
            file = self._artifacts.fetch(run_id, f"{name}.csv", Path(scratch))
            # A symbol may be a digit, or the letters NA.
            return pd.read_csv(file, dtype=str, keep_default_na=False) if file else None


def places(record: Record) -> list[tuple[Path, Path]]:
    """The files that a record has attached to a run, each with the folder that stands for the
    run's artifacts."""
    files = [Path(file) for file in record["files"]]
    return [(file, Path(record.get("root", file.parent))) for file in files]


def hand_over(path: Path, root: Path, send: Callable[[str, str | None], None]) -> None:
    """Send a file to where it stays, into the same folder as it has below ``root``, and delete it
    here; if it is gone, an earlier try has."""
    if not path.exists():
        return
    folder = path.parent.relative_to(root).as_posix()
    send(str(path), None if folder == "." else folder)
    path.unlink()
    with suppress(OSError):  # not empty yet
        path.parent.rmdir()
        root.rmdir()


def _columns(arrays: Mapping[str, Any]) -> dict[str, np.ndarray]:
    columns: dict[str, np.ndarray] = {}
    for name, values in arrays.items():
        array = np.asarray(values)
        if array.ndim == 1:
            columns[name] = array
        else:
            numbers = array.reshape(len(array), -1).T
            columns |= {f"{name}_{i}": column for i, column in enumerate(numbers)}
    return columns
