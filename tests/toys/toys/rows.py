"""SEQUENCES and PAIRS, as the entry points name them. Free of torch."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from toys.datasets import LONGEST, TAGS, load_pairs, load_sequences
from trainers.entries import DatasetEntry, MethodEntry, Metric, NetworkEntry, NoiseEntry, TaskEntry
from trainers.fields import Field
from trainers.hyperparameters import MIX
from trainers.mixing.table import METHODS, mixing_methods, row_methods

EXAMPLES = Field("n", "int", 400, "how many are made", "own", unit="examples", low=50)
WIDTH = Field("width", "int", 8, "numbers of one embedding", "own", low=1)
ACCURACY = Metric("accuracy", "share guessed right", "percent", "maximize")
LOSS = Metric("loss", "negative log-likelihood", "nats", "minimize")


def shift_tags(tags: NDArray[np.int64], rate: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Every tag of a share of the sequences becomes another one."""
    chosen = rng.permutation(len(tags))[: round(rate * len(tags))]
    shift = rng.integers(1, TAGS, tags.shape)
    noisy = tags.copy()
    noisy[chosen] = np.where(tags[chosen] < 0, tags[chosen], (tags[chosen] + shift[chosen]) % TAGS)
    return noisy


def flip_likes(
    likes: NDArray[np.int64], rate: float, rng: np.random.Generator
) -> NDArray[np.int64]:
    """A share of the answers is turned round."""
    chosen = rng.permutation(len(likes))[: round(rate * len(likes))]
    noisy = likes.copy()
    noisy[chosen] = 1 - noisy[chosen]
    return noisy


DROPPED = MethodEntry(
    implementation="toys.dropping:Dropping",
    summary="tokens dropped at random, teachers asked about what is left, students averaged",
    source="own",
    teachers="one",
    uses_meta=False,
    changes_inputs=True,
    hyperparameters=(
        *MIX,
        Field("dropped", "float", 0.2, "share of tokens dropped", "own", low=0.0, high=0.9),
    ),
)

SEQUENCES = TaskEntry(
    name="toy_sequences",
    implementation="toys.sequences:SequenceTask",
    summary="a tag for each token of a sequence",
    example="a sequence",
    methods={**mixing_methods(), **row_methods(), "dropping": DROPPED},
    datasets={
        "toy_sequences": DatasetEntry(
            load=load_sequences,
            summary="made-up sequences",
            source="own",
            task="toy_sequences",
            fields=(EXAMPLES,),
            shape=lambda **options: (LONGEST,),
            counts=lambda n: (n, LONGEST * TAGS),
        ),
    },
    networks={
        "tagger": NetworkEntry(
            implementation="toys.sequences:Tagger",
            summary="looks at a token and the one before",
            source="own",
            fields=(WIDTH,),
        ),
    },
    noise_kinds={"shifted": NoiseEntry(shift_tags, "every tag of a sequence wrong", "own")},
    metrics={"accuracy": ACCURACY, "loss": LOSS},
    every_epoch=("accuracy",),
    objective="accuracy",
    teacher_outputs="logits of every token, one sequence after the other, with offsets",
    prediction="logits of every token",
    export="parameters by name",
)

PAIRS = TaskEntry(
    name="toy_pairs",
    implementation="toys.pairs:PairTask",
    summary="whether a user likes an item",
    example="a pair of a user and an item",
    # There is no last layer to look ahead with.
    methods=mixing_methods(
        replace(
            METHODS["alm_kd"].hyperparameter("hypergradient"), default="full", choices=("full",)
        )
    ),
    datasets={
        "toy_pairs": DatasetEntry(
            load=load_pairs, summary="made-up pairs", source="own", task="toy_pairs",
            fields=(EXAMPLES,), shape=lambda **options: (2,), counts=lambda n: (n, 2),
        ),
    },
    networks={
        "embeddings": NetworkEntry(
            implementation="toys.pairs:Embeddings", summary="two tables of embeddings",
            source="own", together=("cpu", "cuda"), last_layer=False, fields=(WIDTH,),
        ),
    },
    noise_kinds={"flipped": NoiseEntry(flip_likes, "the other answer", "own")},
    metrics={"accuracy": ACCURACY, "loss": LOSS},
    every_epoch=("accuracy",),
    objective="loss",
    teacher_outputs="two logits of every pair",
    prediction="two logits",
    export="parameters by name",
    optimizer="adamw",
)  # fmt: skip
