"""A first spec for data of the user's own, whose comments teach: sizes that suit the data, and a
budget of minutes.

N examples, C classes.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sweep.atomic_files import replaced
from sweep.data_check import Checked, checked
from sweep.errors import BadInput
from sweep.inputs import load_data
from sweep.own_data import TASK, OwnData, look_at
from sweep.plan.plan import Plan
from sweep.spec.reader import check_spec
from sweep.terminal import printable

if TYPE_CHECKING:
    from trainers.classification.data.dataset import Dataset

# More examples than these are a part of the data first.
MOST_EXAMPLES = 12_000
MOST_PICTURES = 2_000
SPLITS = ("train", "meta", "validation", "test")


@dataclass(frozen=True)
class NewSpec:
    """The text of a spec, what was found in the data, and what is to be looked at."""

    text: str
    found: str
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class _Budget:
    """What takes minutes on two cores, by the network that suits the inputs."""

    examples: int
    epochs: int
    trials: int
    seeds: int


OF_TABLES = _Budget(MOST_EXAMPLES, epochs=30, trials=24, seeds=10)
OF_PICTURES = _Budget(MOST_PICTURES, epochs=15, trials=8, seeds=6)


def new_spec(file: Path, data: Path, name: str | None, label: str | None) -> NewSpec:
    """A spec for ``data``, to be written as ``file``; it is one that `almkd check --data` accepts.

    BadInput where the data cannot be used, or is too little.
    """
    own = look_at(data.expanduser(), _place(data, file), label)
    title = name or re.sub(r"[^A-Za-z0-9_.-]+", "-", file.stem).strip("-.") or "mine"
    text = "\n".join(_lines(title, own)) + "\n"
    plan = Plan(check_spec(yaml.safe_load(text), str(file)))
    found = checked(plan, load_data(plan))
    for one in found:
        _refuse_too_few(data, one)
    remarks = own.dataset.info.remarks
    warnings = [warning for one in found for warning in one.found.warnings]
    return NewSpec(text, _found(own), (*remarks, *warnings))


def _refuse_too_few(data: Path, one: Checked) -> None:
    """BadInput where a split has none of a class: nothing could be compared."""
    for row in one.found.classes:
        for split in SPLITS:
            if not row[split]:
                raise BadInput(
                    f"--data {data}: class {row['name']} has {row['examples']} examples alone, of "
                    f"which the {split} split gets none; give more of it, or drop it"
                )


def write_new(file: Path, text: str, force: bool) -> None:
    """Write it; BadInput where ``file`` is there already and ``force`` is not given."""
    check_free(file, force)
    with replaced(file) as beside:
        beside.write_text(text, encoding="utf-8")


def check_free(file: Path, force: bool) -> None:
    """BadInput where ``file`` cannot be written, or is there already."""
    if file.suffix not in (".yaml", ".yml"):
        raise BadInput(f"{file}: a spec is a YAML file; give it a name such as {file.stem}.yaml")
    if not file.parent.is_dir():
        raise BadInput(f"{file}: there is no directory {file.parent}; make it first")
    if file.is_dir():
        raise BadInput(f"{file}: is a directory; give another name")
    if file.exists() and not force:
        raise BadInput(f"{file}: is there already; give another name, or --force to replace it")


def _place(data: Path, file: Path) -> str:
    """``data`` as the spec names it: as it was given where both are looked at from one place."""
    beside = file.resolve().parent == Path.cwd()
    return str(data) if beside or str(data).startswith("~") else os.path.abspath(data)


def _found(own: OwnData) -> str:
    dataset = own.dataset
    inputs = "x".join(map(str, dataset.shape))
    what = f"{inputs} features" if len(dataset.shape) == 1 else f"inputs of {inputs}"
    named = f", labels in the column {_one_line(own.options['label'])}" if own.is_table else ""
    return f"{len(dataset)} examples, {what}, {dataset.classes} classes{named}"


def _lines(name: str, own: OwnData) -> Iterator[str]:
    dataset = own.dataset
    pictures = _can_be_convolved(dataset)
    budget = OF_PICTURES if pictures else OF_TABLES
    taken = min(len(dataset), budget.examples)
    place = str(own.options.get("path", own.options.get("folder")))
    yield f"# Does ALM-KD beat the best fixed mix of label and teacher on {_one_line(place)}?"
    yield "# Look at the data: almkd check FILE --data; what would run: almkd plan FILE."
    yield f"name: {_flow(name)}"
    yield "# The search trains under this seed, the comparison under those after it."
    yield "seed: 0"
    yield ""
    yield from _of_data(own, taken)
    yield ""
    yield from _CONDITIONS
    yield ""
    yield from _of_networks(dataset, pictures, budget, taken)
    yield ""
    yield from _METHODS
    yield ""
    yield from _of_budget(budget)


def _one_line(text: str) -> str:
    """Text that a comment can hold."""
    return printable(" ".join(text.split()))


def _of_data(own: OwnData, taken: int) -> Iterator[str]:
    dataset = own.dataset
    yield f"data:  # {_found(own)}"
    yield f"  dataset: {own.kind}"
    comments = {
        "label": "the column of classes",
        "drop": "columns of texts, left out; make numbers of what should count",
        "image_size": "pictures are resized to squares of so many pixels",
        "delimiter": "what separates fields",
        "decimal": "the decimal mark",
    }
    for option, value in own.options.items():
        comment = f"  # {comments[option]}" if option in comments else ""
        yield f"  {option}: {_flow(value)}{comment}"
    if taken < len(dataset):
        yield f"  examples: {taken}  # a part of them, for minutes; leave it out for all"
    yield "  # Search improves on validation, the comparison is made on test. meta has clean labels"
    yield "  # whatever the noise: alm_kd learns on them how much to trust the teacher."
    yield f"  splits: {_splits(dataset, taken)}"


def _splits(dataset: "Dataset", taken: int) -> str:
    many = taken >= 5000
    if dataset.official_test:
        rest = "train: 0.8, meta: 0.05, validation: 0.15" if many else _FEW_TO_TRAIN_ON
        return f"{{{rest}, test: official}}  # test is the part that comes with the data"
    shares = (0.6, 0.05, 0.1, 0.25) if many else (0.45, 0.1, 0.2, 0.25)
    return f"{{{', '.join(f'{n}: {s}' for n, s in zip(SPLITS, shares, strict=True))}}}"


_FEW_TO_TRAIN_ON = "train: 0.65, meta: 0.12, validation: 0.23"
_CONDITIONS = (
    "conditions:  # methods are compared within each of them",
    "  noise_kind: [symmetric]  # a wrong class, any as likely; others: almkd tasks classification",
    "  noise_rate: [0.0, 0.4]   # the share of training labels that are made wrong, beside",
    "                           # whatever is wrong in yours",
    "  teacher_labels: [noisy]  # the teacher learns from the labels that the student gets",
)
_METHODS = (
    "methods:  # the rows of the table; all of them train on the clean labels of meta, too",
    "  # Learns for each example how much label and teacher count.",
    "  - {method: alm_kd, clean: train, pin: {warmup_epochs: 2, update_every: 1}}",
    "  # One mix for all examples, the best that a search finds: what has to be beaten.",
    "  - {method: fixed_kd, clean: train, baseline: true}",
    "  # No teacher.",
    "  - {method: labels_only, clean: train}",
    "",
    "compare:",
    "  questions:  # what is tested; every other difference is shown without a p",
    "    - {row: alm_kd, against: fixed_kd}",
    "    - {row: alm_kd, against: labels_only}",
)


def _of_networks(dataset: "Dataset", pictures: bool, budget: _Budget, taken: int) -> Iterator[str]:
    if pictures:
        teacher, student = "{name: plain_cnn, depth: 4}", "{name: plain_cnn, depth: 2, width: 8}"
    else:
        wide = max(16, 2 ** (2 * dataset.classes - 1).bit_length())
        teacher = "{name: mlp, hidden: [256, 256]}"
        student = f"{{name: mlp, hidden: [{min(wide, 128)}]}}"
    batch = 16 if taken < 1000 else 32 if taken < 4000 else 64
    training = f"{{epochs: {budget.epochs}, batch_size: {batch}}}"
    yield "teacher:  # larger; is trained first, once for each condition and seed"
    yield f"  model: {teacher}"
    yield f"  training: {training}"
    yield ""
    yield "student:  # what you want in the end: small enough for where it has to run"
    yield f"  model: {student}"
    yield f"  training: {training}"


def _can_be_convolved(dataset: "Dataset") -> bool:
    from trainers.registry import TASKS

    problem = TASKS[TASK].networks["plain_cnn"].shape_problem
    channels = dataset.shape[0]
    return channels in (1, 3, 4) and problem("plain_cnn", dataset.shape) is None


def _of_budget(budget: _Budget) -> Iterator[str]:
    yield "search:  # the hyperparameters of each row in each condition"
    yield f"  trials: {budget.trials}  # more find better ones; all rows get as many"
    yield "  generation: 8  # so many train together"
    yield ""
    yield "confirm:"
    yield f"  seeds: {budget.seeds}  # trainings of what was found; more show smaller differences"


def _flow(value: Any) -> str:
    """A plain value on one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**9)
    return text.removesuffix("\n").removesuffix("...").removesuffix("\n")
