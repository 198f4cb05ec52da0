package io.calsync

import java.nio.file.Files
import java.time.Duration
import java.time.Instant
import java.util.concurrent.CountDownLatch
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlin.time.Duration.Companion.milliseconds
import kotlinx.coroutines.awaitCancellation
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Test

/** Filters, transforms, resolvers and clocks written in Kotlin. */
class HostsTest {
    private val copies = """{
        "pipeline": { "start": { "type": "everything" }, "steps": [
            { "name": "mine", "filter": { "type": "host", "rule": "no-lunches", "options": { "a_word": "Lunch" } } },
            { "name": "style", "transform": { "type": "host", "rule": "shout" } } ] },
        "calendar_name": "Ada", "owner": ["ada@example.com"], "zone": "Europe/Berlin" }"""

    private fun filter(answer: suspend (EventBody, JsonObject) -> Boolean) = object : Filter {
        override val version = "1"

        override suspend fun letsThrough(body: EventBody, options: JsonObject, around: Surroundings): Boolean {
            assertEquals(Surroundings(around.calendar, "Ada", listOf("ada@example.com"), Zone.Iana("Europe/Berlin"), false), around)
            return answer(body, options)
        }
    }

    private val noLunches = filter { body, options -> options.getValue("a_word").jsonPrimitive.content !in body.title.orEmpty() }

    private val shout = object : Transform {
        override val version = "1"

        override suspend fun change(copy: EventBody, event: EventBody, options: JsonObject, around: Surroundings) =
            copy.copy(title = event.title?.uppercase(), freeBusy = FreeBusyStatus.FREE)
    }

    private suspend fun imported(filter: Filter, patience: kotlin.time.Duration = 10_000.milliseconds): Engine {
        val feed = Files.createTempFile("calsync", ".ics")
        val events = listOf(meeting("a", "Review"), meeting("b", "Lunch"))
        Files.writeString(feed, write(events, Instant.parse("2026-01-01T00:00:00Z")))
        feed.toFile().deleteOnExit()
        val hosts = Hosts(mapOf("no-lunches" to filter), mapOf("shout" to shout), patience = patience)
        val engine = Engine(hosts = hosts)
        engine.putCalendar(Calendar("family", "Family"))
        engine.connect("feed", ProviderKind.ICS, feed.toString(), trustAddress = true)
        engine.addLink("feed", "family", "feed", direction = Direction.IMPORT, copies = copies)
        return engine
    }

    @Test
    fun `rules say what is copied and what it shows`() = runBlocking<Unit> {
        imported(noLunches).use { engine ->
            engine.sync("feed")
            assertEquals(mapOf<String, String?>("a" to "REVIEW"), engine.titles())
            assertEquals(FreeBusyStatus.FREE, engine.events("family").single().event.master?.freeBusy)
        }
    }

    @Test
    fun `a rule that throws, or never answers, is named`() = runBlocking<Unit> {
        val thrown = IllegalStateException("the text may hold anything")
        val wrong = listOf(
            filter { _, _ -> throw thrown } to Code.HOST_FAILED,
            filter { _, _ -> awaitCancellation() } to Code.HOST_SILENT,
        )
        for ((filter, code) in wrong) {
            imported(filter, 50.milliseconds).use { engine ->
                val error = assertFailsWith<CalsyncException> { engine.sync("feed") }
                assertEquals(code to "filter.lets_through", error.code to error.item)
                assertTrue("anything" !in error.message)
                if (code == Code.HOST_FAILED) assertIs<IllegalStateException>(error.cause)
                assertEquals(emptyMap(), engine.titles())
            }
        }
    }

    private suspend fun contested(
        server: Server,
        resolver: Resolver,
        patience: kotlin.time.Duration = 10_000.milliseconds,
    ): Engine {
        val one = Engine(hosts = Hosts(resolver = resolver, patience = patience)).join(server, ConflictPolicy.RESOLVER)
        Engine().join(server).use { two ->
            one.addEvent("family", meeting("a", "Breakfast"))
            one.sync("home")
            two.sync("home")
            for ((engine, title) in listOf(one to "Brunch", two to "Lunch")) {
                val stored = engine.events("family").single()
                engine.updateEvent("family", stored.id, stored.revision, meeting("a", title))
            }
            two.sync("home")
        }
        return one
    }

    @Test
    fun `a resolver decides`() = runBlocking<Unit> {
        Server().use { server ->
            val ours = Resolver { conflict ->
                val seen = listOf(conflict.base, conflict.local, conflict.remote).map { it?.master?.title }
                assertEquals(listOf<String?>("Breakfast", "Brunch", "Lunch"), seen)
                conflict.fields.associateWith { Choice.LOCAL }
            }
            contested(server, ours).use { engine ->
                engine.sync("home")
                assertEquals(mapOf<String, String?>("a" to "Brunch"), engine.titles())
            }
        }
    }

    @Test
    fun `what blocks or waits for ever does not keep its caller, and is named`() = runBlocking<Unit> {
        val stuck = CountDownLatch(1)
        try {
            imported(filter { _, _ -> stuck.await(); true }, 50.milliseconds).use { engine ->
                assertSilent("filter.lets_through") { engine.sync("feed") }
            }
            Engine(hosts = Hosts(clock = { awaitCancellation() }, patience = 50.milliseconds)).use { engine ->
                assertSilent("clock.now") { engine.calendars() }
            }
            val store = object : MapStore() {
                override suspend fun calendars(): List<Row> {
                    stuck.await()
                    return emptyList()
                }
            }
            Engine(store, hosts = Hosts(storePatience = 50.milliseconds)).use { engine ->
                assertSilent("store.calendars") { engine.calendars() }
            }
        } finally {
            stuck.countDown()
        }
        Server().use { server ->
            contested(server, { awaitCancellation() }, 50.milliseconds).use { engine ->
                assertSilent("resolver.resolve") { engine.sync("home") }
            }
        }
    }

    private suspend fun assertSilent(method: String, call: suspend () -> Unit) {
        val error = assertFailsWith<CalsyncException> { call() }
        assertEquals(Code.HOST_SILENT to method, error.code to error.item)
    }

    @Test
    fun `a resolver that throws leaves it to a person`() = runBlocking<Unit> {
        Server().use { server ->
            contested(server, { throw IllegalStateException() }).use { engine ->
                val error = assertFailsWith<CalsyncException> { engine.sync("home") }
                assertEquals(Code.HOST_FAILED to "resolver.resolve", error.code to error.item)
                assertEquals(listOf(true), engine.conflicts("home").map { it.open })
            }
        }
    }

    @Test
    fun `a clock tells the time of a call, and one that throws fails it before it begins`() = runBlocking<Unit> {
        val now = Instant.parse("2030-01-01T12:00:00Z")
        Engine(hosts = Hosts(clock = { now })).use { engine ->
            engine.putCalendar(Calendar("family", "Family"))
            engine.addEvent("family", meeting("a", "Review"))
            assertTrue(Duration.between(now, engine.events("family").single().modified) < Duration.ofMinutes(1))
        }
        Engine(hosts = Hosts(clock = { throw IllegalStateException() })).use { engine ->
            val error = assertFailsWith<CalsyncException> { engine.calendars() }
            assertEquals(Code.HOST_FAILED to "clock.now", error.code to error.item)
        }
    }
}
