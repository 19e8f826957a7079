"""What a step of methods that look ahead takes, in the units of `trainers.costs`."""

from collections.abc import Mapping

from trainers.costs import ALONG, FORWARD, GRADIENT, Costs, plain
from trainers.fields import Value
from trainers.mixing.alm_kd.defaults import HELD_OUT, INNER_REPEATS


def alm_kd(costs: Costs, values: Mapping[str, Value]) -> float:
    """A plain step, and its share of the updates of weights before every ``update_every``-th epoch
    after the warm-up.

    An update by the last layer is a forward pass over the training examples; products of the last
    layer alone, and the pass over the meta split, are left out. One by the whole network takes, in
    each inner repeat, the gradient of every group, that of its held-out batch (and where the
    training group has a share in that loss, once more of the group), and a forward-mode derivative.
    """
    after = costs.epochs - int(values["warmup_epochs"])
    updates = max(0, -(-after // int(values["update_every"])))
    update = FORWARD
    if values["hypergradient"] == "full":
        variant, share = str(values["variant"]), values["held_out"]
        lowered = _held_out(costs, values) / int(values["grad_fit"])
        if (HELD_OUT[variant] if share == "default" else float(share)) < 1:
            lowered += 1
        repeats = int(values["inner_repeats"]) or INNER_REPEATS[variant]
        update = repeats * (GRADIENT * (1 + lowered) + FORWARD + ALONG)
    return plain(costs, values) + update * updates / costs.epochs


def learned_weights(costs: Costs, values: Mapping[str, Value]) -> float:
    """A plain step, and before each the look-ahead of the whole student: a forward pass for what
    the net sees, the gradients of the batch and of a held-out one, a forward-mode derivative."""
    ahead = FORWARD + GRADIENT * (1 + _held_out(costs, values)) + FORWARD + ALONG
    return plain(costs, values) + ahead


def _held_out(costs: Costs, values: Mapping[str, Value]) -> float:
    """Examples of a held-out batch for each of a training batch."""
    given = values["held_out_batch"]
    return 1.0 if given == "default" else int(given) / costs.batch_size
