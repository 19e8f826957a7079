"""What came of the rounds: recoveries by kind of fault, and what was wrong in the stores."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from statistics import median

from tests.chaos_cluster.faults import KINDS
from tests.chaos_cluster.rounds import Round

# Counts of which each has to be 0.
WRONG = (
    "lost", "duplicated", "orphaned", "wrong_states", "broken_curves", "table_differences",
    "not_complete",
)  # fmt: skip


class Tally:
    """Sums over rounds."""

    def __init__(self) -> None:
        self.counts = Counter(dict.fromkeys(("rounds", "planned", "finished", *WRONG), 0))
        self._seconds: dict[str, list[float]] = defaultdict(list)

    @property
    def faults(self) -> int:
        """How many have hit something."""
        return sum(map(len, self._seconds.values()))

    @property
    def is_clean(self) -> bool:
        """Whether all is as it must be."""
        return (
            not any(self.counts[name] for name in WRONG)
            and self.counts["finished"] == self.counts["planned"]
        )

    def add(self, over: Round, left: Mapping[str, int]) -> None:
        """``left``: counts of what the round's sweep left in the stores, and of its table."""
        self.counts.update({**left, "rounds": 1, "not_complete": int(not over.complete)})
        for fault, seconds in over.struck:
            self._seconds[fault.kind].append(seconds)

    def table(self) -> str:
        """Recoveries by kind, in Markdown."""
        lines = ["| fault | times | median | longest |", "|---|---|---|---|"]
        for kind in KINDS:
            if seconds := self._seconds[kind]:
                told = f"{median(seconds):.1f} s | {max(seconds):.1f} s"
                lines.append(f"| {kind} | {len(seconds)} | {told} |")
        return "\n".join(lines)

    def sums(self) -> str:
        """All counts in a line."""
        told = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in self.counts.items())
        return f"faults {self.faults}, {told}"
