"""A sweep over classes that come task by task, against a plain loop of torch.

    python bench/incremental.py [--rounds 3] [--quick]

Both train the student of `incremental_fashion` on the same made-up splits of Fashion-MNIST at
14x14: five tasks of two classes, the student before as teacher, by the statistics of the batch
(ta), by its own (lwf), or none. The plain loop is what one writes by hand: `torch.nn` layers,
`torch.optim.SGD`, a deep copy after every task, an evaluation of the validation split after every
epoch; one student at a time, in one process with one thread. The two take turns; kept is the round
whose ratio is the median.

    sweep_ratio      trial-epochs a second, of `almkd launch bench/incremental.yaml` from its start
                     to its end over those of the plain loop, the mean of the three
    lane_ratio       the same of one cohort of 12 lanes by itself, without start and report
    peak_memory_mb   the most that the launching process held
    speed            for the overview of tasks, the mean of the three: `sweep`, `lanes`, 12 side by
                     side over one at a time, `step`, one lane over the plain loop

Writes bench/results/incremental.json.
"""

import argparse
import copy
import itertools
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from machine import keep, options, say
from processes import HERE, SMALLER, speeds, swept
from torch import Tensor, nn
from torch.nn import functional as F

import trainers  # noqa: F401 - before torch makes its first call to MKL
from sweep.spec.reader import check_spec
from trainers.incremental.data.lanes import StreamLanes
from trainers.loading import load_dataset
from trainers.loop.cohort import Cohort
from trainers.registry import TASKS
from trainers.settings import CohortSpec, Labels, Lane, LaneSource, Stream

SPEC = HERE / "incremental.yaml"
LANES, LR, ALPHA, TAU = 12, 0.1, 0.2, 2.0
WAYS = {"ta": "batch", "lwf": "frozen", "fine_tuning": None}


class Setting:
    """Data and sizes that both loops have."""

    def __init__(self, epochs: int) -> None:
        spec = check_spec(yaml.safe_load(SPEC.read_text(encoding="utf-8")), "incremental")
        self.data_spec = spec.data_settings()
        self.dataset = load_dataset(self.data_spec)
        self.training = replace(spec.student_training(), epochs=epochs, schedule="constant",
                                milestones=())  # fmt: skip
        self.model, self.selection = spec.student.model.settings(), spec.selection()

    def _data(self, how: str | None, lanes: int) -> StreamLanes:
        stream = replace(self.data_spec.stream or Stream(), batch_norm=how or "frozen")
        sources = [LaneSource(1, Labels("symmetric", 0.4))] * lanes
        spec = replace(self.data_spec, stream=stream)
        data = (
            TASKS["incremental"].load().data(self.dataset, spec, sources, {}, torch.device("cpu"))
        )
        assert isinstance(data, StreamLanes)
        return data

    def ours(self, how: str | None, lanes: int = LANES) -> float:
        """Seconds of a trial-epoch in a cohort of ``lanes``."""
        method = "fixed_kd" if how else "labels_only"
        spec = CohortSpec(method, self.model, self.training, self.selection, "incremental")
        own = [Lane(str(i), i, {"lr": LR, "alpha": ALPHA}) for i in range(lanes)]
        cohort = Cohort(spec, own, self._data(how, lanes))
        began = time.perf_counter()
        cohort.train(lambda epoch, names, rows: [True] * len(names))
        return (time.perf_counter() - began) / (lanes * self.training.all_epochs)

    def plain(self, how: str | None) -> float:
        """Seconds of an epoch of one student, by hand, on the same examples."""
        data, sizes = self._data(how, 1), (196, 128, 128)
        order = data._order[0].tolist()
        blocks = [
            m for a, b in itertools.pairwise(sizes)
            for m in (nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU())
        ]  # fmt: skip
        model = nn.Sequential(nn.Flatten(), *blocks, nn.Linear(128, 10))
        rows, labels = (t[0] for t in data._whole["train"])
        validation, true = data.rows("validation")[0], data.labels("validation")[0]
        teacher: nn.Module | None = None
        began = time.perf_counter()
        for task in range(5):
            new, old = order[2 * task : 2 * task + 2], order[: 2 * task]
            at = torch.as_tensor(np.isin(labels.numpy(), new))
            x, y = data.inputs[rows[at]], (labels[at] == new[1]).long()
            optimizer = torch.optim.SGD(model.parameters(), LR)
            for _ in range(self.training.epochs):
                model.train()
                for batch in torch.randperm(len(x)).split(self.training.batch_size):
                    loss = self._loss(model, teacher, x[batch], y[batch], new, old)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                model.eval()
                with torch.no_grad():
                    z = model(data.inputs[validation])[:, [*old, *new]]
                    seen = torch.tensor([*old, *new])
                    (seen[z.argmax(1)] == true).float().mean().item()
            if how:
                teacher = copy.deepcopy(model).train(how == "batch")
        return (time.perf_counter() - began) / self.training.all_epochs

    @staticmethod
    def _loss(
        model: nn.Module, teacher: nn.Module | None, x: Tensor, y: Tensor,
        new: list[int], old: list[int],
    ) -> Tensor:  # fmt: skip
        z = model(x)
        label = F.cross_entropy(z[:, new], y)
        if teacher is None:
            return label
        with torch.no_grad():
            t = teacher(x)[:, old]
        kd = F.kl_div(
            F.log_softmax(z[:, old] / TAU, 1), F.softmax(t / TAU, 1), reduction="batchmean"
        )
        return (1 - ALPHA) * label + ALPHA * TAU**2 * kd


def one_round(place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Both ways, one after the other."""
    setting = Setting(2 if given.quick else 10)
    torch.set_num_threads(1)
    plain = {way: setting.plain(how) for way, how in WAYS.items()}
    ours = {way: setting.ours(how) for way, how in WAYS.items()}
    alone = {way: setting.ours(how, 1) for way, how in WAYS.items()}
    plain = {way: (plain[way] + setting.plain(how)) / 2 for way, how in WAYS.items()}
    sweep = swept(str(SPEC), place, "incremental", *(SMALLER if given.quick else ()))
    taken = {"plain": plain, "alone": alone, "ours": ours}
    mean = {name: statistics.mean(of.values()) for name, of in taken.items()}
    speed = speeds(
        sweep, mean["plain"], mean["alone"] / mean["ours"], mean["plain"] / mean["alone"]
    )
    found = {
        "epoch_s": {way: {name: of[way] for name, of in taken.items()} for way in WAYS},
        "trial_epochs": sweep.trial_epochs,
        "seconds": sweep.seconds,
        "plain_s": mean["plain"],
        "lane_ratio": mean["plain"] / mean["ours"],
        "sweep_ratio": speed["sweep"],
        "peak_memory_mb": sweep.peak_memory_mb,
        "speed": speed,
    }
    say(f"12 lanes {found['lane_ratio']:.2f} times, a sweep {found['sweep_ratio']:.2f} times as "
        "many trial-epochs a second")  # fmt: skip
    return found


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    results = []
    for _ in range(1 if given.quick else given.rounds):
        with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
            results.append(one_round(Path(scratch), given))
    ordered = sorted(results, key=lambda result: result["sweep_ratio"])
    of_all = {
        name: sorted(result[name] for result in results) for name in ("lane_ratio", "sweep_ratio")
    }
    keep(given, "incremental", {**ordered[len(ordered) // 2], "of_all_rounds": of_all})


if __name__ == "__main__":
    main()
