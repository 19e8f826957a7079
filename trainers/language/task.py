"""Language in training: its data, networks and students, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from trainers.data.dataset import Dataset
from trainers.data.raw_inputs import RawInputs
from trainers.data.tokenizer import PADDING
from trainers.entries import load
from trainers.evaluation import evaluation_mode
from trainers.lanes.network import LaneNetwork
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.lanes import SequenceLanes
from trainers.language.data.raw_inputs import read_prompts
from trainers.language.data.vocabulary import vocabulary_of
from trainers.language.networks.network import LanguageNetwork, SequenceFacts
from trainers.language.networks.table import NETWORKS
from trainers.language.student import Responder
from trainers.sequences.teacher_logits import is_kept, kept, nothing_kept
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData

# Sequences that a teacher is asked about at once.
AT_ONCE = 256


class _Builder(Protocol):
    def __call__(
        self, spec: ModelSpec, facts: SequenceFacts, generators: Sequence[torch.Generator]
    ) -> LanguageNetwork: ...


class Language(Task):
    """A response to each prompt."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> SequenceLanes:
        assert isinstance(dataset, SequenceDataset)
        return SequenceLanes(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, SequenceLanes)
        return _built(model, data.facts, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        """Of every lane's examples that students of its seed train on or hold out."""
        assert isinstance(data, SequenceLanes)
        asked = [drawn.students for drawn in data.drawn]
        lengths = [(responses != PADDING).sum(1) for _, responses in asked]
        vocabulary = data.facts.vocabulary
        if not all(is_kept(int(of_lane.sum()), vocabulary) for of_lane in lengths):
            return [nothing_kept(responses, vocabulary) for _, responses in asked]
        inputs = data.shown(asked)
        with evaluation_mode(network):
            parts = [network(part).logits for part in torch.split(inputs, AT_ONCE, dim=1)]
        logits = torch.cat(parts, dim=1)
        return [
            kept(rows, responses, its, of_lane)
            for (rows, responses), its, of_lane in zip(asked, lengths, logits, strict=True)
        ]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        assert isinstance(dataset, SequenceDataset)
        prompts, responses = dataset.shape
        return {
            "shape": [prompts],
            "prompts": prompts,
            "responses": responses,
            "columns": list(dataset.info.feature_names) or ["prompt"],
            "size": dataset.size,
            "end": dataset.end,
            "vocabulary": dataset.vocabulary,
            "example": vocabulary_of(dataset.vocabulary).prompt_text(dataset.prompts[0]),
        }

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Responder:
        told = SequenceFacts(facts["prompts"], facts["responses"], facts["size"], facts["end"])
        return Responder(_built(model, told, [torch.Generator()]).single(), facts)

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_prompts(path, facts, options)


def _built(
    model: ModelSpec, facts: SequenceFacts, generators: Sequence[torch.Generator]
) -> LanguageNetwork:
    whole = model if model.implementation else NETWORKS[model.name].complete(model)
    return cast(_Builder, load(whole.implementation))(whole, facts, generators)
