"""How a student is trained: torch and numpy only, no knowledge of what schedules it."""

import os

# MKL picks its kernel by the address a matrix starts at, so that the same trial would differ in
# the last bits between one place in a stack of lanes and another. AUTO keeps the fast kernels and
# drops that choice; it is read at MKL's first call, hence set before torch is imported.
os.environ.setdefault("MKL_CBWR", "AUTO")
