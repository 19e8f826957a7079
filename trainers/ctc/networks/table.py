"""NETWORKS: every student and teacher of the task by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping
from typing import Any

from trainers.ctc.data.dataset import output_frames
from trainers.entries import COPIES_OF_PARAMETERS, NetworkEntry
from trainers.fields import Field
from trainers.settings import ModelSpec
from trainers.transformer import problem as heads_problem

FLOAT = 4  # bytes
# Numbers touched for each that a layer gives: before and after what follows it, and the gradient.
TOUCHED = 6
DIRECTIONS, GATES = 2, 3  # of recurrent units
# Of attention to the target: what a frame asks for, and what it makes of the answer. What is made
# of the labels is left out: they are few.
MAPS_OF_FRAME = 2


def _size(name: str, default: int, meaning: str, unit: str = "") -> Field:
    return Field(name, "int", default, meaning, "own", unit=unit, low=1)


KERNEL = _size("kernel", 5, "frames that a convolution looks at", "frames")


def _odd(sizes: Mapping[str, Any]) -> str | None:
    if sizes["kernel"] % 2:
        return None
    return f"kernel {sizes['kernel']} has no middle; make it odd"


def _oracle_problem(sizes: Mapping[str, Any]) -> str | None:
    if sizes["layers"] < 2:
        return "layers 1 cannot be before and behind the target; make it 2 at least"
    return _odd(sizes) or heads_problem(sizes)


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    frames, numbers = shape
    parameters = _parameters(model.sizes, numbers)
    of_frame = model.sizes["layers"] * model.sizes["width"] * (model.sizes["kernel"] + TOUCHED)
    given = batch_size * output_frames(frames) * of_frame
    touched: int = FLOAT * (COPIES_OF_PARAMETERS * parameters + given)
    return touched


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of the layers: the last one is left out."""
    frames, numbers = shape
    of_layers: int = output_frames(frames) * _parameters(model.sizes, numbers)
    return of_layers


def _parameters(sizes: Mapping[str, Any], numbers: int) -> int:
    width, kernel = sizes["width"], sizes["kernel"]
    count: int = kernel * width * (numbers + (sizes["layers"] - 1) * width)
    return count


def _recurrent_work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    width = model.sizes["width"]
    units: int = output_frames(shape[0]) * DIRECTIONS * GATES * 2 * width * width
    return _work(model, shape) + units


def _attending_work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    width = model.sizes["width"]
    asked: int = output_frames(shape[0]) * MAPS_OF_FRAME * width * width
    return _work(model, shape) + asked


NETWORKS: Mapping[str, NetworkEntry] = {
    "conv": NetworkEntry(
        implementation="trainers.ctc.networks.conv:Conv",
        summary="convolutions over frames, the first of which takes every second one",
        source="own, with layers as in Wav2Letter (Collobert et al. 2016, arXiv 1609.03193)",
        together=("cpu", "cuda"),
        fields=(
            _size("width", 32, "numbers of a layer"),
            _size("layers", 2, "how many", "layers"),
            KERNEL,
        ),
        problem=_odd,
        lane_bytes=_bytes,
        work=_work,
    ),
    "gru": NetworkEntry(
        implementation="trainers.ctc.networks.gru:Gru",
        summary="convolutions, then gated recurrent units in both directions",
        source="after Graves and Jaitly 2014 (ICML); units: Cho et al. 2014, arXiv 1406.1078",
        fields=(
            _size("width", 64, "numbers of a layer, and units of a direction"),
            _size("layers", 2, "of convolutions", "layers"),
            KERNEL,
        ),
        problem=_odd,
        lane_bytes=_bytes,
        work=_recurrent_work,
    ),
    "oracle": NetworkEntry(
        implementation="trainers.ctc.networks.oracle:Oracle",
        summary="conv that is shown the target halfway, and says when; a teacher alone",
        source="after Yoon et al. 2023 (TASLP), arXiv 2111.03664",
        together=("cpu", "cuda"),
        reads_targets=True,
        fields=(
            _size("width", 64, "numbers of a layer"),
            _size("layers", 4, "how many; half of them come before the target", "layers"),
            KERNEL,
            _size("heads", 4, "of attention to the target"),
            Field("target_mask", "float", 0.5, "share of the labels that are hidden in training",
                  "own", unit="share", low=0.0, high=1.0),
            Field("source_weight", "float", 0.5, "of the label's loss of the source alone beside "
                  "that of the output", "own", low=0.0),
            Field("target_delay", "float", 0.33, "share of training in which no target is read",
                  "own", unit="share", low=0.0, high=1.0),
        ),
        problem=_oracle_problem,
        lane_bytes=_bytes,
        work=_attending_work,
    ),
}  # fmt: skip
