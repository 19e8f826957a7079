"""Classification of texts in training: its data, networks and students, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import torch

from trainers.classes.draw import Handling
from trainers.classes.lanes import LOGITS, ClassLanes
from trainers.classes.task import ClassTask
from trainers.data.dataset import Dataset
from trainers.data.raw_inputs import RawInputs
from trainers.entries import load
from trainers.lanes.network import LaneNetwork
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, TaskData
from trainers.text.data.dataset import TextDataset
from trainers.text.data.raw_inputs import read_texts
from trainers.text.facts import TextFacts, facts_of, of_dataset, of_facts
from trainers.text.networks.table import NETWORKS
from trainers.text.student import TextClassifier


class TextLanes(ClassLanes):
    """The texts of every lane, as tokens; ``facts``: what networks are told of them."""

    facts: TextFacts


class _Builder(Protocol):
    def __call__(
        self, spec: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
    ) -> LaneNetwork: ...


class Text(ClassTask):
    """One class for each text."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> TextLanes:
        assert isinstance(dataset, TextDataset)
        logits = {name: kept[LOGITS] for name, kept in outputs.items()}
        lanes = TextLanes(dataset, spec.fractions, sources, logits, device, Handling.of(spec))
        lanes.facts = of_dataset(dataset)
        return lanes

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, TextLanes)
        return _built(model, data.facts, generators)

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        assert isinstance(dataset, TextDataset)
        return facts_of(dataset)

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> TextClassifier:
        network = _built(model, of_facts(facts), [torch.Generator()])
        return TextClassifier(network.single(), facts)

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_texts(path, facts, options)


def _built(
    model: ModelSpec, facts: TextFacts, generators: Sequence[torch.Generator]
) -> LaneNetwork:
    whole = model if model.implementation else NETWORKS[model.name].complete(model)
    return cast(_Builder, load(whole.implementation))(whole, facts, generators)
