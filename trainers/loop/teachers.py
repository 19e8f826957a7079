"""Teachers: networks trained by cross-entropy on the labels they saw, then asked for their logits.

N examples in all, C classes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.classification.networks.evaluation import evaluation_rows
from trainers.lanes.batches import batch_sizes
from trainers.loop.cohort import Answer, Cohort, LaneResult, Metrics, Report


@dataclass(frozen=True)
class Teacher:
    """A trained teacher: logits (N, C) on every example of the data set; parameters and buffers."""

    logits: NDArray[np.float32]
    parameters: dict[str, Tensor]


def train_teachers(
    cohort: Cohort,
    report: Report,
    snapshots: Sequence[int] = (),
    between: Callable[[], None] | None = None,
) -> tuple[dict[str, LaneResult], dict[str, Teacher]]:
    """Train a cohort of teachers: the results of its lanes, and the teachers by lane name.

    A lane leaves what it was at its best validation epoch; with ``snapshots``, what it was after
    each of these epochs, named ``lane@epoch``. A lane that was stopped leaves none. ``between``: as
    in `Cohort.train`.
    """
    taken: dict[str, dict[str, Teacher]] = {}

    def watch(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> Answer:
        if epoch in snapshots:
            for name, teacher in _as_they_are(cohort).items():
                taken.setdefault(name, {})[f"{name}@{epoch}"] = teacher
        return report(epoch, names, rows)

    results = cohort.train(watch, between)
    if snapshots:
        left = [taken[name] for name in cohort.names]
        return results, {name: t for of_lane in left for name, t in of_lane.items()}
    cohort.load_best()
    return results, _as_they_are(cohort) if cohort.names else {}


def _as_they_are(cohort: Cohort) -> dict[str, Teacher]:
    """Every lane's network as it stands, by lane name."""
    was_training = cohort.model.training
    logits = _logits_everywhere(cohort).cpu().numpy()
    cohort.model.train(was_training)
    state = {**dict(cohort.model.named_parameters()), **dict(cohort.model.named_buffers())}
    weights = {k: p.detach().cpu() for k, p in state.items()}
    return {
        name: Teacher(logits[i], {k: p[i].clone() for k, p in weights.items()})
        for i, name in enumerate(cohort.names)
    }


@torch.no_grad()
def _logits_everywhere(cohort: Cohort) -> Tensor:
    """Logits (L, N, C) on all examples, in evaluation mode."""
    cohort.model.eval()
    lanes = len(cohort.names)
    inputs = cohort.data.inputs
    sizes = batch_sizes(len(inputs), evaluation_rows(cohort.model, lanes, inputs.device))
    chunks = torch.split(inputs, sizes)
    parts = [cohort.model(chunk.expand(lanes, *chunk.shape)).logits for chunk in chunks]
    return torch.cat(parts, dim=1)
