"""Label noise, by kind: how the labels of a split are corrupted.

y labels (n,), C classes, rate in [0, 1], x inputs (n, D). Each kind takes what there is to know of
the examples and returns new labels; the draw is an argument.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainers.entries import NoiseEntry
from trainers.fields import Field
from trainers.settings import Labels

GivenLabels = NDArray[np.int64]
# Which classes are taken for which: pairs (from, to).
ClassMap = tuple[tuple[int, int], ...]

# The standard deviation of the flip rates of single examples in instance-dependent noise.
INSTANCE_STD = 0.1
# How far the rate of a spec may be from that of a file: half of the last digit that is shown.
RATE_TOLERANCE = 0.005

CLASS_MAP = Field(
    "class_map", "pairs", None, "pairs of a class and the one it is taken for; by default that of "
    "the data set, where it has a usual one", "Patrini et al. 2017, arXiv 1609.03683",
    example=[[3, 5], [5, 3]],
)  # fmt: skip
NOISE_FILE = Field(
    "noise_file", "path", None, "an .npy of one whole number per example, or an .npz of one array",
    "the user's", required=True, example="labels.npy",
)  # fmt: skip


class Examples(NamedTuple):
    """What a noise kind may look at: the n examples of a split.

    ``inputs`` (N, ...) are those of the whole data set, x = inputs[rows]. ``given``: labels of a
    file (n,). ``class_map``: pairs (from, to).
    """

    y: GivenLabels
    classes: int
    inputs: NDArray[np.floating]
    rows: NDArray[np.int64]
    given: GivenLabels | None = None
    class_map: ClassMap = ()


Corruption = Callable[[Examples, float, np.random.Generator], GivenLabels]


def corrupt_labels(
    examples: Examples, kind: str, rate: float, rng: np.random.Generator
) -> GivenLabels:
    """New labels (n,); at rate 0 the true ones, whatever the kind."""
    if rate == 0:
        return examples.y.copy()
    given: GivenLabels = NOISE_KINDS[kind].corrupt(examples, rate, rng)
    return given


def realised_rate(y: GivenLabels, given: GivenLabels) -> float:
    """The share of examples whose given label is wrong; 0 where there is no example."""
    return float((y != given).mean()) if len(y) else 0.0


def transition_matrix(y: GivenLabels, given: GivenLabels, classes: int) -> NDArray[np.float64]:
    """Shares (C, C): as what the examples of a class (row) were given; zeros if it has none."""
    counts = np.zeros((classes, classes))
    np.add.at(counts, (y, given), 1)
    counts /= np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return counts


def noise_problem(
    y: GivenLabels, classes: int, labels: Labels, given: GivenLabels | None, class_map: ClassMap
) -> str | None:
    """Why this noise cannot be had on examples with the true labels ``y``, or None."""
    if labels.noise_kind == "asymmetric":
        strange = [c for pair in class_map for c in pair if not 0 <= c < classes]
        if strange:
            return f"conditions.class_map: {strange[0]} is no class; they are 0 to {classes - 1}"
    if labels.noise_kind == "file" and labels.noise_rate and given is not None:
        realised = realised_rate(y, given)
        if abs(realised - labels.noise_rate) > RATE_TOLERANCE:
            return (
                f"conditions.noise_rate: {labels.noise_rate:g} is not the rate of the noise file, "
                f"whose labels are wrong in {100 * realised:.1f} % of the examples; give 0 or "
                f"{realised:.2f}"
            )
    return None


def _on_chosen(
    relabel: Callable[[GivenLabels, Examples, np.random.Generator], GivenLabels],
) -> Corruption:
    """The kind that puts round(rate * n) examples, chosen at random, through ``relabel``.

    A fixed count instead of one coin per example keeps the rate the same for every seed.
    """

    def corrupt(examples: Examples, rate: float, rng: np.random.Generator) -> GivenLabels:
        chosen = rng.permutation(len(examples.y))[: round(rate * len(examples.y))]
        noisy = examples.y.copy()
        noisy[chosen] = relabel(examples.y[chosen], examples, rng)
        return noisy

    return corrupt


def _symmetric(y: GivenLabels, examples: Examples, rng: np.random.Generator) -> GivenLabels:
    return (y + rng.integers(1, examples.classes, size=len(y))) % examples.classes


def _uniform(y: GivenLabels, examples: Examples, rng: np.random.Generator) -> GivenLabels:
    return rng.integers(0, examples.classes, size=len(y))


def _pair(y: GivenLabels, examples: Examples, rng: np.random.Generator) -> GivenLabels:
    return (y + 1) % examples.classes


def _asymmetric(y: GivenLabels, examples: Examples, rng: np.random.Generator) -> GivenLabels:
    to = np.arange(examples.classes)
    for c, other in examples.class_map:
        to[c] = other
    return to[y]


def _class_map_problem(options: Mapping[str, Any]) -> str | None:
    pairs = options.get(CLASS_MAP.name, ())
    sources = [c for c, _ in pairs]
    for c, other in pairs:
        if c == other or c < 0 or other < 0:
            return f"class_map: [{c}, {other}] does not take one class for another"
        if sources.count(c) > 1:
            return f"class_map: class {c} is taken for two; keep one of them"
    return None


def _instance(examples: Examples, rate: float, rng: np.random.Generator) -> GivenLabels:
    """Noise that depends on the input, as Xia et al. 2020 (arXiv 2006.07836) draw it.

    Each example has a flip rate of its own, from a normal around ``rate`` cut to [0, 1], and wrong
    classes with the probabilities softmax(x W_y) without the true one, W_y (D, C) standard normal.
    Departure: the flips are as many as the rate says, those with the largest flip rate less a
    uniform draw, where a coin per example would let the realised rate differ by seed.
    """
    y, classes = examples.y, examples.classes
    flip_rates = _flip_rates(len(y), rate, rng)
    chosen = np.argsort(rng.random(len(y)) - flip_rates, kind="stable")[: round(rate * len(y))]
    ticket = rng.random(len(y))
    features = int(np.prod(examples.inputs.shape[1:]))
    noisy = y.copy()
    for c in range(classes):
        w = rng.standard_normal((features, classes), dtype=np.float32)
        flipped = chosen[y[chosen] == c]
        score = examples.inputs[examples.rows[flipped]].reshape(-1, features) @ w
        score[:, c] = -np.inf
        noisy[flipped] = _pick(score.astype(np.float64), ticket[flipped])
    return noisy


def _flip_rates(n: int, rate: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draws (n,) from the normal around ``rate`` cut to [0, 1]."""
    drawn = rng.normal(rate, INSTANCE_STD, n)
    while (outside := (drawn < 0) | (drawn > 1)).any():
        drawn[outside] = rng.normal(rate, INSTANCE_STD, outside.sum())
    return drawn


def _pick(score: NDArray[np.float64], ticket: NDArray[np.float64]) -> GivenLabels:
    """Classes (n,) with the probabilities softmax(score) (n, C), by tickets (n,) in [0, 1)."""
    p = np.exp(score - score.max(axis=1, keepdims=True))
    reached = np.cumsum(p, axis=1)
    # Times the total: a ticket below 1 then never points past the last class of some probability.
    picked: GivenLabels = (reached > ticket[:, None] * reached[:, -1:]).argmax(axis=1)
    return picked


def _file(examples: Examples, rate: float, rng: np.random.Generator) -> GivenLabels:
    assert examples.given is not None
    return examples.given.copy()


NOISE_KINDS: Mapping[str, NoiseEntry] = {
    "symmetric": NoiseEntry(
        _on_chosen(_symmetric),
        "any class but the true one, each as likely; the rate is that of errors",
        "standard",
    ),
    "uniform": NoiseEntry(
        _on_chosen(_uniform),
        "any class, the true one too; of C classes, rate (1 - 1/C) are errors",
        "ALM-KD's authors' code",
    ),
    "pair": NoiseEntry(
        _on_chosen(_pair),
        "the next class, the first after the last; the rate is that of errors",
        "Han et al. 2018, arXiv 1804.06872",
    ),
    "asymmetric": NoiseEntry(
        _on_chosen(_asymmetric),
        "the class that conditions.class_map names; the rate is that within the classes it names",
        "Patrini et al. 2017, arXiv 1609.03683",
        (CLASS_MAP,),
        _class_map_problem,
    ),
    "instance": NoiseEntry(
        _instance,
        "a wrong class that depends on the input; the rate is that of errors",
        "Xia et al. 2020, arXiv 2006.07836",
    ),
    "file": NoiseEntry(
        _file,
        "the labels of conditions.noise_file, such as people gave; the rate is what it is",
        "the user's",
        (NOISE_FILE,),
    ),
}
