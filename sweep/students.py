"""The trained students of a sweep, fetched from its runs or trained again, written to files."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.adapters.mlflow.run_files import STUDENT
from sweep.compare.confirm_runs import ConfirmRun
from sweep.errors import BadInput
from sweep.places import Places
from sweep.retraining import Again, Tell

if TYPE_CHECKING:
    from sweep.adapters.mlflow.artifacts import Artifacts
    from sweep.adapters.mlflow.store import MlflowStore

# The form in which they are kept; others are made of it.
STATE_DICT = "state-dict"


@dataclass
class Students:
    """The students of one sweep, on their way to files."""

    name: str
    store: "MlflowStore"
    places: Places
    tell: Tell
    allow_code: bool = False
    _again: "Again | None" = field(default=None, init=False)
    _told: bool = field(default=False, init=False)

    def write(self, runs: Sequence[ConfirmRun], out: Path, form: str) -> Iterator[Path]:
        """Write each student into a directory of its own below ``out``; these directories.

        A directory is whole or not there; one that is there already is replaced.
        """
        artifacts = self.store.artifacts()
        out.mkdir(parents=True, exist_ok=True)
        for run in runs:
            with tempfile.TemporaryDirectory(prefix=".student-", dir=out) as scratch:
                made = self._bring(run, artifacts, Path(scratch))
                if form != STATE_DICT:
                    self._export(made, form)
                place = out / run.folder
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.exists():
                    shutil.rmtree(place)
                made.rename(place)
            yield place

    def _export(self, made: Path, form: str) -> None:
        """Write the student in a directory in another form, with what that needs beside it."""
        from trainers.student_exports import EXPORTS
        from trainers.student_files import StudentError, load_student

        file, export = EXPORTS[form]
        try:
            student = load_student(made, self.allow_code)
            export(student, made / file)
        except StudentError as error:
            raise BadInput(f"--format {form}: {error}") from None
        for name, content in student.files.items():
            (made / name).write_text(content, encoding="utf-8")
        if student.files and not self._told:
            self._told = True
            self.tell(
                f"{file} takes what {' and '.join(student.files)}, beside it, makes of raw inputs; "
                "docs/students.md says how"
            )

    def _bring(self, run: ConfirmRun, artifacts: "Artifacts", scratch: Path) -> Path:
        """The directory of a student's files, in ``scratch``."""
        found = artifacts.fetch(run.run_id, STUDENT, scratch)
        if found is not None:
            return found
        self.tell(f"{run.cell} seed {run.seed}: kept no student; training it again")
        if self._again is None:
            self._again = Again.of(self.name, self.store, self.places, self.tell, self.allow_code)
        return self._again.train(run, scratch / STUDENT)
