"""How a spec names methods of the user's own, and that it runs none of them unless allowed to."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from search_spaces.domains import Float
from sweep.adapters.ray.jobs import written_into
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.spec.code_needed import needs_code
from sweep.spec.reader import check_spec, read_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.own_methods import ENTRY, Borrowed
from tests.sweep.specs import small_data
from trainers.fields import Limit
from trainers.own import _declared, kept, take_up
from trainers.registry import TASKS

PATH = "tests.sweep.own_methods:Squared"
BASELINE = {"method": "fixed_kd", "baseline": True}


def _data(method: object, **use: object) -> dict[str, object]:
    return small_data({"methods": [{"method": method, **use}, BASELINE]})


def _spec(**use: object) -> SweepSpec:
    return check_spec(_data({"path": PATH}, **use), "small", allow_code=True)


def test_the_label_is_the_name_of_the_class_unless_there_is_another() -> None:
    assert _spec().methods[0].label == "Squared"
    assert _spec(label="mine").methods[0].label == "mine"


def test_hyperparameters_are_the_tasks_and_its_own() -> None:
    (cell, *_) = Plan(_spec()).cells
    assert [h.name for h in cell.entry.hyperparameters] == [
        *("lr", "weight_decay", "temperature", "beta")
    ]
    assert set(cell.space) == {"lr", "temperature", "beta"}
    assert cell.space["beta"] == Float(0.1, 10.0, log=True)


def test_what_trains_is_the_class_at_the_path_whatever_its_entry_was_made_of() -> None:
    path = "tests.sweep.own_methods:Borrowed"
    (cell, *_) = Plan(check_spec(_data({"path": path}), "small", allow_code=True)).cells
    assert cell.entry.implementation == path
    assert cell.entry.load() is Borrowed


def test_a_spec_replaces_its_ranges_and_pins_its_hyperparameters() -> None:
    data = _data({"path": PATH}, label="mine")
    data["search"]["own"] = {"mine": {"beta": {"low": 1.0, "high": 2.0}}}  # type: ignore[index]
    (cell, *_) = Plan(check_spec(data, "small", allow_code=True)).cells
    assert cell.space["beta"] == Float(1.0, 2.0)
    (cell, *_) = Plan(_spec(pin={"beta": 2.0})).cells
    assert "beta" not in cell.space


def test_what_a_spec_says_is_read_back_as_it_was() -> None:
    spec = _spec()
    text = yaml.safe_dump(spec.model_dump(mode="json"))
    assert check_spec(yaml.safe_load(text), "again", allow_code=True) == spec
    assert needs_code(spec) == (PATH,)


@pytest.mark.parametrize(
    ("method", "said"),
    [
        (PATH, f"'{PATH}' is code of your own; write it as {{path: '{PATH}'}}"),
        ({"path": "no_colon"}, "must be a name, or {path: package.module:Class}"),
        ({"path": 3}, "must be a name, or {path: package.module:Class}"),
        ({"path": PATH, "label": "x"}, "must be a name, or {path: package.module:Class}"),
        ({}, "must be a name, or {path: package.module:Class}"),
    ],
)
def test_what_is_no_path_is_refused(method: object, said: str) -> None:
    with pytest.raises(BadInput) as raised:
        check_spec(_data(method), "small", allow_code=True)
    (line,) = str(raised.value).splitlines()
    assert "methods.0" in line
    assert said in line


@pytest.mark.parametrize(
    ("pin", "said"),
    [({"beta": -1.0}, "must be in [0, inf)"), ({"gamma": 1.0}, "'gamma' is no hyperparameter of")],
)
def test_its_hyperparameters_are_checked_as_others_are(pin: dict[str, float], said: str) -> None:
    with pytest.raises(BadInput, match="pin") as raised:
        _spec(pin=pin)
    assert said in str(raised.value)


ASK = """
import json, sys
from sweep.errors import BadInput
from sweep.spec.reader import check_spec
from trainers.own import take_up
data, rows = json.loads(sys.argv[1])
take_up(rows)
try:
    print(check_spec(data, "small").methods[0].label)
except BadInput as error:
    print(error)
print([name for name in ("tests.sweep.own_methods", "torch") if name in sys.modules])
"""


def _asked(rows: object) -> list[str]:
    """What a process of its own says, that is not allowed to run code."""
    arguments = json.dumps([_data({"path": PATH}), rows])
    done = subprocess.run(
        [sys.executable, "-c", ASK, arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


def test_nothing_is_run_that_was_not_allowed() -> None:
    assert _asked({}) == [
        f"small: runs the code of {PATH}, which a spec alone may not do; if you trust it, give "
        "--allow-code",
        "[]",
    ]


def test_a_kept_row_says_all_that_it_said() -> None:
    """Limits, and where it asks teachers about held-out examples, through JSON."""
    row = replace(
        ENTRY,
        limits=(Limit({"beta": 0.0}, "labels_only", {"temperature": 4.0}),),
        asks_held_out=({"beta": 1.0},),
    )
    path = "nowhere.at_all:Row"
    take_up({path: json.loads(json.dumps(_declared(row)))})
    taken = TASKS["classification"].methods[path]
    assert (taken.limits, taken.asks_held_out) == (row.limits, row.asks_held_out)


def test_with_its_row_kept_a_spec_is_read_without_its_code() -> None:
    _spec()
    assert _asked({PATH: kept(PATH)}) == ["Squared", "[]"]


def test_it_travels_to_a_cluster_with_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for place in (here, there):
        place.mkdir()
    (here / "my_kd.py").write_text("from tests.sweep.own_methods import Squared as Mine\n")
    monkeypatch.chdir(here)
    monkeypatch.syspath_prepend(here)
    spec = check_spec(_data({"path": "my_kd:Mine"}), "small", allow_code=True)
    command = written_into(there, spec, ["--stop-after", "2h"])
    assert command[-3:] == ["--allow-code", "--stop-after", "2h"]
    assert {path.name for path in there.iterdir()} == {"small.yaml", "my_kd.py"}
    assert read_spec(str(there / "small.yaml"), allow_code=True) == spec


def test_code_that_a_condition_or_a_row_names_has_to_be_allowed_too() -> None:
    narrow = {"name": {"path": "tests.sweep.own_parts:Narrow"}}
    module = {"name": "module", "path": "my.code:Net"}
    data = small_data(
        {
            "conditions.vary": {"student": {"a": {"student.model": narrow}}},
            "methods": [
                {"method": "fixed_kd", "baseline": True, "with": {"teacher.model": module}}
            ],
        }
    )
    spec = check_spec(data, "small", allow_code=True)
    assert needs_code(spec) == (narrow["name"]["path"], module["path"])
