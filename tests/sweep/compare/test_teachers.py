"""What is said of teachers beside the students."""

from collections.abc import Callable

import pytest

from sweep.compare.answer import answer
from sweep.compare.comparison import comparison_table
from sweep.compare.records import HeardTeacher, SweepRecord
from sweep.compare.teachers import given_teachers_text, teachers_table, worse_teachers_text

Make = Callable[..., SweepRecord]
METHODS = ("fixed_kd", "alm_kd", "cross_entropy")
# What the plain student reaches on the validation split without noise, and with 40 and 60 %.
REACHED = (95.5, 83.5, 68.5)


def _record(make: Make, teacher: HeardTeacher, **changes: object) -> SweepRecord:
    """Every cell but those of the plain student hears that teacher."""

    def values(condition: int, method: str, seed: int) -> float:
        return REACHED[condition] - 0.5

    bare = make(values, methods=METHODS, plain="cross_entropy")
    cells = [c for c, (_, method) in bare.shown.items() if method != "cross_entropy"]
    heard = {cell: (teacher,) for cell in cells}
    return make(values, methods=METHODS, plain="cross_entropy", teachers=heard, **changes)


def _teacher(value: float, given: bool = True, comparable: bool = True) -> HeardTeacher:
    values = (value,) if given else (value - 1, value + 1)
    return HeardTeacher("t.pt" if given else "mlp (hidden 24)", "any", given, values, comparable)


def test_each_is_shown_once_in_a_condition_beside_the_plain_student(make_record: Make) -> None:
    table = teachers_table(_record(make_record, _teacher(90.0, given=False)))
    assert table["teacher"].tolist() == ["mlp (hidden 24)"] * 3
    assert table["validation_accuracy"].tolist() == [90.0] * 3
    assert table["measured"].tolist() == [2] * 3
    assert table["validation_accuracy_plain_student"].tolist() == pytest.approx(REACHED)


def test_a_teacher_worse_than_the_plain_student_is_a_warning(make_record: Make) -> None:
    text = worse_teachers_text(_record(make_record, _teacher(80.0)))
    assert text == (
        "Warning: teachers are worse than the plain student cross_entropy, by their means of "
        "validation accuracy: t.pt at 0 % noise (80 against 95.5) and 40 % noise (80 against "
        "83.5). Who follows them follows a worse network than labels alone give."
    )
    falling = _record(make_record, _teacher(80.0), direction="minimize")
    assert "t.pt at 60 % noise (80 against 68.5)." in worse_teachers_text(falling)


@pytest.mark.parametrize(
    "teacher",
    [_teacher(96.0), _teacher(10.0, comparable=False), HeardTeacher("t", "any", False, (), True)],
)
def test_there_is_no_warning_without_a_ground(make_record: Make, teacher: HeardTeacher) -> None:
    assert worse_teachers_text(_record(make_record, teacher)) == ""


def test_that_one_was_given_is_said_with_the_answer(make_record: Make) -> None:
    record = _record(make_record, _teacher(96.0))
    said = given_teachers_text(record)
    assert said.startswith("t.pt was given and not trained here. Which examples and labels it saw")
    assert said in answer(comparison_table(record, 0), record)
    assert given_teachers_text(_record(make_record, _teacher(96.0, given=False))) == ""
