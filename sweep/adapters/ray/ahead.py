"""Ray on this machine in as little time as it takes: what it starts ahead, and what it leaves out.

Processes that train take seconds to load what they need. Ray starts one per processor as soon as
it is up and has each load it (`sweep.adapters.ray.loaded_ahead`), while the launcher reads the data
and opens the store; Tune takes them for its first cohorts.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray._private.node import Node
from ray._private.utils import get_num_cpus

from sweep.spec.spec import SweepSpec

LOADED = "sweep.adapters.ray.loaded_ahead"
# A variable of the environment of the referee's process.
REFEREE = "ALMKD_REFEREE"
# Processes that do not train: the referee's, and one to spare.
OTHERS = 2
# What serves people and clusters, as a Ray has it that knows these methods: the dashboard's server,
# the autoscaler, the reader of logs.
UNUSED = ("start_api_server", "start_monitor", "start_log_monitor")


def system_config(spec: SweepSpec, cohorts: int) -> dict[str, Any]:
    """Ray's own settings for a launch that has ``cohorts`` to train side by side.

    Nothing is started ahead that would find no cohort: Ray starts one process per processor or
    none, so every cohort has to take one, and nothing else.
    """
    resources = spec.resources
    one_each = resources.cpus == 1 and not resources.gpus and not resources.custom
    if not one_each or cohorts < get_num_cpus():
        return {}
    return {
        "enable_worker_prestart": True,
        "preload_python_modules": [LOADED],
        # Of more than these, Ray ends those that have waited for a second.
        "num_workers_soft_limit": get_num_cpus() + OTHERS,
    }


def let_tune_take_them(here: bool) -> None:
    """Have Tune take processes that were started ahead; ``here``: by this launch.

    It asks for processes with variables of its own in their environment, which Ray then starts
    anew: one of PyTorch Lightning's, and those of the launcher that others may lack.
    """
    from ray.tune.execution import class_cache

    class_cache.DEFAULT_ENV_VARS.clear()
    if here:
        class_cache.ENV_VARS_TO_PROPAGATE.clear()


@contextmanager
def without_unused() -> Iterator[None]:
    """A Ray that starts in the block does without the processes of `UNUSED`."""
    there = {name: getattr(Node, name) for name in UNUSED if hasattr(Node, name)}
    for name in there:
        setattr(Node, name, _nothing)
    try:
        yield
    finally:
        for name, method in there.items():
            setattr(Node, name, method)


def _nothing(node: Node, **_: object) -> None:
    """In place of what starts a process."""
