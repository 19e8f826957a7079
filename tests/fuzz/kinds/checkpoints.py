"""Checkpoints of cohorts that train."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import torch

from sweep.adapters.ray.checkpoint_store import CheckpointStore
from sweep.plan.plan import Plan
from sweep.plan.tasks import confirm_cohort
from tests.fuzz.kinds.records import lines
from tests.fuzz.target import Apply, Mutation, PutAside, Target
from tests.sweep.specs import small_spec
from trainers.loop.checkpoint import UnusableCheckpoint, from_bytes, to_bytes

PLAN = Plan(small_spec({"conditions.noise_rate": [0.4]}))
COHORT = confirm_cohort(PLAN, PLAN.searches[0], 0, {}, (1, 2))
STATE = {
    "epoch": 3, "names": ["a", "b"], "best": [0.5, None], "nested": {"lr": 0.1, "x": (1, 2)},
    "weights": torch.arange(12.0).reshape(2, 6), "seeds": torch.arange(4, dtype=torch.uint8),
}  # fmt: skip


def checkpoint() -> list[Target]:
    """As they are; and forged, so that their sums hold."""
    return [
        Target("checkpoint", "of a launch before", _write_checkpoints, ["*.checkpoint"],
               _taken_up, _whole_checkpoint, OF_CHECKPOINTS,
               frozenset(), _same),
        Target("checkpoint", "forged", _write_checkpoints, ["*.checkpoint"], _taken_up,
               _whole_checkpoint, OF_FORGED,
               frozenset()),
    ]  # fmt: skip


def _same(good: object, found: object) -> bool:
    return good == found


def _write_checkpoints(folder: Path) -> None:
    store = CheckpointStore(folder)
    store.put(COHORT, [lane.key for lane in COHORT.lanes], 3, to_bytes(STATE))


def _taken_up(folder: Path) -> object:
    """What a cohort goes on from: the file is found, its sum holds, its bytes are read."""
    store = CheckpointStore(folder)
    if store.notices:
        raise PutAside(store.notices[0])
    if not (state := store.find(COHORT)):
        raise PutAside("of no use to this cohort, which is trained from its first epoch", True)
    try:
        content = from_bytes(state)
    except UnusableCheckpoint as error:
        raise PutAside(f"{error}; this cohort is trained from its first epoch", True) from None
    return {key: value.tolist() if isinstance(value, torch.Tensor) else value
            for key, value in content.items()}  # fmt: skip


def _whole_checkpoint(file: Path) -> None:
    written, _, rest = file.read_bytes().partition(b"\n")
    if hashlib.sha256(rest).hexdigest().encode() != written:
        raise ValueError


def _forged(
    change: Callable[[bytes, bytes, Random], tuple[bytes, bytes]],
) -> Apply:
    """Head and state changed, under a sum that holds."""

    def apply(file: Path, rng: Random) -> None:
        _, head, state = file.read_bytes().split(b"\n", 2)
        head, state = change(head, state, rng)
        rest = head + b"\n" + state
        file.write_bytes(hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest)

    return apply


def _heads(head: bytes, state: bytes, rng: Random) -> tuple[bytes, bytes]:
    lanes = json.loads(head)["lanes"]
    made: Any = rng.choice(
        ({}, [], None, 3, {"lanes": [], "epoch": 3}, {"lanes": None, "epoch": 3},
         {"lanes": lanes, "epoch": "3"}, {"lanes": lanes, "epoch": None}, {"lanes": lanes},
         {"lanes": dict.fromkeys(lanes), "epoch": 3}, {"lanes": lanes, "epoch": 10**400},
         {"lanes": lanes, "epoch": 3, "more": 1},
         {"lanes": dict(list(lanes.items())[:1]), "epoch": 3})
    )  # fmt: skip
    return json.dumps(made).encode(), state


def _damaged_state(head: bytes, state: bytes, rng: Random) -> tuple[bytes, bytes]:
    changed = bytearray(state)
    for _ in range(rng.choice((1, 4, 32))):
        changed[rng.randrange(len(changed))] = rng.randrange(256)
    return head, bytes(changed)


def _other_state(head: bytes, state: bytes, rng: Random) -> tuple[bytes, bytes]:
    made: Any = rng.choice(([], 3, None, torch.zeros(3), {}, {"a": torch.zeros(0)}))
    buffer = io.BytesIO()
    torch.save(made, buffer)
    return head, buffer.getvalue()


OF_CHECKPOINTS = [
    Mutation("lines exchanged", "refused", lines(lambda ls, rng: [ls[1], ls[0], *ls[2:]])),
    Mutation(
        "another head",
        "refused",
        lines(lambda ls, rng: [ls[0], ls[1].replace(b'"epoch": 3', b'"epoch": 9'), *ls[2:]]),
    ),
    Mutation("another sum", "refused", lines(lambda ls, rng: [b"0" * 64, *ls[1:]])),
    Mutation("nothing behind its head", "refused", lines(lambda ls, rng: ls[:2])),
    Mutation(
        "twice in a row", "refused", lambda file, rng: file.write_bytes(file.read_bytes() * 2)
    ),
    Mutation(
        "under another name", "same", lambda file, rng: file.rename(file.with_name("0.checkpoint"))
    ),
    Mutation(
        "beside one that was not finished",
        "same",
        lambda file, rng: file.with_suffix(".123").write_bytes(b"x"),
    ),
]
OF_FORGED = [
    Mutation("another head", "any", _forged(_heads)),
    Mutation("another head", "any", _forged(_heads)),
    Mutation("a damaged state", "any", _forged(_damaged_state)),
    Mutation("a damaged state", "any", _forged(_damaged_state)),
    Mutation("a damaged state", "any", _forged(_damaged_state)),
    Mutation("another state", "any", _forged(_other_state)),
    Mutation("a cut state", "refused", _forged(lambda h, s, rng: (h, s[: rng.randrange(len(s))]))),
    Mutation(
        "a pickle",
        "refused",
        _forged(lambda h, s, rng: (h, b"\x80\x04cos\nsystem\n(S'touch x'\ntR.")),
    ),
]
