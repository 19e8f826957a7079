"""The update of ALM-KD's weights against per-example outer products, at the size of CIFAR-100.

    python bench/hypergradient.py [--examples 45000] [--features 64] [--classes 100] [--rounds 3]
        [--quick]

G examples of a group, K = 2 losses, C classes, H features, V held-out rows, P = C*H + C numbers of
the last layer.

Both start from the same features and gradients by the logits, take the same projected steps in
groups of 3 batches of 128, 5 a group, and must end at the same weights (to 1e-5 of how far they
moved; checked). ``outer`` does as the public code that is around: for every group it builds each
example's gradients (G, K, P) of the last layer, once, all examples at a time, and in every step
sums them with the weights, takes the step, and multiplies them with the held-out gradient. ``ours``
is `trainers.mixing.alm_kd.descent`, as `trainers.mixing.alm_kd.rule` calls it. Counted:

    seconds     of one update of all examples; the median over rounds, in turn
    memory_mb   the most that one group of 1,536 examples adds to a fresh process, for H and 4 H

Writes bench/results/hypergradient.json.
"""

import argparse
import multiprocessing
import statistics
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from machine import keep, options, say
from torch import Tensor
from torch.nn import functional as F

from trainers.classes.terms import ClassObjective
from trainers.mixing.alm_kd.descent import Descent
from trainers.mixing.alm_kd.variants import VARIANTS
from trainers.mixing.hypergradient import Evaluation, TrainingGroup

BATCH, GROUP, REPEATS, LOSSES = 128, 3, 5, 2
ETA, META_LR = 0.1, 100.0
AGREE = 1e-5
MEMORY_EXAMPLES = 1536
KEPT_BYTES = 31 * 2**20


class Problem(NamedTuple):
    """J groups: lam (J, K, G), r (J, K, C, G), h (J, H, G), h_e (J, H, V), the others (J, C, V)."""

    lam: Tensor
    r: Tensor
    h: Tensor
    h_e: Tensor
    z_e: Tensor
    onehot: Tensor


def made_up(examples: int, group: int, classes: int, features: int) -> Problem:
    """Features, and gradients as softmax minus target, of random examples."""
    g = torch.Generator().manual_seed(0)
    J = -(-examples // group)
    z = torch.randn(J, LOSSES, classes, group, generator=g)
    y = F.one_hot(torch.randint(classes, (J, LOSSES, group), generator=g), classes).mT
    y_e = F.one_hot(torch.randint(classes, (J, BATCH), generator=g), classes).mT
    return Problem(
        lam=torch.rand(J, LOSSES, group, generator=g),
        r=z.softmax(2) - y,
        h=torch.randn(J, features, group, generator=g).relu(),
        h_e=torch.randn(J, features, BATCH, generator=g).relu(),
        z_e=torch.randn(J, classes, BATCH, generator=g),
        onehot=y_e.float(),
    )


def ours(problem: Problem) -> Tensor:
    """The weights (J, K, G) after an update by `trainers.mixing.alm_kd.descent`."""
    meta_lr = torch.full((len(problem.lam), 1, 1), META_LR)

    def sides(part: slice) -> tuple[TrainingGroup, Evaluation]:
        some = Problem(*(t[part] for t in problem))
        J = len(some.lam)
        w = torch.full((J, BATCH), 1 / BATCH)
        goal = ClassObjective(some.onehot, w, torch.ones_like(w))
        group = TrainingGroup(some.h, some.r, torch.full((J,), ETA), BATCH)
        return group, Evaluation(some.h_e, some.z_e, goal)

    descent = Descent(VARIANTS["box"].constraint, REPEATS, meta_lr)
    return descent.down_by_last_layer(problem.lam, problem.r.shape[2], sides)


def outer(problem: Problem) -> Tensor:
    """The same weights from the gradients of every example."""
    return torch.stack([_outer(Problem(*(t[j] for t in problem))) for j in range(len(problem.lam))])


def _outer(one: Problem) -> Tensor:
    """One group's weights (K, G)."""
    K, C, G = one.r.shape
    r, h = one.r.permute(2, 0, 1), one.h.T  # (G, K, C), (G, H)
    by_weight = r.unsqueeze(3) * h.view(G, 1, 1, -1)  # (G, K, C, H)
    g = torch.cat([by_weight.flatten(2), r], 2).view(G * K, -1) / BATCH  # (G K, P)
    lam = one.lam.T.reshape(-1)
    h_e, z_e, onehot = one.h_e.T, one.z_e.T, one.onehot.T
    for _ in range(REPEATS):
        step = ETA * (lam @ g)
        dW, db = step[:-C].view(C, -1), step[-C:]
        after = z_e - h_e @ dW.T - db
        d = (after.softmax(1) - onehot) / BATCH
        held_out = torch.cat([(d.T @ h_e).flatten(), d.sum(0)])
        lam = (lam + META_LR * ETA * (g @ held_out)).clamp(0, 2)
    return lam.view(G, K).T


WAYS = {"ours": ours, "outer": outer}


def times(problem: Problem, rounds: int) -> dict[str, float]:
    """Median seconds of an update, the two in turn; RuntimeError where they do not agree."""
    # Once this much was given back, glibc keeps what ``outer`` gives back for its next group: fresh
    # memory for each would cost it half as much again.
    torch.empty(KEPT_BYTES, dtype=torch.uint8)
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    ends: dict[str, Tensor] = {}
    for _ in range(rounds + 1):
        for way, update in WAYS.items():
            at = time.perf_counter()
            ends[way] = update(problem)
            taken[way].append(time.perf_counter() - at)
    moved = (ends["outer"] - problem.lam).abs().max()
    apart = float((ends["ours"] - ends["outer"]).abs().max() / moved)
    say(f"the two differ by {apart:.1e} of how far the weights moved")
    if not apart < AGREE:
        raise RuntimeError(f"{apart:.1e} is more than {AGREE}")
    return {way: statistics.median(seconds[1:]) for way, seconds in taken.items()}


def memory(way: str, classes: int, features: int) -> float:
    """The most memory, in MB, that an update of one group adds to a process of its own."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        return pool.apply(_memory, (way, classes, features))


def _memory(way: str, classes: int, features: int) -> float:
    torch.set_num_threads(1)
    # A few examples first, so that the libraries' code and buffers are there.
    WAYS[way](made_up(64, 64, classes, features))
    problem = made_up(MEMORY_EXAMPLES, MEMORY_EXAMPLES, classes, features)
    # Linux counts the most from here on; making the problem took some, too.
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    before = _resident("VmRSS")
    WAYS[way](problem)
    return _resident("VmHWM") - before


def _resident(which: str) -> float:
    """MB of this process in memory: now (VmRSS), or at most so far (VmHWM)."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(which):
            return int(line.split()[1]) / 1000
    raise RuntimeError(f"/proc/self/status has no {which}")


def measured(given: argparse.Namespace) -> dict[str, Any]:
    """All figures of this page."""
    seconds = times(
        made_up(given.examples, GROUP * BATCH, given.classes, given.features), given.rounds
    )
    say(", ".join(f"{way} {s:.3f} s" for way, s in seconds.items()))
    sizes = (given.features, 4 * given.features)
    held = {way: {h: memory(way, given.classes, h) for h in sizes} for way in WAYS}
    return {
        "settings": {k: v for k, v in vars(given).items() if k != "out"},
        "seconds": seconds,
        "ratio": seconds["outer"] / seconds["ours"],
        "memory_mb": held,
    }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--examples", type=int, default=45_000)
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    if given.quick:
        given.examples, given.rounds, given.classes, given.features = 800, 1, 10, 8
    torch.set_num_threads(1)
    result = measured(given)
    say(f"{result['ratio']:.1f} times as fast; memory in MB by features: {result['memory_mb']}")
    keep(given, "hypergradient", result)


if __name__ == "__main__":
    main()
