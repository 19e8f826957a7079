"""Hyperparameters that several methods share, declared once."""

from trainers.fields import Field, Limit

LR = Field(
    "lr", "float", 0.1, "learning rate at the first epoch", "ALM-KD's authors' code, CIFAR",
    low=0.0, open_low=True,
)  # fmt: skip
WEIGHT_DECAY = Field(
    "weight_decay", "float", 5e-4, "L2 penalty in the gradient; with AdamW, decay beside it",
    "ALM-KD's authors' code", low=0.0,
)  # fmt: skip
LOOK_AHEAD_LR = Field(
    "look_ahead_lr", "float", 0.1,
    "size of the plain gradient step that is looked ahead; it follows the schedule",
    "own: AdamW's learning rate says nothing about a plain step", low=0.0, open_low=True,
    needs_optimizer="adamw",
)  # fmt: skip
TEMPERATURE = Field(
    "temperature", "float", 4.0, "softening of teacher and student", "ALM-KD's authors' code",
    low=0.0, open_low=True,
)  # fmt: skip
ALPHA = Field(
    "alpha", "float", 0.9, "weight of the teacher; 1 - alpha is the label's",
    "Hinton et al. 2015; common default", unit="share", low=0.0, high=1.0,
)  # fmt: skip
CLEAN_ALPHA = Field(
    "clean_alpha", "float", 0.0, "weight of the teachers on clean examples that are trained on, "
    "against the label's", "own", unit="share", low=0.0, high=1.0,
)  # fmt: skip
NET_LR = Field(
    "net_lr", "float", 1e-3, "Adam's step size for the weighting net", "code of Meta-Weight-Net",
    low=0.0,
)  # fmt: skip

HELD_OUT_BATCH = Field(
    "held_out_batch", "int", "default", "examples of a held-out mini-batch, or the batch size of "
    "training; where the held-out split has fewer, all of them",
    "own; ALM-KD's authors' code: 1000 for CIFAR, 64 for Cars, 200 for Aircraft",
    unit="examples", low=2, words=("default",),
)  # fmt: skip

OPTIMIZER = (LR, WEIGHT_DECAY)
MIX = (*OPTIMIZER, TEMPERATURE, ALPHA)
# Of a mix by alpha: the label alone, and the teachers alone.
ENDS_OF_MIX = (Limit({"alpha": 0.0}, "labels_only"), Limit({"alpha": 1.0}))
