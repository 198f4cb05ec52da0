import Foundation

/// What seals tokens in the store of an engine, and opens them. It is written nowhere.
public struct MasterKeys: Sendable {
    /// The name of the key that seals.
    public var current: String
    /// Each is 32 random bytes in Base64, as `openssl rand -base64 32` prints them. Those beside ``current`` open what was sealed with
    /// them before. Their names are kept in the store, beside what they seal.
    public var keys: [String: String]

    public init(current: String, keys: [String: String]) {
        self.current = current
        self.keys = keys
    }

    /// For the native part.
    var value: JSONValue {
        .object(["current": .string(current), "keys": .object(keys.mapValues(JSONValue.string))])
    }
}

/// No key.
extension MasterKeys: CustomStringConvertible, CustomReflectable {
    public var description: String { "MasterKeys(\(current))" }
    public var customMirror: Mirror { Mirror(self, children: ["current": current]) }
}

/// Your application as an authorization server knows it.
public struct OAuthClient: Hashable, Sendable, Codable {
    /// `google` and `microsoft` bring their addresses and the scopes two-way sync needs. Any other name is your own, with ``authorize``
    /// and ``token``.
    public var provider: String
    public var clientId: String
    /// A phone or a desktop program keeps none.
    public var clientSecret: String?
    /// For Microsoft (`common`).
    public var tenant: String?
    /// In the place of those the provider brings.
    public var scopes: [String]?
    /// An endpoint of a server of your own. It comes with ``token``; ``revoke`` and ``issuer`` are then only what is said here.
    public var authorize: String?
    public var token: String?
    /// Where tokens are taken back (RFC 7009).
    public var revoke: String?
    /// Who has to have issued the tokens.
    public var issuer: String?
    /// How many days a grant lasts where the provider does not say so: 7 for a client at Google whose consent screen is in testing.
    public var grantDays: Int?
    /// Allows endpoints at private and local addresses, and without TLS: only for those that whoever runs the application wrote.
    public var trustAddress: Bool

    public init(
        provider: String,
        clientId: String,
        clientSecret: String? = nil,
        tenant: String? = nil,
        scopes: [String]? = nil,
        authorize: String? = nil,
        token: String? = nil,
        revoke: String? = nil,
        issuer: String? = nil,
        grantDays: Int? = nil,
        trustAddress: Bool = false
    ) {
        self.provider = provider
        self.clientId = clientId
        self.clientSecret = clientSecret
        self.tenant = tenant
        self.scopes = scopes
        self.authorize = authorize
        self.token = token
        self.revoke = revoke
        self.issuer = issuer
        self.grantDays = grantDays
        self.trustAddress = trustAddress
    }
}

/// Not the secret.
extension OAuthClient: CustomStringConvertible, CustomReflectable {
    public var description: String { "OAuthClient(\(provider), \(clientId))" }
    public var customMirror: Mirror { Mirror(self, children: ["provider": provider, "clientId": clientId]) }
}

/// A connection somebody allowed; its tokens are in the store.
public struct OAuthGrant: Hashable, Sendable, Decodable {
    public let connection: String
    /// What identifies the account for ever at its provider, where that said so. The same one has to come back the next time.
    public let subject: String?
    /// How a person knows the account.
    public let label: String?
    /// What was asked for and not granted.
    public let missingScopes: [String]
    /// The account has to be connected again before; `nil`: nobody said so.
    public let ends: Instant?
}
