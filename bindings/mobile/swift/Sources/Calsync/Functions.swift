import Foundation

private struct ParseArgs: Encodable {
    let texts: [String]
    let defaultZone: Zone?
}

/// Reads a calendar text. Single items that cannot be read are in ``ParsedCalendar/unreadable``.
public func parse(_ text: String, defaultZone: Zone? = nil) throws -> ParsedCalendar {
    try parseMany([text], defaultZone: defaultZone)[0].get()
}

/// Reads many in one call; one that is no calendar is a failure in its place.
public func parseMany(_ texts: [String], defaultZone: Zone? = nil) throws -> [Result<ParsedCalendar, CalsyncError>] {
    let args = ParseArgs(texts: texts, defaultZone: defaultZone)
    return try pure("parse", args, [Outcome<ParsedCalendar>].self).map(\.result)
}

private struct WriteArgs: Encodable {
    let events: [Event]
    let stamp: Instant
    let people: PeoplePolicy
}

/// Writes events as one calendar text with this `DTSTAMP`.
public func write(_ events: [Event], stamp: Instant, people: PeoplePolicy = .withhold) throws -> String {
    try pure("write", WriteArgs(events: events, stamp: stamp, people: people), String.self)
}

/// A text, and the event it is to read as.
public struct Edit: Hashable, Sendable, Encodable {
    public let original: String
    public let event: Event

    public init(original: String, event: Event) {
        self.original = original
        self.event = event
    }
}

private struct PatchArgs: Encodable {
    let edits: [Edit]
    let stamp: Instant?
    let people: PeoplePolicy
}

/// Changes a text so that it reads as the event. Every line that need not change keeps its bytes.
public func patch(
    _ original: String,
    to event: Event,
    stamp: Instant? = nil,
    people: PeoplePolicy = .withhold
) throws -> String {
    try patchMany([Edit(original: original, event: event)], stamp: stamp, people: people)[0].get()
}

/// Changes many texts in one call; one that cannot be changed is a failure in its place.
public func patchMany(
    _ edits: [Edit],
    stamp: Instant? = nil,
    people: PeoplePolicy = .withhold
) throws -> [Result<String, CalsyncError>] {
    try pure("patch", PatchArgs(edits: edits, stamp: stamp, people: people), [Outcome<String>].self).map(\.result)
}

private struct ExpandArgs: Encodable {
    let events: [Event]
    let start: Instant
    let end: Instant
    let zone: Zone?
    let limit: Int?
}

/// When an event takes place between two instants. Dates and floating times are read in `zone` (UTC).
public func expand(
    _ event: Event,
    start: Instant,
    end: Instant,
    zone: Zone? = nil,
    limit: Int? = nil
) throws -> Expansion {
    try expandMany([event], start: start, end: end, zone: zone, limit: limit)[0]
}

/// When each of many events takes place, in one call.
public func expandMany(
    _ events: [Event],
    start: Instant,
    end: Instant,
    zone: Zone? = nil,
    limit: Int? = nil
) throws -> [Expansion] {
    try pure("expand", ExpandArgs(events: events, start: start, end: end, zone: zone, limit: limit), [Expansion].self)
}

/// An event as it was, and as it is.
public struct Change: Hashable, Sendable, Encodable {
    public let before: Event
    public let after: Event

    public init(before: Event, after: Event) {
        self.before = before
        self.after = after
    }
}

/// The fields in which one version of an event differs from another.
public func diff(_ before: Event, _ after: Event) throws -> [Field] {
    try diffMany([Change(before: before, after: after)])[0]
}

/// The differences of many pairs, in one call.
public func diffMany(_ pairs: [Change]) throws -> [[Field]] {
    try pure("diff", ["pairs": pairs], [[Field]].self)
}

/// Two versions of an event that were made from one; `base` is `nil` when they never agreed.
public struct Versions: Hashable, Sendable, Encodable {
    public let base: Event?
    public let local: Event
    public let remote: Event

    public init(base: Event? = nil, local: Event, remote: Event) {
        self.base = base
        self.local = local
        self.remote = remote
    }
}

private struct MergeArgs: Encodable {
    let items: [Versions]
    let policy: ConflictPolicy
}

/// Merges two versions of an event.
public func merge(_ versions: Versions, policy: ConflictPolicy = .remoteWins) throws -> Merged {
    try mergeMany([versions], policy: policy)[0]
}

/// Merges many events in one call.
public func mergeMany(_ items: [Versions], policy: ConflictPolicy = .remoteWins) throws -> [Merged] {
    try pure("merge", MergeArgs(items: items, policy: policy), [Merged].self)
}

private struct PlanArgs: Encodable {
    let pairs: [PlanPair]
    let direction: Direction
    let conflicts: ConflictPolicy
    let deletions: DeletionPolicy
    let guardCount: Int?
    let guardPercent: Int?
    let joined: Int?
    let recentDeletions: Int
}

/// Decides about pairs as a link with these rules would: one decision for each, in their order. Writes nothing anywhere.
///
/// All go in one call, for the brake judges their deletions together: they are held when they are more than `guardCount` (10) and more
/// than `guardPercent` percent (20) of the `joined` pairs, or all of several. `joined` counts the pairs with a base that are not given,
/// too; without it those given are all there are. `recentDeletions` are those of the last days nobody was asked about.
///
/// The base of the next time is what both sides hold once it is carried out, deletions last. While a field is contested and open, the
/// base stays; and of a link that goes one way it is what the source holds.
public func plan(
    _ pairs: [PlanPair],
    direction: Direction = .twoWay,
    conflicts: ConflictPolicy = .remoteWins,
    deletions: DeletionPolicy = .keepEdit,
    guardCount: Int? = nil,
    guardPercent: Int? = nil,
    joined: Int? = nil,
    recentDeletions: Int = 0
) throws -> Plan {
    let args = PlanArgs(
        pairs: pairs,
        direction: direction,
        conflicts: conflicts,
        deletions: deletions,
        guardCount: guardCount,
        guardPercent: guardPercent,
        joined: joined,
        recentDeletions: recentDeletions
    )
    return try pure("plan", args, Plan.self)
}

private struct TransformArgs: Encodable {
    let events: [Event]
    let pipeline: String
    let around: Surroundings
    let link: String
    let uidSalt: String?
}

/// What the copy of an event shows: see ``transformMany(_:pipeline:around:link:uidSalt:)``.
public func transform(
    _ event: Event,
    pipeline: String,
    around: Surroundings = Surroundings(),
    link: String = "",
    uidSalt: String? = nil
) throws -> Copied {
    try transformMany([event], pipeline: pipeline, around: around, link: link, uidSalt: uidSalt)[0]
}

/// What copies of events show, by a pipeline in the JSON that `docs/schema/pipeline.json` describes. `around` is of all events. Rules
/// of the host are asked by an engine only.
///
/// Where copies do not show the UIDs of their events, `uidSalt` is needed: with the salt and the name of a `link` the copies have the
/// UIDs that link gives them.
public func transformMany(
    _ events: [Event],
    pipeline: String,
    around: Surroundings = Surroundings(),
    link: String = "",
    uidSalt: String? = nil
) throws -> [Copied] {
    let args = TransformArgs(events: events, pipeline: pipeline, around: around, link: link, uidSalt: uidSalt)
    return try pure("transform", args, [Copied].self)
}

private struct AddressArgs: Encodable {
    let addresses: [String]
}

/// Those of some addresses that belong to the public internet: what a ``Transport`` may connect to where ``Addresses/public`` is asked.
public func publicAddresses(_ addresses: [String]) throws -> [String] {
    try pure("public_addresses", AddressArgs(addresses: addresses), [String].self)
}

private struct AvailabilityArgs: Encodable {
    let calendars: [CalendarEvents]
    let start: Instant
    let end: Instant
    let now: Instant
    let terms: SlotTerms
}

/// When all calendars are free between two instants, 400 days apart at most, and how far each can be trusted. All calendars with all
/// their events are one call. Nothing before `now` is open, and ages are told from it.
public func availability(
    _ calendars: [CalendarEvents],
    start: Instant,
    end: Instant,
    now: Instant,
    terms: SlotTerms = SlotTerms()
) throws -> FreeAnswer {
    let args = AvailabilityArgs(calendars: calendars, start: start, end: end, now: now, terms: terms)
    return try pure("availability", args, FreeAnswer.self)
}
