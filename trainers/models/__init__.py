"""Students and teachers: classifiers over lanes whose last layer is linear."""

from trainers.models.build import build_model
from trainers.models.classifier import LaneClassifier, Output
from trainers.models.evaluation import evaluation_rows, frozen_output

__all__ = ["LaneClassifier", "Output", "build_model", "evaluation_rows", "frozen_output"]
