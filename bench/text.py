"""A sweep over texts, and one student's training, against a plain loop of torch.

    python bench/text.py [--rounds 3] [--quick]

Both train encoders of the same sizes on the same 1,200 made-up texts of 32 tokens. The plain loop
is what one writes by hand: `torch.nn.TransformerEncoderLayer`, `torch.optim.AdamW`, fixed-alpha
distillation, an evaluation of the validation split after every epoch; one student at a time, in one
process with one thread. It asks its teacher at every step, or reads logits that were kept of it.
The two take turns; kept is the round whose ratio is the median.

    step_ratio       seconds of an epoch of one student in our loop over those of the plain loop
                     that reads logits, as ours does
    sweep_ratio      trial-epochs a second, of `almkd launch bench/text.yaml` from its start to its
                     end over those of the plain loop that asks its teacher; those of the sweep's
                     own teachers are not credited
    kept_ratio       the same over those of the plain loop that reads logits
    peak_memory_mb   the most that the launching process held
    speed            for the overview of tasks: `sweep` over the plain loop that asks its teacher,
                     `lanes`, eight side by side over one at a time, `step`, over the plain loop
                     that reads logits

Writes bench/results/text.json.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from machine import keep, options, say
from processes import HERE, speeds, swept
from torch import Tensor, nn
from torch.nn import functional as F

import trainers  # noqa: F401 - before torch makes its first call to MKL
from sweep.spec.reader import check_spec
from trainers.loading import load_dataset
from trainers.loop.stack import Stack
from trainers.loop.stopwatch import Stopwatch
from trainers.registry import TASKS
from trainers.settings import CohortSpec, Labels, Lane, LaneSource
from trainers.task import KeptOutputs
from trainers.text.data.dataset import TextDataset

TEXTS, WORDS, CLASSES, LENGTH = 1200, 3000, 10, 40
EPOCHS, QUICK_EPOCHS, LANES = 8, 1, 8
LR, ALPHA, TAU = 3e-3, 0.9, 2.0


def written(place: Path) -> Path:
    """The spec, and the texts beside it: words, of which some are more frequent in a class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, CLASSES, TEXTS)
    often = rng.permutation(WORDS)[: CLASSES * 40].reshape(CLASSES, 40)
    words = np.where(
        rng.random((TEXTS, LENGTH)) < 0.15,
        often[labels][np.arange(TEXTS)[:, None], rng.integers(0, 40, (TEXTS, LENGTH))],
        rng.integers(0, WORDS, (TEXTS, LENGTH)),
    )
    lines = [" ".join(f"w{word}" for word in text) for text in words]
    pd.DataFrame({"text": lines, "label": labels}).to_csv(place / "texts.csv", index=False)
    spec = yaml.safe_load((HERE / "text.yaml").read_text(encoding="utf-8"))
    spec["data"]["path"] = str(place / "texts.csv")
    (place / "text.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return place / "text.yaml"


class Plain(nn.Module):
    """The same encoder from torch's own parts."""

    def __init__(self, vocabulary: int, length: int, sizes: dict[str, int]) -> None:
        super().__init__()
        width = sizes["width"]
        self.words = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, sizes["heads"], sizes["feed_forward"], 0.0, "gelu", batch_first=True
            )
            for _ in range(sizes["layers"])
        )
        self.head = nn.Linear(width, CLASSES)

    def forward(self, ids: Tensor) -> Tensor:
        there = ids >= 0
        x = self.words(ids.clamp(min=0)) + self.positions(torch.arange(ids.shape[1]))
        x = self.norm(x)
        for layer in self.layers:
            x = layer(x, src_key_padding_mask=~there)
        weight = there.to(x.dtype).unsqueeze(2)
        logits: Tensor = self.head((x * weight).sum(1) / weight.sum(1))
        return logits


class Setting:
    """Data, sizes and a teacher that both loops have."""

    def __init__(self, path: Path, epochs: int) -> None:
        spec = check_spec(yaml.safe_load(path.read_text(encoding="utf-8")), "text")
        self.epochs = epochs
        self.data_spec, self.training = spec.data_settings(), spec.student.training.settings()
        dataset = load_dataset(self.data_spec)
        assert isinstance(dataset, TextDataset)
        self.dataset = dataset
        row = TASKS["text"].networks["transformer"]
        self.model = row.complete(spec.student.model.settings())
        (teacher,) = spec.teacher
        assert teacher.model
        self.teacher = row.complete(teacher.model.settings())
        self.selection = spec.selection()
        rng = np.random.default_rng(1)
        shape = (len(dataset), dataset.classes)
        self.logits = rng.normal(size=shape).astype(np.float32)

    def ours(self, lanes: int = 1) -> float:
        """Seconds of an epoch of one student, of ``lanes`` side by side."""
        outputs: dict[str, KeptOutputs] = {"teacher": {"logits": self.logits}}
        source = LaneSource(1, Labels("symmetric", 0.4), ("teacher",))
        task, entry = TASKS["text"].load(), TASKS["text"]
        device = torch.device("cpu")
        data = task.data(self.dataset, self.data_spec, [source] * lanes, outputs, device)
        spec = CohortSpec("fixed_kd", self.model, self.training, self.selection, "text")
        values = {"lr": LR, "alpha": ALPHA, "temperature": TAU}
        own = [Lane(str(i), 1 + i, values) for i in range(lanes)]
        stack = Stack(spec, own, data, task, entry, None)

        def epoch(number: int) -> None:
            for _ in stack.steps(number, Stopwatch()):
                pass
            stack.trained()
            stack.evaluate("validation", ("accuracy",))

        return self._timed(epoch) / lanes

    def plain(self, asks: bool) -> float:
        """The same of the loop by hand; ``asks``: its teacher is asked at every step."""
        rng = torch.Generator().manual_seed(1)
        order = torch.randperm(len(self.dataset), generator=rng)
        n, v = (round(share * len(self.dataset)) for share in (0.4, 0.2))
        train, validation = order[:n], order[n : n + v]
        ids, labels = torch.as_tensor(self.dataset.inputs).long(), torch.as_tensor(
            self.dataset.labels
        )  # fmt: skip
        logits = torch.as_tensor(self.logits)
        model, teacher = (
            Plain(self.dataset.vocabulary, ids.shape[1], dict(of.sizes))
            for of in (self.model, self.teacher)
        )
        optimizer = torch.optim.AdamW(model.parameters(), LR, weight_decay=0.01)

        def epoch(number: int) -> None:
            model.train()
            seen = train[torch.randperm(n, generator=rng)]
            for batch in seen.split(self.training.batch_size):
                with torch.no_grad():
                    t = teacher(ids[batch]) if asks else logits[batch]
                z = model(ids[batch])
                kd = F.kl_div(
                    F.log_softmax(z / TAU, 1), F.softmax(t / TAU, 1), reduction="batchmean"
                )
                loss = (1 - ALPHA) * F.cross_entropy(z, labels[batch]) + ALPHA * TAU**2 * kd
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            model.eval()
            with torch.no_grad():
                (model(ids[validation]).argmax(1) == labels[validation]).float().mean().item()

        return self._timed(epoch)

    def _timed(self, epoch: Any) -> float:
        """The median of its epochs but the first."""
        taken = []
        for number in range(1, self.epochs + 2):
            began = time.perf_counter()
            epoch(number)
            taken.append(time.perf_counter() - began)
        return statistics.median(taken[1:])


def one_round(path: Path, place: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Both ways, one after the other."""
    setting = Setting(path, QUICK_EPOCHS if given.quick else EPOCHS)
    torch.set_num_threads(1)
    asking, kept, ours = setting.plain(asks=True), setting.plain(asks=False), setting.ours()
    kept, together = statistics.mean([kept, setting.plain(asks=False)]), setting.ours(LANES)
    smaller = ("--set", "search.trials=8", "--set", "confirm.seeds=2") if given.quick else ()
    sweep = swept(str(path), place, "text", *smaller)
    speed = speeds(sweep, asking, ours / together, kept / ours)
    found = {
        "epoch_s": {"asks": asking, "reads": kept, "ours": ours, "together": together},
        "step_ratio": ours / kept,
        "trial_epochs": sweep.trial_epochs,
        "seconds": sweep.seconds,
        "sweep_ratio": speed["sweep"],
        "kept_ratio": speed["sweep"] * kept / asking,
        "peak_memory_mb": sweep.peak_memory_mb,
        "speed": speed,
    }
    say(f"a step {found['step_ratio']:.2f} times the plain one, a sweep "
        f"{found['sweep_ratio']:.2f} times as many trial-epochs a second")  # fmt: skip
    return found


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given = parser.parse_args()
    results = []
    for number in range(1 if given.quick else given.rounds):
        with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
            place = Path(scratch)
            runs = place / f"runs-{number}"
            runs.mkdir()
            results.append(one_round(written(place), runs, given))
    ordered = sorted(results, key=lambda result: result["sweep_ratio"])
    middle = ordered[len(ordered) // 2]
    of_all = {
        name: sorted(result[name] for result in results)
        for name in ("step_ratio", "sweep_ratio", "kept_ratio")
    }
    keep(given, "text", {**middle, "of_all_rounds": of_all})


if __name__ == "__main__":
    main()
