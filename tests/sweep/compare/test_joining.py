"""Several sweeps in one table: what is joined, what is refused, what is missing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sweep.compare import statistics
from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.fairness import failures_table, fairness_table
from sweep.compare.figures.differences import paired_differences
from sweep.compare.joining import Joined, join
from sweep.compare.paper import paper_table, wide_markdown
from sweep.compare.questions import comparison_count, exploratory_count
from sweep.compare.records import SweepRecord
from sweep.compare.tables import to_rich
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_spec

Make = Callable[..., SweepRecord]
ALM = {"method": "alm_kd", "pin": {"warmup_epochs": 1, "update_every": 1}}
KD = {"method": "fixed_kd", "baseline": True}
SUPERLOSS = {"method": "superloss"}
GAINS = {"fixed_kd": 0.0, "alm_kd": 2.0, "superloss": -1.0, "labels_only": -2.0}
SEEDS = {"confirm.seeds": 8}


def spec_of(name: str, changes: dict[str, Any]) -> SweepSpec:
    return small_spec({"name": name, "methods": [ALM, KD], **SEEDS, **changes})


def record_of(make_record: Make, spec: SweepSpec, shift: float = 0.0) -> SweepRecord:
    """Made-up results that depend on the cell and the seed alone, and not on the sweep."""
    plan = Plan(spec)
    labels = tuple(use.label for use in spec.methods)
    cells = {(c, label): plan.shown(c, label).id for c in plan.conditions for label in labels}

    def value(condition: int, method: str, seed: int) -> float:
        cell = cells[plan.conditions[condition], method]
        noise = np.random.default_rng([seed, *cell.encode()]).normal(0.0, 0.3)
        return float(90.0 + GAINS[method] + noise + shift)

    def once(trials: pd.DataFrame) -> pd.DataFrame:
        named = {f"{c}/{label}": cell for (c, label), cell in cells.items()}
        told = trials.assign(cell=trials["cell"].map(named))
        return told.drop_duplicates(["cell", "stage", "trial", "seed"])

    return make_record(
        values=value, drop=once, name=spec.name, methods=labels, baselines=plan.baselines,
        conditions=plan.conditions, confirm_seeds=plan.confirm_seeds, cells=cells,
        axes=tuple(axis.name for axis in spec.axes),
        declared=None if spec.questions is None else plan.declared,
    )  # fmt: skip


def joined(make_record: Make, *specs: SweepSpec) -> Joined:
    return join(specs, [record_of(make_record, spec) for spec in specs])


def rows(table: pd.DataFrame) -> list[tuple[float, str, str]]:
    return list(zip(table["noise_rate"], table["method"], table["baseline"], strict=True))


def test_more_conditions_are_one_table_and_one_holm(make_record: Make) -> None:
    a = spec_of("a", {"conditions.noise_rate": [0.0, 0.4]})
    b = spec_of("b", {"conditions.noise_rate": [0.6]})
    whole = joined(make_record, a, b).record
    assert whole.name == "a+b"
    assert [c.noise_rate for c in whole.conditions] == [0.0, 0.4, 0.6]
    assert not whole.absent
    table = comparison_table(whole, 0)
    alone = [comparison_table(record_of(make_record, spec), 0) for spec in (a, b)]
    apart = pd.concat(alone, ignore_index=True)
    for column in ("test_accuracy_mean", "delta", "p_value", "n_seeds", "n_trials"):
        np.testing.assert_array_equal(table[column], apart[column])
    p = table["p_value"].dropna().to_numpy()
    np.testing.assert_allclose(table["p_holm"].dropna(), statistics.holm(p))
    assert comparison_count(whole) == 3
    assert set(whole.trials["sweep"]) == {"a", "b"}


def test_more_rows_take_what_both_have_once(make_record: Make) -> None:
    a = spec_of("a", {"conditions.noise_rate": [0.4]})
    b = spec_of("b", {"conditions.noise_rate": [0.4], "methods": [KD, SUPERLOSS]})
    whole = joined(make_record, a, b).record
    assert whole.methods == ("alm_kd", "fixed_kd", "superloss")
    table = comparison_table(whole, 0)
    assert rows(table) == [
        (0.4, "alm_kd", "fixed_kd"), (0.4, "fixed_kd", ""), (0.4, "superloss", "fixed_kd"),
    ]  # fmt: skip
    assert set(table["n_seeds"]) == {8}
    assert set(table["n_trials"]) == {4}
    kept = whole.trials[whole.trials["method"] == "fixed_kd"]
    assert set(kept["sweep"]) == {"a"}


def test_a_cell_that_no_sweep_has_is_shown_as_missing(make_record: Make) -> None:
    a = spec_of("a", {"conditions.noise_rate": [0.2, 0.4]})
    b = spec_of("b", {"conditions.noise_rate": [0.4], "methods": [KD, SUPERLOSS]})
    whole = joined(make_record, a, b).record
    assert whole.absent == {"symmetric-0.2-noisy/superloss"}
    table = comparison_table(whole, 0)
    lost = table[(table["noise_rate"] == 0.2) & (table["method"] == "superloss")].iloc[0]
    assert (lost["n_seeds"], lost["n_failed_seeds"], lost["question"]) == (0, 0, "")
    assert np.isnan(lost["delta"])
    assert (comparison_count(whole), exploratory_count(whole)) == (3, 0)
    told = answer(table, whole)
    assert not any("Missing" in line or "budgets" in line or "exploratory" in line for line in told)
    assert len(fairness_table(whole)) == 5
    assert failures_table(whole)["state"].ne("missing").all()
    assert "–" in wide_markdown(paper_table(whole, table, 0), "std")  # noqa: RUF001
    assert to_rich(table, whole).row_count == 6
    assert len(paired_differences(table, whole).axes[0].get_yticks()) == 3


def test_a_row_that_reads_no_axis_is_shown_in_the_conditions_of_the_other(
    make_record: Make,
) -> None:
    def clean(values: list[float]) -> dict[str, Any]:
        return {
            "conditions.vary": {"clean": {"field": "data.clean", "values": values}},
            "conditions.noise_rate": [0.4],
        }

    a = spec_of("a", clean([0.02, 0.05]))
    b = spec_of("b", {**clean([0.1]), "methods": [ALM, KD, {"method": "labels_only"}]})
    whole = joined(make_record, a, b).record
    assert [c.columns["clean"] for c in whole.conditions] == [0.02, 0.05, 0.1]
    table = comparison_table(whole, 0)
    # fixed_kd is one cell, which both sweeps have; labels_only another, which b alone has.
    assert not whole.absent
    for method in ("fixed_kd", "labels_only"):
        assert table.loc[table["method"] == method, "test_accuracy_mean"].nunique() == 1
    assert comparison_count(whole) == 3 + 1


def test_declared_questions_are_those_of_all(make_record: Make) -> None:
    def asking(name: str, rate: float, methods: list[Any], row: str) -> SweepSpec:
        question = {"row": row, "against": "fixed_kd", "where": {"noise_rate": rate}}
        changes = {"conditions.noise_rate": [0.2, rate], "compare.questions": [question]}
        return spec_of(name, {**changes, "methods": methods})

    a = asking("a", 0.4, [ALM, KD], "alm_kd")
    b = asking("b", 0.6, [KD, SUPERLOSS], "superloss")
    whole = joined(make_record, a, b).record
    table = comparison_table(whole, 0)
    assert rows(table[table["question"] == "declared"]) == [
        (0.4, "alm_kd", "fixed_kd"), (0.6, "superloss", "fixed_kd"),
    ]  # fmt: skip
    assert rows(table[table["question"] == "exploratory"]) == [
        (0.2, "alm_kd", "fixed_kd"), (0.2, "superloss", "fixed_kd"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 7}, "seed: 0 in a, 7 in b"),
        ({"confirm.seeds": 9}, r"confirm\.seeds: 8 in a, 9 in b"),
        ({"data.splits.train": 0.3}, r"data\.splits\.train: 0\.4 in a, 0\.3 in b"),
        ({"data": {"dataset": "blobs"}}, r"data\.dataset: digits in a, blobs in b"),
        ({"conditions.noisy_splits": ["train", "validation"]}, r"conditions\.noisy_splits: "),
        ({"objective.metric": "loss"}, r"objective\.metric: accuracy in a, loss in b"),
        ({"objective.selection": "last"}, r"objective\.selection: best in a, last in b"),
        ({"compare.metric": "macro_f1"}, r"compare\.metric: accuracy in a, macro_f1 in b"),
        ({"search.trials": 9}, r"search\.trials: 6 in a, 9 in b"),
        ({"search.pruner": {"name": "none"}}, r"search\.pruner"),
        ({"search.shared": {"lr": {"low": 0.1, "high": 0.2}}}, r"search\.shared\.lr: nothing in a"),
        ({"student.training.epochs": 9}, r"student\.training\.epochs: 4 in a, 9 in b"),
        ({"teacher.model.hidden": [32]}, r"teacher\.model\.hidden: \[24\] in a, \[32\] in b"),
        ({"methods.0.pin.update_every": 2}, r"methods\.alm_kd: .*update_every': 1.* in a, .*2"),
        ({"methods.0.baseline": True}, r"baselines: \['fixed_kd'\] in a, \['alm_kd', 'fixed_kd'\]"),
        ({"compare.questions": [{"row": "alm_kd", "against": "fixed_kd"}]},
         r"compare\.questions: every row against every baseline in a, some in b"),
        ({"conditions.vary": {"clean": {"field": "data.clean", "values": [0.1]}}},
         r"conditions\.vary: \[\] in a, \['clean'\] in b"),
        ({"search.own": {"alm_kd": {"meta_lr": {"low": 1.0, "high": 9.0}}}},
         "alm_kd: searches other ranges"),
    ],
)  # fmt: skip
def test_sweeps_that_do_not_agree_are_refused_with_field_and_values(
    make_record: Make, changes: dict[str, Any], words: str
) -> None:
    a, b = spec_of("a", {}), spec_of("b", changes)
    with pytest.raises(BadInput, match=words) as caught:
        join([a, b], [record_of(make_record, a)] * 2)
    assert "Compare them one by one" in str(caught.value)


def test_a_value_of_an_axis_has_to_be_the_same_in_both(make_record: Make) -> None:
    def net(hidden: int, **more: Any) -> dict[str, Any]:
        patches = {"net": {"student.model": {"name": "mlp", "hidden": [hidden]}}, **more}
        return {"conditions.vary": {"size": patches}}

    other = {"larger": {"student.model": {"name": "mlp", "hidden": [32]}}}
    whole = joined(make_record, spec_of("a", net(8)), spec_of("b", net(8, **other))).record
    assert [c.columns["size"] for c in whole.conditions] == ["net", "net", "larger", "larger"]
    a, b = spec_of("a", net(8)), spec_of("b", net(16))
    with pytest.raises(BadInput, match=r"conditions\.vary\.size\.net: .*\[8\].* in a, .*\[16\]"):
        join([a, b], [record_of(make_record, a)] * 2)


def test_a_cell_that_came_out_otherwise_is_refused(make_record: Make) -> None:
    a, b = spec_of("a", {}), spec_of("b", {"methods": [KD, SUPERLOSS]})
    records = [record_of(make_record, a), record_of(make_record, b, shift=0.5)]
    words = r"symmetric-0-noisy/fixed_kd: test_accuracy under seed 1 is \d.* in a and \d.* in b"
    with pytest.raises(BadInput, match=words):
        join([a, b], records)
    whole = record_of(make_record, b)
    lost = replace(whole, trials=whole.trials[whole.trials["seed"] != 8])
    with pytest.raises(BadInput, match=r"seed 8 is .* in a and missing in b"):
        join([a, b], [records[0], lost])


def test_a_sweep_is_named_once(make_record: Make) -> None:
    a = spec_of("a", {})
    with pytest.raises(BadInput, match="a: is named twice"):
        joined(make_record, a, a)
