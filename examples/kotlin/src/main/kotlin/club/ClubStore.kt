package club

import io.calsync.Batch
import io.calsync.By
import io.calsync.DocQuery
import io.calsync.Expectation
import io.calsync.Lease
import io.calsync.LeaseEnd
import io.calsync.LeaseRequest
import io.calsync.LeaseToken
import io.calsync.Log
import io.calsync.Opened
import io.calsync.Pairs
import io.calsync.Receipt
import io.calsync.RecordQuery
import io.calsync.Revised
import io.calsync.Row
import io.calsync.StoreException
import io.calsync.StoreInOneCall
import io.calsync.Waiting
import io.calsync.Write
import io.calsync.row
import java.security.MessageDigest
import java.sql.Connection
import java.sql.DriverManager
import java.sql.PreparedStatement
import java.sql.ResultSet
import java.sql.SQLException
import java.time.Instant
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull

/**
 * A calsync store over the tables of this application, with plain JDBC on SQLite.
 *
 * `sessions` is the application's own table. It holds the event that calsync keeps in step as JSON, beside the columns the
 * application searches and one calsync never writes. The other tables are calsync's alone. What a store must promise is in
 * `docs/store-contract.md`; `ClubTest` runs the cases that check it.
 */
class ClubStore(private val connection: Connection) : StoreInOneCall {
    override suspend fun calendars(): List<Row> = rows("SELECT json FROM calsync_calendars ORDER BY id")

    override suspend fun events(calendar: String, ids: List<String>): List<Row> =
        events("calendar = ? AND id IN ${places(ids)}", calendar, *ids.toTypedArray())

    override suspend fun eventsByUid(calendar: String, uids: List<String>): List<Row> =
        events("calendar = ? AND uid_hash IN ${places(uids)}", calendar, *uids.map(::hash).toTypedArray())

    override suspend fun eventsSince(calendar: String, after: Long, limit: Int): List<Row> = since(calendar, after, limit)

    private fun since(calendar: String, after: Long, limit: Int): List<Row> =
        events("calendar = ? AND revision > ? ORDER BY revision LIMIT ?", calendar, after, limit)

    override suspend fun link(link: String): Row? = state(link)

    private fun state(link: String): Row? = rows("SELECT json FROM calsync_links WHERE id = ?", link).firstOrNull()

    override suspend fun bases(link: String, by: By, ids: List<String>): List<Row> {
        val column = if (by == By.REMOTE) "remote_id" else "event_id"
        val query = "SELECT json FROM calsync_bases WHERE link = ? AND $column IN ${places(ids)}"
        return rows(query, link, *ids.toTypedArray())
    }

    override suspend fun baseSummaries(link: String, after: String?, limit: Int): List<Row> =
        page("calsync_bases", "remote_id", after, limit, "link" to link)

    override suspend fun outbox(link: String, after: String?, limit: Int): List<Row> = waits(link, after, limit)

    private fun waits(link: String, after: String?, limit: Int): List<Row> =
        page("calsync_outbox", "id", after, limit, "link" to link)

    override suspend fun records(query: RecordQuery): List<Row> {
        val narrow = query.kind == RecordQuery.Kind.CONFLICT || query.kind == RecordQuery.Kind.JOURNAL
        val narrowed = listOf("event_id" to query.event, "run" to query.run).filter { narrow && it.second != null }
        val wanted = listOf("kind" to query.kind.name, "link" to query.link) + narrowed
        return page("calsync_records", "id", query.after, query.limit, *wanted.toTypedArray())
    }

    override suspend fun docs(query: DocQuery): List<Row> {
        val of = "SELECT json FROM calsync_docs WHERE space = ?"
        return when (query) {
            is DocQuery.Keys -> rows("$of AND key IN ${places(query.keys)}", query.space, *query.keys.toTypedArray())
            is DocQuery.Page -> page("calsync_docs", "key", query.after, query.limit, "space" to query.space)
            is DocQuery.Due -> rows("$of AND due <= ? ORDER BY due, key LIMIT ?", query.space, sortable(query.at), query.limit)
        }
    }

    // What calsync always asks together, in one call each. A store that is only a `Store` is asked the reads above one by one.

    override suspend fun openLink(lease: LeaseRequest?, link: String, calendar: String, limit: Int): Opened = transaction {
        val token = when (val granted = lease?.let { grant(it.name, it.holder, it.now, it.until) }) {
            is Lease.Held -> return@transaction Opened.Held(granted.until)
            is Lease.Granted -> granted.token
            null -> null
        }
        val state = state(link)
        val seen = state?.text("seen")?.toLong() ?: 0
        val edits = if (seen > 0) since(calendar, seen - 1, limit + 1) else emptyList()
        val quarantine = page("calsync_records", "id", null, limit, "kind" to RecordQuery.Kind.QUARANTINE.name, "link" to link)
        Opened.Link(token, state, edits, quarantine, waits(link, null, limit))
    }

    override suspend fun pairs(link: String, calendar: String, items: List<String>): Pairs {
        val mine = "FROM calsync_bases WHERE link = ? AND remote_id IN ${places(items)}"
        val keys = arrayOf(link, *items.toTypedArray())
        val events = events("calendar = ? AND id IN (SELECT event_id $mine)", calendar, *keys)
        return Pairs(rows("SELECT json $mine", *keys), events)
    }

    override suspend fun waiting(link: String, after: String?, limit: Int): Waiting {
        val entries = outbox(link, after, limit)
        return Waiting(entries, bases(link, By.EVENT, entries.mapNotNull { it.text("event_id") }))
    }

    override suspend fun commit(batch: Batch): Receipt = transaction {
        batch.lease?.let { lease ->
            val current = "SELECT 1 FROM calsync_leases WHERE name = ? AND epoch = ? AND holder IS NOT NULL"
            if (number(current, lease.name, lease.epoch) == null) throw StoreException.Fenced()
        }
        batch.expect.forEachIndexed { place, expected -> if (!holds(expected)) throw StoreException.Conflict(place) }
        val revisions = mutableListOf<Revised>()
        val versions = mutableListOf<Long>()
        val purged = mutableListOf<Int>()
        for (write in batch.writes) {
            when (write) {
                is Write.PutEvent -> revisions += putEvent(write)
                is Write.DeleteEvent -> deleteEvent(write)?.let { revisions += it }
                is Write.PutDoc -> versions += putDoc(write.row)
                is Write.PurgeLog -> purged += purge(write)
                else -> write(write)
            }
        }
        if (batch.leaseEnd == LeaseEnd.GIVEN_BACK) batch.lease?.let(::free)
        Receipt(revisions, versions, purged, leaseEnd = batch.leaseEnd)
    }

    private fun holds(expected: Expectation): Boolean = when (expected) {
        is Expectation.Event ->
            number("SELECT revision FROM sessions WHERE calendar = ? AND id = ?", expected.calendar, expected.id) == expected.revision
        is Expectation.Link -> generation(expected.id) == expected.generation
        is Expectation.Doc ->
            number("SELECT version FROM calsync_docs WHERE space = ? AND key = ?", expected.space, expected.key) == expected.version
        is Expectation.Uid -> {
            val query = "SELECT id FROM sessions WHERE calendar = ? AND uid_hash = ?"
            val found = query(query, expected.calendar, hash(expected.uid)) { it.getString(1) }
            found.toSet() == expected.events.toSet()
        }
    }

    private fun generation(link: String): Long? = number("SELECT generation FROM calsync_links WHERE id = ?", link)

    /** Counts on in the transaction: what is rolled back was never counted. */
    private fun next(name: String): Long {
        val count = "INSERT INTO calsync_counters (name, last) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET last = last + 1"
        update(count, name)
        return number("SELECT last FROM calsync_counters WHERE name = ?", name) ?: error("it was just written")
    }

    /** Updates the row where there is one: columns of the application's own stay as they are. */
    private fun putEvent(write: Write.PutEvent): Revised {
        val revised = Revised(write.calendar, write.id, next("calendar ${write.calendar}"))
        val master = write.event["master"] as? JsonObject
        update(
            """INSERT INTO sessions (calendar, id, title, day, uid_hash, revision, modified, deleted, event)
               VALUES (?, ?, ?, ?, ?, ?, ?, NULL, ?)
               ON CONFLICT (calendar, id) DO UPDATE SET title = excluded.title, day = excluded.day, uid_hash = excluded.uid_hash,
                 revision = excluded.revision, modified = excluded.modified, deleted = NULL, event = excluded.event""",
            write.calendar, write.id, master?.text("title"), day(master), hash(write.uid), revised.revision,
            write.at.toString(), write.event.toString(),
        )
        return revised
    }

    private fun deleteEvent(write: Write.DeleteEvent): Revised? {
        val living = "SELECT 1 FROM sessions WHERE calendar = ? AND id = ? AND deleted IS NULL"
        number(living, write.calendar, write.id) ?: return null
        val revised = Revised(write.calendar, write.id, next("calendar ${write.calendar}"))
        val change = "UPDATE sessions SET deleted = ?, revision = ? WHERE calendar = ? AND id = ?"
        update(change, write.at.toString(), revised.revision, write.calendar, write.id)
        return revised
    }

    private fun putDoc(row: Row): Long {
        val version = next("docs")
        val due = row.text("due")?.let { sortable(Instant.parse(it)) }
        val kept = JsonObject(row + ("version" to JsonPrimitive(version)))
        put("calsync_docs", kept, "space" to row.text("space"), "key" to row.text("key"), more = listOf("version" to version, "due" to due))
        return version
    }

    private fun purge(write: Write.PurgeLog): Int {
        val kind = when (write.log) {
            Log.RUNS -> RecordQuery.Kind.RUN
            Log.JOURNAL -> RecordQuery.Kind.JOURNAL
            Log.RESOLVED_CONFLICTS -> RecordQuery.Kind.CONFLICT
        }
        val mine = arrayOf(kind.name, write.link)
        val oldest = "SELECT id FROM calsync_records WHERE kind = ? AND link = ? AND aged < ? ORDER BY aged, id LIMIT ?"
        val purge = "DELETE FROM calsync_records WHERE kind = ? AND link = ? AND id IN ($oldest)"
        return update(purge, *mine, *mine, sortable(write.before), write.limit)
    }

    private fun write(write: Write) {
        when (write) {
            is Write.PutCalendar -> put("calsync_calendars", write.row, "id" to write.row.text("id"))
            is Write.PurgeDeleted -> {
                val query = "SELECT id, deleted FROM sessions WHERE calendar = ? AND deleted IS NOT NULL"
                query(query, write.calendar) { it.getString(1) to Instant.parse(it.getString(2)) }
                    .filter { (_, deleted) -> deleted < write.before }
                    .forEach { (id, _) -> delete("sessions", "calendar" to write.calendar, "id" to id) }
            }
            is Write.PutLink -> {
                val id = write.row.text("id")
                val generation = (generation(id.orEmpty()) ?: 0) + 1
                val row = JsonObject(write.row + ("generation" to JsonPrimitive(generation)))
                put("calsync_links", row, "id" to id, more = listOf("generation" to generation))
            }
            is Write.PutBase -> put(
                "calsync_bases", write.row, "link" to write.row.text("link"), "remote_id" to write.row.text("remote_id"),
                more = listOf("event_id" to write.row.text("event_id")),
            )
            is Write.DeleteBase -> delete("calsync_bases", "link" to write.link, "remote_id" to write.remoteId)
            is Write.PutOutbox -> put(
                "calsync_outbox", write.row, "link" to write.row.text("link"), "id" to write.row.text("id"),
                more = listOf("event_id" to write.row.text("event_id")),
            )
            is Write.DeleteOutbox -> delete("calsync_outbox", "link" to write.link, "id" to write.id)
            is Write.PutConflict -> record(RecordQuery.Kind.CONFLICT, write.row, write.resolved)
            is Write.PutRun -> record(RecordQuery.Kind.RUN, write.row, write.row.text("started")?.let(Instant::parse))
            is Write.PutJournal -> record(RecordQuery.Kind.JOURNAL, write.row, write.row.text("at")?.let(Instant::parse))
            is Write.PutQuarantine -> record(RecordQuery.Kind.QUARANTINE, write.row, null, "remote_id")
            is Write.DeleteQuarantine -> delete(
                "calsync_records", "kind" to RecordQuery.Kind.QUARANTINE.name, "link" to write.link, "id" to write.remoteId,
            )
            is Write.DeleteDoc -> delete("calsync_docs", "space" to write.space, "key" to write.key)
            is Write.PutEvent, is Write.DeleteEvent, is Write.PutDoc, is Write.PurgeLog -> error("commit writes these")
        }
    }

    private fun record(kind: RecordQuery.Kind, row: Row, aged: Instant?, id: String = "id") = put(
        "calsync_records", row, "kind" to kind.name, "link" to row.text("link"), "id" to row.text(id),
        more = listOf("event_id" to row.text("event_id"), "run" to row.text("run"), "aged" to aged?.let(::sortable)),
    )

    override suspend fun acquireLease(name: String, holder: String, now: Instant, until: Instant): Lease =
        transaction { grant(name, holder, now, until) }

    private fun grant(name: String, holder: String, now: Instant, until: Instant): Lease {
        val query = "SELECT holder, epoch, until FROM calsync_leases WHERE name = ?"
        val lease = query(query, name) { Triple(it.getString(1), it.getLong(2), Instant.parse(it.getString(3))) }.firstOrNull()
        val (held, epoch, end) = lease ?: Triple(null, 0L, now)
        val over = end <= now
        if (held != null && held != holder && !over) return Lease.Held(end)
        val next = if (held != holder || over) epoch + 1 else epoch
        val put = """INSERT INTO calsync_leases (name, holder, epoch, until) VALUES (?, ?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch, until = excluded.until"""
        update(put, name, holder, next, until.toString())
        return Lease.Granted(LeaseToken(name, next))
    }

    override suspend fun releaseLease(token: LeaseToken): Unit = transaction { free(token) }

    private fun free(token: LeaseToken) {
        update("UPDATE calsync_leases SET holder = NULL WHERE name = ? AND epoch = ?", token.name, token.epoch)
    }

    /** Rows by a column. Names of tables and columns are written in this file, values never are. */
    private fun page(table: String, by: String, after: String?, limit: Int, vararg wanted: Pair<String, Any?>): List<Row> {
        val where = wanted.joinToString(" AND ") { "${it.first} = ?" } + if (after == null) "" else " AND $by > ?"
        val values = wanted.map { it.second } + listOfNotNull(after) + limit
        return rows("SELECT json FROM $table WHERE $where ORDER BY $by LIMIT ?", *values.toTypedArray())
    }

    private fun events(where: String, vararg values: Any?): List<Row> {
        val text = "SELECT id, revision, event, modified, deleted FROM sessions WHERE $where"
        return query(text, *values) {
            val parts = mapOf<String, JsonElement>(
                "id" to JsonPrimitive(it.getString(1)),
                "revision" to JsonPrimitive(it.getLong(2)),
                "event" to row(it.getString(3)),
                "modified" to JsonPrimitive(it.getString(4)),
                "deleted" to (it.getString(5)?.let(::JsonPrimitive) ?: JsonNull),
            )
            JsonObject(parts)
        }
    }

    /** Replaces the whole row. A pair that would not be unique is refused, not replaced: hence no INSERT OR REPLACE. */
    private fun put(table: String, row: Row, vararg key: Pair<String, Any?>, more: List<Pair<String, Any?>> = emptyList()) {
        delete(table, *key)
        val columns = key.toList() + more + ("json" to row.toString())
        val names = columns.joinToString { it.first }
        update("INSERT INTO $table ($names) VALUES ${places(columns)}", *columns.map { it.second }.toTypedArray())
    }

    private fun delete(table: String, vararg key: Pair<String, Any?>) {
        update("DELETE FROM $table WHERE ${key.joinToString(" AND ") { "${it.first} = ?" }}", *key.map { it.second }.toTypedArray())
    }

    private fun rows(text: String, vararg values: Any?): List<Row> = query(text, *values) { row(it.getString(1)) }

    private fun number(text: String, vararg values: Any?): Long? = query(text, *values) { it.getLong(1) }.firstOrNull()

    // One connection, which several calls share: each statement, and each transaction, has it for itself.

    private fun <T> query(text: String, vararg values: Any?, read: (ResultSet) -> T): List<T> = prepared(text, values) { statement ->
        statement.executeQuery().use { found -> buildList { while (found.next()) add(read(found)) } }
    }

    private fun update(text: String, vararg values: Any?): Int = prepared(text, values) { it.executeUpdate() }

    /** What calsync has to know about an error of the database is said in its words, also of a read. */
    private fun <T> prepared(text: String, values: Array<out Any?>, work: (PreparedStatement) -> T): T = synchronized(connection) {
        try {
            connection.prepareStatement(text).use { statement ->
                values.forEachIndexed { place, value -> statement.setObject(place + 1, value) }
                work(statement)
            }
        } catch (error: SQLException) {
            throw typed(error)
        }
    }

    /**
     * All of it or nothing, begun as a writer: what is expected stays so until the end. The transaction is made of statements,
     * because the driver's way does not survive a database that is busy: `autoCommit = false` is noted before its BEGIN fails, so that
     * the next transaction would be none, and `commit()` begins another one at once.
     */
    private fun <T> transaction(work: () -> T): T = synchronized(connection) {
        update("BEGIN IMMEDIATE")
        try {
            work().also { update("COMMIT") }
        } catch (error: Throwable) {
            // After some errors SQLite has rolled back itself, and refuses to do it again: the first error is the one to tell.
            runCatching { update("ROLLBACK") }.onFailure(error::addSuppressed)
            throw error
        }
    }

    companion object {
        /** The database in a file, or `:memory:`, with its tables. */
        fun connect(file: String): Connection {
            val url = "jdbc:sqlite:$file?journal_mode=WAL&busy_timeout=5000"
            val connection = DriverManager.getConnection(url)
            connection.createStatement().use { statement ->
                for (table in TABLES.split(";").filter { it.isNotBlank() }) statement.executeUpdate(table)
            }
            return connection
        }
    }
}

private const val BUSY = 5
private const val LOCKED = 6
private const val IO_ERROR = 10
private const val FULL = 13
private const val CANNOT_OPEN = 14
private const val CONSTRAINT = 19

private fun typed(error: SQLException): Exception = when (error.errorCode and 0xff) {
    BUSY, LOCKED, IO_ERROR, CANNOT_OPEN -> StoreException.Unavailable(error)
    FULL -> StoreException.Full(error)
    CONSTRAINT -> StoreException.InvalidInput(error)
    else -> error
}

private fun places(values: Collection<*>): String = values.joinToString(prefix = "(", postfix = ")") { "?" }

private fun Row.text(name: String): String? = (this[name] as? JsonPrimitive)?.contentOrNull

private fun hash(uid: String): String =
    MessageDigest.getInstance("SHA-256").digest(uid.encodeToByteArray()).joinToString("") { "%02x".format(it) }

/** An instant as text that sorts: seconds, all positive and of one length, and nanoseconds. */
private fun sortable(instant: Instant): String = "%014d.%09d".format(instant.epochSecond + 10_000_000_000_000, instant.nano)

/** The day an event begins, in its own zone. */
private fun day(master: JsonObject?): String? {
    val start = ((master?.get("time") as? JsonObject)?.get("start") as? JsonObject)?.values?.firstOrNull()
    val text = (start as? JsonObject)?.text("local") ?: (start as? JsonPrimitive)?.contentOrNull
    return text?.take("2026-05-04".length)
}

private const val TABLES = """
CREATE TABLE IF NOT EXISTS sessions (
  calendar TEXT NOT NULL,
  id       TEXT NOT NULL,
  title    TEXT,
  day      TEXT,
  coach    TEXT,                -- the application's own: calsync never writes it
  uid_hash TEXT NOT NULL,       -- a UID may be longer than an index should hold
  revision INTEGER NOT NULL,
  modified TEXT NOT NULL,
  deleted  TEXT,
  event    TEXT NOT NULL,
  PRIMARY KEY (calendar, id)
);
CREATE INDEX IF NOT EXISTS sessions_by_uid ON sessions (calendar, uid_hash);
CREATE UNIQUE INDEX IF NOT EXISTS sessions_by_revision ON sessions (calendar, revision);
CREATE TABLE IF NOT EXISTS calsync_calendars (id TEXT PRIMARY KEY, json TEXT NOT NULL);
-- The last revision of each calendar, the last version of a document: they outlive the rows they counted.
CREATE TABLE IF NOT EXISTS calsync_counters (name TEXT PRIMARY KEY, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS calsync_links (id TEXT PRIMARY KEY, generation INTEGER NOT NULL, json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS calsync_bases (
  link TEXT NOT NULL, remote_id TEXT NOT NULL, event_id TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (link, remote_id), UNIQUE (link, event_id)
);
CREATE TABLE IF NOT EXISTS calsync_outbox (
  link TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT NOT NULL, json TEXT NOT NULL,
  PRIMARY KEY (link, id), UNIQUE (link, event_id)
);
-- Conflicts, quarantined items, runs and the journal, where 'aged' is from when a row may be purged.
CREATE TABLE IF NOT EXISTS calsync_records (
  kind TEXT NOT NULL, link TEXT NOT NULL, id TEXT NOT NULL, event_id TEXT, run TEXT, aged TEXT, json TEXT NOT NULL,
  PRIMARY KEY (kind, link, id)
);
CREATE INDEX IF NOT EXISTS calsync_records_by_age ON calsync_records (kind, link, aged);
CREATE TABLE IF NOT EXISTS calsync_docs (
  space TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, due TEXT, json TEXT NOT NULL,
  PRIMARY KEY (space, key)
);
CREATE INDEX IF NOT EXISTS calsync_docs_by_due ON calsync_docs (space, due);
CREATE TABLE IF NOT EXISTS calsync_leases (name TEXT PRIMARY KEY, holder TEXT, epoch INTEGER NOT NULL, until TEXT NOT NULL);
"""
