"""NETWORKS: every student and teacher by name, and which sizes each takes.

Free of torch, so that a spec can be checked without loading it; a network's class is named by path
and loaded where it trains.
"""

from collections.abc import Callable, Mapping
from typing import Any

from trainers.classification.networks.bytes import convolutional_bytes, mlp_bytes
from trainers.classification.networks.work import convolutional_work, mlp_work
from trainers.entries import DOTTED_PATH, NetworkEntry
from trainers.fields import Field

RESNET_DEPTHS = (8, 14, 20, 32, 44, 56, 110)
PLAIN_DEPTHS = (2, 4, 6, 8, 10)
LEAST_SIDE = 8  # pixels of the smallest images that the convolutional networks halve twice


def image_problem(name: str, shape: tuple[int, ...]) -> str | None:
    """Why ``shape`` is not that of an image (channels, height, width), 8x8 or more; or None."""
    if len(shape) == 3 and min(shape[1:]) >= LEAST_SIDE:
        return None
    size = "x".join(map(str, shape))
    return (
        f"{name} takes images (channels, height, width) of at least {LEAST_SIDE}x{LEAST_SIDE} "
        f"pixels, and these inputs are {size}; take mlp, or another data set"
    )


def image_shape(name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width; ValueError unless ``shape`` is that of an image, 8x8 or more."""
    if problem := image_problem(name, shape):
        raise ValueError(problem)
    channels, height, width = shape
    return channels, height, width


def _plain_width(sizes: Mapping[str, Any]) -> Mapping[str, Any]:
    """The plain networks' first stage is as wide as their authors made it for that depth."""
    return {"width": 32 if sizes["depth"] == 10 else 16}


def _depth_in_steps(step: int, least: int) -> Callable[[Mapping[str, Any]], str | None]:
    """Depths least, least + step, least + 2 step, ..."""

    def problem(sizes: Mapping[str, Any]) -> str | None:
        depth = sizes["depth"]
        if depth >= least and (depth - least) % step == 0:
            return None
        near = max(least, depth - (depth - least) % step)
        return (
            f"depth is {depth}; it must be {least} or a multiple of {step} more, "
            f"e.g. {near} or {near + step}"
        )

    return problem


def _plain_problem(sizes: Mapping[str, Any]) -> str | None:
    if sizes["depth"] in PLAIN_DEPTHS:
        return None
    known = ", ".join(map(str, PLAIN_DEPTHS))
    return f"depth is {sizes['depth']}; it must be one of {known}"


def _path_problem(sizes: Mapping[str, Any]) -> str | None:
    if DOTTED_PATH.fullmatch(sizes["path"]):
        return None
    return f"path is {sizes['path']!r}; write it as package.module:Class"


def _always(sizes: Mapping[str, Any]) -> bool:
    return True


def _size(name: str, meaning: str, source: str, default: Any = None, **more: Any) -> Field:
    return Field(name, "int", default, meaning, source, low=1, **more)


NETWORKS: Mapping[str, NetworkEntry] = {
    "mlp": NetworkEntry(
        implementation="trainers.classification.networks.mlp:Mlp",
        summary="fully connected layers with ReLU, as wide as hidden says, normalised or not",
        source="standard",
        together=("cpu", "cuda"),
        fields=(
            Field("hidden", "sizes", None, "widths of the hidden layers", "standard",
                  unit="units", low=1, required=True, example=[16]),
            Field("norm", "choice", "none", "what hidden layers give is normalised over the batch, "
                  "or not", "Ioffe and Szegedy 2015, arXiv 1502.03167", choices=("none", "batch")),
        ),
        batch_norm=lambda sizes: sizes["norm"] == "batch",
        lane_bytes=mlp_bytes,
        work=mlp_work,
    ),
    **{
        f"resnet{depth}": NetworkEntry(
            implementation="trainers.classification.networks.resnet:CifarResNet",
            summary=f"residual network of {depth} layers for small images, 16-32-64 channels",
            source="He et al. 2016, arXiv 1512.03385",
            together=("cuda",),
            shape_problem=image_problem,
            fixed={"depth": depth},
            fields=(
                Field("shortcut", "choice", "pad", "what leads past a block where a stage begins",
                      "He et al. 2016, options A and B", choices=("pad", "projection")),
            ),
            lane_bytes=convolutional_bytes,
            work=convolutional_work,
            batch_norm=_always,
        )
        for depth in RESNET_DEPTHS
    },
    "wrn": NetworkEntry(
        implementation="trainers.classification.networks.wide_resnet:WideResNet",
        summary="wide residual network WRN-depth-width; depth 6n + 4",
        source="Zagoruyko and Komodakis 2016, arXiv 1605.07146",
        together=("cuda",),
        shape_problem=image_problem,
        fields=(
            _size("depth", "layers: 10, 16, 22, …", "Zagoruyko and Komodakis 2016", unit="layers",
                  required=True, example=16),
            _size("width", "times as wide as ResNet", "Zagoruyko and Komodakis 2016",
                  required=True, example=1),
        ),
        problem=_depth_in_steps(6, least=10),
        lane_bytes=convolutional_bytes,
        work=convolutional_work,
        batch_norm=_always,
    ),
    "plain_cnn": NetworkEntry(
        implementation="trainers.classification.networks.plain_cnn:PlainCnn",
        summary="2, 4, 6, 8 or 10 convolutions with max pooling, no shortcuts",
        source="Mirzadeh et al. 2019, arXiv 1902.03393, and its authors' public code",
        together=("cuda",),
        shape_problem=image_problem,
        fields=(
            _size("depth", "convolutions: 2, 4, 6, 8 or 10", "Mirzadeh et al. 2019",
                  unit="layers", required=True, example=2),
            _size("width", "channels of the first stage; by default 16, for depth 10 it is 32",
                  "authors' code, CIFAR-10", unit="channels"),
        ),
        implied=_plain_width,
        problem=_plain_problem,
        lane_bytes=convolutional_bytes,
        work=convolutional_work,
        batch_norm=_always,
    ),
    "densenet": NetworkEntry(
        implementation="trainers.classification.networks.densenet:DenseNet",
        summary="densely connected network DenseNet-depth-growth; depth 3n + 4",
        source="Huang et al. 2017, arXiv 1608.06993",
        together=("cuda",),
        shape_problem=image_problem,
        fields=(
            _size("depth", "layers: 7, 10, …", "Huang et al. 2017", 40, unit="layers"),
            _size("growth", "channels that a layer adds", "Huang et al. 2017", 12,
                  unit="channels"),
        ),
        problem=_depth_in_steps(3, least=7),
        lane_bytes=convolutional_bytes,
        work=convolutional_work,
        batch_norm=_always,
    ),
    "module": NetworkEntry(
        implementation="trainers.classification.networks.own_module:OwnModule",
        summary="your own torch.nn.Module by path; has to be allowed, its lanes train in turn",
        source="yours",
        fields=(
            Field("path", "path", None, "the class, or a function that gives the module", "yours",
                  required=True, example="package.module:Class"),
            Field("arguments", "mapping", {}, "what it is called with", "yours"),
            Field("head", "text", "head", "the name of its last layer, a torch.nn.Linear", "own"),
        ),
        problem=_path_problem,
    ),
}  # fmt: skip
