"""CTC: what is said in an utterance, when nobody says when. Free of torch."""

from collections.abc import Mapping

from numpy.random import Generator

from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.datasets import DATASETS
from trainers.ctc.data.inspection import inspect
from trainers.ctc.data.noise import NOISE_KINDS
from trainers.ctc.methods.table import METHODS
from trainers.ctc.networks.table import NETWORKS
from trainers.data.dataset import Dataset
from trainers.data.group_splits import group_problem, rows_by_group
from trainers.data.inspection import SplitRows
from trainers.data.splits import split_rows
from trainers.entries import Metric, OracleMetrics, TaskEntry
from trainers.settings import DataSpec, Labels, SplitFractions

OF_ORACLES = "of a network that reads no targets"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("cer", "character error rate: the fewest symbols to put in, take out or replace in "
               "what is said at the likeliest symbols of all frames until it is the reference, "
               "over all utterances, as a share of the symbols of all references; may be above 100",
               "percent", "minimize"),
        Metric("wer", "word error rate: the same of words", "percent", "minimize",
               "where symbols make no words"),
        Metric("loss", "mean over utterances of the CTC loss of a label", "nats", "minimize"),
        Metric("spike_alignment", "share of the frames in which a symbol is first said that are "
               "within the time that it is said in; of an Oracle, with its targets shown",
               "percent", "maximize", "where nobody knows when symbols are said, or none is",
               not_objective="a student that says one symbol, and in its time, has all"),
        Metric("cer_shown", "of an Oracle, the character error rate with its targets shown: it has "
               "read the answer", "percent", "minimize", OF_ORACLES,
               not_objective="it tells whether an answer is read, not what is heard"),
        Metric("cer_swapped", "of an Oracle, the same with another utterance's recording: near "
               "cer_shown where it copies its target without listening", "percent", "maximize",
               OF_ORACLES, not_objective="it tells whether an answer is copied"),
    )
}  # fmt: skip


def _usable(data: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    assert isinstance(data, Utterances)
    if labels.noise_rate and labels.noise_kind == "swap" and len(data) < 2:
        return "swap: one utterance alone has none to change places with"
    if labels.noise_rate and labels.noise_kind == "substitute" and len(data.symbols) < 2:
        return "substitute: there is one symbol alone; take another noise_kind"
    return group_problem(data, spec.fractions)


def _rows(data: Dataset, fractions: SplitFractions, rng: Generator) -> SplitRows:
    assert isinstance(data, Utterances)
    if data.groups is None:
        return split_rows(data.strata, fractions, rng, data.official_test, data.given_splits)
    return rows_by_group(data, fractions, rng)


CTC = TaskEntry(
    name="ctc",
    implementation="trainers.ctc.task:Ctc",
    summary="what is said in each utterance, when nobody says when",
    example="an utterance with its transcript",
    methods=METHODS,
    datasets=DATASETS,
    networks=NETWORKS,
    noise_kinds=NOISE_KINDS,
    metrics=METRICS,
    every_epoch=("cer", "spike_alignment", "cer_shown", "cer_swapped"),
    objective="loss",
    compared="cer",
    # Of what nobody said in a recording a listener has far fewer than half of the symbols right.
    oracles=OracleMetrics("cer", "cer_shown", "cer_swapped", 50.0, ("spike_alignment",)),
    optimizer="adamw",
    teacher_outputs="logits of each frame of output of the utterances that students train on or "
    "hold out",
    kept_of=("train", "meta"),
    predicted_numbers=lambda shape: shape[0],
    prediction="the symbols that are likeliest frame by frame, without repeats and blanks",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=_usable,
    inspect=inspect,
    takes_splits=True,
    teachers_go_along=True,
    example_tables="timelines",
    split_rows=_rows,
)
