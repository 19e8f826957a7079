"""Sweeps in MLflow: the experiment and parent run of each, and reading its runs back.

Everything that compare and export need comes from here, on any machine that reaches the store.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

# Read by MLflow where it is used: a bar for one small file is noise.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, Metric, Run
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from sweep.adapters.mlflow.artifacts import Artifacts
from sweep.adapters.mlflow.claim import LAUNCHED_FROM, Claim, Holder, holder_of
from sweep.adapters.mlflow.contact import check_answers
from sweep.adapters.mlflow.content import Content, as_begun, in_keys, is_same, kept_by, taken_up
from sweep.adapters.mlflow.counting import counted
from sweep.adapters.mlflow.data import as_input, fields_of
from sweep.adapters.mlflow.database import silence
from sweep.adapters.mlflow.histories import MlflowHistories
from sweep.adapters.mlflow.kept_specs import KeptSpecs
from sweep.adapters.mlflow.kept_texts import DamagedFile, KeptTexts
from sweep.adapters.mlflow.known import EPOCHS, SEARCH_END, STATUS, KnownRun, SweepRuns
from sweep.adapters.mlflow.places import move_here
from sweep.adapters.mlflow.records import search_of, to_record
from sweep.adapters.mlflow.requests import METRICS_PER_REQUEST
from sweep.adapters.mlflow.runs import StoredRun, children
from sweep.adapters.mlflow.schema import refuse_other_tables
from sweep.adapters.mlflow.source import source_tags
from sweep.adapters.mlflow.sweeps import Sweeps, name_of, state_of
from sweep.adapters.mlflow.takeover import TAKEN_OVER, copy_runs
from sweep.compare.origin import Origin
from sweep.compare.records import SweepRecord
from sweep.errors import BadInput, SweepFailed, unknown
from sweep.plan.change import asks_otherwise, grows, refuse_change
from sweep.plan.content import named_by
from sweep.plan.data_inputs import DataInput
from sweep.plan.meaning import LIMITS_FIRST, changed_rows, is_before, refuse_changed_rows
from sweep.plan.plan import Plan
from sweep.plan.search_end import SearchEnd, from_text
from sweep.plan.takeover import is_taken
from sweep.referee.states import ENDED, State
from sweep.spec.spec import SweepSpec
from sweep.status.progress import SweepProgress, progress_of
from sweep.status.shortfall import Shortfall, shortfall
from sweep.version import code_version

# Without it the dashboard takes an experiment whose runs log no model for one about prompts.
TRAINING = {"mlflow.experimentKind": "custom_model_development"}
# A tag of the parent run: the day on which other questions were declared about results.
QUESTIONS_CHANGED = "questions_changed"
# The same: when comparisons were added to results, and how many there were before.
EXTENDED, COMPARISONS_BEFORE = "extended", "comparisons_before"
CONFIRMED = ("confirm", "complete")  # stage and state of a run that is a result
# Set on a run that is in the store twice and does not count: the run that does.
DUPLICATE = "duplicate_of"
# Of every run: what trained it.
CODE_VERSION = "code_version"
# Where `almkd ui` serves by default.
LOCAL_DASHBOARD = "http://127.0.0.1:5000"


def local_uri(database: Path) -> str:
    """The store that is used where none is named: a file of SQLite."""
    return f"sqlite:///{database.resolve()}"


class MlflowStore:
    """The sweeps of one tracking store."""

    def __init__(
        self,
        uri: str,
        artifacts: Path | None = None,
        runs_dir: Path | None = None,
        patience_s: float = 0.0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        """``artifacts``: where a local store puts files; a server knows its own place.

        ``runs_dir``: from where sweeps are launched. ``patience_s``: how long it is waited for, if
        longer than seconds, of which ``say`` is told.
        """
        self.uri = uri
        self._artifacts = artifacts
        silence()
        check_answers(uri, patience_s, say)
        refuse_other_tables(uri)
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._client.search_experiments(max_results=1)
        except MlflowException as error:
            raise BadInput(f"--tracking-uri {uri}: cannot be opened: {error}") from None
        self._sweeps = Sweeps(self._client, uri)
        self._specs = KeptSpecs(self._client, KeptTexts(self._client, artifacts))
        self._claim = Claim(self._client, runs_dir)

    def move_here(self) -> None:
        """Have a local store record its files where they are now; for whoever writes there."""
        if self._artifacts:
            move_here(self.uri, self._artifacts)

    def open_sweep(self, plan: Plan, data: Mapping[str, DataInput] | None = None) -> SweepRuns:
        """The sweep of that name, made if it is new; BadInput if it was another spec.

        ``data``: what it reads, by content key, which its runs then have for inputs.
        """
        with self._writing():
            runs = self._open_sweep(plan)
            if data:
                inputs = [as_input(fields_of(found)) for found in data.values()]
                self._client.log_inputs(runs.parent_id, inputs)
            return replace(runs, data=data or {})

    def _open_sweep(self, plan: Plan) -> SweepRuns:
        spec = plan.spec
        parent = self._sweeps.find(spec.name)
        if parent is None:
            self._refuse_lost(spec.name)
            experiment_id = self._experiment(spec.name)
            run_id = self._create_parent(plan, experiment_id)
            return SweepRuns(self.uri, experiment_id, run_id, fingerprints=plan.fingerprints)
        experiment_id = parent.info.experiment_id
        self._claim.refuse_held(spec.name, parent)
        before = self._specs.before(parent, plan)
        if before is not None:
            refuse_change(before, spec)
        content = self._content(parent, plan, before)
        self.refuse_changed_rows(plan)
        self._claim.take(spec.name, parent)
        for name, value in content.tags.items():
            self._client.set_tag(parent.info.run_id, name, value)
        if before != spec:
            self._specs.keep(parent.info.run_id, plan)
        end = _search_end(parent)
        if end and _goes_on(end, parent, spec):
            self._client.delete_tag(parent.info.run_id, SEARCH_END)
            end = None
        self._client.update_run(parent.info.run_id, status="RUNNING")
        self._client.set_tag(parent.info.run_id, "state", "running")
        found = counted(plan, self._runs_of(parent))
        for run in found.duplicates:
            counts = next(r for r in found.runs if r.tags["key"] == run.tags["key"])
            self._client.set_tag(run.run_id, DUPLICATE, counts.run_id)
        if before is not None and asks_otherwise(before, spec):
            self._note_questions(parent.info.run_id, found.runs)
        if before is not None:
            self._note_extension(parent.info.run_id, Plan(before), plan, found.runs)
        known = {run.tags["key"]: _known(run, spec.objective.metric) for run in found.runs}
        return SweepRuns(self.uri, experiment_id, parent.info.run_id, known, content.in_keys, end)

    def as_begun(self, plan: Plan) -> Plan:
        """``plan``, its searches trying first what they did when the sweep was begun: the releases
        before `LIMITS_FIRST` left out the limits of methods."""
        parent = self._sweeps.find(plan.spec.name)
        if parent is None or not plan.spec.search.limits_first:
            return plan
        if (before := self._specs.before(parent, plan)) is not None:
            is_begun_so = before.search.limits_first
        else:
            is_begun_so = not is_before(parent.data.tags.get(CODE_VERSION, ""), LIMITS_FIRST)
        if is_begun_so:
            return plan
        said = plan.spec.model_dump(mode="json")
        search = {**said["search"], "limits_first": False}
        return Plan(SweepSpec.model_validate({**said, "search": search}), plan.fingerprints)

    def has(self, name: str) -> bool:
        """Whether there is a sweep of that name."""
        return self._sweeps.find(name) is not None

    def plan_to_take_from(self, name: str, plan: Plan) -> Plan | None:
        """The plan of a sweep whose runs ``plan`` may take over; None where there is no such sweep,
        or it read other content."""
        if not self.has(name):
            return None
        parent = self._find(name)
        spec = self._spec_of(parent)
        if not is_same(plan, parent.data.tags, named_by(spec)):
            return None
        own = taken_up(Plan(spec), parent.data.tags, named_by(spec)).in_keys
        return Plan(spec, own)

    def take_over(self, source: str, plan: Plan, trials: Mapping[str, int]) -> int:
        """Copy ended runs of another sweep into that of ``plan``, which is there; how many.

        ``trials``: by search that is taken over, how many of its first trials are.
        """
        theirs, mine = self._find(source), self._find(plan.spec.name)
        runs = [
            run
            for run in self._runs_of(theirs)
            if run.tags["state"] in ENDED
            and (search := search_of(run.tags)) in trials
            and is_taken(run.tags, trials[search], plan)
        ]
        with self._writing():
            return copy_runs(self._client, runs, mine.info.run_id, mine.info.experiment_id)

    def begun_by(self, name: str) -> str:
        """The version of the code that began a sweep; empty where it is not known."""
        return str(self._find(name).data.tags.get(CODE_VERSION, ""))

    def refuse_changed_rows(self, plan: Plan) -> None:
        """BadInput where a sweep has ended runs of what a method was in an earlier release, so that
        it cannot go on."""
        parent = self._sweeps.find(plan.spec.name)
        if parent is None or not changed_rows(plan, parent.data.tags.get(CODE_VERSION, "")):
            return
        ended = [run for run in self._runs_of(parent) if run.tags.get("state") in ENDED]
        # Those of one label that began first count.
        ended.sort(key=lambda run: run.start, reverse=True)
        refuse_changed_rows(
            plan, [(r.tags.get("method", ""), r.tags.get(CODE_VERSION, "")) for r in ended]
        )

    def _experiment(self, name: str) -> str:
        """The experiment of a new sweep, made unless there is one of that name."""
        experiment = self._client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        place = self._artifacts / name if self._artifacts else None
        uri = place.resolve().as_uri() if place else None
        try:
            return self._client.create_experiment(name, artifact_location=uri, tags=TRAINING)
        except MlflowException:
            # Made by another launch in between, if not for another reason.
            if (experiment := self._client.get_experiment_by_name(name)) is None:
                raise
            return str(experiment.experiment_id)

    def closed(self, plan: Plan) -> Shortfall | None:
        """What this very sweep lacks, if it has run to its end: nothing, as a rule. None if it has
        not; BadInput if the name was another spec, or what the store had of it is in its trash."""
        parent = self._sweeps.find(plan.spec.name)
        if parent is None:
            self._refuse_lost(plan.spec.name)
            return None
        before = self._specs.before(parent, plan)
        if before is None:
            return None
        refuse_change(before, plan.spec)
        end = _search_end(parent)
        if state_of(parent) != "complete" or grows(before, plan.spec):
            return None
        if end and _goes_on(end, parent, plan.spec):
            return None
        launched = Plan(before)
        return shortfall(launched, to_record(launched, self._runs_of(parent)).trials, end)

    def _refuse_lost(self, name: str) -> None:
        """BadInput where the store has known a sweep whose own run is not there any more."""
        if why := self._sweeps.why_missing(name):
            raise BadInput(why)

    def ask_otherwise(self, plan: Plan) -> bool:
        """Have a sweep declare what ``plan`` asks; whether that is anything new."""
        parent = self._find(plan.spec.name)
        before = self._specs.before(parent, plan)
        if before is None or not asks_otherwise(before, plan.spec):
            return False
        refuse_change(before, plan.spec)
        with self._writing():
            self._note_questions(parent.info.run_id, counted(plan, self._runs_of(parent)).runs)
            self._specs.keep(parent.info.run_id, plan)
        return True

    def _note_questions(self, run_id: str, runs: Iterable[StoredRun]) -> None:
        """Keep that other questions were declared, where results were there to be seen by then."""
        if _has_results(runs):
            self._client.set_tag(run_id, QUESTIONS_CHANGED, _today())

    def _note_extension(
        self, run_id: str, before: Plan, now: Plan, runs: Iterable[StoredRun]
    ) -> None:
        """Keep that rows or conditions, and with them comparisons, were added to results."""
        added = len(now.cells) > len(before.cells) and now.declared > before.declared
        if added and _has_results(runs):
            self._client.set_tag(run_id, COMPARISONS_BEFORE, str(before.comparisons))
            self._client.set_tag(run_id, EXTENDED, _today())

    def close_sweep(self, name: str, state: State) -> None:
        """Set the parent run's end and true status."""
        with self._writing():
            run_id = self._find(name).info.run_id
            self._client.set_tag(run_id, "state", state)
            self._client.set_terminated(run_id, STATUS[state])
            self._claim.give_up(run_id)

    def renewed(self, name: str, run_id: str) -> AbstractContextManager[None]:
        """This process gives signs of life during the block; SweepFailed where another took over
        the sweep."""
        return self._claim.renewed(name, run_id)

    def refuse_held(self, name: str, say: Callable[[str], None]) -> None:
        """BadInput, saying who, where another process runs the sweep."""
        if (parent := self._sweeps.find(name)) is not None:
            self._claim.refuse_held(name, parent, say)

    def holder(self, name: str) -> Holder | None:
        """Who runs a sweep, as far as is on record; None where nobody does."""
        return holder_of(self._find(name))

    def searched(self, name: str) -> int:
        """How many search runs of a sweep are on record as over; 0 where there is no such sweep."""
        parent = self._sweeps.find(name)
        if parent is None:
            return 0
        tags = [run.tags for run in self._runs_of(parent)]
        return sum(t.get("stage") == "search" and t.get("state") in ENDED for t in tags)

    def launched_from(self, name: str) -> str:
        """Host and directory that a sweep was last launched from; empty where that is not kept."""
        return str(self._find(name).data.tags.get(LAUNCHED_FROM, ""))

    def log_outputs(
        self, name: str, directory: Path, note: str, headline: Mapping[str, float]
    ) -> None:
        """Tables, figures and report of a sweep, as artifacts of its parent run.

        ``note``, in Markdown, is what the dashboard shows first of that run; ``headline``: numbers
        that it shows as the run's metrics.
        """
        with self._writing():
            run_id = self._find(name).info.run_id
            self._client.log_artifacts(run_id, str(directory), "results")
            self._client.set_tag(run_id, MLFLOW_RUN_NOTE, note)
            at = int(time.time() * 1000)
            metrics = [Metric(key, value, at, 0) for key, value in headline.items()]
            for start in range(0, len(metrics), METRICS_PER_REQUEST):
                part = metrics[start : start + METRICS_PER_REQUEST]
                self._client.log_batch(run_id, metrics=part)

    def sweeps(self) -> list[dict[str, str]]:
        """Every sweep of the store: name, state on record, when it started, its description."""
        rows = {
            name: {"sweep": name, "state": what, "started": "", "description": ""}
            for name, what in self._sweeps.in_trash().items()
        }
        for run in self._sweeps.all():
            started = pd.Timestamp(run.info.start_time, unit="ms", tz="UTC")
            rows[name_of(run)] = {
                "sweep": name_of(run),
                "state": state_of(run),
                "started": started.strftime("%Y-%m-%d %H:%M UTC"),
                "description": run.data.tags.get("description", ""),
            }
        return [rows[name] for name in sorted(rows)]

    def spec(self, name: str) -> SweepSpec:
        """The spec that a sweep was launched with."""
        return self._spec_of(self._find(name))

    def _spec_of(self, parent: Run) -> SweepSpec:
        name = name_of(parent)
        try:
            spec = self._specs.read(parent)
        except DamagedFile as error:
            raise BadInput(f"{name}: {error}; launch it again to have it made anew") from None
        if spec is None:
            raise BadInput(f"{name}: was broken off before anything ran; launch it again")
        return spec

    def record(self, name: str) -> SweepRecord:
        """What the store knows of a sweep, ready to be compared."""
        _, record = self._read_whole(self._find(name))
        return record

    def lacks_runs(self, name: str) -> bool:
        """Whether runs of a sweep that came to its end are gone; its record is read for that."""
        plan, record = self._read(self._find(name))
        return bool(shortfall(plan, record.trials, record.search_ends.get(name)).missing)

    def _read_whole(self, parent: Run) -> tuple[Plan, SweepRecord]:
        """As `_read`, its notices telling what a sweep that came to its end lacks."""
        plan, record = self._read(parent)
        if state_of(parent) == "complete":
            name = record.name
            lacks = shortfall(plan, record.trials, record.search_ends.get(name))
            record = replace(record, notices=(*record.notices, *lacks.missing_in_words(name)))
        return plan, record

    def _read(self, parent: Run) -> tuple[Plan, SweepRecord]:
        """The plan of a sweep, and what there is of it."""
        spec = self._spec_of(parent)
        plan = Plan(spec, in_keys(spec, parent.data.tags))
        end = _search_end(parent)
        holds = end if end and end.holds_for(plan.spec) else None
        return plan, to_record(plan, self._runs_of(parent), holds)

    def _runs_of(self, parent: Run) -> Iterator[StoredRun]:
        return children(self.uri, parent.info.experiment_id, parent.info.run_id)

    def content(self, plan: Plan) -> Content:
        """What a sweep keeps of the content it reads; BadInput where ``plan`` read other content
        under the same names."""
        return taken_up(plan, self._find(plan.spec.name).data.tags, named_by(plan.spec))

    def artifacts(self) -> Artifacts:
        """The files of runs."""
        return Artifacts(self.uri, self._artifacts)

    def experiment(self, name: str) -> str:
        """The id of a sweep's experiment."""
        experiment_id: str = self._find(name).info.experiment_id
        return experiment_id

    def trashed(self, name: str) -> str | None:
        """The id of an experiment of that name in MLflow's trash."""
        found = self._client.get_experiment_by_name(name)
        if found is None or found.lifecycle_stage == LifecycleStage.ACTIVE:
            return None
        experiment_id: str = found.experiment_id
        return experiment_id

    def delete_experiment(self, experiment_id: str) -> None:
        """Put an experiment into MLflow's trash."""
        with self._writing():
            self._client.delete_experiment(experiment_id)

    def registered(self, name: str) -> list[str]:
        """What MLflow's registry has of a sweep's students, as NAME version N."""
        parent = self._find(name)
        info = parent.info
        runs = {run.run_id for run in children(self.uri, info.experiment_id, info.run_id)}
        registry = MlflowClient(self.uri, self.uri)
        versions = [
            version
            for model in registry.search_registered_models()
            for version in registry.search_model_versions(f"name = '{model.name}'")
        ]
        return [f"{v.name} version {v.version}" for v in versions if v.run_id in runs]

    def fingerprints(self, name: str) -> dict[str, str]:
        """Of what a sweep read from files, by what it is, in words; empty where nothing is kept."""
        return kept_by(self._find(name).data.tags)

    def progress(self, name: str) -> SweepProgress:
        """How far a sweep is now; SweepFailed where the store does not answer."""
        try:
            parent = self._find(name)
            plan, record = self._read_whole(parent)
            return progress_of(plan, record, state_of(parent), time.time())
        except MlflowException as error:
            reason = str(error).strip().splitlines()[0]
            raise SweepFailed(f"the tracking store {self.uri} cannot be read: {reason}") from None

    def histories(self) -> MlflowHistories:
        """The curves of runs, many at a time."""
        return MlflowHistories(self.uri)

    def origin(self, name: str) -> Origin:
        """Where a sweep's results come from: its spec, state, versions and pages."""
        parent = self._find(name)
        run_id = parent.info.run_id
        spec = self._spec_of(parent)
        return Origin(
            spec=spec,
            state=state_of(parent),
            started=pd.Timestamp(parent.info.start_time, unit="ms", tz="UTC"),
            versions=self._specs.versions(parent),
            dashboard=f"{_dashboard(self.uri)}/#/experiments/{parent.info.experiment_id}",
            parent_id=run_id,
            is_served=self.uri.startswith("http"),
            questions_changed=parent.data.tags.get(QUESTIONS_CHANGED, ""),
            taken_over=_taken_over(parent),
            extended=parent.data.tags.get(EXTENDED, ""),
            comparisons_before=int(parent.data.tags.get(COMPARISONS_BEFORE, 0)),
        )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """SweepFailed where the store does not take what is written in the block."""
        try:
            yield
        except MlflowException as error:
            reason = str(error).strip().splitlines()[0]
            raise SweepFailed(
                f"the tracking store {self.uri} takes no write: {reason}; the same command goes on "
                "from here"
            ) from None

    def _find(self, name: str) -> Run:
        parent = self._sweeps.find(name)
        if parent is None:
            self._refuse_lost(name)
            known = [name_of(run) for run in self._sweeps.all()]
            what = (
                unknown("sweep of this store", name, known)
                if known
                else (f"{name!r}: this store holds no sweep yet; run almkd launch first")
            )
            raise BadInput(f"{what} ({self.uri})")
        return parent

    def _create_parent(self, plan: Plan, experiment_id: str) -> str:
        tags = {
            "stage": "sweep",
            "state": "running",
            "sweep": plan.spec.name,
            CODE_VERSION: code_version(),
            **source_tags(plan.spec.name),
            **as_begun(plan).tags,
            **self._claim.tags(),
            **({"description": plan.spec.description} if plan.spec.description else {}),
        }
        run = self._client.create_run(experiment_id, tags=tags, run_name=plan.spec.name)
        run_id: str = run.info.run_id
        first = self._sweeps.find(plan.spec.name)
        if first is not None and first.info.run_id != run_id:
            # Two launches of a new sweep at once.
            self._client.delete_run(run_id)
            raise BadInput(
                f"the sweep {plan.spec.name!r} is being launched: by {holder_of(first)}; wait for "
                "it, or give this one another name with --fork NAME"
            )
        self._specs.keep(run_id, plan)
        return run_id

    def _content(self, parent: Run, plan: Plan, before: SweepSpec | None) -> Content:
        """What the sweep keeps of the content it reads; BadInput where that changed."""
        # A damaged spec is taken for the plan's own.
        launched = before or (plan.spec if self._specs.has(parent) else None)
        return taken_up(plan, parent.data.tags, named_by(launched) if launched else ())


def _taken_over(parent: Run) -> str:
    """From which sweep how many runs were taken over, in words."""
    kept = json.loads(parent.data.tags.get(TAKEN_OVER, "{}"))
    return f"{kept['runs']} runs were taken over from {kept['sweep']}" if kept else ""


def _has_results(runs: Iterable[StoredRun]) -> bool:
    return any((run.tags["stage"], run.tags["state"]) == CONFIRMED for run in runs)


def _today() -> str:
    return pd.Timestamp.now("UTC").strftime("%Y-%m-%d")


def _search_end(parent: Run) -> SearchEnd | None:
    """Where a limit of time ended a sweep's searches."""
    text = parent.data.tags.get(SEARCH_END)
    return from_text(text) if text else None


def _goes_on(end: SearchEnd, parent: Run, spec: SweepSpec) -> bool:
    """Whether a launch takes searches up again that were ended.

    So it does where the spec sets another limit, and after one that an option set, once what
    follows the searches is done.
    """
    over = parent.data.tags.get("state") == "complete"
    return not end.holds_for(spec) or (end.is_of_option and over)


def _dashboard(uri: str) -> str:
    """The address of the dashboard over a store, without a user's name or password."""
    parts = urlsplit(uri)
    if not parts.scheme.startswith("http"):
        return LOCAL_DASHBOARD
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path.rstrip('/')}"


def _known(run: StoredRun, objective: str) -> KnownRun:
    epochs = int(run.metrics.get(EPOCHS, 0))
    state: State = next(s for s in STATUS if s == run.tags["state"])
    return KnownRun(run.run_id, state, epochs, run.metrics.get(f"best_validation_{objective}"))
