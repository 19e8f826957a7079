"""Students as files: what is written, what comes back, and in forms that need no project."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import trainers
from tests.trainers.classification.networks.test_own_module import Net
from trainers.classification.data.dataset import Dataset
from trainers.classification.networks.build import build_model
from trainers.classification.networks.table import NETWORKS
from trainers.classification.student import facts_of
from trainers.data.dataset import DatasetInfo
from trainers.data.standard import Standard
from trainers.lanes.network import LaneNetwork
from trainers.settings import ModelSpec
from trainers.student_exports import EXPORTS
from trainers.student_files import (
    DESCRIPTION_FILE,
    WEIGHTS_FILE,
    StudentError,
    load_student,
    plain_weights,
    write_student,
)

CLASSES, SHAPE = 3, (2, 8, 8)
STANDARD = Standard(mean=(0.3, 0.6), std=(0.2, 0.5), scale=255)
NETWORKS_TRIED = (
    ModelSpec("mlp", {"hidden": (5, 4)}),
    ModelSpec("resnet8"),
    ModelSpec("resnet8", {"shortcut": "projection"}),
    ModelSpec("wrn", {"depth": 10, "width": 1}),
    ModelSpec("plain_cnn", {"depth": 8, "width": 2}),
    ModelSpec("densenet", {"depth": 7, "growth": 2}),
    ModelSpec("module", {"path": f"{Net.__module__}:Net", "arguments": {"classes": CLASSES}}),
)
EVERY_NETWORK = pytest.mark.parametrize(
    "spec", NETWORKS_TRIED, ids=lambda s: "-".join(map(str, (s.name, *s.sizes.values())))
)


def _raw(examples: int) -> Tensor:
    drawn = torch.Generator().manual_seed(5)
    return torch.randint(256, (examples, *SHAPE), generator=drawn, dtype=torch.uint8)


def _trained(spec: ModelSpec) -> LaneNetwork:
    """A lane with statistics that are not those of its first day."""
    network = build_model(spec, SHAPE, CLASSES, [torch.Generator().manual_seed(1)])
    network(torch.from_numpy(STANDARD.apply(_raw(32).numpy())).unsqueeze(0))
    return network.eval()


def _write(directory: Path, spec: ModelSpec) -> Tensor:
    """A student's files; what its lane says of five raw inputs."""
    network = _trained(spec)
    inputs = torch.from_numpy(STANDARD.apply(_raw(5).numpy()))
    with torch.no_grad():
        logits = network(inputs.unsqueeze(0)).logits.squeeze(0)
    held = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    weights = plain_weights({n: t.detach()[0].clone() for n, t in held.items()}, network.inside)
    dataset = Dataset(
        inputs.numpy(), np.zeros(5, np.int64), CLASSES,
        info=DatasetInfo(standard=STANDARD, class_names=("cat", "dog", "owl")),
    )  # fmt: skip
    sizes = NETWORKS[spec.name].complete(spec).sizes
    description = {
        "task": "classification",
        "network": {"name": spec.name, "sizes": dict(sizes)},
        **facts_of(dataset),
    }
    write_student(directory, weights, description)
    return logits


@EVERY_NETWORK
def test_a_student_says_of_raw_inputs_what_its_lane_said(tmp_path: Path, spec: ModelSpec) -> None:
    logits = _write(tmp_path, spec)
    student = trainers.load_student(tmp_path, allow_code=True)
    assert student.class_names == ("cat", "dog", "owl")
    assert not student.training
    with torch.no_grad():
        torch.testing.assert_close(student(_raw(5)), logits, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(student(_raw(5)[0]), logits[0], rtol=1e-5, atol=1e-5)


@EVERY_NETWORK
def test_weights_are_a_plain_state_dict(tmp_path: Path, spec: ModelSpec) -> None:
    _write(tmp_path, spec)
    weights = load_file(tmp_path / WEIGHTS_FILE)
    student = load_student(tmp_path, allow_code=True)
    assert set(weights) == set(student.network.state_dict())
    shapes = {name: tuple(t.shape) for name, t in weights.items()}
    head = "head.weight"
    assert shapes[head][0] == CLASSES
    assert len(shapes[head]) == 2


def test_the_weights_of_a_users_module_load_into_it_without_this_project(tmp_path: Path) -> None:
    logits = _write(tmp_path, NETWORKS_TRIED[-1])
    net = Net(classes=CLASSES)
    net.load_state_dict(load_file(tmp_path / WEIGHTS_FILE))
    inputs = torch.from_numpy(STANDARD.apply(_raw(5).numpy()))
    torch.testing.assert_close(net.eval()(inputs), logits)


def test_a_student_can_be_trained_on(tmp_path: Path) -> None:
    """Gradients reach the weights, and statistics move in training mode alone."""
    _write(tmp_path, NETWORKS_TRIED[1])
    student = load_student(tmp_path)
    before = {name: t.clone() for name, t in student.network.state_dict().items()}
    student(_raw(5))
    same = student.network.state_dict()
    assert all(torch.equal(before[name], same[name]) for name in before)
    student.train()(_raw(5)).sum().backward()
    assert all(p.grad is not None for p in student.parameters())
    after = student.network.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved
    assert all("running" in name for name in moved)


def test_code_of_the_users_own_has_to_be_allowed(tmp_path: Path) -> None:
    _write(tmp_path, NETWORKS_TRIED[-1])
    with pytest.raises(StudentError, match=r"test_own_module:Net.*allow_code=True"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        (DESCRIPTION_FILE, b"{", "cannot be read"),
        (DESCRIPTION_FILE, b'{"format": 9}', "is not of format 1"),
        (DESCRIPTION_FILE, b'{"format": 1}', "describes no student"),
        (DESCRIPTION_FILE, b'{"format": 1, "task": "x", "network": 3}', "describes no student"),
        (DESCRIPTION_FILE, b"[" * 100_000, "cannot be read"),
        (WEIGHTS_FILE, b"nothing", "cannot be read"),
    ],
)
def test_damaged_files_are_told(tmp_path: Path, file: str, content: bytes, said: str) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    (tmp_path / file).write_bytes(content)
    with pytest.raises(StudentError, match=said):
        load_student(tmp_path)


def test_other_weights_than_were_written_are_noticed(tmp_path: Path) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    file = tmp_path / WEIGHTS_FILE
    content = bytearray(file.read_bytes())
    content[-2] ^= 1
    file.write_bytes(content)
    with pytest.raises(StudentError, match=r"its SHA-256 differs .* take sha256 out of there"):
        load_student(tmp_path)
    _describe(tmp_path)
    assert load_student(tmp_path)(_raw(2)).isfinite().all()


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    _describe(tmp_path)
    weights = load_file(tmp_path / WEIGHTS_FILE)
    weights["head.bias"][1] = torch.nan
    save_file(weights, tmp_path / WEIGHTS_FILE)
    with pytest.raises(StudentError, match=r"holds NaN or infinity in head\.bias"):
        load_student(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"network": None},
        {"network": {"name": "mlp"}},
        {"network": {"name": "mlp", "sizes": {"hidden": [[5]]}}},
        {"network": {"name": [], "sizes": {}}},
        {"class_names": 3},
        {"columns": 3},
        {"shape": None},
        {"shape": [2**40]},
        {"preprocessing": {"gamma": 1}},
        {"task": "juggling"},
    ],
    ids=str,
)
def test_descriptions_that_are_of_no_student_are_told(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    _describe(tmp_path, **change)
    with pytest.raises(StudentError, match=r"student\.json: .*; write the student again"):
        load_student(tmp_path)


def _describe(place: Path, **changed: Any) -> None:
    """Other values in a description, which says nothing of the weights then."""
    file = place / DESCRIPTION_FILE
    told = {**json.loads(file.read_text(encoding="utf-8")), **changed}
    del told["sha256"]
    file.write_text(json.dumps(told), encoding="utf-8")


def test_weights_of_another_network_are_told(tmp_path: Path) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    file = tmp_path / DESCRIPTION_FILE
    description = json.loads(file.read_text(encoding="utf-8"))
    description["network"]["sizes"]["hidden"] = [6, 4]
    file.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(StudentError, match="not of the network"):
        load_student(tmp_path)


def test_a_directory_without_a_student_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudentError, match="almkd students"):
        load_student(tmp_path / "nowhere")


# What whoever has the file and not this project would write.
ALONE = {
    "torch-export": """
import sys, numpy, torch
run = torch.export.load(sys.argv[1]).module()
logits = run(torch.from_numpy(numpy.load(sys.argv[2]))).detach().numpy()
""",
    "onnx": """
import sys, numpy, onnxruntime
run = onnxruntime.InferenceSession(sys.argv[1])
(logits,) = run.run(None, {"inputs": numpy.load(sys.argv[2])})
""",
}
AND_TELL = """
assert not {"trainers", "sweep"} & set(sys.modules)
numpy.save(sys.argv[3], logits)
"""


@pytest.mark.parametrize("form", EXPORTS)
@pytest.mark.parametrize("spec", [NETWORKS_TRIED[0], NETWORKS_TRIED[1]], ids=lambda s: s.name)
def test_an_export_runs_without_this_project(tmp_path: Path, form: str, spec: ModelSpec) -> None:
    """On raw inputs, of another number of examples than it was traced with."""
    logits = _write(tmp_path, spec)
    name, export = EXPORTS[form]
    export(load_student(tmp_path), tmp_path / name)
    np.save(tmp_path / "raw.npy", _raw(5).numpy().astype(np.float32))
    program = tmp_path / "alone.py"
    program.write_text(ALONE[form] + AND_TELL, encoding="utf-8")
    files = [str(tmp_path / file) for file in (name, "raw.npy", "said.npy")]
    done = subprocess.run(
        [sys.executable, "-I", str(program), *files], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    np.testing.assert_allclose(np.load(tmp_path / "said.npy"), logits.numpy(), atol=1e-5)


def test_every_kind_of_network_is_tried() -> None:
    """A network that joins the table is told apart from those here by its code."""
    tried = {NETWORKS[spec.name].implementation for spec in NETWORKS_TRIED}
    assert tried == {entry.implementation for entry in NETWORKS.values()}


def test_a_student_is_a_module_like_any_other(tmp_path: Path) -> None:
    _write(tmp_path, NETWORKS_TRIED[0])
    student = load_student(tmp_path)
    assert isinstance(student, nn.Module)
    copied = nn.Sequential(student, nn.Softmax(dim=-1))
    torch.testing.assert_close(copied(_raw(2)).sum(-1), torch.ones(2))
