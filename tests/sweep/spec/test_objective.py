"""Metrics that must neither select nor prune."""

from dataclasses import replace

import pytest

from sweep.errors import BadInput
from tests.sweep.specs import small_spec
from trainers.registry import TASKS


def test_what_must_not_select_is_refused_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = TASKS["classification"].metrics
    spoilt = replace(metrics["loss"], not_objective="a better student may have a worse one")
    monkeypatch.setitem(metrics, "loss", spoilt)  # type: ignore[arg-type]
    with pytest.raises(BadInput) as caught:
        small_spec({"objective.metric": "loss"})
    told = str(caught.value)
    assert "objective.metric: loss must neither select nor prune: a better student may" in told
    assert "take one of accuracy, balanced_accuracy" in told
    assert small_spec({"compare.metric": "loss"}).tested_metric.name == "loss"


def test_others_may() -> None:
    assert small_spec({"objective.metric": "loss"}).objective_metric.name == "loss"
