package io.calsync

import java.io.File
import java.time.Instant
import kotlin.test.assertEquals
import kotlin.test.assertFailsWith
import kotlin.test.assertFalse
import kotlin.test.assertTrue
import kotlinx.serialization.DeserializationStrategy
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonPrimitive
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.condition.EnabledIfEnvironmentVariable

/** `plan`, `transform` and `availability`. */
class PartsTest {
    @Serializable
    private data class Table(val cases: List<Case>, val events: Map<String, JsonElement>)

    @Serializable
    private data class Case(
        val name: String,
        val call: String,
        val args: JsonObject,
        val at: List<String>,
        val gives: List<JsonElement>,
        val fails: Boolean = false,
    )

    private val start = Instant.parse("2026-03-05T12:00:00Z")
    private val end = Instant.parse("2026-03-05T13:00:00Z")
    private val lunch = Event("a", EventBody(TimeSpan(EventTime.Utc(start), EventTime.Utc(end)), "Lunch"))

    /** The arguments of a case as values of this language. */
    private class Given(private val args: JsonObject) {
        fun <T> value(name: String, serializer: DeserializationStrategy<T>): T? =
            args[name]?.let { json.decodeFromJsonElement(serializer, it) }

        fun text(name: String) = args[name]?.jsonPrimitive?.content

        fun number(name: String) = args[name]?.jsonPrimitive?.int

        fun instant(name: String): Instant = Instant.parse(text(name))
    }

    private fun called(call: String, given: Given): JsonElement = when (call) {
        "plan" -> {
            val plan = plan(
                given.value("pairs", ListSerializer(PlanPair.serializer()))!!,
                given.value("direction", Direction.serializer()) ?: Direction.TWO_WAY,
                given.value("conflicts", ConflictPolicy.serializer()) ?: ConflictPolicy.REMOTE_WINS,
                given.value("deletions", DeletionPolicy.serializer()) ?: DeletionPolicy.KEEP_EDIT,
                given.number("guard_count"),
                given.number("guard_percent"),
                given.number("joined"),
                given.number("recent_deletions") ?: 0,
            )
            json.encodeToJsonElement(Plan.serializer(), plan)
        }
        "transform" -> {
            val copies = transformMany(
                given.value("events", ListSerializer(Event.serializer()))!!,
                given.value("pipeline", JsonObject.serializer()).toString(),
                given.value("around", Surroundings.serializer()) ?: Surroundings(),
                given.text("link") ?: "",
                given.text("uid_salt"),
            )
            json.encodeToJsonElement(ListSerializer(Copied.serializer()), copies)
        }
        else -> {
            assertEquals("availability", call)
            val free = availability(
                given.value("calendars", ListSerializer(CalendarEvents.serializer()))!!,
                given.instant("start"),
                given.instant("end"),
                given.instant("now"),
                given.value("terms", SlotTerms.serializer()) ?: SlotTerms(),
            )
            json.encodeToJsonElement(FreeAnswer.serializer(), free)
        }
    }

    /** Through the functions and values of this language: the results are those of Rust. */
    @Test
    @EnabledIfEnvironmentVariable(named = "CALSYNC_SCENARIO", matches = ".+", disabledReason = "it lies outside of this package")
    fun `every case of the table gives what is written`() {
        val table = Json.decodeFromString(Table.serializer(), File(System.getenv("CALSYNC_SCENARIO"), "parts.json").readText())
        assertTrue(table.cases.size > 10)
        for (case in table.cases) {
            val given = Given(case.args.filled(table.events) as JsonObject)
            val answer = if (case.fails) {
                val error = assertFailsWith<CalsyncException>(case.name) { called(case.call, given) }
                val code = json.encodeToJsonElement(Code.serializer(), error.code)
                JsonObject(mapOf("code" to code, "item" to JsonPrimitive(error.item)))
            } else {
                called(case.call, given)
            }
            assertEquals(case.gives, case.at.map { answer.at(it) }, case.name)
        }
    }

    @Test
    fun `a thousand are one call`() {
        val plan = plan(List(1000) { PlanPair(base = lunch, remoteGone = Evidence.REPORTED) })
        assertTrue(plan.held)
        assertEquals(setOf(Action.DELETE_LOCAL), plan.decisions.map { it.action }.toSet())
        assertEquals(1000, plan.decisions.size)
        val copies = transformMany(List(1000) { lunch }, """{"start":{"type":"bare"}}""", uidSalt = "pepper")
        assertEquals(List(1000) { "Busy" }, copies.map { it.event?.title })
        val day = Instant.parse("2026-03-05T00:00:00Z") to Instant.parse("2026-03-06T00:00:00Z")
        val free = availability(listOf(CalendarEvents("own", List(1000) { lunch })), day.first, day.second, day.first)
        assertEquals(listOf(BusyTime(start, end)), free.busy)
        assertEquals(listOf(Period(day.first, start), Period(end, day.second)), free.open)
    }

    @Test
    fun `what cannot be an argument is refused without its text`() {
        val pipeline = """{"steps":[{"name":"x","filter":{"type":"very secret"}}]}"""
        val error = assertFailsWith<CalsyncException> { transform(lunch, pipeline, uidSalt = "pepper") }
        assertEquals(Code.INVALID_INPUT, error.code)
        assertFalse("secret" in error.message!!)
    }
}
