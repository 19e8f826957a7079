"""MethodEntry: what the table of methods says of one of them, free of torch."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from trainers.hyperparameters import Hyperparameter, Value

if TYPE_CHECKING:
    from trainers.method import Method

# The fewest and the most teachers that a method reads, by word.
TEACHERS: Mapping[str, tuple[float, float]] = {
    "none": (0, 0),
    "one": (1, 1),
    "several": (2, float("inf")),
    "any": (1, float("inf")),
}


@dataclass(frozen=True)
class MethodEntry:
    """One row of the table.

    ``teachers``: how many its loss reads: none, exactly one, several (two or more) or any number
    from one on. ``uses_meta``: it learns from the meta split. ``lanes``: its trials train side by
    side; where False, one to a cohort. ``teacher_is_student``: its teacher has the student's
    architecture. ``one_teacher_only``: choices, by hyperparameter, that know one teacher alone.
    """

    implementation: str
    summary: str
    source: str
    teachers: Literal["none", "one", "several", "any"]
    uses_meta: bool
    hyperparameters: tuple[Hyperparameter, ...]
    lanes: bool = True
    teacher_is_student: bool = False
    one_teacher_only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def uses_teacher(self) -> bool:
        """Whether its loss reads teacher logits."""
        return self.teachers != "none"

    def teacher_problem(self, count: int, values: Mapping[str, Value]) -> str | None:
        """Why the method cannot train with ``count`` teachers and these hyperparameters, or None.

        A method without teachers ignores those that are there.
        """
        fewest, most = TEACHERS[self.teachers]
        if self.uses_teacher and not fewest <= count <= most:
            reads = {"one": "one teacher", "several": "two teachers or more"}
            wanted = reads.get(self.teachers, "at least one teacher")
            return f"reads {wanted}, but there are {count}; give it as many"
        for name, words in self.one_teacher_only.items():
            value = values.get(name, self.hyperparameter(name).default)
            if count > 1 and value in words:
                others = [c for c in self.hyperparameter(name).choices if c not in words]
                return (
                    f"{name}: {value!r} mixes the label with one teacher, but there are {count}; "
                    f"choose {' or '.join(others)}"
                )
        return None

    def hyperparameter(self, name: str) -> Hyperparameter:
        """The hyperparameter of that name; KeyError if the method has none."""
        return {h.name: h for h in self.hyperparameters}[name]

    def load(self) -> "type[Method]":
        """The class that trains by this method."""
        module, _, name = self.implementation.partition(":")
        loaded: type[Method] = getattr(importlib.import_module(module), name)
        return loaded
