"""Which objects Python searches for garbage, and when."""

import gc
from collections.abc import Iterator

import pytest

from sweep.garbage_collection import frozen, loading


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    gc.unfreeze()


def test_nothing_is_searched_while_modules_load_nor_what_they_left_afterwards() -> None:
    before = gc.get_freeze_count()
    with loading():
        assert not gc.isenabled()
        loaded = [[] for _ in range(1000)]  # type: ignore[var-annotated]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(loaded)


def test_searches_go_on_after_modules_that_failed_to_load() -> None:
    with pytest.raises(ImportError), loading():
        raise ImportError
    assert gc.isenabled()


def test_what_is_there_is_left_alone_for_a_block() -> None:
    with frozen():
        assert gc.get_freeze_count()
    assert not gc.get_freeze_count()
