"""Epochs of recommendation, against a plain loop.

    python bench/recommendation.py [--rounds 3] [--quick]

Both train vectors of four numbers by BPR on made-up interactions of the size of MovieLens-100k (943
users, 1,682 items, 70,000 for training), in batches of 2,048, one process with one thread. The
plain loop is what one writes by hand: two `torch.nn.Embedding`, negatives drawn at once and drawn
again where the user has them, `torch.optim.Adam`; one student at a time. The two take turns; kept
is the round whose ratio is the median.

    ratio          epochs a second of all students, ours with eight lanes over the plain loop's
    alone          the same with one lane
    evaluation_ms  of the lists of one lane, all metrics, full ranking
    million        seconds of an epoch over a million interactions (10,000 users, 5,000 items), and
                   by how much the process grew between its second epoch and its last
    speed          for the overview of tasks: `sweep`, trial-epochs a second of one launch of
                   bench/recommendation.yaml, from its start to its end and its teachers not
                   credited, over those of the plain loop, the mean of BPR and of a mix with kept
                   scores of a teacher, which evaluates nothing; `lanes`, `step`, by BPR

Writes bench/results/recommendation.json.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from machine import keep_median, options, say
from processes import HERE, SMALLER, Swept, speeds, swept
from torch import Tensor, nn
from torch.nn import functional as F

import trainers  # noqa: F401 - before torch makes its first call to MKL
from trainers.loop.cohort import Cohort
from trainers.loop.stopwatch import Stopwatch
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.data.made_up import affinity
from trainers.registry import TASKS
from trainers.settings import (
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

FRACTIONS = SplitFractions(0.7, 0.05, 0.05, 0.2)
SPEC = DataSpec("affinity", FRACTIONS, task="recommendation")
WIDTH, BATCH, LR, DECAY, LANES = 4, 2048, 0.01, 0.01, 8
MOVIELENS, MILLION = (943, 1682, 100_000), (10_000, 5_000, 1_000_000)
SMALL = (50, 80, 2_000)


class Ours:
    """A cohort of plain BPR, epoch by epoch."""

    def __init__(self, dataset: Interactions, lanes: int) -> None:
        source = LaneSource(1, Labels("swap", 0.0))
        self.data = InteractionLanes(dataset, SPEC, [source] * lanes, {}, torch.device("cpu"))
        spec = CohortSpec(
            "labels_only", ModelSpec("factors", {"width": WIDTH}),
            Training(epochs=1000, batch_size=BATCH, optimizer="adamw", schedule="constant"),
            Selection("ndcg_20", True), "recommendation",
        )  # fmt: skip
        own = [Lane(str(i), i, {"lr": LR, "weight_decay": DECAY}) for i in range(lanes)]
        self.stack = Cohort(spec, own, self.data).stacks[0]
        self.lanes, self.epoch = lanes, 0

    def seconds(self, epochs: int) -> float:
        """Of an epoch of one lane."""
        began = time.perf_counter()
        for _ in range(epochs):
            self.epoch += 1
            for _ in self.stack.steps(self.epoch, Stopwatch()):
                pass
        return (time.perf_counter() - began) / (epochs * self.lanes)

    def evaluation_seconds(self) -> float:
        """Of all metrics of one lane on the test split."""
        metrics = tuple(TASKS["recommendation"].metrics)
        self.stack.evaluate("test", metrics)
        began = time.perf_counter()
        self.stack.evaluate("test", metrics)
        return (time.perf_counter() - began) / self.lanes


class Plain:
    """A loop by hand."""

    def __init__(self, users: Tensor, items: Tensor, shape: tuple[int, int]) -> None:
        self.pairs = users, items
        self.seen = torch.zeros(shape, dtype=torch.bool)
        self.seen[users, items] = True
        # Of a teacher that was not trained: its scores cost what others do.
        self.teacher = torch.randn(shape)
        self.users, self.items = (nn.Embedding(count, WIDTH) for count in shape)
        for table in (self.users, self.items):
            nn.init.xavier_uniform_(table.weight)
        parameters = [self.users.weight, self.items.weight]
        self.optimizer = torch.optim.Adam(parameters, LR)

    def seconds(self, epochs: int, mix: bool = False) -> float:
        """Of an epoch; with ``mix`` of BPR and the teacher's order of the pair."""
        began = time.perf_counter()
        for _ in range(epochs):
            for at in torch.randperm(len(self.pairs[0])).split(BATCH):
                users, items = (t[at] for t in self.pairs)
                loss = self._loss(users, items, self._negatives(users), mix)
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
        return (time.perf_counter() - began) / epochs

    def _negatives(self, users: Tensor) -> Tensor:
        count = self.seen.shape[1]
        drawn = torch.randint(count, (len(users),))
        while (again := self.seen[users, drawn]).any():
            drawn[again] = torch.randint(count, (int(again.sum()),))
        return drawn

    def _loss(self, users: Tensor, items: Tensor, others: Tensor, mix: bool) -> Tensor:
        p, q, n = self.users(users), self.items(items), self.items(others)
        above = (p * q).sum(1) - (p * n).sum(1)
        squares = sum(v.square().sum() for v in (p, q, n))
        lost = -F.logsigmoid(above).mean()
        if mix:
            first = torch.sigmoid(self.teacher[users, items] - self.teacher[users, others])
            lost = 0.5 * (lost + F.binary_cross_entropy_with_logits(above, first))
        return lost + DECAY * 0.5 * squares / len(users)


def one_round(dataset: Interactions, epochs: int) -> dict[str, Any]:
    """Both ways, in turn."""
    alone, together = Ours(dataset, 1), Ours(dataset, LANES)
    plain = Plain(*alone.data.training_of(0), dataset.shape)  # type: ignore[arg-type]
    for way in (plain, alone, together):
        way.seconds(1)
    seconds = {
        "plain": plain.seconds(epochs),
        "plain_mix": plain.seconds(epochs, mix=True),
        "alone": alone.seconds(epochs),
        "together": together.seconds(max(1, epochs // LANES)),
    }
    return {
        "seconds": seconds,
        "ratio": seconds["plain"] / seconds["together"],
        "alone": seconds["plain"] / seconds["alone"],
        "evaluation_ms": 1000 * together.evaluation_seconds(),
    }


def million(dataset: Interactions, epochs: int) -> dict[str, Any]:
    """One lane on many interactions."""
    ours = Ours(dataset, 1)
    ours.seconds(2)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = ours.seconds(epochs)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return {"seconds": seconds, "epochs": epochs, "grown_mb": grown, "peak_mb": before / 1024}


def speed(sweep: Swept, found: Mapping[str, Any]) -> dict[str, float | None]:
    """What the overview of tasks says, by a round."""
    seconds = found["seconds"]
    plain = statistics.mean([seconds["plain"], seconds["plain_mix"]])
    return speeds(sweep, plain, seconds["alone"] / seconds["together"], found["alone"])


def main() -> None:
    """Measure, and keep the median round."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    torch.set_num_threads(1)
    dataset = affinity(*(SMALL if given.quick else MOVIELENS))
    large = affinity(*(SMALL if given.quick else MILLION))
    found = million(large, 1 if given.quick else 8)
    say(f"million: {found['seconds']:.2f} s an epoch, grown by {found['grown_mb']:.1f} MB")
    rounds = []
    for _ in range(1 if given.quick else given.rounds):
        rounds.append({**one_round(dataset, 1 if given.quick else 24), "million": found})
        say(
            ", ".join(
                f"{name} {rounds[-1][name]:.2f}" for name in ("ratio", "alone", "evaluation_ms")
            )
        )
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        smaller = SMALLER if given.quick else ()
        sweep = swept(str(HERE / "recommendation.yaml"), Path(place), "recommendation", *smaller)
    results = [
        {**found, "sweep": sweep._asdict(), "speed": speed(sweep, found)} for found in rounds
    ]
    say(", ".join(f"{name} {times:.2f}" for name, times in results[0]["speed"].items()))
    keep_median(given, "recommendation", results)


if __name__ == "__main__":
    main()
