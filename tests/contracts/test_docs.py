"""The tables of the pages are what the rows say."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

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


def test_every_table_stands_in_some_page() -> None:
    text = "".join(page.read_text(encoding="utf-8") for page in WRITER.pages())
    for name in WRITER.TABLES:
        assert f"<!-- table: {name} -->" in text


def test_a_row_that_changes_changes_the_page() -> None:
    page = "a\n<!-- table: methods superloss -->\nold\n<!-- end -->\nb\n"
    assert "regularization" in WRITER.written(page)
    with pytest.raises(KeyError):
        WRITER.written("<!-- table: nothing -->\n<!-- end -->")
