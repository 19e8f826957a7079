"""The examples of both tasks, made up, always the same. Free of torch."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset

SEED = 7
TAGS, VOCABULARY, LONGEST = 4, 11, 7
USERS, ITEMS, TASTES = 17, 13, 3


@dataclass(frozen=True)
class Sequences(Dataset):
    """N sequences: ``tokens`` and ``tags`` (N, T), -1 past the end; ``lengths`` (N,)."""

    tokens: NDArray[np.int64]
    tags: NDArray[np.int64]
    lengths: NDArray[np.int64]
    official_test: int = 0

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def strata(self) -> NDArray[np.int64]:
        return np.minimum(self.lengths, 4)

    @property
    def shape(self) -> tuple[int, ...]:
        return (LONGEST,)

    def take(self, rows: NDArray[np.int64], official_test: int) -> "Sequences":
        return Sequences(self.tokens[rows], self.tags[rows], self.lengths[rows], official_test)


@dataclass(frozen=True)
class Pairs(Dataset):
    """N pairs (user, item) (N, 2), and whether the user likes the item (N,)."""

    pairs: NDArray[np.int64]
    likes: NDArray[np.int64]
    official_test: int = 0

    def __len__(self) -> int:
        return len(self.likes)

    @property
    def strata(self) -> NDArray[np.int64]:
        return self.likes

    @property
    def shape(self) -> tuple[int, ...]:
        return (2,)

    def take(self, rows: NDArray[np.int64], official_test: int) -> "Pairs":
        return replace(
            self, pairs=self.pairs[rows], likes=self.likes[rows], official_test=official_test
        )


def load_sequences(n: int) -> Sequences:
    """A token's tag is the sum of it and the one before it, by the number of tags."""
    rng = np.random.default_rng(SEED)
    lengths = rng.integers(2, LONGEST + 1, n)
    tokens = rng.integers(0, VOCABULARY, (n, LONGEST))
    before = np.concatenate([np.zeros((n, 1), np.int64), tokens[:, :-1]], axis=1)
    past = np.arange(LONGEST) >= lengths[:, None]
    tags = (tokens % TAGS + before % TAGS) % TAGS
    return Sequences(np.where(past, -1, tokens), np.where(past, -1, tags), lengths)


def load_pairs(n: int) -> Pairs:
    """A user likes an item where their tastes point the same way."""
    rng = np.random.default_rng(SEED)
    pairs = np.stack([rng.integers(0, USERS, n), rng.integers(0, ITEMS, n)], axis=1)
    user, item = rng.normal(size=(USERS, TASTES)), rng.normal(size=(ITEMS, TASTES))
    score = (user[pairs[:, 0]] * item[pairs[:, 1]]).sum(1)
    return Pairs(pairs, (score > 0).astype(np.int64))
