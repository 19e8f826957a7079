"""Recommendation in training: its data, networks and students, for the loop."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch

from trainers.data.dataset import Dataset
from trainers.data.raw_inputs import RawInputs
from trainers.entries import load
from trainers.evaluation import evaluation_mode
from trainers.lanes.network import LaneNetwork
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.lanes import InteractionLanes
from trainers.recommendation.data.raw_inputs import read_users
from trainers.recommendation.data.teacher_scores import kept
from trainers.recommendation.networks.network import Known, Recommender
from trainers.recommendation.networks.table import NETWORKS
from trainers.recommendation.student import Suggester, Vectors
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData


class _Builder(Protocol):
    def __call__(
        self, spec: ModelSpec, known: Known, generators: Sequence[torch.Generator]
    ) -> Recommender: ...


class Recommendation(Task):
    """Which items a user takes next."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> InteractionLanes:
        assert isinstance(dataset, Interactions)
        return InteractionLanes(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        assert isinstance(data, InteractionLanes)
        whole = model if model.implementation else NETWORKS[model.name].complete(model)
        return cast(_Builder, load(whole.implementation))(whole, data.known, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        """The scores of all users and items."""
        assert isinstance(network, Recommender)
        assert isinstance(data, InteractionLanes)
        _, items = data.dataset.shape
        order, everyone = torch.arange(items, device=data.device), slice(None)
        with evaluation_mode(network):
            return [kept(network.lists(lane, order).of(everyone)) for lane in range(data.lanes)]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        assert isinstance(dataset, Interactions)
        return {
            "shape": [1],
            "user_column": (*dataset.info.feature_names, "user")[0],
            "user_ids": list(dataset.user_ids),
            "item_ids": list(dataset.item_ids),
            # Of a user in training: no more than in all splits.
            "longest": int(np.bincount(dataset.users).max()),
        }

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Suggester:
        if not model.sizes.get("width"):
            raise ValueError(f"{model.name} has no vectors of users and items; it only teaches")
        users, items = len(facts["user_ids"]), len(facts["item_ids"])
        vectors = Vectors(users, items, model.sizes["width"], facts["longest"])
        return Suggester(vectors, facts)

    def raw_inputs(
        self, path: Path, facts: Mapping[str, Any], options: Mapping[str, str]
    ) -> RawInputs:
        return read_users(path, facts, options)
