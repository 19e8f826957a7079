"""Declared questions: what they are about, how they are written, what is refused."""

from typing import Any

import pytest

from sweep.commands.plan_text import describe
from sweep.errors import BadInput
from sweep.plan.change import grows, refuse_change
from sweep.plan.plan import Plan, spec_hash
from sweep.smoke import smallest_of
from tests.sweep.spec.test_axes import CLEAN
from tests.sweep.specs import small_spec

ALM = {"row": "alm_kd", "against": "fixed_kd"}
VARIED = {"conditions.vary": {"clean": CLEAN}, "conditions.noise_rate": [0.2, 0.4]}


def asking(*questions: dict[str, Any], **changes: Any) -> Plan:
    return Plan(small_spec({**VARIED, **changes, "compare.questions": list(questions)}))


def names(plan: Plan) -> set[tuple[str, str]]:
    return {(a.removeprefix("symmetric-"), b.removeprefix("symmetric-")) for a, b in plan.declared}


def test_without_questions_every_row_is_compared_with_every_baseline() -> None:
    plan = Plan(small_spec({"methods.2.baseline": True}))
    shown = {
        (plan.shown(condition, "alm_kd").id, plan.shown(condition, other).id)
        for condition in plan.conditions
        for other in ("fixed_kd", "cross_entropy")
    }
    assert plan.declared == shown
    assert plan.comparisons == 4


@pytest.mark.parametrize("clean", [0.05, [0.05], "0.05", ["0.05"]])
@pytest.mark.parametrize("rate", [0.4, [0.4], "0.4"])
def test_a_question_is_about_the_conditions_that_it_names(clean: Any, rate: Any) -> None:
    plan = asking({**ALM, "where": {"clean": clean, "noise_rate": rate}})
    assert names(plan) == {("0.4-noisy-clean-0.05/alm_kd", "0.4-noisy/fixed_kd")}


def test_any_row_may_be_compared_with_any_other() -> None:
    plan = asking(
        {"row": "fixed_kd", "against": "cross_entropy"},
        {"row": "cross_entropy", "against": "alm_kd", "where": {"noise_rate": [0.2]}},
    )
    # Neither row of the first reads the axis: one comparison for each noise rate.
    assert plan.comparisons == 2 + 2
    assert ("0.2-noisy/fixed_kd", "0.2-noisy/cross_entropy") in names(plan)
    assert ("0.2-noisy/cross_entropy", "0.2-noisy-clean-0.1/alm_kd") in names(plan)


def test_labels_of_named_patches_are_values() -> None:
    patches = {"small net": {"student.model": {"name": "mlp", "hidden": [4]}},
               "large net": {"student.model": {"name": "mlp", "hidden": [16]}}}  # fmt: skip
    spec = small_spec(
        {
            "conditions.vary": {"net": patches},
            "compare.questions": [{**ALM, "where": {"net": "large net"}}],
        }
    )
    assert {a.split("/")[0] for a, _ in Plan(spec).declared} == {
        f"symmetric-{rate}-noisy-net-large-net" for rate in ("0", "0.4")
    }


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ([], "compare.questions: is empty; name a question"),
        ([{**ALM, "row": "alm"}], "questions.0.row: 'alm' is no row of this sweep; did you mean"),
        ([{**ALM, "against": "kd"}], "questions.0.against: 'kd' is no row of this sweep"),
        ([{"row": "alm_kd", "against": "alm_kd"}], "questions.0.against: is 'alm_kd' itself"),
        ([{"row": "alm_kd"}], "questions.0.against: is missing"),
        ([{**ALM, "in": {}}], "questions.0.in: 'in' is no field here"),
        ([{**ALM, "where": {"noise": 0.4}}], "where.noise: 'noise' is no column of conditions"),
        ([{**ALM, "where": {"noise_rate": 0.3}}],
         "where.noise_rate: 0.3: no condition has it; take of 0.2, 0.4"),
        ([{**ALM, "where": {"noise_rate": [0.2, "x"]}}], "noise_rate: 'x': no condition has it"),
        ([{**ALM, "where": {"noise_rate": True}}], "noise_rate: True: no condition has it"),
        ([{**ALM, "where": {"clean": []}}],
         "where.clean: names no value, so nothing is asked; take of 0.05, 0.1"),
        ([{**ALM, "where": [0.4]}], r"questions.0.where: \[0.4\]"),
        ([ALM, {**ALM, "where": {"clean": 0.1}}],
         "1: compares alm_kd and fixed_kd at .*clean 0.1, and so does compare.questions.0"),
        ([ALM, {"row": "fixed_kd", "against": "alm_kd"}], "and so does compare.questions.0"),
        ("alm_kd", "compare.questions: 'alm_kd'"),
    ],
)  # fmt: skip
def test_questions_that_ask_nothing_or_twice_are_refused(questions: Any, words: str) -> None:
    with pytest.raises(BadInput, match=words):
        small_spec({**VARIED, "compare.questions": questions})


def test_questions_are_part_of_the_hash_and_of_nothing_that_is_trained() -> None:
    plain, asked = small_spec(VARIED), asking(ALM).spec
    assert spec_hash(plain) != spec_hash(asked)
    assert [c.id for c in Plan(plain).cells] == [c.id for c in Plan(asked).cells]
    content = [c.spec.read_by(c.spec.methods[0]) for c in Plan(asked).cells]
    assert content == [c.spec.read_by(c.spec.methods[0]) for c in Plan(plain).cells]


def test_questions_may_change_under_a_sweeps_name() -> None:
    plain, asked, other = (
        small_spec(VARIED),
        asking(ALM).spec,
        asking({**ALM, "row": "cross_entropy"}),
    )
    for before, now in ((plain, asked), (asked, other.spec), (asked, plain)):
        refuse_change(before, now)
        assert not grows(before, now)
    with pytest.raises(BadInput, match=r"compare\.metric"):
        refuse_change(asked, asking(ALM, **{"compare.metric": "loss"}).spec)


def test_a_plan_says_what_is_declared() -> None:
    plan = asking(ALM, {"row": "fixed_kd", "against": "cross_entropy"}, **{"confirm.seeds": 9})
    lines = dict(line.split(maxsplit=1) for line in describe(plan.spec))
    assert lines["compare"].startswith(
        "6 declared differences (alm_kd against fixed_kd, fixed_kd against cross_entropy), all"
        " others exploratory; smallest p that 9 seeds can reach"
    )
    assert "(the first of 6 comparisons under Holm)" in lines["reach"]
    assert "Warning:" not in lines


def test_the_smallest_self_of_a_sweep_asks_nothing() -> None:
    assert smallest_of(asking(ALM).spec).questions is None
