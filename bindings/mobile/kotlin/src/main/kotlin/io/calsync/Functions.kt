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
fun expand(event: Event, start: Instant, end: Instant, zone: Zone? = null, limit: Int? = null): Expansion =
    expandMany(listOf(event), start, end, zone, limit).single()

/** When each of many events takes place, in one call. */
@Throws(CalsyncException::class)
fun expandMany(events: Iterable<Event>, start: Instant, end: Instant, zone: Zone? = null, limit: Int? = null): List<Expansion> {
    val args = Arguments().values("events", Event.serializer(), events).instant("start", start).instant("end", end)
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

/**
 * Decides about pairs as a link with these rules would: one decision for each, in their order. Writes nothing anywhere.
 *
 * All go in one call, for the brake judges their deletions together: they are held when they are more than [guardCount] (10) and more than
 * [guardPercent] percent (20) of the [joined] pairs, or all of several. [joined] counts the pairs with a base that are not given, too;
 * without it those given are all there are. [recentDeletions] are those of the last days nobody was asked about.
 *
 * The base of the next time is what both sides hold once it is carried out, deletions last. While a field is contested and [Choice.OPEN],
 * the base stays; and of a link that goes one way it is what the source holds.
 */
@Throws(CalsyncException::class)
fun plan(
    pairs: Iterable<PlanPair>,
    direction: Direction = Direction.TWO_WAY,
    conflicts: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
    deletions: DeletionPolicy = DeletionPolicy.KEEP_EDIT,
    guardCount: Int? = null,
    guardPercent: Int? = null,
    joined: Int? = null,
    recentDeletions: Int = 0,
): Plan {
    val args = Arguments().values("pairs", PlanPair.serializer(), pairs).value("direction", Direction.serializer(), direction)
    args.value("conflicts", ConflictPolicy.serializer(), conflicts).value("deletions", DeletionPolicy.serializer(), deletions)
    args.number("guard_count", guardCount).number("guard_percent", guardPercent)
    return pure("plan", args.number("joined", joined).number("recent_deletions", recentDeletions), Plan.serializer())
}

/** What the copy of an event shows: see [transformMany]. */
@Throws(CalsyncException::class)
fun transform(
    event: Event,
    pipeline: String,
    around: Surroundings = Surroundings(),
    link: String = "",
    uidSalt: String? = null,
): Copied = transformMany(listOf(event), pipeline, around, link, uidSalt).single()

/**
 * What copies of events show, by a pipeline in the JSON that `docs/schema/pipeline.json` describes. [around] is of all events. Rules of
 * the host are asked by an engine only.
 *
 * Where copies do not show the UIDs of their events, [uidSalt] is needed: with the salt and the name of a [link] the copies have the UIDs
 * that link gives them.
 */
@Throws(CalsyncException::class)
fun transformMany(
    events: Iterable<Event>,
    pipeline: String,
    around: Surroundings = Surroundings(),
    link: String = "",
    uidSalt: String? = null,
): List<Copied> {
    val args = Arguments().values("events", Event.serializer(), events).text("pipeline", pipeline).text("link", link)
    args.value("around", Surroundings.serializer(), around).text("uid_salt", uidSalt)
    return pure("transform", args, ListSerializer(Copied.serializer()))
}

/**
 * When all calendars are free between two instants, 400 days apart at most, and how far each can be trusted. All calendars with all their
 * events are one call. Nothing before [now] is open, and ages are told from it.
 */
@Throws(CalsyncException::class)
fun availability(
    calendars: Iterable<CalendarEvents>,
    start: Instant,
    end: Instant,
    now: Instant,
    terms: SlotTerms = SlotTerms(),
): FreeAnswer {
    val args = Arguments().values("calendars", CalendarEvents.serializer(), calendars).instant("start", start).instant("end", end)
    args.instant("now", now).value("terms", SlotTerms.serializer(), terms)
    return pure("availability", args, FreeAnswer.serializer())
}

/** Those of some addresses that belong to the public internet: what a [Transport] may connect to where [Addresses.PUBLIC] is asked. */
fun publicAddresses(addresses: Iterable<String>): List<String> =
    pure("public_addresses", Arguments().values("addresses", String.serializer(), addresses), ListSerializer(String.serializer()))

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
