"""Which cells may share a cohort: those whose students train alike, and gain by it. Pure."""

from collections.abc import Mapping

from sweep.plan.lanes import device_of
from sweep.plan.plan import Cell, Plan
from sweep.plan.tasks import cohort_spec
from sweep.plan.teacher_jobs import pays_together


def shapes(plan: Plan) -> Mapping[str, str]:
    """Of each cell that may share a cohort with others, by name, what its students have in common
    with theirs: equal for cells, and so for all seeds of one, that may share it.

    Left out, so that none of their searches shares one: cells whose lanes train in turn; all where
    more than one thread trains a cohort on CPUs, as last bits then depend on how many lanes it has,
    which may not depend on what happens to train at a time; and all where
    `resources.trial_timeout_s` limits the time of trials, as it is that of their cohort.
    """
    resources = plan.spec.resources
    threads = resources.cpus >= 2 and device_of(resources) == "cpu"
    if threads or resources.trial_timeout_s is not None:
        return {}
    return {
        cell.id: _shape(plan, cell)
        for cell in plan.cells
        if pays_together(cell.spec.student.model.name, cell.spec)
    }


def _shape(plan: Plan, cell: Cell) -> str:
    """Method, network, training, data set and its splits, how many teachers of which networks and
    what these were trained on, what is done with the clean labels, whether there is a warm start.

    And what the row pins: that mostly says how much a method computes, so that the lanes of one row
    would wait for those of the other.
    """
    content = (
        cohort_spec(cell),
        cell.spec.data_settings(),
        plan.teacher_networks(cell),
        [teacher.source for teacher in cell.spec.networks_of_teachers],
        cell.use.clean_use,
        cell.spec.student.warm_start is not None,
        cell.use.pin,
    )
    return repr(content)
