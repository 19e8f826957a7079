"""Tables of what is found in a few pictures of the test split, and of what is there."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import replace
from io import BytesIO
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from trainers.data.tokenizer import PADDING
from trainers.detection.data import teacher_outputs
from trainers.detection.data.canvases import canvases
from trainers.detection.data.dataset import BOX, CLASS, Pictures
from trainers.detection.data.lanes import BoxLanes, facts_of
from trainers.detection.data.shown import SHOWN, shown_places
from trainers.detection.networks.network import PictureNetwork
from trainers.detection.networks.table import NETWORKS
from trainers.detection.student import listed
from trainers.detection.task import Detection
from trainers.entries import load
from trainers.settings import DataSpec, Labels, LaneSource, ModelSpec, SplitFractions
from trainers.task import KeptOutputs

CPU = torch.device("cpu")
SPLITS = SplitFractions(train=0.5, meta=0.2, validation=0.1, test=0.2)
SEEDS = (1, 2)


def _dataset() -> Pictures:
    return canvases("digits", 40, 64, 2)


def _lanes(
    dataset: Pictures,
    outputs: Mapping[str, KeptOutputs],
    teachers: Sequence[tuple[str, ...]] = ((), ()),
) -> BoxLanes:
    """A lane for each of `SEEDS`, each with teachers of its own."""
    sources = [
        LaneSource(seed, Labels("flip", 0.0), names, "withhold")
        for seed, names in zip(SEEDS, teachers, strict=True)
    ]
    return BoxLanes(dataset, DataSpec("canvases", SPLITS, task="detection"), sources, outputs, CPU)


def _network(dataset: Pictures, *seeds: int) -> PictureNetwork:
    whole = NETWORKS["detector"].complete(ModelSpec("detector", {"width": 4}))
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    made: PictureNetwork = load(whole.implementation)(whole, facts_of(dataset), generators)
    return made.eval()


def _taught(dataset: Pictures) -> tuple[BoxLanes, PictureNetwork]:
    """Lanes of which each has a teacher, and the network of these."""
    teacher = _network(dataset, 5, 6)
    kept = Detection().kept_outputs(teacher, _lanes(dataset, {}))
    outputs = {f"of {seed}": one for seed, one in zip(SEEDS, kept, strict=True)}
    return _lanes(dataset, outputs, [(name,) for name in outputs]), teacher


def _lines(table: Mapping[str, Any], row: int, who: str) -> list[list[Any]]:
    """Class, score and edges of every box of somebody in a picture."""
    names = ("row", "who", "class", "score", "left", "top", "right", "bottom")
    lines = zip(*(table[name] for name in names), strict=True)
    return [rest for of_row, of, *rest in lines if (of_row, of) == (row, who)]


@pytest.mark.parametrize("lane", [0, 1])
def test_each_finds_what_its_network_does(lane: int) -> None:
    dataset = _dataset()
    data, teacher = _taught(dataset)
    student = _network(dataset, 8, 9)
    boxes = data.tables(student, "test")[lane]["boxes"]
    shown = data.shown_rows("test")[lane].tolist()
    assert set(boxes["row"]) == set(shown)
    assert set(boxes["who"]) == {"truth", "student", "teacher_1"}
    index = torch.as_tensor(
        [shown_places(dataset, own.numpy()).tolist() for own in data.rows["test"]]
    )
    for who, network in (("student", student), ("teacher_1", teacher)):
        found = listed(data.found_by(network, "test", index)[lane], dataset.class_names)
        for row, of_picture in zip(shown, found, strict=True):
            got = _lines(boxes, row, who)
            assert [line[0] for line in got] == [line[0] for line in of_picture]
            np.testing.assert_allclose(
                [line[1:] for line in got], [line[1:] for line in of_picture], atol=0.011
            )


def test_true_boxes_and_pictures_are_those_of_the_data_set() -> None:
    dataset = replace(
        _dataset(), fitted=np.tile([48, 64], (40, 1)), names=tuple(f"{i}.png" for i in range(40))
    )
    data = _lanes(dataset, {})
    tables, _ = data.tables(_network(dataset, 1, 2), "test")
    assert set(tables["boxes"]["who"]) == {"truth", "student"}
    for place, row in enumerate(data.shown_rows("test")[0].tolist()):
        true = [
            [dataset.class_names[int(b[CLASS])], 1.0, *b[BOX].round(2).tolist()]
            for b in dataset.boxes[row]
            if b[CLASS] != PADDING
        ]
        assert _lines(tables["boxes"], row, "truth") == true
        pictures = {name: column[place] for name, column in tables["pictures"].items()}
        assert (pictures["row"], pictures["title"]) == (row, f"{row}.png")
        assert (pictures["height"], pictures["width"]) == (48, 64)
        written = np.asarray(Image.open(BytesIO(base64.b64decode(pictures["png"]))))
        np.testing.assert_array_equal(written, dataset.images[row, 0, :48])


def test_colours_are_kept() -> None:
    grey = _dataset()
    dataset = replace(grey, images=np.concatenate([grey.images, 255 - grey.images, grey.images], 1))
    standard = dataset.info.standard
    assert standard is not None
    three = replace(standard, mean=standard.mean * 3, std=standard.std * 3)
    dataset = replace(dataset, info=replace(dataset.info, standard=three))
    tables, _ = _lanes(dataset, {}).tables(_network(dataset, 1, 2), "test")
    row, png = tables["pictures"]["row"][0], tables["pictures"]["png"][0]
    written = np.asarray(Image.open(BytesIO(base64.b64decode(png))))
    np.testing.assert_array_equal(written, dataset.images[row].transpose(1, 2, 0))


def test_pictures_with_boxes_come_first() -> None:
    dataset = _dataset()
    boxes = dataset.boxes.copy()
    boxes[[3, 5, 8], :, CLASS] = PADDING
    bare = replace(dataset, boxes=boxes)
    rows = np.array([3, 9, 5, 2, 8, 7])
    assert shown_places(bare, rows).tolist() == [1, 3, 5, 0]
    assert len(shown_places(bare, rows[:2])) == 2 < SHOWN


def test_what_teachers_say_of_the_shown_is_kept_also_where_the_rest_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And students who train ask the teachers all the same."""
    monkeypatch.setattr(teacher_outputs, "MOST_BYTES", 1)
    dataset = _dataset()
    data, _ = _taught(dataset)
    for of_lane in data.tables(_network(dataset, 8, 9), "test"):
        assert "teacher_1" in of_lane["boxes"]["who"]
    with pytest.raises(ValueError, match="give the teachers themselves"):
        data.ask(None)


def test_pictures_of_the_test_split_do_not_change_what_students_are_told_of_features() -> None:
    """The variance of the teacher's features is that over the pictures that students see."""
    dataset = _dataset()
    teacher, data = _network(dataset, 5, 6), _lanes(dataset, {})
    for lane, kept in enumerate(Detection().kept_outputs(teacher, data)):
        students = data.drawn[lane].students[0]
        known = np.isin(kept["rows"], students)
        assert known.sum() == len(students) == len(kept["rows"]) - SHOWN
        variance = kept["features"][known].astype(np.float64).var(ddof=1)
        np.testing.assert_allclose(kept["variance"], variance, rtol=1e-5)


def test_teachers_that_were_asked_about_nothing_are_left_out() -> None:
    dataset = _dataset()
    whole = Detection().kept_outputs(_network(dataset, 5, 6), _lanes(dataset, {}))
    outputs = {
        name: {key: a[:0] if key != "variance" else a for key, a in one.items()}
        for name, one in zip("ab", whole, strict=True)
    }
    data = _lanes(dataset, outputs, [("a",), ("b",)])
    for of_lane in data.tables(_network(dataset, 8, 9), "test"):
        assert set(of_lane["boxes"]["who"]) == {"truth", "student"}
