"""How far a sweep is, told from its runs."""

import dataclasses
import math

import pandas as pd
import pytest
from rich.console import Console

from sweep.compare.records import SweepRecord, trial_columns
from sweep.plan.plan import Plan
from sweep.status.progress import SweepProgress, progress_of
from sweep.status.text import line, screen
from tests.sweep.specs import small_spec

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4]}))
ALM, FIXED, CE = (cell.id for cell in PLAN.cells)
EPOCHS = 4  # of a student; a teacher has 3


def _row(stage: str, cell: str, state: str, **more: object) -> dict[str, object]:
    return {
        "sweep": "small",
        "stage": stage,
        "cell": cell,
        "method": cell.rpartition("/")[2] or "teacher",
        "noise_kind": "symmetric",
        "noise_rate": 0.4,
        "teacher_labels": "noisy" if cell else "",
        "seed": 0,
        "state": state,
        "validation_accuracy": math.nan,
        "test_accuracy": math.nan,
        "epochs_trained": 0,
        "started": 100.0,
        "wall_s": math.nan,
        "cohort": f"{stage}-{cell}-{state}",
        **more,
    }


ROWS = [
    *[_row("teacher", "", "complete", epochs_trained=3, wall_s=10.0) for _ in range(4)],
    _row("search", ALM, "complete", trial=0, epochs_trained=4, started=110.0, wall_s=10.0,
         validation_accuracy=70.0),
    _row("search", ALM, "complete", trial=1, epochs_trained=4, started=110.0, wall_s=10.0,
         validation_accuracy=75.0),
    _row("search", ALM, "pruned", trial=2, epochs_trained=1, started=110.0, wall_s=4.0,
         validation_accuracy=99.0),
    _row("search", FIXED, "failed", trial=0, epochs_trained=2, started=110.0, wall_s=5.0),
    _row("search", FIXED, "running", trial=1, epochs_trained=1, started=130.0),
    _row("search", FIXED, "interrupted", trial=2, epochs_trained=0, started=130.0, wall_s=1.0),
]  # fmt: skip


def _progress(rows: list[dict[str, object]], state: str = "running") -> SweepProgress:
    spec = PLAN.spec
    frame = pd.DataFrame(rows, columns=list(trial_columns("accuracy", "accuracy")))
    record = SweepRecord(
        name="small",
        dataset="digits",
        metric="accuracy",
        unit="percent",
        direction="maximize",
        methods=tuple(use.label for use in spec.methods),
        baselines=PLAN.baselines,
        conditions=PLAN.conditions,
        confirm_seeds=PLAN.confirm_seeds,
        planned_trials={cell.use.label: PLAN.trials_of(cell) for cell in PLAN.cells},
        trials=frame,
    )
    return progress_of(PLAN, record, state, now=140.0)


def test_stages_and_cells_are_counted_by_state() -> None:
    seen = _progress(ROWS)
    assert {name: (s.done, s.planned) for name, s in seen.stages.items()} == {
        "teachers": (4, 4),
        "search": (4, 18),
        "confirm": (0, 9),
    }
    alm, fixed, other = seen.cells
    assert dataclasses.astuple(alm)[1:] == (6, 3, 0, 2, 1, 0, 75.0, 0)
    assert dataclasses.astuple(fixed)[1:] == (6, 3, 1, 0, 0, 1, None, 0)
    assert (other.cell, other.asked) == (CE, 0)


def test_a_pruned_trial_is_not_the_best_so_far() -> None:
    assert _progress(ROWS).cells[0].best == 75.0


def test_rate_counts_the_time_in_which_something_trained() -> None:
    seen = _progress(ROWS)
    # 100 to 120 without a gap, nothing until 130, then a run that is still under way at 140.
    assert seen.epochs == 4 * 3 + 4 + 4 + 1 + 2 + 1
    assert seen.epochs_per_second == pytest.approx(24 / 30)


def test_epochs_left_take_trials_to_last_as_long_as_those_that_ended() -> None:
    seen = _progress(ROWS)
    # 4 trials of 3 epochs, as ALM-KD's took; of the others 5 and 6 trials of as many, less the one
    # that is trained; 9 confirm runs of 4.
    assert seen.epochs_left == pytest.approx(3 * 3 + 5 * 3 - 1 + 6 * 3 + 9 * EPOCHS)


def test_time_left_takes_an_epoch_to_last_as_long_as_those_of_its_cell() -> None:
    seen = _progress(ROWS)
    # A teacher's epoch took 10 s of 12 epochs; nothing of it is left. Of ALM-KD, 10 s of 8 epochs
    # and, in another cohort, 4 s of one; of the fixed mix 5 s of 2 epochs and 10 s of one so far.
    alm, fixed = 14 / 9, 15 / 3
    others = (14 + 15) / (9 + 3)
    left = (3 * 3 + 3 * EPOCHS) * alm + (5 * 3 - 1 + 3 * EPOCHS) * fixed
    left += (6 * 3 + 3 * EPOCHS) * others
    assert seen.held_s == pytest.approx(10 + 14 + 15)
    assert seen.held_s_left == pytest.approx(left)
    assert seen.at_once == pytest.approx(39 / 30)
    assert seen.seconds_left == pytest.approx(left / (39 / 30))
    assert seen.at_rate(10.0, 4.0).seconds_left == pytest.approx(left / 4)
    assert seen.at_rate(10.0, 4.0).epochs_per_second == 10.0


def test_before_a_student_has_trained_nothing_is_said_of_the_time_left() -> None:
    teachers = [row for row in ROWS if row["stage"] == "teacher"]
    waiting = _row("search", ALM, "running", trial=0, started=109.0)
    seen = _progress([*teachers, waiting])
    assert (seen.held_s, seen.held_s_left, seen.seconds_left) == (10.0, None, None)
    assert line(seen).endswith("1.2 epochs/s")


def test_cohorts_between_which_a_process_asks_for_the_next_train_without_a_gap() -> None:
    rows = [
        _row("search", ALM, "complete", trial=n, epochs_trained=4, started=start, wall_s=10.0,
             cohort=str(n))
        for n, start in enumerate((100.0, 111.0, 130.0))
    ]  # fmt: skip
    assert _progress(rows).epochs_per_second == pytest.approx(12 / 31)


@pytest.mark.parametrize("state", ["complete", "interrupted", "failed"])
def test_a_sweep_that_nobody_runs_has_no_time_left(state: str) -> None:
    assert _progress(ROWS, state).seconds_left is None
    assert "left" not in line(_progress(ROWS, state))


def test_before_the_first_run_there_is_no_rate() -> None:
    seen = _progress([])
    assert (seen.epochs, seen.epochs_per_second, seen.seconds_left, seen.silent_s) == (
        0, None, None, None,
    )  # fmt: skip
    assert line(seen) == "running: teachers 0/4, search 0/18, confirm 0/9"


def test_before_the_first_epoch_there_is_no_rate_either() -> None:
    seen = _progress([_row("teacher", "", "running") for _ in range(4)])
    assert (seen.epochs, seen.epochs_per_second, seen.held_s, seen.seconds_left) == (
        0, None, 0.0, None,
    )  # fmt: skip
    assert line(seen).startswith("running: teachers 0/4, search 0/18, confirm 0/9")


def test_a_line_says_all_but_the_cells() -> None:
    assert line(_progress(ROWS)) == (
        "running: teachers 4/4, search 4/18, confirm 0/9 (1 pruned, 1 failed); 0.8 epochs/s; "
        "about 3.0 min left"
    )


def test_silence_of_a_launch_that_was_killed_is_told() -> None:
    rows = [{**row, "started": 100.0 - 3600} for row in ROWS]
    assert "no run began or ended for 60 min" in line(_progress(rows))


def test_the_screen_has_a_row_for_every_cell() -> None:
    console = Console(width=120)
    with console.capture() as captured:
        console.print(screen(_progress(ROWS), ["job small-1, running since noon"]))
    first, second, _, *cells = captured.get().splitlines()
    assert first == "job small-1, running since noon"
    assert second.startswith("small: running: teachers 4/4")
    assert [row.split()[0] for row in cells] == [ALM, FIXED, CE]
    assert cells[0].split()[1:] == ["3/6", "0", "2", "1", "0", "75", "0"]
    assert cells[1].split()[1:] == ["3/6", "1", "0", "0", "1", "–", "0"]  # noqa: RUF001
