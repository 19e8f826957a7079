"""A table of the user's own of whatever kind the end of its file's name says."""

from collections.abc import Sequence
from pathlib import Path

from trainers.data.delimited import TAB, Dialect, read_delimited
from trainers.data.errors import DataError
from trainers.data.json_lines import read_json_lines
from trainers.data.tables import Table, read_parquet

KINDS = (".csv", ".tsv", ".jsonl", ".parquet")


def read_table(file: Path, texts: Sequence[str], **dialect: str) -> Table:
    """Its columns; of a text those named ``texts`` as they are written."""
    kind = file.suffix.lower()
    if kind not in KINDS:
        raise DataError(f"{file}: is none of {', '.join(KINDS)}; write the table as one of these")
    try:
        if kind == ".parquet":
            return read_parquet(file)
        if kind == ".jsonl":
            return read_json_lines(file)
        written = {**dialect, **({"delimiter": TAB} if kind == ".tsv" else {})}
        return read_delimited(file, None, Dialect(**{"delimiter": ",", **written}), texts)
    except DataError as error:
        if "data.dataset" not in str(error):
            raise
        raise DataError(
            f"{error}; here the end of the file's name says so instead, so rename it"
        ) from None
