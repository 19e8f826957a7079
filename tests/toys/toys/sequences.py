"""Tags of tokens: several rows an example, teachers' outputs of as many rows, padded nowhere.

L lanes, B examples, T rows of the longest of them, M teachers, C tags, D numbers of an embedding.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from toys.datasets import TAGS, VOCABULARY, Sequences
from toys.lanes import Bare, ToyData, kept
from toys.rows import shift_tags
from trainers.classes.losses import cross_entropy, distillation
from trainers.classes.terms import temperature
from trainers.data.dataset import Dataset
from trainers.evaluation import evaluation_mode, frozen_output
from trainers.lanes.layers import Linear
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.values import LaneValues
from trainers.settings import DataSpec, LaneSource, ModelSpec
from trainers.task import Batch, KeptOutputs, Task, TaskData, Terms

# Stands where a sequence has ended, and for a token that was dropped.
NOTHING = -1


class Targets(NamedTuple):
    """Tags (L, B, T), ``NOTHING`` past the end, and teachers' logits (L, M, B, T, C)."""

    tags: Tensor
    teachers: Tensor


class SequenceTerms(Terms):
    """The mean over a sequence's own tokens of their losses."""

    def __init__(self, targets: Targets, z: Tensor, tau: Tensor) -> None:
        # A batch may be padded further than its targets, and they further than the output.
        rows = min(targets.tags.shape[2], z.shape[2])
        self._tags, self._teachers = targets.tags[..., :rows], targets.teachers[..., :rows, :]
        self._z, self._tau = z[:, :, :rows], tau
        self._own = self._tags != NOTHING

    def of_label(self) -> Tensor:
        return self._mean(self._label_losses(), self._own)

    def of_teachers(self) -> Tensor:
        tau = self._tau.view(-1, 1, 1, 1)
        return self._mean(
            distillation(self._teachers, self._z.unsqueeze(1), tau), self._own.unsqueeze(1)
        )

    @property
    def label_rows(self) -> Tensor:
        return self._shares(self._label_losses())

    def teacher_rows(self, m: int) -> Tensor:
        return self._shares(distillation(self._teachers[:, m], self._z, self._tau.view(-1, 1, 1)))

    @property
    def label_at_teachers(self) -> Tensor:
        tags = self._tags.clamp_min(0).unsqueeze(1).expand(self._teachers.shape[:-1])
        return self._mean(cross_entropy(self._teachers, tags), self._own.unsqueeze(1))

    @property
    def uninformed(self) -> float:
        return float(torch.log(torch.tensor(float(TAGS))))

    def _label_losses(self) -> Tensor:
        return cross_entropy(self._z, self._tags.clamp_min(0))

    def _shares(self, losses: Tensor) -> Tensor:
        """Of each row in the mean over its sequence."""
        return losses * self._own / self._own.sum(-1, keepdim=True)

    @staticmethod
    def _mean(losses: Tensor, own: Tensor) -> Tensor:
        return (losses * own).sum(-1) / own.sum(-1)


class SequenceData(ToyData):
    """Sequences cut to the longest of each batch."""

    has_rows = True

    def __init__(
        self,
        dataset: Sequences,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        super().__init__(dataset, dataset.tags, shift_tags, spec, sources, device)
        self._tokens = torch.as_tensor(dataset.tokens)
        self._lengths = torch.as_tensor(dataset.lengths)
        self._logits = kept(outputs, sources, "logits")
        self._offsets = kept(outputs, sources, "offsets")

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        rows = self.rows(split, index, lanes)
        return self._tokens[rows][..., : int(self._lengths[rows].max())]

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Targets:
        rows = self.rows(split, index, lanes)
        longest = int(self._lengths[rows].max())
        which = range(len(rows)) if lanes is None else lanes.tolist()
        shape = (len(rows), self.teachers, rows.shape[1], longest, TAGS)
        teachers = torch.zeros(shape)
        for i, lane in enumerate(which):
            for m in range(self.teachers):
                z, at = self._logits[lane][m], self._offsets[lane][m]
                ragged = [z[at[row] : at[row + 1]] for row in rows[i]]
                padded = pad_sequence(ragged, batch_first=True)
                teachers[i, m, :, : padded.shape[1]] = padded
        return Targets(self.labels(split, index, lanes)[..., :longest], teachers)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        teachers = torch.stack([output.logits for output in outputs], dim=1)
        return batch._replace(targets=batch.targets._replace(teachers=teachers))

    def rows_there(self, targets: Targets) -> Tensor:
        return targets.tags != NOTHING

    def terms(self, targets: Any, output: Output, values: LaneValues) -> SequenceTerms:
        return SequenceTerms(targets, output.logits, temperature(values, output.logits))

    @torch.no_grad()
    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        z = frozen_output(student, self, split).logits
        everything = torch.arange(self.size(split)).expand(self.lanes, -1)
        tags = self.labels(split, everything, None)[..., : z.shape[2]]
        none = z.new_zeros(self.lanes, 0, *z.shape[1:])
        terms = SequenceTerms(Targets(tags, none), z, z.new_ones(self.lanes))
        own = tags != NOTHING
        right = ((z.argmax(-1) == tags) & own).sum((1, 2)) / own.sum((1, 2))
        found = {"loss": terms.label.mean(1), "accuracy": 100 * right}
        return {name: found[name] for name in dict.fromkeys(["loss", *metrics])}

    def keep_teachers(self, lanes: Tensor) -> None:
        self._logits = [self._logits[i] for i in lanes.tolist()]
        self._offsets = [self._offsets[i] for i in lanes.tolist()]


class Tagger(LaneNetwork):
    """An embedding of each token and of the one before it, and a layer on their product."""

    def __init__(self, spec: ModelSpec, generators: Sequence[torch.Generator]) -> None:
        super().__init__()
        width = spec.sizes["width"]
        self.widest = 3 * width
        self.now, self.before = (
            nn.Parameter(
                torch.stack([torch.randn(VOCABULARY + 1, width, generator=g) for g in generators])
            )
            for _ in range(2)
        )
        self.head = Linear(3 * width, TAGS, generators)

    def forward(self, x: Tensor) -> Output:
        lane = torch.arange(len(x)).view(-1, 1, 1)
        earlier = torch.cat([torch.full_like(x[..., :1], NOTHING), x[..., :-1]], dim=2)
        now, before = self.now[lane, x], self.before[lane, earlier]
        h = torch.cat([now, before, torch.tanh(now * before)], dim=-1)
        return Output(h, self.head(h.flatten(1, 2).mT).mT.unflatten(1, h.shape[1:3]))


class SequenceTask(Task):
    """A tag for each token."""

    def data(
        self,
        dataset: Dataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> SequenceData:
        assert isinstance(dataset, Sequences)
        return SequenceData(dataset, spec, sources, outputs, device)

    def network(
        self, model: ModelSpec, data: TaskData, generators: Sequence[torch.Generator]
    ) -> LaneNetwork:
        return Tagger(model, generators)

    @torch.no_grad()
    def kept_outputs(self, network: LaneNetwork, data: TaskData) -> list[KeptOutputs]:
        assert isinstance(data, SequenceData)
        with evaluation_mode(network):
            z = network(data._tokens.expand(data.lanes, *data._tokens.shape)).logits
        own = data._tokens != NOTHING
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), data._lengths.cumsum(0)])
        return [{"logits": lane[own].numpy(), "offsets": offsets.numpy()} for lane in z]

    def facts(self, dataset: Dataset) -> dict[str, Any]:
        return {"shape": list(dataset.shape), "dtype": "int64"}

    def student(self, model: ModelSpec, facts: Mapping[str, Any]) -> Bare:
        return Bare(Tagger(model, [torch.Generator()]), facts)
