"""What a trained student says of inputs in files: a table with a row for each of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import pandas as pd

from sweep.compare.formats import WRITERS
from sweep.errors import BadInput
from sweep.retraining import Tell
from sweep.table_files import check_target, written

if TYPE_CHECKING:
    from trainers.data.raw_inputs import RawInputs
    from trainers.task import StudentModule

# Inputs that are shown at once.
BATCH = 256
# The columns that say which input a row is of.
FILE, ROW = "file", "row"


@dataclass(frozen=True)
class Prediction:
    """What is predicted: by the student of ``directory``, on ``files``.

    ``options``: how texts are written, by the names that ``data`` of a spec has. ``allow_code``:
    whether the student may be made by code of the user's own.
    """

    directory: Path
    files: tuple[Path, ...]
    form: str = "csv"
    options: Mapping[str, str] = field(default_factory=dict)
    allow_code: bool = False


def predict(wanted: Prediction, out: Path | None, tell: Tell) -> int:
    """Write the table to ``out`` (standard output if None); returns its rows.

    BadInput where there is no student, or data does not fit it; nothing is written then.
    """
    from trainers.data.errors import DataError
    from trainers.registry import TASKS
    from trainers.student_files import StudentError, describe, load_student

    check_target(wanted.form, out, "predictions")
    try:
        student = load_student(wanted.directory, wanted.allow_code)
        facts = describe(wanted.directory)
        read = TASKS[facts["task"]].load().raw_inputs
        inputs = [read(path.expanduser(), facts, wanted.options) for path in wanted.files]
    except (StudentError, DataError) as error:
        raise BadInput(str(error)) from None
    named = {found.names is not None for found in inputs}
    if len(named) > 1:
        raise BadInput(
            f"{', '.join(map(str, wanted.files))}: are pictures and tables or arrays; predict "
            "these apart"
        )
    for remark in (remark for found in inputs for remark in found.remarks):
        tell(remark)

    def write(stream: BinaryIO) -> int:
        pages = _Pages(student, wanted.files, inputs, tell)
        try:
            WRITERS[wanted.form](pages, stream)
        except DataError as error:
            raise BadInput(str(error)) from None
        return pages.rows

    return written(write, wanted.form, out)


@dataclass
class _Pages:
    """The table in pages, one for each batch, and how many rows there were so far."""

    student: "StudentModule"
    files: Sequence[Path]
    inputs: "Sequence[RawInputs]"
    tell: Tell
    rows: int = field(default=0, init=False)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        for file, found in zip(self.files, self.inputs, strict=True):
            for start in range(0, found.count, BATCH):
                stop = min(start + BATCH, found.count)
                said = self._said(found, start, stop)
                self.rows += stop - start
                yield pd.DataFrame({**self._which(file, found, start, stop), **said})

    def _which(self, file: Path, found: "RawInputs", start: int, stop: int) -> dict[str, Any]:
        """The columns that tell inputs apart; rows are counted from 0."""
        rows = range(start, stop)
        if found.names is None:
            several = {FILE: [str(file)] * len(rows)} if len(self.files) > 1 else {}
            keys = {name: of_all[start:stop] for name, of_all in found.keys.items()}
            return {**several, ROW: rows, **keys}
        # One folder's pictures by their place in it, those of several files by their own names.
        if len(self.files) == 1:
            return {FILE: found.names[start:stop]}
        if not file.is_dir():
            return {FILE: [str(file)]}
        return {FILE: [str(file / name) for name in found.names[start:stop]]}

    def _said(self, found: "RawInputs", start: int, stop: int) -> dict[str, Any]:
        import torch

        inputs, odd = found.batch(start, stop)
        for remark in odd:
            self.tell(remark)
        with torch.inference_mode():
            said = self.student.table(self.student(torch.from_numpy(inputs)))
        return found.told(start, said)
