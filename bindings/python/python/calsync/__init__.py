"""Keeps the calendars of your application in step with CalDAV servers, Google Calendar, Microsoft 365 and ICS feeds.

``Engine`` is for asyncio, ``calsync.blocking.Engine`` for everything else; ``parse``, ``patch``, ``expand``, ``diff`` and
``merge`` need neither.
"""

import atexit as _atexit
import os as _os

from . import _calsync, blocking
from .engine import Engine
from .errors import *
from .functions import *
from .hosts import *
from .model import *
from .store import (
    Store,
    StoreConflict,
    StoreCorrupt,
    StoreFenced,
    StoreFull,
    StoreInOneCall,
    StoreInvalidInput,
    StoreUnavailable,
)
from .zones import DefinedZone

# Before the interpreter takes itself apart: afterwards no thread of the native part may call it.
_atexit.register(_calsync.shutdown)
if hasattr(_os, "register_at_fork"):
    _os.register_at_fork(after_in_child=_calsync.forked)

__all__ = [
    "Added",
    "Alarm",
    "AlarmAction",
    "BookingError",
    "Calendar",
    "CallError",
    "CheckError",
    "Clock",
    "CalsyncError",
    "Changed",
    "Choice",
    "Cleaned",
    "Conflict",
    "ConflictField",
    "ConflictPolicy",
    "ContestedEvent",
    "ContestedField",
    "CopyEdits",
    "Counts",
    "CredentialsError",
    "DefinedZone",
    "DeletionPolicy",
    "Descent",
    "Direction",
    "Engine",
    "Event",
    "EventBody",
    "Excluded",
    "Expansion",
    "Field",
    "Filter",
    "FreeBusyStatus",
    "HostError",
    "Instance",
    "InternalError",
    "LimitReached",
    "Lineage",
    "Merged",
    "Offset",
    "OverrideScope",
    "ParsedCalendar",
    "Participant",
    "ParticipationStatus",
    "PeoplePolicy",
    "Person",
    "PlannedOperation",
    "Privacy",
    "Progress",
    "ProviderError",
    "ProviderKind",
    "Question",
    "ReadError",
    "RelativeTo",
    "RemoteCalendar",
    "Report",
    "Resolver",
    "Role",
    "Run",
    "Status",
    "Store",
    "StoreConflict",
    "StoreConflictError",
    "StoreCorrupt",
    "StoreError",
    "StoreFenced",
    "StoreFull",
    "StoreInOneCall",
    "StoreInvalidInput",
    "StoreUnavailable",
    "StoredEvent",
    "Surroundings",
    "Take",
    "ThrottledError",
    "TimeSpan",
    "Transform",
    "UidOrigin",
    "UnavailableError",
    "Undone",
    "UnreadableItem",
    "VirtualLocation",
    "WaitingWrite",
    "WriteKind",
    "WriteState",
    "blocking",
    "diff",
    "diff_many",
    "expand",
    "expand_many",
    "merge",
    "merge_many",
    "parse",
    "parse_many",
    "patch",
    "patch_many",
    "write",
]
