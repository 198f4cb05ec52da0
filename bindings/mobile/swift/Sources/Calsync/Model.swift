// Events and what the calls answer.

/// A calendar user.
public struct Person: Hashable, Sendable, Codable {
    public var address: String
    public var name: String?

    public init(address: String, name: String? = nil) {
        self.address = address
        self.name = name
    }
}

/// Someone invited to an event.
public struct Participant: Hashable, Sendable, Codable {
    public var address: String
    public var name: String?
    public var status: ParticipationStatus
    public var role: Role
    public var expectReply: Bool

    public init(
        address: String,
        name: String? = nil,
        status: ParticipationStatus = .needsAction,
        role: Role = .required,
        expectReply: Bool = false
    ) {
        self.address = address
        self.name = name
        self.status = status
        self.role = role
        self.expectReply = expectReply
    }

    private enum CodingKeys: String, CodingKey {
        case address, name, status, role, expectReply
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        address = try values.decode(String.self, forKey: .address)
        name = try values.decodeIfPresent(String.self, forKey: .name)
        status = try values.decodeIfPresent(ParticipationStatus.self, forKey: .status) ?? .needsAction
        role = try values.decodeIfPresent(Role.self, forKey: .role) ?? .required
        expectReply = try values.decodeIfPresent(Bool.self, forKey: .expectReply) ?? false
    }
}

/// A reminder.
public struct Alarm: Hashable, Sendable, Codable {
    public var trigger: Trigger
    public var action: AlarmAction
    public var description: String?

    public init(trigger: Trigger, action: AlarmAction = .display, description: String? = nil) {
        self.trigger = trigger
        self.action = action
        self.description = description
    }
}

/// A place to meet that is not a place.
public struct VirtualLocation: Hashable, Sendable, Codable {
    public var uri: String
    public var name: String?

    public init(uri: String, name: String? = nil) {
        self.uri = uri
        self.name = name
    }
}

/// The content of an event, or of one instance of a series. `nil` means that nothing was said.
public struct EventBody: Hashable, Sendable, Codable {
    public var time: TimeSpan
    public var title: String?
    public var description: String?
    public var location: String?
    public var geo: String?
    public var url: String?
    public var virtualLocations: [VirtualLocation]
    public var status: Status?
    public var freeBusy: FreeBusyStatus?
    public var privacy: Privacy?
    public var priority: Int?
    public var color: String?
    public var categories: Set<String>
    public var organizer: Person?
    public var participants: [Participant]
    public var alarms: [Alarm]
    public var sequence: Int
    public var created: Instant?
    public var updated: Instant?

    public init(
        time: TimeSpan,
        title: String? = nil,
        description: String? = nil,
        location: String? = nil,
        geo: String? = nil,
        url: String? = nil,
        virtualLocations: [VirtualLocation] = [],
        status: Status? = nil,
        freeBusy: FreeBusyStatus? = nil,
        privacy: Privacy? = nil,
        priority: Int? = nil,
        color: String? = nil,
        categories: Set<String> = [],
        organizer: Person? = nil,
        participants: [Participant] = [],
        alarms: [Alarm] = [],
        sequence: Int = 0,
        created: Instant? = nil,
        updated: Instant? = nil
    ) {
        self.time = time
        self.title = title
        self.description = description
        self.location = location
        self.geo = geo
        self.url = url
        self.virtualLocations = virtualLocations
        self.status = status
        self.freeBusy = freeBusy
        self.privacy = privacy
        self.priority = priority
        self.color = color
        self.categories = categories
        self.organizer = organizer
        self.participants = participants
        self.alarms = alarms
        self.sequence = sequence
        self.created = created
        self.updated = updated
    }

    private enum CodingKeys: String, CodingKey {
        case time, title, description, location, geo, url, virtualLocations, status, freeBusy, privacy, priority, color, categories, organizer, participants, alarms, sequence, created, updated
    }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        time = try values.decode(TimeSpan.self, forKey: .time)
        title = try values.decodeIfPresent(String.self, forKey: .title)
        description = try values.decodeIfPresent(String.self, forKey: .description)
        location = try values.decodeIfPresent(String.self, forKey: .location)
        geo = try values.decodeIfPresent(String.self, forKey: .geo)
        url = try values.decodeIfPresent(String.self, forKey: .url)
        virtualLocations = try values.decodeIfPresent([VirtualLocation].self, forKey: .virtualLocations) ?? []
        status = try values.decodeIfPresent(Status.self, forKey: .status)
        freeBusy = try values.decodeIfPresent(FreeBusyStatus.self, forKey: .freeBusy)
        privacy = try values.decodeIfPresent(Privacy.self, forKey: .privacy)
        priority = try values.decodeIfPresent(Int.self, forKey: .priority)
        color = try values.decodeIfPresent(String.self, forKey: .color)
        categories = try values.decodeIfPresent(Set<String>.self, forKey: .categories) ?? []
        organizer = try values.decodeIfPresent(Person.self, forKey: .organizer)
        participants = try values.decodeIfPresent([Participant].self, forKey: .participants) ?? []
        alarms = try values.decodeIfPresent([Alarm].self, forKey: .alarms) ?? []
        sequence = try values.decodeIfPresent(Int.self, forKey: .sequence) ?? 0
        created = try values.decodeIfPresent(Instant.self, forKey: .created)
        updated = try values.decodeIfPresent(Instant.self, forKey: .updated)
    }
}

/// What an event was made from.
public struct Lineage: Hashable, Sendable, Codable {
    public var uid: String
    public var how: Descent

    public init(uid: String, how: Descent) {
        self.uid = uid
        self.how = how
    }
}

/// One calendar object: a single event, or a series with its rules (the text of RFC 5545) and overrides.
public struct Event: Hashable, Sendable, Codable {
    public var uid: String
    public var master: EventBody?
    public var rules: [String]
    public var excludedRules: [String]
    /// Keyed by the start an instance had before anything moved it, as iCalendar writes it: `20260105`,
    /// `20260105T180000` or `20260105T180000Z`.
    public var overrides: [String: Override]
    public var uidOrigin: UidOrigin
    public var lineage: Lineage?

    public init(
        uid: String,
        master: EventBody? = nil,
        rules: [String] = [],
        excludedRules: [String] = [],
        overrides: [String: Override] = [:],
        uidOrigin: UidOrigin = .given,
        lineage: Lineage? = nil
    ) {
        self.uid = uid
        self.master = master
        self.rules = rules
        self.excludedRules = excludedRules
        self.overrides = overrides
        self.uidOrigin = uidOrigin
        self.lineage = lineage
    }

    /// The title of the event or series.
    public var title: String? { master?.title }
}

/// A calendar in the store.
public struct Calendar: Hashable, Sendable, Codable {
    public var id: String
    public var name: String
    public var color: String?

    public init(id: String, name: String, color: String? = nil) {
        self.id = id
        self.name = name
        self.color = color
    }
}

/// A calendar as its provider lists it.
public struct RemoteCalendar: Hashable, Sendable, Decodable {
    public let id: String
    public let name: String
    public let color: String?
    public let readOnly: Bool
}

/// An item that cannot be read. ``reason`` has no text of it.
public struct UnreadableItem: Hashable, Sendable, Decodable {
    public let uid: String?
    public let reason: String
}

/// A calendar text that was read. If it is not ``complete``, nothing may be concluded from what it lacks.
public struct ParsedCalendar: Hashable, Sendable, Decodable {
    public let name: String?
    public let events: [Event]
    public let unreadable: [UnreadableItem]
    public let complete: Bool
}

/// One time an event takes place; ``id`` is the key of its override.
public struct Instance: Hashable, Sendable, Decodable {
    public let id: String
    public let time: TimeSpan
}

/// The instances of an event in a window.
public struct Expansion: Hashable, Sendable, Decodable {
    public let instances: [Instance]
    public let opaqueRules: Int
    public let stopped: LimitReached?
}

/// One mergeable part of an event, such as `title`; ``key`` names a category, an address or a trigger.
public struct Field: Hashable, Sendable, Codable {
    public var part: String
    public var instance: String?
    public var key: JSONValue?

    public init(part: String, instance: String? = nil, key: JSONValue? = nil) {
        self.part = part
        self.instance = instance
        self.key = key
    }
}

/// A field both sides changed to different values.
public struct ContestedField: Hashable, Sendable, Decodable {
    public let field: Field
    public let choice: Choice
}

/// An event whose two sides changed the same ``fields`` to different values; ``base`` is `nil` at a first meeting.
public struct ContestedEvent: Hashable, Sendable, Decodable {
    public let link: String
    public let eventId: String
    public let base: Event?
    public let local: Event
    public let remote: Event
    public let fields: [Field]
}

/// What surrounds an event that is copied: its calendar, that one's owner and zone, and whether it is a copy itself.
public struct Surroundings: Hashable, Sendable, Codable {
    public var calendar: String
    public var calendarName: String
    public var owner: [String]
    public var zone: Zone
    public var isCopy: Bool

    public init(
        calendar: String = "",
        calendarName: String = "",
        owner: [String] = [],
        zone: Zone = .iana("UTC"),
        isCopy: Bool = false
    ) {
        self.calendar = calendar
        self.calendarName = calendarName
        self.owner = owner
        self.zone = zone
        self.isCopy = isCopy
    }
}

/// What a three-way merge decided.
public struct Merged: Hashable, Sendable, Decodable {
    public let local: Event
    public let remote: Event
    public let toLocal: [Field]
    public let toRemote: [Field]
    public let contested: [ContestedField]
    public let keepLocalCopy: Bool
}

/// An event here and its item there, with what is known of both: what `plan` decides about. Of a side that is neither given nor gone
/// nothing was heard: it is as the base says.
public struct PlanPair: Hashable, Sendable, Encodable {
    /// What both sides held when they last agreed; `nil`: they never met.
    public var base: Event?
    /// The local side now.
    public var local: Event?
    /// The remote side now.
    public var remote: Event?
    /// What the remote side held then, where it stores events in a form of its own.
    public var remoteBase: Event?
    /// The local event was deleted, and this speaks for it.
    public var localGone: Evidence?
    /// The item was deleted, and this speaks for it: that it was not listed does not.
    public var remoteGone: Evidence?
    /// The pair is left alone, since a plan said `suppress`.
    public var parted: Bool

    public init(
        base: Event? = nil,
        local: Event? = nil,
        remote: Event? = nil,
        remoteBase: Event? = nil,
        localGone: Evidence? = nil,
        remoteGone: Evidence? = nil,
        parted: Bool = false
    ) {
        self.base = base
        self.local = local
        self.remote = remote
        self.remoteBase = remoteBase
        self.localGone = localGone
        self.remoteGone = remoteGone
        self.parted = parted
    }
}

/// What is done about one pair, and why; ``reason`` has no text of events.
public struct Decision: Hashable, Sendable, Decodable {
    public let action: Action
    public let reason: String
    /// What the local side is to hold; `nil`: it stays as it is, or is deleted.
    public let local: Event?
    /// What the remote side is to hold; `nil`: it stays as it is, or is deleted.
    public let remote: Event?
    public let toLocal: [Field]
    public let toRemote: [Field]
    public let contested: [ContestedField]
    public let keepLocalCopy: Bool
    /// What speaks for a deletion.
    public let evidence: Evidence?
}

/// What is done about pairs, in their order. When it is ``held``, its deletions wait for a person, and all else goes on.
public struct Plan: Hashable, Sendable, Decodable {
    public let decisions: [Decision]
    public let held: Bool
}

/// What is copied of one event. Neither: it takes no time, and the copies are busy-only.
public struct Copied: Hashable, Sendable, Decodable {
    public let event: Event?
    /// The name of the step that keeps it out.
    public let leftOutBy: String?
}

/// From an instant up to, not including, another.
public struct Period: Hashable, Sendable, Codable {
    public var start: Instant
    public var end: Instant

    public init(start: Instant, end: Instant) {
        self.start = start
        self.end = end
    }
}

/// A time that is taken: from an instant up to, not including, another.
public struct BusyTime: Hashable, Sendable, Codable {
    public var start: Instant
    public var end: Instant
    public var kind: BusyKind

    public init(start: Instant, end: Instant, kind: BusyKind = .busy) {
        self.start = start
        self.end = end
        self.kind = kind
    }
}

/// A calendar with what is known of it: what `availability` is told from.
public struct CalendarEvents: Hashable, Sendable, Encodable {
    /// Its name in the answer.
    public var calendar: String
    public var events: [Event]
    /// Times beside the events: all there is of a calendar that shows none.
    public var busy: [BusyTime]
    /// Dates and floating times are read in it; `nil`: that of the terms.
    public var zone: Zone?
    /// Addresses; what they declined takes none of their time.
    public var owner: [String]
    public var state: CalendarState
    /// When it was last read whole.
    public var asOf: Instant?
    /// What that look covered; `nil`: everything.
    public var covered: Period?

    public init(
        calendar: String,
        events: [Event] = [],
        busy: [BusyTime] = [],
        zone: Zone? = nil,
        owner: [String] = [],
        state: CalendarState = .current,
        asOf: Instant? = nil,
        covered: Period? = nil
    ) {
        self.calendar = calendar
        self.events = events
        self.busy = busy
        self.zone = zone
        self.owner = owner
        self.state = state
        self.asOf = asOf
        self.covered = covered
    }
}

/// Hours of some days of the week, as `hh:mm` up to `24:00`. An end at or before the start is that of the next day.
public struct DayHours: Hashable, Sendable, Encodable {
    public var start: String
    public var end: String
    public var days: [Weekday]

    public init(start: String, end: String, days: [Weekday] = Weekday.allCases) {
        self.start = start
        self.end = end
        self.days = days
    }
}

/// When somebody works, on the clock of ``zone``: a minute counts when one of the hours holds it.
public struct WorkingHours: Hashable, Sendable, Encodable {
    public var zone: Zone
    public var hours: [DayHours]

    public init(zone: Zone, hours: [DayHours]) {
        self.zone = zone
        self.hours = hours
    }
}

/// What slots are offered under.
public struct SlotTerms: Hashable, Sendable, Encodable {
    /// On whose clock they start; `nil`: UTC.
    public var zone: Zone?
    public var slotMinutes: Int
    /// They start at multiples of this since midnight.
    public var granularityMinutes: Int
    public var bufferBeforeMinutes: Int
    public var bufferAfterMinutes: Int
    /// How long from now the first open moment is.
    public var noticeMinutes: Int
    public var tentative: TentativePolicy
    public var uncovered: UncoveredPolicy
    /// All have to hold a moment that is open.
    public var hours: [WorkingHours]
    /// Texts with a `VAVAILABILITY` (RFC 7953), one for each person.
    public var availability: [String]

    public init(
        zone: Zone? = nil,
        slotMinutes: Int = 30,
        granularityMinutes: Int = 15,
        bufferBeforeMinutes: Int = 0,
        bufferAfterMinutes: Int = 0,
        noticeMinutes: Int = 0,
        tentative: TentativePolicy = .busy,
        uncovered: UncoveredPolicy = .withhold,
        hours: [WorkingHours] = [],
        availability: [String] = []
    ) {
        self.zone = zone
        self.slotMinutes = slotMinutes
        self.granularityMinutes = granularityMinutes
        self.bufferBeforeMinutes = bufferBeforeMinutes
        self.bufferAfterMinutes = bufferAfterMinutes
        self.noticeMinutes = noticeMinutes
        self.tentative = tentative
        self.uncovered = uncovered
        self.hours = hours
        self.availability = availability
    }
}

/// A calendar of the store. It counts whole, whatever link brought its events in.
public struct FreeCalendar: Hashable, Sendable, Encodable {
    public var calendar: String
    /// Dates and floating times are read in it; `nil`: that of the slots.
    public var zone: Zone?
    /// Addresses; what they declined takes none of their time.
    public var owner: [String]

    public init(calendar: String, zone: Zone? = nil, owner: [String] = []) {
        self.calendar = calendar
        self.zone = zone
        self.owner = owner
    }
}

/// A calendar of which a connection sees only when it is busy.
public struct FreeElsewhere: Hashable, Sendable, Encodable {
    /// Its name in the answer.
    public var calendar: String
    public var connection: String
    /// Its name there: its id, at Microsoft the address of its owner, of a CalDAV server its URL.
    public var remote: String

    public init(calendar: String, connection: String, remote: String) {
        self.calendar = calendar
        self.connection = connection
        self.remote = remote
    }
}

/// When calendars have to be free, all of them: between two instants, 400 days apart at most.
public struct FreeTerms: Hashable, Sendable, Encodable {
    public var calendars: [FreeCalendar]
    public var start: Instant
    public var end: Instant
    /// Have to be free as well: their providers are asked each time.
    public var elsewhere: [FreeElsewhere]
    public var slots: SlotTerms

    public init(
        calendars: [FreeCalendar],
        start: Instant,
        end: Instant,
        elsewhere: [FreeElsewhere] = [],
        slots: SlotTerms = SlotTerms()
    ) {
        self.calendars = calendars
        self.start = start
        self.end = end
        self.elsewhere = elsewhere
        self.slots = slots
    }
}

/// A slot that is kept ``until`` then; its ``id`` is for a booking, its ``rows`` are for ``Engine/release(hold:)``.
public struct Hold: Hashable, Sendable, Codable {
    public var id: String
    public var slot: Period
    public var until: Instant
    public var rows: [String]

    public init(id: String, slot: Period, until: Instant, rows: [String]) {
        self.id = id
        self.slot = slot
        self.until = until
        self.rows = rows
    }
}

/// A slot that was booked: the calendar and the id of its event.
public struct Booking: Hashable, Sendable, Decodable {
    public let calendar: String
    public let id: String
    public let slot: Period
}

/// What is known of a calendar, for whoever has to judge an answer.
public struct CalendarAnswer: Hashable, Sendable, Decodable {
    public let calendar: String
    public let state: CalendarState
    /// Since it was last read whole; `nil`: never.
    public let ageSeconds: Int?
    /// What the last look covered of the window; `nil`: nothing.
    public let covered: Period?
    public let coversWindow: Bool
    /// Series that could not be expanded whole.
    public let incompleteSeries: Int
}

/// When somebody is free: the busy times, what is open, and the slots in it. If it is ``truncated``, there are more.
public struct FreeAnswer: Hashable, Sendable, Decodable {
    public let busy: [BusyTime]
    public let open: [Period]
    public let slots: [Period]
    public let truncated: Bool
    public let calendars: [CalendarAnswer]
}

/// An event as the store holds it; an edit names its ``revision``.
public struct StoredEvent: Hashable, Sendable, Decodable {
    public let id: String
    public let revision: Int
    public let event: Event
    public let modified: Instant
}

/// One operation of a plan, with its reason.
public struct PlannedOperation: Hashable, Sendable, Decodable {
    public let action: String
    public let eventId: String?
    public let remoteId: String?
    public let toLocal: [Field]
    public let toRemote: [Field]
    public let contested: [Field]
    public let losses: [String]
    public let reason: String
}

/// What a run did, in numbers.
public struct Counts: Hashable, Sendable, Decodable {
    /// Remote items read.
    public let pulled: Int
    /// Local events made.
    public let created: Int
    /// Local events changed.
    public let updated: Int
    /// Local events deleted.
    public let deleted: Int
    /// Writes to the provider that it confirmed.
    public let pushed: Int
    /// Conflicts recorded.
    public let conflicts: Int
    /// Items that cannot be read, set aside until they change.
    public let quarantined: Int
    /// Operations held back until a person approves.
    public let held: Int
    /// Requests to the provider.
    public let requests: Int
    /// Changes of the remote side that were known as this link's own writes.
    public let echoed: Int
}

/// What a run did, or would do. When deletions are ``held``, a person approves or refuses ``planId``.
public struct Report: Hashable, Sendable, Decodable {
    /// The run, as the run log and `undo` name it.
    public let run: String
    /// What to approve when deletions are held, else the id of the plan.
    public let planId: String
    /// Whether deletions wait for a person.
    public let held: Bool
    /// Whether both sides hold the same now, as far as the provider can.
    public let inStep: Bool
    public let counts: Counts
    /// Every operation, with its reason.
    public let operations: [PlannedOperation]
    /// Items that may be events here already; a person says which (`answer`).
    public let undecided: Int
    /// Writes that the provider does not take for now; the next run tries again.
    public let waiting: Int
    /// Writes that the provider refuses: once more a day, after another edit, or when a person says so.
    public let wedged: Int
    /// Events looked at that are outside the window of what the link copies, and have no copy.
    public let outside: Int
    /// The held plan that was approved or refused in this run.
    public let answered: String?
}

/// What a clean-up found and did. When it is ``held``, a person approves ``planId``. If it is not ``complete``, there may be more.
public struct Cleaned: Hashable, Sendable, Decodable {
    public let planId: String
    public let held: Bool
    public let operations: [PlannedOperation]
    public let deleted: Int
    public let edited: Int
    public let foreign: Int
    public let complete: Bool
}

/// A field of a conflict with the values of both sides; ``outcome`` is `open` while it waits.
public struct ConflictField: Hashable, Sendable, Decodable {
    public let field: Field
    public let base: JSONValue
    public let local: JSONValue
    public let remote: JSONValue
    public let outcome: String
}

/// Both sides changed the same fields to different values.
public struct Conflict: Hashable, Sendable, Decodable {
    public let id: String
    public let link: String
    public let eventId: String
    public let uid: String
    public let open: Bool
    public let fields: [ConflictField]
    public let local: Event?
    public let remote: Event?
    public let policy: String
    public let at: Instant
}

/// A run of the engine on a link.
public struct Run: Hashable, Sendable, Decodable {
    public let id: String
    public let link: String
    public let started: Instant
    public let ended: Instant?
    public let outcome: RunOutcome
    public let counts: Counts
    public let heldPlan: String?
    public let approved: String?
    public let refused: String?
    public let unaskedDeletions: Int
}

/// An event, and the ``item`` it is joined to over one link, in the calendar ``remote``.
public struct Source: Hashable, Sendable, Decodable {
    public let event: String
    public let link: String
    public let remote: String
    public let item: String
    public let role: SourceRole
}

/// One thing that happened. What does not apply is empty; ``counts`` are of a run. It holds no text of events.
public struct HistoryEntry: Hashable, Sendable, Decodable {
    public let at: Instant
    public let kind: HistoryKind
    public let link: String
    public let run: String
    public let event: String
    public let item: String
    public let uid: String
    /// What was done: `local-create`, `remote-update`, `kept` and so on.
    public let what: String
    public let why: String
    public let fields: [String]
    /// How a run ended; of a conflict `open` or `resolved`.
    public let outcome: String
    /// The policy of a conflict, the evidence of a deletion.
    public let by: String
    /// Who decided it, where it was a person.
    public let who: String
    public let counts: Counts?
}

/// What a link makes of an event.
public struct Way: Hashable, Sendable, Decodable {
    public let link: String
    public let direction: Direction
    public let state: WayState
    /// The item on the other side.
    public let remoteId: String?
    /// What its copy is made by, by name, in order.
    public let transforms: [String]
    /// How often a write that waits was tried.
    public let attempts: Int?
    /// Why a write is stuck.
    public let detail: String?
    /// The filter that leaves it out; `nil`: no filter does, or it takes no time and the copy is busy-only.
    public let step: String?
    /// When what is outside the window enters it, if nobody touches it.
    public let enters: Instant?
}

/// A contested field, and what became of it; `open` while it waits.
public struct FieldOutcome: Hashable, Sendable, Decodable {
    public let field: Field
    public let outcome: String
}

/// Something that happened to an event. What does not apply is `nil` or empty.
public struct Moment: Hashable, Sendable, Decodable {
    public let at: Instant
    public let what: MomentKind
    /// Over which link; `nil`: it was made here.
    public let link: String?
    public let run: String?
    /// The item it was mapped to.
    public let item: String?
    /// The filter that kept it out; `nil`: no filter does, or it takes no time and the copy is busy-only.
    public let step: String?
    /// What was done, or came back.
    public let op: JournalOp?
    /// Why it was done.
    public let reason: String?
    /// Those that changed.
    public let fields: [Field]
    /// What of the event the remote side cannot hold, in words for people.
    public let losses: [String]
    /// What spoke for a deletion.
    public let evidence: Evidence?
    /// The id of the conflict that was found or settled.
    public let conflict: String?
    /// Its fields; empty: one side had deleted what the other edited.
    public let contested: [FieldOutcome]
    /// Under which policy it was found.
    public let policy: String?
    /// Whether it still waits for somebody.
    public let open: Bool?
    /// By what it was settled.
    public let by: SettledBy?
    /// By whom, where a person said so.
    public let who: String?
}

/// What is known of an event: what each link of its calendar makes of it, and what happened to it, the oldest first. It has no text of it.
public struct Explanation: Hashable, Sendable, Decodable {
    public let ways: [Way]
    public let timeline: [Moment]
}

/// An item of the remote side that is no event here, and why.
public struct SeenItem: Hashable, Sendable, Decodable {
    public let link: String
    /// Its name there.
    public let remoteId: String
    /// Since when it stands like this.
    public let since: Instant
    public let state: SeenState
    /// The filter that leaves it out; `nil`: no filter does, or it takes no time and the copy is busy-only.
    public let step: String?
    /// For which reason it was set aside.
    public let kind: UnreadKind?
    /// The same in words, without its text.
    public let reason: String?
}

/// What became of the changes of a run that was taken back.
public struct Undone: Hashable, Sendable, Decodable {
    public let run: String
    public let restored: Int
    public let removed: Int
    /// Items the run made on the remote side, and that are deleted there now.
    public let removedThere: Int
    /// The run to take back for the next run to make those items again.
    public let removal: String?
    /// Events left alone: edited since, or nothing of them is left to take back.
    public let kept: Int
    /// Those left alone whose items the run made on the remote side, and that cannot be deleted there.
    public let madeThere: Int
    public let edited: [String]
}

/// An item that may be an event here; a person says which.
public struct Question: Hashable, Sendable, Decodable {
    public let remoteId: String
    public let candidates: [String]
    public let answered: Bool
    public let since: Instant
}

/// A write to the remote side that is decided and not confirmed. It holds no text of the event.
public struct WaitingWrite: Hashable, Sendable, Decodable {
    public let link: String
    /// What ``Engine/retryWrite(of:on:)`` and ``Engine/dropWrite(of:on:)`` are told: one write waits for an event at most.
    public let eventId: String
    /// The name the item has there or will have; `nil` where nothing could be made of the event.
    public let remoteId: String?
    public let kind: WriteKind
    public let state: WriteState
    /// Why it was decided.
    public let reason: String
    public let attempts: Int
    /// It is not sent before.
    public let notBefore: Instant?
    /// Why it is wedged.
    public let error: Code?
    /// The same for people.
    public let detail: String?
}

/// How far a run is: `listed`, `pulled`, `pushed` or `wedged`.
public struct Progress: Hashable, Sendable, Decodable {
    public let step: String
    public let link: String
    public let done: Int
    public let total: Int?
}

/// When an alarm goes off.
public enum Trigger: Hashable, Sendable, Codable {
    /// So many seconds after the start or end; negative is before.
    case offset(seconds: Int, relativeTo: RelativeTo = .start)
    /// At an instant.
    case absolute(Instant)

    private enum Keys: String, CodingKey {
        case offset, absolute
    }

    private struct Offset: Codable {
        let seconds: Int
        let relativeTo: RelativeTo?
    }

    public init(from decoder: any Decoder) throws {
        let trigger = try decoder.container(keyedBy: Keys.self)
        if let offset = try trigger.decodeIfPresent(Offset.self, forKey: .offset) {
            self = .offset(seconds: offset.seconds, relativeTo: offset.relativeTo ?? .start)
        } else {
            self = .absolute(try trigger.decode(Instant.self, forKey: .absolute))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var trigger = encoder.container(keyedBy: Keys.self)
        switch self {
        case .offset(let seconds, let relativeTo):
            try trigger.encode(Offset(seconds: seconds, relativeTo: relativeTo), forKey: .offset)
        case .absolute(let instant):
            try trigger.encode(instant, forKey: .absolute)
        }
    }
}

/// What becomes of one instance of a series.
public enum Override: Hashable, Sendable, Codable {
    /// It does not take place.
    case excluded
    /// It takes place although no rule says so.
    case added(end: EventTime?)
    /// It has content of its own: the whole of it, not a patch.
    case changed(EventBody, scope: OverrideScope = .this)

    private enum Keys: String, CodingKey {
        case added, changed
    }

    private struct Added: Codable {
        let end: EventTime?
    }

    private struct Changed: Codable {
        let body: EventBody
        let scope: OverrideScope?
    }

    public init(from decoder: any Decoder) throws {
        if let word = try? decoder.singleValueContainer().decode(String.self), word == "excluded" {
            self = .excluded
            return
        }
        let override = try decoder.container(keyedBy: Keys.self)
        if let changed = try override.decodeIfPresent(Changed.self, forKey: .changed) {
            self = .changed(changed.body, scope: changed.scope ?? .this)
        } else {
            self = .added(end: try override.decode(Added.self, forKey: .added).end)
        }
    }

    public func encode(to encoder: any Encoder) throws {
        switch self {
        case .excluded:
            var value = encoder.singleValueContainer()
            try value.encode("excluded")
        case .added(let end):
            var value = encoder.container(keyedBy: Keys.self)
            try value.encode(Added(end: end), forKey: .added)
        case .changed(let body, let scope):
            var value = encoder.container(keyedBy: Keys.self)
            try value.encode(Changed(body: body, scope: scope), forKey: .changed)
        }
    }
}

/// How a run ended.
public enum RunOutcome: Hashable, Sendable, Decodable {
    /// It goes on, or its process died.
    case running
    /// Both sides hold the same.
    case inStep
    /// Deletions wait for a person.
    case held
    /// It was taken back.
    case undone
    /// It failed, and why.
    case failed(error: String)
    /// A word of a newer version.
    case other(String)

    private enum Keys: String, CodingKey {
        case failed
    }

    private struct Failed: Decodable {
        let error: String
    }

    public init(from decoder: any Decoder) throws {
        guard let word = try? decoder.singleValueContainer().decode(String.self) else {
            let outcome = try decoder.container(keyedBy: Keys.self)
            self = .failed(error: try outcome.decode(Failed.self, forKey: .failed).error)
            return
        }
        switch word {
        case "running": self = .running
        case "in-step": self = .inStep
        case "held": self = .held
        case "undone": self = .undone
        default: self = .other(word)
        }
    }
}
