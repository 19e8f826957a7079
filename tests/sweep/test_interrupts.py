"""A launch that is interrupted before it has written anything."""

from contextlib import nullcontext

import pytest
from rich.console import Console

from sweep import run
from sweep.adapters.ray import session
from sweep.places import Places, open_store
from tests.sweep.specs import small_spec


def test_an_interrupt_before_a_sweep_is_on_record_leaves_none(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(session, "ray_session", lambda *_: nullcontext())
    monkeypatch.setattr(run, "_attempts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.launch(small_spec(), places, Console(quiet=True))
    assert open_store(places).sweeps() == []
