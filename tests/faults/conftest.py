"""Launches of these tests start from a store whose schema is there."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import launcher


@pytest.fixture(scope="session", autouse=True)
def _start_from_an_empty_store(empty_store: Path) -> Iterator[None]:
    launcher.EMPTY_STORE.append(empty_store)
    yield
    launcher.EMPTY_STORE.clear()
