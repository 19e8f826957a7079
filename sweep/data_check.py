"""A look at the data of a sweep, before anything starts: what was read, and what may be wrong."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep.plan.content import described
from sweep.plan.plan import Plan
from trainers.data.dataset import Dataset
from trainers.data.inspection import Inspection
from trainers.data.splits import STREAM
from trainers.lanes.seeds import numpy_generator
from trainers.loading import content_key, inspect


@dataclass(frozen=True)
class Checked:
    """One data set as a sweep splits it under the seed of a search; ``what``: it in words.

    ``given``: what names its splits; empty where they are drawn.
    """

    what: str
    seed: int
    found: Inspection
    given: str = ""

    @property
    def how(self) -> str:
        """By what it is split."""
        return f"by {self.given}, under every seed" if self.given else f"by the seed {self.seed}"

    def as_data(self) -> dict[str, Any]:
        """In plain values, as JSON holds them."""
        return {
            "data_set": self.what,
            "seed": self.seed,
            **({"splits_given_by": self.given} if self.given else {}),
            **self.found.facts,
            **({"by_class": list(self.found.classes)} if self.found.classes else {}),
            "warnings": list(self.found.warnings),
        }


def remarks(datasets: Mapping[str, Dataset]) -> list[str]:
    """What the readers of data sets have to say, each sentence once."""
    return list(
        dict.fromkeys(remark for dataset in datasets.values() for remark in dataset.info.remarks)
    )


def checked(plan: Plan, datasets: Mapping[str, Dataset]) -> list[Checked]:
    """Every data set of a sweep, by content key, in every way in which it is split."""
    found: dict[tuple[object, ...], Checked] = {}
    for cell in plan.cells:
        settings, seed = cell.spec.data_settings(), plan.searches_of(cell)[0].seed
        key = content_key(settings)
        known = (key, settings.fractions, seed)
        if known not in found:
            rng = numpy_generator(seed, STREAM)
            seen, given = inspect(datasets[key], settings, rng), settings.fractions.given
            found[known] = Checked(described(key), seed, seen, str(given or ""))
    return list(found.values())


def as_text(name: str, found: Sequence[Checked]) -> Iterator[str]:
    """Lines on the data of a sweep, for people."""
    for one in found:
        yield f"{one.what}, split {one.how}"
        facts = {key.replace("_", " "): _text(key, value) for key, value in one.found.facts.items()}
        wide = max(map(len, facts))
        for name_of, text in facts.items():
            yield f"  {name_of:<{wide}}  {text}"
        yield from _table(one.found.classes)
        for warning in one.found.warnings:
            yield f"warning: {warning}"
        yield ""
    warnings = sum(len(one.found.warnings) for one in found)
    yield f"{name}: nothing wrong" + (f", {warnings} to look at" if warnings else "")


def _text(key: str, value: Any) -> str:
    """A fact in words; of counts by name those that are not zero."""
    if isinstance(value, Mapping):
        counts = {name: count for name, count in value.items() if count}
        told = [f"{count} {name.replace('_', ' ')}" for name, count in counts.items()]
        return ", ".join(told) or "none"
    if isinstance(value, list):
        return (" to " if key.endswith("range") else " x ").join(f"{part:.6g}" for part in value)
    if key.endswith("share"):
        return f"{100 * value:.1f} %"
    return str(value or "none")


def _table(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each class below the names of the columns, numbers to the right."""
    if not rows:
        return
    columns = list(rows[0])
    wide = {c: max(len(c), *(len(str(row[c])) for row in rows)) for c in columns}
    right = {c: all(isinstance(row[c], int) for row in rows) for c in columns}
    for row in ({c: c for c in columns}, *rows):
        cells = [f"{row[c]!s:{'>' if right[c] else '<'}{wide[c]}}" for c in columns]
        yield f"  {'  '.join(cells)}".rstrip()
