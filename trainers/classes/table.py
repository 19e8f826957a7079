"""METRICS: what is measured of predictions of classes. Free of torch."""

from collections.abc import Mapping

from trainers.entries import Metric

METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", "share of examples whose largest logit is the label's; of equal the "
               "first counts", "percent", "maximize"),
        Metric("loss", "mean negative log-likelihood of the labels", "nats", "minimize"),
        Metric("balanced_accuracy", "mean over the classes that have examples of the share of them "
               "guessed right", "percent", "maximize"),
        Metric("macro_f1", "mean over classes of F1; those that neither have examples nor are "
               "guessed do not count", "percent", "maximize"),
        Metric("calibration_error", "expected calibration error: examples sorted by probability "
               "of their guess, cut into 15 bins of equal mass; the mean over examples of the "
               "distance of their bin's accuracy to its mean probability", "percent", "minimize"),
        Metric("brier_score", "mean squared distance of the probabilities to the one-hot label, "
               "summed over classes: 0 to 2", "", "minimize"),
        Metric("top_5_accuracy", "share of examples whose class is among the five largest logits",
               "percent", "maximize", "with ten classes or fewer"),
    )
}  # fmt: skip
