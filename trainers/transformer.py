"""What networks of transformer layers declare in the tables of their tasks: sizes, and what follows
from them. Free of torch.

S tokens of an example.
"""

from collections.abc import Mapping
from typing import Any

from trainers.entries import COPIES_OF_PARAMETERS
from trainers.fields import Field

FLOAT = 4  # bytes
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 3
# Of a layer: queries, keys, values, what is mixed of them, what becomes of that, twice normalised.
OF_WIDTH = 8


def layer_sizes(width: int, heads: int) -> tuple[Field, ...]:
    """The fields of layers, with these defaults."""
    return (
        _size("width", "numbers of a token", "own", width),
        _size("layers", "how many", "own", 1, unit="layers"),
        _size("heads", "of attention in each layer", "own", heads),
        _size(
            "feed_forward", "width between the two maps of a layer; by default four times that of "
            "a token", "Vaswani et al. 2017",
        ),
    )  # fmt: skip


def wider(sizes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Between its two maps a layer is four times as wide, as Vaswani et al. 2017 have it."""
    return {"feed_forward": 4 * sizes["width"]}


def problem(sizes: Mapping[str, Any]) -> str | None:
    """What is wrong with sizes, or None."""
    if sizes["width"] % sizes["heads"] == 0:
        return None
    return f"width {sizes['width']} is no multiple of heads {sizes['heads']}; change one of them"


def bytes_of_step(sizes: Mapping[str, Any], batch_size: int, tokens: int) -> int:
    """About what a step of one lane touches in layers; embeddings of words are left out, of which a
    step moves few, and what is made of the last layer."""
    width, wide, layers = sizes["width"], sizes["feed_forward"], sizes["layers"]
    parameters = layers * (4 * width * width + 2 * width * wide)
    given = layers * (tokens * (OF_WIDTH * width + 2 * wide) + 2 * sizes["heads"] * tokens**2)
    touched: int = FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * TOUCHED * given)
    return touched


def work_of_layers(sizes: Mapping[str, Any], tokens: int) -> int:
    """Multiply-adds of a forward pass through the layers."""
    maps = tokens * (4 * sizes["width"] ** 2 + 2 * sizes["width"] * sizes["feed_forward"])
    attention = 2 * tokens**2 * sizes["width"]
    of_all: int = sizes["layers"] * (maps + attention)
    return of_all


def _size(name: str, meaning: str, source: str, default: Any = None, **more: Any) -> Field:
    return Field(name, "int", default, meaning, source, low=1, **more)
