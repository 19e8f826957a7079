"""The stack of docker/ as plain processes, and a sweep in it from launch to export.

`make rehearse`. Exit code 0 if all was as it must be, 1 if not, 2 if it cannot be tried here.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd

from tests.faults.specs import SPECS, TEACHERS, written
from tests.rehearsal import doors, leaks, restoring
from tests.rehearsal.client import Client
from tests.rehearsal.course import Course
from tests.rehearsal.held import Held
from tests.rehearsal.hosts import Network, network
from tests.rehearsal.place import work_directory
from tests.rehearsal.processes import be_busy, ended_with_this
from tests.rehearsal.stack import Stack
from tests.rehearsal.steps import Steps

HOSTS = (
    "postgres",
    "mlflow",
    "ray-head",
    "ray-worker-1",
    "ray-worker-2",
    "ray-worker-3",
    "stranger",
    "client",
)
NOTHING_WRONG = {"lost": 0, "duplicated": 0, "orphaned": 0, "wrong_states": 0}


def main() -> int:
    """Every step, in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep logs and stores, and say where")
    parser.add_argument("--loopback", action="store_true", help="all hosts on the loopback")
    parser.add_argument("--task", choices=SPECS, default="classification")
    parser.add_argument("--busy", type=int, default=0, help="processes that are busy beside it")
    asked = parser.parse_args()
    if not shutil.which("initdb") and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        sys.stderr.write(
            "almkd: no PostgreSQL here, so nothing was rehearsed: install postgresql\n"
        )
        return 2
    steps = Steps()
    # Below /tmp, for names of sockets are short.
    directory = work_directory("/tmp", asked.keep)
    with directory as place, network(HOSTS, asked.loopback) as net, ended_with_this():
        be_busy(asked.busy)
        where = "network namespaces, one a host" if net.apart else "addresses of the loopback"
        steps.say(f"hosts: {where}")
        try:
            _rehearse(net, place, asked.task, steps)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the run found
            steps.check(False, f"{type(error).__name__}", error)
    steps.say(f"{steps.checks} checks in {steps.seconds:.0f} s, {len(steps.wrong)} wrong")
    return 1 if steps.wrong else 0


def _rehearse(net: Network, place: Path, task: str, steps: Steps) -> None:
    spec = written(place, task)
    undisturbed = _reference(spec, place)
    held = Held(place / "held")
    stack = Stack(net, place, place / "made", held.hook)
    _bring_up(stack, steps)
    client = Client(stack)
    with steps.step("no door opens without its key"):
        doors.refused_everywhere(stack, client, steps)
    with steps.step("almkd without token or password is refused, in words"):
        doors.commands_refused(stack, client, spec, steps)
    stranger = doors.node_with_wrong_token(stack)
    course = Course(stack, client, steps, spec, held, TEACHERS[task])
    _run_through(course, steps)
    with steps.step("a node with another token did not join"):
        doors.did_not_join(stranger, steps)
    with steps.step("an account that reads changes nothing"):
        doors.nothing_changed_by_a_reader(client, steps)
    with steps.step("status and counts: everything once, in its true state"):
        course.look_back()
        counts = course.counts()
    with steps.step("export with the tracking server's address and password alone"):
        table = course.export()
    with steps.step("the same sweep undisturbed, in one process, gives the same comparison"):
        _, said = undisturbed.communicate(timeout=300)
        steps.check(undisturbed.returncode == 0, "the undisturbed sweep ends well", said)
        expected = pd.read_csv(place / "undisturbed.csv")
        steps.check(table.equals(expected), "the comparisons are equal", f"\n{table}\n{expected}")
    _look_into_stores(stack, course, table, steps)
    _conclude(counts, steps)


def _run_through(course: Course, steps: Steps) -> None:
    with steps.step("a sweep is submitted, once"):
        course.submit()
        watching = course.watch()
    with steps.step("both workers are killed in the midst of a training"):
        ended = course.lose_the_workers()
    with steps.step("another joins, and is put to work"):
        course.let_another_join(ended)
    with steps.step("status tells of it"):
        course.look()
    with steps.step("stop: every state is true"):
        course.stop()
    with steps.step("the same launch goes on to its end"):
        course.go_on(watching)


def _look_into_stores(stack: Stack, course: Course, table: pd.DataFrame, steps: Steps) -> None:
    with steps.step("both databases saved, emptied and put back: export gives the same"):
        backup = restoring.back_up(stack)
        restoring.restore(stack, backup)
        steps.check(course.export().equals(table), "the comparison is there again")
    with steps.step("no secret in a log, an argument or a database"):
        leaks.nothing_leaked(stack, backup, steps)


def _bring_up(stack: Stack, steps: Steps) -> None:
    with steps.step("secrets are made, PostgreSQL makes its databases and answers"):
        subprocess.run(
            [stack.programs / "make-secrets.sh", stack.secrets],
            env={**os.environ, "ALMKD_DATABASE": stack.at("postgres", 5432)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        stack.start("postgres")
        stack.wait("postgres")
    with steps.step("the MLflow server and the Ray head answer"):
        stack.start("mlflow")
        stack.start("ray-head")
        stack.wait("mlflow", "ray-head")
    with steps.step("two workers have joined"):
        stack.start("ray-worker-1", "ray-worker")
        stack.start("ray-worker-2", "ray-worker")
        stack.wait("ray-worker-1", "ray-worker-2")


def _reference(spec: Path, place: Path) -> subprocess.Popen[str]:
    """The same sweep in one process, meanwhile."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "tests.rehearsal.reference"),
            *(str(spec), str(place / "undisturbed"), str(place / "undisturbed.csv")),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def _conclude(counts: dict[str, dict[str, int]], steps: Steps) -> None:
    left = counts["left"]
    found = {name: left[name] for name in NOTHING_WRONG}
    steps.check(found == NOTHING_WRONG, "every count is right", found)
    steps.check(left["finished"] == left["planned"], "all that was planned is finished", left)
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in left.items())
    steps.say(f"counts: {told}")
    for what in ("runs", "trials"):
        told = ", ".join(f"{number} {state}" for state, number in counts[what].items())
        steps.say(f"{what}: {told}")


if __name__ == "__main__":
    sys.exit(main())
