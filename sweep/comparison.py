"""What a sweep showed, for Python: tables as data frames, figures, the answer, the students."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from sweep.errors import BadInput
from sweep.exporting import frame
from sweep.places import Places, open_store
from sweep.results import Shown, find

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from rich.console import Console

    from sweep.adapters.mlflow.store import MlflowStore
    from sweep.compare.findings import Findings
    from sweep.compare.outputs import Drawing
    from trainers.task import StudentModule

Several = str | Sequence[str] | None


class Comparison:
    """What a sweep showed, each part read from the tracking store where it is first asked for.

    It stays as it was when it was made, whatever the sweep does later: `sweep.load` reads anew.
    """

    def __init__(self, shown: Shown, places: Places, console: "Console") -> None:
        self._shown, self._places, self._console = shown, places, console

    def __repr__(self) -> str:
        return f"<Comparison of {self.name}: {len(self.comparison)} rows>"

    @property
    def name(self) -> str:
        """Of the sweep."""
        return self._shown.record.name

    @property
    def comparison(self) -> pd.DataFrame:
        """The table that compares: a row for each method, condition and what it is compared with.

        The columns of ``comparison.csv``, such as ``test_accuracy_mean``, ``difference_low``.
        """
        return self._shown.table

    @cached_property
    def trials(self) -> pd.DataFrame:
        """Every training of every stage, a row each, as it went."""
        return frame(self.name, self._store, "trials")

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Every metric of every epoch of every training, a row per training and epoch."""
        return frame(self.name, self._store, "curves")

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """What every confirmed student said of each test example, a row per student and example.

        BadInput where the sweep kept none.
        """
        return frame(self.name, self._store, "predictions")

    @property
    def answer(self) -> str:
        """The question of the sweep and its answer in words, a paragraph a line."""
        return "\n".join(self._findings.answer)

    @property
    def directory(self) -> Path:
        """Where tables, figures and report are as files, on the machine that launched."""
        return self._shown.directory

    @property
    def report(self) -> Path:
        """The page to read first; BadInput where it is not on this machine."""
        if not self._shown.report.is_file():
            raise BadInput(
                f"{self._shown.report}: is not there, as where the sweep ran on another machine or "
                f"has not ended; almkd compare {self.name} writes it"
            )
        return self._shown.report

    @cached_property
    def figures(self) -> "Mapping[str, Figure]":
        """The figures of the report by name; each is drawn when it is asked for."""
        from sweep.compare.outputs import drawings

        return _Figures({drawing.stem: drawing for drawing in drawings(self._findings)})

    def students(
        self,
        *,
        method: Several = None,
        where: Mapping[str, object] | None = None,
        seed: int | Sequence[int] | None = None,
        best: bool = False,
        allow_code: bool = False,
    ) -> "dict[str, StudentModule]":
        """The trained students as `trainers.load_student` gives them, by ``cell/seed-N``.

        ``method``: of that row, or those rows, alone. ``where``: of conditions with these values of
        axes, such as ``{"noise_rate": 0.4}``. ``seed``: of that confirm seed, or those. ``best``:
        of each cell the one with the best validation value. ``allow_code``: a network of your own
        may run its code.

        One that was not kept is trained again. BadInput where there is none of these.
        """
        from sweep.compare.confirm_runs import Wanted, select
        from sweep.students import STATE_DICT, Students
        from trainers.student_files import StudentError, load_student

        wanted = Wanted(
            (method,) if isinstance(method, str) else tuple(method or ()),
            tuple(f"{name}={value}" for name, value in (where or {}).items()),
            (seed,) if isinstance(seed, int) else tuple(seed or ()),
            best,
        )
        runs = select(self._shown.record, wanted)
        sources = Students(self.name, self._store, self._places, self._tell, allow_code)
        with tempfile.TemporaryDirectory(prefix="almkd-") as scratch:
            written = sources.write(runs, Path(scratch), STATE_DICT)
            try:
                return {
                    str(place.relative_to(scratch)): load_student(place, allow_code)
                    for place in written
                }
            except StudentError as error:
                raise BadInput(str(error)) from None

    @cached_property
    def _store(self) -> "MlflowStore":
        return open_store(self._places)

    @cached_property
    def _findings(self) -> "Findings":
        return find(self.name, self._store)

    def _tell(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)


class _Figures(Mapping[str, "Figure"]):
    """Figures by name, drawn when they are asked for."""

    def __init__(self, drawings: "Mapping[str, Drawing]") -> None:
        self._drawings = drawings

    def __getitem__(self, name: str) -> "Figure":
        return self._drawings[name].draw()

    def __iter__(self) -> Iterator[str]:
        return iter(self._drawings)

    def __len__(self) -> int:
        return len(self._drawings)

    def __repr__(self) -> str:
        return f"<figures {', '.join(self)}>"
