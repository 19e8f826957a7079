"""What a number of seeds can show: before anything ran, and from the spread seen so far."""

import numpy as np

from sweep.compare import statistics
from sweep.compare.comparison import comparison_count, paired_scores
from sweep.compare.notation import difference_unit
from sweep.compare.records import SweepRecord
from sweep.plan.plan import Plan


def seed_warning(n_seeds: int, n_comparisons: int) -> str:
    """A warning where n_seeds could never show anything; otherwise an empty string."""
    lowest = min(1.0, statistics.smallest_reachable_p(n_seeds) * max(n_comparisons, 1))
    if n_comparisons == 0 or lowest <= statistics.LEVEL:
        return ""
    seeds = "1 seed" if n_seeds == 1 else f"{n_seeds} seeds"
    comparisons = "1 comparison" if n_comparisons == 1 else f"{n_comparisons} comparisons"
    return (
        f"Warning: {seeds} can never show a difference: over {comparisons} the Holm-adjusted p"
        f" cannot go below {lowest:.3g}."
        f" At least {statistics.seeds_needed(n_comparisons)} seeds are needed."
    )


def spreads_seen(record: SweepRecord) -> list[float]:
    """Standard deviations of the paired differences, of every comparison that has some."""
    spreads = {
        (record.cell(condition, method), record.cell(condition, baseline)): statistics.sample_std(
            np.subtract(*paired_scores(record, condition, method, baseline))
        )
        for condition in record.conditions
        for method in record.challengers
        for baseline in record.baselines
    }
    return [spread for spread in spreads.values() if spread > 0.0]


def outlook(record: SweepRecord, n_seeds: int) -> str:
    """Which difference n_seeds could show, from the spread seen so far; empty if none was seen.

    The strictest level is the one that the first of all comparisons has to meet under Holm.
    """
    spreads = spreads_seen(record)
    if not spreads or n_seeds < 2:
        return ""
    spread = float(np.median(spreads))
    count = comparison_count(record)
    unit = difference_unit(record).removeprefix(" in")
    alone = statistics.detectable_difference(spread, n_seeds)
    strictest = statistics.detectable_difference(spread, n_seeds, statistics.LEVEL / count)
    return (
        f"From the spread seen so far (the paired differences of {len(spreads)} of {count}"
        f" comparisons, median standard deviation {spread:.2g}): with {n_seeds} seeds a difference"
        f" of about {alone:.2g}{unit} could be seen by a test alone, of about"
        f" {strictest:.2g} at Holm's strictest step."
    )


def seed_notes(plan: Plan, seen: SweepRecord | None = None) -> list[str]:
    """What the seeds cannot show, and from what was seen so far, what they could."""
    seeds = len(plan.confirm_seeds)
    notes = (seed_warning(seeds, plan.comparisons), outlook(seen, seeds) if seen else "")
    return [note for note in notes if note]
