"""DATASETS: every data set of the task, in one table. Free of torch."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from trainers.data.arrays import missing_file
from trainers.entries import DatasetEntry, Shape
from trainers.fields import Field
from trainers.recommendation.data.made_up import FEWEST_ITEMS, FEWEST_USERS, affinity
from trainers.recommendation.data.movielens import (
    PUBLISHED,
    counts_of,
    missing_movielens,
    movielens_100k,
)
from trainers.recommendation.data.tables import DRAWN, TIME, interactions

TASK = "recommendation"
FOLDER = Field(
    "folder", "path", None, "where its file is; by default $ALMKD_DATA and the usual places",
    "own", example="~/data",
)  # fmt: skip
ORDER = Field(
    "order", "choice", DRAWN, "by what a user's interactions are dealt to splits: by a draw, or by "
    "time, the first to train and the last to test", "own", choices=(DRAWN, TIME),
)  # fmt: skip
Sizes = Callable[..., tuple[int, int, int]]


def _shape(sizes: Sizes) -> Callable[..., Shape]:
    """Users and items, of those and of interactions."""
    return lambda **options: sizes(**options)[:2]


def _counts(sizes: Sizes) -> Callable[..., tuple[int, int]]:
    """Interactions, and numbers for one of them: a teacher gives one for each user and item."""

    def counts(**options: Any) -> tuple[int, int]:
        users, items, interactions = sizes(**options)
        return interactions, math.ceil(users * items / interactions)

    return counts


def _of_movielens(order: str, folder: str = "", **options: float) -> tuple[int, int, int]:
    return counts_of(**options)


def _of_made_up(users: int, items: int, interactions: int) -> tuple[int, int, int]:
    return users, items, interactions


DATASETS: Mapping[str, DatasetEntry] = {
    "movielens_100k": DatasetEntry(
        movielens_100k,
        "100,000 ratings of 1,682 movies by 943 users, 20 of each at least",
        "Harper and Konstan 2015 (ACM TiiS 5(4)), the file of RecBole",
        TASK,
        fields=(
            FOLDER,
            Field("min_rating", "float", None, "the stars from which on a movie counts as taken; "
                  "by default every rating does", "own", unit="stars", low=1, high=5, example=4.0),
            ORDER,
        ),
        missing=missing_movielens,
        published=PUBLISHED,
        shape=_shape(_of_movielens),
        counts=_counts(_of_movielens),
    ),
    "affinity": DatasetEntry(
        affinity,
        "made up: users take what suits their hidden vectors and what is popular",
        "own",
        TASK,
        fields=(
            Field("users", "int", 200, "how many", "own", unit="users", low=FEWEST_USERS,
                  high=1_000_000),
            Field("items", "int", 300, "how many", "own", unit="items", low=FEWEST_ITEMS,
                  high=1_000_000),
            Field("interactions", "int", 6000, "how many, of all users together; ten of each at "
                  "least", "own", unit="examples", low=1, high=100_000_000),
        ),
        shape=_shape(_of_made_up),
        counts=_counts(_of_made_up),
        may_change=lambda **options: False,
    ),
    "interactions": DatasetEntry(
        interactions,
        "a table with a column of users and one of items, as .csv, .tsv, .jsonl or .parquet",
        "the user's",
        TASK,
        fields=(
            Field("path", "path", None, "the file", "the user's", required=True,
                  example="taken.csv"),
            Field("user", "text", "user", "the column of users", "the user's"),
            Field("item", "text", "item", "the column of items", "the user's"),
            Field("rating", "text", None, "the column of ratings, with min_rating", "the user's",
                  example="rating"),
            Field("min_rating", "float", None, "the rating from which on an item counts as taken; "
                  "with rating", "the user's", example=4.0),
            Field("time", "text", None, "the column of times; of rows with one user and item the "
                  "earliest is kept", "the user's", example="timestamp"),
            ORDER,
            Field("delimiter", "choice", ",", "what separates fields in a .csv file",
                  "the user's", choices=(",", ";", "|")),
            Field("decimal", "choice", ".", "the decimal mark of a text", "the user's",
                  choices=(".", ",")),
            Field("encoding", "text", "utf-8", "the encoding of a text",
                  "Python's names of encodings"),
        ),
        missing=missing_file,
    ),
}  # fmt: skip
