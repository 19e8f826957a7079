"""How long a sweep will take, and how many device hours: before it is launched.

What cohorts take is timed here (`sweep.forecast.calibration`), or known from runs of the sweep that
are on record (`sweep.forecast.seen`); in which order they train, and what waits for what, is the
referee's (`sweep.forecast.simulation`).
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

from sweep.compare.records import SweepRecord
from sweep.errors import BadInput
from sweep.forecast.calibration import calibrate, jobs_of
from sweep.forecast.costs import Beside, ShapeCosts
from sweep.forecast.seen import seen_costs
from sweep.forecast.simulation import Simulation, tasks_of
from sweep.inputs import refuse_missing_data
from sweep.plan.lanes import device_of
from sweep.plan.plan import Plan
from sweep.spec.resources import Resources
from sweep.spec.spec import SweepSpec

# What is beside training, in multiples of the time that a process takes to be ready to train (it
# loads torch: 2.5 to 3 s on the machines where these were measured), as both are a matter of how
# fast a machine runs Python: bench/bare_loop.py, bench/referee.py, bench/writer.py.
START, CLOSE = 4.7, 1.7
TUNE, COHORT = 0.005, 0.01
ASK, REPORT, CALL, END = 1.4e-3, 2.7e-5, 3e-4, 4e-4
WRITE, RUN = 1.1e-4, 4e-4
LOADING = 1.7
# A share of a core, and no multiple.
LAUNCHER = 0.09
# More would be gone through for minutes.
MOST_RUNS = 200_000
# The comparison: whatever the sweep, and of each cell.
COMPARISON, CELL = 0.5, 0.2


@dataclass(frozen=True)
class Forecast:
    """What a sweep is expected to take from its launch to its table, in seconds.

    ``device_s``: of all devices that cohorts hold; ``device``: GPU or core. ``here``: how many
    cohorts train at once on this machine. ``seen``: of how many kinds of cohorts runs on record
    tell, of ``kinds``; the others were timed.
    """

    start_s: float
    training_s: float
    comparison_s: float
    device_s: float
    device: str
    slots: int
    here: int
    seen: int
    kinds: int

    @property
    def total_s(self) -> float:
        """From the launch to the table."""
        return self.start_s + self.training_s + self.comparison_s


def forecast(
    spec: SweepSpec,
    slots: int | None = None,
    seen: SweepRecord | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> Forecast:
    """What a sweep takes from nothing; ``slots``: how many cohorts train at once, by default as
    many as on this machine. ``seen``: its runs on record. ``say`` is told what takes time.

    BadInput where it has too many runs, its data are not here or cannot be used, or this machine
    has not what a cohort takes.
    """
    plan = Plan(spec)
    budget = plan.budget()
    if budget.search_trials + budget.shortlist_runs + budget.confirm_runs > MOST_RUNS:
        raise BadInput(f"a forecast is of at most {MOST_RUNS:,} runs; plan a part of the sweep")
    here = slots_here(spec.resources)
    at_once = slots or here
    tasks = tasks_of(plan, at_once)
    known = seen_costs(plan, seen, tasks) if seen else {}
    jobs = jobs_of(plan, tasks, known)
    if jobs:
        refuse_missing_data(plan)
    found = calibrate(spec, jobs, min(at_once, here), say)
    # What runs on record took, they took with these beside them.
    full = at_once * spec.resources.cpus >= _cores() and not known
    beside = beside_of(plan, found.process_s, shares_cores=full)
    costs = ShapeCosts(plan, {**known, **found.by_shape})
    simulated = Simulation(plan, costs, beside, at_once).run()
    return Forecast(
        start_s=beside.start,
        training_s=simulated.written + beside.close,
        comparison_s=beside.comparison,
        device_s=simulated.device_s,
        device="GPU" if device_of(spec.resources) == "cuda" else "core",
        slots=at_once,
        here=here,
        seen=len(known),
        kinds=len(known) + len(jobs),
    )


def beside_of(plan: Plan, process_s: float, shares_cores: bool) -> Beside:
    """What a sweep takes beside training, where a process is ready to train after so long."""
    return Beside(
        start=START * process_s,
        tune=TUNE * process_s,
        cohort=COHORT * process_s,
        ask=ASK * process_s,
        report=REPORT * process_s,
        call=CALL * process_s,
        end=END * process_s,
        write=WRITE * process_s,
        run=RUN * process_s,
        close=CLOSE * process_s,
        comparison=(COMPARISON + CELL * len(plan.cells)) * process_s,
        loading=LOADING * process_s,
        launcher=LAUNCHER,
        shares_cores=shares_cores,
    )


def slots_here(resources: Resources) -> int:
    """How many cohorts this machine trains at once; BadInput where it has not what one takes."""
    slots = int(_cores() // resources.cpus)
    if resources.gpus:
        import torch

        slots = min(slots, int(torch.cuda.device_count() // resources.gpus))
    if not slots:
        raise BadInput(
            f"a cohort takes {resources.cpus:g} CPUs and {resources.gpus:g} GPUs, which this "
            "machine has not"
        )
    return slots


def _cores() -> int:
    return os.cpu_count() or 1
