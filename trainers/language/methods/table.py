"""METHODS: the ways to train that know responses; and what the mixing methods take here."""

from collections.abc import Mapping
from dataclasses import replace

from trainers.entries import MethodEntry
from trainers.fields import Field, Limit
from trainers.hyperparameters import (
    ALPHA,
    ENDS_OF_MIX,
    LR,
    OPTIMIZER,
    TEMPERATURE,
    WEIGHT_DECAY,
)
from trainers.language.methods.costs import on_policy, online, seq_kd
from trainers.mixing.table import anew, mixing_methods, row_methods

# Of small decoders from scratch, by AdamW.
OF_ADAMW = (
    replace(LR, default=4e-3, source="own, small decoders from scratch"),
    replace(WEIGHT_DECAY, default=0.01, source="own"),
)
DECLARED_ANEW = (
    *OF_ADAMW,
    replace(TEMPERATURE, default=1.0, source="standard for language models"),
    replace(ALPHA, default=0.5, source="MiniLLM's authors' code"),
)
DIVERGENCE = Field(
    "divergence", "choice", "fkl", "from teacher to student: forward or reverse KL, one between "
    "them, a skewed one, total variation, or ToDi's mix entry by entry",
    "arXiv 2306.13649; skewed: 2402.03898; todi: 2505.16297",
    choices=("fkl", "rkl", "jsd", "skew_fkl", "skew_rkl", "tvd", "todi"),
)  # fmt: skip
BETA = Field(
    "beta", "float", 0.5, "of jsd: the teacher's share in the mixture; its size goes to nothing at "
    "both ends, where it is not fkl or rkl", "arXiv 2306.13649", unit="share", low=0.0, high=1.0,
    open_low=True, open_high=True,
)  # fmt: skip
SKEW = Field(
    "skew", "float", 0.1, "of the skewed: the share of the other distribution in the mixture",
    "arXiv 2402.03898", unit="share", low=0.0, high=1.0, open_low=True, open_high=True,
)  # fmt: skip
FORMS = (DIVERGENCE, BETA, SKEW)
ON_POLICY = Field(
    "on_policy", "float", 1.0, "share of the steps on what the student writes", "arXiv 2306.13649",
    unit="share", low=0.0, high=1.0,
)  # fmt: skip
SAMPLING_TEMPERATURE = Field(
    "sampling_temperature", "float", 1.0, "softening of the student that writes; 0: greedily",
    "arXiv 2306.13649", low=0.0,
)  # fmt: skip
TEACHER_TEMPERATURE = Field(
    "teacher_temperature", "float", 1.0, "softening of the teacher that writes; 0: greedily", "own",
    low=0.0,
)  # fmt: skip

OWN: Mapping[str, MethodEntry] = {
    "seq_kd": MethodEntry(
        implementation="trainers.language.methods.seq_kd:SeqKd",
        cost=seq_kd,
        summary="the label's loss of one response to each prompt that the teacher wrote",
        source="Kim and Rush 2016, arXiv 1606.07947",
        teachers="one",
        changes_inputs=True,
        by_example=True,
        hyperparameters=(*OPTIMIZER, TEACHER_TEMPERATURE),
    ),
    "gkd": MethodEntry(
        implementation="trainers.language.methods.on_policy:OnPolicy",
        cost=on_policy,
        summary="the teacher alone, on what the student writes in a share of the steps",
        source="Agarwal et al. 2024 (ICLR), arXiv 2306.13649",
        teachers="one",
        changes_inputs=True,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            ON_POLICY,
            *FORMS,
            SAMPLING_TEMPERATURE,
            Field(
                "fixed_data", "choice", "given", "the responses of the other steps: the given, or "
                "one that the teacher wrote", "arXiv 2306.13649", choices=("given", "teacher"),
            ),
        ),
        limits=(Limit({"on_policy": 0.0}), Limit({"on_policy": 1.0})),
    ),
    "skd": MethodEntry(
        implementation="trainers.language.methods.skd:Speculative",
        cost=on_policy,
        summary="the teacher alone, on what the student writes and the teacher corrects",
        source="Xu et al. 2025 (ICLR), arXiv 2410.11325",
        teachers="one",
        changes_inputs=True,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            Field(
                "top_k", "int", 5, "a token that is not among so many likeliest of the teacher's "
                "is replaced by one that the teacher draws; 0: every one",
                "own; authors' code: 25 of 256,000", unit="tokens", low=0,
            ),
            ON_POLICY,
            *FORMS,
            SAMPLING_TEMPERATURE,
            TEACHER_TEMPERATURE,
        ),
    ),
    "okd": MethodEntry(
        implementation="trainers.language.methods.okd:Online",
        cost=online,
        summary="fixed mix of label and a teacher in which a small module learns beside the "
        "student",
        source="after arXiv 2409.12512, from its abstract",
        teachers="one",
        changes_inputs=True,
        by_example=True,
        hyperparameters=(
            *OPTIMIZER,
            ALPHA,
            *FORMS,
            Field(
                "rank", "int", 4, "of the module in each matrix of the teacher's layers", "own",
                low=1, high=8,
            ),
            Field(
                "module_lr", "float", 1e-3, "Adam's step size for the module", "own", low=0.0,
            ),
            Field(
                "gamma", "float", 1.0, "weight of the student in what the module learns", "own",
                low=0.0,
            ),
            Field(
                "teacher_loss", "choice", "both", "what the module learns from: labels, the "
                "student, or both", "own: the paper's could not be had",
                choices=("both", "label", "student"),
            ),
        ),
        limits=(Limit({"module_lr": 0.0}),),
    ),
}  # fmt: skip

# Published without the label's term.
WHOLE = replace(ALPHA, default=1.0, source="the teacher alone, as published")
ADAPTIVE: Mapping[str, MethodEntry] = {
    "taid": MethodEntry(
        implementation="trainers.language.methods.taid:Taid",
        summary="fixed mix of label and a target that goes from the student to the teacher",
        source="Shing et al. 2025 (ICLR), arXiv 2501.16937, and its authors' public code",
        teachers="one",
        hyperparameters=(
            *OPTIMIZER,
            WHOLE,
            Field(
                "t_start", "float", 0.4, "the teacher's share in the target at the first step; it "
                "is 1 at the last", "authors' code", unit="share", low=0.0, high=1.0,
            ),
            Field(
                "t_step", "float", 5e-4, "how fast that share rises beyond a line while the loss "
                "falls", "authors' code", low=0.0, high=1.0,
            ),
            Field(
                "t_momentum", "float", 0.99, "what a step keeps of the mean of how fast the loss "
                "falls", "authors' code", unit="share", low=0.0, high=1.0, open_high=True,
            ),
        ),
        limits=ENDS_OF_MIX,
    ),
    "adakd": MethodEntry(
        implementation="trainers.language.methods.adakd:AdaKd",
        summary="fixed mix of label and the teacher's hardest tokens, each at a temperature of its "
        "own",
        source="Xie et al. 2026 (AAAI), arXiv 2510.11615, and its authors' public code",
        teachers="one",
        hyperparameters=(
            *OPTIMIZER,
            WHOLE,
            *FORMS,
            Field(
                "temperature_scale", "float", 0.6, "how much lower the temperature of a hard token "
                "is than that of an easy one; 0: all at 1", "arXiv 2510.11615", low=0.0, high=5.0,
            ),
            Field(
                "share_step", "float", 0.1, "by what share of itself the share of tokens that "
                "count changes at a time; 0: all count", "arXiv 2510.11615; its scripts: 0.05",
                unit="share", low=0.0, high=1.0, open_high=True,
            ),
            Field(
                "share_tolerance", "float", 0.1, "how far the teacher's loss has to fall or rise "
                "for it", "arXiv 2510.11615; its scripts: 0.05", unit="share", low=0.0, high=1.0,
                open_high=True,
            ),
            Field(
                "loss_decay", "float", 0.99, "what a step keeps of the running mean of that loss",
                "authors' code", unit="share", low=0.0, high=1.0, open_high=True,
            ),
        ),
        limits=ENDS_OF_MIX,
    ),
}  # fmt: skip


def _with_forms(entry: MethodEntry) -> MethodEntry:
    if not entry.uses_teacher:
        return entry
    return replace(entry, hyperparameters=(*entry.hyperparameters, *FORMS))


MIXING = {**mixing_methods(*DECLARED_ANEW), **row_methods(*DECLARED_ANEW)}
METHODS: Mapping[str, MethodEntry] = {
    **{name: _with_forms(entry) for name, entry in MIXING.items()},
    **anew(OWN, *DECLARED_ANEW),
    **anew(ADAPTIVE, *OF_ADAMW),
}
