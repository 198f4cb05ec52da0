package io.calsync

import java.time.ZoneId
import java.time.ZonedDateTime
import java.time.temporal.ChronoUnit
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertNotEquals
import kotlin.test.assertTrue
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.Test
import org.junit.jupiter.params.ParameterizedTest
import org.junit.jupiter.params.provider.EnumSource

/** Providers on this machine, for the tests of hosts. */
class EmulatorTest {
    private suspend fun Engine.join(emulator: Emulator) {
        putCalendar(Calendar("family", "Family"))
        connect("account", emulator.account)
        addLink("home", "family", "account", remoteCalendars("account").single().id)
    }

    private fun Emulator.find(title: String): Map.Entry<String, String> = items().entries.single { title in it.value }

    @ParameterizedTest
    @EnumSource(ProviderKind::class)
    fun `it wants its secret, and ends`(kind: ProviderKind) = runBlocking<Unit> {
        Engine().use { engine ->
            val emulator = Emulator(kind, secret = "never shown")
            assertFalse("never shown" in emulator.account.toString())
            engine.connect("stranger", emulator.account.copy(secret = "another"))
            // A feed is asked for when it is read, and not before.
            engine.putCalendar(Calendar("family", "Family"))
            val refused = assertFailsWith<CalsyncException> { engine.link("stranger", "strange").sync("strange") }
            assertEquals(Code.UNAUTHORIZED, refused.code)
            engine.connect("account", emulator.account)
            engine.link("account", "home").sync("home")
            emulator.close()
            assertTrue(assertFailsWith<CalsyncException> { engine.sync("home") }.retryable)
            assertEquals(Code.CLOSED, assertFailsWith<CalsyncException> { emulator.items() }.code)
        }
    }

    private suspend fun Engine.link(connection: String, link: String) = apply {
        addLink(link, "family", connection, remoteCalendars(connection).single().id, direction = Direction.IMPORT)
    }

    @ParameterizedTest
    @EnumSource(ProviderKind::class, names = ["CALDAV", "GOOGLE", "MICROSOFT"])
    fun `two hosts meet at one, and somebody else acts there`(kind: ProviderKind) = runBlocking<Unit> {
        val one = Engine()
        val two = Engine()
        val emulator = Emulator(kind)
        one.join(emulator)
        two.join(emulator)
        one.addEvent("family", meeting("a@example.com", "Breakfast"))
        one.addEvent("family", meeting("b@example.com", "Dentist"))
        assertEquals(2, one.sync("home").counts.pushed)
        assertEquals(2, two.sync("home").counts.created)
        val (breakfast, item) = emulator.find("Breakfast")
        assertEquals(breakfast, emulator.put(item.replace("Breakfast", "Brunch"), breakfast))
        val dentist = emulator.find("Dentist").key
        emulator.delete(dentist)
        val counts = one.sync("home").counts
        assertEquals(1L to 1L, counts.updated to counts.deleted)
        assertEquals(listOf("Brunch"), one.titles().values.toList())
        val copy = emulator.find("Brunch").value.replace("Brunch", "Lunch").replace("a@example.com", "c@example.com")
        assertNotEquals(breakfast, emulator.put(copy))
        assertEquals(2, emulator.items().size)
        emulator.tell("fault status=503")
        assertEquals(Code.UNAVAILABLE, assertFailsWith<CalsyncException> { one.sync("home") }.code)
        for (wrong in listOf({ emulator.delete(dentist) }, { emulator.tell("fault teapot") })) {
            assertEquals(Code.INVALID_INPUT, assertFailsWith<CalsyncException> { wrong() }.code)
        }
        emulator.close()
        one.close()
        two.close()
    }

    @Test
    fun `a feed is read`() = runBlocking<Unit> {
        Emulator(ProviderKind.ICS).use { emulator ->
            val engine = Engine()
            engine.putCalendar(Calendar("family", "Family"))
            engine.connect("account", emulator.account)
            engine.link("account", "home")
            assertEquals(0, engine.sync("home").counts.created)
            val event = listOf("UID:a", "DTSTAMP:20260105T120000Z", "DTSTART:20260301T090000Z", "SUMMARY:Breakfast")
            val lines = (listOf("BEGIN:VEVENT") + event + listOf("END:VEVENT", "END:VCALENDAR")).joinToString("\r\n")
            val feed = emulator.items().getValue("calendar.ics").replace("END:VCALENDAR", lines)
            assertEquals("calendar.ics", emulator.put(feed))
            assertEquals(1, engine.sync("home").counts.created)
            emulator.put(feed.replace("Breakfast", "Brunch"))
            assertEquals(1, engine.sync("home").counts.updated)
            assertEquals(mapOf<String, String?>("a" to "Brunch"), engine.titles())
            val wrong = listOf({ emulator.put(feed, "another.ics") }, { emulator.delete("calendar.ics") }, { emulator.tell("fault status=503") })
            for (call in wrong) assertEquals(Code.INVALID_INPUT, assertFailsWith<CalsyncException> { call() }.code)
            engine.close()
        }
    }

    @Test
    fun `a household at Cozi`() = runBlocking<Unit> {
        Emulator(ProviderKind.COZI).use { emulator ->
            val engine = Engine()
            engine.join(emulator)
            // Only the months around the current one are read there.
            val start = ZonedDateTime.now(ZoneId.of("Europe/Berlin")).truncatedTo(ChronoUnit.HOURS).plusDays(2)
            engine.addEvent("family", Event("a", EventBody(TimeSpan.of(start, start.plusHours(1)), title = "Breakfast")))
            assertEquals(1, engine.sync("home").counts.pushed)
            val (id, item) = emulator.find("Breakfast")
            emulator.put(item.replace("Breakfast", "Brunch"), id)
            assertEquals(1, engine.sync("home").counts.updated)
            assertEquals(listOf("Brunch"), engine.titles().values.toList())
            emulator.delete(id)
            assertEquals(1, engine.sync("home").counts.deleted)
            engine.close()
        }
    }
}
