"""Where the time of a launch went: sums that a reader can check."""

import json

import pytest
from rich.console import Console

from sweep.referee.time_spent import Launcher, Work, as_json, as_table, in_processes

LAUNCHER = Launcher(began=100.0, trained=130.0, ended=135.0)
WORK = Work(
    first_cohort=110.0,
    processes=2,
    cohorts={
        "teacher/": {"training": 4.0, "evaluation": 1.0, "waiting": 0.5},
        "search/alm_kd": {"training": 10.0, "method": 3.0, "set-up": 1.0},
        "confirm/alm_kd": {"training": 6.0, "evaluation": 2.0, "waiting": 1.5},
    },
    referee_s=2.5,
    referee_calls=40,
    writer_s=5.0,
)


def test_the_processes_seconds_add_up_to_all_they_had() -> None:
    spent = in_processes(WORK, LAUNCHER)
    assert spent == {
        "teachers": 5.0, "training": 16.0, "evaluation": 2.0, "method": 3.0, "set-up": 1.0,
        "waiting": 2.0, "idle": 11.0,
    }  # fmt: skip
    assert sum(spent.values()) == 2 * (130.0 - 110.0)


def test_the_launch_is_start_training_and_comparison() -> None:
    told = json.loads(as_json(WORK, LAUNCHER))
    parts = [told[name] for name in ("start_s", "training_s", "comparison_s")]
    assert parts == [10.0, 20.0, 5.0]
    assert sum(parts) == told["total_s"]
    assert told["cohorts"] == WORK.cohorts


@pytest.mark.parametrize(
    ("what", "seconds", "percent"),
    [
        ("start, until the first cohort", "10.0", "29"),
        ("training steps", "16.0", "40"),
        ("the referee, in 40 calls", "2.5", "12"),
        ("the writer to MLflow", "5.0", "25"),
    ],
)
def test_the_table_says_it_in_seconds_and_shares(what: str, seconds: str, percent: str) -> None:
    console = Console(width=100)
    with console.capture() as said:
        console.print(as_table(WORK, LAUNCHER))
    (line,) = [line for line in said.get().splitlines() if what in line]
    assert line.split()[-2:] == [seconds, percent]
