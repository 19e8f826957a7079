"""How many teachers' outputs a cell's students read, where that is limited. Pure."""

from dataclasses import dataclass

from sweep.plan.plan import Cell, Plan
from trainers.data.splits import share_of
from trainers.loading import counts

# What is said of a row that asks no teacher.
NONE = "none"
# A column of tables, and a parameter of runs.
TEACHER_CALLS = "teacher_calls"


@dataclass(frozen=True)
class Calls:
    """The outputs that one student may read: of so many training examples (a count where that is
    known before any file is read, else a share of them), each by so many teachers."""

    examples: float
    teachers: int
    counted: bool

    def __str__(self) -> str:
        """ "none", "40", "80 of 2 teachers", "5 % of the training split"."""
        if not self.teachers:
            return NONE
        number = (
            f"{self.examples * self.teachers:.0f}"
            if self.counted
            else f"{100 * self.examples:g} % of the training split"
        )
        if self.teachers == 1:
            return number
        return f"{number} {'of' if self.counted else 'by'} {self.teachers} teachers"


def teacher_calls(cell: Cell) -> Calls | None:
    """What a cell's students may ask; None where that is not limited.

    The clean labels that a row trains on beside are not asked about.
    """
    data = cell.spec.data_settings()
    if data.calls is None:
        return None
    teachers = cell.spec.teachers_of(cell.use)
    found = counts(data)
    # How many examples are an official test part, or a user's training split, only files tell.
    if found is None or data.fractions.test is None or data.fractions.given:
        return Calls(data.calls.share, teachers, counted=False)
    train = share_of(data.fractions.train, found[0])
    return Calls(float(share_of(data.calls.share, train)), teachers, counted=True)


def calls_of(plan: Plan) -> dict[str, str]:
    """The same of every cell in which it is limited, in words, by the cell's name."""
    found = {cell.id: teacher_calls(cell) for cell in plan.cells}
    return {name: str(calls) for name, calls in found.items() if calls is not None}
