"""The data of a cohort of prompts with responses: shared prompts, and per lane which rows, which
responses, which teachers.

L lanes, B examples of a batch, N_s in split s, P columns of prompts, R of responses, V tokens.

What a student is shown of an example is its prompt and its response (L, B, P + R), of which it
tells each token from those before it.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.evaluation import evaluation_mode, evaluation_rows
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.values import LaneValues
from trainers.language.data.dataset import Ids, SequenceDataset
from trainers.language.data.draw import ResponseDraw
from trainers.language.data.vocabulary import vocabulary_of
from trainers.language.measures import MEASURES, Written, measured
from trainers.language.networks.network import LanguageNetwork, SequenceFacts
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.language.writing import write
from trainers.sequences.lanes import SequencesOfLanes, logits_of
from trainers.settings import DataSpec, LaneSource
from trainers.task import Batch, KeptOutputs


class SequenceLanes(SequencesOfLanes):
    """The examples of every lane, on one device."""

    corrupted_rows: Tensor

    def __init__(
        self,
        dataset: SequenceDataset,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        self.facts = facts_of(dataset)
        self._vocabulary = vocabulary_of(dataset.vocabulary)
        like = torch.zeros(0, dataset.size, device=device, dtype=torch.get_default_dtype())
        draw = ResponseDraw(dataset, spec.fractions, spec.noise.splits)
        super().__init__(draw, sources, outputs, like)
        self._prompts = torch.as_tensor(dataset.prompts, dtype=torch.int64, device=device)
        self._references = torch.as_tensor(dataset.responses, dtype=torch.int64, device=device)
        # Behind the end of a response that is too short there is no token.
        self.corrupted_rows = self.wrong & (self.targets["train"] != PADDING)

    @property
    def columns(self) -> int:
        return self.facts.responses

    def row_lengths(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """Tokens of responses."""
        return (self.targets_at(split, index, lanes) != PADDING).sum(2)

    def rows_there(self, targets: SequenceTargets) -> Tensor:
        """Which columns of responses hold a token, (L, B, R)."""
        return targets.tokens != PADDING

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        prompts = self._prompts[self.rows_at(split, index, lanes)]
        return torch.cat([prompts, self.targets_at(split, index, lanes)], dim=2)

    def shown(self, examples: Sequence[tuple[NDArray[np.int64], Ids]]) -> Tensor:
        """What a network is shown of rows (n,) of the data set with responses (n, R), of every
        lane: ``(L, n, P + R)``."""
        rows = torch.as_tensor(np.stack([of_lane[0] for of_lane in examples]), device=self.device)
        responses = torch.as_tensor(np.stack([of_lane[1] for of_lane in examples]))
        prompts = self._prompts[rows]
        return torch.cat([prompts, responses.to(prompts)], dim=2)

    def prompts_of(self, inputs: Tensor) -> Tensor:
        """The prompts (L, B, P) of what a student is shown."""
        return inputs[:, :, : self.facts.prompts]

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> SequenceTargets:
        tokens = self.targets_at(split, index, lanes)
        return SequenceTargets(tokens, self.fetch(split, index, lanes))

    def targets_part(self, targets: SequenceTargets, at: slice) -> SequenceTargets:
        return targets.part(at)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        old: SequenceTargets = batch.targets
        logits = partial(logits_of, outputs)
        return batch._replace(targets=SequenceTargets(old.tokens, logits, old.labelled))

    def terms(self, targets: Any, output: Output, values: LaneValues) -> SequenceTerms:
        return SequenceTerms(targets, output.logits, values)

    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        found = {"loss": self._label_losses(student, split).mean(1)}
        if names := [name for name in metrics if name in MEASURES]:
            lanes = self._written(student, split)
            found |= {
                name: torch.tensor(measured(lanes, name), device=self.device) for name in names
            }
        return found

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        rows = self.rows["train"][lane]
        return {
            "row": rows.cpu().numpy(),
            "prompt": self._prompt_texts(rows),
            "response": self._texts(self.targets["train"][lane]),
            "true_response": self._texts(self._references[rows]),
            "corrupted": self.corrupted[lane].cpu().numpy(),
        }

    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        written = self.greedy(student, split)
        return [
            {
                "row": self.rows[split][lane].cpu().numpy(),
                "prompt": self._prompt_texts(self.rows[split][lane]),
                "reference": self._texts(self.targets[split][lane]),
                "response": self._texts(written[lane]),
            }
            for lane in range(self.lanes)
        ]

    def keep(self, lanes: Tensor) -> None:
        super().keep(lanes)
        self.corrupted_rows = self.corrupted_rows[lanes]

    def greedy(self, network: LaneNetwork, split: str) -> Tensor:
        """What a network writes to the prompts of a split, (L, N_s, R)."""
        assert isinstance(network, LanguageNetwork)
        temperature = torch.zeros(self.lanes, device=self.device)
        prompts = self._prompts[self.rows[split]]
        sizes = batch_sizes(prompts.shape[1], evaluation_rows(network, self.lanes, self.device))
        with evaluation_mode(network):
            parts = [
                write(network, part, temperature) for part in torch.split(prompts, sizes, dim=1)
            ]
        return torch.cat(parts, dim=1)

    @torch.no_grad()
    def _label_losses(self, student: LaneNetwork, split: str) -> Tensor:
        """The label's term of every example of a split, (L, N_s), in batches: of all at once there
        are N_s R V logits."""
        places = torch.arange(self.size(split), device=self.device)
        sizes = batch_sizes(len(places), evaluation_rows(student, self.lanes, self.device))
        each = []
        with evaluation_mode(student):
            for part in torch.split(places, sizes):
                index = part.expand(self.lanes, -1)
                output = student(self.inputs_of(split, index))
                targets = self.targets_of(split, index)
                each.append(self.terms(targets, output, LaneValues({}, {})).label)
        return torch.cat(each, dim=1)

    def _written(self, student: LaneNetwork, split: str) -> list[Written]:
        written = self.greedy(student, split).cpu().numpy()
        references = self.targets[split].cpu().numpy()
        return [
            Written(mine, its, self.facts.end, PADDING)
            for mine, its in zip(written, references, strict=True)
        ]

    def _texts(self, ids: Tensor) -> NDArray[Any]:
        """What responses (n, R) say."""
        return np.array([self._vocabulary.text(row) for row in ids.tolist()], dtype=object)

    def _prompt_texts(self, rows: Tensor) -> NDArray[Any]:
        """What the prompts at rows (n,) of the data set say."""
        prompts = self._prompts[rows].tolist()
        return np.array([self._vocabulary.prompt_text(row) for row in prompts], dtype=object)


def facts_of(dataset: SequenceDataset) -> SequenceFacts:
    """What networks are told of a data set."""
    prompts, responses = dataset.shape
    return SequenceFacts(prompts, responses, dataset.size, dataset.end)
