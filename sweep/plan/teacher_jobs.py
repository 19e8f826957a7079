"""Which teachers a sweep trains: networks by content key, generations one after the other. Pure.

The warm starts of students are trained as teachers are, by jobs of the same kind.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sweep.plan.content import Fingerprints, of_data, of_model, of_teacher
from sweep.plan.lanes import device_of, teacher_lanes
from sweep.spec.spec import SweepSpec
from sweep.spec.student import Teacher
from trainers.loading import content_key, entry_of
from trainers.settings import NO_NETWORK, DataSpec, Fold, Labels, ModelSpec, Selection

# Raised when a change to training makes earlier teachers differ from what would be trained now.
TEACHER_FORMAT = 2
# What the keys of warm starts begin with, so that none is a teacher's.
START = "start-"


@dataclass(frozen=True)
class TeacherJob:
    """A network to be trained as a teacher; equal jobs have equal keys, in any sweep.

    ``spec``: of a cell that hears it, for its data and what counts. ``parent``: the key of the
    generation before, which it learns from; empty for the first. ``is_start``: whether students
    start from its weights (`student.warm_start`) and nobody hears it.
    """

    key: str
    spec: SweepSpec = field(hash=False, compare=False, repr=False)
    network: Teacher = field(hash=False, compare=False)
    labels: Labels
    seed: int
    parent: str = ""
    is_start: bool = False

    @property
    def role(self) -> str:
        """What it is to students, in words."""
        return "warm start" if self.is_start else "teacher"

    @property
    def selection(self) -> Selection:
        """Which epoch of it counts; of a warm start nothing is selected."""
        selection = self.spec.selection()
        return replace(selection, epoch="last") if self.is_start else selection

    @property
    def fold(self) -> Fold | None:
        """Which examples it never sees, where that is not the seed's draw alone."""
        return None if self.network.source else self.spec.fold(self.seed)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the teachers that it leaves: one, or one for each snapshot."""
        return tuple(f"{self.key}@{epoch}" for epoch in self.network.snapshots or ()) or (self.key,)

    @property
    def epochs(self) -> int:
        """How many it trains for: none if it is given."""
        return 0 if self.network.given else self.network.training.epochs

    @property
    def method(self) -> str:
        """The method that it trains by."""
        return "born_again" if self.parent else "labels_only"

    @property
    def given(self) -> str:
        """What a given one is called before its key is known; empty for one that is trained.

        Equal for those whose arrays are the same once they are read.
        """
        if not self.network.given:
            return ""
        network = self.network.model_dump(mode="json")
        return json.dumps([content_key(self.spec.data_settings()), network], sort_keys=True)

    @property
    def name(self) -> str:
        """Its network in words, with what a light one is trained on, or the file that it is given
        in."""
        if self.network.given:
            return self.network.given
        source = self.network.source
        return described(self.network.network) + (f" on {source.name}" if source else "")

    @property
    def reads_targets(self) -> bool:
        """Whether it is shown what it has to tell."""
        network = self.network.network
        return network != NO_NETWORK and self.spec.task_entry.networks[network.name].reads_targets

    @property
    def labels_in_words(self) -> str:
        """Which labels it is trained on; of a given one that is not known."""
        if self.network.given:
            return "not known, as it was given"
        if self.network.source:
            return "those of its own examples, on which it is measured"
        noise = f"{100 * self.labels.noise_rate:g} % {self.labels.noise_kind} noise"
        return noise if self.labels.noise_rate else "the true ones"

    def __str__(self) -> str:
        if self.network.given:
            return self.name
        return f"{self.name} of seed {self.seed}, labels: {self.labels_in_words}"


def chain(
    spec: SweepSpec, network: Teacher, labels: Labels, seed: int, fingerprints: Fingerprints
) -> tuple[TeacherJob, ...]:
    """The generations of a network, first to last; of a given one there is one for all labels and
    seeds, of a light one for all labels."""
    if network.given:
        return (_given(spec, network, fingerprints),)
    if network.source:
        labels = _clean(spec)
    content_read = _fingerprints_of(spec, network, fingerprints)
    jobs: list[TeacherJob] = []
    for _ in range(network.generations or 1):
        parent = jobs[-1].key if jobs else ""
        jobs.append(_keyed(TeacherJob("", spec, network, labels, seed, parent), content_read))
    return tuple(jobs)


def start(
    spec: SweepSpec, labels: Labels, seed: int, fingerprints: Fingerprints
) -> TeacherJob | None:
    """The network whose weights students of ``spec`` start from; None where they are drawn.

    It learns from what all students of a seed and a condition do, whatever the method: their
    training split with its labels, without any clean ones.
    """
    warm = spec.student.warm_start
    if warm is None:
        return None
    usual = spec.task_entry.methods["labels_only"].hyperparameter("weight_decay").default
    network = Teacher(
        model=spec.student.model,
        training=spec.student.training.of(warm.epochs),
        lr=warm.lr,
        weight_decay=float(usual) if warm.weight_decay is None else warm.weight_decay,
    )
    job = TeacherJob("", spec, network, labels, seed, is_start=True)
    return _keyed(job, _fingerprints_of(spec, network, fingerprints))


def like_student(spec: SweepSpec) -> Teacher:
    """A teacher of the student's architecture, trained as the student is."""
    rates = spec.rates_of_teachers
    return Teacher(
        model=spec.student.model,
        training=spec.student.training,
        lr=rates["lr"],
        weight_decay=rates["weight_decay"],
    )


def described(model: ModelSpec) -> str:
    """A network in words."""
    sizes = ", ".join(f"{name} {_plain(size)}" for name, size in model.sizes.items())
    return f"{model.name} ({sizes})" if sizes else model.name


def pays_together(network: str, spec: SweepSpec) -> bool:
    """Whether several lanes of a network in one cohort are faster than one after the other."""
    return device_of(spec.resources) in spec.task_entry.networks[network].together


def cohorts(jobs: Iterable[TeacherJob]) -> list[tuple[TeacherJob, ...]]:
    """Jobs that may train side by side, in the order of the jobs; one by one where that is as
    fast."""
    alike: dict[str, list[TeacherJob]] = {}
    for job in jobs:
        alike.setdefault(_shape(job), []).append(job)
    found = []
    for group in alike.values():
        spec, network = group[0].spec, group[0].network
        lanes = 1
        if not network.given and pays_together(network.network.name, spec):
            lanes = teacher_lanes(spec, network.network, network.training.batch_size)
        found += [tuple(group[i : i + lanes]) for i in range(0, len(group), lanes)]
    return found


def distinct(chains: Iterable[Sequence[TeacherJob]]) -> tuple[TeacherJob, ...]:
    """All jobs of these chains, each once, and each after its parent."""
    jobs: dict[str, TeacherJob] = {}
    for jobs_of_chain in chains:
        for job in jobs_of_chain:
            jobs.setdefault(job.key, job)
    return tuple(jobs.values())


def _shape(job: TeacherJob) -> str:
    """What jobs that train side by side have in common; generations come one after the other."""
    if job.network.given:
        return job.key
    network = job.network.model_dump(
        mode="json", include={"model", "training", "snapshots", "source"}
    )
    # The set that light teachers are trained on is another one under every seed.
    data = job.seed if job.network.source else _data_content(job.spec.data_settings())
    start = _dropped(job.spec) if job.is_start else None
    return json.dumps([generation(job.key), network, data, start], sort_keys=True)


def _fingerprints_of(
    spec: SweepSpec, network: Teacher, fingerprints: Fingerprints
) -> tuple[str, ...]:
    """Those of a teacher's data and of its network's module, where there are any."""
    if not fingerprints:
        return ()
    model = of_model(network.model) if network.model else ()
    names = (*of_data(spec.data_settings()), *model, *of_teacher(network))
    return tuple(fingerprints[name] for name in names if name in fingerprints)


def _given(spec: SweepSpec, network: Teacher, fingerprints: Fingerprints) -> TeacherJob:
    """A teacher that is given: what is kept of it depends on nothing but files."""
    data = spec.data_settings()
    options = _data_content(data)["options"]
    content = {
        "format": TEACHER_FORMAT,
        "data": [spec.task_entry.name, data.dataset, options],
        "teacher": network.model_dump(mode="json"),
        "content": _fingerprints_of(spec, network, fingerprints),
    }
    return TeacherJob(f"{_hashed(content)}-1", spec, network, _clean(spec), spec.seed)


def _clean(spec: SweepSpec) -> Labels:
    """Of a teacher for which the conditions' labels are nothing."""
    return Labels(spec.conditions.noise_kind[0], 0.0)


def _keyed(job: TeacherJob, content_read: tuple[str, ...]) -> TeacherJob:
    """With its content key: what its weights depend on, hashed; then its generation."""
    content: dict[str, Any] = {
        "format": TEACHER_FORMAT,
        "data": _data_content(job.spec.data_settings()),
        "teacher": job.network.model_dump(mode="json", exclude={"generations"}),
        "selection": _selection_content(job.selection),
        "labels": asdict(job.labels) if job.labels.noise_rate else "clean",
        "seed": job.seed,
        "parent": job.parent,
    }
    if content_read:
        content["content"] = content_read
    if fold := job.spec.fold(job.seed):
        content["fold"] = asdict(fold)
    if job.is_start:
        content["dropped"] = _dropped(job.spec)
    number = generation(job.parent) + 1 if job.parent else 1
    return replace(job, key=f"{START if job.is_start else ''}{_hashed(content)}-{number}")


def _hashed(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


# The form of keys of 0.1.0 is kept, so that teachers of then are found again.


def _data_content(data: DataSpec) -> dict[str, Any]:
    changed = {field.name for field in entry_of(data).treatment}
    treatment = {
        "augment": "none",
        "noisy_splits": data.noise.splits,
        "class_map": (),
        "noise_file": "",
        **data.noise.options,
        **{name: value for name, value in data.options.items() if name in changed},
    }
    options = {name: value for name, value in data.options.items() if name not in changed}
    # No teacher reads the meta split; which fold it never sees is said beside.
    without = ("clean", "folds", *(n for n in ("given", "teacher") if not _has(data, n)))
    fractions = {k: share for k, share in asdict(data.fractions).items() if k not in without}
    return {
        "dataset": data.dataset,
        "fractions": fractions,
        "options": options,
        "treatment": treatment,
    }


def _has(data: DataSpec, name: str) -> bool:
    """Whether the splits say something that keys had no place for before."""
    return bool(getattr(data.fractions, name))


def _dropped(spec: SweepSpec) -> dict[str, Any]:
    """Which examples students do not train on, as they may not ask about them: a warm start does
    not either."""
    calls = spec.data_settings().calls
    return asdict(calls) if calls and calls.unasked == "drop" else {}


def _selection_content(selection: Selection) -> dict[str, Any]:
    content = asdict(selection)
    if selection.epoch == "best":
        del content["epoch"]
    return content


def _plain(size: object) -> str:
    return ", ".join(map(str, size)) if isinstance(size, list | tuple) else str(size)


def generation(key: str) -> int:
    """The generation of a job, from 1, by its key."""
    return int(key.rpartition("-")[2])
