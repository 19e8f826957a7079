"""About what a training step of one lane of a network touches, in bytes; free of torch, so that a
plan can ask.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from trainers.entries import COPIES_OF_PARAMETERS
from trainers.settings import ModelSpec

FLOAT = 4  # bytes
# Numbers kept or touched for each number that a layer gives: before and after its nonlinearity,
# and the gradient.
TOUCHED = 3


class Convolution(NamedTuple):
    """One convolution: channels in and out, the side of its window, pixels that it gives."""

    inputs: int
    outputs: int
    kernel: int
    pixels: int


def mlp_bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    """Of an MLP; the last layer is left out."""
    inputs, hidden = math.prod(shape), model.sizes["hidden"]
    parameters = sum(a * b + b for a, b in zip((inputs, *hidden), hidden, strict=False))
    return _bytes(parameters, batch_size, inputs, sum(hidden))


def convolutional_bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    """Of a network of convolutions whose sizes are complete; the last layer is left out."""
    parameters = given = 0
    for conv in convolutions(model, shape):
        parameters += conv.inputs * conv.outputs * conv.kernel**2
        # A densely connected layer copies and normalises all that it reads.
        read = conv.inputs if model.name == "densenet" else 0
        given += (read + conv.outputs) * conv.pixels
    return _bytes(parameters, batch_size, math.prod(shape), given)


def _bytes(parameters: int, batch_size: int, inputs: int, given: int) -> int:
    return FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * (inputs + TOUCHED * given))


def convolutions(spec: ModelSpec, shape: tuple[int, ...]) -> Iterator[Convolution]:
    """The convolutions of a network whose sizes are complete; none for an MLP."""
    if spec.name == "wrn":
        yield from _residual(
            shape, (spec.sizes["depth"] - 4) // 6, spec.sizes["width"], projects=True
        )
    elif spec.name == "plain_cnn":
        yield from _plain(shape, spec)
    elif spec.name == "densenet":
        yield from _dense(shape, (spec.sizes["depth"] - 4) // 3, spec.sizes["growth"])
    elif spec.name.startswith("resnet"):
        yield from _residual(
            shape, (spec.sizes["depth"] - 2) // 6, 1, spec.sizes["shortcut"] == "projection"
        )


def _residual(
    shape: tuple[int, ...], blocks: int, width: int, projects: bool
) -> Iterator[Convolution]:
    channels, height, width_px = shape
    yield Convolution(channels, 16, 3, height * width_px)
    inputs = 16
    for stage in range(3):
        outputs = 16 * width * 2**stage
        if stage:
            height, width_px = (height + 1) // 2, (width_px + 1) // 2
        for _ in range(blocks):
            if projects and inputs != outputs:
                yield Convolution(inputs, outputs, 1, height * width_px)
            yield Convolution(inputs, outputs, 3, height * width_px)
            yield Convolution(outputs, outputs, 3, height * width_px)
            inputs = outputs


def _plain(shape: tuple[int, ...], spec: ModelSpec) -> Iterator[Convolution]:
    inputs, height, width = shape
    stages = {2: (1, 1), 10: (2, 2, 2, 4)}.get(
        spec.sizes["depth"], (2,) * (spec.sizes["depth"] // 2)
    )
    for stage, count in enumerate(stages):
        outputs = spec.sizes["width"] * (1 if spec.sizes["depth"] == 2 else 2**stage)
        for _ in range(count):
            yield Convolution(inputs, outputs, 3, height * width)
            inputs = outputs
        if min(height, width) > 1:
            height, width = height // 2, width // 2


def _dense(shape: tuple[int, ...], layers: int, growth: int) -> Iterator[Convolution]:
    channels, height, width = shape
    yield Convolution(channels, 16, 3, height * width)
    inputs = 16
    for block in range(3):
        if block:
            yield Convolution(inputs, inputs, 1, height * width)
            height, width = height // 2, width // 2
        for _ in range(layers):
            yield Convolution(inputs, growth, 3, height * width)
            inputs += growth
