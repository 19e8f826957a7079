"""Epochs of pictures with boxes, against a plain loop.

    python bench/detection.py [--rounds 3] [--quick]

Both train the student of the preset detection (a detector 6 wide) on 600 canvases of 64 x 64 pixels
in batches of 16, by a fixed mix of labels and kept outputs of a teacher, in one process with one
thread. The plain loop is what one writes by hand: `torch.nn.Conv2d`, `torch.nn.GroupNorm`,
`torch.optim.AdamW`, with the box that each place should tell of found beforehand; one student at a
time, as lanes of detectors train on a CPU, too. The two take turns; kept is the round whose ratio
is the median.

    ratio    epochs a second, ours over the plain loop's
    update   of alm_kd, all weights of a lane once, by the last layer: over such an epoch
    full     the same by the whole network
    ikd      an epoch of ikd, over one of feature_kd
    measure  mean average precision of the 300 test canvases: over an epoch of the fixed mix
    speed    for the overview of tasks: `sweep`, trial-epochs a second of one launch of
             bench/detection.yaml, from its start to its end and its teachers not credited, over
             those of the plain loop, the mean of its rows, which evaluates nothing; no `lanes`,
             as they train in turn; `step`, by the fixed mix

Writes bench/results/detection.json.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from machine import keep_median, options, say
from processes import HERE, SMALLER, Swept, speeds, swept
from torch import Tensor, nn
from torch.nn import functional as F

import trainers  # noqa: F401 - before torch makes its first call to MKL
from trainers.detection.data.canvases import canvases
from trainers.detection.data.dataset import BOX, CLASS
from trainers.detection.data.lanes import BoxLanes
from trainers.detection.task import Detection
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers
from trainers.loop.stopwatch import Stopwatch
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

FRACTIONS = SplitFractions(0.5, 0.1, 0.1, 0.3)
SPEC = DataSpec("canvases", FRACTIONS, task="detection")
WIDTH, LAYERS, BATCH, LR, SIDE, STRIDE = 6, 3, 16, 0.01, 64, 4
# 600 of them train: the share of the training split, and the clean meta split besides.
CANVASES, FEW = 1000, 40
STUDENT, TEACHER = ModelSpec("detector", {"width": WIDTH}), ModelSpec("detector", {"width": 24})
SEED, NO_NOISE = 1, Labels("flip", 0.0)
CPU = torch.device("cpu")
SURE = 0.3


class Ours:
    """A lane, epoch by epoch."""

    def __init__(self, method: str, count: int, **values: Any) -> None:
        dataset = canvases("digits", count, SIDE, 3)
        bare = BoxLanes(dataset, SPEC, [LaneSource(SEED, NO_NOISE)], {}, CPU)
        # A teacher that was not trained: its outputs cost what others do.
        network = Detection().network(TEACHER, bare, [torch.Generator().manual_seed(SEED)])
        kept = dict(zip(["teacher"], Detection().kept_outputs(network, bare), strict=True))
        source = LaneSource(SEED, NO_NOISE, ("teacher",), clean="train")
        self.data = BoxLanes(dataset, SPEC, [source], kept, CPU)
        live = None
        if method == "ikd":
            weights = {name: t[0].detach().numpy() for name, t in network.held().items()}
            live = LiveTeachers([TEACHER], [[weights]], self.data, Detection(), TASKS["detection"])
        training = Training(
            epochs=1000, batch_size=BATCH, optimizer="adamw", schedule="constant", clip_norm=5.0
        )
        spec = CohortSpec(method, STUDENT, training, Selection("map", True), "detection")
        lane = Lane("only", SEED, {"lr": LR, **values})
        self.stack = Cohort(spec, [lane], self.data, live).stacks[0]
        self.epoch = 0

    def seconds(self, epochs: int) -> float:
        """Of an epoch."""
        began = time.perf_counter()
        for _ in range(epochs):
            self.epoch += 1
            for _ in self.stack.steps(self.epoch, Stopwatch()):
                pass
        return (time.perf_counter() - began) / epochs

    def update_seconds(self) -> float:
        """Of an update of all weights."""
        lr = torch.full((1,), LR)
        self.stack.method.begin_epoch(1, self.stack.model, lr)
        began = time.perf_counter()
        self.stack.method.begin_epoch(1, self.stack.model, lr)
        return time.perf_counter() - began

    def measure_seconds(self) -> float:
        """Of an evaluation of the test split."""
        began = time.perf_counter()
        self.data.evaluate(self.stack.model, "test", ["map"])
        return time.perf_counter() - began


class Student(nn.Module):
    """By torch's own layers: pictures (B, 1, 64, 64) to outputs (B, T, C + 4)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        deep = 2 * WIDTH
        layers: list[nn.Module] = []
        widths = [(1, WIDTH, 2), (WIDTH, deep, 2), *[(deep, deep, 1)] * LAYERS]
        for inputs, outputs, stride in widths:
            layers += [
                nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False),
                nn.GroupNorm(outputs // int(np.gcd(outputs, 8)), outputs),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.head = nn.Conv2d(deep, classes + 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        z: Tensor = self.head(self.body(x)).flatten(2).mT
        return z


class Plain:
    """A loop by hand, on the examples of the lane."""

    def __init__(self, data: BoxLanes) -> None:
        everything = torch.arange(data.size("train")).unsqueeze(0)
        batch = data.batch("train", everything)
        targets = batch.targets
        self.classes, self.middle = targets.classes, targets.grid.middle
        self.x = batch.inputs[0].contiguous(memory_format=torch.channels_last)
        of_places, self.there = targets.of_places()[0], targets.told[0] >= 0
        self.true = of_places[..., BOX]
        of_class = torch.where(self.there, of_places[..., CLASS].long(), self.classes)
        self.y = F.one_hot(of_class, self.classes + 1)[..., : self.classes].float()
        self.teacher = targets.taught.logits()[0, 0]
        self.student = Student(self.classes).to(memory_format=torch.channels_last)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), LR)

    def seconds(self, epochs: int, mix: bool = True) -> float:
        """Of an epoch; without ``mix`` of labels alone."""
        began = time.perf_counter()
        for _ in range(epochs):
            for at in torch.randperm(len(self.x)).split(BATCH):
                loss = self._loss(at, mix)
                self.optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(self.student.parameters(), 5.0)
                self.optimizer.step()
        return (time.perf_counter() - began) / epochs

    def _loss(self, at: Tensor, mix: bool) -> Tensor:
        z, t = self.student(self.x[at]), self.teacher[at]
        boxes = self._boxes(z)
        label = self._lost(z, self.y[at], boxes, self.true[at], self.there[at])
        if not mix:
            return label.mean()
        q = torch.sigmoid(t[..., : self.classes])
        teacher = self._lost(z, q, boxes, self._boxes(t), q.amax(2) > SURE)
        return (0.5 * (label + teacher)).mean()

    def _lost(self, z: Tensor, q: Tensor, own: Tensor, other: Tensor, told: Tensor) -> Tensor:
        own_classes = z[..., : self.classes]
        bce = F.binary_cross_entropy_with_logits(own_classes, q, reduction="none")
        of_classes = ((torch.sigmoid(own_classes) - q).square() * bce).sum((1, 2))
        corner = torch.maximum(own[..., :2], other[..., :2])
        end = torch.minimum(own[..., 2:], other[..., 2:])
        shared = (end - corner).clamp(min=0).prod(2)
        each = [(b[..., 2:] - b[..., :2]).clamp(min=0).prod(2) for b in (own, other)]
        overlap = shared / (each[0] + each[1] - shared).clamp(min=1e-9)
        return (of_classes + ((1 - overlap) * told).sum(1)) / told.sum(1).clamp(min=1)

    def _boxes(self, z: Tensor) -> Tensor:
        away = F.softplus(z[..., self.classes :]) * STRIDE
        return torch.cat([self.middle - away[..., :2], self.middle + away[..., 2:]], dim=2)


def one_round(count: int, epochs: int) -> dict[str, Any]:
    """Both ways, in turn."""
    ours = Ours("fixed_kd", count)
    plain = Plain(ours.data)
    features, ikd = Ours("feature_kd", count), Ours("ikd", count)
    ways: dict[str, Plain | Ours] = {
        "plain": plain,
        "ours": ours,
        "feature_kd": features,
        "ikd": ikd,
    }
    for way in ways.values():
        way.seconds(1)
    seconds = {name: way.seconds(epochs) for name, way in ways.items()}
    seconds["plain_labels"] = plain.seconds(epochs, mix=False)
    at_once = {"warmup_epochs": 0, "update_every": 1}
    learned = Ours("alm_kd", count, **at_once)
    full = Ours("alm_kd", count, hypergradient="full", terms="all", **at_once)
    return {
        "seconds": seconds,
        "ratio": seconds["plain"] / seconds["ours"],
        "update": learned.update_seconds() / seconds["ours"],
        "full": full.update_seconds() / seconds["ours"],
        "ikd": seconds["ikd"] / seconds["feature_kd"],
        "measure": ours.measure_seconds() / seconds["ours"],
    }


def speed(sweep: Swept, found: Mapping[str, Any]) -> dict[str, float | None]:
    """What the overview of tasks says, by a round."""
    plain = statistics.mean([found["seconds"]["plain"], found["seconds"]["plain_labels"]])
    return speeds(sweep, plain, None, found["ratio"])


def main() -> None:
    """Measure, and keep the median round."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    torch.set_num_threads(1)
    count, epochs = (FEW, 1) if given.quick else (CANVASES, 8)
    rounds = []
    for _ in range(1 if given.quick else given.rounds):
        rounds.append(one_round(count, epochs))
        told = ("ratio", "update", "full", "ikd", "measure")
        say(", ".join(f"{name} {rounds[-1][name]:.2f}" for name in told))
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        smaller = SMALLER if given.quick else ()
        sweep = swept(str(HERE / "detection.yaml"), Path(place), "detection", *smaller)
    results = [
        {**found, "sweep": sweep._asdict(), "speed": speed(sweep, found)} for found in rounds
    ]
    say(f"a sweep {results[0]['speed']['sweep']:.2f} times as many trial-epochs a second")
    keep_median(given, "detection", results)


if __name__ == "__main__":
    main()
