"""Lists of items and what they are worth, against loops, sets and another's measures."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from trainers.recommendation.measures import LONGEST, MEASURES, Found, top
from trainers.recommendation.networks.network import Lists
from trainers.recommendation.ranking import Ranking


def _drawn(users: int, items: int, seed: int) -> tuple[Ranking, Tensor]:
    """What some users know and have to find, half of the items popular, and scores of which some
    are equal."""
    rng = np.random.default_rng(seed)
    known, to_find = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    # The first and the last have nothing to find; what they know is there all the same.
    for user in range(users):
        taken = rng.permutation(items)[: int(rng.integers(2, items))]
        cut = len(taken) if user in {0, users - 1} else int(rng.integers(1, len(taken)))
        known.append(np.stack([np.full(cut, user), taken[:cut]], axis=1))
        to_find.append(np.stack([np.full(len(taken) - cut, user), taken[cut:]], axis=1))
    known_pairs = rng.permutation(np.concatenate([*known, known[1]]))
    pairs = rng.permutation(np.concatenate(to_find))
    ranking = Ranking(
        rng.permutation(items), *known_pairs.T, *pairs.T, popular=rng.random(items) < 0.5
    )
    scores = torch.as_tensor(rng.normal(size=(users, items)))
    return ranking, torch.where(torch.as_tensor(rng.random(scores.shape) < 0.3), 0.5, scores)


def _lists(ranking: Ranking, scores: Tensor) -> Lists:
    """Scores (U, I) as a network gives them."""
    return Lists(scores[:, ranking.torch_order])


def _in_order(ranking: Ranking, scores: Tensor, user: int) -> list[int]:
    """All items that can be in a user's list, the best first, by one rule after the other."""
    place = {int(item): n for n, item in enumerate(ranking.order)}
    known = set(ranking.known_items[ranking.known_users == user].tolist())
    left = [item for item in range(len(place)) if item not in known]
    return sorted(left, key=lambda item: (-float(scores[user, item]), place[item]))


def _by_hand(ranking: Ranking, scores: Tensor) -> dict[str, float]:
    """Every measure by a loop over users."""
    found: dict[str, list[float]] = {name: [] for name in MEASURES}
    listed: list[int] = []
    for user in np.unique(ranking.users).tolist():
        order = _in_order(ranking, scores, user)
        wanted = set(ranking.items[ranking.users == user].tolist())
        for places in (10, 20):
            hits = [r for r, item in enumerate(order[:places], 1) if item in wanted]
            best = sum(1 / math.log2(r + 1) for r in range(1, min(places, len(wanted)) + 1))
            found[f"recall_{places}"].append(len(hits) / len(wanted))
            found[f"ndcg_{places}"].append(sum(1 / math.log2(r + 1) for r in hits) / best)
        for name, popular in (("popular", True), ("unpopular", False)):
            own = {item for item in wanted if ranking.popular[item] == popular}
            if own:
                found[f"recall_20_{name}"].append(len(own & set(order[:20])) / len(own))
        listed += order[:20]
    unpopular = [not ranking.popular[item] for item in listed]
    means = {name: float(np.mean(values)) for name, values in found.items() if values}
    means |= {"share_unpopular": float(np.mean(unpopular))}
    means |= {"coverage": len(set(listed)) / len(ranking.order)}
    return {name: 100 * value for name, value in means.items()}


def _measured(ranking: Ranking, scores: Tensor) -> Mapping[str, float]:
    found = ranking.found(_lists(ranking, scores))
    return {name: measure(found) for name, measure in MEASURES.items()}


def test_the_value_by_hand() -> None:
    """Relevant are a, b, c; the list is a x b y, and c is in none."""
    a, b, c, x, y = range(5)
    nobody = np.zeros(0, np.int64)
    wanted = np.array([a, b, c])
    ranking = Ranking(np.arange(5), nobody, nobody, np.zeros(3, np.int64), wanted, np.ones(5, bool))
    scores = torch.zeros(1, 5)
    scores[0, [a, x, b, y, c]] = torch.tensor([4.0, 3.0, 2.0, 1.0, -math.inf])
    found = ranking.found(_lists(ranking, scores))
    assert found.listed[0].tolist() == [a, x, b, y, *[-1] * (LONGEST - 4)]
    best = 1 + 1 / math.log2(3) + 1 / 2
    assert found.ndcg(10) == pytest.approx(100 * 1.5 / best)
    assert found.ndcg(10) == pytest.approx(70.3918, abs=1e-4)
    assert found.recall(10) == pytest.approx(200 / 3)
    assert found.ndcg(2) == pytest.approx(61.3147, abs=1e-4)
    assert found.recall(2) == pytest.approx(100 / 3)
    assert math.isnan(found.recall_of_group(popular=False))
    assert found.share_unpopular() == 0
    assert found.coverage() == pytest.approx(80)


@pytest.mark.parametrize(("users", "items", "seed"), [(9, 60, 0), (30, 45, 1), (6, 12, 2)])
@pytest.mark.parametrize("at_once", [2**18, 100])
def test_measures_are_those_of_a_loop(
    users: int, items: int, seed: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With ties, with users of whom nothing is to be found, with fewer items than places, and
    users in blocks."""
    monkeypatch.setattr("trainers.recommendation.ranking.AT_ONCE", at_once)
    ranking, scores = _drawn(users, items, seed)
    assert _measured(ranking, scores) == pytest.approx(_by_hand(ranking, scores))


@pytest.mark.parametrize(("users", "items", "seed"), [(9, 60, 0), (6, 12, 2)])
@pytest.mark.parametrize("at_once", [2**18, 100])
def test_lists_and_ranks_are_those_of_a_sort(
    users: int, items: int, seed: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainers.recommendation.ranking.AT_ONCE", at_once)
    ranking, scores = _drawn(users, items, seed)
    listed = ranking.listed(_lists(ranking, scores)).numpy()
    orders = {user: _in_order(ranking, scores, user) for user in range(users)}
    assert ranking.of_users.tolist() == np.unique(ranking.users).tolist()
    for user, places in zip(ranking.of_users.tolist(), listed, strict=True):
        there = places[places >= 0]
        assert ranking.order[there].tolist() == orders[user][:LONGEST]
        assert (places[len(there) :] == -1).all()
    expected = [
        1 + orders[user].index(item)
        for user, item in zip(ranking.users, ranking.items, strict=True)
    ]
    assert ranking.ranks(_lists(ranking, scores)).tolist() == expected


def test_what_is_known_is_in_no_list() -> None:
    ranking, scores = _drawn(20, 50, 3)
    known = set(zip(ranking.known_users.tolist(), ranking.known_items.tolist(), strict=True))
    for user, item in known:
        scores[user, item] = 100.0
    listed = ranking.listed(_lists(ranking, scores)).numpy()
    rows, places = np.nonzero(listed >= 0)
    users, items = ranking.of_users.numpy()[rows], ranking.order[listed[rows, places]]
    assert not known & set(zip(users.tolist(), items.tolist(), strict=True))


def test_scores_as_products_are_ranked_as_their_matrix() -> None:
    ranking, _ = _drawn(15, 40, 4)
    g = torch.Generator().manual_seed(0)
    users, items = (torch.randn(n, 3, generator=g, dtype=torch.float64) for n in (15, 40))
    product = Lists(users, items[ranking.torch_order].mT.contiguous())
    whole = _lists(ranking, users @ items.mT)
    assert torch.equal(ranking.listed(product), ranking.listed(whole))
    # What is asked for is not written into what scores are kept in.
    assert torch.equal(whole.left, (users @ items.mT)[:, ranking.torch_order])


@pytest.mark.parametrize("places", [1, 4, 9, 10])
def test_of_equal_scores_the_first_come_first(places: int) -> None:
    g = torch.Generator().manual_seed(0)
    scores = torch.randint(-2, 3, (200, 10), generator=g).double()
    scores[scores == -2] = -math.inf
    scores[:50] = torch.randn(50, 10, generator=g, dtype=torch.float64)
    expected = [
        sorted(range(10), key=lambda i, row=row: (-row[i], i))[:places]  # type: ignore[misc]
        for row in scores.tolist()
    ]
    assert top(scores, places).tolist() == expected
    assert top(torch.ones(3, 10), places).tolist() == [list(range(places))] * 3


def test_scores_that_say_nothing_are_worth_what_chance_is() -> None:
    """Over renumberings: a share of places / candidates of each user's items is found."""
    ranking, scores = _drawn(20, 60, 5)
    candidates = {u: len(_in_order(ranking, scores, u)) for u in ranking.of_users.tolist()}
    expected = 100 * np.mean([min(1, LONGEST / n) for n in candidates.values()])
    rng = np.random.default_rng(0)
    found = []
    for _ in range(400):
        renumbered = Ranking(
            rng.permutation(60), ranking.known_users, ranking.known_items, ranking.users,
            ranking.items, ranking.popular,
        )  # fmt: skip
        found.append(renumbered.found(_lists(renumbered, torch.ones(20, 60))).recall(20))
    error = np.std(found) / math.sqrt(len(found))
    assert abs(np.mean(found) - expected) < 4 * error
    assert error < 0.5


def test_users_without_an_item_to_be_found_count_nothing() -> None:
    hits = torch.zeros(3, LONGEST, dtype=torch.bool)
    hits[0, 0] = hits[2, 0] = hits[2, 1] = True
    popular = torch.zeros_like(hits)
    popular[:, 0] = True
    listed = torch.arange(LONGEST).expand(3, -1)
    found = Found(hits, popular, listed, torch.tensor([2, 0, 4]), torch.tensor([1, 0, 0]), 40)
    assert found.recall(20) == pytest.approx(50)
    assert found.recall_of_group(popular=True) == pytest.approx(100)
    # The second of user 2 is unpopular, and so is the missing one of user 0.
    assert found.recall_of_group(popular=False) == pytest.approx(100 * (0 + 1 / 4) / 2)
    first, second = 1.0, 1 / math.log2(3)
    best_of_four = sum(1 / math.log2(r + 1) for r in range(1, 5))
    expected = (first / (first + second) + (first + second) / best_of_four) / 2
    assert found.ndcg(20) == pytest.approx(100 * expected)
    assert found.share_unpopular() == pytest.approx(95)
    assert found.coverage() == pytest.approx(50)


@pytest.mark.parametrize("seed", range(3))
def test_measures_agree_with_trec_evals(seed: int) -> None:
    ir_measures = pytest.importorskip(
        "ir_measures", reason="there is no ir-measures for this kind of machine"
    )
    ranking, scores = _drawn(25, 70, seed)
    scores = torch.as_tensor(np.random.default_rng(seed).normal(size=scores.shape))
    relevant: dict[str, dict[str, int]] = {}
    for user, item in zip(ranking.users, ranking.items, strict=True):
        relevant.setdefault(str(user), {})[str(item)] = 1
    run = {
        user: {
            str(item): float(scores[int(user), item])
            for item in _in_order(ranking, scores, int(user))
        }
        for user in relevant
    }
    names = {"ndcg_20": "nDCG@20", "ndcg_10": "nDCG@10", "recall_20": "R@20", "recall_10": "R@10"}
    measures = [ir_measures.parse_measure(name) for name in names.values()]
    theirs = ir_measures.calc_aggregate(measures, relevant, run)
    expected = {name: 100 * theirs[m] for name, m in zip(names, measures, strict=True)}
    ours = _measured(ranking, scores)
    assert {name: ours[name] for name in names} == pytest.approx(expected)
