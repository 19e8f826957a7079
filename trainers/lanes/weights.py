"""Parameters and buffers of one lane of a network, out of it and into it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.lanes.network import LaneNetwork


def lane_weights(network: LaneNetwork, lane: int) -> dict[str, Tensor]:
    """Copies by name, on the CPU, without the dimension of lanes."""
    return {name: t.detach()[lane].cpu().clone() for name, t in network.held().items()}


@torch.no_grad()
def put_weights(network: LaneNetwork, weights: Mapping[str, NDArray[Any]]) -> None:
    """Have every lane hold these, by the names they have without lanes; others stay."""
    network.fit(weights.keys())
    state = network.held()
    for name, array in weights.items():
        state[network.inside + name].copy_(torch.as_tensor(array))


@torch.no_grad()
def put_lane_weights(network: LaneNetwork, weights: Sequence[Mapping[str, NDArray[Any]]]) -> None:
    """Have each lane hold its own, as `lane_weights` gave them, but for what is of its data.

    KeyError where they lack a parameter or a buffer of the network.
    """
    network.fit(weights[0].keys())
    for name, tensor in network.held().items():
        if name not in network.of_data:
            given = np.stack([lane[name] for lane in weights])
            tensor.copy_(torch.as_tensor(given, device=tensor.device))


def keep_lanes(network: LaneNetwork, lanes: Tensor) -> None:
    """Cut a network down to ``lanes`` (indices)."""
    for parameter in network.parameters():
        parameter.data = parameter.data[lanes]
    for module in network.modules():
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, buffer[lanes])
