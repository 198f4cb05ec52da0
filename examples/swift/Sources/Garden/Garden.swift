import Calsync
import Foundation

private let calendar = "garden"
private let account = "account"
private let link = "home"

/// Which calendar of which account the jobs were joined to.
private struct Joined: Codable {
    let url: String
    let username: String
    let remote: String
}

/// The jobs of a garden that several people share: a calendar in a SQLite file, kept in step with one on a CalDAV server.
///
/// An application with tables of its own gives the engine a type that conforms to `Store` in the place of the file.
struct Garden {
    private let engine: Engine
    private let zone = TimeZone(identifier: "Europe/Berlin") ?? .current

    /// Opens the file, which is made when absent, and joins it to the first calendar of the account that can be written; to the same
    /// one ever after, since the first of tomorrow may be another.
    /// calsync knows accounts as long as the engine lives: an application keeps the password in the keychain.
    init(file: String, url: String, username: String, password: String) async throws {
        engine = try Engine(path: file)
        try await engine.putCalendar(Calsync.Calendar(id: calendar, name: "Garden"))
        try await engine.connect(
            account,
            provider: .caldav,
            url: url,
            username: username,
            secret: password
        )
        let remote = try await Garden.chosen(engine, file: file, url: url, username: username)
        // Somebody answers conflicts, and is asked before more than two jobs go.
        try await engine.addLink(
            link,
            calendar: calendar,
            connection: account,
            remote: remote,
            conflicts: .manual,
            guardCount: 2
        )
    }

    /// Keeps what it chooses in a file beside the jobs. An application keeps it in its own tables or settings.
    private static func chosen(_ engine: Engine, file: String, url: String, username: String) async throws -> String {
        let settings = URL(fileURLWithPath: "\(file).account.json")
        if FileManager.default.fileExists(atPath: settings.path) {
            let kept = try JSONDecoder().decode(Joined.self, from: Data(contentsOf: settings))
            if kept.url == url && kept.username == username {
                return kept.remote
            }
        }
        guard let remote = try await engine.remoteCalendars(account).first(where: { !$0.readOnly }) else {
            throw Refused(reason: "the account has no calendar that can be written")
        }
        let joined = Joined(url: url, username: username, remote: remote.id)
        try JSONEncoder().encode(joined).write(to: settings, options: .atomic)
        return remote.id
    }

    /// Lets go of the connection.
    func close() {
        engine.close()
    }

    /// The jobs, the one that was changed last at the end.
    func jobs() async throws -> [String] {
        try await engine.events(calendar).map { stored in
            "\(stored.id)  \(stored.event.master?.title ?? "")"
        }
    }

    func add(_ title: String, from start: Date, to end: Date) async throws -> String {
        let body = EventBody(time: TimeSpan(from: start, to: end, in: zone), title: title)
        return try await engine.addEvent(Event(uid: UUID().uuidString, master: body), to: calendar)
    }

    /// Changes the title of what was read last; `CalsyncError` with the code `storeConflict` when it was changed meanwhile.
    func rename(_ id: String, to title: String) async throws {
        let stored = try await job(id)
        var event = stored.event
        event.master?.title = title
        try await engine.updateEvent(id, in: calendar, revision: stored.revision, to: event)
    }

    func delete(_ id: String) async throws {
        let stored = try await job(id)
        try await engine.deleteEvent(id, in: calendar, revision: stored.revision)
    }

    private func job(_ id: String) async throws -> StoredEvent {
        guard let found = try await engine.events(calendar).first(where: { $0.id == id }) else {
            throw Refused(reason: "there is no job \(id)")
        }
        return found
    }

    /// Runs once. Deletions that are held wait until a person approves or refuses the plan.
    func sync(_ options: SyncOptions = SyncOptions()) async throws -> [String] {
        let report = try await engine.sync(link, options: options)
        let counts = report.counts
        let came = counts.created + counts.updated + counts.deleted
        var said = ["\(came) came in, \(counts.pushed) went out"]
        if counts.conflicts > 0 { said.append("\(counts.conflicts) conflicts wait for an answer") }
        if report.held { said.append("\(counts.held) deletions are held as plan \(report.planId)") }
        return said
    }

    /// What both sides changed, and waits for an answer.
    func conflicts() async throws -> [String] {
        try await engine.conflicts(link).filter(\.open).map { conflict in
            "\(conflict.id)  \(conflict.fields.map(\.field.part).joined(separator: ", "))"
        }
    }

    /// Takes one side's values, and carries that out.
    func answer(_ conflict: String, take: Take) async throws -> [String] {
        _ = try await engine.answerConflict(conflict, on: link, by: "somebody at the command line", take: take)
        return try await sync()
    }

    /// Takes back what the last run that did something did here.
    func undo() async throws -> [String] {
        let undone = try await engine.undoLast(1, on: link)
        return undone.map { "\($0.restored) restored, \($0.removed) removed" } + (try await sync())
    }
}

/// What the caller got wrong.
struct Refused: Error {
    let reason: String
}
