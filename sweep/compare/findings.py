"""All that a comparison has found of a sweep, each table made once, where it is first needed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from sweep.compare.against_best import against_best_table
from sweep.compare.answer import answer
from sweep.compare.collapses import collapses_table, collapses_text
from sweep.compare.cost import cost_table
from sweep.compare.curves import Curves
from sweep.compare.exploratory import exploratory_table
from sweep.compare.fairness import failures_table, fairness_table
from sweep.compare.found_boxes import Gallery, gallery
from sweep.compare.kept_tables import NO_TABLES, KeptTables
from sweep.compare.oracles import oracles_table
from sweep.compare.origin import Origin
from sweep.compare.paper import PaperTable, paper_table
from sweep.compare.records import SweepRecord
from sweep.compare.shortlist import shortlist_table
from sweep.compare.teachers import teachers_table
from sweep.compare.timelines import Timeline, timelines


# Compared by identity, as the record.
@dataclass(frozen=True, eq=False)
class Findings:
    """A sweep's record and origin, and what was made of them."""

    record: SweepRecord
    origin: Origin
    table: pd.DataFrame  # the comparison table
    curves: Curves
    # Gives method, condition, hyperparameter, importance, n_trials.
    find_importances: Callable[[], pd.DataFrame]
    tables: KeptTables = NO_TABLES  # further ones of runs

    @cached_property
    def importances(self) -> pd.DataFrame:
        """How much each hyperparameter mattered in each cell."""
        return self.find_importances()

    @cached_property
    def answer(self) -> list[str]:
        """The question and its answer in words, and what the curves say against it."""
        collapsed = collapses_text(self.record, self.curves)
        return [*answer(self.table, self.record), *([collapsed] if collapsed else [])]

    @cached_property
    def wide(self) -> PaperTable:
        """The comparison table as papers print it."""
        return paper_table(self.record, self.table, self.origin.spec.seed)

    @cached_property
    def exploratory(self) -> pd.DataFrame:
        """The metrics beside the one that is tested."""
        return exploratory_table(self.record, self.origin.spec.seed)

    @cached_property
    def fairness(self) -> pd.DataFrame:
        """What every cell was given."""
        return fairness_table(self.record)

    @cached_property
    def cost(self) -> pd.DataFrame:
        """What a trial of every cell took of a device."""
        return cost_table(self.record)

    @cached_property
    def against_best(self) -> pd.DataFrame:
        """Methods that learn weights, against the best row without in each condition."""
        return against_best_table(self.record, self.origin.spec.seed)

    @cached_property
    def shortlist(self) -> pd.DataFrame:
        """What was tried again before a configuration was chosen."""
        return shortlist_table(self.record)

    @cached_property
    def collapses(self) -> pd.DataFrame:
        """Where learned weights made runs worse from their first update on."""
        return collapses_table(self.record, self.curves)

    @cached_property
    def teachers(self) -> pd.DataFrame:
        """What the teachers reached."""
        return teachers_table(self.record)

    @cached_property
    def oracles(self) -> pd.DataFrame:
        """What teachers that read targets make of them."""
        return oracles_table(self.record)

    @cached_property
    def timelines(self) -> list[Timeline]:
        """What students and teachers say when."""
        return timelines(self.record, self.tables)

    @cached_property
    def gallery(self) -> Gallery | None:
        """Which boxes are found in a few pictures."""
        return gallery(self.record, self.tables)

    @cached_property
    def failures(self) -> pd.DataFrame:
        """What failed, and what is missing."""
        return failures_table(self.record)
