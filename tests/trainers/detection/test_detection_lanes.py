"""The data of lanes: splits, what is kept of teachers, batches that change, what is told."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.trainers.cases import Trial
from tests.trainers.detection.cases import (
    boxes_of,
    lanes,
    live,
    made_up,
    network,
    pictures,
    spec_of,
)
from trainers.data.errors import DataError
from trainers.data.tokenizer import PADDING
from trainers.detection.data import canvases as canvas_code
from trainers.detection.data import teacher_outputs
from trainers.detection.data.canvases import GROUPS, VISIBLE, canvases
from trainers.detection.data.dataset import BOX, CLASS, Boxes, Pictures, is_there
from trainers.detection.measures import Answers, measured
from trainers.detection.places import assigned
from trainers.detection.terms import label_loss
from trainers.settings import SPLITS

TRIALS = [Trial("a", 3, 0.4), Trial("b", 4, 0.4)]
EVERY = ("map", "map_50", "map_75", "map_small", "map_medium", "map_large", "recall_100")


def test_no_glyph_is_in_two_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[NDArray[np.int64]] = []
    composed = canvas_code._composed

    def watched(glyphs: object, own: NDArray[np.int64], *rest: object) -> object:
        used.append(own)
        return composed(glyphs, own, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(canvas_code, "_composed", watched)
    made = canvases("digits", 2 * GROUPS, 48, 3)
    assert made.groups is not None
    of_group = [set(used[group].tolist()) for group in range(GROUPS)]
    for canvas, group in enumerate(made.groups):
        assert set(used[canvas].tolist()) == of_group[group]
    assert len(set.union(*of_group)) == sum(map(len, of_group)) == 1797


def test_splits_have_no_group_in_common() -> None:
    data = lanes(TRIALS)
    groups = pictures().groups
    assert groups is not None
    for lane in range(2):
        each = [set(groups[data.rows[split][lane].numpy()].tolist()) for split in SPLITS]
        assert len(set.union(*each)) == sum(map(len, each)) == GROUPS
    assert not torch.equal(data.rows["train"][0], data.rows["train"][1])


def test_the_boxes_of_canvases_are_tight_and_do_not_overlap() -> None:
    made = canvases("digits", 2 * GROUPS, 48, 3)
    for boxes, image in zip(made.boxes, made.images, strict=True):
        own = boxes[is_there(boxes)]
        assert 1 <= len(own) <= 3
        seen = np.zeros((48, 48), int)
        for left, top, right, bottom in own[:, BOX].astype(int):
            assert left < right
            assert top < bottom
            seen[top:bottom, left:right] += 1
        assert seen.max() == 1
        # What is in a box is brighter than what is around all of them.
        assert image[0][seen == 1].mean() > image[0][seen == 0].mean()
    assert VISIBLE < 1


def test_canvases_that_are_no_multiple_of_the_groups_are_refused() -> None:
    with pytest.raises(DataError, match=r"data\.canvases: 50 .* give a multiple of 20"):
        canvases("digits", 50, 48, 3)


def test_noise_falls_on_the_training_split_alone_and_is_known() -> None:
    data = lanes([Trial("a", 3, 0.4)])
    true = torch.as_tensor(pictures().boxes)
    for split in SPLITS:
        differs = (data.boxes[split][0] != true[data.rows[split][0]]).flatten(1).any(1)
        if split == "train":
            assert torch.equal(differs, data.corrupted[0])
            assert differs.sum() == 8
        else:
            assert not differs.any()


@pytest.mark.parametrize("split", ["train", "meta"])
def test_what_is_kept_of_teachers_is_what_they_say(split: str) -> None:
    trials = [Trial("a", 3, 0.0, ("strong", "weak"), {}), Trial("b", 4, 0.0, ("weak", "strong"))]
    data = lanes(trials)
    asked = live(data, trials)
    batch = data.batch(split, torch.tensor([[4, 0, 2], [1, 3, 5]]))
    of_now = data.taught(batch, asked.outputs(batch.inputs))
    one, other = batch.targets.taught, of_now.targets.taught
    torch.testing.assert_close(one.logits(), other.logits())
    for m in range(2):
        torch.testing.assert_close(one.features(m), other.features(m))
        assert torch.equal(one.variance(m), other.variance(m))


def test_the_variance_is_that_of_all_that_students_train_on_or_hold_out() -> None:
    trials = [Trial("a", 3, 0.0)]
    data = lanes(trials)
    parts = [
        data.targets_of(split, torch.arange(data.size(split)).unsqueeze(0)).taught.features(0)
        for split in ("train", "meta")
    ]
    wanted = torch.cat(parts, dim=1).double().var()
    taught = data.targets_of("train", torch.tensor([[0]])).taught
    assert float(taught.variance(0)) == pytest.approx(float(wanted), rel=1e-6)


def test_teachers_are_not_asked_about_what_is_measured() -> None:
    data = lanes(TRIALS)
    taught = data.targets_of("validation", torch.zeros(2, 1, dtype=torch.int64)).taught
    for ask in (taught.logits, lambda: taught.features(0), lambda: taught.variance(0)):
        with pytest.raises(ValueError, match="not asked about the validation split"):
            ask()


def test_where_too_much_would_be_kept_teachers_are_asked_at_every_step(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(teacher_outputs, "MOST_BYTES", 1000)
    trials = [Trial("a", 3, 0.0)]
    data = lanes(trials)
    batch = data.training_batch(torch.arange(3).unsqueeze(0))
    with pytest.raises(ValueError, match="give the teachers themselves"):
        data.ask(None)
    with pytest.raises(ValueError, match="take fewer pictures, or smaller ones"):
        batch.targets.taught.logits()
    assert not batch.changed
    asked = live(data, trials)
    data.ask(asked)
    changed = data.training_batch(torch.arange(3).unsqueeze(0))
    assert changed.changed
    told = data.taught(changed, asked.outputs(changed.inputs)).targets.taught
    # The variance is of all pictures, or of some where these are too many.
    assert float(told.variance(0)) == pytest.approx(
        float(lanes(trials).targets_of("train", torch.tensor([[0]])).taught.variance(0))
    )


@pytest.mark.parametrize("fits", [True, False])
def test_the_bound_on_what_is_kept_is_of_outputs_and_features(
    monkeypatch: pytest.MonkeyPatch, fits: bool
) -> None:
    """26 pictures and those that are shown, of 144 places with 14 numbers that are said, and 6
    that are features."""
    count = 26 + lanes([Trial("a", 3, 0.0, ())]).shown_rows("test").shape[1]
    monkeypatch.setattr(teacher_outputs, "MOST_BYTES", count * 144 * (14 + 6) * 4 - (not fits))
    data = lanes([Trial("a", 3, 0.0)])
    if fits:
        data.ask(None)
        return
    with pytest.raises(ValueError, match="give the teachers themselves"):
        data.ask(None)


@pytest.mark.parametrize("augment", ["flip", "crop_flip"])
def test_a_changed_batch_tells_of_the_boxes_that_it_has(augment: str) -> None:
    data = lanes(TRIALS, augment=augment)
    assert data.changes_inputs
    index = torch.arange(12).expand(2, -1)
    plain, batch = data.batch("train", index), data.training_batch(index)
    assert batch.changed
    assert not torch.equal(batch.inputs, plain.inputs)
    wanted = assigned(batch.targets.boxes, data.grid)
    assert torch.equal(batch.targets.told, wanted)
    same = (batch.inputs == plain.inputs).flatten(2).all(2)
    if augment == "flip":
        assert 0.2 < float(same.float().mean()) < 0.8
        assert torch.equal(batch.targets.boxes[same], plain.targets.boxes[same])


def test_lanes_that_are_kept_go_on_as_they_were() -> None:
    index = torch.arange(5).expand(2, -1)
    straight, cut = lanes(TRIALS, augment="crop_flip"), lanes(TRIALS, augment="crop_flip")
    for data in (straight, cut):
        data.training_batch(index)
    kept = copy.deepcopy(cut.draws())
    cut.keep(torch.tensor([1]))
    wanted = straight.training_batch(index)
    found = cut.training_batch(index[1:])
    again = lanes(TRIALS[1:], augment="crop_flip")
    again.go_on({name: t[1:] for name, t in kept.items()})
    resumed = again.training_batch(index[1:])
    for batch in (found, resumed):
        assert torch.equal(batch.inputs[0], wanted.inputs[1])
        assert torch.equal(batch.targets.boxes[0], wanted.targets.boxes[1])
        assert torch.equal(batch.targets.told[0], wanted.targets.told[1])
        assert torch.equal(
            batch.targets.taught.features(0)[0], wanted.targets.taught.features(0)[1]
        )
    assert (cut.lanes, cut.corrupted.shape[0]) == (1, 1)
    assert torch.equal(cut.corrupted[0], straight.corrupted[1])
    assert lanes(TRIALS).draws() == {}


def _shrunk() -> Pictures:
    """Shown at half of their size."""
    boxes = boxes_of(*[[(i % 3, 2, 3, 10 + i % 7, 13)] if i % 4 else [] for i in range(40)])
    dataset = made_up(boxes, 24, 32)
    names = tuple(f"{i}.png" for i in range(40))
    return replace(dataset, scales=np.full(40, 0.5, np.float32), names=names)


def test_tables_tell_of_boxes_in_pixels_of_the_originals() -> None:
    dataset = _shrunk()
    data = lanes([Trial("a", 3, 0.5, ())], dataset, kind="shift")
    table = data.examples(0)
    for row, file, given, true, corrupted in zip(*table.values(), strict=True):
        assert file == f"{row}.png"
        wanted = [
            [dataset.class_names[int(box[CLASS])], *(2 * box[BOX]).tolist()]
            for box in dataset.boxes[row]
            if box[CLASS] != PADDING
        ]
        assert json.loads(true) == wanted
        assert (json.loads(given) != json.loads(true)) == corrupted
    assert table["corrupted"].any()
    made = network(data.facts, seeds=(3,))
    (told,) = data.predictions(made, "test")
    assert [*told] == ["row", "file", "boxes", "found"]
    assert len(told["row"]) == data.size("test")
    for found in map(json.loads, told["found"]):
        assert 0 < len(found) <= 20
        for name, score, left, top, right, bottom in found:
            assert name in dataset.class_names
            assert 0 < score < 1
            assert 0 <= left <= right <= 64
            assert 0 <= top <= bottom <= 48
        scores = [score for _, score, *_ in found]
        assert scores == sorted(scores, reverse=True)


def test_precision_is_measured_in_pixels_of_the_originals() -> None:
    """Boxes of 8 by 10 as shown are of 16 by 20, and of medium size."""
    dataset = _shrunk()
    data = lanes([Trial("a", 3, 0.0, ()), Trial("b", 5, 0.0, ())], dataset)
    made = network(data.facts, seeds=(3, 4))
    measures = data.evaluate(made, "test", EVERY)
    index = torch.arange(data.size("test")).expand(2, -1)
    every = data.found_by(made, "test", index)
    with torch.no_grad():
        z = made(data.inputs_of("test", index)).logits
        torch.testing.assert_close(
            measures["loss"], label_loss(data.targets_of("test", index), z).mean(1)
        )
    for lane, own in enumerate(every):
        rows = data.rows["test"][lane].numpy()
        true = dataset.boxes[rows].copy()
        true[..., BOX] *= 2
        answers = Answers((2 * own.boxes).numpy(), own.scores.numpy(), own.classes.numpy())
        wanted = measured(true, answers, 3, dataset.limits)
        for name in EVERY:
            assert float(measures[name][lane]) == pytest.approx(wanted[name], nan_ok=True), name
        assert np.isnan(wanted["map_small"])
        assert not np.isnan(wanted["map_medium"])


def test_it_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = lanes(TRIALS)
    made = network(data.facts, seeds=(3, 4))
    whole = data.evaluate(made, "validation", EVERY)
    monkeypatch.setattr("trainers.detection.data.lanes.evaluation_rows", lambda *_: 2)
    parts = data.evaluate(made, "validation", EVERY)
    for name in ("loss", *EVERY):
        torch.testing.assert_close(parts[name], whole[name], equal_nan=True)


def test_pictures_without_a_box_anywhere_are_refused() -> None:
    empty: Boxes = boxes_of(*[[]] * 10)
    problem = made_up(empty).problem(spec_of())
    assert problem is not None
    assert "no picture has a box" in problem


def test_a_box_outside_its_picture_is_told() -> None:
    problem = made_up(boxes_of([(0, 1, 1, 9, 9)], [(0, 1, 1, 40, 9)])).problem(spec_of())
    assert problem is not None
    assert "empty or outside" in problem


def test_a_lane_of_data_is_that_lane_alone() -> None:
    both, alone = lanes(TRIALS), lanes(TRIALS[1:])
    index = torch.tensor([[1, 2], [3, 4]])
    mine, theirs = alone.batch("train", index[1:]), both.batch("train", index)
    assert torch.equal(mine.inputs[0], theirs.inputs[1])
    assert torch.equal(mine.targets.told[0], theirs.targets.told[1])
    # Of lanes in another order too, as groups of ALM-KD ask for them.
    chosen = torch.tensor([1, 0, 1])
    some = both.targets_of("train", torch.tensor([[3, 4], [1, 2], [3, 4]]), chosen)
    assert torch.equal(some.boxes[0], theirs.targets.boxes[1])
    assert torch.equal(some.taught.features(0)[2], theirs.targets.taught.features(0)[1])
