"""What the parts of a spec are made of: strict models, safe names, checks of single fields."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    SerializerFunctionWrapHandler,
    model_serializer,
)

from sweep.errors import unknown

T = TypeVar("T")

# Tell apart what a field may be that is a mapping or a word; messages leave them out of paths.
FIELDS, WORD = "<fields>", "<word>"
SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class Strict(BaseModel):
    """A part of a spec: no unknown fields, no silent conversion, no change afterwards."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, serialize_by_alias=True
    )


class Sparing(Strict):
    """A part of which a written spec holds only the fields that mean something in it."""

    @model_serializer(mode="wrap")
    def _leave_out_what_is_not_given(
        self, write: SerializerFunctionWrapHandler
    ) -> dict[str, object]:
        return {name: value for name, value in write(self).items() if value is not None}


class Declared(Sparing):
    """A part whose further fields are declared in the rows of the trainers' tables.

    Whoever knows the row checks them: `given`, then `take`.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, allow_inf_nan=False)

    @property
    def given(self) -> dict[str, Any]:
        """The further fields, as given."""
        return dict(self.model_extra or {})

    def take(self, values: Mapping[str, Any]) -> None:
        """Have these in their place, checked and as they are kept."""
        extra = self.__pydantic_extra__
        assert extra is not None
        extra.clear()
        extra.update(values)


def _safe_name(value: str) -> str:
    if not SAFE_NAME.fullmatch(value):
        raise ValueError(
            f"{value!r} cannot name files and runs; use at most 64 letters, digits, '_', '-' or "
            "'.', beginning with a letter or digit"
        )
    return value


def one_of(what: str, known: tuple[str, ...]) -> AfterValidator:
    """A check that a name is one of ``known``; ``what`` says what it should name."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(unknown(what, value, known))
        return value

    return AfterValidator(check)


def distinct(values: tuple[T, ...]) -> tuple[T, ...]:
    """A check that a list names nothing twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"{list(values)} names something twice; name each once")
    return values


SafeName = Annotated[str, AfterValidator(_safe_name)]
