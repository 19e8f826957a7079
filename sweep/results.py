"""What sweeps showed, from the tracking store alone: compared, written, and found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.errors import BadInput
from sweep.garbage_collection import frozen
from sweep.places import Places

if TYPE_CHECKING:
    import pandas as pd

    from sweep.adapters.mlflow.store import MlflowStore
    from sweep.compare.figures.saver import FigureSaver
    from sweep.compare.findings import Findings
    from sweep.compare.joining import Joined
    from sweep.compare.kept_tables import KeptTables
    from sweep.compare.records import SweepRecord

# The page to read first, among a sweep's results.
REPORT = "report.html"
# Ends the note of a sweep's run in the dashboard.
READ_ON = "Table, figures and all else: `results/report.html` among the artifacts."


@dataclass(frozen=True)
class Shown:
    """What a sweep showed: its record, its comparison table, the directory of its files."""

    record: "SweepRecord"
    table: "pd.DataFrame"
    directory: Path

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.directory / REPORT

    @property
    def others(self) -> int:
        """How many files stand beside it, that of their checksums not counted."""
        return len(list(self.directory.iterdir())) - 2


def look(name: str, places: Places, store: "MlflowStore") -> Shown:
    """What a sweep showed, read from its runs; nothing is written."""
    from sweep.compare.comparison import comparison_table

    record = store.record(name)
    table = comparison_table(record, store.spec(name).seed)
    return Shown(record, table, places.results(name))


def compare(name: str, places: Places, store: "MlflowStore", saver: "FigureSaver") -> Shown:
    """Statistics, tables, figures and report of a sweep, from its runs; logged beside them."""
    directory = places.results(name)
    with frozen():
        # Loaded by now in a launch; else while the second process of the saver does the same.
        from sweep.compare.formats import markdown_text
        from sweep.compare.headline import headline
        from sweep.compare.outputs import write_outputs

        found = find(name, store)
        write_outputs(found, directory, saver)
    note = "\n\n".join([*map(markdown_text, found.answer), READ_ON])
    store.log_outputs(name, directory, note, headline(found.record))
    return Shown(found.record, found.table, directory)


def find(name: str, store: "MlflowStore") -> "Findings":
    """All that a comparison finds in the runs of a sweep; nothing is written."""
    from sweep.compare.comparison import comparison_table
    from sweep.compare.curves import read_curves
    from sweep.compare.findings import Findings

    record, origin = store.record(name), store.origin(name)
    seed = origin.spec.seed
    table = comparison_table(record, seed)
    curves = read_curves(record, store.histories())
    importances = partial(_importances, record, seed)
    return Findings(record, origin, table, curves, importances, _tables(store))


def compare_several(
    names: Sequence[str], directory: Path, store: "MlflowStore", saver: "FigureSaver"
) -> Shown:
    """One table over several sweeps, with its figures and report; their own are left alone.

    BadInput, with the reason, where they cannot stand in one table.
    """
    with frozen():
        from sweep.compare.comparison import comparison_table
        from sweep.compare.curves import read_curves
        from sweep.compare.findings import Findings
        from sweep.compare.origin import origin_of_several
        from sweep.compare.outputs import write_outputs

        whole = joined_record(names, store)
        record, seed = whole.record, whole.spec.seed
        origin = origin_of_several(whole.spec, [store.origin(name) for name in names])
        table = comparison_table(record, seed)
        curves = read_curves(record, store.histories())
        importances = partial(_importances, record, seed)
        findings = Findings(record, origin, table, curves, importances, _tables(store))
        write_outputs(findings, directory, saver)
    return Shown(record, table, directory)


def joined_record(names: Sequence[str], store: "MlflowStore") -> "Joined":
    """Several sweeps of a store as one; BadInput where they cannot stand in one table."""
    from sweep.compare.joining import join
    from sweep.plan.agreement import refuse_other_content

    specs, records = [store.spec(name) for name in names], [store.record(name) for name in names]
    refuse_other_content({name: store.fingerprints(name) for name in names})
    return join(specs, records)


def seen_so_far(name: str, store: "MlflowStore") -> "SweepRecord | None":
    """What a sweep has shown, if the store has it."""
    try:
        return store.record(name)
    except BadInput:
        return None


def load_comparison() -> None:
    """Load what `compare` needs, and takes a second to load."""
    import sweep.adapters.optuna.importance
    import sweep.compare.outputs  # noqa: F401


def _tables(store: "MlflowStore") -> "KeptTables":
    """The further tables of runs."""
    from sweep.adapters.mlflow.run_files import FetchedTables

    return FetchedTables(store.artifacts())


def _importances(record: "SweepRecord", seed: int) -> "pd.DataFrame":
    """How much each hyperparameter mattered; asked for last, since loading it takes a while."""
    from sweep.adapters.optuna.importance import importances

    return importances(record, seed)
