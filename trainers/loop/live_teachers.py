"""Teachers that look at what the student sees, where that changes from batch to batch.

L lanes, B examples of a batch, C classes, M teachers of a lane.

Where inputs are as they are, a teacher's logits are computed once and kept; where they are cropped
and flipped, the teachers go along and are asked anew.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.classification.networks.build import build_model
from trainers.classification.networks.classifier import LaneClassifier
from trainers.settings import ModelSpec

# Parameters and buffers of one network, by name.
Weights = Mapping[str, NDArray[np.float32]]


class LiveTeachers:
    """M networks for each of L lanes, in evaluation mode."""

    def __init__(
        self,
        networks: Sequence[ModelSpec],
        weights: Sequence[Sequence[Weights]],
        shape: tuple[int, ...],
        classes: int,
        device: torch.device,
    ) -> None:
        """``networks``: M architectures, the same in every lane; ``weights``: per lane, M of them.

        ``shape`` is that of one input. KeyError where weights lack a parameter of the network.
        """
        self._models: list[LaneClassifier] = []
        for m, network in enumerate(networks):
            generators = [torch.Generator() for _ in weights]
            model = build_model(network, shape, classes, generators).to(device).eval()
            stacked = {**dict(model.named_parameters()), **dict(model.named_buffers())}
            with torch.no_grad():
                for name, tensor in stacked.items():
                    given = np.stack([lane[m][name] for lane in weights])
                    tensor.copy_(torch.as_tensor(given, device=device))
            self._models.append(model)

    @torch.no_grad()
    def logits(self, inputs: Tensor) -> Tensor:
        """What they make of inputs (L, B, ...): ``(L, M, B, C)``."""
        return torch.stack([model(inputs).logits for model in self._models], dim=1)

    def keep(self, lanes: Tensor) -> None:
        """Cut the stack down to ``lanes`` (indices)."""
        for model in self._models:
            for parameter in model.parameters():
                parameter.data = parameter.data[lanes]
            for module in model.modules():
                for name, buffer in module.named_buffers(recurse=False):
                    setattr(module, name, buffer[lanes])
