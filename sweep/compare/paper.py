"""The table of a paper: methods down, conditions across, the best in bold. Where conditions differ
in several ways, each has a level of headings of its own.

"Best" is the best mean of a condition. A method that is not the best is underlined where its
paired difference to the best is not called: the interval reaches zero, or p, adjusted by Holm over
all such differences of the table, is not below the level. These are tests of their own, against the
best and not against the baseline; as the best is chosen by the same numbers, they favour it a
little. Where a sweep declares its questions, nothing else is tested, so only the best is marked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from html import escape
from typing import Literal

import numpy as np
import pandas as pd

from sweep.compare import statistics
from sweep.compare.clean_labels import clean_labels_text
from sweep.compare.comparison import cell_rng, paired_scores
from sweep.compare.formats import (
    html_page,
    latex_row,
    latex_text,
    markdown_table,
    markdown_text,
)
from sweep.compare.notation import axis_label, condition_levels, condition_title, decimals
from sweep.compare.records import SweepRecord
from sweep.compare.scope import scope_of, spoken_of
from sweep.compare.tables import NOTHING, rows_of, without_a_mean
from sweep.compare.teacher_calls import teacher_calls_text
from sweep.plan.plan import Condition

Spread = Literal["interval", "std"]
Row = tuple[str, str]  # sweep, method


@dataclass(frozen=True)
class Cell:
    """A method in a condition, in the unit of the metric; NaN where no seed finished.

    ``empty`` is what is shown then.
    """

    mean: float
    std: float
    low: float
    high: float
    n_seeds: int
    planned: int
    empty: str = NOTHING
    best: bool = False
    not_worse: bool = False

    def text(self, spread: Spread, digits: int) -> str:
        """ "95.2 ± 0.4", "95.2 [94.9, 95.5]"; an asterisk where seeds are missing."""
        if np.isnan(self.mean):
            return self.empty
        missing = "*" if self.n_seeds < self.planned else ""
        mean = f"{self.mean:.{digits}f}{missing}"
        if np.isnan(self.std):
            return mean
        if spread == "std":
            return f"{mean} ± {self.std:.{digits}f}"
        return f"{mean} [{self.low:z.{digits}f}, {self.high:z.{digits}f}]"


NAN = float("nan")
NO_CELL = Cell(NAN, NAN, NAN, NAN, n_seeds=0, planned=0)


@dataclass(frozen=True)
class PaperTable:
    """Rows (sweep, method), columns (conditions), and the cell of each pair, if any."""

    title: str
    rows: tuple[Row, ...]
    columns: tuple[Condition, ...]
    cells: Mapping[tuple[Row, Condition], Cell]
    digits: int
    tested: bool = True
    # How many clean labels each row had, and where they are limited how many calls of teachers.
    given: tuple[str, ...] = ()
    scope: str = spoken_of()  # what was trained on every seed, in words

    @property
    def sweeps(self) -> tuple[str, ...]:
        """The sweeps side by side, in order."""
        return tuple(dict.fromkeys(sweep for sweep, _ in self.rows))

    def lacks_seeds(self) -> bool:
        """Whether some mean is over fewer seeds than planned."""
        return any(0 < cell.n_seeds < cell.planned for cell in self.cells.values())


def paper_table(record: SweepRecord, table: pd.DataFrame, seed: int) -> PaperTable:
    """The comparison table of a record, wide."""
    cells = {
        ((record.name, method), condition): _cell(record, table, condition, method)
        for condition in record.conditions
        for method in record.methods
    }
    _mark(cells, record, seed)
    spreads = np.array([cell.std for cell in cells.values() if cell.std > 0.0])
    return PaperTable(
        axis_label(record),
        tuple((record.name, method) for method in record.methods),
        record.conditions,
        cells,
        decimals(float(np.median(spreads))) if len(spreads) else decimals(0.0),
        _is_tested(record),
        tuple(filter(None, (clean_labels_text(record), teacher_calls_text(record)))),
        scope_of(record),
    )


def side_by_side(tables: Sequence[PaperTable]) -> PaperTable:
    """Several sweeps as one table, rows stacked; a condition that a sweep lacks stays empty."""
    columns = dict.fromkeys(column for table in tables for column in table.columns)
    titles = dict.fromkeys(table.title for table in tables)
    return PaperTable(
        "; ".join(titles),
        tuple(row for table in tables for row in table.rows),
        tuple(columns),
        {place: cell for table in tables for place, cell in table.cells.items()},
        max(table.digits for table in tables),
        all(table.tested for table in tables),
        tuple(line for table in tables for line in _given(table, len(tables) > 1)),
        " or ".join(dict.fromkeys(table.scope for table in tables)),
    )


def _given(table: PaperTable, is_one_of_several: bool) -> tuple[str, ...]:
    """The sentences on what rows had, with the sweep's name where others stand beside it."""
    if not is_one_of_several:
        return table.given
    sweeps = ", ".join(table.sweeps)
    beginnings = ("Clean labels", "Teacher calls")
    return tuple(
        f"{start} in {sweeps}{line.removeprefix(start)}"
        for line in table.given
        for start in beginnings
        if line.startswith(start)
    )


def wide_frame(table: PaperTable) -> pd.DataFrame:
    """Numbers for a program: per condition mean, std, interval, seeds, and the marks."""
    rows = []
    for sweep, method in table.rows:
        row: dict[str, object] = {"sweep": sweep, "method": method}
        for column in table.columns:
            cell = table.cells.get(((sweep, method), column), NO_CELL)
            title = condition_title(column, table.columns)
            row |= {f"{title}: {name}": value for name, value in asdict(cell).items()}
        rows.append(row)
    return pd.DataFrame(rows)


def wide_markdown(table: PaperTable, spread: Spread) -> str:
    """Bold is the best; not significantly worse is underlined."""
    marks = {"best": "**{}**", "not_worse": "<ins>{}</ins>", "": "{}"}
    heads = [markdown_text(head) for head in _heads(table)]
    frame = pd.DataFrame(_grid(table, spread, marks, markdown_text), columns=heads)
    below = f"\n{markdown_text(' '.join(table.given))}\n" if table.given else ""
    return f"{markdown_table(frame, ['left'] * len(heads))}{below}"


def wide_latex(table: PaperTable, spread: Spread) -> str:
    r"""A tabular with booktabs: \textbf the best, \underline what is not significantly worse."""
    marks = {"best": r"\textbf{{{}}}", "not_worse": r"\underline{{{}}}", "": "{}"}
    many = len(table.sweeps) > 1
    lines = [
        r"% needs \usepackage{booktabs}",
        f"% {latex_text(_caption(table, spread))}",
        rf"\begin{{tabular}}{{{'l' * (1 + many)}{'r' * len(table.columns)}}}",
        r"\toprule",
        *_latex_heads(table),
        r"\midrule",
    ]
    grid = _grid(table, spread, marks, latex_text)
    for position, row in enumerate(grid):
        if position and table.rows[position][0] != table.rows[position - 1][0]:
            lines.append(r"\midrule")
        lines.append(latex_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def wide_html(table: PaperTable, spread: Spread) -> str:
    """A page of its own around `wide_html_table`."""
    return html_page(f"<p>{escape(table.title)}</p>\n{wide_html_table(table, spread)}")


def wide_html_table(table: PaperTable, spread: Spread) -> str:
    """An HTML element; <strong> is the best, <u> what is not significantly worse."""
    marks = {"best": "<strong>{}</strong>", "not_worse": "<u>{}</u>", "": "{}"}
    names = 1 + (len(table.sweeps) > 1)
    head = "</tr>\n<tr>".join(_html_heads(table))
    rows = []
    for cells in _grid(table, spread, marks, escape):
        first = "".join(f'<th scope="row">{cell}</th>' for cell in cells[:names])
        rest = "".join(f'<td class="right">{cell}</td>' for cell in cells[names:])
        rows.append(f"<tr>{first}{rest}</tr>")
    body = "\n".join(rows)
    caption = escape(_caption(table, spread))
    return (
        f'<table class="paper">\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table>\n"
    )


# Format -> function from a wide table to text; the other formats take `wide_frame`.
WIDE_TEXT: Mapping[str, Callable[[PaperTable, Spread], str]] = {
    "markdown": wide_markdown,
    "latex": wide_latex,
    "html": wide_html,
}


def _cell(record: SweepRecord, table: pd.DataFrame, condition: Condition, method: str) -> Cell:
    rows = rows_of(table, condition)
    row = rows[rows["method"] == method].iloc[0]
    return Cell(
        mean=float(row[f"{record.test_column}_mean"]),
        std=float(row[f"{record.test_column}_std"]),
        low=float(row["ci95_low"]),
        high=float(row["ci95_high"]),
        n_seeds=int(row["n_seeds"]),
        planned=len(record.confirm_seeds),
        empty=without_a_mean(row.to_dict()),
    )


def _mark(cells: dict[tuple[Row, Condition], Cell], record: SweepRecord, seed: int) -> None:
    """Put the marks into `cells`: the best of every condition, and what is not called worse."""
    tests: dict[tuple[Row, Condition], tuple[float, float, float]] = {}
    sign = 1.0 if record.direction == "maximize" else -1.0
    for condition in record.conditions:
        known = {
            method: sign * cells[(record.name, method), condition].mean
            for method in record.methods
            if cells[(record.name, method), condition].n_seeds
        }
        for method, value in known.items():
            place = ((record.name, method), condition)
            if value == max(known.values()):
                cells[place] = replace(cells[place], best=True)
            elif _is_tested(record):
                best = max(known, key=known.__getitem__)
                tests[place] = _test(record, condition, (method, best), seed)
    adjusted = statistics.holm(np.array([p for _, _, p in tests.values()], dtype=float))
    for (place, (low, high, _)), p in zip(tests.items(), adjusted, strict=True):
        worse = statistics.call(low, high, float(p), record.direction) == "worse"
        cells[place] = replace(cells[place], not_worse=not worse)


def _is_tested(record: SweepRecord) -> bool:
    """Whether rows are tested against the best: not beside questions that a sweep declares."""
    return record.declared is None and not record.exploratory


def _test(
    record: SweepRecord, condition: Condition, methods: tuple[str, str], seed: int
) -> tuple[float, float, float]:
    """Interval and p of the paired difference of a method to the best."""
    a, b = paired_scores(record, condition, *methods)
    names = (record.name, str(condition), *methods)
    low, high = statistics.bca_interval(a - b, cell_rng(seed, *names, "difference to the best"))
    p = statistics.sign_flip_p(a - b, cell_rng(seed, *names, "sign flip to the best"))
    return low, high, p.value


def _names(table: PaperTable) -> list[str]:
    return ["sweep", "method"] if len(table.sweeps) > 1 else ["method"]


def _heads(table: PaperTable) -> list[str]:
    """One line of headings."""
    return [*_names(table), *(condition_title(c, table.columns) for c in table.columns)]


def _levels(table: PaperTable) -> list[list[tuple[str, int]]]:
    """Headings over the conditions, level by level, each with the number of its columns."""
    paths = [condition_levels(condition, table.columns) for condition in table.columns]
    levels: list[list[tuple[str, int]]] = []
    for level in range(max(len(path) for path in paths)):
        spans: list[tuple[str, int]] = []
        before: list[str] | None = None
        for path in paths:
            if path[: level + 1] == before:
                spans[-1] = (spans[-1][0], spans[-1][1] + 1)
            else:
                spans.append((path[level] if level < len(path) else "", 1))
            before = path[: level + 1]
        levels.append(spans)
    return levels


def _latex_heads(table: PaperTable) -> list[str]:
    """A row for each level, with rules under headings of several columns."""
    names, levels = _names(table), _levels(table)
    lines = []
    for level, spans in enumerate(levels):
        last = level == len(levels) - 1
        cells = [latex_text(name) if last else "" for name in names]
        rules, place = [], len(names) + 1
        for text, span in spans:
            title = latex_text(text)
            cells.append(rf"\multicolumn{{{span}}}{{c}}{{{title}}}" if span > 1 else title)
            if span > 1:
                rules.append(rf"\cmidrule(lr){{{place}-{place + span - 1}}}")
            place += span
        lines += [latex_row(cells), *([" ".join(rules)] if rules else [])]
    return lines


def _html_heads(table: PaperTable) -> list[str]:
    """The cells of a row for each level; names of rows stand beside all of them."""
    levels = _levels(table)
    deep = f' rowspan="{len(levels)}"' if len(levels) > 1 else ""
    rows = []
    for level, spans in enumerate(levels):
        cells = [f'<th scope="col"{deep}>{name}</th>' for name in _names(table) if level == 0]
        for text, span in spans:
            wide = f' colspan="{span}"' if span > 1 else ""
            scope = "colgroup" if span > 1 else "col"
            cells.append(f'<th scope="{scope}"{wide}>{escape(text)}</th>')
        rows.append("".join(cells))
    return rows


def _grid(
    table: PaperTable, spread: Spread, marks: Mapping[str, str], safe: Callable[[str], str]
) -> list[list[str]]:
    """Cells as text, names first; `safe` escapes text, `marks` wraps it."""
    rows = []
    for place in table.rows:
        row = [safe(name) for name in (place if len(table.sweeps) > 1 else place[1:])]
        for column in table.columns:
            cell = table.cells.get((place, column))
            text = safe(cell.text(spread, table.digits)) if cell else ""
            mark = "best" if cell and cell.best else "not_worse" if cell and cell.not_worse else ""
            row.append(marks[mark].format(text))
        rows.append(row)
    return rows


def _caption(table: PaperTable, spread: Spread) -> str:
    what = "mean ± standard deviation" if spread == "std" else "mean [95 % interval]"
    seeds = "; *: fewer seeds than planned" if table.lacks_seeds() else ""
    tests = (
        "Underlined: not significantly worse than the best"
        if table.tested
        else "Differences to the best are not tested"
    )
    given = "".join(f" {line}" for line in table.given)
    over = f"{what} over seeds, of {table.scope}"
    return f"{table.title}, {over}. Bold: the best mean. {tests}{seeds}.{given}"
