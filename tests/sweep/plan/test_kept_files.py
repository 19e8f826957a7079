"""What confirm runs keep is told before anything runs, and is about what they keep."""

import pytest

from sweep.plan.kept_files import students_bytes
from sweep.plan.plan import Plan
from sweep.spec.reader import check_spec
from tests.sweep.specs import small_spec

TEXTS = {
    "name": "texts",
    "task": "text",
    "data": {"dataset": "reuters_r8", "vocabulary": 5000},
    "teacher": {"model": {"name": "transformer"}},
    "student": {"model": {"name": "transformer", "width": 16, "heads": 2}},
    "methods": [{"method": "labels_only", "baseline": True}],
    "confirm": {"seeds": 2},
}


def test_students_of_texts_have_a_vector_for_every_word() -> None:
    kept = students_bytes(Plan(check_spec(TEXTS, "texts")))
    assert kept is not None
    # Two cells at most; vectors in single precision, and beside them the tokenizer.
    cells = len(Plan(check_spec(TEXTS, "texts")).cells)
    vectors = cells * 2 * 5000 * 16 * 4
    assert vectors < kept < 2 * vectors
    given = {**TEXTS, "data": {"dataset": "reuters_r8", "pretrained": "minilm"}}
    more = students_bytes(Plan(check_spec(given, "texts")))
    assert more is not None
    assert more > 5 * kept


def test_of_none_nothing_is_kept() -> None:
    spec = small_spec({"confirm.keep_students": "none"})
    assert students_bytes(Plan(spec)) == 0
    best = students_bytes(Plan(small_spec({"confirm.keep_students": "best"})))
    every = students_bytes(Plan(small_spec({"confirm.keep_students": "all"})))
    assert best is not None
    assert every == pytest.approx(best * spec.confirm.seeds)
