"""Relative paths are relative to the spec's file; what was found before is still found."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.plan.plan import spec_hash
from sweep.spec.reader import read_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_data
from trainers.loading import content_key, missing

TABLE = {"dataset": "csv", "path": "animals.csv"}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the current directory, with another one in it."""
    (tmp_path / "specs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _write(place: Path, **changes: Any) -> Path:
    file = place / "own.yaml"
    file.write_text(yaml.safe_dump({**small_data(), "data": TABLE, **changes}))
    return file


def _path(spec: SweepSpec) -> str:
    return str(spec.data_settings().options["path"])


def test_a_file_beside_the_spec_is_found_from_anywhere(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(project / "specs")
    (project / "specs" / "animals.csv").touch()
    (project / "animals.csv").touch()
    paths = [_path(read_spec("specs/own.yaml"))]
    (project / "elsewhere").mkdir()
    monkeypatch.chdir(project / "elsewhere")
    paths += [_path(read_spec(str(file))), _path(read_spec("../specs/own.yaml"))]
    assert all(Path(path).is_absolute() for path in paths)
    assert {Path(path).resolve() for path in paths} == {project / "specs" / "animals.csv"}
    assert paths[0] == paths[1]


def test_in_the_current_directory_a_path_keeps_its_string(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(project)
    known = SweepSpec.model_validate({**small_data(), "data": TABLE})
    for spec in (read_spec("own.yaml"), read_spec("./own.yaml"), read_spec(str(file))):
        assert _path(spec) == "animals.csv"
        assert spec_hash(spec) == spec_hash(known)
        assert content_key(spec.data_settings()) == content_key(known.data_settings())


def test_what_is_below_the_current_directory_alone_is_still_found_there(project: Path) -> None:
    _write(project / "specs")
    (project / "animals.csv").touch()
    assert _path(read_spec("specs/own.yaml")) == "animals.csv"


def test_what_is_nowhere_is_told_to_be_missing_beside_the_spec(project: Path) -> None:
    _write(project / "specs")
    said = missing(read_spec("specs/own.yaml").data_settings())
    assert said is not None
    assert f"there is no file {project / 'specs' / 'animals.csv'};" in said


@pytest.mark.parametrize(
    "change", ["data.path=animals.csv", "data={dataset: csv, path: animals.csv}"]
)
def test_a_path_on_the_command_line_is_relative_to_the_current_directory(
    project: Path, change: str
) -> None:
    _write(project / "specs", data={**TABLE, "path": "others.csv"})
    (project / "specs" / "animals.csv").touch()
    assert _path(read_spec("specs/own.yaml", [change])) == "animals.csv"
    assert _path(read_spec("specs/own.yaml", ["name=x"])).endswith("specs/others.csv")


@pytest.mark.parametrize("path", ["/data/animals.csv", "~/animals.csv"])
def test_a_path_that_is_not_relative_stays(project: Path, path: str) -> None:
    _write(project / "specs", data={**TABLE, "path": path})
    assert _path(read_spec("specs/own.yaml")) == path


def test_files_of_another_machine_are_left_to_it(project: Path) -> None:
    _write(project / "specs")
    (project / "specs" / "animals.csv").touch()
    assert _path(read_spec("specs/own.yaml", files_elsewhere=True)) == "animals.csv"


def test_a_preset_has_no_files_beside_it(project: Path) -> None:
    assert read_spec("cars_paper").data_settings().options["folder"] == "stanford-cars"


def test_files_of_noise_axes_and_rows_are_relative_to_the_spec_too(project: Path) -> None:
    beside = project / "specs"
    conditions = {
        "noise_kind": ["file"],
        "noise_rate": [0.2],
        "noise_file": "labels.npy",
        "vary": {
            "table": {"field": "data.path", "values": ["a.csv", "b.csv"]},
            "options": {"one": {"data.label": "kind"}, "two": {"data.label": "label"}},
        },
    }
    _write(beside, conditions=conditions)
    spec = read_spec("specs/own.yaml")
    assert spec.conditions.given["noise_file"] == str(beside / "labels.npy")
    axes = {axis.name: axis.values for axis in spec.axes}
    found = [(value.label, value.patch["data.path"]) for value in axes["table"]]
    assert found == [("a.csv", str(beside / "a.csv")), ("b.csv", str(beside / "b.csv"))]
    assert axes["options"][0].patch == {"data.label": "kind"}


def test_files_of_given_teachers_are_relative_to_the_spec_too(project: Path) -> None:
    beside = project / "specs"
    model = {"name": "mlp", "hidden": [24]}
    teachers = [{"logits": "t.npy"}, {"model": model, "weights": "student"}]
    rows = [{"method": "aver"}, {"method": "labels_only", "baseline": True}]
    _write(beside, teacher=teachers, methods=rows)
    found = [teacher.given for teacher in read_spec("specs/own.yaml").teacher]
    assert found == [str(beside / "t.npy"), str(beside / "student")]
    vary = {"teacher": {"field": "teacher.logits", "values": ["t.npy", "u.npy"]}}
    _write(beside, teacher={"logits": "t.npy"}, conditions={"vary": vary})
    (axis,) = (a for a in read_spec("specs/own.yaml").axes if a.name == "teacher")
    assert [value.patch for value in axis.values] == [
        {"teacher.logits": str(beside / name)} for name in ("t.npy", "u.npy")
    ]


def test_the_folders_of_models_are_relative_to_the_spec_too(project: Path) -> None:
    (project / "specs" / "model").mkdir()
    model = {"name": "pretrained", "folder": "model"}
    data = {
        **small_data(),
        "task": "language",
        "data": {"dataset": "addition"},
        "conditions": {"noise_kind": ["swap"], "noise_rate": [0.1]},
        "teacher": {"model": {**model, "train": "nothing"}},
        "student": {"model": model},
        "methods": [{"method": "fixed_kd", "baseline": True}],
    }
    data.pop("search", None)
    file = project / "specs" / "own.yaml"
    file.write_text(yaml.safe_dump(data))
    spec = read_spec(str(file))
    folders = {m.given["folder"] for _, m in spec.models()}
    assert {Path(f).resolve() for f in folders} == {project / "specs" / "model"}


def test_the_path_of_code_is_no_file(project: Path) -> None:
    student = {**small_data()["student"], "model": {"name": "module", "path": "my_nets:Net"}}
    _write(project / "specs", student=student)
    assert read_spec("specs/own.yaml").student.model.given["path"] == "my_nets:Net"
