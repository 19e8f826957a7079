"""What each method searches unless a sweep says otherwise.

``SHARED`` ranges hold for every method that has the hyperparameter, so that no method gets a better
range than another; ``OWN`` are those of one method alone. Ranges surround the settings of the
authors' public code and common defaults; they are meant to be narrowed by a sweep.
"""

from collections.abc import Mapping

from search_spaces.domains import Choice, Domain, Float

SHARED: Mapping[str, Domain] = {
    "lr": Float(0.01, 0.5, log=True),
    "temperature": Float(1.0, 10.0, log=True),
}

OWN: Mapping[str, Mapping[str, Domain]] = {
    "alm_kd": {
        "variant": Choice(("convex", "box")),
        "meta_lr": Float(1e1, 1e5, log=True),
    },
    "fixed_kd": {"alpha": Float(0.0, 1.0)},
    "cross_entropy": {},
}
