"""The benchmarks can be loaded, and the smallest of them run."""

import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

# Before a benchmark loads Ray: it reads what this sets.
import sweep.adapters.ray.tune  # noqa: F401
from trainers.registry import TASKS

BENCH = Path(__file__).parents[2] / "bench"
NAMES = ("bare_loop", "against_careful", "against_stock", "careful_script", "convolutions",
         "hypergradient", "classification", "incremental", "lanes", "page", "referee", "scale",
         "stock_stack", "text", "writer", "language", "recommendation", "ctc",
         "detection", "start", "forecast", "simulate")  # fmt: skip


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Loads a benchmark as `python bench/NAME.py` does, with its folder first in the path."""
    monkeypatch.syspath_prepend(BENCH)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    return load


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_says_what_it_measures_and_how_it_is_run(load: Any, name: str) -> None:
    said = load(name).__doc__
    assert f"python bench/{name}.py" in said


def test_both_ways_of_the_update_agree(load: Any) -> None:
    bench = load("hypergradient")
    seconds = bench.times(bench.made_up(90, 30, classes=4, features=3), rounds=1)
    assert set(seconds) == {"ours", "outer"}


def test_an_update_that_differs_is_refused(load: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = load("hypergradient")
    monkeypatch.setitem(bench.WAYS, "ours", lambda problem: 1.001 * bench.ours(problem))
    with pytest.raises(RuntimeError, match="more than"):
        bench.times(bench.made_up(60, 30, classes=4, features=3), rounds=1)


def test_the_referee_goes_on_from_a_filled_study(load: Any) -> None:
    point = load("referee").measure(trials=40, generations=1)
    assert set(point) == {"report_ms", "reports_per_second", "ask_ms", "recall_s"}


def test_the_usual_parts_train(load: Any) -> None:
    bench = load("stock_stack")
    x, y = torch.rand(300, 64), torch.arange(300) % bench.CLASSES
    data = bench.Data(x, y, x[:90], y[:90], x[:60], y[:60], teacher=torch.rand(300, 10))
    config = {"lr": 0.1, "temperature": 4.0, "variant": "convex", "meta_lr": 1e3}
    for variant in bench.VARIANTS:
        config["variant"] = variant
        rows = list(bench.train(bench.mlp(4), data, "alm_kd", config, epochs=3))
        assert rows[1]["lambda_label"] != rows[2]["lambda_label"]


def test_tables_of_the_page_are_written_from_the_results(load: Any, tmp_path: Path) -> None:
    page = load("page")
    machine = {"command": "python bench/writer.py", "code_version": "abc", "machine": "Linux",
               "processor": "p", "gpu": None, "python": "3", "torch": "2"}  # fmt: skip
    result = {"trials": 64, "epochs": 30, "metrics": 12, "cpu_ms": 31.25, "wall_ms": 40.0}
    written = machine | result | {"in_the_way_ms": 1.0}
    (tmp_path / "writer.json").write_text(json.dumps(written), encoding="utf-8")
    text = "a\n<!-- table: writer -->\nold\n<!-- end -->\nb\n<!-- table: scale -->\n<!-- end -->\n"
    filled = page.filled(text, tmp_path)
    assert "| SQLite | 64 | 30 | 12 | 31.2 | 40 | 1 |" in filled
    assert "old" not in filled
    assert "Not measured yet." in filled
    assert page.filled(filled, tmp_path) == filled


def test_the_page_is_in_step_with_the_results(load: Any) -> None:
    page = load("page")
    text = page.PAGE.read_text(encoding="utf-8")
    assert page.filled(text, page.RESULTS) == text
    assert all(f"<!-- table: {name} -->" in text for name in (page.OVERVIEW, *page.TABLES))


def test_every_task_has_its_row(load: Any, tmp_path: Path) -> None:
    page = load("page")
    assert set(page.TASKS) == set(TASKS)
    speed = {"sweep": 2.5, "lanes": None, "step": 1.125}
    (tmp_path / "detection.json").write_text(json.dumps({"speed": speed}), encoding="utf-8")
    rows = page.every_task(tmp_path)
    assert "| detection | 2.5 | in turn | 1.12 |" in rows
    assert "| text | not measured | not measured | not measured |" in rows


def test_a_speed_is_that_of_the_sweep_over_the_plain_loop(load: Any) -> None:
    bench = load("processes")
    sweep = bench.Swept(trials=3, trial_epochs=60, seconds=20.0, peak_memory_mb=1.0)
    # 3 trial-epochs a second, where the plain loop has one in half a second.
    assert bench.speeds(sweep, 0.5, 4.0, 0.9) == {"sweep": 1.5, "lanes": 4.0, "step": 0.9}
