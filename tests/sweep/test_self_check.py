"""What a method of the user's own does wrong is told at its launch, before anything is written."""

from pathlib import Path

import pytest
from rich.console import Console

from sweep.errors import BadInput
from sweep.inputs import refuse_unsound_code
from sweep.places import Places
from sweep.plan.plan import Plan
from sweep.run import launch
from sweep.self_check import check_cohort, cohort_of
from sweep.spec.reader import check_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import small_data
from tests.trainers.cases import usual_clean
from trainers.classification.entry import CLASSIFICATION
from trainers.loading import load_dataset

MODULE = "tests.sweep.own_methods"
BASELINE = {"method": "fixed_kd", "baseline": True}
# What begins later by default than the check lasts.
EARLY = {
    "alm_kd": {"warmup_epochs": 0, "update_every": 1},
    "crust": {"coreset_after": 1},
    "fine_tuning": {"fine_tune_epochs": 3},
}


def _spec(name: str, **changes: object) -> SweepSpec:
    own = {"method": {"path": f"{MODULE}:{name}"}, "label": "mine"}
    methods = [own, BASELINE]
    return check_spec(small_data({"methods": methods, **changes}), "small", allow_code=True)


@pytest.mark.parametrize("name", ["Squared", "Jittered"])
def test_a_sound_method_passes(name: str) -> None:
    refuse_unsound_code(Plan(_spec(name)))


@pytest.mark.parametrize("name", CLASSIFICATION.methods)
@pytest.mark.parametrize("model", [{"name": "mlp", "hidden": [8]}, {"name": "resnet8"}])
def test_every_method_of_almkd_passes(name: str, model: dict[str, object]) -> None:
    one = small_data()["teacher"]
    several = CLASSIFICATION.methods[name].teachers == "several"
    row = {"method": name, "label": "it", "clean": usual_clean(name), "pin": EARLY.get(name, {})}
    changes = {
        "student.model": model,
        "teacher": [one, one] if several else one,
        "methods": [row, BASELINE],
    }
    plan = Plan(check_spec(small_data(changes), "small"))
    dataset = load_dataset(plan.spec.data_settings())
    check_cohort(plan, name, cohort_of(plan, plan.cells[0]), dataset)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "plain_cnn", "depth": 2, "width": 4},
        {"name": "module", "path": f"{MODULE}:Net", "arguments": {"width": 4}},
    ],
)
def test_so_it_does_on_networks_whose_lanes_train_in_turn(model: dict[str, object]) -> None:
    refuse_unsound_code(Plan(_spec("Jittered", **{"student.model": model})))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("NoMethod", "is no subclass of trainers.method.Method; derive it from that"),
        ("Reduced", "gives losses(step) of the shape (3,); it has to be a tensor (3, 16)"),
        ("Infinite", "gives losses that are not finite"),
        ("SteepAtZero", "gives losses with a gradient that is not finite"),
        ("Detached", "no gradient leads to the student"),
        ("Raising", "raises KeyError: 'gamma' (own_methods.py, line "),
        ("Leaking", "leaks: a lane has other numbers beside another lane than alone"),
        ("DividedByLanes", "leaks: a lane has other numbers beside another lane than alone"),
        ("Unseeded", "gives other numbers every time"),
        (
            "ForgetsToCut",
            "once keep(lanes) has cut a lane out, it raises RuntimeError",
        ),
        ("CutsTheWrong", "other numbers once another was stopped; keep(lanes) has to cut"),
        ("Forgetful", "goes on with other numbers than before it was broken off"),
        (
            "CannotGoOn",
            "what state() gave, it raises KeyError: 'generators' (own_methods.py",
        ),
        ("OddMetrics", "gives metrics()['beta'] of the shape (4, 4); it has to be a tensor (3,)"),
        ("OddTables", "gives tables()['weights'] of the shape (2, 3)"),
    ],
)
def test_what_a_method_does_wrong_is_told_in_one_sentence(
    name: str, said: str, tmp_path: Path
) -> None:
    places = Places(tmp_path / "runs")
    with pytest.raises(BadInput) as raised:
        launch(_spec(name), places, Console(quiet=True))
    (line,) = str(raised.value).splitlines()
    assert line.startswith(f"small: {MODULE}:{name} ")
    assert said in line
    assert not places.runs_dir.exists()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        (f"{MODULE}:Undeclared", "does not say which hyperparameters it has; give it an attribute"),
        (f"{MODULE}:Unbounded", "its entry gives beta the default -1.0, which must be in [0, inf)"),
        (f"{MODULE}:Twice", "its entry declares 'beta' twice; name each once"),
        (f"{MODULE}:NoField", "its entry declares 'beta'; it has to be a trainers.fields.Field"),
        (
            f"{MODULE}:ManyTeachers",
            "its entry has teachers 'two'; choose one of none, one, several",
        ),
        (f"{MODULE}:EmptyRange", "space.beta: "),
        (f"{MODULE}:OwnLr", "space.lr: all methods search the same range of lr"),
        (f"{MODULE}:ROW", "its entry has the implementation ''; write it as package.module:Class"),
        (f"{MODULE}:Nothing", "cannot be loaded: AttributeError"),
        ("tests.sweep.no_such_module:Method", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_row_that_is_none_is_refused_with_the_spec(path: str, said: str) -> None:
    methods = [{"method": {"path": path}}, BASELINE]
    with pytest.raises(BadInput) as raised:
        check_spec(small_data({"methods": methods}), "small", allow_code=True)
    (line,) = str(raised.value).splitlines()
    assert path in line
    assert said in line
