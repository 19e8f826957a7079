"""A row of the comparison, as a spec has it."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from sweep.spec.fields import SafeName, Sparing
from sweep.spec.own_code import as_written, named
from trainers.fields import Value
from trainers.own import is_path, usual_label
from trainers.settings import CleanUse

# Names that methods had in 0.1.0. A row keeps its label, so that no cell changes its name.
RENAMED: Mapping[str, str] = {"cross_entropy": "labels_only"}


class MethodUse(Sparing):
    """A row of the comparison: a method under a label of its own, with some hyperparameters pinned.

    ``clean``: what it does with the clean meta split beside holding it out where the method learns
    from it: ``withhold`` it from training, ``train`` on all of it, or ``split`` it, to train on one
    half and hold out the other; by default ``withhold``. ``with``: a patch of the spec for this row
    alone, fields by their dotted path (`sweep.spec.axes`).
    """

    method: Annotated[str, BeforeValidator(named), as_written]
    label: SafeName = ""
    baseline: bool = False
    pin: dict[str, Value] = Field(default_factory=dict)
    clean: CleanUse | None = None
    patch: dict[str, Any] | None = Field(default=None, alias="with")

    @model_validator(mode="before")
    @classmethod
    def _label_defaults_to_method(cls, data: Any) -> Any:
        method = data.get("method") if isinstance(data, dict) else None
        if isinstance(method, dict) and isinstance(path := method.get("path"), str):
            return {"label": usual_label(path), **data}
        if isinstance(method, str):
            label = usual_label(method) if is_path(method) else method
            return {"label": label, **data, "method": RENAMED.get(method, method)}
        return data

    @model_validator(mode="after")
    def _label_is_free(self) -> "MethodUse":
        if self.label == "teacher":
            raise ValueError(
                "the label 'teacher' is taken by the teachers' own runs; choose another"
            )
        return self

    @property
    def clean_use(self) -> CleanUse:
        """What it does with the clean meta split."""
        return self.clean or "withhold"
