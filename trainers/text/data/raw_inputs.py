"""Texts for a trained student, read from files: a column of a table, or a text a line."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainers.data.delimited import TAB, Dialect, read_delimited, read_text
from trainers.data.errors import DataError
from trainers.data.json_lines import read_json_lines
from trainers.data.raw_inputs import RawInputs, of_array
from trainers.data.tables import Table, read_parquet, texts_of
from trainers.data.tokenizer import Tokenizer
from trainers.fields import FieldError, checked, resolved
from trainers.text.data.datasets import DATASETS

# The kind of a file, by the end of its name.
KINDS = {".csv": "csv", ".tsv": "tsv", ".jsonl": "jsonl", ".parquet": "parquet", ".txt": "txt"}
# The option that names the kind where the file's name does not, and that of the column.
KIND, COLUMN = "dataset", "text"
# How texts are written; the other options of tables are of what is trained on.
OPTIONS = (COLUMN, "delimiter", "encoding")


def read_texts(path: Path, facts: Mapping[str, Any], options: Mapping[str, str]) -> RawInputs:
    """Tokens of the texts at ``path``, for a student of these facts (`facts.facts_of`).

    ``options``: as the data set of its kind takes them, and ``dataset``, the kind itself. DataError
    where it cannot be read.
    """
    given = dict(options)
    kind = given.pop(KIND, None) or KINDS.get(path.suffix.lower())
    if not path.is_file():
        raise DataError(f"there is no file {path}; correct the name")
    if kind is None or kind not in KINDS.values():
        raise DataError(
            f"{path}: is none of {', '.join(KINDS)}; of a table give data.dataset, one of "
            f"{', '.join(KINDS.values())}"
        )
    texts, remarks = _lines(path, given) if kind == "txt" else _rows(path, kind, given, facts)
    empty = next((place for place, text in enumerate(texts) if not text.strip()), None)
    if empty is not None:
        raise DataError(f"{path}: has no text in row {empty + 1}; fill or drop it")
    ids = Tokenizer(facts["tokenizer"]).encode(texts, facts["shape"][0]).ids
    return of_array(ids.astype("int64"), remarks)


def _lines(file: Path, given: Mapping[str, str]) -> tuple[list[str], tuple[str, ...]]:
    """A text a line; empty lines are left out."""
    for name in given:
        if name != "encoding":
            raise DataError(f"data.{name}: is no option of lines; leave it out")
    lines = read_text(file, given.get("encoding", "utf-8")).splitlines()
    return [line for line in lines if line.strip()], ()


def _rows(
    file: Path, kind: str, given: Mapping[str, str], facts: Mapping[str, Any]
) -> tuple[list[str], tuple[str, ...]]:
    taken = [field for field in DATASETS[kind].fields if field.name in OPTIONS]
    (column,) = facts["columns"]
    try:
        options = resolved(taken, checked(taken, {COLUMN: column, **given}, kind))
    except FieldError as error:
        raise DataError(f"data.{error.field}: {error}") from None
    table = _table(file, kind, options)
    return texts_of(file, table.columns, options[COLUMN]), table.remarks


def _table(file: Path, kind: str, options: Mapping[str, Any]) -> Table:
    if kind == "parquet":
        return read_parquet(file)
    if kind == "jsonl":
        return read_json_lines(file)
    dialect = Dialect(options.get("delimiter", TAB), encoding=options["encoding"])
    return read_delimited(file, None, dialect, (options[COLUMN],))
