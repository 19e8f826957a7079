"""Sweeps through Ray Client (``ray://HEAD:10001``): on a cluster, for as long as someone is there.

As with a submitted job (`sweep.adapters.ray.jobs`), `almkd launch` runs on the head, with the spec
as a file beside it. But it prints here, Ctrl-C here ends it, and it ends when its client goes.
"""

import logging
import os
import signal
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

# Read by Ray when it is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import grpc  # type: ignore[import-untyped]
import ray
from ray._private.grpc_utils import init_grpc_channel
from ray.core.generated import ray_client_pb2, ray_client_pb2_grpc
from ray.exceptions import AuthenticationError, RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweep.adapters.ray.jobs import (
    CHATTY,
    INTERRUPTED,
    STOPS_WITHIN,
    TOKEN,
    first_line,
    written_into,
)
from sweep.adapters.ray.supervised_launch import Printed, SupervisedLaunch
from sweep.errors import BadInput, SweepFailed
from sweep.spec.spec import SweepSpec

# How long a head may take to answer, in seconds.
ANSWERS_WITHIN = 10.0
# How often a head may fail to start a server for us: Ray forks it among threads of gRPC, and under
# load it then now and then crashes before it begins.
CONNECTS = 4
# Exit codes that a launch ends with by itself.
USUAL = (0, 1, 2, INTERRUPTED)
GOES_ON = "the same command goes on from here"


def attend(
    address: str, spec: SweepSpec, options: Sequence[str], show: Callable[[Printed], None]
) -> int:
    """Launch a sweep on a cluster's head, with ``options``, and ``show`` what it prints; its exit
    code.

    SIGINT, SIGTERM and SIGHUP end the sweep, and are waited for; the second one raises
    KeyboardInterrupt.
    BadInput where no Ray Client answers at ``address``, or none for us; SweepFailed where the
    connection or the head is lost.
    """
    _check_answers(address)
    with tempfile.TemporaryDirectory(prefix="almkd-") as place:
        words = written_into(Path(place), spec, options)
        with _connected(address, place), _until_lost(address), _stop_wanted() as wanted:
            launch = _started(address, words)
            try:
                code = _followed(launch, show, wanted)
            except KeyboardInterrupt:
                show((b"", b"almkd: no longer waited for; it is being ended there\n"))
                raise
    if code in USUAL:
        return code
    raise SweepFailed(f"{spec.name}: ended with exit code {code} on {address}; {GOES_ON}")


def _followed(launch: Any, show: Callable[[Printed], None], wanted: list[int]) -> int:
    """Show what a launch prints until it has ended; its exit code."""
    out = err = 0
    stopped: float | None = None
    while True:
        if wanted and stopped is None:
            ray.get(launch.stop.remote())
            stopped = time.monotonic()
        printed, code = ray.get(launch.read.remote((out, err)))
        show(printed)
        out, err = out + len(printed[0]), err + len(printed[1])
        if code is not None:
            return int(code)
        if stopped is not None and time.monotonic() - stopped > STOPS_WITHIN:
            raise SweepFailed(f"the sweep did not end within {STOPS_WITHIN:g} s; {GOES_ON}")


def _started(address: str, words: list[str]) -> Any:
    """The launch as an actor on the head, which is where Ray Client's server is.

    BadInput where the head does not know it.
    """
    head = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(SupervisedLaunch).options(num_cpus=0, scheduling_strategy=head)
    try:
        return actor.remote(words)
    except ImportError as error:
        raise BadInput(
            f"--address {address}: Ray there cannot import this almkd ({error}); install it on the "
            "head, for the Python that runs Ray"
        ) from None


@contextmanager
def _connected(address: str, place: str) -> Iterator[None]:
    """Ray Client, with the files of a directory on every node; BadInput where that fails."""
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        _connect(address, place)
    except SystemExit:
        # What Ray makes of SIGTERM while it connects.
        raise KeyboardInterrupt from None
    except (ConnectionError, RuntimeError, RayError) as error:
        raise BadInput(f"--address {address}: {_reason(error)}") from None
    # It would tell of a connection that breaks, which is told below.
    logging.getLogger("ray.util.client.logsclient").setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        ray.shutdown()


def _connect(address: str, place: str) -> None:
    """Connect, as often as it takes within limits."""
    on_terminate = signal.getsignal(signal.SIGTERM)
    for left in reversed(range(CONNECTS)):
        try:
            with warnings.catch_warnings(action="ignore"):
                ray.init(
                    address,
                    runtime_env={"working_dir": place},
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
            # Ray has put one in place that ends the process at once.
            signal.signal(signal.SIGTERM, on_terminate)
            return
        except ConnectionAbortedError:
            if not left:
                raise


@contextmanager
def _until_lost(address: str) -> Iterator[None]:
    """SweepFailed once the connection, or what is at its other end, is lost."""
    try:
        yield
    except (ConnectionError, grpc.RpcError, RayError) as error:
        raise SweepFailed(
            f"{address}: the connection, or what ran the sweep there, was lost ({_reason(error)}); "
            f"the sweep ends with it, and {GOES_ON}"
        ) from None


@contextmanager
def _stop_wanted() -> Iterator[list[int]]:
    """The signals that came to end the sweep: noted, as they would find Ray Client in the middle.

    KeyboardInterrupt by the second.
    """
    came: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        came.append(number)
        if len(came) > 1:
            raise KeyboardInterrupt

    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, note) for number in numbers}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_answers(address: str) -> None:
    """BadInput if no Ray Client takes our calls: Ray itself would try for long, and not say why."""
    try:
        port = urlsplit(address).port
    except ValueError:
        port = None
    if port is None:
        raise BadInput(f"--address {address}: names no port; give it as ray://HEAD:10001")
    words: Any = ray_client_pb2  # generated, without types
    question = words.ClusterInfoRequest(type=words.ClusterInfoType.PING)
    try:
        with init_grpc_channel(urlsplit(address).netloc) as channel:
            server = ray_client_pb2_grpc.RayletDriverStub(channel)  # type: ignore[no-untyped-call]
            server.ClusterInfo(question, timeout=ANSWERS_WITHIN)
    except AuthenticationError:
        raise BadInput(f"--address {address}: no token of the cluster is given; {TOKEN}") from None
    except grpc.RpcError as error:
        if error.code() == grpc.StatusCode.UNAUTHENTICATED:
            raise BadInput(
                f"--address {address}: the cluster takes commands with its token only, and none "
                f"or another was given; {TOKEN}"
            ) from None
        raise BadInput(
            f"--address {address}: no Ray Client server answers there "
            f"({first_line(error.details() or '')}); give the port that the head was started with, "
            "as ray://HEAD:10001, or submit the sweep with --address http://HEAD:8265"
        ) from None


def _reason(error: Exception) -> str:
    """An error of Ray's in one line: what two versions there are, else what it ends with."""
    text = str(error).strip()
    if text.startswith("Version mismatch"):
        return f"{' '.join(text.split())}; install Ray and Python here as they are there"
    return text.splitlines()[-1].strip() if text else type(error).__name__
