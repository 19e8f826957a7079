"""A sweep that finds its teachers trained says of them what the one that trained them says."""

import pytest

from sweep.places import Places
from tests.end_to_end.stage import launched_in_process
from tests.sweep.specs import small_spec

CHANGES = {
    "conditions.noise_rate": [0.4],
    "methods": [{"method": "fixed_kd", "baseline": True}, {"method": "labels_only"}],
    "search.trials": 2,
    "search.generation": 2,
    "confirm.seeds": 2,
}


def test_what_they_reached_is_known_without_training_them(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = launched_in_process(small_spec(CHANGES), places, monkeypatch)
    second = launched_in_process(small_spec({**CHANGES, "name": "again"}), places, monkeypatch)
    assert second.teachers == first.teachers
    (heard,) = second.teachers["symmetric-0.4-noisy/fixed_kd"]
    assert len(heard.values) == 2
    teachers = second.trials[second.trials["stage"] == "teacher"]
    assert (teachers["epochs_trained"] == 0).all()
    assert teachers["validation_accuracy"].notna().all()
