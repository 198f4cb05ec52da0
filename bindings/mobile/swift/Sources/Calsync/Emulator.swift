internal import CalsyncNative

/// A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory: for the tests of a host. Nothing
/// leaves the machine. CalDAV has the calendar `Personal`, Microsoft `Calendar`, Google one with the address of the account as its
/// name; a feed needs none, a file is one. It serves on a thread of its own until it is closed or let go of.
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

        /// Without the secret.
        public var description: String { "\(provider.rawValue) at \(url) as \(username)" }
    }
}

extension Engine {
    /// Names the account of an emulator.
    public func connect(_ connection: String, account: Emulator.Account) async throws {
        try await connect(
            connection,
            provider: account.provider,
            url: account.url,
            username: account.username,
            secret: account.secret,
            trustAddress: account.trustAddress
        )
    }
}
