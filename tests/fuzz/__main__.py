"""Change files of every kind that almkd reads, by the thousand, and see what it makes of them.

    make fuzz N=10000 SEED=0
    python -m tests.fuzz --cases 500 --only parquet
    python -m tests.fuzz --seed 0 --case 1234

Half of the changes are to the bytes of a file; the others leave it a container of its kind, so that
they reach what looks at its content. Each case has to end in a sentence that says what is wrong, or
the file is read rightly. Case K of a seed is always the same; --case K runs it alone.
"""

import argparse
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial

from tests.fuzz.kinds.table import FORMATS, targets
from tests.fuzz.pool import Limits, run
from tests.fuzz.table import WRONG, Counts, as_text
from tests.fuzz.worker import MIB, Case, Finding

# After so many cases a line of progress is printed.
TOLD_EVERY = 200
# Of what was said, where it is told, in characters: its beginning and its end.
SHOWN = 2000


def main() -> None:
    """Run the cases, print the table; exit code 1 where one of them went wrong, or not all ran."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--cases", type=int, default=10_000, help="how many")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--case", type=int, help="this one alone, with all that came of it")
    parser.add_argument("--only", action="append", choices=FORMATS, help="a kind of file")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--limit", type=float, default=Limits.seconds, help="seconds of a processor"
    )
    arguments = parser.parse_args()
    alone = arguments.case is not None
    numbers = [arguments.case] if alone else range(arguments.cases)
    wanted = FORMATS if alone or not arguments.only else arguments.only
    chosen = [case for case in drawn(arguments.seed, numbers) if case.format in wanted]
    needed = partial(targets, tuple(dict.fromkeys(case.format for case in chosen)))
    # Ended, too, it ends its workers and tells of what was done by then.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began, counts = time.monotonic(), Counts(FORMATS)
    try:
        for found in run(chosen, needed, Limits(arguments.limit), arguments.processes):
            counts.add(found)
            if alone or found.outcome in WRONG:
                _say(_told(found))
            elif counts.total % TOLD_EVERY == 0:
                _say(f"{time.monotonic() - began:6.0f} s  {counts.total} of {len(chosen)} cases")
    except KeyboardInterrupt:
        _say(f"ended after {counts.total} of {len(chosen)} cases")
    _say(as_text(counts))
    _say(
        f"{counts.total} cases under seed {arguments.seed} in {time.monotonic() - began:.0f} s; "
        f"one took {counts.most / MIB:.0f} MiB of memory at most, and {counts.longest:.1f} s"
    )
    sys.exit(1 if counts.wrong or counts.total < len(chosen) else 0)


def drawn(seed: int, numbers: Sequence[int]) -> Iterator[Case]:
    """Cases by their numbers: kinds of files in turn; of each its bytes, then its content, and the
    next way in which it is read."""
    for number in numbers:
        turn, place = divmod(number, len(FORMATS))
        yield Case(seed, number, FORMATS[place], turn // 2, turn % 2 == 0)


def _told(found: Finding) -> str:
    case, said = found.case, found.said
    if len(said) > SHOWN:
        said = f"{said[: SHOWN // 2]} [...] {said[-SHOWN // 2 :]}"
    return (
        f"case {case.number} ({case.format}; {found.change}): {found.outcome}, "
        f"{found.grown / MIB:.0f} MiB, {found.seconds:.1f} s\n{said}"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
