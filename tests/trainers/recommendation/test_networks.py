"""Networks of scores against matrices, a student by itself, and what weight_decay is of."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from tests.trainers.cases import Diary, Trial, only, weights
from tests.trainers.recommendation.cases import (
    SMALL,
    drawn,
    generators,
    known_of,
    make_cohort,
    of_counts,
    usual,
)
from trainers.lanes.weights import lane_weights, put_lane_weights
from trainers.recommendation.data import dataset
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.networks.ease import Ease
from trainers.recommendation.networks.factors import Factors
from trainers.recommendation.networks.light_gcn import LightGcn
from trainers.recommendation.networks.network import Asked, Known, Recommender
from trainers.recommendation.networks.table import NETWORKS
from trainers.recommendation.task import Recommendation
from trainers.settings import ModelSpec

L, USERS, ITEMS, WIDTH = 3, 6, 8, 4
LAYERS = 2
# Of every lane the interactions, as many in each; some users and items have none.
PAIRS = [
    [(0, 1), (0, 2), (1, 2), (2, 0), (2, 7), (4, 2), (5, 5), (5, 1)],
    [(0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (5, 1), (0, 1)],
    [(3, 3), (3, 4), (3, 5), (3, 6), (3, 7), (3, 0), (1, 3), (1, 2)],
]
MODELS = {
    "factors": ModelSpec("factors", {"width": WIDTH}),
    "light_gcn": ModelSpec("light_gcn", {"width": WIDTH, "layers": LAYERS}),
    "ease": ModelSpec("ease", {"ridge": 0.7}),
}
LEARNING = pytest.mark.parametrize("name", ["factors", "light_gcn"])

pytestmark = pytest.mark.usefixtures("double_precision")


def _known(lanes: Sequence[int] = range(L)) -> Known:
    return known_of([PAIRS[lane] for lane in lanes], USERS, ITEMS)


def _network(name: str, lanes: Sequence[int] = range(L)) -> Recommender:
    """Of some lanes, started from their numbers."""
    of_name: dict[str, Any] = {"factors": Factors, "light_gcn": LightGcn, "ease": Ease}
    network: Recommender = of_name[name](MODELS[name], _known(lanes), generators(lanes))
    return network


def _asked(lanes: int = L, examples: int = 7, items: int = 3) -> Asked:
    rng = np.random.default_rng(0)
    users = torch.as_tensor(rng.integers(USERS, size=(lanes, examples)))
    return Asked(users, torch.as_tensor(rng.integers(ITEMS, size=(lanes, examples, items))))


def _propagated(lane: int, vectors: Tensor, layers: int) -> Tensor:
    """The mean over layers of D^-1/2 A D^-1/2 x, A the dense matrix of the graph of all users and
    items."""
    adjacency = torch.zeros(USERS + ITEMS, USERS + ITEMS)
    for user, item in PAIRS[lane]:
        adjacency[user, USERS + item] = adjacency[USERS + item, user] = 1.0
    scale = adjacency.sum(1).clamp(min=1).rsqrt()
    normalised = scale.unsqueeze(1) * adjacency * scale
    found = [vectors]
    for _ in range(layers):
        found.append(normalised @ found[-1])
    return torch.stack(found).mean(0)


def _matrix(name: str, network: Recommender, lane: int) -> Tensor:
    """All scores (U, I) of a lane, by dense matrices, with the graph that leads to the vectors."""
    if name == "ease":
        return torch.as_tensor(_ease(lane))
    assert isinstance(network, Factors)
    layers = LAYERS if name == "light_gcn" else 0
    vectors = _propagated(lane, torch.cat([network.users[lane], network.items[lane]]), layers)
    return vectors[:USERS] @ vectors[USERS:].mT


def _ease(lane: int) -> np.ndarray:
    """Of every item a ridge regression on what else users took."""
    x = np.zeros((USERS, ITEMS))
    for user, item in PAIRS[lane]:
        x[user, item] = 1.0
    scores = np.zeros((USERS, ITEMS))
    for item in range(ITEMS):
        others = np.delete(x, item, axis=1)
        gram = others.T @ others + MODELS["ease"].sizes["ridge"] * np.eye(ITEMS - 1)
        scores[:, item] = others @ np.linalg.solve(gram, others.T @ x[:, item])
    return scores


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_those_of_dense_matrices(name: str) -> None:
    network, asked = _network(name), _asked()
    logits, order = (
        network(asked).logits,
        torch.as_tensor(np.random.default_rng(1).permutation(ITEMS)),
    )
    for lane in range(L):
        expected = _matrix(name, network, lane)
        own = expected[asked.users[lane].unsqueeze(1), asked.items[lane]]
        torch.testing.assert_close(logits[lane], own)
        lists = network.lists(lane, order)
        some = torch.tensor([4, 0, 4])
        torch.testing.assert_close(lists.of(slice(None)), expected[:, order])
        torch.testing.assert_close(lists.of(some), expected[some][:, order])


@LEARNING
def test_gradients_are_those_of_dense_matrices(name: str) -> None:
    network, asked = _network(name), _asked()
    upstream = drawn(*asked.items.shape)
    parameters = list(network.parameters())
    found = torch.autograd.grad((network(asked).logits * upstream).sum(), parameters)
    total = sum(
        (_matrix(name, network, lane)[asked.users[lane].unsqueeze(1), asked.items[lane]]
         * upstream[lane]).sum()
        for lane in range(L)
    )  # fmt: skip
    expected = torch.autograd.grad(total, parameters)  # type: ignore[arg-type]
    for own, other in zip(found, expected, strict=True):
        assert own.abs().max() > 0
        torch.testing.assert_close(own, other)


@pytest.mark.parametrize("name", MODELS)
def test_a_lane_is_the_network_it_is_alone(name: str) -> None:
    """To the last bit, in single precision too."""
    for dtype in (torch.float64, torch.float32):
        torch.set_default_dtype(dtype)
        together, asked, order = _network(name), _asked(), torch.arange(ITEMS)
        for lane in range(L):
            alone = _network(name, [lane])
            own = Asked(asked.users[lane : lane + 1], asked.items[lane : lane + 1])
            assert torch.equal(together(asked).logits[lane], alone(own).logits[0])
            of_lane = together.lists(lane, order).of(slice(None))
            assert torch.equal(of_lane, alone.lists(0, order).of(slice(None)))
            assert torch.equal(together.penalty(asked)[lane], alone.penalty(own)[0])


def test_a_teacher_in_closed_form_learns_nothing_and_keeps_what_lanes_share() -> None:
    network = _network("ease", [0, 1, 0])
    assert isinstance(network, Ease)
    assert list(network.parameters()) == []
    assert network(_asked()).features is None
    assert network.penalty(_asked()).count_nonzero() == 0
    assert torch.equal(network.scores[0], network.scores[2])


def test_a_user_that_took_nothing_is_scored_by_nothing() -> None:
    """In closed form, and where vectors are smoothed over a graph in which it has no neighbour."""
    assert _network("ease").lists(0, torch.arange(ITEMS)).of(slice(3, 4)).count_nonzero() == 0
    network = _network("light_gcn")
    assert isinstance(network, LightGcn)
    torch.testing.assert_close(network.vectors()[0][0, 3], network.users[0, 3] / (1 + LAYERS))


@LEARNING
def test_the_penalty_is_half_the_squares_of_what_an_example_has(name: str) -> None:
    network, asked = _network(name), _asked()
    assert isinstance(network, Factors)
    found = network.penalty(asked).detach()
    of_users, of_items = (t.detach().square().sum(2) for t in (network.users, network.items))
    assert found.shape == asked.users.shape
    for lane in range(L):
        for b, user in enumerate(asked.users[lane].tolist()):
            item, *negatives = asked.items[lane, b].tolist()
            expected = float(of_users[lane, user] + of_items[lane, item])
            expected += float(of_items[lane, negatives].sum()) / len(negatives)
            assert float(found[lane, b]) == pytest.approx(expected / 2)


@LEARNING
def test_the_penaltys_gradient_is_the_vector_as_often_as_it_comes(name: str) -> None:
    """Once for every example with it, as the mean over a batch has it; and as the mean over
    negatives."""
    network, asked = _network(name), _asked(items=4)
    assert isinstance(network, Factors)
    of_users, of_items = torch.autograd.grad(
        network.penalty(asked).sum(), [network.users, network.items]
    )
    for lane in range(L):
        times = torch.bincount(asked.users[lane], minlength=USERS).unsqueeze(1)
        torch.testing.assert_close(of_users[lane], times * network.users[lane].detach())
        first, rest = asked.items[lane, :, 0], asked.items[lane, :, 1:].flatten()
        times = torch.bincount(first, minlength=ITEMS) + torch.bincount(rest, minlength=ITEMS) / 3
        torch.testing.assert_close(
            of_items[lane], times.unsqueeze(1) * network.items[lane].detach()
        )


@LEARNING
def test_a_student_by_itself_gives_the_networks_scores_but_for_what_users_took(name: str) -> None:
    dataset = usual()
    trials = [Trial("a", 1, values={"lr": 0.02}), Trial("b", 2, values={"lr": 0.02})]
    cohort = make_cohort("labels_only", trials, model=MODELS[name])
    cohort.train(Diary())
    data = only(cohort).data
    assert isinstance(data, InteractionLanes)
    task, network = Recommendation(), only(cohort).model
    assert isinstance(network, Recommender)
    for lane in range(2):
        student = task.student(MODELS[name], task.facts(dataset))
        student.network.load_state_dict(dict(only(cohort).student_weights(lane)))
        users, items = dataset.shape
        expected = network.lists(lane, torch.arange(items)).of(slice(None))
        expected[data.training_of(lane)] = -torch.inf
        found = student(torch.arange(users).unsqueeze(1))
        torch.testing.assert_close(found, expected)
        texts = [dataset.user_ids[n] for n in (5, 0, 11)]
        torch.testing.assert_close(student(student.encode(texts)), found[[5, 0, 11]])
        told = student.table(found)["items"]
        for row, listed in zip(found, told, strict=True):
            best = row.argsort(descending=True)[: int(torch.isfinite(row).sum())][:20]
            assert listed.split(" ") == [dataset.item_ids[i] for i in best]


def test_a_student_that_has_no_vectors_is_told() -> None:
    with pytest.raises(ValueError, match="ease has no vectors"):
        Recommendation().student(MODELS["ease"], Recommendation().facts(usual()))


@LEARNING
def test_weights_of_a_lane_make_the_same_network_again(name: str) -> None:
    network = _network(name)
    alone = network.alone(lane_weights(network, 1))
    assert alone["users"].shape == (USERS, WIDTH)
    seen = [sorted(row[row < ITEMS].tolist()) for row in alone["seen"]]
    assert seen == [sorted(i for u, i in PAIRS[1] if u == user) for user in range(USERS)]


@LEARNING
def test_vectors_are_put_into_a_lane_that_trains_on_more(name: str) -> None:
    """As those of a warm start are, which never has the clean examples: what a lane has in training
    stays its own."""
    other = _network(name, [0])
    more = known_of([[*PAIRS[1], (3, 3)]], USERS, ITEMS)
    of_name: dict[str, Any] = {"factors": Factors, "light_gcn": LightGcn}
    network = of_name[name](MODELS[name], more, generators([1]))
    before = {key: t.clone() for key, t in network.named_buffers()}
    put_lane_weights(network, [{k: t.numpy() for k, t in lane_weights(other, 0).items()}])
    assert all(torch.equal(network.get_buffer(key), t) for key, t in before.items())
    for key, t in other.named_parameters():
        assert torch.equal(network.get_parameter(key), t)


def _by_hand(asked: Sequence[Asked], lane: int, users: Tensor, items: Tensor, trial: Trial) -> None:
    """Train vectors (U, D), (I, D) in place by torch's Adam on BPR with a penalty, batch by
    batch."""
    adam = torch.optim.Adam([users, items], lr=float(trial.values["lr"]))
    for batch in asked:
        p = users[batch.users[lane]]
        q, negatives = items[batch.items[lane]].unbind(1)
        above = (p * q).sum(1) - (p * negatives).sum(1)
        squares = (p.square() + q.square() + negatives.square()).sum(1) / 2
        decay = float(trial.values["weight_decay"])
        adam.zero_grad()
        (F.softplus(-above) + decay * squares).mean().backward()
        adam.step()


def test_training_is_adam_on_bpr_with_a_penalty_that_the_optimizer_knows_nothing_of() -> None:
    trials = [
        Trial("a", 1, values={"lr": 0.02, "weight_decay": 0.3}),
        Trial("b", 2, values={"lr": 0.05, "weight_decay": 0.0}),
    ]
    cohort = make_cohort("labels_only", trials, epochs=2, schedule="constant")
    before = [{k: t.clone() for k, t in weights(cohort, t.name).items()} for t in trials]
    data, asked = only(cohort).data, []
    training_batch = data.training_batch

    def watched(index: Tensor) -> Any:
        batch = training_batch(index)
        asked.append(batch.inputs)
        return batch

    data.training_batch = watched  # type: ignore[method-assign]
    cohort.train(Diary())
    assert len(asked) > 4
    for lane, trial in enumerate(trials):
        users, items = (before[lane][name].requires_grad_() for name in ("users", "items"))
        _by_hand(asked, lane, users, items, trial)
        found = weights(cohort, trial.name)
        torch.testing.assert_close(found["users"], users.detach())
        torch.testing.assert_close(found["items"], items.detach())


@pytest.mark.parametrize("method", ["labels_only", "fixed_kd", "alm_kd"])
def test_a_batch_in_parts_is_the_batch_at_once_penalty_and_all(method: str) -> None:
    trial = Trial("a", 1, values={"lr": 0.02, "weight_decay": 0.3})
    found = []
    for parts in (None, 3):
        cohort = make_cohort(method, [trial], epochs=2, accumulate=parts)
        cohort.train(Diary())
        found.append(weights(cohort, "a"))
    for name in ("users", "items"):
        torch.testing.assert_close(found[1][name], found[0][name])


def test_negatives_of_training_are_drawn_anew_and_never_of_what_a_user_took() -> None:
    trials = [Trial("a", 1), Trial("b", 2)]
    data = only(make_cohort("labels_only", trials, model=SMALL)).data
    assert isinstance(data, InteractionLanes)
    index = torch.arange(data.size("train")).expand(2, -1)
    first, second = (data.training_batch(index).inputs for _ in range(2))
    assert torch.equal(first.items[..., 0], second.items[..., 0])
    assert not torch.equal(first.items[..., 1], second.items[..., 1])
    held_out = data.inputs_of("meta", torch.arange(data.size("meta")).expand(2, -1))
    again = data.inputs_of("meta", torch.arange(data.size("meta")).expand(2, -1))
    assert torch.equal(held_out.items, again.items)
    for lane in range(2):
        taken = set(zip(*(t.tolist() for t in data.training_of(lane)), strict=True))
        for asked in (first, second, held_out):
            users = asked.users[lane].unsqueeze(1).expand_as(asked.items[lane][:, 1:])
            negatives = zip(
                users.flatten().tolist(), asked.items[lane][:, 1:].flatten().tolist(), strict=True
            )
            assert not taken & set(negatives)


def test_a_closed_form_of_too_many_items_or_scores_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    problem, sizes = NETWORKS["ease"].data_problem, {"ridge": 1.0}
    assert problem(sizes, of_counts([9, 5], 101)) is None
    assert "10001 by 10001 items" in str(problem(sizes, of_counts([9, 5], 10_001)))
    monkeypatch.setattr(dataset, "MOST_SCORES", 201)
    assert "202 numbers" in str(problem(sizes, of_counts([9, 5], 101)))
