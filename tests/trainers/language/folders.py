"""Tiny language models in folders, as transformers writes them, and sums in their tokens."""

import json
from pathlib import Path
from typing import Any

import torch

from tests.trainers.language.cases import CPU, FRACTIONS
from trainers.language.data.addition import addition
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.tables import jsonl
from trainers.language.data.vocabulary import vocabulary_of
from trainers.language.entry import LANGUAGE
from trainers.language.networks.table import NETWORKS
from trainers.language.task import Language
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers
from trainers.settings import (
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    Training,
)
from trainers.task import KeptOutputs

END = "</s>"
SYMBOLS = (END, "<pad>", *"0123456789+=")
# A vocabulary is often padded beyond the tokenizer's.
KNOWN = len(SYMBOLS) + 5
# Columns of prompts and responses of sums.
PROMPT, RESPONSE, SUMS = 6, 4, 60
TRAINING = Training(epochs=2, batch_size=8, optimizer="adamw")


def tokenizer(place: Path, symbols: tuple[str, ...] = SYMBOLS) -> Path:
    """A folder with a tokenizer of characters that names its end."""
    import tokenizers

    place.mkdir(parents=True, exist_ok=True)
    numbers = {symbol: number for number, symbol in enumerate(symbols)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<pad>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    made.decoder = tokenizers.decoders.Fuse()
    made.save(str(place / "tokenizer.json"))
    (place / "tokenizer_config.json").write_text(json.dumps({"eos_token": END}))
    return place


def model(place: Path, kind: str = "gpt2", seed: int = 0, **changed: Any) -> Path:
    """A folder with a model from random weights, and that tokenizer."""
    import transformers

    transformers.utils.logging.disable_progress_bar()
    torch.manual_seed(seed)
    common = {"vocab_size": KNOWN, "eos_token_id": 0, "bos_token_id": None, "pad_token_id": 1}
    if kind == "gpt2":
        sizes = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 16}
        made = transformers.GPT2LMHeadModel(
            transformers.GPT2Config(**{**common, **sizes, "initializer_range": 0.3, **changed})
        )
    else:
        sizes = {
            "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16,
        }  # fmt: skip
        made = transformers.LlamaForCausalLM(
            transformers.LlamaConfig(**{**common, **sizes, "initializer_range": 0.3, **changed})
        )
    made.eval().save_pretrained(place)
    return tokenizer(place)


def sums_file(place: Path, count: int = SUMS) -> Path:
    """Sums of the task's own kind as JSON Lines."""
    made = addition(2, count)
    vocabulary = vocabulary_of(made.vocabulary)
    rows = [
        {"prompt": _text(vocabulary, p), "response": vocabulary.text(r)}
        for p, r in zip(made.prompts.tolist(), made.responses.tolist(), strict=True)
    ]
    file = place / "sums.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    return file


def _text(vocabulary: Any, ids: list[int]) -> str:
    said = [vocabulary.symbols[i] for i in ids if i >= 0]
    return "".join(symbol for symbol in said if len(symbol) == 1)


def sums(folder: Path, count: int = SUMS, **options: Any) -> SequenceDataset:
    """These in the tokens of a folder."""
    given = {"max_prompt": PROMPT, "max_response": RESPONSE, **options}
    return jsonl(
        str(sums_file(folder.parent, count)), "prompt", "response", tokenizer=str(folder), **given
    )


def spec_of() -> DataSpec:
    return DataSpec("jsonl", FRACTIONS, task="language")


def network(folder: Path, **sizes: str) -> ModelSpec:
    return ModelSpec("pretrained", {"folder": str(folder), **sizes})


def sources(teachers: tuple[str, ...] = ()) -> list[LaneSource]:
    return [LaneSource(3, Labels("swap", 0.0), teachers)]


def cohort_of(
    method: str,
    folder: Path,
    dataset: SequenceDataset,
    teacher: Path | None = None,
    training: Training = TRAINING,
    **values: Any,
) -> Cohort:
    """One lane that learns from the model of another folder."""
    task, entry = Language(), LANGUAGE
    outputs: dict[str, KeptOutputs] = {}
    spec = network(teacher or folder, train="nothing")
    if teacher:
        bare = task.data(dataset, spec_of(), sources(), {}, CPU)
        whole = NETWORKS["pretrained"].complete(spec)
        (kept,) = task.kept_outputs(task.network(whole, bare, [torch.Generator()]), bare)
        outputs = {"t": kept}
    data = task.data(dataset, spec_of(), sources(tuple(outputs)), outputs, CPU)
    live = LiveTeachers([spec], [[{}]], data, task, entry) if teacher else None
    fields = entry.methods[method].hyperparameters
    given = {h.name: h.default for h in fields} | {"lr": 3e-3, **values}
    told = CohortSpec(
        method, network(folder), training, Selection("token_error_rate", False), "language"
    )
    return Cohort(told, [Lane("a", 3, given)], data, live)
