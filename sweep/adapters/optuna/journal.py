"""Studies in a journal file of one writer: what needs no server."""

import fcntl
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.storages.journal._file import BaseJournalFileLock
from optuna.trial import TrialState, create_trial

from sweep.adapters.checked_lines import DamagedLine, Record, Sums, cut_torn_line, read
from sweep.errors import SweepFailed

# How long the owner of a journal may take to die after its launcher, in seconds.
OWNER_DIES_WITHIN = 30.0
# Stands for every trial that has ended and is not looked at again.
OVER = create_trial(state=TrialState.FAIL)


class StudyJournal(JournalStorage):
    """A storage whose writes of a block go to the file together; the face of `StudyDatabase`.

    It holds no trial in memory that ended while it was open.
    """

    def __init__(self, path: Path) -> None:
        self._batched = BatchedJournal(path)
        try:
            with understood(path):
                super().__init__(self._batched)
        except SweepFailed:
            self._batched.close()
            raise

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block writes is on disk when it has ended well."""
        yield
        self.flush()

    def flush(self) -> None:
        """Have on disk what was written outside of such a block."""
        self._batched.flush()

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        changed = super().set_trial_state_values(trial_id, state, values)
        if state.is_finished():
            self._replay_result._trials[trial_id] = OVER
        return changed

    def set_intermediate_values(self, trial_id: int, values: Mapping[int, float]) -> None:
        """The objective of a trial by epoch."""
        for step, value in values.items():
            self.set_trial_intermediate_value(trial_id, step, value)

    def close(self) -> None:
        """Let another owner have the journal."""
        self._batched.close()


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """SweepFailed, with the way forward, where Optuna cannot make out a journal's records, which is
    what the block has it do: another version wrote some of them."""
    try:
        yield
    except AssertionError:
        # All that it has for an operation of which it has not heard.
        raise SweepFailed(_of_another_version(path, "there are operations unknown to it")) from None
    except Exception as error:  # noqa: BLE001 - whatever its reading of something else comes to
        said = f"{type(error).__name__}: {error}".removesuffix(": ")
        raise SweepFailed(_of_another_version(path, said)) from None


def _of_another_version(path: Path, said: str) -> str:
    return (
        f"{path}: Optuna {version('optuna')}, which is installed here, cannot read its records "
        f"({said}): another version wrote them; install that one, or launch under another name "
        "with --fork NAME"
    )


class BatchedJournal(BaseJournalBackend):
    """A journal file with one writer, which holds records back until `flush`.

    Without it every record is an append of its own, with a lock and a sync to disk.
    """

    def __init__(self, path: Path) -> None:
        self._owner = _own(path)
        cut_torn_line(path)
        self._file = JournalFileBackend(str(path), lock_obj=_NoLock())
        try:
            self._unread, self._sums = _checked(path)
        except SweepFailed:
            self._owner.close()
            raise
        self._read = 0
        self._held: list[Record] = []

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """The records from that number on; earlier ones are forgotten."""
        self._unread = self._unread[log_number_from - self._read :]
        self._read = log_number_from
        return self._unread

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._unread = self._unread + logs
        self._held.extend(self._sums.add(log) for log in logs)

    def flush(self) -> None:
        """Write what is held back, in one append that is on disk when this returns."""
        if not self._held:
            return
        before = os.fstat(self._owner.fileno()).st_size
        try:
            self._file.append_logs(self._held)
        except OSError:
            # Else what a full disk took would be joined to the next record, and both be lost.
            os.ftruncate(self._owner.fileno(), before)
            raise
        self._held = []

    def close(self) -> None:
        """Let another owner have the journal."""
        self._owner.close()


class ReadJournal(BaseJournalBackend):
    """A journal file as it is now, read without owning it."""

    def __init__(self, path: Path) -> None:
        self._logs, _ = _checked(path)

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        return self._logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise NotImplementedError("the journal has another owner")


def _checked(path: Path) -> tuple[list[Record], Sums]:
    """The records of a journal; SweepFailed where they are not what was written."""
    try:
        return read(path)
    except DamagedLine as error:
        raise SweepFailed(
            f"{path}: is damaged ({error}); restore it from a backup, or launch under another "
            "name with --fork NAME"
        ) from None


class _NoLock(BaseJournalFileLock):
    """The journal has one owner; a lock of Optuna's would outlive a process that is killed."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _own(path: Path) -> IO[bytes]:
    """The journal, locked for this process; an owner that is just dying is waited for."""
    file = path.open("ab")
    deadline = time.monotonic() + OWNER_DIES_WITHIN
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() > deadline:
                file.close()
                raise SweepFailed(f"{path}: another process is writing it; stop that") from None
            time.sleep(0.1)
