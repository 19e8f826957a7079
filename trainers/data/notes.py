"""What happened to the examples of a data set on their way, counted."""

from collections import Counter

from trainers.data.errors import counted


class Notes:
    """What happened to things of one kind: by sentence how many there are, and the first of
    them."""

    def __init__(self, what: str, plural: str = "") -> None:
        """``what``: what they are called, one of them and several."""
        self._what = what, plural
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, sentence: str, which: str, count: int = 1) -> None:
        """``sentence`` has ``{}`` for the number of things."""
        if count:
            self._counts[sentence] += count
            self._first.setdefault(sentence, which)

    def told(self, where: object) -> tuple[str, ...]:
        """The sentences, of things ``where``."""
        return tuple(
            f"{where}: {sentence.format(counted(count, *self._what))}"
            f"{', ' if count == 1 else ', the first of them '}{self._first[sentence]}"
            for sentence, count in self._counts.items()
        )
