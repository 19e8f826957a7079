"""What networks are told of texts, and what a student by itself is told, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainers.text.data.dataset import TextDataset
from trainers.text.data.pretrained import Given

NO_NETWORK = (
    "data.pretrained names no network to take it of; name a folder in the layout of Hugging Face, "
    "or another network"
)


@dataclass(frozen=True)
class TextFacts:
    """S tokens of a text at most, V in the vocabulary, the names of C classes; ``given``: by
    data.pretrained, without weights where these may be arbitrary."""

    max_length: int
    vocabulary: int
    class_names: tuple[str, ...]
    given: Given | None = None

    def network(self) -> Given:
        """The one trained before; ValueError where there is none."""
        if self.given is None:
            raise ValueError(NO_NETWORK)
        return self.given


def facts_of(dataset: TextDataset) -> dict[str, Any]:
    """``shape`` of one input, ``class_names``, the ``tokenizer`` as the library writes it, the
    number of its tokens, and what network it came with, if with any."""
    given = dataset.given and {
        "name": dataset.given.name, "sizes": dict(dataset.given.sizes),
        "epsilon": dataset.given.epsilon, "digest": dataset.given.digest,
        "labels": list(dataset.given.labels),
    }  # fmt: skip
    return {
        "shape": list(dataset.shape),
        "class_names": list(_class_names(dataset)),
        "columns": list(dataset.info.feature_names) or ["text"],
        "vocabulary": dataset.vocabulary,
        "pretrained": given,
        "tokenizer": dataset.tokenizer,
    }


def of_dataset(dataset: TextDataset) -> TextFacts:
    """What networks that train on it are told."""
    (length,) = dataset.shape
    return TextFacts(length, dataset.vocabulary, _class_names(dataset), dataset.given)


def of_facts(facts: Mapping[str, Any]) -> TextFacts:
    """The same of `facts_of`, which have no weights."""
    given = facts["pretrained"]
    return TextFacts(
        int(facts["shape"][0]),
        int(facts["vocabulary"]),
        tuple(facts["class_names"]),
        Given(**given) if given else None,
    )


def _class_names(dataset: TextDataset) -> tuple[str, ...]:
    return dataset.info.class_names or tuple(str(c) for c in range(dataset.classes))
