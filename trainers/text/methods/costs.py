"""What a step of methods that know texts takes, in the units of `trainers.costs`."""

from collections.abc import Mapping

from trainers.costs import GRADIENT, Costs
from trainers.fields import Value


def mixkd(costs: Costs, values: Mapping[str, Value]) -> float:
    """A forward and a backward pass on a text and, where mixtures have weight, on a mixture. Where
    the teacher is asked about mixtures, a forward pass of it at every step, or with a bank as many
    as there are mixtures of a text, over all epochs; of texts its kept outputs are read."""
    of_teacher = float(values["tmkd_weight"])
    mixes = float(values["sm_weight"]) + of_teacher > 0
    step = 2 * GRADIENT if mixes else GRADIENT
    if of_teacher > 0 and values["target"] == "query":
        bank = int(values["bank"])
        step += costs.of_teachers * (bank / costs.epochs if bank else 1)
    return step
