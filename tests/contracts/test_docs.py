"""The tables of the pages are what the rows say."""

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from sweep.plan.plan import Plan
from sweep.spec.reader import check_spec

DOCS = Path(__file__).parents[2] / "docs"


def _script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_tables", DOCS / "write_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


WRITER = _script()


@pytest.mark.parametrize("page", WRITER.pages(), ids=lambda page: page.stem)
def test_tables_are_in_step_with_the_rows(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert WRITER.written(text) == text, "run make docs"


def _whole_specs() -> list[tuple[str, str]]:
    """The blocks of pages that are whole specs, by page."""
    blocks = [
        (page.stem, block)
        for page in sorted(DOCS.glob("*.md"))
        for block in re.findall(r"^```yaml\n(name: .*?)^```", page.read_text("utf-8"), re.M | re.S)
    ]
    return [(stem, block) for stem, block in blocks if "your-own" not in stem]


@pytest.mark.parametrize(("page", "block"), _whole_specs(), ids=[p for p, _ in _whole_specs()])
def test_specs_of_pages_can_be_planned(page: str, block: str) -> None:
    assert Plan(check_spec(yaml.safe_load(block), page)).budget().confirm_runs > 0


def test_every_test_that_stands_for_a_promise_is_there() -> None:
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(test_\w+))?`", text)
    assert len(named) > 25
    for file, name in named:
        assert f"def {name}" in (DOCS.parent / file).read_text(encoding="utf-8"), f"{file}::{name}"


def test_every_table_stands_in_some_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in WRITER.pages())
    for name in WRITER.TABLES:
        assert f"<!-- table: {name} -->" in text


def test_a_row_that_changes_changes_the_page() -> None:
    page = "a\n<!-- table: methods superloss -->\nold\n<!-- end -->\nb\n"
    assert "regularization" in WRITER.written(page)
    with pytest.raises(KeyError):
        WRITER.written("<!-- table: nothing -->\n<!-- end -->")
