@file:OptIn(ExperimentalSerializationApi::class)
@file:UseSerializers(InstantText::class)

package io.calsync

import java.time.Instant
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable
import kotlinx.serialization.UseSerializers
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonClassDiscriminator
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject

/** A row as it was written in a commit: kept whole, given back whole. `toString()` is its JSON, and [row] reads that. */
typealias Row = JsonObject

/** A row from its JSON. */
fun row(text: String): Row = Json.parseToJsonElement(text).jsonObject

/**
 * The host's own database.
 *
 * The methods run on the dispatcher the engine was given, several at a time when several calls are made. They may block. What
 * they throw ends the call with the code `host-failed`, but for a [StoreException]. Lists are ordered by the bytes (UTF-8) of
 * their key, unless something else is said. [checkStore] runs the cases our own stores are checked with.
 */
interface Store {
    /** All calendars. */
    suspend fun calendars(): List<Row>

    /** The rows of these events, deleted ones too, in any order; those that are not there are left out. */
    suspend fun events(calendar: String, ids: List<String>): List<Row>

    /** The rows of the events with these UIDs (`event.uid`), deleted ones too. */
    suspend fun eventsByUid(calendar: String, uids: List<String>): List<Row>

    /** The first [limit] rows with a revision above [after], deleted ones too, in the order of their revisions. */
    suspend fun eventsSince(calendar: String, after: Long, limit: Int): List<Row>

    /** The row of a link. */
    suspend fun link(link: String): Row?

    /** The bases of a link whose `remote_id` ([By.REMOTE]) or `event_id` ([By.EVENT]) is one of [ids]. */
    suspend fun bases(link: String, by: By, ids: List<String>): List<Row>

    /** The first [limit] bases of a link with a `remote_id` above [after]; only `remote_id`, `event_id` and `version` are read. */
    suspend fun baseSummaries(link: String, after: String?, limit: Int): List<Row>

    /** The first [limit] writes that wait, with an `id` above [after]. */
    suspend fun outbox(link: String, after: String?, limit: Int): List<Row>

    /** The first [limit] records that match, with an id (for quarantine `remote_id`) above [RecordQuery.after]. */
    suspend fun records(query: RecordQuery): List<Row>

    /** Documents by their keys, the next page of a space, or those that are due. */
    suspend fun docs(query: DocQuery): List<Row>

    /**
     * Checks the lease, then the expectations, then writes: all or nothing. A link has one base per item and one per event,
     * and one outbox entry per event: a batch that would make a second one is [StoreException.InvalidInput].
     */
    suspend fun commit(batch: Batch): Receipt

    /**
     * Gives the lease [name] to [holder] until [until], unless somebody else has it at [now]. A new holder, and one whose
     * lease was over, gets an epoch above all before.
     */
    suspend fun acquireLease(name: String, holder: String, now: Instant, until: Instant): Lease

    /** Gives a lease back, if it is the current one. Its epoch stays known. */
    suspend fun releaseLease(token: LeaseToken)
}

/**
 * A store that answers together what is always asked together: a run without changes calls two methods and not six. Whether a store
 * is one is looked at once, when it is given to an engine or to [checkStore], whose cases compare it with the single reads.
 */
interface StoreInOneCall : Store {
    /** What a run begins with: takes the lease, if one is asked for, then reads. Where it is not granted nothing is read. */
    suspend fun openLink(lease: LeaseRequest?, link: String, calendar: String, limit: Int): Opened

    /** The bases of these remote ids, and the events with their event ids, deleted ones too, in any order. */
    suspend fun pairs(link: String, calendar: String, items: List<String>): Pairs

    /** [outbox], and the bases of the events in it, where they have one. */
    suspend fun waiting(link: String, after: String?, limit: Int): Waiting
}

/** What [Store.acquireLease] is asked. */
data class LeaseRequest(val name: String, val holder: String, val now: Instant, val until: Instant)

/** What came of opening a link. */
sealed interface Opened {
    /** Somebody else has its lease. */
    data class Held(val until: Instant) : Opened

    /** The link as a run finds it: each as the read of its name answers it. */
    data class Link(
        /** The lease, when one was asked for. */
        val token: LeaseToken?,
        /** [Store.link]. */
        val state: Row?,
        /** [Store.eventsSince], after `seen - 1` of [state], one more than the limit; nothing without a state, or where it is 0. */
        val edits: List<Row>,
        /** [Store.records] of that kind, the first of them. */
        val quarantine: List<Row>,
        /** [Store.outbox], the first of it. */
        val outbox: List<Row>,
    ) : Opened
}

/** Bases with the events they join. */
data class Pairs(val bases: List<Row>, val events: List<Row>)

/** A page of the outbox with the bases of its events. */
data class Waiting(val entries: List<Row>, val bases: List<Row>)

/** What bases are looked up by. */
enum class By { REMOTE, EVENT }

/** Which records are asked for. [event] and [run] narrow conflicts and journal entries. */
@Serializable
data class RecordQuery(
    val kind: Kind,
    val link: String,
    val event: String? = null,
    val run: String? = null,
    val after: String? = null,
    @Serializable(with = Limit::class) val limit: Int,
) {
    /** Of which kind they are. */
    @Serializable
    enum class Kind {
        @SerialName("conflict") CONFLICT,
        @SerialName("quarantine") QUARANTINE,
        @SerialName("run") RUN,
        @SerialName("journal") JOURNAL,
    }
}

/** Which documents are asked for. */
sealed interface DocQuery {
    /** The space they are in. */
    val space: String

    /** Those with these keys, in any order. */
    data class Keys(override val space: String, val keys: List<String>) : DocQuery

    /** The first [limit] with a key above [after]. */
    data class Page(override val space: String, val after: String?, val limit: Int) : DocQuery

    /** The first [limit] whose `due` is at most [at], by `due`, then by key. */
    data class Due(override val space: String, val at: Instant, val limit: Int) : DocQuery
}

/** Who holds a lease: a batch under an older epoch is refused. */
@Serializable
data class LeaseToken(val name: String, @Serializable(with = Count::class) val epoch: Long)

/** What came of asking for a lease. */
sealed interface Lease {
    /** It is the caller's. */
    data class Granted(val token: LeaseToken) : Lease

    /** Somebody else has it. */
    data class Held(val until: Instant) : Lease
}

/** What is written at once, and what has to hold. */
@Serializable
data class Batch(
    val lease: LeaseToken?,
    val expect: List<Expectation>,
    val writes: List<Write>,
    /** Whether the writer still needs its lease after that. */
    val leaseEnd: LeaseEnd = LeaseEnd.KEPT,
)

/** What becomes of the lease of a batch once it is written. */
@Serializable
enum class LeaseEnd {
    /** The writer goes on under it. */
    @SerialName("kept") KEPT,

    /** It is given back in the transaction of the batch. */
    @SerialName("given-back") GIVEN_BACK,
}

/** What has to hold. `null` says that there is no such row. */
@Serializable
@JsonClassDiscriminator("of")
sealed interface Expectation {
    /** The revision of an event. */
    @Serializable
    @SerialName("event")
    data class Event(val calendar: String, val id: String, @Serializable(with = Count::class) val revision: Long?) : Expectation

    /** The generation of a link. */
    @Serializable
    @SerialName("link")
    data class Link(val id: String, @Serializable(with = Count::class) val generation: Long?) : Expectation

    /** The events with a UID, deleted ones too: these and no others. */
    @Serializable
    @SerialName("uid")
    data class Uid(val calendar: String, val uid: String, val events: List<String>) : Expectation

    /** The version of a document. */
    @Serializable
    @SerialName("doc")
    data class Doc(val space: String, val key: String, @Serializable(with = Count::class) val version: Long?) : Expectation
}

/** One write of a batch. */
@Serializable
@JsonClassDiscriminator("op")
sealed interface Write {
    /** A calendar, by `id`. */
    @Serializable
    @SerialName("put-calendar")
    data class PutCalendar(val row: Row) : Write

    /** An event: the row is `{id, revision, event, modified: at, deleted: null}` with the next revision of its calendar. */
    @Serializable
    @SerialName("put-event")
    data class PutEvent(val calendar: String, val id: String, val uid: String, val event: Row, val at: Instant) : Write

    /** Marks an event: `deleted` is [at], with the next revision. Nothing, when it is not there or marked already. */
    @Serializable
    @SerialName("delete-event")
    data class DeleteEvent(val calendar: String, val id: String, val at: Instant) : Write

    /**
     * Forgets the [limit] events that were deleted first, before an instant. A store may forget all from before it, whatever
     * [limit] says, and then leaves [Receipt.forgotten] empty.
     */
    @Serializable
    @SerialName("purge-deleted")
    data class PurgeDeleted(val calendar: String, val before: Instant, @Serializable(with = Limit::class) val limit: Int) :
        Write

    /** A link, by `id`, with the next `generation`. */
    @Serializable
    @SerialName("put-link")
    data class PutLink(val row: Row) : Write

    /** A base, by `link` and `remote_id`. */
    @Serializable
    @SerialName("put-base")
    data class PutBase(val row: Row) : Write

    /** Removes a base. */
    @Serializable
    @SerialName("delete-base")
    data class DeleteBase(val link: String, val remoteId: String) : Write

    /** A write that waits, by `link` and `id`. */
    @Serializable
    @SerialName("put-outbox")
    data class PutOutbox(val row: Row) : Write

    /** Removes a write that waits. */
    @Serializable
    @SerialName("delete-outbox")
    data class DeleteOutbox(val link: String, val id: String) : Write

    /** A conflict, by `link` and `id`; [resolved] since, for `PurgeLog`. */
    @Serializable
    @SerialName("put-conflict")
    data class PutConflict(val row: Row, val resolved: Instant? = null) : Write

    /** An item that cannot be read, by `link` and `remote_id`. */
    @Serializable
    @SerialName("put-quarantine")
    data class PutQuarantine(val row: Row) : Write

    /** Removes such an item. */
    @Serializable
    @SerialName("delete-quarantine")
    data class DeleteQuarantine(val link: String, val remoteId: String) : Write

    /** A run, by `link` and `id`. */
    @Serializable
    @SerialName("put-run")
    data class PutRun(val row: Row) : Write

    /** A journal entry, by `link` and `id`. */
    @Serializable
    @SerialName("put-journal")
    data class PutJournal(val row: Row) : Write

    /** Forgets the [limit] oldest entries of a log from before an instant: by time, then by id. */
    @Serializable
    @SerialName("purge-log")
    data class PurgeLog(val link: String, val log: Log, val before: Instant, @Serializable(with = Limit::class) val limit: Int) :
        Write

    /** A document, by `space` and `key`, with the next version; `value` is base64. */
    @Serializable
    @SerialName("put-doc")
    data class PutDoc(val row: Row) : Write

    /** Removes a document. */
    @Serializable
    @SerialName("delete-doc")
    data class DeleteDoc(val space: String, val key: String) : Write
}

/** What is forgotten after a time. */
@Serializable
enum class Log {
    /** Runs, by `started`. */
    @SerialName("runs") RUNS,

    /** Journal entries, by `at`. */
    @SerialName("journal") JOURNAL,

    /** Conflicts, by [Write.PutConflict.resolved]; open ones stay. */
    @SerialName("resolved-conflicts") RESOLVED_CONFLICTS,
}

/** What a commit did, each in the order of the batch. */
data class Receipt(
    /** The new revision of every event that was put, or marked as deleted. */
    val revisions: List<Revised> = emptyList(),
    /** The new version of every document that was put. */
    val docVersions: List<Long> = emptyList(),
    /** How many entries every `PurgeLog` removed. */
    val purged: List<Int> = emptyList(),
    /** How many events every `PurgeDeleted` removed; empty from a store that knows no limit. */
    val forgotten: List<Int> = emptyList(),
    /** That of the batch, where the store followed it; else `releaseLease` is called. */
    val leaseEnd: LeaseEnd = LeaseEnd.KEPT,
)

/** A new revision. */
data class Revised(val calendar: String, val id: String, val revision: Long)
