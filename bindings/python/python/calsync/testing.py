"""For tests of your own store: the cases the stores of calsync are checked with."""

from __future__ import annotations

from collections.abc import Callable

from ._calls import Answers, Caller, outside_asyncio
from ._calsync import check_store as _check_store
from ._calsync import store_cases
from .store import Store, checked

__all__ = ["STORE_CASES", "check_store"]

STORE_CASES: tuple[str, ...] = tuple(store_cases())
"""The names of the cases, for ``pytest.mark.parametrize``."""


def check_store(factory: Callable[[], Store], case: str | None = None) -> None:
    """Runs one case, or all of them, each on a fresh and empty store that ``factory`` makes.

    Raises ``CheckError``, whose ``item`` is the case, for the first one that fails. ``async def`` methods run on an event loop
    of their own.
    """
    outside_asyncio()
    for name in STORE_CASES if case is None else (case,):
        caller = Caller()
        try:
            answers = Answers(checked(factory()), None)
            caller.call(lambda done, call, _: _check_store(name, done, call), answers)
        finally:
            caller.close()
