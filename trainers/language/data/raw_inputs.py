"""Prompts for a trained student, read from files: one a line, or a key of JSON Lines."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainers.data.delimited import read_text
from trainers.data.errors import DataError
from trainers.data.json_lines import read_json_lines
from trainers.data.raw_inputs import RawInputs, of_array
from trainers.data.tables import texts_of
from trainers.data.tokenizer import PADDING
from trainers.language.data.vocabulary import vocabulary_of

# The option that names the key of prompts.
COLUMN = "prompt"
JSON_LINES, LINES = ".jsonl", ".txt"


def read_prompts(path: Path, facts: Mapping[str, Any], options: Mapping[str, str]) -> RawInputs:
    """Tokens of the prompts at ``path``, for a student of these facts.

    DataError where it cannot be read, or a prompt has a symbol that training never had.
    """
    given = dict(options)
    (usual,) = facts["columns"]
    column = given.pop(COLUMN, usual)
    for name in given:
        raise DataError(f"data.{name}: is no option of prompts; leave it out")
    if not path.is_file():
        raise DataError(f"there is no file {path}; correct the name")
    remarks: tuple[str, ...] = ()
    if path.suffix.lower() == JSON_LINES:
        table = read_json_lines(path)
        texts, remarks = texts_of(path, table.columns, column, field="prompt"), table.remarks
    elif path.suffix.lower() == LINES:
        texts = [line for line in read_text(path).splitlines() if line.strip()]
    else:
        raise DataError(
            f"{path}: is neither {JSON_LINES} nor {LINES}; write an object with the key {column!r} "
            "a line, or a prompt a line"
        )
    vocabulary, (columns,) = vocabulary_of(facts["vocabulary"]), facts["shape"]
    ids = np.full((len(texts), columns), PADDING, np.int64)
    for row, text in enumerate(texts):
        if not text.strip():
            raise DataError(f"{path}: has no prompt in row {row + 1}; fill or drop it")
        try:
            tokens = vocabulary.prompt(text)[-columns:]
        except DataError as error:
            raise DataError(f"{path}: row {row + 1}: {error}") from None
        ids[row, columns - len(tokens) :] = tokens
    return of_array(ids, remarks)
