"""The data of a cohort of utterances: shared frames, and per lane which rows, which targets, which
teachers.

L lanes, B utterances of a batch, N_s in split s, T frames of the longest, T' of its output, U
columns of targets, C symbols with the blank.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.ctc.data.dataset import SPACE, Utterances, output_frames, text_of
from trainers.ctc.data.draw import TranscriptDraw
from trainers.ctc.data.timelines import SHOWN, timelines
from trainers.ctc.measures import Transcribed, alignment
from trainers.ctc.networks.network import Shown, UtteranceFacts
from trainers.ctc.networks.oracle import Oracle
from trainers.ctc.terms import CtcTargets, CtcTerms, best_path, collapsed, label_loss
from trainers.evaluation import evaluation_mode, evaluation_rows
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.values import LaneValues
from trainers.sequences.lanes import SequencesOfLanes, logits_of
from trainers.settings import DataSpec, LaneSource
from trainers.task import Batch, KeptOutputs


class UtteranceLanes(SequencesOfLanes):
    """The examples of every lane, on one device."""

    def __init__(
        self,
        dataset: Utterances,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        self.facts = facts_of(dataset)
        self._symbols, self._spans, self._names = dataset.symbols, dataset.spans, dataset.names
        like = torch.zeros(0, self.facts.symbols, device=device, dtype=torch.get_default_dtype())
        draw = TranscriptDraw(dataset, spec.fractions, spec.noise.splits)
        super().__init__(draw, sources, outputs, like)
        self._frames = torch.as_tensor(dataset.frames, device=device).to(like.dtype)
        self._lengths = torch.as_tensor(dataset.lengths, device=device)
        self._true, self._dataset = dataset.labels, dataset

    @property
    def columns(self) -> int:
        """T'."""
        found: int = output_frames(self.facts.frames)
        return found

    def row_lengths(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        """Frames of output."""
        found: Tensor = output_frames(self._lengths[self.rows_at(split, index, lanes)])
        return found

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Shown:
        return self._shown(self.rows_at(split, index, lanes), self.targets_at(split, index, lanes))

    def shown(self, examples: Sequence[tuple[NDArray[np.int64], NDArray[Any]]]) -> Shown:
        """What a network is shown of rows (n,) of the data set with labels (n, U), of every
        lane."""
        rows = torch.as_tensor(np.stack([of_lane[0] for of_lane in examples]), device=self.device)
        return self._shown(rows, self.tensor([of_lane[1] for of_lane in examples]))

    def frames_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """How many frames of output the rows (n,) of the data set have."""
        found: NDArray[np.int64] = output_frames(self._lengths.cpu().numpy()[rows])
        return found

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> CtcTargets:
        labels = self.targets_at(split, index, lanes)
        return CtcTargets(
            labels, self.row_lengths(split, index, lanes), self.fetch(split, index, lanes)
        )

    def targets_part(self, targets: CtcTargets, at: slice) -> CtcTargets:
        return targets.part(at)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        old: CtcTargets = batch.targets
        logits = partial(logits_of, outputs)
        return batch._replace(targets=CtcTargets(old.labels, old.frames, logits))

    def terms(self, targets: Any, output: Output, values: LaneValues) -> CtcTerms:
        return CtcTerms(targets, output.logits, values)

    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        """Of a network that reads targets with all labels hidden from it, but for what is told of
        it as one that reads them."""
        with hiding_from(student):
            losses, path = self._heard(student, split)
        found = {"loss": losses.mean(1)}
        reads = isinstance(student, Oracle)
        wanted = set(metrics)
        if wanted & {"cer", "wer"}:
            transcribed = self._transcribed(path, split)
            found["cer"] = self._numbers([lane.error_rate for lane in transcribed])
            if "wer" in wanted:
                found["wer"] = self._numbers([lane.word_error_rate for lane in transcribed])
        if reads and wanted & {"cer_shown", "spike_alignment"}:
            path = self._heard(student, split)[1]
            of_shown = [lane.error_rate for lane in self._transcribed(path, split)]
            found["cer_shown"] = self._numbers(of_shown)
        if "spike_alignment" in wanted:
            found["spike_alignment"] = self._numbers(self._aligned(path, split))
        if reads and "cer_swapped" in wanted:
            swapped = self._heard(student, split, swapped=True)[1]
            of_swapped = [lane.error_rate for lane in self._transcribed(swapped, split)]
            found["cer_swapped"] = self._numbers(of_swapped)
        return found

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        rows = self.rows["train"][lane].cpu().numpy()
        return {
            "row": rows,
            **self._called(rows),
            "transcript": self._texts(self.targets["train"][lane]),
            "true_transcript": self._texts(torch.as_tensor(self._true[rows])),
            "corrupted": self.corrupted[lane].cpu().numpy(),
        }

    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        with hiding_from(student):
            path = self._heard(student, split)[1]
        said = collapsed(path)
        predicted = []
        for lane in range(self.lanes):
            rows = self.rows[split][lane].cpu().numpy()
            predicted.append(
                {
                    "row": rows,
                    **self._called(rows),
                    "reference": self._texts(self.targets[split][lane]),
                    "transcript": self._texts(said[lane]),
                }
            )
        return predicted

    @torch.no_grad()
    def tables(self, student: LaneNetwork, split: str) -> list[dict[str, Mapping[str, Any]]]:
        """Those of `trainers.ctc.data.timelines`, of the first utterances that are held out,
        whatever the split: of these there are teachers' logits."""
        shown = min(SHOWN, self.size("meta"))
        if not shown:
            return super().tables(student, split)
        index = torch.arange(shown, device=self.device).expand(self.lanes, -1)
        with evaluation_mode(student):
            z = student(self.inputs_of("meta", index)).logits.unsqueeze(1)
        if self.is_known("meta"):
            z = torch.cat([z, self.fetch("meta", index)().to(z)], dim=1)
        rows = self.rows["meta"][:, :shown].cpu().numpy()
        return [timelines(self._dataset, *of_lane) for of_lane in zip(rows, z, strict=True)]

    @torch.no_grad()
    def _heard(
        self, network: LaneNetwork, split: str, swapped: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The label's loss (L, N_s) and the likeliest path (L, N_s, T') of a split, in batches.

        ``swapped``: with every target the recording of the utterance before it in the split is
        heard, with the first one's that of the last.
        """
        places = torch.arange(self.size(split), device=self.device)
        rows = evaluation_rows(network, self.lanes, self.device)
        losses, paths = [], []
        with evaluation_mode(network):
            for part in torch.split(places, batch_sizes(len(places), rows)):
                index = part.expand(self.lanes, -1)
                shown = self.inputs_of(split, index)
                if swapped:
                    heard = self.inputs_of(split, (index - 1) % len(places))
                    shown = heard._replace(labels=shown.labels)
                frames = output_frames(shown.lengths)
                z = network(shown).logits
                losses.append(label_loss(CtcTargets(shown.labels, frames, _nobody), z))
                paths.append(best_path(z, frames))
        return torch.cat(losses, dim=1), torch.cat(paths, dim=1)

    def _shown(self, rows: Tensor, labels: Tensor) -> Shown:
        return Shown(self._frames[rows], self._lengths[rows], labels)

    def _transcribed(self, path: Tensor, split: str) -> list[Transcribed]:
        """What every lane says, beside the references."""
        space = self._symbols.index(SPACE) + 1 if SPACE in self._symbols else None
        said = collapsed(path).cpu().numpy()
        references = self.targets[split].cpu().numpy()
        return [Transcribed(own, true, space) for own, true in zip(said, references, strict=True)]

    def _aligned(self, path: Tensor, split: str) -> list[float]:
        """The alignment of every lane; NaN where nobody knows when symbols are said."""
        if self._spans is None:
            return [float("nan")] * self.lanes
        rows = self.rows[split].cpu().numpy()
        return [
            alignment(own, self._true[at], self._spans[at])
            for own, at in zip(path.cpu().numpy(), rows, strict=True)
        ]

    def _numbers(self, values: Sequence[float]) -> Tensor:
        return torch.tensor(values, device=self.device)

    def _texts(self, labels: Tensor) -> NDArray[Any]:
        """What labels (n, U) say."""
        texts = [text_of(row, self._symbols) for row in labels.tolist()]
        return np.array(texts, dtype=object)

    def _called(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What the utterances are called, where they are called something."""
        if not self._names:
            return {}
        return {"file": np.array([self._names[row] for row in rows], dtype=object)}


@contextmanager
def hiding_from(network: LaneNetwork) -> Iterator[None]:
    """All labels hidden from a network that reads them, for a while; of another nothing changes."""
    if not isinstance(network, Oracle):
        yield
        return
    network.hidden = True
    try:
        yield
    finally:
        network.hidden = False


def facts_of(dataset: Utterances) -> UtteranceFacts:
    """What networks are told of a data set."""
    frames, numbers = dataset.shape
    return UtteranceFacts(frames, numbers, len(dataset.symbols) + 1, 2 * dataset.labels.shape[1])


def _nobody() -> Tensor:
    raise ValueError("no teacher is asked here")
