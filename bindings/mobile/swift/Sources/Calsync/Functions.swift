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
    let from: Instant
    let to: Instant
    let zone: Zone?
    let limit: Int?
}

/// When an event takes place between two instants. Dates and floating times are read in `zone` (UTC).
public func expand(
    _ event: Event,
    from: Instant,
    to: Instant,
    zone: Zone? = nil,
    limit: Int? = nil
) throws -> Expansion {
    try expandMany([event], from: from, to: to, zone: zone, limit: limit)[0]
}

/// When each of many events takes place, in one call.
public func expandMany(
    _ events: [Event],
    from: Instant,
    to: Instant,
    zone: Zone? = nil,
    limit: Int? = nil
) throws -> [Expansion] {
    try pure("expand", ExpandArgs(events: events, from: from, to: to, zone: zone, limit: limit), [Expansion].self)
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
