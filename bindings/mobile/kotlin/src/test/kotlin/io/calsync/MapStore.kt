package io.calsync

import java.time.Instant
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.longOrNull

/** A store in maps: what a host writes over its own tables, without the tables. */
open class MapStore : Store {
    /** All of it. A commit works on a copy, which takes the place of this when everything went well. */
    private data class Tables(
        val calendars: MutableMap<String, Row> = mutableMapOf(),
        val events: MutableMap<Pair<String, String>, Row> = mutableMapOf(),
        val revisions: MutableMap<String, Long> = mutableMapOf(),
        val links: MutableMap<String, Row> = mutableMapOf(),
        val bases: MutableMap<Pair<String, String>, Row> = mutableMapOf(),
        val outbox: MutableMap<Pair<String, String>, Row> = mutableMapOf(),
        val records: MutableMap<Triple<RecordQuery.Kind, String, String>, Kept> = mutableMapOf(),
        val docs: MutableMap<Pair<String, String>, Row> = mutableMapOf(),
        var docVersion: Long = 0,
    ) {
        fun twin() = copy(
            calendars = calendars.toMutableMap(),
            events = events.toMutableMap(),
            revisions = revisions.toMutableMap(),
            links = links.toMutableMap(),
            bases = bases.toMutableMap(),
            outbox = outbox.toMutableMap(),
            records = records.toMutableMap(),
            docs = docs.toMutableMap(),
        )
    }

    /** A record, and since when it may be forgotten. */
    private data class Kept(val row: Row, val since: Instant?)

    private data class Holder(val name: String?, val epoch: Long, val until: Instant)

    private var tables = Tables()
    private val leases = mutableMapOf<String, Holder>()

    override suspend fun calendars(): List<Row> = synchronized(this) { tables.calendars.values.sortedWith(by("id")) }

    override suspend fun events(calendar: String, ids: List<String>): List<Row> =
        synchronized(this) { ids.distinct().mapNotNull { tables.events[calendar to it] } }

    override suspend fun eventsByUid(calendar: String, uids: List<String>): List<Row> =
        synchronized(this) { tables.of(calendar).filter { it.uid in uids } }

    override suspend fun eventsSince(calendar: String, after: Long, limit: Int): List<Row> = synchronized(this) {
        tables.of(calendar).filter { it.number("revision")!! > after }.sortedBy { it.number("revision") }.take(limit)
    }

    override suspend fun link(link: String): Row? = synchronized(this) { tables.links[link] }

    override suspend fun bases(link: String, by: By, ids: List<String>): List<Row> = synchronized(this) {
        val column = if (by == By.REMOTE) "remote_id" else "event_id"
        tables.bases.values.filter { it.text("link") == link && it.text(column) in ids }
    }

    override suspend fun baseSummaries(link: String, after: String?, limit: Int): List<Row> =
        synchronized(this) { tables.bases.values.filter { it.text("link") == link }.page("remote_id", after, limit) }

    override suspend fun outbox(link: String, after: String?, limit: Int): List<Row> =
        synchronized(this) { tables.outbox.values.filter { it.text("link") == link }.page("id", after, limit) }

    override suspend fun records(query: RecordQuery): List<Row> = synchronized(this) {
        val narrow = query.kind == RecordQuery.Kind.CONFLICT || query.kind == RecordQuery.Kind.JOURNAL
        tables.records.entries
            .filter { (key, _) -> key.first == query.kind && key.second == query.link }
            .map { it.value.row }
            .filter { !narrow || query.event == null || it.text("event_id") == query.event }
            .filter { !narrow || query.run == null || it.text("run") == query.run }
            .page(if (query.kind == RecordQuery.Kind.QUARANTINE) "remote_id" else "id", query.after, query.limit)
    }

    override suspend fun docs(query: DocQuery): List<Row> = synchronized(this) {
        val rows = tables.docs.values.filter { it.text("space") == query.space }
        when (query) {
            is DocQuery.Keys -> rows.filter { it.text("key") in query.keys }
            is DocQuery.Page -> rows.page("key", query.after, query.limit)
            is DocQuery.Due -> rows.filter { it.instant("due")?.let { due -> due <= query.at } == true }
                .sortedWith(compareBy<Row> { it.instant("due") }.then(by("key")))
                .take(query.limit)
        }
    }

    override suspend fun commit(batch: Batch): Receipt = synchronized(this) {
        batch.lease?.let { lease ->
            val holder = leases[lease.name]
            if (holder?.name == null || holder.epoch != lease.epoch) throw StoreException.Fenced()
        }
        batch.expect.forEachIndexed { place, expected -> if (!tables.holds(expected)) throw StoreException.Conflict(place) }
        val next = tables.twin()
        val revisions = mutableListOf<Revised>()
        val versions = mutableListOf<Long>()
        val purged = mutableListOf<Int>()
        for (write in batch.writes) next.apply(write, revisions, versions, purged)
        tables = next
        if (batch.leaseEnd == LeaseEnd.GIVEN_BACK) batch.lease?.let(::free)
        Receipt(revisions, versions, purged, leaseEnd = batch.leaseEnd)
    }

    private fun Tables.of(calendar: String) = events.filterKeys { it.first == calendar }.values

    private fun Tables.holds(expected: Expectation): Boolean = when (expected) {
        is Expectation.Event -> events[expected.calendar to expected.id]?.number("revision") == expected.revision
        is Expectation.Link -> links[expected.id]?.number("generation") == expected.generation
        is Expectation.Doc -> docs[expected.space to expected.key]?.number("version") == expected.version
        is Expectation.Uid ->
            of(expected.calendar).filter { it.uid == expected.uid }.map { it.text("id") }.toSet() == expected.events.toSet()
    }

    private fun Tables.revise(calendar: String, id: String, revisions: MutableList<Revised>): Long {
        val revision = (this.revisions[calendar] ?: 0) + 1
        this.revisions[calendar] = revision
        revisions += Revised(calendar, id, revision)
        return revision
    }

    private fun Tables.apply(
        write: Write,
        revisions: MutableList<Revised>,
        versions: MutableList<Long>,
        purged: MutableList<Int>,
    ) {
        when (write) {
            is Write.PutCalendar -> calendars[write.row.text("id")!!] = write.row
            is Write.PutEvent -> events[write.calendar to write.id] = JsonObject(
                mapOf(
                    "id" to JsonPrimitive(write.id),
                    "revision" to JsonPrimitive(revise(write.calendar, write.id, revisions)),
                    "event" to write.event,
                    "modified" to JsonPrimitive(write.at.toString()),
                    "deleted" to JsonNull,
                ),
            )
            is Write.DeleteEvent -> {
                val old = events[write.calendar to write.id]
                if (old != null && old.text("deleted") == null) {
                    val revision = revise(write.calendar, write.id, revisions)
                    events[write.calendar to write.id] =
                        old.with("revision" to JsonPrimitive(revision), "deleted" to JsonPrimitive(write.at.toString()))
                }
            }
            is Write.PurgeDeleted -> events.entries.removeIf { (key, row) ->
                key.first == write.calendar && row.instant("deleted")?.let { it < write.before } == true
            }
            is Write.PutLink -> {
                val id = write.row.text("id")!!
                links[id] = write.row.with("generation" to JsonPrimitive((links[id]?.number("generation") ?: 0) + 1))
            }
            is Write.PutBase -> put(bases, write.row, "remote_id")
            is Write.DeleteBase -> bases.remove(write.link to write.remoteId)
            is Write.PutOutbox -> put(outbox, write.row, "id")
            is Write.DeleteOutbox -> outbox.remove(write.link to write.id)
            is Write.PutConflict -> record(RecordQuery.Kind.CONFLICT, write.row, "id", write.resolved)
            is Write.PutRun -> record(RecordQuery.Kind.RUN, write.row, "id", write.row.instant("started"))
            is Write.PutJournal -> record(RecordQuery.Kind.JOURNAL, write.row, "id", write.row.instant("at"))
            is Write.PutQuarantine -> record(RecordQuery.Kind.QUARANTINE, write.row, "remote_id", null)
            is Write.DeleteQuarantine -> records.remove(Triple(RecordQuery.Kind.QUARANTINE, write.link, write.remoteId))
            is Write.PurgeLog -> purged += purge(write)
            is Write.PutDoc -> {
                docVersion += 1
                versions += docVersion
                docs[write.row.text("space")!! to write.row.text("key")!!] = write.row.with("version" to JsonPrimitive(docVersion))
            }
            is Write.DeleteDoc -> docs.remove(write.space to write.key)
        }
    }

    /** A link has one row per event. */
    private fun put(table: MutableMap<Pair<String, String>, Row>, row: Row, id: String) {
        val second = { other: Row ->
            listOf("link", "event_id").all { other.text(it) == row.text(it) } && other.text(id) != row.text(id)
        }
        if (table.values.any(second)) throw StoreException.InvalidInput()
        table[row.text("link")!! to row.text(id)!!] = row
    }

    private fun Tables.record(kind: RecordQuery.Kind, row: Row, id: String, since: Instant?) {
        records[Triple(kind, row.text("link")!!, row.text(id)!!)] = Kept(row, since)
    }

    private fun Tables.purge(write: Write.PurgeLog): Int {
        val kind = when (write.log) {
            Log.RUNS -> RecordQuery.Kind.RUN
            Log.JOURNAL -> RecordQuery.Kind.JOURNAL
            Log.RESOLVED_CONFLICTS -> RecordQuery.Kind.CONFLICT
        }
        val old = records.entries
            .filter { (key, kept) -> key.first == kind && key.second == write.link && kept.since?.let { it < write.before } == true }
            .sortedWith(compareBy<Map.Entry<Triple<RecordQuery.Kind, String, String>, Kept>> { it.value.since }.thenBy(BYTES) { it.key.third })
            .take(write.limit)
            .map { it.key }
        old.forEach(records::remove)
        return old.size
    }

    override suspend fun acquireLease(name: String, holder: String, now: Instant, until: Instant): Lease = synchronized(this) {
        val lease = leases[name] ?: Holder(null, 0, now)
        val over = lease.until <= now
        if (lease.name != null && lease.name != holder && !over) return Lease.Held(lease.until)
        val epoch = if (lease.name != holder || over) lease.epoch + 1 else lease.epoch
        leases[name] = Holder(holder, epoch, until)
        Lease.Granted(LeaseToken(name, epoch))
    }

    override suspend fun releaseLease(token: LeaseToken): Unit = synchronized(this) { free(token) }

    private fun free(token: LeaseToken) {
        leases.computeIfPresent(token.name) { _, lease -> if (lease.epoch == token.epoch) lease.copy(name = null) else lease }
    }
}

/** The same, which answers together what is asked together. */
open class OneCallStore : MapStore(), StoreInOneCall {
    override suspend fun openLink(lease: LeaseRequest?, link: String, calendar: String, limit: Int): Opened {
        val token = when (val granted = lease?.let { acquireLease(it.name, it.holder, it.now, it.until) }) {
            is Lease.Held -> return Opened.Held(granted.until)
            is Lease.Granted -> granted.token
            null -> null
        }
        val state = link(link)
        val seen = state?.number("seen") ?: 0
        val edits = if (seen > 0) eventsSince(calendar, seen - 1, limit + 1) else emptyList()
        val quarantine = records(RecordQuery(RecordQuery.Kind.QUARANTINE, link, limit = limit))
        return Opened.Link(token, state, edits, quarantine, outbox(link, null, limit))
    }

    override suspend fun pairs(link: String, calendar: String, items: List<String>): Pairs {
        val bases = bases(link, By.REMOTE, items)
        return Pairs(bases, events(calendar, bases.map { it.text("event_id")!! }))
    }

    override suspend fun waiting(link: String, after: String?, limit: Int): Waiting {
        val entries = outbox(link, after, limit)
        return Waiting(entries, bases(link, By.EVENT, entries.map { it.text("event_id")!! }))
    }
}

/** Text by its bytes: strings of the virtual machine compare by UTF-16. */
val BYTES: Comparator<String> = Comparator { a, b -> a.encodeToByteArray().compareUnsigned(b.encodeToByteArray()) }

private fun ByteArray.compareUnsigned(other: ByteArray): Int = java.util.Arrays.compareUnsigned(this, other)

private fun by(column: String): Comparator<Row> = compareBy(BYTES) { it.text(column)!! }

private fun Iterable<Row>.page(column: String, after: String?, limit: Int): List<Row> =
    filter { after == null || BYTES.compare(it.text(column)!!, after) > 0 }.sortedWith(by(column)).take(limit)

private val Row.uid: String? get() = (this["event"] as JsonObject).text("uid")

fun Row.text(name: String): String? = (this[name] as? JsonPrimitive)?.contentOrNull

fun Row.number(name: String): Long? = this[name]?.jsonPrimitive?.longOrNull

fun Row.instant(name: String): Instant? = text(name)?.let(Instant::parse)

fun Row.with(vararg columns: Pair<String, JsonElement>): Row = JsonObject(this + columns)
