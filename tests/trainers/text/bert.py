"""A small BERT of random weights, as files."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from tests.trainers.text.cases import made_up_texts

WIDTH, HEADS, WIDE, LAYERS, PLACES = 12, 3, 20, 2, 16
# As its tokenizer has.
WORDS = made_up_texts().vocabulary
CONFIG = {
    "model_type": "bert", "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "hidden_act": "gelu",
    "num_attention_heads": HEADS, "intermediate_size": WIDE, "vocab_size": WORDS,
    "max_position_embeddings": PLACES, "layer_norm_eps": 1e-12, "type_vocab_size": 2,
    "attention_probs_dropout_prob": 0.0, "hidden_dropout_prob": 0.0,
}  # fmt: skip


def bert(folder: Path, prefix: str = "", labels: Sequence[str] = ()) -> Path:
    """A folder with a small BERT of random weights; ``labels``: with a classifier of these."""
    rng = np.random.default_rng(3)

    def drawn(*shape: int) -> np.ndarray:
        return (0.3 * rng.normal(size=shape)).astype(np.float32)

    def norm(name: str) -> dict[str, np.ndarray]:
        return {f"{name}.weight": 1 + drawn(WIDTH), f"{name}.bias": drawn(WIDTH)}

    def linear(name: str, inputs: int, outputs: int) -> dict[str, np.ndarray]:
        return {f"{name}.weight": drawn(outputs, inputs), f"{name}.bias": drawn(outputs)}

    weights = {
        "embeddings.word_embeddings.weight": drawn(WORDS, WIDTH),
        "embeddings.position_embeddings.weight": drawn(PLACES, WIDTH),
        "embeddings.token_type_embeddings.weight": drawn(2, WIDTH),
        **norm("embeddings.LayerNorm"),
        **linear("pooler.dense", WIDTH, WIDTH),
    }
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}"
        for part in ("query", "key", "value"):
            weights |= linear(f"{layer}.attention.self.{part}", WIDTH, WIDTH)
        weights |= linear(f"{layer}.attention.output.dense", WIDTH, WIDTH)
        weights |= norm(f"{layer}.attention.output.LayerNorm")
        weights |= linear(f"{layer}.intermediate.dense", WIDTH, WIDE)
        weights |= linear(f"{layer}.output.dense", WIDE, WIDTH)
        weights |= norm(f"{layer}.output.LayerNorm")
    weights = {prefix + name: array for name, array in weights.items()}
    config: dict[str, object] = dict(CONFIG)
    if labels:
        weights |= linear("classifier", WIDTH, len(labels))
        config["id2label"] = {str(number): name for number, name in enumerate(labels)}
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(made_up_texts().tokenizer)
    return folder
