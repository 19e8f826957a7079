"""Tables of what a student and its teachers say when in utterances that are held out."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.trainers.cases import Trial
from tests.trainers.ctc.cases import lanes, lines, network, teacher
from trainers.ctc.data.dataset import BLANK, STRIDE, output_frames
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.ctc.data.timelines import SHOWN
from trainers.lanes.network import LaneNetwork

TRIALS = (Trial("a", 1, 0.4, ("strong", "oracle")), Trial("b", 2, 0.4, ("weak", "oracle")))


def _of(table: Mapping[str, Any], row: int, who: str) -> dict[str, NDArray[Any]]:
    """The columns of one who speaks, in an utterance."""
    own = (table["row"] == row) & (table["who"] == who)
    return {name: np.asarray(column)[own] for name, column in table.items()}


def _logits(data: UtteranceLanes, made: LaneNetwork, lane: int) -> torch.Tensor:
    """Those (B, T, C) of a network of one lane for the first held-out utterances of a lane."""
    rows = data.drawn[lane].rows["meta"][:SHOWN]
    labels = data.drawn[lane].targets["meta"][:SHOWN]
    with torch.no_grad():
        found: torch.Tensor = made.eval()(data.shown([(rows, labels)])).logits[0]
    return found


@pytest.mark.parametrize("lane", [0, 1])
def test_each_says_what_its_network_does(lane: int) -> None:
    dataset = lines()
    data = lanes(TRIALS, dataset)
    student = network(data.facts, seeds=(4, 5)).eval()
    spikes = data.tables(student, "test")[lane]["spikes"]
    speak = {
        "student": network(data.facts, seeds=(4 + lane,)),
        "teacher_1": teacher(data.facts, ("strong", "weak")[lane]),
        "teacher_2": teacher(data.facts, "oracle"),
    }
    for who, made in speak.items():
        p = torch.softmax(_logits(data, made, lane).double(), dim=2).numpy()
        for place, row in enumerate(data.drawn[lane].rows["meta"][:SHOWN]):
            own = _of(spikes, row, who)
            frames = int(output_frames(dataset.lengths[row]))
            np.testing.assert_array_equal(own["frame"], np.arange(frames))
            likely = p[place, :frames]
            np.testing.assert_allclose(own["blank"], likely[:, BLANK], atol=1e-4)
            others = likely[:, 1:]
            np.testing.assert_allclose(own["probability"], others.max(1), atol=1e-4)
            assert list(own["symbol"]) == [dataset.symbols[i] for i in others.argmax(1)]
            assert set(own["reference"]) == {dataset.text(dataset.labels[row])}


def test_frames_and_places_are_those_of_the_utterances() -> None:
    dataset = lines()
    data = lanes(TRIALS[:1], dataset)
    assert dataset.spans is not None
    (tables,) = data.tables(network(data.facts), "test")
    for row in data.drawn[0].rows["meta"][:SHOWN]:
        frames = {
            name: column[tables["frames"]["row"] == row]
            for name, column in tables["frames"].items()
        }
        numbers = np.stack([frames[f"number_{i + 1}"] for i in range(dataset.shape[1])], axis=1)
        np.testing.assert_allclose(numbers, dataset.frames[row, : len(numbers)], atol=0.0051)
        np.testing.assert_array_equal(frames["frame"] * STRIDE, np.arange(dataset.lengths[row]))
        spans = {
            name: column[tables["spans"]["row"] == row] for name, column in tables["spans"].items()
        }
        count = len(spans["symbol"])
        assert "".join(spans["symbol"]) == dataset.text(dataset.labels[row])
        places = np.stack([spans["begin"], spans["end"]], axis=1) * STRIDE
        np.testing.assert_array_equal(places, dataset.spans[row, :count])


def test_nobody_says_what_is_not_known() -> None:
    """Without teachers, of teachers of which nothing is kept, and of data without spans."""
    data = lanes([Trial("a", 1, 0.4, ())])
    (tables,) = data.tables(network(data.facts), "test")
    assert set(tables["spikes"]["who"]) == {"student"}
    data = lanes(TRIALS[:1], replace(lines(), spans=None), keep=False)
    (tables,) = data.tables(network(data.facts), "test")
    assert set(tables["spikes"]["who"]) == {"student"}
    assert set(tables) == {"spikes", "frames"}
