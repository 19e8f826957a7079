"""What networks are told of texts, and what a student by itself is told, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.text.data.dataset import TextDataset
from trainers.text.data.pretrained import Pretrained

NO_NETWORK = (
    "data.pretrained names no network to take it of; name a folder in the layout of Hugging Face, "
    "or another network"
)


@dataclass(frozen=True)
class Given:
    """A network that was trained before: its ``folder`` or name, ``sizes`` and the small number in
    its normalisations."""

    folder: str
    sizes: Mapping[str, int]
    epsilon: float


@dataclass(frozen=True)
class TextFacts:
    """S tokens of a text at most, V in the vocabulary, C classes; ``given``: by data.pretrained.

    ``reads``: whether weights are to be taken from there; else they are arbitrary.
    """

    max_length: int
    vocabulary: int
    classes: int
    given: Given | None = None
    reads: bool = True

    def network(self) -> Given:
        """The one trained before; ValueError where there is none."""
        if self.given is None:
            raise ValueError(NO_NETWORK)
        return self.given


def facts_of(dataset: TextDataset) -> dict[str, Any]:
    """``shape`` of one input, ``class_names``, the ``tokenizer`` as the library writes it, the
    number of its tokens, and what network it came with, if with any."""
    names = dataset.info.class_names or tuple(str(c) for c in range(dataset.classes))
    found = Pretrained.at(dataset.pretrained) if dataset.pretrained else None
    given = found and {
        "folder": dataset.pretrained, "sizes": dict(found.sizes), "epsilon": found.epsilon,
        "weights": dataset.weights,
    }  # fmt: skip
    return {
        "shape": list(dataset.shape),
        "class_names": list(names),
        "columns": list(dataset.info.feature_names) or ["text"],
        "vocabulary": dataset.vocabulary,
        "pretrained": given or None,
        "tokenizer": dataset.tokenizer,
    }


def to_networks(facts: Mapping[str, Any], reads: bool) -> TextFacts:
    """What networks need of `facts_of`."""
    given = facts["pretrained"]
    return TextFacts(
        int(facts["shape"][0]),
        int(facts["vocabulary"]),
        len(facts["class_names"]),
        Given(given["folder"], given["sizes"], given["epsilon"]) if given else None,
        reads,
    )
