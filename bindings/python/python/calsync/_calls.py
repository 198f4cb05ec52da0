"""Calls into the native part that wait, and calls from it into the host's store.

The native part never waits for Python: it hands over what it wants to the thread of the caller, which is its event loop in
asyncio and a queue otherwise.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import json
import os
import queue
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from . import _calsync
from ._codec import decoder
from .errors import CalsyncError, CallError, error_of
from .hosts import Hosts, encoded
from .model import Progress
from .store import StoreConflict, StoreCorrupt, StoreFenced, StoreFull, StoreInvalidInput, StoreUnavailable
from .transport import SEND, fault_of, patience_of

_KINDS: dict[type[BaseException], str] = {
    StoreConflict: "conflict",
    StoreFenced: "fenced",
    StoreUnavailable: "unavailable",
    StoreFull: "full",
    StoreCorrupt: "corrupt",
    StoreInvalidInput: "invalid-input",
}

_progress: Callable[[Any], Progress] = decoder(Progress)

OBSERVER = "observer.progress"


def _observer_failed(code: str, what: str) -> CalsyncError:
    failure = {"code": code, "retryable": False, "retry_after_ms": None, "item": OBSERVER}
    return error_of({**failure, "message": f"the host's {OBSERVER} {what}"})


def _of_observer(error: BaseException) -> BaseException:
    """What a call ends with whose observer raised something."""
    if isinstance(error, _Silent):
        return _observer_failed("host-silent", "never answered")
    if not isinstance(error, Exception):
        return error
    failed = _observer_failed("host-failed", f"failed: {type(error).__name__}")
    failed.__cause__ = error
    return failed


def _kind(error: BaseException) -> str:
    """What happened, as the native part knows it."""
    if isinstance(error, asyncio.CancelledError):
        # It said nothing.
        return "silent"
    fault = fault_of(error)
    if fault is not None:
        return fault.value
    return next((name for known, name in _KINDS.items() if isinstance(error, known)), "failed")


def _expectation(error: BaseException) -> int:
    """Which expectation did not hold, as far as what was raised says so in numbers."""
    said = getattr(error, "expectation", 0) if isinstance(error, StoreConflict) else 0
    return said if isinstance(said, int) and 0 <= said < 2**32 else 0

OnProgress = Callable[[Progress], object]
"""An observer: ``def`` or ``async def``."""


class Answers:
    """Answers the calls of the native part for one call of the host, and remembers what was raised meanwhile."""

    def __init__(self, hosts: Hosts, on_progress: OnProgress | None) -> None:
        self._hosts = hosts
        self._on_progress = on_progress
        self._raised: BaseException | None = None

    def invoke(self, method: str, args: dict[str, Any]) -> Any:
        """Calls the host's method."""
        return self._hosts.invoke(method, args)

    def returned(self, method: str, reply: _calsync.Reply, value: object) -> None:
        """Passes on what it returned."""
        try:
            text = json.dumps(encoded(method, value))
        except Exception as error:  # what the host gave is the host's, whatever it does when it is looked at
            self._raised = error
            reply.fail("wrong-type", type(value).__name__, 0)
        else:
            reply.ok(text)

    def silent(self, reply: _calsync.Reply) -> None:
        """Says that it never returned."""
        reply.fail("silent", "", 0)

    def raised(self, reply: _calsync.Reply, error: BaseException) -> None:
        """Passes on what it raised: its class, not its text, which may hold anything."""
        self._raised = error
        reply.fail(_kind(error), type(error).__name__, _expectation(error))

    def progress(self, text: str) -> object:
        """Tells the host how far a run is. Gives what its observer returned."""
        return None if self._on_progress is None else self._on_progress(_progress(json.loads(text)))

    @property
    def observed(self) -> bool:
        """Whether the host wants to be told how far it is."""
        return self._on_progress is not None

    def result(self, ok: bool, text: str) -> Any:
        """The result of the call, or its exception."""
        value = json.loads(text)
        if ok:
            return value
        error = error_of(value)
        if error.code.startswith("host-"):
            raise error from self._raised
        raise error


Done = Callable[[bool, str], object]
Call = Callable[[str, str, _calsync.Reply], object]
Start = Callable[[Done, Call, Callable[[str], object]], "_calsync.Job | None"]
"""Starts something in the native part."""


class Process:
    """Which process an engine is used in. What it has open does not follow into one that is forked from it."""

    def __init__(self) -> None:
        self._id: int | None = None

    def check(self) -> None:
        """Refuses a call in another process than that of the first one."""
        if self._id is None:
            self._id = os.getpid()
        elif self._id != os.getpid():
            raise CallError(
                "this engine was used before the process was forked: each process makes its own", code="closed"
            )


def starting(native: _calsync.Engine, method: str, args: str) -> Start:
    """Starts a call of an engine."""
    return lambda done, call, progress: native.start(method, args, done, call, progress)


class _Observing:
    """Tells an observer one step after the other, also one that is an ``async def``. One that fails ends the call."""

    def __init__(self, answers: Answers, seconds: float, fail: Callable[[BaseException], None]) -> None:
        self._answers = answers
        self._seconds = seconds
        self._fail = fail
        self._failure: BaseException | None = None
        self._ended = False
        self._steps: asyncio.Queue[str | None] = asyncio.Queue()
        self._task = asyncio.ensure_future(self._tell())

    def step(self, text: str) -> None:
        self._steps.put_nowait(text)

    async def over(self) -> None:
        """Waits until it was told everything so far. Raises what it failed with."""
        self._steps.put_nowait(None)
        await asyncio.wait({self._task})
        if self._failure is not None:
            raise self._failure

    def end(self) -> None:
        self._ended = True
        self._task.cancel()

    async def _tell(self) -> None:
        try:
            while (text := await self._steps.get()) is not None:
                told = self._answers.progress(text)
                if inspect.isawaitable(told):
                    task = asyncio.ensure_future(told)
                    try:
                        done, _ = await asyncio.wait({task}, timeout=self._seconds)
                    finally:
                        task.cancel()
                    if not done:
                        raise _Silent
                    task.result()
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            if cancelled and self._ended:
                raise
            # One that was cancelled, and not by us, said nothing.
            self._failure = _of_observer(_Silent() if cancelled else error)
            self._fail(self._failure)


async def in_asyncio(start: Start, answers: Answers, seconds: float) -> Any:
    """Carries out a call on the running event loop. Cancelling the task ends the call where it waits.

    An observer has so many ``seconds`` for a step.
    """
    loop = asyncio.get_running_loop()
    context = contextvars.copy_context()
    finished: asyncio.Future[tuple[bool, str]] = loop.create_future()
    tasks: set[asyncio.Task[None]] = set()

    def settle(ok: bool, text: str) -> None:
        if not finished.done():
            finished.set_result((ok, text))

    async def answer(name: str, given: str, reply: _calsync.Reply) -> None:
        try:
            value = answers.invoke(name, json.loads(given))
            if inspect.isawaitable(value):
                value = await value
        except BaseException as error:
            answers.raised(reply, error)
            if not isinstance(error, (Exception, asyncio.CancelledError)):
                raise
        else:
            answers.returned(name, reply, value)

    def begin(name: str, given: str, reply: _calsync.Reply) -> None:
        task = loop.create_task(answer(name, given, reply))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def done(ok: bool, text: str) -> None:
        loop.call_soon_threadsafe(settle, ok, text)

    def call(name: str, given: str, reply: _calsync.Reply) -> None:
        loop.call_soon_threadsafe(begin, name, given, reply, context=context)

    def failed(error: BaseException) -> None:
        if not finished.done():
            finished.set_exception(error)

    observing: _Observing | None = None
    job: _calsync.Job | None = None

    def progress(text: str) -> None:
        if observing is not None:
            loop.call_soon_threadsafe(observing.step, text, context=context)

    try:
        if answers.observed:
            observing = context.run(_Observing, answers, seconds, failed)
        job = start(done, call, progress)
        ok, text = await finished
        if observing is not None:
            await observing.over()
    except BaseException:
        if job is not None:
            job.cancel()
        raise
    finally:
        if observing is not None:
            observing.end()
        # Also methods that were given up before the call ended: nobody waits for them.
        for task in tasks:
            task.cancel()
    return answers.result(ok, text)


@dataclass(frozen=True)
class Patience:
    """How many seconds methods of the host may take."""

    soon: float = 10
    """One that need not wait for anything: that of a filter, a transform, a resolver or a clock."""
    store: float = 60
    """One of its store."""

    def of(self, method: str, args: dict[str, Any]) -> float:
        """That with a method. A request says itself how long it may take."""
        if method == SEND:
            return patience_of(args)
        return self.store if method.startswith("store.") else self.soon


class Caller:
    """Carries out calls in the thread that makes them, and the host's methods in that thread as well.

    The native part gives up a method that takes longer than ``patience``, which has to end the wait for it here as well: what the
    call does next needs the thread.

    All ``async def`` methods share one event loop, as what a store has open belongs to one: threads that call at once wait for each
    other there.
    """

    def __init__(self, patience: Patience) -> None:
        self._patience = patience
        self._loop: asyncio.AbstractEventLoop | None = None
        self._looping = threading.Lock()

    def call(self, start: Start, answers: Answers) -> Any:
        """Carries out a call. An interrupt (Ctrl-C) ends it where it waits."""
        items: queue.SimpleQueue[Callable[[], tuple[bool, str] | None]] = queue.SimpleQueue()

        def done(ok: bool, text: str) -> None:
            items.put(lambda: (ok, text))

        def call(name: str, given: str, reply: _calsync.Reply) -> None:
            items.put(lambda: self._answer(answers, name, given, reply))

        def progress(text: str) -> None:
            items.put(lambda: self._tell(answers, text))

        job = start(done, call, progress)
        try:
            while True:
                finished = items.get()()
                if finished is not None:
                    return answers.result(*finished)
        except _Observer as failed:
            if job is not None:
                job.cancel()
            raise failed.error from failed.error.__cause__
        except CalsyncError:
            raise
        except BaseException:
            if job is not None:
                job.cancel()
            raise

    def _answer(self, answers: Answers, name: str, given: str, reply: _calsync.Reply) -> None:
        try:
            args = json.loads(given)
            value = answers.invoke(name, args)
            if inspect.isawaitable(value):
                value = self._wait(value, self._patience.of(name, args))
        except _Silent:
            answers.silent(reply)
        except BaseException as error:
            answers.raised(reply, error)
            if not isinstance(error, Exception):
                raise
        else:
            answers.returned(name, reply, value)

    def _tell(self, answers: Answers, text: str) -> None:
        try:
            told = answers.progress(text)
            if inspect.isawaitable(told):
                self._wait(told, self._patience.soon)
        except BaseException as error:
            raise _Observer(_of_observer(error)) from None

    def _wait(self, value: Awaitable[Any], seconds: float) -> Any:
        async def whole() -> Any:
            task = asyncio.ensure_future(value)
            done, _ = await asyncio.wait({task}, timeout=seconds)
            if not done:
                task.cancel()
                # Once round the loop: what it holds is given back, if it takes being told.
                await asyncio.sleep(0)
                raise _Silent
            return task.result()

        with self._looping:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop.run_until_complete(whole())

    def close(self) -> None:
        """Lets go of the event loop that ``async def`` methods of a store ran on."""
        with self._looping:
            if self._loop is not None:
                self._loop.close()
                self._loop = None


class _Silent(Exception):
    """A method of the host took too long."""


class _Observer(Exception):
    """The observer failed."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


def outside_asyncio() -> None:
    """Refuses to hold up an event loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise CallError(
        "calsync.blocking would hold up the running event loop: use calsync.Engine there",
        code="invalid-input",
    )
