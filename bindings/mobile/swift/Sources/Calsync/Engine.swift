import Foundation
internal import CalsyncNative

/// Keeps calendars in a store in step with remote ones.
///
/// All methods end with their task: where a call is cancelled, nothing is left broken, and the next run does what is left. Until
/// the lease of the cancelled run is over, ten seconds after its last sign of life, the link is ``Code/busy``. They
/// throw ``CalsyncError``, and `CancellationError` when their task was cancelled.
public final class Engine: Sendable {
    private let native: NativeEngine
    private let store: (any Store)?
    private let hosts: Hosts

    private init(choice: JSONValue, store: (any Store)?, hosts: Hosts) throws {
        do {
            native = try NativeEngine(store: try hosts.opening(choice, together: inOneCall(store)))
        } catch let error as NativeError {
            throw translated(error, thrown: nil)
        }
        self.store = store
        self.hosts = hosts
    }

    /// In memory, as long as the engine lives.
    public convenience init(hosts: Hosts = Hosts()) throws {
        try self.init(choice: .string("memory"), store: nil, hosts: hosts)
    }

    /// Over a SQLite file, made when absent.
    public convenience init(path: String, hosts: Hosts = Hosts()) throws {
        let choice = JSONValue.object(["sqlite": .object(["path": .string(path)])])
        try self.init(choice: choice, store: nil, hosts: hosts)
    }

    /// Over a store of the host.
    public convenience init(store: any Store, hosts: Hosts = Hosts()) throws {
        try self.init(choice: .string("host"), store: store, hosts: hosts)
    }

    private func call<Value: Decodable>(
        _ method: String,
        _ args: some Encodable,
        _ type: Value.Type,
        onProgress: @escaping @Sendable (Progress) -> Void = { _ in }
    ) async throws -> Value {
        let text = try Border.text(args)
        let host = StoreHost(store, hosts: hosts, onProgress: onProgress)
        return try Border.answer(type, try await waiting(host) { try native.start(method: method, args: text, host: host) })
    }

    private func call(_ method: String, _ args: some Encodable) async throws {
        _ = try await call(method, args, JSONValue.self)
    }

    /// Names an authorised account. `secret` is the password, or the access token for Google and Microsoft. `trustAddress` allows
    /// private and local addresses, and files as feeds: only for addresses that whoever runs the application wrote. `unofficial` says
    /// that the owner of a Cozi account knows that its interface is undocumented, may end on any day, and that using it may be against
    /// Cozi's terms. `aheadDays` says how many days ahead a feed is published for: nothing later is known to be free. Without it a feed
    /// is taken to list all there is. Done again under a name, with a new secret, it is what the links
    /// of that connection use from then on. With a `client` in the place of the secret the tokens are those
    /// ``finishOauth(client:session:query:)`` kept under the name; they are renewed when they run out.
    public func connect(
        _ connection: String,
        provider: ProviderKind,
        url: String = "",
        username: String? = nil,
        secret: String = "",
        trustAddress: Bool = false,
        unofficial: Bool = false,
        aheadDays: Int? = nil,
        client: OAuthClient? = nil
    ) async throws {
        let args = ConnectArgs(
            connection: connection,
            provider: provider,
            url: url,
            username: username,
            secret: secret,
            trustAddress: trustAddress,
            unofficial: unofficial,
            aheadDays: aheadDays,
            client: client
        )
        try await call("connect", args)
    }

    /// Begins to connect an account at Google, Microsoft or any server with OAuth 2.0. Gives the URL to send the browser of the person to;
    /// it comes back to `redirect`, as it is registered there, within 15 minutes. `session` is what your application knows the session
    /// of the person by: only in the same one ``finishOauth(client:session:query:)`` takes what comes back. `loginHint` is the address to offer
    /// for signing in. Under the name of a connection that has tokens the same account has to come back.
    public func beginOauth(
        connection: String,
        client: OAuthClient,
        session: String,
        redirect: String,
        loginHint: String? = nil
    ) async throws -> String {
        let args = BeginOAuthArgs(
            connection: connection,
            client: client,
            session: session,
            redirect: redirect,
            loginHint: loginHint
        )
        return try await call("begin_oauth", args, String.self)
    }

    /// Takes what the browser brought back, the query of its URL, and keeps the tokens in the store, sealed with ``Hosts/masterKeys``. Then
    /// connect the account with the same client; one that is connected goes on with the new tokens. Fails with ``Code/consentDenied``,
    /// ``Code/needsAdmin``, ``Code/wrongAccount``, or ``Code/oauthState`` when nothing was begun in this session with what came back, or it
    /// was used before: then begin again.
    public func finishOauth(client: OAuthClient, session: String, query: String) async throws -> OAuthGrant {
        try await call("finish_oauth", FinishOAuthArgs(client: client, session: session, query: query), OAuthGrant.self)
    }

    /// Takes a connection out of the engine. Tokens it has are taken back at the provider and forgotten: `false` says that the provider could
    /// not be told (Microsoft never can), so that a person has to take the access away there.
    public func disconnect(connection: String) async throws -> Bool {
        try await call("disconnect", ["connection": connection], Bool.self)
    }

    /// The calendars of an account.
    public func remoteCalendars(_ connection: String) async throws -> [RemoteCalendar] {
        try await call("remote_calendars", ["connection": connection], [RemoteCalendar].self)
    }

    /// Makes or changes a calendar of the store.
    public func putCalendar(_ calendar: Calendar) async throws {
        try await call("put_calendar", ["calendar": calendar])
    }

    /// The calendars of the store.
    public func calendars() async throws -> [Calendar] {
        try await call("calendars", [String: String](), [Calendar].self)
    }

    /// The events of a calendar of the store.
    public func events(_ calendar: String) async throws -> [StoredEvent] {
        try await call("events", ["calendar": calendar], [StoredEvent].self)
    }

    /// Adds an event, and gives its id in the store.
    public func addEvent(_ event: Event, to calendar: String) async throws -> String {
        try await call("add_event", EventArgs(calendar: calendar, event: event), String.self)
    }

    /// Changes an event that still has `revision`.
    public func updateEvent(_ id: String, in calendar: String, revision: Int, to event: Event) async throws {
        try await call("update_event", EventArgs(calendar: calendar, id: id, revision: revision, event: event))
    }

    /// Deletes an event that still has `revision`.
    public func deleteEvent(_ id: String, in calendar: String, revision: Int) async throws {
        try await call("delete_event", EventArgs(calendar: calendar, id: id, revision: revision))
    }

    /// Joins a calendar of the store to a remote one (`remote` is its id; a feed has only one). Deletions wait for
    /// a person when they are more than `guardCount` (10) and more than `guardPercent` percent of the events (20), or when they are all
    /// of at least two; those of the last seven days that nobody was asked about count with them. `copies` says what a link that imports or exports copies, as
    /// JSON: `{ "pipeline": ..., "calendar_name": ..., "owner": [...], "zone": ..., "window": { "from": ..., "to": ..., "leaving": ... },
    /// "uid_salt": ... }`, the pipeline as `docs/schema/pipeline.json` describes it, all else where it is not the default.
    /// `window` is of a link that exports; its ends are `{ "days": -30 }`, `{ "month-start": -1 }` or `{ "month-end": 1 }` from
    /// now, and `leaving` is `stay` or `go`. `uid_salt` are random characters with which nobody can tell from the UID of a copy
    /// which event it is of. Without `copies` a link that exports shows when somebody is busy, and nothing else; a pipeline that starts
    /// with `everything` shows all. While there is nothing to write, a link that exports may leave its copies unlooked at for
    /// `checkCopiesEvery` seconds.
    public func addLink(
        _ link: String,
        calendar: String,
        connection: String,
        remote: String = "",
        direction: Direction = .twoWay,
        conflicts: ConflictPolicy = .remoteWins,
        deletions: DeletionPolicy = .keepEdit,
        people: PeoplePolicy = .withhold,
        guardCount: Int? = nil,
        guardPercent: Int? = nil,
        copies: String? = nil,
        checkCopiesEvery: Int = 0,
        edits: CopyEdits = .leave
    ) async throws {
        let args = LinkArgs(
            link: link,
            calendar: calendar,
            connection: connection,
            remote: remote,
            direction: direction,
            conflicts: conflicts,
            deletions: deletions,
            people: people,
            guardCount: guardCount,
            guardPercent: guardPercent,
            copies: copies,
            checkCopiesEvery: checkCopiesEvery,
            edits: edits
        )
        try await call("add_link", args)
    }

    /// What ``sync(_:options:onProgress:)`` would do now. Writes nothing anywhere.
    public func plan(_ link: String, options: SyncOptions = SyncOptions()) async throws -> Report {
        try await call("plan", SyncArgs(link, options, progress: false), Report.self)
    }

    /// Brings a link in step: pulls, merges, commits and pushes. `onProgress` must not wait.
    public func sync(
        _ link: String,
        options: SyncOptions = SyncOptions(),
        onProgress: (@Sendable (Progress) -> Void)? = nil
    ) async throws -> Report {
        let args = SyncArgs(link, options, progress: onProgress != nil)
        return try await call("sync", args, Report.self, onProgress: onProgress ?? { _ in })
    }

    /// ``sync(_:options:onProgress:)`` as a sequence: how far it is, and the report at the end. Iterating no further ends the run;
    /// its link is ``Code/busy`` until the lease of the run is over.
    public func syncing(_ link: String, options: SyncOptions = SyncOptions()) -> AsyncThrowingStream<SyncStep, any Error> {
        AsyncThrowingStream { steps in
            let run = Task {
                do {
                    let report = try await self.sync(link, options: options) { steps.yield(.going($0)) }
                    steps.yield(.done(report))
                    steps.finish()
                } catch {
                    steps.finish(throwing: error)
                }
            }
            steps.onTermination = { _ in run.cancel() }
        }
    }

    /// The conflicts of a link, also those that are settled.
    public func conflicts(_ link: String) async throws -> [Conflict] {
        try await call("conflicts", ["link": link], [Conflict].self)
    }

    /// Settles a conflict: `fields` one by one, every other field by `take`. `by` says who answers, for the record.
    public func answerConflict(
        _ conflict: String,
        on link: String,
        by: String,
        take: Take? = nil,
        fields: [Field: Take] = [:]
    ) async throws -> Conflict {
        let answers = fields.map { FieldAnswer(field: $0.key, take: $0.value) }
        let args = AnswerArgs(link: link, conflict: conflict, by: by, take: take, fields: answers)
        return try await call("answer_conflict", args, Conflict.self)
    }

    /// The runs of a link, the oldest first.
    public func runs(_ link: String) async throws -> [Run] {
        try await call("runs", ["link": link], [Run].self)
    }

    /// Takes back what a run did here; the next run carries it to the remote side.
    public func undo(_ run: String, on link: String) async throws -> Undone {
        try await call("undo", ["link": link, "run": run], Undone.self)
    }

    /// Takes back the last runs that did something.
    public func undoLast(_ count: Int, on link: String) async throws -> [Undone] {
        try await call("undo_last", UndoArgs(link: link, count: count), [Undone].self)
    }

    /// Items that may be events here.
    public func questions(_ link: String) async throws -> [Question] {
        try await call("questions", ["link": link], [Question].self)
    }

    /// Says which event an item is; `nil`: none of them.
    public func answerQuestion(_ remoteId: String, on link: String, event: String?) async throws {
        try await call("answer_question", QuestionArgs(link: link, remoteId: remoteId, event: event))
    }

    /// The writes to the remote side that are decided and not confirmed, the most urgent first.
    public func outbox(_ link: String) async throws -> [WaitingWrite] {
        try await call("outbox", ["link": link], [WaitingWrite].self)
    }

    /// Gives the write of an event, by its id, all its tries again; the next run sends the event as it is by then. Fails with
    /// ``Code/unknownWrite`` when none waits, with ``Code/busy`` when a run is at the link.
    public func retryWrite(of event: String, on link: String) async throws {
        try await call("retry_write", ["link": link, "event": event])
    }

    /// Gives the write of an event up: both sides stay as they are until either is edited again. A deletion that is given up leaves
    /// the item alone for good. Fails as ``retryWrite(of:on:)`` does.
    public func dropWrite(of event: String, on link: String) async throws {
        try await call("drop_write", ["link": link, "event": event])
    }

    /// What each link makes of an event, which step leaves it out, and what was done about it, why, and by whom.
    public func explain(_ id: String, in calendar: String) async throws -> Explanation {
        try await call("explain", ["calendar": calendar, "id": id], Explanation.self)
    }

    /// When all calendars of the terms are free, and how far each can be trusted.
    public func free(_ terms: FreeTerms) async throws -> FreeAnswer {
        try await call("free", ["terms": terms], FreeAnswer.self)
    }

    /// What is known of items that are no events here, by their name there or their UID: what keeps them out, and since when.
    public func explainItem(item: String) async throws -> [SeenItem] {
        try await call("explain_item", ["item": item], [SeenItem].self)
    }

    /// From where events came, and where they went.
    public func sources(events: [String]) async throws -> [Source] {
        try await call("sources", ["events": events], [Source].self)
    }

    /// The events joined over a link, as ``sources(events:)`` tells of them, by the name of their items and starting after `after`.
    public func eventsOf(link: String, after: String? = nil, limit: Int = 1000) async throws -> [Source] {
        try await call("events_of", EventsOfArgs(link: link, after: after, limit: limit), [Source].self)
    }

    /// Runs of a link, what they did, and conflicts, the oldest first. It holds no text of events.
    public func history(_ link: String) async throws -> [HistoryEntry] {
        try await call("history", ["link": link], [HistoryEntry].self)
    }

    /// Deletes what a link wrote: the items it made there, or the events it brought in here. What people made or edited stays. More
    /// than one deletion waits for a person, who approves ``Cleaned/planId``; a `preview` deletes nothing.
    public func clean(_ link: String, approve: String? = nil, preview: Bool = false) async throws -> Cleaned {
        try await call("clean", CleanArgs(link: link, approve: approve, preview: preview), Cleaned.self)
    }

    /// Forgets a link: which events it joined, what waits to be sent, and what was set aside. Both sides stay as they are, and what it
    /// did stays in its history; a ``clean(_:approve:preview:)`` before it deletes what it wrote. A link that is added again under the
    /// name meets both sides anew.
    public func forget(_ link: String) async throws {
        try await call("forget", ["link": link])
    }

    /// Keeps a slot for so many `minutes` for somebody who has not decided yet. The terms are those of ``free(_:)``.
    /// Fails with ``Code/slotTaken`` or ``Code/slotNotOffered``.
    public func hold(terms: FreeTerms, start: Instant, end: Instant, minutes: Int) async throws -> Hold {
        try await call("hold", HoldArgs(terms: terms, start: start, end: end, minutes: minutes), Hold.self)
    }

    /// Gives a held slot back before it runs out.
    public func release(hold: Hold) async throws {
        try await call("release", ["hold": hold])
    }

    /// Books the time of an event: writes the event when every calendar of the terms is free then. Sent again under the same `id` it is the same booking; `hold`
    /// is the id of the hold that kept the slot, `replaces` that of the booking this one takes the place of. Fails as a hold does.
    public func book(
        terms: FreeTerms,
        calendar: String,
        event: Event,
        id: String? = nil,
        hold: String? = nil,
        replaces: String? = nil
    ) async throws -> Booking {
        let args = BookArgs(terms: terms, calendar: calendar, event: event, id: id, hold: hold, replaces: replaces)
        return try await call("book", args, Booking.self)
    }

    /// Gives a booked slot back: its event is deleted, and every link on the calendar carries that on.
    public func cancelBooking(id: String, calendar: String) async throws {
        try await call("cancel_booking", ["calendar": calendar, "id": id])
    }

    /// Ends the calls that go on and lets go of connections and links. Later calls fail with the code ``Code/closed``. Does not
    /// wait.
    public func close() {
        native.end()
    }
}

/// How a run is to go.
public struct SyncOptions: Hashable, Sendable {
    /// The held plan (``Report/planId``) a person approved.
    public var approve: String?
    /// The held plan a person refused.
    public var refuse: String?
    /// Compare everything with the remote listing.
    public var audit: Bool
    /// Leave people out of every write of the run.
    public var withholdPeople: Bool

    public init(approve: String? = nil, refuse: String? = nil, audit: Bool = false, withholdPeople: Bool = false) {
        self.approve = approve
        self.refuse = refuse
        self.audit = audit
        self.withholdPeople = withholdPeople
    }
}

/// What ``Engine/syncing(_:options:)`` tells.
public enum SyncStep: Hashable, Sendable {
    /// How far it is.
    case going(Progress)
    /// It ended.
    case done(Report)
}

private struct ConnectArgs: Encodable {
    let connection: String
    let provider: ProviderKind
    let url: String
    let username: String?
    let secret: String
    let trustAddress: Bool
    let unofficial: Bool
    let aheadDays: Int?
    let client: OAuthClient?
}

private struct BeginOAuthArgs: Encodable {
    let connection: String
    let client: OAuthClient
    let session: String
    let redirect: String
    let loginHint: String?
}

private struct FinishOAuthArgs: Encodable {
    let client: OAuthClient
    let session: String
    let query: String
}

private struct EventArgs: Encodable {
    var calendar: String
    var id: String? = nil
    var revision: Int? = nil
    var event: Event? = nil
}

private struct LinkArgs: Encodable {
    let link: String
    let calendar: String
    let connection: String
    let remote: String
    let direction: Direction
    let conflicts: ConflictPolicy
    let deletions: DeletionPolicy
    let people: PeoplePolicy
    let guardCount: Int?
    let guardPercent: Int?
    let copies: String?
    let checkCopiesEvery: Int
    let edits: CopyEdits
}

private struct SyncArgs: Encodable {
    let link: String
    let approve: String?
    let refuse: String?
    let audit: Bool
    let withholdPeople: Bool
    let progress: Bool

    init(_ link: String, _ options: SyncOptions, progress: Bool) {
        self.link = link
        approve = options.approve
        refuse = options.refuse
        audit = options.audit
        withholdPeople = options.withholdPeople
        self.progress = progress
    }
}

private struct FieldAnswer: Encodable {
    let field: Field
    let take: Take
}

private struct AnswerArgs: Encodable {
    let link: String
    let conflict: String
    let by: String
    let take: Take?
    let fields: [FieldAnswer]
}

private struct UndoArgs: Encodable {
    let link: String
    let count: Int
}

private struct QuestionArgs: Encodable {
    let link: String
    let remoteId: String
    let event: String?
}

private struct EventsOfArgs: Encodable {
    let link: String
    let after: String?
    let limit: Int
}

private struct CleanArgs: Encodable {
    let link: String
    let approve: String?
    let preview: Bool
}

private struct HoldArgs: Encodable {
    let terms: FreeTerms
    let start: Instant
    let end: Instant
    let minutes: Int
}

private struct BookArgs: Encodable {
    let terms: FreeTerms
    let calendar: String
    let event: Event
    let id: String?
    let hold: String?
    let replaces: String?
}
