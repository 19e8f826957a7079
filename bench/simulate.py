"""Where one referee, one writer and one MLflow server have too much to do: a sweep on paper.

    python bench/simulate.py [--trials 500 10000] [--rounds 3] [--quick]

The simulation of `sweep.forecast` hands out cohorts by the real referee, on a clock that nobody
waits for; referee, Tune and writer serve one after the other. It is fed with what is measured
first, on this machine:

    ask, report, end    of the referee, over the stores of bench/scale.py, by trials of a study
    write, run          of the writer to SQLite; of one to an MLflow server, and of that server
    tune, cohort, close from two sweeps of cohorts that train next to nothing, on one slot: by what
                        the larger one took longer, and what both took besides
    training            of the shapes of bench/scale.py, as `almkd plan` times them

Then sweeps of bench/scale.py are launched, and what they took from the first cohort to the last is
set beside what the simulation says. At last it is asked about 100,000 trials that nobody runs: 336
conditions of three rows, 100 trials each in generations of 25, 30 epochs of a tenth of a second,
one or ten; on 16, 128 and 1,000 slots; and as eight sweeps of an eighth of the conditions on an
eighth of the slots, with a referee each and one MLflow server. Told of each:

    hours               from the first cohort to the last
    slots               the share of their time in which slots train
    referee, tune, writer    the share of that time in which each is busy; above 1 the writer is not
                        done when training is
    mlflow              the same of the MLflow server's core, for all sweeps together
    waits_s             the longest that a report waited for the referee

Writes bench/results/simulate.json.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import pandas as pd
import psutil
from machine import keep, options, say
from processes import DIGITS, launch
from scale import EPOCHS, LANES, METRICS, NAME, Stage, changes
from writer import cohorts
from writer import train as write_cohort

from sweep.adapters.mlflow.tracking import MlflowTracker
from sweep.forecast.calibration import calibrate, jobs_of
from sweep.forecast.costs import Beside, ShapeCosts
from sweep.forecast.forecast import slots_here
from sweep.forecast.simulation import Simulated, Simulation, tasks_of
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.plan.tasks import CohortTask, LaneOutcome
from sweep.referee.referee import Referee
from sweep.spec.reader import read_spec

# What is asked about: rates of noise, trials, lanes, epochs of a training, and seconds of one.
RATES, TRIALS, GENERATION, LONG = 336, 100, 25, 30
SLOTS, EPOCH_S, SWEEPS = (16, 128, 1000), (0.1, 1.0, 10.0), (1, 8)
# Trials of a study between which an ask is taken to cost the same.
BIN = 50
# Trials of a study in the sweeps that Tune is measured by, cohorts of one lane and epoch.
TINY = (8, 32)
# Trials of a sweep that takes minutes and is launched once, whatever the rounds.
MINUTES = 1000


class Stores(NamedTuple):
    """Seconds that the referee and the writer take; ``ask``: by trials that a study has, in steps
    of `BIN`."""

    ask: Mapping[int, float]
    report: float
    end: float
    write: float

    def mean_ask(self, trials: int) -> float:
        """Of the trials of a study of so many."""
        last = max(self.ask)
        at = [self.ask[min(n // BIN * BIN, last)] for n in range(trials)]
        return sum(at) / len(at)


def measure_stores(trials: int) -> Stores:
    """What referee and writer take over a sweep of so many trials, in this process."""
    plan = Plan(read_spec(DIGITS, changes(trials)))
    asks: dict[int, list[float]] = defaultdict(list)
    spent: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        stage = Stage(plan, Path(place))
        while True:
            began = time.perf_counter()
            task = stage.referee.next_cohort()
            took = time.perf_counter() - began
            if isinstance(task, str):
                break
            if task.stage == "search":
                first = int(task.lanes[0].key.rsplit("/", 1)[1])
                asks[first // BIN * BIN].append(took / len(task.lanes))
            train(stage.referee, task, spent)
            # The writer's thread would be in the way of what is timed, as it of the writer.
            stage.tracker.flush()
        lane_epochs = sum(spent["lanes"])
        return Stores(
            {n: median(took) for n, took in sorted(asks.items())},
            sum(spent["report"]) / lane_epochs,
            median(spent["end"]),
            stage.tracker.busy_s / lane_epochs,
        )


def train(referee: Referee, task: CohortTask, spent: dict[str, list[float]]) -> None:
    """A cohort whose figures are made up, and what the referee takes for it."""
    live = [lane.key for lane in task.lanes]
    for epoch in range(1, EPOCHS + 1):
        rows = [dict.fromkeys(METRICS, 50.0 + epoch + at / 7) for at in range(len(live))]
        began = time.perf_counter()
        go_on = referee.report(task.id, epoch, live, rows)
        spent["report"].append(time.perf_counter() - began)
        spent["lanes"].append(len(live))
        live = [key for key, goes in zip(live, go_on, strict=True) if goes]
    best = dict.fromkeys(METRICS, 60.0)
    began = time.perf_counter()
    referee.finish(task.id, {key: LaneOutcome(EPOCHS, EPOCHS, best) for key in live})
    if live:
        spent["end"].append((time.perf_counter() - began) / len(live))


def measure_server(trials: int) -> dict[str, float]:
    """What a run of `LONG` epochs takes of a writer to an MLflow server, and of that server's
    processor, in seconds."""
    plan = Plan(read_spec(DIGITS, ["name=bench-server"]))
    # MLflow's client prints a line for every run that ends.
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place, _server(place) as (uri, pid):
        store = open_store(Places(Path(place), uri), patience_s=60.0)
        tracker = MlflowTracker(plan, store.open_sweep(plan), Path(place) / "mlflow.spool")
        tasks = cohorts(plan, trials)
        before = _cpu_s(pid)
        for task in tasks:
            write_cohort(tracker, task, LONG, len(METRICS))
        tracker.flush()
        runs = sum(len(task.lanes) for task in tasks)
        return {"run_s": tracker.busy_s / runs, "server_s": (_cpu_s(pid) - before) / runs}


@contextmanager
def _server(place: str) -> Iterator[tuple[str, int]]:
    """An MLflow server on SQLite with one worker: where it answers, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port),
               "--workers", "1", "--backend-store-uri", f"sqlite:///{place}/server.db",
               "--artifacts-destination", f"{place}/artifacts"]  # fmt: skip
    with (Path(place) / "server.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ})
    try:
        for _ in range(240):
            with socket.socket() as asked:
                if asked.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait()


def _cpu_s(pid: int) -> float:
    """Seconds of a processor that a process and its children have taken."""
    root = psutil.Process(pid)
    times = [one.cpu_times() for one in (root, *root.children(recursive=True))]
    return sum(spent.user + spent.system for spent in times)


def measure_tune(counts: tuple[int, int], rounds: int) -> dict[str, float]:
    """Seconds of sweeps of cohorts that train next to nothing, one after the other: by cohort, of
    Tune and of what a process waits for the referee; and, whatever their number, of the end."""
    found: dict[int, list[dict[str, float]]] = defaultdict(list)
    for trials in counts * rounds:
        words = ["name=bench-tune", f"search.trials={trials}", "search.generation=1",
                 "confirm.seeds=1", "student.training.epochs=1", "teacher.training.epochs=1",
                 "search.sampler={name: random}", "search.pruner={name: none}",
                 f"resources.cpus={os.cpu_count() or 1}"]  # fmt: skip
        cohorts, profile = launched(words)
        found[cohorts].append(profile["in_processes_s"])
    (few, short), (many, long) = sorted(found.items())

    def by_cohort(what: str) -> float:
        more = median(spent[what] for spent in long) - median(spent[what] for spent in short)
        return max(0.0, more / (many - few))

    tune = by_cohort("idle")
    close = max(0.0, median(spent["idle"] for spent in short) - tune * few)
    return {"tune": tune, "cohort": by_cohort("waiting"), "close": close}


def launched(words: list[str]) -> tuple[int, dict[str, Any]]:
    """How many cohorts a launch trained, and what it says of where its time went."""
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        launch(DIGITS, Path(place), "--profile", *[w for c in words for w in ("--set", c)])
        (found,) = Path(place).glob("*/profile.json")
        trials = pd.read_csv(found.with_name("results") / "trials.csv")
        return trials["cohort"].nunique(), json.loads(found.read_text(encoding="utf-8"))


def check(trials: int, stores: Stores, tune: Mapping[str, float], rounds: int) -> dict[str, Any]:
    """A sweep of so many trials simulated and launched, in seconds from the first cohort to the
    last."""
    words = changes(trials)
    spec = read_spec(DIGITS, words)
    plan, slots = Plan(spec), slots_here(spec.resources)
    jobs = jobs_of(plan, tasks_of(plan))
    timed = calibrate(spec, jobs, slots, lambda line: None)
    beside = beside_of(stores, plan.spec.search.trials, tune, shares_cores=True)
    began = time.perf_counter()
    found = Simulation(plan, ShapeCosts(plan, timed.by_shape), beside, slots).run()
    simulating_s = time.perf_counter() - began
    simulated = found.written + beside.close
    took = sorted(launched(words)[1]["training_s"] for _ in range(rounds))
    return {
        "trials": trials,
        "cohorts": found.cohorts,
        "simulated_s": simulated,
        "took_s": took[len(took) // 2],
        "ratio": simulated / took[len(took) // 2],
        "simulating_s": simulating_s,
    }


def beside_of(stores: Stores, trials: int, tune: Mapping[str, float], shares_cores: bool) -> Beside:
    """What is beside training in a sweep whose studies have so many trials."""
    return Beside(
        tune=tune["tune"],
        cohort=tune["cohort"],
        ask=stores.mean_ask(trials),
        report=stores.report,
        end=stores.end,
        write=stores.write,
        close=tune["close"],
        shares_cores=shares_cores,
    )


class SameEpochs:
    """Every epoch takes the same, whatever trains; `sweep.forecast.costs.CohortCosts`."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def begin_s(self, task: CohortTask) -> float:
        return 0.0

    def epoch_s(self, task: CohortTask, epoch: int, lanes: int) -> float:
        return self._seconds

    def end_s(self, task: CohortTask, lanes: int) -> float:
        return 0.0


def large(rates: int) -> Plan:
    """A sweep of three rows in so many conditions."""
    return Plan(
        read_spec(
            DIGITS,
            ["name=bench-paper", f"conditions.noise_rate={[i / 1000 for i in range(rates)]}",
             f"search.trials={TRIALS}", f"search.generation={GENERATION}", "confirm.seeds=1",
             f"student.training.epochs={LONG}", f"teacher.training.epochs={LONG}"],
        )
    )  # fmt: skip


def on_paper(
    plan: Plan, slots: int, seconds: float, sweeps: int, costs: tuple[Beside, Mapping[str, float]]
) -> dict[str, Any]:
    """What 100,000 trials take as so many sweeps alike, of which one is simulated."""
    beside, server = costs
    one = replace(beside, shares_cores=False, write=0.0, run=server["run_s"])
    found = Simulation(plan, SameEpochs(seconds), one, max(1, slots // sweeps)).run()
    return {
        "slots": slots,
        "epoch_s": seconds,
        "sweeps": sweeps,
        "trials": sweeps * found.trials,
        "hours": found.trained / 3600,
        **shares(found, sweeps * server["server_s"] / server["run_s"]),
    }


def shares(found: Simulated, of_server: float) -> dict[str, float]:
    """How busy slots and servers are; ``of_server``: seconds of the MLflow server for one of a
    writer."""
    writer = found.servers["writer"].busy_s
    return {
        "slots_busy": sum(found.busy.values()) / (found.slots * found.trained),
        "referee": found.servers["referee"].busy_s / found.trained,
        "tune": found.servers["tune"].busy_s / found.trained,
        "writer": writer / found.trained,
        "mlflow": of_server * writer / found.trained,
        "waits_s": found.servers["referee"].longest_wait_s,
    }


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Everything."""
    sizes = [24] if given.quick else given.trials
    stores = measure_stores(96 if given.quick else max(sizes))
    say(f"referee: {1e3 * stores.report:.3f} ms a report, {1e3 * stores.mean_ask(TRIALS):.2f} ms "
        f"an ask; writer: {1e3 * stores.write:.3f} ms")  # fmt: skip
    server = measure_server(16 if given.quick else 200)
    say(", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in server.items()))
    tune = measure_tune((1, 2) if given.quick else TINY, given.rounds)
    say(", ".join(f"{name} {1e3 * value:.1f} ms" for name, value in tune.items()))
    checked = []
    for trials in sizes:
        checked.append(check(trials, stores, tune, 1 if trials > MINUTES else given.rounds))
        say(f"{trials} trials: {checked[-1]['simulated_s']:.1f} s simulated, "
            f"{checked[-1]['took_s']:.1f} s taken")  # fmt: skip
    beside = beside_of(stores, TRIALS, tune, shares_cores=False)
    rates = 16 if given.quick else RATES
    rows, began = [], time.perf_counter()
    for sweeps in SWEEPS:
        plan = large(rates // sweeps)
        for slots in SLOTS:
            for seconds in EPOCH_S:
                rows.append(on_paper(plan, slots, seconds, sweeps, (beside, server)))
    say(f"{len(rows)} sweeps simulated in {time.perf_counter() - began:.0f} s")
    return {
        "costs": {**asdict(beside), **server},
        "lanes": LANES,
        "sweep": NAME,
        "checked": checked,
        "paper": rows,
    }


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, nargs="+", default=[500, 10_000])
    parser.add_argument("--rounds", type=int, default=3, help="launches of what takes seconds")
    given = parser.parse_args()
    keep(given, "simulate", measure(given))


if __name__ == "__main__":
    main()
