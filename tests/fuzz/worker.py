"""A process that reads changed files, one case after the other, under watch.

What it writes, and where, is seen by an audit hook of Python and by a look at all that is around
the folder of the case; what memory it takes, by the kernel's own high-water mark.
"""

import os
import resource
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Any

from sweep.errors import BadInput, SweepFailed, shortened
from sweep.terminal import printable
from tests.fuzz.damage import damage
from tests.fuzz.target import Expected, PutAside, Target, Targets, WrongResult

MIB = 2**20
# How far the memory of a process may grow beyond what it has once everything is loaded, before the
# kernel refuses more: far beyond the limit that cases are held to, so that these are measured.
BACKSTOP = 8 * 2**30
# What a message is at most: several fields of a spec may be wrong, with a line each.
LONGEST_LINE, MOST_LINES = 1500, 60
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Events of audit whose first arguments are paths that change, and how many of them.
CHANGING = {
    "os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1, "os.truncate": 1, "os.chmod": 1,
    "os.chown": 1, "os.link": 2, "os.symlink": 2, "os.utime": 1, "shutil.rmtree": 1,
}  # fmt: skip
RUNNING = {"os.system", "os.exec", "os.posix_spawn", "subprocess.Popen", "socket.connect"}


@dataclass(frozen=True)
class Case:
    """A file that is changed and read, all of it drawn by ``seed`` and ``number``."""

    seed: int
    number: int
    format: str
    route: int
    by_bytes: bool


@dataclass(frozen=True)
class Finding:
    """What became of a case.

    ``outcome``: refused, read, traceback, hang, memory, outside or wrong. ``change``: what was done
    to the file. ``whole``: whether it is still a container of its kind; ``reached``: whether it was
    refused, or used, by what comes after the reader of containers. ``said``: the message, or what
    went wrong. ``grown``: bytes of memory at most; ``seconds``: how long it took.
    """

    case: Case
    outcome: str
    change: str = ""
    whole: bool = False
    reached: bool = False
    said: str = ""
    grown: int = 0
    seconds: float = 0.0


class _Watch:
    """Notes what is written outside of a folder, while there is one."""

    def __init__(self) -> None:
        self.inside: str | None = None
        self.outside: list[str] = []
        sys.addaudithook(self._heard)

    def _heard(self, event: str, args: tuple[Any, ...]) -> None:
        if self.inside is None:
            return
        if event == "open" and isinstance(args[0], str | bytes | os.PathLike):
            if isinstance(args[2], int) and args[2] & WRITING:
                self._note(event, args[0])
        elif event in CHANGING:
            for path in args[: CHANGING[event]]:
                self._note(event, path)
        elif event in RUNNING:
            self.outside.append(f"{event} {args!r:.200}")

    def _note(self, event: str, path: Any) -> None:
        if isinstance(path, int):
            return
        whole = os.path.abspath(os.fsdecode(path))
        allowed = whole in (os.devnull, self.inside) or whole.startswith(f"{self.inside}{os.sep}")
        if not allowed:
            self.outside.append(f"{event} {whole}")


class Worker:
    """Reads cases in a sandbox of its own: ``case`` in it is the folder of the case at hand."""

    def __init__(self, targets: Targets, sandbox: Path) -> None:
        self._targets, self._sandbox = targets, sandbox
        self._folder = sandbox / "case"
        for name in ("home", "here", "templates"):
            (sandbox / name).mkdir(parents=True)
        os.environ["HOME"] = str(sandbox / "home")
        os.environ.pop("ALMKD_DATA", None)
        os.environ["RUST_BACKTRACE"] = "0"
        os.chdir(sandbox / "here")
        tempfile.tempdir = str(self._folder)
        sys.dont_write_bytecode = True
        self._watch = _Watch()
        routes = (route for of_kind in targets.values() for route in of_kind)
        # What is read of the good files, by the name of the target.
        self._good = {route.name: self._read_good(route) for route in routes}

    def _read_good(self, target: Target) -> object:
        """What is read of the good files; they are made, and everything is loaded for that."""
        template = self._template(target)
        template.mkdir()
        target.write(template)
        self._lay_out(target)
        for file in self._files(target):
            target.is_whole(file)
        return target.read(self._folder)

    def _template(self, target: Target) -> Path:
        return self._sandbox / "templates" / target.name.replace("/", " ").replace(":", "")

    def _lay_out(self, target: Target) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)
        shutil.copytree(self._template(target), self._folder)

    def _files(self, target: Target) -> list[Path]:
        return sorted(file for pattern in target.files for file in self._folder.glob(pattern))

    def run(self, case: Case) -> Finding:
        """Change a file as the case says, and see what almkd makes of it."""
        routes = self._targets[case.format]
        target = routes[case.route % len(routes)]
        rng = Random(f"{case.seed} {case.number}")
        good = self._good[target.name]
        self._lay_out(target)
        file = rng.choice(self._files(target))
        before = file.read_bytes()
        expected, change = self._change(target, case, file, rng)
        if file.exists() and file.read_bytes() == before:
            expected = "same"
        told = f"{target.route}, {file.relative_to(self._folder)}: {change}"
        whole = _holds(target.is_whole, file)
        around = self._around()
        memory = _Memory()
        with self._watched():
            outcome, said, reached = _outcome(target, file, self._folder, (good, expected))
        grown = memory.grown()
        if self._watch.outside or self._around() != around:
            return Finding(case, "outside", told, whole, reached, f"{self._watch.outside}", grown)
        return Finding(case, outcome, told, whole, reached, said, grown)

    def _change(self, target: Target, case: Case, file: Path, rng: Random) -> tuple[Expected, str]:
        if case.by_bytes:
            return "any", damage(file, rng)
        mutation = rng.choice(target.mutations)
        mutation.apply(file, rng)
        return mutation.expected, mutation.name

    @contextmanager
    def _watched(self) -> Iterator[None]:
        self._watch.outside.clear()
        self._watch.inside = str(self._folder)
        try:
            yield
        finally:
            self._watch.inside = None

    def _around(self) -> list[tuple[str, int, int]]:
        """All files of the sandbox that are not of the case or of templates."""
        found = []
        for place, folders, files in os.walk(self._sandbox):
            if Path(place) == self._sandbox:
                folders[:] = [name for name in folders if name not in ("case", "templates")]
            for name in files:
                facts = os.lstat(os.path.join(place, name))
                found.append((os.path.join(place, name), facts.st_size, facts.st_mtime_ns))
            found += [(os.path.join(place, name), 0, 0) for name in folders]
        return sorted(found)


def _outcome(
    target: Target, file: Path, folder: Path, wanted: tuple[object, Expected]
) -> tuple[str, str, bool]:
    """The outcome, what was said, and whether the reader of containers was passed; ``wanted``: what
    is read of the good files, and what has to come of this one."""
    try:
        found = target.read(folder)
    except PutAside as error:
        return "wrong" if wanted[1] == "same" else "refused", str(error), error.reached
    except (BadInput, SweepFailed) as error:
        # As the command prints it.
        said = shortened(printable(str(error)))
        problem = "means the same" if wanted[1] == "same" else _unclear(said)
        said = f"refused, and {problem}: {said}" if problem else said
        return "wrong" if problem else "refused", said, not _raised_in(error, target.containers)
    except WrongResult as error:
        return "wrong", str(error), True
    except MemoryError:
        return "memory", traceback.format_exc(), False
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - a traceback is what is looked for; Rust panics are none
        return "traceback", traceback.format_exc(), False
    problem = _misread(target, wanted, found, file)
    return "wrong" if problem else "read", problem, True


def _misread(target: Target, wanted: tuple[object, Expected], found: Any, file: Path) -> str:
    """Why a file cannot have been read rightly, or nothing."""
    good, expected = wanted
    if expected == "refused":
        return "was read, and has to be refused"
    if expected == "same" and found != good:
        return "means the same, and was read as something else"
    if not target.may_be(good, found):
        return "is not what was written, and was taken for it"
    truth = target.truth(file)
    known = truth is None or truth in found.values()
    return "" if known else "was read as something else than another reader finds in it"


def _unclear(said: str) -> str:
    """What keeps a message from being a clear one, or nothing."""
    lines = said.splitlines()
    if not said.strip() or "Traceback (most recent" in said:
        return "no sentence"
    if len(lines) > MOST_LINES or max(map(len, lines)) > LONGEST_LINE:
        return "too long to be read"
    return ""


def _raised_in(error: BaseException, functions: frozenset[str]) -> bool:
    """Whether an error, or what it came from, was raised in one of these functions."""
    step: BaseException | None = error
    while step is not None:
        for frame, _ in traceback.walk_tb(step.__traceback__):
            name = f"{frame.f_globals.get('__name__')}:{frame.f_code.co_name}"
            if name in functions:
                return True
        step = step.__cause__ or step.__context__
    return False


def _holds(check: Callable[[Path], object], file: Path) -> bool:
    try:
        check(file)
    except BaseException:  # noqa: BLE001 - whatever another reader raises, it is no such container
        return False
    return True


class _Memory:
    """The largest resident size of this process from now on; Linux knows it."""

    def __init__(self) -> None:
        # 5: the high-water mark is to be what is resident now.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._before = _status("VmRSS")

    def grown(self) -> int:
        """By how many bytes it grew at most."""
        return max(0, _status("VmHWM") - self._before)


def _status(name: str) -> int:
    """A size of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def serve(connection: Connection, targets: Callable[[], Targets], sandbox: Path) -> None:
    """Run cases as they come, until the connection ends; the first answer is None, once ready."""
    # What is written oddly here, as two members of one name, is meant.
    warnings.simplefilter("ignore")
    made = targets()
    if torch := sys.modules.get("torch"):
        torch.set_num_threads(1)
    worker = Worker(made, sandbox)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _status("VmData") + BACKSTOP
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    connection.send(None)
    while True:
        try:
            case = connection.recv()
        except EOFError:
            return
        began = time.monotonic()
        found = worker.run(case)
        connection.send(replace(found, seconds=time.monotonic() - began))
