"""NETWORKS: every student and teacher of the task by name, and which sizes each takes.

Free of torch.
"""

import math
from collections.abc import Iterator, Mapping

from trainers.detection.data.dataset import strides
from trainers.entries import COPIES_OF_PARAMETERS, NetworkEntry
from trainers.fields import Field
from trainers.settings import ModelSpec

FLOAT = 4  # bytes
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 6
LEAST_SIDE = 16
WINDOW = 9  # pixels that a convolution looks at


def _size(name: str, default: int, meaning: str, unit: str = "") -> Field:
    return Field(name, "int", default, meaning, "own", unit=unit, low=1)


def _shape_problem(name: str, shape: tuple[int, ...]) -> str | None:
    if len(shape) == 3 and min(shape[1:]) >= LEAST_SIDE:
        return None
    size = "x".join(map(str, shape))
    return (
        f"{name} takes images (channels, height, width) of at least {LEAST_SIDE}x{LEAST_SIDE} "
        f"pixels, and these inputs are {size}; take larger ones"
    )


def _layers(model: ModelSpec, shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Of each convolution its weights and the pixels that it gives; the last layer is left out."""
    channels, height, width = shape
    own = model.sizes["width"]
    deep, levels = 2 * own, strides(height, width)

    def pixels(stride: int) -> int:
        return -(-height // stride) * -(-width // stride)

    yield WINDOW * channels * own, pixels(2)
    for place, stride in enumerate(2**i for i in range(2, round(math.log2(levels[-1])) + 1)):
        yield WINDOW * (deep if place else own) * deep, pixels(stride)
        for _ in range(model.sizes["layers"] - 1):
            yield WINDOW * deep * deep, pixels(stride)
    for stride in levels:
        if len(levels) > 1:
            yield deep * deep, pixels(stride)
        for _ in range(model.sizes["tower"]):
            yield WINDOW * deep * deep, pixels(stride)


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    each = list(_layers(model, shape))
    parameters = sum(weights for weights, _ in each)
    # Weights over what a pixel is made of: channels that a layer gives are at most twice the width.
    given = sum(pixels * 2 * model.sizes["width"] for _, pixels in each)
    touched: int = FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * TOUCHED * given)
    return touched


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    return sum(weights * pixels for weights, pixels in _layers(model, shape))


NETWORKS: Mapping[str, NetworkEntry] = {
    "detector": NetworkEntry(
        implementation="trainers.detection.networks.detector:Detector",
        summary="convolutions without anchors: one level of places for small pictures, a pyramid "
        "of three for larger ones",
        source="own, after FCOS (Tian et al. 2019, arXiv 1904.01355)",
        together=("cuda",),
        shape_problem=_shape_problem,
        fields=(
            _size("width", 8, "channels of the first convolution; twice as many of all others",
                  "channels"),
            _size("layers", 3, "convolutions after each halving", "layers"),
            _size("tower", 1, "convolutions before the last layer, the same on every level",
                  "layers"),
        ),
        lane_bytes=_bytes,
        work=_work,
    ),
}  # fmt: skip
