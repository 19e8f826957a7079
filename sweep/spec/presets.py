"""The sweeps that come with almkd: one YAML file each."""

from pathlib import Path

PRESETS = Path(__file__).resolve().parents[2] / "search_spaces" / "presets"


def presets() -> dict[str, Path]:
    """Their files by name."""
    return {path.stem: path for path in sorted(PRESETS.glob("*.yaml"))}
