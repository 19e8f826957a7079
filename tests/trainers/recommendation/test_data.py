"""Interactions: what is read, what is made up, and what a look at them shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.trainers.recommendation.cases import FRACTIONS, of_counts
from tests.trainers.recommendation.files import write_movielens
from trainers.data.errors import DataError
from trainers.fields import resolved
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.datasets import DATASETS
from trainers.recommendation.data.inspection import gini, inspect
from trainers.recommendation.data.made_up import affinity, hidden
from trainers.recommendation.data.movielens import COUNTS, movielens_100k
from trainers.recommendation.data.splits import FEWEST, rows_by_user
from trainers.settings import DataSpec

SPEC = DataSpec("interactions", FRACTIONS, task="recommendation")
TABLE = {"user": [10, 9, 10, 9, 7], "item": ["a", "b", "b", "a", "c"]}


def _read(path: Path, **options: Any) -> Interactions:
    row = DATASETS["interactions"]
    found = row.load(**resolved(row.fields, {"path": str(path), **options}))
    assert isinstance(found, Interactions)
    return found


def _as_text(delimiter: str) -> Callable[[Path, dict[str, list[Any]]], None]:
    def write(path: Path, table: dict[str, list[Any]]) -> None:
        rows = [table, *zip(*table.values(), strict=True)]
        lines = [delimiter.join("" if v is None else str(v) for v in row) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")

    return write


def _as_json(path: Path, table: dict[str, list[Any]]) -> None:
    rows = zip(*table.values(), strict=True)
    lines = [json.dumps(dict(zip(table, row, strict=True))) for row in rows]
    path.write_text("\n".join(lines), encoding="utf-8")


WRITERS: dict[str, Callable[[Path, dict[str, list[Any]]], None]] = {
    "a.csv": _as_text(","),
    "a.tsv": _as_text("\t"),
    "a.jsonl": _as_json,
    "a.parquet": lambda path, table: pq.write_table(pa.table(table), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_tables_of_every_kind_say_the_same(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, TABLE)
    found = _read(tmp_path / name)
    # Numbers in their own order, where texts would have 10 first.
    assert found.user_ids == ("7", "9", "10")
    assert found.item_ids == ("a", "b", "c")
    assert found.users.tolist() == [2, 1, 2, 1, 0]
    assert found.items.tolist() == [0, 1, 1, 0, 2]
    assert found.users.dtype == found.items.dtype == np.int64
    assert found.info.feature_names == ("user", "item")
    assert found.info.remarks == ()
    assert found.times is None
    assert found.problem(SPEC) is None


@pytest.mark.parametrize("name", WRITERS)
def test_whole_numbers_are_the_same_as_floats(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name, {"user": [2.0, 1.0], "item": [30.0, 4.0]})
    found = _read(tmp_path / name)
    assert (found.user_ids, found.item_ids) == (("1", "2"), ("4", "30"))
    assert (found.users.tolist(), found.items.tolist()) == ([1, 0], [1, 0])


def test_texts_are_told_apart_as_they_are_written(tmp_path: Path) -> None:
    _as_text(",")(tmp_path / "a.csv", {"user": ["01", " 1", "NA"], "item": ["1", "1.0", "x"]})
    found = _read(tmp_path / "a.csv")
    assert found.user_ids == ("01", "1", "NA")
    assert found.item_ids == ("1", "1.0", "x")


@pytest.mark.parametrize("name", WRITERS)
def test_ratings_have_a_threshold_and_of_a_pair_the_earliest_is_kept(
    tmp_path: Path, name: str
) -> None:
    table = {
        "user": ["a", "a", "b", "b", "a", "c"],
        "item": ["x", "x", "y", "x", "y", "z"],
        "stars": [5, 4, 3, 5, 4, 1],
        "when": [30, 20, 9, 5, 10, 1],
    }
    WRITERS[name](tmp_path / name, table)
    options = {"rating": "stars", "min_rating": 4.0}
    found = _read(tmp_path / name, time="when", order="time", **options)
    assert [found.user_ids[n] for n in found.users] == ["a", "b", "a"]
    assert [found.item_ids[n] for n in found.items] == ["x", "x", "y"]
    assert found.user_ids == ("a", "b")
    assert found.times is not None
    assert np.argsort(found.times).tolist() == [1, 2, 0]
    low, again = found.info.remarks
    assert "2 of 6 ratings are below 4 and left out, and with them 1 user and 1 item" in low
    assert "left out 1 row" in again
    assert "the earliest is kept" in again
    assert _read(tmp_path / name, time="when", **options).times is None
    assert len(_read(tmp_path / name)) == 5


def test_times_may_be_dates(tmp_path: Path) -> None:
    when = ["2024-03-01 10:00:00", "2023-01-01 00:00:00", "2024-03-01 09:59:59"]
    table = {"user": ["a"] * 3, "item": ["x", "y", "z"], "when": when}
    for name in ("a.csv", "a.jsonl"):
        WRITERS[name](tmp_path / name, table)
        found = _read(tmp_path / name, time="when", order="time")
        assert found.times is not None
        assert found.times.tolist() == [2, 0, 1]


BAD: dict[str, tuple[dict[str, list[Any]], dict[str, Any], str]] = {
    "user": ({"who": [1], "item": [2]}, {}, r"has no column 'user' but who, item.*data\.user"),
    "item": ({"user": [1], "film": [2]}, {}, r"data\.item"),
    "one column": (TABLE, {"item": "user"}, "is the column of users"),
    "empty": ({"user": ["a", " ", ""], "item": [1, 2, 3]}, {}, "no user in row 2 and 1 more"),
    "rating alone": (TABLE, {"rating": "item"}, r"data\.rating: says nothing without"),
    "least alone": (TABLE, {"min_rating": 3.0}, r"data\.min_rating: says nothing without"),
    "no rating": (TABLE, {"rating": "stars", "min_rating": 3.0}, r"data\.rating"),
    "low": (
        {**TABLE, "stars": [1, 2, 3, 4, 5]},
        {"rating": "stars", "min_rating": 5.5},
        r"no rating is 5\.5 or higher; lower data\.min_rating",
    ),
    "words": (TABLE, {"rating": "item", "min_rating": 3.0}, "holds no numbers"),
    "no time": (TABLE, {"order": "time"}, r"name it as data\.time"),
    "other time": (TABLE, {"time": "when"}, r"has no column 'when'.*data\.time"),
    "strange time": (TABLE, {"time": "item"}, "which are no times"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_told(tmp_path: Path, case: str) -> None:
    table, options, message = BAD[case]
    _as_text(",")(tmp_path / "a.csv", table)
    with pytest.raises(DataError, match=message):
        _read(tmp_path / "a.csv", **options)


def test_what_only_some_kinds_of_files_hold_is_told(tmp_path: Path) -> None:
    file = tmp_path / "a.parquet"
    for values, message in (
        ([1.5, 2.0], "holds 1.5 in row 1"),
        ([1.0, float("nan")], "holds nan in row 2"),
        ([1.0, 1e300], r"holds 1e\+300 in row 2"),
        ([1, None], "empty places in row 2"),
        ([True, False], "holds bool"),
        ([], "has no row"),
    ):
        pq.write_table(pa.table({"user": values, "item": ["a", "b"][: len(values)]}), file)
        with pytest.raises(DataError, match=message):
            _read(file)
    nan = {"user": [1, 1], "item": [1, 2], "when": [0.5, float("nan")]}
    pq.write_table(pa.table(nan), file)
    with pytest.raises(DataError, match="NaN in row 2"):
        _read(file, time="when")


def test_the_end_of_the_name_says_what_a_file_is(tmp_path: Path) -> None:
    (tmp_path / "a.xls").write_text("user,item\n1,2", encoding="utf-8")
    with pytest.raises(DataError, match=r"none of \.csv, \.tsv, \.jsonl, \.parquet"):
        _read(tmp_path / "a.xls")
    (tmp_path / "a.csv").write_text("user\titem\n1\t2", encoding="utf-8")
    with pytest.raises(DataError, match="so rename it"):
        _read(tmp_path / "a.csv")
    missing = DATASETS["interactions"].missing
    assert missing(path=str(tmp_path / "a.csv")) is None
    assert "there is no file" in (missing(path=str(tmp_path / "b.csv")) or "")


def test_only_the_published_movielens_is_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="almkd fetch movielens_100k"):
        movielens_100k("drawn", str(tmp_path))
    write_movielens(tmp_path)
    found = movielens_100k("time", str(tmp_path))
    assert (*found.shape, len(found)) == COUNTS[1]
    assert found.times is not None
    some = movielens_100k("drawn", str(tmp_path), 4.0)
    assert some.times is None
    assert len(some) == 40_000
    assert len(movielens_100k("drawn", str(tmp_path), 4.5)) == 20_000
    write_movielens(tmp_path, drop=1)
    with pytest.raises(DataError, match=r"holds 99999 ratings.*fetch it again"):
        movielens_100k("drawn", str(tmp_path))
    write_movielens(tmp_path, "user\titem\trating\ttime")
    with pytest.raises(DataError, match="has the columns user, item, rating, time"):
        movielens_100k("drawn", str(tmp_path))


def test_rows_say_how_much_there_is() -> None:
    row = DATASETS["movielens_100k"]
    assert row.shape(order="drawn") == (943, 1682)
    assert row.counts(order="drawn") == (100_000, 16)
    assert row.shape(order="time", folder="a", min_rating=3.5) == (942, 1447)
    made = DATASETS["affinity"]
    sizes = {"users": 30, "items": 70, "interactions": 500}
    assert made.counts(**sizes) == (500, 5)
    assert made.load(**sizes).shape == made.shape(**sizes)
    assert DATASETS["interactions"].shape(path="a.csv") is None


def _ranked(scores: np.ndarray, taken: np.ndarray) -> float:
    """How often what a user took scores higher than what it did not, as a mean over users."""
    of_users = []
    for own, its in zip(scores, taken, strict=True):
        place = own.argsort().argsort()
        n, rest = its.sum(), (~its).sum()
        of_users.append((place[its].sum() - n * (n - 1) / 2) / (n * rest))
    return float(np.mean(of_users))


def test_made_up_users_take_what_they_like_and_what_is_popular() -> None:
    found, again, parts = affinity(200, 300, 6000), affinity(200, 300, 6000), hidden(200, 300)
    assert np.array_equal(found.users, again.users)
    assert np.array_equal(found.items, again.items)
    assert found.problem(SPEC) is None
    assert len(found) == 6000
    of_users, of_items = np.bincount(found.users), np.bincount(found.items)
    assert of_users.min() >= FEWEST
    assert of_users.std() > 5
    assert of_items.min() >= 1
    assert of_items.size == 300
    taken = np.zeros((200, 300), bool)
    taken[found.users, found.items] = True
    both, liked, popular = (
        _ranked(scores, taken)
        for scores in (
            parts.affinity + parts.popularity, parts.affinity,
            np.broadcast_to(parts.popularity, taken.shape),
        )
    )  # fmt: skip
    assert both > liked > 0.6
    assert both > popular > 0.6


def test_made_up_counts_are_kept_to_where_there_is_little_room() -> None:
    for sizes in ((10, 60, 160), (10, 60, 300), (50, 60, 1500)):
        found = affinity(*sizes)
        assert (*found.shape, len(found)) == sizes
        assert found.problem(SPEC) is None
        assert np.bincount(found.users).min() >= FEWEST
    for interactions in (159, 301):
        with pytest.raises(DataError, match="give 160 to 300"):
            affinity(10, 60, interactions)


def test_a_look_tells_how_unequal_interactions_are() -> None:
    data = of_counts([1, 4, 20, 25], items=200)
    seen = inspect(data, rows_by_user(data, FRACTIONS, np.random.default_rng(0)))
    facts = seen.facts
    assert facts["interactions_per_user"] == {"fewest": 1, "median": 12, "most": 25}
    assert (facts["users"], facts["items"]) == (4, 200)
    assert "input_shape" not in facts
    assert facts["density"] == 0.0625
    assert facts["users_in_training_alone"] == 2
    counts = np.sort(np.bincount(data.items, minlength=200))
    assert facts["popular_tenth_share"] == counts[-20:].sum() / 50
    told = "\n".join(seen.warnings)
    assert "1 user with one interaction" in told
    assert "2 of 4 users" in told
    assert f"{facts['items_without_training']} of 200 items" in told
    json.dumps(facts)
    made = affinity(200, 300, 6000)
    rows = rows_by_user(made, FRACTIONS, np.random.default_rng(0))
    assert inspect(made, rows).warnings == []


def test_gini_is_that_of_all_differences() -> None:
    counts = np.random.default_rng(0).geometric(0.1, 50)
    differences = np.abs(counts[:, None] - counts).sum()
    assert gini(counts) == pytest.approx(differences / (2 * 50 * counts.sum()))
    assert gini(np.full(7, 3)) == 0
