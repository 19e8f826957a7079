"""Classification in training: its data, networks and kept outputs, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from trainers.classification.data.dataset import Dataset
from trainers.classification.data.lanes import LOGITS, LaneData, Treatment
from trainers.classification.data.logits import read_logits
from trainers.classification.data.raw_inputs import read_raw_inputs
from trainers.classification.networks.build import build_model
from trainers.classification.student import Classifier, facts_of
from trainers.data.dataset import Dataset as AnyDataset
from trainers.data.raw_inputs import RawInputs
from trainers.evaluation import evaluation_mode, evaluation_rows, joined
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData


class Classification(Task):
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

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, LaneData)
        return build_model(model, tuple(data.inputs.shape[1:]), data.classes, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        assert isinstance(data, LaneData)
        lanes, inputs = data.lanes, data.inputs
        sizes = batch_sizes(len(inputs), evaluation_rows(network, lanes, inputs.device))
        with evaluation_mode(network):
            parts = [
                network(chunk.expand(lanes, *chunk.shape)) for chunk in torch.split(inputs, sizes)
            ]
        return [{LOGITS: lane} for lane in joined(parts).logits.cpu().numpy()]

    def outputs_of_file(self, file: Path, dataset: AnyDataset) -> KeptOutputs:
        assert isinstance(dataset, Dataset)
        return {LOGITS: read_logits(file, dataset.classes)}

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
