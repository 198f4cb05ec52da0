@file:UseSerializers(InstantText::class)
@file:OptIn(ExperimentalSerializationApi::class)

package io.calsync

import java.time.Duration
import java.time.Instant
import kotlinx.serialization.EncodeDefault
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.SerializationException
import kotlinx.serialization.UseSerializers
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.put

/** A calendar user. */
@Serializable
data class Person(val address: String, val name: String? = null)

/** Someone invited to an event. */
@Serializable
data class Participant(
    val address: String,
    val name: String? = null,
    val status: ParticipationStatus = ParticipationStatus.NEEDS_ACTION,
    val role: Role = Role.REQUIRED,
    val expectReply: Boolean = false,
)

/** When an alarm goes off. */
@Serializable(with = TriggerJson::class)
sealed interface Trigger {
    /** So many seconds after the start or end; negative is before. */
    data class Offset(val seconds: Long, val relativeTo: RelativeTo = RelativeTo.START) : Trigger {
        constructor(offset: Duration, relativeTo: RelativeTo = RelativeTo.START) : this(offset.seconds, relativeTo)
    }

    /** At an instant. */
    data class Absolute(val at: Instant) : Trigger
}

/** A reminder. */
@Serializable
data class Alarm(val trigger: Trigger, val action: AlarmAction = AlarmAction.DISPLAY, val description: String? = null)

/** A place to meet that is not a place. */
@Serializable
data class VirtualLocation(val uri: String, val name: String? = null)

/** The content of an event, or of one instance of a series. `null` means that nothing was said. */
@Serializable
data class EventBody(
    val time: TimeSpan,
    val title: String? = null,
    val description: String? = null,
    val location: String? = null,
    val geo: String? = null,
    val url: String? = null,
    val virtualLocations: List<VirtualLocation> = emptyList(),
    val status: Status? = null,
    val freeBusy: FreeBusyStatus? = null,
    val privacy: Privacy? = null,
    val priority: Int? = null,
    val color: String? = null,
    val categories: Set<String> = emptySet(),
    val organizer: Person? = null,
    val participants: List<Participant> = emptyList(),
    val alarms: List<Alarm> = emptyList(),
    val sequence: Long = 0,
    val created: Instant? = null,
    val updated: Instant? = null,
)

/** What becomes of one instance of a series. */
@Serializable(with = OverrideJson::class)
sealed interface Override {
    /** It does not take place. */
    data object Excluded : Override

    /** It takes place although no rule says so. */
    data class Added(val end: EventTime? = null) : Override

    /** It has content of its own: the whole of it, not a patch. */
    data class Changed(val body: EventBody, val scope: OverrideScope = OverrideScope.THIS) : Override
}

/** What an event was made from. */
@Serializable
data class Lineage(val uid: String, val how: Descent)

/**
 * One calendar object: a single event, or a series with its rules (the text of RFC 5545) and overrides.
 *
 * [overrides] are keyed by the start an instance had before anything moved it, as iCalendar writes it: `20260105`,
 * `20260105T180000` or `20260105T180000Z`.
 */
@Serializable
data class Event(
    val uid: String,
    val master: EventBody? = null,
    val rules: List<String> = emptyList(),
    val excludedRules: List<String> = emptyList(),
    val overrides: Map<String, Override> = emptyMap(),
    val uidOrigin: UidOrigin = UidOrigin.GIVEN,
    val lineage: Lineage? = null,
) {
    /** The title of the event or series. */
    val title: String? get() = master?.title
}

/** A calendar in the store. */
@Serializable
data class Calendar(val id: String, val name: String, val color: String? = null)

/** A calendar as its provider lists it. */
@Serializable
data class RemoteCalendar(val id: String, val name: String, val color: String?, val readOnly: Boolean)

/** An item that cannot be read. [reason] has no text of it. */
@Serializable
data class UnreadableItem(val uid: String?, val reason: String)

/** A calendar text that was read. If it is not [complete], nothing may be concluded from what it lacks. */
@Serializable
data class ParsedCalendar(
    val name: String?,
    val events: List<Event>,
    val unreadable: List<UnreadableItem>,
    val complete: Boolean,
)

/** One time an event takes place; [id] is the key of its override. */
@Serializable
data class Instance(val id: String, val time: TimeSpan)

/** The instances of an event in a window. */
@Serializable
data class Expansion(val instances: List<Instance>, val opaqueRules: Int, val stopped: LimitReached?)

/** One mergeable part of an event, such as `title`; [key] names a category, an address or a trigger. */
@Serializable
data class Field(val part: String, val instance: String? = null, val key: JsonElement? = null)

/** A field both sides changed to different values. */
@Serializable
data class ContestedField(val field: Field, val choice: Choice)

/** An event whose two sides changed the same [fields] to different values; [base] is `null` at a first meeting. */
@Serializable
data class ContestedEvent(
    val link: String,
    val eventId: String,
    val base: Event?,
    val local: Event,
    val remote: Event,
    val fields: List<Field>,
)

/** What surrounds an event that is copied: its calendar, that one's owner and zone, and whether it is a copy itself. */
@Serializable
data class Surroundings(
    val calendar: String = "",
    val calendarName: String = "",
    val owner: List<String> = emptyList(),
    val zone: Zone = Zone.Iana("UTC"),
    val isCopy: Boolean = false,
)

/** What a three-way merge decided. */
@Serializable
data class Merged(
    val local: Event,
    val remote: Event,
    val toLocal: List<Field>,
    val toRemote: List<Field>,
    val contested: List<ContestedField>,
    val keepLocalCopy: Boolean,
)

/**
 * An event here and its item there, with what is known of both: what [io.calsync.plan] decides about. Of a side that is neither given nor
 * gone nothing was heard: it is as the base says.
 *
 * @property base what both sides held when they last agreed; `null`: they never met.
 * @property local the local side now.
 * @property remote the remote side now.
 * @property remoteBase what the remote side held then, where it stores events in a form of its own.
 * @property localGone the local event was deleted, and this speaks for it.
 * @property remoteGone the item was deleted, and this speaks for it: that it was not listed does not.
 * @property parted the pair is left alone, since a plan said [Action.SUPPRESS].
 */
@Serializable
data class PlanPair(
    val base: Event? = null,
    val local: Event? = null,
    val remote: Event? = null,
    val remoteBase: Event? = null,
    val localGone: Evidence? = null,
    val remoteGone: Evidence? = null,
    val parted: Boolean = false,
)

/**
 * What is done about one pair, and why; [reason] has no text of events.
 *
 * @property local what the local side is to hold; `null`: it stays as it is, or is deleted.
 * @property remote what the remote side is to hold; `null`: it stays as it is, or is deleted.
 * @property evidence what speaks for a deletion.
 */
@Serializable
data class Decision(
    val action: Action,
    val reason: String,
    val local: Event?,
    val remote: Event?,
    val toLocal: List<Field>,
    val toRemote: List<Field>,
    val contested: List<ContestedField>,
    val keepLocalCopy: Boolean,
    val evidence: Evidence?,
)

/** What is done about pairs, in their order. When it is [held], its deletions wait for a person, and all else goes on. */
@Serializable
data class Plan(val decisions: List<Decision>, val held: Boolean)

/** What is copied of one event, or the name of the step that keeps it out. Neither: it takes no time, and the copies are busy-only. */
@Serializable
data class Copied(val event: Event?, val leftOutBy: String?)

/** From an instant up to, not including, another. */
@Serializable
data class Period(val start: Instant, val end: Instant)

/** A time that is taken: from an instant up to, not including, another. */
@Serializable
data class BusyTime(val start: Instant, val end: Instant, @EncodeDefault val kind: BusyKind = BusyKind.BUSY)

/**
 * A calendar with what is known of it: what [io.calsync.availability] is told from.
 *
 * @property calendar its name in the answer.
 * @property busy times beside the events: all there is of a calendar that shows none.
 * @property zone dates and floating times are read in it; `null`: that of the terms.
 * @property owner addresses; what they declined takes none of their time.
 * @property asOf when it was last read whole.
 * @property covered what that look covered; `null`: everything.
 */
@Serializable
data class CalendarEvents(
    val calendar: String,
    val events: List<Event> = emptyList(),
    val busy: List<BusyTime> = emptyList(),
    val zone: Zone? = null,
    val owner: List<String> = emptyList(),
    val state: CalendarState = CalendarState.CURRENT,
    val asOf: Instant? = null,
    val covered: Period? = null,
)

/** Hours of some days of the week, as `hh:mm` up to `24:00`. An end at or before the start is that of the next day. */
@Serializable
data class DayHours(val start: String, val end: String, val days: List<Weekday> = Weekday.entries)

/** When somebody works, on the clock of [zone]: a minute counts when one of the hours holds it. */
@Serializable
data class WorkingHours(val zone: Zone, val hours: List<DayHours>)

/**
 * What slots are offered under.
 *
 * @property zone on whose clock they start; `null`: UTC.
 * @property granularityMinutes they start at multiples of this since midnight.
 * @property noticeMinutes how long from now the first open moment is.
 * @property hours all have to hold a moment that is open.
 * @property availability texts with a `VAVAILABILITY` (RFC 7953), one for each person.
 */
@Serializable
data class SlotTerms(
    val zone: Zone? = null,
    val slotMinutes: Int = 30,
    val granularityMinutes: Int = 15,
    val bufferBeforeMinutes: Int = 0,
    val bufferAfterMinutes: Int = 0,
    val noticeMinutes: Int = 0,
    val tentative: TentativePolicy = TentativePolicy.BUSY,
    val uncovered: UncoveredPolicy = UncoveredPolicy.WITHHOLD,
    val hours: List<WorkingHours> = emptyList(),
    val availability: List<String> = emptyList(),
)

/**
 * A calendar of the store. It counts whole, whatever link brought its events in.
 *
 * @property zone dates and floating times are read in it; `null`: that of the slots.
 * @property owner addresses; what they declined takes none of their time.
 */
@Serializable
data class FreeCalendar(val calendar: String, val zone: Zone? = null, val owner: List<String> = emptyList())

/**
 * A calendar of which a connection sees only when it is busy.
 *
 * @property calendar its name in the answer.
 * @property remote its name there: its id, at Microsoft the address of its owner, of a CalDAV server its URL.
 */
@Serializable
data class FreeElsewhere(val calendar: String, val connection: String, val remote: String)

/**
 * When calendars have to be free, all of them: between two instants, 400 days apart at most.
 *
 * @property elsewhere have to be free as well: their providers are asked each time.
 */
@Serializable
data class FreeTerms(
    val calendars: List<FreeCalendar>,
    val start: Instant,
    val end: Instant,
    val elsewhere: List<FreeElsewhere> = emptyList(),
    val slots: SlotTerms = SlotTerms(),
)

/** A slot that is kept [until] then; its [id] is for [Engine.book], its [rows] are for [Engine.release]. */
@Serializable
data class Hold(val id: String, val slot: Period, val until: Instant, val rows: List<String>)

/** A slot that was booked: the calendar and the id of its event. */
@Serializable
data class Booking(val calendar: String, val id: String, val slot: Period)

/**
 * What is known of a calendar, for whoever has to judge an answer.
 *
 * @property ageSeconds since it was last read whole; `null`: never.
 * @property covered what the last look covered of the window; `null`: nothing.
 * @property incompleteSeries series that could not be expanded whole.
 */
@Serializable
data class CalendarAnswer(
    val calendar: String,
    val state: CalendarState,
    val ageSeconds: Long?,
    val covered: Period?,
    val coversWindow: Boolean,
    val incompleteSeries: Int,
)

/** When somebody is free: the busy times, what is open, and the slots in it. If it is [truncated], there are more. */
@Serializable
data class FreeAnswer(
    val busy: List<BusyTime>,
    val open: List<Period>,
    val slots: List<Period>,
    val truncated: Boolean,
    val calendars: List<CalendarAnswer>,
)

/** An event as the store holds it; an edit names its [revision]. */
@Serializable
data class StoredEvent(val id: String, val revision: Long, val event: Event, val modified: Instant)

/** One operation of a plan, with its reason. */
@Serializable
data class PlannedOperation(
    val action: String,
    val eventId: String?,
    val remoteId: String?,
    val toLocal: List<Field>,
    val toRemote: List<Field>,
    val contested: List<Field>,
    val losses: List<String>,
    val reason: String,
)

/** What a run did, in numbers. */
@Serializable
data class Counts(
    /** Remote items read. */
    val pulled: Long,
    /** Local events made. */
    val created: Long,
    /** Local events changed. */
    val updated: Long,
    /** Local events deleted. */
    val deleted: Long,
    /** Writes to the provider that it confirmed. */
    val pushed: Long,
    /** Conflicts recorded. */
    val conflicts: Long,
    /** Items that cannot be read, set aside until they change. */
    val quarantined: Long,
    /** Operations held back until a person approves. */
    val held: Long,
    /** Requests to the provider. */
    val requests: Long,
    /** Changes of the remote side that were known as this link's own writes. */
    val echoed: Long,
)

/** What a run did, or would do. When deletions are [held], a person approves or refuses [planId]. */
@Serializable
data class Report(
    /** The run, as the run log and `undo` name it. */
    val run: String,
    /** What to approve when deletions are held, else the id of the plan. */
    val planId: String,
    /** Whether deletions wait for a person. */
    val held: Boolean,
    /** Whether both sides hold the same now, as far as the provider can. */
    val inStep: Boolean,
    val counts: Counts,
    /** Every operation, with its reason. */
    val operations: List<PlannedOperation>,
    /** Items that may be events here already; a person says which (`answer`). */
    val undecided: Long,
    /** Writes that the provider does not take for now; the next run tries again. */
    val waiting: Long,
    /** Writes that the provider refuses: once more a day, after another edit, or when a person says so. */
    val wedged: Long,
    /** Events looked at that are outside the window of what the link copies, and have no copy. */
    val outside: Long,
    /** The held plan that was approved or refused in this run. */
    val answered: String?,
)

/** What a clean-up found and did. When it is [held], a person approves [planId]. If it is not [complete], there may be more. */
@Serializable
data class Cleaned(
    val planId: String,
    val held: Boolean,
    val operations: List<PlannedOperation>,
    val deleted: Int,
    val edited: Int,
    val foreign: Int,
    val complete: Boolean,
)

/** A field of a conflict with the values of both sides; [outcome] is `open` while it waits. */
@Serializable
data class ConflictField(
    val field: Field,
    val base: JsonElement = JsonNull,
    val local: JsonElement = JsonNull,
    val remote: JsonElement = JsonNull,
    val outcome: String,
)

/** Both sides changed the same fields to different values. */
@Serializable
data class Conflict(
    val id: String,
    val link: String,
    val eventId: String,
    val uid: String,
    val open: Boolean,
    val fields: List<ConflictField>,
    val local: Event?,
    val remote: Event?,
    val policy: String,
    val at: Instant,
)

/** How a run ended. */
@Serializable(with = RunOutcomeJson::class)
sealed interface RunOutcome {
    /** It goes on, or its process died. */
    data object Running : RunOutcome

    /** Both sides hold the same. */
    data object InStep : RunOutcome

    /** Deletions wait for a person. */
    data object Held : RunOutcome

    /** It was taken back. */
    data object Undone : RunOutcome

    /** It failed; [error] says why. */
    data class Failed(val error: String) : RunOutcome

    /** A word of a newer version. */
    data class Other(val word: String) : RunOutcome
}

/** A run of the engine on a link. */
@Serializable
data class Run(
    val id: String,
    val link: String,
    val started: Instant,
    val ended: Instant?,
    val outcome: RunOutcome,
    val counts: Counts,
    val heldPlan: String?,
    val approved: String? = null,
    val refused: String? = null,
    val unaskedDeletions: Long = 0,
)

/** An event, and the [item] it is joined to over one link, in the calendar [remote]. */
@Serializable
data class Source(val event: String, val link: String, val remote: String, val item: String, val role: SourceRole)

/**
 * One thing that happened. What does not apply is empty; [counts] are of a run. It holds no text of events.
 *
 * @property what what was done: `local-create`, `remote-update`, `kept` and so on.
 * @property outcome how a run ended; of a conflict `open` or `resolved`.
 * @property by the policy of a conflict, the evidence of a deletion.
 * @property who who decided it, where it was a person.
 */
@Serializable
data class HistoryEntry(
    val at: Instant,
    val kind: HistoryKind,
    val link: String,
    val run: String,
    val event: String,
    val item: String,
    val uid: String,
    val what: String,
    val why: String,
    val fields: List<String>,
    val outcome: String,
    val by: String,
    val who: String,
    val counts: Counts?,
)

/**
 * What a link makes of an event.
 *
 * @property remoteId the item on the other side.
 * @property transforms what its copy is made by, by name, in order.
 * @property attempts how often a write that waits was tried.
 * @property detail why a write is stuck.
 * @property step the filter that leaves it out; `null`: no filter does, or it takes no time and the copy is busy-only.
 * @property enters when what is outside the window enters it, if nobody touches it.
 */
@Serializable
data class Way(
    val link: String,
    val direction: Direction,
    val state: WayState,
    val remoteId: String?,
    val transforms: List<String>,
    val attempts: Int?,
    val detail: String?,
    val step: String?,
    val enters: Instant?,
)

/** A contested field, and what became of it; `open` while it waits. */
@Serializable
data class FieldOutcome(val field: Field, val outcome: String)

/**
 * Something that happened to an event. What does not apply is `null` or empty.
 *
 * @property link over which link; `null`: it was made here.
 * @property item the item it was mapped to.
 * @property step the filter that kept it out; `null`: no filter does, or it takes no time and the copy is busy-only.
 * @property op what was done, or came back.
 * @property reason why it was done.
 * @property fields those that changed.
 * @property losses what of the event the remote side cannot hold, in words for people.
 * @property evidence what spoke for a deletion.
 * @property conflict the id of the conflict that was found or settled.
 * @property contested its fields; empty: one side had deleted what the other edited.
 * @property policy under which policy it was found.
 * @property open whether it still waits for somebody.
 * @property by by what it was settled.
 * @property who by whom, where a person said so.
 */
@Serializable
data class Moment(
    val at: Instant,
    val what: MomentKind,
    val link: String?,
    val run: String?,
    val item: String?,
    val step: String?,
    val op: JournalOp?,
    val reason: String?,
    val fields: List<Field>,
    val losses: List<String>,
    val evidence: Evidence?,
    val conflict: String?,
    val contested: List<FieldOutcome>,
    val policy: String?,
    val open: Boolean?,
    val by: SettledBy?,
    val who: String?,
)

/** What is known of an event: what each link of its calendar makes of it, and what happened to it, the oldest first. It has no text of it. */
@Serializable
data class Explanation(val ways: List<Way>, val timeline: List<Moment>)

/**
 * An item of the remote side that is no event here, and why.
 *
 * @property remoteId its name there.
 * @property since since when it stands like this.
 * @property step the filter that leaves it out; `null`: no filter does, or it takes no time and the copy is busy-only.
 * @property kind for which reason it was set aside.
 * @property reason the same in words, without its text.
 */
@Serializable
data class SeenItem(
    val link: String,
    val remoteId: String,
    val since: Instant,
    val state: SeenState,
    val step: String?,
    val kind: UnreadKind?,
    val reason: String?,
)

/** What became of the changes of a run that was taken back. */
@Serializable
data class Undone(
    val run: String,
    val restored: Long,
    val removed: Long,
    /** Items the run made on the remote side, and that are deleted there now. */
    val removedThere: Long,
    /** The run to take back for the next run to make those items again. */
    val removal: String?,
    /** Events left alone: edited since, or nothing of them is left to take back. */
    val kept: Long,
    /** Those left alone whose items the run made on the remote side, and that cannot be deleted there. */
    val madeThere: Long,
    val edited: List<String>,
)

/** An item that may be an event here; a person says which. */
@Serializable
data class Question(val remoteId: String, val candidates: List<String>, val answered: Boolean, val since: Instant)

/**
 * A write to the remote side that is decided and not confirmed. It holds no text of the event.
 *
 * @property eventId what [Engine.retryWrite] and [Engine.dropWrite] are told: one write waits for an event at most.
 * @property remoteId the name the item has there or will have; `null` where nothing could be made of the event.
 * @property reason why it was decided.
 * @property notBefore it is not sent before.
 * @property error why it is wedged.
 * @property detail the same for people.
 */
@Serializable
data class WaitingWrite(
    val link: String,
    val eventId: String,
    val remoteId: String?,
    val kind: WriteKind,
    val state: WriteState,
    val reason: String,
    val attempts: Long,
    val notBefore: Instant?,
    val error: Code?,
    val detail: String?,
)

/** How far a run is: `listed`, `pulled`, `pushed` or `wedged`. */
@Serializable
data class Progress(val step: String, val link: String, val done: Long, val total: Long?)

internal object TriggerJson : Shaped<Trigger>(
    { trigger ->
        buildJsonObject {
            when (trigger) {
                is Trigger.Absolute -> put("absolute", trigger.at.toString())
                is Trigger.Offset -> put("offset", buildJsonObject {
                    put("seconds", trigger.seconds)
                    put("relative_to", json.encodeToJsonElement(RelativeTo.serializer(), trigger.relativeTo))
                })
            }
        }
    },
    { value ->
        val (kind, content) = variant(value)
        when (kind) {
            "absolute" -> Trigger.Absolute(Instant.parse(content.jsonPrimitive.content))
            "offset" -> {
                val side = content.jsonObject["relative_to"]
                Trigger.Offset(
                    content.jsonObject.getValue("seconds").jsonPrimitive.content.toLong(),
                    if (side == null) RelativeTo.START else json.decodeFromJsonElement(RelativeTo.serializer(), side),
                )
            }
            else -> throw SerializationException("not a trigger")
        }
    },
)

@Serializable
private data class AddedJson(val end: EventTime? = null)

@Serializable
private data class ChangedJson(val body: EventBody, val scope: OverrideScope = OverrideScope.THIS)

private fun <T> tagged(tag: String, serializer: KSerializer<T>, value: T): JsonElement =
    buildJsonObject { put(tag, json.encodeToJsonElement(serializer, value)) }

internal object OverrideJson : Shaped<Override>(
    { override ->
        when (override) {
            is Override.Excluded -> JsonPrimitive("excluded")
            is Override.Added -> tagged("added", AddedJson.serializer(), AddedJson(override.end))
            is Override.Changed -> tagged("changed", ChangedJson.serializer(), ChangedJson(override.body, override.scope))
        }
    },
    { value ->
        if (value is JsonPrimitive) {
            Override.Excluded
        } else {
            val (kind, content) = variant(value)
            when (kind) {
                "added" -> Override.Added(json.decodeFromJsonElement(AddedJson.serializer(), content).end)
                "changed" -> json.decodeFromJsonElement(ChangedJson.serializer(), content).let { Override.Changed(it.body, it.scope) }
                else -> throw SerializationException("not an override")
            }
        }
    },
)

internal object RunOutcomeJson : Shaped<RunOutcome>(
    { outcome ->
        when (outcome) {
            is RunOutcome.Running -> JsonPrimitive("running")
            is RunOutcome.InStep -> JsonPrimitive("in-step")
            is RunOutcome.Held -> JsonPrimitive("held")
            is RunOutcome.Undone -> JsonPrimitive("undone")
            is RunOutcome.Other -> JsonPrimitive(outcome.word)
            is RunOutcome.Failed -> buildJsonObject { put("failed", buildJsonObject { put("error", outcome.error) }) }
        }
    },
    { value ->
        if (value is JsonPrimitive) {
            when (val word = value.content) {
                "running" -> RunOutcome.Running
                "in-step" -> RunOutcome.InStep
                "held" -> RunOutcome.Held
                "undone" -> RunOutcome.Undone
                else -> RunOutcome.Other(word)
            }
        } else {
            val (kind, content) = variant(value)
            if (kind != "failed") throw SerializationException("not an outcome")
            RunOutcome.Failed(content.jsonObject.getValue("error").jsonPrimitive.content)
        }
    },
)
