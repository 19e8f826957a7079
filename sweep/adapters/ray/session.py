"""Ray, started on this machine or joined where it runs.

Apart from `sweep.adapters.ray.tune`, so that Ray's processes start before Tune is loaded.
"""

import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Processes that Ray would start before anybody asks: Tune does not take them, and starts its own.
os.environ.setdefault("RAY_prestart_worker_first_driver", "0")

import ray
from ray._private.services import canonicalize_bootstrap_address

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
def ray_session(address: str | None, spec: SweepSpec, aside: Executor) -> Iterator[None]:
    """Ray, started here or joined at ``address``, and left again.

    Where all went well it is left by a thread of ``aside``, which takes it more than a second.
    """
    on_terminate = signal.getsignal(signal.SIGTERM)
    ray.init(
        # Not None: Ray would then join whatever cluster it finds a trace of, dead ones among them.
        address=address or "local",
        include_dashboard=False if address is None else None,
        # One's own machine is taken to have what nodes of a cluster are told apart by.
        resources=None if address else dict.fromkeys(spec.resources.custom, PLENTY),
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    if threading.current_thread() is threading.main_thread():
        # Ray has put one in place that ends the process at once.
        signal.signal(signal.SIGTERM, on_terminate)
    try:
        yield
    except BaseException:
        ray.shutdown()
        raise
    aside.submit(ray.shutdown)
