"""What a batch of the groups divides by."""

from types import SimpleNamespace
from typing import cast

import torch

from trainers.mixing.alm_kd.groups import Deal
from trainers.task import TaskData


def test_a_short_last_batch_divides_by_the_examples_that_it_has() -> None:
    """340 examples in batches of 32, three to a group: of the last 20 each counts 32/20 as much."""
    learned = torch.arange(340).unsqueeze(0)
    known = SimpleNamespace(size={"train": 340, "meta": 50}.get, learned_places=learned)
    data = cast(TaskData, known)
    deal = Deal.draw([torch.Generator()], torch.tensor([0]), 32, 3, 32, data)
    scale = deal.scale.flatten()
    torch.testing.assert_close(scale[:320], torch.ones(320))
    torch.testing.assert_close(scale[320:340], torch.full((20,), 1.6))
    assert (scale[340:] == 0).all()
