"""Classes that come task by task: which examples are shown when, and with which labels."""

import numpy as np
import pytest
import torch

from tests.trainers.incremental.cases import CLASSES, StreamTrial, blobs, lanes
from trainers.incremental.data.draw import class_order
from trainers.incremental.data.splits import counts_by_class, rows_by_class, split_problem
from trainers.incremental.entry import INCREMENTAL
from trainers.lanes.network import LaneNetwork
from trainers.lanes.values import LaneValues
from trainers.settings import ModelSpec, SplitFractions, Stream
from trainers.task import Phase

SEEDS = [StreamTrial(f"lane {seed}", seed, noise_rate=0.4) for seed in (1, 2, 3)]
NO_VALUES = LaneValues({}, {})


def _network(data: object, seed: int = 0) -> LaneNetwork:
    starts = [torch.Generator().manual_seed(seed + i) for i in range(len(SEEDS))]
    model = INCREMENTAL.networks["mlp"].complete(ModelSpec("mlp", {"hidden": (3,)}))
    return INCREMENTAL.load().network(model, data, starts)  # type: ignore[arg-type]


def _phases(stream: Stream, clean: str = "withhold") -> list[dict[str, np.ndarray]]:
    """What every phase shows: rows and labels of the training split, by lane; rows of meta."""
    data = lanes(SEEDS, stream, clean)  # type: ignore[arg-type]
    student, shown = _network(data), []
    for phase in range(stream.tasks):
        data.begin_phase(
            Phase(phase, student, lambda: _network(data, 9), taught=True, values=NO_VALUES)
        )
        shown.append(
            {
                "rows": data.rows("train").numpy(), "labels": data.labels("train").numpy(),
                "meta": data.rows("meta").numpy(), "corrupted": data.corrupted.numpy(),
                "certain": np.array(data.certain),
            }
        )  # fmt: skip
    return shown


@pytest.mark.parametrize("stream", [Stream(3), Stream(2, first=4), Stream(3, order="given")])
def test_tasks_are_disjoint_and_hold_every_class(stream: Stream) -> None:
    true = blobs().labels
    for lane, trial in enumerate(SEEDS):
        order = class_order(stream, CLASSES, trial.seed)
        start = 0
        for phase, count in zip(_phases(stream), stream.sizes(CLASSES), strict=True):
            own = set(order[start : start + count])
            start += count
            assert set(true[phase["rows"][lane]]) == own
            assert set(true[phase["meta"][lane]]) == own
            # Noise stays among the classes of the task.
            assert set(phase["labels"][lane]) <= own
            assert phase["corrupted"][lane].any()
        assert start == CLASSES


def test_lanes_have_as_many_examples_whatever_their_classes_are() -> None:
    """Of any two classes at most as many as the two smallest have: 20 each of 40 and 41."""
    for phase in _phases(Stream(3)):
        assert phase["rows"].shape == (3, 40)
        assert phase["meta"].shape == (3, 12)
    # With the order of the data nothing is left out.
    sizes = [phase["rows"].shape[1] for phase in _phases(Stream(3, order="given"))]
    assert sizes == [20 + 20, 21 + 21, 22 + 22]


def test_a_lane_does_not_depend_on_the_others() -> None:
    together, alone = lanes(SEEDS, Stream(3)), lanes(SEEDS[1:2], Stream(3))
    for data in (together, alone):
        student = _network(data)
        data.begin_phase(Phase(0, student, lambda s=student: s, taught=True, values=NO_VALUES))  # type: ignore[misc]
    assert torch.equal(together.rows("train")[1], alone.rows("train")[0])
    assert torch.equal(together.labels("train")[1], alone.labels("train")[0])


def test_joint_shows_all_so_far() -> None:
    true = blobs().labels
    sizes = []
    for task, phase in enumerate(_phases(Stream(3, joint=True))):
        sizes.append(phase["rows"].shape[1])
        assert all(len(set(true[rows])) == 2 * (task + 1) for rows in phase["rows"])
    assert sizes == [20 + 20, 20 + 20 + 21 + 21, 20 + 20 + 21 + 21 + 22 + 22]


def test_clean_rows_that_are_trained_on_come_last_and_are_right() -> None:
    true = blobs().labels
    for phase in _phases(Stream(3), "train"):
        certain = int(phase["certain"])
        assert certain == phase["meta"].shape[1] == 12
        rows, labels = phase["rows"][:, -certain:], phase["labels"][:, -certain:]
        assert (true[rows] == labels).all()
        assert not phase["corrupted"][:, -certain:].any()


@pytest.mark.parametrize(
    ("stream", "classes", "sizes"),
    [
        (Stream(5), 10, (2, 2, 2, 2, 2)),
        (Stream(3), 10, (4, 3, 3)),
        (Stream(4, first=4), 10, (4, 2, 2, 2)),
        (Stream(1), 10, (10,)),
    ],
)
def test_tasks_have_as_equal_sizes_as_can_be(
    stream: Stream, classes: int, sizes: tuple[int, ...]
) -> None:
    assert stream.sizes(classes) == sizes


def test_every_split_has_an_example_of_every_class_or_says_why_not() -> None:
    fractions = SplitFractions(train=0.5, meta=0.05, validation=0.15, test=0.3)
    labels = np.repeat([0, 1], [40, 4])
    rows = rows_by_class(labels, fractions, np.random.default_rng(0))
    assert sorted(np.concatenate(list(rows.values()))) == sorted(
        set(np.concatenate([*rows.values()]))
    )
    counts = counts_by_class(labels, fractions, 0, 2)
    told = {name: list(np.bincount(labels[own], minlength=2)) for name, own in rows.items()}
    assert told == {name: list(count) for name, count in counts.items()}
    assert told == {"train": [20, 1], "meta": [2, 1], "validation": [6, 1], "test": [12, 1]}
    assert split_problem(labels, fractions, 0, 2) is None
    problem = split_problem(np.repeat([0, 1], [40, 3]), fractions, 0, 2)
    assert problem is not None
    assert "class 1 has too few examples for one in each split" in problem


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(ValueError, match="3 classes are too few for 4 tasks"):
        Stream(4).sizes(3)
    with pytest.raises(ValueError, match="4 classes are too few for 3 tasks"):
        Stream(3, first=3).sizes(4)
