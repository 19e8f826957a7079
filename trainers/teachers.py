"""Teachers: networks trained by cross-entropy on the labels they saw, then asked for their logits.

N examples in all, C classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.cohort import Cohort
from trainers.models import evaluation_rows


@dataclass(frozen=True)
class Teacher:
    """A trained teacher: logits (N, C) on every example of the data set; parameters and buffers."""

    logits: NDArray[np.float32]
    parameters: dict[str, Tensor]


def graduate(cohort: Cohort) -> dict[str, Teacher]:
    """The teachers of a trained cohort, by lane name, each at its best validation epoch."""
    cohort.load_best()
    logits = _logits_everywhere(cohort).cpu().numpy()
    state = {**dict(cohort.model.named_parameters()), **dict(cohort.model.named_buffers())}
    parameters = {k: p.detach().cpu() for k, p in state.items()}
    return {
        name: Teacher(logits[i], {k: p[i].clone() for k, p in parameters.items()})
        for i, name in enumerate(cohort.names)
    }


@torch.no_grad()
def _logits_everywhere(cohort: Cohort) -> Tensor:
    """Logits (L, N, C) on all examples, in evaluation mode."""
    cohort.model.eval()
    lanes = len(cohort.names)
    inputs = cohort.data.inputs
    chunks = torch.split(inputs, evaluation_rows(cohort.model, lanes, inputs.device))
    parts = [cohort.model(chunk.expand(lanes, *chunk.shape)).logits for chunk in chunks]
    return torch.cat(parts, dim=1)
