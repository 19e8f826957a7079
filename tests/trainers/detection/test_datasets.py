"""Every data set of the task: what its row says, and what is loaded."""

from pathlib import Path

import numpy as np
import pytest

from tests.trainers.detection.files import options_for
from tests.trainers.specimens import spec_of
from trainers.data.fingerprint import fingerprint
from trainers.detection.data.dataset import Pictures, is_there
from trainers.detection.entry import DETECTION
from trainers.loading import input_shape, load_dataset, missing


@pytest.mark.parametrize("name", DETECTION.datasets)
def test_a_data_set_is_what_its_row_says(tmp_path: Path, name: str) -> None:
    spec = spec_of(name, options_for(name, tmp_path), task="detection")
    assert missing(spec) is None
    found = load_dataset(spec)
    assert isinstance(found, Pictures)
    assert len(found) == len(found.boxes) == len(found.scales) == len(found.fitted) == 60
    assert found.images.dtype == np.uint8
    assert found.shape == input_shape(spec)
    assert found.info.standard is not None
    assert found.info.class_names == found.class_names
    assert is_there(found.boxes).any()
    assert fingerprint(load_dataset(spec)) == fingerprint(found)
