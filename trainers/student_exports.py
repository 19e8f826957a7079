"""Students in forms that run without this project: torch's export, ONNX.

B examples. What goes in is raw, preprocessing is part of what is written.
"""

import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from trainers.student_files import StudentError
from trainers.task import StudentModule

INPUTS, LOGITS = "inputs", "logits"
# In the batch that a network is traced with: more than one, as one is taken for a fixed size.
TRACED = 2


def to_torch_export(student: StudentModule, path: Path) -> None:
    """Write what `torch.export.load` reads; its ``module()`` takes (B, ...) of the
    student's ``input_dtype``."""
    example, sizes = _example(student)
    torch.export.save(torch.export.export(student, example, dynamic_shapes=sizes), path)


def to_onnx(student: StudentModule, path: Path) -> None:
    """Write an ONNX file: ``inputs`` (B, ...) of the student's ``input_dtype`` to ``logits``.

    StudentError where the packages for it are not installed.
    """
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise StudentError(
            f"ONNX needs a package that is not installed ({error}); pip install 'almkd[onnx]'"
        ) from None
    example, sizes = _example(student)
    with _quiet():
        torch.onnx.export(
            student,
            example,
            str(path),
            dynamo=True,
            dynamic_shapes=sizes,
            input_names=[INPUTS],
            output_names=[LOGITS],
            external_data=False,
            verbose=False,
        )


# By format: the file's name, and what writes it.
EXPORTS: Mapping[str, tuple[str, Callable[[StudentModule, Path], None]]] = {
    "torch-export": ("student.pt2", to_torch_export),
    "onnx": ("student.onnx", to_onnx),
}


def _example(student: StudentModule) -> tuple[tuple[Tensor], tuple[dict[int, object]]]:
    """A batch to trace with, and which of its sizes may differ."""
    batch = torch.zeros(TRACED, *student.shape, dtype=student.input_dtype)
    return (batch,), ({0: torch.export.Dim("examples")},)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter says of packages that no student needs."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
