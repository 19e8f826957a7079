"""A sweep that is watched: until it is over, through a store that is away for a while."""

from collections import deque
from datetime import UTC, datetime
from typing import Any

import pytest

from sweep.adapters.ray.jobs import Job
from sweep.commands import monitoring
from sweep.commands.snapshot import Seen
from sweep.errors import SweepFailed
from sweep.status.progress import StageProgress, SweepProgress

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _progress(state: str, epochs: int = 10) -> SweepProgress:
    stages = {"search": StageProgress(1, 2)}
    return SweepProgress(
        "mine", state, "accuracy", stages, (), epochs, 30.0, 1.0, 9.0, 27.0, 1.0, 0.0
    )


def _job(state: Any, code: int | None = None) -> Job:
    ended = None if state in ("pending", "running") else NOON
    return Job("mine-1", "mine", state, NOON, ended, code, "exited with code 3")


class _View:
    """Looks that were written down."""

    def __init__(self, *looks: Seen | Exception) -> None:
        self._looks = list(looks)

    def look(self, sweep: str) -> Seen:
        look = self._looks.pop(0)
        if isinstance(look, Exception):
            raise look
        return look


def _watched(*looks: Seen | Exception) -> list[Seen]:
    view: Any = _View(*looks)
    return list(monitoring._until_over(view, "mine", 0.0))


def test_it_is_watched_until_it_is_no_longer_running() -> None:
    looks = [Seen(None, _progress(state), None) for state in ("running", "running", "complete")]
    assert [seen.progress.state for seen in _watched(*looks) if seen.progress] == [
        "running", "running", "complete",
    ]  # fmt: skip


def test_what_an_earlier_launch_left_is_no_end_while_a_job_is_under_way() -> None:
    looks = [
        Seen("http://h", None, _job("pending")),
        Seen("http://h", _progress("interrupted"), _job("running")),
        Seen("http://h", _progress("complete"), _job("succeeded", 0)),
    ]
    assert len(_watched(*looks)) == 3
    assert looks[0].line().startswith("job mine-1, pending since 2026-01-01 12:00:00 UTC on http")
    assert looks[1].line().startswith("job mine-1 running; interrupted: search 1/2")


def test_a_store_that_is_away_for_a_while_is_told_without_its_password() -> None:
    running = Seen(None, _progress("running"), None)
    away = SweepFailed("the tracking store http://me:s3cret@h cannot be read")
    seen = _watched(running, away, Seen(None, _progress("complete"), None))
    assert [look.is_over for look in seen] == [False, False, True]
    assert seen[1].line() == "no answer: the tracking store http://me:***@h cannot be read"


def test_a_store_that_stays_away_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitoring, "PATIENCE", -1.0)
    with pytest.raises(SweepFailed, match="gone"):
        _watched(Seen(None, _progress("running"), None), SweepFailed("gone"))


def test_a_job_that_crashed_is_no_silence() -> None:
    crashed = Seen("http://h", _progress("running"), _job("failed", 3))
    assert crashed.is_over
    assert crashed.has_failed
    assert crashed.about_job() == [
        "job mine-1, failed at 2026-01-01 12:00:00 UTC on http://h",
        "exited with code 3; almkd logs mine --address http://h shows more",
    ]
    data: Any = crashed.as_data("mine")
    assert (data["state"], data["job"]["state"], data["job"]["exit_code"]) == (
        "running", "failed", 3,
    )  # fmt: skip


def test_the_rates_are_those_of_the_last_minute() -> None:
    points = deque([(0.0, 0, 0.0), (10.0, 1000, 1.0), (50.0, 1100, 80.0), (100.0, 1200, 181.0)])
    assert monitoring._rates(points) == pytest.approx((200 / 90, 180 / 90))
    assert points[0] == (10.0, 1000, 1.0)
    assert monitoring._rates(deque([(0.0, 0, 0.0), (5.0, 50, 5.0)])) is None
    assert monitoring._rates(deque([(0.0, 7, 3.0), (50.0, 7, 3.0)])) is None
