"""What a number of seeds can show: before anything ran, and from the spread seen so far."""

import numpy as np

from sweep.compare import statistics
from sweep.compare.comparison import paired_scores
from sweep.compare.notation import counted, difference_unit
from sweep.compare.power import POWER, detectable_difference
from sweep.compare.questions import comparison_count, questions
from sweep.compare.records import SweepRecord
from sweep.plan.clean_labels import unequal_note
from sweep.plan.plan import Plan


def seed_warning(n_seeds: int, n_comparisons: int) -> str:
    """A warning where n_seeds could never show anything; otherwise an empty string."""
    lowest = min(1.0, statistics.smallest_reachable_p(n_seeds) * max(n_comparisons, 1))
    if n_comparisons == 0 or lowest <= statistics.LEVEL:
        return ""
    return (
        f"Warning: {counted(n_seeds, 'seed')} can never show a difference: over"
        f" {counted(n_comparisons, 'comparison')} the Holm-adjusted p cannot go below {lowest:.3g}."
        f" At least {statistics.seeds_needed(n_comparisons)} seeds are needed."
    )


def spreads_seen(record: SweepRecord) -> list[float]:
    """Standard deviations of the paired differences, of every declared comparison that has some."""
    spreads = {
        (record.cell(condition, method), record.cell(condition, other)): statistics.sample_std(
            np.subtract(*paired_scores(record, condition, method, other))
        )
        for (method, other), conditions in questions(record).items()
        for condition in conditions
    }
    return [spread for spread in spreads.values() if spread > 0.0]


def outlook(record: SweepRecord, n_seeds: int) -> str:
    """Which difference n_seeds would show, from the spread seen so far; empty if none was seen.

    At Holm's first step, which the smallest p of all comparisons has to pass.
    """
    spreads, count = spreads_seen(record), comparison_count(record)
    if not spreads or n_seeds < statistics.seeds_needed(count):
        return ""
    spread = float(np.median(spreads))
    unit = difference_unit(record).removeprefix(" in")
    called = spread * detectable_difference(n_seeds, count)
    return (
        f"From the spread seen so far (the paired differences of {len(spreads)} of"
        f" {counted(count, 'comparison')}, median standard deviation {spread:.2g}): with"
        f" {counted(n_seeds, 'seed')} a true difference of about {called:.2g}{unit} is called in"
        f" {100 * POWER:g} % of cases at Holm's first step; smaller ones may go unseen."
    )


def reach(n_seeds: int, n_comparisons: int) -> str:
    """Which difference n_seeds can show, before any spread was seen."""
    if n_comparisons == 0:
        return "nothing is compared"
    called = detectable_difference(n_seeds, n_comparisons)
    if np.isinf(called):
        return "with so few seeds no true difference is ever called, however large"
    return (
        f"a true difference of {called:.2f} standard deviations of the paired differences is called"
        f" in {100 * POWER:g} % of cases (the first of {counted(n_comparisons, 'comparison')} under"
        " Holm); smaller ones may go unseen"
    )


def notes(plan: Plan, seen: SweepRecord | None = None) -> list[str]:
    """What limits the answer of a sweep that is planned."""
    return [*seed_notes(plan, seen), *filter(None, [unequal_note(plan)])]


def seed_notes(plan: Plan, seen: SweepRecord | None = None) -> list[str]:
    """What the seeds cannot show, and from what was seen so far, what they could."""
    seeds = len(plan.confirm_seeds)
    notes = (seed_warning(seeds, plan.comparisons), outlook(seen, seeds) if seen else "")
    return [note for note in notes if note]
