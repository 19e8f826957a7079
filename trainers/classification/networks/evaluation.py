"""What a network that stands still says of a whole split, in batches that fit in memory.

L lanes, N_s examples of split s.
"""

import torch

from trainers.classification.data.lanes import LaneData
from trainers.classification.networks.classifier import LaneClassifier, Output
from trainers.lanes.batches import batch_sizes

# Rows of one lane in a forward pass without gradients: large enough to leave Python behind.
ROWS = 2048
# Numbers of one lane in the widest layer of such a pass (16 MiB in single precision). One lane's
# bound does not look at the others, so that its batches, and its bits, are those it has alone.
ELEMENTS = 2**22
# The same for all lanes together, where they are computed at once (1 GiB); for GPUs alone, where
# no bits are promised.
GPU_ELEMENTS = 2**28


def evaluation_rows(model: LaneClassifier, lanes: int, device: torch.device) -> int:
    """How many examples of each lane are evaluated at once."""
    rows = min(ROWS, ELEMENTS // model.widest)
    if device.type != "cpu":
        rows = min(rows, GPU_ELEMENTS // (model.widest * max(lanes, 1)))
    return max(rows, 1)


@torch.no_grad()
def frozen_output(model: LaneClassifier, data: LaneData, split: str) -> Output:
    """The output (L, N_s, ...) for a whole split in evaluation mode, without gradients."""
    was_training = model.training
    model.eval()
    device = data.inputs.device
    places = torch.arange(data.size(split), device=device)
    sizes = batch_sizes(len(places), evaluation_rows(model, data.lanes, device))
    parts = [
        model(data.inputs_of(split, part.expand(data.lanes, -1)))
        for part in torch.split(places, sizes)
    ]
    model.train(was_training)
    if len(parts) == 1:
        return parts[0]
    return Output(
        torch.cat([p.features for p in parts], 1), torch.cat([p.logits for p in parts], 1)
    )
