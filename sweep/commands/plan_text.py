"""What a plan says to a reader: counts, seeds, and what the seeds can and cannot show."""

from collections import defaultdict

from sweep.compare.cost import in_words
from sweep.compare.notation import counted, listed, size_text
from sweep.compare.outlook import notes, reach
from sweep.compare.ranges import ranges
from sweep.compare.records import SweepRecord
from sweep.compare.statistics import smallest_reachable_p
from sweep.errors import BadInput
from sweep.forecast.forecast import slots_here
from sweep.forecast.simulation import tasks_of
from sweep.plan.kept_files import predictions_bytes, students_bytes
from sweep.plan.plan import Budget, Plan
from sweep.plan.sharing import shapes
from sweep.plan.teacher_calls import calls_of
from sweep.plan.teacher_jobs import TeacherJob
from sweep.spec.spec import SweepSpec
from trainers.fields import resolved
from trainers.loading import counts

# Up to so many cohorts are gone through to be counted, which takes seconds.
COUNTED = 20_000
# What is kept of a teacher is in single precision.
BYTES = 4


def describe(
    spec: SweepSpec, seen: SweepRecord | None = None, slots: int | None = None
) -> list[str]:
    """A plan in lines; ``seen``: what the sweep has shown so far, if it has run; ``slots``: how
    many cohorts train at once, by default as many as on this machine."""
    plan = Plan(spec)
    budget = plan.budget()
    seeds = plan.confirm_seeds
    lines = [
        f"sweep       {spec.name} on {spec.data.dataset}",
        f"cells       {len(plan.cells)}: {len(spec.methods)} methods x "
        f"{len(plan.conditions)} conditions",
        f"teachers    {budget.teachers}{_given(plan)}{_kept_outputs(plan)}",
        *_starts(plan),
        *_calls(plan),
        f"search      {budget.search_trials} trials, {_each(plan)} for each "
        f"{_one_search(spec)} in generations of {plan.generation}{_why(spec, plan.generation)}, "
        f"{spec.search.sampler.name} with {spec.search.pruner.name} pruning"
        f"{'' if spec.search.per_seed else f', seed {plan.search_seed}'}",
        *_compute(plan),
        f"shortlist   {_shortlist(spec, budget)}",
        f"confirm     {budget.confirm_runs} runs, seeds {seeds[0]} to {seeds[-1]} for each cell"
        f"{', a fold of a cross-validation each' if spec.confirm.folds else ''}",
        f"keeps       {_kept(plan)}",
        f"epochs      at most {budget.student_epochs:,} of students, if nothing is pruned; "
        f"{_share(budget.shortlist_runs, budget)} of the runs are the shortlist's, "
        f"{_share(budget.confirm_runs, budget)} confirm's",
        f"cohorts     {_cohorts(plan, slots)}",
        f"compare     {_compared(plan)}; smallest p that "
        f"{len(seeds)} seeds can reach: {smallest_reachable_p(len(seeds)):.2g}, after Holm "
        f"{min(1.0, plan.comparisons * smallest_reachable_p(len(seeds))):.2g}",
        f"reach       {reach(len(seeds), plan.comparisons)}",
    ]
    for cell in plan.cells[: len(spec.methods)]:
        space = ", ".join(f"{name} {domain}" for name, domain in cell.space.items())
        lines.append(f"space       {cell.use.label}: {space or 'nothing varies, no search'}")
    return [*lines, *notes(plan, seen)]


def _cohorts(plan: Plan, slots: int | None) -> str:
    """How many there are, of how many lanes, and which cells share them."""
    slots = slots or _slots_here(plan)
    at_once = "1 slot" if slots == 1 else f"{slots} slots"
    # Of searches that each train alone there are no fewer.
    few = plan.budget().cohorts <= COUNTED
    count = f"{len(tasks_of(plan, slots))} on {at_once}" if few else "many"
    said = f"{count}, of at most {plan.lanes} lanes"
    shape_of, alike = shapes(plan), defaultdict[str, list[str]](list)
    for cell in plan.cells:
        if cell.id in shape_of:
            alike[shape_of[cell.id]].append(cell.use.label)
    groups = [
        f"{len(labels)} of {listed(list(dict.fromkeys(labels)))}"
        for labels in alike.values()
        if len(labels) > 1
    ]
    if not groups:
        return said
    return (
        f"{said}; cells that train alike share them, as far as each slot keeps its share of all "
        f"lanes: {listed(groups)}"
    )


def _slots_here(plan: Plan) -> int:
    """How many cohorts this machine trains at once; 1 where it has not what one takes."""
    try:
        return slots_here(plan.spec.resources)
    except BadInput:
        return 1


def _one_search(spec: SweepSpec) -> str:
    """What is searched at a time."""
    return "cell and confirm seed" if spec.search.per_seed else "cell"


def _each(plan: Plan) -> str:
    """How many trials a search has."""
    spec = plan.spec
    if not spec.search.fair:
        return f"{spec.search.trials}"
    return f"as many as cost what {spec.search.trials} of {plan.baselines[0]} do"


def _compute(plan: Plan) -> list[str]:
    """What each row has of an equal budget of compute, where budgets are."""
    told: dict[str, list[str]] = {}
    for cell in plan.cells:
        if given := plan.allotted.get(cell.id):
            words = in_words(plan.trials_of(cell), given.cost.step, given.relative)
            told.setdefault(cell.use.label, []).append(words)
    return [f"compute     {label}: {ranges(words)}" for label, words in told.items()]


def _shortlist(spec: SweepSpec, budget: Budget) -> str:
    """What is tried again."""
    shortlist = spec.search.shortlist
    if shortlist == "none":
        return "none: the best trial of a search is confirmed"
    return (
        f"{budget.shortlist_runs} runs, the best {shortlist.configurations} configurations of each "
        f"search again on {shortlist.seeds} streams of weights and batches"
    )


def _share(runs: int, budget: Budget) -> str:
    students = budget.search_trials + budget.shortlist_runs + budget.confirm_runs
    return f"{100 * runs / students:.0f} %"


def _compared(plan: Plan) -> str:
    """How many differences are tested, and of what."""
    declared = plan.spec.questions
    if declared is None:
        return f"{counted(plan.comparisons, 'difference')} against {', '.join(plan.baselines)}"
    asked = dict.fromkeys(f"{asked.row} against {asked.against}" for asked in declared)
    count = counted(plan.comparisons, "declared difference")
    return f"{count} ({', '.join(asked)}), all others exploratory"


def _starts(plan: Plan) -> list[str]:
    """The warm starts of students, where there are some."""
    epochs = sorted({job.epochs for job in plan.starts})
    if not epochs:
        return []
    return [
        f"starts      {counted(len(plan.starts), 'warm start')} of students, "
        f"{' or '.join(map(str, epochs))} epochs on labels alone, shared by all rows of a seed and "
        "condition"
    ]


def _given(plan: Plan) -> str:
    """Which of them are given; empty where all are trained."""
    files = dict.fromkeys(job.name for job in plan.teachers if job.given)
    return (
        f", of which {', '.join(files)} {'is' if len(files) == 1 else 'are'} given and not trained"
        if files
        else ""
    )


def _kept_outputs(plan: Plan) -> str:
    """How much is kept of the teachers, where that is known before any file is read."""
    found = counts(plan.spec.data_settings())
    if not plan.teachers or found is None:
        return ""
    examples, numbers = found
    rows = sum(len(job.names) * _kept_rows(plan, job, examples, numbers) for job in plan.teachers)
    return f", whose kept outputs take {size_text(BYTES * numbers * rows)}"


def _kept_rows(plan: Plan, job: TeacherJob, examples: int, classes: int) -> int:
    """How many examples a teacher's outputs are kept of: the data set's, those of some splits of
    it, or its own."""
    if not (source := job.network.source):
        shares = job.spec.data_settings().fractions.drawn()
        of = [shares[split] for split in plan.spec.task_entry.kept_of if split in shares]
        return round(examples * sum(of)) if of else examples
    fields = plan.spec.task_entry.teacher_sources[source.name].fields
    return classes * int(resolved(fields, source.given)["examples_per_class"])


def _calls(plan: Plan) -> list[str]:
    """How many of these outputs students may read, where that is limited."""
    found = calls_of(plan)
    read: dict[str, list[str]] = {}
    for cell in plan.cells:
        read.setdefault(cell.use.label, []).extend([found[cell.id]] if cell.id in found else [])
    told = [f"{label} {ranges(words)}" for label, words in read.items() if words]
    return [f"calls       of teachers, by one student: {', '.join(told)}"] if told else []


def _kept(plan: Plan) -> str:
    """What confirm runs leave beside their metrics, and how much that is where it is known."""
    which = {"none": "no students", "best": "the best student of each cell"}.get(
        plan.spec.confirm.keep_students or "all", "all students"
    )
    parts = [(which, students_bytes(plan)), ("predictions of all runs", predictions_bytes(plan))]
    return ", ".join(f"{what} (about {size_text(size)})" if size else what for what, size in parts)


def _why(spec: SweepSpec, generation: int) -> str:
    """Why trials are not asked for as the spec says."""
    if generation == spec.search.generation:
        return ""
    return f" in place of {spec.search.generation}, as the device holds one lane"
