"""The user's own speech: a folder of recordings, and a table that says what is said in each."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.recordings import Notes, missing_soundfile, recordings_below
from trainers.ctc.data.transcripts import cleaned, says_nothing, told_of
from trainers.ctc.data.utterances import Reading, Said, read_utterances
from trainers.data.dataset import DatasetInfo
from trainers.data.errors import DataError, counted
from trainers.data.given_splits import named
from trainers.data.table_files import read_table
from trainers.data.tables import check_split_column, texts_of

# How a table is written that is text.
OF_TEXT: tuple[str, ...] = ("delimiter", "encoding")


class Columns(NamedTuple):
    """What the columns are called; ``split``: None where there is none."""

    file: str
    text: str
    split: str | None = None


class _Rows(NamedTuple):
    """What a table says, a row each: files relative to the folder, what is said there, the names
    of splits, if any, and sentences on the table."""

    files: list[str]
    texts: list[str]
    splits: list[object] | None
    remarks: tuple[str, ...]


def speech(path: str, transcripts: str, **options: Any) -> Utterances:
    """Recordings of the folder ``path`` that the table ``transcripts`` names, in its order.

    ``options``: ``file`` and ``text``, columns of the table; ``split``, the column of splits of the
    user's own; ``delimiter`` and ``encoding`` of a table that is text; ``max_seconds``, longer
    recordings are left out; ``sample_rate`` in Hz, by default the lowest of the files, 8000 at
    least; ``letters``: which characters of transcripts are kept (`transcripts.cleaned`).
    """
    folder, table = Path(path).expanduser(), Path(transcripts).expanduser()
    columns = Columns(options["file"], options["text"], options.get("split"))
    written = {name: options[name] for name in OF_TEXT if name in options}
    rows = _rows(folder, table, columns, written)
    texts, dropped = cleaned(rows.texts, options["letters"])
    _check_texts(table, rows.files, texts)
    pairs = zip(rows.files, texts, strict=True)
    said = [Said(name, folder / name, text) for name, text in pairs]
    how = Reading(options.get("sample_rate"), options["max_seconds"])
    found, taken = read_utterances(folder, said, how, Notes())
    remarks = (
        *rows.remarks,
        *(f"{table}: {sentence}" for sentence in told_of(dropped)),
        *_not_named(folder, table, rows.files),
        *found.info.remarks,
    )
    found = replace(found, info=DatasetInfo(remarks))
    if rows.splits is None:
        return found
    return found.with_splits(named([rows.splits[row] for row in taken], _where(table, columns)))


def missing_speech(path: str, transcripts: str, **options: object) -> str | None:
    """What has to be there and is not, or None."""
    folder, table = Path(path).expanduser(), Path(transcripts).expanduser()
    if not folder.is_dir():
        return f"there is no folder {folder}; put it there or correct data.path"
    if not table.is_file():
        return f"there is no file {table}; put it there or correct data.transcripts"
    return missing_soundfile()


def _rows(folder: Path, table: Path, columns: Columns, written: dict[str, str]) -> _Rows:
    """DataError where the table does not name recordings that are there, each once."""
    if columns.text == columns.file:
        raise DataError(f"data.text: {columns.text!r} is the column of files; name another")
    as_text = [name for name in columns if name is not None]
    found = read_table(table, as_text, **written)
    files = texts_of(table, found.columns, columns.file, field="file")
    texts = texts_of(table, found.columns, columns.text, field="text")
    splits = None
    if columns.split is not None:
        check_split_column(table, found.columns.column_names, columns.text, columns.split)
        splits = found.columns[columns.split].to_pylist()
        # Before hours of recordings are read, and while rows are those of the table.
        named(splits, _where(table, columns))
    names = [_relative(folder, table, row, file) for row, file in enumerate(files)]
    _check_files(folder, table, names)
    return _Rows(names, texts, splits, found.remarks)


def _where(table: Path, columns: Columns) -> str:
    return f"{table}: column {columns.split!r}"


def _relative(folder: Path, table: Path, row: int, file: str) -> str:
    if not file.strip():
        raise DataError(f"{table}: names no recording in row {row + 1}; fill or drop it")
    return Path(os.path.relpath(folder / file.strip(), folder)).as_posix()


def _check_files(folder: Path, table: Path, names: Sequence[str]) -> None:
    seen: set[str] = set()
    for row, name in enumerate(names):
        if name in seen:
            raise DataError(
                f"{table}: names {name} twice, in row {names.index(name) + 1} and in row "
                f"{row + 1}; keep one of them"
            )
        seen.add(name)
    # Not Path.is_file, which raises at names that are too long for a file.
    absent = [name for name in names if not os.path.isfile(folder / name)]
    if absent:
        raise DataError(
            f"{table}: names {counted(len(absent), 'recording')} that {folder} lacks, the first of "
            f"them {absent[0]}; put them there, drop their rows, or correct data.path"
        )


def _check_texts(table: Path, names: Sequence[str], texts: Sequence[str]) -> None:
    empty = [name for name, text in zip(names, texts, strict=True) if says_nothing(text)]
    if empty:
        raise DataError(
            f"{table}: nothing that can be written is said in "
            f"{counted(len(empty), 'recording')}, the first of them {empty[0]}; write what is "
            "said there, or drop these rows"
        )


def _not_named(folder: Path, table: Path, names: Sequence[str]) -> list[str]:
    """A sentence on recordings of which the table says nothing."""
    known = set(names)
    below = [file.relative_to(folder).as_posix() for file in recordings_below(folder)]
    others = [name for name in below if name not in known]
    if not others:
        return []
    return [
        f"{folder}: left out {counted(len(others), 'recording')} that {table.name} does not name, "
        f"the first of them {others[0]}"
    ]
