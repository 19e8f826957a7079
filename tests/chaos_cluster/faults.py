"""What befalls the cluster: each kind of fault, as a function that strikes if it hits something.

A fault counts only if work was in flight on its target: of a worker, that a process of it trained
at that moment; of the others, that trials or runs of the sweep had begun and not ended.
"""

import os
import random
import signal
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import psutil

from tests.chaos_cluster.launches import Launches
from tests.chaos_cluster.room import WORKERS, Progress, Room
from tests.rehearsal.stack import is_healthy

# Seconds of faults that last, from the shortest to the longest. With the cluster's health checks a
# worker is given up after some ten: some faults are over before, some are not.
FROZEN, CUT, SLOWED = (2.0, 25.0), (2.0, 25.0), (10.0, 20.0)
AWAY, OUT_OF_ORDER, FULL = (2.0, 20.0), (5.0, 20.0), (3.0, 15.0)
# Of a slowed cable: seconds a frame takes, and the shares of frames that are lost and that end
# their connection. Of a slowed server: seconds an answer takes.
FRAME_S, LOST, RESETS, ANSWER_S = (0.05, 0.3), 0.02, 0.002, (1.0, 3.0)
# What a server that is told to end may take.
ENDS_WITHIN_S = 30.0


def _ended(progress: Progress) -> int:
    return progress.trials + progress.runs


def _runs(progress: Progress) -> int:
    """Where the tracking server is hit: trials end without it."""
    return progress.runs


@dataclass(frozen=True)
class Struck:
    """A fault that has begun.

    ``what`` was done; for how many ``seconds`` it lasts; what ends it, and how one sees that it has
    ended. ``counts``: what grows once the sweep has recovered.
    """

    what: str
    seconds: float = 0.0
    end: Callable[[], object] = lambda: None
    is_over: Callable[[], bool] = lambda: True
    counts: Callable[[Progress], int] = _ended


Strike = Callable[[Room, Launches, random.Random], Struck | None]


def worker_killed(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """All processes of a worker's host; it is started again at once."""
    if not (hit := _stopped_in_training(room, draw)):
        return None
    room.start_again(hit)
    return Struck(hit)


def worker_frozen(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """All processes of a worker's host stand still, and go on."""
    seconds = draw.uniform(*FROZEN)
    if not (hit := _stopped_in_training(room, draw)):
        return None
    return Struck(hit, seconds, partial(_signal, room, hit, signal.SIGCONT))


def worker_cut_off(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """No frame passes a worker's cable."""
    return _on_the_cable(room, draw, "cut", draw.uniform(*CUT))


def worker_slowed(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """Frames of a worker's cable are late, some are lost, and some connections end."""
    mode = f"slow {draw.uniform(*FRAME_S):.3f} {LOST} {RESETS}"
    return _on_the_cable(room, draw, mode, draw.uniform(*SLOWED))


def referee_killed(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The process of the sweep's referee, on the head."""
    return _killed_on_head(room, sweep, lambda words: "RefereeActor" in words[0])


def driver_killed(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The process of the job: `almkd launch` on the head."""
    spec = f"{sweep.name}.yaml"
    return _killed_on_head(room, sweep, lambda w: "launch" in w and spec in w)


def mlflow_stopped(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The tracking server ends as it does when it is told to, and is away for a while."""
    seconds = draw.uniform(*AWAY)
    return _server_ended(room, sweep, "mlflow", signal.SIGTERM, seconds)


def mlflow_restarted(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The tracking server is killed and started at once."""
    return _server_ended(room, sweep, "mlflow", signal.SIGKILL)


def mlflow_slow(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """Each answer of the tracking server takes seconds."""
    mode = f"slow {draw.uniform(*ANSWER_S):.2f}"
    return _at_the_proxy(room, sweep, mode, draw.uniform(*OUT_OF_ORDER))


def mlflow_errors(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """Each request to the tracking server is answered with status 500."""
    return _at_the_proxy(room, sweep, "error", draw.uniform(*OUT_OF_ORDER))


def postgres_restarted(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """PostgreSQL ends, by its fast shutdown or its immediate one, and is started at once; while
    trials run, whose studies it has."""
    how = draw.choice([signal.SIGINT, signal.SIGQUIT])
    if not ((progress := room.progress(sweep.name)) and progress.trials_running):
        return None
    return _server_ended(room, sweep, "postgres", how)


def disk_full(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """Where the head keeps its sweeps no byte is free."""
    seconds = draw.uniform(*FULL)
    if not _in_flight(room, sweep):
        return None
    room.fill_disk()
    return Struck("ray-head", seconds, room.free_disk)


def client_gone(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The client that waits for a submitted sweep is killed."""
    if sweep.is_attended or not sweep.is_followed() or not _in_flight(room, sweep):
        return None
    sweep.kill_client()
    return Struck("client")


def attending_client_gone(room: Room, sweep: Launches, draw: random.Random) -> Struck | None:
    """The client of a sweep that was launched through `ray://`, which ends with it."""
    if not sweep.is_attended or not sweep.is_followed() or not _in_flight(room, sweep):
        return None
    sweep.kill_client()
    return Struck("client")


CLIENT_GONE, ATTENDED = "client gone", "ray:// client gone"
KINDS: Mapping[str, Strike] = {
    "worker killed": worker_killed,
    "worker frozen": worker_frozen,
    "worker cut off": worker_cut_off,
    "worker slowed": worker_slowed,
    "referee killed": referee_killed,
    "driver killed": driver_killed,
    "MLflow stopped": mlflow_stopped,
    "MLflow restarted": mlflow_restarted,
    "MLflow slow": mlflow_slow,
    "MLflow errors": mlflow_errors,
    "PostgreSQL restarted": postgres_restarted,
    "disk full": disk_full,
    CLIENT_GONE: client_gone,
    ATTENDED: attending_client_gone,
}


def trains(process: psutil.Process) -> bool:
    """Whether a process of Ray's is in the midst of a cohort, by its title."""
    try:
        title = process.cmdline()
    except psutil.Error:
        return False
    return bool(title) and title[0].startswith("ray::") and "Trainable.train" in title[0]


def _in_flight(room: Room, sweep: Launches) -> bool:
    progress = room.progress(sweep.name)
    return progress is not None and progress.in_flight > 0


def _training(room: Room, draw: random.Random) -> str | None:
    """A worker that trains now."""
    busy = [name for name in WORKERS if any(map(trains, room.processes(name)))]
    return draw.choice(busy) if busy else None


def _stopped_in_training(room: Room, draw: random.Random) -> str | None:
    """A worker all of whose processes stand still now, one of them in the midst of a cohort."""
    if not (name := _training(room, draw)):
        return None
    _signal(room, name, signal.SIGSTOP)
    if any(map(trains, room.processes(name))):
        return name
    _signal(room, name, signal.SIGCONT)
    return None


def _on_the_cable(room: Room, draw: random.Random, mode: str, seconds: float) -> Struck | None:
    if not (name := _training(room, draw)):
        return None
    cable = room.cables[name]
    cable.tell(mode)
    if any(map(trains, room.processes(name))):
        return Struck(f"{name}, {mode}", seconds, partial(cable.tell, "ok"))
    cable.tell("ok")
    return None


def _killed_on_head(
    room: Room, sweep: Launches, chosen: Callable[[list[str]], bool]
) -> Struck | None:
    if not _in_flight(room, sweep):
        return None
    hit = 0
    for process in room.processes("ray-head"):
        try:
            if (words := process.cmdline()) and chosen(words):
                process.kill()
                hit += 1
        except psutil.Error:
            continue
    return Struck("ray-head") if hit else None


def _server_ended(
    room: Room, sweep: Launches, name: str, how: signal.Signals, seconds: float = 0.0
) -> Struck | None:
    """Its first process is told to end, and what it leaves is killed once it has."""
    if not _in_flight(room, sweep):
        return None
    room.held_down.add(name)
    # Below `tests.rehearsal.init`, which takes in what others leave.
    below = psutil.Process(room.nodes[name].process.pid).children()
    server = min(below, key=psutil.Process.create_time)
    server.send_signal(how)
    psutil.wait_procs([server], timeout=ENDS_WITHIN_S)
    room.kill(name)

    def come_back() -> None:
        room.start(name)
        room.held_down.discard(name)

    counts = _runs if name == "mlflow" else _ended
    return Struck(
        f"{name}, {how.name}", seconds, come_back, lambda: is_healthy(room.nodes[name]), counts
    )


def _at_the_proxy(room: Room, sweep: Launches, mode: str, seconds: float) -> Struck | None:
    if not _in_flight(room, sweep):
        return None
    room.proxy.tell(mode)
    return Struck(f"mlflow, {mode}", seconds, partial(room.proxy.tell, "ok"), counts=_runs)


def _signal(room: Room, name: str, number: signal.Signals) -> None:
    """Send a signal to all processes of a host, those that start meanwhile among them."""
    told: set[int] = set()
    while new := [p.pid for p in room.processes(name) if p.pid not in told]:
        for pid in new:
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        told.update(new)
