"""The data of a cohort of prompts with responses: shared prompts, and per lane which rows, which
responses, which teachers.

L lanes, B examples of a batch, N_s in split s, P columns of prompts, R of responses, V tokens, M
teachers of a lane.

What a student is shown of an example is its prompt and its response (L, B, P + R), of which it
tells each token from those before it.
"""

from collections.abc import Callable, Mapping, Sequence
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
from trainers.language.data.draw import Draw
from trainers.language.data.teacher_logits import UNKNOWN, TeacherLogits, is_kept
from trainers.language.data.vocabulary import vocabulary_of
from trainers.language.measures import MEASURES, Written, measured
from trainers.language.networks.network import LanguageNetwork, SequenceFacts
from trainers.language.terms import SequenceTargets, SequenceTerms
from trainers.language.writing import write
from trainers.settings import SPLITS, DataSpec, LaneSource
from trainers.task import Batch, KeptOutputs, TaskData, Teachers

# The splits about which teachers are asked.
TAUGHT = ("train", "meta")


class SequenceLanes(TaskData):
    """The examples of every lane, on one device."""

    has_rows = True
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
        drawn = Draw(dataset, spec.fractions, spec.noise.splits).all(sources)
        self.drawn = tuple(drawn)
        self._prompts = torch.as_tensor(dataset.prompts, dtype=torch.int64, device=device)
        self._rows = {
            s: torch.as_tensor(np.stack([d.rows[s] for d in drawn]), device=device) for s in SPLITS
        }
        self._responses = {
            s: torch.as_tensor(
                np.stack([d.responses[s] for d in drawn]), dtype=torch.int64, device=device
            )
            for s in SPLITS
        }
        self._references = torch.as_tensor(dataset.responses, dtype=torch.int64, device=device)
        true = self._references[self._rows["train"]]
        wrong = self._responses["train"] != true
        self.corrupted = wrong.any(2)
        # Behind the end of a response that is too short there is no token.
        self.corrupted_rows = wrong & (self._responses["train"] != PADDING)
        self.certain = drawn[0].certain
        self._taught_by = [source.teachers for source in sources]
        like = torch.zeros(0, dataset.size, device=device, dtype=torch.get_default_dtype())
        self._logits = TeacherLogits(outputs, len(dataset), like)
        # Where the teachers' logits for each example begin, (L, M, N_s).
        self._starts = {s: self._known(s) for s in TAUGHT}
        self._asks_always = False

    @property
    def lanes(self) -> int:
        return len(self._taught_by)

    @property
    def device(self) -> torch.device:
        return self._prompts.device

    @property
    def teachers(self) -> int:
        return len(self._taught_by[0]) if self._taught_by else 0

    def rows_there(self, targets: SequenceTargets) -> Tensor:
        """Which columns of responses hold a token, (L, B, R)."""
        return targets.tokens != PADDING

    def ask(self, teachers: Teachers | None) -> None:
        """Ask about responses of which nothing is kept, once; where too much would have to be kept,
        teachers are asked at every step. ValueError where there are none to ask."""
        unknown = [
            (lane, m)
            for lane in range(self.lanes)
            for m in range(self.teachers)
            if any(bool((self._starts[s][lane, m] == UNKNOWN).any()) for s in TAUGHT)
        ]
        if not unknown:
            return
        if teachers is None:
            raise ValueError(
                "a teacher was not asked about these responses; give the teachers themselves"
            )
        if not all(
            is_kept(d.responses[s], self.facts.vocabulary) for d in self.drawn for s in TAUGHT
        ):
            self._asks_always = True
            return
        found: dict[tuple[object, ...], dict[str, Tensor]] = {}
        for lane, m in unknown:
            drawn = self.drawn[lane]
            key = (
                self._taught_by[lane][m],
                *(part.tobytes() for s in TAUGHT for part in (drawn.rows[s], drawn.responses[s])),
            )
            if key not in found:
                found[key] = {s: self._asked(teachers, lane, m, s) for s in TAUGHT}
            for split in TAUGHT:
                self._starts[split][lane, m] = found[key][split]

    def size(self, split: str) -> int:
        return self._rows[split].shape[1]

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        prompts = self._prompts[_at(self._rows[split], index, lanes)]
        return torch.cat([prompts, _at(self._responses[split], index, lanes)], dim=2)

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
        tokens = _at(self._responses[split], index, lanes)
        return SequenceTargets(tokens, self._fetch(split, index, lanes, tokens))

    def training_batch(self, index: Tensor) -> Batch:
        return self.batch("train", index)._replace(changed=self._asks_always)

    def targets_part(self, targets: SequenceTargets, at: slice) -> SequenceTargets:
        return targets.part(at)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        def logits() -> Tensor:
            return torch.stack([output.logits for output in outputs], dim=1)

        old: SequenceTargets = batch.targets
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
        rows = self._rows["train"][lane]
        return {
            "row": rows.cpu().numpy(),
            "prompt": self._prompt_texts(rows),
            "response": self._texts(self._responses["train"][lane]),
            "true_response": self._texts(self._references[rows]),
            "corrupted": self.corrupted[lane].cpu().numpy(),
        }

    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        written = self.greedy(student, split)
        return [
            {
                "row": self._rows[split][lane].cpu().numpy(),
                "prompt": self._prompt_texts(self._rows[split][lane]),
                "reference": self._texts(self._responses[split][lane]),
                "response": self._texts(written[lane]),
            }
            for lane in range(self.lanes)
        ]

    def keep(self, lanes: Tensor) -> None:
        chosen = lanes.tolist()
        self.drawn = tuple(self.drawn[i] for i in chosen)
        self._rows = {s: t[lanes] for s, t in self._rows.items()}
        self._responses = {s: t[lanes] for s, t in self._responses.items()}
        self.corrupted = self.corrupted[lanes]
        self.corrupted_rows = self.corrupted_rows[lanes]
        self._taught_by = [self._taught_by[i] for i in chosen]
        self._starts = {s: t[lanes] for s, t in self._starts.items()}

    def greedy(self, network: LaneNetwork, split: str) -> Tensor:
        """What a network writes to the prompts of a split, (L, N_s, R)."""
        assert isinstance(network, LanguageNetwork)
        temperature = torch.zeros(self.lanes, device=self.device)
        prompts = self._prompts[self._rows[split]]
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
        references = self._responses[split].cpu().numpy()
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

    def _known(self, split: str) -> Tensor:
        """Where what is kept of each teacher is, (L, M, N_s)."""
        found = np.full((self.lanes, self.teachers, self.size(split)), UNKNOWN)
        for lane, drawn in enumerate(self.drawn):
            for m, name in enumerate(self._taught_by[lane]):
                found[lane, m] = self._logits.starts(
                    name, drawn.rows[split], drawn.responses[split]
                )
        return torch.as_tensor(found, device=self.device)

    def _asked(self, teachers: Teachers, lane: int, m: int, split: str) -> Tensor:
        """Where the answers (N_s,) of a lane's teacher about a split begin, once it was asked."""
        at = torch.tensor([lane], device=self.device)
        places = torch.arange(self.size(split), device=self.device)
        starts = []
        for part in torch.split(places, _ASKED_AT_ONCE):
            inputs = self.inputs_of(split, part.unsqueeze(0), at)
            there = inputs[0, :, self.facts.prompts :] != PADDING
            logits = teachers.outputs_of(lane, inputs)[m].logits[0]
            lengths = there.sum(1)
            start = self._logits.add(logits[there].to(torch.get_default_dtype()))
            starts.append(start + lengths.cumsum(0) - lengths)
        return torch.cat(starts)

    def _fetch(
        self, split: str, index: Tensor, lanes: Tensor | None, tokens: Tensor
    ) -> Callable[[], Tensor]:
        if split not in TAUGHT:
            return partial(_refuse, f"teachers are not asked about the {split} split")
        starts = self._starts[split] if lanes is None else self._starts[split][lanes]
        own = starts.gather(2, index.unsqueeze(1).expand(-1, starts.shape[1], -1))

        def logits() -> Tensor:
            if bool((own == UNKNOWN).any()):
                _refuse(
                    "what a teacher says of all training examples takes too much to be kept, and "
                    "this method looks at it between steps; take a smaller vocabulary or fewer "
                    "examples"
                )
            return self._logits.at(own, tokens)

        return logits


# Sequences of one lane that a teacher is asked about at once.
_ASKED_AT_ONCE = 256


def facts_of(dataset: SequenceDataset) -> SequenceFacts:
    """What networks are told of a data set."""
    prompts, responses = dataset.shape
    return SequenceFacts(prompts, responses, dataset.size, dataset.end)


def _at(x: Tensor, index: Tensor, lanes: Tensor | None) -> Tensor:
    """Of x (L, N, ...) what is at places (L, B)."""
    lane = torch.arange(len(x), device=x.device) if lanes is None else lanes
    return x[lane.unsqueeze(1), index]


def _refuse(why: str) -> Tensor:
    raise ValueError(why)
