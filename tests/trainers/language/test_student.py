"""A student by itself: what it answers, in every form that it is written in."""

from pathlib import Path

import onnxruntime
import pytest
import torch

import trainers
from tests.trainers.language.cases import SMALL, decoder, sums
from trainers.data.errors import DataError
from trainers.data.tokenizer import PADDING
from trainers.lanes.weights import lane_weights
from trainers.language.data.lanes import facts_of
from trainers.language.student import Responder
from trainers.language.task import Language
from trainers.language.writing import write
from trainers.student_exports import to_onnx, to_torch_export
from trainers.student_files import plain_weights, write_student

PROMPTS = ["37+85", "1+2", "99+9"]


def _student() -> Responder:
    network = decoder(facts_of(sums()), seeds=(3,))
    student = Language().student(SMALL, Language().facts(sums()))
    student.network.load_state_dict(lane_weights(network, 0))
    return student.eval()


def test_it_answers_as_the_lane_that_it_was_writes() -> None:
    student, dataset = _student(), sums()
    prompts = torch.as_tensor(dataset.prompts).long()
    written = write(decoder(facts_of(dataset), seeds=(3,)), prompts.unsqueeze(0), torch.zeros(1))
    assert torch.equal(student(prompts), written[0])


def test_prompts_are_read_as_in_training() -> None:
    student, dataset = _student(), sums()
    text = student.example_text
    assert torch.equal(student.encode([text])[0], torch.as_tensor(dataset.prompts[0]).long())
    with pytest.raises(DataError, match="not in the vocabulary"):
        student.encode(["two"])


def test_its_files_need_no_sweep(tmp_path: Path) -> None:
    student = _student()
    description = {
        "task": "language",
        "network": {"name": "decoder", "sizes": dict(SMALL.sizes)},
        **Language().facts(sums()),
    }
    weights = plain_weights(dict(student.network.state_dict()), "")
    write_student(tmp_path, weights, description)
    loaded = trainers.load_student(tmp_path)
    prompts = student.encode(PROMPTS)
    assert torch.equal(loaded(prompts), student(prompts))
    texts = loaded.table(loaded(prompts))["response"]
    assert all(isinstance(text, str) for text in texts)


def test_exports_answer_the_same_whatever_the_batch(tmp_path: Path) -> None:
    student = _student()
    prompts = student.encode(PROMPTS)
    wanted = student(prompts)
    assert (wanted != PADDING).any()
    to_torch_export(student, tmp_path / "student.pt2")
    module = torch.export.load(tmp_path / "student.pt2").module()
    assert torch.equal(module(prompts), wanted)
    assert torch.equal(module(prompts[:1]), wanted[:1])
    to_onnx(student, tmp_path / "student.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "student.onnx")
    (found,) = session.run(None, {"inputs": prompts.numpy()})
    assert torch.equal(torch.as_tensor(found), wanted)
