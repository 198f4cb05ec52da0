package io.calsync

import java.time.Instant
import kotlin.coroutines.CoroutineContext
import kotlinx.coroutines.Dispatchers
import kotlinx.coroutines.channels.Channel
import kotlinx.coroutines.coroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.channelFlow
import kotlinx.coroutines.launch
import kotlinx.serialization.KSerializer
import kotlinx.serialization.Serializable
import kotlinx.serialization.builtins.ListSerializer
import kotlinx.serialization.builtins.serializer
import kotlinx.serialization.json.JsonElement

/**
 * Keeps calendars in a store in step with remote ones.
 *
 * All methods may be called from any thread and end with their coroutine: where a call is cancelled, nothing is left broken, and
 * the next run does what is left. Until the lease of the cancelled run is over, ten seconds after its last sign of life, the link
 * is [Code.BUSY]. They throw [CalsyncException].
 */
class Engine private constructor(
    choice: String,
    private val store: Store?,
    private val storeContext: CoroutineContext,
    private val hosts: Hosts,
) : AutoCloseable {
    private val native = Native.engine(hosts.opening(choice, inOneCall(store)))

    /** Over a SQLite file, made when absent, or in memory (`:memory:`) as long as the engine lives. */
    constructor(path: String = ":memory:", hosts: Hosts = Hosts()) : this(choice(path), null, Dispatchers.IO, hosts)

    /** Over a store of the host. Its methods, and those of [hosts], run in [context]; they may block there. */
    constructor(store: Store, context: CoroutineContext = Dispatchers.IO, hosts: Hosts = Hosts()) :
        this(OWN_STORE, store, context, hosts)

    private suspend fun <T> call(
        method: String,
        args: Arguments,
        result: KSerializer<T>,
        onProgress: (Progress) -> Unit = {},
    ): T {
        val host = StoreHost(store, storeContext, hosts, onProgress)
        return read(result, Native.await(host) { native.start(method, args.toString(), host) })
    }

    private suspend fun call(method: String, args: Arguments) {
        call(method, args, JsonElement.serializer())
    }

    /**
     * Names an authorised account. [secret] is the password, or the access token for Google and Microsoft. [trustAddress]
     * allows private and local addresses, and files as feeds: only for addresses that whoever runs the application wrote.
     * [unofficial] says that the owner of a Cozi account knows that its interface is undocumented, may end on any day, and that
     * using it may be against Cozi's terms. [aheadDays] says how many days ahead a feed is published for: nothing later is known to be
     * free. Without it a feed is taken to list all there is. Done again under a name, with a new secret, it is
     * what the links of that connection use from then on. With a [client] in the place of the secret the tokens are those [finishOauth] kept
     * under the name; they are renewed when they run out.
     */
    suspend fun connect(
        connection: String,
        provider: ProviderKind,
        url: String = "",
        username: String? = null,
        secret: String = "",
        trustAddress: Boolean = false,
        unofficial: Boolean = false,
        aheadDays: Int? = null,
        client: OAuthClient? = null,
    ) {
        val args = Arguments().text("connection", connection).value("provider", ProviderKind.serializer(), provider)
        args.text("url", url).text("username", username).text("secret", secret).flag("trust_address", trustAddress)
        args.value("client", OAuthClient.serializer(), client)
        call("connect", args.flag("unofficial", unofficial).number("ahead_days", aheadDays))
    }

    /**
     * Begins to connect an account at Google, Microsoft or any server with OAuth 2.0. Gives the URL to send the browser of the person to; it
     * comes back to [redirect], as it is registered there, within 15 minutes. [session] is what your application knows the session of the
     * person by: only in the same one [finishOauth] takes what comes back. [loginHint] is the address to offer for signing in. Under the name
     * of a connection that has tokens the same account has to come back.
     */
    suspend fun beginOauth(
        connection: String,
        client: OAuthClient,
        session: String,
        redirect: String,
        loginHint: String? = null,
    ): String {
        val args = Arguments().text("connection", connection).value("client", OAuthClient.serializer(), client)
        args.text("session", session).text("redirect", redirect).text("login_hint", loginHint)
        return call("begin_oauth", args, String.serializer())
    }

    /**
     * Takes what the browser brought back, the [query] of its URL, and keeps the tokens in the store, sealed with [Hosts.masterKeys]. Then
     * [connect] the account with the same [client]; one that is connected goes on with the new tokens. Fails with [Code.CONSENT_DENIED],
     * [Code.NEEDS_ADMIN], [Code.WRONG_ACCOUNT], or [Code.OAUTH_STATE] when nothing was begun in this session with what came back, or it was
     * used before: then begin again.
     */
    suspend fun finishOauth(client: OAuthClient, session: String, query: String): OAuthGrant {
        val args = Arguments().value("client", OAuthClient.serializer(), client).text("session", session)
        return call("finish_oauth", args.text("query", query), OAuthGrant.serializer())
    }

    /**
     * Takes a connection out of the engine. Tokens it has are taken back at the provider and forgotten: `false` says that the provider could
     * not be told (Microsoft never can), so that a person has to take the access away there.
     */
    suspend fun disconnect(connection: String): Boolean =
        call("disconnect", Arguments().text("connection", connection), Boolean.serializer())

    /** The calendars of an account. */
    suspend fun remoteCalendars(connection: String): List<RemoteCalendar> =
        call("remote_calendars", Arguments().text("connection", connection), ListSerializer(RemoteCalendar.serializer()))

    /** Makes or changes a calendar of the store. */
    suspend fun putCalendar(calendar: Calendar) =
        call("put_calendar", Arguments().value("calendar", Calendar.serializer(), calendar))

    /** The calendars of the store. */
    suspend fun calendars(): List<Calendar> = call("calendars", Arguments(), ListSerializer(Calendar.serializer()))

    /** The events of a calendar of the store. */
    suspend fun events(calendar: String): List<StoredEvent> =
        call("events", Arguments().text("calendar", calendar), ListSerializer(StoredEvent.serializer()))

    /** Adds an event, and gives its id in the store. */
    suspend fun addEvent(calendar: String, event: Event): String =
        call("add_event", Arguments().text("calendar", calendar).value("event", Event.serializer(), event), String.serializer())

    /** Changes an event that still has [revision]. */
    suspend fun updateEvent(calendar: String, id: String, revision: Long, event: Event) {
        val args = Arguments().text("calendar", calendar).text("id", id).number("revision", revision)
        call("update_event", args.value("event", Event.serializer(), event))
    }

    /** Deletes an event that still has [revision]. */
    suspend fun deleteEvent(calendar: String, id: String, revision: Long) =
        call("delete_event", Arguments().text("calendar", calendar).text("id", id).number("revision", revision))

    /**
     * Joins a calendar of the store to a remote one ([remote] is its id; a feed has only one). Deletions wait for
     * a person when they are more than [guardCount] (10) and more than [guardPercent] percent of the events (20), or when they are all
     * of at least two; those of the last seven days that nobody was asked about count with them. [copies] says what a link that imports or exports copies, as JSON:
     * `{ "pipeline": ..., "calendar_name": ..., "owner": [...], "zone": ..., "window": { "from": ..., "to": ..., "leaving": ... },
     * "uid_salt": ... }`, the pipeline as `docs/schema/pipeline.json` describes it, all else where it is not the default. `window`
     * is of a link that exports; its ends are `{ "days": -30 }`, `{ "month-start": -1 }` or `{ "month-end": 1 }` from now, and
     * `leaving` is `stay` or `go`. `uid_salt` are random characters with which nobody can tell from the UID of a copy which event
     * it is of. Without `copies` a link that exports shows when somebody is busy, and nothing else; a pipeline that starts with
     * `everything` shows all. While there is nothing to write, a link that exports may leave its copies unlooked at for
     * [checkCopiesEvery] seconds.
     */
    suspend fun addLink(
        link: String,
        calendar: String,
        connection: String,
        remote: String = "",
        direction: Direction = Direction.TWO_WAY,
        conflicts: ConflictPolicy = ConflictPolicy.REMOTE_WINS,
        deletions: DeletionPolicy = DeletionPolicy.KEEP_EDIT,
        people: PeoplePolicy = PeoplePolicy.WITHHOLD,
        guardCount: Int? = null,
        guardPercent: Int? = null,
        copies: String? = null,
        checkCopiesEvery: Int = 0,
        edits: CopyEdits = CopyEdits.LEAVE,
    ) {
        val args = Arguments().text("link", link).text("calendar", calendar).text("connection", connection).text("remote", remote)
        args.value("direction", Direction.serializer(), direction).value("conflicts", ConflictPolicy.serializer(), conflicts)
        args.value("deletions", DeletionPolicy.serializer(), deletions).value("people", PeoplePolicy.serializer(), people)
        args.text("copies", copies).value("edits", CopyEdits.serializer(), edits)
        args.number("check_copies_every", checkCopiesEvery)
        call("add_link", args.number("guard_count", guardCount).number("guard_percent", guardPercent))
    }

    private fun run(link: String, approve: String?, refuse: String?, audit: Boolean, withholdPeople: Boolean): Arguments {
        val args = Arguments().text("link", link).text("approve", approve).text("refuse", refuse)
        return args.flag("audit", audit).flag("withhold_people", withholdPeople)
    }

    /** What [sync] would do now. Writes nothing anywhere. */
    suspend fun plan(
        link: String,
        approve: String? = null,
        refuse: String? = null,
        audit: Boolean = false,
        withholdPeople: Boolean = false,
    ): Report = call("plan", run(link, approve, refuse, audit, withholdPeople), Report.serializer())

    /**
     * Brings a link in step: pulls, merges, commits and pushes.
     *
     * @param approve the held plan ([Report.planId]) a person approved.
     * @param refuse the held plan a person refused.
     * @param audit compares everything with the remote listing.
     * @param withholdPeople leaves people out of every write of the run.
     * @param onProgress is told how far it is, in the caller's coroutine; what it throws ends the run.
     */
    suspend fun sync(
        link: String,
        approve: String? = null,
        refuse: String? = null,
        audit: Boolean = false,
        withholdPeople: Boolean = false,
        onProgress: (suspend (Progress) -> Unit)? = null,
    ): Report {
        val args = run(link, approve, refuse, audit, withholdPeople).flag("progress", onProgress != null)
        if (onProgress == null) return call("sync", args, Report.serializer())
        return coroutineScope {
            val steps = Channel<Progress>(Channel.UNLIMITED)
            val told = launch { for (step in steps) onProgress(step) }
            try {
                call("sync", args, Report.serializer()) { steps.trySend(it) }
            } finally {
                steps.close()
                told.join()
            }
        }
    }

    /**
     * [sync] as a flow: how far it is, and the report at the end. Collecting no further ends the run; its link is
     * [Code.BUSY] until the lease of the run is over.
     */
    fun syncing(
        link: String,
        approve: String? = null,
        refuse: String? = null,
        audit: Boolean = false,
        withholdPeople: Boolean = false,
    ): Flow<SyncStep> = channelFlow {
        val report = sync(link, approve, refuse, audit, withholdPeople) { send(SyncStep.Going(it)) }
        send(SyncStep.Done(report))
    }

    /** The conflicts of a link, also those that are settled. */
    suspend fun conflicts(link: String): List<Conflict> =
        call("conflicts", Arguments().text("link", link), ListSerializer(Conflict.serializer()))

    /** Settles a conflict: [fields] one by one, every other field by [take]. [by] says who answers, for the record. */
    suspend fun answerConflict(
        link: String,
        conflict: String,
        by: String,
        take: Take? = null,
        fields: Map<Field, Take> = emptyMap(),
    ): Conflict {
        val args = Arguments().text("link", link).text("conflict", conflict).text("by", by)
        args.value("take", Take.serializer(), take)
        args.values("fields", FieldAnswer.serializer(), fields.map { (field, side) -> FieldAnswer(field, side) })
        return call("answer_conflict", args, Conflict.serializer())
    }

    /** The runs of a link, the oldest first. */
    suspend fun runs(link: String): List<Run> = call("runs", Arguments().text("link", link), ListSerializer(Run.serializer()))

    /** Takes back what a run did here; the next [sync] carries it to the remote side. */
    suspend fun undo(link: String, run: String): Undone =
        call("undo", Arguments().text("link", link).text("run", run), Undone.serializer())

    /** Takes back the last [count] runs that did something. */
    suspend fun undoLast(link: String, count: Int): List<Undone> =
        call("undo_last", Arguments().text("link", link).number("count", count), ListSerializer(Undone.serializer()))

    /** Items that may be events here. */
    suspend fun questions(link: String): List<Question> =
        call("questions", Arguments().text("link", link), ListSerializer(Question.serializer()))

    /** Says which event an item is; `null`: none of them. */
    suspend fun answerQuestion(link: String, remoteId: String, event: String?) =
        call("answer_question", Arguments().text("link", link).text("remote_id", remoteId).text("event", event))

    /** The writes to the remote side that are decided and not confirmed, the most urgent first. */
    suspend fun outbox(link: String): List<WaitingWrite> =
        call("outbox", Arguments().text("link", link), ListSerializer(WaitingWrite.serializer()))

    /**
     * Gives the write of an event, by its id, all its tries again; the next [sync] sends the event as it is by then. Fails with
     * [Code.UNKNOWN_WRITE] when none waits, with [Code.BUSY] when a run is at the link.
     */
    suspend fun retryWrite(link: String, event: String) =
        call("retry_write", Arguments().text("link", link).text("event", event))

    /**
     * Gives the write of an event up: both sides stay as they are until either is edited again. A deletion that is given up leaves
     * the item alone for good. Fails as [retryWrite] does.
     */
    suspend fun dropWrite(link: String, event: String) =
        call("drop_write", Arguments().text("link", link).text("event", event))

    /** What each link makes of an event, which step leaves it out, and what was done about it, why, and by whom. */
    suspend fun explain(calendar: String, id: String): Explanation =
        call("explain", Arguments().text("calendar", calendar).text("id", id), Explanation.serializer())

    /** When all calendars of [terms] are free, and how far each can be trusted. */
    suspend fun free(terms: FreeTerms): FreeAnswer =
        call("free", Arguments().value("terms", FreeTerms.serializer(), terms), FreeAnswer.serializer())

    /** What is known of items that are no events here, by their name there or their UID: what keeps them out, and since when. */
    suspend fun explainItem(item: String): List<SeenItem> =
        call("explain_item", Arguments().text("item", item), ListSerializer(SeenItem.serializer()))

    /** From where events came, and where they went. */
    suspend fun sources(events: List<String>): List<Source> =
        call("sources", Arguments().values("events", String.serializer(), events), ListSerializer(Source.serializer()))

    /** The events joined over a link, as [sources] tells of them, by the name of their items and starting after [after]. */
    suspend fun eventsOf(link: String, after: String? = null, limit: Int = 1000): List<Source> {
        val args = Arguments().text("link", link).text("after", after).number("limit", limit)
        return call("events_of", args, ListSerializer(Source.serializer()))
    }

    /** Runs of a link, what they did, and conflicts, the oldest first. It holds no text of events. */
    suspend fun history(link: String): List<HistoryEntry> =
        call("history", Arguments().text("link", link), ListSerializer(HistoryEntry.serializer()))

    /**
     * Deletes what a link wrote: the items it made there, or the events it brought in here. What people made or edited stays. More
     * than one deletion waits for a person, who approves [Cleaned.planId]; a [preview] deletes nothing.
     */
    suspend fun clean(link: String, approve: String? = null, preview: Boolean = false): Cleaned {
        val args = Arguments().text("link", link).text("approve", approve).flag("preview", preview)
        return call("clean", args, Cleaned.serializer())
    }

    /**
     * Forgets a link: which events it joined, what waits to be sent, and what was set aside. Both sides stay as they are, and what it
     * did stays in its history; [clean] before it deletes what it wrote. A link that is added again under the name meets both sides anew.
     */
    suspend fun forget(link: String) = call("forget", Arguments().text("link", link))

    /**
     * Keeps a slot for so many [minutes] for somebody who has not decided yet. [terms] are those of [free]. Fails with
     * [Code.SLOT_TAKEN] or [Code.SLOT_NOT_OFFERED].
     */
    suspend fun hold(terms: FreeTerms, start: Instant, end: Instant, minutes: Int): Hold {
        val args = Arguments().value("terms", FreeTerms.serializer(), terms).instant("start", start).instant("end", end)
        return call("hold", args.number("minutes", minutes), Hold.serializer())
    }

    /** Gives a held slot back before it runs out. */
    suspend fun release(hold: Hold) = call("release", Arguments().value("hold", Hold.serializer(), hold))

    /**
     * Books the time of an event: writes the event when every calendar of [terms] is free then. Fails as [hold] does.
     *
     * @param id of the event: a booking that is sent again under it is the same booking.
     * @param hold the id of the hold that kept the slot.
     * @param replaces the id of the booking this one takes the place of.
     */
    suspend fun book(
        terms: FreeTerms,
        calendar: String,
        event: Event,
        id: String? = null,
        hold: String? = null,
        replaces: String? = null,
    ): Booking {
        val args = Arguments().value("terms", FreeTerms.serializer(), terms).text("calendar", calendar)
        args.value("event", Event.serializer(), event).text("id", id).text("hold", hold).text("replaces", replaces)
        return call("book", args, Booking.serializer())
    }

    /** Gives a booked slot back: its event is deleted, and every link on the calendar carries that on. */
    suspend fun cancelBooking(calendar: String, id: String) =
        call("cancel_booking", Arguments().text("calendar", calendar).text("id", id))

    /** Ends the calls that go on and lets go of connections and links. Later calls fail with the code `closed`. Does not wait. */
    override fun close() = native.end()
}

/** What [Engine.syncing] tells. */
sealed interface SyncStep {
    /** How far it is. */
    data class Going(val progress: Progress) : SyncStep

    /** It ended. */
    data class Done(val report: Report) : SyncStep
}

@Serializable
private data class FieldAnswer(val field: Field, val take: Take)

@Serializable
private data class SqliteChoice(val sqlite: SqlitePath)

@Serializable
private data class SqlitePath(val path: String)

private fun choice(path: String): String =
    if (path == ":memory:") "\"memory\"" else json.encodeToString(SqliteChoice.serializer(), SqliteChoice(SqlitePath(path)))
