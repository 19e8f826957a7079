"""A student by itself: what it says, in every form that it is written in."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor

import trainers
from tests.trainers.ctc.cases import lines, network, shown
from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.lanes import facts_of
from trainers.ctc.student import Transcriber
from trainers.ctc.task import Ctc
from trainers.ctc.terms import best_path, collapsed
from trainers.lanes.weights import lane_weights
from trainers.settings import ModelSpec
from trainers.student_exports import to_onnx, to_torch_export
from trainers.student_files import plain_weights, write_student

SIZES = {"width": 6, "layers": 2, "kernel": 3}
EVERY = pytest.mark.parametrize("name", ["conv", "gru"])


def _student(name: str) -> Transcriber:
    """With weights so large that it says something."""
    made = network(facts_of(lines()), ModelSpec(name, SIZES), (3,))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 4
    student = Ctc().student(ModelSpec(name, SIZES), Ctc().facts(lines()))
    student.network.load_state_dict(lane_weights(made, 0))
    return student.eval()


def _raw(dataset: Utterances) -> Tensor:
    """Frames with NaN behind the end of each."""
    frames = torch.as_tensor(dataset.frames).clone()
    behind = torch.arange(frames.shape[1]) >= torch.as_tensor(dataset.lengths).unsqueeze(1)
    frames[behind] = float("nan")
    return frames


def _wanted(name: str, dataset: Utterances) -> Tensor:
    """The best path of the lane that the student was, (B, T')."""
    made = network(facts_of(dataset), ModelSpec(name, SIZES), (3,)).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 4
        x = shown(dataset)
        return best_path(made(x).logits, (x.lengths + 1) // 2)[0]


@EVERY
def test_it_says_what_the_lane_said(name: str) -> None:
    dataset = lines()
    found = _student(name)(_raw(dataset))
    assert torch.equal(found, _wanted(name, dataset))
    assert (found != 0).any()
    # However few there are, and however long the longest of them.
    assert torch.equal(_student(name)(_raw(dataset)[3:4]), found[3:4])


@EVERY
def test_its_table_has_the_transcripts(name: str) -> None:
    dataset, student = lines(), _student(name)
    path = student(_raw(dataset))
    table = student.table(path)
    assert [*table] == ["transcript"]
    said = collapsed(path).numpy()
    assert table["transcript"].tolist() == [dataset.text(row) for row in said]
    by_hand = student.table(torch.tensor([[2, 2, 0, 2, 1], [0, 0, 0, 0, 0]]))
    assert by_hand["transcript"].tolist() == ["110", ""]


@EVERY
def test_its_files_need_no_sweep(name: str, tmp_path: Path) -> None:
    student = _student(name)
    description = {
        "task": "ctc",
        "network": {"name": name, "sizes": SIZES},
        **Ctc().facts(lines()),
    }
    weights = plain_weights(dict(student.network.state_dict()), "")
    write_student(tmp_path, weights, description)
    loaded = trainers.load_student(tmp_path)
    raw = _raw(lines())
    assert torch.equal(loaded(raw), student(raw))


@EVERY
def test_exports_say_the_same_whatever_the_batch(name: str, tmp_path: Path) -> None:
    student, raw = _student(name), _raw(lines())
    wanted = student(raw)
    to_torch_export(student, tmp_path / "student.pt2")
    module = torch.export.load(tmp_path / "student.pt2").module()
    assert torch.equal(module(raw), wanted)
    assert torch.equal(module(raw[:1]), wanted[:1])
    to_onnx(student, tmp_path / "student.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx")
    for part in (raw, raw[:3]):
        (found,) = session.run(None, {"inputs": part.numpy()})
        assert np.array_equal(found, wanted[: len(part)].numpy())
