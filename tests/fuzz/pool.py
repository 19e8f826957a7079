"""Workers, and who ends them: a case that takes too long, or too much memory, costs its process."""

import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path

from tests.fuzz.target import Targets
from tests.fuzz.worker import MIB, Case, Finding, serve

# How many times as long as it may compute a case may take in all, on a machine that others use.
WAITS = 10
# How often running cases are looked at, in seconds.
LOOK = 0.02
# What a process may take until everything that it needs is loaded, in seconds.
LOADED_WITHIN = 600.0


@dataclass(frozen=True)
class Limits:
    """What a case may take: seconds of a processor, `WAITS` times as many of the clock, and bytes
    of memory beyond what was there."""

    seconds: float = 30.0
    memory: int = 2048 * MIB


@dataclass
class _Process:
    """A worker process and the case that it has."""

    targets: Callable[[], Targets]
    place: Path
    connection: Connection = field(init=False)
    case: Case | None = None
    since: float = 0.0
    before: int = 0
    computed: float = 0.0

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """A process without a case, which loads what it needs meanwhile."""
        shutil.rmtree(self.place, ignore_errors=True)
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        arguments = (theirs, self.targets, self.place)
        self._process = context.Process(target=serve, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        self.case, self._is_ready = None, False

    def _await_ready(self) -> None:
        """Return once it can take a case; RuntimeError where it never can."""
        if not self.connection.poll(LOADED_WITHIN):
            raise RuntimeError(f"a worker was not ready within {LOADED_WITHIN:g} s")
        try:
            self.connection.recv()
        except EOFError:
            raise RuntimeError("a worker ended while it loaded; its traceback is above") from None
        self._is_ready = True

    def take(self, case: Case) -> None:
        """Begin with a case, once it is ready."""
        if not self._is_ready:
            self._await_ready()
        self.case, self.since = case, time.monotonic()
        self.before, self.computed = self._resident(), self._computed()
        self.connection.send(case)

    def end(self) -> None:
        """At once."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def answer(self, limits: Limits) -> Finding | None:
        """What became of its case, if it is over, or was ended here."""
        assert self.case is not None
        if self.connection.poll():
            try:
                found: Finding = self.connection.recv()
            except EOFError:
                return self._lost("traceback", "the process died")
            if found.grown > limits.memory and found.outcome != "outside":
                return Finding(self.case, "memory", found.change, found.whole, found.reached,
                               f"then {found.outcome}: {found.said}", found.grown)  # fmt: skip
            return found
        seconds, computed = time.monotonic() - self.since, self._computed() - self.computed
        if computed > limits.seconds or seconds > WAITS * limits.seconds:
            said = f"was ended after {seconds:.0f} s, {computed:.0f} s of them on a processor"
            return self._lost("hang", said)
        if (grown := self._resident() - self.before) > limits.memory:
            return self._lost("memory", "was ended", grown)
        return None

    def _lost(self, outcome: str, said: str, grown: int = 0) -> Finding:
        """A case that ends with its process, which is started anew."""
        assert self.case is not None
        case = self.case
        self.end()
        told = f"{said} (exit code {self._process.exitcode})"
        self.start()
        return Finding(case, outcome, said=told, grown=grown)

    def _resident(self) -> int:
        """Its memory in bytes; 0 where it is gone."""
        return int(self._told("statm", "0 0").split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _computed(self) -> float:
        """Seconds that it has had of processors; 0 where it is gone."""
        # Behind the name, in parentheses: the 14th and the 15th of all fields.
        fields = self._told("stat", "").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def _told(self, name: str, otherwise: str) -> str:
        """What the kernel says of it."""
        try:
            return Path(f"/proc/{self._process.pid}/{name}").read_text(encoding="utf-8")
        except OSError:
            return otherwise


def run(
    cases: Iterable[Case], targets: Callable[[], Targets], limits: Limits, count: int = 1
) -> Iterator[Finding]:
    """What became of cases, as they end, in ``count`` processes.

    ``targets``: a function of a module, which every process calls.
    """
    left = iter(cases)
    with tempfile.TemporaryDirectory(prefix="almkd-fuzz-") as scratch:
        workers = [_Process(targets, Path(scratch) / str(number)) for number in range(count)]
        try:
            busy = [worker for worker in workers if _begin(worker, left)]
            while busy:
                wait([worker.connection for worker in busy], LOOK)
                for worker in list(busy):
                    found = worker.answer(limits)
                    if found is None:
                        continue
                    yield found
                    if not _begin(worker, left):
                        busy.remove(worker)
        finally:
            for worker in workers:
                worker.end()


def _begin(worker: _Process, left: Iterator[Case]) -> bool:
    """Give a worker the next case; whether there was one."""
    case = next(left, None)
    if case is None:
        return False
    worker.take(case)
    return True
