"""How many students, or teachers, train in one cohort of a sweep. Pure, and free of torch."""

from sweep.spec.spec import Resources, SweepSpec
from trainers.classification.data.datasets import input_shape
from trainers.classification.networks.table import Device
from trainers.loop.cohort_size import lanes_that_pay
from trainers.settings import ModelSpec

GIB = 2**30
# What a cohort may take where the spec does not say: with the CPU's, on any laptop.
CPU_GIB, GPU_GIB = 2.0, 16.0
# Where inputs are as large as their file says, which is read only when the sweep starts.
LANES_OF_UNKNOWN_INPUTS = 32


def device_of(resources: Resources) -> Device:
    """Where cohorts train."""
    return "cuda" if resources.gpus else "cpu"


def most_lanes(spec: SweepSpec, model: ModelSpec, batch_size: int) -> int:
    """The most lanes of a network in one cohort: as many as the spec says, or as pay.

    The same on every machine, so that a plan can be made anywhere.
    """
    resources = spec.resources
    if resources.max_lanes != "auto":
        return resources.max_lanes
    shape = input_shape(spec.data_settings())
    if shape is None:
        return LANES_OF_UNKNOWN_INPUTS
    device = device_of(resources)
    default = CPU_GIB if device == "cpu" else GPU_GIB * resources.gpus
    memory = int((resources.memory_gib or default) * GIB)
    return lanes_that_pay(model, device, memory, batch_size, shape)
