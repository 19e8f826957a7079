"""The data of a cohort of pictures with boxes: shared pictures, and per lane which rows, which
boxes, which teachers.

L lanes, B pictures of a batch, N_s in split s, K channels, H x W pixels, U boxes of a picture, T
places, C classes, M teachers of a lane.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.data.tokenizer import PADDING
from trainers.detection.data.augment import cropped, drawn_window, mirrored
from trainers.detection.data.dataset import BOX, CLASS, Boxes, Pictures
from trainers.detection.data.draw import BoxDraw
from trainers.detection.data.shown import STUDENT, TEACHER, Voice, shown_places, shown_tables
from trainers.detection.data.taught import Asked, Kept, Nobody
from trainers.detection.data.teacher_outputs import LOGITS, TeacherOutputs
from trainers.detection.found import Found, found
from trainers.detection.measures import MEASURES, Answers, measured
from trainers.detection.networks.network import PictureFacts, PictureNetwork
from trainers.detection.places import Grid, assigned, grid
from trainers.detection.student import listed
from trainers.detection.terms import ALL, BoxTargets, BoxTerms, label_loss
from trainers.evaluation import evaluation_mode, evaluation_rows
from trainers.lanes.batches import batch_sizes
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.seeds import torch_generator
from trainers.lanes.state import State, places, wind
from trainers.lanes.values import LaneValues
from trainers.settings import SPLITS, DataSpec, LaneSource
from trainers.task import Batch, KeptOutputs, Phase, TaskData, Teachers

# The splits about which teachers are asked.
TAUGHT = ("train", "meta")
# Of a crop in training, the least share of either side.
LEAST_CROP = 0.8
# Pictures whose boxes are dealt to places at once.
ASSIGNED_AT_ONCE = 64


class BoxLanes(TaskData):
    """The examples of every lane, on one device."""

    has_rows = True

    def __init__(
        self,
        dataset: Pictures,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        self.facts = facts_of(dataset)
        self.dataset = dataset
        self._device = device
        drawn = BoxDraw(dataset, spec.fractions, spec.noise.splits).all(sources)
        self.drawn = tuple(drawn)
        self._images = torch.as_tensor(dataset.images, device=device)
        self._size = torch.as_tensor(dataset.fitted, device=device)
        self._scales = torch.as_tensor(dataset.scales, device=device)
        standard = dataset.info.standard
        assert standard is not None
        dtype = torch.get_default_dtype()
        shape = (-1, 1, 1)
        self._mean = torch.tensor(standard.mean, device=device, dtype=dtype).view(shape)
        self._std = torch.tensor(standard.std, device=device, dtype=dtype).view(shape)
        self._white = standard.scale
        self.rows = {
            s: torch.as_tensor(np.stack([d.rows[s] for d in drawn]), device=device) for s in SPLITS
        }
        self.boxes = {
            s: torch.as_tensor(np.stack([d.targets[s] for d in drawn]), device=device)
            for s in SPLITS
        }
        true = torch.as_tensor(dataset.boxes, device=device)[self.rows["train"]]
        self.corrupted = (self.boxes["train"] != true).flatten(2).any(2)
        self.certain = drawn[0].certain
        self._taught_by = [source.teachers for source in sources]
        self._seeds = [source.seed for source in sources]
        self._outputs = TeacherOutputs(outputs, self._taught_by, len(dataset), device)
        self._augment = spec.options.get("augment", "none")
        self._shakes = [torch_generator(seed, "augment") for seed in self._seeds]
        self._asks_always = False
        self._told: dict[str, Tensor] = {}

    @property
    def lanes(self) -> int:
        return len(self._taught_by)

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def teachers(self) -> int:
        return len(self._taught_by[0]) if self._taught_by else 0

    @property
    def changes_inputs(self) -> bool:
        return self._augment != "none"

    @property
    def grid(self) -> Grid:
        """The places of pictures."""
        return grid(self.facts.height, self.facts.width, self._device, torch.get_default_dtype())

    def size(self, split: str) -> int:
        return self.rows[split].shape[1]

    def ask(self, teachers: Teachers | None) -> None:
        """Where too much would have to be kept, teachers are asked at every step. ValueError where
        nothing was kept and there are none to ask."""
        asked = [torch.cat([self.rows[s][lane] for s in TAUGHT]) for lane in range(self.lanes)]
        known = all(
            self._outputs.knows(name, rows)
            for names, rows in zip(self._taught_by, asked, strict=True)
            for name in names
        )
        if known:
            return
        if teachers is None:
            raise ValueError(
                "a teacher was not asked about these pictures; give the teachers themselves"
            )
        self._asks_always = True

    def begin_phase(self, phase: Phase) -> None:
        """Have a student show numbers of its features beside what it says, where its method hears
        those of teachers."""
        words = phase.values.words.get("terms", (ALL,) * self.lanes)
        if not phase.taught or "feature_weight" not in phase.values.numbers or ALL not in words:
            return
        assert isinstance(phase.student, PictureNetwork)
        width = sum(self._outputs.width(name) for name in self._taught_by[0])
        generators = [torch_generator(seed, "look beside") for seed in self._seeds]
        phase.student.look_beside(width, generators)

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Tensor:
        return self.shown(_at(self.rows[split], index, lanes))

    def shown(self, rows: Tensor) -> Tensor:
        """What a network is shown of rows (...), (..., K, H, W)."""
        pixels = self._images[rows].to(self._mean)
        return (pixels / self._white - self._mean) / self._std

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> BoxTargets:
        boxes = _at(self.boxes[split], index, lanes)
        told = _at(self._told_of(split), index, lanes)
        rows = _at(self.rows[split], index, lanes)
        chosen = range(self.lanes) if lanes is None else lanes.tolist()
        taught_by = [self._taught_by[lane] for lane in chosen]
        asked = split in TAUGHT
        taught = Kept(self._outputs, taught_by, rows) if asked else Nobody(split)
        return BoxTargets(boxes, told, self.grid, self.facts.classes, taught)

    def changed(self, batch: Batch, images: Tensor, boxes: Tensor) -> Batch:
        """A batch with other images and boxes."""
        told = assigned(boxes.to(self._mean), self.grid)
        targets = batch.targets._replace(boxes=boxes, told=told)
        return batch._replace(inputs=images, targets=targets, changed=True)

    def training_batch(self, index: Tensor) -> Batch:
        batch = self.batch("train", index)
        if self._augment == "none":
            return batch._replace(changed=self._asks_always)
        size = self._size[_at(self.rows["train"], index, None)]
        images, boxes = batch.inputs, batch.targets.boxes
        turn = torch.stack(
            [torch.rand(index.shape[1], generator=g) < 0.5 for g in self._shakes]
        ).to(self._device)
        images, boxes = mirrored(images, boxes, turn, size[..., 1])
        if self._augment == "crop_flip":
            images, boxes = cropped(images, boxes, drawn_window(size, LEAST_CROP, self._shakes))
        return self.changed(batch, images, boxes)

    def targets_part(self, targets: BoxTargets, at: slice) -> BoxTargets:
        return targets.part(at)

    def taught(self, batch: Batch, outputs: Sequence[Output]) -> Batch:
        old: BoxTargets = batch.targets
        width = self.facts.classes + 4
        taught = Asked(tuple(outputs), width, self._variances)
        return batch._replace(targets=old._replace(taught=taught))

    def sizes(self, split: str, index: Tensor) -> Tensor:
        """The height and the width that are picture, of the examples at places (L, B), (L, B,
        2)."""
        return self._size[_at(self.rows[split], index, None)]

    def small_areas(self, split: str, index: Tensor) -> Tensor:
        """Below which area a box of the examples at places (L, B) is small, in pixels as shown."""
        scales = self._scales[_at(self.rows[split], index, None)]
        return self.dataset.limits[0] * scales.square()

    @property
    def black_and_white(self) -> tuple[Tensor, Tensor]:
        """What black and white pixels are to a network, (K, 1, 1) each."""
        return -self._mean / self._std, (1 - self._mean) / self._std

    def terms(self, targets: BoxTargets, output: Output, values: LaneValues) -> BoxTerms:
        return BoxTerms(targets, output.logits, values)

    @torch.no_grad()
    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        places = torch.arange(self.size(split), device=self._device)
        rows = evaluation_rows(student, self.lanes, self._device)
        losses, parts = [], []
        wanted = set(metrics) & set(MEASURES)
        with evaluation_mode(student):
            for part in torch.split(places, batch_sizes(len(places), rows)):
                index = part.expand(self.lanes, -1)
                z = student(self.inputs_of(split, index)).logits
                losses.append(label_loss(self.targets_of(split, index), z))
                if wanted:
                    parts.append(self._found(z, split, index))
        measures = {"loss": torch.cat(losses, dim=1).mean(1)}
        if not wanted:
            return measures
        of_lanes = [self._measured(split, lane, parts) for lane in range(self.lanes)]
        for name in metrics:
            if name in wanted:
                values = [of_lane[name] for of_lane in of_lanes]
                measures[name] = torch.tensor(values, device=self._device)
        return measures

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        rows = self.rows["train"][lane].cpu().numpy()
        given = self.boxes["train"][lane].cpu().numpy()
        return {
            "row": rows,
            **self._called(rows),
            "boxes": self._listed(given, rows),
            "true_boxes": self._listed(self.dataset.boxes[rows], rows),
            "corrupted": self.corrupted[lane].cpu().numpy(),
        }

    @torch.no_grad()
    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        index = torch.arange(self.size(split), device=self._device).expand(self.lanes, -1)
        every = self.found_by(student, split, index)
        told = []
        for lane, own in enumerate(every):
            rows = self.rows[split][lane].cpu().numpy()
            told.append(
                {
                    "row": rows,
                    **self._called(rows),
                    "boxes": self._listed(self.boxes[split][lane].cpu().numpy(), rows),
                    "found": self._listed_found(own, rows),
                }
            )
        return told

    @torch.no_grad()
    def found_by(self, network: LaneNetwork, split: str, index: Tensor) -> list[Found]:
        """What a network finds in the pictures at places (L, B), of every lane."""
        parts = []
        with evaluation_mode(network):
            rows = evaluation_rows(network, self.lanes, self._device)
            for part in torch.split(index, batch_sizes(index.shape[1], rows), dim=1):
                z = network(self.inputs_of(split, part)).logits
                parts.append(self._found(z, split, part))
        return [
            Found(*(torch.cat(tensors) for tensors in zip(*of_lane, strict=True)))
            for of_lane in zip(*parts, strict=True)
        ]

    def tables(self, student: LaneNetwork, split: str) -> list[dict[str, Mapping[str, Any]]]:
        """Those of `trainers.detection.data.shown`, of a split's first pictures with boxes, with
        every teacher that was asked about them."""
        if not self.size(split):
            return super().tables(student, split)
        index = self._shown_places(split)
        rows = self.shown_rows(split)
        found = {STUDENT: self.found_by(student, split, index)}
        for m in range(self.teachers):
            names = [of_lane[m] for of_lane in self._taught_by]
            if all(self._outputs.knows(*asked) for asked in zip(names, rows, strict=True)):
                z = self._outputs.at(LOGITS, names, rows)
                found[f"{TEACHER}{m + 1}"] = self._found(z, split, index)
        boxes = _at(self.boxes[split], index, None)
        classes = self.dataset.class_names
        return [
            shown_tables(
                self.dataset,
                rows[lane].cpu().numpy(),
                boxes[lane].cpu().numpy(),
                [Voice(who, listed(of_lanes[lane], classes)) for who, of_lanes in found.items()],
            )
            for lane in range(self.lanes)
        ]

    def shown_rows(self, split: str) -> Tensor:
        """The rows of a split's pictures of which a run keeps what is found in them, (L, B)."""
        return _at(self.rows[split], self._shown_places(split), None)

    def draws(self) -> dict[str, Any]:
        return {"augment": places(self._shakes)} if self.changes_inputs else {}

    def go_on(self, draws: State) -> None:
        if self.changes_inputs:
            wind(self._shakes, draws["augment"])

    def keep(self, lanes: Tensor) -> None:
        chosen = lanes.tolist()
        self.drawn = tuple(self.drawn[i] for i in chosen)
        self.rows = {s: t[lanes] for s, t in self.rows.items()}
        self.boxes = {s: t[lanes] for s, t in self.boxes.items()}
        self._told = {s: t[lanes] for s, t in self._told.items()}
        self.corrupted = self.corrupted[lanes]
        self._taught_by = [self._taught_by[i] for i in chosen]
        self._seeds = [self._seeds[i] for i in chosen]
        self._shakes = [self._shakes[i] for i in chosen]

    def _shown_places(self, split: str) -> Tensor:
        """Where these are in the split, (L, B)."""
        each = [shown_places(self.dataset, own.cpu().numpy()) for own in self.rows[split]]
        return torch.as_tensor(np.stack(each), device=self._device)

    def _told_of(self, split: str) -> Tensor:
        """The box that each place of a split's pictures should tell of, (L, N_s, T)."""
        if split not in self._told:
            parts = torch.split(self.boxes[split].to(self._mean), ASSIGNED_AT_ONCE, dim=1)
            self._told[split] = torch.cat([assigned(part, self.grid) for part in parts], dim=1)
        return self._told[split]

    def _variances(self, m: int) -> Tensor:
        own = [self._outputs.variance(names[m]) for names in self._taught_by]
        return torch.tensor(own, device=self._device)

    def _found(self, z: Tensor, split: str, index: Tensor) -> list[Found]:
        """Of outputs (L, B, T, ...), lane by lane."""
        sizes = self.sizes(split, index)
        return [
            found(own, self.facts.classes, self.grid, size)
            for own, size in zip(z, sizes, strict=True)
        ]

    def _measured(
        self, split: str, lane: int, parts: Sequence[Sequence[Found]]
    ) -> dict[str, float]:
        """In pixels of the original pictures, as limits of sizes are."""
        own = [part[lane] for part in parts]
        rows = self.rows[split][lane]
        scales = self._scales[rows].view(-1, 1, 1)
        true = self.boxes[split][lane].clone()
        true[..., BOX] /= scales
        most = max(part.scores.shape[1] for part in own)
        assert all(part.scores.shape[1] == most for part in own)
        answers = Answers(
            (torch.cat([part.boxes for part in own]) / scales).cpu().numpy(),
            torch.cat([part.scores for part in own]).cpu().numpy(),
            torch.cat([part.classes for part in own]).cpu().numpy(),
        )
        dataset = self.dataset
        return measured(true.cpu().numpy(), answers, dataset.classes, dataset.limits)

    def _called(self, rows: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
        """What files are called, where they are."""
        names = self.dataset.names
        return {"file": np.array([names[row] for row in rows], dtype=object)} if names else {}

    def _listed(self, boxes: Boxes, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Boxes (n, U, 6) as JSON: class, left, top, right, bottom in pixels of the originals."""
        told = []
        for own, row in zip(boxes, rows, strict=True):
            scale = float(self.dataset.scales[row])
            told.append(
                [
                    [self.dataset.class_names[int(b[CLASS])], *_rounded(b[BOX] / scale)]
                    for b in own
                    if b[CLASS] != PADDING
                ]
            )
        return np.array([json.dumps(of_picture) for of_picture in told], dtype=object)

    def _listed_found(self, own: Found, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The best boxes that were found, the same with the score behind the class."""
        scales = self._scales[torch.as_tensor(rows, device=self._device)].view(-1, 1, 1)
        told = listed(own._replace(boxes=own.boxes / scales), self.dataset.class_names)
        return np.array([json.dumps(of_picture) for of_picture in told], dtype=object)


def facts_of(dataset: Pictures) -> PictureFacts:
    """What networks are told of a data set."""
    channels, height, width = dataset.shape
    return PictureFacts(channels, height, width, dataset.classes)


def _at(x: Tensor, index: Tensor, lanes: Tensor | None) -> Tensor:
    """Of x (L, N, ...) what is at places (L, B)."""
    lane = torch.arange(len(x), device=x.device) if lanes is None else lanes
    return x[lane.unsqueeze(1), index]


def _rounded(box: NDArray[Any]) -> list[float]:
    return [round(float(x), 2) for x in box]
