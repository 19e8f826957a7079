"""FORMATS: every kind of file that is fuzzed; each kind's targets are made where they are needed,
as they load what reads them."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from tests.fuzz.target import Target, Targets

# By kind: the module of this folder, and the function in it that gives its targets.
_FOUND: Mapping[str, tuple[str, str]] = {
    "npz": ("npz", "npz"),
    "parquet": ("parquet", "parquet"),
    "csv": ("text_tables", "csv"),
    "jsonl": ("text_tables", "jsonl"),
    "idx": ("idx", "idx"),
    "images": ("pictures", "images"),
    "wav": ("sound", "wav"),
    "coco": ("boxes", "coco"),
    "safetensors": ("weights", "safetensors"),
    "tokenizer": ("tokenizer", "tokenizer"),
    "checkpoint": ("checkpoints", "checkpoint"),
    "journal": ("records", "journal"),
    "spool": ("records", "spool"),
    "spec": ("specs", "spec"),
}
FORMATS = tuple(_FOUND)


def targets(wanted: Sequence[str] = FORMATS) -> Targets:
    """Those of some kinds of files."""
    found: dict[str, Sequence[Target]] = {}
    for name in wanted:
        module, function = _FOUND[name]
        make: Callable[[], Sequence[Target]] = getattr(
            import_module(f"tests.fuzz.kinds.{module}"), function
        )
        found[name] = make()
    return found
