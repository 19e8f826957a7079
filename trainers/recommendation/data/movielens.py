"""MovieLens-100k: ratings of movies, one to five stars, from the file that RecBole carries.

A line is a user, an item, a rating and the second of it, separated by tabs.
"""

import math

from trainers.data.delimited import TAB, Dialect, read_delimited
from trainers.data.errors import DataError
from trainers.data.files import holding, not_found, places
from trainers.data.sources import Published, Wheel
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.tables import Columns, of_table

NAME, FOLDER, FILE = "movielens_100k", "movielens_100k", "ml-100k.inter"
HEADER = ("user_id:token", "item_id:token", "rating:float", "timestamp:float")
COLUMNS = Columns("user_id", "item_id", time="timestamp")
RATING = "rating"
# Users, items and ratings there are with so many stars at least.
COUNTS = {
    1: (943, 1682, 100_000),
    2: (943, 1612, 93_890),
    3: (943, 1574, 82_520),
    4: (942, 1447, 55_375),
    5: (928, 1172, 21_201),
}
PUBLISHED = Published(
    folder=FOLDER,
    licence="GroupLens: for research; to pass it on, or to earn with it, takes their permission",
    terms="https://files.grouplens.org/datasets/movielens/ml-100k-README.txt",
    sources=(Wheel("recbole==1.2.1", {FILE: f"recbole/dataset_example/ml-100k/{FILE}"}),),
)


def movielens_100k(
    order: str, folder: str | None = None, min_rating: float | None = None
) -> Interactions:
    """Whoever rated what, or gave ``min_rating`` stars at least, in the order of the file;
    DataError where it is not there or another."""
    found = holding([FILE], places(folder, FOLDER))
    if found is None:
        raise DataError(missing_movielens(folder) or "")
    file = found / FILE
    table = read_delimited(file, None, Dialect(TAB), HEADER[:2])
    if tuple(table.columns.column_names) != HEADER:
        raise DataError(_another(file, f"has the columns {', '.join(table.columns.column_names)}"))
    plain = [name.partition(":")[0] for name in HEADER]
    table = table._replace(columns=table.columns.rename_columns(plain))
    whole = of_table(file, table, COLUMNS, order)
    if (counts := (*whole.shape, len(table.columns))) != COUNTS[1]:
        users, items, ratings = counts
        raise DataError(
            _another(file, f"holds {ratings} ratings of {items} items by {users} users")
        )
    if min_rating is None:
        return whole
    return of_table(file, table, COLUMNS._replace(rating=RATING, at_least=min_rating), order)


def missing_movielens(folder: str | None = None, **options: object) -> str | None:
    """What to fetch and where to put it, or None if it is there."""
    folders = places(folder, FOLDER)
    return None if holding([FILE], folders) else not_found([FILE], folders, NAME)


def counts_of(min_rating: float | None = None) -> tuple[int, int, int]:
    """Users, items and interactions."""
    return COUNTS[math.ceil(min_rating or 1)]


def _another(file: object, what: str) -> str:
    return f"{file}: {what}, and is not the published file; fetch it again"
