"""The usual parts, put together as usual: what a launch of bench/digits.yaml is measured against.

    python bench/stock_stack.py [--trials 48] [--rate 0.4] [--cpus 2] [--quick]

Ray Tune with an actor per trial (reused), `OptunaSearch`, `ASHAScheduler`, `MLflowLoggerCallback`
on SQLite, and a plain training loop: the students, teachers, epochs, methods and ranges of the
preset digits, nothing imported from this project but what names the machine. Data and the teacher's
logits are computed once and shared through Ray's object store; batches are index gathers, no
loaders.

One condition (a noise rate) with three methods makes three `Tuner` runs, as a search of one method
in one condition must not be mixed with others; ``--trials`` is divided evenly among them. Counted:

    trial_epochs               epochs that all trials trained, as Tune counts them
    seconds                    of the three `Tuner.fit` alone, from their start to their end:
                               imports, the teacher, the start of Ray and of the store come before
    trial_epochs_per_second    trial_epochs / seconds

Confirming on fresh seeds, statistics and figures are not part of it. Writes
bench/results/stock_stack.json.
"""

import itertools
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import ray
import torch
from machine import keep, options, say
from mlflow import MlflowClient
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.optuna import OptunaSearch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F

METHODS = ("alm_kd", "fixed_kd", "labels_only")
EPOCHS, BATCH, CLASSES, SEED = 30, 64, 10, 0
MOMENTUM, WEIGHT_DECAY, TEACHER_LR = 0.9, 5e-4, 0.1
WARM_UP, GRAD_FIT = 2, 3
LEAST_EPOCHS = 6  # before ASHA stops a trial; the preset's pruner waits as long
# Of the two variants of ALM-KD: inner repeats, largest weight, share of the held-out loss.
VARIANTS = {"convex": (10, 1.0, 0.75), "box": (5, 2.0, 1.0)}


class Data(NamedTuple):
    """Inputs (n, 64) and labels (n,) of the three splits, the teacher's logits on the first."""

    x: Tensor
    y: Tensor
    x_meta: Tensor
    y_meta: Tensor
    x_validation: Tensor
    y_validation: Tensor
    teacher: Tensor


def load(rate: float, epochs: int) -> Data:
    """Digits with symmetric noise on the training labels, and a teacher that saw these."""
    inputs, labels = load_digits(return_X_y=True)
    inputs = (inputs / 16).astype(np.float32)
    x, rest_x, y, rest_y = train_test_split(
        inputs, labels, train_size=0.45, random_state=SEED, stratify=labels
    )
    held_x, left_x, held_y, left_y = train_test_split(
        rest_x, rest_y, train_size=0.1 / 0.55, random_state=SEED, stratify=rest_y
    )
    val_x, _, val_y, _ = train_test_split(
        left_x, left_y, train_size=0.2 / 0.45, random_state=SEED, stratify=left_y
    )
    rng = np.random.default_rng(SEED)
    wrong = rng.random(len(y)) < rate
    y = np.where(wrong, (y + rng.integers(1, CLASSES, len(y))) % CLASSES, y)
    parts = [torch.as_tensor(a) for a in (x, y, held_x, held_y, val_x, val_y)]
    data = Data(*parts, teacher=torch.zeros(len(y), CLASSES))
    teacher = mlp(256, 256)
    for _ in train(teacher, data, "labels_only", {"lr": TEACHER_LR}, epochs):
        pass
    with torch.no_grad():
        return data._replace(teacher=teacher(data.x))


def mlp(*hidden: int) -> nn.Sequential:
    """A multi-layer perceptron on 64 inputs."""
    sizes = [64, *hidden]
    layers: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], CLASSES))


def distillation(t: Tensor, z: Tensor, tau: float) -> Tensor:
    """tau^2 KL(teacher || student) of each example: (B, C), (B, C) -> (B,)."""
    log_p, log_q = F.log_softmax(t / tau, 1), F.log_softmax(z / tau, 1)
    return tau**2 * (log_p.exp() * (log_p - log_q)).sum(1)


def train(
    model: nn.Sequential, data: Data, method: str, config: dict[str, Any], epochs: int
) -> Iterator[dict[str, float]]:
    """Train by a method; the metrics of each epoch."""
    n, tau = len(data.y), config.get("temperature", 1.0)
    sgd = torch.optim.SGD(
        model.parameters(), config["lr"], MOMENTUM, weight_decay=WEIGHT_DECAY, nesterov=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, epochs)
    alpha = config.get("alpha", 0.0)
    lam = torch.tensor([1 - alpha, alpha]).repeat(n, 1)  # (n, 2): of the label, of the teacher
    if method == "alm_kd":
        start = torch.rand(n) if config["variant"] == "convex" else torch.full((n,), 0.9)
        lam = torch.stack([1 - start, start], 1)
    for epoch in range(epochs):
        if method == "alm_kd" and epoch >= WARM_UP:
            update_weights(lam, model, data, config, sgd.param_groups[0]["lr"])
        loss_sum, correct = 0.0, 0
        for index in torch.randperm(n).split(BATCH):
            z, y = model(data.x[index]), data.y[index]
            losses = lam[index, 0] * F.cross_entropy(z, y, reduction="none")
            if method != "labels_only":
                losses = losses + lam[index, 1] * distillation(data.teacher[index], z, tau)
            sgd.zero_grad()
            losses.mean().backward()
            sgd.step()
            loss_sum += losses.sum().item()
            correct += int((z.argmax(1) == y).sum())
        schedule.step()
        with torch.no_grad():
            z = model(data.x_validation)
            hits = (z.argmax(1) == data.y_validation).float().mean()
        metrics = {
            "train_loss": loss_sum / n,
            "train_accuracy": 100 * correct / n,
            "validation_loss": F.cross_entropy(z, data.y_validation).item(),
            "validation_accuracy": 100 * hits.item(),
        }
        if method == "alm_kd":
            metrics["lambda_label"] = lam[:, 0].mean().item()
            metrics["lambda_teacher"] = lam[:, 1].mean().item()
        yield metrics


@torch.no_grad()
def update_weights(
    lam: Tensor, model: nn.Sequential, data: Data, config: dict[str, Any], lr: float
) -> None:
    """One pass of ALM-KD's weights over all groups of batches, in place; last layer alone."""
    repeats, high, held_out = VARIANTS[config["variant"]]
    tau, body, head = config["temperature"], model[:-1], model[-1]
    meta = torch.randperm(len(data.y_meta))
    for j, index in enumerate(torch.randperm(len(data.y)).split(GRAD_FIT * BATCH)):
        h, y, t = body(data.x[index]), data.y[index], data.teacher[index]
        z = head(h)
        r_label = z.softmax(1) - F.one_hot(y, CLASSES)
        r_teacher = tau * ((z / tau).softmax(1) - (t / tau).softmax(1))
        r = torch.stack([r_label, r_teacher], 1)  # (G, 2, C)
        rows = meta.roll(-j * BATCH)[:BATCH]
        h_eval, y_eval = body(data.x_meta[rows]), data.y_meta[rows]
        w = torch.full((len(y_eval),), held_out / len(y_eval))
        if held_out < 1:
            h_eval, y_eval = torch.cat([h_eval, h]), torch.cat([y_eval, y])
            w = torch.cat([w, torch.full((len(y),), (1 - held_out) / len(y))])
        z_eval, onehot, weights = head(h_eval), F.one_hot(y_eval, CLASSES), lam[index]
        for _ in range(repeats):
            u = lr / BATCH * (weights.unsqueeze(2) * r).sum(1)
            after = z_eval - u.sum(0) - h_eval @ (h.T @ u)
            g = w.unsqueeze(1) * (after.softmax(1) - onehot)
            along = h @ (h_eval.T @ g) + g.sum(0)
            slope = -lr / BATCH * (r * along.unsqueeze(1)).sum(2)
            if config["variant"] == "convex":
                teacher = weights[:, 1] - config["meta_lr"] * (slope[:, 1] - slope[:, 0])
                teacher = teacher.clamp(0, high)
                weights = torch.stack([1 - teacher, teacher], 1)
            else:
                weights = (weights - config["meta_lr"] * slope).clamp(0, high)
        lam[index] = weights


def trainable(config: dict[str, Any], data: Data, method: str, epochs: int) -> None:
    """What an actor runs: one trial."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    for metrics in train(mlp(16), data, method, config, epochs):
        tune.report(metrics)


def space(method: str) -> dict[str, Any]:
    """The ranges of the preset."""
    searched: dict[str, Any] = {"lr": tune.loguniform(0.02, 0.3)}
    if method != "labels_only":
        searched["temperature"] = tune.loguniform(1, 8)
    if method == "fixed_kd":
        searched["alpha"] = tune.uniform(0, 1)
    if method == "alm_kd":
        searched["meta_lr"] = tune.loguniform(30, 1e4)
        searched["variant"] = tune.choice(["convex", "box"])
    return searched


def store(place: Path) -> str:
    """The tracking store in a directory."""
    return f"sqlite:///{place}/mlflow.db"


def search(method: str, data: Any, trials: int, epochs: int, place: Path) -> int:
    """One method's search; how many epochs its trials trained."""
    goal = {"metric": "validation_accuracy", "mode": "max"}
    tuner = tune.Tuner(
        tune.with_parameters(trainable, data=data, method=method, epochs=epochs),
        param_space=space(method),
        tune_config=tune.TuneConfig(
            search_alg=OptunaSearch(seed=SEED, **goal),
            scheduler=ASHAScheduler(max_t=epochs, grace_period=min(LEAST_EPOCHS, epochs), **goal),
            num_samples=trials,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name=method,
            storage_path=str(place),
            verbose=0,
            callbacks=[MLflowLoggerCallback(store(place), experiment_name=method)],
        ),
    )
    results = tuner.fit()
    if results.num_errors:
        raise RuntimeError(f"{results.num_errors} trials of {method} failed: {results.errors[0]}")
    return sum(int(result.metrics["training_iteration"]) for result in results)


def main() -> None:
    """Measure and write down."""
    parser = options(__doc__)
    parser.add_argument("--trials", type=int, default=48, help="of all methods together")
    parser.add_argument("--rate", type=float, default=0.4, help="of label noise")
    parser.add_argument("--cpus", type=int, help="cores that Ray may take; all by default")
    given = parser.parse_args()
    trials, epochs = (3, 2) if given.quick else (given.trials, EPOCHS)
    each = -(-trials // len(METHODS))
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(
        address="local", num_cpus=given.cpus, include_dashboard=False, log_to_driver=False,
        logging_level=logging.ERROR,
    )  # fmt: skip
    data = load(given.rate, epochs)
    with tempfile.TemporaryDirectory(prefix="almkd-bench-") as place:
        MlflowClient(store(Path(place))).search_experiments()  # makes the tables
        started = time.perf_counter()
        trained = sum(search(m, data, each, epochs, Path(place)) for m in METHODS)
        ended = time.perf_counter()
        ray.shutdown()
    result = {
        "trials": each * len(METHODS),
        "trial_epochs": trained,
        "seconds": ended - started,
        "trial_epochs_per_second": trained / (ended - started),
    }
    say(", ".join(f"{name} {value:.5g}" for name, value in result.items()))
    keep(given, "stock_stack", result)


if __name__ == "__main__":
    main()
