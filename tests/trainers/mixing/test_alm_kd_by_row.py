"""ALM-KD with a weight per row: what it shares with that of examples, and rows that are not there.

Its gradient stands in test_rows.py.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Diary, only
from tests.trainers.toy_cases import (
    PAIRS,
    SEQUENCES,
    N,
    Sequences,
    ToyTrial,
    toy_cohort,
    toys,  # noqa: F401
)
from trainers.entries import TaskEntry
from trainers.fields import Value
from trainers.loop.stack import Stack
from trainers.mixing.alm_kd.by_row import AlmKdByRow
from trainers.mixing.alm_kd.rule import AlmKd
from trainers.mixing.alm_kd.sides import with_rows
from trainers.mixing.alm_kd.variants import VARIANTS
from trainers.registry import TASKS

pytestmark = pytest.mark.usefixtures("double_precision", "toys")
LR = torch.tensor([0.3])
DUE = {"warmup_epochs": 0, "update_every": 1}
LIVELY: tuple[Mapping[str, Value], ...] = (
    {"variant": "box", "start": "uniform", "grad_fit": 2},
    {"variant": "convex", "hypergradient": "full", "inner_repeats": 2},
    {"variant": "max", "meta_step": "raw", "meta_lr": 40.0},
    {"variant": "softmax", "held_out": 0.5},
)


(ROW,) = SEQUENCES.datasets.values()


def _cut(longest: int, whole: Collection[int] = ()) -> TaskEntry:
    """The task on sequences of at most so many tokens, but for those at some places."""

    def load(n: int) -> Sequences:
        made = ROW.load(n=n)
        cut = ~np.isin(np.arange(n), list(whole))
        lengths = np.where(cut, made.lengths.clip(max=longest), made.lengths)
        past = np.arange(made.tokens.shape[1]) >= lengths[:, None]
        return Sequences(np.where(past, -1, made.tokens), np.where(past, -1, made.tags), lengths)

    return replace(SEQUENCES, datasets={ROW.task: replace(ROW, load=load)})


def _stack(method: str, values: Mapping[str, Value], task: TaskEntry = SEQUENCES) -> Stack:
    return only(toy_cohort(task, method, [ToyTrial("a", values={**DUE, **values})]))


def _rule(stack: Stack) -> AlmKd:
    assert isinstance(stack.method, AlmKd)
    return stack.method


def _there(stack: Stack) -> Tensor:
    """Which rows the training examples have (N, T)."""
    everything = torch.arange(stack.data.size("train")).unsqueeze(0)
    return stack.data.rows_there(stack.data.targets_of("train", everything))[0]


@pytest.mark.parametrize("values", LIVELY, ids=str)
def test_with_one_row_an_example_it_is_alm_kd_to_the_last_bit(values: Mapping[str, Value]) -> None:
    single = _cut(1)
    trial = ToyTrial("a", values={**DUE, **values})
    told, tables = [], []
    for method in ("alm_kd", "alm_kd_token"):
        diary = Diary()
        results = toy_cohort(single, method, [trial]).train(diary)
        told.append(diary.rows["a"])
        tables.append(results["a"].tables)
    assert told[0] == told[1]
    assert torch.equal(tables[0]["lambda"], tables[1]["lambda"])
    assert torch.equal(tables[0]["lambda"], tables[1]["lambda_rows"].squeeze(1))


@pytest.mark.parametrize("hypergradient", ["last_layer", "full"])
def test_gradients_of_rows_add_up_to_that_of_their_example(hypergradient: str) -> None:
    size = 1e-4
    values = {"start": 0.4, "meta_step": "raw", "meta_lr": size, "inner_repeats": 1}
    moved = []
    for method in ("alm_kd", "alm_kd_token"):
        stack = _stack(method, {**values, "hypergradient": hypergradient})
        rule, before = _rule(stack), _rule(stack).lam.clone()
        rule.begin_epoch(1, stack.model, LR)
        moved.append((rule.lam - before)[0] / size)
    assert moved[0].abs().max() > 1e-4
    torch.testing.assert_close(moved[1].sum(1), moved[0], rtol=1e-7, atol=1e-9)


def test_shares_of_rows_add_up_to_their_term() -> None:
    stack = _stack("alm_kd_token", {})
    batch = stack.data.batch("train", torch.arange(9).unsqueeze(0))
    terms = stack.data.terms(batch.targets, stack.model(batch.inputs), stack.method.values)
    torch.testing.assert_close(terms.first_rows(2).sum(-1), terms.first(2))
    gone = ~stack.data.rows_there(batch.targets).unsqueeze(1).expand(-1, 2, -1, -1)
    assert gone.any()
    assert not terms.first_rows(2)[gone].any()


@pytest.mark.parametrize("values", LIVELY, ids=str)
def test_rows_that_are_not_there_never_move_and_are_told_nothing_of(
    values: Mapping[str, Value],
) -> None:
    cohort = toy_cohort(SEQUENCES, "alm_kd_token", [ToyTrial("a", values={**DUE, **values})])
    stack, diary = only(cohort), Diary()
    there, start = _there(stack), _rule(stack).lam[0].clone()
    results = cohort.train(diary)
    lam = _rule(stack).lam[0]
    assert not there.all()
    assert torch.equal(lam[~there], torch.tensor([1.0, 0.0]).expand_as(lam[~there]))
    assert (lam[there] != start[there]).any(1).float().mean() > 0.9
    assert lam.min() >= 0
    assert lam.max() <= VARIANTS[str(values["variant"])].constraint.high
    label, wrong = lam[..., 0], stack.data.corrupted[0].unsqueeze(1).expand_as(there)
    told = diary.rows["a"][-1]
    for name, chosen in (("", there), ("_clean", there & ~wrong), ("_corrupted", there & wrong)):
        assert told[f"lambda_label{name}"] == pytest.approx(float(label[chosen].mean()))
    assert told["lambda_teacher"] == pytest.approx(float(lam[there][:, 1].mean()))
    tables = results["a"].tables
    assert torch.equal(tables["lambda_rows"].isnan(), (~there).unsqueeze(-1).expand_as(lam))
    torch.testing.assert_close(tables["lambda"], tables["lambda_rows"].nanmean(1))


def test_diagnostics_tell_apart_the_rows_that_the_task_says_are_wrong() -> None:
    stack = _stack("alm_kd_token", {"start": "uniform", "variant": "convex"})
    rule, there = _rule(stack), _there(stack)
    wrong = there & (torch.arange(there.shape[1]) % 2 == 0)
    stack.data.corrupted_rows = wrong.unsqueeze(0)
    rule._coordinates[0, ..., 1] = torch.where(wrong, 0.8, 0.3)
    # A step of no size: the weights are those of the coordinates.
    rule.begin_epoch(1, stack.model, 0 * LR)
    told = rule.metrics()
    assert told["lambda_auroc"] == 1
    torch.testing.assert_close(told["lambda_label_corrupted"], torch.tensor([0.2]))
    torch.testing.assert_close(told["lambda_label_clean"], torch.tensor([0.7]))


def test_rows_of_certain_examples_keep_their_weights() -> None:
    row = replace(SEQUENCES.methods["alm_kd_token"], needs_clean_rows=True)
    task = replace(SEQUENCES, methods={"alm_kd_token": row})
    stack = _stack("alm_kd_token", {"clean_alpha": 0.3}, task)
    rule, there, certain = _rule(stack), _there(stack), stack.data.certain
    assert certain
    start = rule.lam.clone()
    rule.begin_epoch(1, stack.model, LR)
    fixed = rule.lam[0, -certain:]
    torch.testing.assert_close(fixed, torch.tensor([0.7, 0.3]).expand_as(fixed))
    learned = there.clone()
    learned[-certain:] = False
    assert ((rule.lam != start)[0].any(-1) == learned).all()
    assert rule.metrics()["lambda_label"] == pytest.approx(float(rule.lam[0, learned][:, 0].mean()))


def test_rows_of_examples_that_are_not_asked_about_keep_all_weight_on_their_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = only(toy_cohort(SEQUENCES, "labels_only", [ToyTrial("a")])).data
    asked = (torch.arange(data.size("train")) % 3 > 0).unsqueeze(0)
    monkeypatch.setattr(type(data), "asked", asked)
    stack = _stack("alm_kd_token", {})
    rule, there = _rule(stack), _there(stack)
    start = rule.lam[0].clone()
    rule.begin_epoch(1, stack.model, LR)
    rest = rule.lam[0, ~asked[0]]
    assert torch.equal(rest, torch.tensor([1.0, 0.0]).expand_as(rest))
    assert torch.equal((rule.lam[0] != start).any(-1), there & asked[0].unsqueeze(1))


def test_lanes_of_longer_and_shorter_examples_start_and_move_as_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Side by side they have the rows of the longest, also once that is gone."""
    together = {"tagger": replace(SEQUENCES.networks["tagger"], together=("cpu",))}
    # One long sequence, which is in the training split of the first seed alone.
    task = replace(_cut(3, [_long_one()]), networks=together)
    monkeypatch.setitem(TASKS, task.name, task)
    values = {**DUE, "start": "uniform"}
    trials = [ToyTrial(str(seed), seed, values=values) for seed in (1, 2)]
    both, alone = (only(toy_cohort(task, "alm_kd_token", t)) for t in (trials, trials[1:]))
    rows = [_rule(stack).lam.shape[2] for stack in (both, alone)]
    assert rows == [7, 3]
    there = _there(alone)
    assert torch.equal(_rule(both).lam[1, :, :3][there], _rule(alone).lam[0][there])
    both.keep([1])
    for stack in (both, alone):
        _rule(stack).begin_epoch(1, stack.model, LR)
    moved = (_rule(stack).lam[0, :, :3][there] for stack in (both, alone))
    torch.testing.assert_close(*moved)


def _long_one() -> int:
    """The place in the data of a long example that seed 1 trains on and seed 2 does not."""
    cohorts = (toy_cohort(SEQUENCES, "labels_only", [ToyTrial("a", seed)]) for seed in (1, 2))
    first, second = ({*only(c).data.examples(0)["row"].tolist()} for c in cohorts)
    return next(r for r in sorted(first - second) if ROW.load(n=N).lengths[r] == 7)


def test_rows_are_cut_off_or_filled_up_with_zeros() -> None:
    x = torch.arange(6.0).view(1, 2, 3)
    assert with_rows(x, 2, 2).tolist() == [[[0, 1], [3, 4]]]
    assert with_rows(x, 4, 2).tolist() == [[[0, 1, 2, 0], [3, 4, 5, 0]]]
    assert with_rows(x, 3, 1).tolist() == [[[0, 1, 2], [3, 4, 5], [0, 0, 0]]]


def test_a_task_without_rows_says_so() -> None:
    stack = only(toy_cohort(PAIRS, "fixed_kd", [ToyTrial("a")]))
    batch = stack.data.batch("train", torch.arange(3).unsqueeze(0))
    with pytest.raises(NotImplementedError, match="PairData has no terms of rows"):
        stack.data.rows_there(batch.targets)
    terms = stack.data.terms(batch.targets, stack.model(batch.inputs), stack.method.values)
    for ask in (lambda: terms.label_rows, lambda: terms.teacher_rows(0)):
        with pytest.raises(NotImplementedError, match="has no terms of rows"):
            ask()
    assert "alm_kd_token" not in PAIRS.methods
    assert SEQUENCES.methods["alm_kd_token"].load() is AlmKdByRow
