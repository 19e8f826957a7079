"""Files of the user's own on their way to a cluster, and where they are found there."""

from pathlib import Path

import pytest

from sweep import carried_files
from sweep.adapters.ray.jobs import written_into
from sweep.carried_files import VARIABLE, carry, find_in, place_of
from sweep.errors import BadInput
from tests.sweep.specs import small_spec

BESIDE = "student.json"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A job's directory, in which a launch begins and which it leaves for another."""
    monkeypatch.setenv(VARIABLE, "")
    job = tmp_path / "job"
    job.mkdir()
    return job


def test_a_job_finds_what_was_sent_along(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "student").mkdir(parents=True)
    there.mkdir()
    monkeypatch.chdir(here)
    Path("t.npy").write_bytes(b"logits")
    for folder in (Path(), Path("student")):
        (folder / "student.safetensors").write_bytes(b"weights")
        (folder / BESIDE).write_text("{}")
    mlp = {"name": "mlp", "hidden": [24]}
    given = [
        {"logits": "t.npy"},
        {"model": mlp, "weights": "student"},
        {"model": mlp, "weights": str(here / "student.safetensors")},
        {"logits": "on-the-head.npy"},
    ]
    rows = [{"method": "aver"}, {"method": "labels_only", "baseline": True}]
    written_into(elsewhere, small_spec({"methods": rows, "teacher": given}), ())
    find_in(elsewhere)
    monkeypatch.chdir(there)
    assert place_of("t.npy").read_bytes() == b"logits"
    assert sorted(path.name for path in place_of("student").iterdir()) == sorted(
        (BESIDE, "student.safetensors")
    )
    moved = place_of(str(here / "student.safetensors"))
    assert elsewhere in moved.parents
    assert (moved.parent / BESIDE).is_file()
    # What was not here is the head's own.
    assert place_of("on-the-head.npy") == Path("on-the-head.npy")


def test_a_link_in_a_directory_says_nothing_of_what_is_sent(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("s3cret")
    (tmp_path / "student").mkdir()
    (tmp_path / "student" / "weights.safetensors").symlink_to("../key")
    with pytest.raises(BadInput, match=r"weights\.safetensors: is a link to .*key, outside of"):
        carry([str(tmp_path / "student")], tmp_path / "job", BESIDE)
    # What a spec names itself is its user's own choice.
    (tmp_path / "t.npy").symlink_to("key")
    carry([str(tmp_path / "t.npy")], tmp_path / "other", BESIDE)
    assert [p.read_text() for p in (tmp_path / "other").rglob("t.npy")] == ["s3cret"]


def test_what_is_too_much_to_send_is_refused(
    elsewhere: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.npy").write_bytes(b"logits")
    monkeypatch.setattr(carried_files, "MOST_BYTES", 5)
    with pytest.raises(BadInput, match="put it on the cluster's head"):
        carry([str(tmp_path / "t.npy")], elsewhere, BESIDE)
