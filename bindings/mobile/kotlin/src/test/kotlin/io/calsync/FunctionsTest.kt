package io.calsync

import java.time.Instant
import java.time.LocalDate
import java.time.LocalDateTime
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertIs
import kotlin.test.assertTrue
import kotlinx.serialization.json.JsonObject
import org.junit.jupiter.api.Test

private const val TEXT = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\nBEGIN:VEVENT\r\nUID:a\r\n" +
    "DTSTAMP:20260101T000000Z\r\nDTSTART;TZID=Europe/Berlin:20260327T090000\r\nDURATION:PT1H\r\n" +
    "RRULE:FREQ=DAILY;COUNT=4\r\nSUMMARY:Stand-up\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"

/** What needs neither engine nor store. */
class FunctionsTest {
    private val event = parse(TEXT).events.single()

    @Test
    fun `a text is read, changed and written`() {
        assertEquals(listOf("FREQ=DAILY;COUNT=4"), event.rules)
        val renamed = event.copy(master = event.master!!.copy(title = "Daily"))
        assertEquals(TEXT.replace("Stand-up", "Daily"), patch(TEXT, renamed))
        assertEquals(listOf(Field("title")), diff(event, renamed))
        val written = write(listOf(renamed), Instant.parse("2026-01-02T03:04:05Z"))
        assertTrue("DTSTAMP:20260102T030405Z" in written)
        assertEquals(renamed.copy(uidOrigin = event.uidOrigin), parse(written).events.single())
        assertEquals(renamed, merge(Versions(event, event, renamed)).local)
    }

    @Test
    fun `a window has the instances that overlap it`() {
        val expansion = expand(event, Instant.parse("2026-03-28T00:00:00Z"), Instant.parse("2026-03-30T00:00:00Z"))
        assertEquals(listOf("20260328T080000Z", "20260329T070000Z"), expansion.instances.map { it.id })
        val start = assertIs<EventTime.Zoned>(expansion.instances.first().time.start)
        assertEquals(LocalDateTime.of(2026, 3, 28, 9, 0) to Zone.Iana("Europe/Berlin"), start.local to start.zone)
    }

    @Test
    fun `one that cannot be read stops no other`() {
        val (bad, good) = parseMany(listOf("no calendar", TEXT))
        assertEquals(Code.NOT_I_CALENDAR, assertIs<CalsyncException>(bad.exceptionOrNull()).code)
        assertEquals("a", good.getOrThrow().events.single().uid)
        assertEquals(Code.NOT_I_CALENDAR, assertFailsWith<CalsyncException> { parse("no calendar") }.code)
    }

    @Test
    fun `every form of a time, an override and a trigger comes back as it was`() {
        val zone = json.parseToJsonElement("""{"tzid":"Mine","observances":[]}""") as JsonObject
        val local = LocalDateTime.of(2026, 10, 25, 2, 30, 0, 5)
        val times = listOf(
            EventTime.AllDay(LocalDate.of(2026, 5, 1)),
            EventTime.Floating(local),
            EventTime.Zoned(local, Zone.Iana("Europe/Berlin"), Fold.SECOND),
            EventTime.Zoned(local, Zone.Defined(zone)),
            EventTime.Utc(Instant.parse("+10000-01-01T00:00:00.000000001Z")),
        )
        for (time in times) {
            val text = json.encodeToString(EventTime.serializer(), time)
            assertEquals(time, json.decodeFromString(EventTime.serializer(), text), text)
        }
        val body = event.master!!.copy(
            alarms = listOf(Alarm(Trigger.Offset(-600, RelativeTo.END)), Alarm(Trigger.Absolute(Instant.EPOCH), AlarmAction.AUDIO)),
            participants = listOf(Participant("ada@example.com", role = Role.CHAIR, expectReply = true)),
            categories = setOf("a", "b"),
        )
        val whole = event.copy(
            overrides = mapOf(
                "20260328T080000Z" to Override.Excluded,
                "20260401T070000Z" to Override.Added(times[0]),
                "20260329T070000Z" to Override.Changed(body, OverrideScope.THIS_AND_FUTURE),
            ),
            lineage = Lineage("b", Descent.COPY),
        )
        // Through the native part, which reads every field of it.
        assertEquals(whole, merge(Versions(whole, whole, whole)).local)
    }
}
