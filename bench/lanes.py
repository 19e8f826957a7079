"""Training steps a second over the number of lanes, for an MLP, a ResNet-8 and encoders of texts.

    python bench/lanes.py [--device cpu|cuda] [--most 256] [--seconds 1.0] [--rounds 3]
        [--models mlp resnet8 ...] [--out PATH]

Needs torch and `trainers` alone, so that it runs on a machine with a GPU and nothing else. For each
network and each number of lanes 1, 2, 4, ... it trains on made-up data for about ``--seconds`` and
notes lane steps a second, the best point, and what `trainers.loop.cohort_size` would have chosen:
its throughput is measured too, as a share of the best. All points are gone through ``--rounds``
times, and each keeps its best round, since other work on a machine makes minutes slow and none
fast. Writes bench/results/lanes_<device>.json.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from machine import RESULTS, described, say

from trainers.classes.losses import cross_entropy
from trainers.classification.networks.build import build_model
from trainers.classification.networks.table import NETWORKS
from trainers.entries import NetworkEntry
from trainers.lanes.network import LaneNetwork
from trainers.lanes.optim import LaneSGD
from trainers.loop.cohort_size import lanes_that_pay
from trainers.loop.memory import keep_freed_memory
from trainers.settings import ModelSpec
from trainers.text.facts import TextFacts
from trainers.text.networks.encoder import Transformer
from trainers.text.networks.table import NETWORKS as ENCODERS

CLASSES, MOMENTUM = 10, 0.9
LEAST_STEPS, WARM_UP = 3, 1
PATIENCE = 10  # times the seconds asked for; a point that takes longer makes do with fewer steps


@dataclass(frozen=True)
class Case:
    """A student and its batches. ``words``: how many texts are made of; 0: inputs are numbers."""

    model: ModelSpec
    shape: tuple[int, ...]
    batch_size: int
    words: int = 0

    @property
    def entry(self) -> NetworkEntry:
        """Its row."""
        return (ENCODERS if self.words else NETWORKS)[self.model.name]

    def network(self, generators: Sequence[torch.Generator]) -> LaneNetwork:
        """A lane for each generator."""
        if not self.words:
            return build_model(self.model, self.shape, CLASSES, generators)
        facts = TextFacts(self.shape[0], self.words, tuple(map(str, range(CLASSES))))
        return Transformer(self.entry.complete(self.model), facts, generators)

    def inputs(self, lanes: int) -> torch.Tensor:
        """A batch for each lane."""
        size = (lanes, self.batch_size, *self.shape)
        return torch.randint(self.words, size) if self.words else torch.randn(size)


CASES = {
    "mlp": Case(ModelSpec("mlp", {"hidden": (16,)}), (1, 8, 8), 64),
    "mlp_60": Case(ModelSpec("mlp", {"hidden": (60,)}), (64,), 128),
    "mlp_256": Case(ModelSpec("mlp", {"hidden": (256, 256)}), (1, 8, 8), 64),
    "resnet8": Case(ModelSpec("resnet8"), (3, 32, 32), 128),
    "resnet8_digits": Case(ModelSpec("resnet8"), (1, 8, 8), 64),
    "text_16": Case(ModelSpec("transformer", {"width": 16}), (32,), 16, 5000),
    "text_64": Case(ModelSpec("transformer", {"width": 64}), (32,), 20, 5000),
}


def lane_steps_a_second(case: Case, lanes: int, device: torch.device, seconds: float) -> float:
    """Lanes over the median time of a step."""
    generators = [torch.Generator().manual_seed(lane) for lane in range(lanes)]
    model = case.network(generators).to(device)
    sgd = LaneSGD(model, torch.zeros(lanes, device=device), MOMENTUM, nesterov=True)
    lr = torch.full((lanes,), 0.01, device=device)
    x = case.inputs(lanes).to(device)
    y = torch.randint(CLASSES, (lanes, case.batch_size), device=device)
    taken: list[float] = []
    began = time.perf_counter()
    while not _enough(len(taken) - WARM_UP, time.perf_counter() - began, seconds):
        at = time.perf_counter()
        sgd.step(cross_entropy(model(x).logits, y), lr)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(time.perf_counter() - at)
    return lanes / statistics.median(taken[WARM_UP:])


def _enough(steps: int, taken: float, seconds: float) -> bool:
    """Whether steps and time suffice; slow points make do with fewer steps."""
    if taken > PATIENCE * seconds:
        return steps >= 1
    return steps >= LEAST_STEPS and taken >= seconds


def curve(
    name: str, counts: Sequence[int], device: torch.device, seconds: float, rounds: int
) -> dict[str, Any]:
    """Throughput at each count of lanes, as far as memory goes, and at the automatic choice."""
    case = CASES[name]
    kind = "cuda" if device.type == "cuda" else "cpu"
    memory = memory_of(device)
    network = case.entry
    model = network.complete(case.model)
    choice = lanes_that_pay(network, model, kind, memory, case.batch_size, case.shape)
    assert network.lane_bytes is not None
    lane = network.lane_bytes(model, case.batch_size, case.shape)
    wanted = sorted({*counts, choice})
    fitting = [lanes for lanes in wanted if lanes * lane <= memory]
    for lanes in wanted[len(fitting) :]:
        say(f"{name}: {lanes} lanes would not fit in memory")
    points: dict[int, float] = {}
    for lanes in fitting * rounds:
        try:
            found = lane_steps_a_second(case, lanes, device, seconds)
        except torch.OutOfMemoryError:
            say(f"{name}: {lanes} lanes do not fit in memory")
            continue
        say(f"{name}: {lanes} lanes, {found:.3g} lane steps a second")
        points[lanes] = max(found, points.get(lanes, 0.0))
    best = max(points, key=lambda lanes: points[lanes])
    return {
        "model": case.model.name,
        "hidden": case.model.sizes.get("hidden", ()),
        "shape": case.shape,
        "batch_size": case.batch_size,
        "lane_steps_per_second": points,
        "best": best,
        "times_one_lane": points[best] / points[1],
        "automatic": choice,
        "automatic_of_best": points[choice] / points[best] if choice in points else None,
    }


def memory_of(device: torch.device) -> int:
    """Bytes that a cohort may take: all that is free on a GPU, half of what is in a computer."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES") // 2


def main() -> None:
    """Measure and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--most", type=int, default=256, help="most lanes")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each point, about")
    parser.add_argument("--rounds", type=int, default=3, help="of which each point keeps its best")
    parser.add_argument("--models", nargs="+", choices=tuple(CASES), default=["mlp", "resnet8"])
    parser.add_argument("--out", type=Path, help="another place for the result")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    device = torch.device(arguments.device)
    counts = [2**i for i in range(arguments.most.bit_length()) if 2**i <= arguments.most]
    curves = {
        name: curve(name, counts, device, arguments.seconds, arguments.rounds)
        for name in arguments.models
    }
    out: Path = arguments.out or RESULTS / f"lanes_{device.type}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({**described(), "curves": curves}, indent=2) + "\n")
    say(f"wrote {out}")


if __name__ == "__main__":
    main()
