"""Loaded by Ray in every process that it starts on this machine, before it has anything to do.

Imports alone: what trains. The referee's process, which `REFEREE` tells, loads other libraries.
"""

import os

from sweep.adapters.ray.ahead import REFEREE
from sweep.garbage_collection import loading

if REFEREE not in os.environ:
    # As Ray has it for what takes one processor; libraries read it once, when they load.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with loading():
        import sweep.adapters.ray.worker
        import sweep.training  # noqa: F401
