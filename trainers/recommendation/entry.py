"""RECOMMENDATION: which items a user takes next, from those taken so far. Free of torch."""

from collections.abc import Mapping

from numpy.random import Generator

from trainers.data.dataset import Dataset
from trainers.data.inspection import SplitRows
from trainers.entries import Metric, TaskEntry
from trainers.recommendation.data.dataset import Interactions
from trainers.recommendation.data.datasets import DATASETS
from trainers.recommendation.data.inspection import inspect
from trainers.recommendation.data.noise import NOISE_KINDS
from trainers.recommendation.data.splits import rows_by_user, split_problem
from trainers.recommendation.methods.table import METHODS
from trainers.recommendation.networks.table import NETWORKS
from trainers.settings import DataSpec, Labels, SplitFractions

NOBODY = "where nobody has such an item"
METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("ndcg_20", "mean over users of the gain of items found among the 20 that are put "
               "first of all, 1 / log2(place + 1) each, as a share of the most there could be",
               "percent", "maximize"),
        Metric("recall_20", "mean over users of the share of their items that are among these 20",
               "percent", "maximize"),
        Metric("recall_20_popular", "the same of popular items, those with the first half of all "
               "training interactions, over users with such an item", "percent", "maximize",
               NOBODY),
        Metric("recall_20_unpopular", "the same of all other items", "percent", "maximize", NOBODY),
        Metric("share_unpopular", "share of the places of all lists that hold other items than "
               "popular ones", "percent", "maximize",
               not_objective="lists of unpopular items alone would be the best"),
        Metric("coverage", "share of all items that are in some list", "percent", "maximize",
               not_objective="lists that are drawn would be the best"),
        Metric("ndcg_10", "as ndcg_20, among the first 10", "percent", "maximize"),
        Metric("recall_10", "as recall_20, among the first 10", "percent", "maximize"),
        Metric("loss", "mean over interactions of -log sigmoid of how far the item is above one "
               "that the user has not taken", "nats", "minimize",
               not_objective="it sets items against drawn ones, and lists against all"),
    )
}  # fmt: skip


def _usable(data: Dataset, spec: DataSpec, labels: Labels) -> str | None:
    assert isinstance(data, Interactions)
    return split_problem(data, spec.fractions)


def _rows(data: Dataset, fractions: SplitFractions, rng: Generator) -> SplitRows:
    assert isinstance(data, Interactions)
    return rows_by_user(data, fractions, rng)


RECOMMENDATION = TaskEntry(
    name="recommendation",
    implementation="trainers.recommendation.task:Recommendation",
    summary="which items each user takes next, from who took what",
    example="an interaction of a user with an item",
    methods=METHODS,
    datasets=DATASETS,
    networks=NETWORKS,
    noise_kinds=NOISE_KINDS,
    metrics=METRICS,
    every_epoch=("ndcg_20",),
    objective="ndcg_20",
    against=("recall_20_popular", "recall_20_unpopular"),
    optimizer="adamw",
    teacher_outputs="a score for every user and item",
    predicted_numbers=lambda shape: 1,
    prediction="the rank of the item among all that the user has not taken before",
    export="vectors of users and items, and what each user has in training",
    usable=_usable,
    inspect=inspect,
    split_rows=_rows,
)
