"""Files of tokenizers that are damaged or odd: each is refused in a sentence that names it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from trainers.data.errors import DataError
from trainers.data.tokenizer import read_tokenizer, whole_words

Content = dict[str, Any]
TEXTS = ["the cat", "a dog", "the dog", "a cat"]
NUMBERS = {"type": "WordLevel", "vocab": {"the": 0, "cat": 1}, "unk_token": "[UNK]"}
# A token that is put before every text, of a number that there is not.
BEFORE = {
    "type": "TemplateProcessing",
    "single": [
        {"SpecialToken": {"id": "x", "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
    ],
    "pair": [],
    "special_tokens": {"x": {"id": "x", "ids": [2**32 - 1], "tokens": ["x"]}},
}
CHANGES: dict[str, tuple[Callable[[Content], object], str]] = {
    "no token": (lambda c: c["model"].update(vocab={}), "has no token"),
    "a huge number": (
        lambda c: c["model"]["vocab"].update(the=2**32 - 1),
        "tokens and numbers up to 4294967295, .* one after the other",
    ),
    "no unknown token": (lambda c: c.update(model=NUMBERS), r"cannot cut .*\[UNK\].*name another"),
    "a number beyond": (lambda c: c.update(post_processor=BEFORE), "numbers up to 4294967295, and"),
    "pieces of no length": (
        lambda c: c.update(pre_tokenizer={"type": "FixedLength", "length": 0}),
        "cannot cut texts into tokens: .*; name another",
    ),
    "a damaged table": (
        lambda c: c.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
        "is no tokenizer of the library tokenizers: .*; name another",
    ),
    "no model": (lambda c: c.pop("model"), "is no tokenizer of the library tokenizers"),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_tokenizer_that_cannot_be_used_is_refused(tmp_path: Path, how: str) -> None:
    change, said = CHANGES[how]
    content = json.loads(whole_words(TEXTS, 10).json)
    change(content)
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"tokenizer.json: .*{said}"):
        read_tokenizer(file).encode(["the cat saw a dog"], 9)


def test_gaps_as_in_padded_vocabularies_are_taken(tmp_path: Path) -> None:
    content = json.loads(whole_words(TEXTS, 10).json)
    content["model"]["vocab"]["the"] = 20
    file = tmp_path / "tokenizer.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    assert read_tokenizer(file).vocabulary == 21
    assert read_tokenizer(file).numbers("the") == [20]
