"""What a spec only names and may be something else another day: data of files, the user's own code.

Its fingerprints, by what they are of, go into the keys of the teachers that depend on it and are
kept with the sweep, so that neither teachers nor a sweep are taken up with other content.
"""

import hashlib
import importlib.util
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweep.carried_files import place_of
from sweep.spec.code_needed import specs_of_cells
from sweep.spec.spec import SweepSpec
from sweep.spec.student import Model, Teacher
from trainers.data.dataset import Dataset
from trainers.data.fingerprint import SIZE, fingerprint
from trainers.language.networks.folder import files_of
from trainers.loading import content_key, may_change
from trainers.own import is_path
from trainers.settings import WEIGHTS_FILE, DataSpec

# Digests by what they are of: the content key of a data set, a module by its dotted name, the file
# of a given teacher, or the folder of a model.
Fingerprints = Mapping[str, str]
# What a model names its folder by.
FOLDER = "folder"


def of_data(data: DataSpec) -> tuple[str, ...]:
    """What a data set's fingerprint stands under; nothing where it is always the same."""
    return (content_key(data),) if may_change(data) else ()


def of_model(model: Model) -> tuple[str, ...]:
    """The module of a network of the user's own, or the folder that it is read from; nothing of
    another network."""
    if FOLDER in model.given:
        return (json.dumps({FOLDER: model.given[FOLDER]}),)
    path = model.given["path"] if model.name == "module" else model.name
    return _module(path)


def of_teacher(teacher: Teacher) -> tuple[str, ...]:
    """The file of a teacher that is given; nothing of one that is trained."""
    return (json.dumps({teacher.given_as: teacher.given}),) if teacher.given else ()


def named_by(spec: SweepSpec) -> tuple[str, ...]:
    """All that a sweep has fingerprints of, in the order of its cells."""
    names: dict[str, None] = {}
    for made in specs_of_cells(spec):
        names |= dict.fromkeys(of_data(made.data_settings()))
        for _, model in made.models():
            names |= dict.fromkeys(of_model(model))
        for use in made.methods:
            names |= dict.fromkeys(_module(use.method))
        for teacher in made.teacher:
            names |= dict.fromkeys(of_teacher(teacher))
    return tuple(names)


def fingerprints(spec: SweepSpec, datasets: Mapping[str, Dataset]) -> dict[str, str]:
    """Of all that is here: data sets as they were loaded, by content key, and files of modules."""
    found: dict[str, str] = {}
    for name in named_by(spec):
        if name in datasets:
            found[name] = fingerprint(datasets[name])
        elif files := _files(name):
            found[name] = _digest_of(files)
    return found


def described(name: str) -> str:
    """What a fingerprint is of, in words."""
    if _is_of_files(name):
        ((given_as, path),) = json.loads(name).items()
        if given_as == FOLDER:
            return f"the model in {path}"
        return f"the file of a teacher's {given_as}, {path},"
    if not _is_data(name):
        return f"the module {name}"
    _, dataset, options, noise, *splits = json.loads(name)
    given = {**options, **{option: value for option, value in noise.items() if value}}
    named = {f"splits {source}": value for source, value in dict(*splits).items() if value}
    told = ", ".join(f"{option} {value}" for option, value in {**given, **named}.items())
    return f"the data set {dataset}{f' ({told})' if told else ''}"


def _module(path: str) -> tuple[str, ...]:
    return (path.partition(":")[0],) if is_path(path) else ()


def _is_data(name: str) -> bool:
    return name.startswith("[")


def _is_of_files(name: str) -> bool:
    return name.startswith("{")


def _teacher_file(path: str) -> Path | None:
    place = place_of(path)
    file = place / WEIGHTS_FILE if place.is_dir() else place
    return file if file.is_file() else None


def _digest() -> "hashlib.blake2b":
    return hashlib.blake2b(digest_size=SIZE)


def _digest_of(files: Sequence[Path]) -> str:
    """That of a file, or of those of several."""
    each = []
    for file in files:
        with file.open("rb") as stream:
            each.append(hashlib.file_digest(stream, _digest))
    if len(each) == 1:
        return each[0].hexdigest()
    return hashlib.blake2b(b"".join(d.digest() for d in each), digest_size=SIZE).hexdigest()


def _files(name: str) -> list[Path]:
    """The file of a given teacher, those of a model's folder, or that of a module that can be
    imported; none where it is not here."""
    if _is_data(name):
        return []
    if _is_of_files(name):
        ((given_as, path),) = json.loads(name).items()
        if given_as == FOLDER:
            return files_of(Path(path).expanduser())
        file = _teacher_file(path)
        return [file] if file else []
    try:
        found = importlib.util.find_spec(name)
    except Exception:  # noqa: BLE001 - packages around it are imported, and may raise anything
        return []
    file = Path(found.origin) if found and found.origin else None
    return [file] if file and file.is_file() else []
