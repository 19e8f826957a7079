"""Pictures with boxes in training: their data, networks and students, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch

from trainers.data.dataset import Dataset
from trainers.data.raw_inputs import RawInputs
from trainers.detection.data.dataset import Pictures
from trainers.detection.data.lanes import BoxLanes
from trainers.detection.data.raw_inputs import read_pictures
from trainers.detection.data.teacher_outputs import is_kept, kept
from trainers.detection.networks.network import PictureFacts, PictureNetwork
from trainers.detection.networks.table import NETWORKS
from trainers.detection.student import BoxFinder
from trainers.entries import load
from trainers.evaluation import evaluation_mode, evaluation_rows, joined
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData

# Pictures by whose features their variance is told where these are too many to be kept.
OF_VARIANCE = 256


class _Builder(Protocol):
    def __call__(
        self, spec: ModelSpec, facts: PictureFacts, generators: Sequence[torch.Generator]
    ) -> PictureNetwork: ...


class Detection(Task):
    """What is where in each picture."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> BoxLanes:
        assert isinstance(dataset, Pictures)
        return BoxLanes(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, BoxLanes)
        return _built(model, data.facts, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        """Of every lane's pictures that students of its seed train on or hold out, and of the few
        of the test split that are shown: these are kept also where the others are too many."""
        assert isinstance(data, BoxLanes)
        shown = data.shown_rows("test")
        count = shown.shape[1]
        taught = torch.as_tensor(np.stack([drawn.students[0] for drawn in data.drawn]))
        rows = torch.cat([shown, taught.to(data.device)], dim=1)
        size = evaluation_rows(network, data.lanes, data.device)
        with evaluation_mode(network):
            one = network(data.shown(rows[:, :1]))
            assert one.features is not None
            numbers = one.logits.shape[3] + one.features.shape[3]
            everything = is_kept(rows.shape[1], one.logits.shape[2], numbers)
            looked_at = rows if everything else rows[:, : count + OF_VARIANCE]
            parts = [
                network(data.shown(part))
                for part in torch.split(looked_at, batch_sizes(looked_at.shape[1], size), dim=1)
            ]
        whole = joined(parts)
        assert whole.features is not None
        known = slice(None) if everything else slice(count)
        return [
            # Nothing that students train by is told by pictures of the test split.
            kept(own.cpu().numpy()[known], z[known], f[known], float(f[count:].double().var()))
            for own, z, f in zip(rows, whole.logits, whole.features, strict=True)
        ]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        assert isinstance(dataset, Pictures)
        standard = dataset.info.standard
        assert standard is not None
        return {
            "shape": list(dataset.shape),
            "class_names": list(dataset.class_names),
            "preprocessing": {
                "scale": standard.scale, "mean": list(standard.mean), "std": list(standard.std),
            },
        }  # fmt: skip

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_pictures(path, facts, options)

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> BoxFinder:
        channels, height, width = facts["shape"]
        told = PictureFacts(channels, height, width, len(facts["class_names"]))
        return BoxFinder(_built(model, told, [torch.Generator()]).single(), facts)


def _built(
    model: ModelSpec, facts: PictureFacts, generators: Sequence[torch.Generator]
) -> PictureNetwork:
    whole = model if model.implementation else NETWORKS[model.name].complete(model)
    return cast(_Builder, load(whole.implementation))(whole, facts, generators)
