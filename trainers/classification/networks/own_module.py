"""A torch module of the user's own, named by path, as a classifier of one lane.

B examples, H features of the last layer, C classes.

The class (or function) is called with the arguments of the spec and must give a `torch.nn.Module`
that takes inputs (B, ...) and gives logits (B, C). Its last layer, a `torch.nn.Linear` by the name
that the spec gives, is where the features are taken: whatever that layer reads is (B, H). Random
numbers that the module draws, for its first weights and in training, come from the lane's seed.
"""

import importlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.state import State
from trainers.settings import ModelSpec

CHECKED = 2  # examples in the batch that a module is tried on


class OwnModule(LaneNetwork):
    """One lane of the module at ``spec.path``; parameters and buffers get a lane dimension of 1."""

    inside = "module."

    def __init__(
        self,
        spec: ModelSpec,
        shape: tuple[int, ...],
        classes: int,
        generators: Sequence[torch.Generator],
    ) -> None:
        super().__init__()
        if len(generators) != 1:
            raise ValueError(
                f"{spec.sizes['path']} trains one lane in a cohort, not {len(generators)}; "
                "set resources.max_lanes: 1"
            )
        seed = int(torch.randint(2**62, (), generator=generators[0]))
        self._random = torch.Generator().manual_seed(seed).get_state()
        with self._own_random_numbers(torch.device("cpu")):
            self.module = _load(spec)
            self._read: list[Tensor] = []
            head = _head(self.module, spec)
            self._head = spec.sizes["head"]
            self.last_layer_has_bias = head.bias is not None
            self._hook = head.register_forward_pre_hook(self._note_features)
            self.widest = self._try(spec, shape, classes, head)
        for tensor in [*self.module.parameters(), *self.module.buffers()]:
            tensor.data = tensor.data.unsqueeze(0)

    @property
    def last_bias(self) -> nn.Parameter | None:
        return dict(self.module.named_parameters()).get(f"{self._head}.bias")

    def forward(self, x: Tensor) -> Output:
        buffers = dict(self.module.named_buffers())
        state = {**dict(self.module.named_parameters()), **buffers}
        views = {name: t.squeeze(0) for name, t in state.items()}
        given = dict(views)
        self._read.clear()
        with self._own_random_numbers(x.device):
            logits = functional_call(self.module, given, x[0])
        with torch.no_grad():
            for name, buffer in buffers.items():
                if given[name] is not views[name]:  # the module put a new tensor in its place
                    buffer.copy_(given[name].unsqueeze(0))
        return Output(self._read.pop().unsqueeze(0), logits.unsqueeze(0))

    def single(self) -> nn.Module:
        """The module itself, as it is without almkd."""
        self._hook.remove()
        for tensor in [*self.module.parameters(), *self.module.buffers()]:
            tensor.data = tensor.data.squeeze(0)
        return self.module

    def own_state(self) -> dict[str, Any]:
        return {"random": self._random.unsqueeze(0)}

    def load_own_state(self, state: State) -> None:
        self._random = state["random"].squeeze(0).cpu()

    def _note_features(self, _: nn.Module, given: tuple[Tensor, ...]) -> None:
        """What the last layer is about to read."""
        self._read.append(given[0])

    def _try(self, spec: ModelSpec, shape: tuple[int, ...], classes: int, head: nn.Linear) -> int:
        """ValueError unless the module does what it must; elements of an example at its widest."""
        widest: list[int] = []
        hooks = [
            m.register_forward_hook(lambda _m, _x, y: widest.append(_elements(y)))
            for m in self.module.modules()
        ]
        self.module.eval()
        x = torch.zeros(CHECKED, *shape)
        try:
            logits = self.module(x)
        except Exception as error:
            size = "x".join(map(str, shape))
            raise ValueError(
                f"{spec.sizes['path']} cannot take inputs of {size}: {error}"
            ) from error
        finally:
            self.module.train()
            for hook in hooks:
                hook.remove()
        _check_logits(spec, logits, classes)
        _check_features(spec, logits, self._read, head)
        self._check_gradients(spec, logits)
        return max(x[0].numel(), *widest)

    def _check_gradients(self, spec: ModelSpec, logits: Tensor) -> None:
        named = [(name, p) for name, p in self.module.named_parameters() if p.requires_grad]
        if not named:
            return
        tensors = [p for _, p in named]
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            logits.sum(), tensors, allow_unused=True
        )
        idle = [name for (name, _), g in zip(named, gradients, strict=True) if g is None]
        if idle:
            raise ValueError(
                f"{spec.sizes['path']}: its logits do not depend on {', '.join(idle)}; drop these "
                "parameters or set requires_grad to False on them"
            )

    @contextmanager
    def _own_random_numbers(self, device: torch.device) -> Iterator[None]:
        """Global random numbers of torch from the lane's stream, and as they were afterwards."""
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.set_rng_state(self._random)
            if devices:
                torch.cuda.manual_seed(int(torch.randint(2**62, ())))
            yield
            self._random = torch.get_rng_state()


def _load(spec: ModelSpec) -> nn.Module:
    where, _, name = spec.sizes["path"].partition(":")
    try:
        found = importlib.import_module(where)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise ValueError(
            f"{spec.sizes['path']} cannot be loaded: {error}; it must be importable where "
            "training runs"
        ) from error
    if not callable(found):
        raise ValueError(f"{spec.sizes['path']} is no class; name a torch.nn.Module's class")
    try:
        module = found(**spec.sizes["arguments"])
    except TypeError as error:
        raise ValueError(f"{spec.sizes['path']}: {error}; correct model.arguments") from error
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"{spec.sizes['path']} gives a {type(module).__name__}; it must give a torch.nn.Module"
        )
    return module


def _head(module: nn.Module, spec: ModelSpec) -> nn.Linear:
    layers = dict(module.named_modules())
    layer = layers.get(spec.sizes["head"])
    if isinstance(layer, nn.Linear):
        return layer
    linear = [name for name, m in layers.items() if isinstance(m, nn.Linear)]
    known = f"it has {', '.join(linear)}" if linear else "it has none"
    raise ValueError(
        f"{spec.sizes['path']} has no torch.nn.Linear called {spec.sizes['head']!r} as its "
        f"last layer; name it in model.head ({known})"
    )


def _check_logits(spec: ModelSpec, logits: object, classes: int) -> None:
    if isinstance(logits, Tensor) and logits.shape == (CHECKED, classes):
        return
    found = tuple(logits.shape) if isinstance(logits, Tensor) else f"a {type(logits).__name__}"
    raise ValueError(
        f"{spec.sizes['path']} gives {found} for {CHECKED} examples; it must give logits "
        f"({CHECKED}, {classes}), one for each class: see model.arguments"
    )


def _check_features(spec: ModelSpec, logits: Tensor, read: list[Tensor], head: nn.Linear) -> None:
    if len(read) != 1 or read[0].dim() != 2 or not torch.allclose(head(read.pop()), logits):
        raise ValueError(
            f"{spec.sizes['path']}: its logits are not what the layer {spec.sizes['head']!r} makes "
            "of features (B, H), read once; name the last layer in model.head"
        )


def _elements(output: object) -> int:
    return output.numel() // CHECKED if isinstance(output, Tensor) else 0
