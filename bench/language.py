"""Steps of language distillation, against a plain loop over models of transformers.

    python bench/language.py [--rounds 3] [--quick]

Both train a decoder 24 wide of one layer under a teacher 64 wide of three, on made-up prompts of
nine columns with responses of four to nine tokens out of 67, in batches of 64, one process with one
thread. The plain loop is what one writes by hand: `GPT2LMHeadModel`, its `generate` with a cache
where the student writes, `torch.optim.AdamW`; one student at a time. Needs transformers
(almkd[language]). The two take turns; kept is the round whose on-policy ratio is the median.

    step_ratio    seconds of a step, ours with one lane over the plain loop's: of labels alone
                  (sft), of a fixed mix with kept logits (fixed_kd)
    rate_ratio    tokens written and trained a second of on-policy steps (gkd), and of steps that
                  the teacher corrects (skd, over the plain loop's on-policy ones), ours over the
                  plain loop's, with one lane and with four side by side
    trl_ratio     the same of on-policy steps over those of GKDTrainer
    speed         for the overview of tasks: `sweep`, trial-epochs a second of one launch of
                  bench/language.yaml, from its start to its end and its teachers not credited,
                  over those of the plain loop, the mean of sft, fixed_kd and gkd, which evaluates
                  nothing; `lanes`, four, and `step` by the mean of these three, too

Writes bench/results/language.json.
"""

import argparse
import importlib.util
import json
import math
import statistics
import string
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from machine import keep, options, say
from processes import HERE, SMALLER, Swept, speeds, swept
from torch import Tensor
from torch.nn import functional as F

import trainers  # noqa: F401 - before torch makes its first call to MKL
from sweep.spec.reader import read_spec
from trainers.data.tokenizer import PADDING
from trainers.language.data.dataset import SequenceDataset
from trainers.language.data.lanes import SequenceLanes
from trainers.language.methods.on_policy import OnPolicy
from trainers.language.task import Language
from trainers.loading import load_dataset
from trainers.loop.cohort import Cohort
from trainers.loop.live_teachers import LiveTeachers
from trainers.loop.stopwatch import Stopwatch
from trainers.registry import TASKS
from trainers.settings import (
    CohortSpec,
    DataSpec,
    Labels,
    Lane,
    LaneSource,
    ModelSpec,
    Selection,
    SplitFractions,
    Training,
)

EXAMPLES, PROMPT, RESPONSE, VOCABULARY, END, BATCH = 4000, 9, 9, 67, 0, 64
STUDENT = ModelSpec("decoder", {"width": 24, "layers": 1, "heads": 2})
TEACHER = ModelSpec("decoder", {"width": 64, "layers": 3, "heads": 4})
SPEC = DataSpec("jsonl", SplitFractions(0.9, 0.02, 0.02, 0.02), task="language")
LANES, LR, ALPHA = 4, 1e-3, 0.5


def written(place: Path) -> Path:
    """The spec, and beside it random characters: with its end, a response has four to nine tokens;
    with its own, a prompt has nine."""
    rng = np.random.default_rng(0)
    symbols = [*string.ascii_letters, *string.digits, *"+-*"]
    lines = [
        {name: "".join(rng.choice(symbols, length)) for name, length in lengths.items()}
        for lengths in (
            {"prompt": PROMPT - 1, "response": int(count)}
            for count in rng.integers(3, RESPONSE, EXAMPLES)
        )
    ]
    text = "\n".join(map(json.dumps, lines))
    (place / "pairs.jsonl").write_text(text, encoding="utf-8")
    spec = yaml.safe_load((HERE / "language.yaml").read_text(encoding="utf-8"))
    spec["data"]["path"] = str(place / "pairs.jsonl")
    (place / "language.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return place / "language.yaml"


def loaded(path: Path) -> SequenceDataset:
    """The examples of a spec."""
    dataset = load_dataset(read_spec(path).data_settings())
    assert isinstance(dataset, SequenceDataset)
    assert (*dataset.shape, dataset.size, dataset.end) == (PROMPT, RESPONSE, VOCABULARY, END)
    return dataset


class Ours:
    """A cohort, step by step."""

    def __init__(self, dataset: SequenceDataset, method: str, lanes: int, steps: int) -> None:
        entry, task = TASKS["language"], Language()
        sources = [LaneSource(1, Labels("swap", 0.0), ("teacher",))] * lanes
        bare = SequenceLanes(dataset, SPEC, [LaneSource(1, Labels("swap", 0.0))], {}, _cpu())
        teacher = task.network(
            entry.networks["decoder"].complete(TEACHER), bare, [torch.Generator().manual_seed(0)]
        )
        (kept,) = task.kept_outputs(teacher, bare)
        data = SequenceLanes(dataset, SPEC, sources, {"teacher": kept}, _cpu())
        weights = {name: p.detach()[0].numpy() for name, p in teacher.named_parameters()}
        live = LiveTeachers([TEACHER], [[weights]] * lanes, data, task, entry)
        training = Training(epochs=1, batch_size=BATCH, steps=steps, optimizer="adamw")
        spec = CohortSpec(
            method, STUDENT, training, Selection("token_error_rate", False), "language"
        )
        values = {"lr": LR, **({"alpha": ALPHA} if method == "fixed_kd" else {})}
        own = [Lane(str(i), i, values) for i in range(lanes)]
        self.stack = Cohort(spec, own, data, live).stacks[0]
        self.steps, self.lanes = steps, lanes
        # What is made once in a training, and not at every step.
        next(iter(self.stack.steps(1, Stopwatch())))
        method = self.stack.method
        if isinstance(method, OnPolicy):
            method.show(data.training_batch(torch.zeros(lanes, 2, dtype=torch.int64)))

    def seconds(self) -> float:
        """Of one step of one lane."""
        began = time.perf_counter()
        for _ in self.stack.steps(1, Stopwatch()):
            pass
        return (time.perf_counter() - began) / (self.steps * self.lanes)


class Plain:
    """A loop by hand over models of transformers."""

    def __init__(self, dataset: SequenceDataset, steps: int) -> None:
        import transformers

        def model(spec: ModelSpec) -> Any:
            config = transformers.GPT2Config(
                vocab_size=VOCABULARY, n_positions=PROMPT + RESPONSE, n_embd=spec.sizes["width"],
                n_layer=spec.sizes["layers"], n_head=spec.sizes["heads"], resid_pdrop=0.0,
                embd_pdrop=0.0, attn_pdrop=0.0, bos_token_id=END, eos_token_id=END,
                pad_token_id=END, tie_word_embeddings=False,
            )  # fmt: skip
            return transformers.GPT2LMHeadModel(config)

        self.student, self.teacher = model(STUDENT), model(TEACHER).eval()
        self.optimizer = torch.optim.AdamW(self.student.parameters(), LR)
        self.prompts = torch.as_tensor(dataset.prompts).long()
        self.responses = torch.as_tensor(dataset.responses).long()
        with torch.no_grad():
            parts = [
                self._told(self.teacher, p, r)
                for p, r in zip(self.prompts.split(500), self.responses.split(500), strict=True)
            ]
        self.kept = torch.cat(parts)
        self.steps = steps

    def seconds(self, way: str) -> float:
        """Of one step."""
        began = time.perf_counter()
        for _ in range(self.steps):
            at = torch.randint(EXAMPLES, (BATCH,))
            loss = getattr(self, f"_{way}")(at)
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
        return (time.perf_counter() - began) / self.steps

    def _told(self, model: Any, prompts: Tensor, responses: Tensor) -> Tensor:
        ids = torch.cat([prompts, responses], 1)
        there = ids != PADDING
        logits: Tensor = model(ids.clamp(min=0), attention_mask=there.long()).logits
        return logits[:, PROMPT - 1 : -1]

    def _sft(self, at: Tensor) -> Tensor:
        tokens = self.responses[at]
        z = self._told(self.student, self.prompts[at], tokens)
        return F.cross_entropy(z.flatten(0, 1), tokens.flatten(), ignore_index=PADDING)

    def _fixed_kd(self, at: Tensor) -> Tensor:
        tokens = self.responses[at]
        z = self._told(self.student, self.prompts[at], tokens)
        label = F.cross_entropy(z.flatten(0, 1), tokens.flatten(), ignore_index=PADDING)
        return (1 - ALPHA) * label + ALPHA * self._kl(self.kept[at], z, tokens)

    def _gkd(self, at: Tensor) -> Tensor:
        prompts = self.prompts[at]
        with torch.no_grad():
            written = self.student.generate(
                prompts, attention_mask=torch.ones_like(prompts), do_sample=True, top_k=0,
                max_new_tokens=RESPONSE, use_cache=True,
            )[:, PROMPT:]  # fmt: skip
        written = F.pad(written, (0, RESPONSE - written.shape[1]), value=END)
        behind = (written == END).cumsum(1) - (written == END).long() > 0
        written = written.masked_fill(behind, PADDING)
        with torch.no_grad():
            t = self._told(self.teacher, prompts, written)
        return self._kl(t, self._told(self.student, prompts, written), written)

    @staticmethod
    def _kl(t: Tensor, z: Tensor, tokens: Tensor) -> Tensor:
        there = tokens != PADDING
        p, q = t.log_softmax(-1), z.log_softmax(-1)
        return ((p.exp() * (p - q)).sum(-1) * there).sum() / there.sum()


def trl_seconds(dataset: SequenceDataset, plain: Plain, steps: int) -> float | None:
    """Of an on-policy step of trl's GKDTrainer; None where it is not installed."""
    try:
        from datasets import Dataset
        from tokenizers import Tokenizer, models
        from transformers import PreTrainedTokenizerFast, TrainerCallback
        from trl.experimental.gkd import GKDConfig, GKDTrainer
    except ImportError:
        return None
    words = {str(i): i for i in range(VOCABULARY)}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="1")),
        pad_token="1", eos_token="0",
    )  # fmt: skip

    def collated(rows: list[dict[str, Any]]) -> dict[str, Tensor]:
        prompts, responses = (torch.tensor([row[name] for row in rows]) for name in ("p", "r"))
        ids = torch.cat([prompts, responses], 1)
        labels = torch.cat([torch.full_like(prompts, -100), responses], 1)
        there = (ids != PADDING).long()
        return {
            "input_ids": ids.clamp(min=0), "attention_mask": there,
            "labels": labels.masked_fill(there == 0, -100), "prompts": prompts,
            "prompt_attention_mask": torch.ones_like(prompts),
        }  # fmt: skip

    class Watch(TrainerCallback):  # type: ignore[misc]
        seconds, began = 0.0, 0.0

        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.began = time.perf_counter()

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.seconds += time.perf_counter() - self.began

    rows = [
        {"p": p.tolist(), "r": r.tolist()}
        for p, r in zip(plain.prompts, plain.responses, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
        config = GKDConfig(
            scratch, per_device_train_batch_size=BATCH, max_steps=steps, lmbda=1.0, beta=0.0,
            temperature=1.0, max_new_tokens=RESPONSE, learning_rate=LR, report_to=[], use_cpu=True,
            save_strategy="no", logging_strategy="no", disable_tqdm=True, bf16=False,
            gradient_checkpointing=False, dataloader_num_workers=0,
        )  # fmt: skip
        watch = Watch()
        trainer = GKDTrainer(
            plain.student, plain.teacher, config, collated, Dataset.from_list(rows),
            processing_class=tokenizer, callbacks=[watch],
        )  # fmt: skip
        trainer.train()
    return watch.seconds / steps


def one_round(dataset: SequenceDataset, steps: int) -> dict[str, Any]:
    """Both ways, in turn."""
    plain = Plain(dataset, steps)
    found: dict[str, Any] = {"plain_s": {}, "ours_s": {}}
    for way, method in (("sft", "labels_only"), ("fixed_kd", "fixed_kd"), ("gkd", "gkd")):
        ours = {lanes: Ours(dataset, method, lanes, steps) for lanes in (1, LANES)}
        first = plain.seconds(way)
        found["ours_s"][way] = {str(lanes): cohort.seconds() for lanes, cohort in ours.items()}
        found["plain_s"][way] = statistics.mean([first, plain.seconds(way)])
    found["ours_s"]["skd"] = {
        str(lanes): Ours(dataset, "skd", lanes, steps).seconds() for lanes in (1, LANES)
    }
    mine, its = found["ours_s"], found["plain_s"]
    if (its_trl := trl_seconds(dataset, plain, steps)) is not None:
        found["trl_s"] = its_trl
        found["trl_ratio"] = {lanes: its_trl / mine["gkd"][lanes] for lanes in mine["gkd"]}
    found["step_ratio"] = {way: mine[way]["1"] / its[way] for way in ("sft", "fixed_kd")}
    found["rate_ratio"] = {
        way: {lanes: its["gkd"] / mine[way][lanes] for lanes in mine[way]} for way in ("gkd", "skd")
    }
    say(f"a step of labels {found['step_ratio']['sft']:.2f}, of the mix "
        f"{found['step_ratio']['fixed_kd']:.2f} times a plain one; on-policy "
        f"{found['rate_ratio']['gkd']['1']:.2f} (4 lanes: {found['rate_ratio']['gkd']['4']:.2f}) "
        "times the tokens a second"
        + (f"; {found['trl_ratio']['1']:.2f} ({found['trl_ratio']['4']:.2f}) times those of trl"
           if "trl_ratio" in found else ""))  # fmt: skip
    return found


def speed(sweep: Swept, found: Mapping[str, Any]) -> dict[str, float | None]:
    """What the overview of tasks says, by a round."""
    ways = ("sft", "fixed_kd", "gkd")
    plain = statistics.mean(found["plain_s"][way] for way in ways)
    alone, together = (
        statistics.mean(found["ours_s"][way][lanes] for way in ways) for lanes in ("1", str(LANES))
    )
    steps = math.ceil(SPEC.fractions.train * EXAMPLES / BATCH)
    return speeds(sweep, steps * plain, alone / together, plain / alone)


def _cpu() -> torch.device:
    return torch.device("cpu")


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="an odd number")
    given: argparse.Namespace = parser.parse_args()
    if importlib.util.find_spec("transformers") is None:
        say("left out: transformers is not installed; pip install 'almkd[language]'")
        return
    torch.set_num_threads(1)
    steps, smaller = (10, SMALLER) if given.quick else (60, ())
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as scratch:
        path, runs_dir = written(Path(scratch)), Path(scratch) / "runs"
        dataset = loaded(path)
        results = [one_round(dataset, steps) for _ in range(1 if given.quick else given.rounds)]
        runs_dir.mkdir()
        sweep = swept(str(path), runs_dir, "language", *smaller)
    ordered = sorted(results, key=lambda result: result["rate_ratio"]["gkd"]["1"])
    of_all = {
        lanes: sorted(
            result.get("trl_ratio", result["rate_ratio"]["gkd"])[lanes] for result in results
        )
        for lanes in ("1", str(LANES))
    }
    middle = ordered[len(ordered) // 2]
    told = {"sweep": sweep._asdict(), "speed": speed(sweep, middle)}
    say(", ".join(f"{name} {times:.2f}" for name, times in told["speed"].items()))
    keep(given, "language", {**middle, **told, "of_all_rounds": of_all})


if __name__ == "__main__":
    main()
