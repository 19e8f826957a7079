"""A student by itself: what it finds, in every form that it is written in."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

import trainers
from tests.trainers.detection.cases import boxes_of, made_up, network
from trainers.detection.data.dataset import Pictures
from trainers.detection.data.lanes import facts_of
from trainers.detection.found import found
from trainers.detection.places import grid
from trainers.detection.student import TOLD, BoxFinder
from trainers.detection.task import Detection
from trainers.lanes.weights import lane_weights
from trainers.settings import ModelSpec
from trainers.student_exports import to_onnx, to_torch_export
from trainers.student_files import plain_weights, write_student

MODEL = ModelSpec("detector", {"width": 3, "layers": 1, "tower": 1})
# One level of places, and three.
SIZES = pytest.mark.parametrize("size", [(32, 24), (136, 40)])


def _pictures(size: tuple[int, int]) -> Pictures:
    return made_up(boxes_of(*[[(0, 1, 1, 9, 9)]] * 3), *size, channels=3)


def _student(dataset: Pictures) -> BoxFinder:
    """With weights so large that it finds something, and shows a map beside that it leaves."""
    made = network(facts_of(dataset), MODEL, (3,))
    made.look_beside(5, [torch.Generator().manual_seed(4)])
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 3
    student = Detection().student(MODEL, Detection().facts(dataset))
    student.network.load_state_dict(made.alone(lane_weights(made, 0)))
    assert isinstance(student, BoxFinder)
    return student.eval()


def _wanted(dataset: Pictures) -> Tensor:
    """What the lane that the student was says of every place, (B, T, C + 4)."""
    made = network(facts_of(dataset), MODEL, (3,)).eval()
    standard = dataset.info.standard
    assert standard is not None
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 3
        return made(torch.as_tensor(standard.apply(dataset.images)).unsqueeze(0)).logits[0]


@SIZES
def test_it_finds_what_the_lane_found(size: tuple[int, int]) -> None:
    dataset = _pictures(size)
    student, z = _student(dataset), _wanted(dataset)
    with torch.no_grad():
        outputs = student(torch.as_tensor(dataset.images))
    of = grid(*size, z.device, z.dtype)
    theirs = found(z, dataset.classes, of, torch.tensor([size] * 3))
    table = student.table(outputs)
    assert [*table] == ["found"]
    for place, told in enumerate(table["found"]):
        rows = json.loads(told)
        assert 0 < len(rows) <= TOLD
        for rank, (name, score, *box) in enumerate(rows):
            assert name == dataset.class_names[int(theirs.classes[place, rank])]
            assert score == pytest.approx(float(theirs.scores[place, rank]), abs=6e-5)
            assert box == pytest.approx(theirs.boxes[place, rank].tolist(), abs=6e-3)


@SIZES
def test_its_files_need_no_sweep(size: tuple[int, int], tmp_path: Path) -> None:
    dataset = _pictures(size)
    student = _student(dataset)
    description = {
        "task": "detection",
        "network": {"name": MODEL.name, "sizes": dict(MODEL.sizes)},
        **Detection().facts(dataset),
    }
    write_student(tmp_path, plain_weights(dict(student.network.state_dict()), ""), description)
    loaded = trainers.load_student(tmp_path)
    raw = torch.as_tensor(dataset.images)
    assert torch.equal(loaded(raw), student(raw))


@SIZES
def test_exports_say_the_same_whatever_the_batch(size: tuple[int, int], tmp_path: Path) -> None:
    dataset = _pictures(size)
    student, raw = _student(dataset), torch.as_tensor(dataset.images).float()
    wanted = student(raw).detach()
    grid.cache_clear()
    to_torch_export(student, tmp_path / "student.pt2")
    module = torch.export.load(tmp_path / "student.pt2").module()
    to_onnx(student, tmp_path / "student.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx")
    for part in (raw, raw[:1]):
        torch.testing.assert_close(module(part), wanted[: len(part)], rtol=1e-3, atol=1e-3)
        (of_onnx,) = session.run(None, {"inputs": part.numpy()})
        np.testing.assert_allclose(of_onnx, wanted[: len(part)].numpy(), rtol=1e-3, atol=1e-3)
        boxes = student.table(torch.as_tensor(of_onnx))["found"]
        assert [len(json.loads(a)) for a in boxes] == [TOLD] * len(part)
    # What tracing makes up is kept nowhere.
    assert torch.equal(student(raw), wanted)
