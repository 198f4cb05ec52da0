import Foundation

/// Sends what goes to providers, over HTTP of yours: its proxies, its certificates, its connections. The library for phones has none
/// of its own; ``URLSessionTransport`` is one.
///
/// - Redirects are not followed, cookies not kept, nothing is tried again: calsync does what of that is right.
/// - `Content-Length` is sent with every body. The body of an answer is decompressed.
/// - The limits of a request hold, and so does ``HttpRequest/addresses``, for the address that is connected to.
/// - An answer of any status is an answer. Where there is none, ``TransportError`` says whether the server may have acted. Anything else
///   that is thrown is a mistake in the transport, and ends the call with ``Code/hostFailed``.
public protocol Transport: Sendable {
    /// Sends a request and reads the whole answer. Its task is cancelled with the call.
    func send(request: HttpRequest) async throws -> HttpResponse
}

/// What is to be sent.
public struct HttpRequest: Sendable, Codable {
    /// Those of WebDAV (RFC 4918) and CalDAV (RFC 4791) are among them.
    public let method: String
    /// Absolute, `http` or `https`.
    public let url: String
    /// One may be there twice.
    public let headers: [Header]
    /// Empty for none.
    public let body: Data
    /// Which addresses may be connected to.
    public let addresses: Addresses
    /// Bytes of the answer's body at most, decompressed.
    public let bodyMax: Int
    /// Milliseconds until a connection stands.
    public let connectMs: Int
    /// Milliseconds the server may be silent.
    public let stallMs: Int
    /// Milliseconds from the beginning to the last byte.
    public let totalMs: Int

    /// As the library makes them: for tests of a transport.
    public init(
        method: String,
        url: String,
        headers: [Header] = [],
        body: Data = Data(),
        addresses: Addresses = .public,
        bodyMax: Int = 32 << 20,
        connectMs: Int = 15_000,
        stallMs: Int = 90_000,
        totalMs: Int = 120_000
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
        self.addresses = addresses
        self.bodyMax = bodyMax
        self.connectMs = connectMs
        self.stallMs = stallMs
        self.totalMs = totalMs
    }
}

/// No URL, header or body: they hold secrets.
extension HttpRequest: CustomStringConvertible, CustomReflectable {
    public var description: String { "HttpRequest(\(method), \(body.count) bytes)" }
    public var customMirror: Mirror { Mirror(self, children: ["method": method]) }
}

/// What came back.
public struct HttpResponse: Sendable, Codable {
    /// Whatever it is: 404 is an answer.
    public var status: Int
    /// One may be there twice.
    public var headers: [Header]
    /// Whole and decompressed.
    public var body: Data

    public init(status: Int, headers: [Header], body: Data) {
        self.status = status
        self.headers = headers
        self.body = body
    }
}

/// No header or body.
extension HttpResponse: CustomStringConvertible, CustomReflectable {
    public var description: String { "HttpResponse(\(status), \(body.count) bytes)" }
    public var customMirror: Mirror { Mirror(self, children: ["status": status]) }
}

/// A header of a request or an answer.
public struct Header: Hashable, Sendable, Codable {
    public var name: String
    public var value: String

    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }

    public init(from decoder: any Decoder) throws {
        var pair = try decoder.unkeyedContainer()
        name = try pair.decode(String.self)
        value = try pair.decode(String.self)
    }

    public func encode(to encoder: any Encoder) throws {
        var pair = encoder.unkeyedContainer()
        try pair.encode(name)
        try pair.encode(value)
    }
}

/// Not the value.
extension Header: CustomStringConvertible, CustomReflectable {
    public var description: String { name }
    public var customMirror: Mirror { Mirror(self, children: ["name": name]) }
}

/// Which addresses a request may go to.
public enum Addresses: String, Codable, Sendable, CaseIterable {
    /// Those of the public internet: ``publicAddresses(_:)`` knows which they are.
    case `public`
    /// All: whoever runs the application has typed in the URL.
    case all
}

/// Why there is no answer.
public enum TransportFault: String, Codable, Sendable, CaseIterable {
    /// No connection: name, network or TLS. The request never left.
    case connect
    /// A deadline passed. The server may have acted.
    case timeout
    /// The connection broke. The server may have acted.
    case interrupted
    /// The body is larger than ``HttpRequest/bodyMax``. The server may have acted.
    case tooLarge = "too-large"
    /// The address is none the request may go to. The request never left.
    case blocked
}

/// What a ``Transport`` throws when there is no answer.
public struct TransportError: Error, Sendable, Equatable {
    /// Why.
    public let fault: TransportFault

    public init(_ fault: TransportFault) {
        self.fault = fault
    }
}
