@file:JvmName("Calsync")

package io.calsync

import java.time.Instant
import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject

/** Reads a calendar text. Single items that cannot be read are in [ParsedCalendar.unreadable]. */
@Throws(CalsyncException::class)
fun parse(text: String, defaultZone: Zone? = null): ParsedCalendar = parseMany(listOf(text), defaultZone).single().getOrThrow()

/** Reads many in one call; one that is no calendar is a failure in its place. */
fun parseMany(texts: Iterable<String>, defaultZone: Zone? = null): List<Result<ParsedCalendar>> {
    val args = Arguments().values("texts", String.serializer(), texts).value("default_zone", Zone.serializer(), defaultZone)
    return outcomes("parse", args, ParsedCalendar.serializer())
}

/** Writes events as one calendar text with this `DTSTAMP`. */
@Throws(CalsyncException::class)
fun write(events: Iterable<Event>, stamp: Instant, people: PeoplePolicy = PeoplePolicy.WITHHOLD): String {
    val args = Arguments().values("events", Event.serializer(), events).instant("stamp", stamp)
    return pure("write", args.value("people", PeoplePolicy.serializer(), people), String.serializer())
}

/** A text, and the event it is to read as. */
@Serializable
data class Edit(val original: String, val event: Event)

/** Changes a text so that it reads as the event. Every line that need not change keeps its bytes. */
@Throws(CalsyncException::class)
fun patch(original: String, event: Event, stamp: Instant? = null, people: PeoplePolicy = PeoplePolicy.WITHHOLD): String =
    patchMany(listOf(Edit(original, event)), stamp, people).single().getOrThrow()

/** Changes many texts in one call; one that cannot be changed is a failure in its place. */
fun patchMany(
    edits: Iterable<Edit>,
    stamp: Instant? = null,
    people: PeoplePolicy = PeoplePolicy.WITHHOLD,
): List<Result<String>> {
    val args = Arguments().values("edits", Edit.serializer(), edits).instant("stamp", stamp)
    return outcomes("patch", args.value("people", PeoplePolicy.serializer(), people), String.serializer())
}

/** When an event takes place between two instants. Dates and floating times are read in [zone] (UTC). */
@Throws(CalsyncException::class)
fun expand(event: Event, from: Instant, to: Instant, zone: Zone? = null, limit: Int? = null): Expansion =
    expandMany(listOf(event), from, to, zone, limit).single()

/** When each of many events takes place, in one call. */
@Throws(CalsyncException::class)
fun expandMany(events: Iterable<Event>, from: Instant, to: Instant, zone: Zone? = null, limit: Int? = null): List<Expansion> {
    val args = Arguments().values("events", Event.serializer(), events).instant("from", from).instant("to", to)
    args.value("zone", Zone.serializer(), zone).number("limit", limit)
    return pure("expand", args, ListSerializer(Expansion.serializer()))
}

/** An event as it was, and as it is. */
@Serializable
data class Change(val before: Event, val after: Event)

/** The fields in which one version of an event differs from another. */
@Throws(CalsyncException::class)
fun diff(before: Event, after: Event): List<Field> = diffMany(listOf(Change(before, after))).single()

/** The differences of many pairs, in one call. */
@Throws(CalsyncException::class)
fun diffMany(pairs: Iterable<Change>): List<List<Field>> =
    pure("diff", Arguments().values("pairs", Change.serializer(), pairs), ListSerializer(ListSerializer(Field.serializer())))

/** Two versions of an event that were made from one; [base] is `null` when they never agreed. */
@Serializable
data class Versions(val base: Event? = null, val local: Event, val remote: Event)

/** Merges two versions of an event. */
@Throws(CalsyncException::class)
fun merge(versions: Versions, policy: ConflictPolicy = ConflictPolicy.REMOTE_WINS): Merged =
    mergeMany(listOf(versions), policy).single()

/** Merges many events in one call. */
@Throws(CalsyncException::class)
fun mergeMany(items: Iterable<Versions>, policy: ConflictPolicy = ConflictPolicy.REMOTE_WINS): List<Merged> {
    val args = Arguments().values("items", Versions.serializer(), items).value("policy", ConflictPolicy.serializer(), policy)
    return pure("merge", args, ListSerializer(Merged.serializer()))
}

private fun <T> pure(method: String, args: Arguments, serializer: KSerializer<T>): T = read(serializer, Native.pure(method, args))

/** One of many results: a failed one stops no other. */
private fun <T> outcomes(method: String, args: Arguments, serializer: KSerializer<T>): List<Result<T>> =
    pure(method, args, JsonArray.serializer()).map { outcome ->
        val value = outcome.jsonObject["ok"]
        if (value != null) {
            Result.success(json.decodeFromJsonElement(serializer, value))
        } else {
            val failure = outcome.jsonObject["failure"] ?: JsonPrimitive(null as String?)
            Result.failure(json.decodeFromJsonElement(FailureJson.serializer(), failure).exception())
        }
    }
