"""What a step of methods that look at the training split again takes, in the units of
`trainers.costs`."""

from collections.abc import Mapping

from trainers.costs import FORWARD, Costs, plain
from trainers.fields import Value


def crust(costs: Costs, values: Mapping[str, Value]) -> float:
    """A plain step, also of examples outside the coreset, and a forward pass over the training
    split before every epoch after ``coreset_after``; distances of pairs are left out."""
    epochs = max(0, costs.epochs - int(values["coreset_after"]))
    return plain(costs, values) + FORWARD * epochs / costs.epochs


def ckd(costs: Costs, values: Mapping[str, Value]) -> float:
    """A plain step, and where a bias is calibrated a forward pass over the training split before
    every evaluation, as if that were every epoch."""
    free = values["label_loss"] == "compare" or values["alpha"] == 1
    calibrates = free and values["calibrate"] == "bias"
    return plain(costs, values) + (FORWARD if calibrates else 0.0)
