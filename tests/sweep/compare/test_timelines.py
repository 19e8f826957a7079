"""What is said when: which runs are read, and what is drawn of them."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from sweep.adapters.mlflow.artifacts import Artifacts
from sweep.adapters.mlflow.run_files import FetchedTables
from sweep.compare.comparison import comparison_table
from sweep.compare.curves import Curves
from sweep.compare.figures.style import PALETTE
from sweep.compare.figures.timelines import said_when
from sweep.compare.findings import Findings
from sweep.compare.outputs import drawings
from sweep.compare.records import HeardTeacher, SweepRecord, trials_of
from sweep.compare.timelines import timelines

Make = Callable[..., SweepRecord]
METHODS = ("fixed_kd", "fixed_kd_oracle", "labels_only")
CONV = HeardTeacher("conv (width 8)", "any", False, (), True, count=2)
ORACLE = HeardTeacher("oracle (width 8)", "any", False, (), False, reads_targets=True)
FRAMES = 6
# Of each frame the likeliest symbol, and how likely; the blank has the rest.
STUDENT = (("a", 0.2), ("a", 0.8), ("a", 0.7), ("b", 0.1), ("b", 0.9), ("a", 0.6))
SILENT = (("a", 0.1),) * FRAMES


class Kept:
    """`sweep.compare.kept_tables.KeptTables`: of two utterances, 7 and 9, every cell as text."""

    def __init__(self, teachers: Mapping[str, int], rows: tuple[str, ...] = ("7", "9")) -> None:
        """``teachers``: how many there are in the runs that kept a table."""
        self.teachers, self.rows = teachers, rows
        self.asked: list[str] = []

    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        self.asked.append(run_id)
        if run_id not in self.teachers:
            return None
        return getattr(self, f"_{name}")(self.teachers[run_id]).astype(str)

    def _spikes(self, teachers: int) -> pd.DataFrame:
        said = {"student": STUDENT} | {f"teacher_{m + 1}": SILENT for m in range(teachers)}
        return pd.DataFrame(
            {"row": row, "reference": "ab", "who": who, "frame": frame, "symbol": symbol,
             "probability": p, "blank": 1 - p}
            for row in self.rows
            for who, of_who in said.items()
            for frame, (symbol, p) in enumerate(of_who)
        )  # fmt: skip

    def _frames(self, teachers: int) -> pd.DataFrame:
        return pd.DataFrame(
            {"row": row, "frame": frame / 2, "number_1": 0.5, "number_2": frame}
            for row in self.rows
            for frame in range(2 * FRAMES)
        )

    def _spans(self, teachers: int) -> pd.DataFrame:
        spans = [("a", 1.0, 3.0), ("b", 2.5, 4.0)]
        columns = ["row", "symbol", "begin", "end"]
        return pd.DataFrame([(row, *s) for row in self.rows for s in spans], columns=columns)


class WithoutSpans(Kept):
    def table(self, run_id: str, name: str) -> pd.DataFrame | None:
        return None if name == "spans" else super().table(run_id, name)


@pytest.fixture(scope="module")
def record(make_record: Make) -> SweepRecord:
    """One row hears two snapshots of a network, one the Oracle after these."""
    bare = make_record(lambda c, m, s: 80.0, methods=METHODS, baselines=METHODS[:1])
    heard = {}
    for condition in bare.conditions:
        heard[bare.cell(condition, METHODS[0])] = (CONV,)
        heard[bare.cell(condition, METHODS[1])] = (CONV, ORACLE)
    return replace(bare, teachers=heard, example_tables="timelines")


def _run(record: SweepRecord, condition: int, method: str, seed: int) -> str:
    runs = trials_of(record, "confirm", record.conditions[condition], method)
    return str(runs[runs["seed"] == seed]["run_id"].iloc[0])


def _kept(record: SweepRecord, conditions: tuple[int, ...] = (0, 1, 2)) -> Kept:
    counts = {METHODS[0]: 2, METHODS[1]: 3}
    return Kept({_run(record, c, method, 0): n for c in conditions for method, n in counts.items()})


def test_students_stand_before_their_teachers_in_the_same_utterance(record: SweepRecord) -> None:
    found = timelines(record, _kept(record))
    assert [one.condition for one in found] == list(record.conditions)
    for one in found:
        assert (one.row, one.seed, one.reference) == (7, 0, "ab")
        assert [voice.title for voice in one.voices] == [
            "Student of fixed_kd",
            "Its teacher: conv",
            "Student of fixed_kd_oracle",
            "Its Oracle, shown the target: oracle",
        ]
        # Two snapshots come before the Oracle.
        assert set(one.voices[1].spikes["who"]) == {"teacher_1"}
        assert set(one.voices[3].spikes["who"]) == {"teacher_3"}


def test_the_first_seed_counts_under_which_all_runs_are_complete(record: SweepRecord) -> None:
    lost = _run(record, 0, METHODS[1], 0)
    states = record.trials["state"].where(record.trials["run_id"] != lost, "failed")
    own = replace(record, trials=record.trials.assign(state=states))
    kept = Kept({_run(own, 0, METHODS[0], 1): 2, _run(own, 0, METHODS[1], 1): 3})
    (found,) = timelines(own, kept)
    assert found.seed == 1
    assert len(found.voices) == 4


def test_a_row_that_kept_nothing_is_left_out(record: SweepRecord) -> None:
    kept = Kept({_run(record, 0, METHODS[1], 0): 3})
    (found,) = timelines(record, kept)
    assert [voice.title for voice in found.voices] == [
        "Student of fixed_kd_oracle",
        "Its Oracle, shown the target: oracle",
    ]


def test_nothing_is_read_of_a_task_that_keeps_none(record: SweepRecord) -> None:
    kept = _kept(record)
    assert timelines(replace(record, example_tables="none"), kept) == []
    assert kept.asked == []
    assert timelines(record, Kept({})) == []


def _panels(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def _markers(axes: Axes, colour: str) -> list[tuple[float, float]]:
    return [
        (float(np.asarray(line.get_xdata())[0]), float(np.asarray(line.get_ydata())[0]))
        for line in axes.get_lines()
        if len(np.asarray(line.get_xdata())) == 1 and to_hex(line.get_color()) == colour.lower()
    ]


def test_spikes_are_marked_by_whether_they_are_in_their_time(record: SweepRecord) -> None:
    """Of the student the first a is within its span, the b begins where its span ends, and the last
    a is outside of any."""
    figure = said_when(record, timelines(record, _kept(record, (0,))))
    frames, student, teacher, *_ = _panels(figure)
    assert frames.get_title() == "0 % noise: “ab”"
    assert [text.get_text() for text in frames.texts] == ["a", "b"]
    assert _markers(student, PALETTE[0]) == [(1.0, 0.8)]
    assert _markers(student, PALETTE[1]) == [(4.0, 0.9), (5.0, 0.6)]
    assert [text.get_text() for text in student.texts] == ["a", "b", "a"]
    assert [text.get_text() for text in teacher.texts] == ["says nothing"]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "in its time", "wrong symbol or time", "blank is likelier",
    ]  # fmt: skip


def test_without_spans_nothing_is_said_of_time(record: SweepRecord) -> None:
    kept = WithoutSpans(_kept(record, (0,)).teachers)
    _, student, *_ = _panels(said_when(record, timelines(record, kept)))
    assert len(_markers(student, PALETTE[0])) == 3
    assert not student.patches


def test_it_is_a_figure_of_the_report_where_there_is_something(record: SweepRecord) -> None:
    curves = Curves(pd.DataFrame(columns=["run_id", "epoch"]))
    table = comparison_table(record, 0)

    def stems(kept: Kept) -> dict[str, str]:
        origin: Any = None
        findings = Findings(record, origin, table, curves, pd.DataFrame, kept)
        return {d.stem: d.caption for d in drawings(findings) if d.stem == "said_when"}

    assert stems(Kept({})) == {}
    caption = stems(_kept(record))["said_when"]
    assert "Bands: when a symbol is said in truth" in caption
    assert "An Oracle was shown what is said" in caption


class Files:
    """`Artifacts` of runs in a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def fetch(self, run_id: str, name: str, place: Path) -> Path | None:
        file = self._root / run_id / name
        return Path(shutil.copy(file, place)) if file.exists() else None


def test_tables_of_runs_are_read_as_text(tmp_path: Path) -> None:
    """Symbols may be digits, or look like what stands for missing values."""
    (tmp_path / "run").mkdir()
    written = pd.DataFrame({"symbol": ["07", "NA", " "], "p": [0.5, 0.25, 1.0]})
    written.to_csv(tmp_path / "run" / "spikes.csv", index=False)
    tables = FetchedTables(cast(Artifacts, Files(tmp_path)))
    found = tables.table("run", "spikes")
    assert found is not None
    assert found["symbol"].tolist() == ["07", "NA", " "]
    assert found["p"].astype(float).tolist() == [0.5, 0.25, 1.0]
    assert tables.table("run", "spans") is None
