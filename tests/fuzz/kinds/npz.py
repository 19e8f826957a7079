"""Arrays of numpy: .npz and .npy."""

import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzz.kinds import truth, zeros
from tests.fuzz.kinds.students import CLASSES, write_student_of_arrays
from tests.fuzz.routes import HERE, launched, shown
from tests.fuzz.target import Apply, Mutation, Target
from tests.trainers.specimens import noise

Arrays = dict[str, np.ndarray[Any, Any]]
Change = Callable[[Arrays, Random], Mapping[str, Any]]
N, SHAPE = 60, (1, 3, 4)
DIMENSIONS = (0, 1, -1, 3, 2**31, 2**40, 2**63, 2**64)
CONTAINERS = frozenset({"trainers.data.arrays:_load"})
MODEL = {"name": "mlp", "hidden": [4]}


def npz() -> list[Target]:
    """Data of a sweep, its splits, logits of a given teacher, inputs of a student."""
    data = {"dataset": "npz", "path": f"{HERE}/a.npz"}
    splits = {"data.splits": {"file": f"{HERE}/splits.npz"}}
    logits = {"teacher": {"logits": f"{HERE}/logits.npz"}}
    return [
        Target(
            "npz", "data", _write, ["a.npz"], launched("classification", data),
            whole_npz, [*OF_ARCHIVES, *OF_DATA], CONTAINERS, truth=truth.of_npz,
        ),
        Target(
            "npz", "splits", _write, ["splits.npz"], launched("classification", data, splits),
            whole_npz, [*OF_ARCHIVES, *OF_SPLITS], CONTAINERS,
        ),
        Target(
            "npz", "logits", _write, ["logits.npz"], launched("classification", data, logits),
            whole_npz, [*OF_ARCHIVES, *OF_NUMBERS], CONTAINERS,
        ),
        Target(
            "npz", "predict", write_student_of_arrays, ["new.npz"], shown("student", "new.npz"),
            whole_npz, [*OF_ARCHIVES, *OF_NUMBERS], CONTAINERS,
        ),
        Target(
            "npz", "predict .npy", write_student_of_arrays, ["new.npy"],
            shown("student", "new.npy"), np.load, OF_NPY, CONTAINERS,
        ),
    ]  # fmt: skip


def whole_npz(file: Path) -> None:
    """Whether every member is there, an .npy file, and the archive's own sums hold."""
    with zipfile.ZipFile(file) as archive:
        if archive.testzip() is not None or not archive.namelist():
            raise ValueError
        for name in archive.namelist():
            with archive.open(name) as member:
                np.lib.format.read_magic(member)


def _write(folder: Path) -> None:
    labels = np.arange(N) % CLASSES
    np.savez(folder / "a.npz", inputs=noise(N, *SHAPE), labels=labels)
    names = np.arange(N) % 10
    parts = {"train": names < 5, "meta": names == 5, "validation": names == 6, "test": names > 6}
    np.savez(folder / "splits.npz", **{name: np.flatnonzero(of) for name, of in parts.items()})
    np.savez(folder / "logits.npz", logits=noise(N, CLASSES))


def _load(file: Path) -> Arrays:
    with np.load(file) as arrays:
        return dict(arrays)


def _with(change: Change) -> Apply:
    """A file written anew with what ``change`` puts in place of its arrays; None takes one out."""

    def apply(file: Path, rng: Random) -> None:
        arrays = _load(file)
        changed = {**arrays, **change(arrays, rng)}
        np.savez(file, **{name: array for name, array in changed.items() if array is not None})

    return apply


def _each(change: Callable[[np.ndarray[Any, Any]], Any]) -> Apply:
    return _with(lambda arrays, rng: {name: change(array) for name, array in arrays.items()})


def _one(change: Callable[[np.ndarray[Any, Any], Random], Any], name: str = "") -> Apply:
    """One array changed: that of the name, or any."""

    def of(arrays: Arrays, rng: Random) -> Mapping[str, Any]:
        chosen = name or rng.choice(sorted(arrays))
        return {chosen: change(arrays[chosen].copy(), rng)}

    return _with(of)


def _put(value: Any, kind: str = "f8") -> Callable[[np.ndarray[Any, Any], Random], Any]:
    """One number replaced."""

    def change(array: np.ndarray[Any, Any], rng: Random) -> np.ndarray[Any, Any]:
        array = array.astype(kind)
        array.flat[rng.randrange(array.size)] = value
        return array

    return change


def _compressed(file: Path, rng: Random) -> None:
    np.savez_compressed(file, **_load(file))


def _reversed(file: Path, rng: Random) -> None:
    np.savez(file, **dict(reversed(_load(file).items())))


def _strange_member(file: Path, rng: Random) -> None:
    """A member whose name leads elsewhere, or is there twice."""
    names = list(_load(file))
    name = rng.choice(["../../out.npy", "/tmp/out.npy", "a\\..\\b.npy", "\x1b[2J.npy", "ünï.npy",
                       f"{names[0]}.npy", "folder/", "notes.txt"])  # fmt: skip
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(name, b"" if name.endswith("/") else npy("<f8", (2,), bytes(16)))


def npy(descr: Any, shape: Any, data: bytes, version: int = 1) -> bytes:
    """An .npy file whose header says whatever is told."""
    header = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape!r}, }}\n".encode()
    length = struct.pack("<H", len(header)) if version == 1 else struct.pack("<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header + data


def _strange_npy(rng: Random) -> bytes:
    shape: Any = tuple(rng.choice(DIMENSIONS) for _ in range(rng.randrange(4)))
    shape = rng.choice([shape, shape, (True, 3), [3, 4], 3, (3.0,), ("a",)])
    descr = rng.choice(["<f8", "<f4", "<i8", "|O", "|V0", "|S0", "<U0", "<c16", "<M8[s]", "|b1",
                        "<U1000000000", [("a", "<f8")], "none", 3, ("<f8", (2, 3))])  # fmt: skip
    return npy(descr, shape, rng.randbytes(rng.choice((0, 8, 96, 5760))), rng.choice((1, 2, 3)))


def _strange_header(file: Path, rng: Random) -> None:
    """One array replaced by one whose header says something odd."""
    arrays = _load(file)
    chosen = rng.choice(sorted(arrays))
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            buffer = io.BytesIO()
            np.save(buffer, array)
            content = _strange_npy(rng) if name == chosen else buffer.getvalue()
            archive.writestr(f"{name}.npy", content)


def _bomb(file: Path, rng: Random) -> None:
    """An array of 3 GiB of zeros, in 3 MB."""
    header = npy("<f4", (12, zeros.COUNT // 48), b"")
    header = header[:8] + struct.pack("<H", 118) + header[10:-1].ljust(117) + b"\n"
    _write_packed(file, f"{min(_load(file))}.npy", *zeros.behind(header))


def _write_packed(file: Path, name: str, packed: bytes, crc: int, size: int) -> None:
    """A zip archive of one member that is packed already."""
    common = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, crc, len(packed), size, len(name), 0)
    local = b"PK\x03\x04" + common + name.encode()
    central = b"PK\x01\x02\x14\x00" + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + name.encode()
    at = len(local) + len(packed)
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), at, 0)
    file.write_bytes(local + packed + central + end)


def _pickled(file: Path, rng: Random) -> None:
    arrays: dict[str, Any] = _load(file)
    chosen = rng.choice(sorted(arrays))
    arrays[chosen] = np.array([{"a": 1}, print], dtype=object)
    np.savez(file, **arrays)


def _npy(change: Callable[[np.ndarray[Any, Any], Random], Any]) -> Apply:
    return lambda file, rng: np.save(file, change(np.load(file), rng))


def _text(name: str, values: list[str]) -> Apply:
    """Labels that are texts, some of them of those given."""

    def of(arrays: Arrays, rng: Random) -> Mapping[str, Any]:
        texts = [rng.choice([*values, "cat", "dog"]) for _ in arrays[name]]
        texts[:3] = ["cat", "dog", values[0]]
        return {name: np.array(texts)}

    return _with(of)


OF_ARCHIVES = [
    Mutation("compressed", "same", _compressed),
    Mutation("members in another order", "same", _reversed),
    Mutation("in Fortran's order", "same", _each(np.asfortranarray)),
    Mutation("of the other byte order", "same", _each(lambda a: a.astype(a.dtype.newbyteorder()))),
    Mutation("a strange member", "any", _strange_member),
    Mutation("a strange header", "any", _strange_header),
    Mutation("a strange header", "any", _strange_header),
    Mutation("a pickle", "refused", _pickled),
    Mutation("a bomb", "refused", _bomb),
    Mutation("none", "refused", lambda file, rng: np.savez(file)),
    Mutation("an array out", "refused", _with(lambda a, rng: {rng.choice(sorted(a)): None})),
    Mutation(
        "one of another name",
        "any",  # an array that is alone in its file may have any
        _with(lambda a, rng: {(name := rng.choice(sorted(a))): None, f"{name}_": a[name]}),
    ),
    Mutation("complex", "refused", _one(lambda a, rng: a.astype(complex))),
    Mutation("bytes", "refused", _one(lambda a, rng: a.astype("S"))),
    Mutation("dates", "refused", _one(lambda a, rng: a.astype("M8[s]"))),
    Mutation("of records", "refused", _one(lambda a, rng: np.zeros(len(a), [("a", "f8")]))),
    Mutation("no dimension", "refused", _one(lambda a, rng: np.float64(1.0))),
    Mutation("one dimension more", "any", _one(lambda a, rng: a[..., None])),
    Mutation("in one row", "any", _one(lambda a, rng: a.ravel())),
    Mutation("nothing in it", "any", _one(lambda a, rng: a[:0])),
    Mutation("one alone", "any", _one(lambda a, rng: a[:1])),
    Mutation("fewer", "any", _one(lambda a, rng: a[: rng.randrange(len(a))])),
    Mutation("texts", "any", _one(lambda a, rng: np.full(a.shape, "x\x00y"))),
    Mutation("booleans", "any", _one(lambda a, rng: a > 0)),
    Mutation("half precision", "any", _one(lambda a, rng: a.astype("f2"))),
    Mutation("huge numbers", "any", _one(lambda a, rng: a.astype("f4") * np.float32(1e37))),
]
OF_NUMBERS = [
    Mutation("a NaN", "refused", _one(_put(np.nan))),
    Mutation("infinity", "refused", _one(_put(-np.inf))),
    Mutation("beyond single precision", "refused", _one(_put(1e300))),
    Mutation("no column", "refused", _one(lambda a, rng: a[:, :0])),
]
OF_DATA = [
    Mutation("a NaN", "refused", _one(_put(np.nan), "inputs")),
    Mutation("beyond single precision", "refused", _one(_put(1e300), "inputs")),
    Mutation("fractions as labels", "refused", _one(_put(0.5), "labels")),
    Mutation("one label NaN", "refused", _one(_put(np.nan), "labels")),
    Mutation("negative labels", "any", _one(lambda a, rng: a - 2, "labels")),
    Mutation("a huge label", "any", _one(_put(2**63 - 1, "i8"), "labels")),
    Mutation("unsigned huge labels", "any", _one(_put(2**64 - 1, "u8"), "labels")),
    Mutation("each its own label", "any", _one(lambda a, rng: np.arange(len(a)), "labels")),
    Mutation("labels of one class", "any", _one(lambda a, rng: a * 0, "labels")),
    Mutation("narrower labels", "same", _one(lambda a, rng: a.astype("i2"), "labels")),
    Mutation("texts as labels", "any", _text("labels", ["a\nb", "\x1b[2J", "ÿ" * 3000, "-1"])),
    Mutation("lone surrogates", "any", _text("labels", ["\ud800", "a\udfff"])),
    Mutation("empty texts", "refused", _text("labels", ["", " "])),
    Mutation("NUL in a text", "any", _text("labels", ["a\x00b"])),
    Mutation(
        "a test part",
        "any",
        _with(lambda a, rng: {"test_inputs": a["inputs"][:20], "test_labels": a["labels"][:20]}),
    ),
    Mutation(
        "a test part of another shape",
        "refused",
        _with(
            lambda a, rng: {"test_inputs": a["inputs"][:20, :, :2], "test_labels": a["labels"][:20]}
        ),
    ),
    Mutation(
        "a test part of other labels",
        "any",
        _with(
            lambda a, rng: {"test_inputs": a["inputs"][:20], "test_labels": a["labels"][:20] + 7}
        ),
    ),
]
OF_SPLITS = [
    Mutation("an example twice", "refused", _with(lambda a, rng: {"meta": a["train"][:3]})),
    Mutation("an example beyond", "refused", _one(_put(N, "i8"), "test")),
    Mutation("a negative example", "refused", _one(_put(-1, "i8"), "train")),
    Mutation("a huge example", "refused", _one(_put(2**63 - 1, "i8"), "train")),
    Mutation("an empty split", "refused", _one(lambda a, rng: a[:0], "meta")),
    Mutation("some left out", "any", _one(lambda a, rng: a[1:], "train")),
]
OF_NPY = [
    Mutation("a strange header", "any", lambda file, rng: file.write_bytes(_strange_npy(rng))),
    Mutation(
        "of the other byte order", "same", _npy(lambda a, rng: a.astype(a.dtype.newbyteorder()))
    ),
    Mutation("a NaN", "refused", _npy(_put(np.nan))),
    Mutation("beyond single precision", "refused", _npy(_put(1e300))),
    Mutation("one dimension more", "refused", _npy(lambda a, rng: a[..., None])),
    Mutation("nothing in it", "refused", _npy(lambda a, rng: a[:0])),
    Mutation("texts", "refused", _npy(lambda a, rng: np.full(a.shape, "x"))),
    Mutation("complex", "refused", _npy(lambda a, rng: a.astype(complex))),
    Mutation(
        "a pickle", "refused", lambda file, rng: np.save(file, np.array([print], dtype=object))
    ),
]
