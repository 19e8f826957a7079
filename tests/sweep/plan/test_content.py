"""What a sweep reads beside its spec: what has a fingerprint, and which teachers have it in their
keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.errors import BadInput
from sweep.inputs import load_data
from sweep.plan.agreement import refuse_other_content
from sweep.plan.content import described, fingerprints, named_by
from sweep.plan.plan import Plan
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_data, small_spec

KD = [{"method": "alm_kd"}, {"method": "fixed_kd", "baseline": True}]
NET = {"name": "module", "path": "named_nets:Net", "arguments": {"width": 9}}


def _write(file: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    np.savez(file, inputs=rng.normal(size=(60, 3)), labels=np.arange(60) % 3)


def _spec(changes: Mapping[str, Any]) -> SweepSpec:
    return small_spec({"methods": KD, "conditions.noise_rate": [0.4], **changes})


def _of_file(file: Path) -> SweepSpec:
    return _spec({"data": {"dataset": "npz", "path": str(file)}})


def _read(spec: SweepSpec) -> dict[str, str]:
    return fingerprints(spec, load_data(Plan(spec)))


def _keys(spec: SweepSpec, read: Mapping[str, str] | None = None) -> list[str]:
    return [job.key for job in Plan(spec, read).teachers]


def test_what_is_always_the_same_has_none_and_its_teachers_keep_their_keys() -> None:
    spec = _spec({})
    assert named_by(spec) == ()
    assert _read(spec) == {}
    # As in earlier versions.
    assert _keys(spec)[0] == "6fc41d7ed7b95cdf-1"


def test_another_file_of_the_same_name_has_other_teachers(tmp_path: Path) -> None:
    file = tmp_path / "data.npz"
    spec = _of_file(file)
    keys = []
    for seed in (0, 1, 0):
        _write(file, seed)
        keys.append(_keys(spec, _read(spec)))
    first, changed, restored = keys
    assert restored == first
    assert not set(first) & set(changed)
    # Without the file it can still be planned, by the keys of earlier versions.
    file.unlink()
    assert not set(_keys(spec)) & {*first, *changed}


def test_every_generation_of_a_teacher_is_another_one(tmp_path: Path) -> None:
    _write(tmp_path / "data.npz", 0)
    data = {"dataset": "npz", "path": str(tmp_path / "data.npz")}
    spec = _spec({"data": data, "teacher.generations": 2})
    read = _read(spec)
    other = dict.fromkeys(read, "0")
    assert not set(_keys(spec, read)) & set(_keys(spec, other))


def test_a_noise_file_is_part_of_it(tmp_path: Path) -> None:
    file = tmp_path / "noise.npy"
    labels = load_data(Plan(_spec({}))).popitem()[1].strata
    np.save(file, np.where(np.arange(len(labels)) % 5 < 2, (labels + 1) % 10, labels))
    noise = {"noise_kind": ["file"], "noise_file": str(file), "noise_rate": [0.4]}
    spec = _spec({"conditions": noise})
    before = _read(spec)
    np.save(file, np.where(np.arange(len(labels)) % 5 < 2, (labels + 2) % 10, labels))
    (name,) = before
    assert _read(spec)[name] != before[name]
    assert described(name) == f"the data set digits (noise_file {file})"


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of a module that can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    file = tmp_path / "named_nets.py"
    file.write_text("class Net: ...\n")
    return file


def test_a_network_is_known_by_the_file_of_its_module(nets: Path) -> None:
    for place, changes in (("teacher", True), ("student", False)):
        spec = _spec({f"{place}.model": NET})
        assert named_by(spec) == ("named_nets",)
        nets.write_text("class Net: ...\n")
        before = _read(spec)
        nets.write_text("class Net: width = 3\n")
        after = _read(spec)
        assert before.keys() == after.keys() == {"named_nets"}
        assert before != after
        # No teacher depends on the student's network.
        assert (_keys(spec, before) != _keys(spec, after)) == changes
    assert described("named_nets") == "the module named_nets"


def test_a_teacher_like_the_student_depends_on_its_network(nets: Path) -> None:
    born = [{"method": "born_again"}, {"method": "labels_only", "baseline": True}]
    spec = _spec({"student.model": NET, "methods": born})
    assert _keys(spec, {"named_nets": "a"}) != _keys(spec, {"named_nets": "b"})


def test_a_module_that_is_not_here_has_none() -> None:
    spec = _spec({"student.model": {**NET, "path": "nowhere.at_all:Net"}})
    assert named_by(spec) == ("nowhere.at_all",)
    assert _read(spec) == {}


def test_own_methods_and_networks_are_read_and_own_data_is_loaded() -> None:
    parts = "tests.sweep.own_parts"
    changes = {
        "data.dataset": {"path": f"{parts}:STRIPES"},
        "student.model": {"name": {"path": f"{parts}:Narrow"}},
        "methods": [
            {"method": {"path": "tests.sweep.own_methods:Squared"}},
            {"method": "fixed_kd", "baseline": True},
        ],
    }
    spec = check_spec(small_data(changes), "small", allow_code=True)
    data, *modules = named_by(spec)
    assert modules == [parts, "tests.sweep.own_methods"]
    assert described(data) == f"the data set {parts}:STRIPES"
    assert set(_read(spec)) == {data, *modules}


def test_every_data_set_of_an_axis_has_its_own(tmp_path: Path) -> None:
    files = [tmp_path / f"{name}.npz" for name in "ab"]
    for seed, file in enumerate(files):
        _write(file, seed)
    vary = {"file": {"field": "data.path", "values": [str(file) for file in files]}}
    spec = _spec({"data": {"dataset": "npz", "path": str(files[0])}, "conditions.vary": vary})
    read = _read(spec)
    assert len(set(read.values())) == 2
    before = _keys(spec, read)
    _write(files[1], 5)
    after = _keys(spec, _read(spec))
    assert len(before) == len(after) == 2 * len(set(before) & set(after))


def test_sweeps_that_read_other_content_are_refused_in_one_table() -> None:
    kept = {"the data set table": "a1", "the module nets": "b1"}
    refuse_other_content({"one": kept, "two": {"the data set table": "a1"}, "three": {}})
    with pytest.raises(BadInput, match=r"two and three .* the data set table held something else"):
        refuse_other_content({"one": kept, "two": kept, "three": {"the data set table": "a2"}})


def test_another_model_in_a_folder_has_other_teachers(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    model = {"name": "pretrained", "folder": str(folder)}
    spec = check_spec(
        {
            "name": "folders", "task": "language", "data": {"dataset": "addition"},
            "conditions": {"noise_kind": ["swap"], "noise_rate": [0.1]},
            "teacher": {"model": {**model, "train": "nothing"}}, "student": {"model": model},
            "methods": [{"method": "fixed_kd", "baseline": True}],
        },
        "folders",
    )  # fmt: skip
    (name,) = named_by(spec)
    assert described(name) == f"the model in {folder}"
    assert fingerprints(spec, {}) == {}
    found = []
    for weights in (b"one", b"two", b"one"):
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(weights)
        found.append(_keys(spec, fingerprints(spec, {})))
    assert found[0] == found[2] != found[1]
    (folder / "config.json").write_text('{"a": 1}')
    assert _keys(spec, fingerprints(spec, {})) != found[0]
