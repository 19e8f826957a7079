"""What is said of data that cannot be used, before anything is trained."""

from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sweep.errors import BadInput
from sweep.inputs import read_inputs
from sweep.places import Places, open_store
from sweep.plan.plan import Plan
from sweep.run import launch
from tests.sweep.specs import small_spec


def test_rate_that_is_not_the_noise_files_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "n.npy", np.zeros(1797, dtype=np.int64))
    noise = {
        "noise_kind": ["file"],
        "noise_file": str(tmp_path / "n.npy"),
        "noise_rate": [0.0, 0.4],
    }
    with pytest.raises(BadInput) as caught:
        read_inputs(Plan(small_spec({"conditions": noise})))
    assert "conditions.noise_rate: 0.4 is not the rate of the noise file" in str(caught.value)
    assert "give 0 or 0.90" in str(caught.value)


def test_file_that_cannot_be_used_is_refused_by_name(places: Places, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no arrays")
    spec = small_spec({"data": {"dataset": "npz", "path": str(tmp_path / "a.npz")}})
    with pytest.raises(BadInput, match=r"a\.npz: cannot be read as arrays of numpy"):
        launch(spec, places, Console(quiet=True))
    assert open_store(places).sweeps() == []
