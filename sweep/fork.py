"""A fork: a sweep that takes over what another one has trained of the very same."""

from sweep.adapters.mlflow.store import MlflowStore
from sweep.adapters.optuna.studies import copy_trials, ended_trials
from sweep.plan.meaning import changed_rows
from sweep.plan.plan import Plan
from sweep.plan.takeover import equal_searches, trials_taken


def take_over(plan: Plan, source: str, store: MlflowStore, studies: tuple[str, str]) -> int:
    """Copy the runs of equal searches from the sweep ``source`` into the new one of ``plan``; how
    many there were. ``studies``: where those of the one and of the other are. Methods that mean
    something else since are left out.

    Runs first, their trials last: what was broken off in between is trained again.
    """
    old = store.plan_to_take_from(source, plan)
    if old is None:
        return 0
    searches, ended = equal_searches(old, plan), ended_trials(old, studies[0])
    changed = changed_rows(plan, store.begun_by(source))
    counts = {
        name: trials_taken(plan, search, ended.get(name, 0))
        for name, search in searches.items()
        if search.cell.use.label not in changed
    }
    copied = store.take_over(source, plan, counts)
    copy_trials((old, studies[0]), (plan, studies[1]), counts)
    return copied
