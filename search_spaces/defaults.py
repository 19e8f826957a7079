"""What each method searches unless a sweep says otherwise.

``SHARED`` ranges hold for every method that has the hyperparameter, so that no method gets a better
range than another; ``OWN`` are those of one method alone. Ranges surround the settings of the
authors' public code and common defaults; they are meant to be narrowed by a sweep.
"""

from collections.abc import Mapping

from search_spaces.domains import Choice, Domain, Float, Int

SHARED: Mapping[str, Domain] = {
    "lr": Float(0.01, 0.5, log=True),
    "look_ahead_lr": Float(0.01, 1.0, log=True),
    "temperature": Float(1.0, 10.0, log=True),
    "alpha": Float(0.0, 1.0),
    "net_lr": Float(1e-4, 1e-2, log=True),
}

# Shared ranges of a task, where they are others.
BY_TASK: Mapping[str, Mapping[str, Domain]] = {
    "classification": {"kd_weight": Float(0.1, 10.0, log=True)},
    # Of AdamW.
    "text": {"lr": Float(3e-4, 1e-2, log=True)},
    "language": {
        "lr": Float(1e-3, 2e-2, log=True),
        "temperature": Float(1.0, 4.0, log=True),
        "on_policy": Choice((0.25, 0.5, 0.75, 1.0)),
    },
    "ctc": {
        "lr": Float(1e-3, 1e-2, log=True),
        "temperature": Float(0.5, 4.0, log=True),
        "look_ahead_lr": Float(0.01, 1.0, log=True),
    },
    "detection": {
        "lr": Float(3e-3, 3e-2, log=True),
        "temperature": Float(0.5, 4.0, log=True),
        # Of a teacher's features, over their variance.
        "feature_weight": Float(0.01, 1.0, log=True),
    },
    "recommendation": {
        "lr": Float(0.003, 0.03, log=True),
        "weight_decay": Float(0.003, 0.1, log=True),
        "temperature": Float(0.3, 3.0, log=True),
        "look_ahead_lr": Float(10.0, 1000.0, log=True),
        # Of a teacher's order of items beside the label's loss.
        "kd_weight": Float(0.03, 3.0, log=True),
    },
}

# Of ALM-KD, whatever has a weight.
_ALM_KD: Mapping[str, Domain] = {
    "variant": Choice(("convex", "box")),
    "meta_lr": Float(1e1, 1e5, log=True),
}
_NORMALISED: Mapping[str, Domain] = {"meta_lr": Float(0.01, 1.0, log=True)}

OWN: Mapping[str, Mapping[str, Domain]] = {
    "alm_kd": _ALM_KD,
    "alm_kd_token": _ALM_KD,
    "fixed_kd": {},
    "labels_only": {},
    "fine_tuning": {"fine_tune_scale": Float(0.01, 1.0, log=True)},
    "label_smoothing": {"smoothing": Float(0.0, 0.9)},
    "wsld": {},
    "superloss": {"regularization": Float(0.1, 10.0, log=True)},
    "crust": {"coreset_ratio": Float(0.2, 1.0), "coreset_radius": Float(0.1, 1.0)},
    "meta_weight_net": {},
    "bikd": {},
    "dkd": {
        "target_weight": Float(0.1, 10.0, log=True),
        "other_weight": Float(0.1, 10.0, log=True),
    },
    "dist": {
        "inter_weight": Float(0.1, 10.0, log=True),
        "intra_weight": Float(0.1, 10.0, log=True),
    },
    "lw_kd": {"adversarial_weight": Float(0.0, 1.0)},
    "ckd": {},
    "born_again": {},
    "aver": {},
    "ebkd": {},
    "ca_mkd": {},
    "ae_kd": {"cap": Float(0.3, 1.0)},
    "seq_kd": {},
    "gkd": {},
    "skd": {"top_k": Int(1, 20, log=True)},
    "okd": {"module_lr": Float(1e-5, 1e-2, log=True), "gamma": Float(0.0, 2.0)},
    "taid": {"t_start": Float(0.0, 0.8)},
    "adakd": {"temperature_scale": Float(0.0, 1.0), "share_step": Choice((0.0, 0.05, 0.1))},
    "rd": {"position_scale": Float(1.0, 30.0, log=True)},
    "rrd": {},
    "unkd": {"rank_scale": Float(5.0, 100.0, log=True)},
    "feature_kd": {},
    "fgd": {},
    "ikd": {"twin_weight": Float(0.01, 1.0, log=True)},
    "mixkd": {"sm_weight": Float(0.0, 2.0), "tmkd_weight": Float(0.0, 2.0)},
}

# Own ranges that hold once another hyperparameter has a certain value: (method, name, value).
GIVEN: Mapping[tuple[str, str, str], Mapping[str, Domain]] = {
    ("alm_kd", "meta_step", "normalised"): _NORMALISED,
    ("alm_kd_token", "meta_step", "normalised"): _NORMALISED,
}
