"""Convolutions on one CPU core: a plain training loop against ours, step by step.

    python bench/convolutions.py [--model resnet8] [--size 28] [--channels 1] [--batch-size 128]
        [--steps 20]

The plain loop is what one writes by hand: `torch.nn.Conv2d` and `BatchNorm2d` in torch's default
memory order, `torch.optim.SGD`. Both train the same ResNet on the same made-up images, each in a
process of its own (ours keeps freed memory, `trainers.loop.memory`), one step of each in turn, so
that whatever else the machine does slows both. Writes bench/results/convolutions.json; ratios
travel between machines, milliseconds do not.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection

import torch
from machine import RESULTS, described, say
from torch import Tensor, nn
from torch.nn import functional as F

from trainers.classes.losses import cross_entropy
from trainers.classification.networks.build import build_model
from trainers.classification.networks.table import NETWORKS
from trainers.lanes.optim import LaneSGD
from trainers.loop.memory import keep_freed_memory
from trainers.settings import ModelSpec

LR, MOMENTUM, WEIGHT_DECAY = 0.1, 0.9, 5e-4
CLASSES = 10
WARM_UP = 3


class PlainBlock(nn.Module):
    """A residual block as in most public code for CIFAR, with option A."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.missing = outputs - inputs

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.missing:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, self.missing))
        return F.relu(y + x)


class PlainResNet(nn.Module):
    """A CIFAR ResNet of 6n + 2 layers without lanes."""

    def __init__(self, depth: int, channels: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [
            nn.Conv2d(channels, 16, 3, 1, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        ]
        inputs = 16
        for stage, outputs in enumerate((16, 32, 64)):
            for place in range((depth - 2) // 6):
                layers.append(PlainBlock(inputs, outputs, 2 if stage and not place else 1))
                inputs = outputs
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(64, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x).mean((2, 3)))
        return logits


def plain_step(depth: int, x: Tensor, y: Tensor) -> Callable[[], None]:
    """One step of the plain loop on images (B, ch, H, W)."""
    model = PlainResNet(depth, x.shape[1])
    sgd = torch.optim.SGD(
        model.parameters(), LR, MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )

    def step() -> None:
        sgd.zero_grad()
        F.cross_entropy(model(x), y).backward()
        sgd.step()

    return step


def lane_step(name: str, x: Tensor, y: Tensor) -> Callable[[], None]:
    """One step of a lane on the same images."""
    generators = [torch.Generator().manual_seed(0)]
    model = build_model(ModelSpec(name), tuple(x.shape[1:]), CLASSES, generators)
    sgd = LaneSGD(model, torch.tensor([WEIGHT_DECAY]), MOMENTUM, nesterov=True)
    lr = torch.tensor([LR])

    def step() -> None:
        losses = cross_entropy(model(x.unsqueeze(0)).logits, y.unsqueeze(0))
        sgd.step(losses, lr)

    return step


def serve(pipe: Connection, loop: str, settings: argparse.Namespace) -> None:
    """Take a step whenever asked, and answer with its milliseconds."""
    torch.set_num_threads(1)
    shape = (settings.batch_size, settings.channels, settings.size, settings.size)
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(shape, generator=g), torch.randint(CLASSES, shape[:1], generator=g)
    if loop == "ours":
        keep_freed_memory()
        step = lane_step(settings.model, x, y)
    else:
        step = plain_step(NETWORKS[settings.model].fixed["depth"], x, y)
    while pipe.recv():
        began = time.perf_counter()
        step()
        pipe.send(1000 * (time.perf_counter() - began))


def times(settings: argparse.Namespace) -> dict[str, list[float]]:
    """Milliseconds of each loop's steps, taken in turn, after some to warm up."""
    context = multiprocessing.get_context("spawn")
    pipes: dict[str, Connection] = {}
    for loop in ("plain", "ours"):
        pipes[loop], far = context.Pipe()
        context.Process(target=serve, args=(far, loop, settings), daemon=True).start()
    taken: dict[str, list[float]] = {loop: [] for loop in pipes}
    for number in range(WARM_UP + settings.steps):
        for loop, pipe in pipes.items():
            pipe.send(True)
            ms = pipe.recv()
            if number >= WARM_UP:
                taken[loop].append(ms)
    for pipe in pipes.values():
        pipe.send(False)
    return taken


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="resnet8", help="resnet8, resnet14, ...")
    parser.add_argument("--size", type=int, default=28, help="pixels of a side")
    parser.add_argument("--channels", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    taken = times(arguments)
    medians = {name: statistics.median(ms) for name, ms in taken.items()}
    pairs = [a / b for a, b in zip(taken["plain"], taken["ours"], strict=True)]
    result = {
        **described(),
        "settings": vars(arguments),
        "step_ms": medians,
        "ratio": statistics.median(pairs),
    }
    say(f"plain {medians['plain']:.1f} ms, ours {medians['ours']:.1f} ms: {result['ratio']:.2f}x")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "convolutions.json").write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
