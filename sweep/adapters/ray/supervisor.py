"""A process that runs a command for another one, and ends it truly when that one goes.

    python -m sweep.adapters.ray.supervisor SECONDS COMMAND…

Whoever starts it holds the other end of its standard input and writes there now and then. Once that
end is closed, be it by a process that was killed, or silent for SECONDS, the command gets one
SIGINT and the time to write down what was in flight. Exit code: the command's.

The command starts with SIGINT blocked, and unblocks it once it can end in order: one that comes
before, while it loads, stays pending until then. Not SIGTERM: while Ray starts, a handler of its
own stands for that, which aborts the process seconds later.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Sequence
from threading import Thread

from sweep.lock import ENDS_WITHIN

# As the command line and shells have them.
BAD_INPUT, BY_SIGNAL = 2, 128


def keep(command: Sequence[str], silence_s: float) -> int:
    """Run ``command`` to its end, or to that of who asked for it; its exit code."""
    # What is blocked or ignored here is so in the command. SIGINT is ignored in what a shell starts
    # in its background, such as Ray.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except OSError as error:
        _say(
            f"{command[0]} cannot be started on the cluster's head ({error.strerror}); install it "
            "there, on the PATH that Ray is started with"
        )
        return BAD_INPUT
    Thread(target=_end_when_alone, args=(child, silence_s), daemon=True).start()
    code = child.wait()
    return code if code >= 0 else BY_SIGNAL - code


def _end_when_alone(child: "subprocess.Popen[bytes]", silence_s: float) -> None:
    """Wait until nobody asks for the child any more, then end it."""
    source = sys.stdin.fileno()
    while True:
        if not select.select([source], [], [], silence_s)[0]:
            _say(f"nothing was heard from the client for {silence_s:g} s; ending as by Ctrl-C")
            break
        if not os.read(source, 4096):
            break
    child.send_signal(signal.SIGINT)
    try:
        child.wait(ENDS_WITHIN)
    except subprocess.TimeoutExpired:
        child.kill()
        _say(f"did not end in {ENDS_WITHIN:g} s and was killed; the next launch sets states right")


def _say(what: str) -> None:
    sys.stderr.write(f"almkd: {what}\n")
    sys.stderr.flush()


def main() -> None:
    """Keep a command in a process of its own, which has no parent that Ray would know.

    A worker of Ray that ends kills the processes that it started, and leaves them no time.
    """
    own = os.fork()
    if own:
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(own, 0)[1]))
    sys.exit(keep(sys.argv[2:], float(sys.argv[1])))


if __name__ == "__main__":
    main()
