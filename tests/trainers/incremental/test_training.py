"""Training on classes that come task by task: against a loop by hand, and what has to hold."""

import copy
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from tests.contracts.test_checkpoints import assert_goes_on
from tests.trainers.cases import Diary, only, weights
from tests.trainers.incremental.cases import (
    FRACTIONS,
    INPUTS,
    NORMED,
    PLAIN,
    StreamTrial,
    blobs,
    make_cohort,
)
from trainers.classification.data.lanes import LaneData
from trainers.incremental.data.draw import StreamTreatment
from trainers.incremental.entry import INCREMENTAL
from trainers.incremental.terms import StreamTargets, StreamTerms
from trainers.lanes.layers import BatchNorm1d
from trainers.lanes.seeds import torch_generator
from trainers.loop.cohort import Cohort
from trainers.loop.stack import Stack
from trainers.loop.stopwatch import Stopwatch
from trainers.mixing.hypergradient import Evaluation, TrainingGroup, last_layer_hypergradient
from trainers.settings import (
    CohortSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    Stream,
    Training,
)
from trainers.task import Part

ADAPTS = Stream(3, batch_norm="batch")


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def _steps(stack: Stack, epochs: Sequence[int]) -> None:
    for epoch in epochs:
        for _ in stack.steps(epoch, Stopwatch()):
            pass


class Grown(nn.Module):
    """By hand: a hidden layer, normalised, and a head that grows by the rows of each task."""

    def __init__(self, start: dict[str, torch.Tensor], classes: torch.Tensor) -> None:
        super().__init__()
        hidden = start["body.0.weight"].shape[0]
        self.first, self.norm = nn.Linear(INPUTS, hidden), nn.BatchNorm1d(hidden)
        self.head = nn.Linear(hidden, len(classes))
        for own, name in ((self.first, "body.0"), (self.norm, "norms.0")):
            own.weight.data = start[f"{name}.weight"].clone()
            own.bias.data = start[f"{name}.bias"].clone()
        self.head.weight.data = start["head.weight"][classes].clone()
        self.head.bias.data = start["head.bias"][classes].clone()

    def grow(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        self.head.weight = nn.Parameter(torch.cat([self.head.weight.data, weight]))
        self.head.bias = nn.Parameter(torch.cat([self.head.bias.data, bias]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(torch.relu(self.norm(self.first(x))))
        return logits


TAU, ALPHA = 2.0, 0.4


def _global(t: torch.Tensor, z: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    p = torch.softmax(t / TAU, 1)
    return TAU**2 * (p * (p.log() - torch.log_softmax(z / TAU, 1))).sum(1)


def _tasks(t: torch.Tensor, z: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    parts = zip(t.split(list(sizes), 1), z.split(list(sizes), 1), strict=True)
    return torch.stack([_global(of_t, of_z, ()) for of_t, of_z in parts]).sum(0)


def _sigmoid(t: torch.Tensor, z: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    p, q = torch.sigmoid(t), torch.sigmoid(z)
    return -(p * q.log() + (1 - p) * (1 - q).log()).sum(1)


FORMS: dict[str, Callable[..., torch.Tensor]] = {
    "global": _global, "tasks": _tasks, "sigmoid": _sigmoid,
}  # fmt: skip


class ByHand:
    """A stream of tasks with torch's own layers and optimizer, in step with a stack."""

    def __init__(self, stack: Stack, form: str, adapts: bool) -> None:
        self._data, self._form, self._adapts = stack.data, form, adapts
        self._order = torch_generator(3, "batches")
        self.classes: torch.Tensor = stack.data._order[0]  # type: ignore[attr-defined]
        self._start = {name: t.clone() for name, t in stack.weights(0).items()}
        self._teacher: Grown | None = None
        self._seen = 0

    def begin(self, task: int, new: torch.Tensor) -> None:
        """Grow a head for the classes of a task, and keep what was learned before."""
        if not task:
            self.student = Grown(self._start, new)
        else:
            self._seen = 2 * task
            self._teacher = copy.deepcopy(self.student).train(self._adapts)
            model = INCREMENTAL.networks["mlp"].complete(NORMED)
            starts = [torch_generator(3, "phase", str(task))]
            fresh = INCREMENTAL.load().network(model, self._data, starts)
            self.student.grow(*(p.detach()[0, new] for p in fresh.last_layer))
        parameters = self.student.parameters()
        self._optimizer = torch.optim.SGD(parameters, 0.1, 0.9, weight_decay=1e-3)
        self._place = {int(c): i for i, c in enumerate(new)}

    def epoch(self, number: int) -> None:
        """One of a task, from 1."""
        rows, labels = self._data.rows("train")[0], self._data.labels("train")[0]  # type: ignore[attr-defined]
        self._optimizer.param_groups[0]["lr"] = 0.1 * Training(2, 16).lr_factor(number)
        for index in torch.randperm(len(rows), generator=self._order).split(16):
            x = self._data.inputs[rows[index]]  # type: ignore[attr-defined]
            z = self.student(x)
            y = torch.tensor([self._place[int(c)] for c in labels[index]])
            loss = F.cross_entropy(z[:, self._seen :], y, reduction="none")
            if self._teacher is not None:
                with torch.no_grad():
                    t = self._teacher(x)
                kd = FORMS[self._form](t, z[:, : self._seen], [2] * (self._seen // 2))
                loss = (1 - ALPHA) * loss + ALPHA * kd
            self._optimizer.zero_grad()
            loss.mean().backward()
            self._optimizer.step()


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("adapts", [False, True])
@pytest.mark.parametrize("form", FORMS)
def test_it_is_a_head_that_grows_and_a_teacher_of_the_tasks_before(form: str, adapts: bool) -> None:
    stream = Stream(3, batch_norm="batch" if adapts else "frozen")
    values = {"lr": 0.1, "alpha": ALPHA, "temperature": TAU, "kd_form": form, "weight_decay": 1e-3}
    stack = only(make_cohort("fixed_kd", [StreamTrial("a", 3, values)], stream))
    by_hand = ByHand(stack, form, adapts)
    for task, new in enumerate(by_hand.classes.split(2)):
        by_hand.begin(task, new)
        for epoch in (1, 2):
            _steps(stack, [2 * task + epoch])
            by_hand.epoch(epoch)
    found, student = stack.weights(0), by_hand.student
    torch.testing.assert_close(found["body.0.weight"], student.first.weight.data)
    torch.testing.assert_close(found["norms.0.running_var"], student.norm.running_var)
    torch.testing.assert_close(found["head.weight"][by_hand.classes], student.head.weight.data)
    torch.testing.assert_close(found["head.bias"][by_hand.classes], student.head.bias.data)


def test_one_task_is_training_without_tasks_bit_for_bit() -> None:
    trials = [StreamTrial("a", 3, {"lr": 0.1}, 0.4), StreamTrial("b", 4, {"lr": 0.05}, 0.4)]
    expected, sources = Diary(), [LaneSource(t.seed, Labels("symmetric", 0.4)) for t in trials]
    data = LaneData(
        blobs(), FRACTIONS, sources, {}, torch.device("cpu"), StreamTreatment(stream=Stream(1))
    )
    spec = CohortSpec(
        "labels_only", NORMED, Training(4, 16, nesterov=False), Selection("accuracy", True, "last")
    )
    lanes = [Lane(t.name, t.seed, {"weight_decay": 0.0, **t.values}) for t in trials]
    Cohort(spec, lanes, data).train(expected)
    for method in ("labels_only", "fixed_kd", "alm_kd"):
        found = Diary()
        make_cohort(method, trials, Stream(1), epochs=4).train(found)
        assert found.rows == expected.rows


def _at_second_task(stream: Stream) -> Stack:
    """A student after a task, where the second begins."""
    cohort = make_cohort("fixed_kd", [StreamTrial("a"), StreamTrial("b", 4)], stream)
    stack = only(cohort)
    _steps(stack, [1, 2])
    stack.go_to(3)
    return stack


def _kd(stack: Stack) -> tuple[torch.Tensor, torch.Tensor]:
    """The teacher's term of a batch, (L, B), and the length of its gradient."""
    batch = stack.data.training_batch(torch.arange(16).expand(2, -1))
    term = stack.data.terms(batch.targets, stack.model(batch.inputs), stack.method.values).teacher(
        0
    )
    grads = torch.autograd.grad(term.sum(), list(stack.model.parameters()), allow_unused=True)
    length = torch.stack([g.abs().max() for g in grads if g is not None]).max()
    return term.detach(), length


@pytest.mark.usefixtures("double")
def test_a_teacher_that_adapts_says_at_first_what_the_student_says() -> None:
    term, gradient = _kd(_at_second_task(ADAPTS))
    assert float(term.abs().max()) < 1e-12
    assert float(gradient) < 1e-7
    term, gradient = _kd(_at_second_task(Stream(3)))
    assert float(term.mean()) > 1e-3
    assert float(gradient) > 1e-3


def test_running_statistics_are_never_read_by_a_teacher_that_adapts() -> None:
    stack = _at_second_task(ADAPTS)
    batch = stack.data.training_batch(torch.arange(16).expand(2, -1))
    before = batch.targets.teachers
    teacher = stack.data._teacher  # type: ignore[attr-defined]
    for module in teacher.network.modules():
        if isinstance(module, BatchNorm1d):
            module.running_mean += 7
            module.running_var *= 3
    again = stack.data.training_batch(torch.arange(16).expand(2, -1))
    assert torch.equal(again.targets.teachers, before)


def _rows(
    method: str, stream: Stream, model: ModelSpec = NORMED, **values: object
) -> list[dict[str, float]]:
    diary = Diary()
    trial = StreamTrial("a", 3, {"lr": 0.1, **values})  # type: ignore[arg-type]
    make_cohort(method, [trial], stream, model).train(diary)
    return diary.rows["a"]


def _losses(rows: Sequence[dict[str, float]]) -> list[float]:
    return [row["train_loss"] for row in rows]


# What a frozen teacher says is kept of all examples at once, and differs in the last bits from what
# it says of a batch.


@pytest.mark.usefixtures("double")
def test_without_batch_normalisation_nothing_adapts() -> None:
    adapts, frozen = (_losses(_rows("fixed_kd", s, PLAIN)) for s in (ADAPTS, Stream(3)))
    assert adapts == pytest.approx(frozen, abs=1e-7)
    adapts, frozen = (_losses(_rows("fixed_kd", s)) for s in (ADAPTS, Stream(3)))
    assert adapts != pytest.approx(frozen, abs=1e-3)


@pytest.mark.usefixtures("double")
def test_running_statistics_that_stand_still_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    both = (Stream(3, batch_norm="running"), Stream(3))
    moving, frozen = (_losses(_rows("fixed_kd", stream)) for stream in both)
    assert moving != pytest.approx(frozen, abs=1e-3)
    monkeypatch.setattr(BatchNorm1d, "MOMENTUM", 0.0)
    still, frozen = (_losses(_rows("fixed_kd", stream)) for stream in both)
    assert still == pytest.approx(frozen, abs=1e-7)


def test_without_a_weight_of_the_teacher_old_rows_stay() -> None:
    stack = only(make_cohort("fixed_kd", [StreamTrial("a", 3, {"alpha": 0.0})]))
    _steps(stack, [1, 2])
    old = stack.data._order[0, :2]  # type: ignore[attr-defined]
    before = stack.weights(0)["head.weight"][old]
    _steps(stack, [3, 4])
    assert torch.equal(stack.weights(0)["head.weight"][old], before)
    stack = only(make_cohort("fixed_kd", [StreamTrial("a", 3, {"alpha": 0.5})]))
    _steps(stack, [1, 2, 3, 4])
    assert not torch.equal(stack.weights(0)["head.weight"][old], before)


def test_of_one_task_before_the_old_classes_are_those_of_a_task() -> None:
    two = Stream(2, batch_norm="batch")
    by_all = _rows("fixed_kd", two, kd_form="global")
    assert by_all == _rows("fixed_kd", two, kd_form="tasks")
    assert by_all != _rows("fixed_kd", two, kd_form="sigmoid")


def test_lanes_may_differ_in_the_form() -> None:
    forms = ("global", "sigmoid", "tasks")
    trials = [StreamTrial(form, 3, {"kd_form": form, "lr": 0.1}) for form in forms]
    together = Diary()
    make_cohort("fixed_kd", trials, ADAPTS).train(together)
    for trial in trials:
        alone = Diary()
        make_cohort("fixed_kd", [trial], ADAPTS).train(alone)
        assert together.rows[trial.name] == alone.rows[trial.name]


@pytest.mark.parametrize("batch_norm", ["frozen", "batch", "running"])
@pytest.mark.parametrize("method", INCREMENTAL.methods)
def test_it_goes_on_where_it_was_broken_off(method: str, batch_norm: str) -> None:
    """Five tasks of one epoch; a lane is cut out in the second, a checkpoint taken in the third."""
    values = {"warmup_epochs": 0, "update_every": 1} if method == "alm_kd" else {}
    trials = [StreamTrial(f"trial-{i}", 3 + i, {"lr": 0.05, **values}, 0.4) for i in range(3)]
    stream = Stream(5, batch_norm=batch_norm)  # type: ignore[arg-type]
    assert_goes_on(lambda: make_cohort(method, trials, stream, epochs=1), {"trial-1": 2})


def test_a_state_of_another_making_is_not_taken() -> None:
    trials, kept = [StreamTrial("a"), StreamTrial("b", 4)], []
    cohort = make_cohort("alm_kd", trials, ADAPTS)
    cohort.train(Diary(), lambda: kept.append(copy.deepcopy(cohort.state())))
    state = kept[3]
    del state["stack"]["method"]["coordinates"]
    found, straight, expected = make_cohort("alm_kd", trials, ADAPTS), Diary(), Diary()
    assert not found.go_on(state, Diary())
    found.train(straight)
    make_cohort("alm_kd", trials, ADAPTS).train(expected)
    assert straight.rows == expected.rows


def test_a_lane_of_a_stream_is_the_trial_alone() -> None:
    values = {"warmup_epochs": 0, "update_every": 1, "meta_lr": 1.0}
    trials = [StreamTrial(f"t{i}", 3 + i, {"lr": 0.1, **values}, 0.4) for i in range(3)]
    for method in INCREMENTAL.methods:
        together = Diary()
        cohort = make_cohort(method, trials, ADAPTS)
        results = cohort.train(together)
        cohort.test()
        alone, only_one = Diary(), make_cohort(method, trials[1:2], ADAPTS)
        expected = only_one.train(alone)
        only_one.test()
        assert together.rows["t1"] == alone.rows["t1"]
        assert results["t1"].test == expected["t1"].test
        own, its = weights(cohort, "t1"), weights(only_one, "t1")
        assert all(torch.equal(t, its[name]) for name, t in own.items())


@pytest.mark.parametrize("held_out_loss", ["labels", "mixed"])
def test_labels_alone_say_nothing_of_the_teacher(held_out_loss: str) -> None:
    """The last layer's rows of old classes meet no held-out label's gradient: exactly zero."""
    values = {
        "warmup_epochs": 0, "update_every": 1, "meta_lr": 1.0, "meta_step": "raw",
        "held_out_loss": held_out_loss, "variant": "box",
    }  # fmt: skip
    stack = only(make_cohort("alm_kd", [StreamTrial("a", 3, values, 0.4)]))
    _steps(stack, [1, 2, 3, 4])
    lam = stack.method.tables()["lambda"]
    moved = (lam[..., 1] != lam[0, 0, 1]).any()
    assert bool(moved) == (held_out_loss == "mixed")
    assert len(np.unique(lam[..., 0])) > 1


def test_before_there_is_a_teacher_the_labels_alone_count() -> None:
    values = {"warmup_epochs": 0, "update_every": 1}
    first = {
        method: _first_task(method, values if method == "alm_kd" else {})
        for method in ("labels_only", "fixed_kd", "alm_kd", "superloss")
    }
    assert all(rows == first["labels_only"] for rows in first.values())


def _first_task(method: str, values: dict[str, object]) -> object:
    diary = Diary()
    trial = StreamTrial("a", 3, {"lr": 0.1, **values}, 0.4)  # type: ignore[arg-type]
    make_cohort(method, [trial], ADAPTS).train(diary)
    return diary.rows["a"][:2]


def test_what_was_known_after_each_task_is_told_at_the_end() -> None:
    cohort = make_cohort("fixed_kd", [StreamTrial("a"), StreamTrial("b", 4)], ADAPTS)
    diary = Diary()
    results = cohort.train(diary)
    cohort.test()
    stack = only(cohort)
    for split in ("validation", "test"):
        tables = stack.further_tables(split)
        matrices = [
            np.stack([np.asarray(table["accuracy_matrix"][f"task_{u}"]) for u in (1, 2, 3)], 1)
            for table in tables
        ]
        for name, matrix in zip(stack.names, matrices, strict=True):
            assert np.isnan(matrix[np.triu_indices(3, 1)]).all()
            result = results[name]
            told = result.test if split == "test" else result.best
            means = [matrix[s, : s + 1].mean() for s in range(3)]
            average = told[f"{split}_average_incremental_accuracy"]
            assert average == pytest.approx(np.mean(means), abs=1e-4)
            lost = [matrix[0:2, 0].max() - matrix[2, 0], matrix[1, 1] - matrix[2, 1]]
            assert told[f"{split}_forgetting"] == pytest.approx(np.mean(lost), abs=1e-4)
            if split == "validation":
                # Each row of it was reported at the end of its task, of classes of equal sizes.
                reported = [diary.rows[name][epoch]["validation_accuracy"] for epoch in (1, 3, 5)]
                assert np.allclose(reported, means, atol=2.0)


@pytest.mark.usefixtures("double")
def test_the_hypergradient_is_that_of_the_mixed_loss_through_a_step_of_the_last_layer() -> None:
    """Terms and their mix written out, by autograd through the step, for one lane."""
    values = {"alpha": 0.5, "rho": 0.3, "temperature": TAU, "lr": 0.1}
    stack = only(make_cohort("alm_kd", [StreamTrial("a", 3, {**values, "warmup_epochs": 9}, 0.4)]))
    _steps(stack, [1, 2, 3])
    data, eta, batch, rho = stack.data, 0.7, 6, 0.3
    stack.model.eval()
    sides = {}
    for split, count in (("train", batch), ("meta", 5)):
        index = torch.arange(count).unsqueeze(0)
        known = data.batch(split, index)
        sides[split] = known.targets, stack.model(known.inputs).each(lambda t: t.detach())
    lam = torch.rand(1, 2, batch, generator=torch.Generator().manual_seed(2))
    targets, output = sides["train"]
    r = data.term_gradients(targets, output, stack.method.values).logits
    assert output.features is not None
    group = TrainingGroup(output.features.mT, r.permute(0, 2, 3, 1), torch.tensor([eta]), batch)
    held_targets, held = sides["meta"]
    assert held.features is not None
    weight = torch.full((1, 5), 1 / 5)
    goal = data.held_out([Part("meta", held_targets, "mixed", weight)], stack.method.values)
    found = last_layer_hypergradient(lam, group, Evaluation(held.features.mT, held.logits.mT, goal))

    shown = data._shown  # type: ignore[attr-defined]
    new, old = shown.new[0], shown.old[0]

    def terms(z: torch.Tensor, of: StreamTargets) -> torch.Tensor:
        number = torch.tensor([new.tolist().index(int(c)) for c in of.labels[0]])
        label = F.cross_entropy(z[:, new], number, reduction="none")
        return torch.stack([label, _global(of.teachers[0, 0][:, old], z[:, old], ())])

    W, b = (t.detach()[0].requires_grad_() for t in stack.model.last_layer)
    weights = lam[0].clone().requires_grad_()
    loss = (weights * terms(F.linear(output.features[0], W, b), targets)).sum() / batch
    dW, db = torch.autograd.grad(loss, (W, b), create_graph=True)
    label, teacher = terms(F.linear(held.features[0], W - eta * dW, b - eta * db), held_targets)
    lower = ((1 - rho) * label + rho * teacher).mean()
    (expected,) = torch.autograd.grad(lower, weights)
    assert expected.abs().min() > 0
    torch.testing.assert_close(found[0], expected)


@pytest.mark.parametrize("examples", [1, 5, 13])
def test_the_sigmoid_form_of_a_lane_does_not_depend_on_others(examples: int) -> None:
    rng = torch.Generator().manual_seed(7)
    t, z = (torch.randn(3, examples, 3, generator=rng) for _ in range(2))

    def gradient(of: slice) -> torch.Tensor:
        leaf = z[of].clone().requires_grad_()
        terms = StreamTerms.__new__(StreamTerms)
        lost = terms._sigmoid(t[of], leaf)
        return torch.autograd.grad(lost.sum(), leaf)[0]

    assert torch.equal(gradient(slice(3))[1:2], gradient(slice(1, 2)))
