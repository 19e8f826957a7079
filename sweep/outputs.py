"""The files that a comparison leaves: tables, figure, report."""

from pathlib import Path

import pandas as pd

from sweep.compare.answer import answer
from sweep.compare.comparison import trials_table
from sweep.compare.figures import metric_over_noise, save
from sweep.compare.records import SweepRecord
from sweep.compare.tables import to_csv, to_markdown


def write_outputs(record: SweepRecord, table: pd.DataFrame, directory: Path) -> None:
    """Write everything that is made from a record into ``directory``, replacing what is there."""
    directory.mkdir(parents=True, exist_ok=True)
    texts = {
        "comparison.csv": to_csv(table),
        "comparison.md": to_markdown(table),
        "trials.csv": to_csv(trials_table(record)),
        "report.md": report(record, table),
    }
    for name, text in texts.items():
        (directory / name).write_text(text, encoding="utf-8")
    save(metric_over_noise(table, record), directory, f"{record.metric}_over_noise")


def report(record: SweepRecord, table: pd.DataFrame) -> str:
    """The answer in words, the figure and the table, as Markdown."""
    figure = f"{record.metric}_over_noise.svg"
    return "\n\n".join(
        [
            f"# {record.name}",
            *answer(table, record),
            f"![test {record.metric} over noise rate]({figure})",
            to_markdown(table),
            f"Made again by `almkd compare {record.name}`.",
        ]
    )
