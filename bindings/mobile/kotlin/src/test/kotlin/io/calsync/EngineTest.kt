package io.calsync

import java.time.Instant
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertIs
import kotlin.test.assertNull
import kotlin.test.assertTrue
import kotlinx.coroutines.CancellationException
import kotlinx.coroutines.CompletableDeferred
import kotlinx.coroutines.async
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.cancelAndJoin
import kotlinx.coroutines.flow.first
import kotlinx.coroutines.flow.toList
import kotlinx.coroutines.runBlocking
import kotlinx.coroutines.supervisorScope
import kotlinx.coroutines.withTimeout
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import org.junit.jupiter.api.DynamicTest
import org.junit.jupiter.api.DynamicTest.dynamicTest
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.TestFactory

/** The engine against a CalDAV server, over our stores and over one written here. */
class EngineTest {
    @Test
    fun `events go out and come into a store of the host`() = Server().use { server ->
        runBlocking {
            val one = Engine(MapStore()).join(server)
            val two = Engine().join(server)
            two.addEvent("family", meeting("a", "Breakfast"))
            assertEquals(listOf("create-remote"), two.plan("home").operations.map { it.action })
            val report = two.sync("home")
            assertEquals(1L to true, report.counts.pushed to report.inStep)
            val made = two.events("family").single().id
            val source = two.sources(listOf(made)).single()
            assertEquals(Triple(made, "home", SourceRole.SHARED), Triple(source.event, source.link, source.role))
            assertEquals(listOf(source), two.eventsOf("home"))
            val (run, change) = two.history("home").also { assertEquals(2, it.size) }
            assertEquals(HistoryKind.RUN to 1L, run.kind to run.counts?.pushed)
            assertEquals(Triple(HistoryKind.CHANGE, "remote-create", made), Triple(change.kind, change.what, change.event))
            val explained = two.explain("family", made)
            assertEquals(WayState.IN_STEP to source.item, explained.ways.single().state to explained.ways.single().remoteId)
            val sent = explained.timeline.single { it.what == MomentKind.DONE }
            assertEquals(Triple(JournalOp.REMOTE_CREATE, "it is new here", "home"), Triple(sent.op, sent.reason, sent.link))
            assertEquals(emptyList(), two.explainItem("nothing"))
            assertEquals(1, one.sync("home").counts.created)
            assertEquals(two.events("family").single().event, one.events("family").single().event)
            val (id, revision) = one.events("family").single()
            val error = assertFailsWith<CalsyncException> { one.deleteEvent("family", id, revision + 1) }
            assertEquals(Code.STORE_CONFLICT, error.code)
            one.updateEvent("family", id, revision, meeting("a", "Brunch"))
            assertEquals(1, one.sync("home").counts.pushed)
            two.sync("home")
            assertEquals(mapOf<String, String?>("a" to "Brunch"), two.titles())
            assertTrue(one.sync("home").operations.isEmpty())
        }
    }

    @Test
    fun `a mass deletion is held, approved by its hash and taken back`() = Server().use { server ->
        runBlocking {
            val one = Engine(MapStore()).join(server)
            val two = Engine(MapStore()).join(server)
            repeat(20) { one.addEvent("family", meeting("e$it", "$it")) }
            one.sync("home")
            two.sync("home")
            for ((id, revision) in one.events("family")) one.deleteEvent("family", id, revision)
            val held = one.sync("home")
            assertTrue(held.held && held.counts.held == 20L && !held.inStep)
            val done = one.sync("home", approve = held.planId)
            assertEquals(20L to held.planId, done.counts.pushed to done.answered)
            two.sync("home", approve = two.sync("home").planId)
            assertEquals(emptyMap(), two.titles())
            assertEquals(20, two.undoLast("home", 1).single().restored)
            assertEquals(20, two.sync("home").counts.pushed)
            assertTrue(RunOutcome.InStep in two.runs("home").map { it.outcome })
        }
    }

    @Test
    fun `a contested field waits and is answered`() = Server().use { server ->
        runBlocking {
            val one = Engine(MapStore()).join(server, ConflictPolicy.MANUAL)
            val two = Engine().join(server)
            one.addEvent("family", meeting("a", "Breakfast"))
            one.sync("home")
            two.sync("home")
            for ((engine, title) in listOf(one to "Brunch", two to "Lunch")) {
                val (id, revision) = engine.events("family").single()
                engine.updateEvent("family", id, revision, meeting("a", title))
            }
            two.sync("home")
            one.sync("home")
            val conflict = one.conflicts("home").single()
            val field = conflict.fields.single()
            assertEquals(listOf("Breakfast", "Brunch", "Lunch").map(::JsonPrimitive), listOf(field.base, field.local, field.remote))
            assertTrue(conflict.open)
            one.answerConflict("home", conflict.id, by = "test", fields = mapOf(field.field to Take.LOCAL))
            one.sync("home")
            two.sync("home")
            assertEquals(mapOf<String, String?>("a" to "Brunch"), two.titles())
        }
    }

    private class Odd : RuntimeException("the text may hold anything")

    @TestFactory
    fun `what a method of the host does wrong is a typed error`(): List<DynamicTest> {
        val odd = Odd()
        val error = StackOverflowError("the text may hold anything")
        val ways = listOf<Triple<String, suspend () -> List<Row>, Code>>(
            Triple("throws", { throw odd }, Code.HOST_FAILED),
            Triple("throws an error that is no exception", { throw error }, Code.HOST_FAILED),
            Triple("throws what only its own job may", { throw CancellationException("anything") }, Code.HOST_FAILED),
            Triple("has a time limit of its own", { withTimeout(1) { awaitCancellation() } }, Code.HOST_FAILED),
            Triple("gives other rows", { listOf(JsonObject(mapOf("id" to JsonPrimitive(1)))) }, Code.HOST_TYPE),
            Triple("gives null where Java lets it", { nothing() }, Code.HOST_FAILED),
            Triple("is busy", { throw StoreException.Unavailable() }, Code.STORE_UNAVAILABLE),
            Triple("does not find what was expected", { throw StoreException.Conflict(0) }, Code.STORE_CONFLICT),
        )
        return ways.map { (name, method, code) ->
            dynamicTest(name) {
                runBlocking {
                    val store = object : MapStore() {
                        override suspend fun calendars() = method()
                    }
                    val engine = Engine(store)
                    val caught = assertFailsWith<CalsyncException> { engine.calendars() }
                    assertEquals(code, caught.code)
                    if (code == Code.HOST_FAILED || code == Code.HOST_TYPE) assertEquals("store.calendars", caught.item)
                    if (name == "throws") assertEquals(odd, caught.cause)
                    assertFalse("anything" in caught.message, caught.message)
                    engine.putCalendar(Calendar("family", "Family"))
                }
            }
        }
    }

    @Suppress("UNCHECKED_CAST")
    private fun nothing(): List<Row> = (java.util.concurrent.atomic.AtomicReference<List<Row>>().get())

    @Test
    fun `a method that never answers ends with its coroutine`() = runBlocking<Unit> {
        val asked = CompletableDeferred<Unit>()
        val ended = CompletableDeferred<Unit>()
        val silent = object : MapStore() {
            override suspend fun calendars(): List<Row> = try {
                asked.complete(Unit)
                awaitCancellation()
            } finally {
                ended.complete(Unit)
            }
        }
        val engine = Engine(silent)
        val call = async { engine.calendars() }
        asked.await()
        call.cancelAndJoin()
        // The method is told, too.
        withTimeout(10_000) { ended.await() }
        engine.putCalendar(Calendar("family", "Family"))
    }

    @Test
    fun `a method that blocks for ever does not keep its caller`() = runBlocking<Unit> {
        val asked = CompletableDeferred<Unit>()
        val stuck = java.util.concurrent.CountDownLatch(1)
        val blocks = object : MapStore() {
            override suspend fun calendars(): List<Row> {
                asked.complete(Unit)
                stuck.await()
                return emptyList()
            }
        }
        val engine = Engine(blocks)
        val call = async { engine.calendars() }
        asked.await()
        withTimeout(10_000) { call.cancelAndJoin() }
        engine.putCalendar(Calendar("family", "Family"))
        stuck.countDown()
    }

    @Test
    fun `a method may use the engine`() = runBlocking<Unit> {
        lateinit var engine: Engine
        val seen = mutableListOf<String>()
        val curious = object : MapStore() {
            override suspend fun commit(batch: Batch): Receipt {
                seen += engine.calendars().map { it.id }
                return super.commit(batch)
            }
        }
        engine = Engine(curious)
        engine.putCalendar(Calendar("family", "Family"))
        engine.putCalendar(Calendar("work", "Work"))
        assertContentEquals(listOf("family"), seen)
    }

    @Test
    fun `closing ends the calls that go on`() = runBlocking<Unit> {
        val asked = CompletableDeferred<Unit>()
        val silent = object : MapStore() {
            override suspend fun calendars(): List<Row> {
                asked.complete(Unit)
                awaitCancellation()
            }
        }
        val engine = Engine(silent)
        supervisorScope {
            val call = async { engine.calendars() }
            asked.await()
            engine.close()
            val ended = assertFailsWith<CalsyncException> { call.await() }
            assertEquals(Code.CLOSED, ended.code)
        }
        assertEquals(Code.CLOSED, assertFailsWith<CalsyncException> { engine.events("family") }.code)
    }

    @Test
    fun `errors have a code and no secret`() = Server().use { server ->
        runBlocking<Unit> {
            Engine().use { engine ->
                val unknown = assertFailsWith<CalsyncException> { engine.sync("away") }
                assertEquals(Code.UNKNOWN_LINK to "away", unknown.code to unknown.item)
                assertFalse(unknown.retryable)
                assertNull(unknown.retryAfterMs)
                engine.connect("wrong", ProviderKind.CALDAV, server.url, USER, "wrong $PASSWORD", trustAddress = true)
                val refused = assertFailsWith<CalsyncException> { engine.remoteCalendars("wrong") }
                assertEquals(Code.UNAUTHORIZED, refused.code)
                assertFalse(PASSWORD in refused.stackTraceToString())
                engine.connect("outside", ProviderKind.CALDAV, server.url, USER, PASSWORD)
                assertEquals(Code.BLOCKED, assertFailsWith<CalsyncException> { engine.remoteCalendars("outside") }.code)
            }
        }
    }

    @Test
    fun `when there is time is told with how far it is known`() = runBlocking<Unit> {
        val engine = Engine()
        engine.putCalendar(Calendar("family", "Family"))
        engine.addEvent("family", meeting("a", "Breakfast"))
        val at = Instant.parse("2100-01-01T00:00:00Z")
        val terms = FreeTerms(listOf(FreeCalendar("family")), at, at.plusSeconds(3600))
        val free = engine.free(terms)
        assertEquals(listOf(Period(at, at.plusSeconds(3600))), free.open)
        assertEquals(Period(at, at.plusSeconds(1800)), free.slots.first())
        val family = free.calendars.single()
        assertEquals(Triple("family", CalendarState.CURRENT, true), Triple(family.calendar, family.state, family.coversWindow))
        assertEquals(emptyList(), free.busy)

        val hold = engine.hold(terms, at, at.plusSeconds(1800), minutes = 5)
        assertEquals(Period(at, at.plusSeconds(1800)), hold.slot)
        val visit = Event("visit", EventBody(TimeSpan(EventTime.Utc(at), EventTime.Utc(at.plusSeconds(1800)))))
        assertEquals(Code.SLOT_TAKEN, assertFailsWith<CalsyncException> { engine.book(terms, "family", visit) }.code)
        val booked = engine.book(terms, "family", visit, id = "visit-1", hold = hold.id)
        assertEquals(Booking("family", "visit-1", hold.slot), booked)
        assertEquals(listOf(BusyTime(at, at.plusSeconds(1800))), engine.free(terms).busy)
        engine.cancelBooking("family", "visit-1")
        engine.release(engine.hold(terms, at, at.plusSeconds(1800), minutes = 5))
        assertEquals(free.slots, engine.free(terms).slots)
    }

    @Test
    fun `progress is told and ends with the report`() = Server().use { server ->
        runBlocking<Unit> {
            val engine = Engine().join(server)
            repeat(10) { engine.addEvent("family", meeting("e$it", "$it")) }
            val steps = engine.syncing("home").toList()
            assertEquals(10, assertIs<SyncStep.Done>(steps.last()).report.counts.pushed)
            val told = steps.dropLast(1).map { assertIs<SyncStep.Going>(it).progress }
            assertTrue(told.any { it.step == "pushed" && it.done == it.total })
        }
    }

    @Test
    fun `who listens no more ends the run`() = Server().use { server ->
        runBlocking<Unit> {
            assertIs<SyncStep.Going>(Engine().join(server).syncing("home").first())
            val tired = Engine().join(server)
            val enough = assertFailsWith<IllegalStateException> { tired.sync("home") { error("enough") } }
            assertEquals("enough", enough.message)
            tired.putCalendar(Calendar("work", "Work"))
        }
    }
}
