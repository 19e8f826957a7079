"""Class-incremental classification in training, for the loop."""

from collections.abc import Mapping, Sequence

import torch

from trainers.classification.data.dataset import Dataset
from trainers.classification.task import Classification
from trainers.data.dataset import Dataset as AnyDataset
from trainers.incremental.data.lanes import StreamLanes
from trainers.settings import DataSpec, LaneSource
from trainers.task import KeptOutputs


class Incremental(Classification):
    """One class for each example; the classes come task by task."""

    def data(
        self,
        dataset: AnyDataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> StreamLanes:
        assert isinstance(dataset, Dataset)
        return StreamLanes(dataset, spec, sources, device)
