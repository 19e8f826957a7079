"""NETWORKS: every student and teacher of texts by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainers.entries import NetworkEntry
from trainers.fields import Field
from trainers.settings import ModelSpec
from trainers.transformer import (
    FLOAT,
    bytes_of_step,
    layer_sizes,
    problem,
    wider,
    work_of_layers,
)

if TYPE_CHECKING:
    from trainers.data.dataset import Dataset

# What a step of all lanes may touch on a CPU. By bench/lanes.py encoders 16 wide, of 3 MiB a lane,
# take 1.6 times as many steps a second in fours as alone, those 64 wide, of 10 MiB, hardly more.
CPU_BYTES = 13 * 2**20
# What a tokenizer of BERT knows, and about how many bytes its file has for each.
BERTS_WORDS, OF_TOKENIZER = 30_522, 17


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
    return bytes_of_step(model.sizes, batch_size, *shape)


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of the layers: the last layer and a map of given words are left out."""
    return work_of_layers(model.sizes, *shape)


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
            *layer_sizes(width=64, heads=4),
            Field("embeddings", "choice", "trained", "of words: trained from random ones; or a "
                  "trained map of those of data.pretrained, which stay", "own",
                  choices=("trained", "pretrained")),
        ),
        implied=wider,
        problem=problem,
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
        learns=lambda sizes: sizes["train"] != "nothing",
    ),
}  # fmt: skip
