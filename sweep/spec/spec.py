"""The spec of a sweep: what a user writes in YAML, as models that check themselves.

Every model is strict and frozen; a message of a failed check names the value and the remedy, the
field is added by `sweep.spec.reader`. What a data set, a network, a noise kind or a method takes
stands in its row of the trainers' tables, and is checked here, where the task is known.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field, model_validator

from search_spaces.domains import Choice, Domain
from sweep.errors import unknown
from sweep.spec.accumulate import check_accumulate
from sweep.spec.axes import OF_EVERY_RUN, Axis, AxisValue, axes_of, with_first_values
from sweep.spec.data import Conditions, Data
from sweep.spec.defaults import task_of, with_defaults
from sweep.spec.enqueued import check_enqueued
from sweep.spec.fields import SafeName, Sparing
from sweep.spec.given_teachers import check_given_teachers
from sweep.spec.light_teachers import check_light_teachers
from sweep.spec.method_use import MethodUse
from sweep.spec.noise import check_noise, noise_options, not_here
from sweep.spec.questions import Question, check_questions
from sweep.spec.resources import Resources
from sweep.spec.results import Compare, Confirm, Objective
from sweep.spec.search import Search, check_limit
from sweep.spec.spaces import Searched, SpaceSpec, defaults, each_choice, resolve_space
from sweep.spec.streams import check_streams
from sweep.spec.student import Model, Student, Teacher, Teachers
from sweep.spec.teacher_calls import check_teacher_calls
from sweep.spec.variants import RATES, check_variants, variant, what_is_read
from trainers import registry
from trainers.entries import DatasetEntry, MethodEntry, Metric, TaskEntry
from trainers.fields import FieldError, checked
from trainers.own import OwnCodeError
from trainers.registry import TASKS
from trainers.settings import DataSpec, Fold, NoiseSpec, Selection, Training


class SweepSpec(Sparing):
    """One sweep: data, conditions, networks, methods, budgets, seeds.

    ``task``: needed only where a data set is one of several tasks.
    """

    name: SafeName
    description: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    task: str | None = None
    data: Data
    conditions: Conditions = Conditions()
    teacher: Teachers
    student: Student
    methods: Annotated[tuple[MethodUse, ...], Field(min_length=1, strict=False)]
    objective: Objective
    compare: Compare | None = None
    search: Search = Search()
    confirm: Confirm = Confirm()
    resources: Resources = Resources()

    @model_validator(mode="before")
    @classmethod
    def _tasks_have_their_defaults(cls, data: Any) -> Any:
        if isinstance(data, dict) and "meta_split_for_baselines" in data:
            raise FieldError(
                "meta_split_for_baselines", "is a property of each row now; drop it, and write "
                "clean: train in the row of every method that is to train on the clean labels"
            )  # fmt: skip
        data = with_first_values(data)
        try:
            task = task_of(data)
        except OwnCodeError as error:
            raise FieldError("data.dataset", str(error)) from None
        return data if task is None else with_defaults(data, task)

    @model_validator(mode="after")
    def _hangs_together(self) -> "SweepSpec":
        self._check_task()
        self._check_data()
        self._check_metrics()
        check_noise(self.conditions, self.task_entry, self._dataset)
        for place, use in enumerate(self.methods):
            self._check_method(place, use)
        for where, model in self.models():
            self._check_model(where, model)
        self._check_rows()
        for label, space in self.search.own.items():
            self._check_own_space(label, space)
        self._check_shared_space()
        check_limit(self.search)
        if self.search.enqueue is not None:
            spaces = {use.label: self.space_of(use) for use in self.methods}
            # Where rows have other numbers of trials, their plan sees to that.
            trials = math.inf if self.search.fair else self.search.trials
            check_enqueued(self.search.enqueue, spaces, trials)
        for use in self.methods:
            self._check_choices(use)
            self._check_teachers(use)
            self._check_epochs(use, self.space_of(use))
        check_given_teachers(self)
        check_light_teachers(self)
        check_streams(self)
        check_teacher_calls(self)
        check_accumulate(self)
        check_variants(self)
        if self.questions is not None:
            labels = [use.label for use in self.methods]
            check_questions(self.questions, labels, self._columns)
        return self

    @property
    def questions(self) -> tuple[Question, ...] | None:
        """What is declared to be asked; None: every row against every baseline, everywhere."""
        return self.compare.questions if self.compare else None

    @property
    def _columns(self) -> dict[str, list[str | float]]:
        """The values that conditions have in each column that sets them apart."""
        kinds = self.conditions
        return {
            "noise_kind": list(kinds.noise_kind),
            "noise_rate": [float(rate) for rate in kinds.noise_rate],
            "teacher_labels": list(kinds.teacher_labels),
            **{axis.name: [value.column for value in axis.values] for axis in self.axes},
        }

    @cached_property
    def axes(self) -> tuple[Axis, ...]:
        """What the conditions vary beside noise and teachers' labels."""
        return axes_of(self.conditions.vary or {})

    @cached_property
    def _cells(self) -> dict[tuple[str, ...], "SweepSpec"]:
        """The specs of cells that were asked for, by the labels of axes' values and row."""
        return {}

    @cached_property
    def _contents(self) -> dict[tuple[str, ...], str]:
        """What these read."""
        return {}

    def at(self, values: Sequence[AxisValue], use: MethodUse) -> "SweepSpec":
        """The spec of one cell: that row alone, with what a condition and its own patch change.

        This one, where they change nothing.
        """
        if not values and not use.patch:
            return self
        place = (*(value.label for value in values), use.label)
        if place not in self._cells:
            self._cells[place] = variant(self, values, use)
        return self._cells[place]

    def read_by(self, use: MethodUse, values: Sequence[AxisValue] = ()) -> str:
        """All of data, teachers and student that decides what a cell trains; equal for cells that
        differ in nothing that they read."""
        place = (*(value.label for value in values), use.label)
        if place not in self._contents:
            self._contents[place] = what_is_read(self, use, values)
        return self._contents[place]

    @property
    def task_entry(self) -> TaskEntry:
        """The task: the one that is named, or the one that has the data set."""
        return TASKS[self.task or registry.tasks_with_dataset(self.data.dataset)[0]]

    @property
    def _dataset(self) -> DatasetEntry:
        return self.task_entry.datasets[self.data.dataset]

    def entry_of(self, use: MethodUse) -> MethodEntry:
        """The row of a method in the task's table."""
        return self.task_entry.methods[use.method]

    @property
    def objective_metric(self) -> Metric:
        """What search improves, on the validation split."""
        return self.task_entry.metrics[self.objective.metric]

    @property
    def tested_metric(self) -> Metric:
        """What is tested, on the test split."""
        named = self.compare.metric if self.compare else None
        return self.task_entry.metrics[named or self.task_entry.compared or self.objective.metric]

    def selection(self) -> Selection:
        """Which epoch of a training counts."""
        metric = self.objective_metric
        epoch = self.objective.selection or self.task_entry.selection
        return Selection(metric.name, metric.direction == "maximize", epoch)

    def searched(self, use: MethodUse) -> Searched:
        """``use`` with all that decides what of it is searched."""
        optimizer = self.student.training.optimizer_name
        task, entry = self.task_entry.name, self.entry_of(use)
        return Searched(task, use.method, entry, use.label, use.pin, optimizer)

    def space_of(self, use: MethodUse) -> dict[str, Domain]:
        """What is searched for ``use``: hyperparameters and their domains, in a fixed order."""
        own = self.search.own.get(use.label, {})
        space = resolve_space(self.searched(use), self.search.shared, own)
        return {name: self._for_teachers(use, name, domain) for name, domain in space.items()}

    def teachers_of(self, use: MethodUse) -> int:
        """How many teachers a student of ``use`` hears."""
        entry = self.entry_of(use)
        if not entry.uses_teacher:
            return 0
        return 1 if entry.teacher_is_student else sum(teacher.count for teacher in self.teacher)

    def data_settings(self) -> DataSpec:
        """The data set, its splits, and the noise."""
        options = noise_options(self.conditions, self.task_entry, self._dataset)
        noise = NoiseSpec(self.conditions.noisy_splits, options)
        splits = self.data.splits.settings(self.data.clean, self.confirm.folds)
        task, stream = self.task_entry.name, None
        if self.data.stream is not None:
            stream = self.data.stream.settings(self.teacher[0].batch_norm or "frozen")
        return DataSpec(
            self.data.dataset, splits, self.data.given, noise, task, self.data.calls, stream
        )

    def student_training(self) -> Training:
        """How students are trained, from the first task to the last where there are several."""
        settings = self.student.training.settings()
        return replace(settings, phases=self.data.stream.tasks if self.data.stream else 1)

    def fold(self, seed: int) -> Fold | None:
        """Which fold is tested under a seed; None where the seed's own draw says."""
        number, folds = seed - self.seed - 1, self.confirm.folds
        if folds is None or not 0 <= number < folds:
            return None
        return Fold(number, folds, self.seed)

    def models(self) -> list[tuple[str, Model]]:
        """The networks, each with its place."""
        if len(self.teacher) == 1:
            teachers = [("teacher.model", self.teacher[0].model)]
        else:
            teachers = [(f"teacher.{i}.model", t.model) for i, t in enumerate(self.teacher)]
        there = [(where, model) for where, model in teachers if model]
        return [*there, ("student.model", self.student.model)]

    @property
    def networks_of_teachers(self) -> tuple[Teacher, ...]:
        """The teachers that are networks of their own."""
        return tuple(teacher for teacher in self.teacher if not teacher.is_student_before)

    @property
    def rates_of_teachers(self) -> dict[str, float]:
        """What teachers are trained with that the spec does not list: as the first that it does,
        and trains on the data."""
        on_the_data = (t for t in self.teacher if not t.given and not t.source)
        trained = next(on_the_data, None)
        if trained:
            return {name: getattr(trained, name) for name in RATES}
        plain = self.task_entry.methods["labels_only"]
        return {name: float(plain.hyperparameter(name).default) for name in RATES}

    def _check_task(self) -> None:
        theirs = registry.tasks_with_dataset(self.data.dataset)
        if not theirs:
            raise FieldError(
                "data.dataset",
                f"{self.data.dataset} is of no task there is; its entry has to name one of "
                f"{', '.join(TASKS)} as its task",
            )
        # Specs named no task before there were several.
        if self.task is None and len(theirs) > 1 and theirs[0] != registry.FIRST:
            raise FieldError(
                "task", f"is missing; {self.data.dataset} is a data set of {' and '.join(theirs)}; "
                f"add one of them, e.g. task: {theirs[0]}"
            )  # fmt: skip
        if self.task is None or self.task in theirs:
            return
        if self.task not in TASKS:
            raise FieldError("task", unknown("task", self.task, TASKS))
        fitting = ", ".join(TASKS[self.task].datasets)
        raise FieldError(
            "task",
            f"{self.task!r} has no data set {self.data.dataset}, which is of "
            f"{' and '.join(theirs)}; drop the task, or take one of its own: {fitting}",
        )

    def _check_data(self) -> None:
        try:
            self.data.check(self._dataset, self.confirm.folds)
        except FieldError as error:
            hint = self._other_task(error.field)
            raise FieldError(f"data.{error.field}", f"{error}{hint}") from None
        own = self.data.splits.given or self.data.splits.teacher
        if own and not self.task_entry.takes_splits:
            raise FieldError(
                "data.splits", f"the task {self.task_entry.name} draws splits by shares alone; "
                "give train, meta, validation and test"
            )  # fmt: skip
        if self.confirm.folds and (problem := self._unfoldable()):
            raise FieldError("confirm.folds", problem)

    def _other_task(self, option: str) -> str:
        """A hint where no task is named and another one's data set takes an option."""
        theirs = registry.tasks_with_dataset(self.data.dataset)[1:] if self.task is None else ()
        for name in theirs:
            if option in [field.name for field in TASKS[name].datasets[self.data.dataset].fields]:
                return f"; {self.data.dataset} of the task {name} does: add task: {name}"
        return ""

    def _unfoldable(self) -> str | None:
        """Why the examples cannot be dealt into folds, or None."""
        if self.data.splits.given:
            return (
                f"the splits are those of {self.data.splits.given}, so that nothing is left to "
                "deal; drop the folds, or give shares as data.splits"
            )
        if self.data.splits.test == "official":
            return (
                "every example is tested once, and data.splits.test: official keeps the published "
                "test part for that; drop the folds, or give data.splits.test a share"
            )
        if not self.task_entry.takes_splits:
            return f"the task {self.task_entry.name} draws splits by seeds alone; give seeds"
        return None

    def _check_metrics(self) -> None:
        named = {"objective.metric": self.objective.metric}
        if self.compare and self.compare.metric is not None:
            named["compare.metric"] = self.compare.metric
        for field, metric in named.items():
            if metric not in self.task_entry.metrics:
                raise FieldError(field, unknown("metric", metric, self.task_entry.metrics))
        if reason := self.objective_metric.not_objective:
            others = [m.name for m in self.task_entry.metrics.values() if not m.not_objective]
            raise FieldError(
                "objective.metric",
                f"{self.objective.metric} must neither select nor prune: {reason}; take one of "
                f"{', '.join(others)}",
            )

    def _check_method(self, place: int, use: MethodUse) -> None:
        try:
            is_there = use.method in self.task_entry.methods
        except OwnCodeError as error:
            raise FieldError(f"methods.{place}.method", str(error)) from None
        if not is_there:
            theirs, known = registry.tasks_with_method(use.method), self.task_entry.methods
            problem = not_here("method", use.method, self.task_entry, list(theirs), list(known))
            raise FieldError(f"methods.{place}.method", problem)
        for h in self.entry_of(use).hyperparameters:
            if h.name in OF_EVERY_RUN:
                raise FieldError(
                    f"methods.{place}.method", f"{use.method} has a hyperparameter {h.name!r}, "
                    "which every run has as a parameter already; call it something else"
                )  # fmt: skip
        for name, value in use.pin.items():
            self.searched(use).check(name, value, f"methods.{place}: pin.{name}")
        self._check_clean(place, use)

    def _check_clean(self, place: int, use: MethodUse) -> None:
        where, entry = f"methods.{place}.clean", self.entry_of(use)
        if use.clean_use == "withhold" and entry.needs_clean_rows:
            raise FieldError(
                where, f"{use.method} trains on the clean labels apart from the others, so they "
                "cannot be withheld; write clean: train"
            )  # fmt: skip
        or_withhold = "" if entry.needs_clean_rows else " or withhold"
        if use.clean_use == "split" and not entry.uses_meta:
            raise FieldError(
                where, f"{use.method} learns from no held-out examples, so there is nothing to "
                f"split; take train{or_withhold}"
            )  # fmt: skip
        if use.clean_use != "withhold" and "meta" in self.conditions.noisy_splits:
            raise FieldError(
                where, "conditions.noisy_splits lets noise fall on the meta split, so its labels "
                f"are not clean; take meta out of it{or_withhold}"
            )  # fmt: skip

    def _check_model(self, where: str, model: Model) -> None:
        networks = self.task_entry.networks
        try:
            is_there = model.name in networks
        except OwnCodeError as error:
            raise FieldError(f"{where}.name", str(error)) from None
        if not is_there:
            theirs = registry.tasks_with_network(model.name)
            problem = not_here("model", model.name, self.task_entry, list(theirs), list(networks))
            raise FieldError(f"{where}.name", problem)
        try:
            model.take(checked(networks[model.name].every_field, model.given, model.name))
            sizes = networks[model.name].complete(model.settings()).sizes
        except FieldError as error:
            raise FieldError(f"{where}.{error.field}", str(error)) from None
        except ValueError as error:
            raise FieldError(where, str(error)) from None
        if where == "student.model" and not networks[model.name].learns(sizes):
            raise FieldError(where, f"a student learns, and in this {model.name} nothing does")
        if where == "student.model" and networks[model.name].reads_targets:
            raise FieldError(
                where, f"{model.name} is shown what it has to tell, and can be a teacher alone"
            )

    def _check_rows(self) -> None:
        labels = [use.label for use in self.methods]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(
                    f"methods: the label {label!r} is used twice; give each use its own label"
                )
        if not any(use.baseline for use in self.methods):
            raise ValueError(
                "methods: no baseline to compare with; add 'baseline: true' to one of "
                + ", ".join(labels)
            )
        if any(t.generations for t in self.teacher) and "born_again" not in self.task_entry.methods:
            raise ValueError(
                f"teacher: generations: {self.task_entry.name} has no method born_again to train "
                "them by; drop the field"
            )
        for use in self.methods:
            self._check_look_ahead(use)

    def _check_look_ahead(self, use: MethodUse) -> None:
        """The last layer is looked ahead with only where it is all that terms depend on."""
        entry, name = self.entry_of(use), "hypergradient"
        if not entry.has(name):
            return
        chosen = use.pin.get(name, entry.hyperparameter(name).default)
        network = self.task_entry.networks[self.student.model.name]
        if chosen == "last_layer" and not (
            network.last_layer and not self.task_entry.terms_read_features
        ):
            raise ValueError(
                f"methods: {use.label}: {self.student.model.name} has no last linear layer that "
                f"terms depend on alone; pin {name}: full"
            )

    def _check_choices(self, use: MethodUse) -> None:
        """What is fixed fits together, and what may be searched with it."""
        for values in each_choice(self.searched(use), self.space_of(use)):
            if problem := self.entry_of(use).problem_with({**use.pin, **values}):
                raise ValueError(f"methods: {use.label}: {problem}")

    def _check_teachers(self, use: MethodUse) -> None:
        """What is fixed fits the number of teachers; what is searched, `_for_teachers` sees to."""
        entry, own = self.entry_of(use), self.search.own.get(use.label, {})
        usual = defaults(self.searched(use), own)
        searched = {*usual, *self.search.shared, *own} - set(use.pin)
        fixed = {h.name: use.pin.get(h.name, h.default) for h in entry.hyperparameters}
        harmless = {
            name: next(c for c in entry.hyperparameter(name).choices if c not in words)
            for name, words in entry.one_teacher_only.items()
            if name in searched
        }
        problem = entry.teacher_problem(self.teachers_of(use), {**fixed, **harmless})
        if problem:
            raise ValueError(f"methods: {use.label}: {use.method} {problem}")

    def _check_epochs(self, use: MethodUse, space: Mapping[str, Domain]) -> None:
        """Counts of epochs that have to be fewer than a training has are so, if searched too."""
        epochs = self.student.training.epochs
        for h in self.entry_of(use).hyperparameters:
            if not h.below_epochs:
                continue
            domain = space.get(h.name, Choice((use.pin.get(h.name, h.default),)))
            values = domain.choices if isinstance(domain, Choice) else (domain.high,)
            if most := [value for value in values if int(value) >= epochs]:
                raise ValueError(
                    f"methods: {use.label}: {h.name}: {most[0]} has to be fewer than the {epochs} "
                    f"epochs of student.training; pin fewer, or raise them"
                )

    def _for_teachers(self, use: MethodUse, name: str, domain: Domain) -> Domain:
        """``domain`` without what several teachers rule out, unless the spec asks for it."""
        words = self.entry_of(use).one_teacher_only.get(name, ())
        if self.teachers_of(use) < 2 or not isinstance(domain, Choice):
            return domain
        if name in self.search.own.get(use.label, {}) or name in self.search.shared:
            wrong = [choice for choice in domain.choices if choice in words]
            if wrong:
                raise ValueError(
                    f"search.own.{use.label}.{name}: {wrong[0]!r} knows one teacher alone; take it "
                    "out of the choices"
                )
        return Choice(tuple(choice for choice in domain.choices if choice not in words))

    def _check_shared_space(self) -> None:
        known = {h.name for use in self.methods for h in self.entry_of(use).hyperparameters}
        for name in self.search.shared:
            if name not in known:
                raise ValueError(f"search.shared.{name}: {unknown('hyperparameter', name, known)}")

    def _check_own_space(self, label: str, space: SpaceSpec) -> None:
        uses = {use.label: use for use in self.methods}
        if label not in uses:
            raise ValueError(f"search.own.{label}: {unknown('method of this sweep', label, uses)}")
        for name in space:
            where = f"search.own.{label}.{name}"
            self.searched(uses[label]).check(name, None, where)
            users = [use.label for use in self.methods if self.entry_of(use).has(name)]
            if len({uses[user].method for user in users}) > 1:
                raise ValueError(
                    f"{where}: {', '.join(users)} share this hyperparameter and must search the "
                    f"same range; put it under search.shared"
                )
            if name in uses[label].pin:
                raise ValueError(f"{where}: is pinned for {label}; drop the pin or the range")
