"""The report: one HTML file that needs nothing else, made from what a sweep showed.

Everything that a user or a store named is escaped by the template; figures are data in the page.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from sweep.compare.clean_labels import clean_labels_text
from sweep.compare.exploratory import with_conditions_across
from sweep.compare.findings import Findings
from sweep.compare.formats import html_table
from sweep.compare.notation import (
    better_text,
    decimals,
    label_on,
    noise_text,
    p_text,
    teachers_differ,
    varying,
)
from sweep.compare.oracles import oracles_text
from sweep.compare.paper import wide_html_table
from sweep.compare.questions import comparison_count, exploratory_count, questions
from sweep.compare.records import SweepRecord
from sweep.compare.scope import scope_of
from sweep.compare.statistics import LEVEL
from sweep.compare.tables import NOTHING, delta_text, rows_of, verdict_text
from sweep.compare.teacher_calls import teacher_calls_text
from sweep.spec.search import Search
from sweep.spec.spec import SweepSpec
from trainers.settings import Training

TEMPLATE = "report.html.j2"
PIXELS_PER_INCH = 128
MOST_FAILURES = 100  # rows shown; the export of trials has all


@dataclass(frozen=True)
class Picture:
    """A figure that was drawn: its file, its width in inches, what it is, how to read it."""

    path: Path
    inches: float
    title: str
    caption: str

    @property
    def pixels(self) -> int:
        """Its width on a page, where a letter of it should be about as large as the text's."""
        return round(PIXELS_PER_INCH * self.inches)

    @property
    def source(self) -> str:
        """The figure as an address that holds it."""
        data = base64.b64encode(self.path.read_bytes()).decode()
        return f"data:image/svg+xml;base64,{data}"


def report(findings: Findings, pictures: Sequence[Picture]) -> str:
    """The page. The same sweep gives the same page: nothing in it tells when it was made."""
    record, table, origin = findings.record, findings.table, findings.origin
    asked, *verdicts = findings.answer
    question, _, how = asked.partition("? ")
    given = [line for line in (clean_labels_text(record), teacher_calls_text(record)) if line]
    asked_of = len(questions(record))
    limits = [line for line in verdicts[asked_of:] if line not in given]
    return _template().render(
        record=record,
        origin=origin,
        question=f"{question}?" if how else question,
        how=how,
        verdicts=verdicts[:asked_of],
        limits=limits,
        given=given,
        wide=Markup(wide_html_table(findings.wide, "interval")),
        differences=Markup(html_table(differences_table(record, table))),
        exploratory=Markup(html_table(with_conditions_across(findings.exploratory)))
        if len(findings.exploratory)
        else "",
        comparison=Markup(html_table(table)),
        pictures=pictures,
        shared=shared_settings(origin.spec),
        fairness=Markup(html_table(findings.fairness.round({"wall_s": 1, "device_s": 1}))),
        cost=Markup(html_table(findings.cost.round(2))),
        shortlist=_if_any(findings.shortlist),
        collapses=_if_any(findings.collapses),
        teachers=_if_any(findings.teachers),
        oracles=_if_any(findings.oracles),
        told_of_oracles=oracles_text(record),
        shortlist_count=len(findings.shortlist),
        failures=Markup(html_table(findings.failures.head(MOST_FAILURES))),
        failure_count=len(findings.failures),
        specs={one.spec.name: _written(one.spec) for one in origin.sweeps},
        level=LEVEL,
        comparisons=comparison_count(record),
        scope=scope_of(record),
        exploratory_differences=exploratory_count(record),
    )


def differences_table(record: SweepRecord, table: pd.DataFrame) -> pd.DataFrame:
    """Every comparison in words and figures, as the terminal shows it."""
    rows = []
    for condition in record.conditions:
        for row in rows_of(table, condition).to_dict("records"):
            if not row["question"]:
                continue
            digits = decimals(row["delta_ci95_high"] - row["delta_ci95_low"])
            shown = {
                **{axis: label_on(condition, axis) for axis in varying(record.conditions)},
                "noise": noise_text(condition, record.conditions),
                "teacher labels": condition.teacher_labels,
                "method": row["method"],
                "against": row["baseline"],
                f"difference [95 % interval], {better_text(record)}": delta_text(row, digits),
                "p": _p(row["p_value"]),
                "p (Holm)": _p(row["p_holm"]),
                "P(better)": NOTHING
                if np.isnan(row["prob_better"])
                else f"{row['prob_better']:.2f}",
                "called": verdict_text(row) or "not called",
            }
            rows.append(shown)
    frame = pd.DataFrame(rows)
    return frame if teachers_differ(record.conditions) else frame.drop(columns="teacher labels")


def shared_settings(spec: SweepSpec) -> dict[str, str]:
    """What the spec made equal for every method, by name."""
    search = spec.search
    ranges = [f"{name} {domain}" for name, domain in _shared_ranges(spec).items()]
    count = f"{search.trials}"
    if search.fair:
        baseline = next(use.label for use in spec.methods if use.baseline)
        count = f"as many as cost what {search.trials} of {baseline} do"
    return {
        "search trials in a cell": f"{count}, asked in generations of {search.generation}"
        " (none where nothing varies)"
        f"{', for every confirm seed anew' if search.per_seed else ''}",
        "shortlist": _shortlist(search),
        "epochs, at most": _epochs(spec.student_training()),
        "sampler": _named(search.sampler.name, search.sampler.parameters()),
        "pruner": _named(search.pruner.name, search.pruner.parameters()),
        "ranges of shared hyperparameters": ", ".join(ranges) or "none is shared",
        "selection": _selection(spec),
        "confirm seeds": f"{spec.confirm.seeds}, the same for every method"
        + (", a fold of a cross-validation each" if spec.confirm.folds else ""),
    }


def _if_any(table: pd.DataFrame) -> str:
    return Markup(html_table(table.round(2))) if len(table) else ""


def _epochs(training: Training) -> str:
    tasks = "" if training.phases == 1 else f" in each of {training.phases} tasks"
    return f"{training.epochs}{tasks}"


def _shortlist(search: Search) -> str:
    """What is tried again before one configuration is confirmed."""
    if search.shortlist == "none":
        return "none: the trial with the best value is confirmed"
    configurations, streams = search.shortlist.configurations, search.shortlist.seeds
    return f"the best {configurations} configurations again on {streams} streams, the best mean"


def _selection(spec: SweepSpec) -> str:
    """Which trial is confirmed, and which epoch of a training counts."""
    metric, epoch = spec.objective_metric.title, spec.selection().epoch
    if epoch == "last":
        return f"trial with the best validation {metric}, last epoch"
    return f"best validation {metric}, trial and epoch"


def _shared_ranges(spec: SweepSpec) -> dict[str, object]:
    """Ranges of hyperparameters that several methods search."""
    spaces = [spec.space_of(use) for use in spec.methods]
    names = dict.fromkeys(name for space in spaces for name in space)
    several = [n for n in names if sum(n in space for space in spaces) > 1]
    return {n: next(space[n] for space in spaces if n in space) for n in several}


def _written(spec: SweepSpec) -> str:
    return yaml.safe_dump(spec.model_dump(mode="json", exclude_none=True), sort_keys=False)


def _named(name: str, parameters: Mapping[str, object]) -> str:
    given = ", ".join(f"{key} {value}" for key, value in parameters.items())
    return f"{name} ({given})" if given else name


def _p(p: float) -> str:
    return NOTHING if np.isnan(p) else p_text(p).removeprefix("= ")


def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(TEMPLATE)
