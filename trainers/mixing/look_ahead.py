"""How a held-out loss changes with the weight of each training loss, through one look-ahead step of
the whole network.

L lanes, K terms per example, B examples of a batch or group, P parameters of one lane.

theta   parameters of every lane that train, by name                  (L, ...) each
o       what the network shows of the examples, at theta              (L, B, ...) each
lam     weights of the terms                                          (L, K, B)
step    learning rate over examples in a batch, eta / B               (L,)
scale   B over the examples in the batch that i was dealt in          (L, B)

theta' = theta - step * grad sum_ik scale_i lam_ik l_ik(theta), without momentum or weight decay,
and

    dL_val/dlam_ik = -step scale_i < v, grad l_ik(theta) >,

with v = grad L_val(theta'), which is how fast l_ik changes as the network's output moves along J v,
its directional derivative at theta: one forward-mode derivative of the network, where
differentiating through the step would take a backward pass of a backward pass. The task says how
its terms change along it, so that a loss without a forward-mode derivative has one here. Exact, as
lam enters theta' linearly.

The network is in evaluation mode: what it learns of batch statistics is not part of the step.

Source: the one-step look-ahead of Ren et al. 2018 (arXiv 1803.09050) and Shu et al. 2019
(arXiv 1902.07379); the forward-mode form is plain calculus.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call, jvp

from trainers.lanes.network import LaneNetwork, Output

Parameters = Mapping[str, Tensor]


class Network:
    """Some lanes of a student as a function of its parameters."""

    def __init__(self, student: LaneNetwork, lanes: Tensor) -> None:
        """``lanes``: which, as indices."""
        state = {**dict(student.named_parameters()), **dict(student.named_buffers())}
        chosen = {name: t.detach()[lanes] for name, t in state.items()}
        self._student = student
        # Buffers, and parameters that are frozen.
        self._fixed = {name: t for name, t in chosen.items() if not state[name].requires_grad}
        self.parameters: Parameters = {
            name: t for name, t in chosen.items() if state[name].requires_grad
        }

    def output(self, theta: Parameters, x: Any) -> Output:
        """What it shows of inputs ``x`` with parameters ``theta``."""
        shown: Output = functional_call(self._student, {**theta, **self._fixed}, (x,))
        return shown


@dataclass(frozen=True)
class Group:
    """Training examples, or rows of them, whose weights are looked at together.

    ``output``: as a function of theta; ``terms``: (L, K, B) as a function of an output; ``along``:
    how fast they change at an output along a tangent of it, (L, K, B). ``scale``: 0 for examples
    that only fill up.
    """

    output: Callable[[Parameters], Output]
    terms: Callable[[Output], Tensor]
    along: Callable[[Output, Output], Tensor]
    scale: Tensor


def look_ahead_gradient(
    theta: Parameters,
    group: Group,
    lam: Tensor,
    step: Tensor,
    held_out: Callable[[Parameters], Tensor],
) -> Tensor:
    """dL_val(theta')/dlam: ``(L, K, B)``; ``held_out`` gives L_val (L,). Zero where step is."""
    scale = group.scale.unsqueeze(1)
    moved = after_step(theta, lambda at: (lam * scale * group.terms(group.output(at))).sum(), step)
    v = _gradient(moved, lambda at: held_out(at).sum())
    along = _along(group, dict(theta), v)
    return -step.view(-1, 1, 1) * scale * along


def after_step(
    theta: Parameters, loss: Callable[[Parameters], Tensor], step: Tensor
) -> dict[str, Tensor]:
    """theta after one plain gradient step down ``loss``, the sum over lanes of their losses."""
    gradient = _gradient(theta, loss)
    return {
        name: p - step.view(-1, *[1] * (p.dim() - 1)) * gradient[name] for name, p in theta.items()
    }


def _along(group: Group, theta: dict[str, Tensor], v: dict[str, Tensor]) -> Tensor:
    """How fast the terms change as theta moves along v, (L, K, B)."""

    def shown(at: Parameters) -> dict[str, Tensor]:
        return {name: t for name, t in group.output(at)._asdict().items() if t is not None}

    output, tangent = jvp(shown, (theta,), (v,))[:2]
    return group.along(
        Output(**{"features": None, **output}), Output(**{"features": None, **tangent})
    )


def _gradient(theta: Parameters, loss: Callable[[Parameters], Tensor]) -> dict[str, Tensor]:
    leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
    with torch.enable_grad():
        gradients = torch.autograd.grad(
            loss(leaves), list(leaves.values()), allow_unused=True, materialize_grads=True
        )
    return dict(zip(leaves, gradients, strict=True))
