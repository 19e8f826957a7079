"""The user's own prompts and responses: JSON Lines with a key for each.

Tokens are characters, or those of a tokenizer.json as Hugging Face writes it.
"""

import json
from pathlib import Path
from typing import Any

from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError
from trainers.data.given_splits import named
from trainers.data.json_lines import read_json_lines
from trainers.data.tables import check_split_column, texts_of
from trainers.data.tokenizer import TOKENIZER, read_tokenizer
from trainers.language.data.dataset import Lengths, SequenceDataset, of_texts
from trainers.language.data.vocabulary import Symbols, Tokens, Vocabulary

# Files beside a tokenizer.json that may name its special tokens, and the config of a model.
EOS_IN = ("tokenizer_config.json", "special_tokens_map.json")
CONFIG = "config.json"


def jsonl(path: str, prompt: str, response: str, **options: Any) -> SequenceDataset:
    """An object a line; ``prompt``, ``response``: its keys.

    ``options``: ``max_prompt``, ``max_response`` in tokens; ``tokenizer``, a file or a folder that
    has one, and its ``end_token``; ``split``, the key of splits of the user's own.
    """
    file = Path(path).expanduser()
    table = read_json_lines(file, response)
    columns, split = table.columns, options.get("split")
    prompts = texts_of(file, columns, prompt, response, field="prompt")
    responses = texts_of(file, columns, response, field="response")
    if split:
        check_split_column(file, columns.column_names, response, split)
    vocabulary: Vocabulary = Symbols.of(prompts, responses)
    if tokenizer := options.get("tokenizer"):
        end = options.get("end_token") or end_token(tokenizer)
        vocabulary = Tokens(tokenizer_json(tokenizer), end)
    lengths = Lengths(options["max_prompt"], options["max_response"])
    info = DatasetInfo(table.remarks, feature_names=(prompt,))
    dataset = of_texts(file, prompts, responses, vocabulary, lengths, info)
    if not split:
        return dataset
    return dataset.with_splits(named(columns[split].to_pylist(), f"{file}: column {split!r}"))


def tokenizer_json(path: str) -> str:
    """What the file at ``path``, or in the folder there, holds."""
    return read_tokenizer(_file(path)).json


def end_token(path: str) -> str:
    """The token that ends what is written, as the files beside that one name it; DataError where
    they do not."""
    file = _file(path)
    for name in EOS_IN:
        told = _read(file.parent / name).get("eos_token")
        if isinstance(found := told.get("content") if isinstance(told, dict) else told, str):
            return found
    number = _read(file.parent / CONFIG).get("eos_token_id")
    number = number[0] if isinstance(number, list) and number else number
    tokens = read_tokenizer(file).numbers_of_tokens if isinstance(number, int) else {}
    if found := next((token for token, n in tokens.items() if n == number), None):
        return found
    raise DataError(
        f"{file}: no {', '.join((*EOS_IN, CONFIG))} beside it names the token that ends a "
        "response (eos_token); name it as data.end_token"
    )


def _file(path: str) -> Path:
    place = Path(path).expanduser()
    return place / TOKENIZER if place.is_dir() else place


def _read(file: Path) -> dict[str, Any]:
    """A mapping in JSON; empty where there is none that can be read."""
    try:
        found: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def missing_parts(path: str, tokenizer: str | None = None) -> str | None:
    """What has to be there and is not, or None."""
    for name, given in (("path", path), ("tokenizer", tokenizer)):
        if given is None:
            continue
        place = _file(given) if name == "tokenizer" else Path(given).expanduser()
        if not place.is_file():
            return f"there is no file {place}; put it there or correct data.{name}"
    return None
