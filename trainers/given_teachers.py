"""Teachers that a user brings, from files: the weights of a network, or its outputs.

Of a file nothing but tensors, arrays and plain values is read. What does not fit the network or the
data set is refused with a list of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from trainers.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.loading import rows_of_part
from trainers.registry import TASKS
from trainers.settings import DESCRIPTION_FILE, WEIGHTS_FILE, DataSpec, ModelSpec
from trainers.student_files import OWN, StudentError, check_weights, describe
from trainers.task import GivenTeacher, Task

# Where checkpoints keep the weights of a network beside other things.
NESTED = ("state_dict", "model_state_dict", "model", "network", "net", "teacher", "weights")
# Counts the batches that batch normalisation has seen; nothing is computed from it here.
COUNTER = "num_batches_tracked"
SHOWN = 3  # of a list of names in a message
REMEDY = (
    "save the state_dict of that very network, or name the network that they are of, your own as "
    "{name: module, path: …}"
)


def given_weights(file: Path, model: ModelSpec, dataset: Dataset, data: DataSpec) -> GivenTeacher:
    """A network by its weights: a file of safetensors or of torch.save, or a directory that ``almkd
    students`` wrote.

    DataError, listing what does not fit, where they are not those of ``model`` for such examples.
    """
    entry = TASKS[data.task]
    task, whole = entry.load(), entry.networks[model.name].complete(model)
    _check_description(file, task, whole, dataset)
    weights = _read(file / WEIGHTS_FILE if file.is_dir() else file)
    try:
        network = task.student(whole, task.facts(dataset)).network
    except Exception as error:
        raise DataError(
            f"{model.name}: cannot be made for the weights of {file}: {type(error).__name__}: "
            f"{error}"
        ) from error
    return GivenTeacher(weights=fitted(weights, network, f"{file}", model.name))


def given_outputs(file: Path, dataset: Dataset, data: DataSpec) -> GivenTeacher:
    """A network by its outputs for every example of a data set, in its order.

    Where the data set is a part of one, they may be for all of that. DataError where they are not.
    """
    outputs = TASKS[data.task].load().outputs_of_file(file, dataset)
    (examples,) = {len(array) for array in outputs.values()}
    if examples == len(dataset):
        return GivenTeacher(outputs=outputs)
    part = rows_of_part(data)
    if part and examples == part[1]:
        return GivenTeacher(outputs={name: array[part[0]] for name, array in outputs.items()})
    or_whole = f", or {part[1]}, as many as the whole of it," if part else ""
    raise DataError(
        f"{file}: holds outputs for {examples} examples; {data.dataset} has {len(dataset)}"
        f"{or_whole} and needs a row for each, in the order of the data set"
    )


def fitted(
    weights: Mapping[str, Tensor], network: nn.Module, file: str, model: str
) -> dict[str, NDArray[Any]]:
    """Weights as arrays by the names of ``network``, once what all names begin with is gone.

    DataError, with what is missing, unexpected or of another shape, where they are not its own.
    """
    own = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    # A parameter that stands in two places has two names there, and buffers may be left out.
    known = network.state_dict().keys() | own.keys()
    needed = [n for n in network.state_dict() if n in own and not n.endswith(COUNTER)]
    prefix = _prefix(weights, set(needed))
    inside = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
    problems = {
        "missing": [name for name in needed if name not in inside],
        "unexpected": [
            name
            for name in weights
            if not (name.startswith(prefix) and name.removeprefix(prefix) in known)
            and not name.endswith(COUNTER)
        ],
        "of another shape": [
            f"{name} {_shape(inside[name])} in place of {_shape(own[name])}"
            for name in needed
            if name in inside and inside[name].shape != own[name].shape
        ],
        "not finite": [n for n in needed if n in inside and not inside[n].isfinite().all()],
    }
    if found := [_listed(what, names) for what, names in problems.items() if names]:
        raise DataError(f"{file}: is not of the network {model}: {'; '.join(found)}. {REMEDY}")
    taken = {name: inside[name] for name in own if name in inside}
    return {name: t.detach().to(own[name].dtype).contiguous().numpy() for name, t in taken.items()}


def _prefix(names: Iterable[str], needed: set[str]) -> str:
    """What most names begin with that end in one that is needed, such as ``module.``."""
    counts: dict[str, int] = {}
    for name in names:
        parts = name.split(".")
        for place in range(len(parts)):
            if ".".join(parts[place:]) in needed:
                prefix = name.removesuffix(".".join(parts[place:]))
                counts[prefix] = counts.get(prefix, 0) + 1
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix)), default="")


def _listed(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{what}: {', '.join(names[:SHOWN])}{more}"


def _shape(tensor: Tensor) -> str:
    return f"({', '.join(map(str, tensor.shape))})"


def _read(file: Path) -> dict[str, Tensor]:
    """The tensors of a file, by name."""
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        content = torch.load(file, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{file}: cannot be read: {error}") from None
    except Exception as error:  # noqa: BLE001 - whatever a file of another making gives rise to
        raise DataError(
            f"{file}: cannot be read as weights alone ({type(error).__name__}); code in it is not "
            "run: save model.state_dict() by torch.save, or as safetensors"
        ) from None
    return _state_dict(file, content)


def _state_dict(file: Path, content: object) -> dict[str, Tensor]:
    """The weights among what a file of torch.save holds."""
    content = content if isinstance(content, Mapping) else {}
    nested = {key: found for key, value in content.items() if (found := _tensors(value))}
    for key in NESTED:
        if key in nested:
            return nested[key]
    if own := _tensors(content):
        return own
    if len(nested) == 1:
        return next(iter(nested.values()))
    among = f" but several under {', '.join(map(str, nested))}" if nested else ""
    raise DataError(
        f"{file}: holds no weights by name{among}; save model.state_dict() alone, by torch.save or "
        "as safetensors"
    )


def _tensors(value: object) -> dict[str, Tensor]:
    """The tensors that a mapping holds by name."""
    items = value.items() if isinstance(value, Mapping) else ()
    return {name: t for name, t in items if isinstance(name, str) and isinstance(t, Tensor)}


def _check_description(file: Path, task: Task, model: ModelSpec, dataset: Dataset) -> None:
    """DataError where the student that a file is of was trained on other inputs or classes."""
    place = file if file.is_dir() else file.parent
    is_student = file.is_dir() or file.name == WEIGHTS_FILE
    if not is_student or not (place / DESCRIPTION_FILE).is_file():
        return
    try:
        told = describe(place)
        check_weights(place, told)
    except StudentError as error:
        raise DataError(str(error)) from None
    for what, here in task.facts(dataset).items():
        if told.get(what, here) != here:
            raise DataError(
                f"{place / DESCRIPTION_FILE}: is of a student whose {what.replace('_', ' ')} is "
                f"{told[what]}, and here it is {here}; take a teacher for the same inputs and "
                "classes"
            )
    network = told.get("network", {}).get("name", model.name)
    if network != model.name and OWN not in (network, model.name):
        raise DataError(
            f"{place / DESCRIPTION_FILE}: is of the network {network}, and the teacher's model is "
            f"{model.name}; name that network, with its sizes {told['network'].get('sizes')}"
        )
