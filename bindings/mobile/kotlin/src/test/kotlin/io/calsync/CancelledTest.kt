package io.calsync

import java.time.Instant
import kotlin.test.assertEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CoroutineStart
import kotlinx.coroutines.Deferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import org.junit.jupiter.api.Test

/** A run is cancelled at each call of its store: what is left is consistent, and the next run does the rest. */
class CancelledTest {
    /** When a run is cancelled whose store is asked something. */
    enum class When {
        /** Before it takes effect. */
        ASKED,

        /** After that, and it is never answered. */
        DONE,

        /** With the answer on its way. */
        ANSWERED,
    }

    /** Cancels the run that makes its call number [at]. */
    private class Cancelling(private val at: Int, private val cancelling: When) : MapStore() {
        @Volatile
        var run: Deferred<Report>? = null

        @Volatile
        var calls = 0

        @Volatile
        var cancelled = false

        private suspend fun <T> asked(method: suspend () -> T): T {
            val run = run
            val hit = run != null && synchronized(this) { ++calls == at }
            if (!hit) return method()
            val answer = if (cancelling == When.ASKED) null else method()
            cancelled = true
            run!!.cancel()
            @Suppress("UNCHECKED_CAST")
            return if (cancelling == When.ANSWERED) answer as T else awaitCancellation()
        }

        override suspend fun calendars() = asked { super.calendars() }

        override suspend fun events(calendar: String, ids: List<String>) = asked { super.events(calendar, ids) }

        override suspend fun eventsByUid(calendar: String, uids: List<String>) = asked { super.eventsByUid(calendar, uids) }

        override suspend fun eventsSince(calendar: String, after: Long, limit: Int) = asked { super.eventsSince(calendar, after, limit) }

        override suspend fun link(link: String) = asked { super.link(link) }

        override suspend fun bases(link: String, by: By, ids: List<String>) = asked { super.bases(link, by, ids) }

        override suspend fun baseSummaries(link: String, after: String?, limit: Int) = asked { super.baseSummaries(link, after, limit) }

        override suspend fun outbox(link: String, after: String?, limit: Int) = asked { super.outbox(link, after, limit) }

        override suspend fun records(query: RecordQuery) = asked { super.records(query) }

        override suspend fun docs(query: DocQuery) = asked { super.docs(query) }

        override suspend fun commit(batch: Batch) = asked { super.commit(batch) }

        override suspend fun acquireLease(name: String, holder: String, now: Instant, until: Instant) =
            asked { super.acquireLease(name, holder, now, until) }

        override suspend fun releaseLease(token: LeaseToken) = asked { super.releaseLease(token) }
    }

    /** An event as both sides show it. */
    private data class Shown(val uid: String?, val title: String?, val location: String? = null)

    /** Both sides at the end, and what the store still holds of the work. */
    private data class Seen(
        val here: List<Shown>,
        val there: List<Shown>,
        val elsewhere: List<Shown>,
        val bases: Int,
        val waiting: Int,
        val setAside: Int,
        val contested: Int,
    )

    /** What somebody else puts on the server. */
    private fun text(uid: String, title: String) = listOf(
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//tests//EN", "BEGIN:VEVENT", "UID:$uid", "DTSTAMP:20260105T120000Z",
        "DTSTART:20260301T090000Z", "DTEND:20260301T100000Z", "SUMMARY:$title", "END:VEVENT", "END:VCALENDAR", "",
    ).joinToString("\r\n")

    private fun String.property(name: String) = lineSequence().firstOrNull { it.startsWith("$name:") }?.drop(name.length + 1)

    private suspend fun Engine.shown() =
        events("family").map { (_, _, event) -> Shown(event.uid, event.title, event.master?.location) }.sortedBy { it.uid }

    private fun Emulator.shown() =
        items().values.map { Shown(it.property("UID"), it.property("SUMMARY"), it.property("LOCATION")) }.sortedBy { it.uid }

    private suspend fun Engine.join(emulator: Emulator) {
        putCalendar(Calendar("family", "Family"))
        connect("account", emulator.account)
        addLink("home", "family", "account", remoteCalendars("account").single().id)
    }

    /** A first sync, edits on both sides, one event edited on both, and a deletion on each side. */
    private suspend fun played(store: Cancelling): Seen = Emulator(ProviderKind.CALDAV).use { emulator ->
        var time = Instant.parse("2026-03-01T00:00:00Z")
        val hosts = Hosts(clock = { time })
        val engine = Engine(store, hosts = hosts)

        // Runs until all is done, whoever cancels it; nobody else holds the link once its lease is over.
        suspend fun sync() {
            repeat(4) {
                val inStep = supervisorScope {
                    val run = async(start = CoroutineStart.LAZY) { engine.sync("home") }
                    store.run = run
                    try {
                        run.await().inStep
                    } catch (_: CancellationException) {
                        false
                    } finally {
                        store.run = null
                    }
                }
                time = time.plusSeconds(60)
                if (inStep) return
            }
            error("it never gets in step")
        }

        suspend fun stored(uid: String) = engine.events("family").single { it.event.uid == uid }

        suspend fun edit(uid: String, change: (EventBody) -> EventBody) {
            val (id, revision, event) = stored(uid)
            engine.updateEvent("family", id, revision, event.copy(master = change(event.master!!)))
        }

        fun editThere(before: String, after: String) {
            val (id, item) = emulator.items().entries.single { before in it.value }
            emulator.put(item.replace(before, after), id)
        }

        engine.join(emulator)
        for ((uid, title) in listOf("a" to "Breakfast", "b" to "Dentist", "c" to "Choir")) engine.addEvent("family", meeting(uid, title))
        for ((uid, title) in listOf("x" to "Market", "y" to "Yoga", "z" to "Zoo")) emulator.put(text(uid, title), "$uid.ics")
        sync()
        edit("a") { it.copy(title = "Brunch") }
        edit("z") { it.copy(location = "Main street") }
        editThere("SUMMARY:Market", "SUMMARY:Fair")
        editThere("SUMMARY:Zoo", "SUMMARY:Zoo and ice")
        sync()
        stored("b").let { engine.deleteEvent("family", it.id, it.revision) }
        emulator.delete("y.ics")
        sync()
        val other = Engine(hosts = hosts)
        other.join(emulator)
        other.sync("home")
        fun every(kind: RecordQuery.Kind) = RecordQuery(kind, "home", limit = 100)
        Seen(
            engine.shown(),
            emulator.shown(),
            other.shown(),
            store.baseSummaries("home", null, 100).size,
            store.outbox("home", null, 100).size,
            store.records(every(RecordQuery.Kind.QUARANTINE)).size,
            store.records(every(RecordQuery.Kind.CONFLICT)).size,
        )
    }

    @Test
    fun `a run cancelled at any call of its store is done by the next`() = runBlocking<Unit> {
        val events = listOf(Shown("a", "Brunch"), Shown("c", "Choir"), Shown("x", "Fair"), Shown("z", "Zoo and ice", "Main street"))
        val whole = Cancelling(0, When.DONE)
        val wanted = played(whole)
        assertEquals(Seen(events, events, events, bases = 4, waiting = 0, setAside = 0, contested = 0), wanted)
        assertTrue(whole.calls > 12)
        // One way for each call, in turns. Python and Node begin with another, so that each call is cancelled in each way.
        val ways = listOf(When.ANSWERED, When.ASKED, When.DONE)
        for (at in 1..whole.calls) {
            val cancelling = ways[at % ways.size]
            val store = Cancelling(at, cancelling)
            assertEquals(wanted, played(store), "cancelled at call $at of ${whole.calls}, $cancelling")
            assertTrue(store.cancelled)
        }
    }
}
