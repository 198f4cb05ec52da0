/// The host's own database.
///
/// The methods run on the cooperative pool, or where the actor that conforms to this runs; they must not block for long. What they
/// throw ends the call with the code ``Code/hostFailed``, but for a ``StoreError``. Lists are ordered by the bytes (UTF-8) of their key,
/// unless something else is said. ``checkStore(storePatienceMs:_:)`` runs the cases our own stores are checked with.
public protocol Store: Sendable {
    /// All calendars.
    func calendars() async throws -> [Row]

    /// The rows of these events, deleted ones too, in any order; those that are not there are left out.
    func events(calendar: String, ids: [String]) async throws -> [Row]

    /// The rows of the events with these UIDs (`event.uid`), deleted ones too.
    func eventsByUid(calendar: String, uids: [String]) async throws -> [Row]

    /// The first `limit` rows with a revision above `after`, deleted ones too, in the order of their revisions.
    func eventsSince(calendar: String, after: UInt64, limit: Int) async throws -> [Row]

    /// The row of a link.
    func link(link: String) async throws -> Row?

    /// The bases of a link whose `remote_id` or `event_id` is one of `ids`.
    func bases(link: String, by: BaseKey, ids: [String]) async throws -> [Row]

    /// The first `limit` bases of a link with a `remote_id` above `after`; only `remote_id`, `event_id` and `version` are read.
    func baseSummaries(link: String, after: String?, limit: Int) async throws -> [Row]

    /// The first `limit` writes that wait, with an `id` above `after`.
    func outbox(link: String, after: String?, limit: Int) async throws -> [Row]

    /// The first records that match, with an id (for quarantine `remote_id`) above that of the query.
    func records(query: RecordQuery) async throws -> [Row]

    /// Documents by their keys, the next page of a space, or those that are due.
    func docs(query: DocQuery) async throws -> [Row]

    /// Checks the lease, then the expectations, then writes: all or nothing. A link has one base per item and one per event, and
    /// one outbox entry per event: a batch that would make a second one is ``StoreError/invalidInput``.
    func commit(batch: Batch) async throws -> Receipt

    /// Gives the lease to `holder` until `until`, unless somebody else has it at `now`. A new holder, and one whose lease was
    /// over, gets an epoch above all before.
    func acquireLease(name: String, holder: String, now: Instant, until: Instant) async throws -> Lease

    /// Gives a lease back, if it is the current one. Its epoch stays known.
    func releaseLease(token: LeaseToken) async throws
}

/// A store that answers together what is always asked together: a run without changes calls two methods and not six.
///
/// Whether a store is one is looked at once, when it is given to an engine or to ``checkStore(storePatienceMs:_:)``, whose cases compare it with the
/// single reads.
public protocol StoreInOneCall: Store {
    /// What a run begins with: takes the lease, if one is asked for, then reads. Where it is not granted nothing is read.
    func openLink(lease: LeaseRequest?, link: String, calendar: String, limit: Int) async throws -> Opened

    /// The bases of these remote ids, and the events with their event ids, deleted ones too, in any order.
    func pairs(link: String, calendar: String, items: [String]) async throws -> Pairs

    /// The outbox as ``Store/outbox(link:after:limit:)`` answers it, and the bases of the events in it, where they have one.
    func waiting(link: String, after: String?, limit: Int) async throws -> Waiting
}

/// What ``Store/acquireLease(name:holder:now:until:)`` is asked.
public struct LeaseRequest: Hashable, Sendable, Decodable {
    public let name: String
    public let holder: String
    public let now: Instant
    public let until: Instant
}

/// What came of opening a link.
public enum Opened: Hashable, Sendable {
    /// Somebody else has its lease.
    case held(until: Instant)
    /// It is open.
    case link(OpenLink)
}

/// A link as a run finds it: each as the read of its name answers it.
public struct OpenLink: Hashable, Sendable {
    /// The lease, when one was asked for.
    public var token: LeaseToken?
    /// The row of the link.
    public var state: Row?
    /// The events since `seen - 1` of the state, one more than the limit; none without a state, or where it is 0.
    public var edits: [Row]
    /// The first items in quarantine.
    public var quarantine: [Row]
    /// The first writes that wait.
    public var outbox: [Row]

    public init(token: LeaseToken?, state: Row?, edits: [Row], quarantine: [Row], outbox: [Row]) {
        self.token = token
        self.state = state
        self.edits = edits
        self.quarantine = quarantine
        self.outbox = outbox
    }
}

/// Bases with the events they join.
public struct Pairs: Hashable, Sendable {
    public var bases: [Row]
    public var events: [Row]

    public init(bases: [Row], events: [Row]) {
        self.bases = bases
        self.events = events
    }
}

/// A page of the outbox with the bases of its events.
public struct Waiting: Hashable, Sendable {
    public var entries: [Row]
    public var bases: [Row]

    public init(entries: [Row], bases: [Row]) {
        self.entries = entries
        self.bases = bases
    }
}

/// What bases are looked up by.
public enum BaseKey: String, Sendable, Decodable {
    case remote
    case event
}

/// Which records are asked for. `event` and `run` narrow conflicts and journal entries.
public struct RecordQuery: Hashable, Sendable {
    public let kind: RecordKind
    public let link: String
    public let event: String?
    public let run: String?
    public let after: String?
    public let limit: Int
}

/// Of which kind records are.
public enum RecordKind: String, Sendable, Decodable {
    case conflict
    case quarantine
    case run
    case journal
}

/// How many rows at most; without a limit the greatest number there is.
struct Limit: Decodable {
    let rows: Int

    init(from decoder: any Decoder) throws {
        rows = Int(clamping: try decoder.singleValueContainer().decode(UInt64.self))
    }
}

/// Which documents of a space are asked for.
public enum DocQuery: Hashable, Sendable {
    /// Those with these keys, in any order.
    case keys(space: String, keys: [String])
    /// The first `limit` with a key above `after`.
    case page(space: String, after: String?, limit: Int)
    /// The first `limit` whose `due` is at most `at`, by `due`, then by key.
    case due(space: String, at: Instant, limit: Int)
}

/// Who holds a lease: a batch under an older epoch is refused.
public struct LeaseToken: Hashable, Sendable, Codable {
    public let name: String
    public let epoch: UInt64

    public init(name: String, epoch: UInt64) {
        self.name = name
        self.epoch = epoch
    }
}

/// What came of asking for a lease.
public enum Lease: Hashable, Sendable {
    /// It is the caller's.
    case granted(LeaseToken)
    /// Somebody else has it.
    case held(until: Instant)
}

/// What is written at once, and what has to hold.
public struct Batch: Hashable, Sendable, Decodable {
    public let lease: LeaseToken?
    /// Whether the writer still needs its lease after that.
    public let leaseEnd: LeaseEnd
    public let expect: [Expectation]
    public let writes: [Write]
}

/// What becomes of the lease of a batch once it is written.
public enum LeaseEnd: String, Sendable, Codable {
    /// The writer goes on under it.
    case kept
    /// It is given back in the transaction of the batch.
    case givenBack = "given-back"
}

/// What has to hold. `nil` says that there is no such row.
public enum Expectation: Hashable, Sendable, Decodable {
    /// The revision of an event.
    case event(calendar: String, id: String, revision: UInt64?)
    /// The generation of a link.
    case link(id: String, generation: UInt64?)
    /// The events with a UID, deleted ones too: these and no others.
    case uid(calendar: String, uid: String, events: [String])
    /// The version of a document.
    case doc(space: String, key: String, version: UInt64?)

    private enum Keys: String, CodingKey {
        case of, calendar, id, revision, generation, uid, events, space, key, version
    }

    public init(from decoder: any Decoder) throws {
        let row = try decoder.container(keyedBy: Keys.self)
        func text(_ key: Keys) throws -> String { try row.decode(String.self, forKey: key) }
        func count(_ key: Keys) throws -> UInt64? { try row.decodeIfPresent(UInt64.self, forKey: key) }
        switch try text(.of) {
        case "event":
            self = .event(calendar: try text(.calendar), id: try text(.id), revision: try count(.revision))
        case "link":
            self = .link(id: try text(.id), generation: try count(.generation))
        case "uid":
            let events = try row.decode([String].self, forKey: .events)
            self = .uid(calendar: try text(.calendar), uid: try text(.uid), events: events)
        case "doc":
            self = .doc(space: try text(.space), key: try text(.key), version: try count(.version))
        default:
            throw DecodingError.dataCorruptedError(forKey: .of, in: row, debugDescription: "no such expectation")
        }
    }
}

/// One write of a batch.
public enum Write: Hashable, Sendable, Decodable {
    /// A calendar, by `id`.
    case putCalendar(Row)
    /// An event: the row is `{id, revision, event, modified: at, deleted: null}` with the next revision of its calendar.
    case putEvent(calendar: String, id: String, uid: String, event: Row, at: Instant)
    /// Marks an event: `deleted` is `at`, with the next revision. Nothing, when it is not there or marked already.
    case deleteEvent(calendar: String, id: String, at: Instant)
    /// Forgets the `limit` events that were deleted first, before an instant. A store may forget all from before it, whatever
    /// `limit` says, and then leaves `Receipt.forgotten` empty.
    case purgeDeleted(calendar: String, before: Instant, limit: Int)
    /// A link, by `id`, with the next `generation`.
    case putLink(Row)
    /// A base, by `link` and `remote_id`.
    case putBase(Row)
    /// Removes a base.
    case deleteBase(link: String, remoteId: String)
    /// A write that waits, by `link` and `id`.
    case putOutbox(Row)
    /// Removes a write that waits.
    case deleteOutbox(link: String, id: String)
    /// A conflict, by `link` and `id`, and since when it is settled, for `purgeLog`.
    case putConflict(Row, resolved: Instant?)
    /// An item that cannot be read, by `link` and `remote_id`.
    case putQuarantine(Row)
    /// Removes such an item.
    case deleteQuarantine(link: String, remoteId: String)
    /// A run, by `link` and `id`.
    case putRun(Row)
    /// A journal entry, by `link` and `id`.
    case putJournal(Row)
    /// Forgets the `limit` oldest entries of a log from before an instant: by time, then by id.
    case purgeLog(link: String, log: Log, before: Instant, limit: Int)
    /// A document, by `space` and `key`, with the next version; `value` is base64.
    case putDoc(Row)
    /// Removes a document.
    case deleteDoc(space: String, key: String)

    private enum Keys: String, CodingKey {
        case op, row, calendar, id, uid, event, at, before, link, remoteId, resolved, log, limit, space, key
    }

    public init(from decoder: any Decoder) throws {
        let write = try decoder.container(keyedBy: Keys.self)
        func text(_ key: Keys) throws -> String { try write.decode(String.self, forKey: key) }
        func instant(_ key: Keys) throws -> Instant { try write.decode(Instant.self, forKey: key) }
        func row(_ key: Keys = .row) throws -> Row { try write.decode(Row.self, forKey: key) }
        switch try text(.op) {
        case "put-calendar": self = .putCalendar(try row())
        case "put-event":
            self = .putEvent(
                calendar: try text(.calendar),
                id: try text(.id),
                uid: try text(.uid),
                event: try row(.event),
                at: try instant(.at)
            )
        case "delete-event": self = .deleteEvent(calendar: try text(.calendar), id: try text(.id), at: try instant(.at))
        case "purge-deleted":
            self = .purgeDeleted(
                calendar: try text(.calendar),
                before: try instant(.before),
                limit: try write.decode(Limit.self, forKey: .limit).rows
            )
        case "put-link": self = .putLink(try row())
        case "put-base": self = .putBase(try row())
        case "delete-base": self = .deleteBase(link: try text(.link), remoteId: try text(.remoteId))
        case "put-outbox": self = .putOutbox(try row())
        case "delete-outbox": self = .deleteOutbox(link: try text(.link), id: try text(.id))
        case "put-conflict":
            self = .putConflict(try row(), resolved: try write.decodeIfPresent(Instant.self, forKey: .resolved))
        case "put-quarantine": self = .putQuarantine(try row())
        case "delete-quarantine": self = .deleteQuarantine(link: try text(.link), remoteId: try text(.remoteId))
        case "put-run": self = .putRun(try row())
        case "put-journal": self = .putJournal(try row())
        case "purge-log":
            self = .purgeLog(
                link: try text(.link),
                log: try write.decode(Log.self, forKey: .log),
                before: try instant(.before),
                limit: try write.decode(Limit.self, forKey: .limit).rows
            )
        case "put-doc": self = .putDoc(try row())
        case "delete-doc": self = .deleteDoc(space: try text(.space), key: try text(.key))
        default:
            throw DecodingError.dataCorruptedError(forKey: .op, in: write, debugDescription: "no such write")
        }
    }
}

/// What is forgotten after a time.
public enum Log: String, Sendable, Codable {
    /// Runs, by `started`.
    case runs
    /// Journal entries, by `at`.
    case journal
    /// Conflicts, by the `resolved` they were put with; open ones stay.
    case resolvedConflicts = "resolved-conflicts"
}

/// What a commit did, each in the order of the batch.
public struct Receipt: Hashable, Sendable {
    /// The new revision of every event that was put, or marked as deleted.
    public var revisions: [Revised]
    /// The new version of every document that was put.
    public var docVersions: [UInt64]
    /// How many entries every `purgeLog` removed.
    public var purged: [Int]
    /// How many events every `purgeDeleted` removed; empty from a store that knows no limit.
    public var forgotten: [Int]
    /// That of the batch, where the store followed it; else `releaseLease` is called.
    public var leaseEnd: LeaseEnd

    public init(
        revisions: [Revised] = [],
        docVersions: [UInt64] = [],
        purged: [Int] = [],
        forgotten: [Int] = [],
        leaseEnd: LeaseEnd = .kept
    ) {
        self.revisions = revisions
        self.docVersions = docVersions
        self.purged = purged
        self.forgotten = forgotten
        self.leaseEnd = leaseEnd
    }
}

/// A new revision.
public struct Revised: Hashable, Sendable {
    public let calendar: String
    public let id: String
    public let revision: UInt64

    public init(calendar: String, id: String, revision: UInt64) {
        self.calendar = calendar
        self.id = id
        self.revision = revision
    }
}
