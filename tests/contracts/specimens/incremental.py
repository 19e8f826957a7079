"""Classes that come task by task, in small."""

from collections.abc import Sequence

from tests.contracts.specimens.classification import check_arrays
from tests.contracts.specimens.specimen import Specimen
from tests.trainers.cases import LIVELY, Trial
from tests.trainers.incremental.cases import StreamTrial, make_cohort
from tests.trainers.specimens import options_for
from trainers.incremental.entry import INCREMENTAL
from trainers.loop.cohort import Cohort
from trainers.settings import ModelSpec, Stream


def _cohort(method: str, trials: Sequence[Trial], epochs: int) -> Cohort:
    """As many tasks as epochs, the first of two classes, others of one where they are many."""
    told = [StreamTrial(t.name, t.seed, t.values, t.noise_rate) for t in trials]
    return make_cohort(method, told, Stream(epochs, batch_norm="batch"), epochs=1)


SPECIMEN = Specimen(
    task=INCREMENTAL,
    cohort=_cohort,
    lively={
        "alm_kd": [
            {**values, "warmup_epochs": 0, "update_every": 1} for values in LIVELY["alm_kd"][:3]
        ],
        "fixed_kd": (
            {"alpha": 0.5}, {"alpha": 1.0, "kd_form": "tasks"},
            {"alpha": 0.1, "kd_form": "sigmoid"},
        ),
        "superloss": LIVELY["superloss"],
        "meta_weight_net": LIVELY["meta_weight_net"],
    },
    rates=(0.05, 0.2, 0.01),
    tallied=("accuracy",),
    # Of six classes the five likeliest say nothing.
    undefined=("top_5_accuracy",),
    model=ModelSpec("mlp", {"hidden": (4,), "norm": "batch"}),
    options=options_for,
    check=check_arrays,
)  # fmt: skip
