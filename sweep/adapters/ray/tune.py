"""Cohorts on Ray Tune: the referee as an actor, a searcher that asks it, a trainable that trains.

A cohort is one Tune trial. Tune starts it where there is room and keeps its process for the next
one (actor reuse); what it trains, which lanes go on and what is written down is the referee's.
Ray's own pickled experiment state is not read again.
"""

import logging
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

# Read by Tune when it is imported.
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import ray
from ray import tune
from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.tune import TuneError
from ray.tune.search import Searcher

from sweep.adapters.ray.referee_actor import ALL_DONE, WAIT, Stores, start_referee
from sweep.adapters.ray.session import needs
from sweep.adapters.ray.worker import CohortTrainable
from sweep.errors import SweepFailed
from sweep.referee.referee import Progress
from sweep.referee.time_limit import Deadline
from sweep.referee.time_spent import Work
from sweep.spec.spec import SweepSpec
from trainers.data.dataset import Dataset

if TYPE_CHECKING:
    from trainers.task import GivenTeacher


# How often the referee is asked whether a cohort trains, in seconds.
BEGUN_EVERY = 0.2


class RefereeLost(Exception):
    """The referee's process died; a new one can go on from the stores."""


class RefereeSearcher(Searcher):
    """Tune's source of trials: whatever cohort the referee names next."""

    def __init__(self, referee: Any, slots: Callable[[], int]) -> None:
        """``slots``: tells how many cohorts the cluster can train at once."""
        super().__init__(metric="lanes", mode="max")
        self._referee = referee
        self._slots = slots
        self._cohorts: dict[str, str] = {}
        self._cause: Exception | None = None

    def raise_cause(self) -> None:
        """Raise what ended the run, if it was the referee: Tune wraps it in text."""
        if self._cause:
            raise self._cause

    def suggest(self, trial_id: str) -> Any:
        """A cohort's id as Tune's configuration, None to be asked again, or Tune's end mark."""
        try:
            cohort = ray.get(self._referee.next_cohort.remote(self._slots()))
        except (RayError, SweepFailed) as error:
            self._cause = error
            raise
        if cohort == ALL_DONE:
            return Searcher.FINISHED
        if cohort == WAIT:
            return None
        self._cohorts[trial_id] = cohort
        return {"cohort": cohort}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        cohort = self._cohorts.pop(trial_id)
        if error:
            try:
                ray.get(self._referee.lost.remote(cohort))
            except RayError as cause:
                self._cause = cause
                raise

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the referee's stores hold the state."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing, as `save`."""


def _slots(spec: SweepSpec) -> int:
    """How many cohorts the cluster can train at once, as it is now; at least one."""
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    fits = [has.get(kind, 0.0) // amount for kind, amount in needs(spec).items() if amount]
    return max(1, int(min(fits)))


def _lacking(spec: SweepSpec) -> list[str]:
    """Lines on what no node could give a cohort now; one that joins may."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]  # type: ignore[no-untyped-call]
    return [
        f"no node has {amount:g} {kind} for a cohort; they wait for one that joins"
        for kind, amount in needs(spec).items()
        if amount > max(node.get(kind, 0.0) for node in nodes)
    ]


def train_everything(  # noqa: PLR0913, PLR0917 - what trains, where, and for how long
    spec: SweepSpec,
    stores: Stores,
    inputs: "Mapping[str, Dataset | GivenTeacher]",
    watch: Callable[[Callable[[], Progress], threading.Event], None],
    say: Callable[[str], None],
    meanwhile: Callable[[], None],
    deadline: Deadline | None = None,
    referee: Any = None,
) -> tuple[Progress, Work]:
    """Run every stage but compare, in a Ray session; ``watch`` shows the progress in a thread.

    ``inputs``: data sets by `trainers.loading.content_key`, and teachers that are given by
    `TeacherJob.given`. ``say`` tells the user a line; ``meanwhile``, which knows nothing of Ray, is
    begun in a thread once a cohort trains. ``deadline``: after which no more is searched.
    ``referee``: one that was started and has not begun; by default a new one. How far it came, and
    where the time went.

    Whatever ends it, what is in flight has then been written down as interrupted if that was still
    possible. Raises KeyboardInterrupt; SweepFailed where a store failed; RefereeLost where the
    referee's process died.
    """
    referee = referee or start_referee()
    held = {name: ray.put(one) for name, one in inputs.items()}
    ended = threading.Event()
    screen = threading.Thread(target=_watch, args=(watch, referee, ended), daemon=True)
    start = threading.Thread(target=_once_begun, args=(meanwhile, referee, ended), daemon=True)
    try:
        _begin(referee, spec, stores, held, deadline)
        for line in [*ray.get(referee.notices.remote()), *_lacking(spec)]:
            say(line)
        screen.start()
        start.start()
        _run_tune(spec, referee)
        closed: Progress = ray.get(referee.close.remote(interrupted=False))
        work: Work = ray.get(referee.work.remote(_slots(spec)))
        return closed, work
    except RayActorError as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise RefereeLost(f"{spec.name}: the referee's process died ({reason})") from None
    except (KeyboardInterrupt, SweepFailed) as error:
        with suppress(RayError):
            ray.get(referee.close.remote(interrupted=True))
        if isinstance(error, RayTaskError):
            # What the referee raised; the text of Ray's own error is a traceback.
            raise error.cause from None
        raise
    finally:
        ended.set()
        for thread in (screen, start):
            if thread.ident is not None:
                thread.join()


def _begin(referee: Any, spec: SweepSpec, *given: object) -> None:
    """Have the referee read the stores; RefereeLost where it cannot."""
    try:
        ray.get(referee.begin.remote(spec, *given))
    except RayTaskError as error:
        ray.kill(referee)
        raise RefereeLost(f"{spec.name}: the referee could not begin ({error.cause})") from None


def _watch(
    watch: Callable[[Callable[[], Progress], threading.Event], None],
    referee: Any,
    ended: threading.Event,
) -> None:
    """Show progress for as long as there is a referee to ask."""
    with suppress(RayError):
        watch(lambda: ray.get(referee.progress.remote()), ended)


def _once_begun(meanwhile: Callable[[], None], referee: Any, ended: threading.Event) -> None:
    """Begin with ``meanwhile`` when a cohort trains: until then whatever trains is short of time.

    Its thread is left alone: who is interrupted does not wait for it.
    """
    with suppress(RayError):
        while not ray.get(referee.begun.remote()):
            if ended.wait(BEGUN_EVERY):
                return
        threading.Thread(target=meanwhile, daemon=True).start()


def _run_tune(spec: SweepSpec, referee: Any) -> None:
    # Tune prints a traceback for every process that is lost; the referee has it on record.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    resources = spec.resources
    threads = max(1, int(resources.cpus))
    trainable = tune.with_resources(
        tune.with_parameters(CohortTrainable, referee=referee, threads=threads),
        {"cpu": resources.cpus, "gpu": resources.gpus, **resources.custom},
    )
    searcher = RefereeSearcher(referee, partial(_slots, spec))
    # Tune keeps the process of a cohort that ended only if another one waits for it; by default it
    # asks for one at a time, and ends and starts processes half of the time. It is no limit on how
    # many train: nodes that join are used.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(_slots(spec) + 1)
    with tempfile.TemporaryDirectory(prefix="almkd-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(search_alg=searcher, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(name=spec.name, storage_path=scratch, verbose=0),
        )
        try:
            tuner.fit()
        except (TuneError, RayError):
            searcher.raise_cause()
            raise
