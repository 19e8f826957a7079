"""What a network that stands still says of a whole split, in batches that fit in memory.

L lanes, N_s examples of split s.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.task import TaskData

# Rows of one lane in a forward pass without gradients: large enough to leave Python behind.
ROWS = 2048
# Numbers of one lane in the widest layer of such a pass (16 MiB in single precision). One lane's
# bound does not look at the others, so that its batches, and its bits, are those it has alone.
ELEMENTS = 2**22
# The same for all lanes together, where they are computed at once (1 GiB); for GPUs alone, where
# no bits are promised.
GPU_ELEMENTS = 2**28

# Dimensions of an output in which an example has several rows: (L, B, T, C).
WITH_ROWS = 4


@contextmanager
def evaluation_mode(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode for a while."""
    was_training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(was_training)


def evaluation_rows(network: LaneNetwork, lanes: int, device: torch.device) -> int:
    """How many examples of each lane are evaluated at once."""
    rows = min(ROWS, ELEMENTS // network.widest)
    if device.type != "cpu":
        rows = min(rows, GPU_ELEMENTS // (network.widest * max(lanes, 1)))
    return max(rows, 1)


@torch.no_grad()
def frozen_output(network: LaneNetwork, data: TaskData, split: str) -> Output:
    """The output (L, N_s, ...) for a whole split in evaluation mode, without gradients."""
    places = torch.arange(data.size(split), device=data.device)
    sizes = batch_sizes(len(places), evaluation_rows(network, data.lanes, data.device))
    with evaluation_mode(network):
        parts = [
            network(data.inputs_of(split, part.expand(data.lanes, -1)))
            for part in torch.split(places, sizes)
        ]
    return joined(parts)


def joined(parts: Sequence[Output]) -> Output:
    """Outputs for examples one after the other as one.

    Where they differ in rows per example, the shorter end in rows of zeros, which no term reads.
    """
    if len(parts) == 1:
        return parts[0]
    features = [part.features for part in parts if part.features is not None]
    return Output(_cat(features) if features else None, _cat([part.logits for part in parts]))


def _cat(tensors: Sequence[Tensor]) -> Tensor:
    if tensors[0].dim() == WITH_ROWS:
        rows = max(t.shape[2] for t in tensors)
        tensors = [functional.pad(t, (0, 0, 0, rows - t.shape[2])) for t in tensors]
    return torch.cat(list(tensors), dim=1)
