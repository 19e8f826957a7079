"""LANGUAGE: a response to each prompt. Free of torch."""

from collections.abc import Mapping

from trainers.data.dataset import Dataset
from trainers.entries import Metric, TaskEntry
from trainers.language.data.datasets import DATASETS
from trainers.language.data.inspection import inspect
from trainers.language.data.noise import NOISE_KINDS
from trainers.language.methods.table import METHODS
from trainers.language.networks.table import NETWORKS
from trainers.settings import DataSpec, Labels

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("token_error_rate", "the fewest tokens to put in, take out or replace in what the "
               "student writes greedily until it is the reference, over all examples, as a share "
               "of the tokens of all references", "percent", "minimize"),
        Metric("loss", "mean over responses of the mean negative log-likelihood of their tokens, "
               "the end among them", "nats", "minimize",
               not_objective="a student that is held to its teacher by reverse KL or jsd, or on "
               "what it writes itself, may answer better and find references less likely"),
        Metric("exact_match", "share of prompts that are answered by the reference, token by token",
               "percent", "maximize"),
        Metric("rouge_l", "mean over examples of F1 of the longest common subsequence of response "
               "and reference, of tokens", "percent", "maximize"),
        Metric("mean_length", "tokens that the student writes before the end", "", "maximize"),
        Metric("truncated", "share of responses that reach no end", "percent", "minimize"),
    )
}  # fmt: skip


def _usable(data: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    if labels.noise_kind == "swap" and labels.noise_rate and len(data) < 2:
        return "swap: one example alone has none to change places with"
    return None


LANGUAGE = TaskEntry(
    name="language",
    implementation="trainers.language.task:Language",
    summary="a response to each prompt, token by token",
    example="a prompt with its response",
    methods=METHODS,
    datasets=DATASETS,
    networks=NETWORKS,
    noise_kinds=NOISE_KINDS,
    metrics=METRICS,
    every_epoch=("token_error_rate",),
    objective="token_error_rate",
    optimizer="adamw",
    teacher_outputs="logits of each token of the responses that students train on or hold out",
    kept_of=("train", "meta"),
    predicted_numbers=lambda shape: sum(shape) + shape[1],
    prediction="the text of the response that is likeliest token by token",
    export="parameters and buffers by name, without the dimension of lanes",
    usable=_usable,
    inspect=inspect,
    takes_splits=True,
    teachers_go_along=True,
)
