"""Users and items: two tables of embeddings, and no layer that is the last.

L lanes, B examples, M teachers, D numbers of an embedding; two classes, whose logits are 0 and the
product of the embeddings.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from toys.datasets import ITEMS, USERS, Pairs
from toys.lanes import Bare, ToyData, kept
from toys.rows import flip_likes
from trainers.classes.metrics import MEASURES
from trainers.classes.terms import ClassTargets, ClassTerms
from trainers.data.dataset import Dataset
from trainers.evaluation import evaluation_mode, frozen_output
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.values import LaneValues
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import KeptOutputs, Task, TaskData


class PairData(ToyData):
    """Pairs, and what teachers say of them."""

    def __init__(
        self,
        dataset: Pairs,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        super().__init__(dataset, dataset.likes, flip_likes, spec, sources, device)
        self._pairs = torch.as_tensor(dataset.pairs)
        none = torch.zeros(0, len(dataset), 2)
        self._logits = [
            torch.stack(lane) if lane else none for lane in kept(outputs, sources, "logits")
        ]

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        return self._pairs[self.rows(split, index, lanes)]

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> ClassTargets:
        rows = self.rows(split, index, lanes)
        which = range(len(rows)) if lanes is None else lanes.tolist()
        logits = [self._logits[lane] for lane in which]

        def teachers() -> Tensor:
            return torch.stack([lane[:, rows[i]] for i, lane in enumerate(logits)])

        return ClassTargets(self.labels(split, index, lanes), teachers)

    def terms(self, targets: Any, output: Output, values: LaneValues) -> ClassTerms:
        return ClassTerms(targets, output.logits, values)

    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        z = frozen_output(student, self, split).logits
        likes = self.labels(split, torch.arange(self.size(split)).expand(self.lanes, -1), None)
        return {name: MEASURES[name](z, likes) for name in dict.fromkeys(["loss", *metrics])}

    def keep_teachers(self, lanes: Tensor) -> None:
        self._logits = [self._logits[i] for i in lanes.tolist()]


class Embeddings(LaneNetwork):
    """Two tables, (L, users, D) and (L, items, D)."""

    def __init__(self, spec: ModelSpec, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        width = spec.sizes["width"]
        self.widest = width
        self.users, self.items = (
            nn.Parameter(torch.stack([torch.randn(n, width, generator=g) for g in generators]))
            for n in (USERS, ITEMS)
        )

    def forward(self, x: Tensor) -> Output:
        lane = torch.arange(len(x)).unsqueeze(1)
        score = (self.users[lane, x[..., 0]] * self.items[lane, x[..., 1]]).sum(-1)
        return Output(None, torch.stack([torch.zeros_like(score), score], dim=-1))


class PairTask(Task):
    """Whether a user likes an item."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> PairData:
        assert isinstance(dataset, Pairs)
        return PairData(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        return Embeddings(model, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        assert isinstance(data, PairData)
        with evaluation_mode(network):
            z = network(data._pairs.expand(data.lanes, *data._pairs.shape)).logits
        return [{"logits": lane.numpy()} for lane in z]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        return {"shape": list(dataset.shape), "dtype": "int64"}

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Bare:
        return Bare(Embeddings(model, [torch.Generator()]), facts)
