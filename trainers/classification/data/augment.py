"""Random crops and flips of a batch, over lanes.

L lanes, B examples of a batch, K channels, H height, W width.

Every lane draws from its own generator and pixels are only moved, so that a lane sees the same
images, bit for bit, in any cohort.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

# As is usual on CIFAR: He et al. 2016, arXiv 1512.03385.
PADDING = 4


def crop_and_flip(x: Tensor, generators: Sequence[torch.Generator]) -> Tensor:
    """Images (L, B, K, H, W), each shifted by up to PADDING pixels, each other one mirrored.

    What comes in at the edges is 0, which in standardised images is the mean.
    """
    lanes, examples, channels, height, width = x.shape
    shifts = 2 * PADDING + 1
    # One number of a generator holds the whole draw of an example.
    drawn = torch.stack(
        [torch.randint(2 * shifts**2, (examples,), generator=g) for g in generators]
    )
    code = drawn.to(x.device).view(-1, 1)
    down, right, mirrored = code // (2 * shifts), code // 2 % shifts, code % 2 == 1
    rows = torch.arange(height, device=x.device) + down
    across = torch.arange(width, device=x.device)
    columns = torch.where(mirrored, across.flip(0), across) + right
    padded = F.pad(x.flatten(0, 1), (PADDING,) * 4)
    return padded[
        torch.arange(lanes * examples, device=x.device).view(-1, 1, 1, 1),
        torch.arange(channels, device=x.device).view(1, -1, 1, 1),
        rows.view(-1, 1, height, 1),
        columns.view(-1, 1, 1, width),
    ].view_as(x)
