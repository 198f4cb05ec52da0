internal import CalsyncNative

/// A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory: for the tests of a host. Nothing
/// leaves the machine. CalDAV has the calendar `Personal`, Microsoft `Calendar`, Google one with the address of the account as its
/// name; Cozi is a household in Berlin; a feed asks for its user and password. It serves on a thread of its own until it is closed
/// or let go of.
///
/// ``items()``, ``put(_:id:)``, ``delete(_:)`` and ``tell(_:)`` happen at the service itself, as if somebody else did it there. They
/// throw ``CalsyncError`` for an id nothing has, a line that is not understood, an item that is no calendar text (CalDAV and feeds) or
/// no JSON object (the others), and once it is closed. In the object, Microsoft refuses what Graph does; Cozi and Google look at
/// nothing.
public final class Emulator: Sendable {
    private let native: NativeEmulator

    /// How it is reached.
    public let account: Account

    /// Starts one. `secret` is the password, or the access token, that is accepted.
    public init(_ provider: ProviderKind, username: String = "ann@example.com", secret: String = "secret") throws {
        let settings = ["provider": provider.rawValue, "username": username, "secret": secret]
        do {
            native = try NativeEmulator(settings: try Border.text(settings))
        } catch let error as NativeError {
            throw translated(error, thrown: nil)
        }
        account = try Border.answer(Account.self, native.account() ?? "{}")
    }

    /// What is in the calendar, by its id. A text has the form of the service: iCalendar, or the JSON of its interface. A feed is
    /// one item, `calendar.ics`.
    public func items() throws -> [String: String] {
        try Border.answer([String: String].self, ask("items", [:]))
    }

    /// Adds an item, or replaces the one with this id; gives its id. Only a CalDAV server takes an id that is new.
    @discardableResult
    public func put(_ item: String, id: String? = nil) throws -> String {
        try Border.answer(String.self, ask("put", id.map { ["item": item, "id": $0] } ?? ["item": item]))
    }

    /// Deletes an item. A feed cannot be: replace it with an empty calendar.
    public func delete(_ id: String) throws {
        _ = try ask("delete", ["id": id])
    }

    /// Turns a switch of the service, or lets something happen there, such as `fault status=503 times=3`: `docs/emulators.md`
    /// lists them all. A feed has none.
    public func tell(_ line: String) throws {
        _ = try ask("tell", ["line": line])
    }

    /// Your application at the authorization server of the emulator, Google's or Microsoft's: for
    /// ``Engine/beginOauth(connection:client:session:redirect:loginHint:)``. A `GET` of the URL that gives is answered with the redirect a browser
    /// would follow: the person allows everything at once, unless ``tell(_:)`` says otherwise, such as `oauth consent=deny`.
    public func client() throws -> OAuthClient {
        try Border.answer(OAuthClient.self, ask("client", [:]))
    }

    private func ask(_ method: String, _ args: [String: String]) throws -> String {
        do {
            return try native.ask(method: method, args: try Border.text(args))
        } catch let error as NativeError {
            throw translated(error, thrown: nil)
        }
    }

    /// Ends it, with everything in it.
    public func close() {
        native.end()
    }

    /// What ``Engine/connect(_:account:)`` takes.
    public struct Account: Hashable, Sendable, Decodable, CustomStringConvertible {
        public let provider: ProviderKind
        public let url: String
        public let username: String
        public let secret: String
        public let trustAddress: Bool
        public let unofficial: Bool

        /// Without the secret.
        public var description: String { "\(provider.rawValue) at \(url) as \(username)" }
    }
}

extension Engine {
    /// Names the account of an emulator, with its tokens: those of `client` that were kept under the name.
    public func connect(_ connection: String, account: Emulator.Account, client: OAuthClient) async throws {
        try await connect(
            connection,
            provider: account.provider,
            url: account.url,
            trustAddress: account.trustAddress,
            client: client
        )
    }

    /// Names the account of an emulator.
    public func connect(_ connection: String, account: Emulator.Account) async throws {
        try await connect(
            connection,
            provider: account.provider,
            url: account.url,
            username: account.username,
            secret: account.secret,
            trustAddress: account.trustAddress,
            unofficial: account.unofficial
        )
    }
}
