"""Bad input gives one message with file, field, value and remedy; never anything else."""

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.adapters.optuna.rules import check_rules
from sweep.errors import BadInput
from sweep.plan.plan import Plan
from sweep.spec.reader import MOST_BYTES, check_spec, read_spec
from sweep.spec.spec import SweepSpec
from tests.sweep.specs import SMALL, small_data, small_spec
from trainers.classification.data.lanes import Treatment
from trainers.settings import NoiseSpec, Selection, SplitFractions

# What is changed in a good spec, to what, and the words that the message must hold.
WRONG: Sequence[tuple[str, Any, Sequence[str]]] = (
    # unknown fields
    ("nmae", "x", ["nmae", "no field here", "'name'", "remove it"]),
    ("search.trails", 3, ["search.trails", "did you mean 'trials'?"]),
    ("student.training.epoch", 3, ["student.training.epoch", "'epochs'"]),
    ("methods.0.pins", {}, ["methods.0.pins", "'pin'"]),
    ("search.shared.lr", {"lo": 1, "high": 2}, ["search.shared.lr.lo", "'low'"]),
    # wrong types
    ("name", 7, ["name: 7 (a whole number)", "text", "quotes"]),
    ("seed", "0", ["seed: '0' (text)", "whole number"]),
    ("seed", 1.5, ["seed: 1.5", "whole number"]),
    ("seed", True, ["seed: True (true or false)", "whole number"]),
    ("confirm.seeds", None, ["confirm.seeds: None (nothing)", "whole number"]),
    ("methods.1.baseline", "yes", ["methods.1.baseline: 'yes'", "true or false"]),
    ("conditions.noise_rate", 0.4, ["conditions.noise_rate: 0.4", "a list"]),
    ("conditions.noise_rate", ["0.4"], ["conditions.noise_rate.0: '0.4' (text)", "a number"]),
    ("student.model.hidden", 16, ["student.model.hidden: 16", "a list"]),
    ("student.model", "mlp", ["student.model: 'mlp' (text)", "a mapping"]),
    ("search", [1], ["search: [1] (a list)", "a mapping"]),
    ("search.shared", 3, ["search.shared: 3", "a mapping"]),
    ("methods.0.pin", {"meta_lr": [1]}, ["methods.0.pin.meta_lr", "[1]"]),
    ("methods.0.pin", {"meta_lr": True}, ["methods.0.pin.meta_lr", "True"]),
    # out of range
    ("seed", -1, ["seed: -1", "greater than or equal to 0"]),
    ("conditions.noise_rate", [1.0], ["conditions.noise_rate.0: 1.0", "less than 1"]),
    ("conditions.noise_rate", [float("nan")], ["conditions.noise_rate.0: nan", "finite"]),
    ("resources.cpus", float("inf"), ["resources.cpus: inf", "finite"]),
    ("search.trials", 0, ["search.trials: 0", "greater than or equal to 1"]),
    ("student.model.hidden", [0], ["student.model.hidden: [0]", "0 at place 0", "[1, inf)"]),
    ("data.splits.train", 0.9, ["data.splits", "add up to 1.45", "lower them"]),
    ("student.training.momentum", 0.0, ["student.training", "Nesterov", "nesterov: false"]),
    # empty lists, and things named twice
    ("methods", [], ["methods: [] (a list)", "at least one"]),
    ("conditions.noise_rate", [], ["conditions.noise_rate: []", "at least one"]),
    ("student.model.hidden", [], ["student.model.hidden: []", "at least one"]),
    ("conditions.noise_rate", [0.2, 0.2], ["conditions.noise_rate", "[0.2, 0.2]", "once"]),
    # unknown names, with the nearest
    ("data.dataset", "digit", ["data.dataset: 'digit'", "did you mean 'digits'?"]),
    ("methods.0.method", "almkd", ["methods.0.method: 'almkd'", "did you mean 'alm_kd'?"]),
    ("search.sampler.name", "tpee", ["search.sampler.name: 'tpee'", "did you mean 'tpe'?"]),
    ("search.pruner.name", "medain", ["search.pruner.name: 'medain'", "did you mean 'median'?"]),
    ("objective.metric", "acuracy", ["objective.metric: 'acuracy'", "did you mean 'accuracy'?"]),
    ("student.model.name", "mpl", ["student.model.name: 'mpl'", "did you mean 'mlp'?"]),
    ("conditions.noise_kind", ["symetric"], ["noise_kind.0: 'symetric'", "'symmetric'?"]),
    ("conditions.teacher_labels", ["noise"], ["teacher_labels.0: 'noise'", "'noisy' or 'clean'"]),
    ("student.training.schedule", "cosin", ["'cosin'", "'linear', 'constant' or 'steps'"]),
    # the data set and what it is told
    ("data.image_size", 32, ["data.image_size: digits does not take", "takes examples"]),
    ("data", {"dataset": "npz"}, ["data.path: is missing; npz needs it", "add it"]),
    ("data", {"dataset": "image_folder", "image_size": 0}, ["data.image_size: 0"]),
    ("data", {"dataset": "blobs", "augment": "crop_flip"}, ["augment: blobs does", "remove it"]),
    ("data", {"dataset": "blobs", "spread": 0.0}, ["data.spread: 0.0", "(0, inf)"]),
    ("data.augment", "flip", ["data.augment: 'flip'", "none, crop_flip"]),
    ("data.examples", 0, ["data.examples: 0", "[1, inf)"]),
    ("data", {"dataset": "npz", "path": ""}, ["data.path: ''", "name a file"]),
    ("data", {"dataset": "npz", "path": "a\0"}, ["data.path", "cannot be a path"]),
    ("data.splits.test", "official", ["splits.test: digits has no official", "a share instead"]),
    *(
        ("data.splits.test", bad, ["data.splits.test: ", repr(bad), "(0, 1), or official"])
        for bad in (0, 1, 1.5, True, "offical", None, float("nan"), 10**400, [0.2])
    ),
    (
        "data",
        {"dataset": "cifar10", "splits": {"train": 0.9, "validation": 0.1, "test": "official"}},
        ["data.splits", "add up to 1.1"],
    ),
    # noise kinds and what they need
    ("conditions.noisy_splits", ["test"], ["noisy_splits.0: 'test'", "'meta' or 'validation'"]),
    ("conditions.noisy_splits", [], ["noisy_splits: []", "at least one"]),
    ("conditions.noise_kind", ["file"], ["noise_file: is missing; noise of the kind file"]),
    ("conditions.noise_file", "a.npy", ["noise_file: no noise kind is file"]),
    ("conditions.class_map", [[1, 2]], ["class_map: no noise kind is asymmetric"]),
    *(
        ("conditions", {"noise_kind": ["asymmetric"], "class_map": bad}, words)
        for bad, words in (
            ([[1, 1]], ["class_map: [1, 1] does not take"]),
            ([[1, -2]], ["class_map: [1, -2] does not take"]),
            ([[1, 2], [1, 3]], ["class_map: class 1 is taken for two"]),
            ([[1, 2, 3]], ["class_map: [[1, 2, 3]] holds [1, 2, 3]", "a pair"]),
            ([["1", 2]], ["holds ['1', 2]", "a pair of whole numbers"]),
            ([], ["class_map: []", "at least one"]),
        )
    ),
    # what the task has not
    ("task", "clasification", ["task: 'clasification' is no task", "'classification'?"]),
    ("task", 3, ["task: 3 (a whole number)", "text"]),
    ("compare", {"metric": "acuracy"}, ["compare.metric: 'acuracy'", "'accuracy'?", "macro_f1"]),
    ("compare", {"metrics": "loss"}, ["compare.metrics", "did you mean 'metric'?"]),
    ("objective.selection", "first", ["objective.selection: 'first'", "'best' or 'last'"]),
    ("methods.0.method", "no_kd", ["methods.0.method: 'no_kd' is no method", "fixed_kd"]),
    ("student.model.name", "gpt", ["student.model.name: 'gpt' is no model", "resnet8"]),
    ("teacher.model.name", "gpt", ["teacher.model.name: 'gpt' is no model", "resnet8"]),
    ("conditions.noise_kind", ["deletion"], ["noise_kind.0: 'deletion' is no noise kind", "pair"]),
    ("conditions.corpus", "c", ["conditions.corpus: 'corpus' is no field here", "noise_file"]),
    # names that are no safe path
    *(
        ("name", bad, ["name: ", repr(bad), "letters, digits"])
        for bad in ("", ".", "..", "a/b", "../a", "/a", "a b", ".a", "-x", "a\n", "é", "x" * 65)
    ),
    ("methods.0.label", "a/b", ["methods.0.label: 'a/b'", "letters, digits"]),
    ("methods.0.label", "teacher", ["methods.0", "'teacher' is taken", "choose another"]),
    # pins
    ("methods.0.pin", {"variant": "boks"}, ["pin.variant: 'boks'", "convex, box"]),
    ("methods.0.pin", {"meta_lr": -1.0}, ["pin.meta_lr: -1.0", "[0, inf)"]),
    ("methods.1.pin", {"alpha": 1.5}, ["pin.alpha: 1.5", "[0, 1]"]),
    ("methods.1.pin", {"alpa": 0.5}, ["pin.alpa", "'alpa'", "did you mean 'alpha'?"]),
    ("methods.2.pin", {"alpha": 0.5}, ["pin.alpha", "hyperparameter of labels_only"]),
    ("methods.0.pin", {"update_every": 1.5}, ["pin.update_every: 1.5", "whole number"]),
    # search spaces
    ("search.shared.lr", {}, ["search.shared.lr", "low and high, or choices"]),
    ("search.shared.lr", {"low": 0.1}, ["search.shared.lr", "low and high"]),
    ("search.shared.lr", {"low": 1, "choices": [1]}, ["search.shared.lr", "not both"]),
    ("search.shared.lr", {"low": 2, "high": 1}, ["search.shared.lr: [2, 1]", "low is above high"]),
    ("search.shared.lr", {"low": 0, "high": 1, "log": True}, ["search.shared.lr", "low is 0"]),
    ("search.shared.lr", {"low": -1, "high": 1, "log": True}, ["search.shared.lr", "low is -1"]),
    ("search.shared.lr", {"low": 1, "high": float("inf")}, ["search.shared.lr.high: inf"]),
    ("search.shared.lr", {"low": float("nan"), "high": 1}, ["search.shared.lr.low: nan"]),
    ("search.shared.lr", {"low": "a", "high": 1}, ["search.shared.lr.low: 'a' (text)"]),
    ("search.shared.lr", {"low": 0, "high": 1}, ["search.shared.lr: 0", "(0, inf)"]),
    ("search.shared.lr", {"choices": []}, ["search.shared.lr: the list of choices is empty"]),
    ("search.shared.lr", {"choices": [0.1, 0.1]}, ["search.shared.lr", "names a choice twice"]),
    ("search.shared.lr", {"choices": [0.1, "x"]}, ["search.shared.lr: 'x'", "a number"]),
    ("search.shared.rl", {"low": 1, "high": 2}, ["search.shared.rl: 'rl'", "did you mean 'lr'?"]),
    ("search.own.fixed_kd.alpha", {"low": 0, "high": 2}, ["own.fixed_kd.alpha: 2", "[0, 1]"]),
    ("search.own.alm_kd.variant", {"low": 0, "high": 1}, ["own.alm_kd.variant", "give choices"]),
    ("search.own.alm_kd.variant", {"choices": ["conv"]}, ["variant: 'conv'", "convex, box"]),
    ("search.own.alm_kd.grad_fit", {"low": 1.5, "high": 3}, ["grad_fit", "[1.5, 3]", "whole"]),
    ("search.own.almkd", {}, ["search.own.almkd: 'almkd'", "did you mean 'alm_kd'?"]),
    ("search.own.fixed_kd.meta_lr", {"low": 1, "high": 2}, ["own.fixed_kd.meta_lr: 'meta_lr'"]),
    (
        "search.own.alm_kd.update_every",
        {"low": 1, "high": 2},
        ["search.own.alm_kd.update_every", "pinned", "drop"],
    ),
    (
        "search.own.fixed_kd.temperature",
        {"low": 1, "high": 2},
        ["own.fixed_kd.temperature: alm_kd, fixed_kd share", "put it under search.shared"],
    ),
    # the sweep as a whole
    ("methods", [{"method": "fixed_kd"}], ["no baseline", "'baseline: true'", "fixed_kd"]),
    (
        "methods",
        [{"method": "fixed_kd", "baseline": True}, {"method": "fixed_kd"}],
        ["the label 'fixed_kd' is used twice", "its own label"],
    ),
    ("methods", [{"label": "x"}], ["methods.0.method: is missing; add it"]),
)  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), WRONG)
def test_wrong_field_is_named_with_value_and_remedy(
    path: str, value: Any, words: Sequence[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        check_spec(small_data({path: value}), "the-file.yaml")
    message = str(caught.value)
    assert message.splitlines()[0].startswith("the-file.yaml: ")
    assert all(word in message for word in words), message


def test_asymmetric_noise_needs_a_map_where_there_is_no_usual_one() -> None:
    asymmetric = {"conditions.noise_kind": ["asymmetric"]}
    with pytest.raises(BadInput, match=r"conditions\.class_map: is missing; .*asymmetric needs it"):
        small_spec({**asymmetric, "data.dataset": "blobs"})
    own = {**asymmetric, "data.dataset": "blobs", "conditions.class_map": [[1, 2]]}
    assert small_spec(own).data_settings().noise.options == {"class_map": ((1, 2),)}
    usual = small_spec(asymmetric).data_settings().noise.options["class_map"]
    assert (5, 6) in usual
    assert small_spec().data_settings().noise.options == {}


def test_data_of_a_spec_are_handed_on() -> None:
    splits = {"train": 0.9, "meta": 0.02, "validation": 0.08, "test": "official"}
    data = {"dataset": "fashion_mnist", "folder": "~/f", "examples": 500, "splits": splits}
    data["augment"] = "crop_flip"
    conditions = {"noise_kind": ["file"], "noise_file": "n.npy"}
    conditions["noisy_splits"] = ["train", "meta"]
    spec = small_spec({"data": data, "conditions": conditions})
    settings = spec.data_settings()
    assert settings.options == {"folder": "~/f", "examples": 500, "augment": "crop_flip"}
    assert settings.fractions == SplitFractions(0.9, 0.02, 0.08, None)
    assert settings.noise == NoiseSpec(("train", "meta"), {"noise_file": "n.npy"})
    assert Treatment.of(settings) == Treatment(("train", "meta"), augment="crop_flip")
    again = yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json")))
    assert check_spec(again, "again") == spec


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"search.sampler.n_startup": 3}, ["search.sampler.n_startup", "'n_startup_trials'?"]),
        ({"search.sampler.n_startup_trials": "x"}, ["search.sampler", "n_startup_trials='x'"]),
        ({"search.sampler.seed": 3}, ["search.sampler.seed"]),
        ({"search.sampler": {"name": "grid", "points": 0}}, ["search.sampler", "points", "0"]),
        ({"search.sampler": {"name": "grid", "points": "x"}}, ["search.sampler", "points", "'x'"]),
        ({"search.pruner.n_warmup_steps": -1}, ["search.pruner", "n_warmup_steps=-1"]),
        ({"search.pruner.n_warmup_steps": "x"}, ["search.pruner", "n_warmup_steps='x'"]),
        ({"search.pruner.warmup": 1}, ["search.pruner.warmup", "n_warmup_steps"]),
        ({"search.pruner": {"name": "percentile"}}, ["search.pruner", "percentile"]),
        ({"search.pruner": {"name": "percentile", "percentile": 101}}, ["percentile=101"]),
        ({"search.pruner": {"name": "threshold"}}, ["search.pruner", "lower"]),
        ({"search.pruner": {"name": "patient", "wrapped": 3}}, ["search.pruner.wrapped", "3"]),
        (
            {"search.pruner": {"name": "patient", "patience": 1, "wrapped": {"name": "medain"}}},
            ["search.pruner.wrapped", "'medain'", "did you mean 'median'?"],
        ),
    ],
)
def test_rules_refuse_parameters_that_optuna_cannot_use(
    changes: dict[str, Any], words: Sequence[str]
) -> None:
    spec = small_spec(changes)
    with pytest.raises(BadInput) as caught:
        check_rules(spec)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_generation_larger_than_a_cohort_is_refused() -> None:
    spec = small_spec({"search.generation": 9, "resources.max_lanes": 8})
    with pytest.raises(BadInput, match=r"search\.generation: 9 .*resources\.max_lanes is 8; lower"):
        Plan(spec)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: [1", ["line 1", "expected"]),
        ("name: a\n\tb: c\n", ["line 2", "cannot start any token"]),
        ("name: a\nseed: 1\nname: b\n", ["line 3", "'name' stands twice", "keep one"]),
        ("search:\n  trials: 3\n  trials: 4\n", ["line 3", "'trials' stands twice"]),
        ("name: !!python/object:os.system {}\n", ["line 1", "python/object"]),
        ("name: &a [*a]\n", ["line 1", "inside itself"]),
        ("a: &a {b: *a}\n", ["line 1", "inside itself"]),
        (
            "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
            + "".join(
                f"{b}: &{b} [{', '.join(['*' + a] * 10)}]\n"
                for a, b in itertools.pairwise("abcdefghi")
            ),
            ["line 5", "holds over 20,000 values"],
        ),
        ("[" * 5000 + "]" * 5000, ["recursion"]),
        ("name: *a\n", ["undefined alias"]),
        ("? [a]\n: b\n", ["unhashable"]),
        ("<<: 3\n", ["mapping"]),
        ("- a\n", ["a spec is a mapping of fields", "a list"]),
        ("just text", ["a spec is a mapping of fields", "text"]),
        ("", ["a spec is a mapping of fields", "nothing"]),
        ("a: 1\n---\nb: 2\n", ["single document"]),
        ("name: \x07\n", ["special characters"]),
        ("a:\n  b: !!timestamp x\n", ["line 2", "'x' cannot be read as YAML's timestamp"]),
        ("a: !!bool x\n", ["line 1", "'x' cannot be read as YAML's bool"]),
        ("a: !!int ''\n", ["line 1", "'' cannot be read as YAML's int"]),
        ('a: "\\ud800"\n', ["line 1", "half a character"]),
        ('a:\n- "x\\0"\n', ["line 2", "a byte of zero"]),
        ("1: 2\n", ["1"]),
        ("when: 2024-01-01\n", ["when", "no field here"]),
        ("seed: 2024-99-99\n", ["month"]),
    ],
)
def test_text_that_is_no_spec_is_refused(tmp_path: Path, text: str, words: Sequence[str]) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        read_spec(str(path))
    assert str(path) in str(caught.value)
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_file_larger_than_any_spec_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_text("# " + "x" * MOST_BYTES, encoding="utf-8")
    with pytest.raises(BadInput, match="is larger than 1,000,000 bytes"):
        read_spec(str(path))


def test_override_of_one_place_leaves_its_alias_alone(tmp_path: Path) -> None:
    data = small_data()
    data["teacher"]["training"] = data["student"]["training"]
    path = tmp_path / "aliases.yaml"
    path.write_text(yaml.safe_dump(data), encoding="utf-8")
    assert "&id001" in path.read_text(encoding="utf-8")
    spec = read_spec(str(path), ["student.training.epochs=3"])
    assert (spec.student.training.epochs, spec.teacher[0].training.epochs) == (3, 4)


def test_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadInput, match="cannot be read as UTF-8 text"):
        read_spec(str(binary))
    folder = tmp_path / "folder.yaml"
    folder.mkdir()
    with pytest.raises(BadInput, match="no such file"):
        read_spec(str(folder))
    with pytest.raises(BadInput, match="no such file; give a YAML file or a preset's name"):
        read_spec(str(tmp_path / "missing.yaml"))
    with pytest.raises(BadInput, match="'digit' is no preset; did you mean 'digits'"):
        read_spec("digit")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("seed", ["--set seed", "write it as path=value"]),
        ("=3", ["--set =3", "path=value"]),
        ("seed=[", ["--set seed=[", "line 1"]),
        ("seed=x", ["seed: 'x' (text)", "whole number"]),
        ("seed=", ["seed: None (nothing)"]),
        ("methods.3.label=x", ["--set methods.3", "'3' is no place in a list of 3", "0 to 2"]),
        ("methods.x.label=x", ["'x' is no place in a list of 3"]),
        ("methods.-1.label=x", ["'-1' is no place"]),
        ("methods.5=x", ["'5' is no place in a list of 3"]),
        ("name.x=3", ["--set name.x=3", "name holds text"]),
        ("name.x.y=3", ["--set name.x.y=3", "text"]),
        ("serach.trials=3", ["serach", "did you mean 'search'?"]),
        ("search..trials=3", ["search"]),
        ("methods.²=x", ["'²' is no place"]),
    ],
)  # fmt: skip
def test_override_that_cannot_be_is_refused(
    tmp_path: Path, override: str, words: Sequence[str]
) -> None:
    with pytest.raises(BadInput) as caught:
        read_spec(str(_written(tmp_path)), [override])
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_overrides_reach_fields_lists_and_what_is_not_there_yet(tmp_path: Path) -> None:
    overrides = [
        "name=other",
        "search.trials=12",
        "conditions.noise_rate=[0.1, 0.3]",
        "methods.1.pin={alpha: 0.5}",
        "methods.2.label=ce",
        "resources.max_lanes=16",
        "search.shared.lr.low=1e-3",
        "search.shared.lr.high=1e-1",
        "description=a=b",
    ]
    spec = read_spec(str(_written(tmp_path)), overrides)
    assert spec.name == "other"
    assert spec.search.trials == 12
    assert spec.conditions.noise_rate == (0.1, 0.3)
    assert spec.methods[1].pin == {"alpha": 0.5}
    assert spec.methods[2].label == "ce"
    assert spec.resources.max_lanes == 16
    assert (spec.search.shared["lr"].low, spec.search.shared["lr"].high) == (1e-3, 1e-1)
    assert spec.description == "a=b"


def test_a_bad_member_of_a_list_is_told_once() -> None:
    """And not the list as empty beside it."""
    for changes, field in (
        ({"teacher.checkpoint": "t.pt"}, "teacher.checkpoint"),
        ({"conditions.noise_rate": ["x"]}, "conditions.noise_rate.0"),
        ({"methods": [{"method": "fixed_kd", "baseline": True, "colour": 1}]}, "methods.0.colour"),
    ):
        with pytest.raises(BadInput) as caught:
            check_spec(small_data(changes), "f")
        (line,) = str(caught.value).splitlines()
        assert line.startswith(f"f: {field}: ")
    with pytest.raises(
        BadInput, match=r"f: methods: \[\] \(a list\) must be a list of at least one"
    ):
        check_spec(small_data({"methods": []}), "f")


def test_several_errors_are_told_at_once() -> None:
    with pytest.raises(BadInput) as caught:
        check_spec(small_data({"seed": "x", "confirm.seeds": 0, "colour": 1}), "f")
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == [
        "seed", "confirm.seeds", "colour",
    ]  # fmt: skip


def test_fixed_alphas_stand_beside_the_tuned_one() -> None:
    fixed = [
        {"method": "fixed_kd", "label": f"alpha-{alpha}", "pin": {"alpha": alpha}}
        for alpha in (0.1, 0.5, 0.9)
    ]
    spec = small_spec({"methods": [*SMALL["methods"], *fixed]})
    spaces = {use.label: set(spec.space_of(use)) for use in spec.methods}
    assert spaces["fixed_kd"] == {"lr", "temperature", "alpha"}
    assert all(spaces[f"alpha-{alpha}"] == {"lr", "temperature"} for alpha in (0.1, 0.5, 0.9))


def test_own_range_holds_for_its_label_alone() -> None:
    spec = small_spec(
        {
            "methods": [
                {"method": "fixed_kd", "baseline": True},
                {"method": "fixed_kd", "label": "heavy"},
            ],
            "search.own.heavy.alpha": {"low": 0.8, "high": 1},
        }
    )
    alphas = [spec.space_of(use)["alpha"] for use in spec.methods]
    assert [str(domain) for domain in alphas] == ["[0, 1]", "[0.8, 1]"]


def test_a_method_that_was_renamed_is_read_by_either_name_and_keeps_its_label() -> None:
    label, own = {"method": "cross_entropy", "label": "plain"}, {"method": "labels_only"}
    old, labelled, new = small_spec({"methods": [*SMALL["methods"][1:], label, own]}).methods[1:]
    assert [use.method for use in (old, labelled, new)] == ["labels_only"] * 3
    assert [use.label for use in (old, labelled, new)] == ["cross_entropy", "plain", "labels_only"]


def test_what_a_task_says_holds_unless_the_spec_says_otherwise() -> None:
    plain = small_spec()
    assert plain.task_entry.name == "classification"
    assert (plain.objective_metric.name, plain.tested_metric.name) == ("accuracy", "accuracy")
    assert plain.selection() == Selection("accuracy", maximize=True, epoch="best")
    changes = {"objective": {"metric": "loss", "selection": "last"}}
    told = small_spec({**changes, "task": "classification", "compare.metric": "macro_f1"})
    assert told.selection() == Selection("loss", maximize=False, epoch="last")
    assert (told.objective_metric.name, told.tested_metric.name) == ("loss", "macro_f1")
    assert small_spec(changes).tested_metric.name == "loss"
    written = yaml.safe_load(yaml.safe_dump(told.model_dump(mode="json")))
    assert written["objective"] == changes["objective"]
    assert written["compare"] == {"metric": "macro_f1"}
    assert check_spec(written, "again") == told
    assert not {"task", "compare"} & set(plain.model_dump(mode="json"))


def test_several_baselines_are_accepted() -> None:
    spec = small_spec({"methods.2.baseline": True})
    assert Plan(spec).baselines == ("fixed_kd", "cross_entropy")


@pytest.mark.parametrize("number", ["1e-4", "1E-4", "1.0e-4", "+1e-4", ".0001", "0.0001"])
def test_numbers_are_read_as_people_write_them(tmp_path: Path, number: str) -> None:
    spec = read_spec(str(_written(tmp_path)), [f"teacher.lr={number}"])
    assert spec.teacher[0].lr == 1e-4


def test_spec_reads_back_equal_from_its_own_dump(tmp_path: Path) -> None:
    spec = small_spec({"search.shared.lr": {"low": 1e-5, "high": 0.5, "log": True}})
    assert check_spec(yaml.safe_load(yaml.safe_dump(spec.model_dump(mode="json"))), "") == spec


def _written(tmp_path: Path) -> Path:
    path = tmp_path / "good.yaml"
    path.write_text(yaml.safe_dump(dict(SMALL)), encoding="utf-8")
    assert isinstance(read_spec(str(path)), SweepSpec)
    return path


def test_a_cohort_may_take_custom_resources_but_none_of_rays_own() -> None:
    assert small_spec({"resources.custom": {"a100": 0.5}}).resources.custom == {"a100": 0.5}
    for name in ("CPU", "gpu", "memory", ""):
        with pytest.raises(BadInput, match=rf"resources: custom\.{name}: is no custom resource"):
            small_spec({"resources.custom": {name: 1.0}})
    with pytest.raises(BadInput, match=r"resources\.custom\.a100"):
        small_spec({"resources.custom": {"a100": 0.0}})


def test_a_share_for_teachers_is_told_on_and_left_out_where_there_is_none() -> None:
    shares = {"train": 0.3, "meta": 0.1, "validation": 0.2, "test": 0.2}
    plain = small_spec({"data": {"dataset": "digits", "splits": shares}})
    more = small_spec({"data": {"dataset": "digits", "splits": {**shares, "teacher": 0.2}}})
    assert "teacher" not in plain.model_dump(mode="json")["data"]["splits"]
    assert more.data_settings().fractions.teacher == 0.2
    keys = [Plan(spec).teachers[0].key for spec in (plain, more)]
    assert keys[0] != keys[1]
    with pytest.raises(BadInput, match=r"the shares add up to 1\.1"):
        small_spec({"data": {"dataset": "digits", "splits": {**shares, "teacher": 0.3}}})


def test_without_a_word_the_noise_is_the_usual_or_the_first_of_the_task() -> None:
    usual = small_data({"conditions": {"noise_rate": [0.2]}})
    assert check_spec(usual, "x").conditions.noise_kind == ("symmetric",)
    network = {"name": "decoder", "width": 8}
    sums = small_data(
        {
            "task": "language", "data": {"dataset": "addition"},
            "conditions": {"noise_rate": [0.2]}, "student.model": network,
            "teacher.model": network,
        }
    )  # fmt: skip
    assert check_spec(sums, "x").conditions.noise_kind == ("swap",)
