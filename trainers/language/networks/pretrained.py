"""A causal language model of a folder as a network of one lane, by the library transformers.

B examples, S = P + R columns of a prompt and its response, V tokens of the data set, H features.

The model may know more tokens than the data's tokenizer has, as many are padded to a round number;
those are no part of its logits here. Dropout and whatever else is for training alone are off
always. Lanes train in turn, each with a copy of its own; a model that does not learn is there once
in a process. Nothing is fetched, and no code of the folder runs.
"""

import copy
import inspect
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch import Tensor, nn
from torch.func import functional_call

from trainers.data.tokenizer import PADDING
from trainers.lanes.network import Output
from trainers.language.networks.folder import REMEDY, ModelFolder, files_of
from trainers.language.networks.network import LanguageNetwork, SequenceFacts
from trainers.settings import ModelSpec

# Tokens of the sequence that a model is tried on.
TRIED = 4


@dataclass
class Cache:
    """The model's own (``past``); ``there`` (B, columns so far): where there is no padding;
    ``place`` (B,): the position of the next token."""

    past: Any
    there: Tensor
    place: Tensor


class PretrainedDecoder(LanguageNetwork):
    """The model at ``spec.sizes["folder"]``; its parameters and buffers get a lane dimension of 1.

    With the dtype bfloat16 it runs under autocast: what learns is kept in single precision, what
    does not in half of that.
    """

    inside = "module."

    def __init__(
        self, spec: ModelSpec, facts: SequenceFacts, generators: Sequence[torch.Generator]
    ) -> None:
        """ValueError where it cannot be loaded, or knows fewer tokens than the data set has."""
        super().__init__()
        folder = spec.sizes["folder"]
        if len(generators) != 1:
            raise ValueError(
                f"{folder} trains one lane in a cohort, not {len(generators)}; set "
                "resources.max_lanes: 1"
            )
        self.facts = facts
        self._half = spec.sizes["dtype"] == "bfloat16"
        self._shared = spec.sizes["train"] == "nothing"
        found = ModelFolder.at(folder)
        self.module = _taken(found, self._half) if self._shared else _loaded(found, False)
        self._takes = _parameters_of(self.module, found.place)
        head = self._head
        self.last_layer_has_bias = head is not None and head.bias is not None
        self._linear = self._try(found.place)
        columns = facts.prompts + facts.responses
        width = found.size("intermediate_size", "n_inner") or 4 * (
            found.size("hidden_size", "n_embd") or 1
        )
        heads = found.size("num_attention_heads", "n_head") or 1
        self.widest = columns * max(width, heads * columns)

    def __deepcopy__(self, memo: dict[int, Any]) -> "PretrainedDecoder":
        """One that does not learn is not copied."""
        if self._shared:
            return self
        made = type(self).__new__(type(self))
        memo[id(self)] = made
        made.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return made

    def train(self, mode: bool = True) -> "PretrainedDecoder":
        super().train(mode)
        self.module.eval()
        return self

    def held(self) -> dict[str, Tensor]:
        """Nothing of a model that does not learn, and no buffers that its config tells."""
        if self._shared:
            return {}
        kept = self.state_dict().keys()
        return {name: tensor for name, tensor in super().held().items() if name in kept}

    def fit(self, names: Collection[str]) -> None:
        """Weights of its own make it another than that of its folder."""
        if names and self._shared:
            self.module, self._shared = copy.deepcopy(self.module), False
            self.module.float()

    @property
    def last_layer(self) -> tuple[Tensor, ...]:
        head, v = self._head, self.facts.vocabulary
        if head is None or not self._linear:
            raise ValueError("the model does not end in a linear layer")
        return tuple(parameter[:, :v] for parameter in head.parameters())

    @property
    def matrices(self) -> list[str]:
        left_out = {
            id(p)
            for m in self.module.modules()
            if isinstance(m, nn.Embedding)
            for p in m.parameters(recurse=False)
        } | {id(p) for p in (self._head.parameters() if self._head else ())}
        return [
            name for name, p in self.named_parameters() if p.dim() == 3 and id(p) not in left_out
        ]

    def forward(self, x: Tensor) -> Output:
        output = self.told(x[0], self._views())
        return output.each(lambda t: t.unsqueeze(0))

    def told(self, x: Tensor, views: Mapping[str, Tensor]) -> Output:
        """The output without lanes for x (B, S), with parameters and buffers that are given, or
        those it has."""
        # What comes after the last token is not asked.
        ids = x[:, :-1]
        there = ids != PADDING
        output, _ = self._ask(views, ids, there, _places(there), self.facts.responses)
        return output

    @torch.no_grad()
    def begin(self, prompts: Tensor) -> tuple[Tensor, Cache]:
        ids = prompts[0]
        there = ids != PADDING
        output, past = self._ask(self._views(), ids, there, _places(there), 1, use_cache=True)
        return output.logits.unsqueeze(0).squeeze(2), Cache(past, there, there.sum(1))

    @torch.no_grad()
    def step(self, tokens: Tensor, cache: Cache) -> Tensor:
        ids = tokens[0].unsqueeze(1)
        cache.there = torch.cat([cache.there, torch.ones_like(cache.there[:, :1])], dim=1)
        place = cache.place.unsqueeze(1)
        output, cache.past = self._ask(
            self._views(), ids, cache.there, place, 1, use_cache=True, cache=cache.past
        )
        cache.place = cache.place + 1
        return output.logits.unsqueeze(0).squeeze(2)

    def single(self) -> nn.Module:
        """The model under the names that its weights have in its folder: of a prompt and its
        response (B, S) the logits (B, R, V)."""
        if self._shared:
            self.module, self._shared = copy.deepcopy(self.module), False
        return _Alone(self)

    @property
    def _head(self) -> nn.Linear | None:
        head = self.module.get_output_embeddings()  # type: ignore[operator]
        return head if isinstance(head, nn.Linear) else None

    def _views(self) -> dict[str, Tensor]:
        """Parameters and buffers without lanes."""
        module = self.module
        held = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        return {name: tensor.squeeze(0) for name, tensor in held.items()}

    def _ask(
        self,
        views: Mapping[str, Tensor],
        ids: Tensor,
        there: Tensor,
        place: Tensor,
        columns: int,
        **more: Any,
    ) -> tuple[Output, Any]:
        """The output of the last ``columns``, in single precision at least, and the model's cache
        where one is asked for."""
        given = {
            "input_ids": ids.clamp(min=0),
            "attention_mask": there.long(),
            "position_ids": place,
            "logits_to_keep": columns,
            "use_cache": False,
            **more,
        }
        with (
            _reading(self._head) as read,
            torch.autocast(ids.device.type, torch.bfloat16, enabled=self._half),
        ):
            named = {name: value for name, value in given.items() if name in self._takes}
            made = functional_call(self.module, dict(views), (), named)
        features = read[0][:, -columns:] if read and self._linear else None
        logits = made.logits[:, -columns:, : self.facts.vocabulary]
        return Output(features, logits).each(_wide), getattr(made, "cache", None)

    @torch.no_grad()
    def _try(self, place: Path) -> bool:
        """Whether its logits are what its last layer, a linear one, makes of what it reads;
        ValueError where they are too few."""
        self._linear = True
        there = torch.ones(1, TRIED, dtype=torch.bool)
        ids = torch.arange(TRIED).clamp(max=self.facts.vocabulary - 1).unsqueeze(0)
        views, v = self._views(), self.facts.vocabulary
        device = next(iter(views.values())).device
        output, _ = self._ask(views, ids.to(device), there.to(device), _places(there).to(device), 1)
        if output.logits.shape[2] < v:
            raise ValueError(
                f"{place}: knows {output.logits.shape[2]} tokens, and the data set has {v}; take "
                "the tokenizer that belongs to it, or widen it by resize_token_embeddings"
            )
        if output.features is None:
            return False
        weight, *bias = (t[0].to(output.features) for t in self.last_layer)
        made = nn.functional.linear(output.features, weight, *bias)
        close = (1e-1, 1e-1) if self._half else (1e-4, 1e-4)
        return bool(torch.allclose(made, output.logits, *close))


class _Alone(nn.Module):
    """A model without lanes: ``(B, S) -> (B, R, V)``."""

    def __init__(self, network: PretrainedDecoder) -> None:
        super().__init__()
        for tensor in [*network.module.parameters(), *network.module.buffers()]:
            tensor.data = tensor.data.squeeze(0)
        for name, layer in network.module.named_children():
            self.add_module(name, layer)
        # Not a layer of this module: its layers are, under names that do not show it.
        self._over_lanes = (network,)

    def forward(self, x: Tensor) -> Tensor:
        (network,) = self._over_lanes
        return network.told(x, {}).logits

    def train(self, mode: bool = True) -> "_Alone":
        super().train(mode)
        for layer in self.children():
            layer.eval()
        return self

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> Any:
        """One parameter in two places may be named once."""
        whole, first = dict(state_dict), dict[int, str]()
        for name, parameter in self.named_parameters(remove_duplicate=False):
            known = first.setdefault(id(parameter), name)
            if known in state_dict:
                whole.setdefault(name, state_dict[known])
        return super().load_state_dict(whole, strict, assign)


# Models that do not learn, by folder, what its files are, and dtype, while some network has them.
_TAKEN: WeakValueDictionary[tuple[object, ...], nn.Module] = WeakValueDictionary()


def _taken(folder: ModelFolder, half: bool) -> nn.Module:
    """A model that does not learn, the same for all that ask for it."""
    place = folder.place.resolve()
    stamps = tuple((file.name, file.stat().st_mtime_ns) for file in files_of(place))
    key = (str(place), stamps, half, torch.get_default_dtype())
    module = _TAKEN.get(key)
    if module is None:
        module = _TAKEN[key] = _loaded(folder, half).requires_grad_(False)
    return module


def _loaded(folder: ModelFolder, half: bool) -> nn.Module:
    """The model, whose parameters and buffers have a lane dimension of 1; ValueError where it is
    none, or not whole."""
    try:
        import transformers
    except ImportError:
        raise ValueError(
            "models of a folder are loaded by the library transformers; install almkd[language]"
        ) from None
    transformers.utils.logging.disable_progress_bar()
    try:
        module, told = transformers.AutoModelForCausalLM.from_pretrained(
            str(folder.place),
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.bfloat16 if half else torch.get_default_dtype(),
            # Of which every derivative can be had, and the same bits on every call.
            attn_implementation="eager",
            output_loading_info=True,
        )
    except Exception as error:
        raise ValueError(
            f"{folder.place}: cannot be loaded as a causal language model "
            f"({type(error).__name__}: {error}); {REMEDY}"
        ) from error
    if lacking := sorted(told["missing_keys"]):
        raise ValueError(
            f"{folder.place}: its files lack {', '.join(lacking[:3])}, which would be drawn at "
            f"random; {REMEDY}"
        )
    made: nn.Module = module.eval()
    # A parameter in two places, as tied embeddings are, is one here.
    for tensor in [*made.parameters(), *made.buffers()]:
        tensor.data = tensor.data.unsqueeze(0)
    return made


def _parameters_of(module: nn.Module, place: Path) -> frozenset[str]:
    """What the model can be told; ValueError where it cannot go on from a cache."""
    names = frozenset(inspect.signature(module.forward).parameters)
    if lacking := sorted({"input_ids", "attention_mask", "use_cache", "cache"} - names):
        raise ValueError(
            f"{place}: a {type(module).__name__} takes no {' and no '.join(lacking)}, by which "
            "responses are written token by token; take a decoder with attention"
        )
    return names


@contextmanager
def _reading(layer: nn.Module | None) -> Iterator[list[Tensor]]:
    """What a layer reads in the block."""
    read: list[Tensor] = []
    if layer is None:
        yield read
        return
    hook = layer.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    try:
        yield read
    finally:
        hook.remove()


def _places(there: Tensor) -> Tensor:
    """Positions, which count tokens and no padding."""
    return (there.cumsum(1) - 1).clamp(min=0)


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
