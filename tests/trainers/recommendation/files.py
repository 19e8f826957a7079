"""Small files of every kind that interactions can be loaded from."""

from collections.abc import Mapping
from itertools import product
from pathlib import Path

import numpy as np

from trainers.recommendation.data.movielens import COUNTS, FILE, HEADER
from trainers.settings import Option

USERS, ITEMS, OF_USER = 12, 40, 12
# Parts of a published collection in which users have enough to be tested.
ENOUGH: Mapping[str, Option] = {"movielens_100k": 12_000}


def options_for(name: str, folder: Path) -> dict[str, Option]:
    """What a data set is told so that it loads, with its files made in ``folder``."""
    if name == "movielens_100k":
        write_movielens(folder)
        return {"folder": str(folder), "examples": ENOUGH[name]}
    if name == "interactions":
        taken = [(u, (7 * u + 3 * k) % ITEMS) for u, k in product(range(USERS), range(OF_USER))]
        rows = [f"u{user},i{item}" for user, item in taken]
        (folder / "a.csv").write_text("\n".join(["user,item", *rows]), encoding="utf-8")
        return {"path": str(folder / "a.csv")}
    return {"users": USERS, "items": 60, "interactions": 240}


def write_movielens(folder: Path, header: str = "\t".join(HEADER), drop: int = 0) -> None:
    """A file with as many users, items and ratings as the published one, the first ``drop`` left
    out."""
    users, items, ratings = COUNTS[1]
    pairs = np.linspace(0, users * items - 1, ratings).astype(int).tolist()
    rows = [f"{p // items}\t{p % items}\t{1 + n % 5}\t{n}" for n, p in enumerate(pairs)]
    (folder / FILE).write_text("\n".join([header, *rows[drop:]]), encoding="utf-8")
