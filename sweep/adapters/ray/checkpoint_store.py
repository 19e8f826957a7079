"""Checkpoints of cohorts on disk, one file each; written beside their place and renamed.

A file is a line with the SHA-256 of all that follows, a line of JSON that says which lanes it holds
and after which epoch, and the bytes that `trainers.loop.checkpoint` made. A lane is known by its
key and by a digest of all that it trains on and with, the code's version included: what was saved
under another spec or by other code is of no use.
"""

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from sweep.plan.tasks import CohortTask, LaneTask
from sweep.version import code_version

SUFFIX = ".checkpoint"


class DamagedCheckpoint(Exception):
    """A file that is not what was written."""


@dataclass(frozen=True)
class Kept:
    """What a file holds: its lanes by key, each with its digest, and how many epochs they have."""

    lanes: Mapping[str, str]
    epoch: int


class CheckpointStore:
    """A directory of checkpoints with one writer."""

    def __init__(self, directory: Path) -> None:
        """Takes up what is there; what is damaged is deleted, with a line on it in ``notices``."""
        self._directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        self._kept: dict[Path, Kept] = {}
        self.notices: list[str] = []
        for path in sorted(directory.iterdir()):
            if path.suffix == SUFFIX:
                self._take_up(path)
            else:
                path.unlink()  # was never finished

    @property
    def cohorts(self) -> list[frozenset[str]]:
        """The keys of the lanes that stand in one checkpoint, for each."""
        return [frozenset(kept.lanes) for kept in self._kept.values()]

    def put(self, task: CohortTask, lanes: Collection[str], epoch: int, state: bytes) -> None:
        """Keep the state of a cohort, of which ``lanes`` are left, instead of an earlier one."""
        kept = Kept({t.key: _digest(task, t) for t in task.lanes if t.key in lanes}, epoch)
        path = self._directory / f"{_name(task)}{SUFFIX}"
        head = json.dumps({"lanes": kept.lanes, "epoch": epoch}).encode() + b"\n"
        digest = hashlib.sha256(head)
        digest.update(state)
        beside = path.with_suffix(f".{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.writelines([digest.hexdigest().encode() + b"\n", head, state])
            os.replace(beside, path)
        except OSError:
            beside.unlink(missing_ok=True)
            raise
        self._kept[path] = kept

    def find(self, task: CohortTask) -> bytes:
        """The state to go on from: of all lanes of the cohort, furthest on; empty if none is."""
        wanted = {lane.key: _digest(task, lane) for lane in task.lanes}
        fitting = [
            (kept.epoch, path)
            for path, kept in self._kept.items()
            if all(kept.lanes.get(key) == digest for key, digest in wanted.items())
        ]
        for _, path in sorted(fitting, reverse=True):
            try:
                return _read(path)[1]
            except DamagedCheckpoint:
                self._delete(path)
        return b""

    def landed(self, task: CohortTask, flying: Collection[str]) -> None:
        """Delete what was kept for a cohort that is over, unless lanes of it still train."""
        keys = {lane.key for lane in task.lanes}
        for path, kept in list(self._kept.items()):
            if not keys.isdisjoint(kept.lanes) and kept.lanes.keys().isdisjoint(flying):
                self._delete(path)

    def clear(self) -> None:
        """Delete everything: nothing is left to be trained."""
        for path in list(self._kept):
            self._delete(path)

    def _take_up(self, path: Path) -> None:
        try:
            self._kept[path] = _read(path)[0]
        except DamagedCheckpoint:
            self.notices.append(
                f"{path}: does not hold what was written; this cohort is trained again"
            )
            path.unlink()

    def _delete(self, path: Path) -> None:
        del self._kept[path]
        path.unlink(missing_ok=True)


def _name(task: CohortTask) -> str:
    text = "\n".join([task.id, *(lane.key for lane in task.lanes)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _digest(task: CohortTask, lane: LaneTask) -> str:
    """What a lane's numbers depend on: plain values, told apart by how they are written."""
    text = "\n".join(map(repr, (code_version(), task.stage, task.spec, task.data, lane)))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _read(path: Path) -> tuple[Kept, bytes]:
    """What a file holds, checked against its own digest."""
    content = path.read_bytes()
    written, _, rest = content.partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != written:
        raise DamagedCheckpoint(path)
    head, _, state = rest.partition(b"\n")
    try:
        kept = Kept(**json.loads(head))
    except (ValueError, TypeError, RecursionError):  # in the form of another version
        raise DamagedCheckpoint(path) from None
    if not isinstance(kept.lanes, dict) or not isinstance(kept.epoch, int):
        raise DamagedCheckpoint(path)
    return kept, state
