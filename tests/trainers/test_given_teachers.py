"""Weights and logits of a user's own, as teachers: what is read, and what is refused."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from trainers.classification.networks.build import build_model
from trainers.data.errors import DataError
from trainers.given_teachers import fitted, given_outputs, given_weights
from trainers.loading import load_dataset
from trainers.settings import DataSpec, ModelSpec, SplitFractions

DOCS = Path(__file__).parents[2] / "docs"
MLP = ModelSpec("mlp", {"hidden": (12,)})
DATA = DataSpec("digits", SplitFractions(0.5, 0.1, 0.15, 0.25))
DIGITS = load_dataset(DATA)
PART = replace(DATA, options={"examples": 200})
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(len(DIGITS), 10)).astype(np.float32)

Weights = dict[str, torch.Tensor]


def _weights() -> Weights:
    network = build_model(MLP, (1, 8, 8), 10, [torch.Generator().manual_seed(3)])
    return {name: t.clone() for name, t in network.single().state_dict().items()}


def _read(file: Path, model: ModelSpec = MLP) -> dict[str, Any]:
    given = given_weights(file, model, DIGITS, DATA).weights
    assert given is not None
    return dict(given)


def _nested(weights: Weights) -> dict[str, Any]:
    optimizer = {"state": {0: {"momentum": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]}
    best = torch.tensor(93.1)
    return {"epoch": 3, "best": best, "model_state_dict": weights, "optimizer": optimizer}


FORMS: dict[str, Callable[[Weights], Any]] = {
    "as it is": lambda w: w,
    "of DataParallel": lambda w: {f"module.{name}": t for name, t in w.items()},
    "of a student": lambda w: {f"network.{name}": t for name, t in w.items()},
    "of Lightning": lambda w: {"state_dict": {f"model.net.{n}": t for n, t in w.items()}},
    "of a checkpoint": _nested,
    "alone under another name": lambda w: {"epoch": 3, "ema": w},
    "in half precision": lambda w: {name: t.half().float().bfloat16() for name, t in w.items()},
    "with counters": lambda w: {**w, "norm.num_batches_tracked": torch.tensor(3)},
}


@pytest.mark.parametrize("form", FORMS)
def test_weights_are_found_by_the_networks_own_names(form: str, tmp_path: Path) -> None:
    weights = _weights()
    torch.save(FORMS[form](weights), tmp_path / "teacher.pt")
    found = _read(tmp_path / "teacher.pt")
    assert list(found) == list(weights)
    within = 1e-2 if "half" in form else 0.0
    for name, tensor in weights.items():
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(found[name], tensor.numpy(), rtol=within, atol=within)


def test_safetensors_are_read_too(tmp_path: Path) -> None:
    weights = _weights()
    save_file(weights, tmp_path / "teacher.safetensors")
    found = _read(tmp_path / "teacher.safetensors")
    assert all(np.array_equal(found[name], weights[name].numpy()) for name in weights)


def test_all_that_does_not_fit_is_listed() -> None:
    network = build_model(MLP, (1, 8, 8), 10, [torch.Generator()]).single()
    weights = _weights()
    del weights["head.bias"]
    weights["head.weight"] = torch.zeros(100, 12)
    weights["body.0.bias"] = torch.full((12,), math.nan)
    weights |= {f"extra.{i}": torch.zeros(1) for i in range(5)}
    with pytest.raises(DataError) as refused:
        fitted(weights, network, "teacher.pt", "mlp")
    assert str(refused.value).startswith(
        "teacher.pt: is not of the network mlp: missing: head.bias; unexpected: extra.0, extra.1, "
        "extra.2 and 2 more; of another shape: head.weight (100, 12) in place of (10, 12); not "
        "finite: body.0.bias. "
    )


class Code:
    """Not among what is read of a file."""


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"net": Code()}, "code in it is not run: save model.state_dict()"),
        ([1, 2], "holds no weights by name"),
        ({"a": {"x": torch.ones(1)}, "b": {"x": torch.ones(1)}}, "but several under a, b"),
    ],
)
def test_other_files_of_torch_are_refused(content: Any, said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "teacher.pt")
    with pytest.raises(DataError, match=r"teacher\.pt") as refused:
        _read(tmp_path / "teacher.pt")
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({}, ""),
        ({"shape": [1, 28, 28]}, "whose shape is [1, 28, 28], and here it is [1, 8, 8]"),
        ({"class_names": ["a", "b"]}, "whose class names is ['a', 'b']"),
        ({"network": {"name": "resnet8", "sizes": {}}}, "is of the network resnet8"),
    ],
)
def test_a_students_description_has_to_fit(told: dict[str, Any], said: str, tmp_path: Path) -> None:
    save_file(_weights(), tmp_path / "student.safetensors")
    (tmp_path / "student.json").write_text(json.dumps({"format": 1, **told}))
    for file in (tmp_path, tmp_path / "student.safetensors"):
        if not said:
            assert len(_read(file)) == 4
            continue
        with pytest.raises(DataError) as refused:
            _read(file)
        assert said in str(refused.value)


def _written(file: Path, logits: np.ndarray[Any, Any]) -> Path:
    if file.suffix == ".npy":
        np.save(file, logits)
    elif file.suffix == ".npz":
        np.savez(file, whatever=logits)
    else:
        table = pd.DataFrame(logits, columns=[f"logit_{c}" for c in range(logits.shape[1])])
        table.assign(row=range(len(logits))).sample(frac=1.0, random_state=0).to_parquet(file)
    return file


@pytest.mark.parametrize("name", ["t.npy", "t.npz", "t.parquet"])
def test_logits_come_in_the_order_of_the_data_set(name: str, tmp_path: Path) -> None:
    file = _written(tmp_path / name, LOGITS)
    given = given_outputs(file, DIGITS, DATA).outputs
    assert given is not None
    assert np.array_equal(given["logits"], LOGITS)


def test_of_a_part_the_logits_are_its_own_or_those_of_the_whole(tmp_path: Path) -> None:
    part = load_dataset(PART)
    whole = given_outputs(_written(tmp_path / "whole.npy", LOGITS), part, PART).outputs
    assert whole is not None
    own = given_outputs(_written(tmp_path / "own.npy", whole["logits"]), part, PART).outputs
    assert own is not None
    assert np.array_equal(own["logits"], whole["logits"])
    # Whose they are, the inputs tell: each example of the part is found in the whole.
    inputs = {x.tobytes(): i for i, x in enumerate(DIGITS.inputs)}  # type: ignore[attr-defined]
    rows = [inputs[x.tobytes()] for x in part.inputs]  # type: ignore[attr-defined]
    assert np.array_equal(whole["logits"], LOGITS[rows])


PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("logits", "said"),
    [
        (LOGITS[:500], "holds outputs for 500 examples; digits has 1797 and needs a row for each"),
        (LOGITS[:, :9], "logits are numbers (N, 10)"),
        (LOGITS[:, 0], "logits are numbers (N, 10)"),
        (np.where(LOGITS > 3, np.inf, LOGITS), "holds NaN, infinity"),
        (1e300 * LOGITS.astype(np.float64), "beyond single precision"),
        (PROBABILITIES, "its rows are probabilities"),
        (PROBABILITIES.astype(np.float16), "its rows are probabilities"),
        (LOGITS.astype("U4"), "logits are numbers (N, 10)"),
    ],
)
def test_what_cannot_be_logits_is_refused(
    logits: np.ndarray[Any, Any], said: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "t.npy", logits)
    with pytest.raises(DataError, match=r"t\.npy: ") as refused:
        given_outputs(tmp_path / "t.npy", DIGITS, DATA)
    assert said in str(refused.value)


def test_too_few_rows_for_a_part_are_told_both_counts(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", LOGITS[:500])
    with pytest.raises(DataError, match="digits has 200, or 1797, as many as the whole of it,"):
        given_outputs(tmp_path / "t.npy", load_dataset(PART), PART)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.drop(columns="logit_3"), "has 9 columns of logits; for 10 classes"),
        (lambda t: t.rename(columns=lambda n: f"p{n}"), "has 0 columns of logits"),
        (
            lambda t: t.assign(row=0),
            "its column row does not name the examples 0 to 1796 once each",
        ),
    ],
)
def test_a_table_of_logits_names_its_columns(
    change: Callable[[pd.DataFrame], pd.DataFrame], said: str, tmp_path: Path
) -> None:
    table = pd.DataFrame(LOGITS, columns=[f"logit_{c}" for c in range(10)])
    change(table).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(DataError) as refused:
        given_outputs(tmp_path / "t.parquet", DIGITS, DATA)
    assert said in str(refused.value)


def test_the_example_of_the_docs_gives_logits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (DOCS / "data.md").read_text(encoding="utf-8")
    code = text.split("<!-- runs: a teacher of trees -->\n```python\n")[1].split("```")[0]
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/data.md", "exec"), {})
    outputs = given_outputs(Path("forest.npy"), DIGITS, DATA).outputs
    assert outputs is not None
    assert np.mean(outputs["logits"].argmax(1) == DIGITS.strata) > 0.9
