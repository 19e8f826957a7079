"""Epochs of the students of bench/digits.yaml, against a plain loop of torch.

    python bench/classification.py [--rounds 3] [--quick]

Both train MLPs with 16 hidden units at 40 % noise, by ALM-KD, a fixed mix with kept logits of a
teacher, and labels alone, with an evaluation of the validation split after every epoch, in one
process with one thread. The plain loop is that of `bench/stock_stack.py`: `torch.nn.Linear`,
`torch.optim.SGD`, one student at a time. The two take turns; kept is the round whose ratio is the
median. Of a training it is the median epoch that counts: no set-up, and of ALM-KD one with an
update of all weights.

    ratio   epochs a second of all students, as many side by side as the sweep has in a cohort at
            most, over the plain loop's, the mean of the three methods
    alone   the same with one lane
    speed   for the overview of tasks: `sweep`, trial-epochs a second of one launch of
            bench/digits.yaml, from its start to its end and its teachers not credited, over those
            of the plain loop; `lanes`, `step`

Writes bench/results/classification.json.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import stock_stack
import torch
from machine import keep_median, options, say
from processes import DIGITS, QUICK, Swept, speeds, swept

import trainers  # noqa: F401 - before torch makes its first call to MKL
from sweep.plan.plan import Plan
from sweep.plan.tasks import search_cohort
from sweep.spec.reader import read_spec
from sweep.training import train
from trainers.loading import load_dataset
from trainers.loop.cohort import Metrics

RATE = 0.4
# What students of both loops are trained with, as far as their methods know it.
VALUES = {"lr": 0.1, "temperature": 4.0, "alpha": 0.5, "meta_lr": 1e3, "variant": "convex"}
EPOCHS = {False: stock_stack.EPOCHS, True: 4}


class Ours:
    """The trainers, on the plan of the sweep."""

    def __init__(self, epochs: int) -> None:
        changes = [f"conditions.noise_rate=[{RATE}]", f"student.training.epochs={epochs}"]
        self.plan = Plan(read_spec(DIGITS, changes))
        self.dataset = load_dataset(self.plan.spec.data_settings())
        # Of a teacher that was not trained: its logits cost what others do.
        shape = (len(self.dataset), stock_stack.CLASSES)
        self.logits = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def seconds(self, method: str, lanes: int) -> float:
        """Of an epoch of one of some students side by side."""
        search = next(s for s in self.plan.searches if s.cell.use.method == method)
        values = {name: VALUES[name] for name in search.cell.space}
        task = search_cohort(self.plan, search, dict.fromkeys(range(lanes), values), 0)
        ends: list[float] = []

        def report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Sequence[bool]:
            ends.append(time.perf_counter())
            return [True] * len(names)

        outputs = {key: {"logits": self.logits} for key in task.teachers}
        train(task, self.dataset, outputs, report)
        return between(ends) / lanes


def plain_seconds(data: stock_stack.Data, method: str, epochs: int) -> float:
    """Of an epoch of a student by hand."""
    student = stock_stack.mlp(16)
    each = stock_stack.train(student, data, method, VALUES, epochs)
    return between([time.perf_counter() for _ in each])


def between(ends: Sequence[float]) -> float:
    """The median of the times from one end of an epoch to the next."""
    return statistics.median(b - a for a, b in pairwise(ends))


def one_round(ours: Ours, data: stock_stack.Data, epochs: int) -> dict[str, Any]:
    """Both ways, in turn."""
    lanes = ours.plan.lanes
    seconds: dict[str, dict[str, float]] = {"plain": {}, "alone": {}, "together": {}}
    for method in stock_stack.METHODS:
        seconds["plain"][method] = plain_seconds(data, method, epochs)
        seconds["alone"][method] = ours.seconds(method, 1)
        seconds["together"][method] = ours.seconds(method, lanes)
    mean = {way: statistics.mean(of.values()) for way, of in seconds.items()}
    return {
        "seconds": seconds,
        "lanes": lanes,
        "mean_s": mean,
        "ratio": mean["plain"] / mean["together"],
        "alone": mean["plain"] / mean["alone"],
    }


def speed(sweep: Swept, found: Mapping[str, Any]) -> dict[str, float | None]:
    """What the overview of tasks says, by a round."""
    mean = found["mean_s"]
    return speeds(sweep, mean["plain"], mean["alone"] / mean["together"], found["alone"])


def main() -> None:
    """Measure, and keep the median round."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    torch.set_num_threads(1)
    epochs = EPOCHS[given.quick]
    ours, data = Ours(epochs), stock_stack.load(RATE, epochs)
    rounds = []
    for _ in range(1 if given.quick else given.rounds):
        rounds.append(one_round(ours, data, epochs))
        say(", ".join(f"{name} {rounds[-1][name]:.2f}" for name in ("ratio", "alone")))
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        sweep = swept(DIGITS, Path(place), "digits", *(QUICK if given.quick else ()))
    results = [
        {**found, "sweep": sweep._asdict(), "speed": speed(sweep, found)} for found in rounds
    ]
    say(", ".join(f"{name} {times:.2f}" for name, times in results[0]["speed"].items()))
    keep_median(given, "classification", results)


if __name__ == "__main__":
    main()
