"""For pytest: the cases for a store of your own, each a test with its name."""

from __future__ import annotations

from typing import ClassVar

import pytest

from ..store import Store
from . import STORE_CASES, check_store

__all__ = ["StoreConformance"]


class StoreConformance:
    """What every store must do, for a class of tests that has the fixture ``store``: a store that is fresh and empty, for each case.

    ::

        class TestMyStore(StoreConformance):
            @pytest.fixture
            def store(self) -> MyStore:
                return MyStore()

    The fixture may ask for others, have parameters, and end what it opened behind a ``yield``. ``async def`` methods of the store run on
    an event loop of their own.
    """

    store_patience: ClassVar[float] = 60
    """How many seconds each method of the store has. One that takes longer fails its case."""

    @pytest.mark.parametrize("case", STORE_CASES)
    def test_case(self, case: str, store: Store) -> None:
        """Fails with ``CheckError``, which says what was expected."""
        check_store(lambda: store, case, store_patience=self.store_patience)
