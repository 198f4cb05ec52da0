"""The exceptions of calsync: one class for everything, and finer ones by whose fault it is."""

from __future__ import annotations

from typing import Any

__all__ = [
    "BookingError",
    "CalsyncError",
    "CallError",
    "CheckError",
    "CredentialsError",
    "HostError",
    "InternalError",
    "ProviderError",
    "ReadError",
    "StoreConflictError",
    "StoreError",
    "ThrottledError",
    "UnavailableError",
]


class CalsyncError(Exception):
    """Something failed. Its text holds no secret and no event text."""

    code: str
    """What went wrong, as a word that never changes, such as ``throttled``."""
    retryable: bool
    """Whether trying again can help."""
    retry_after_ms: int | None
    """Not before so many milliseconds from now: the provider said so, or a link that is busy is free then if whoever has it is gone."""
    message: str
    """For people."""
    item: str | None
    """What it is about: a method of yours, a link, a connection."""

    def __init__(
        self,
        message: str,
        *,
        code: str = "internal",
        retryable: bool = False,
        retry_after_ms: int | None = None,
        item: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
        self.retry_after_ms = retry_after_ms
        self.item = item


class CallError(CalsyncError):
    """The call cannot be carried out as it was made."""


class InternalError(CalsyncError):
    """A bug in calsync."""


class ReadError(CalsyncError):
    """A text cannot be read."""


class ProviderError(CalsyncError):
    """The provider refused or failed."""


class CredentialsError(ProviderError):
    """The credentials were refused: a person has to renew them (``unauthorized``), an administrator has to allow it (``needs-admin``), or
    the person said no (``consent-denied``) or came back with another account (``wrong-account``)."""


class ThrottledError(ProviderError):
    """Too many requests; see ``retry_after_ms``."""


class UnavailableError(ProviderError):
    """Not reachable for now."""


class BookingError(CalsyncError):
    """Nothing was booked: somebody has the slot, the terms offer none such, or there is no such booking."""


class StoreError(CalsyncError):
    """The store failed."""


class StoreConflictError(StoreError):
    """Somebody else changed the row meanwhile: read it again and decide again."""


class HostError(StoreError):
    """A method of yours failed, gave the wrong type or never answered; ``item`` names it, ``__cause__`` is what it raised."""


class CheckError(CalsyncError):
    """A store does not do what a case of the conformance suite expects; ``item`` is the case."""


CLASSES: dict[str, type[CalsyncError]] = {
    "invalid-input": CallError,
    "unsupported": CallError,
    "blocked": CallError,
    "unauthorized": CredentialsError,
    "consent-denied": CredentialsError,
    "needs-admin": CredentialsError,
    "wrong-account": CredentialsError,
    "oauth-state": CallError,
    "forbidden": ProviderError,
    "calendar-gone": ProviderError,
    "not-found": ProviderError,
    "version-mismatch": ProviderError,
    "already-exists": ProviderError,
    "refused": ProviderError,
    "too-large": ProviderError,
    "cursor-invalid": ProviderError,
    "throttled": ThrottledError,
    "unavailable": UnavailableError,
    "protocol": ProviderError,
    "internal": InternalError,
    "busy": CallError,
    "plan-changed": CallError,
    "link-moved": CallError,
    "unknown-link": CallError,
    "unknown-connection": CallError,
    "unknown-match": CallError,
    "unknown-conflict": CallError,
    "conflict-settled": CallError,
    "not-contested": CallError,
    "unknown-run": CallError,
    "unknown-write": CallError,
    "slot-taken": BookingError,
    "slot-not-offered": BookingError,
    "unknown-booking": BookingError,
    "store-conflict": StoreConflictError,
    "store-fenced": StoreError,
    "store-unavailable": StoreError,
    "store-full": StoreError,
    "store-corrupt": StoreError,
    "store-invalid-input": StoreError,
    "store-failed": StoreError,
    "not-i-calendar": ReadError,
    "unreadable": ReadError,
    "no-such-item": ReadError,
    "host-failed": HostError,
    "host-type": HostError,
    "host-silent": HostError,
    "cancelled": CallError,
    "closed": CallError,
    "check-failed": CheckError,
}
"""The class of each code."""


def error_of(failure: dict[str, Any]) -> CalsyncError:
    """The exception a failure of the native part is raised as."""
    kind = CLASSES.get(failure["code"], CalsyncError)
    return kind(
        failure["message"],
        code=failure["code"],
        retryable=failure["retryable"],
        retry_after_ms=failure["retry_after_ms"],
        item=failure["item"],
    )
