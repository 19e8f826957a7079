"""SLURM itself on this machine, and a sweep in it from `almkd slurm` to the table.

`make rehearse-slurm`. Exit code 0 if all was as it must be, 1 if not, 2 if it cannot be tried here.
"""

import argparse
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pandas as pd

from tests.faults.launcher import left, table_undisturbed
from tests.faults.specs import written
from tests.rehearsal.hosts import network
from tests.rehearsal.place import work_directory
from tests.rehearsal.processes import ended_with_this
from tests.rehearsal.slurm.cluster import CONTROL, NODES, Slurm, lacking, slurm
from tests.rehearsal.slurm.course import Course
from tests.rehearsal.steps import Steps

# Longer than it takes to notice that both nodes train, four times.
EPOCHS = 600


def main() -> int:
    """Every step, in order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="keep logs and stores, and say where")
    parser.add_argument("--epochs", type=int, default=EPOCHS)
    asked = parser.parse_args()
    if reason := lacking():
        sys.stderr.write(f"almkd: nothing was rehearsed: {reason}\n")
        return 2
    steps = Steps()
    with (
        # Shared by all nodes, so not below /tmp, of which each has its own.
        work_directory("/var/tmp", asked.keep) as place,
        network((CONTROL, *NODES)) as net,
        # Waits for its process, which has ended then.
        ThreadPoolExecutor() as aside,
        ended_with_this(),
    ):
        if not net.apart:
            sys.stderr.write("almkd: nothing was rehearsed: no network namespaces can be made\n")
            return 2
        try:
            spec = written(place, "classification", asked.epochs)
            (place / "slurm").mkdir()
            with slurm(net, place / "slurm") as cluster:
                # Meanwhile: the same sweep in one process, to which nothing happens.
                expected = aside.submit(table_undisturbed, spec, place / "undisturbed")
                how = "by cgroups" if cluster.has_cgroups else "by who started whom"
                steps.say(f"processes of jobs are kept track of {how}")
                _rehearse(cluster, spec, expected, steps)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what the run found
            steps.check(False, f"{type(error).__name__}", error)
    steps.say(f"{steps.checks} checks in {steps.seconds:.0f} s, {len(steps.wrong)} wrong")
    return 1 if steps.wrong else 0


def _rehearse(
    cluster: Slurm, spec: Path, undisturbed: "Future[pd.DataFrame]", steps: Steps
) -> None:
    course = Course(cluster, steps, spec)
    with steps.step("almkd slurm submits it, two nodes for an hour at a time"):
        course.submit()
    with steps.step("both nodes train, with the CPU and the GPU that were allocated"):
        course.wait_until_both_train()
        course.look_at_nodes()
    with steps.step("the time limit is put near: true states, and the job is queued again"):
        course.reach_the_limit(1)
    with steps.step("it goes on, on both nodes"):
        course.go_on(1)
    with steps.step("another user submits a sweep, which runs on the same nodes"):
        course.submit_another()
    with steps.step("the time limit once more"):
        course.reach_the_limit(2)
    with steps.step("the other job is complete, in one start"):
        course.let_the_other_end()
    with steps.step("a node is killed; the sweep goes on on the other"):
        course.go_on(2)
        course.lose_a_node()
    with steps.step("a job of more weight takes both nodes: queued again by SLURM"):
        course.preempt(3)
    with steps.step("the first node is killed, and with it the head: queued again by the other"):
        course.go_on(3)
        course.lose_the_first_node(4)
    with steps.step("it ends, complete"):
        course.let_it_end()
    with steps.step("the comparison, the counts, what was printed"):
        table, expected = course.table(), undisturbed.result()
        steps.check(table.equals(expected), "the comparisons are equal", f"\n{table}\n{expected}")
        counts = left(course.runs)
        wrong = (counts.lost, counts.duplicated, counts.orphaned, counts.wrong_states)
        steps.check(wrong == (0, 0, 0, 0), "every trial and run once, in its true state", counts)
        steps.check(counts.finished == counts.planned, "all that was planned is finished", counts)
        course.look_into_log()
    with steps.step("no process, port or temporary file of it is left on a node"):
        course.nothing_left()
    steps.say(f"counts: {counts}")


if __name__ == "__main__":
    sys.exit(main())
