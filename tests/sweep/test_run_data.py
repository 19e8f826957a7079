"""What a launch says of data that cannot be used, before anything is trained."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sweep.errors import BadInput
from sweep.places import Places, open_store
from sweep.run import launch
from tests.sweep.specs import small_spec


def _launch(places: Places, changes: Mapping[str, Any]) -> str:
    with pytest.raises(BadInput) as caught:
        launch(small_spec(changes), places, Console(quiet=True))
    assert open_store(places).sweeps() == []
    return str(caught.value)


def test_rate_that_is_not_the_noise_files_is_refused(places: Places, tmp_path: Path) -> None:
    np.save(tmp_path / "n.npy", np.zeros(1797, dtype=np.int64))
    noise = {
        "noise_kind": ["file"],
        "noise_file": str(tmp_path / "n.npy"),
        "noise_rate": [0.0, 0.4],
    }
    said = _launch(places, {"conditions": {**noise, "noise_rate": [0.0, 0.4]}})
    assert "conditions.noise_rate: 0.4 is not the rate of the noise file" in said
    assert "give 0 or 0.90" in said


def test_file_that_cannot_be_used_is_refused_by_name(places: Places, tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"no arrays")
    said = _launch(places, {"data": {"dataset": "npz", "path": str(tmp_path / "a.npz")}})
    assert "a.npz: cannot be read as arrays of numpy" in said
