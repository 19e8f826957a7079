"""Methods as users write them: sound ones, and one for each way to go wrong."""

from typing import Any

import torch
from torch import Tensor, nn

from trainers.entries import MethodEntry
from trainers.fields import Field
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.method import Method, Setup, Step
from trainers.mixing.fixed_kd import FixedKd
from trainers.mixing.table import METHODS

BETA = Field("beta", "float", 1.0, "weight of the distance", "own", low=0.0)
ENTRY = MethodEntry(
    summary="squared distance of logits",
    source="own",
    teachers="one",
    hyperparameters=(BETA,),
    space={"beta": {"low": 0.1, "high": 10.0, "log": True}},
)


class Squared(Method):
    """The label's loss, and the squared distance of the student's logits to the teacher's."""

    entry = ENTRY

    def losses(self, step: Step) -> Tensor:
        distance = step.output.logits - step.batch.targets.teachers[:, 0]
        return step.terms.label + self.values.numbers["beta"].view(-1, 1) * distance.square().mean(
            -1
        )


class Jittered(Squared):
    """As `Squared`, each loss times a random number, and less of it the more steps there were."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self.draws = [torch_generator(seed, "jitter") for seed in setup.seeds]
        self.steps = torch.zeros(len(setup.seeds))

    def losses(self, step: Step) -> Tensor:
        self.steps = self.steps + 1
        examples = step.batch.places.shape[1]
        factor = torch.stack([torch.rand(examples, generator=g) for g in self.draws])
        return super().losses(step) * factor / self.steps.view(-1, 1)

    def state(self) -> dict[str, Any]:
        return {"draws": places(self.draws), "steps": self.steps}

    def load_state(self, state: State) -> None:
        wind(self.draws, state["draws"])
        self.steps = state["steps"]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self.draws = [self.draws[i] for i in lanes.tolist()]
        self.steps = self.steps[lanes]


class Borrowed(FixedKd):
    """Its entry is made of another's."""

    entry = METHODS["fixed_kd"]

    def losses(self, step: Step) -> Tensor:
        return 2 * super().losses(step)


# A row by itself, without code.
ROW = ENTRY


class Undeclared(FixedKd):
    """Without an entry."""


class Unbounded(Squared):
    """Its default is not legal."""

    entry = MethodEntry(
        summary="",
        source="own",
        teachers="one",
        hyperparameters=(Field("beta", "float", -1.0, "", "own", low=0.0),),
    )


class Twice(Squared):
    """Two hyperparameters of one name."""

    entry = MethodEntry(summary="", source="own", teachers="one", hyperparameters=(BETA, BETA))


class NoField(Squared):
    """A hyperparameter that is a mere name."""

    entry = MethodEntry(
        summary="",
        source="own",
        teachers="one",
        hyperparameters=("beta",),  # type: ignore[arg-type]
    )


class ManyTeachers(Squared):
    """A number of teachers that is none."""

    entry = MethodEntry(
        summary="",
        source="own",
        teachers="two",
        hyperparameters=(),  # type: ignore[arg-type]
    )


class EmptyRange(Squared):
    """A range without an end."""

    entry = MethodEntry(
        summary="", source="own", teachers="one", hyperparameters=(BETA,),
        space={"beta": {"low": 1.0}},
    )  # fmt: skip


class OwnLr(Squared):
    """A range of its own for what all methods share."""

    entry = MethodEntry(
        summary="", source="own", teachers="one", hyperparameters=(BETA,),
        space={"lr": {"low": 0.1, "high": 0.2}},
    )  # fmt: skip


class NoMethod:
    """No subclass of Method."""

    entry = ENTRY

    def __init__(self, setup: Setup) -> None:
        pass


class Reduced(Squared):
    def losses(self, step: Step) -> Tensor:
        return super().losses(step).mean(1)


class Infinite(Squared):
    def losses(self, step: Step) -> Tensor:
        return super().losses(step) / 0


class SteepAtZero(Squared):
    def losses(self, step: Step) -> Tensor:
        return super().losses(step) + (0 * step.output.logits).sum(-1).sqrt()


class Detached(Squared):
    def losses(self, step: Step) -> Tensor:
        return super().losses(step).detach()


class Raising(Squared):
    def losses(self, step: Step) -> Tensor:
        return self.values.numbers["gamma"] * step.terms.label


class LateRaising(Squared):
    """Sound on small batches, which the check has."""

    def losses(self, step: Step) -> Tensor:
        if step.batch.places.shape[1] > 32:
            raise ValueError("too many examples")
        return super().losses(step)


class Leaking(Squared):
    def losses(self, step: Step) -> Tensor:
        losses = super().losses(step)
        return losses / losses.mean().detach()


class DividedByLanes(Squared):
    def losses(self, step: Step) -> Tensor:
        losses = super().losses(step)
        return losses / len(losses)


class Unseeded(Squared):
    def losses(self, step: Step) -> Tensor:
        losses = super().losses(step)
        return losses * torch.rand_like(losses)


class ForgetsToCut(Jittered):
    def keep(self, lanes: Tensor) -> None:
        self.values = self.values.keep(lanes)


class CutsTheWrong(Jittered):
    def keep(self, lanes: Tensor) -> None:
        self.values = self.values.keep(lanes)
        self.draws = self.draws[: len(lanes)]
        self.steps = self.steps[lanes]


class Forgetful(Jittered):
    def state(self) -> dict[str, Any]:
        return {}

    def load_state(self, state: State) -> None:
        pass


class CannotGoOn(Jittered):
    def load_state(self, state: State) -> None:
        wind(self.draws, state["generators"])


class OddMetrics(Squared):
    def metrics(self) -> dict[str, Tensor]:
        return {"beta": torch.zeros(4, 4)}


class OddTables(Squared):
    def tables(self) -> dict[str, Tensor]:
        return {"weights": torch.zeros(2, 3)}


class Net(nn.Module):
    """A network of one lane."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.relu(self.body(x.flatten(1))))
        return logits
