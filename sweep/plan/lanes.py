"""How many students, or teachers, train in one cohort of a sweep. Pure, and free of torch."""

from sweep.spec.resources import Resources
from sweep.spec.spec import SweepSpec
from trainers.entries import Device
from trainers.loading import input_shape
from trainers.loop.cohort_size import lanes_that_pay
from trainers.settings import ModelSpec

GIB = 2**30
# What a cohort may take where the spec does not say: with the CPU's, on any laptop.
CPU_GIB, GPU_GIB = 2.0, 16.0
# Teachers side by side. They are large, so that few fill a processor's caches; eight take 15 % less
# time each than two, beyond that nothing was gained.
TEACHER_LANES = 8
# Where inputs are as large as their file says, which is read only when the sweep starts.
LANES_OF_UNKNOWN_INPUTS = 32


def device_of(resources: Resources) -> Device:
    """Where cohorts train."""
    return "cuda" if resources.gpus else "cpu"


def memory_of(resources: Resources) -> int:
    """Bytes that a cohort may take on its device."""
    default = CPU_GIB if device_of(resources) == "cpu" else GPU_GIB * resources.gpus
    return int((resources.memory_gib or default) * GIB)


def most_lanes(spec: SweepSpec, model: ModelSpec, batch_size: int) -> int:
    """The most lanes of a network in one cohort: as many as the spec says, or as pay.

    The same on every machine, so that a plan can be made anywhere.
    """
    resources, network = spec.resources, spec.task_entry.networks[model.name]
    if resources.max_lanes != "auto":
        return resources.max_lanes
    shape = input_shape(spec.data_settings())
    if shape is None:
        return LANES_OF_UNKNOWN_INPUTS
    device, memory = device_of(resources), memory_of(resources)
    return lanes_that_pay(network, network.complete(model), device, memory, batch_size, shape)


def teacher_lanes(spec: SweepSpec, model: ModelSpec, batch_size: int) -> int:
    """The most teachers of a network in one cohort: a few, as many as memory holds, at most as many
    as the spec says."""
    resources, network = spec.resources, spec.task_entry.networks[model.name]
    if resources.max_lanes != "auto":
        return min(TEACHER_LANES, resources.max_lanes)
    shape = input_shape(spec.data_settings())
    if shape is None or network.lane_bytes is None:
        return min(TEACHER_LANES, most_lanes(spec, model, batch_size))
    lane = network.lane_bytes(network.complete(model), batch_size, shape)
    return max(1, min(TEACHER_LANES, memory_of(resources) // lane))


def generation_of(spec: SweepSpec) -> int:
    """How many trials of a cell are asked for, and trained, together.

    As many as the spec says; one where the device holds no more than one lane.
    """
    student, shape = spec.student, input_shape(spec.data_settings())
    network = spec.task_entry.networks[student.model.name]
    if network.lane_bytes is None or shape is None or spec.resources.max_lanes != "auto":
        return spec.search.generation
    sizes = network.complete(student.model.settings())
    one = network.lane_bytes(sizes, student.training.batch_size, shape)
    # Lanes that train in turn hold their parameters all the time, the rest one after the other.
    stacked = device_of(spec.resources) in network.together
    another = one if stacked else network.lane_bytes(sizes, 0, shape)
    return 1 if one + another > memory_of(spec.resources) else spec.search.generation
