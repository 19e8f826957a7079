"""From a data set's name and options to its examples, whatever task it is of. Free of torch."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.data.dataset import Dataset
from trainers.data.errors import DataError
from trainers.data.given_splits import FIELD as SPLITS_FIELD
from trainers.data.given_splits import read_given
from trainers.data.inspection import Inspection, inspect_any
from trainers.data.splits import deal, share_of, split_rows
from trainers.entries import DatasetEntry, Shape
from trainers.fields import Field, resolved
from trainers.own import is_path
from trainers.registry import TASKS
from trainers.settings import DataSpec, Labels

# Which examples a part of a data set holds; no seed of a sweep is used, as for the whole.
SUBSET_SEED = 0
# No batch has one alone (`trainers.lanes.batches`).
FEWEST_ASKED = 2
EXAMPLES = Field(
    "examples", "int", None, "a part of the data set: so many examples, always the same ones",
    "own", unit="examples", low=1,
)  # fmt: skip


def entry_of(spec: DataSpec) -> DatasetEntry:
    """The row of the data set."""
    return TASKS[spec.task].datasets[spec.dataset]


def options_of(entry: DatasetEntry) -> tuple[Field, ...]:
    """Every option that a data set takes."""
    own = [field.name for field in entry.fields]
    return (*([] if EXAMPLES.name in own else [EXAMPLES]), *entry.fields, *entry.treatment)


def load_dataset(spec: DataSpec) -> Dataset:
    """The data set that ``spec`` names; DataError if it is missing or cannot be used."""
    if problem := missing(spec):
        raise DataError(problem)
    dataset = _whole(spec)
    check_splits(dataset, spec)
    dataset = dataset.with_noise_options(spec)
    if not _is_part(spec):
        return dataset
    part = subset(dataset, int(spec.options[EXAMPLES.name]))
    if problem := part.problem(spec):
        raise DataError(f"data.examples: {problem}")
    return part


def _whole(spec: DataSpec) -> Dataset:
    """All examples, with the splits of the user's own where a file names them."""
    dataset = _loaded(spec)
    if spec.fractions.given and spec.fractions.given.file:
        return dataset.with_splits(read_given(spec.fractions.given.file, len(dataset)))
    return dataset


def check_splits(dataset: Dataset, spec: DataSpec) -> None:
    """DataError where a data set cannot be split as ``spec`` says."""
    if problem := dataset.problem(spec):
        raise DataError(f"{spec.dataset}: {problem}")
    fractions = spec.fractions
    if fractions.test is None and not dataset.official_test:
        raise DataError(
            f"{spec.dataset}: holds no official test part; give data.splits.test a share instead"
        )
    drawn = len(dataset) - (dataset.official_test if fractions.test is None else 0)
    if fractions.folds and fractions.folds > drawn:
        raise DataError(
            f"confirm.folds: {drawn} examples cannot be dealt into {fractions.folds} folds; lower "
            "it"
        )
    _check_calls(dataset, spec, drawn)
    if fractions.clean is None:
        return
    clean = share_of(fractions.clean, drawn)
    if not clean:
        raise DataError(f"data.clean: {fractions.clean:g} of {drawn} examples is none; raise it")
    given = dataset.given_splits
    if given is not None and clean > len(given["meta"]):
        raise DataError(
            f"data.clean: {fractions.clean:g} of {drawn} examples is {clean}, and the meta split "
            f"of {fractions.given} has {len(given['meta'])}; lower it"
        )


def _check_calls(dataset: Dataset, spec: DataSpec, drawn: int) -> None:
    """DataError where teachers may be asked about too few of ``drawn`` examples."""
    if spec.calls is None:
        return
    given = dataset.given_splits
    train = len(given["train"]) if given else share_of(spec.fractions.train, drawn)
    if (asked := share_of(spec.calls.share, train)) < FEWEST_ASKED:
        raise DataError(
            f"data.teacher_calls: {spec.calls.share:g} of {train} training examples is "
            f"{asked}, and it has to be {FEWEST_ASKED} at least; raise it"
        )


def content_key(spec: DataSpec) -> str:
    """Equal for specs whose data set is the same once it is loaded."""
    changed = {field.name for field in entry_of(spec).treatment}
    options = {name: value for name, value in spec.options.items() if name not in changed}
    given = spec.fractions.given
    content = [spec.task, spec.dataset, options, spec.noise.options]
    return json.dumps([*content, *([asdict(given)] if given else [])], sort_keys=True)


def changing(spec: DataSpec) -> dict[str, Any]:
    """The options by which training inputs are changed, where they are."""
    fields = entry_of(spec).treatment
    given = {field.name: spec.options.get(field.name, field.default) for field in fields}
    return {f.name: given[f.name] for f in fields if given[f.name] != f.default}


def input_shape(spec: DataSpec) -> Shape | None:
    """The shape of one input, or None where only a file of the user's tells; reads nothing."""
    return entry_of(spec).shape(**_for_its_loader(spec))


def counts(spec: DataSpec) -> tuple[int, int] | None:
    """Examples, and the numbers that a teacher gives for one; None where only a file tells."""
    found = entry_of(spec).counts(**_for_its_loader(spec))
    if found is None or not _is_part(spec):
        return found
    return int(spec.options[EXAMPLES.name]), found[1]


def missing(spec: DataSpec) -> str | None:
    """What has to be fetched before ``spec`` can be loaded, and where to put it; None if nothing.

    Looks for files and reads none.
    """
    try:
        return _missing(spec)
    except (OSError, RuntimeError) as error:
        # A name that is too long for a file, a home of nobody.
        said = error.strerror if isinstance(error, OSError) else error
        return f"{spec.dataset}: its files cannot be looked for: {said}; correct their paths"


def _missing(spec: DataSpec) -> str | None:
    if problem := entry_of(spec).missing(**_for_its_loader(spec)):
        return f"{spec.dataset}: {problem}"
    for name, path in _noise_files(spec).items():
        if not (file := Path(path).expanduser()).is_file():
            return f"there is no file {file}; put it there or correct conditions.{name}"
    if spec.fractions.given and spec.fractions.given.file:
        file = Path(spec.fractions.given.file).expanduser()
        if not file.is_file():
            return f"there is no file {file}; put it there or correct {SPLITS_FIELD}"
    return None


def may_change(spec: DataSpec) -> bool:
    """Whether what ``spec`` names may hold something else another day: files, one's own code."""
    files = _noise_files(spec) or spec.fractions.given
    return bool(files) or entry_of(spec).may_change(**_for_its_loader(spec))


def inspect(dataset: Dataset, spec: DataSpec, rng: np.random.Generator) -> Inspection:
    """What a look at a data set that was loaded shows, split as ``spec`` says by this draw."""
    task = TASKS[spec.task]
    if task.split_rows:
        rows = task.split_rows(dataset, spec.fractions, rng)
    else:
        given, tests = dataset.given_splits, dataset.official_test
        rows = split_rows(dataset.strata, spec.fractions, rng, tests, given)
    return (task.inspect or inspect_any)(dataset, rows)


def unusable(dataset: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    """Why ``labels`` cannot be had on a data set that was loaded, or None."""
    return TASKS[spec.task].usable(dataset, spec, labels)


def _noise_files(spec: DataSpec) -> dict[str, str]:
    """The files that the noise reads, by the name of their option."""
    kinds = TASKS[spec.task].noise_kinds.values()
    names = [field.name for kind in kinds for field in kind.fields if field.kind == "path"]
    return {name: path for name in names if (path := spec.noise.options.get(name))}


def _loaded(spec: DataSpec) -> Dataset:
    load, options = entry_of(spec).load, _for_its_loader(spec)
    if spec.fractions.given and spec.fractions.given.column:
        options["split"] = spec.fractions.given.column
    if not is_path(spec.dataset):
        return load(**options)
    try:
        dataset: object = load(**options)
    except DataError as error:
        raise DataError(f"{spec.dataset}: {error}") from error
    except Exception as error:
        raise DataError(
            f"{spec.dataset}: its load raises {type(error).__name__}: {error}; mend it"
        ) from error
    if not isinstance(dataset, Dataset):
        raise DataError(
            f"{spec.dataset}: its load gives a {type(dataset).__name__}; it has to give the data "
            f"set class of the task {spec.task}"
        )
    return dataset


def _for_its_loader(spec: DataSpec) -> dict[str, Any]:
    return resolved(entry_of(spec).fields, spec.options)


def _is_part(spec: DataSpec) -> bool:
    """Whether no more than a part of the data set is asked for, by the option of all of them."""
    own = [field.name for field in entry_of(spec).fields]
    return EXAMPLES.name in spec.options and EXAMPLES.name not in own


def rows_of_part(spec: DataSpec) -> tuple[NDArray[np.int64], int] | None:
    """Where in the whole data set the examples of a part of it are, and how many the whole has;
    None where ``spec`` asks for the whole. Reads it."""
    if not _is_part(spec):
        return None
    whole = _whole(spec)
    rows, _ = _rows_of_subset(whole, int(spec.options[EXAMPLES.name]))
    return rows, len(whole)


def subset(dataset: Dataset, examples: int) -> Dataset:
    """``examples`` of a data set, always the same, with the shares of strata and parts kept."""
    rows, tests = _rows_of_subset(dataset, examples)
    part = dataset.take(rows, tests)
    if dataset.given_splits is None:
        return part
    place = np.full(len(dataset), -1)
    place[rows] = np.arange(len(rows))
    kept = {split: place[of] for split, of in dataset.given_splits.items()}
    return part.with_splits({split: of[of >= 0] for split, of in kept.items()})


def _rows_of_subset(dataset: Dataset, examples: int) -> tuple[NDArray[np.int64], int]:
    """Where the examples of a part are, and how many of them are of the official test part."""
    n, tests = len(dataset), dataset.official_test
    if examples > n:
        raise DataError(f"data.examples: {examples} are asked for, there are {n}; lower it")
    kept_tests = round(examples * tests / n)
    parts = ((0, n - tests, examples - kept_tests), (n - tests, n, kept_tests))
    rng = np.random.default_rng(SUBSET_SEED)
    strata = dataset.strata if dataset.given_splits is None else _by_split(dataset)
    rows = np.concatenate(
        [start + np.sort(deal(strata[start:stop], rng)[:keep]) for start, stop, keep in parts]
    )
    return rows, kept_tests


def _by_split(dataset: Dataset) -> NDArray[np.int64]:
    """The strata (N,) of each split of the user's own apart, and of what is in none."""
    assert dataset.given_splits is not None
    split = np.zeros(len(dataset), np.int64)
    for number, rows in enumerate(dataset.given_splits.values(), start=1):
        split[rows] = number
    return dataset.strata * (1 + len(dataset.given_splits)) + split
