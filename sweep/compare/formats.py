"""Tables as files: numbers that read back exactly (CSV, Parquet, JSON), and text for reading.

Every writer takes a table in pages and writes them one by one where the format allows it, so that a
table need not fit in memory. All pages of a table have the same columns.
"""

import csv
import html
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_integer_dtype, is_numeric_dtype

# A spreadsheet takes a cell that starts with one of these for a formula; OWASP, "CSV Injection".
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
# What Markdown takes for more than text: code, HTML, the edge of a cell; and the middle of a link.
MARKDOWN_ESCAPES = str.maketrans({"\\": "\\\\", "`": "\\`", "<": "&lt;", "|": "\\|"})
MARKDOWN_LINK = ("](", "]\\(")
READING_FLOAT = "{:.5g}"  # in Markdown, LaTeX and HTML; the others hold the full precision
# Beyond this a LaTeX table runs over pages.
LATEX_ROWS_OF_A_PAGE = 40
# Text that LaTeX would take for a command; one pass, so that nothing is escaped twice.
LATEX_ESCAPES = str.maketrans(
    {
        "\\": r"\textbackslash{}", "{": r"\{", "}": r"\}", "$": r"\$", "&": r"\&", "#": r"\#",
        "%": r"\%", "_": r"\_", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}",
        "±": r"$\pm$", "–": "--", "−": "$-$", "×": r"$\times$", "<": "$<$", ">": "$>$",  # noqa: RUF001
        "→": r"$\rightarrow$", "←": r"$\leftarrow$", "α": r"$\alpha$", "τ": r"$\tau$",  # noqa: RUF001
    }
)  # fmt: skip

Pages = Iterable[pd.DataFrame]


def to_csv(table: pd.DataFrame, header: bool = True) -> str:
    """Any table as comma-separated values that are safe to open in a spreadsheet.

    Floats are written so that they read back equal. Text is quoted, since a bare carriage return
    would start a row of its own; text that a spreadsheet would take for a formula gets a leading
    apostrophe. Missing values are empty.
    """
    safe = table.map(_without_formula)
    safe.columns = pd.Index([_without_formula(column) for column in table.columns])
    return safe.to_csv(
        index=False, header=header, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC
    )


def to_json(table: pd.DataFrame) -> str:
    """Any table as a JSON array of one object per row; missing values and NaN are null."""
    rows = ",\n".join(_json_rows(table))
    return f"[\n{rows}\n]\n"


def to_markdown(table: pd.DataFrame) -> str:
    """Any table in GitHub's Markdown, floats to five significant digits, missing values empty."""
    # Cells are turned to text here: tabulate would read text such as "1e5" as a number.
    cells = table.astype(object).map(lambda cell: markdown_text(reading(cell)))
    cells.columns = pd.Index([markdown_text(str(column)) for column in table.columns])
    return markdown_table(cells, _alignment(table))


def markdown_table(cells: pd.DataFrame, sides: Sequence[str]) -> str:
    """Cells and headings that are Markdown already as a table; ``sides``: how columns stand."""
    text: str = cells.to_markdown(index=False, disable_numparse=True, colalign=sides)
    return text + "\n"


def to_latex(table: pd.DataFrame) -> str:
    """Any table for LaTeX with booktabs, floats to five significant digits."""
    align = "".join(side[0] for side in _alignment(table))
    long = len(table) > LATEX_ROWS_OF_A_PAGE
    name = "longtable" if long else "tabular"
    rows = [[_latex_cell(cell) for cell in row] for row in table.itertuples(index=False)]
    head = latex_row([latex_text(str(column)) for column in table.columns])
    return "\n".join(
        [
            rf"% needs \usepackage{{booktabs}}{' and longtable' if long else ''}",
            rf"\begin{{{name}}}{{{align}}}",
            r"\toprule",
            head,
            r"\midrule",
            *([r"\endhead"] if long else []),
            *map(latex_row, rows),
            r"\bottomrule",
            rf"\end{{{name}}}",
            "",
        ]
    )


def to_html(table: pd.DataFrame) -> str:
    """Any table as an HTML page of its own, floats to five significant digits."""
    return html_page(html_table(table))


def html_table(table: pd.DataFrame) -> str:
    """Any table as an HTML element; every cell is escaped."""
    sides = _alignment(table)
    head = "".join(
        f'<th scope="col" class="{side}">{html.escape(str(column))}</th>'
        for column, side in zip(table.columns, sides, strict=True)
    )
    rows = (
        "".join(
            f'<td class="{side}">{html.escape(reading(cell))}</td>'
            for cell, side in zip(row, sides, strict=True)
        )
        for row in table.itertuples(index=False)
    )
    body = "\n".join(f"<tr>{row}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"


def html_page(body: str) -> str:
    """A page around a table, for a browser."""
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n<title>almkd</title>\n<style>\n'
        "body { font: 14px/1.4 system-ui, sans-serif }\ntable { border-collapse: collapse }\n"
        "th, td { padding: .2em .6em; border-bottom: 1px solid #ddd; text-align: left }\n"
        f".right {{ text-align: right }}\n</style>\n{body}</html>\n"
    )


def markdown_text(text: str) -> str:
    """Text on one line with everything escaped that Markdown would take for HTML, code, a link or
    the edge of a cell."""
    escaped = " ".join(text.split()).translate(MARKDOWN_ESCAPES)
    return escaped.replace(*MARKDOWN_LINK)


def latex_text(text: str) -> str:
    """Text with everything escaped that LaTeX would not print as it stands."""
    return " ".join(text.split()).translate(LATEX_ESCAPES)


def latex_row(cells: Iterable[str]) -> str:
    """A row of a tabular."""
    # An opening bracket after \\ would be read as the space to leave.
    return " & ".join("{[}" + c[1:] if c.startswith("[") else c for c in cells) + r" \\"


def reading(cell: object) -> str:
    """A cell as people read it: empty where missing, floats to five significant digits."""
    if cell is None or pd.isna(cell):  # type: ignore[call-overload]
        return ""
    return READING_FLOAT.format(cell) if isinstance(cell, float) else str(cell)


def write_csv(pages: Pages, out: BinaryIO) -> None:
    """`to_csv`, page by page."""
    for number, page in enumerate(pages):
        out.write(to_csv(page, header=number == 0).encode())


def write_json(pages: Pages, out: BinaryIO) -> None:
    """`to_json`, page by page."""
    separator = "[\n"
    for page in pages:
        for row in _json_rows(page):
            out.write(f"{separator}{row}".encode())
            separator = ",\n"
    out.write(b"[]\n" if separator == "[\n" else b"\n]\n")


def write_parquet(pages: Pages, out: BinaryIO) -> None:
    """Types are those of the first page, whose columns of no value count as text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for page in pages:
        typed = _with_types(page)
        if writer is None:
            schema = pa.Schema.from_pandas(typed, preserve_index=False)
            writer = pq.ParquetWriter(out, schema, compression="zstd")
        writer.write_table(pa.Table.from_pandas(typed, schema=schema, preserve_index=False))
    if writer is not None:
        writer.close()


def _whole(render: Callable[[pd.DataFrame], str]) -> Callable[[Pages, BinaryIO], None]:
    def write(pages: Pages, out: BinaryIO) -> None:
        out.write(render(pd.concat(list(pages), ignore_index=True)).encode())

    return write


# Format -> function that writes the pages of a table. A new format is one function and one line.
WRITERS: Mapping[str, Callable[[Pages, BinaryIO], None]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "markdown": _whole(to_markdown),
    "latex": _whole(to_latex),
    "html": _whole(to_html),
    "json": write_json,
}
BINARY = ("parquet",)


def _without_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell


def _alignment(table: pd.DataFrame) -> list[str]:
    return ["right" if is_numeric_dtype(dtype) else "left" for dtype in table.dtypes]


def _json_rows(table: pd.DataFrame) -> Iterator[str]:
    """Python's own writer: that of pandas rounds to 15 digits."""
    names = [str(column) for column in table.columns]
    for row in table.itertuples(index=False):
        cells = dict(zip(names, map(_json_cell, row), strict=True))
        yield json.dumps(cells, ensure_ascii=False, allow_nan=False)


def _json_cell(cell: object) -> object:
    plain = cell.item() if isinstance(cell, np.generic) else cell
    if plain is None or plain is pd.NA or (isinstance(plain, float) and not math.isfinite(plain)):
        return None
    return plain


def _with_types(page: pd.DataFrame) -> pd.DataFrame:
    """Text as text even where nothing is there, whole numbers as nullable ones."""
    types = {
        str(column): "Int64"
        if is_integer_dtype(dtype) and not is_bool_dtype(dtype)
        else dtype
        if is_numeric_dtype(dtype)
        else "str"
        for column, dtype in page.dtypes.items()
    }
    return page.astype(types)


def _latex_cell(cell: object) -> str:
    return latex_text(reading(cell))
