"""What intervals and p speak of: configurations that one search chose, or methods."""

from sweep.compare.records import SweepRecord

PINNED = "the configurations that the spec pins"


def spoken_of(per_seed: bool = False) -> str:
    """What was trained on every seed; ``per_seed``: whether each seed had a search of its own.

    One search picks one configuration, by one draw of data and weights; how much another would have
    picked a better or a worse one, no number of confirm seeds tells.
    """
    if per_seed:
        return "the methods, each tuned anew in every seed"
    return "the configurations that one search chose"


def scope_of(record: SweepRecord) -> str:
    """What the intervals and p of a record speak of."""
    if not any(record.planned_trials.values()):
        return PINNED
    return spoken_of(record.per_seed)


def scope_text(record: SweepRecord) -> str:
    """The same as a sentence."""
    scope = scope_of(record)
    beyond = {
        spoken_of(): ", not for the methods: another search may choose others",
        PINNED: ", not for the methods",
    }
    return f"Intervals and p hold for {scope}{beyond.get(scope, '')}."
