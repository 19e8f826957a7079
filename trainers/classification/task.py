"""Classification in training: its data, networks and kept outputs, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trainers.classes.lanes import LOGITS
from trainers.classes.task import ClassTask
from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LaneData, LightData, Treatment
from trainers.classification.data.light_sets import light_set
from trainers.classification.data.raw_inputs import read_raw_inputs
from trainers.classification.networks.build import build_model
from trainers.classification.student import Classifier, facts_of
from trainers.data.dataset import Dataset as AnyDataset
from trainers.data.raw_inputs import RawInputs
from trainers.lanes.network import LaneNetwork
from trainers.lanes.seeds import numpy_generator
from trainers.settings import DataSpec, LaneSource, ModelSpec, SourceSpec
from trainers.task import KeptOutputs, TaskData


class Classification(ClassTask):
    """One class for each example."""

    def data(
        self,
        dataset: AnyDataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> LaneData:
        assert isinstance(dataset, Dataset)
        logits = {name: kept[LOGITS] for name, kept in outputs.items()}
        return LaneData(dataset, spec.fractions, sources, logits, device, Treatment.of(spec))

    def light_data(
        self,
        source: SourceSpec,
        dataset: AnyDataset,
        sources: Sequence[LaneSource],
        device: torch.device,
    ) -> LightData:
        assert isinstance(dataset, Dataset)
        (seed,) = {of_lane.seed for of_lane in sources}
        rng = numpy_generator(seed, "light set", source.name)
        made = light_set(source, dataset.classes, rng)
        assert isinstance(made, Dataset)
        return LightData(made, sources, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, LaneData)
        return build_model(model, tuple(data.inputs.shape[1:]), data.classes, generators)

    def facts(self, dataset: AnyDataset) -> dict[str, Any]:
        assert isinstance(dataset, Dataset)
        return facts_of(dataset)

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Classifier:
        classes = len(facts["class_names"])
        network = build_model(model, tuple(facts["shape"]), classes, [torch.Generator()])
        return Classifier(network.single(), facts)

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_raw_inputs(path, facts, options)
