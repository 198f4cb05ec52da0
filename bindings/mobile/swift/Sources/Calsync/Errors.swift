import Foundation

/// What went wrong, as a word that never changes.
public enum Code: String, Codable, Sendable, CaseIterable {
    /// An argument or a setting is wrong.
    case invalidInput = "invalid-input"
    /// The provider does not offer it.
    case unsupported
    /// The address is not allowed.
    case blocked
    /// The credentials were refused.
    case unauthorized
    /// The person said no to a connection.
    case consentDenied = "consent-denied"
    /// An administrator of the account has to allow it.
    case needsAdmin = "needs-admin"
    /// Another account came back than the one that is connected.
    case wrongAccount = "wrong-account"
    /// What the browser brought back belongs to no connection that was begun in this session.
    case oauthState = "oauth-state"
    /// The account may not do that.
    case forbidden
    /// The remote calendar is not there any more.
    case calendarGone = "calendar-gone"
    /// The item is not there.
    case notFound = "not-found"
    /// The item has another version than expected.
    case versionMismatch = "version-mismatch"
    /// An item with this name or UID is there already.
    case alreadyExists = "already-exists"
    /// The content is refused and will be again.
    case refused
    /// Too large, or over quota.
    case tooLarge = "too-large"
    /// The sync token is not valid any more.
    case cursorInvalid = "cursor-invalid"
    /// Too many requests.
    case throttled
    /// Not reachable for now.
    case unavailable
    /// The provider's answer makes no sense.
    case `protocol`
    /// A bug in calsync.
    case `internal`
    /// Another worker has the link.
    case busy
    /// The plan would be another one now.
    case planChanged = "plan-changed"
    /// The link was joined to another calendar before.
    case linkMoved = "link-moved"
    /// There is no such link.
    case unknownLink = "unknown-link"
    /// There is no such connection.
    case unknownConnection = "unknown-connection"
    /// There is no such question.
    case unknownMatch = "unknown-match"
    /// There is no such conflict.
    case unknownConflict = "unknown-conflict"
    /// The conflict is settled already.
    case conflictSettled = "conflict-settled"
    /// Nobody asks about this field.
    case notContested = "not-contested"
    /// There is no such run.
    case unknownRun = "unknown-run"
    /// No write waits for this event.
    case unknownWrite = "unknown-write"
    /// Somebody has the slot.
    case slotTaken = "slot-taken"
    /// The terms offer no such slot.
    case slotNotOffered = "slot-not-offered"
    /// There is no such booking.
    case unknownBooking = "unknown-booking"
    /// Somebody else changed the row meanwhile.
    case storeConflict = "store-conflict"
    /// The lease belongs to somebody else now.
    case storeFenced = "store-fenced"
    /// The store is busy or not reachable.
    case storeUnavailable = "store-unavailable"
    /// The store has no room.
    case storeFull = "store-full"
    /// A row does not hold what was written.
    case storeCorrupt = "store-corrupt"
    /// The store refuses the call.
    case storeInvalidInput = "store-invalid-input"
    /// The database failed.
    case storeFailed = "store-failed"
    /// The text is no calendar, or passes a limit.
    case notICalendar = "not-i-calendar"
    /// The item cannot be read.
    case unreadable
    /// The text has no such item.
    case noSuchItem = "no-such-item"
    /// A method of the host failed.
    case hostFailed = "host-failed"
    /// A method of the host gave something of another type.
    case hostType = "host-type"
    /// A method of the host never answered.
    case hostSilent = "host-silent"
    /// The call was cancelled.
    case cancelled
    /// The engine or the library was shut down.
    case closed
    /// A store of the host does not do what a case of the conformance suite expects.
    case checkFailed = "check-failed"
}

/// A call failed. The text holds no secret and no event text.
public struct CalsyncError: Error, Sendable, LocalizedError {
    /// What went wrong.
    public let code: Code
    /// Whether trying again can help.
    public let retryable: Bool
    /// Not before so many milliseconds from now: the provider said so, or a link that is busy is free then if whoever has it is gone.
    public let retryAfterMs: UInt64?
    /// For people. English.
    public let message: String
    /// What it is about: a method of yours, a link, a connection.
    public let item: String?
    /// What a method of yours threw.
    public let cause: (any Error)?

    /// The message, as Foundation asks for it.
    public var errorDescription: String? { message }

    init(
        code: Code,
        retryable: Bool = false,
        retryAfterMs: UInt64? = nil,
        message: String,
        item: String? = nil,
        cause: (any Error)? = nil
    ) {
        self.code = code
        self.retryable = retryable
        self.retryAfterMs = retryAfterMs
        self.message = message
        self.item = item
        self.cause = cause
    }
}

/// What a ``Store`` throws for the engine to understand; anything else is a fault of the store.
public enum StoreError: Error, Sendable, Equatable {
    /// The expectation of a batch at this place does not hold; nothing was written.
    case conflict(expectation: Int)
    /// The lease of a batch is not the current one; nothing was written.
    case fenced
    /// The database is busy or not reachable.
    case unavailable
    /// The database has no room.
    case full
    /// A row does not hold what was written.
    case corrupt
    /// The call makes no sense: a pair would not be unique, a key is too long. Nothing was written.
    case invalidInput

    var kind: String {
        switch self {
        case .conflict: "conflict"
        case .fenced: "fenced"
        case .unavailable: "unavailable"
        case .full: "full"
        case .corrupt: "corrupt"
        case .invalidInput: "invalid-input"
        }
    }
}

/// An error as JSON, where one of many results failed.
struct FailureJSON: Decodable {
    let code: String
    let retryable: Bool
    let retryAfterMs: UInt64?
    let message: String
    let item: String?

    var error: CalsyncError {
        CalsyncError(
            code: Code(rawValue: code) ?? .`internal`,
            retryable: retryable,
            retryAfterMs: retryAfterMs,
            message: message,
            item: item
        )
    }
}
