"""Keeping freed memory for the next step.

A training step frees what the next one asks for again, some hundred megabytes with images. By
default glibc gives such memory back to the system and gets it anew, page by page, each set to zero
first: a tenth to a fifth of a convolutional step on a CPU (bench/convolutions.py).
"""

import ctypes
import sys

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
# Blocks up to 1 GiB come from what is kept; up to 2 GiB that are free on top are kept.
LARGEST_BLOCK, MOST_KEPT = 2**30, 2**31 - 1


def keep_freed_memory() -> bool:
    """Let this process keep what it frees, to its end; whether the C library could be told."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:  # a C library that is not glibc
        return False
    return bool(mallopt(M_MMAP_THRESHOLD, LARGEST_BLOCK) and mallopt(M_TRIM_THRESHOLD, MOST_KEPT))
