"""NETWORKS: every student and teacher by name, and which sizes each takes.

Free of torch, so that a spec can be checked without loading it; a network's class is named by path
and loaded where it trains.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from trainers.settings import ModelSpec

Device = Literal["cpu", "cuda"]

# Sizes that a network may take. What is not given is empty or zero.
FIELDS = ("hidden", "depth", "width", "growth", "shortcut", "path", "head", "arguments")

RESNET_DEPTHS = (8, 14, 20, 32, 44, 56, 110)
PLAIN_DEPTHS = (2, 4, 6, 8, 10)
LEAST_SIDE = 8  # pixels of the smallest images that the convolutional networks halve twice
# What `path` must look like: a module and, after a colon, what is in it.
DOTTED_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Network:
    """One row of the table.

    ``fixed``: sizes that the name stands for; ``needs``: sizes to be given, with an example;
    ``defaults``: sizes that may be given. ``together``: devices on which several lanes of it gain
    from being computed side by side; elsewhere they take turns, or (``alone``) may not meet in one
    cohort at all. ``images``: it takes nothing but images. ``problem`` says what is wrong with
    sizes, or None.
    """

    implementation: str
    summary: str
    source: str
    together: tuple[Device, ...]
    alone: bool = False
    images: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    needs: Mapping[str, Any] = field(default_factory=dict)
    defaults: Mapping[str, Any] = field(default_factory=dict)
    problem: Callable[[ModelSpec], str | None] = lambda spec: None

    @property
    def takes(self) -> tuple[str, ...]:
        """The sizes that a spec may give, in the order of `FIELDS`."""
        return tuple(name for name in FIELDS if name in self.needs or name in self.defaults)


def complete(spec: ModelSpec) -> ModelSpec:
    """``spec`` with every size that its network has; ValueError where it cannot be."""
    network = NETWORKS[spec.name]
    for name in FIELDS:
        if getattr(spec, name) and name in network.fixed:
            if getattr(spec, name) != network.fixed[name]:
                raise ValueError(f"{spec.name} has {name} {network.fixed[name]}; drop {name}")
        elif getattr(spec, name) and name not in network.takes:
            takes = f"it takes {', '.join(network.takes)}" if network.takes else "it takes none"
            raise ValueError(f"{spec.name} takes no {name}; drop it ({takes})")
    for name, example in network.needs.items():
        if not getattr(spec, name):
            raise ValueError(f"{spec.name} needs {name}; add it, e.g. {name}: {example}")
    given = {name: getattr(spec, name) for name in network.takes if getattr(spec, name)}
    whole = replace(spec, **{**network.defaults, **given, **network.fixed})
    problem = network.problem(whole)
    if problem:
        raise ValueError(f"{spec.name}: {problem}")
    return _with_plain_width(whole)


def check_shape(spec: ModelSpec, shape: tuple[int, ...]) -> None:
    """ValueError where a network cannot take inputs of ``shape`` (that of one example)."""
    if NETWORKS[spec.name].images:
        image_shape(spec.name, shape)


def image_shape(name: str, shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width; ValueError unless ``shape`` is that of an image, 8x8 or more."""
    if len(shape) != 3 or min(shape[1:]) < LEAST_SIDE:
        size = "x".join(map(str, shape))
        raise ValueError(
            f"{name} takes images (channels, height, width) of at least {LEAST_SIDE}x{LEAST_SIDE} "
            f"pixels, and these inputs are {size}; take mlp, or another data set"
        )
    channels, height, width = shape
    return channels, height, width


def _with_plain_width(spec: ModelSpec) -> ModelSpec:
    """The plain networks' first stage is as wide as their authors made it for that depth."""
    if spec.name != "plain_cnn" or spec.width:
        return spec
    return replace(spec, width=32 if spec.depth == 10 else 16)


def _shortcut_problem(spec: ModelSpec) -> str | None:
    if spec.shortcut in {"pad", "projection"}:
        return None
    return f"shortcut is {spec.shortcut!r}; it must be pad or projection"


def _depth_in_steps(step: int, least: int) -> Callable[[ModelSpec], str | None]:
    """Depths least, least + step, least + 2 step, ..."""

    def problem(spec: ModelSpec) -> str | None:
        if spec.depth >= least and (spec.depth - least) % step == 0:
            return None
        near = max(least, spec.depth - (spec.depth - least) % step)
        return (
            f"depth is {spec.depth}; it must be {least} or a multiple of {step} more, "
            f"e.g. {near} or {near + step}"
        )

    return problem


def _plain_problem(spec: ModelSpec) -> str | None:
    if spec.depth in PLAIN_DEPTHS:
        return None
    return f"depth is {spec.depth}; it must be one of {', '.join(map(str, PLAIN_DEPTHS))}"


def _path_problem(spec: ModelSpec) -> str | None:
    if DOTTED_PATH.fullmatch(spec.path):
        return None
    return f"path is {spec.path!r}; write it as package.module:Class"


NETWORKS: Mapping[str, Network] = {
    "mlp": Network(
        implementation="trainers.classification.networks.mlp:Mlp",
        summary="fully connected layers with ReLU, as wide as hidden says",
        source="standard",
        together=("cpu", "cuda"),
        needs={"hidden": [16]},
    ),
    **{
        f"resnet{depth}": Network(
            implementation="trainers.classification.networks.resnet:CifarResNet",
            summary=f"residual network of {depth} layers for small images, 16-32-64 channels",
            source="He et al. 2016, arXiv 1512.03385",
            together=("cuda",),
            images=True,
            fixed={"depth": depth},
            defaults={"shortcut": "pad"},
            problem=_shortcut_problem,
        )
        for depth in RESNET_DEPTHS
    },
    "wrn": Network(
        implementation="trainers.classification.networks.wide_resnet:WideResNet",
        summary="wide residual network WRN-depth-width; depth 6n + 4",
        source="Zagoruyko and Komodakis 2016, arXiv 1605.07146",
        together=("cuda",),
        images=True,
        needs={"depth": 16, "width": 1},
        problem=_depth_in_steps(6, least=10),
    ),
    "plain_cnn": Network(
        implementation="trainers.classification.networks.plain_cnn:PlainCnn",
        summary="2, 4, 6, 8 or 10 convolutions with max pooling, no shortcuts",
        source="Mirzadeh et al. 2019, arXiv 1902.03393, and its authors' public code",
        together=("cuda",),
        images=True,
        needs={"depth": 2},
        defaults={"width": 0},
        problem=_plain_problem,
    ),
    "densenet": Network(
        implementation="trainers.classification.networks.densenet:DenseNet",
        summary="densely connected network DenseNet-depth-growth; depth 3n + 4",
        source="Huang et al. 2017, arXiv 1608.06993",
        together=("cuda",),
        images=True,
        defaults={"depth": 40, "growth": 12},
        problem=_depth_in_steps(3, least=7),
    ),
    "module": Network(
        implementation="trainers.classification.networks.own_module:OwnModule",
        summary="your own torch.nn.Module by path; has to be allowed, trains one lane a cohort",
        source="yours",
        together=(),
        alone=True,
        needs={"path": "package.module:Class"},
        defaults={"arguments": {}, "head": "head"},
        problem=_path_problem,
    ),
}
