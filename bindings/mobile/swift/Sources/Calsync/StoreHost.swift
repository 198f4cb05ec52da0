import Foundation
internal import CalsyncNative

/// Answers the calls of the native part out of a store and what else the host has.
final class StoreHost: NativeHost, @unchecked Sendable {
    private let store: (any Store)?
    private let hosts: Hosts
    private let onProgress: @Sendable (Progress) -> Void
    private let lock = NSLock()
    private var lastThrown: (any Error)?

    init(
        _ store: (any Store)?,
        hosts: Hosts = Hosts(),
        onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) {
        self.store = store
        self.hosts = hosts
        self.onProgress = onProgress
    }

    /// What the store threw last: the cause of the error the caller gets.
    var thrown: (any Error)? {
        lock.lock()
        defer { lock.unlock() }
        return lastThrown
    }

    private func note(_ error: any Error) {
        lock.lock()
        defer { lock.unlock() }
        lastThrown = error
    }

    func call(method: String, args: String) async throws -> String {
        do {
            guard method.hasPrefix("store.") else { return try await hosts.answer(method, args) }
            guard let store else { throw CalsyncError(code: .`internal`, message: "there is no store") }
            return try await answer(store, method, try Border.read(Given.self, args))
        } catch {
            note(error)
            var expectation: UInt32 = 0
            if case .conflict(let place)? = error as? StoreError { expectation = UInt32(clamping: place) }
            // The type only: what it says may hold anything.
            throw NativeHostError.Failed(
                kind: (error as? StoreError)?.kind ?? (error as? TransportError)?.fault.rawValue ?? "failed",
                detail: String(describing: type(of: error)),
                expectation: expectation
            )
        }
    }

    func tell(progress: String) throws {
        onProgress(try Border.read(Progress.self, progress))
    }
}

/// The arguments of all methods: each has some of them.
private struct Given: Decodable {
    let calendar: String?
    let ids: [String]?
    let uids: [String]?
    let after: Place?
    let limit: Limit?
    let link: String?
    let by: BaseKey?
    let kind: RecordKind?
    let event: String?
    let run: String?
    let space: String?
    let keys: [String]?
    let due: Instant?
    let batch: Batch?
    let name: String?
    let holder: String?
    let now: Instant?
    let until: Instant?
    let token: LeaseToken?
    let lease: LeaseRequest?
    let items: [String]?

    func needed<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw CalsyncError(code: .`internal`, message: "an argument is missing") }
        return value
    }
}

/// A revision, or a key.
private enum Place: Decodable {
    case revision(UInt64)
    case key(String)

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let revision = try? value.decode(UInt64.self) {
            self = .revision(revision)
        } else {
            self = .key(try value.decode(String.self))
        }
    }

    var revision: UInt64 {
        if case .revision(let revision) = self { revision } else { 0 }
    }

    var key: String? {
        if case .key(let key) = self { key } else { nil }
    }
}

private func answer(_ store: any Store, _ method: String, _ given: Given) async throws -> String {
    let limit = given.limit?.rows ?? Int.max
    switch method {
    case "store.calendars":
        return try rows(await store.calendars())
    case "store.events":
        return try rows(await store.events(calendar: given.needed(given.calendar), ids: given.needed(given.ids)))
    case "store.events_by_uid":
        return try rows(await store.eventsByUid(calendar: given.needed(given.calendar), uids: given.needed(given.uids)))
    case "store.events_since":
        let after = try given.needed(given.after).revision
        return try rows(await store.eventsSince(calendar: given.needed(given.calendar), after: after, limit: limit))
    case "store.link":
        guard let row = try await store.link(link: given.needed(given.link)) else { return "null" }
        return try rowText(row)
    case "store.bases":
        return try rows(await store.bases(link: given.needed(given.link), by: given.needed(given.by), ids: given.needed(given.ids)))
    case "store.base_summaries":
        return try rows(await store.baseSummaries(link: given.needed(given.link), after: given.after?.key, limit: limit))
    case "store.outbox":
        return try rows(await store.outbox(link: given.needed(given.link), after: given.after?.key, limit: limit))
    case "store.records":
        let query = RecordQuery(
            kind: try given.needed(given.kind),
            link: try given.needed(given.link),
            event: given.event,
            run: given.run,
            after: given.after?.key,
            limit: limit
        )
        return try rows(await store.records(query: query))
    case "store.docs":
        let space = try given.needed(given.space)
        if let keys = given.keys { return try rows(await store.docs(query: .keys(space: space, keys: keys))) }
        if let due = given.due { return try rows(await store.docs(query: .due(space: space, at: due, limit: limit))) }
        return try rows(await store.docs(query: .page(space: space, after: given.after?.key, limit: limit)))
    case "store.commit":
        return try text(await store.commit(batch: given.needed(given.batch)))
    case "store.acquire_lease":
        let lease = try await store.acquireLease(
            name: given.needed(given.name),
            holder: given.needed(given.holder),
            now: given.needed(given.now),
            until: given.needed(given.until)
        )
        switch lease {
        case .granted(let token): return try Border.text(["token": token])
        case .held(let until): return try Border.text(["held_until": until])
        }
    case "store.release_lease":
        try await store.releaseLease(token: given.needed(given.token))
        return "null"
    default:
        guard let store = store as? any StoreInOneCall else {
            throw CalsyncError(code: .`internal`, message: "there is no such method")
        }
        return try await answerTogether(store, method, given, limit)
    }
}

/// The methods a store may have, as they are told to the native part.
func inOneCall(_ store: (any Store)?) -> [String] {
    store is any StoreInOneCall ? ["open_link", "pairs", "waiting"] : []
}

private func answerTogether(_ store: any StoreInOneCall, _ method: String, _ given: Given, _ limit: Int) async throws -> String {
    let link = try given.needed(given.link)
    switch method {
    case "store.open_link":
        let opened = try await store.openLink(
            lease: given.lease,
            link: link,
            calendar: given.needed(given.calendar),
            limit: limit
        )
        switch opened {
        case .held(let until): return try Border.text(["held_until": until])
        case .link(let found): return try text(found)
        }
    case "store.pairs":
        let pairs = try await store.pairs(link: link, calendar: given.needed(given.calendar), items: given.needed(given.items))
        return try rowText(["bases": array(pairs.bases), "events": array(pairs.events)])
    case "store.waiting":
        let waiting = try await store.waiting(link: link, after: given.after?.key, limit: limit)
        return try rowText(["entries": array(waiting.entries), "bases": array(waiting.bases)])
    default:
        throw CalsyncError(code: .`internal`, message: "there is no such method")
    }
}

private func array(_ rows: [Row]) -> JSONValue {
    .array(rows.map(JSONValue.object))
}

private func text(_ found: OpenLink) throws -> String {
    let token = found.token.map { token -> JSONValue in
        .object(["name": .string(token.name), "epoch": .uint(token.epoch)])
    }
    return try rowText([
        "token": token ?? .null,
        "state": found.state.map(JSONValue.object) ?? .null,
        "edits": array(found.edits),
        "quarantine": array(found.quarantine),
        "outbox": array(found.outbox),
    ])
}

private func rows(_ rows: [Row]) throws -> String {
    String(decoding: try JSONEncoder().encode(rows), as: UTF8.self)
}

private func text(_ receipt: Receipt) throws -> String {
    let revisions = receipt.revisions.map { revised -> JSONValue in
        .array([.string(revised.calendar), .string(revised.id), .uint(revised.revision)])
    }
    let row: Row = [
        "revisions": .array(revisions),
        "doc_versions": .array(receipt.docVersions.map(JSONValue.uint)),
        "purged": .array(receipt.purged.map { .int(Int64($0)) }),
        "forgotten": .array(receipt.forgotten.map { .int(Int64($0)) }),
        "lease_end": .string(receipt.leaseEnd.rawValue),
    ]
    return try rowText(row)
}
