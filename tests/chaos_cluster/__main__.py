"""Faults across hosts: what befalls a cluster, its servers and its clients while a sweep runs.

    make chaos-cluster N=100 SEED=0 TASK=text
    make chaos-cluster EACH=1

A head and three workers, PostgreSQL and the MLflow server run in network namespaces, as `make
rehearse` has them. Each round launches a small sweep there, to which some faults happen at random
moments, and gives the same command again until it is complete; then every trial is looked for in
both stores, and the table is compared with that of a sweep that nothing disturbed. A fault counts
only if work was in flight on its target.

Exit code 0 if nothing was wrong, 1 if something was or Ctrl-C came, 2 if it cannot be tried here.
"""

import argparse
import io
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pandas as pd

from sweep.compare.comparison import comparison_table
from sweep.places import Places, open_store
from sweep.spec.reader import read_spec
from tests.chaos_cluster.faults import ATTENDED, KINDS
from tests.chaos_cluster.launches import Launches
from tests.chaos_cluster.room import HOSTS, Room, small_disk
from tests.chaos_cluster.rounds import Course, Fault, fit_together, in_turn, planned
from tests.chaos_cluster.tally import Tally
from tests.faults.launcher import SWEEP, same, table_undisturbed
from tests.faults.specs import SPECS, TEACHERS, written
from tests.rehearsal.client import Client
from tests.rehearsal.hosts import Network, network
from tests.rehearsal.place import work_directory
from tests.rehearsal.processes import ended_with_this

# Of a student: so many that trainings last for seconds, of which faults find some in their midst.
EPOCHS = {
    "classification": 60, "text": 20, "incremental": 40, "language": 40, "recommendation": 80,
    "ctc": 40, "detection": 20,
}  # fmt: skip
# Rounds, one after the other, in which no fault hits anything.
MOST_IN_VAIN = 5


def main() -> int:
    """Every round, and what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--task", choices=SPECS, default="classification")
    parser.add_argument("--each", action="store_true", help="one fault of each kind, in turn")
    parser.add_argument("--kind", choices=KINDS, help="faults of this kind alone")
    parser.add_argument("--keep", action="store_true", help="keep logs, and say where")
    asked = parser.parse_args()
    if problem := _problem():
        sys.stderr.write(f"almkd: {problem}\n")
        return 2
    if asked.each:
        faults = in_turn(list(KINDS), asked.seed)
    elif asked.kind:
        faults = in_turn([asked.kind] * asked.faults, asked.seed)
    else:
        faults = planned(asked.faults, asked.seed)
    # Below /tmp, for names of sockets are short.
    with work_directory("/tmp", asked.keep) as place:
        return _try(place, asked.task, faults)


def _problem() -> str | None:
    """Why nothing can be tried here."""
    if not shutil.which("initdb") and not list(Path("/usr/lib/postgresql").glob("*/bin/initdb")):
        return "no PostgreSQL here, so nothing was tried: install postgresql"
    with network(HOSTS) as net:
        if not net.apart:
            return (
                "no network namespaces can be made here, so nothing was tried: run it as root, "
                "with ip of iproute2, where they may be made"
            )
    return None


def _try(place: Path, task: str, faults: list[Fault]) -> int:
    """All faults; Ctrl-C ends that, and what has come of them until then is told."""
    tally, broken_off = Tally(), False
    with ExitStack() as ended:
        net = ended.enter_context(network(HOSTS))
        ended.enter_context(small_disk(place / "volumes" / "runs"))
        ended.enter_context(ended_with_this())
        try:
            Rounds(net, place, task, tally).run(faults)
        except KeyboardInterrupt:
            broken_off = True
    sys.stdout.write(f"{tally.table()}\n{tally.sums()}\n")
    if broken_off:
        sys.stdout.write(f"interrupted: {len(faults) - tally.faults} faults are missing\n")
    return 0 if tally.is_clean and not broken_off else 1


class Undisturbed:
    """The sweep in one process, to which nothing happens."""

    def __init__(self, spec: Path, runs: Path) -> None:
        self._seed, self._runs = read_spec(str(spec)).seed, runs
        table_undisturbed(spec, runs)

    def table(self, name: str) -> pd.DataFrame:
        """Its comparison if it had that name, by which the draws of a bootstrap are seeded."""
        record = open_store(Places(self._runs), must_exist=True).record(SWEEP)
        table = comparison_table(replace(record, name=name), self._seed)
        return pd.read_csv(io.StringIO(table.to_csv(index=False)))


class Rounds:
    """One round after the other, until all faults have hit something."""

    def __init__(self, net: Network, place: Path, task: str, tally: Tally) -> None:
        self._began, self._task, self._tally = time.monotonic(), task, tally
        self._spec = written(place, task, EPOCHS[task])
        self._undisturbed = Undisturbed(self._spec, place / "undisturbed")
        self._say("the sweep undisturbed, in one process, is done")
        self._room = Room(net, place, place / "made")
        self._room.bring_up()
        self._client = Client(self._room)
        self._say(f"{len(HOSTS)} hosts, in network namespaces, are up")

    def run(self, faults: Sequence[Fault]) -> None:
        """RuntimeError if some hit nothing."""
        left, in_vain = list(faults), 0
        while left:
            hit = self._one_round(fit_together(left))
            in_vain = 0 if hit else in_vain + 1
            if in_vain == MOST_IN_VAIN:
                raise RuntimeError(f"{left[0].kind}: hit nothing in {in_vain} rounds")
            left = left[hit:]

    def _one_round(self, faults: Sequence[Fault]) -> int:
        """How many of the faults hit something; what it came to is in the tally."""
        name = f"round-{self._tally.counts['rounds']}"
        attended = faults[0].kind == ATTENDED
        sweep = Launches(self._room, self._client, self._spec, name, attended)
        over = Course(self._room, sweep, faults, self._say).run()
        left = self._left(name) | {"broken_curves": self._room.broken_curves(name)}
        if over.complete:
            found = pd.read_csv(io.StringIO(self._client.almkd("export", name)))
            expected = self._undisturbed.table(name)
            left["table_differences"] = int(not same(found, expected))
            if left["table_differences"]:
                self._say(f"{name}: its table, and the one that was expected:\n"
                          f"{found.to_csv()}{expected.to_csv()}")  # fmt: skip
        self._tally.add(over, left)
        shutil.rmtree(self._room.runs / name, ignore_errors=True)
        # Each round trains its own.
        shutil.rmtree(self._room.runs / "teachers", ignore_errors=True)
        told = ", ".join(f"{key.replace('_', ' ')} {number}" for key, number in left.items())
        end = "complete" if over.complete else "NOT COMPLETE"
        self._say(f"{name}: {end} after {over.launches} launches: {told}")
        self._say(f"so far {self._tally.sums()}")
        return len(over.struck)

    def _left(self, name: str) -> dict[str, int]:
        """What the sweep has in both stores, as `tests.rehearsal.counting` counts it."""
        head = self._room.nodes["ray-head"]
        counting = (sys.executable, "-m", "tests.rehearsal.counting")
        done = subprocess.run(
            [*head.host.enter, *counting, name, str(TEACHERS[self._task])],
            capture_output=True, text=True, env=head.environment, check=False,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"counting: {done.stderr}")
        found: dict[str, int] = json.loads(done.stdout)["left"]
        return found

    def _say(self, line: str) -> None:
        sys.stdout.write(f"{time.monotonic() - self._began:7.1f} s  {line}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
