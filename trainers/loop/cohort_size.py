"""How many lanes of a network pay in one cohort; free of torch, so that a plan can ask.

A lane more saves the fixed cost of a step (Python, a few dozen small operations) until the numbers
that a step of all lanes touches no longer fit where they are fast: in a CPU's caches, in a GPU's
memory. So the answer is a budget of bytes over the bytes of one lane, which the network's row
tells.

Measured on one core (bench/lanes.py; microseconds a step and lane): an MLP of one hidden layer of
16 on 64 inputs, batch 64, takes 350 alone, 12 to 15 from 64 to 128 lanes; 60 wide, batch 128: 300
alone, 50 to 80 from 16 to 64; 256-256, batch 64: 900 alone, 580 to 650 from 2 to 8, then more.
`CPU_BYTES` puts all three near their best. Convolutions gain nothing from lanes on a CPU. For GPUs
nothing was measured: `GPU_SHARE` and `GPU_LANES` keep within memory, no more.
"""

from trainers.entries import Device, NetworkEntry, Shape
from trainers.settings import ModelSpec

CPU_BYTES = 4 * 2**20  # what a step of all lanes may touch
CPU_LANES = 256  # beyond, nothing is gained whatever the network
GPU_SHARE = 0.5  # of its memory: evaluation, data and teachers' outputs need some too
GPU_LANES = 1024


def lanes_that_pay(
    network: NetworkEntry,
    model: ModelSpec,
    device: Device,
    memory: int,
    batch_size: int,
    shape: Shape,
) -> int:
    """How many lanes to train stacked in one cohort, at least 1; 1 where they train in turn.

    ``model``: with all its sizes; ``memory``: bytes that a cohort may take on the device;
    ``shape``: that of one input.
    """
    if device not in network.together or network.lane_bytes is None:
        return 1
    lane = network.lane_bytes(model, batch_size, shape)
    if device == "cpu":
        pays = network.cpu_bytes or CPU_BYTES
        return max(1, min(CPU_LANES, pays // lane, memory // lane))
    return max(1, min(GPU_LANES, int(GPU_SHARE * memory) // lane))
