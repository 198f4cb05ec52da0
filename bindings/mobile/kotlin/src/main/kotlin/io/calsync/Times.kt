package io.calsync

import java.time.DateTimeException
import java.time.Instant
import java.time.LocalDate
import java.time.LocalDateTime
import java.time.ZoneId
import java.time.ZonedDateTime
import java.time.format.DateTimeFormatter
import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException
import kotlinx.serialization.descriptors.PrimitiveKind
import kotlinx.serialization.descriptors.PrimitiveSerialDescriptor
import kotlinx.serialization.descriptors.SerialDescriptor
import kotlinx.serialization.encoding.Decoder
import kotlinx.serialization.encoding.Encoder
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put

/** A time of an event: one of the four forms of RFC 5545. */
@Serializable(with = EventTimeJson::class)
sealed interface EventTime {
    /** A whole day, the same in every zone. */
    data class AllDay(val date: LocalDate) : EventTime

    /** A wall-clock time in whatever zone the reader is in. */
    data class Floating(val local: LocalDateTime) : EventTime

    /** A wall-clock time in a zone. [fold] says which one, when clocks go back and it happens twice. */
    data class Zoned(val local: LocalDateTime, val zone: Zone, val fold: Fold = Fold.FIRST) : EventTime {
        constructor(local: LocalDateTime, zone: ZoneId) : this(local, Zone.Iana(zone.id))
    }

    /** An instant. */
    data class Utc(val instant: Instant) : EventTime

    companion object {
        /** The wall-clock time of [time] in its zone. */
        fun of(time: ZonedDateTime): EventTime {
            val fold = if (time == time.withEarlierOffsetAtOverlap()) Fold.FIRST else Fold.SECOND
            return Zoned(time.toLocalDateTime(), Zone.Iana(time.zone.id), fold)
        }
    }
}

/** A zone of the IANA database, or one that only a file defines. */
@Serializable(with = ZoneJson::class)
sealed interface Zone {
    /** A zone by its name, such as `Europe/Berlin`. */
    data class Iana(val name: String) : Zone

    /** The zone of a file, with its rules as they were read. */
    data class Defined(val definition: JsonObject) : Zone {
        /** Its name in the file. */
        val tzid: String get() = definition.getValue("tzid").jsonPrimitive.content
    }
}

/** From the start up to, not including, the end: for dates the day after the last day. */
@Serializable
data class TimeSpan(val start: EventTime, val end: EventTime) {
    companion object {
        /** The whole days from [first] to [last]. */
        fun days(first: LocalDate, last: LocalDate = first): TimeSpan =
            TimeSpan(EventTime.AllDay(first), EventTime.AllDay(last.plusDays(1)))

        /** The wall-clock times of [start] and [end] in their zones. */
        fun of(start: ZonedDateTime, end: ZonedDateTime): TimeSpan = TimeSpan(EventTime.of(start), EventTime.of(end))
    }
}

internal fun LocalDateTime.text(): String = format(DateTimeFormatter.ISO_LOCAL_DATE_TIME)

/** A value that is text in JSON. */
internal open class Text<T>(name: String, private val write: (T) -> String, private val read: (String) -> T) : KSerializer<T> {
    override val descriptor: SerialDescriptor = PrimitiveSerialDescriptor("io.calsync.$name", PrimitiveKind.STRING)

    override fun serialize(encoder: Encoder, value: T) = encoder.encodeString(write(value))

    override fun deserialize(decoder: Decoder): T = try {
        read(decoder.decodeString())
    } catch (error: DateTimeException) {
        throw SerializationException("not a time", error)
    }
}

internal object InstantText : Text<Instant>("Instant", Instant::toString, Instant::parse)

/** A value that is put together out of JSON by hand. */
internal open class Shaped<T>(private val write: (T) -> JsonElement, private val read: (JsonElement) -> T) : KSerializer<T> {
    override val descriptor: SerialDescriptor get() = JsonElement.serializer().descriptor

    override fun serialize(encoder: Encoder, value: T) = encoder.encodeSerializableValue(JsonElement.serializer(), write(value))

    override fun deserialize(decoder: Decoder): T {
        val value = decoder.decodeSerializableValue(JsonElement.serializer())
        return try {
            read(value)
        } catch (error: DateTimeException) {
            throw SerializationException("not a time", error)
        } catch (error: NoSuchElementException) {
            throw SerializationException("a value has the wrong form", error)
        }
    }
}

/** The only entry of an object: the word that says which variant, and its content. */
internal fun variant(value: JsonElement): Pair<String, JsonElement> = value.jsonObject.entries.single().toPair()

internal object ZoneJson : Shaped<Zone>(
    { zone ->
        when (zone) {
            is Zone.Iana -> JsonPrimitive(zone.name)
            is Zone.Defined -> zone.definition
        }
    },
    { value -> if (value is JsonObject) Zone.Defined(value) else Zone.Iana(value.jsonPrimitive.content) },
)

internal object EventTimeJson : Shaped<EventTime>(
    { time ->
        buildJsonObject {
            when (time) {
                is EventTime.AllDay -> put("date", time.date.toString())
                is EventTime.Floating -> put("floating", time.local.text())
                is EventTime.Utc -> put("utc", time.instant.toString())
                is EventTime.Zoned -> put("zoned", buildJsonObject {
                    put("local", time.local.text())
                    put("zone", json.encodeToJsonElement(ZoneJson, time.zone))
                    if (time.fold == Fold.SECOND) put("fold", "second")
                })
            }
        }
    },
    { value ->
        val (kind, content) = variant(value)
        when (kind) {
            "date" -> EventTime.AllDay(LocalDate.parse(content.jsonPrimitive.content))
            "floating" -> EventTime.Floating(LocalDateTime.parse(content.jsonPrimitive.content))
            "utc" -> EventTime.Utc(Instant.parse(content.jsonPrimitive.content))
            "zoned" -> {
                val zoned = content.jsonObject
                val second = zoned["fold"]?.jsonPrimitive?.content == "second"
                EventTime.Zoned(
                    LocalDateTime.parse(zoned.getValue("local").jsonPrimitive.content),
                    json.decodeFromJsonElement(ZoneJson, zoned.getValue("zone")),
                    if (second) Fold.SECOND else Fold.FIRST,
                )
            }
            else -> throw SerializationException("not a time")
        }
    },
)
