"""Fingerprints of what a sweep reads, as tags of its parent run: kept once, held to afterwards.

A tag each, and all of them with the run itself: no launch finds a sweep with some of them.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sweep.errors import BadInput
from sweep.plan.content import Fingerprints, described, named_by
from sweep.plan.plan import Plan
from sweep.spec.spec import SweepSpec

# Begins the name of a tag; then a hash of what its fingerprint is of.
TAG = "content."
# How much of the description of a fingerprint's subject is kept, in characters: for people alone.
SHOWN = 200


@dataclass(frozen=True)
class Content:
    """``tags`` to be set; ``in_keys``: the fingerprints that are in the keys of teachers."""

    tags: Mapping[str, str]
    in_keys: Fingerprints


def as_begun(plan: Plan) -> Content:
    """Of a new sweep."""
    tags = {_tag(name): _kept(name, found, True) for name, found in plan.fingerprints.items()}
    return Content(tags, plan.fingerprints)


def taken_up(plan: Plan, tags: Mapping[str, str], known: Collection[str]) -> Content:
    """Of a sweep with these ``tags`` that was launched before, when it read ``known``.

    What it read without a fingerprint, as earlier versions did, has one from now on; its teachers
    stay under the keys that they have. BadInput, naming what it is, where content changed.
    """
    added: dict[str, str] = {}
    in_keys: dict[str, str] = {}
    for name in named_by(plan.spec):
        now = plan.fingerprints.get(name)
        if _tag(name) in tags:
            kept = json.loads(tags[_tag(name)])
            if now is not None and now != kept["fingerprint"]:
                raise BadInput(_changed(plan.spec.name, name))
            if kept["in_keys"]:
                in_keys[name] = kept["fingerprint"]
        elif now is not None:
            added[_tag(name)] = _kept(name, now, name not in known)
            if name not in known:
                in_keys[name] = now
    return Content(added, in_keys)


def in_keys(spec: SweepSpec, tags: Mapping[str, str]) -> Fingerprints:
    """Those fingerprints of a sweep with these tags that are in the keys of its teachers."""
    kept = {n: json.loads(tags[_tag(n)]) for n in named_by(spec) if _tag(n) in tags}
    return {name: one["fingerprint"] for name, one in kept.items() if one["in_keys"]}


def is_same(plan: Plan, tags: Mapping[str, str], known: Collection[str]) -> bool:
    """Whether ``plan`` reads, of what is ``known`` to a sweep with these tags, what that read."""
    for name in named_by(plan.spec):
        kept = json.loads(tags[_tag(name)])["fingerprint"] if _tag(name) in tags else None
        if name in known and plan.fingerprints.get(name) != kept:
            return False
    return True


def kept_by(tags: Mapping[str, str]) -> dict[str, str]:
    """The fingerprints that a sweep with these tags keeps, by what they are of, in words."""
    kept = [json.loads(text) for name, text in tags.items() if name.startswith(TAG)]
    return {one["of"]: one["fingerprint"] for one in kept}


def _changed(sweep: str, name: str) -> str:
    return (
        f"the sweep {sweep!r} was launched when {described(name)} held something else, and its "
        "results would be of both; put back what it was, or give what it is now a sweep of its own "
        "with --fork NAME"
    )


def _tag(name: str) -> str:
    return TAG + hashlib.sha256(name.encode()).hexdigest()[:16]


def _kept(name: str, fingerprint: str, in_keys: bool) -> str:
    """``in_keys``: whether the keys of teachers have it in them."""
    kept = {"of": described(name)[:SHOWN], "fingerprint": fingerprint, "in_keys": in_keys}
    return json.dumps(kept)
