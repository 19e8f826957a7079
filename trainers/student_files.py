"""Trained students as files: their weights in safetensors, and beside them, as JSON, all else that
it takes to use them. Nothing of a sweep is needed, and nothing is unpickled.

``student.json`` has ``task``, ``network`` (name and sizes), what the task says of its inputs and
outputs (``shape``, ``class_names``, ``preprocessing``, ...), and whatever its writer adds.

Writing them takes no torch: the processes that do it train nothing.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import save

from trainers.own import CodeNotAllowed, OwnCodeError, without_code
from trainers.registry import TASKS
from trainers.settings import DESCRIPTION_FILE, WEIGHTS_FILE, ModelSpec

if TYPE_CHECKING:
    import torch

    from trainers.task import StudentModule

FORMAT = 1
# In the description: the digest of the file of weights.
SUM = "sha256"
# What a description that is no student's gives rise to, in networks and in what tasks make of it.
DESCRIBES_NONE = (
    ValueError, KeyError, TypeError, AttributeError, IndexError, ArithmeticError, RuntimeError,
    MemoryError,
)  # fmt: skip
# A network of the user's own, whose code runs when it is made.
OWN = "module"


class StudentError(ValueError):
    """Files that give no student; the message says why, and the remedy."""


def write_student(
    directory: Path, weights: Mapping[str, NDArray[Any]], description: Mapping[str, Any]
) -> list[Path]:
    """Write a student's two files into ``directory``, which is there."""
    tensors = {name: np.ascontiguousarray(array) for name, array in weights.items()}
    content = save(tensors)
    # Not `save_file`, whose files nobody but their owner can read.
    (directory / WEIGHTS_FILE).write_bytes(content)
    of_weights = hashlib.sha256(content).hexdigest()
    text = json.dumps({"format": FORMAT, SUM: of_weights, **description}, indent=2)
    (directory / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")
    return [directory / WEIGHTS_FILE, directory / DESCRIPTION_FILE]


def describe(directory: str | Path) -> dict[str, Any]:
    """What ``student.json`` of a directory says; StudentError where it is not there or broken."""
    file = Path(directory).expanduser() / DESCRIPTION_FILE
    try:
        description: Any = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise StudentError(
            f"{file}: cannot be read ({error}); name a directory that almkd students wrote"
        ) from None
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise StudentError(f"{file}: is not of format {FORMAT}; write the student again")
    return description


def check_weights(directory: Path, description: Mapping[str, Any]) -> None:
    """StudentError where the weights are not those that the description was written with; it says
    nothing of them where an earlier version wrote it."""
    file = directory / WEIGHTS_FILE
    if (written := description.get(SUM)) is None:
        return
    try:
        with file.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise StudentError(f"{file}: cannot be read ({error})") from None
    if found != written:
        raise StudentError(
            f"{file}: is not what was written (its SHA-256 differs from the one in "
            f"{DESCRIPTION_FILE}); write the student again, or take {SUM} out of there if you "
            "changed its weights"
        )


def load_student(directory: str | Path, allow_code: bool = False) -> "StudentModule":
    """The student that ``almkd students`` wrote into ``directory``, ready to predict.

    A `torch.nn.Module` in evaluation mode that takes raw inputs ``(B, *shape)``, or one alone,
    preprocessing included; of a classifier logits ``(B, C)`` come out, and ``class_names`` has the
    classes. Its ``network`` holds what was trained. ``allow_code``: a network of the user's own
    (``module``) is made by running its code, which has to be importable.

    StudentError where the files are missing or broken, or that code may not run.
    """
    from safetensors.torch import load_file

    place = Path(directory).expanduser()
    description = describe(place)
    student = _made(place, description, allow_code)
    try:
        weights = load_file(place / WEIGHTS_FILE)
    except (OSError, SafetensorError) as error:
        raise StudentError(f"{place / WEIGHTS_FILE}: cannot be read ({error})") from None
    try:
        student.network.load_state_dict(weights)
    except RuntimeError as error:
        raise StudentError(
            f"{place / WEIGHTS_FILE}: these weights are not of the network that "
            f"{DESCRIPTION_FILE} names: {error}"
        ) from None
    check_weights(place, description)
    if wrong := [name for name, tensor in weights.items() if not tensor.isfinite().all()]:
        raise StudentError(
            f"{place / WEIGHTS_FILE}: holds NaN or infinity in {wrong[0]}, from which nothing can "
            "be predicted; write the student again"
        )
    return student.eval()


def _made(place: Path, description: Mapping[str, Any], allow_code: bool) -> "StudentModule":
    """The student with arbitrary weights."""
    try:
        network = description["network"]
        model = ModelSpec(network["name"], network["sizes"])
        if not allow_code and model.name == OWN:
            raise CodeNotAllowed(str(network["sizes"]["path"]))
        if allow_code:
            return TASKS[description["task"]].load().student(model, description)
        with without_code():
            return TASKS[description["task"]].load().student(model, description)
    except CodeNotAllowed as needed:
        raise StudentError(_not_allowed(place, needed.path)) from None
    except OwnCodeError as error:
        raise StudentError(f"{place / DESCRIPTION_FILE}: {error}") from error
    except DESCRIBES_NONE as error:
        raise StudentError(
            f"{place / DESCRIPTION_FILE}: describes no student that can be made "
            f"({type(error).__name__}: {error}); write the student again"
        ) from error


def _not_allowed(place: Path, path: str) -> str:
    return (
        f"{place}: this student is made by code of your own, {path}; if you trust it, allow it to "
        "run (allow_code=True, on the command line --allow-code)"
    )


def plain_weights(weights: "Mapping[str, torch.Tensor]", inside: str) -> dict[str, NDArray[Any]]:
    """A lane's parameters and buffers under the names that the network has without lanes."""
    return {name.removeprefix(inside): tensor.numpy() for name, tensor in weights.items()}
