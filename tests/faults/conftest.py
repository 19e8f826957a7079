"""Launches of these tests start from a store whose schema is there; how they should end."""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from sweep.compare.comparison import comparison_table
from sweep.places import Places
from sweep.spec.reader import read_spec
from tests.end_to_end.stage import launched_in_process
from tests.faults import launcher


@pytest.fixture(scope="session", autouse=True)
def _start_from_an_empty_store(empty_store: Path) -> Iterator[None]:
    launcher.EMPTY_STORE.append(empty_store)
    yield
    launcher.EMPTY_STORE.clear()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The comparison table of the small sweep, trained without Ray and without a fault."""
    place = tmp_path_factory.mktemp("undisturbed")
    spec = read_spec(str(launcher.write_spec(place)))
    with pytest.MonkeyPatch.context() as patch:
        return comparison_table(launched_in_process(spec, Places(place / "runs"), patch), 0)
