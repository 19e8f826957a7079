"""What `init: true` of compose.yaml is to a container: `init COMMAND...`.

The first process of a host: it takes in processes whose parent is gone and buries them. Without it
a driver that has ended stays there as a zombie, and Ray waits for it.
"""

import ctypes
import os
import sys

PR_SET_CHILD_SUBREAPER = 36


def main() -> None:
    """Ends with the command, with its exit code."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ)
    while True:
        process, status = os.wait()
        if process == command:
            code = os.waitstatus_to_exitcode(status)
            sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
