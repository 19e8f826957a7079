"""Teachers on disk come back as they were, or not at all."""

from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sweep.adapters.ray.teacher_store import TeacherStore, _digest

LOGITS = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
WEIGHTS = {"layers.0.weight": LOGITS.T}


@pytest.fixture
def store(tmp_path: Path) -> TeacherStore:
    return TeacherStore(tmp_path / "teachers")


def _put(store: TeacherStore, key: str) -> None:
    store.put(key, {"logits": LOGITS}, WEIGHTS)


def _assert_reported_as_damaged(store: TeacherStore) -> None:
    found, damaged = store.outputs(["a", "b"])
    assert found == {}
    assert [line.split(":")[0] for line in damaged] == [str(store.path("a"))]
    assert "trained again" in damaged[0]


def test_teacher_comes_back_as_it_was(store: TeacherStore, tmp_path: Path) -> None:
    _put(store, "a")
    found = TeacherStore(tmp_path / "teachers").outputs(["a", "b"])[0]
    assert set(found) == {"a"}
    assert list(found["a"]) == ["logits"]
    assert found["a"]["logits"].dtype == np.float32
    assert np.array_equal(found["a"]["logits"], LOGITS)
    weights = store.weights("a")
    assert list(weights) == list(WEIGHTS)
    assert np.array_equal(weights["layers.0.weight"], LOGITS.T)


def test_whatever_a_task_keeps_comes_back_in_its_own_type(store: TeacherStore) -> None:
    kept = {
        "top_values": LOGITS.astype(np.float16),
        "top_places": np.arange(6, dtype=np.uint16).reshape(3, 2),
        "sizes": np.array([3, 4], dtype=np.int64),
    }
    store.put("a", kept, WEIGHTS)
    found = store.outputs(["a"])[0]["a"]
    assert set(found) == set(kept)
    for name, array in kept.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array)


def test_what_it_reached_comes_back_too(store: TeacherStore) -> None:
    store.put("a", {"logits": LOGITS}, WEIGHTS, {"validation_accuracy": 91.25})
    _put(store, "b")
    assert store.measured("a") == {"validation_accuracy": 91.25}
    assert store.measured("b") == {}


def test_another_measure_than_was_written_is_noticed(store: TeacherStore) -> None:
    store.put("a", {"logits": LOGITS}, WEIGHTS, {"validation_accuracy": 91.25})
    path = store.path("a")
    path.write_bytes(path.read_bytes().replace(b"91.25", b"97.25"))
    _assert_reported_as_damaged(store)


def test_a_teacher_of_an_earlier_version_is_taken(store: TeacherStore) -> None:
    _put(store, "a")
    with safe_open(store.path("a"), framework="np") as file:
        header = {**file.metadata(), "sha256": _digest(load_file(store.path("a")), "")}
    save_file(load_file(store.path("a")), store.path("a"), header)
    assert set(store.outputs(["a"])[0]) == {"a"}


def test_putting_leaves_nothing_beside_the_teacher(store: TeacherStore) -> None:
    _put(store, "a")
    _put(store, "a")
    assert [path.name for path in store.path("a").parent.iterdir()] == [store.path("a").name]


@pytest.mark.parametrize("part", [0, 1, 8, 60, 120])
def test_half_a_file_is_no_teacher(store: TeacherStore, part: int) -> None:
    _put(store, "a")
    whole = store.path("a").read_bytes()
    store.path("a").write_bytes(whole[:part])
    _assert_reported_as_damaged(store)
    _put(store, "a")
    assert set(store.outputs(["a"])[0]) == {"a"}


def test_other_bytes_are_no_teacher(store: TeacherStore) -> None:
    store.path("a").write_bytes(b"\xff" * 200)
    _assert_reported_as_damaged(store)


def test_file_without_a_checksum_is_no_teacher(store: TeacherStore) -> None:
    save_file({"something": LOGITS}, store.path("a"))
    _assert_reported_as_damaged(store)


@pytest.mark.parametrize("place", [-1, -30, 200])
def test_one_changed_byte_is_noticed(store: TeacherStore, place: int) -> None:
    _put(store, "a")
    content = bytearray(store.path("a").read_bytes())
    content[place] ^= 1
    store.path("a").write_bytes(content)
    _assert_reported_as_damaged(store)
