"""Which runs of a store count: one of each key, and those alone whose tags say what their key says.

A store is touched by people and by several launches. A run that is there twice counts once, the
first that completed; one whose tags were changed does not count. Both are told of.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from sweep.adapters.mlflow.known import TRAINED_FROM
from sweep.adapters.mlflow.runs import StoredRun
from sweep.compare.records import STAGES, STATES
from sweep.plan.plan import Plan
from sweep.referee.states import ENDED

# What every run has, beside what its key says.
NEEDED = ("sweep", "method", "noise_kind", "noise_rate", "seed", "state", "stage")


@dataclass(frozen=True)
class Counted:
    """The runs of a sweep that count, in the order in which they began, and those that do not."""

    runs: list[StoredRun]
    duplicates: list[StoredRun] = field(default_factory=list)
    unreadable: list[StoredRun] = field(default_factory=list)

    def notices(self, sweep: str) -> list[str]:
        """A line on each kind of run that does not count."""
        said = []
        if self.duplicates:
            said.append(
                f"{sweep}: {len(self.duplicates)} of its runs are in the tracking store twice, as "
                "two launches or the trash leave them; the first that completed counts, and not "
                f"{_ids(self.duplicates)}"
            )
        if self.unreadable:
            runs = "1 run below it lacks tags or has"
            if (count := len(self.unreadable)) > 1:
                runs = f"{count} runs below it lack tags or have"
            said.append(
                f"{sweep}: {runs} others than it wrote: not counted: "
                f"{_ids(self.unreadable)}; put the tags back, or launch the sweep again to have "
                "what is missing made again"
            )
        return said


def counted(plan: Plan, runs: Iterable[StoredRun]) -> Counted:
    """Of runs in the order in which they began."""
    found: dict[str, StoredRun] = {}
    duplicates, unreadable = [], []
    for run in runs:
        if not _is_sound(plan, run):
            unreadable.append(run)
            continue
        before = found.setdefault(run.tags["key"], run)
        if before is run:
            continue
        if _rank(run) < _rank(before):
            found[run.tags["key"]] = run
            duplicates.append(before)
        else:
            duplicates.append(run)
    return Counted(sorted(found.values(), key=lambda run: run.start), duplicates, unreadable)


def _rank(run: StoredRun) -> int:
    """Complete runs before others that ended, and those before the rest."""
    state = run.tags["state"]
    return 0 if state == "complete" else 1 if state in ENDED else 2


def _is_sound(plan: Plan, run: StoredRun) -> bool:
    """Whether a run's tags are there and agree with its key."""
    tags = run.tags
    if "key" not in tags or any(name not in tags for name in NEEDED):
        return False
    if tags["stage"] not in STAGES or tags["state"] not in STATES or not _are_numbers(tags):
        return False
    if tags["stage"] == "teacher":
        return tags["key"].startswith("teacher/")
    try:
        return _says_its_key(plan, tags)
    except (KeyError, ValueError):
        return False


def _are_numbers(tags: dict[str, str]) -> bool:
    try:
        int(tags["seed"]), float(tags["noise_rate"]), int(tags.get(TRAINED_FROM, 0))
    except ValueError:
        return False
    return True


def _says_its_key(plan: Plan, tags: dict[str, str]) -> bool:
    """Whether cell, seed and trial are those of the key; KeyError or ValueError if it has none."""
    word = "trial" if tags["stage"] == "search" else tags["stage"]
    name, _, rest = tags["key"].rpartition(f"/{word}/")
    search, numbers, seed = (
        plan.search(name),
        [int(part) for part in rest.split("/")],
        int(tags["seed"]),
    )
    if tags.get("cell") != search.cell.id or tags["method"] != search.cell.use.label:
        return False
    match tags["stage"]:
        case "search":
            return [int(tags["trial"])] == numbers and seed == search.seed
        case "shortlist":
            return [int(tags["trial"]), int(tags["stream"])] == numbers and seed == search.seed
        case _:
            return numbers[-1] == seed and seed in search.confirmed


def _ids(runs: list[StoredRun]) -> str:
    """The first of them, and how many more."""
    more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
    return f"{runs[0].run_id}{more}"
