"""Loss weights from a small network, learned on clean data: what such methods share.

L lanes, B examples of a batch, K weighted terms per example, D inputs of the weighting net.

u      what the net sees of each example                      (L, D, B)
w      its weights, net(u)                                    (L, K, B)
L_i    sum_k w_ik l_ik

Before each step of the student, the net is given the gradient of the loss that a look-ahead step of
the whole student would leave on a clean held-out mini-batch (`trainers.mixing.look_ahead`), and
takes one step of Adam down the mean of such gradients once it has as many as it wants, often one;
then the student steps with the weights of the net.

Clean examples that are trained on have the fixed weights of `trainers.mixing.certain`, in the
look-ahead too.

Departure from the sources: the look-ahead runs in evaluation mode, where theirs takes the
statistics of the batch.
"""

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from trainers.evaluation import evaluation_mode
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.state import State
from trainers.method import Method, Setup, Step
from trainers.mixing.certain import certain_weights
from trainers.mixing.held_out_batches import HeldOutBatches, held_out_sizes
from trainers.mixing.look_ahead import Group, Network, Parameters, look_ahead_gradient
from trainers.mixing.weighting_net import NetSteps, WeightingNet
from trainers.task import Batch, Terms


class LearnedWeights(Method):
    """Per-example losses weighted by a net that looks ahead.

    ``weighted``: how many of the terms, the label's first.
    """

    weighted: int
    # Names the random streams of its own.
    purpose: str

    def __init__(self, setup: Setup, net: WeightingNet) -> None:
        super().__init__(setup)
        self.net = net.to(self.data.device)
        self._steps = NetSteps(net, self.values)
        sizes = held_out_sizes(self.values, self.batch_size, self.data)
        self._held_out = HeldOutBatches(self.data, sizes, setup.seeds, self.purpose)

    @abstractmethod
    def weights(self, terms: Terms) -> Tensor:
        """w (L, K, B), with the graph that leads to the net and none that leads to ``terms``."""

    def losses(self, step: Step) -> Tensor:
        with torch.no_grad():
            w = self._weights(step.terms, step.batch.places)
        return (w * step.terms.first(self.weighted)).sum(1)

    def begin_epoch(self, epoch: int, student: LaneNetwork, lr: Tensor) -> None:
        self._steps.begin_epoch(lr)

    def begin_step(self, batch: Batch, student: LaneNetwork, lr: Tensor) -> None:
        lanes = torch.arange(self.data.lanes, device=lr.device)
        with evaluation_mode(student):
            network = Network(student, lanes)

            def terms(output: Output) -> Tensor:
                return self.data.terms(batch.targets, output, self.values).first(self.weighted)

            def along(output: Output, tangent: Output) -> Tensor:
                return self.data.terms_along(
                    batch.targets, output, tangent, self.values, self.weighted
                )

            theta = network.parameters
            with torch.no_grad():
                output = network.output(theta, batch.inputs)
            terms_now = self.data.terms(batch.targets, output, self.values)
            w = self._weights(terms_now, batch.places)
            group = Group(
                partial(network.output, x=batch.inputs),
                terms,
                along,
                torch.ones_like(w[:, 0]).detach(),
            )
            slope = look_ahead_gradient(
                theta,
                group,
                w.detach(),
                lr / batch.places.shape[1],
                self._held_out_loss(student),
            )
        self._steps.add(torch.autograd.grad(w, list(self.net.parameters()), slope))

    def _held_out_loss(self, student: LaneNetwork) -> Callable[[Parameters], Tensor]:
        """The label's loss (L,) on the next held-out batches, as a function of theta."""
        drawn = self._held_out.draw()
        networks = [Network(student, lanes) for lanes, _ in drawn]
        place = torch.cat([lanes for lanes, _ in drawn]).argsort()

        def loss(theta: Parameters) -> Tensor:
            each = []
            for network, (lanes, batch) in zip(networks, drawn, strict=True):
                own = {name: p[lanes] for name, p in theta.items()}
                output = network.output(own, batch.inputs)
                terms = self.data.terms(batch.targets, output, self.values.keep(lanes))
                each.append(terms.label.mean(1))
            return torch.cat(each)[place]

        return loss

    def _weights(self, terms: Terms, places: Tensor) -> Tensor:
        """w (L, K, B) of the training examples at ``places`` (L, B), fixed for those of the clean
        meta split."""
        w = self.weights(terms)
        if not self.data.certain:
            return w
        fixed = certain_weights(self.values, self.weighted - 1, w).unsqueeze(2)
        certain = places >= self.data.size("train") - self.data.certain
        return torch.where(certain.unsqueeze(1), fixed, w)

    def state(self) -> dict[str, Any]:
        return {
            "net": dict(self.net.named_parameters()),
            "steps": self._steps.state(),
            "held_out": self._held_out.state(),
        }

    @torch.no_grad()
    def load_state(self, state: State) -> None:
        for name, p in self.net.named_parameters():
            p.copy_(state["net"][name])
        self._steps.load_state(state["steps"])
        self._held_out.load_state(state["held_out"])

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self._steps.keep(lanes)
        self._held_out.keep(lanes)
