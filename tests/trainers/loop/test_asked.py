"""Few calls: teachers may be asked about some training examples, and about no other example."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.contracts.test_checkpoints import EPOCHS, assert_goes_on
from tests.trainers.cases import (
    EXAMPLES,
    FRACTIONS,
    Diary,
    Shape,
    Trial,
    history,
    lively_trials,
    made_up_dataset,
    make_cohort,
    only,
    teacher_logits,
    weights,
)
from trainers.classes.losses import cross_entropy, distillation
from trainers.classification.data.lanes import LaneData, Treatment
from trainers.classification.entry import CLASSIFICATION
from trainers.data.splits import share_of
from trainers.loop.asked import asked_counts, asked_first
from trainers.settings import Labels, LaneSource, TeacherCalls, Unasked

TRAIN = share_of(FRACTIONS.train, EXAMPLES)
TAUGHT = [name for name, entry in CLASSIFICATION.methods.items() if entry.uses_teacher]
EVERY_TAUGHT = pytest.mark.parametrize("method", TAUGHT)
FEW = TeacherCalls(0.3, "label")


def data_of(seed: int, calls: TeacherCalls | None, **source: object) -> LaneData:
    dataset = made_up_dataset()
    own = LaneSource(seed, Labels("symmetric", 0.4), ("strong",), **source)  # type: ignore[arg-type]
    logits = teacher_logits(dataset)
    return LaneData(dataset, FRACTIONS, [own], logits, torch.device("cpu"), Treatment(calls=calls))


def rows_asked(data: LaneData) -> set[int]:
    """The rows about whose teachers' outputs something can be had."""
    found = set[int]()
    for split in ("train", "meta", "validation", "test"):
        every = torch.arange(data.size(split)).unsqueeze(0)
        known = data.targets_of(split, every).teachers[0, 0].isfinite().all(-1)
        found |= set(data.rows(split)[0][known].tolist())
    return found


@pytest.mark.parametrize("unasked", ["drop", "label"])
def test_calls_are_nested_counted_and_of_training_examples_alone(unasked: Unasked) -> None:
    before: set[int] = set()
    for share in (0.05, 0.3, 0.8, 1.0):
        data = data_of(3, TeacherCalls(share, unasked))
        asked = rows_asked(data)
        assert len(asked) == share_of(share, TRAIN)
        assert before <= asked <= set(data_of(3, None).rows("train")[0].tolist())
        before = asked
    # Another seed has others.
    assert rows_asked(data_of(4, FEW)) != rows_asked(data_of(3, FEW))


def test_classes_keep_their_shares() -> None:
    labels = made_up_dataset().labels
    train = data_of(3, None).rows("train")[0].numpy()
    asked = np.array(sorted(rows_asked(data_of(3, TeacherCalls(0.3)))))
    whole = np.bincount(labels[train], minlength=5) * 0.3
    assert np.abs(np.bincount(labels[asked], minlength=5) - whole).max() <= 1.5


def test_what_is_left_keeps_its_labels_and_its_order() -> None:
    whole, some = data_of(3, None), data_of(3, TeacherCalls(0.3))
    given = dict(
        zip(whole.rows("train")[0].tolist(), whole.labels("train")[0].tolist(), strict=True)
    )
    rows = some.rows("train")[0].tolist()
    assert rows == [row for row in given if row in set(rows)]
    assert some.labels("train")[0].tolist() == [given[row] for row in rows]
    for split in ("meta", "validation", "test"):
        assert torch.equal(whole.rows(split), some.rows(split))


def test_clean_rows_that_are_trained_on_are_not_asked_about() -> None:
    for unasked in ("drop", "label"):
        data = data_of(3, TeacherCalls(1.0, unasked), clean="train")  # type: ignore[arg-type]
        assert len(rows_asked(data)) == TRAIN
        assert data.asked is not None
        assert not data.asked[0, -data.certain :].any()


def test_a_teacher_is_trained_on_all_examples() -> None:
    teacher = data_of(3, TeacherCalls(0.3), is_teacher=True)
    assert torch.equal(teacher.rows("train"), data_of(3, None).rows("train"))


@EVERY_TAUGHT
@pytest.mark.parametrize("unasked", ["drop", "label"])
def test_all_calls_are_what_was_there_without_a_limit(method: str, unasked: Unasked) -> None:
    trial = allowed(method)[0]
    assert history(method, trial, Shape(calls=TeacherCalls(1.0, unasked))) == history(method, trial)


def allowed(method: str, count: int = 6) -> list[Trial]:
    """Lively trials that ask about no held-out examples, two teachers where that is the fewest."""
    entry = CLASSIFICATION.methods[method]
    return [t for t in lively_trials(method, count) if entry.held_out_problem(t.values) is None]


@EVERY_TAUGHT
@pytest.mark.parametrize(
    "shape",
    [
        Shape(calls=TeacherCalls(0.3, "drop"), steps=5),
        Shape(calls=FEW),
        Shape(calls=FEW, clean="train"),
        Shape(calls=TeacherCalls(0.05, "label"), batch_size=7),
    ],
    ids=["drop", "label", "clean", "hardly any"],
)
def test_nobody_reads_what_may_not_be_asked(method: str, shape: Shape) -> None:
    """With NaN in place of all other outputs, training leaves the same numbers, bit for bit."""
    trials = [replace(t, seed=5) for t in allowed(method)]
    whole = make_cohort(method, trials, shape)
    data = whole.stacks[0].data
    assert isinstance(data, LaneData)
    asked = sorted(rows_asked(data))
    poisoned = {
        # A light one says nothing of these examples.
        name: logits
        if name == "light"
        else np.where(np.isin(np.arange(EXAMPLES), asked)[:, None], logits, np.nan)
        for name, logits in teacher_logits(made_up_dataset()).items()
    }
    left = []
    for cohort in (whole, make_cohort(method, trials, shape, poisoned)):
        diary = Diary()
        results = cohort.train(diary)
        parameters = [weights(cohort, name) for name in cohort.names]
        cohort.test()
        left.append((diary.rows, [r.test for r in results.values()], parameters))
    (rows, tests, parameters), (others, other_tests, other_parameters) = left
    assert rows == others
    assert tests == other_tests
    for one, other in zip(parameters, other_parameters, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)
        assert all(t.isfinite().all() for t in one.values())


@EVERY_TAUGHT
@pytest.mark.parametrize("shape", [Shape(calls=FEW), Shape(calls=FEW, batch_size=1000)])
def test_a_lane_with_few_calls_is_the_trial_alone(method: str, shape: Shape) -> None:
    trials = allowed(method)
    diary = Diary({trials[1].name: 2})
    make_cohort(method, trials, shape).train(diary)
    for trial in (trials[0], *trials[2:]):
        assert diary.rows[trial.name] == history(method, trial, shape)


@pytest.mark.parametrize("method", ["alm_kd", "bikd", "ckd"])
def test_training_with_few_calls_goes_on_where_it_was_broken_off(method: str) -> None:
    trials, shape = allowed(method, 3), Shape(EPOCHS, calls=FEW)
    assert_goes_on(lambda: make_cohort(method, trials, shape), {trials[1].name: 2})


@pytest.mark.usefixtures("double_precision")
def test_unasked_examples_have_their_label_loss_with_weight_one() -> None:
    """A step on the whole training split, by plain autograd."""
    trial = Trial("a", values={"alpha": 0.9, "temperature": 2.0, "lr": 0.3, "weight_decay": 0.0})
    cohort = make_cohort("fixed_kd", [trial], Shape(epochs=1, batch_size=1000, calls=FEW))
    stack = only(cohort)
    data, before = stack.data, {n: p.detach().clone() for n, p in stack.model.named_parameters()}
    every = torch.arange(data.size("train")).unsqueeze(0)
    targets, x = data.targets_of("train", every), data.inputs_of("train", every)[0]
    asked = targets.teachers[0, 0].isfinite().all(-1)
    assert 0 < int(asked.sum()) < len(asked)

    leaves = {name: p[0].requires_grad_() for name, p in before.items()}
    h = torch.relu(x @ leaves["body.0.weight"].T + leaves["body.0.bias"])
    z = h @ leaves["head.weight"].T + leaves["head.bias"]
    label = cross_entropy(z, targets.labels[0])
    t = targets.teachers[0, 0].nan_to_num()
    mixed = 0.1 * label + 0.9 * distillation(t, z, torch.full((len(t),), 2.0))
    torch.where(asked, mixed, label).mean().backward()

    cohort.train(Diary())
    for name, p in stack.model.named_parameters():
        # Nesterov's first step is 1 + momentum of a plain one.
        expected = leaves[name].detach() - 0.3 * 1.9 * leaves[name].grad  # type: ignore[operator]
        torch.testing.assert_close(p.detach()[0], expected)


@pytest.mark.usefixtures("double_precision")
def test_weights_of_alm_kd_are_learned_where_teachers_are_asked() -> None:
    values = {"warmup_epochs": 0, "update_every": 1, "meta_lr": 300.0, "lr": 0.1}
    cohort = make_cohort("alm_kd", [Trial("a", values=values)], Shape(calls=FEW))
    asked = only(cohort).data.asked
    assert asked is not None
    lam = cohort.train(Diary())["a"].tables["lambda"]
    assert (lam[~asked[0]] == torch.tensor([1.0, 0.0])).all()
    assert (lam[asked[0]] != torch.tensor([0.1, 0.9])).any(1).all()


def test_asking_about_the_meta_split_is_refused() -> None:
    trial = Trial("a", values={"variant": "max"})
    with pytest.raises(ValueError, match="asks the teachers about the meta split with held_out"):
        make_cohort("alm_kd", [trial], Shape(calls=FEW))
    labels = Trial("a", values={"variant": "max", "held_out_loss": "labels"})
    assert make_cohort("alm_kd", [labels], Shape(calls=FEW)).learns


def test_the_variants_that_ask_are_those_of_the_row() -> None:
    from trainers.mixing.alm_kd.variants import VARIANTS

    entry = CLASSIFICATION.methods["alm_kd"]
    for name, variant in VARIANTS.items():
        asks = entry.held_out_problem({"variant": name}) is not None
        assert asks == (variant.held_out_loss != "labels")


@pytest.mark.parametrize(
    ("sizes", "asked", "examples", "expected"),
    [
        ([10, 10, 10], 15, 30, [5, 5, 5]),
        ([10, 10, 10], 30, 30, [10, 10, 10]),
        ([10, 10, 10], 3, 30, [0, 3, 0]),
        ([10, 10, 10, 10], 3, 20, [0, 3, 0, 3]),
        ([4, 4, 2], 2, 10, [0, 0, 2]),
        ([2, 2, 2], 3, 6, [0, 2, 0]),
        ([5] * 4, 2, 100, [0] * 4),
    ],
)
def test_no_batch_has_one_that_is_asked_about(
    sizes: list[int], asked: int, examples: int, expected: list[int]
) -> None:
    counts = asked_counts(sizes, asked, examples)
    assert counts == expected
    assert 1 not in counts


def test_every_batch_begins_with_those_that_are_asked_about() -> None:
    g = torch.Generator().manual_seed(1)
    asked = torch.zeros(2, 10, dtype=torch.bool)
    asked[0, [1, 4, 5, 9]], asked[1, [0, 2, 3, 7]] = True, True
    order = torch.stack(
        [torch.cat([torch.randperm(10, generator=g) for _ in range(2)]) for _ in range(2)]
    )
    sizes = [4, 4, 4, 4]
    counts = asked_counts(sizes, 4, 10)
    arranged = asked_first(order, asked, sizes, counts)
    begin = 0
    for size, count in zip(sizes, counts, strict=True):
        here = asked.gather(1, arranged[:, begin : begin + size])
        assert here[:, :count].all()
        assert not here[:, count:].any()
        begin += size
    for lane in range(2):
        first_pass = [p for p in order[lane].tolist() if asked[lane, p]]
        kept = [p for p in arranged[lane].tolist() if asked[lane, p]]
        assert kept == first_pass[: sum(counts)]


def test_one_that_is_left_over_has_another_in_its_place() -> None:
    """31 of 105 asked about, two examples a batch."""
    shape = Shape(epochs=2, batch_size=2, calls=FEW)
    rows = history("ckd", Trial("a", values={"lr": 0.02}), shape)
    assert all(np.isfinite(row["train_loss"]) for row in rows)


def test_the_label_regime_takes_as_many_steps_at_every_share() -> None:
    steps = {
        only(make_cohort("fixed_kd", [Trial("a")], Shape(calls=calls))).steps_per_epoch
        for calls in (None, FEW, TeacherCalls(0.05, "label"))
    }
    assert len(steps) == 1
