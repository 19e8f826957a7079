"""The same sweep undisturbed, in one process without Ray: `reference SPEC RUNS_DIR TABLE`."""

# First, as in tests/conftest.py: before torch makes its first call to MKL.
import trainers  # noqa: F401, I001

import sys
from pathlib import Path

import pytest
import torch

from sweep.compare.comparison import comparison_table
from sweep.places import Places
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process


def main() -> None:
    """Writes the comparison table."""
    spec, runs, table = (
        read_spec(sys.argv[1], allow_code=True),
        Path(sys.argv[2]),
        Path(sys.argv[3]),
    )
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        record = launched_in_process(spec, Places(runs), patch)
    comparison_table(record, spec.seed).to_csv(table, index=False)


if __name__ == "__main__":
    main()
