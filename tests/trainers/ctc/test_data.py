"""Utterances of lanes: which, with which targets, and what is known of teachers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.trainers.cases import Trial
from tests.trainers.ctc.cases import CPU, FRACTIONS, kept, lanes, lines, live, spec_of, teacher
from trainers.ctc.data.dataset import (
    Utterances,
    feasible,
    frames_needed,
    labels_of,
    output_frames,
    text_of,
)
from trainers.ctc.data.draw import TranscriptDraw
from trainers.ctc.data.inspection import inspect
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.ctc.entry import CTC
from trainers.data.errors import DataError
from trainers.data.tokenizer import PADDING
from trainers.settings import DataSpec, Labels, LaneSource, NoiseSpec, SplitFractions


def test_what_a_target_takes_is_a_frame_a_label_and_a_blank_between_equal_ones() -> None:
    labels = np.array([[1, 2, 3], [1, 1, 1], [2, 2, PADDING], [1, PADDING, PADDING]])
    assert frames_needed(labels).tolist() == [3, 5, 3, 1]
    assert output_frames(np.array([1, 2, 3, 9])).tolist() == [1, 1, 2, 5]
    assert feasible(np.array([5, 8, 5, 1]), labels).tolist() == [True, False, True, True]


def test_texts_become_labels_and_texts_again() -> None:
    symbols = (" ", "a", "b")
    labels = labels_of(["ab a", "b"], symbols)
    assert labels.tolist() == [[2, 3, 1, 2], [3, PADDING, PADDING, PADDING]]
    assert [text_of(row, symbols) for row in labels] == ["ab a", "b"]
    with pytest.raises(DataError, match="'c' is none of the symbols"):
        labels_of(["abc"], symbols)


def _bad(**changed: object) -> str | None:
    dataset = replace(lines(20), **changed)  # type: ignore[arg-type]
    return dataset.problem(spec_of())


def test_utterances_that_cannot_be_trained_on_are_told_by_name() -> None:
    good = lines(20)
    assert good.problem(spec_of()) is None
    silent = good.labels.copy()
    silent[4] = PADDING
    assert str(_bad(labels=silent)).startswith("nothing is said in 1 utterance, the first of them")
    short = good.lengths.copy()
    short[[3, 7]] = 1
    long = good.labels.copy()
    long[[3, 7]] = 1
    names = tuple(f"{row}.wav" for row in range(20))
    problem = _bad(lengths=short, labels=long, names=names)
    assert problem == (
        "2 utterances too short for what is said there, the first of them 3.wav with 1 frames of "
        "output for 3; drop these"
    )
    assert "float64" in str(_bad(frames=good.frames.astype(np.float64)))
    assert "infinity" in str(_bad(frames=np.where(good.frames == 0, np.nan, good.frames)))
    assert "1 to 10" in str(_bad(labels=good.labels + 5))
    assert "its lengths go from" in str(_bad(lengths=good.lengths + 1000))
    assert "lengths of the shape" in str(_bad(lengths=good.lengths[:3]))
    assert "groups" in str(_bad(groups=np.zeros(3, np.int64)))
    assert "spans" in str(_bad(spans=np.zeros((20, 2), np.int64)))
    assert "names" in str(_bad(names=("a",)))


def test_splits_are_apart_and_noise_is_the_seeds() -> None:
    dataset = lines()
    fractions = SplitFractions(0.3, 0.1, 0.1, 0.2, teacher=0.3)

    def drawn(**changed: object):
        source = LaneSource(3, Labels("substitute", 0.5), **changed)  # type: ignore[arg-type]
        return TranscriptDraw(dataset, fractions).all([source])[0]

    student, its = drawn(), drawn(is_teacher=True)
    rows = np.concatenate([*student.rows.values()])
    assert len(np.unique(rows)) == len(rows)
    n = len(student.rows["train"])
    assert len(its.rows["train"]) > n
    assert np.array_equal(its.rows["train"][:n], student.rows["train"])
    assert np.array_equal(its.targets["train"][:n], student.targets["train"])
    clean, split = drawn(clean="train"), drawn(clean="split")
    assert clean.certain == len(student.rows["meta"])
    assert split.certain == len(student.rows["meta"]) // 2
    for used in (clean, split):
        assert np.array_equal(used.targets["train"][:n], student.targets["train"])
        true = dataset.labels[used.rows["train"][n:]]
        assert np.array_equal(used.targets["train"][n:, : true.shape[1]], true)
        assert np.array_equal(student.students[0], used.students[0])
        assert np.array_equal(student.students[1], used.students[1])


def test_a_meta_split_with_noise_is_not_clean() -> None:
    source = LaneSource(3, Labels("substitute", 0.5), clean="train")
    with pytest.raises(ValueError, match="noise falls on the meta split"):
        TranscriptDraw(lines(), FRACTIONS, ("train", "meta")).all([source])
    withheld = replace(source, clean="withhold")
    (drawn,) = TranscriptDraw(lines(), FRACTIONS, ("train", "meta")).all([withheld])
    true = lines().labels[drawn.rows["meta"]]
    assert (drawn.targets["meta"][:, : true.shape[1]] != true).any(1).sum() == round(
        0.5 * len(true)
    )


def test_noise_may_fall_on_other_splits() -> None:
    spec = DataSpec("digit_lines", FRACTIONS, noise=NoiseSpec(splits=("validation",)), task="ctc")
    sources = [LaneSource(3, Labels("swap", 0.5))]
    data = UtteranceLanes(lines(), spec, sources, {}, CPU)
    assert not data.corrupted.any()
    true = lines().labels[data.rows["validation"][0].numpy()]
    given = data.targets["validation"][0, :, : true.shape[1]].numpy()
    assert (given != true).any(1).sum() == 6


@pytest.mark.parametrize("name", ["strong", "oracle"])
def test_what_is_kept_of_a_teacher_is_what_it_says(name: str) -> None:
    trials = [Trial("a", teachers=(name,)), Trial("b", 4, teachers=(name,)),
              Trial("c", noise_rate=0.0, teachers=(name,))]  # fmt: skip
    data = lanes(trials)
    asked = teacher(data.facts, name)
    for split in ("train", "meta"):
        index = torch.arange(data.size(split)).flip(0).expand(3, -1)
        targets = data.targets_of(split, index)
        there = targets.there(data.columns)
        for lane in range(3):
            at = torch.tensor([lane])
            said = asked(data.inputs_of(split, index[lane : lane + 1], at)).logits[0]
            found = targets.teachers[lane, 0]
            torch.testing.assert_close(found[there[lane]], said[there[lane]])


@pytest.mark.parametrize("name", ["strong", "oracle"])
def test_a_teacher_of_which_nothing_is_kept_is_asked_once(name: str) -> None:
    trials = [Trial("a", teachers=(name,)), Trial("b", 4, teachers=(name,))]
    known, unknown = lanes(trials), lanes(trials, keep=False)
    with pytest.raises(ValueError, match="give the teachers themselves"):
        unknown.ask(None)
    unknown.ask(live(unknown, trials))
    index = torch.arange(known.size("train")).expand(2, -1)
    there = known.targets_of("train", index).there(known.columns).unsqueeze(1)
    a, b = (data.targets_of("train", index).teachers[there] for data in (known, unknown))
    torch.testing.assert_close(a, b)
    with pytest.raises(ValueError, match="not asked about the test split"):
        assert known.targets_of("test", index[:, :5]).teachers is None


@pytest.mark.parametrize("clean", ["withhold", "train", "split"])
def test_what_is_kept_serves_whatever_is_done_with_the_meta_split(clean: str) -> None:
    trials = [Trial("a", teachers=("oracle",))]
    data = lanes(trials, clean=clean)  # type: ignore[arg-type]
    data.ask(None)
    assert data.targets_of("train", torch.arange(5).unsqueeze(0)).teachers.isfinite().all()


def test_an_ordinary_teacher_is_known_whatever_labels_and_an_oracle_with_its_own_alone() -> None:
    """Under other noise an Oracle is asked again about the utterances whose labels are others."""
    for name in ("strong", "oracle"):
        true, noisy = (
            lanes([Trial("a", noise_rate=rate, teachers=(name,))]) for rate in (0.0, 0.5)
        )
        drawn = noisy.drawn[0]
        found = true._logits.starts(f"{name}-3-0.0", drawn.rows["train"], drawn.targets["train"])
        unknown = noisy.corrupted[0].numpy()
        assert np.array_equal(found < 0, unknown if name == "oracle" else np.zeros_like(unknown))
        assert unknown.any()


def test_an_oracle_that_was_shown_other_labels_is_asked_again() -> None:
    trial = Trial("a", noise_rate=0.5, teachers=("oracle",))
    known = lanes([trial])
    true = LaneSource(3, Labels("substitute", 0.0), ("oracle",))
    own = LaneSource(3, Labels("substitute", 0.5), ("other",))
    outputs = {"other": kept(true, "oracle", lines())}
    data = UtteranceLanes(lines(), spec_of(), [own], outputs, CPU)
    with pytest.raises(ValueError, match="give the teachers themselves"):
        data.ask(None)
    data.ask(live(data, [trial]))
    index = torch.arange(data.size("train")).unsqueeze(0)
    there = data.targets_of("train", index).there(data.columns).unsqueeze(1)
    a, b = (of.targets_of("train", index).teachers[there] for of in (known, data))
    torch.testing.assert_close(a, b)


def test_lanes_that_are_left_have_what_they_had() -> None:
    trials = [Trial(str(seed), seed, teachers=("strong",)) for seed in (3, 4, 5)]
    whole, cut = lanes(trials), lanes(trials)
    left = torch.tensor([2, 0])
    cut.keep(left)
    index = torch.arange(7)
    a, b = whole.batch("train", index.expand(3, -1)), cut.batch("train", index.expand(2, -1))
    for own, its in zip(a.inputs, b.inputs, strict=True):
        assert torch.equal(own[left], its)
    assert torch.equal(a.targets.teachers[left], b.targets.teachers)
    assert cut.lanes == 2


def test_a_look_at_them_warns_of_tight_ones() -> None:
    dataset = lines(100, 3)
    rows = CTC.split_rows(dataset, FRACTIONS, np.random.default_rng(0))  # type: ignore[misc]
    seen = inspect(dataset, rows)
    assert seen.facts["symbols"] == 10
    assert 50 < seen.facts["even_spike_alignment"] < 100
    assert not seen.warnings
    lengths = dataset.lengths.copy()
    lengths[17] = 2 * frames_needed(dataset.labels)[17]
    (warning,) = inspect(replace(dataset, lengths=lengths, spans=None), rows).warnings
    assert warning.startswith("1 of 100 utterances have less than 1.2 frames")
    assert "utterance 17" in warning


def test_kinds_that_nothing_can_be_done_by_are_refused() -> None:
    one = replace(lines(), symbols=("0",), labels=np.where(lines().labels > 0, 1, PADDING))
    assert isinstance(one, Utterances)
    assert "one symbol" in str(CTC.usable(one, spec_of(), Labels("substitute", 0.3)))
    assert CTC.usable(one, spec_of(), Labels("substitute", 0.0)) is None
    assert CTC.usable(one, spec_of(), Labels("delete", 0.3)) is None
