"""From YAML text to a checked spec, or to one message that names file, field, value and remedy."""

import copy
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from math import inf
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from sweep.errors import BadInput, unknown
from sweep.spec.messages import kind, problems
from sweep.spec.own_code import not_allowed
from sweep.spec.paths import beside_spec
from sweep.spec.presets import presets
from sweep.spec.spec import SweepSpec
from trainers.own import CodeNotAllowed, without_code

# What a runs directory holds beside its sweeps; the database has files beside it.
TAKEN, DATABASE = ("teachers", "artifacts"), "mlflow.db"

# What a spec may hold: far above any that people write, far below what harms a machine.
MOST_BYTES = 1_000_000
MOST_VALUES = 20_000

# A spec as a user gives it: a file or a preset's name, YAML text, or what such text stands for.
Given = str | os.PathLike[str] | Mapping[str, Any]
# What YAML ends a lone value with.
END = "\n...\n"


class _Loader(yaml.SafeLoader):
    """YAML's safe types only, no key twice in a mapping, and a limit on what aliases unfold to."""

    def get_single_node(self) -> yaml.Node | None:
        """The document; MarkedYAMLError if it holds too much once its aliases are written out, or
        what no text does."""
        node: yaml.Node | None = super().get_single_node()
        if node is not None:
            _count(node, {})
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """What a node stands for; MarkedYAMLError where it is not of the kind that it is marked
        as, such as ``!!timestamp x``."""
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, KeyError, AttributeError, TypeError, IndexError) as error:
            if not isinstance(node, yaml.ScalarNode):
                raise
            kind_of = node.tag.rpartition(":")[2]
            raise yaml.MarkedYAMLError(
                problem=f"{node.value[:40]!r} cannot be read as YAML's {kind_of} ({error})",
                problem_mark=node.start_mark,
            ) from None


def _count(node: yaml.Node, known: dict[int, int | None]) -> int:
    """How many values a node stands for; ``known``: those counted, None while one is under way."""
    if id(node) not in known:
        known[id(node)] = None
        if isinstance(node, yaml.ScalarNode):
            _refuse_unwritable(node)
        known[id(node)] = 1 + sum(_count(part, known) for part in _parts(node))
    count = known[id(node)]
    if count is not None and count <= MOST_VALUES:
        return count
    wrong = "this stands inside itself" if count is None else f"holds over {MOST_VALUES:,} values"
    raise yaml.MarkedYAMLError(
        problem=f"{wrong} once aliases are written out; no spec does", problem_mark=node.start_mark
    )


def _refuse_unwritable(node: yaml.ScalarNode) -> None:
    """MarkedYAMLError where a value holds what neither stores nor files of text take."""
    if "\0" in node.value:
        held = "a byte of zero (\\0)"
    else:
        try:
            node.value.encode()
            return
        except UnicodeEncodeError:
            held = "half a character (a lone surrogate)"
    raise yaml.MarkedYAMLError(
        problem=f"holds {held}, which no text does; take it out", problem_mark=node.start_mark
    )


def _parts(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[str] = set()
    for key, _ in node.value:
        text = str(key.value)
        if text in seen:
            raise yaml.MarkedYAMLError(
                problem=f"the key {text!r} stands twice in one mapping; keep one of them",
                problem_mark=key.start_mark,
            )
        seen.add(text)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


class _Dumper(yaml.SafeDumper):
    """Writes what `_Loader` reads as the same data."""


# YAML 1.1 reads 1e-4 as text for want of a dot; people who write it mean the number.
for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(?:\d[\d_]*)(?:\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def find_spec(spec: str) -> Path:
    """The file of a spec given as a path or a preset's name."""
    path = Path(spec)
    if path.suffix in {".yaml", ".yml"} or path.is_file():
        if not path.is_file():
            raise BadInput(f"{spec}: there is no such file; give a YAML file or a preset's name")
        return path
    if spec in presets():
        return presets()[spec]
    raise BadInput(f"{unknown('preset', spec, presets())}; a YAML file must end in .yaml or exist")


def read_spec(
    spec: Given,
    overrides: Sequence[str] | Mapping[str, Any] = (),
    allow_code: bool = False,
    files_elsewhere: bool = False,
) -> SweepSpec:
    """A spec, after overrides, each ``path=value`` or an item; BadInput if it cannot be.

    ``spec``: a file, a preset's name, text of more than one line, or a mapping. Relative paths in a
    file are relative to it, all others to the current directory. ``files_elsewhere``: another
    machine reads the files that it names, so paths stay as they are. ``allow_code``: as
    `check_spec` has it.
    """
    source, text, directory = _text_of(spec)
    data, changes = _parse(text, source), _as_words(overrides)
    if not isinstance(data, dict):
        raise BadInput(f"{source}: a spec is a mapping of fields, this is {kind(data)}")
    for override in changes:
        _apply(data, override)
    if directory is not None and not files_elsewhere:
        changed = [tuple(override.partition("=")[0].split(".")) for override in changes]
        with _code(allow_code):
            data = beside_spec(data, directory, changed)
    source += " with --set" if changes else ""
    checked = check_spec(data, source, allow_code)
    # Not of specs in stores: sweeps of before may have such a name.
    if problem := taken(checked.name):
        raise BadInput(f"{source}: name: {problem}")
    return checked


def _text_of(spec: Given) -> tuple[str, str, Path | None]:
    """What messages call a spec, its YAML, and the directory of a file of the user's own."""
    if isinstance(spec, Mapping):
        return "spec", _as_yaml(dict(spec), "spec"), None
    name = os.fspath(spec)
    if "\n" in name:
        if len(name) > MOST_BYTES:
            raise BadInput(f"spec: is longer than {MOST_BYTES:,} characters, which no spec is")
        return "spec", name, None
    path = find_spec(name)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput(f"{path}: is larger than {MOST_BYTES:,} bytes, which no spec is")
        own = path.parent if path not in presets().values() else None
        return str(path), path.read_text(encoding="utf-8"), own
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as UTF-8 text: {error}") from None


def taken(name: str) -> str:
    """Why a runs directory cannot hold a sweep of that name; empty if it can."""
    # As file systems that do not tell upper from lower case have them.
    lower = name.casefold()
    if lower not in TAKEN and not lower.startswith(DATABASE):
        return ""
    return (
        f"{name!r} is what almkd itself calls a file or directory among the sweeps; choose another"
    )


def _as_words(overrides: Sequence[str] | Mapping[str, Any]) -> list[str]:
    """Overrides as ``path=value``."""
    if not isinstance(overrides, Mapping):
        return list(overrides)
    return [
        f"{path}={_as_yaml(value, f'--set {path}').removesuffix(END)}"
        for path, value in overrides.items()
    ]


def _as_yaml(value: object, what: str) -> str:
    """Plain data as YAML of the kind that is read here; BadInput, naming ``what``, for other."""
    try:
        return yaml.dump(value, Dumper=_Dumper, default_flow_style=True, sort_keys=False, width=inf)
    except (yaml.representer.RepresenterError, RecursionError) as error:
        given = error.args[-1]
        raise BadInput(
            f"{what}: holds {given!r} ({type(given).__name__}); give numbers, texts, true or "
            "false, lists and mappings alone"
        ) from None


def check_spec(data: object, source: str, allow_code: bool = False) -> SweepSpec:
    """``data`` as a spec; BadInput names ``source`` and the first fields that are wrong.

    ``allow_code``: whether code of the user's own may run to tell what it is.
    """
    try:
        with _code(allow_code):
            return SweepSpec.model_validate(data)
    except CodeNotAllowed as error:
        name = data.get("name") if isinstance(data, dict) else None
        raise BadInput(not_allowed(str(name or source), [error.path])) from None
    except ValidationError as error:
        lines = [f"{source}: {problem}" for problem in problems(error, data, SweepSpec)]
        raise BadInput("\n".join(lines)) from None


def _code(is_allowed: bool) -> AbstractContextManager[None]:
    """Where code of the user's own is loaded, or not."""
    return nullcontext() if is_allowed else without_code()


def _parse(text: str, source: str) -> object:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        said = " ".join(part for part in (error.context, error.problem) if part)
        raise BadInput(f"{source}{where}: {said or error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"{source}: is not YAML that can be read: {error}") from None


def _apply(data: dict[Any, Any], override: str) -> None:
    """Set one ``path=value``, a path of keys and list places joined by dots."""
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise BadInput(f"--set {override}: write it as path=value, e.g. --set search.trials=32")
    value = _parse(text, f"--set {override}")
    *parents, last = path.split(".")
    place: Any = data
    for part in parents:
        place = _child(place, part, override)
    if isinstance(place, list):
        place[_position(place, last, override)] = value
    elif isinstance(place, dict):
        place[last] = value
    else:
        raise BadInput(f"--set {override}: {parents[-1]} holds {kind(place)}, nothing below it")


def _child(place: Any, part: str, override: str) -> Any:
    """What stands at ``part``, as a copy: an alias may have put it in other places too."""
    key: Any = part
    if isinstance(place, list):
        key = _position(place, part, override)
    elif isinstance(place, dict):
        place.setdefault(part, {})
    if isinstance(place, list | dict):
        place[key] = copy.copy(place[key])
        return place[key]
    raise BadInput(f"--set {override}: there is nothing below {kind(place)} at {part!r}")


def _position(place: list[Any], part: str, override: str) -> int:
    if not part.isdecimal() or int(part) >= len(place):
        raise BadInput(
            f"--set {override}: {part!r} is no place in a list of {len(place)}; "
            f"use 0 to {len(place) - 1}"
        )
    return int(part)
