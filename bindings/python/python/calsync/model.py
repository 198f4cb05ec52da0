"""Events and what the calls answer. All are plain dataclasses.

Times are those of the standard library: a ``date`` is a whole day, a ``datetime`` without ``tzinfo`` floats, one with
``zoneinfo.ZoneInfo`` is a wall-clock time in that zone, one in ``datetime.timezone.utc`` is an instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from .words import (
    Action,
    AlarmAction,
    BusyKind,
    CalendarState,
    Choice,
    Descent,
    Direction,
    Evidence,
    FreeBusyStatus,
    HistoryKind,
    JournalOp,
    LimitReached,
    MomentKind,
    OverrideScope,
    ParticipationStatus,
    Privacy,
    RelativeTo,
    Role,
    SeenState,
    SettledBy,
    SourceRole,
    Status,
    TentativePolicy,
    UidOrigin,
    UncoveredPolicy,
    UnreadKind,
    WayState,
    Weekday,
    WriteKind,
    WriteState,
)
from .zones import DefinedZone

__all__ = [
    "Added",
    "Alarm",
    "Booking",
    "BusyTime",
    "Calendar",
    "CalendarAnswer",
    "CalendarEvents",
    "Changed",
    "Cleaned",
    "Conflict",
    "ConflictField",
    "ContestedEvent",
    "ContestedField",
    "Copied",
    "Counts",
    "DayHours",
    "Decision",
    "Event",
    "EventBody",
    "Excluded",
    "Expansion",
    "Explanation",
    "Field",
    "FieldOutcome",
    "FreeAnswer",
    "FreeCalendar",
    "FreeElsewhere",
    "FreeTerms",
    "HistoryEntry",
    "Hold",
    "Instance",
    "Lineage",
    "MasterKeys",
    "Merged",
    "Moment",
    "OAuthClient",
    "OAuthGrant",
    "Offset",
    "ParsedCalendar",
    "Participant",
    "Period",
    "Person",
    "Plan",
    "PlanPair",
    "PlannedOperation",
    "Progress",
    "Question",
    "RemoteCalendar",
    "Report",
    "Run",
    "SeenItem",
    "SlotTerms",
    "Source",
    "StoredEvent",
    "Surroundings",
    "TimeSpan",
    "Undone",
    "UnreadableItem",
    "VirtualLocation",
    "WaitingWrite",
    "Way",
    "WorkingHours",
]


@dataclass
class TimeSpan:
    """From the start up to, not including, the end: for dates the day after the last day."""

    start: date | datetime
    end: date | datetime


@dataclass
class Person:
    """A calendar user."""

    address: str
    name: str | None = None


@dataclass
class Participant:
    """Someone invited to an event."""

    address: str
    name: str | None = None
    status: ParticipationStatus = ParticipationStatus.NEEDS_ACTION
    role: Role = Role.REQUIRED
    expect_reply: bool = False


@dataclass
class Offset:
    """A trigger so many seconds after the start or end; negative is before."""

    seconds: int
    relative_to: RelativeTo = RelativeTo.START


@dataclass
class Alarm:
    """A reminder. Its trigger is an offset or an instant."""

    trigger: Offset | datetime
    action: AlarmAction = AlarmAction.DISPLAY
    description: str | None = None


@dataclass
class VirtualLocation:
    """A place to meet that is not a place."""

    uri: str
    name: str | None = None


@dataclass
class EventBody:
    """The content of an event, or of one instance of a series. ``None`` means that nothing was said."""

    time: TimeSpan
    title: str | None = None
    description: str | None = None
    location: str | None = None
    geo: str | None = None
    url: str | None = None
    virtual_locations: list[VirtualLocation] = field(default_factory=list[VirtualLocation])
    status: Status | None = None
    free_busy: FreeBusyStatus | None = None
    privacy: Privacy | None = None
    priority: int | None = None
    color: str | None = None
    categories: set[str] = field(default_factory=set[str])
    organizer: Person | None = None
    participants: list[Participant] = field(default_factory=list[Participant])
    alarms: list[Alarm] = field(default_factory=list[Alarm])
    sequence: int = 0
    created: datetime | None = None
    updated: datetime | None = None


@dataclass
class Excluded:
    """The instance does not take place."""


@dataclass
class Added:
    """The instance takes place although no rule says so."""

    end: date | datetime | None = None


@dataclass
class Changed:
    """The instance has content of its own: the whole of it, not a patch."""

    body: EventBody
    scope: OverrideScope = OverrideScope.THIS


@dataclass
class Lineage:
    """What an event was made from."""

    uid: str
    how: Descent


@dataclass
class Event:
    """One calendar object: a single event, or a series with its rules and overrides.

    ``overrides`` are keyed by the start an instance had before anything moved it, as iCalendar writes it:
    ``20260105``, ``20260105T180000`` or ``20260105T180000Z``.
    """

    uid: str
    master: EventBody | None = None
    rules: list[str] = field(default_factory=list[str])
    excluded_rules: list[str] = field(default_factory=list[str])
    overrides: dict[str, Excluded | Added | Changed] = field(
        default_factory=dict[str, "Excluded | Added | Changed"]
    )
    uid_origin: UidOrigin = UidOrigin.GIVEN
    lineage: Lineage | None = None

    @property
    def title(self) -> str | None:
        """The title of the event or series."""
        return None if self.master is None else self.master.title

    @property
    def start(self) -> date | datetime | None:
        """The start of the event or series."""
        return None if self.master is None else self.master.time.start

    @property
    def end(self) -> date | datetime | None:
        """The end of the event, or of the first instance of a series."""
        return None if self.master is None else self.master.time.end


@dataclass
class Calendar:
    """A calendar in the store."""

    id: str
    name: str
    color: str | None = None


@dataclass
class RemoteCalendar:
    """A calendar as its provider lists it."""

    id: str
    name: str
    color: str | None
    read_only: bool


@dataclass
class UnreadableItem:
    """An item that cannot be read."""

    uid: str | None
    reason: str


@dataclass
class ParsedCalendar:
    """A calendar text that was read. If it is not complete, nothing may be concluded from what it lacks."""

    name: str | None
    events: list[Event]
    unreadable: list[UnreadableItem]
    complete: bool


@dataclass
class Instance:
    """One time an event takes place; ``id`` is the key of its override."""

    id: str
    time: TimeSpan


@dataclass
class Expansion:
    """The instances of an event in a window."""

    instances: list[Instance]
    opaque_rules: int
    stopped: LimitReached | None


@dataclass
class Field:
    """One mergeable part of an event, such as ``title``; ``key`` names a category, an address or a trigger."""

    part: str
    instance: str | None = None
    key: Any = None


@dataclass
class ContestedField:
    """A field both sides changed to different values."""

    field: Field
    choice: Choice


@dataclass
class ContestedEvent:
    """An event whose two sides changed the same ``fields`` to different values; ``base`` is ``None`` at a first meeting."""

    link: str
    event_id: str
    base: Event | None
    local: Event
    remote: Event
    fields: list[Field]


@dataclass
class Surroundings:
    """What surrounds an event that is copied: the calendar it is in, its owner's addresses, and whether it is a copy itself."""

    calendar: str = ""
    calendar_name: str = ""
    owner: list[str] = field(default_factory=list[str])
    zone: ZoneInfo | DefinedZone = field(default_factory=lambda: ZoneInfo("UTC"))
    is_copy: bool = False


@dataclass
class Merged:
    """What a three-way merge decided."""

    local: Event
    remote: Event
    to_local: list[Field]
    to_remote: list[Field]
    contested: list[ContestedField]
    keep_local_copy: bool


@dataclass
class PlanPair:
    """An event here and its item there, with what is known of both: what ``plan`` decides about.

    ``base`` is what both sides held when they last agreed, ``None`` when they never met; ``remote_base`` what the remote side
    held then, where it stores events in a form of its own. ``local`` and ``remote`` are the sides now. Of one that is ``None``
    nothing was heard: it is as the base says; or it was deleted, when ``local_gone`` or ``remote_gone`` says what speaks for
    that. ``parted`` pairs are left alone, since a plan said ``Action.SUPPRESS``.
    """

    base: Event | None = None
    local: Event | None = None
    remote: Event | None = None
    remote_base: Event | None = None
    local_gone: Evidence | None = None
    remote_gone: Evidence | None = None
    parted: bool = False


@dataclass
class Decision:
    """What is done about one pair, and why.

    ``local`` and ``remote`` are what the sides are to hold; one that is ``None`` stays as it is, or is deleted. ``reason`` has no
    text of events. ``evidence`` is what speaks for a deletion.
    """

    action: Action
    reason: str
    local: Event | None
    remote: Event | None
    to_local: list[Field]
    to_remote: list[Field]
    contested: list[ContestedField]
    keep_local_copy: bool
    evidence: Evidence | None


@dataclass
class Plan:
    """What is done about pairs, in their order. When it is ``held``, its deletions wait for a person, and all else goes on."""

    decisions: list[Decision]
    held: bool


@dataclass
class Copied:
    """What is copied of one event: the copy, or ``None`` and the name of the step that keeps it out.

    Neither: it takes no time, and the copies are busy-only.
    """

    event: Event | None
    left_out_by: str | None


@dataclass
class Period:
    """From an instant up to, not including, another."""

    start: datetime
    end: datetime


@dataclass
class BusyTime:
    """A time that is taken: from an instant up to, not including, another."""

    start: datetime
    end: datetime
    kind: BusyKind = BusyKind.BUSY


@dataclass
class CalendarEvents:
    """A calendar with what is known of it: what ``availability`` is told from.

    ``calendar`` is its name in the answer, ``busy`` are times beside its events (all there is of a calendar that shows none). Dates
    and floating times are read in ``zone``, by default that of the terms. What an ``owner`` declined takes none of their time.
    ``as_of`` is when it was last read whole, ``covered`` what that look covered (``None``: everything).
    """

    calendar: str
    events: list[Event] = field(default_factory=list["Event"])
    busy: list[BusyTime] = field(default_factory=list["BusyTime"])
    zone: ZoneInfo | DefinedZone | None = None
    owner: list[str] = field(default_factory=list[str])
    state: CalendarState = CalendarState.CURRENT
    as_of: datetime | None = None
    covered: Period | None = None


@dataclass
class DayHours:
    """Hours of some days of the week, as ``hh:mm`` up to ``24:00``. An end at or before the start is that of the next day."""

    start: str
    end: str
    days: list[Weekday] = field(default_factory=lambda: [*Weekday])


@dataclass
class WorkingHours:
    """When somebody works, on the clock of ``zone``: a minute counts when one of the hours holds it."""

    zone: ZoneInfo | DefinedZone
    hours: list[DayHours]


@dataclass
class SlotTerms:
    """What slots are offered under.

    Slots start on the clock of ``zone`` (UTC), at multiples of the granularity since midnight. The buffers are kept free around
    a slot; the first open moment is ``notice_minutes`` from now. A moment is open when all ``hours`` hold it; ``availability`` are
    texts with a ``VAVAILABILITY`` (RFC 7953), one for each person.
    """

    zone: ZoneInfo | DefinedZone | None = None
    slot_minutes: int = 30
    granularity_minutes: int = 15
    buffer_before_minutes: int = 0
    buffer_after_minutes: int = 0
    notice_minutes: int = 0
    tentative: TentativePolicy = TentativePolicy.BUSY
    uncovered: UncoveredPolicy = UncoveredPolicy.WITHHOLD
    hours: list[WorkingHours] = field(default_factory=list["WorkingHours"])
    availability: list[str] = field(default_factory=list[str])


@dataclass
class FreeCalendar:
    """A calendar of the store. It counts whole, whatever link brought its events in.

    Dates and floating times are read in ``zone``, by default that of the slots. What an ``owner`` declined takes none of their time.
    """

    calendar: str
    zone: ZoneInfo | DefinedZone | None = None
    owner: list[str] = field(default_factory=list[str])


@dataclass
class FreeElsewhere:
    """A calendar of which a ``connection`` sees only when it is busy.

    ``calendar`` is its name in the answer, ``remote`` its name there: its id, at Microsoft the address of its owner, of a CalDAV
    server its URL.
    """

    calendar: str
    connection: str
    remote: str


@dataclass
class FreeTerms:
    """When calendars have to be free, all of them: between two instants, 400 days apart at most, for slots of these terms.

    The providers of those ``elsewhere`` are asked each time.
    """

    calendars: list[FreeCalendar]
    start: datetime
    end: datetime
    elsewhere: list[FreeElsewhere] = field(default_factory=list["FreeElsewhere"])
    slots: SlotTerms = field(default_factory=SlotTerms)


@dataclass
class Hold:
    """A slot that is kept ``until`` then. Its ``id`` is for ``book``, its ``rows`` are for ``release``."""

    id: str
    slot: Period
    until: datetime
    rows: list[str]


@dataclass
class Booking:
    """A slot that was booked: the calendar and the id of its event."""

    calendar: str
    id: str
    slot: Period


@dataclass
class CalendarAnswer:
    """What is known of a calendar, for whoever has to judge an answer.

    ``age_seconds`` is since it was last read whole (``None``: never), ``covered`` what that look covered of the window (``None``:
    nothing), ``incomplete_series`` how many series could not be expanded whole.
    """

    calendar: str
    state: CalendarState
    age_seconds: int | None
    covered: Period | None
    covers_window: bool
    incomplete_series: int


@dataclass
class FreeAnswer:
    """When somebody is free: the busy times, what is ``open``, and the ``slots`` in it. If it is ``truncated``, there are more."""

    busy: list[BusyTime]
    open: list[Period]
    slots: list[Period]
    truncated: bool
    calendars: list[CalendarAnswer]


@dataclass
class MasterKeys:
    """What seals tokens in the store of an engine, and opens them. It is written nowhere, and ``repr`` shows no key.

    Each of ``keys`` is 32 random bytes in Base64, as ``openssl rand -base64 32`` prints them; ``current`` names the one that seals. The
    others open what was sealed with them before. The names are kept in the store, beside what the keys seal.
    """

    current: str
    keys: dict[str, str] = field(repr=False)


@dataclass
class OAuthClient:
    """Your application as an authorization server knows it. ``repr`` does not show its secret.

    As ``provider``, ``"google"`` and ``"microsoft"`` bring their addresses and the scopes two-way sync needs; ``scopes`` stands in the place
    of these. Any other name is your own, with ``authorize`` and ``token``, the endpoints of the server, and where there are such
    ``revoke``, where tokens are taken back (RFC 7009), and ``issuer``, who has to have issued them. The two also replace those of Google and
    Microsoft; ``revoke`` and ``issuer`` are then only what is said here.

    A phone or a desktop program keeps no ``client_secret``. ``tenant`` is for Microsoft (``"common"``). ``grant_days`` says how long a grant
    lasts where the provider does not: 7 for a client at Google whose consent screen is in testing. ``trust_address`` allows
    endpoints at private and local addresses, and without TLS: only for those that whoever runs the application wrote.
    """

    provider: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    tenant: str | None = None
    scopes: list[str] | None = None
    authorize: str | None = None
    token: str | None = None
    revoke: str | None = None
    issuer: str | None = None
    grant_days: int | None = None
    trust_address: bool = False


@dataclass
class OAuthGrant:
    """A connection somebody allowed; its tokens are in the store. ``label`` is how a person knows the account, ``subject`` what
    identifies it for ever at its provider, where that said so.

    ``missing_scopes`` were asked for and not granted. The account has to be connected again before the grant ``ends``; ``None``: nobody said
    that it does.
    """

    connection: str
    subject: str | None
    label: str | None
    missing_scopes: list[str]
    ends: datetime | None


@dataclass
class StoredEvent:
    """An event as the store holds it; an edit names its ``revision``."""

    id: str
    revision: int
    event: Event
    modified: datetime


@dataclass
class PlannedOperation:
    """One operation of a plan, with its reason."""

    action: str
    event_id: str | None
    remote_id: str | None
    to_local: list[Field]
    to_remote: list[Field]
    contested: list[Field]
    losses: list[str]
    reason: str


@dataclass
class Counts:
    """What a run did, in numbers."""

    pulled: int
    """Remote items read."""
    created: int
    """Local events made."""
    updated: int
    """Local events changed."""
    deleted: int
    """Local events deleted."""
    pushed: int
    """Writes to the provider that it confirmed."""
    conflicts: int
    """Conflicts recorded."""
    quarantined: int
    """Items that cannot be read, set aside until they change."""
    held: int
    """Operations held back until a person approves."""
    requests: int
    """Requests to the provider."""
    echoed: int
    """Changes of the remote side that were known as this link's own writes."""


@dataclass
class Report:
    """What a run did, or would do. When deletions are ``held``, a person approves or refuses ``plan_id``."""

    run: str
    """The run, as the run log and ``undo`` name it."""
    plan_id: str
    """What to approve when deletions are held, else the id of the plan."""
    held: bool
    """Whether deletions wait for a person."""
    in_step: bool
    """Whether both sides hold the same now, as far as the provider can."""
    counts: Counts
    operations: list[PlannedOperation]
    """Every operation, with its reason."""
    undecided: int
    """Items that may be events here already; a person says which (``answer``)."""
    waiting: int
    """Writes that the provider does not take for now; the next run tries again."""
    wedged: int
    """Writes that the provider refuses: once more a day, after another edit, or when a person says so."""
    outside: int
    """Events looked at that are outside the window of what the link copies, and have no copy."""
    answered: str | None
    """The held plan that was approved or refused in this run."""


@dataclass
class Cleaned:
    """What a clean-up found and did. When it is ``held``, a person approves ``plan_id``.

    Items ``edited`` since the link wrote them stay, and ``foreign`` ones, whose mark is not theirs. If it is not ``complete``, there
    may be more.
    """

    plan_id: str
    held: bool
    operations: list[PlannedOperation]
    deleted: int
    edited: int
    foreign: int
    complete: bool


@dataclass
class ConflictField:
    """A field of a conflict with the values of both sides; ``outcome`` is ``open`` while it waits."""

    field: Field
    base: Any
    local: Any
    remote: Any
    outcome: str


@dataclass
class Conflict:
    """Both sides changed the same fields to different values."""

    id: str
    link: str
    event_id: str
    uid: str
    open: bool
    fields: list[ConflictField]
    local: Event | None
    remote: Event | None
    policy: str
    at: datetime


@dataclass
class Run:
    """A run of the engine on a link. ``outcome`` is a word, or a mapping with the error of a failed run."""

    id: str
    link: str
    started: datetime
    ended: datetime | None
    outcome: Any
    counts: Counts
    held_plan: str | None
    approved: str | None = None
    refused: str | None = None
    unasked_deletions: int = 0


@dataclass
class Source:
    """An event, and the ``item`` it is joined to over one link, in the calendar ``remote``."""

    event: str
    link: str
    remote: str
    item: str
    role: SourceRole


@dataclass
class HistoryEntry:
    """One thing that happened. What does not apply is empty; ``counts`` are of a run. It holds no text of events.

    ``what``: what was done: ``local-create``, ``remote-update``, ``kept`` and so on; ``outcome``: how a run ended; of a
    conflict ``open`` or ``resolved``; ``by``: the policy of a conflict, the evidence of a deletion; ``who``: who decided it,
    where it was a person.
    """

    at: datetime
    kind: HistoryKind
    link: str
    run: str
    event: str
    item: str
    uid: str
    what: str
    why: str
    fields: list[str]
    outcome: str
    by: str
    who: str
    counts: Counts | None


@dataclass
class Way:
    """What a link makes of an event.

    ``remote_id``: the item on the other side; ``transforms``: what its copy is made by, by name, in order; ``attempts``: how
    often a write that waits was tried; ``detail``: why a write is stuck; ``step``: the filter that leaves it out (``None``:
    no filter does, or it takes no time and the copy is busy-only); ``enters``: when what is outside the window enters it, if
    nobody touches it.
    """

    link: str
    direction: Direction
    state: WayState
    remote_id: str | None
    transforms: list[str]
    attempts: int | None
    detail: str | None
    step: str | None
    enters: datetime | None


@dataclass
class FieldOutcome:
    """A contested field, and what became of it; ``open`` while it waits."""

    field: Field
    outcome: str


@dataclass
class Moment:
    """Something that happened to an event. What does not apply is ``None`` or empty.

    ``link``: over which link (``None``: it was made here); ``item``: the item it was mapped to; ``step``: the filter that
    kept it out (``None``: no filter does, or it takes no time and the copy is busy-only); ``op``: what was done, or came
    back; ``reason``: why it was done; ``fields``: those that changed; ``losses``: what of the event the remote side cannot
    hold, in words for people; ``evidence``: what spoke for a deletion; ``conflict``: the id of the conflict that was found
    or settled; ``contested``: its fields (empty: one side had deleted what the other edited); ``policy``: under which policy
    it was found; ``open``: whether it still waits for somebody; ``by``: by what it was settled; ``who``: by whom, where a
    person said so.
    """

    at: datetime
    what: MomentKind
    link: str | None
    run: str | None
    item: str | None
    step: str | None
    op: JournalOp | None
    reason: str | None
    fields: list[Field]
    losses: list[str]
    evidence: Evidence | None
    conflict: str | None
    contested: list[FieldOutcome]
    policy: str | None
    open: bool | None
    by: SettledBy | None
    who: str | None


@dataclass
class Explanation:
    """What is known of an event: what each link of its calendar makes of it, and what happened to it, the oldest first. It
    has no text of it."""

    ways: list[Way]
    timeline: list[Moment]


@dataclass
class SeenItem:
    """An item of the remote side that is no event here, and why.

    ``remote_id``: its name there; ``since``: since when it stands like this; ``step``: the filter that leaves it out
    (``None``: no filter does, or it takes no time and the copy is busy-only); ``kind``: for which reason it was set aside;
    ``reason``: the same in words, without its text.
    """

    link: str
    remote_id: str
    since: datetime
    state: SeenState
    step: str | None
    kind: UnreadKind | None
    reason: str | None


@dataclass
class Undone:
    """What became of the changes of a run that was taken back.

    ``removed_there`` counts items the run made on the remote side, and that are deleted there now; ``removal`` is the run to take
    back for the next run to make them again. ``made_there`` counts those left alone that cannot be deleted there.
    """

    run: str
    restored: int
    removed: int
    removed_there: int
    removal: str | None
    kept: int
    made_there: int
    edited: list[str]


@dataclass
class Question:
    """An item that may be an event here; a person says which."""

    remote_id: str
    candidates: list[str]
    answered: bool
    since: datetime


@dataclass
class WaitingWrite:
    """A write to the remote side that is decided and not confirmed. It holds no text of the event.

    ``event_id`` is what ``retry_write`` and ``drop_write`` are told: one write waits for an event at most. ``remote_id`` is ``None``
    where nothing could be made of the event. It is not sent before ``not_before``. Why it is wedged is in ``error``, a code as
    ``CalsyncError`` has it, and for people in ``detail``.
    """

    link: str
    event_id: str
    remote_id: str | None
    kind: WriteKind
    state: WriteState
    reason: str
    attempts: int
    not_before: datetime | None
    error: str | None
    detail: str | None


@dataclass
class Progress:
    """How far a run is: ``listed``, ``pulled``, ``pushed`` or ``wedged``."""

    step: str
    link: str
    done: int
    total: int | None
