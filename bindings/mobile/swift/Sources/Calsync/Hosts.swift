import Foundation

/// Says which events a link copies. A pipeline names it: `{ "type": "host", "rule": name, "options": { } }`.
public protocol Filter: Sendable {
    /// Another one, and every link that uses it compares everything again.
    var version: String { get }

    /// Whether content is copied. The same content gets the same answer until ``version`` changes.
    func letsThrough(body: EventBody, options: [String: JSONValue], around: Surroundings) async throws -> Bool
}

/// Changes what copies show. A pipeline names it as it names a ``Filter``.
public protocol Transform: Sendable {
    /// As that of a filter.
    var version: String { get }

    /// What the copy of `event` shows, which was `copy` so far. Its time stays, whatever is answered.
    func change(
        copy: EventBody,
        event: EventBody,
        options: [String: JSONValue],
        around: Surroundings
    ) async throws -> EventBody
}

/// Decides contested fields of links whose policy is ``ConflictPolicy/resolver``.
public protocol Resolver: Sendable {
    /// Who wins which field. Fields it leaves out wait for a person.
    func resolve(conflict: ContestedEvent) async throws -> [Field: Choice]
}

/// Tells the time: once for each call, when it begins.
public protocol Clock: Sendable {
    /// Now.
    func now() async throws -> Instant
}

/// What of yours an engine asks beside its store. What throws decides nothing: the run goes on without it, and its call throws
/// ``CalsyncError`` with the method's name at the end.
public struct Hosts: Sendable {
    /// By the names pipelines have for them.
    public var filters: [String: any Filter]
    /// By the names pipelines have for them.
    public var transforms: [String: any Transform]
    public var resolver: (any Resolver)?
    public var clock: (any Clock)?
    /// `nil`: the library's own HTTP, which the one for phones does not have. Each request says how long it may take.
    public var transport: (any Transport)?
    /// How many milliseconds each may take to answer. One that takes longer ends the call with ``Code/hostSilent``.
    public var patienceMs: Int
    /// The same of each method of a store.
    public var storePatienceMs: Int
    /// Seal the tokens of accounts that are connected by OAuth, in the store: see
    /// ``Engine/beginOauth(connection:client:session:redirect:loginHint:)``.
    public var masterKeys: MasterKeys?

    public init(
        filters: [String: any Filter] = [:],
        transforms: [String: any Transform] = [:],
        resolver: (any Resolver)? = nil,
        clock: (any Clock)? = nil,
        transport: (any Transport)? = nil,
        patienceMs: Int = 10_000,
        storePatienceMs: Int = 60_000,
        masterKeys: MasterKeys? = nil
    ) {
        self.filters = filters
        self.transforms = transforms
        self.resolver = resolver
        self.clock = clock
        self.transport = transport
        self.patienceMs = patienceMs
        self.storePatienceMs = storePatienceMs
        self.masterKeys = masterKeys
    }

    /// What the native part makes an engine with, over a store; `together` is what that answers in one call.
    func opening(_ store: JSONValue, together: [String]) throws -> String {
        let host: [String: JSONValue] = [
            "filters": .object(filters.mapValues { .string($0.version) }),
            "transforms": .object(transforms.mapValues { .string($0.version) }),
            "resolver": .bool(resolver != nil),
            "clock": .bool(clock != nil),
            "transport": .bool(transport != nil),
            "patience_ms": .int(Int64(patienceMs)),
            "in_one_call": .array(together.map(JSONValue.string)),
            "store_patience_ms": .int(Int64(storePatienceMs)),
            "master_keys": masterKeys?.value ?? .null,
        ]
        return try Border.text(JSONValue.object(["store": store, "host": .object(host)]))
    }

    /// The answer to a call of the native part, as JSON.
    func answer(_ method: String, _ args: String) async throws -> String {
        // The options are the host's own: their names stay.
        let options = try row(from: args)["options"].flatMap { if case .object(let options) = $0 { options } else { nil } } ?? [:]
        let given = try Border.read(Asked.self, args)
        switch method {
        case "filter.lets_through":
            let rule = try needed(filters[needed(given.rule)])
            return try Border.text(await rule.letsThrough(body: needed(given.body), options: options, around: needed(given.around)))
        case "transform.change":
            let rule = try needed(transforms[needed(given.rule)])
            let changed = try await rule.change(
                copy: needed(given.copy),
                event: needed(given.event),
                options: options,
                around: needed(given.around)
            )
            return try Border.text(changed)
        case "resolver.resolve":
            let decided = try await needed(resolver).resolve(conflict: needed(given.conflict))
            return try Border.text(decided.map { Decided(field: $0.key, choice: $0.value) })
        case "clock.now":
            return try Border.text(await needed(clock).now())
        case "transport.send":
            return try Border.text(await needed(transport).send(request: needed(given.request)))
        default:
            throw CalsyncError(code: .`internal`, message: "there is no such method")
        }
    }

    private func needed<Value>(_ value: Value?) throws -> Value {
        guard let value else { throw CalsyncError(code: .`internal`, message: "an argument is missing") }
        return value
    }
}

/// The arguments of all methods: each has some of them.
private struct Asked: Decodable {
    let rule: String?
    let body: EventBody?
    let copy: EventBody?
    let event: EventBody?
    let around: Surroundings?
    let conflict: ContestedEvent?
    let request: HttpRequest?
}

private struct Decided: Encodable {
    let field: Field
    let choice: Choice
}
