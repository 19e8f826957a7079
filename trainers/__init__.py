"""How a student is trained: torch and numpy only, no knowledge of what schedules it."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainers.task import StudentModule

# MKL picks its kernel by the address a matrix starts at, so that the same trial would differ in
# the last bits between one place in a stack of lanes and another. AUTO keeps the fast kernels and
# drops that choice; it is read at MKL's first call, hence set before torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")


def load_student(directory: str | Path, allow_code: bool = False) -> "StudentModule":
    """A trained student as a `torch.nn.Module`: `trainers.student_files.load_student`."""
    from trainers import student_files

    return student_files.load_student(directory, allow_code)
