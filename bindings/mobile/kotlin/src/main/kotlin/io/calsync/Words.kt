package io.calsync

import kotlinx.serialization.SerialName
import kotlinx.serialization.Serializable

/** Where a UID came from. */
@Serializable
enum class UidOrigin {
    @SerialName("given") GIVEN,
    @SerialName("derived") DERIVED,
}

/** Whether an event takes place. */
@Serializable
enum class Status {
    @SerialName("confirmed") CONFIRMED,
    @SerialName("tentative") TENTATIVE,
    @SerialName("cancelled") CANCELLED,
}

/** Whether an event takes up its owner's time. */
@Serializable
enum class FreeBusyStatus {
    @SerialName("busy") BUSY,
    @SerialName("free") FREE,
}

/** Who may see the details. */
@Serializable
enum class Privacy {
    @SerialName("public") PUBLIC,
    @SerialName("private") PRIVATE,
    @SerialName("secret") SECRET,
}

/** How far an override reaches. */
@Serializable
enum class OverrideScope {
    @SerialName("this") THIS,
    @SerialName("this-and-future") THIS_AND_FUTURE,
}

/** What a participant answered. */
@Serializable
enum class ParticipationStatus {
    @SerialName("needs-action") NEEDS_ACTION,
    @SerialName("accepted") ACCEPTED,
    @SerialName("declined") DECLINED,
    @SerialName("tentative") TENTATIVE,
    @SerialName("delegated") DELEGATED,
}

/** What a participant is for. */
@Serializable
enum class Role {
    @SerialName("required") REQUIRED,
    @SerialName("optional") OPTIONAL,
    @SerialName("chair") CHAIR,
    @SerialName("informational") INFORMATIONAL,
}

/** What an alarm does. */
@Serializable
enum class AlarmAction {
    @SerialName("display") DISPLAY,
    @SerialName("audio") AUDIO,
    @SerialName("email") EMAIL,
}

/** What a relative trigger counts from. */
@Serializable
enum class RelativeTo {
    @SerialName("start") START,
    @SerialName("end") END,
}

/** How one event was made from another. */
@Serializable
enum class Descent {
    @SerialName("copy") COPY,
    @SerialName("following") FOLLOWING,
}

/** Which of two equal wall-clock times is meant when clocks go back. */
@Serializable
enum class Fold {
    @SerialName("first") FIRST,
    @SerialName("second") SECOND,
}

/** Which way a link carries changes. */
@Serializable
enum class Direction {
    @SerialName("two-way") TWO_WAY,
    @SerialName("import") IMPORT,
    @SerialName("export") EXPORT,
}

/** Who wins a field both sides changed. */
@Serializable
enum class ConflictPolicy {
    @SerialName("remote-wins") REMOTE_WINS,
    @SerialName("local-wins") LOCAL_WINS,
    @SerialName("newest-wins") NEWEST_WINS,
    @SerialName("keep-both") KEEP_BOTH,
    @SerialName("manual") MANUAL,
    @SerialName("resolver") RESOLVER,
}

/** What becomes of an event that one side deleted and the other edited. */
@Serializable
enum class DeletionPolicy {
    @SerialName("by-conflicts") BY_CONFLICTS,
    @SerialName("keep-edit") KEEP_EDIT,
    @SerialName("delete") DELETE,
    @SerialName("remote-wins") REMOTE_WINS,
    @SerialName("local-wins") LOCAL_WINS,
}

/** What becomes of a copy that somebody edits where it is, on a link that imports or exports. */
@Serializable
enum class CopyEdits {
    @SerialName("leave") LEAVE,
    @SerialName("restore") RESTORE,
    @SerialName("detach") DETACH,
}

/** Whether people may be written to the remote side, which on many servers mails them. */
@Serializable
enum class PeoplePolicy {
    @SerialName("withhold") WITHHOLD,
    @SerialName("write") WRITE,
}

/** Who won a contested field. */
@Serializable
enum class Choice {
    @SerialName("local") LOCAL,
    @SerialName("remote") REMOTE,
    @SerialName("both") BOTH,
    @SerialName("open") OPEN,
}

/** What is done about a pair. [ASK] comes from an engine only. */
@Serializable
enum class Action {
    @SerialName("none") NONE,
    @SerialName("create-local") CREATE_LOCAL,
    @SerialName("create-remote") CREATE_REMOTE,
    @SerialName("join") JOIN,
    @SerialName("merge") MERGE,
    @SerialName("delete-local") DELETE_LOCAL,
    @SerialName("delete-remote") DELETE_REMOTE,
    @SerialName("restore-local") RESTORE_LOCAL,
    @SerialName("restore-remote") RESTORE_REMOTE,
    @SerialName("forget") FORGET,
    @SerialName("suppress") SUPPRESS,
    @SerialName("ask") ASK,
}

/**
 * What says that something was deleted. That it was not listed says so only when it was also asked for by name: [ABSENT].
 * [OUTSIDE_WINDOW] and [MADE_AGAIN] are of copies, and do not count against the brake on deletions.
 */
@Serializable
enum class Evidence {
    @SerialName("reported") REPORTED,
    @SerialName("absent") ABSENT,
    @SerialName("not-found") NOT_FOUND,
    @SerialName("deleted-here") DELETED_HERE,
    @SerialName("left-out") LEFT_OUT,
    @SerialName("outside-window") OUTSIDE_WINDOW,
    @SerialName("made-again") MADE_AGAIN,
    @SerialName("marked") MARKED,
}

/** What is known of a calendar; [STALE]: what a look before the last one said. */
@Serializable
enum class CalendarState {
    @SerialName("current") CURRENT,
    @SerialName("stale") STALE,
    @SerialName("unknown") UNKNOWN,
}

/** How firmly a time is taken. */
@Serializable
enum class BusyKind {
    @SerialName("tentative") TENTATIVE,
    @SerialName("unavailable") UNAVAILABLE,
    @SerialName("busy") BUSY,
}

/** Whether times that may be taken are. */
@Serializable
enum class TentativePolicy {
    @SerialName("busy") BUSY,
    @SerialName("free") FREE,
}

/** What becomes of time a calendar says nothing about. */
@Serializable
enum class UncoveredPolicy {
    @SerialName("withhold") WITHHOLD,
    @SerialName("offer") OFFER,
}

/** A day of the week. */
@Serializable
enum class Weekday {
    @SerialName("mo") MONDAY,
    @SerialName("tu") TUESDAY,
    @SerialName("we") WEDNESDAY,
    @SerialName("th") THURSDAY,
    @SerialName("fr") FRIDAY,
    @SerialName("sa") SATURDAY,
    @SerialName("su") SUNDAY,
}

/** Whose value a person takes. */
@Serializable
enum class Take {
    @SerialName("local") LOCAL,
    @SerialName("remote") REMOTE,
}

/** The limit an expansion ran into. */
@Serializable
enum class LimitReached {
    @SerialName("instances") INSTANCES,
    @SerialName("steps") STEPS,
    @SerialName("dates") DATES,
}

/** What a write does to the item there. */
@Serializable
enum class WriteKind {
    @SerialName("create") CREATE,
    @SerialName("update") UPDATE,
    @SerialName("delete") DELETE,
}

/** How far a write is: a run sends it, looks whether it was applied, or it waits for a person. */
@Serializable
enum class WriteState {
    @SerialName("pending") PENDING,
    @SerialName("ambiguous") AMBIGUOUS,
    @SerialName("wedged") WEDGED,
}

/** What an item is to an event: the event came from it, both are one event, or it is a copy. */
@Serializable
enum class SourceRole {
    @SerialName("origin") ORIGIN,
    @SerialName("shared") SHARED,
    @SerialName("copy") COPY,
}

/** What kind of thing happened. */
@Serializable
enum class HistoryKind {
    @SerialName("run") RUN,
    @SerialName("change") CHANGE,
    @SerialName("conflict") CONFLICT,
}

/** How an event stands on a link. */
@Serializable
enum class WayState {
    @SerialName("in-step") IN_STEP,
    @SerialName("waiting") WAITING,
    @SerialName("stuck") STUCK,
    @SerialName("left-alone") LEFT_ALONE,
    @SerialName("left-out") LEFT_OUT,
    @SerialName("outside-window") OUTSIDE_WINDOW,
    @SerialName("not-joined") NOT_JOINED,
}

/** What happened to an event. */
@Serializable
enum class MomentKind {
    @SerialName("seen") SEEN,
    @SerialName("mapped") MAPPED,
    @SerialName("filtered") FILTERED,
    @SerialName("done") DONE,
    @SerialName("echoed") ECHOED,
    @SerialName("conflicted") CONFLICTED,
    @SerialName("settled") SETTLED,
}

/** Which side was written, and how; `kept`: it was left as it is, on purpose. */
@Serializable
enum class JournalOp {
    @SerialName("local-create") LOCAL_CREATE,
    @SerialName("local-update") LOCAL_UPDATE,
    @SerialName("local-delete") LOCAL_DELETE,
    @SerialName("remote-create") REMOTE_CREATE,
    @SerialName("remote-update") REMOTE_UPDATE,
    @SerialName("remote-delete") REMOTE_DELETE,
    @SerialName("kept") KEPT,
}

/** What settled a conflict. */
@Serializable
enum class SettledBy {
    @SerialName("policy") POLICY,
    @SerialName("resolver") RESOLVER,
    @SerialName("person") PERSON,
    @SerialName("edits") EDITS,
    @SerialName("deletion") DELETION,
}

/** Why an item is no event here: the pipeline does not let it through, or it is set aside for another reason. */
@Serializable
enum class SeenState {
    @SerialName("left-out") LEFT_OUT,
    @SerialName("set-aside") SET_ASIDE,
}

/** For which reason an item is set aside. */
@Serializable
enum class UnreadKind {
    @SerialName("unreadable") UNREADABLE,
    @SerialName("not-an-event") NOT_AN_EVENT,
    @SerialName("left-out") LEFT_OUT,
    @SerialName("own-feed") OWN_FEED,
    @SerialName("undecided") UNDECIDED,
    @SerialName("unfetched") UNFETCHED,
}

/** What kind of provider a connection is to. */
@Serializable
enum class ProviderKind {
    @SerialName("caldav") CALDAV,
    @SerialName("cozi") COZI,
    @SerialName("google") GOOGLE,
    @SerialName("ics") ICS,
    @SerialName("microsoft") MICROSOFT,
}
