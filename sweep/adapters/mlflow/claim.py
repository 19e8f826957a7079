"""Who runs a sweep, as tags of its own run: a claim that its process renews while it lives.

The store is what launches share that know nothing of each other's directories. A claim whose
process is gone is taken over: at once where that can be seen, as on this machine, else after no
sign of life was seen for `DEAD_AFTER` seconds, which are counted here: no two clocks are compared.
"""

import _thread
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweep.adapters.mlflow.sweeps import OTHER_NAME, state_of
from sweep.errors import BadInput, SweepFailed
from sweep.lock import Owner

# Tags of a sweep's own run: who holds it, their last sign of life, and where it was launched from.
OWNER, HEARTBEAT, LAUNCHED_FROM = "owner", "heartbeat", "launched_from"
# Seconds between two signs of life, after how many without one a process counts as gone, and
# between two looks of who waits for that.
BEAT_EVERY, DEAD_AFTER, LOOK_EVERY = 10.0, 60.0, 1.0


@dataclass(frozen=True)
class Holder:
    """Who holds a sweep, from which runs directory, and their last sign of life."""

    owner: Owner
    runs_dir: str
    heartbeat: str

    def __str__(self) -> str:
        return f"{self.owner}, from {self.runs_dir}"

    def why_gone(self, now: float) -> str:
        """Why it is not run any more, at ``now`` in seconds since 1970; empty if it is."""
        alive = self.owner.is_alive()
        if alive is not None:
            return "" if alive else f"{self.owner} is gone"
        with suppress(ValueError):
            silent = now - float(self.heartbeat)
            if silent > DEAD_AFTER:
                return f"{self.owner} has given no sign of life for {silent / 60:.0f} min"
        return ""


def holder_of(run: Run) -> Holder | None:
    """Who holds a sweep that is running, by its own run."""
    if state_of(run) != "running":
        return None
    tags: Mapping[str, str] = run.data.tags
    with suppress(KeyError, ValueError, TypeError):
        owner = Owner(**json.loads(tags[OWNER]))
        return Holder(owner, tags.get(LAUNCHED_FROM, "elsewhere"), tags.get(HEARTBEAT, ""))
    return None


class Claim:
    """What this process holds, or is about to."""

    def __init__(self, client: MlflowClient, runs_dir: Path | None) -> None:
        self._client = client
        self._owner = Owner.of_this_process()
        self._from = f"{self._owner.host}:{runs_dir.resolve()}" if runs_dir else self._owner.host
        self._gone: Holder | None = None

    def tags(self) -> dict[str, str]:
        """That it is held by this process, for a run that is made."""
        owner = json.dumps(asdict(self._owner))
        return {OWNER: owner, HEARTBEAT: f"{time.time():.3f}", LAUNCHED_FROM: self._from}

    def refuse_held(self, name: str, run: Run, say: Callable[[str], None] | None = None) -> None:
        """BadInput, saying who, where another process runs the sweep; waits where that has to be
        seen, which ``say`` is told."""
        holder = holder_of(run)
        if holder is None or holder.owner == self._owner or holder == self._gone:
            return
        alive = holder.owner.is_alive()
        if alive is None:
            if say:
                say(
                    f"{name}: was run by {holder}; waiting for a sign of life, {DEAD_AFTER:g} s at "
                    "most"
                )
            alive = self._shows_life(run.info.run_id, holder)
        if alive:
            raise BadInput(
                f"the sweep {name!r} is being run: by {holder}; wait for it, stop it there, or "
                f"{OTHER_NAME}"
            )
        self._gone = holder

    def take(self, name: str, run: Run) -> None:
        """Have it held by this process; BadInput as `refuse_held`."""
        self.refuse_held(name, run)
        for tag, value in self.tags().items():
            self._client.set_tag(run.info.run_id, tag, value)

    def give_up(self, run_id: str) -> None:
        """Nobody holds it any more."""
        for tag in (OWNER, HEARTBEAT):
            with suppress(MlflowException):  # not there
                self._client.delete_tag(run_id, tag)

    @contextmanager
    def renewed(self, name: str, run_id: str) -> Iterator[None]:
        """Give signs of life during the block; SweepFailed where another process took over."""
        ended, lost = threading.Event(), list[Holder]()
        beating = threading.Thread(
            target=self._beat, args=(run_id, ended, lost), name="heartbeat", daemon=True
        )
        beating.start()
        try:
            yield
        except KeyboardInterrupt:
            if lost:
                raise SweepFailed(
                    f"{name}: {lost[0]} has taken over, as this process gave no sign of life for "
                    f"{DEAD_AFTER:g} s; this launch has ended"
                ) from None
            raise
        finally:
            ended.set()
            beating.join()

    def _beat(self, run_id: str, ended: threading.Event, lost: list[Holder]) -> None:
        while not ended.wait(BEAT_EVERY):
            with suppress(MlflowException):  # the store is away; what writes there waits for it
                holder = holder_of(self._client.get_run(run_id))
                if holder and holder.owner != self._owner:
                    lost.append(holder)
                    _thread.interrupt_main()
                    return
                self._client.set_tag(run_id, HEARTBEAT, f"{time.time():.3f}")

    def _shows_life(self, run_id: str, holder: Holder) -> bool:
        """Whether a holder gives a sign of life, or lets go, while it is watched."""
        began = time.monotonic()
        while time.monotonic() - began < DEAD_AFTER:
            time.sleep(LOOK_EVERY)
            now = holder_of(self._client.get_run(run_id))
            if now is None:
                return False
            if now != holder:
                return True
        return False
