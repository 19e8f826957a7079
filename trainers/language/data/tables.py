"""The user's own prompts and responses: JSON Lines with a key for each.

Tokens are characters, or those of a tokenizer.json as Hugging Face writes it.
"""

from pathlib import Path
from typing import Any

from trainers.data.dataset import DatasetInfo
from trainers.data.given_splits import named
from trainers.data.json_lines import read_json_lines
from trainers.data.tables import check_split_column, texts_of
from trainers.data.tokenizer import TOKENIZER, read_tokenizer
from trainers.language.data.dataset import Lengths, SequenceDataset, of_texts
from trainers.language.data.vocabulary import Symbols, Tokens, Vocabulary


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
        vocabulary = Tokens(tokenizer_json(tokenizer), options["end_token"])
    lengths = Lengths(options["max_prompt"], options["max_response"])
    info = DatasetInfo(table.remarks, feature_names=(prompt,))
    dataset = of_texts(file, prompts, responses, vocabulary, lengths, info)
    if not split:
        return dataset
    return dataset.with_splits(named(columns[split].to_pylist(), f"{file}: column {split!r}"))


def tokenizer_json(path: str) -> str:
    """What the file at ``path``, or in the folder there, holds."""
    place = Path(path).expanduser()
    return read_tokenizer(place / TOKENIZER if place.is_dir() else place).json


def missing_parts(path: str, tokenizer: str | None = None) -> str | None:
    """What has to be there and is not, or None."""
    for name, given in (("path", path), ("tokenizer", tokenizer)):
        if given is None:
            continue
        place = Path(given).expanduser()
        place = place / TOKENIZER if name == "tokenizer" and place.is_dir() else place
        if not place.is_file():
            return f"there is no file {place}; put it there or correct data.{name}"
    return None
