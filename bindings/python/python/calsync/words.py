"""The words events and calls speak in. All are enums of strings, so a word equals its text."""

from __future__ import annotations

from enum import Enum

__all__ = [
    "Action",
    "AlarmAction",
    "BusyKind",
    "CalendarState",
    "Choice",
    "ConflictPolicy",
    "CopyEdits",
    "DeletionPolicy",
    "Descent",
    "Direction",
    "Evidence",
    "FreeBusyStatus",
    "HistoryKind",
    "JournalOp",
    "LimitReached",
    "MomentKind",
    "OverrideScope",
    "ParticipationStatus",
    "PeoplePolicy",
    "Privacy",
    "ProviderKind",
    "RelativeTo",
    "Role",
    "SeenState",
    "SettledBy",
    "SourceRole",
    "Status",
    "Take",
    "TentativePolicy",
    "UidOrigin",
    "UncoveredPolicy",
    "UnreadKind",
    "WayState",
    "Weekday",
    "WriteKind",
    "WriteState",
]


class UidOrigin(str, Enum):
    """Where a UID came from."""

    GIVEN = "given"
    DERIVED = "derived"


class Status(str, Enum):
    """Whether an event takes place."""

    CONFIRMED = "confirmed"
    TENTATIVE = "tentative"
    CANCELLED = "cancelled"


class FreeBusyStatus(str, Enum):
    """Whether an event takes up its owner's time."""

    BUSY = "busy"
    FREE = "free"


class Privacy(str, Enum):
    """Who may see the details."""

    PUBLIC = "public"
    PRIVATE = "private"
    SECRET = "secret"


class OverrideScope(str, Enum):
    """How far an override reaches."""

    THIS = "this"
    THIS_AND_FUTURE = "this-and-future"


class ParticipationStatus(str, Enum):
    """What a participant answered."""

    NEEDS_ACTION = "needs-action"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    TENTATIVE = "tentative"
    DELEGATED = "delegated"


class Role(str, Enum):
    """What a participant is for."""

    REQUIRED = "required"
    OPTIONAL = "optional"
    CHAIR = "chair"
    INFORMATIONAL = "informational"


class AlarmAction(str, Enum):
    """What an alarm does."""

    DISPLAY = "display"
    AUDIO = "audio"
    EMAIL = "email"


class RelativeTo(str, Enum):
    """What a relative trigger counts from."""

    START = "start"
    END = "end"


class Descent(str, Enum):
    """How one event was made from another."""

    COPY = "copy"
    FOLLOWING = "following"


class Direction(str, Enum):
    """Which way a link carries changes."""

    TWO_WAY = "two-way"
    IMPORT = "import"
    EXPORT = "export"


class ConflictPolicy(str, Enum):
    """Who wins a field both sides changed."""

    REMOTE_WINS = "remote-wins"
    LOCAL_WINS = "local-wins"
    NEWEST_WINS = "newest-wins"
    KEEP_BOTH = "keep-both"
    MANUAL = "manual"
    RESOLVER = "resolver"


class DeletionPolicy(str, Enum):
    """What becomes of an event that one side deleted and the other edited."""

    BY_CONFLICTS = "by-conflicts"
    KEEP_EDIT = "keep-edit"
    DELETE = "delete"
    REMOTE_WINS = "remote-wins"
    LOCAL_WINS = "local-wins"


class CopyEdits(str, Enum):
    """What becomes of a copy that somebody edits where it is, on a link that imports or exports."""

    LEAVE = "leave"
    RESTORE = "restore"
    DETACH = "detach"


class PeoplePolicy(str, Enum):
    """Whether people may be written to the remote side, which on many servers mails them."""

    WITHHOLD = "withhold"
    WRITE = "write"


class Choice(str, Enum):
    """Who won a contested field."""

    LOCAL = "local"
    REMOTE = "remote"
    BOTH = "both"
    OPEN = "open"


class Action(str, Enum):
    """What is done about a pair. ``ASK`` comes from an engine only."""

    NONE = "none"
    CREATE_LOCAL = "create-local"
    CREATE_REMOTE = "create-remote"
    JOIN = "join"
    MERGE = "merge"
    DELETE_LOCAL = "delete-local"
    DELETE_REMOTE = "delete-remote"
    RESTORE_LOCAL = "restore-local"
    RESTORE_REMOTE = "restore-remote"
    FORGET = "forget"
    SUPPRESS = "suppress"
    ASK = "ask"


class Evidence(str, Enum):
    """What says that something was deleted. That it was not listed says so only when it was also asked for by name: ``ABSENT``.

    ``OUTSIDE_WINDOW`` and ``MADE_AGAIN`` are of copies, and do not count against the brake on deletions.
    """

    REPORTED = "reported"
    ABSENT = "absent"
    NOT_FOUND = "not-found"
    DELETED_HERE = "deleted-here"
    LEFT_OUT = "left-out"
    OUTSIDE_WINDOW = "outside-window"
    MADE_AGAIN = "made-again"
    MARKED = "marked"


class CalendarState(str, Enum):
    """What is known of a calendar; ``STALE``: what a look before the last one said."""

    CURRENT = "current"
    STALE = "stale"
    UNKNOWN = "unknown"


class BusyKind(str, Enum):
    """How firmly a time is taken."""

    TENTATIVE = "tentative"
    UNAVAILABLE = "unavailable"
    BUSY = "busy"


class TentativePolicy(str, Enum):
    """Whether times that may be taken are."""

    BUSY = "busy"
    FREE = "free"


class UncoveredPolicy(str, Enum):
    """What becomes of time a calendar says nothing about."""

    WITHHOLD = "withhold"
    OFFER = "offer"


class Weekday(str, Enum):
    """A day of the week."""

    MONDAY = "mo"
    TUESDAY = "tu"
    WEDNESDAY = "we"
    THURSDAY = "th"
    FRIDAY = "fr"
    SATURDAY = "sa"
    SUNDAY = "su"


class Take(str, Enum):
    """Whose value a person takes."""

    LOCAL = "local"
    REMOTE = "remote"


class WriteKind(str, Enum):
    """What a write does to the item there."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class WriteState(str, Enum):
    """How far a write is: a run sends it, looks whether it was applied, or it waits for a person."""

    PENDING = "pending"
    AMBIGUOUS = "ambiguous"
    WEDGED = "wedged"


class LimitReached(str, Enum):
    """The limit an expansion ran into."""

    INSTANCES = "instances"
    STEPS = "steps"
    DATES = "dates"


class SourceRole(str, Enum):
    """What an item is to an event: the event came from it, both are one event, or it is a copy."""

    ORIGIN = "origin"
    SHARED = "shared"
    COPY = "copy"


class HistoryKind(str, Enum):
    """What kind of thing happened."""

    RUN = "run"
    CHANGE = "change"
    CONFLICT = "conflict"


class WayState(str, Enum):
    """How an event stands on a link."""

    IN_STEP = "in-step"
    WAITING = "waiting"
    STUCK = "stuck"
    LEFT_ALONE = "left-alone"
    LEFT_OUT = "left-out"
    OUTSIDE_WINDOW = "outside-window"
    NOT_JOINED = "not-joined"


class MomentKind(str, Enum):
    """What happened to an event."""

    SEEN = "seen"
    MAPPED = "mapped"
    FILTERED = "filtered"
    DONE = "done"
    ECHOED = "echoed"
    CONFLICTED = "conflicted"
    SETTLED = "settled"


class JournalOp(str, Enum):
    """Which side was written, and how; ``kept``: it was left as it is, on purpose."""

    LOCAL_CREATE = "local-create"
    LOCAL_UPDATE = "local-update"
    LOCAL_DELETE = "local-delete"
    REMOTE_CREATE = "remote-create"
    REMOTE_UPDATE = "remote-update"
    REMOTE_DELETE = "remote-delete"
    KEPT = "kept"


class SettledBy(str, Enum):
    """What settled a conflict."""

    POLICY = "policy"
    RESOLVER = "resolver"
    PERSON = "person"
    EDITS = "edits"
    DELETION = "deletion"


class SeenState(str, Enum):
    """Why an item is no event here: the pipeline does not let it through, or it is set aside for another reason."""

    LEFT_OUT = "left-out"
    SET_ASIDE = "set-aside"


class UnreadKind(str, Enum):
    """For which reason an item is set aside."""

    UNREADABLE = "unreadable"
    NOT_AN_EVENT = "not-an-event"
    LEFT_OUT = "left-out"
    OWN_FEED = "own-feed"
    UNDECIDED = "undecided"
    UNFETCHED = "unfetched"


class ProviderKind(str, Enum):
    """What kind of provider a connection is to."""

    CALDAV = "caldav"
    COZI = "cozi"
    GOOGLE = "google"
    ICS = "ics"
    MICROSOFT = "microsoft"
