"""Teachers on disk come back as they were, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from sweep.adapters.teacher_shelf import TeacherShelf

LOGITS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)


@pytest.fixture
def shelf(tmp_path: Path) -> TeacherShelf:
    return TeacherShelf(tmp_path / "teachers")


def _put(shelf: TeacherShelf, key: str) -> None:
    shelf.put(key, LOGITS, {"layers.0.weight": LOGITS.T})


def _assert_reported_as_damaged(shelf: TeacherShelf) -> None:
    found, damaged = shelf.logits(["a", "b"])
    assert found == {}
    assert [line.split(":")[0] for line in damaged] == [str(shelf.path("a"))]
    assert "trained again" in damaged[0]


def test_teacher_comes_back_as_it_was(shelf: TeacherShelf, tmp_path: Path) -> None:
    _put(shelf, "a")
    found = TeacherShelf(tmp_path / "teachers").logits(["a", "b"])[0]
    assert set(found) == {"a"}
    assert found["a"].dtype == np.float32
    assert np.array_equal(found["a"], LOGITS)


def test_putting_leaves_nothing_beside_the_teacher(shelf: TeacherShelf) -> None:
    _put(shelf, "a")
    _put(shelf, "a")
    assert [path.name for path in shelf.path("a").parent.iterdir()] == [shelf.path("a").name]


@pytest.mark.parametrize("part", [0, 1, 8, 60, 120])
def test_half_a_file_is_no_teacher(shelf: TeacherShelf, part: int) -> None:
    _put(shelf, "a")
    whole = shelf.path("a").read_bytes()
    shelf.path("a").write_bytes(whole[:part])
    _assert_reported_as_damaged(shelf)
    _put(shelf, "a")
    assert set(shelf.logits(["a"])[0]) == {"a"}


def test_other_bytes_are_no_teacher(shelf: TeacherShelf) -> None:
    shelf.path("a").write_bytes(b"\xff" * 200)
    _assert_reported_as_damaged(shelf)


def test_file_without_logits_is_no_teacher(shelf: TeacherShelf) -> None:
    from safetensors.numpy import save_file

    save_file({"something": LOGITS}, shelf.path("a"))
    _assert_reported_as_damaged(shelf)


@pytest.mark.parametrize("place", [-1, -30, 200])
def test_one_changed_byte_is_noticed(shelf: TeacherShelf, place: int) -> None:
    _put(shelf, "a")
    content = bytearray(shelf.path("a").read_bytes())
    content[place] ^= 1
    shelf.path("a").write_bytes(content)
    _assert_reported_as_damaged(shelf)
