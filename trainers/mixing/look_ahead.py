"""How a held-out loss changes with the weight of each training loss, through one look-ahead step of
the whole network.

L lanes, K losses per example, B examples of a batch or group, P parameters of one lane.

theta   parameters of every lane that train, by name      (L, ...) each
lam     loss weights                                      (L, K, B)
l(theta)   the losses that they weigh                     (L, K, B)
step    learning rate over examples in a batch, eta / B   (L,)

theta' = theta - step * grad sum_ik lam_ik l_ik(theta), without momentum or weight decay, and

    dL_val/dlam_ik = -step * < v, grad l_ik(theta) > = -step * d/d eps l_ik(theta + eps v) at 0,

with v = grad L_val(theta'): one forward-mode derivative, where differentiating through the step
would take a backward pass of a backward pass. Exact, as lam enters theta' linearly.

The network is in evaluation mode: what it learns of batch statistics is not part of the step.

Source: the one-step look-ahead of Ren et al. 2018 (arXiv 1803.09050) and Shu et al. 2019
(arXiv 1902.07379); the forward-mode form is plain calculus.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.func import functional_call, jvp

from trainers.classification.networks.classifier import LaneClassifier

Parameters = Mapping[str, Tensor]


@contextmanager
def evaluation_mode(student: nn.Module) -> Iterator[None]:
    """The student in evaluation mode for a while."""
    was_training = student.training
    student.eval()
    try:
        yield
    finally:
        student.train(was_training)


class Network:
    """Some lanes of a student as a function of its parameters."""

    def __init__(self, student: LaneClassifier, lanes: Tensor) -> None:
        """``lanes``: which, as indices."""
        state = {**dict(student.named_parameters()), **dict(student.named_buffers())}
        chosen = {name: t.detach()[lanes] for name, t in state.items()}
        self._student = student
        # Buffers, and parameters that are frozen.
        self._fixed = {name: t for name, t in chosen.items() if not state[name].requires_grad}
        self.parameters: Parameters = {
            name: t for name, t in chosen.items() if state[name].requires_grad
        }

    def logits(self, theta: Parameters, x: Tensor) -> Tensor:
        """Logits (L, B, C) of inputs (L, B, ...) with parameters ``theta``."""
        z: Tensor = functional_call(self._student, {**theta, **self._fixed}, (x,)).logits
        return z


def look_ahead_gradient(
    theta: Parameters,
    losses: Callable[[Parameters], Tensor],
    lam: Tensor,
    step: Tensor,
    held_out: Callable[[Parameters], Tensor],
) -> Tensor:
    """dL_val(theta')/dlam: ``(L, K, B)``; ``held_out`` gives L_val (L,). Zero where step is."""
    moved = after_step(theta, lambda at: (lam * losses(at)).sum(), step)
    v = _gradient(moved, lambda at: held_out(at).sum())
    along: Tensor = jvp(losses, (dict(theta),), (v,))[1]
    return -step.view(-1, 1, 1) * along


def after_step(
    theta: Parameters, loss: Callable[[Parameters], Tensor], step: Tensor
) -> dict[str, Tensor]:
    """theta after one plain gradient step down ``loss``, the sum over lanes of their losses."""
    gradient = _gradient(theta, loss)
    return {
        name: p - step.view(-1, *[1] * (p.dim() - 1)) * gradient[name] for name, p in theta.items()
    }


def _gradient(theta: Parameters, loss: Callable[[Parameters], Tensor]) -> dict[str, Tensor]:
    leaves = {name: p.detach().requires_grad_() for name, p in theta.items()}
    with torch.enable_grad():
        gradients = torch.autograd.grad(loss(leaves), list(leaves.values()))
    return dict(zip(leaves, gradients, strict=True))
