"""A sweep from launch to table: the stages, in order.

    teachers -> search -> confirm      on Ray, as the referee hands them out
    compare                            from the tracking store alone

What is durable lives in two stores, Optuna's and MLflow's; launching the same spec again goes on
from there, or shows the table if nothing is left to do.
"""

import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweep.data_check import remarks
from sweep.errors import BadInput, SweepFailed
from sweep.inputs import datasets_among, read_inputs, refuse_missing_data, refuse_unsound_code
from sweep.lock import locked
from sweep.places import Places, open_store
from sweep.plan.data_inputs import data_inputs
from sweep.plan.plan import Plan
from sweep.plan.search_end import how_to_go_on
from sweep.results import Shown, compare, load_comparison, look, seen_so_far
from sweep.spec.spec import SweepSpec

if TYPE_CHECKING:
    from rich.console import Console

    from sweep.adapters.mlflow.store import MlflowStore
    from sweep.referee.referee import Progress
    from sweep.referee.time_limit import Deadline
    from sweep.referee.time_spent import Work
    from trainers.data.dataset import Dataset
    from trainers.task import GivenTeacher


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
    if stop_after and spec.search.fair:
        raise BadInput(
            "--stop-after: leaves all searches with as many trials as each other, and search.fair: "
            "compute gives them equal compute; drop one of the two"
        )
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
        opening = aside.submit(_open, places, patience_s, say, after_ray=not known)
        work: Work | None = None
        plan = _as_begun(plan, opening.result(), say) if known else plan
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
    """BadInput where Optuna refuses the rules, nothing answers, the studies are elsewhere, or a job
    of SLURM has its store where other machines may spoil it."""
    from sweep.adapters.optuna.rules import check_rules

    check_rules(spec)
    if "SLURM_JOB_ID" in os.environ:
        from sweep.slurm.network_disk import check_store

        check_store(places.runs_dir, places.tracking_uri)
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


def _open(
    places: Places, patience_s: float, say: Callable[[str], None], after_ray: bool
) -> "MlflowStore":
    """The store. ``after_ray``: Ray is loaded first, whose processes then start meanwhile."""
    if after_ray:
        import sweep.adapters.ray.session  # noqa: F401
    return open_store(places, patience_s=patience_s, say=say)


def _as_begun(plan: Plan, store: "MlflowStore", say: Callable[[str], None]) -> Plan:
    """The plan that goes on with a sweep as it was begun, if it was; the screen says what that
    leaves out."""
    begun = store.as_begun(plan)
    if begun is not plan:
        say(
            f"{plan.spec.name}: was begun by an earlier version, and its searches go on as they "
            "began: without trying the limits of their methods first (search.limits_first)"
        )
    return begun


def _is_complete(plan: Plan, store: "MlflowStore", console: "Console") -> bool:
    """Whether a sweep has run to its end and its runs are all there; BadInput where another
    process runs it. The screen says what is made again."""
    say = partial(console.print, soft_wrap=True, highlight=False)
    store.refuse_held(plan.spec.name, say)
    closed = store.closed(plan)
    if closed is None or closed.missing:
        store.refuse_changed_rows(plan)
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
    loading = aside.submit(read_inputs, plan)
    say = partial(console.print, soft_wrap=True, highlight=False)
    say(f"{spec.name}: starting Ray and opening the store")
    with ray_session(session.address, spec, say, len(plan.cells)) as referee:
        (inputs, plan), store = loading.result(), opening.result()
        for remark in remarks(datasets_among(inputs)):
            console.print(remark, soft_wrap=True, highlight=False, markup=False)
        _refuse_without_studies(spec.name, places, store)
        try:
            if session.source:
                _fork(plan, session.source, places, store, console)
            progress, work = _attempts(
                plan, places, store, inputs, console, session.deadline, referee
            )
        except KeyboardInterrupt:
            # Before anything was written there is none.
            if store.has(spec.name):
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


def _load_what_follows() -> None:
    """Load what is needed once all have trained."""
    load_comparison()
    import sweep.best_students  # noqa: F401


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
    return f"the {first}{more}" if first else ""


def _attempts(  # noqa: PLR0913, PLR0917 - as `train_everything`
    plan: Plan,
    places: Places,
    store: "MlflowStore",
    inputs: "Mapping[str, Dataset | GivenTeacher]",
    console: "Console",
    deadline: "Deadline | None",
    referee: Any,
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
    data = data_inputs(plan.spec, datasets_among(inputs), plan.fingerprints)
    losses = 0
    while True:
        runs = store.open_sweep(plan, data)
        stores = Stores(
            runs, spool, optuna, places.teachers, places.checkpoints(name), mlflow_credentials()
        )
        try:
            with store.renewed(name, runs.parent_id):
                return train_everything(
                    plan.spec,
                    stores,
                    inputs,
                    watcher(console),
                    say,
                    _load_what_follows,
                    deadline,
                    referee,
                )
        except RefereeLost as error:
            losses += 1
            if losses > plan.spec.resources.retries:
                raise SweepFailed(f"{error}; the same command goes on from here") from None
            say(f"{error}; going on from the stores")
            referee = None
