"""What became of all cases, counted by the kind of file."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from tests.fuzz.worker import Finding

RIGHT = ("refused", "read")
WRONG = ("traceback", "hang", "memory", "outside", "wrong")
COLUMNS = (
    "file", "cases", "still whole", "reached content", "refused", "read", "tracebacks", "hangs",
    "over memory", "written outside", "wrong",
)  # fmt: skip


class Counts:
    """Of cases as they end."""

    def __init__(self, formats: Sequence[str]) -> None:
        self._formats = formats
        self._of: dict[str, Counter[str]] = defaultdict(Counter)
        # The most memory that one took, in bytes, and the longest time, in seconds.
        self.most, self.longest = 0, 0.0

    def add(self, found: Finding) -> None:
        counts = self._of[found.case.format]
        counts["cases"] += 1
        counts["whole"] += found.whole
        counts["reached"] += found.reached
        counts[found.outcome] += 1
        self.most = max(self.most, found.grown)
        self.longest = max(self.longest, found.seconds)

    @property
    def total(self) -> int:
        """Cases so far."""
        return sum(counts["cases"] for counts in self._of.values())

    @property
    def wrong(self) -> int:
        """Those that must not be."""
        return sum(counts[outcome] for counts in self._of.values() for outcome in WRONG)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """The cells of the table below its head, the sums last."""
        names = ("cases", "whole", "reached", *RIGHT, *WRONG)
        sums: Counter[str] = Counter()
        for name in self._formats:
            if counts := self._of.get(name):
                sums += counts
                yield (name, *(str(counts[column]) for column in names))
        yield ("all", *(str(sums[column]) for column in names))


def as_text(counts: Counts) -> str:
    """The table in Markdown."""
    lines = [COLUMNS, ("---", *("---:" for _ in COLUMNS[1:])), *counts.rows()]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
