"""How many lanes of a network pay in one cohort; free of torch, so that a plan can ask.

A lane more saves the fixed cost of a step (Python, a few dozen small operations) until the numbers
that a step of all lanes touches no longer fit where they are fast: in a CPU's caches, in a GPU's
memory. So the answer is a budget of bytes over the bytes of one lane.

Measured on one core (bench/lanes.py; microseconds a step and lane): an MLP of one hidden layer of
16 on 64 inputs, batch 64, takes 350 alone, 12 to 15 from 64 to 128 lanes; 60 wide, batch 128: 300
alone, 50 to 80 from 16 to 64; 256-256, batch 64: 900 alone, 580 to 650 from 2 to 8, then more.
`CPU_BYTES` puts all three near their best. Convolutions gain nothing from lanes on a CPU. For GPUs
nothing was measured: `GPU_SHARE` and `GPU_LANES` keep within memory, no more.
"""

from collections.abc import Iterator
from typing import NamedTuple

from trainers.classification.networks.table import NETWORKS, Device, complete
from trainers.settings import ModelSpec

FLOAT = 4  # bytes
CPU_BYTES = 4 * 2**20  # what a step of all lanes may touch
CPU_LANES = 256  # beyond, nothing is gained whatever the network
GPU_SHARE = 0.5  # of its memory: evaluation, data and teachers' logits need some too
GPU_LANES = 1024
# Copies of a parameter: itself, velocity, gradient, its flat copy, the best epoch's.
COPIES = 5
# Numbers kept or touched for each number that a layer gives: before and after its nonlinearity,
# and the gradient.
TOUCHED = 3


class Convolution(NamedTuple):
    """One convolution: channels in and out, the side of its window, pixels that it gives."""

    inputs: int
    outputs: int
    kernel: int
    pixels: int


def lanes_that_pay(
    model: ModelSpec, device: Device, memory: int, batch_size: int, shape: tuple[int, ...]
) -> int:
    """How many lanes to train in one cohort, at least 1.

    ``memory``: bytes that a cohort may take on the device; ``shape``: that of one input.
    """
    if device not in NETWORKS[model.name].together:
        return 1
    lane = lane_bytes(model, batch_size, shape)
    if device == "cpu":
        return max(1, min(CPU_LANES, CPU_BYTES // lane, memory // lane))
    return max(1, min(GPU_LANES, int(GPU_SHARE * memory) // lane))


def lane_bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    """About what a training step of one lane touches; the last layer is left out."""
    inputs = 1
    for size in shape:
        inputs *= size
    parameters, given = _mlp(model.hidden, inputs), sum(model.hidden)
    for conv in convolutions(complete(model), shape):
        parameters += conv.inputs * conv.outputs * conv.kernel**2
        # A densely connected layer copies and normalises all that it reads.
        read = conv.inputs if model.name == "densenet" else 0
        given += (read + conv.outputs) * conv.pixels
    return FLOAT * (COPIES * parameters + batch_size * (inputs + TOUCHED * given))


def _mlp(hidden: tuple[int, ...], inputs: int) -> int:
    """Parameters of the hidden layers."""
    return sum(a * b + b for a, b in zip((inputs, *hidden), hidden, strict=False))


def convolutions(spec: ModelSpec, shape: tuple[int, ...]) -> Iterator[Convolution]:
    """The convolutions of a network whose sizes are complete; none for an MLP."""
    if spec.name == "wrn":
        yield from _residual(shape, (spec.depth - 4) // 6, spec.width, projects=True)
    elif spec.name == "plain_cnn":
        yield from _plain(shape, spec)
    elif spec.name == "densenet":
        yield from _dense(shape, (spec.depth - 4) // 3, spec.growth)
    elif spec.name.startswith("resnet"):
        yield from _residual(shape, (spec.depth - 2) // 6, 1, spec.shortcut == "projection")


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
    stages = {2: (1, 1), 10: (2, 2, 2, 4)}.get(spec.depth, (2,) * (spec.depth // 2))
    for stage, count in enumerate(stages):
        outputs = spec.width * (1 if spec.depth == 2 else 2**stage)
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
