package io.calsync

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException

/** What went wrong, as a word that never changes. */
@Serializable
enum class Code {
    /** An argument or a setting is wrong. */
    @SerialName("invalid-input") INVALID_INPUT,

    /** The provider does not offer it. */
    @SerialName("unsupported") UNSUPPORTED,

    /** The address is not allowed. */
    @SerialName("blocked") BLOCKED,

    /** The credentials were refused. */
    @SerialName("unauthorized") UNAUTHORIZED,

    /** The person said no to a connection. */
    @SerialName("consent-denied") CONSENT_DENIED,

    /** An administrator of the account has to allow it. */
    @SerialName("needs-admin") NEEDS_ADMIN,

    /** Another account came back than the one that is connected. */
    @SerialName("wrong-account") WRONG_ACCOUNT,

    /** What the browser brought back belongs to no connection that was begun in this session. */
    @SerialName("oauth-state") OAUTH_STATE,

    /** The account may not do that. */
    @SerialName("forbidden") FORBIDDEN,

    /** The remote calendar is not there any more. */
    @SerialName("calendar-gone") CALENDAR_GONE,

    /** The item is not there. */
    @SerialName("not-found") NOT_FOUND,

    /** The item has another version than expected. */
    @SerialName("version-mismatch") VERSION_MISMATCH,

    /** An item with this name or UID is there already. */
    @SerialName("already-exists") ALREADY_EXISTS,

    /** The content is refused and will be again. */
    @SerialName("refused") REFUSED,

    /** Too large, or over quota. */
    @SerialName("too-large") TOO_LARGE,

    /** The sync token is not valid any more. */
    @SerialName("cursor-invalid") CURSOR_INVALID,

    /** Too many requests. */
    @SerialName("throttled") THROTTLED,

    /** Not reachable for now. */
    @SerialName("unavailable") UNAVAILABLE,

    /** The provider's answer makes no sense. */
    @SerialName("protocol") PROTOCOL,

    /** A bug in calsync. */
    @SerialName("internal") INTERNAL,

    /** Another worker has the link. */
    @SerialName("busy") BUSY,

    /** The plan would be another one now. */
    @SerialName("plan-changed") PLAN_CHANGED,

    /** The link was joined to another calendar before. */
    @SerialName("link-moved") LINK_MOVED,

    /** There is no such link. */
    @SerialName("unknown-link") UNKNOWN_LINK,

    /** There is no such connection. */
    @SerialName("unknown-connection") UNKNOWN_CONNECTION,

    /** There is no such question. */
    @SerialName("unknown-match") UNKNOWN_MATCH,

    /** There is no such conflict. */
    @SerialName("unknown-conflict") UNKNOWN_CONFLICT,

    /** The conflict is settled already. */
    @SerialName("conflict-settled") CONFLICT_SETTLED,

    /** Nobody asks about this field. */
    @SerialName("not-contested") NOT_CONTESTED,

    /** There is no such run. */
    @SerialName("unknown-run") UNKNOWN_RUN,

    /** No write waits for this event. */
    @SerialName("unknown-write") UNKNOWN_WRITE,

    /** Somebody has the slot. */
    @SerialName("slot-taken") SLOT_TAKEN,

    /** The terms offer no such slot. */
    @SerialName("slot-not-offered") SLOT_NOT_OFFERED,

    /** There is no such booking. */
    @SerialName("unknown-booking") UNKNOWN_BOOKING,

    /** Somebody else changed the row meanwhile. */
    @SerialName("store-conflict") STORE_CONFLICT,

    /** The lease belongs to somebody else now. */
    @SerialName("store-fenced") STORE_FENCED,

    /** The store is busy or not reachable. */
    @SerialName("store-unavailable") STORE_UNAVAILABLE,

    /** The store has no room. */
    @SerialName("store-full") STORE_FULL,

    /** A row does not hold what was written. */
    @SerialName("store-corrupt") STORE_CORRUPT,

    /** The store refuses the call. */
    @SerialName("store-invalid-input") STORE_INVALID_INPUT,

    /** The database failed. */
    @SerialName("store-failed") STORE_FAILED,

    /** The text is no calendar, or passes a limit. */
    @SerialName("not-i-calendar") NOT_I_CALENDAR,

    /** The item cannot be read. */
    @SerialName("unreadable") UNREADABLE,

    /** The text has no such item. */
    @SerialName("no-such-item") NO_SUCH_ITEM,

    /** A method of the host failed. */
    @SerialName("host-failed") HOST_FAILED,

    /** A method of the host gave something of another type. */
    @SerialName("host-type") HOST_TYPE,

    /** A method of the host never answered. */
    @SerialName("host-silent") HOST_SILENT,

    /** The call was cancelled. */
    @SerialName("cancelled") CANCELLED,

    /** The engine or the library was shut down. */
    @SerialName("closed") CLOSED,

    /** A store of the host does not do what a case of the conformance suite expects. */
    @SerialName("check-failed") CHECK_FAILED,
    ;

    companion object {
        /** The code of a word; that of a newer version is [INTERNAL]. */
        internal fun of(word: String): Code = try {
            json.decodeFromString(serializer(), "\"$word\"")
        } catch (_: SerializationException) {
            INTERNAL
        }
    }
}

/**
 * A call failed. The text holds no secret and no event text; [cause] is what a method of yours threw.
 *
 * @property code what went wrong.
 * @property retryable whether trying again can help.
 * @property retryAfterMs not before so many milliseconds from now: the provider said so, or a link that is busy is free then if whoever has it is gone.
 * @property item what it is about: a method of yours, a link, a connection.
 */
class CalsyncException(
    val code: Code,
    val retryable: Boolean,
    val retryAfterMs: Long?,
    override val message: String,
    val item: String?,
    cause: Throwable? = null,
) : Exception(message, cause)

/** What a [Store] throws for the engine to understand; anything else is a fault of the store. */
sealed class StoreException(message: String, cause: Throwable?, internal val kind: String) : Exception(message, cause) {
    /** The expectation of a batch at the place [expectation] does not hold; nothing was written. */
    class Conflict(val expectation: Int = 0) : StoreException("expectation $expectation does not hold", null, "conflict")

    /** The lease of a batch is not the current one; nothing was written. */
    class Fenced : StoreException("the lease is not the current one", null, "fenced")

    /** The database is busy or not reachable. */
    class Unavailable(cause: Throwable? = null) : StoreException("the database is not reachable", cause, "unavailable")

    /** The database has no room. */
    class Full(cause: Throwable? = null) : StoreException("the database has no room", cause, "full")

    /** A row does not hold what was written. */
    class Corrupt(cause: Throwable? = null) : StoreException("a row does not hold what was written", cause, "corrupt")

    /** The call makes no sense: a pair would not be unique, a key is too long. Nothing was written. */
    class InvalidInput(cause: Throwable? = null) : StoreException("the call makes no sense", cause, "invalid-input")
}

/** An error as JSON, where one of many results failed. */
@Serializable
internal data class FailureJson(
    val code: String,
    val retryable: Boolean,
    val retryAfterMs: Long? = null,
    val message: String,
    val item: String? = null,
) {
    fun exception() = CalsyncException(Code.of(code), retryable, retryAfterMs, message, item)
}
