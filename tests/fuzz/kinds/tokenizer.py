"""Files of the library tokenizers: of a network trained before, and of prompts and responses."""

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from tests.fuzz.kinds import objects
from tests.fuzz.routes import HERE, launched
from tests.fuzz.target import Mutation, Target
from tests.trainers.specimens import TABLES
from tests.trainers.text.bert import bert
from tests.trainers.text.files import options_for

CONTAINERS = frozenset({"trainers.data.tokenizer:__init__"})
SYMBOLS = ("</s>", "<pad>", *"0123456789")
N = 60


def tokenizer() -> list[Target]:
    texts = {
        "dataset": "csv",
        "path": f"{HERE}/a.csv",
        "max_length": 7,
        "pretrained": f"{HERE}/bert",
    }
    pairs = {
        "dataset": "jsonl", "path": f"{HERE}/a.jsonl", "tokenizer": f"{HERE}/model",
        "max_prompt": 5, "max_response": 5,
    }  # fmt: skip
    return [
        Target("tokenizer", "texts", _write_texts, ["bert/tokenizer.json"],
               launched("text", texts), objects.whole_object, MUTATIONS, CONTAINERS),
        Target("tokenizer", "pairs", _write_pairs, ["model/tokenizer.json"],
               launched("language", pairs), objects.whole_object, MUTATIONS, CONTAINERS),
    ]  # fmt: skip


def _write_texts(folder: Path) -> None:
    options_for("csv", folder)
    bert(folder / "bert")


def _write_pairs(folder: Path) -> None:
    import pandas as pd
    import tokenizers

    rows = pd.DataFrame({"prompt": [f"{i:04}" for i in range(N)],
                         "response": [f"{7 * i:04}" for i in range(N)]})  # fmt: skip
    TABLES["jsonl"](rows, folder / "a.jsonl")
    numbers = {symbol: number for number, symbol in enumerate(SYMBOLS)}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<pad>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    made.decoder = tokenizers.decoders.Fuse()
    (folder / "model").mkdir()
    made.save(str(folder / "model" / "tokenizer.json"))
    (folder / "model" / "tokenizer_config.json").write_text(json.dumps({"eos_token": "</s>"}))


def _number(content: dict[str, Any], rng: Random) -> None:
    """A token has another number."""
    known = content["model"]["vocab"]
    known[rng.choice(sorted(known))] = rng.choice(
        (-1, 0, 1, 2**31, 2**32 - 1, 2**32, 10**30, 1.5, "1")
    )


def _fewer(content: dict[str, Any], rng: Random) -> None:
    """Tokens are gone, perhaps all, perhaps the one for what is unknown."""
    known = content["model"]["vocab"]
    kept = rng.choice((0, 1, 2, len(known) // 2))
    content["model"]["vocab"] = dict(rng.sample(sorted(known.items()), kept))


def _part(name: str, *made: Mapping[str, Any] | None) -> Mutation:
    """A part of the whole is another."""

    def change(content: dict[str, Any], rng: Random) -> None:
        content[name] = rng.choice(made)

    return Mutation(f"another {name}", "any", objects.changed(change))


def _added(content: dict[str, Any], rng: Random) -> None:
    content["added_tokens"] = [
        {
            "id": rng.choice((0, 3, 500, 2**31, 2**32 - 1)), "special": rng.random() < 0.5,
            "content": rng.choice(("", " ", "x", "[UNK]", "\x1b[2J", "1" * 9000)),
            "single_word": False, "lstrip": True, "rstrip": True, "normalized": rng.random() < 0.5,
        }
    ]  # fmt: skip


def _split(pattern: Mapping[str, str]) -> Mapping[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def _replace(pattern: Mapping[str, str], content: str) -> Mapping[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def _template(token: str, number: int) -> Mapping[str, Any]:
    return {
        "type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": token, "type_id": 0}},
                   {"Sequence": {"id": "A", "type_id": 0}}] * 9,
        "pair": [],
        "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}},
    }  # fmt: skip


WORDS = {"type": "WordLevel", "vocab": {"x": 0}, "unk_token": "[UNK]"}
MUTATIONS = [
    # The text itself is a part of the data set, and of its fingerprint.
    Mutation("indented", "any", objects.text(objects.indented)),
    *[Mutation("an odd value", "any", objects.changed(objects.odd_value)) for _ in range(4)],
    Mutation("a key out", "any", objects.changed(objects.without_a_key)),
    Mutation("nested deeply", "any", objects.text(objects.nested)),
    *[Mutation("another number", "any", objects.changed(_number)) for _ in range(2)],
    Mutation("fewer tokens", "any", objects.changed(_fewer)),
    Mutation("an added token", "any", objects.changed(_added)),
    _part(
        "model",
        WORDS,
        {**WORDS, "vocab": {}},
        {"type": "BPE", "vocab": {}, "merges": []},
        {"type": "BPE", "vocab": {"a": 0}, "merges": [["a", "b"]]},
        {
            "type": "WordPiece",
            "vocab": {"a": 0},
            "unk_token": "[UNK]",
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        },
        {"type": "Unigram", "unk_id": 7, "vocab": [["a", -1.0]], "byte_fallback": False},
        {"type": "Unigram", "unk_id": None, "vocab": [["a", 1e300]], "byte_fallback": False},
        None,
    ),
    _part(
        "pre_tokenizer",
        None,
        _split({"Regex": "(a+)+$"}),
        _split({"Regex": "(w|ww|\\w)*!"}),
        _split({"Regex": "("}),
        _split({"String": ""}),
        {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
        {"type": "Metaspace", "replacement": "", "prepend_scheme": "always", "split": True},
        {"type": "FixedLength", "length": 0},
    ),
    _part(
        "normalizer",
        None,
        _replace({"String": ""}, "x"),
        _replace({"Regex": ""}, "xx"),
        _replace({"String": "w"}, "w" * 100_000),
        _replace({"Regex": "(.*)*$"}, ""),
        {"type": "Precompiled", "precompiled_charsmap": "AAAA"},
        {"type": "Prepend", "prepend": "x" * 1000},
    ),
    _part(
        "post_processor",
        None,
        _template("[CLS]", 2**32 - 1),
        _template("x", 10**6),
        {"type": "BertProcessing", "sep": ["[SEP]", 4_000_000_000], "cls": ["[CLS]", 0]},
    ),
    _part(
        "truncation",
        None,
        {"direction": "Left", "max_length": 0, "strategy": "LongestFirst", "stride": 0},
        {"direction": "Right", "max_length": 3, "strategy": "OnlySecond", "stride": 9},
    ),
    _part(
        "padding",
        {
            "strategy": {"Fixed": 2**40},
            "direction": "Right",
            "pad_id": 0,
            "pad_to_multiple_of": None,
            "pad_type_id": 0,
            "pad_token": "x",
        },
    ),
]
