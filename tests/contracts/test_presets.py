"""Every preset is checked, planned, and, shrunk, run by the real trainers and the real studies."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from sweep.adapters.optuna.rules import check_rules
from sweep.commands.plan_text import describe
from sweep.compare.outlook import seed_notes
from sweep.plan.plan import Plan
from sweep.referee.referee import Referee
from sweep.spec.presets import presets
from sweep.spec.reader import check_spec, read_spec
from sweep.spec.spec import SweepSpec
from sweep.spec.student import is_trained
from tests.sweep.specs import put
from tests.sweep.stage import MemoryTracker, studies, train_in_process
from tests.trainers.text.bert import bert
from tests.trainers.text.cases import texts
from trainers.loading import load_dataset, missing

EVERY = pytest.mark.parametrize("name", presets())
# Of each network its smallest form.
SMALLEST: Mapping[str, Mapping[str, Any]] = {
    "mlp": {"name": "mlp", "hidden": [8]},
    "wrn": {"name": "wrn", "depth": 10, "width": 1},
    "transformer": {"name": "transformer", "width": 8, "heads": 2},
    "pretrained": {"name": "pretrained", "train": "last_layer"},
    "decoder": {"name": "decoder", "width": 8, "heads": 2},
    "factors": {"name": "factors", "width": 4},
    "ease": {"name": "ease"},
    "conv": {"name": "conv", "width": 4, "layers": 1},
    "gru": {"name": "gru", "width": 4, "layers": 1},
    "oracle": {"name": "oracle", "width": 4, "layers": 2, "heads": 2},
    "detector": {"name": "detector", "width": 2, "layers": 1},
}
# Words that a small form keeps.
KEPT_WORDS = ("embeddings", "norm")
CNN = {"name": "plain_cnn", "depth": 2, "width": 4}
SPLITS = {"train": 0.5, "meta": 0.1, "validation": 0.15, "test": 0.25}
BUDGETS: Mapping[str, Any] = {"search.trials": 2, "search.generation": 2, "confirm.seeds": 2}
# Stands in for a data set that is not at hand: images that every network takes.
STAND_IN = {"dataset": "digits"}
# By task what always does so.
MADE_UP: Mapping[str, Mapping[str, Any]] = {
    "language": {"dataset": "addition"},
    "recommendation": {"dataset": "affinity", "users": 10, "items": 60, "interactions": 300},
    "ctc": {"dataset": "digit_lines"},
    "detection": {"dataset": "canvases", "canvases": 200, "side": 48},
}


def _texts(spec: SweepSpec, folder: Path) -> dict[str, Any]:
    """Made-up texts in place of what would have to be fetched, and a small network for its own."""
    written, labels = texts(200)
    pd.DataFrame({"text": written, "label": labels}).to_csv(folder / "texts.csv", index=False)
    given = {"pretrained": str(bert(folder / "bert"))} if "pretrained" in spec.data.given else {}
    splits = {**SPLITS, "test": 0.15, "teacher": 0.1}
    path = str(folder / "texts.csv")
    return {"dataset": "csv", "path": path, "max_length": 8, "splits": splits, **given}


def _shrunk(spec: SweepSpec, folder: Path) -> SweepSpec:
    """The same methods on some of the data at the highest noise rate, with tiny budgets."""
    data = spec.model_dump(mode="json")
    if spec.task_entry.name == "text":
        data["data"] = _texts(spec, folder)
    elif spec.task_entry.name in MADE_UP:
        data["data"] = {**MADE_UP[spec.task_entry.name], "splits": SPLITS}
    elif missing(spec.data_settings()):
        augment = data["data"].get("augment", "none")
        stream = {"stream": data["data"]["stream"]} if "stream" in data["data"] else {}
        data["data"] = {**STAND_IN, "augment": augment, "splits": SPLITS, **stream}
    data["data"]["examples"] = 200
    data["conditions"]["noise_rate"] = data["conditions"]["noise_rate"][-1:]
    teachers = data["teacher"] if isinstance(data["teacher"], list) else [data["teacher"]]
    for network in (data["student"], *filter(is_trained, teachers)):
        words = {name: size for name, size in network["model"].items() if name in KEPT_WORDS}
        network["model"] = {**SMALLEST.get(network["model"]["name"], CNN), **words}
        steps = {"steps": 2} if network["training"].get("steps") else {}
        network["training"] = {"epochs": 2, "batch_size": 32, **steps}
    for row in data["methods"]:
        if row["method"] == "fine_tuning":
            row["pin"] = {**row["pin"], "fine_tune_epochs": 1}
    if data["search"]["shortlist"] != "none":
        data["search"]["shortlist"] = {"configurations": 2, "seeds": 1}
    for path, value in BUDGETS.items():
        put(data, path, value)
    return check_spec(data, "shrunk")


@EVERY
def test_preset_is_a_spec_that_can_be_planned(name: str) -> None:
    spec = read_spec(name)
    check_rules(spec)
    assert spec.name == name
    assert spec.description
    assert describe(spec)
    assert Plan(spec).budget().confirm_runs > 0
    assert not seed_notes(Plan(spec)), "its seeds can never show a difference"


@EVERY
def test_preset_writes_no_field_that_it_does_not_mean(name: str) -> None:
    text = presets()[name].read_text(encoding="utf-8")
    again = yaml.safe_load(yaml.safe_dump(read_spec(name).model_dump(mode="json")))
    assert text.startswith("# ")
    assert check_spec(again, name) == read_spec(name)


@EVERY
def test_shrunk_preset_runs_to_its_end(name: str, tmp_path: Path) -> None:
    plan = Plan(_shrunk(read_spec(name), tmp_path))
    tracker = MemoryTracker()
    referee = Referee(plan, studies(plan, tmp_path), tracker)
    for _, outcomes in train_in_process(referee, load_dataset(plan.spec.data_settings())):
        assert outcomes
    progress = referee.progress()
    assert progress.done == progress.planned
    assert not progress.states.get("failed")
    metric = plan.spec.objective.metric
    for run in tracker.of("confirm").values():
        assert run.states == ["running", "complete"]
        assert f"test_{metric}" in run.last
    for stage in ("teacher", "search"):
        assert all(f"test_{metric}" not in run.last for run in tracker.of(stage).values())


@pytest.mark.parametrize(
    ("name", "held_out_batch", "grad_fit", "milestones"),
    [
        ("cifar10_paper", 1000, None, (150, 180)),
        ("cifar100_paper", 1000, None, (150, 180)),
        ("cars_paper", 64, 2, (150, 180)),
        ("aircraft_paper", 200, 2, (150, 180, 210)),
    ],
)
def test_presets_after_alm_kds_authors_have_their_settings(
    name: str, held_out_batch: int, grad_fit: int | None, milestones: tuple[int, ...]
) -> None:
    """Those of their configurations; 3 batches a group where nothing is pinned."""
    spec = read_spec(name)
    uses = {use.label: use for use in spec.methods}
    for label in ("alm_kd", "alm_kd_withheld"):
        assert uses[label].pin["held_out_batch"] == held_out_batch
        assert uses[label].pin.get("grad_fit") == grad_fit
    assert uses["alm_kd_withheld"].clean_use == uses["fixed_kd_withheld"].clean_use == "withhold"
    splits = spec.data.splits
    assert splits.meta + splits.validation == pytest.approx(0.1)
    for network in (spec.student, *spec.teacher):
        assert tuple(network.training.milestones) == milestones
        sizes = network.model.settings().sizes
        if network.model.name.startswith("resnet"):
            assert sizes["shortcut"] == "projection"
