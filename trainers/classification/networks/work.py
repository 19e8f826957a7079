"""About how many multiply-adds a forward pass of one example takes; free of torch."""

import math
from itertools import pairwise

from trainers.classification.networks.bytes import convolutions
from trainers.settings import ModelSpec


def mlp_work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of an MLP; the last layer is left out."""
    return sum(a * b for a, b in pairwise((math.prod(shape), *model.sizes["hidden"])))


def convolutional_work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of a network of convolutions whose sizes are complete; what is behind them is left out."""
    return sum(
        conv.inputs * conv.outputs * conv.kernel**2 * conv.pixels
        for conv in convolutions(model, shape)
    )
