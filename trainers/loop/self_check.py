"""Whether a method or network that nobody has tested does what it has to, told by a few steps.

L lanes, B examples of a batch, N of the training split.

Some lanes train several times over: beside others than before, with one of them cut out, and broken
off and gone on with. What has to be equal is compared between stacks of one size, in which it is
equal bit for bit; between sizes, where rounding differs and a network makes more of that from step
to step, nothing but the first losses is.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

import trainers
from trainers.evaluation import evaluation_mode
from trainers.lanes.network import Output
from trainers.lanes.state import pick
from trainers.loop.checkpoint import from_bytes, to_bytes
from trainers.loop.stack import Stack
from trainers.loop.stopwatch import Stopwatch
from trainers.method import Method, Step

# Gives the stack of these lanes (indices) as they start.
Make = Callable[[Sequence[int]], Stack]
EPOCHS = 2
# The lanes of a stack, and others of which one takes the place of one of the former.
LANES, OTHERS = (0, 1, 2), (0, 3, 2)
STAY = [0, 2]
# What rounding may make of equal numbers within stacks of one size, and between sizes; a mistake
# makes far more.
SAME, SIMILAR = (1e-5, 1e-7), (1e-3, 1e-4)
# Code in these folders is nobody's own.
NOT_OWN = tuple(str(Path(module.__path__[0])) for module in (trainers, torch))


@dataclass(frozen=True)
class _Trained:
    """The losses (L, B) of every batch after the first epoch, and every lane's weights then; the
    losses of the very first batch."""

    first: Tensor
    losses: Sequence[Tensor]
    weights: Sequence[Mapping[str, Tensor]]

    def equals(self, other: "_Trained", lanes: Sequence[int] | None = None) -> bool:
        """Whether these lanes, by default all, trained alike."""
        chosen = range(len(self.weights)) if lanes is None else lanes
        return all(
            _close(mine[lane], theirs[lane], SAME)
            for mine, theirs in zip(self.losses, other.losses, strict=True)
            for lane in chosen
        ) and all(
            _close(value, other.weights[lane][name], SAME)
            for lane in chosen
            for name, value in self.weights[lane].items()
        )


class Unsound(Exception):
    """What a method or network does wrong and the remedy, as the rest of a sentence on it."""


def check_lanes(make: Make, alone: bool = False) -> None:
    """Unsound where the method or the network does something wrong.

    ``make`` knows the lanes of `LANES` and `OTHERS`. ``alone``: a stack holds one lane only.
    """
    lanes = LANES[:1] if alone else LANES
    trained = _train(make, lanes)
    if not trained.equals(_train(make, lanes)):
        raise Unsound(
            "gives other numbers every time: it draws random numbers that are not the lane's; take "
            "a generator for each lane from trainers.lanes.seeds.torch_generator"
        )
    if not trained.equals(_train(make, lanes, broken_off=True)):
        raise Unsound(
            "goes on with other numbers than before it was broken off; state() has to give, and "
            "load_state(state) to put back, all that later epochs need of earlier ones"
        )
    if not alone:
        _check_apart(make, trained)


def _check_apart(make: Make, trained: _Trained) -> None:
    """Unsound where a lane's numbers depend on the others."""
    is_alike = _close(_train(make, LANES[:1]).first, trained.first[:1], SIMILAR)
    if not (is_alike and trained.equals(_train(make, OTHERS), STAY)):
        raise Unsound(
            "leaks: a lane has other numbers beside another lane than alone; sum, average, "
            "normalise and draw over examples, never over the first dimension, that of lanes"
        )
    if not _train(make, LANES, cut=True).equals(_train(make, OTHERS, cut=True)):
        raise Unsound(
            "gives a lane other numbers once another was stopped; keep(lanes) has to cut all that "
            "it holds of each lane, and to call super().keep(lanes)"
        )


def _train(
    make: Make, lanes: Sequence[int], cut: bool = False, broken_off: bool = False
) -> _Trained:
    """Train all epochs.

    ``cut``: after the first, all but `STAY` are cut out. ``broken_off``: after the first, nothing
    but a checkpoint is left.
    """
    with _blamed():
        stack, losses = _watched(make(lanes))
        _train_epoch(stack, 1)
    first, when = losses[0], ""
    if cut:
        when = "once keep(lanes) has cut a lane out, it "
        with _blamed(when):
            stack.keep(STAY)
    if broken_off:
        when = "once load_state(state) has put back what state() gave, it "
        with _blamed(when):
            state = from_bytes(to_bytes(stack.state()))
            stack, losses = _watched(make(lanes))
            stack.load_state(pick(state, torch.arange(len(lanes)), stack.data.device))
    with _blamed(when):
        losses.clear()
        for epoch in range(2, EPOCHS + 1):
            _train_epoch(stack, epoch)
        weights = [stack.weights(lane) for lane in range(len(stack.names))]
    return _Trained(first, losses, weights)


def _train_epoch(stack: Stack, epoch: int) -> None:
    for _ in stack.steps(epoch, Stopwatch()):
        pass
    lanes, examples = stack.data.lanes, stack.data.size("train")
    for name, values in stack.diagnostics().items():
        _check_shape(f"metrics()[{name!r}]", values, (lanes,))
    for name, table in stack.method.tables().items():
        _check_shape(f"tables()[{name!r}]", table, (lanes, examples), leading=True)


def _watched(stack: Stack) -> tuple[Stack, list[Tensor]]:
    """The stack, its losses checked whenever the method gives some; they gather in the list."""
    method, parameters = stack.method, [p for p in stack.model.parameters() if p.requires_grad]
    if not isinstance(method, Method):
        raise Unsound("is no subclass of trainers.method.Method; derive it from that")
    _check_output(stack)
    seen: list[Tensor] = []
    losses_of = method.losses

    def losses(step: Step) -> Tensor:
        given = losses_of(step)
        _check_losses(given, tuple(step.batch.places.shape), parameters)
        seen.append(given.detach())
        return given

    method.losses = losses  # type: ignore[method-assign]
    return stack, seen


def _check_output(stack: Stack) -> None:
    """Unsound unless the network shows logits, and features if any, of every lane and example."""
    places = torch.zeros(stack.data.lanes, 2, dtype=torch.int64, device=stack.data.device)
    with torch.no_grad(), evaluation_mode(stack.model):
        output = stack.model(stack.data.batch("train", places).inputs)
    if not isinstance(output, Output):
        raise Unsound(
            f"gives a {type(output).__name__}; forward has to give a trainers.lanes.network.Output"
        )
    for name, tensor in zip(Output._fields, output, strict=True):
        if tensor is not None:
            _check_shape(name, tensor, tuple(places.shape), leading=True)


def _check_losses(losses: Tensor, shape: tuple[int, ...], parameters: Sequence[Tensor]) -> None:
    _check_shape("losses(step)", losses, shape)
    if not losses.isfinite().all():
        raise Unsound(
            "gives losses that are not finite; look for logarithms, roots and divisions of zero"
        )
    gradients: tuple[Tensor | None, ...] = (
        torch.autograd.grad(losses.sum(), parameters, retain_graph=True, allow_unused=True)
        if losses.requires_grad
        else ()
    )
    found = [g for g in gradients if g is not None]
    if not found:
        raise Unsound(
            "gives losses from which no gradient leads to the student; compute them from "
            "step.output or step.terms, neither detached nor under torch.no_grad()"
        )
    if not all(bool(g.isfinite().all()) for g in found):
        raise Unsound(
            "gives losses with a gradient that is not finite; look for roots and norms at zero"
        )


def _check_shape(what: str, value: object, shape: tuple[int, ...], leading: bool = False) -> None:
    """Unsound unless ``value`` is a tensor of that shape, or one that begins so."""
    found = tuple(value.shape) if isinstance(value, Tensor) else None
    if found == shape or (leading and found is not None and found[: len(shape)] == shape):
        return
    given = f"the shape {found}" if found is not None else f"the type {type(value).__name__}"
    meaning = "one for each lane" + (" and example, never reduced" if len(shape) > 1 else "")
    raise Unsound(f"gives {what} of {given}; it has to be a tensor {shape}, {meaning}")


def _close(a: Tensor, b: Tensor, how: tuple[float, float]) -> bool:
    relative, absolute = how
    return torch.allclose(a, b, relative, absolute)


@contextmanager
def _blamed(when: str = "") -> Iterator[None]:
    """Whatever goes wrong in the block as Unsound, with the place in code that is one's own.

    ``when``: begins the sentence.
    """
    try:
        yield
    except Unsound as error:
        raise Unsound(f"{when}{error}") from None
    except Exception as error:
        own = [f for f in traceback.extract_tb(error.__traceback__) if _is_own(f.filename)]
        place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
        first = str(error).strip().partition("\n")[0]
        raise Unsound(f"{when}raises {type(error).__name__}: {first}{place}; mend it") from error


def _is_own(file: str) -> bool:
    return not file.startswith(NOT_OWN)
