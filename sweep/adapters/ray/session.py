"""Ray, started on this machine or joined where it runs.

Apart from `sweep.adapters.ray.tune`, so that Ray's processes start before Tune is loaded.
"""

import gc
import logging
import os
import resource
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Processes that Ray would start for whoever comes first: which are wanted says `system_config`.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")

import ray
from ray._private.services import canonicalize_bootstrap_address

from sweep.adapters.ray.ahead import let_tune_take_them, system_config, without_unused
from sweep.adapters.ray.surroundings import options
from sweep.errors import BadInput
from sweep.spec.spec import SweepSpec

# How long a cluster's head may take to answer, in seconds.
ANSWERS_WITHIN = 10.0
# More of a custom resource than any sweep takes at once.
PLENTY = 1e6


def check_address(address: str) -> None:
    """BadInput if nothing answers at a cluster's address: Ray itself would try for many minutes."""
    try:
        place = canonicalize_bootstrap_address(address) if address == "auto" else address
        host, _, port = str(place).rpartition("://")[2].rpartition(":")
        socket.create_connection((host, int(port)), timeout=ANSWERS_WITHIN).close()
    except (OSError, ValueError) as error:
        raise BadInput(
            f"--address {address}: no Ray cluster answers there ({error}); give HOST:PORT of a "
            "running head, or leave --address out to run on this machine"
        ) from None


@contextmanager
def ray_session(
    address: str | None, spec: SweepSpec, say: Callable[[str], None], cohorts: int = 0
) -> Iterator[Any]:
    """Ray, started here or joined at ``address``, and left again; a referee that has not begun.

    Handles of Ray's that garbage still holds go first, and nothing else happens meanwhile: where
    one of them is let go while Ray leaves, or after that, Ray ends the process. ``say`` is told
    what this machine lacks; ``cohorts``: how many are sure to train side by side, if there is room.
    BadInput where Ray cannot be started here, or this machine has not what a cohort takes.
    """
    on_terminate = signal.getsignal(signal.SIGTERM)
    try:
        with _hangup_held_back():
            _start(address, spec, say, cohorts)
        if threading.current_thread() is threading.main_thread():
            # Ray has put one in place that ends the process at once.
            signal.signal(signal.SIGTERM, on_terminate)
    except SystemExit:
        # What Ray makes of SIGTERM until then; its library would abort the process 3 s later.
        signal.alarm(0)
        raise KeyboardInterrupt from None
    try:
        from sweep.adapters.ray.referee_actor import start_referee

        referee = start_referee()
        if address is None:
            _check_machine(spec)
        let_tune_take_them(here=address is None)
        yield referee
    finally:
        gc.collect()
        ray.shutdown()


def needs(spec: SweepSpec) -> dict[str, float]:
    """What a cohort takes, by Ray's name of it."""
    resources = spec.resources
    return {"CPU": resources.cpus, "GPU": resources.gpus, **resources.custom}


def _start(
    address: str | None, spec: SweepSpec, say: Callable[[str], None], cohorts: int = 0
) -> None:
    """Start Ray on this machine, or join a cluster."""
    if address:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        return
    given = options(say)
    try:
        with without_unused():
            ray.init(
                # Not None: Ray would then join whatever cluster it finds a trace of, dead ones too.
                address="local",
                include_dashboard=False,
                # One's own machine is taken to have what nodes of a cluster are told apart by.
                resources=dict.fromkeys(spec.resources.custom, PLENTY),
                log_to_driver=False,
                logging_level=logging.ERROR,
                _system_config=system_config(spec, cohorts),
                **given,
            )
    except Exception as error:  # noqa: BLE001 - processes that cannot start, files, limits
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise BadInput(
            f"Ray cannot be started on this machine: {reason[0]} (ulimit -u {_limit('NPROC')}, "
            f"ulimit -n {_limit('NOFILE')}); free what is short, or name a cluster with --address"
        ) from None


def _check_machine(spec: SweepSpec) -> None:
    """BadInput where this machine has not what a cohort takes: no other will ever join it."""
    has: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    for kind, field in (("CPU", "cpus"), ("GPU", "gpus")):
        if (amount := needs(spec)[kind]) > (there := has.get(kind, 0.0)):
            raise BadInput(
                f"resources.{field}: {amount:g}, but this machine has {there:g} {kind}s; set "
                f"resources.{field}: {there:g}, or name a cluster that has them with --address"
            )


@contextmanager
def _hangup_held_back() -> Iterator[None]:
    """Processes that are started in the block hear no SIGHUP, as a terminal that closes sends it to
    all: this one then has the time to write down what they were doing. It hears it afterwards."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _limit(name: str) -> str:
    """A limit of this process, as ``ulimit`` shows it."""
    soft, _ = resource.getrlimit(getattr(resource, f"RLIMIT_{name}"))
    return "unlimited" if soft == resource.RLIM_INFINITY else str(soft)
