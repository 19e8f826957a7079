"""Epochs of utterances, against a plain loop.

    python bench/ctc.py [--rounds 3] [--quick]

Both train the student of the preset ctc (two convolutions, 16 wide) on 1,200 lines of digits in
batches of 16, by a fixed mix of CTC and KL to kept logits of a teacher, frame by frame, in one
process with one thread. The plain loop is what one writes by hand: `torch.nn.Conv1d`,
`torch.nn.LayerNorm`, `torch.nn.functional.ctc_loss`, `torch.optim.AdamW`; one student at a time.
The two take turns; kept is the round whose ratio is the median.

    ratio   epochs a second of all students, ours with eight lanes over the plain loop's
    alone   the same with one lane
    update  of alm_kd, all weights of a lane once, by the last layer: over an epoch of the fixed mix
    speed   for the overview of tasks: `sweep`, trial-epochs a second of one launch of
            bench/ctc.yaml, from its start to its end and its teachers not credited, over those of
            the plain loop, the mean of its rows, which evaluates nothing; `lanes`, `step`, by the
            fixed mix

Writes bench/results/ctc.json.
"""

import argparse
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
from trainers.ctc.data.digit_lines import digit_lines
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.ctc.task import Ctc
from trainers.data.tokenizer import PADDING
from trainers.loop.cohort import Cohort
from trainers.loop.stopwatch import Stopwatch
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

FRACTIONS = SplitFractions(0.6, 0.1, 0.1, 0.2)
SPEC = DataSpec("digit_lines", FRACTIONS, task="ctc")
WIDTH, KERNEL, BATCH, LR, LANES = 16, 5, 16, 0.004, 8
LINES, FEW = 2000, 80
STUDENT = ModelSpec("conv", {"width": WIDTH, "kernel": KERNEL})
TEACHER = ModelSpec("conv", {"width": 64, "layers": 4})
SEED, NO_NOISE = 1, Labels("substitute", 0.0)
CPU = torch.device("cpu")


class Ours:
    """A cohort, epoch by epoch."""

    def __init__(self, method: str, lines: int, lanes: int) -> None:
        dataset = digit_lines(lines, 2, 4, 0.25)
        bare = UtteranceLanes(dataset, SPEC, [LaneSource(SEED, NO_NOISE)], {}, CPU)
        # A teacher that was not trained: its logits cost what others do.
        network = Ctc().network(TEACHER, bare, [torch.Generator().manual_seed(SEED)])
        kept = dict(zip(["teacher"], Ctc().kept_outputs(network, bare), strict=True))
        source = LaneSource(SEED, NO_NOISE, ("teacher",))
        self.data = UtteranceLanes(dataset, SPEC, [source] * lanes, kept, CPU)
        training = Training(
            epochs=1000, batch_size=BATCH, optimizer="adamw", schedule="constant", clip_norm=5.0
        )
        spec = CohortSpec(method, STUDENT, training, Selection("loss", False), "ctc")
        values = {"warmup_epochs": 0, "update_every": 1} if method == "alm_kd" else {}
        own = [Lane(str(i), i, {"lr": LR, **values}) for i in range(lanes)]
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

    def update_seconds(self) -> float:
        """Of an update of all weights of one lane."""
        lr = torch.full((self.lanes,), LR)
        self.stack.method.begin_epoch(1, self.stack.model, lr)
        began = time.perf_counter()
        self.stack.method.begin_epoch(1, self.stack.model, lr)
        return (time.perf_counter() - began) / self.lanes


class Student(nn.Module):
    """By torch's own layers: frames (B, T, F) to logits (B, T', C)."""

    def __init__(self, numbers: int, symbols: int) -> None:
        super().__init__()
        half = KERNEL // 2
        self.first = nn.Conv1d(numbers, WIDTH, KERNEL, stride=2, padding=half)
        self.second = nn.Conv1d(WIDTH, WIDTH, KERNEL, padding=half)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.head = nn.Linear(WIDTH, symbols)

    def forward(self, x: Tensor, there: Tensor) -> Tensor:
        h = x.mT
        for convolution, norm in zip((self.first, self.second), self.norms, strict=True):
            h = (F.relu(norm(convolution(h).mT)) * there).mT
        logits: Tensor = self.head(h.mT)
        return logits


class Plain:
    """A loop by hand, on the examples of the first lane."""

    def __init__(self, data: UtteranceLanes) -> None:
        everything = torch.arange(data.size("train")).unsqueeze(0)
        batch = data.batch("train", everything)
        targets = batch.targets
        self.x, self.labels = batch.inputs.frames[0], targets.labels[0]
        self.frames, self.teacher = targets.frames[0], targets.teachers[0, 0]
        self.lengths = (self.labels != PADDING).sum(1)
        self.student = Student(self.x.shape[2], self.teacher.shape[2])
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
        teacher, lengths = self.teacher[at], self.lengths[at]
        there = (torch.arange(teacher.shape[1]) < self.frames[at].unsqueeze(1)).unsqueeze(2)
        log_q = self.student(self.x[at], there).log_softmax(2)
        labels = self.labels[at].clamp(min=0)
        ctc = F.ctc_loss(log_q.transpose(0, 1), labels, self.frames[at], lengths,
                         reduction="none")  # fmt: skip
        if not mix:
            return (ctc / lengths).mean()
        kl = F.kl_div(log_q, teacher.log_softmax(2), log_target=True, reduction="none")
        kl = (kl * there).sum((1, 2))
        return (0.5 * (ctc + kl) / lengths).mean()


def one_round(lines: int, epochs: int) -> dict[str, Any]:
    """Both ways, in turn."""
    alone, together = Ours("fixed_kd", lines, 1), Ours("fixed_kd", lines, LANES)
    plain = Plain(alone.data)
    for way in (plain, alone, together):
        way.seconds(1)
    seconds = {
        "plain": plain.seconds(epochs),
        "plain_labels": plain.seconds(epochs, mix=False),
        "alone": alone.seconds(epochs),
        "together": together.seconds(max(1, epochs // LANES)),
    }
    learned = Ours("alm_kd", lines, LANES)
    return {
        "seconds": seconds,
        "ratio": seconds["plain"] / seconds["together"],
        "alone": seconds["plain"] / seconds["alone"],
        "update": learned.update_seconds() / seconds["together"],
    }


def speed(sweep: Swept, found: Mapping[str, Any]) -> dict[str, float | None]:
    """What the overview of tasks says, by a round."""
    seconds = found["seconds"]
    plain = statistics.mean([seconds["plain"], seconds["plain_labels"]])
    return speeds(sweep, plain, seconds["alone"] / seconds["together"], found["alone"])


def main() -> None:
    """Measure, and keep the median round."""
    parser: argparse.ArgumentParser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    torch.set_num_threads(1)
    lines, epochs = (FEW, 1) if given.quick else (LINES, 24)
    rounds = []
    for _ in range(1 if given.quick else given.rounds):
        rounds.append(one_round(lines, epochs))
        say(", ".join(f"{name} {rounds[-1][name]:.2f}" for name in ("ratio", "alone", "update")))
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        sweep = swept(str(HERE / "ctc.yaml"), Path(place), "ctc", *(SMALLER if given.quick else ()))
    results = [
        {**found, "sweep": sweep._asdict(), "speed": speed(sweep, found)} for found in rounds
    ]
    say(", ".join(f"{name} {times:.2f}" for name, times in results[0]["speed"].items()))
    keep_median(given, "ctc", results)


if __name__ == "__main__":
    main()
