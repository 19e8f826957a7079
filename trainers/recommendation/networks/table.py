"""NETWORKS: every student and teacher of the task by name, and which sizes each takes.

Free of torch.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from trainers.entries import COPIES_OF_PARAMETERS, NetworkEntry
from trainers.fields import Field
from trainers.recommendation.data.dataset import too_many_scores
from trainers.settings import ModelSpec

if TYPE_CHECKING:
    from trainers.data.dataset import Dataset

FLOAT = 4  # bytes
# Vectors that a step reads of an example, and how often it touches each: values, products,
# gradients of both.
OF_EXAMPLE, TOUCHED = 3, 4
# EASE inverts a matrix of all pairs of items: of so many in about a minute.
MOST_ITEMS = 10_000
WIDTH = Field("width", "int", 10, "numbers of a vector", "UnKD's authors' code", low=1)


def _bytes(model: ModelSpec, batch_size: int, shape: tuple[int, ...]) -> int:
    width, layers = model.sizes["width"], model.sizes.get("layers", 0)
    vectors = COPIES_OF_PARAMETERS * sum(shape) + batch_size * OF_EXAMPLE * TOUCHED
    touched: int = FLOAT * width * (vectors + 2 * layers * sum(shape))
    return touched


def _work(model: ModelSpec, shape: tuple[int, ...]) -> int:
    """Of the scores of two items; propagation is left out."""
    scores: int = 2 * model.sizes["width"]
    return scores


def _too_large(sizes: Mapping[str, Any], dataset: "Dataset") -> str | None:
    users, items = dataset.shape
    if items <= MOST_ITEMS:
        return too_many_scores(users, items)
    return (
        f"ease inverts a matrix of {items} by {items} items, and {MOST_ITEMS} are the most; take "
        "the teacher factors, or fewer items"
    )


NETWORKS: Mapping[str, NetworkEntry] = {
    "factors": NetworkEntry(
        implementation="trainers.recommendation.networks.factors:Factors",
        summary="a vector of each user and item, whose product is the score",
        source="Rendle et al. 2009 (UAI), arXiv 1205.2618",
        together=("cpu", "cuda"),
        last_layer=False,
        fields=(WIDTH,),
        lane_bytes=_bytes,
        work=_work,
    ),
    "light_gcn": NetworkEntry(
        implementation="trainers.recommendation.networks.light_gcn:LightGcn",
        summary="such vectors, smoothed over the graph of training interactions",
        source="He et al. 2020 (SIGIR), arXiv 2002.02126",
        together=("cpu", "cuda"),
        last_layer=False,
        fields=(
            WIDTH,
            Field("layers", "int", 2, "how often they are smoothed", "UnKD's authors' code",
                  unit="layers", low=1, high=8),
        ),
        lane_bytes=_bytes,
        work=_work,
    ),
    "ease": NetworkEntry(
        implementation="trainers.recommendation.networks.ease:Ease",
        summary="a linear map from a user's items to scores, in closed form; a teacher alone",
        source="Steck 2019 (WWW), arXiv 1905.03375",
        last_layer=False,
        fields=(
            Field("ridge", "float", 300.0, "how much the map is held to nothing",
                  "arXiv 1905.03375: 200 to 1000", low=0.0, open_low=True),
        ),
        learns=lambda sizes: False,
        data_problem=_too_large,
    ),
}  # fmt: skip
