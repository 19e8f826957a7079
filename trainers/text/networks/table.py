"""NETWORKS: every student and teacher of texts by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainers.entries import COPIES_OF_PARAMETERS, NetworkEntry
from trainers.fields import Field
from trainers.settings import ModelSpec

if TYPE_CHECKING:
    from trainers.data.dataset import Dataset

FLOAT = 4  # bytes
# What a step of all lanes may touch on a CPU. By bench/lanes.py encoders 16 wide, of 3 MiB a lane,
# take 1.6 times as many steps a second in fours as alone, those 64 wide, of 10 MiB, hardly more.
CPU_BYTES = 13 * 2**20
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 3
# Of a layer: queries, keys, values, what is mixed of them, what becomes of that, twice normalised.
OF_WIDTH = 8
# What a tokenizer of BERT knows, and about how many bytes its file has for each.
BERTS_WORDS, OF_TOKENIZER = 30_522, 17


def _size(name: str, meaning: str, source: str, default: Any = None, **more: Any) -> Field:
    return Field(name, "int", default, meaning, source, low=1, **more)


def _wider(sizes: Mapping[str, Any]) -> Mapping[str, Any]:
    """Between its two maps a layer is four times as wide, as Vaswani et al. 2017 have it."""
    return {"feed_forward": 4 * sizes["width"]}


def _problem(sizes: Mapping[str, Any]) -> str | None:
    if sizes["width"] % sizes["heads"] == 0:
        return None
    return f"width {sizes['width']} is no multiple of heads {sizes['heads']}; change one of them"


def _untrained(sizes: Mapping[str, Any]) -> str | None:
    if sizes["train"] != "nothing" or sizes["head"] == "given":
        return None
    return (
        "train: nothing leaves a new last layer as it was drawn; have train: last_layer, or "
        "head: given"
    )


def _given_words(sizes: Mapping[str, Any], dataset: "Dataset") -> str | None:
    return _pretrained_problem(dataset) if sizes["embeddings"] == "pretrained" else None


def _given_network(sizes: Mapping[str, Any], dataset: "Dataset") -> str | None:
    return _pretrained_problem(dataset, head=sizes["head"] == "given")


def _pretrained_problem(dataset: "Dataset", head: bool = False) -> str | None:
    """Why no network can be had of data.pretrained, or, where it is wanted, no ``head``."""
    from trainers.text.data.dataset import TextDataset
    from trainers.text.facts import of_dataset

    assert isinstance(dataset, TextDataset)
    facts = of_dataset(dataset)
    try:
        given = facts.network()
        if head:
            given.rows(facts.class_names)
    except ValueError as error:
        return str(error)
    return None


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    """About what a step of one lane touches; embeddings of words are left out, of which a step
    moves few."""
    sizes = model.sizes
    width, wide, layers = sizes["width"], sizes["feed_forward"], sizes["layers"]
    (tokens,) = shape
    parameters = layers * (4 * width * width + 2 * width * wide)
    given = layers * (tokens * (OF_WIDTH * width + 2 * wide) + 2 * sizes["heads"] * tokens**2)
    touched: int = FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * TOUCHED * given)
    return touched


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Multiply-adds of a forward pass; the last layer and a map of given words are left out."""
    sizes, (tokens,) = model.sizes, shape
    maps = tokens * (4 * sizes["width"] ** 2 + 2 * sizes["width"] * sizes["feed_forward"])
    attention = 2 * tokens**2 * sizes["width"]
    of_all: int = sizes["layers"] * (maps + attention)
    return of_all


def _words_bytes(sizes: Mapping[str, Any], options: Mapping[str, Any]) -> int:
    """Vectors of words, and the tokenizer that makes them numbers."""
    words: int = BERTS_WORDS if options.get("pretrained") else options["vocabulary"]
    return words * (FLOAT * int(sizes["width"]) + OF_TOKENIZER)


NETWORKS: Mapping[str, NetworkEntry] = {
    "transformer": NetworkEntry(
        implementation="trainers.text.networks.encoder:Transformer",
        summary="an encoder with the layers of BERT, mean over tokens, trained from its start",
        source="Devlin et al. 2019, arXiv 1810.04805; Vaswani et al. 2017, arXiv 1706.03762",
        together=("cpu", "cuda"),
        cpu_bytes=CPU_BYTES,
        fields=(
            _size("width", "numbers of a token", "own", 64),
            _size("layers", "how many", "own", 1, unit="layers"),
            _size("heads", "of attention in each layer", "own", 4),
            _size("feed_forward", "width between the two maps of a layer; by default four times "
                  "that of a token", "Vaswani et al. 2017"),
            Field("embeddings", "choice", "trained", "of words: trained from random ones; or a "
                  "trained map of those of data.pretrained, which stay", "own",
                  choices=("trained", "pretrained")),
        ),
        implied=_wider,
        problem=_problem,
        data_problem=_given_words,
        lane_bytes=_bytes,
        work=_work,
        bytes_of_data=_words_bytes,
    ),
    "pretrained": NetworkEntry(
        implementation="trainers.text.networks.pretrained:PretrainedEncoder",
        summary="the encoder of data.pretrained, with a new last layer or its own classifier",
        source="Devlin et al. 2019, arXiv 1810.04805; mean: Reimers and Gurevych 2019, arXiv "
               "1908.10084",
        fields=(
            Field("train", "choice", "all", "what learns: all of it, the last layer alone, or "
                  "nothing, where it was tuned for these classes", "own",
                  choices=("all", "last_layer", "nothing")),
            Field("head", "choice", "new", "the last layer: a new one, on the mean over tokens; or "
                  "the classifier that the folder has, with its pooler", "own",
                  choices=("new", "given")),
        ),
        problem=_untrained,
        data_problem=_given_network,
    ),
}  # fmt: skip
