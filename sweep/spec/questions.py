"""What a sweep declares that it asks: row against row, in which conditions.

compare:
  questions:
    - {row: alm_kd, against: fixed_kd, where: {noise_rate: [0.4, 0.6], clean: 0.05}}
"""

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from sweep.errors import unknown
from sweep.spec.fields import Sparing
from trainers.fields import FieldError

# What sets a condition apart, by the column of tables that shows it.
Columns = Mapping[str, str | float]
FIELD = "compare.questions"


class Question(Sparing):
    """A row against another. ``where``: column -> its value or values; by default anywhere."""

    row: str
    against: str
    where: dict[str, Any] | None = None

    def asks_about(self, columns: Columns) -> bool:
        """Whether the condition with these columns is one of those that it is about."""
        return all(
            any(_is(value, columns[name]) for value in _listed(values))
            for name, values in (self.where or {}).items()
        )


def check_questions(
    questions: Sequence[Question],
    labels: Sequence[str],
    columns: Mapping[str, Sequence[str | float]],
) -> None:
    """FieldError where a question is about no rows or conditions of the sweep, or asked twice.

    ``labels``: of the rows; ``columns``: the values that conditions have in each column, of which
    every combination is a condition.
    """
    if not questions:
        raise FieldError(
            FIELD, "is empty; name a question, or drop it to compare every row with every baseline"
        )
    conditions = [dict(zip(columns, values, strict=True)) for values in product(*columns.values())]
    asked: dict[tuple[frozenset[str], int], int] = {}
    for place, question in enumerate(questions):
        _check_rows(question, labels, f"{FIELD}.{place}")
        _check_where(question, columns, f"{FIELD}.{place}.where")
        rows = frozenset({question.row, question.against})
        for number, condition in enumerate(conditions):
            if not question.asks_about(condition):
                continue
            before = asked.setdefault((rows, number), place)
            if before != place:
                where = ", ".join(f"{name} {_text(value)}" for name, value in condition.items())
                raise FieldError(
                    f"{FIELD}.{place}", f"compares {question.row} and {question.against} at "
                    f"{where}, and so does {FIELD}.{before}; narrow one of them by where"
                )  # fmt: skip


def _check_rows(question: Question, labels: Sequence[str], where: str) -> None:
    for name, label in (("row", question.row), ("against", question.against)):
        if label not in labels:
            raise FieldError(f"{where}.{name}", unknown("row of this sweep", label, labels))
    if question.row == question.against:
        raise FieldError(f"{where}.against", f"is {question.row!r} itself; name another row")


def _check_where(
    question: Question, columns: Mapping[str, Sequence[str | float]], where: str
) -> None:
    for name, values in (question.where or {}).items():
        if name not in columns:
            raise FieldError(f"{where}.{name}", unknown("column of conditions", name, columns))
        there = ", ".join(map(_text, columns[name]))
        if not _listed(values):
            raise FieldError(
                f"{where}.{name}", f"names no value, so nothing is asked; take of {there}, or drop "
                f"{name} to ask about all"
            )  # fmt: skip
        for value in _listed(values):
            if not any(_is(value, known) for known in columns[name]):
                raise FieldError(
                    f"{where}.{name}", f"{value!r}: no condition has it; take of {there}"
                )


def _listed(values: Any) -> Sequence[Any]:
    return values if isinstance(values, list | tuple) else [values]


def _is(value: Any, known: str | float) -> bool:
    """Whether a value as it was written is that of a column; numbers also as text."""
    if isinstance(known, str) or isinstance(value, bool):
        return str(value) == known
    try:
        return float(value) == known
    except (TypeError, ValueError):
        return False


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:g}"
