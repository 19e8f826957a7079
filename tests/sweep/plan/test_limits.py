"""Rows that contain others, and what a search tries first."""

import pytest

from sweep.plan.limits import contained
from sweep.plan.plan import Plan
from tests.sweep.specs import small_spec


def _cells(*rows: dict[str, object], **changes: object) -> Plan:
    return Plan(small_spec({"methods": list(rows), "conditions.noise_rate": [0.4], **changes}))


def test_mix_tries_its_ends_first() -> None:
    plan = _cells({"method": "fixed_kd", "baseline": True})
    assert list(plan.cells[0].tried_first) == [{"alpha": 0.0}, {"alpha": 1.0}]


@pytest.mark.parametrize("pin", [{"alpha": 0.5}, {"alpha": 0.0}])
def test_pinned_mix_has_no_ends(pin: dict[str, float]) -> None:
    plan = _cells({"method": "fixed_kd", "baseline": True, "pin": pin})
    assert plan.cells[0].tried_first == ()


def test_end_that_the_range_leaves_out_is_not_tried() -> None:
    shared = {"search.shared": {"alpha": {"low": 0.0, "high": 0.9}}}
    plan = _cells({"method": "fixed_kd", "baseline": True}, **shared)
    assert list(plan.cells[0].tried_first) == [{"alpha": 0.0}]


def test_mix_contains_labels_alone_and_its_own_pins() -> None:
    plan = _cells(
        {"method": "fixed_kd", "baseline": True},
        {"method": "labels_only", "label": "labels"},
        {"method": "fixed_kd", "label": "half", "pin": {"alpha": 0.5}},
        {"method": "alm_kd"},
    )
    cell = plan.cells[0]
    found = dict(contained(cell.use, cell.entry, cell.space, plan.spec.methods))
    assert found == {"labels": {"alpha": 0.0}, "half": {"alpha": 0.5}}
    half = plan.cells[2]
    assert not dict(contained(half.use, half.entry, half.space, plan.spec.methods))


def test_what_is_pinned_at_a_limit_leaves_the_rest_of_it_to_be_tried() -> None:
    plan = _cells(
        {"method": "lw_kd", "baseline": True},
        {"method": "lw_kd", "label": "mix", "pin": {"adversarial_weight": 0}},
        {"method": "lw_kd", "label": "other", "pin": {"adversarial_weight": 0.5}},
        {"method": "labels_only"},
        {"method": "fixed_kd"},
    )
    whole, mix, other = plan.cells[:3]
    alone = {"alpha": 0.0, "adversarial_weight": 0.0}
    assert list(whole.tried_first) == [alone, {"adversarial_weight": 0.0}]
    assert list(mix.tried_first) == [{"alpha": 0.0}]
    assert other.tried_first == ()
    found = dict(contained(mix.use, mix.entry, mix.space, plan.spec.methods))
    assert found == {"labels_only": {"alpha": 0.0}}


def test_row_with_other_examples_is_not_contained() -> None:
    plan = _cells(
        {"method": "fixed_kd", "baseline": True},
        {"method": "labels_only", "label": "more", "clean": "train"},
        {
            "method": "labels_only",
            "label": "other",
            "with": {"student.training.batch_size": 32},
        },
    )
    cell = plan.cells[0]
    assert not dict(contained(cell.use, cell.entry, cell.space, plan.spec.methods))


def test_rows_of_a_sweep_change_nothing_of_what_is_tried_first() -> None:
    alone = _cells({"method": "fixed_kd", "baseline": True}).cells[0]
    pinned = {"method": "fixed_kd", "label": "half", "pin": {"alpha": 0.5}}
    beside = _cells({"method": "fixed_kd", "baseline": True}, pinned).cells[0]
    assert alone.tried_first == beside.tried_first


def test_a_limit_may_depend_on_what_is_pinned() -> None:
    """Labels that are compared are no cross-entropy, whatever the mix."""
    plan = _cells(
        {"method": "ckd"},
        {"method": "ckd", "label": "compared", "pin": {"label_loss": "compare"}},
        {"method": "labels_only", "baseline": True},
    )
    plain, compared, _ = plan.cells
    assert list(plain.tried_first) == [{"alpha": 0.0}, {"alpha": 1.0}]
    assert list(compared.tried_first) == [{"alpha": 1.0}]
    rows = plan.spec.methods
    assert "labels_only" in dict(contained(plain.use, plain.entry, plain.space, rows))
    assert not dict(contained(compared.use, compared.entry, compared.space, rows))
