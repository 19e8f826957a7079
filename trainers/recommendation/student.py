"""A student of recommendation by itself, without lanes, sweep or data set.

B users, U users and I items in all, D numbers of a vector.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trainers.data.errors import DataError
from trainers.task import StudentModule

# Items that are told of each user.
TOLD = 20
# What stands between ids of items.
BETWEEN = " "


class Vectors(nn.Module):
    """Buffers ``users`` (U, D) and ``items`` (I, D), whose products are scores; ``seen`` (U, W):
    the items that each user has in training, filled up with I."""

    users: Tensor
    items: Tensor
    seen: Tensor

    def __init__(self, users: int, items: int, width: int, columns: int) -> None:
        super().__init__()
        self.register_buffer("users", torch.zeros(users, width))
        self.register_buffer("items", torch.zeros(items, width))
        self.register_buffer("seen", torch.full((users, columns), items))

    def forward(self, users: Tensor) -> Tensor:
        """The scores (B, I) of users (B,); -inf for what they have in training."""
        scores = self.users[users] @ self.items.mT
        # One column more, for what only fills up.
        padded = torch.cat([scores, scores[:, :1]], dim=1)
        return padded.scatter(1, self.seen[users], -torch.inf)[:, :-1]


class Suggester(StudentModule):
    """Takes numbers of users ``(B, 1)`` and gives the scores of all items, ``(B, I)``; -inf for
    those that a user has in training.

    `encode` makes numbers of ids.
    """

    input_dtype = torch.int64
    takes_texts = True

    def __init__(self, network: Vectors, facts: Mapping[str, Any]) -> None:
        """``facts``: as `trainers.recommendation.task.Recommendation.facts` has them."""
        super().__init__()
        self.network = network
        self.shape = (1,)
        self.columns = (facts["user_column"],)
        self._users = {user: number for number, user in enumerate(facts["user_ids"])}
        self._items = np.array(facts["item_ids"], dtype=object)
        self.example_text = facts["user_ids"][0]

    def encode(self, texts: Sequence[str]) -> Tensor:
        """DataError where training never had a user."""
        for text in texts:
            if text not in self._users:
                raise DataError(f"training had no user {text!r}; correct it, or leave it out")
        return torch.tensor([[self._users[text]] for text in texts])

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.network(x[:, 0])
        return scores

    def table(self, outputs: Tensor) -> dict[str, NDArray[Any]]:
        """``items``: the ids of the best, at most `TOLD`, the best first; of equal scores the first
        item."""
        best = outputs.sort(dim=1, descending=True, stable=True)
        told = [
            BETWEEN.join(self._items[row[values > -torch.inf][:TOLD].numpy()])
            for values, row in zip(best.values, best.indices, strict=True)
        ]
        return {"items": np.array(told, dtype=object)}
