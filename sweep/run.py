"""A sweep from launch to table: the stages, in order.

    teachers -> search -> confirm      on Ray, as the referee hands them out
    compare                            from the tracking store alone

What is durable lives in two stores, Optuna's and MLflow's; launching the same spec again goes on
from there, or shows the table if nothing is left to do.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from sweep.carried_files import place_of
from sweep.data_check import remarks
from sweep.errors import BadInput, SweepFailed
from sweep.garbage_collection import frozen
from sweep.lock import locked
from sweep.plan.content import fingerprints
from sweep.plan.data_inputs import data_inputs
from sweep.plan.plan import Cell, Plan
from sweep.plan.search_end import how_to_go_on
from sweep.spec.code_needed import rows_of_own
from sweep.spec.spec import SweepSpec

if TYPE_CHECKING:
    from rich.console import Console

    from sweep.adapters.mlflow.store import MlflowStore
    from sweep.compare.figures.saver import FigureSaver
    from sweep.compare.findings import Findings
    from sweep.compare.joining import Joined
    from sweep.compare.records import SweepRecord
    from sweep.referee.referee import Progress
    from sweep.referee.time_limit import Deadline
    from sweep.referee.time_spent import Work
    from trainers.data.dataset import Dataset
    from trainers.task import GivenTeacher


# The page to read first, among a sweep's results.
REPORT = "report.html"
# Ends the note of a sweep's run in the dashboard.
READ_ON = "Table, figures and all else: `results/report.html` among the artifacts."


@dataclass(frozen=True)
class Places:
    """Where a sweep is kept: the runs directory, and a tracking store if not the one in there."""

    runs_dir: Path
    tracking_uri: str | None = None
    optuna_url: str | None = None

    def sweep(self, name: str) -> Path:
        """The directory of a sweep's tables, figures and journal."""
        return self.runs_dir / name

    @property
    def database(self) -> Path:
        """The file of a store of this machine's own."""
        return self.runs_dir / "mlflow.db"

    @property
    def has_store(self) -> bool:
        """Whether there is a store of this machine's own."""
        return self.database.exists()

    @property
    def artifacts(self) -> Path:
        """The files of runs in a store of this machine's own."""
        return self.runs_dir / "artifacts"

    @property
    def teachers(self) -> Path:
        """Trained teachers, which all sweeps share."""
        return self.runs_dir / "teachers"

    def results(self, name: str) -> Path:
        """The directory of a sweep's tables, figures and report."""
        return self.sweep(name) / "results"

    def checkpoints(self, name: str) -> Path:
        """The directory of a sweep's cohorts that train."""
        return self.sweep(name) / "checkpoints"

    def profile(self, name: str) -> Path:
        """The file that says where the time of a sweep's last launch went."""
        return self.sweep(name) / "profile.json"

    def check_writable(self, name: str) -> None:
        """BadInput where a launch of that name could not write; makes its directories."""
        from sweep.writable import check_writable

        directories = [self.runs_dir, self.sweep(name)]
        if not self.tracking_uri:
            directories.append(self.runs_dir / "artifacts")
        written = ("lock", "mlflow.spool", "optuna.journal")
        files = [self.database, *(self.sweep(name) / file for file in written)]
        check_writable(self.runs_dir, directories, files)

    def studies(self, name: str) -> str:
        """The URL or the journal of a sweep's studies."""
        return self.optuna_url or str(self.journal(name))

    def journal(self, name: str) -> Path:
        """The file of a sweep's studies."""
        return self.sweep(name) / "optuna.journal"


@dataclass(frozen=True)
class Shown:
    """What a sweep showed: its record, its comparison table, the directory of its files."""

    record: "SweepRecord"
    table: pd.DataFrame
    directory: Path

    @property
    def report(self) -> Path:
        """The page to read first."""
        return self.directory / REPORT

    @property
    def others(self) -> int:
        """How many files stand beside it, that of their checksums not counted."""
        return len(list(self.directory.iterdir())) - 2


@dataclass(frozen=True)
class _Session:
    """Where a launch trains, and until when it searches; on this machine and without end, if
    nothing is given. ``source``: the sweep that a new one takes runs over from."""

    address: str | None = None
    deadline: "Deadline | None" = None
    source: str | None = None


def launch(  # noqa: PLR0913, PLR0917 - what, where, and how
    spec: SweepSpec,
    places: Places,
    console: "Console",
    address: str | None = None,
    profile: bool = False,
    stop_after: float | None = None,
    source: str | None = None,
) -> Shown:
    """Run or resume a sweep and compare; every stage that is done already is left alone.

    ``profile``: say and write down where the time went. ``stop_after``: seconds from now after
    which searches end as by `search.timeout`; confirm and comparison follow. ``source``: the sweep
    of which this one, if it is new, is a fork.

    Raises KeyboardInterrupt, with true states written, when interrupted; BadInput where the name
    was launched with another spec.
    """
    from sweep.compare.figures.saver import FigureSaver
    from sweep.compare.outlook import notes
    from sweep.referee.time_limit import Deadline

    began = time.time()
    deadline = Deadline(stop_after, time.monotonic() + stop_after) if stop_after else None
    _check_rules_and_places(spec, places, address)
    plan = Plan(spec)
    known = places.tracking_uri or (places.has_store and places.sweep(spec.name).exists())
    if not known:
        refuse_missing_data(plan)
    is_new = not places.sweep(spec.name).exists()
    if is_new:
        refuse_unsound_code(plan)
    places.check_writable(spec.name)
    # With runs on record, a store that is away is one that comes back.
    patience_s = 0.0 if is_new else spec.resources.store_patience_s
    say = partial(console.print, soft_wrap=True, highlight=False)
    with locked(places.sweep(spec.name), spec.name), ThreadPoolExecutor(2) as aside:
        opening = aside.submit(open_store, places, patience_s=patience_s, say=say)
        work: Work | None = None
        complete = known and _is_complete(plan, opening.result(), console)
        if complete:
            if _is_compared(plan, places, opening.result(), console):
                return look(spec.name, places, opening.result())
        else:
            refuse_missing_data(plan)
            if not is_new:
                refuse_unsound_code(plan)
        with FigureSaver(ahead=not complete) as saver:
            if not complete:
                seen = seen_so_far(spec.name, opening.result()) if known else None
                for line in notes(plan, seen):
                    console.print(line, highlight=False)
                work = _train(
                    plan, places, opening, aside, console, _Session(address, deadline, source)
                )
            trained = time.time()
            shown = compare(spec.name, places, opening.result(), saver)
    if profile and work:
        _tell_time(work, (began, trained, time.time()), places.profile(spec.name), console)
    return shown


def _check_rules_and_places(spec: SweepSpec, places: Places, address: str | None) -> None:
    """BadInput where Optuna refuses the rules, nothing answers, or the studies are elsewhere."""
    from sweep.adapters.optuna.rules import check_rules

    check_rules(spec)
    if address:
        from sweep.adapters.ray.session import check_address

        check_address(address)
    if places.optuna_url:
        from sweep.adapters.optuna.database import check_database

        check_database(places.optuna_url)
        if places.journal(spec.name).exists():
            raise BadInput(
                f"{spec.name}: its studies are in {places.journal(spec.name)}, and "
                "ALMKD_OPTUNA_URL names a database; unset that, or give the sweep another name "
                "with --fork NAME"
            )


def _is_complete(plan: Plan, store: "MlflowStore", console: "Console") -> bool:
    """Whether a sweep has run to its end and its runs are all there; BadInput where another
    process runs it. The screen says what is made again."""
    say = partial(console.print, soft_wrap=True, highlight=False)
    store.refuse_held(plan.spec.name, say)
    closed = store.closed(plan)
    if closed is None:
        return False
    for line in closed.missing_in_words(plan.spec.name, "made again"):
        say(line)
    return not closed.missing


def _refuse_without_studies(name: str, places: Places, store: "MlflowStore") -> None:
    """BadInput where a search is on record whose studies are in another directory."""
    from sweep.adapters.optuna.studies import are_kept

    searched = store.searched(name)
    if searched and not are_kept(name, places.studies(name)):
        before = store.launched_from(name)
        raise BadInput(
            f"{name}: the tracking store has {searched} search runs of it, whose studies are not "
            f"in {places.sweep(name)}; launch it from where it was launched before"
            f"{f' ({before})' if before else ''}, or give it another name with --fork NAME"
        )


def _is_compared(plan: Plan, places: Places, store: "MlflowStore", console: "Console") -> bool:
    """Whether the results of a complete sweep are there, whole, and about what the spec asks; the
    screen says where they are not."""
    from sweep.atomic_files import damaged

    wrong = damaged(places.results(plan.spec.name))
    for name in wrong:
        console.print(f"{name}: missing, or not what was written; made again")
    asked = store.ask_otherwise(plan)
    if asked:
        console.print("compare.questions: changed; compared again", highlight=False)
    return not wrong and not asked


def _tell_time(
    work: "Work", moments: tuple[float, float, float], path: Path, console: "Console"
) -> None:
    """Where the time went, on the screen and in a file."""
    from sweep.referee.time_spent import Launcher, as_table, write

    launcher = Launcher(*moments)
    write(work, launcher, path)
    console.print(as_table(work, launcher))
    console.print(f"wrote {path}", soft_wrap=True)


def refuse_missing_data(plan: Plan) -> None:
    """BadInput, saying what to fetch, where the files of a sweep's data are not there."""
    from trainers.loading import missing

    for cell in plan.cells:
        if problem := missing(cell.spec.data_settings()):
            raise BadInput(problem)
        for teacher in cell.spec.teacher:
            if teacher.given and not place_of(teacher.given).exists():
                raise BadInput(
                    f"there is no file {teacher.given}; put it there or correct "
                    f"teacher.{teacher.given_as}"
                )


def refuse_unsound_code(plan: Plan) -> None:
    """BadInput where code of the user's own does something wrong, told by a few steps of it."""
    if not rows_of_own(plan.spec):
        return
    from sweep.self_check import check_own_code

    check_own_code(plan, load_data(plan))


def look(name: str, places: Places, store: "MlflowStore") -> Shown:
    """What a sweep showed, read from its runs; nothing is written."""
    from sweep.compare.comparison import comparison_table

    record = store.record(name)
    table = comparison_table(record, store.spec(name).seed)
    return Shown(record, table, places.results(name))


def compare(name: str, places: Places, store: "MlflowStore", saver: "FigureSaver") -> Shown:
    """Statistics, tables, figures and report of a sweep, from its runs; logged beside them."""
    directory = places.results(name)
    with frozen():
        # Loaded by now in a launch; else while the second process of the saver does the same.
        from sweep.compare.headline import headline
        from sweep.compare.outputs import write_outputs

        found = find(name, store)
        write_outputs(found, directory, saver)
    note = "\n\n".join([*found.answer, READ_ON])
    store.log_outputs(name, directory, note, headline(found.record))
    return Shown(found.record, found.table, directory)


def find(name: str, store: "MlflowStore") -> "Findings":
    """All that a comparison finds in the runs of a sweep; nothing is written."""
    from sweep.compare.comparison import comparison_table
    from sweep.compare.curves import read_curves
    from sweep.compare.findings import Findings

    record, origin = store.record(name), store.origin(name)
    seed = origin.spec.seed
    table = comparison_table(record, seed)
    curves = read_curves(record, store.histories())
    return Findings(record, origin, table, curves, partial(_importances, record, seed))


def compare_several(
    names: Sequence[str], directory: Path, store: "MlflowStore", saver: "FigureSaver"
) -> Shown:
    """One table over several sweeps, with its figures and report; their own are left alone.

    BadInput, with the reason, where they cannot stand in one table.
    """
    with frozen():
        from sweep.compare.comparison import comparison_table
        from sweep.compare.curves import read_curves
        from sweep.compare.findings import Findings
        from sweep.compare.origin import origin_of_several
        from sweep.compare.outputs import write_outputs

        whole = joined_record(names, store)
        record, seed = whole.record, whole.spec.seed
        origin = origin_of_several(whole.spec, [store.origin(name) for name in names])
        table = comparison_table(record, seed)
        curves = read_curves(record, store.histories())
        findings = Findings(record, origin, table, curves, partial(_importances, record, seed))
        write_outputs(findings, directory, saver)
    return Shown(record, table, directory)


def joined_record(names: Sequence[str], store: "MlflowStore") -> "Joined":
    """Several sweeps of a store as one; BadInput where they cannot stand in one table."""
    from sweep.compare.joining import join
    from sweep.plan.agreement import refuse_other_content

    specs, records = [store.spec(name) for name in names], [store.record(name) for name in names]
    refuse_other_content({name: store.fingerprints(name) for name in names})
    return join(specs, records)


def _load_comparison() -> None:
    """Load what `compare` needs, and takes a second to load."""
    import sweep.adapters.optuna.importance
    import sweep.compare.outputs  # noqa: F401


def _importances(record: "SweepRecord", seed: int) -> pd.DataFrame:
    """How much each hyperparameter mattered; asked for last, since loading it takes a while."""
    from sweep.adapters.optuna.importance import importances

    return importances(record, seed)


def seen_so_far(name: str, store: "MlflowStore") -> "SweepRecord | None":
    """What a sweep has shown, if the store has it."""
    try:
        return store.record(name)
    except BadInput:
        return None


def open_store(
    places: Places,
    must_exist: bool = False,
    patience_s: float = 0.0,
    say: Callable[[str], None] | None = None,
) -> "MlflowStore":
    """The tracking store, made if it is a local one that does not exist yet.

    ``patience_s``: how long a server is waited for, if longer than seconds; ``say`` is told.
    ``must_exist``: for who reads; else a store that was moved is told where its files are now.
    """
    from sweep.adapters.mlflow.database import make_database
    from sweep.adapters.mlflow.store import MlflowStore, local_uri

    if places.tracking_uri:
        return MlflowStore(
            places.tracking_uri, runs_dir=places.runs_dir, patience_s=patience_s, say=say
        )
    if must_exist and not places.has_store:
        raise BadInput(
            f"{places.runs_dir}: holds no sweeps; launch one, or name the directory with "
            "--runs-dir or the store with --tracking-uri"
        )
    make_database(places.database, places.artifacts)
    store = MlflowStore(local_uri(places.database), places.artifacts, places.runs_dir)
    if not must_exist:
        store.move_here()
    return store


def _train(
    plan: Plan,
    places: Places,
    opening: "Future[MlflowStore]",
    aside: Executor,
    console: "Console",
    session: _Session,
) -> "Work":
    """The stages on Ray, which starts while store and data do; the parent run ends truthfully."""
    from sweep.adapters.ray.session import ray_session
    from sweep.status.screen import summary

    spec = plan.spec
    loading = aside.submit(_read, plan)
    say = partial(console.print, soft_wrap=True, highlight=False)
    say(f"{spec.name}: starting Ray and opening the store")
    with ray_session(session.address, spec, say):
        (inputs, plan), store = loading.result(), opening.result()
        for remark in remarks(_datasets(inputs)):
            console.print(remark, soft_wrap=True, highlight=False, markup=False)
        _refuse_without_studies(spec.name, places, store)
        try:
            if session.source:
                _fork(plan, session.source, places, store, console)
            progress, work = _attempts(plan, places, store, inputs, console, session.deadline)
        except KeyboardInterrupt:
            store.close_sweep(spec.name, "interrupted")
            raise
        except BadInput:
            # Refused before anything was written: it stays as it was.
            raise
        except Exception:
            # The store may be what failed; the next launch sets the state right.
            with suppress(Exception):
                store.close_sweep(spec.name, "interrupted")
            raise
    console.print(summary(progress), soft_wrap=True)
    teachers = _failed_teachers(progress)
    if end := progress.search_end:
        console.print(f"{spec.name}: {end} {how_to_go_on(end)}", soft_wrap=True, highlight=False)
    if not progress.done["confirm"]:
        store.close_sweep(spec.name, "failed")
        raise SweepFailed(
            f"{spec.name}: no cell could be confirmed; almkd export {spec.name} --table trials "
            f"gives the reasons{f': {teachers}' if teachers else ''}"
        )
    if teachers:
        console.print(f"{spec.name}: {teachers}", soft_wrap=True, highlight=False)
    from sweep.best_students import log_best_students

    log_best_students(spec.name, store)
    store.close_sweep(spec.name, "complete")
    return work


def _fork(
    plan: Plan, source: str, places: Places, store: "MlflowStore", console: "Console"
) -> None:
    """Take runs over from the sweep ``source``, if the one of ``plan`` is not there yet."""
    from sweep.fork import take_over

    if store.has(plan.spec.name):
        return
    store.open_sweep(plan)
    studies = (
        (places.optuna_url, places.optuna_url)
        if places.optuna_url
        else (str(places.journal(source)), str(places.journal(plan.spec.name)))
    )
    count = take_over(plan, source, store, studies)
    console.print(f"{plan.spec.name}: {count} runs taken over from {source}", soft_wrap=True)


def _failed_teachers(progress: "Progress") -> str:
    """Which teacher failed, and why; empty where none did."""
    first, *others = progress.failed_teachers or ("",)
    more = f" (and {len(others)} more)" if others else ""
    return f"the teacher {first}{more}" if first else ""


def _read(plan: Plan) -> "tuple[Mapping[str, Dataset | GivenTeacher], Plan]":
    """The data sets and given teachers, and the plan that knows what was read; or BadInput."""
    datasets = load_data(plan)
    given = load_given(plan, datasets)
    return {**datasets, **given}, Plan(plan.spec, fingerprints(plan.spec, datasets))


def _datasets(inputs: "Mapping[str, Dataset | GivenTeacher]") -> "Mapping[str, Dataset]":
    """The data sets among what was read."""
    from trainers.data.dataset import Dataset

    return {key: found for key, found in inputs.items() if isinstance(found, Dataset)}


def load_given(plan: Plan, datasets: "Mapping[str, Dataset]") -> "Mapping[str, GivenTeacher]":
    """The teachers that are given, by `TeacherJob.given`; or BadInput."""
    if not any(job.given for job in plan.teachers):
        return {}
    from sweep.given_teachers import read_given

    return read_given(plan, datasets)


def load_data(plan: Plan) -> "Mapping[str, Dataset]":
    """The data sets by content, if networks take them and every condition's noise can be had; or
    BadInput."""
    from trainers.data.errors import DataError
    from trainers.loading import check_splits, content_key, load_dataset

    datasets: dict[str, Dataset] = {}
    for cell in plan.cells:
        settings = cell.spec.data_settings()
        key = content_key(settings)
        try:
            if key not in datasets:
                datasets[key] = load_dataset(settings)
            check_splits(datasets[key], settings)
        except DataError as error:
            raise BadInput(str(error)) from None
        _check_cell(cell, datasets[key])
    return datasets


def _check_cell(cell: Cell, dataset: "Dataset") -> None:
    """BadInput where a data set cannot have a cell's labels, or its networks do not take it."""
    from trainers.loading import unusable

    spec = cell.spec
    if problem := unusable(dataset, spec.data_settings(), cell.condition.labels):
        raise BadInput(problem)
    for _, model in spec.models():
        network = spec.task_entry.networks[model.name]
        if problem := network.shape_problem(model.name, dataset.shape):
            raise BadInput(problem)


def _attempts(
    plan: Plan,
    places: Places,
    store: "MlflowStore",
    inputs: "Mapping[str, Dataset | GivenTeacher]",
    console: "Console",
    deadline: "Deadline | None",
) -> "tuple[Progress, Work]":
    """Train everything; where the referee's process dies, go on from the stores with a new one."""
    from sweep.adapters.ray.referee_actor import Stores
    from sweep.adapters.ray.tune import RefereeLost, train_everything
    from sweep.secrets import mlflow_credentials
    from sweep.status.screen import watcher

    name = plan.spec.name
    spool = places.sweep(name) / "mlflow.spool"
    optuna = places.studies(name)
    say = partial(console.print, soft_wrap=True, highlight=False)
    data = data_inputs(plan.spec, _datasets(inputs), plan.fingerprints)
    losses = 0
    while True:
        runs = store.open_sweep(plan, data)
        stores = Stores(
            runs, spool, optuna, places.teachers, places.checkpoints(name), mlflow_credentials()
        )
        try:
            with store.renewed(name, runs.parent_id):
                return train_everything(
                    plan.spec, stores, inputs, watcher(console), say, _load_comparison, deadline
                )
        except RefereeLost as error:
            losses += 1
            if losses > plan.spec.resources.retries:
                raise SweepFailed(f"{error}; the same command goes on from here") from None
            say(f"{error}; going on from the stores")
