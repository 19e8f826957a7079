"""What networks are measured by, and what is told of an Oracle."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.trainers.cases import Trial
from tests.trainers.ctc.cases import ORACLE, SMALL, lanes, lines, make_cohort, network
from trainers.ctc.data.dataset import SPACE, Utterances, labels_of, output_frames
from trainers.ctc.data.lanes import UtteranceLanes
from trainers.ctc.entry import CTC
from trainers.ctc.measures import Transcribed, alignment
from trainers.ctc.networks.network import Shown, UtteranceNetwork
from trainers.ctc.networks.oracle import Oracle
from trainers.ctc.terms import CtcTargets, best_path, collapsed, label_loss
from trainers.lanes.network import LaneNetwork

SEEDS = (3, 4)
TOLD_OF_ORACLES = ("cer_shown", "cer_swapped")
ALL = tuple(CTC.metrics)


def _data(dataset: Utterances | None = None) -> UtteranceLanes:
    return lanes([Trial(str(seed), seed, teachers=()) for seed in SEEDS], dataset)


def _sure(made: UtteranceNetwork) -> UtteranceNetwork:
    """With weights so large that it says something."""
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 3
    return made


def _oracle(data: UtteranceLanes) -> Oracle:
    made = _sure(network(data.facts, ORACLE, SEEDS))
    assert isinstance(made, Oracle)
    return made


def _asked(data: UtteranceLanes, split: str) -> tuple[Shown, CtcTargets]:
    index = torch.arange(data.size(split)).expand(data.lanes, -1)
    return data.inputs_of(split, index), data.targets_of(split, index)


def _of_lane(data: UtteranceLanes, split: str, path: Tensor, lane: int) -> Transcribed:
    return Transcribed(collapsed(path)[lane].numpy(), data.targets[split][lane].numpy())


def test_a_student_is_measured_as_by_hand() -> None:
    data = _data()
    made = _sure(network(data.facts, SMALL, SEEDS))
    found = data.evaluate(made, "validation", ALL)
    assert set(found) == {"loss", "cer", "wer", "spike_alignment"}
    assert found["wer"].isnan().all()
    shown, targets = _asked(data, "validation")
    with torch.no_grad():
        z = made(shown).logits
    path = best_path(z, targets.frames)
    torch.testing.assert_close(found["loss"], label_loss(targets, z).mean(1))
    dataset = lines()
    assert dataset.spans is not None
    for lane in range(2):
        assert found["cer"][lane].item() == pytest.approx(
            _of_lane(data, "validation", path, lane).error_rate
        )
        rows = data.rows["validation"][lane].numpy()
        wanted = alignment(path[lane].numpy(), dataset.labels[rows], dataset.spans[rows])
        assert found["spike_alignment"][lane].item() == pytest.approx(wanted)


def test_what_a_student_does_not_have_is_in_no_report() -> None:
    trial = Trial("a", 3)
    cohort = make_cohort("fixed_kd", [trial], epochs=1)
    results = cohort.train(lambda *_: [True])
    cohort.test()
    names = {name.partition("_")[2] for name in results["a"].test}
    assert names == {"loss", "cer", "spike_alignment"}
    assert all(math.isfinite(value) for value in results["a"].test.values())


def test_an_oracle_is_judged_with_its_labels_hidden() -> None:
    data = _data()
    oracle = _oracle(data)
    found = data.evaluate(oracle, "validation", ALL)
    assert not oracle.hidden
    shown, targets = _asked(data, "validation")
    oracle.eval()

    def heard(x: Shown, hidden: bool) -> tuple[Tensor, Tensor]:
        oracle.hidden = hidden
        with torch.no_grad():
            z = oracle(x).logits
        oracle.hidden = False
        return label_loss(targets, z), best_path(z, output_frames(x.lengths))

    losses, path = heard(shown, hidden=True)
    torch.testing.assert_close(found["loss"], losses.mean(1))
    _, read = heard(shown, hidden=False)
    # Each with the recording of the utterance before it.
    before = shown.frames.roll(1, dims=1), shown.lengths.roll(1, dims=1)
    _, swapped = heard(Shown(*before, shown.labels), hidden=False)
    dataset = lines()
    assert dataset.spans is not None
    for lane in range(2):
        for name, own in (("cer", path), ("cer_shown", read), ("cer_swapped", swapped)):
            wanted = _of_lane(data, "validation", own, lane).error_rate
            assert found[name][lane].item() == pytest.approx(wanted), name
        rows = data.rows["validation"][lane].numpy()
        wanted = alignment(read[lane].numpy(), dataset.labels[rows], dataset.spans[rows])
        assert found["spike_alignment"][lane].item() == pytest.approx(wanted)
    assert len({float(found[name][0]) for name in ("cer", *TOLD_OF_ORACLES)}) == 3


def test_the_labels_of_the_split_change_no_loss_but_by_what_is_asked() -> None:
    """The hidden loss reads how many labels there are; what is said then is of no label."""
    data = _data()
    oracle = _oracle(data)
    before = data.predictions(oracle, "validation")
    labels = data.targets["validation"]
    data.targets["validation"] = labels.where(labels < 0, 1 + labels % 10)
    after = data.predictions(oracle, "validation")
    for one, other in zip(before, after, strict=True):
        assert one["transcript"].tolist() == other["transcript"].tolist()
        assert one["reference"].tolist() != other["reference"].tolist()


def _without_spans() -> Utterances:
    made = lines()
    return Utterances(made.frames, made.lengths, made.labels, made.symbols)


def test_nobody_aligns_where_nobody_knows_when() -> None:
    data = _data(_without_spans())
    made = network(data.facts, SMALL, SEEDS)
    assert data.evaluate(made, "validation", ALL)["spike_alignment"].isnan().all()
    trial = Trial("a", 3, teachers=())
    cohort = make_cohort("labels_only", [trial], lanes([trial], _without_spans()), epochs=1)
    rows: list[dict[str, float]] = []
    cohort.train(lambda _, __, own: (rows.extend(own), [True])[1])
    assert "validation_cer" in rows[0]
    assert "validation_spike_alignment" not in rows[0]


def _sentences() -> Utterances:
    """Of words with spaces between."""
    symbols = (SPACE, "a", "b")
    labels = labels_of(["ab a", "b", "a b", "bb"] * 20, symbols)
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(80, 30, 4)).astype(np.float32)
    return Utterances(frames, np.full(80, 30), labels, symbols, names=tuple(map(str, range(80))))


def test_words_are_counted_where_there_are_spaces() -> None:
    dataset = _sentences()
    assert dataset.has_words
    data = _data(dataset)
    made = _sure(network(data.facts, SMALL, SEEDS))
    found = data.evaluate(made, "test", ("wer",))
    shown, targets = _asked(data, "test")
    with torch.no_grad():
        said = collapsed(best_path(made(shown).logits, targets.frames))
    for lane in range(2):
        own = Transcribed(said[lane].numpy(), data.targets["test"][lane].numpy(), 1)
        assert found["wer"][lane].item() == pytest.approx(own.word_error_rate)
    table = data.predictions(made, "test")[0]
    assert table["file"].tolist() == [str(row) for row in table["row"]]
    assert [dataset.text(dataset.labels[row]) for row in table["row"]] == [*table["reference"]]


def test_examples_tell_what_was_given_and_what_is_true() -> None:
    data = lanes([Trial("a", 3, 0.5, ())])
    table = data.examples(0)
    differ = table["transcript"] != table["true_transcript"]
    assert np.array_equal(differ, table["corrupted"])
    assert differ.any()
    dataset = lines()
    true = [dataset.text(dataset.labels[row]) for row in table["row"]]
    assert [*table["true_transcript"]] == true


def test_evaluation_leaves_a_network_in_the_mode_that_it_was_in() -> None:
    data = _data()
    for made in (network(data.facts, SMALL, SEEDS), _oracle(data)):
        for training in (True, False):
            made.train(training)
            data.evaluate(made, "validation", ALL)
            assert made.training is training


def test_it_is_the_same_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data()
    names = [name for name in ALL if name != "wer"]

    def few(network: LaneNetwork, lanes: int, device: torch.device) -> int:
        return 1

    made = _oracle(data)
    whole = data.evaluate(made, "validation", names)
    monkeypatch.setattr("trainers.ctc.data.lanes.evaluation_rows", few)
    parts = data.evaluate(made, "validation", names)
    for name in names:
        torch.testing.assert_close(parts[name], whole[name])
