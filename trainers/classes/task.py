"""What tasks share in training in which every example has one class."""

from pathlib import Path

import torch

from trainers.classes.dataset import ClassDataset
from trainers.classes.lanes import LOGITS, ClassLanes
from trainers.classes.logits import read_logits
from trainers.data.dataset import Dataset
from trainers.evaluation import evaluation_mode, evaluation_rows, joined
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork
from trainers.task import KeptOutputs, Task, TaskData


class ClassTask(Task):
    """Of a teacher the logits of every example are kept."""

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        assert isinstance(data, ClassLanes)
        lanes, inputs = data.lanes, data.inputs
        sizes = batch_sizes(len(inputs), evaluation_rows(network, lanes, inputs.device))
        with evaluation_mode(network):
            parts = [
                network(chunk.expand(lanes, *chunk.shape)) for chunk in torch.split(inputs, sizes)
            ]
        logits = joined(parts).logits.cpu().numpy()
        return [{LOGITS: data.kept_logits(of_lane)} for of_lane in logits]

    def outputs_of_file(self, file: Path, dataset: Dataset) -> KeptOutputs:
        assert isinstance(dataset, ClassDataset)
        return {LOGITS: read_logits(file, dataset.classes)}
