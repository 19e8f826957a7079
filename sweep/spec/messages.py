"""What is wrong with a spec, in our words: the field, the value and the remedy."""

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ValidationError

from sweep.errors import unknown
from sweep.spec.fields import FIELDS, WORD
from trainers.fields import FieldError

# Places that pydantic adds to a path for each type that a value may have.
UNION_BRANCHES = ("str", "int", "float", FIELDS, WORD)


def problems(error: ValidationError, data: object, root: type[BaseModel]) -> list[str]:
    """A line "field: message" for each thing that is wrong with ``data`` as a ``root``."""
    found: list[dict[str, Any]] = [dict(e) for e in error.errors()]
    # A list of which no member is right counts as empty beside what is wrong with its members.
    inside = {tuple(e["loc"][:depth]) for e in found for depth in range(len(e["loc"]))}
    told = [e for e in found if e["type"] != "too_short" or tuple(e["loc"]) not in inside]
    return list(dict.fromkeys(_line(data, e, root) for e in told))


def _line(data: object, error: dict[str, Any], root: type[BaseModel]) -> str:
    """One message of pydantic's, in our words."""
    path = [part for part in error["loc"] if part not in UNION_BRANCHES]
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, FieldError):
        path.append(cause.field)
    if path[:1] == ["teacher"] and isinstance(data, dict) and _is_one(data.get("teacher")):
        del path[1:2]
    field = ".".join(str(part) for part in path)
    if error["type"] == "extra_forbidden":
        message = _extra(path, root)
    else:
        writer: Callable[[dict[str, Any], list[Any]], str] = _WORDS.get(error["type"], _plain)
        message = writer(error, path)
    return f"{field}: {message}" if field else message


def _is_one(teacher: object) -> bool:
    """Whether the spec names one teacher, without a list around it."""
    return not isinstance(teacher, list | tuple)


def _own(error: dict[str, Any], path: list[Any]) -> str:
    return str(error["ctx"]["error"])


def _extra(path: list[Any], root: type[BaseModel]) -> str:
    model = _model_at(path[:-1], root)
    known = model.model_fields if model else ()
    return unknown("field here", path[-1], known) + "; remove it or correct its name"


def _missing(error: dict[str, Any], path: list[Any]) -> str:
    return "is missing; add it"


def _plain(error: dict[str, Any], path: list[Any]) -> str:
    given = error.get("input")
    message = str(error["msg"]).replace("Input should be", "must be")
    return f"{given!r} ({kind(given)}) {message[0].lower()}{message[1:]}"


def _must_be(words: str) -> Callable[[dict[str, Any], list[Any]], str]:
    def message(error: dict[str, Any], path: list[Any]) -> str:
        given = error.get("input")
        return f"{given!r} ({kind(given)}) must be {words}"

    return message


_WORDS: dict[str, Callable[[dict[str, Any], list[Any]], str]] = {
    "value_error": _own,
    "missing": _missing,
    "int_type": _must_be("a whole number"),
    "int_from_float": _must_be("a whole number"),
    "float_type": _must_be("a number"),
    "bool_type": _must_be("true or false"),
    "string_type": _must_be("text; put it in quotes if it is meant as text"),
    "model_type": _must_be("a mapping of fields"),
    "model_attributes_type": _must_be("a mapping of fields"),
    "dict_type": _must_be("a mapping"),
    "tuple_type": _must_be("a list"),
    "too_short": _must_be("a list of at least one"),
}


def _model_at(path: list[Any], root: type[BaseModel]) -> type[BaseModel] | None:
    """The model that a path of field names leads to."""
    model = root
    for part in path:
        if part not in model.model_fields:  # a place in a list, or a key of a mapping
            continue
        inner = _models_in(model.model_fields[part].annotation)
        if not inner:
            return None
        model = inner[0]
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]


def kind(value: object) -> str:
    """What a value is, to someone who writes YAML."""
    kinds = {dict: "a mapping", list: "a list", str: "text", bool: "true or false",
             int: "a whole number", float: "a number"}  # fmt: skip
    return "nothing" if value is None else kinds.get(type(value), f"a {type(value).__name__}")
