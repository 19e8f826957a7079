"""Tables of delimited text: a line of column names, then a row a line.

How the text is written is told, never guessed: what does not fit is refused with the option that
would fit. Empty fields and what is usual for missing values (``NA``, ``NaN``, ``null``) are empty
places of a column of numbers.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trainers.data.errors import DataError, counted, listed
from trainers.data.tables import NUMBER, Table, check_label, without_index

if TYPE_CHECKING:
    import pyarrow as pa

# What pyarrow takes for the size of a block, in bytes.
LARGEST = 2**31 - 1
TAB = "\t"
DELIMITERS = (",", ";", TAB, "|")
# How files begin that are no text.
SIGNATURES = {
    b"\x1f\x8b": "packed with gzip; unpack it",
    b"PK\x03\x04": "a zip archive, as spreadsheets are; save it as CSV, or unpack it",
    b"\xd0\xcf\x11\xe0": "a spreadsheet of Excel; save it as CSV",
    b"PAR1": "a Parquet file; give data.dataset: parquet",
}
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
# What may stand for a missing label among labels that are whole numbers.
MISSING = {"", "?", "#n/a", "<na>", "n/a", "na", "nan", "none", "null"}
WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


class Dialect(NamedTuple):
    """How a text is written: what separates fields, the decimal mark, the encoding."""

    delimiter: str
    decimal: str = "."
    encoding: str = "utf-8"


class _Header(NamedTuple):
    """The names of the columns as they are written, and without blanks around them."""

    written: list[str]
    names: list[str]

    def columns(self) -> Iterator[tuple[str, str]]:
        """Either of each column."""
        return zip(self.written, self.names, strict=True)


def read_delimited(
    file: Path, label: str | None, dialect: Dialect, texts: Sequence[str] = ()
) -> Table:
    """The columns of a text; labels are whole numbers if all of them are, else texts.

    ``label``: the column of labels, or None where none is needed. ``texts``: columns that are taken
    as they are written, over several lines too.
    """
    text = read_text(file, dialect.encoding)
    header = _header(file, text, label, dialect)
    as_text = [written for written, name in header.columns() if name in (label, *texts)]
    table, skipped = _parsed(file, text, as_text, dialect, bool(texts))
    if skipped:
        first = skipped[0]
        raise DataError(
            f"{file}: row {(first.number or 1) - 1} has {counted(first.actual_columns, 'field')} "
            f"where the line of names has {first.expected_columns}: {first.text[:80]!r} "
            f"({counted(len(skipped), 'such row')}); mend or drop it"
        )
    table = table.rename_columns(header.names)
    remarks = () if texts else _lines_in_fields(file, text, len(table))
    nameless = [name for name in header.names if not name]
    if label is not None:
        table = _with_labels(file, table, label)
    found = without_index(file, table, label, nameless)
    return Table(found.columns, (*remarks, *found.remarks))


def read_text(file: Path, encoding: str = "utf-8") -> str:
    """A file as text, without a byte order mark; DataError, naming a remedy, where it is none."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}; mend or replace it") from None
    for signature, kind in SIGNATURES.items():
        if content.startswith(signature):
            raise DataError(f"{file}: is no text but {kind}")
    utf_8 = encoding.lower().replace("_", "-") in ("utf-8", "utf8")
    if utf_8 and content.startswith(UTF_16):
        raise DataError(f"{file}: is text in UTF-16; give data.encoding: utf-16, or save as UTF-8")
    try:
        text = content.decode("utf-8-sig" if utf_8 else encoding)
    except UnicodeError as error:
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        raise DataError(
            f"{file}: line {line} is no text in {encoding}; give its encoding as data.encoding "
            "(often cp1252, latin-1 or utf-16), or save it as UTF-8"
        ) from None
    except LookupError:
        raise DataError(
            f"data.encoding: {encoding!r} is no encoding; give one such as utf-8, utf-16, cp1252"
        ) from None
    if "\0" in text:
        raise DataError(
            f"{file}: holds bytes of zero, which no text has; give data.encoding: utf-16-le if it "
            "is UTF-16, or save it as UTF-8"
        )
    if not text.strip():
        raise DataError(f"{file}: is empty; write a line of names, and a row for each example")
    return text


def _header(file: Path, text: str, label: str | None, dialect: Dialect) -> _Header:
    """The first line; DataError where it is no line of names, or of another dialect."""
    line = next(line for line in text.splitlines() if line.strip())
    written = next(csv.reader(io.StringIO(line), delimiter=dialect.delimiter))
    names = [name.strip() for name in written]
    if line.lower().startswith("sep="):
        raise DataError(f"{file}: its first line is {line!r}, which is of Excel's; drop it")
    others = [mark for mark in DELIMITERS if mark != dialect.delimiter and mark in line]
    if label not in names and len(names) == 1 and others:
        raise DataError(
            f"{file}: its first line is one field, {line[:80]!r}; if its fields are separated by "
            f"{'tabs' if others[0] == TAB else repr(others[0])}, "
            f"{_option(others[0], dialect.delimiter)}"
        )
    numbers = [name for name in names if NUMBER.fullmatch(name.replace(dialect.decimal, "."))]
    if label is not None and label not in names and numbers:
        raise DataError(
            f"{file}: its first line, {line[:80]!r}, holds numbers and no column {label!r}; put a "
            "line with the names of the columns before it, or name the column of labels as "
            "data.label"
        )
    _refuse_quotes(file, f"the names of columns {listed(names)}", names)
    if label is not None:
        check_label(file, names, label)
    for place, name in enumerate(names):
        # The first one without a name is an index that pandas or R wrote.
        if not name and place:
            raise DataError(
                f"{file}: its column {place + 1} has no name; write one into the first line, or "
                f"drop the {'tab' if dialect.delimiter == TAB else dialect.delimiter} at the end "
                "of lines"
            )
    return _Header(written, names)


def _option(delimiter: str, told: str) -> str:
    """What to give so that ``delimiter`` separates fields, where ``told`` was to."""
    if delimiter == TAB:
        return "give data.dataset: tsv"
    needed = "" if delimiter == "," else f"data.delimiter: {delimiter!r}"
    if told == TAB:
        return "give data.dataset: csv" + (f" with {needed}" if needed else "")
    return f"give {needed}" if needed else "leave out data.delimiter"


def _parsed(
    file: Path, text: str, as_text: Sequence[str], dialect: Dialect, several_lines: bool
) -> "tuple[pa.Table, list[Any]]":
    """The table, and the rows of another length than the first line's, which it lacks.

    ``as_text``: columns that hold texts whatever these look like: a label 01 is another one than 1,
    and NA may be the name of a class. ``several_lines``: fields in quotes may run over them.
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    skipped: list[Any] = []

    def skip(row: Any) -> str:
        skipped.append(row)
        return "skip"

    content = text.encode()
    # Of texts in one block: a field has to fit into one.
    blocks = {"block_size": min(len(content) + 1, LARGEST)} if several_lines else {}
    try:
        table = arrow.read_csv(
            pa.BufferReader(content),
            # One thread: rows are counted by it alone.
            read_options=arrow.ReadOptions(use_threads=False, **blocks),
            parse_options=arrow.ParseOptions(
                delimiter=dialect.delimiter,
                invalid_row_handler=skip,
                newlines_in_values=several_lines,
            ),
            convert_options=arrow.ConvertOptions(
                column_types=dict.fromkeys(as_text, pa.string()), decimal_point=dialect.decimal
            ),
        )
    except pa.ArrowException as error:
        raise DataError(f"{file}: cannot be read as a table: {error}; mend it") from None
    return table, skipped


def _with_labels(file: Path, table: "pa.Table", label: str) -> "pa.Table":
    """Labels without blanks around them, as numbers if all of them are."""
    import pyarrow as pa

    texts = [text.strip() for text in table[label].to_pylist()]
    several = next((text for text in texts if "\n" in text or "\r" in text), None)
    if several is not None:
        raise DataError(
            f"{file}: the label of row {texts.index(several) + 1} runs over several lines; close "
            "its quote"
        )
    _refuse_quotes(file, f"the labels {listed(sorted(set(texts)))}", texts)
    given = {text for text in texts if text.lower() not in MISSING}
    if given and all(WHOLE.fullmatch(text) for text in given):
        values: list[Any] = [int(t) if t.lower() not in MISSING else None for t in texts]
        column = pa.array(values, pa.int64())
    elif given and all(NUMBER.fullmatch(text) for text in given) and not _padded(given):
        column = pa.array([float(t) if t in given else None for t in texts], pa.float64())
    else:
        column = pa.array([t or None for t in texts], pa.string())
    return table.set_column(table.column_names.index(label), label, column)


def _refuse_quotes(file: Path, what: str, texts: Sequence[str]) -> None:
    """DataError where quotes are taken for a part of the text, which they are after a blank."""
    if any(text.startswith('"') for text in texts):
        raise DataError(
            f"{file}: {what} have quotes within; write quotes right behind what separates fields, "
            "without blanks, or leave them out"
        )


def _padded(texts: set[str]) -> bool:
    """Whether texts of digits are names, such as 01, and no numbers."""
    return all(text.isdigit() for text in texts)


def _lines_in_fields(file: Path, text: str, rows: int) -> tuple[str, ...]:
    """A remark where fields hold line ends: a quote that is not closed takes rows into a field."""
    lines = sum(1 for line in io.StringIO(text, newline=None) if line.strip()) - 1
    if lines <= rows:
        return ()
    return (
        f"{file}: its {lines} lines below the names are {rows} rows, since fields in quotes run "
        "over several lines; look for a quote that is not closed if none should",
    )
