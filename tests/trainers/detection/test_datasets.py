"""Every data set of the task: what its row says, what is loaded, and what none may hold."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.trainers.detection.files import options_for
from tests.trainers.specimens import spec_of
from trainers.data.fingerprint import fingerprint
from trainers.detection.data.canvases import canvases
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


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        (0, 10, "has a box of class 10, and there are 10, counted from 0"),
        (0, -3, "has a box of class -3"),
        (0, 0.5, "has a box of class 0.5"),
        (0, np.nan, "has a box of class nan"),
        (1, -1, "has a box that is empty or outside the picture"),
        (3, 49, "has a box that is empty or outside the picture"),
        (4, 0, "has a box that is empty or outside the picture"),
        (2, np.nan, "has a box that is empty or outside the picture"),
    ],
)
def test_a_box_that_cannot_be_is_refused_with_its_picture(
    column: int, value: float, words: str
) -> None:
    """As a loader of one's own may give it."""
    good = canvases("digits", 40, 48, 3)
    boxes = good.boxes.copy()
    boxes[7, 0, column] = value
    said = replace(good, boxes=boxes).problem(spec_of("canvases", task="detection"))
    assert said is not None
    assert said.startswith(f"picture 7 (counted from 0) {words}")
