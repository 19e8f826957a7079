"""The own run of every sweep of a tracking store: found by its tags, whatever its experiment is
called by now, and missed with the reason and the way out."""

import re
from collections.abc import Iterator, Sequence

from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

from sweep.referee.states import State
from sweep.secrets import masked

STATES: Sequence[State] = ("running", "interrupted", "complete", "failed")
# As what MLflow says of a run, where the tag is gone or says something else.
BY_STATUS: dict[str, State] = {"FINISHED": "complete", "FAILED": "failed", "RUNNING": "running"}
# Experiments, or runs, to a page.
PAGE = 1000
OTHER_NAME = "give the sweep another name with --fork NAME"


class Sweeps:
    """The sweeps of a store."""

    def __init__(self, client: MlflowClient, uri: str) -> None:
        self._client = client
        self._uri = uri

    def all(self) -> list[Run]:
        """The own run of each sweep, by name; of several of one name the one that began first."""
        found: dict[str, Run] = {}
        for run in self._search("tags.stage = 'sweep'", self._experiments(ViewType.ACTIVE_ONLY)):
            found.setdefault(name_of(run), run)
        return [found[name] for name in sorted(found)]

    def find(self, name: str) -> Run | None:
        """The own run of a sweep, if it is there and not deleted."""
        return next(iter(self.all_of(name)), None)

    def all_of(self, name: str) -> list[Run]:
        """Every own run of a sweep of that name: more than one where two launches, or an earlier
        version, made one each. The one that began first is the sweep's."""
        if not _can_be_asked_for(name):
            return []
        found = self._search(_own_run(name), self._experiments(ViewType.ACTIVE_ONLY))
        return sorted(found, key=lambda run: (run.info.start_time, run.info.run_id))

    def in_trash(self) -> dict[str, str]:
        """What of the sweeps that are not there lies in the trash, by name: in a few words."""
        found = {}
        deleted = self._experiments(ViewType.DELETED_ONLY)
        for run in self._search("tags.stage = 'sweep'", deleted, ViewType.ALL):
            found[name_of(run)] = f"experiment {run.info.experiment_id} is in the trash"
        active = self._experiments(ViewType.ACTIVE_ONLY)
        for run in self._search("tags.stage = 'sweep'", active, ViewType.DELETED_ONLY):
            found.setdefault(name_of(run), f"its run {run.info.run_id} is in the trash")
        return found

    def why_missing(self, name: str) -> str:
        """Of a sweep without an own run: what was done to it, and the way out; empty where the
        store has never known it."""
        if not _can_be_asked_for(name):
            return ""
        return self._in_deleted_experiment(name) or self._without_own_run(name)

    def _in_deleted_experiment(self, name: str) -> str:
        experiments = self._client.search_experiments(ViewType.DELETED_ONLY, PAGE)
        ids = {e.experiment_id for e in experiments if e.name == name}
        everywhere = [e.experiment_id for e in experiments]
        ids |= {
            run.info.experiment_id for run in self._search(_own_run(name), everywhere, ViewType.ALL)
        }
        if not ids:
            return ""
        (first, *_) = sorted(ids)
        return (
            f"{name}: its experiment lies in MLflow's trash; restore it with "
            f"{self._command(f'experiments restore --experiment-id {first}')}, delete it for good "
            f"with mlflow gc --experiment-ids {first}, or {OTHER_NAME}"
        )

    def _without_own_run(self, name: str) -> str:
        """Of one whose experiment is there."""
        active = self._experiments(ViewType.ACTIVE_ONLY)
        for run in self._search(_own_run(name), active, ViewType.DELETED_ONLY):
            return (
                f"{name}: the sweep's own run lies in MLflow's trash; restore it with "
                f"{self._command(f'runs restore --run-id {run.info.run_id}')}, delete it for good "
                f"with mlflow gc --run-ids {run.info.run_id}, or {OTHER_NAME}"
            )
        some = next(self._search(f"tags.sweep = '{name}'", active), None)
        if some is None:
            return ""
        # Either the own run itself, or one of those below it.
        own = some.data.tags.get(MLFLOW_PARENT_RUN_ID, some.info.run_id)
        if not self._has_lost_tags(own, name):
            return ""
        return (
            f"{name}: the sweep's own run {own} has lost its tags; give it stage=sweep and "
            f"sweep={name} again in the dashboard, or {OTHER_NAME}"
        )

    def _has_lost_tags(self, run_id: str, name: str) -> bool:
        """Whether a run is there, and not as the own run of a sweep."""
        try:
            tags = self._client.get_run(run_id).data.tags
        except MlflowException:
            return False
        return (tags.get("stage"), tags.get("sweep")) != ("sweep", name)

    def _experiments(self, which: int) -> list[str]:
        """Their ids."""
        found: list[str] = []
        token: str | None = None
        while True:
            page = self._client.search_experiments(which, PAGE, page_token=token)
            found += [experiment.experiment_id for experiment in page]
            token = page.token
            if not token:
                return found

    def _search(
        self, what: str, experiments: Sequence[str], which: int = ViewType.ACTIVE_ONLY
    ) -> Iterator[Run]:
        """Runs, in the order in which they began."""
        token: str | None = None
        while experiments:
            page = self._client.search_runs(
                list(experiments),
                what,
                which,
                max_results=PAGE,
                order_by=["attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _command(self, rest: str) -> str:
        """One of MLflow's own commands, on this store."""
        return f"MLFLOW_TRACKING_URI={masked(self._uri)} mlflow {rest}"


def name_of(run: Run) -> str:
    """The sweep that an own run is of."""
    return str(run.data.tags.get("sweep") or run.info.run_name)


def state_of(run: Run) -> State:
    """The state of a sweep, as its own run has it."""
    tag = run.data.tags.get("state")
    known = next((state for state in STATES if state == tag), None)
    return known or BY_STATUS.get(run.info.status, "interrupted")


def _own_run(name: str) -> str:
    return f"tags.stage = 'sweep' AND tags.sweep = '{name}'"


def _can_be_asked_for(name: str) -> bool:
    """Whether it is a name as sweeps have them, which needs no quotes."""
    return re.fullmatch(r"[\w.-]+", name, re.ASCII) is not None
