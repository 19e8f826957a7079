"""A causal language model in a folder, as ``save_pretrained`` of transformers writes it: what can
be told of it without loading it.

V tokens of the data set. Free of torch.
"""

import importlib.util
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.data.tokenizer import TOKENIZER, read_tokenizer
from trainers.entries import COPIES_OF_PARAMETERS
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.vocabulary import Tokens, vocabulary_of

CONFIG = "config.json"
# What the names of files with weights end in; only those of safetensors say what they hold.
WEIGHTS = (".safetensors", ".bin")
# What the classes of such models are called.
CAUSAL = ("ForCausalLM", "LMHeadModel")
REMEDY = "name a folder that save_pretrained of a causal language model wrote"
# The length of a header, in bytes, at the beginning of a file of safetensors.
HEADER = 8
FLOAT = 4  # bytes
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 3
# Of a layer: queries, keys, values, what is mixed of them, two norms, and four widths twice.
OF_WIDTH = 16


@dataclass(frozen=True)
class ModelFolder:
    """Such a folder and its ``config``."""

    place: Path
    config: Mapping[str, Any]

    @staticmethod
    def at(folder: str) -> "ModelFolder":
        """The model there; DataError, with the remedy, where there is none."""
        place = Path(folder).expanduser()
        if not place.is_dir():
            raise DataError(f"there is no folder {place}; put a model there or correct its folder")
        try:
            config: Any = json.loads((place / CONFIG).read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise DataError(f"{place / CONFIG}: cannot be read ({error}); {REMEDY}") from None
        if not isinstance(config, dict):
            raise DataError(f"{place / CONFIG}: is no config of a model; {REMEDY}")
        classes = config.get("architectures") or [CAUSAL[0]]
        if not any(str(name).endswith(CAUSAL) for name in classes):
            named = ", ".join(map(str, classes))
            raise DataError(f"{place}: is a {named}, no causal language model; {REMEDY}")
        if not weight_files(place):
            raise DataError(f"{place}: has no weights (*{' or *'.join(WEIGHTS)}); {REMEDY}")
        return ModelFolder(place, config)

    def size(self, *names: str) -> int | None:
        """What its config says under the first of these names that it has."""
        told = {**self.config, **(self.config.get("text_config") or {})}
        found = next((told[name] for name in names if isinstance(told.get(name), int)), None)
        return None if found is None else int(found)

    @property
    def tokenizer(self) -> Path | None:
        """Its tokenizer.json, where it has one."""
        file = self.place / TOKENIZER
        return file if file.is_file() else None

    @property
    def parameters(self) -> int:
        """How many numbers its weights are."""
        return sum(_numbers_in(file) for file in weight_files(self.place))


def weight_files(place: Path) -> list[Path]:
    """The files of a folder that hold weights, by name; those of safetensors where there are
    such."""
    for ending in WEIGHTS:
        if found := sorted(place.glob(f"*{ending}")):
            return found
    return []


def files_of(place: Path) -> list[Path]:
    """What a model in a folder is made from: its config, and its weights; nothing where it has
    none."""
    config = place / CONFIG
    return [config, *weight_files(place)] if config.is_file() else []


def data_problem(sizes: Mapping[str, Any], dataset: Dataset) -> str | None:
    """Why the model of a folder cannot train on a data set, or None."""
    assert isinstance(dataset, SequenceDataset)
    if importlib.util.find_spec("transformers") is None:
        return "models of a folder are loaded by the library transformers; install almkd[language]"
    try:
        folder = ModelFolder.at(sizes["folder"])
        return _misfit(folder, dataset)
    except DataError as error:
        return str(error)


def _misfit(folder: ModelFolder, dataset: SequenceDataset) -> str | None:
    vocabulary = vocabulary_of(dataset.vocabulary)
    if not isinstance(vocabulary, Tokens):
        return (
            f"{folder.place}: reads the tokens of its tokenizer, and the data's are symbols of its "
            f"own; take a data set with a tokenizer, e.g. data: {{dataset: jsonl, tokenizer: "
            f"{folder.place}}}"
        )
    known = folder.size("vocab_size")
    if known is not None and known < dataset.size:
        return (
            f"{folder.place}: knows {known} tokens, and the data's tokenizer has {dataset.size}; "
            "take the tokenizer that belongs to it, or widen it by resize_token_embeddings"
        )
    if folder.tokenizer is not None:
        own = read_tokenizer(folder.tokenizer)
        if own.numbers_of_tokens != vocabulary.numbers_of_tokens:
            return (
                f"{folder.tokenizer}: has other tokens than data.tokenizer; teacher, student and "
                "data need the same ones"
            )
    columns, most = sum(dataset.shape), folder.size("max_position_embeddings", "n_positions")
    if most is not None and columns > most:
        return (
            f"{folder.place}: takes {most} tokens, and a prompt with its response has up to "
            f"{columns}; lower data.max_prompt or data.max_response"
        )
    return None


def step_bytes(folder: str, batch_size: int, columns: int) -> int:
    """About what a training step of one lane touches, the logits left out; 0 where there is no
    such folder."""
    try:
        found = ModelFolder.at(folder)
        parameters = found.parameters
    except (DataError, OSError, ValueError):
        return 0
    width = found.size("hidden_size", "n_embd") or 0
    layers = found.size("num_hidden_layers", "n_layer") or 0
    heads = found.size("num_attention_heads", "n_head") or 0
    given = layers * columns * (OF_WIDTH * width + 2 * heads * columns)
    return FLOAT * (COPIES_OF_PARAMETERS * parameters + batch_size * TOUCHED * given)


def _numbers_in(file: Path) -> int:
    """How many numbers a file holds: of safetensors as its header says, of another by its size."""
    if file.suffix != WEIGHTS[0]:
        return file.stat().st_size // 4
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(HEADER), "little")
        header: dict[str, Any] = json.loads(stream.read(length))
    shapes = [tensor["shape"] for name, tensor in header.items() if name != "__metadata__"]
    return sum(math.prod(shape) for shape in shapes)
