"""The data of a cohort of interactions: per lane which users took which items, what they are set
against, and which teachers there are.

L lanes, B examples of a batch, N_s in split s, n negatives of an example, U users, I items, M
teachers of a lane.

What a student is asked about an example is its user, with its item and n items that the user has
not taken in training. In training one of these is drawn anew for each step; elsewhere each example
keeps `NEGATIVES` of its own, the first of which the loss on a split is measured by.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainers.evaluation import evaluation_mode
from trainers.lanes.counted_draws import lane_seeds, uniform
from trainers.lanes.network import LaneNetwork, Output
from trainers.lanes.seeds import numpy_generator
from trainers.lanes.state import State
from trainers.lanes.values import LaneValues
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.draw import Draw
from trainers.recommendation.data.popularity import popularity_groups
from trainers.recommendation.data.teacher_scores import TeacherScores
from trainers.recommendation.data.unseen import Unseen
from trainers.recommendation.measures import MEASURES
from trainers.recommendation.networks.network import Asked, Known, Recommender
from trainers.recommendation.ranking import Ranking
from trainers.recommendation.terms import PairTargets, PairTerms
from trainers.settings import SPLITS, DataSpec, LaneSource
from trainers.task import Batch, KeptOutputs, TaskData

# Negatives of an example that is held out, or looked at between steps.
NEGATIVES = 5
# Examples of each lane that the loss on a split is computed of at once.
AT_ONCE = 2**16
# Popular items are those with the first half of all interactions.
GROUPS, POPULAR = 2, 0
# The first counter of draws: of training steps; those of a split that is held out follow.
OF_STEPS = 0


class InteractionLanes(TaskData):
    """The interactions of every lane, on one device."""

    penalises = True

    def __init__(
        self,
        dataset: Interactions,
        spec: DataSpec,
        sources: Sequence[LaneSource],
        outputs: Mapping[str, KeptOutputs],
        device: torch.device,
    ) -> None:
        self.dataset = dataset
        drawn = Draw(dataset, spec.fractions, spec.noise.splits).all(sources)
        self._drawn = tuple(drawn)
        self._users = {s: _stacked([d.users[s] for d in drawn], device) for s in SPLITS}
        self._items = {s: _stacked([d.items[s] for d in drawn], device) for s in SPLITS}
        true = _stacked([dataset.items[d.rows["train"]] for d in drawn], device)
        self.corrupted = self._items["train"] != true
        self.certain = drawn[0].certain
        self._unseen = self._unseen_of()
        self._source_seeds = [source.seed for source in sources]
        self._seeds = lane_seeds(self._source_seeds, "negatives").to(device)
        self._steps = 0
        taught_by = [source.teachers for source in sources]
        self._taught_by = taught_by
        self._teachers = TeacherScores(outputs, taught_by, device)
        self._rankings: dict[tuple[int, str], Ranking] = {}

    @property
    def lanes(self) -> int:
        return len(self._drawn)

    @property
    def device(self) -> torch.device:
        return self.corrupted.device

    @property
    def teachers(self) -> int:
        return len(self._taught_by[0]) if self._taught_by else 0

    @property
    def known(self) -> Known:
        """What networks are made for."""
        longest = int(np.bincount(self.dataset.users).max())
        return Known(self._users["train"], self._items["train"], *self._shape, longest)

    @property
    def unseen(self) -> Unseen:
        """What users have not taken in training."""
        return self._unseen

    @property
    def teacher_scores(self) -> TeacherScores:
        """What is kept of teachers."""
        return self._teachers

    def first_with_draw_of(self, lane: int) -> int:
        """The first lane that has the same splits and noise as ``lane``."""
        drawn = self._drawn[lane]
        return next(i for i, other in enumerate(self._drawn) if other is drawn)

    def counts(self, lane: int) -> NDArray[np.int64]:
        """How often each item is taken in a lane's training split, as students see it, (I,)."""
        taken = self._items["train"][lane].cpu().numpy()
        return np.bincount(taken, minlength=self._shape[1])

    def training_of(self, lane: int) -> tuple[Tensor, Tensor]:
        """Users and items (N,) of a lane's training split."""
        return self._users["train"][lane], self._items["train"][lane]

    def size(self, split: str) -> int:
        return self._users[split].shape[1]

    def inputs_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> Asked:
        return self._held(split, index, NEGATIVES, lanes)

    def targets_of(self, split: str, index: Tensor, lanes: Tensor | None = None) -> PairTargets:
        return PairTargets(lambda: self._asked(self.inputs_of(split, index, lanes), lanes))

    def training_batch(self, index: Tensor) -> Batch:
        self._steps += 1
        users, items = self._of("train", index, None)
        place = torch.arange(index.shape[1], device=self.device)
        x = uniform(self._seeds.unsqueeze(1), OF_STEPS, self._steps, place)
        negatives = self._unseen.of(users, x)
        asked = Asked(users, torch.stack([items, negatives], dim=2))
        return Batch(index, asked, PairTargets(partial(self._asked, asked)))

    def targets_part(self, targets: PairTargets, at: slice) -> PairTargets:
        return targets.part(at)

    def terms(self, targets: Any, output: Output, values: LaneValues) -> PairTerms:
        return PairTerms(targets, output.logits, values)

    def penalty(self, student: LaneNetwork, inputs: Asked) -> Tensor:
        assert isinstance(student, Recommender)
        return student.penalty(inputs)

    @torch.no_grad()
    def evaluate(
        self, student: LaneNetwork, split: str, metrics: Sequence[str]
    ) -> dict[str, Tensor]:
        assert isinstance(student, Recommender)
        with evaluation_mode(student):
            measured = {"loss": self._loss(student, split)}
            names = [name for name in metrics if name in MEASURES]
            if not names:
                return measured
            rows = []
            for lane in range(self.lanes):
                ranking = self._ranking(lane, split)
                found = ranking.found(student.lists(lane, ranking.torch_order))
                rows.append([MEASURES[name](found) for name in names])
        table = torch.tensor(rows, device=self.device, dtype=torch.float64)
        return measured | {name: table[:, place] for place, name in enumerate(names)}

    def examples(self, lane: int) -> dict[str, NDArray[Any]]:
        rows = self._drawn[lane].rows["train"]
        return {
            "row": rows,
            "user": self._named(self.dataset.user_ids, self._users["train"][lane]),
            "item": self._named(self.dataset.item_ids, self._items["train"][lane]),
            "true_item": np.array(self.dataset.item_ids, dtype=object)[self.dataset.items[rows]],
            "corrupted": self.corrupted[lane].cpu().numpy(),
        }

    @torch.no_grad()
    def predictions(self, student: LaneNetwork, split: str) -> list[dict[str, NDArray[Any]]]:
        assert isinstance(student, Recommender)
        found = []
        for lane in range(self.lanes):
            ranking = self._ranking(lane, split)
            ranks = ranking.ranks(student.lists(lane, ranking.torch_order))
            found.append(
                {
                    "row": self._drawn[lane].rows[split],
                    "user": self._named(self.dataset.user_ids, self._users[split][lane]),
                    "item": self._named(self.dataset.item_ids, self._items[split][lane]),
                    "rank": ranks.numpy(),
                }
            )
        return found

    @torch.no_grad()
    def tables(self, student: LaneNetwork, split: str) -> list[dict[str, Mapping[str, Any]]]:
        """``lists``: what is recommended to every user of the split, place by place."""
        assert isinstance(student, Recommender)
        found: list[dict[str, Mapping[str, Any]]] = []
        ids = np.array(self.dataset.item_ids, dtype=object)
        for lane in range(self.lanes):
            ranking = self._ranking(lane, split)
            listed = ranking.listed(student.lists(lane, ranking.torch_order)).numpy()
            users, places = np.nonzero(listed >= 0)
            items = ranking.order[listed[users, places]]
            of_users = torch.as_tensor(ranking.of_users.numpy()[users])
            found.append(
                {
                    "lists": {
                        "user": self._named(self.dataset.user_ids, of_users),
                        "place": places + 1,
                        "item": ids[items],
                        "popular": ranking.popular[items],
                    }
                }
            )
        return found

    def draws(self) -> dict[str, Any]:
        return {"steps": self._steps}

    def go_on(self, draws: State) -> None:
        self._steps = draws["steps"]

    def keep(self, lanes: Tensor) -> None:
        chosen = lanes.tolist()
        self._drawn = tuple(self._drawn[i] for i in chosen)
        self._users = {s: t[lanes] for s, t in self._users.items()}
        self._items = {s: t[lanes] for s, t in self._items.items()}
        self.corrupted = self.corrupted[lanes]
        self._unseen = self._unseen.keep(lanes)
        self._source_seeds = [self._source_seeds[i] for i in chosen]
        self._seeds = self._seeds[lanes]
        self._taught_by = [self._taught_by[i] for i in chosen]
        self._teachers = self._teachers.keep(lanes)
        self._rankings = {
            (place, split): self._rankings[lane, split]
            for place, lane in enumerate(chosen)
            for split in SPLITS
            if (lane, split) in self._rankings
        }

    @property
    def _shape(self) -> tuple[int, int]:
        users, items = self.dataset.shape
        return users, items

    def _unseen_of(self) -> Unseen:
        """What is not taken in training, of every draw once."""
        first = [self.first_with_draw_of(lane) for lane in range(self.lanes)]
        distinct = list(dict.fromkeys(first))
        which = torch.tensor([distinct.index(lane) for lane in first], device=self.device)
        users, items = (part["train"][distinct] for part in (self._users, self._items))
        return Unseen(users, items, which, self._shape)

    def _of(self, split: str, index: Tensor, lanes: Tensor | None) -> tuple[Tensor, Tensor]:
        """Users and items (L, B) at places of a split."""
        users, items = self._users[split], self._items[split]
        if lanes is not None:
            users, items = users[lanes], items[lanes]
        return users.gather(1, index), items.gather(1, index)

    def _held(
        self, split: str, index: Tensor, negatives: int, lanes: Tensor | None = None
    ) -> Asked:
        """Examples with the first of the negatives that each keeps."""
        users, items = self._of(split, index, lanes)
        seeds = self._seeds if lanes is None else self._seeds[lanes]
        each = torch.arange(negatives, device=self.device)
        x = uniform(seeds.view(-1, 1, 1), 1 + SPLITS.index(split), index.unsqueeze(2), each)
        unseen = self._unseen if lanes is None else self._unseen.keep(lanes)
        return Asked(users, torch.cat([items.unsqueeze(2), unseen.of(users, x)], dim=2))

    def _asked(self, asked: Asked, lanes: Tensor | None = None) -> Tensor:
        """What the teachers score, (L, M, B, 1 + n)."""
        self._teachers.standardise(self._users["train"], self._items["train"])
        return self._teachers.at(asked.users, asked.items, lanes)

    def _loss(self, student: Recommender, split: str) -> Tensor:
        """The mean of the label's term over a split, (L,), each example against one negative."""
        count = self.size(split)
        total = torch.zeros(self.lanes, device=self.device, dtype=torch.float64)
        for part in torch.split(torch.arange(count, device=self.device), AT_ONCE):
            inputs = self._held(split, part.expand(self.lanes, -1), negatives=1)
            terms = PairTerms(PairTargets(_nothing), student(inputs).logits, LaneValues({}, {}))
            total += terms.label.double().sum(1)
        return total / count

    def _ranking(self, lane: int, split: str) -> Ranking:
        """Of a lane's split; lanes that share a draw share it."""
        if (lane, split) not in self._rankings:
            twin = self.first_with_draw_of(lane)
            self._rankings[lane, split] = (
                self._ranking(twin, split) if twin != lane else self._ranking_of(lane, split)
            )
        return self._rankings[lane, split]

    def _ranking_of(self, lane: int, split: str) -> Ranking:
        drawn = self._drawn[lane]
        order = numpy_generator(self._source_seeds[lane], "renumbering").permutation(self._shape[1])
        rows = drawn.rows["train"]
        # By the labels as they are true, and without what some methods train on besides.
        counts = np.bincount(
            self.dataset.items[rows[: len(rows) - self.certain]], minlength=self._shape[1]
        )
        return Ranking(
            order,
            *drawn.known_before(split),
            drawn.users[split],
            drawn.items[split],
            popularity_groups(counts, GROUPS) == POPULAR,
        )

    def _named(self, ids: tuple[str, ...], numbers: Tensor) -> NDArray[Any]:
        named: NDArray[Any] = np.array(ids, dtype=object)[numbers.cpu().numpy()]
        return named


def _stacked(each: list[NDArray[np.int64]], device: torch.device) -> Tensor:
    return torch.as_tensor(np.stack(each), dtype=torch.int64, device=device)


def _nothing() -> Tensor:
    raise AssertionError("no term asks a teacher here")
