"""METHODS: what the mixing methods take here. An Oracle is no method but a kind of teacher."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.entries import MethodEntry
from trainers.fields import Field
from trainers.hyperparameters import ALPHA, LOOK_AHEAD_LR, LR, TEMPERATURE, WEIGHT_DECAY
from trainers.mixing.table import mixing_methods

DECLARED_ANEW = (
    replace(LR, default=4e-3, source="own, small convolutions from scratch"),
    replace(WEIGHT_DECAY, default=0.01, source="own"),
    replace(TEMPERATURE, default=1.0, source="own: above 1 the many blank frames count most"),
    replace(ALPHA, default=0.5, source="own"),
    replace(LOOK_AHEAD_LR, default=0.1),
)
LEVEL = Field(
    "level", "choice", "frame", "what of the teacher is met: every frame's symbols by KL, or by "
    "their squared distance, the sequence that it says, or, beside the label, its spikes",
    "softmax: arXiv 2008.00671; guided: arXiv 1904.08311",
    choices=("frame", "softmax", "sequence", "guided"),
)  # fmt: skip
FRAMES = Field(
    "frames", "choice", "all", "of frame and softmax, the frames that count: all, those to which "
    "the teacher gives no blank, or these and their neighbours", "after arXiv 2506.01503",
    choices=("all", "not_blank", "near"),
)  # fmt: skip


def _with_forms(entry: MethodEntry) -> MethodEntry:
    if not entry.uses_teacher:
        return entry
    return replace(entry, hyperparameters=(*entry.hyperparameters, LEVEL, FRAMES))


METHODS: Mapping[str, MethodEntry] = {
    name: _with_forms(entry) for name, entry in mixing_methods(*DECLARED_ANEW).items()
}
