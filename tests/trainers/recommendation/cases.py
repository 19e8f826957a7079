"""Small sets of interactions, and small cohorts on one, in torch's default floating point type."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from scipy import stats
from torch import Tensor

from tests.trainers.cases import Trial
from trainers.loop.cohort import Cohort
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.entry import RECOMMENDATION
from trainers.recommendation.networks.network import Known
from trainers.settings import (
    CleanUse,
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Training,
)
from trainers.task import KeptOutputs

FRACTIONS = SplitFractions(train=0.6, meta=0.1, validation=0.1, test=0.2)
CPU = torch.device("cpu")
SMALL = ModelSpec("factors", {"width": 4})
SPEC = DataSpec("affinity", FRACTIONS, task="recommendation")
# Interactions of each user, of whom some have too few to be tested, and how many items there are.
COUNTS, ITEMS = [8, 14, 12, 25, 17, 3, 20, 11, 19, 15, 10, 22], 30
# Of each teacher the seed of its errors, and how far what a user took is above them.
TEACHERS = {"strong": (1, 3.0), "weak": (2, 1.0)}


def of_counts(counts: list[int], items: int = 40, seed: int = 0) -> Interactions:
    """As many interactions of every user as ``counts`` says, in an order that is drawn; items are
    drawn unequally."""
    rng = np.random.default_rng(seed)
    p = 1 / np.arange(1, items + 1)
    taken = [rng.choice(items, n, replace=False, p=p / p.sum()) for n in counts]
    order = rng.permutation(sum(counts))
    return Interactions(
        np.repeat(np.arange(len(counts)), counts)[order],
        np.concatenate(taken).astype(np.int64)[order],
        tuple(f"u{n}" for n in range(len(counts))),
        tuple(f"i{n}" for n in range(items)),
    )


def pairs(users: np.ndarray, items: np.ndarray) -> set[tuple[int, int]]:
    """Users with items."""
    return set(zip(users.tolist(), items.tolist(), strict=True))


def usual() -> Interactions:
    """The set of the cohorts here."""
    return of_counts(COUNTS, ITEMS)


def teacher_scores(dataset: Interactions) -> dict[str, KeptOutputs]:
    """What is kept of two teachers, one that mostly knows what users took and one that often
    errs."""
    taken = np.zeros(dataset.shape)
    taken[dataset.users, dataset.items] = 1.0
    found: dict[str, KeptOutputs] = {}
    for name, (seed, height) in TEACHERS.items():
        noise = np.random.default_rng(seed).normal(size=taken.shape)
        found[name] = {"scores": (height * taken + noise).astype(np.float32)}
    return found


def lanes(
    trials: Sequence[Trial],
    dataset: Interactions | None = None,
    clean: CleanUse = "withhold",
    outputs: dict[str, KeptOutputs] | None = None,
) -> InteractionLanes:
    """Their data; ``outputs``: what is kept of teachers, by default `teacher_scores`."""
    dataset = dataset or usual()
    sources = [LaneSource(t.seed, Labels("swap", t.noise_rate), t.teachers, clean) for t in trials]
    kept = teacher_scores(dataset) if outputs is None else outputs
    return InteractionLanes(dataset, SPEC, sources, kept, CPU)


def make_cohort(
    method: str,
    trials: Sequence[Trial],
    data: InteractionLanes | None = None,
    model: ModelSpec = SMALL,
    **training: object,
) -> Cohort:
    """A cohort of ``trials``; its last batch is shorter than the others."""
    usually = Training(epochs=3, batch_size=25, optimizer="adamw")
    spec = CohortSpec(
        method,
        model,
        replace(usually, **training),  # type: ignore[arg-type]
        Selection("ndcg_20", maximize=True),
        task="recommendation",
    )
    row = RECOMMENDATION.methods[method]
    data = data or lanes(trials, clean="train" if row.needs_clean_rows else "withhold")
    return Cohort(spec, [Lane(t.name, t.seed, t.values) for t in trials], data)


def known_of(lists: Sequence[Sequence[tuple[int, int]]], users: int, items: int) -> Known:
    """What networks of these lanes are made for, of pairs of a user and an item."""
    of_users, of_items = (torch.tensor([[p[k] for p in own] for own in lists]) for k in (0, 1))
    longest = max(int(own.bincount().max()) for own in of_users)
    return Known(of_users, of_items, users, items, longest)


def generators(seeds: Sequence[int]) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def drawn(*shape: int, seed: int = 0) -> Tensor:
    """Numbers of a normal distribution."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def likelihood(counts: Sequence[int], expected: Sequence[float]) -> float:
    """How likely counts are by a law, by chi-squared; those expected fewer than five times count as
    one, with the rarest of the others."""
    order = np.argsort(expected)[::-1]
    found, law = np.array(counts)[order], np.array(expected)[order]
    last = max(int((law >= 5).sum()) - 1, 0)
    found, law = (np.append(x[:last], x[last:].sum()) for x in (found, law))
    return float(stats.chisquare(found, law).pvalue)
