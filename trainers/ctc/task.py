"""Utterances in training: their data, networks and students, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from trainers.ctc.data.dataset import Utterances
from trainers.ctc.data.lanes import UtteranceLanes, facts_of
from trainers.ctc.data.raw_inputs import read_frames
from trainers.ctc.networks.network import Shown, UtteranceFacts, UtteranceNetwork
from trainers.ctc.networks.table import NETWORKS
from trainers.ctc.student import Transcriber
from trainers.data.dataset import Dataset
from trainers.data.raw_inputs import RawInputs
from trainers.entries import load
from trainers.evaluation import evaluation_mode, joined
from trainers.lanes.network import LaneNetwork
from trainers.sequences.lanes import ASKED_AT_ONCE
from trainers.sequences.teacher_logits import is_kept, kept, nothing_kept
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData


class _Builder(Protocol):
    def __call__(
        self, spec: ModelSpec, facts: UtteranceFacts, generators: Sequence[torch.Generator]
    ) -> UtteranceNetwork: ...


class Ctc(Task):
    """What is said in each utterance."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> UtteranceLanes:
        assert isinstance(dataset, Utterances)
        return UtteranceLanes(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, UtteranceLanes)
        return _built(model, data.facts, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        """Of every lane's utterances that students of its seed train on or hold out; an Oracle is
        shown the labels that these students are given."""
        assert isinstance(data, UtteranceLanes)
        assert isinstance(network, UtteranceNetwork)
        asked = [drawn.students for drawn in data.drawn]
        lengths = [data.frames_of(rows) for rows, _ in asked]
        seen = [labels if network.reads_targets else labels[:, :0] for _, labels in asked]
        symbols = data.facts.symbols
        if not all(is_kept(int(of_lane.sum()), symbols) for of_lane in lengths):
            return [nothing_kept(of_lane, symbols) for of_lane in seen]
        inputs = data.shown(asked)
        starts = range(0, inputs.lengths.shape[1], ASKED_AT_ONCE)
        with evaluation_mode(network):
            parts = [
                network(Shown(*(t[:, start : start + ASKED_AT_ONCE] for t in inputs)))
                for start in starts
            ]
        logits = joined(parts).logits
        return [
            kept(rows, labels, of_lane, its)
            for (rows, _), labels, of_lane, its in zip(asked, seen, lengths, logits, strict=True)
        ]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        assert isinstance(dataset, Utterances)
        told = facts_of(dataset)
        return {
            "shape": list(dataset.shape),
            "symbols": list(dataset.symbols),
            "labels": told.labels,
            "sample_rate": dataset.sample_rate,
        }

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Transcriber:
        frames, numbers = facts["shape"]
        told = UtteranceFacts(frames, numbers, len(facts["symbols"]) + 1, facts["labels"])
        return Transcriber(_built(model, told, [torch.Generator()]).single(), facts)

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_frames(path, facts, options)


def _built(
    model: ModelSpec, facts: UtteranceFacts, generators: Sequence[torch.Generator]
) -> UtteranceNetwork:
    whole = model if model.implementation else NETWORKS[model.name].complete(model)
    return cast(_Builder, load(whole.implementation))(whole, facts, generators)
