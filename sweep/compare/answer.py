"""The sweep's question and its answer in words, made from the comparison and nothing else."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from sweep.compare import statistics
from sweep.compare.clean_labels import clean_labels_text
from sweep.compare.comparison import paired_scores
from sweep.compare.contained import below_contained
from sweep.compare.cost import equal_compute, unlike_costs
from sweep.compare.fairness import ended_early, known_first, trained_alike
from sweep.compare.notation import (
    better_text,
    condition_text,
    counted,
    decimals,
    difference_unit,
    listed,
    p_text,
    rate_text,
    varying,
)
from sweep.compare.oracles import copying_oracles_text
from sweep.compare.outlook import seed_warning
from sweep.compare.pairing import paired_over, pairing_text
from sweep.compare.power import POWER, detectable_difference
from sweep.compare.questions import Pair, comparison_count, exploratory_count, questions
from sweep.compare.records import SweepRecord
from sweep.compare.scope import scope_text
from sweep.compare.statistics import Floats
from sweep.compare.tables import rows_of
from sweep.compare.teacher_calls import teacher_calls_text
from sweep.compare.teachers import given_teachers_text, worse_teachers_text
from sweep.plan.plan import Condition

MOST_LISTED = 4  # places in a sentence; more are only counted
CALLED_IN = f"would be called in {100 * POWER:g} % of cases"


def answer(table: pd.DataFrame, record: SweepRecord) -> list[str]:
    """The question, one line for each pair of rows that it is about, and what limits the answer.

    `table` is the record's comparison table. A place where too few of the planned seeds have
    finished is "not known", which is not the same as a difference that was looked for in vain.
    """
    asked = questions(record)
    if not asked:
        return ["Nothing is compared: every method of the sweep is a baseline."]
    verdicts = [_verdict(table, record, pair, conditions) for pair, conditions in asked.items()]
    limits = (
        pairing_text(record),
        _exploratory(record),
        seed_warning(len(record.confirm_seeds), comparison_count(record)),
        _missing_runs(table, record),
        equal_compute(record),
        _budgets(table, record),
        *ended_early(record),
        known_first(record),
        trained_alike(record),
        unlike_costs(record),
        *below_contained(record),
        clean_labels_text(record),
        teacher_calls_text(record),
        *record.notices,
        given_teachers_text(record),
        worse_teachers_text(record),
        copying_oracles_text(record),
    )
    return [_question(record, list(asked)), *verdicts, *filter(None, limits)]


def _question(record: SweepRecord, asked: Sequence[Pair]) -> str:
    """What is asked, and what the figures in the lines below are."""
    kinds = list(dict.fromkeys(c.noise_kind for c in record.conditions if c.noise_rate > 0.0))
    rates = {c.noise_rate for c in record.conditions}
    # Where it is the same everywhere, and conditions differ in something else, it stands here.
    rate = f"{rate_text(rates.pop())} " if varying(record.conditions) and len(rates) == 1 else ""
    noise = f" under {rate}{listed(kinds)} noise" if kinds else ""
    what = "baseline" if record.declared is None else "what it is compared with"
    return (
        f"{_who_beats_whom(asked)} on {record.dataset}"
        f"{noise}? Differences are method minus {what} in test {record.metric.replace('_', ' ')}"
        f"{difference_unit(record)} ({better_text(record)}), paired over"
        f" {paired_over(record)}, with [95 % interval] and Holm-adjusted p."
        f" {scope_text(record)}"
    )


def _who_beats_whom(asked: Sequence[Pair]) -> str:
    """ "Do a and b beat c", "Does a beat c and b, and does b beat c"."""
    opponents: dict[str, tuple[str, ...]] = {}
    for row, other in asked:
        opponents[row] = (*opponents.get(row, ()), other)
    rows: dict[tuple[str, ...], list[str]] = {}
    for row, others in opponents.items():
        rows.setdefault(others, []).append(row)
    parts = [
        f"{'does' if len(these) == 1 else 'do'} {listed(these)} beat {listed(others)}"
        for others, these in rows.items()
    ]
    text = ", and ".join(parts)
    return text[0].upper() + text[1:]


def _exploratory(record: SweepRecord) -> str:
    """That what was not declared is not tested; empty where all was."""
    declared, count = comparison_count(record), exploratory_count(record)
    if not count:
        return ""
    tested = f"{counted(declared, 'comparison')} {'is' if declared == 1 else 'are'} declared"
    others = "difference of the table is" if count == 1 else f"{count} differences of the table are"
    return (
        f"{tested}; the other {others} exploratory: shown with intervals, not tested, and nothing"
        " is called."
    )


def _verdict(
    table: pd.DataFrame, record: SweepRecord, pair: Pair, conditions: Sequence[Condition]
) -> str:
    """One line on one method against another, over the conditions in which that is declared."""
    method, baseline = pair
    places: dict[str, list[str]] = {"better": [], "worse": [], "level": [], "unknown": []}
    for condition in conditions:
        outcome, text = _place(table, record, condition, pair)
        places[outcome].append(text)
    beginnings = {
        "better": f"{method} beats {baseline}",
        "worse": f"{method} is worse than {baseline}",
        "level": "No difference is called",
        "unknown": "Not known",
    }
    sentences = [
        f"{beginnings[outcome]} {_listing(outcome, there, len(conditions))}."
        for outcome, there in places.items()
        if there
    ]
    sentences = [f"{s} Smaller ones may go unseen." if CALLED_IN in s else s for s in sentences]
    if not places["better"]:
        where = "anywhere" if len(conditions) == len(record.conditions) else "where that is asked"
        sentences.insert(0, f"{method} is not shown to beat {baseline} {where}.")
    return " ".join(sentences)


def _listing(outcome: str, places: Sequence[str], n_conditions: int) -> str:
    """Places with their figures; counted where they are many. Where a method wins is never cut."""
    if outcome == "better" or len(places) <= MOST_LISTED:
        return f"at {listed(places)}"
    return f"in {len(places)} of {n_conditions} conditions (figures in the table)"


def _place(
    table: pd.DataFrame, record: SweepRecord, condition: Condition, methods: tuple[str, str]
) -> tuple[str, str]:
    """How a method fares against a baseline in one condition: (outcome, condition and figures)."""
    method, baseline = methods
    rows = rows_of(table, condition)
    row = rows[(rows["method"] == method) & (rows["baseline"] == baseline)].iloc[0].to_dict()
    a, b = paired_scores(record, condition, method, baseline)
    outcome = _outcome(row, len(a), record)
    if outcome == "unknown":
        figures = f"{len(a)} of {len(record.confirm_seeds)} seeds finished by both"
    else:
        figures = _figures(row, a - b, record)
    return outcome, f"{condition_text(condition, record)} ({figures})"


def _outcome(row: Mapping[Any, Any], n_pairs: int, record: SweepRecord) -> str:
    """better, worse, level or unknown; unknown where missing seeds are what stands in the way."""
    if row["called"]:
        return str(row["called"])
    can_show = _can_show(n_pairs, record)
    missing = n_pairs < len(record.confirm_seeds)
    return "unknown" if n_pairs == 0 or (missing and not can_show) else "level"


def _can_show(n_pairs: int, record: SweepRecord) -> bool:
    return n_pairs >= statistics.seeds_needed(comparison_count(record))


def _figures(row: Mapping[Any, Any], differences: Floats, record: SweepRecord) -> str:
    """By how much, how sure, and which difference would have been called."""
    low, high, n_pairs = row["delta_ci95_low"], row["delta_ci95_high"], len(differences)
    digits = decimals(high - low)
    delta = f"{row['delta']:+z.{digits}f}"
    interval = f" [{low:+z.{digits}f}, {high:+z.{digits}f}]" if n_pairs > 1 else ""
    parts = [f"{delta}{interval}", f"p {p_text(row['p_holm'])}"]
    if n_pairs < len(record.confirm_seeds):
        parts.append(f"{n_pairs} of {len(record.confirm_seeds)} seeds")
    spread = statistics.sample_std(differences)
    if not row["called"] and _can_show(n_pairs, record) and spread > 0.0:
        found = spread * detectable_difference(n_pairs, comparison_count(record))
        parts.append(f"a true one of about {found:.2g} {CALLED_IN}")
    return ", ".join(parts)


def _missing_runs(table: pd.DataFrame, record: SweepRecord) -> str:
    """How many planned confirm runs the means lack, and why; empty where none."""
    cells = _distinct(table, record)
    planned = len(cells) * len(record.confirm_seeds)
    failed = int(cells["n_failed_seeds"].sum())
    unfinished = planned - int(cells["n_seeds"].sum()) - failed
    reasons = [f"{failed} failed"] * (failed > 0) + [f"{unfinished} not finished"] * (
        unfinished > 0
    )
    if not reasons:
        return ""
    return f"Missing from the means, of {counted(planned, 'confirm run')}: {listed(reasons)}."


def _budgets(table: pd.DataFrame, record: SweepRecord) -> str:
    """Where methods were not searched alike; empty where they were."""
    cells = _distinct(table, record)
    per_method = cells.groupby("method", sort=False)["n_trials"].agg(["min", "max"])
    planned = [record.planned(condition, method) for condition, method in record.shown.values()]
    as_planned = bool(record.allotted) and list(cells["n_trials"]) == planned
    if as_planned or per_method["min"].min() == per_method["max"].max():
        return ""
    of: dict[object, list[int]] = {}
    for method, count in zip(cells["method"], planned, strict=True):
        of.setdefault(method, []).append(count)
    ranges = [
        f"{method} {_range(int(row['min']), int(row['max']))}"
        f" of {_range(min(of[method]), max(of[method]))} planned"
        for method, row in per_method.iterrows()
    ]
    return f"Search budgets differ (trials in each cell): {', '.join(ranges)}."


def _distinct(table: pd.DataFrame, record: SweepRecord) -> pd.DataFrame:
    """One row for each cell."""
    rows = []
    for condition, method in record.shown.values():
        here = rows_of(table, condition)
        rows.append(here[here["method"] == method].iloc[:1])
    return pd.concat(rows)


def _range(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"
