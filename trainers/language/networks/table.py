"""NETWORKS: every student and teacher of the task by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping
from typing import Any

from trainers.entries import COPIES_OF_PARAMETERS, NetworkEntry
from trainers.fields import Field
from trainers.settings import ModelSpec

FLOAT = 4  # bytes
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 3
# What a step of all lanes may touch on a CPU: decoders 24 wide, of 6 MiB a lane, take 1.2 to 1.4
# times as many steps a second in fours as alone by bench/language.py, those 64 wide gain nothing.
CPU_BYTES = 26 * 2**20
# Of a layer: queries, keys, values, what is mixed of them, what becomes of that, twice normalised.
OF_WIDTH = 8


def _size(name: str, meaning: str, source: str, default: Any = None, **more: Any) -> Field:
    return Field(name, "int", default, meaning, source, low=1, **more)


def _wider(sizes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Between its two maps a layer is four times as wide, as Vaswani et al. 2017 have it."""
    return {"feed_forward": 4 * sizes["width"]}


def _problem(sizes: Mapping[str, Any]) -> str | None:
    if sizes["width"] % sizes["heads"] == 0:
        return None
    return f"width {sizes['width']} is no multiple of heads {sizes['heads']}; change one of them"


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    """About what a step of one lane touches, the logits left out."""
    sizes, columns = model.sizes, sum(shape)
    width, wide, layers = sizes["width"], sizes["feed_forward"], sizes["layers"]
    parameters = layers * (4 * width * width + 2 * width * wide)
    given = layers * (columns * (OF_WIDTH * width + 2 * wide) + 2 * sizes["heads"] * columns**2)
    touched: int = FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * TOUCHED * given)
    return touched


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Products of the layers and of attention; the last layer is left out."""
    sizes, columns = model.sizes, sum(shape)
    width, wide, layers = sizes["width"], sizes["feed_forward"], sizes["layers"]
    each: int = layers * columns * (4 * width * width + 2 * width * wide + 2 * columns * width)
    return each


NETWORKS: Mapping[str, NetworkEntry] = {
    "decoder": NetworkEntry(
        implementation="trainers.language.networks.decoder:Decoder",
        summary="a decoder with the layers of GPT-2, trained from its start",
        source="Radford et al. 2019, \"Language Models are Unsupervised Multitask Learners\"",
        together=("cpu", "cuda"),
        fields=(
            _size("width", "numbers of a token", "own", 24),
            _size("layers", "how many", "own", 1, unit="layers"),
            _size("heads", "of attention in each layer", "own", 2),
            _size("feed_forward", "width between the two maps of a layer; by default four times "
                  "that of a token", "Vaswani et al. 2017"),
        ),
        implied=_wider,
        problem=_problem,
        lane_bytes=_bytes,
        work=_work,
        cpu_bytes=CPU_BYTES,
    ),
}  # fmt: skip
