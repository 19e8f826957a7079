"""Weights in safetensors: of a given teacher, of a student, of a network trained before, and of the
teachers that a runs directory keeps."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from sweep.adapters.ray.teacher_store import TeacherStore
from tests.fuzz.kinds import objects
from tests.fuzz.kinds.students import CLASSES, write_student_of_arrays
from tests.fuzz.routes import HERE, launched, shown
from tests.fuzz.target import Apply, Mutation, PutAside, Target
from tests.trainers.specimens import noise
from tests.trainers.text.bert import bert
from tests.trainers.text.files import options_for
from trainers.classification.networks.build import build_model
from trainers.settings import ModelSpec

Arrays = dict[str, np.ndarray[Any, Any]]
CONTAINERS = frozenset(
    {
        "trainers.given_teachers:_read", "trainers.text.data.pretrained:given",
        "safetensors.torch:load_file", "sweep.adapters.ray.teacher_store:_read",
    }
)  # fmt: skip
MODEL = {"name": "mlp", "hidden": [4]}
SHAPE = (1, 3, 4)
KEY = "teacher"


def safetensors() -> list[Target]:
    data = {"dataset": "npz", "path": f"{HERE}/a.npz"}
    given = {"teacher": {"model": MODEL, "weights": f"{HERE}/teacher.safetensors"}}
    texts = {
        "dataset": "csv",
        "path": f"{HERE}/a.csv",
        "max_length": 7,
        "pretrained": f"{HERE}/bert",
    }
    return [
        Target("safetensors", "teacher", _write_teacher, ["teacher.safetensors"],
               launched("classification", data, given), whole, OF_WEIGHTS, CONTAINERS),
        Target("safetensors", "student", write_student_of_arrays, ["student/*.safetensors"],
               shown("student", "new.npy"), whole, OF_WEIGHTS, CONTAINERS),
        Target("safetensors", "description", write_student_of_arrays, ["student/student.json"],
               shown("student", "new.npy"), objects.whole_object, OF_DESCRIPTIONS, CONTAINERS),
        Target("safetensors", "pretrained", _write_bert, ["bert/*.safetensors"],
               launched("text", texts), whole, OF_PRETRAINED, CONTAINERS),
        Target("safetensors", "config", _write_bert, ["bert/config.json"],
               launched("text", texts), objects.whole_object, OF_CONFIGS, CONTAINERS),
        Target("safetensors", "kept teacher", _keep_teacher, ["*.safetensors"], _kept_teacher,
               whole, OF_KEPT, CONTAINERS, may_be=lambda good, found: good == found),
    ]  # fmt: skip


def whole(file: Path) -> None:
    with safe_open(file, framework="np") as opened:
        for name in opened.keys():  # noqa: SIM118 - it is no mapping
            opened.get_slice(name).get_shape()


def _write_teacher(folder: Path) -> None:
    np.savez(folder / "a.npz", inputs=noise(60, *SHAPE), labels=np.arange(60) % CLASSES)
    model = ModelSpec("mlp", {"hidden": (4,)})
    network = build_model(model, SHAPE, CLASSES, [torch.Generator().manual_seed(3)])
    weights = {n: t.numpy() for n, t in network.single().state_dict().items()}
    save_file(weights, folder / "teacher.safetensors")


def _write_bert(folder: Path) -> None:
    options_for("csv", folder)
    bert(folder / "bert")


def _keep_teacher(folder: Path) -> None:
    weights = {"weight": noise(3, 4).astype("f4"), "bias": np.zeros(3, "f4")}
    outputs = {"logits": noise(9, CLASSES).astype("f4")}
    TeacherStore(folder).put(KEY, outputs, weights, {"validation_accuracy": 91.25})


def _kept_teacher(folder: Path) -> object:
    """As a launch, and a worker, take it up."""
    store = TeacherStore(folder)
    found, damaged = store.outputs([KEY])
    if damaged:
        raise PutAside(damaged[0], reached="cannot be read" not in damaged[0])
    arrays = {**found[KEY], **store.weights(KEY)}
    return {n: (a.dtype.str, a.shape, a.tobytes()) for n, a in arrays.items()}, store.measured(KEY)


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a file, and the numbers behind it."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _joined(header: object, data: bytes) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _header(change: Callable[[dict[str, Any], Random], object]) -> Apply:
    """The header changed in place, or replaced by what is returned."""

    def apply(file: Path, rng: Random) -> None:
        header, data = _split(file.read_bytes())
        replaced = change(header, rng)
        file.write_bytes(_joined(header if replaced is None else replaced, data))

    return apply


def _entry(header: dict[str, Any], rng: Random) -> dict[str, Any]:
    entry: dict[str, Any] = header[rng.choice(sorted(set(header) - {"__metadata__"}))]
    return entry


def _offsets(header: dict[str, Any], rng: Random) -> None:
    _entry(header, rng)["data_offsets"] = rng.choice(
        ([0, 0], [4, 0], [0, 2**63], [2**64 - 1, 2**64 - 1], [-4, 4], [0], ["a", "b"], None)
    )


def _shape(header: dict[str, Any], rng: Random) -> None:
    _entry(header, rng)["shape"] = rng.choice(
        ([], [0], [-1], [2**32, 2**32], [2**64], [1, 1, 1, 1], None, [1.5])
    )


def _type(header: dict[str, Any], rng: Random) -> None:
    _entry(header, rng)["dtype"] = rng.choice(
        ("I32", "U8", "BF16", "F8_E4M3", "F8_E5M2", "BOOL", "I64", "C64", "F4", "none", None)
    )


def _metadata(header: dict[str, Any], rng: Random) -> None:
    header["__metadata__"] = rng.choice(({}, {"a": "b"}, {"a": 1}, [], None, {"format": "\0"}))


def _arrays(change: Callable[[Arrays, Random], Arrays]) -> Apply:
    """Arrays changed, with the metadata as it was."""

    def apply(file: Path, rng: Random) -> None:
        with safe_open(file, framework="np") as opened:
            metadata = opened.metadata()
        arrays = {n: np.ascontiguousarray(a) for n, a in change(load_file(file), rng).items()}
        save_file(arrays, file, metadata)

    return apply


def _one(change: Callable[[np.ndarray[Any, Any], Random], Any]) -> Apply:
    def of(arrays: Arrays, rng: Random) -> Arrays:
        name = rng.choice(sorted(arrays))
        return {**arrays, name: change(arrays[name].copy(), rng)}

    return _arrays(of)


def _put(*values: float) -> Callable[[np.ndarray[Any, Any], Random], Any]:
    def change(array: np.ndarray[Any, Any], rng: Random) -> np.ndarray[Any, Any]:
        array.flat[rng.randrange(array.size)] = rng.choice(values)
        return array

    return change


def _renamed(arrays: Arrays, rng: Random) -> Arrays:
    name = rng.choice(sorted(arrays))
    other = rng.choice(("", "../x", "a\0b", "\x1b[2J", name.upper(), "x" * 5000, f"{name}.weight"))
    return {other if key == name else key: array for key, array in arrays.items()}


OF_HEADERS = [
    Mutation("other offsets", "refused", _header(_offsets)),
    Mutation("another shape", "refused", _header(_shape)),
    Mutation("another type", "any", _header(_type)),
    Mutation(
        "a header of no object",
        "refused",
        _header(
            lambda h, rng: rng.choice((b"[]", b"", b"null", b"{", b"{}", b"[" * 100_000, b"\xff"))
        ),
    ),
    Mutation("a header of blanks", "refused", _header(lambda h, rng: b" " * 10**6)),
    Mutation(
        "an array out",
        "refused",
        _arrays(lambda a, rng: dict(list(a.items())[: rng.randrange(len(a))])),
    ),
    Mutation("of another shape", "refused", _one(lambda a, rng: np.stack([a, a]))),
    Mutation("empty", "refused", _one(lambda a, rng: a.ravel()[:0])),
]
OF_WEIGHTS = [
    *OF_HEADERS,
    Mutation("written again", "same", _arrays(lambda a, rng: a)),
    Mutation("other metadata", "any", _header(_metadata)),
    Mutation(
        "in double precision",
        "any",
        _arrays(lambda a, rng: {n: x.astype("f8") for n, x in a.items()}),
    ),
    Mutation("NaN or infinity", "refused", _one(_put(np.nan, np.inf, -np.inf))),
    Mutation("a name changed", "refused", _arrays(_renamed)),
    Mutation("one more", "any", _arrays(lambda a, rng: {**a, "more": np.ones(3, "f4")})),
    Mutation("huge numbers", "any", _one(_put(3e38, -3e38))),
    Mutation("whole numbers", "any", _one(lambda a, rng: a.astype("i8"))),
]
OF_PRETRAINED = [
    Mutation("written again", "same", _arrays(lambda a, rng: a)),
    Mutation("other offsets", "refused", _header(_offsets)),
    Mutation("another shape", "refused", _header(_shape)),
    Mutation("another type", "any", _header(_type)),
    Mutation("NaN or infinity", "any", _one(_put(np.nan, np.inf))),
    Mutation("a name changed", "any", _arrays(_renamed)),
    Mutation(
        "an array out",
        "any",
        _arrays(lambda a, rng: dict(list(a.items())[: rng.randrange(1, len(a))])),
    ),
    Mutation("of another shape", "any", _one(lambda a, rng: np.stack([a, a]))),
    Mutation("empty", "any", _one(lambda a, rng: a.ravel()[:0])),
]
OF_KEPT = [
    *OF_HEADERS,
    Mutation("another number", "refused", _one(_put(0.123))),
    Mutation("other metadata", "any", _header(_metadata)),
    Mutation(
        "another measure",
        "refused",
        _header(
            lambda h, rng: h["__metadata__"].update(
                measured=rng.choice(("", "{", "[]", "null", '{"validation_accuracy": 99.0}'))
            )
        ),
    ),
    Mutation("a name changed", "refused", _arrays(_renamed)),
]
OF_OBJECTS = [
    Mutation("indented", "same", objects.text(objects.indented)),
    *[Mutation("an odd value", "any", objects.changed(objects.odd_value)) for _ in range(4)],
    Mutation("a key out", "any", objects.changed(objects.without_a_key)),
    Mutation("nested deeply", "any", objects.text(objects.nested)),
]
OF_DESCRIPTIONS = [
    *OF_OBJECTS,
    Mutation(
        "of another task",
        "any",
        objects.changed(
            lambda c, rng: c.update(
                task=rng.choice(
                    ("text", "language", "detection", "ctc", "recommendation", "incremental", "x")
                )
            )
        ),
    ),
    Mutation(
        "code of one's own",
        "refused",
        objects.changed(
            lambda c, rng: c.update(
                network={"name": "module", "sizes": {"path": "os:system", "arguments": {}}}
            )
        ),
    ),
]
OF_CONFIGS = [
    *OF_OBJECTS,
    Mutation(
        "odd names of classes",
        "any",
        objects.changed(
            lambda c, rng: c.update(
                id2label=rng.choice(
                    ([], {}, {"x": 1}, {"0": None}, {"-1": "a", "0": "a"}, 3, {"0": "\ud800"})
                )
            )
        ),
    ),
]
