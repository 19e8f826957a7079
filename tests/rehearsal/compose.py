"""What compose.yaml says of a service: what it runs, with which environment, when it is healthy."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker" / "compose.yaml"
# ${NAME-default} and ${NAME:-default}, the two forms in use.
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?P<colon>:?)-(?P<default>[^}]*)\}")


@dataclass(frozen=True)
class Service:
    """A service; paths and host names are those of its container."""

    name: str
    command: list[str]
    environment: dict[str, str]
    secrets: list[str]
    volumes: dict[str, str]  # a named volume -> its directory
    health: list[str]
    init: bool  # whether a first process buries orphans
    restarts: bool  # whether it is started again when it has ended by itself


def services() -> dict[str, Service]:
    """Every service by its name."""
    return {name: _service(name, entry) for name, entry in read()["services"].items()}


def read() -> dict[str, Any]:
    """The file, its variables replaced."""
    data: dict[str, Any] = _filled(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")), os.environ)
    return data


def _service(name: str, entry: Mapping[str, Any]) -> Service:
    volumes = dict(text.split(":")[:2] for text in entry.get("volumes", ()))
    return Service(
        name,
        entry["entrypoint"],
        {key: str(value) for key, value in entry["environment"].items()},
        entry.get("secrets", []),
        {volume: place for volume, place in volumes.items() if "/" not in volume},
        entry.get("healthcheck", {}).get("test", [])[1:],
        entry.get("init", False),
        entry.get("restart") == "unless-stopped",
    )


def _filled(value: Any, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, variables) for item in value]
    if not isinstance(value, str):
        return value

    def found(match: re.Match[str]) -> str:
        known = variables.get(match["name"])
        return match["default"] if known is None or (match["colon"] and not known) else known

    return _VARIABLE.sub(found, value)
