"""Prompts and responses: what is read, split, corrupted and kept."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.trainers.cases import Trial
from tests.trainers.language.cases import FRACTIONS, SUMS, lanes, live, spec_of, sums, teacher
from trainers.data.errors import DataError
from trainers.data.tokenizer import PADDING
from trainers.language.data.addition import addition
from trainers.language.data.cmudict import FILE, _words, cmudict
from trainers.language.data.dataset import Lengths, of_texts
from trainers.language.data.draw import ResponseDraw
from trainers.language.data.lanes import SequenceLanes
from trainers.language.data.noise import Responses, corrupted_responses
from trainers.language.data.tables import jsonl
from trainers.language.data.vocabulary import Symbols, vocabulary_of
from trainers.language.measures import Written, edit_distances
from trainers.settings import Labels, LaneSource, SplitFractions


def test_sums_are_right_and_read_backwards() -> None:
    dataset = addition(3, 50)
    words = vocabulary_of(dataset.vocabulary)
    for prompt, response in zip(dataset.prompts, dataset.responses, strict=True):
        asked = "".join(words.symbols[i] for i in prompt if i != PADDING)  # type: ignore[attr-defined]
        a, b = asked.removesuffix("<response>").split("+")
        assert words.text(response)[::-1] == str(int(a) + int(b))
    assert len(np.unique(dataset.prompts, axis=0)) == 50
    with pytest.raises(DataError, match="100 sums"):
        addition(1, 101)


def test_prompts_end_and_responses_begin_at_the_same_column() -> None:
    symbols = Symbols.of(["a", "abc"], ["x", "xyz"])
    dataset = of_texts("here", ["a", "abc"], ["x", "xyz"], symbols, Lengths(3, 3))
    assert dataset.prompts.tolist() == [
        [PADDING, *symbols.prompt("a")], symbols.prompt("abc")[-3:],
    ]  # fmt: skip
    assert dataset.responses[0].tolist() == [*symbols.response("x"), symbols.end, PADDING]
    # Cut off, it has no end, and none is made up.
    assert dataset.responses[1].tolist() == symbols.response("xyz")
    assert len(dataset.info.remarks) == 2


def test_a_prompt_with_a_strange_symbol_is_refused() -> None:
    with pytest.raises(DataError, match="is not in the vocabulary"):
        Symbols.of(["ab"], ["c"]).prompt("abz")


def test_json_lines_are_read(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    lines = ['{"q": "one", "a": "1"}', '{"q": "two", "a": "22"}']
    file.write_text("\n".join(lines), encoding="utf-8")
    found = jsonl(str(file), "q", "a", max_prompt=8, max_response=4)
    assert vocabulary_of(found.vocabulary).text(found.responses[1]) == "22"
    with pytest.raises(DataError, match=r"data\.prompt"):
        jsonl(str(file), "prompt", "a", max_prompt=8, max_response=4)
    file.write_text('{"q": "one", "a": ""}\n{"q": "two", "a": "2"}', encoding="utf-8")
    with pytest.raises(DataError, match="no response in row 1"):
        jsonl(str(file), "q", "a", max_prompt=8, max_response=4)


def test_the_dictionary_is_cut_to_short_words(tmp_path: Path) -> None:
    lines = ["'bout B AW T", "ab AE B", "abc AE B K", "abc(2) EY B IY S IY", "a.b.c. EY"]
    (tmp_path / FILE).write_text("\n".join(lines), encoding="utf-8")
    assert _words(tmp_path / FILE) == {"abc": ["AE", "B", "K"]}
    with pytest.raises(DataError, match="fetch it again"):
        cmudict(str(tmp_path))
    with pytest.raises(DataError, match="almkd fetch cmudict"):
        cmudict(str(tmp_path / "nowhere"))


def test_swapped_responses_change_places_and_none_stays() -> None:
    ids = np.arange(200, dtype=np.int32).reshape(100, 2)
    found = corrupted_responses(
        Responses(ids, 0, np.arange(1, 200)), "swap", 0.3, np.random.default_rng(0)
    )
    assert (found != ids).any(1).sum() == 30
    assert sorted(map(tuple, found)) == sorted(map(tuple, ids))


def test_substituted_tokens_are_others_and_ends_stay() -> None:
    dataset = sums()
    said = np.setdiff1d(np.unique(dataset.responses), [PADDING, dataset.end]).astype(np.int64)
    given = Responses(dataset.responses, dataset.end, said)
    found = corrupted_responses(given, "substitute", 0.4, np.random.default_rng(0))
    inside = (dataset.responses != PADDING) & (dataset.responses != dataset.end)
    wrong = found != dataset.responses
    assert wrong.sum() == round(0.4 * inside.sum())
    assert not wrong[~inside].any()
    assert set(np.unique(found[wrong])) <= set(said)


def test_splits_are_apart_and_noise_is_the_seeds() -> None:
    dataset = sums()
    fractions = SplitFractions(0.3, 0.1, 0.1, 0.2, teacher=0.3)

    def drawn(**changed: object):
        source = LaneSource(3, Labels("swap", 0.5), **changed)  # type: ignore[arg-type]
        return ResponseDraw(dataset, fractions).all([source])[0]

    student, its = drawn(), drawn(is_teacher=True)
    rows = np.concatenate([*student.rows.values()])
    assert len(np.unique(rows)) == len(rows)
    n = len(student.rows["train"])
    assert len(its.rows["train"]) > n
    assert np.array_equal(its.rows["train"][:n], student.rows["train"])
    assert np.array_equal(its.targets["train"][:n], student.targets["train"])
    clean = drawn(clean="train")
    assert clean.certain == len(student.rows["meta"])
    assert np.array_equal(clean.targets["train"][:n], student.targets["train"])
    assert np.array_equal(clean.targets["train"][n:], dataset.responses[student.rows["meta"]])
    assert np.array_equal(student.students[0], clean.students[0])


def test_what_is_kept_of_a_teacher_is_what_it_says() -> None:
    trials = [Trial("a"), Trial("b", seed=4), Trial("c", noise_rate=0.0)]
    data = lanes(trials)
    asked = teacher(data.facts, "strong")
    for split in ("train", "meta"):
        index = torch.arange(data.size(split)).flip(0).expand(3, -1)
        targets = data.targets_of(split, index)
        there = data.rows_there(targets)
        for lane in range(3):
            at = torch.tensor([lane])
            said = asked(data.inputs_of(split, index[lane : lane + 1], at)).logits[0]
            found = targets.teachers[lane, 0]
            torch.testing.assert_close(found[there[lane]], said[there[lane]])


def test_a_teacher_of_which_nothing_is_kept_is_asked_once() -> None:
    trials = [Trial("a"), Trial("b", seed=4), Trial("c")]
    known, unknown = lanes(trials), lanes(trials, keep=False)
    with pytest.raises(ValueError, match="give the teachers themselves"):
        unknown.ask(None)
    unknown.ask(live(unknown, trials))
    index = torch.arange(known.size("train")).expand(3, -1)
    there = known.rows_there(known.targets_of("train", index)).unsqueeze(1)
    a, b = (data.targets_of("train", index).teachers[there] for data in (known, unknown))
    torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="not asked about the test split"):
        assert known.targets_of("test", index[:, :5]).teachers is None


def test_other_noise_is_other_prefixes_and_the_teacher_is_asked_again() -> None:
    true, noisy = (lanes([Trial("a", noise_rate=rate)]) for rate in (0.0, 0.5))

    def known(of: SequenceLanes) -> np.ndarray:
        drawn = of.drawn[0]
        return true._logits.starts("strong-3-0.0", drawn.rows["train"], drawn.targets["train"])

    assert (known(true) >= 0).all()
    assert np.array_equal(known(noisy) < 0, noisy.corrupted[0].numpy())


def test_metrics_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 3, (40, 6)) for _ in range(2))
    of_a, of_b = (rng.integers(0, 7, 40) for _ in range(2))
    found = edit_distances(a, of_a, b, of_b)

    def distance(x: list[int], y: list[int]) -> int:
        if not x or not y:
            return len(x) + len(y)
        return min(
            distance(x[:-1], y) + 1,
            distance(x, y[:-1]) + 1,
            distance(x[:-1], y[:-1]) + (x[-1] != y[-1]),
        )

    pairs = zip(a, of_a, b, of_b, strict=True)
    wanted = [distance(list(x[:i]), list(y[:j])) for x, i, y, j in pairs]
    assert found.tolist() == wanted


def test_exact_match_and_lengths() -> None:
    end, pad = 9, PADDING
    written = np.array([[1, 2, end, pad], [1, 2, 3, 4], [end, pad, pad, pad]])
    references = np.array([[1, 2, end, pad], [1, 2, 3, end], [5, end, pad, pad]])
    found = Written(written, references, end, pad)
    assert found.of_written.tolist() == [2, 4, 0]
    assert found.distances.tolist() == [0, 1, 1]


def test_lengths_of_responses_have_their_shares_in_all_splits() -> None:
    data = lanes([Trial("a", noise_rate=0.0)])
    lengths = sums().strata
    of_all = Counter(lengths.tolist())
    for split in ("train", "test"):
        rows = data.drawn[0].rows[split]
        for length, count in Counter(lengths[rows].tolist()).items():
            assert abs(count / len(rows) - of_all[length] / SUMS) < 0.06
    assert spec_of().fractions == FRACTIONS
