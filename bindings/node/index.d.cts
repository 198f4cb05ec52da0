// calsync: keeps the calendars of your application in step with CalDAV servers, Google Calendar, Microsoft 365 and ICS feeds.

/**
 * An instant as RFC 3339 text in UTC, such as `2026-03-01T08:00:00Z`: what `Temporal.Instant.from` and `new Date` read. It cannot be
 * compared as text: fractions have any number of digits, and years before 0 or after 9999 have a sign. `Date` has only milliseconds.
 */
export type Instant = string;
/** A wall-clock time, such as `2026-03-01T09:00:00`: what `Temporal.PlainDateTime.from` reads. */
export type LocalTime = string;
/** A zone of the IANA database by its name, or one that only a file defines. */
export type Zone = string | { tzid: string; observances: unknown[] };
/** A start before anything moved it, as iCalendar writes it: `20260105`, `20260105T180000` or `20260105T180000Z`. */
export type RecurrenceId = string;

/** A whole day, a time that floats, a wall-clock time in a zone, or an instant. */
export type EventTime =
  | { date: string }
  | { floating: LocalTime }
  | { zoned: { local: LocalTime; zone: Zone; fold?: Fold } }
  | { utc: Instant | Date };

export type UidOrigin = 'given' | 'derived';
export type Status = 'confirmed' | 'tentative' | 'cancelled';
export type FreeBusyStatus = 'busy' | 'free';
export type Privacy = 'public' | 'private' | 'secret';
export type OverrideScope = 'this' | 'this-and-future';
export type ParticipationStatus = 'needs-action' | 'accepted' | 'declined' | 'tentative' | 'delegated';
export type Role = 'required' | 'optional' | 'chair' | 'informational';
export type AlarmAction = 'display' | 'audio' | 'email';
export type RelativeTo = 'start' | 'end';
export type Descent = 'copy' | 'following';
export type Fold = 'first' | 'second';
/** Which way a link carries changes. */
export type Direction = 'two-way' | 'import' | 'export';
/** Who wins a field both sides changed. */
export type ConflictPolicy = 'remote-wins' | 'local-wins' | 'newest-wins' | 'keep-both' | 'manual' | 'resolver';
/** What becomes of a copy that somebody edits where it is: it is left so, written anew, or copied no more. Not of links that go both ways. */
export type CopyEdits = 'leave' | 'restore' | 'detach';
/** What becomes of an event that one side deleted and the other edited. */
export type DeletionPolicy = 'by-conflicts' | 'keep-edit' | 'delete' | 'remote-wins' | 'local-wins';
/** Whether people may be written, which on many servers mails them. */
export type PeoplePolicy = 'withhold' | 'write';
export type Choice = 'local' | 'remote' | 'both' | 'open';
/** What is done about a pair; `ask` comes from an engine only. */
export type Action =
  | 'none'
  | 'create-local'
  | 'create-remote'
  | 'join'
  | 'merge'
  | 'delete-local'
  | 'delete-remote'
  | 'restore-local'
  | 'restore-remote'
  | 'forget'
  | 'suppress'
  | 'ask';
/**
 * What says that something was deleted. That it was not listed says so only when it was also asked for by name: `absent`.
 * `outside-window` and `made-again` are of copies, and do not count against the brake on deletions.
 */
export type Evidence =
  | 'reported'
  | 'absent'
  | 'not-found'
  | 'deleted-here'
  | 'left-out'
  | 'outside-window'
  | 'made-again'
  | 'marked';
/** Whether times that may be taken are. */
export type TentativePolicy = 'busy' | 'free';
/** What becomes of time a calendar says nothing about. */
export type UncoveredPolicy = 'withhold' | 'offer';
/** How firmly a time is taken. */
export type BusyKind = 'tentative' | 'unavailable' | 'busy';
/** `stale`: what is known is from a look before the last. */
export type CalendarState = 'current' | 'stale' | 'unknown';
export type Weekday = 'mo' | 'tu' | 'we' | 'th' | 'fr' | 'sa' | 'su';
export type Take = 'local' | 'remote';
export type WriteKind = 'create' | 'update' | 'delete';
/** A run sends it, a run looks whether it was applied, or it waits for a person. */
export type WriteState = 'pending' | 'ambiguous' | 'wedged';
export type LimitReached = 'instances' | 'steps' | 'dates';
/** What an item is to an event: the event came from it, both are one event, or it is a copy. */
export type SourceRole = 'origin' | 'shared' | 'copy';
/** What kind of thing happened. */
export type HistoryKind = 'run' | 'change' | 'conflict';
/** How an event stands on a link. */
export type WayState = 'in-step' | 'waiting' | 'stuck' | 'left-alone' | 'left-out' | 'outside-window' | 'not-joined';
/** What happened to an event. */
export type MomentKind = 'seen' | 'mapped' | 'filtered' | 'done' | 'echoed' | 'conflicted' | 'settled';
/** Which side was written, and how; `kept`: it was left as it is, on purpose. */
export type JournalOp = 'local-create' | 'local-update' | 'local-delete' | 'remote-create' | 'remote-update' | 'remote-delete' | 'kept';
/** What settled a conflict. */
export type SettledBy = 'policy' | 'resolver' | 'person' | 'edits' | 'deletion';
/** Why an item is no event here: the pipeline does not let it through, or it is set aside for another reason. */
export type SeenState = 'left-out' | 'set-aside';
/** For which reason an item is set aside. */
export type UnreadKind = 'unreadable' | 'not-an-event' | 'left-out' | 'own-feed' | 'undecided' | 'unfetched';
/** Which addresses a request may go to: `public` are those of the public internet, see `publicAddresses`. */
export type Addresses = 'public' | 'all';
/**
 * Why there is no answer. After `connect` (name, network or TLS) and `blocked` (none the request may go to) the request never left; after
 * `timeout`, `interrupted` and `too-large` (the body) the server may have acted.
 */
export type TransportFault = 'connect' | 'timeout' | 'interrupted' | 'too-large' | 'blocked';
export type ProviderKind = 'caldav' | 'cozi' | 'google' | 'ics' | 'microsoft';
/** What went wrong, as a word that never changes. */
export type Code =
  | 'invalid-input'
  | 'unsupported'
  | 'blocked'
  | 'unauthorized'
  | 'consent-denied'
  | 'needs-admin'
  | 'wrong-account'
  | 'oauth-state'
  | 'forbidden'
  | 'calendar-gone'
  | 'not-found'
  | 'version-mismatch'
  | 'already-exists'
  | 'refused'
  | 'too-large'
  | 'cursor-invalid'
  | 'throttled'
  | 'unavailable'
  | 'protocol'
  | 'internal'
  | 'busy'
  | 'plan-changed'
  | 'link-moved'
  | 'unknown-link'
  | 'unknown-connection'
  | 'unknown-match'
  | 'unknown-conflict'
  | 'conflict-settled'
  | 'not-contested'
  | 'unknown-run'
  | 'unknown-write'
  | 'slot-taken'
  | 'slot-not-offered'
  | 'unknown-booking'
  | 'store-conflict'
  | 'store-fenced'
  | 'store-unavailable'
  | 'store-full'
  | 'store-corrupt'
  | 'store-invalid-input'
  | 'store-failed'
  | 'not-i-calendar'
  | 'unreadable'
  | 'no-such-item'
  | 'host-failed'
  | 'host-type'
  | 'host-silent'
  | 'cancelled'
  | 'closed'
  | 'check-failed';

/** From the start up to, not including, the end: for dates the day after the last day. */
export interface TimeSpan {
  start: EventTime;
  end: EventTime;
}

export interface Person {
  address: string;
  name?: string;
}

export interface Participant {
  address: string;
  name?: string;
  status?: ParticipationStatus;
  role?: Role;
  expectReply?: boolean;
}

/** A reminder, so many seconds from the start or end (negative is before), or at an instant. */
export interface Alarm {
  trigger: { offset: { seconds: number; relativeTo?: RelativeTo } } | { absolute: Instant | Date };
  action?: AlarmAction;
  description?: string;
}

export interface VirtualLocation {
  uri: string;
  name?: string;
}

/** The content of an event, or of one instance of a series. What is left out was not said. */
export interface EventBody {
  time: TimeSpan;
  title?: string;
  description?: string;
  location?: string;
  geo?: string;
  url?: string;
  virtualLocations?: VirtualLocation[];
  status?: Status;
  freeBusy?: FreeBusyStatus;
  privacy?: Privacy;
  priority?: number;
  color?: string;
  categories?: string[];
  organizer?: Person;
  participants?: Participant[];
  alarms?: Alarm[];
  sequence?: number;
  created?: Instant | Date;
  updated?: Instant | Date;
}

/** An instance that does not take place, takes place although no rule says so, or has content of its own. */
export type Override =
  | 'excluded'
  | { added: { end?: EventTime } }
  | { changed: { body: EventBody; scope?: OverrideScope } };

export interface Lineage {
  uid: string;
  how: Descent;
}

/** One calendar object: a single event, or a series with its rules (RFC 5545 text) and overrides. */
export interface Event {
  uid: string;
  uidOrigin?: UidOrigin;
  master?: EventBody | null;
  rules?: string[];
  excludedRules?: string[];
  overrides?: Record<RecurrenceId, Override>;
  lineage?: Lineage | null;
}

/** A calendar in the store. */
export interface Calendar {
  id: string;
  name: string;
  color?: string;
}

/** A calendar as its provider lists it. */
export interface RemoteCalendar {
  id: string;
  name: string;
  color: string | null;
  readOnly: boolean;
}

export interface UnreadableItem {
  uid: string | null;
  reason: string;
}

/** A text that was read. If it is not complete, nothing may be concluded from what it lacks. */
export interface ParsedCalendar {
  name: string | null;
  events: Event[];
  unreadable: UnreadableItem[];
  complete: boolean;
}

/** One time an event takes place; `id` is the key of its override. */
export interface Instance {
  id: RecurrenceId;
  time: TimeSpan;
}

export interface Expansion {
  instances: Instance[];
  opaqueRules: number;
  stopped: LimitReached | null;
}

/** One mergeable part of an event, such as `title`; `key` names a category, an address or a trigger. */
export interface Field {
  instance: RecurrenceId | null;
  part: string;
  key: unknown;
}

export interface ContestedField {
  field: Field;
  choice: Choice;
}

/** What a three-way merge decided. */
export interface Merged {
  local: Event;
  remote: Event;
  toLocal: Field[];
  toRemote: Field[];
  contested: ContestedField[];
  keepLocalCopy: boolean;
}

/** An event here and its item there, with what is known of both. */
export interface PlanPair {
  /** What both sides held when they last agreed; left out when they never met. */
  base?: Event | null;
  /** What the remote side held then, where it stores events in a form of its own. Default: `base`. */
  remoteBase?: Event | null;
  /** The local side now. Left out: nothing was heard of it, so it is as the base says. */
  local?: Event | null;
  /** The remote side now. Left out: nothing was heard of it, so it is as the base says. */
  remote?: Event | null;
  /** The local event was deleted, and this speaks for it. */
  localGone?: Evidence | null;
  /** The item was deleted, and this speaks for it: that it was not listed does not. */
  remoteGone?: Evidence | null;
  /** The pair is left alone, since a plan said `suppress`. */
  parted?: boolean;
}

/** What is done about one pair, and why. `reason` has no text of events. */
export interface Decision {
  action: Action;
  reason: string;
  /** What the local side is to hold; `null`: it stays as it is, or is deleted. */
  local: Event | null;
  /** What the remote side is to hold; `null`: it stays as it is, or is deleted. */
  remote: Event | null;
  toLocal: Field[];
  toRemote: Field[];
  contested: ContestedField[];
  keepLocalCopy: boolean;
  /** What speaks for a deletion. */
  evidence: Evidence | null;
}

/** What is done about pairs, in their order. When it is `held`, its deletions wait for a person, and all else goes on. */
export interface Plan {
  decisions: Decision[];
  held: boolean;
}

/** What is copied of one event. Neither: it takes no time, and the copies are busy-only. */
export interface Copied {
  event: Event | null;
  /** The name of the step that keeps it out. */
  leftOutBy: string | null;
}

/** From an instant up to, not including, another. */
export interface Period {
  start: Instant;
  end: Instant;
}

/** A time that is taken: from an instant up to, not including, another. */
export interface BusyTime {
  start: Instant;
  end: Instant;
  kind: BusyKind;
}

/** A calendar with what is known of it. */
export interface CalendarEvents {
  /** Its name in the answer. */
  calendar: string;
  events?: Event[];
  /** Times beside them: all there is of a calendar that shows no events. */
  busy?: BusyTime[];
  /** Dates and floating times are read in it. Default: that of the terms. */
  zone?: Zone;
  /** The addresses of its owner: what they declined takes none of their time. */
  owner?: string[];
  /** Default: `current`. */
  state?: CalendarState;
  /** When it was last read whole. Default: never. */
  asOf?: Instant | Date;
  /** What that look covered. Default: everything. */
  covered?: Period;
}

/** Hours of some days of the week (every day), as `hh:mm` up to `24:00`. An end at or before the start is that of the next day. */
export interface DayHours {
  start: string;
  end: string;
  days?: Weekday[];
}

/** When somebody works, on the clock of `zone`: a minute counts when one of the hours holds it. */
export interface WorkingHours {
  zone: Zone;
  hours: DayHours[];
}

/** What slots are offered under. */
export interface SlotTerms {
  /** On whose clock slots start (UTC). */
  zone?: Zone;
  /** 30 */
  slotMinutes?: number;
  /** Slots start at multiples of this since midnight (15). */
  granularityMinutes?: number;
  bufferBeforeMinutes?: number;
  bufferAfterMinutes?: number;
  /** How long from now the first open moment is. */
  noticeMinutes?: number;
  tentative?: TentativePolicy;
  uncovered?: UncoveredPolicy;
  /** All have to hold a moment that is open. */
  hours?: WorkingHours[];
  /** Texts with a `VAVAILABILITY` (RFC 7953), one for each person. */
  availability?: string[];
}

/** A calendar of the store. It counts whole, whatever link brought its events in. */
export interface FreeCalendar {
  calendar: string;
  /** Dates and floating times are read in it. Default: that of the slots. */
  zone?: Zone;
  /** The addresses of its owner: what they declined takes none of their time. */
  owner?: string[];
}

/** A calendar of which a connection sees only when it is busy. */
export interface FreeElsewhere {
  /** The name it gets in the answer. */
  calendar: string;
  connection: string;
  /** Its name there: its id; at Microsoft the address of its owner; its URL on a CalDAV server. */
  remote: string;
}

/** When calendars have to be free, all of them: between two instants, 400 days apart at most. */
export interface FreeTerms {
  calendars: FreeCalendar[];
  start: Instant | Date;
  end: Instant | Date;
  /** They have to be free as well: their providers are asked each time. */
  elsewhere?: FreeElsewhere[];
  slots?: SlotTerms;
}

/** A slot that is kept until then; `id` is for `book`, `rows` are for `release`. */
export interface Hold {
  id: string;
  slot: Period;
  until: Instant;
  rows: string[];
}

/** A slot that was booked: the calendar and the id of its event. */
export interface Booking {
  calendar: string;
  id: string;
  slot: Period;
}

/** When somebody is free: the busy times, what is open, and the slots in it. If it is `truncated`, there are more. */
export interface FreeAnswer {
  busy: BusyTime[];
  open: Period[];
  slots: Period[];
  truncated: boolean;
  calendars: CalendarAnswer[];
}

/** What is known of a calendar, for whoever has to judge an answer. */
export interface CalendarAnswer {
  calendar: string;
  state: CalendarState;
  /** Since it was last read whole; `null`: never. */
  ageSeconds: number | null;
  /** What the last look covered of the window; `null`: nothing. */
  covered: Period | null;
  coversWindow: boolean;
  /** Series that could not be expanded whole. */
  incompleteSeries: number;
}

/** An event as the store holds it; an edit names its `revision`. */
export interface StoredEvent {
  id: string;
  revision: number;
  event: Event;
  modified: Instant;
}

export interface PlannedOperation {
  action: string;
  eventId: string | null;
  remoteId: string | null;
  toLocal: Field[];
  toRemote: Field[];
  contested: Field[];
  losses: string[];
  reason: string;
}

export interface Counts {
  /** Remote items read. */
  pulled: number;
  /** Local events made. */
  created: number;
  /** Local events changed. */
  updated: number;
  /** Local events deleted. */
  deleted: number;
  /** Writes to the provider that it confirmed. */
  pushed: number;
  /** Conflicts recorded. */
  conflicts: number;
  /** Items that cannot be read, set aside until they change. */
  quarantined: number;
  /** Operations held back until a person approves. */
  held: number;
  /** Requests to the provider. */
  requests: number;
  /** Changes of the remote side that were known as this link's own writes. */
  echoed: number;
}

/** What a run did, or would do. When deletions are `held`, a person approves or refuses `planId`. */
export interface Report {
  /** The run, as the run log and `undo` name it. */
  run: string;
  /** What to approve when deletions are held, else the id of the plan. */
  planId: string;
  /** Whether deletions wait for a person. */
  held: boolean;
  /** Whether both sides hold the same now, as far as the provider can. */
  inStep: boolean;
  counts: Counts;
  /** Every operation, with its reason. */
  operations: PlannedOperation[];
  /** Items that may be events here already; a person says which (`answer`). */
  undecided: number;
  /** Writes that the provider does not take for now; the next run tries again. */
  waiting: number;
  /** Writes that the provider refuses: once more a day, after another edit, or when a person says so. */
  wedged: number;
  /** Events looked at that are outside the window of what the link copies, and have no copy. */
  outside: number;
  /** The held plan that was approved or refused in this run. */
  answered: string | null;
}

/** What a clean-up found and did. When it is `held`, a person approves `planId`. If it is not `complete`, there may be more. */
export interface Cleaned {
  planId: string;
  held: boolean;
  operations: PlannedOperation[];
  deleted: number;
  /** Items somebody edited since the link wrote them: they stay. */
  edited: number;
  /** Items that carry a mark which is not theirs: they stay. */
  foreign: number;
  complete: boolean;
}

/** A field of a conflict with the values of both sides; `outcome` is `open` while it waits. */
export interface ConflictField {
  field: Field;
  base: unknown;
  local: unknown;
  remote: unknown;
  outcome: string;
}

/** Both sides changed the same fields to different values. */
export interface Conflict {
  id: string;
  link: string;
  eventId: string;
  uid: string;
  open: boolean;
  fields: ConflictField[];
  local: Event | null;
  remote: Event | null;
  policy: string;
  at: Instant;
}

/** A run of the engine on a link. */
export interface Run {
  id: string;
  link: string;
  started: Instant;
  ended: Instant | null;
  outcome: 'running' | 'in-step' | 'held' | 'undone' | { failed: { error: string } };
  counts: Counts;
  heldPlan: string | null;
  approved?: string;
  refused?: string;
  unaskedDeletions: number;
}

/** An event, and the `item` it is joined to over one link, in the calendar `remote`. */
export interface Source {
  event: string;
  link: string;
  remote: string;
  item: string;
  role: SourceRole;
}

/** One thing that happened. What does not apply is empty; `counts` are of a run. It holds no text of events. */
export interface HistoryEntry {
  at: Instant;
  kind: HistoryKind;
  link: string;
  run: string;
  event: string;
  item: string;
  uid: string;
  /** What was done: `local-create`, `remote-update`, `kept` and so on. */
  what: string;
  why: string;
  fields: string[];
  /** How a run ended; of a conflict `open` or `resolved`. */
  outcome: string;
  /** The policy of a conflict, the evidence of a deletion. */
  by: string;
  /** Who decided it, where it was a person. */
  who: string;
  counts: Counts | null;
}

/** What a link makes of an event. */
export interface Way {
  link: string;
  direction: Direction;
  state: WayState;
  /** The item on the other side. */
  remoteId: string | null;
  /** What its copy is made by, by name, in order. */
  transforms: string[];
  /** How often a write that waits was tried. */
  attempts: number | null;
  /** Why a write is stuck. */
  detail: string | null;
  /** The filter that leaves it out. `null`: no filter does, or it takes no time and the copy is busy-only. */
  step: string | null;
  /** When what is outside the window enters it, if nobody touches it. */
  enters: Instant | null;
}

/** A contested field, and what became of it; `open` while it waits. */
export interface FieldOutcome {
  field: Field;
  outcome: string;
}

/** Something that happened to an event. What does not apply is `null` or empty. */
export interface Moment {
  at: Instant;
  what: MomentKind;
  /** Over which link. `null`: it was made here. */
  link: string | null;
  run: string | null;
  /** The item it was mapped to. */
  item: string | null;
  /** The filter that kept it out. `null`: no filter does, or it takes no time and the copy is busy-only. */
  step: string | null;
  /** What was done, or came back. */
  op: JournalOp | null;
  /** Why it was done. */
  reason: string | null;
  /** Those that changed. */
  fields: Field[];
  /** What of the event the remote side cannot hold, in words for people. */
  losses: string[];
  /** What spoke for a deletion. */
  evidence: Evidence | null;
  /** The id of the conflict that was found or settled. */
  conflict: string | null;
  /** Its fields; empty: one side had deleted what the other edited. */
  contested: FieldOutcome[];
  /** Under which policy it was found. */
  policy: string | null;
  /** Whether it still waits for somebody. */
  open: boolean | null;
  /** By what it was settled. */
  by: SettledBy | null;
  /** By whom, where a person said so. */
  who: string | null;
}

/** What is known of an event: what each link of its calendar makes of it, and what happened to it, the oldest first. It has no text of it. */
export interface Explanation {
  ways: Way[];
  timeline: Moment[];
}

/** An item of the remote side that is no event here, and why. */
export interface SeenItem {
  link: string;
  /** Its name there. */
  remoteId: string;
  /** Since when it stands like this. */
  since: Instant;
  state: SeenState;
  /** The filter that leaves it out. `null`: no filter does, or it takes no time and the copy is busy-only. */
  step: string | null;
  /** For which reason it was set aside. */
  kind: UnreadKind | null;
  /** The same in words, without its text. */
  reason: string | null;
}

/** What became of the changes of a run that was taken back. */
export interface Undone {
  run: string;
  restored: number;
  removed: number;
  /** Items the run made on the remote side, and that are deleted there now. */
  removedThere: number;
  /** The run to take back for the next run to make those items again. */
  removal: string | null;
  /** Events left alone: edited since, or nothing of them is left to take back. */
  kept: number;
  /** Those left alone whose items the run made on the remote side, and that cannot be deleted there. */
  madeThere: number;
  edited: string[];
}

/** An item that may be an event here; a person says which. */
export interface Question {
  remoteId: string;
  candidates: string[];
  answered: boolean;
  since: Instant;
}

/** A write to the remote side that is decided and not confirmed. It holds no text of the event. */
export interface WaitingWrite {
  link: string;
  /** What `retryWrite` and `dropWrite` are told: one write waits for an event at most. */
  eventId: string;
  /** The name the item has there or will have; `null` where nothing could be made of the event. */
  remoteId: string | null;
  kind: WriteKind;
  state: WriteState;
  /** Why it was decided. */
  reason: string;
  attempts: number;
  /** It is not sent before. */
  notBefore: Instant | null;
  /** Why it is wedged. */
  error: Code | null;
  /** The same for people. */
  detail: string | null;
}

/** How far a run is: `listed`, `pulled`, `pushed` or `wedged`. */
export interface Progress {
  step: string;
  link: string;
  done: number;
  total: number | null;
}

/** Something failed. The text holds no secret and no event text; `cause` is what a method of yours threw. */
export class CalsyncError extends Error {
  readonly code: Code;
  readonly retryable: boolean;
  /** Not before so many milliseconds from now: the provider said so, or a link that is busy is free then if whoever has it is gone. */
  readonly retryAfterMs: number | null;
  readonly message: string;
  /** What it is about: a method of yours, a link, a connection. */
  readonly item: string | null;
}

/** A row as it was written in a commit: kept whole, given back whole. */
export type Row = Record<string, any>;
export type MaybePromise<T> = T | Promise<T>;

export interface LeaseToken {
  name: string;
  epoch: number;
}

/**
 * Writes that belong together: all of them, or none. The fields of each `of` and `op`, and what a store makes of them:
 * https://github.com/calsync/calsync/blob/main/docs/store-contract.md#what-a-batch-holds-in-python-and-node
 */
export interface Batch {
  /** Who writes; `null` when no lease is needed. */
  lease: LeaseToken | null;
  /** `given-back`: the writer is done with its lease. A store that frees it in the same transaction says so in its receipt. */
  lease_end: 'kept' | 'given-back';
  /**
   * What has to hold before the first write, by `of`: the `revision` of an `event`, the `generation` of a `link`, the `version` of a
   * `doc`, where `null` says that there is no such row; or of a `uid`, that `events` are all that have it.
   */
  expect: Row[];
  /**
   * What is written, in this order, by `op`: `put-calendar`, `put-event`, `delete-event`, `purge-deleted`, `put-link`, `put-base`,
   * `delete-base`, `put-outbox`, `delete-outbox`, `put-conflict`, `put-quarantine`, `delete-quarantine`, `put-run`, `put-journal`,
   * `purge-log`, `put-doc` and `delete-doc`. The store counts revisions of events, generations of links and versions of documents
   * itself, and sets `modified` and `deleted`.
   */
  writes: Row[];
}

/** What a commit did, each in the order of the batch. */
export interface Receipt {
  /** The new revision of every event that was put, or marked as deleted. */
  revisions: [calendar: string, id: string, revision: number][];
  /** The new version of every document that was put. */
  doc_versions?: number[];
  /** Rows each `purge-log` removed. */
  purged?: number[];
  /** Events each `purge-deleted` removed; nothing from a store that forgets all of them whatever `limit` says. */
  forgotten?: number[];
  /** That of the batch, where the store followed it; else `releaseLease` is called. */
  lease_end?: 'kept' | 'given-back';
}

/** A link as a run finds it: each as the read of its name answers it. */
export interface OpenLink {
  /** The lease, when one was asked for. */
  token?: LeaseToken | null;
  /** `link`. */
  state: Row | null;
  /** `eventsSince` with `after: state.seen - 1, limit: limit + 1`; nothing without a state, or where `seen` is 0. */
  edits: Row[];
  /** `records` of that kind, the first `limit`. */
  quarantine: Row[];
  /** `outbox`, the first `limit`. */
  outbox: Row[];
}

/**
 * The host's own database. Methods may return values or promises; rows are JSON with `snake_case` keys. Lists are ordered by the bytes
 * (UTF-8) of their key, unless something else is said, and `after` goes by that order; strings of JavaScript compare by UTF-16.
 */
export interface Store {
  /** All calendars, by `id`. */
  calendars(): MaybePromise<Row[]>;
  /**
   * The rows of these events, deleted ones too, in any order: `id`, `revision`, `event`, `modified`, `deleted`. Ids that are not there are
   * left out; one that is asked for twice is answered once.
   */
  events(args: { calendar: string; ids: string[] }): MaybePromise<Row[]>;
  /** The rows of the events with one of these UIDs (`event.uid`), deleted ones too, in any order. */
  eventsByUid(args: { calendar: string; uids: string[] }): MaybePromise<Row[]>;
  /** The first `limit` rows with a revision above `after`, deleted ones too, in the order of their revisions. */
  eventsSince(args: { calendar: string; after: number; limit: number }): MaybePromise<Row[]>;
  /** The row of a link; `null` before its first `put-link`. */
  link(args: { link: string }): MaybePromise<Row | null>;
  /** The bases of a link whose `remote_id` or `event_id`, as `by` says, is one of `ids`, in any order. */
  bases(args: { link: string; by: 'remote' | 'event'; ids: string[] }): MaybePromise<Row[]>;
  /** The first `limit` bases of a link with a `remote_id` above `after`; only `remote_id`, `event_id` and `version` are read. */
  baseSummaries(args: { link: string; after: string | null; limit: number }): MaybePromise<Row[]>;
  /** The first `limit` writes of a link that wait, with an `id` above `after`. */
  outbox(args: { link: string; after: string | null; limit: number }): MaybePromise<Row[]>;
  /**
   * The first `limit` rows of a kind and link that match, with an `id` (`remote_id` for quarantine) above `after`. `event` and `run`
   * narrow conflicts and journal entries to one `event_id` and one `run`; for the others they are ignored.
   */
  records(args: {
    kind: 'conflict' | 'quarantine' | 'run' | 'journal';
    link: string;
    event: string | null;
    run: string | null;
    after: string | null;
    limit: number;
  }): MaybePromise<Row[]>;
  /**
   * Documents of a space: one of three questions, and what belongs to the others is `null`. Those with these `keys`, in any order; the
   * first `limit` whose `due` is at most that instant, by `due`, then by key; or the first `limit` with a key above `after`.
   */
  docs(args: {
    space: string;
    keys: string[] | null;
    after: string | null;
    due: string | null;
    limit: number | null;
  }): MaybePromise<Row[]>;
  /**
   * Checks the lease, then the expectations, then writes, in one transaction. A lease that is not the current one is `StoreFenced`;
   * the first expectation that does not hold is `StoreConflict` with its place. A link has one base per item and one per event, and
   * one outbox entry per event: a batch that would make a second one is `StoreInvalidInput`. With any of them nothing was written.
   */
  commit(args: { batch: Batch }): MaybePromise<Receipt>;
  /**
   * Takes a lease until then, or says until when somebody else has it. At that moment it is free. The same holder gets its lease
   * renewed, with the same epoch while it has not run out; else the epoch grows.
   */
  acquireLease(args: {
    name: string;
    holder: string;
    now: Instant;
    until: Instant;
  }): MaybePromise<{ token: LeaseToken } | { held_until: Instant }>;
  /** Gives a lease back. A token that is not current any more is ignored. */
  releaseLease(args: { token: LeaseToken }): MaybePromise<void>;
}

/**
 * A store that answers together what is always asked together: a run without changes calls two methods and not six. Each of the
 * three methods is called when the store has it, which is looked at once, when the store is given to an engine or to `checkStore`;
 * the cases compare it with the single reads.
 */
export interface StoreInOneCall extends Store {
  /** What a run begins with: takes the lease, then reads. Where the lease is not granted nothing is read. */
  openLink(args: {
    lease: { name: string; holder: string; now: Instant; until: Instant } | null;
    link: string;
    calendar: string;
    limit: number;
  }): MaybePromise<OpenLink | { held_until: Instant }>;
  /** `bases` of these remote ids, and the `events` with their event ids, deleted ones included. */
  pairs(args: { link: string; calendar: string; items: string[] }): MaybePromise<{ bases: Row[]; events: Row[] }>;
  /** `outbox`, and the `bases` of the events in it, where they have one. */
  waiting(args: {
    link: string;
    after: string | null;
    limit: number;
  }): MaybePromise<{ entries: Row[]; bases: Row[] }>;
}

/** An expectation of a batch does not hold; nothing was written. */
export class StoreConflict extends Error {
  constructor(expectation?: number);
  readonly expectation: number;
}
/** The lease of a batch is not the current one; nothing was written. */
export class StoreFenced extends Error {}
/** The database is busy or not reachable. */
export class StoreUnavailable extends Error {}
/** The call makes no sense: a pair would not be unique, a key is too long. Nothing was written. */
export class StoreInvalidInput extends Error {}
/** The database has no room. */
export class StoreFull extends Error {}
/** A row does not hold what was written. */
export class StoreCorrupt extends Error {}

/** What surrounds an event that is copied: the calendar it is in, its owner's addresses, and whether it is a copy itself. */
export interface Surroundings {
  calendar: string;
  calendarName: string;
  owner: string[];
  zone: Zone;
  isCopy: boolean;
}

/** An event whose two sides changed the same `fields` to different values; `base` is `null` at a first meeting. */
export interface ContestedEvent {
  link: string;
  eventId: string;
  base: Event | null;
  local: Event;
  remote: Event;
  fields: Field[];
}

/** The options of a step of a pipeline, as they are written there. */
export type RuleOptions = { [key: string]: unknown };

/**
 * Says which events a link copies; a pipeline names it: `{ type: 'host', rule: name, options: {} }`. The same content gets the same
 * answer until `version` changes; then every link that uses it compares everything again.
 */
export interface Filter {
  readonly version: string;
  letsThrough(body: EventBody, options: RuleOptions, around: Surroundings): MaybePromise<boolean>;
}

/** Changes what copies show; a pipeline names it as it names a filter. The time of the copy stays, whatever is answered. */
export interface Transform {
  readonly version: string;
  change(copy: EventBody, event: EventBody, options: RuleOptions, around: Surroundings): MaybePromise<EventBody>;
}

/** Decides contested fields of links whose policy is `resolver`. Fields it leaves out wait for a person. */
export interface Resolver {
  resolve(conflict: ContestedEvent): MaybePromise<ContestedField[]>;
}

/** Tells the time: once for each call, when it begins. */
export interface Clock {
  now(): MaybePromise<Instant | Date>;
}

/** Bytes that `fetch` takes as well, whichever version of TypeScript reads this. */
type Bytes = ReturnType<typeof Uint8Array.from>;

/** What is to be sent. URL, headers and body may hold secrets and events: they belong in no log. */
export interface HttpRequest {
  /** Those of WebDAV and CalDAV, such as `PROPFIND` and `REPORT`, are among them. */
  method: string;
  /** Absolute, `http` or `https`. */
  url: string;
  /** `Content-Length` is the transport's affair, and so is `User-Agent` where there is none. */
  headers: [name: string, value: string][];
  /** Empty for none. */
  body: Bytes;
  /** Which addresses may be connected to: that of the connection is meant, not one that was looked up before. */
  addresses: Addresses;
  /** Bytes of the answer's body at most, decompressed. */
  bodyMax: number;
  /** Milliseconds until a connection stands. */
  connectMs: number;
  /** Milliseconds the server may be silent. */
  stallMs: number;
  /** Milliseconds from the beginning to the last byte. */
  totalMs: number;
}

/** What came back. */
export interface HttpResponse {
  /** Whatever it is: 404 is an answer. */
  status: number;
  /** One that comes twice is there twice. */
  headers: [name: string, value: string][];
  /** Whole and decompressed. */
  body: Uint8Array;
}

/**
 * Sends requests and reads the answers. It follows no redirects, keeps no cookies and tries nothing again. It sends `Content-Length` with every
 * body, never chunks, and never `Expect`. The deadlines, `bodyMax` and `addresses` of the request hold.
 */
export interface Transport {
  /**
   * Sends a request and reads the whole answer. Throws `TransportError` when there is none; anything else that is thrown counts as a mistake
   * in the transport. `patienceMs` does not count here: a request is given up five seconds after its `totalMs`. Several may be on their way
   * at once, and one whose call was aborted goes on until its deadlines.
   */
  send(request: HttpRequest): MaybePromise<HttpResponse>;
}

/** A transport throws it when there is no answer. */
export class TransportError extends Error {
  constructor(fault: TransportFault, options?: { cause?: unknown });
  readonly fault: TransportFault;
}

/** What an `OAuthClient` is made of. */
export interface OAuthClientSettings {
  /**
   * `google` and `microsoft` bring their addresses and the scopes two-way sync needs. Any other name is your own, with `authorize` and
   * `token`.
   */
  provider: string;
  clientId: string;
  /** A phone or a desktop program keeps none. */
  clientSecret?: string;
  /** For Microsoft (`common`). */
  tenant?: string;
  /** In the place of those the provider brings. */
  scopes?: string[];
  /** The endpoints of a server of your own: `authorize` and `token` come together, and `revoke` and `issuer` are then only what is said here. */
  authorize?: string;
  token?: string;
  /** Where tokens are taken back (RFC 7009). */
  revoke?: string;
  /** Who has to have issued the tokens. */
  issuer?: string;
  /** How many days a grant lasts where the provider does not say so: 7 for a client at Google whose consent screen is in testing. */
  grantDays?: number;
  /** Allows endpoints at private and local addresses, and without TLS: only for those that whoever runs the application wrote. */
  trustAddress?: boolean;
}

/** Your application as an authorization server knows it. Its secret is in no log: neither `console.log` nor `JSON.stringify` show it. */
export class OAuthClient {
  constructor(settings: OAuthClientSettings);
  readonly provider: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly tenant?: string;
  readonly scopes?: string[];
  readonly authorize?: string;
  readonly token?: string;
  readonly revoke?: string;
  readonly issuer?: string;
  readonly grantDays?: number;
  readonly trustAddress?: boolean;
}

/** A connection somebody allowed; its tokens are in the store. */
export interface OAuthGrant {
  connection: string;
  /** What identifies the account for ever at its provider, where that said so. The same one has to come back the next time. */
  subject: string | null;
  /** How a person knows the account. */
  label: string | null;
  /** What was asked for and not granted. */
  missingScopes: string[];
  /** The account has to be connected again before; `null`: nobody said so. */
  ends: Instant | null;
}

/**
 * What seals tokens in the store of an engine, and opens them. It is written nowhere; neither `console.log` nor `JSON.stringify` show the keys.
 */
export class MasterKeys {
  /**
   * Each key is 32 random bytes in Base64, as `openssl rand -base64 32` prints them; `current` names the one that seals. The others open
   * what was sealed with them before. The names are kept in the store, beside what the keys seal.
   */
  constructor(current: string, keys: { [name: string]: string });
  readonly current: string;
  readonly keys: { [name: string]: string };
}

/**
 * What of yours an engine asks beside its store. A method that throws, or answers something else than it says, decides nothing: the
 * run goes on without it, and its call rejects with `host-failed` or `host-type` and the method's name at the end.
 */
export interface EngineOptions {
  /** By the names pipelines have for them. */
  filters?: { [name: string]: Filter };
  transforms?: { [name: string]: Transform };
  resolver?: Resolver;
  clock?: Clock;
  /** Sends what goes to providers, in the place of calsync's own HTTP: for proxies, certificates and connections of the application. */
  transport?: Transport;
  /** Seal the tokens of accounts that are connected by OAuth, in the store: see `beginOauth`. */
  masterKeys?: MasterKeys;
  /** How long each may take to answer (10,000). One that takes longer ends the call with `host-silent` and its name. */
  patienceMs?: number;
  /** The same of each method of a store (60,000). */
  storePatienceMs?: number;
}

/**
 * The names of the cases of the store conformance suite, but for `rows_round_trip`: it keeps a revision of 2^64 - 1, which no number of
 * JavaScript holds, and revisions grow by one.
 */
export const STORE_CASES: readonly string[];
/**
 * Runs one case, or all of them, each on a fresh and empty store that `factory` makes: for the tests of your own store. Rejects
 * with the code `check-failed` for the first case that fails; `item` names it. Each method of the store has a minute, or
 * `storePatienceMs`: one that takes longer fails the case.
 */
export function checkStore(
  factory: () => MaybePromise<Store>,
  name?: string,
  options?: { storePatienceMs?: number },
): Promise<void>;

/** How an emulator starts. */
export interface EmulatorOptions {
  /** `ann@example.com` */
  username?: string;
  /** The password, or the access token, that is accepted (`secret`). */
  secret?: string;
}

/**
 * A provider on a free port of 127.0.0.1, with one account and one empty calendar, in memory: for the tests of a host. It serves on
 * a thread of its own, and does not keep the process alive. Throws when no port is free.
 */
declare abstract class Emulator {
  constructor(options?: EmulatorOptions);
  /** What `connect` takes: `engine.connect('account', emulator.account)`. */
  readonly account: Readonly<ConnectOptions>;
  /**
   * What is in the calendar, by its id. A text has the form of the service: iCalendar, or the JSON of its interface. A feed is one
   * item, `calendar.ics`. This and the next three happen at the service itself, as if somebody else did it there; they throw a
   * `CalsyncError` for an id nothing has, a line that is not understood, an item that is no calendar text (CalDAV and feeds) or no JSON
   * object (the others), and once it is closed. In the object, Microsoft refuses what Graph does; Cozi and Google look at nothing.
   */
  items(): Record<string, string>;
  /** Adds an item, or replaces the one with this id; gives its id. Only a CalDAV server takes an id that is new. */
  put(item: string, id?: string): string;
  /** Deletes an item. A feed cannot be: replace it with an empty calendar. */
  delete(id: string): void;
  /**
   * Your application at the authorization server of the emulator, Google's or Microsoft's: for `beginOauth`. A `GET` of the URL that
   * gives is answered with the redirect a browser would follow: the person allows everything at once, unless `tell` says otherwise, such as
   * `oauth consent=deny`. `connect` takes it with the `provider`, `url` and `trustAddress` of `account`.
   */
  client(): OAuthClient;
  /**
   * Turns a switch of the service, or lets something happen there, such as `fault status=503 times=3`: `docs/emulators.md` lists
   * them all. A feed has none.
   */
  tell(line: string): void;
  /** Ends it, with everything in it. */
  close(): void;
}
/** A CalDAV server with the calendar `Personal`. */
export class CalDavEmulator extends Emulator {}
/** A household at Cozi, in Berlin. `account` opts in to its interface, which nobody offers. */
export class CoziEmulator extends Emulator {}
/** Google Calendar with the account's own calendar, which has its address as its name. */
export class GoogleEmulator extends Emulator {}
/** A feed, empty until something is put. Its user and password are asked for. */
export class IcsEmulator extends Emulator {}
/** Microsoft Graph with the default calendar `Calendar`. */
export class MicrosoftEmulator extends Emulator {}

/** Reads a text. Throws when it is no calendar; single items that cannot be read are in `unreadable`. */
export function parse(text: string, options?: { defaultZone?: Zone }): ParsedCalendar;
/** Reads many; one that is no calendar is an error in its place. */
export function parseMany(texts: Iterable<string>, options?: { defaultZone?: Zone }): (ParsedCalendar | CalsyncError)[];
/** Writes events as one calendar text with this `DTSTAMP`. */
export function write(events: Iterable<Event>, options: { stamp: Instant | Date; people?: PeoplePolicy }): string;

export interface PatchOptions {
  stamp?: Instant | Date;
  people?: PeoplePolicy;
}
/** Changes a text so that it reads as the event. Every line that need not change keeps its bytes. */
export function patch(original: string, event: Event, options?: PatchOptions): string;
export function patchMany(
  edits: Iterable<{ original: string; event: Event }>,
  options?: PatchOptions,
): (string | CalsyncError)[];

/** Between two instants. Dates and floating times are read in `zone` (UTC). */
export interface Window {
  start: Instant | Date;
  end: Instant | Date;
  zone?: Zone;
  limit?: number;
}
/** When an event takes place. */
export function expand(event: Event, window: Window): Expansion;
export function expandMany(events: Iterable<Event>, window: Window): Expansion[];
/** The fields in which one version of an event differs from another. */
export function diff(before: Event, after: Event): Field[];
export function diffMany(pairs: Iterable<{ before: Event; after: Event }>): Field[][];

export interface Versions {
  /** What both sides held when they last agreed; left out when they never did. */
  base?: Event;
  local: Event;
  remote: Event;
}
/** Merges two versions of an event that were made from one. */
export function merge(versions: Versions, options?: { policy?: ConflictPolicy }): Merged;
export function mergeMany(items: Iterable<Versions>, options?: { policy?: ConflictPolicy }): Merged[];

/** What decides about pairs: the rules of a link, and what the brake on its deletions goes by. */
export interface PlanRules {
  direction?: Direction;
  conflicts?: ConflictPolicy;
  deletions?: DeletionPolicy;
  /** Deletions are held that are more than this (10) and more than `guardPercent` of the joined pairs (20), or all of several. */
  guardCount?: number;
  guardPercent?: number;
  /** How many pairs have a base, those that are not given included. Default: those given are all there are. */
  joined?: number;
  /** Deletions of the last days nobody was asked about. */
  recentDeletions?: number;
}
/**
 * Decides about pairs as a link with these rules would: one decision for each, in their order. Writes nothing anywhere. All go in one
 * call, for the brake judges their deletions together. The base of the next time is what both sides hold once it is carried out,
 * deletions last; while a field is contested and `open`, the base stays, and of a link that goes one way it is what the source holds.
 */
export function plan(pairs: Iterable<PlanPair>, rules?: PlanRules): Plan;

export interface TransformOptions {
  /** As `docs/schema/pipeline.json` describes it. Rules of the host are asked by an engine only. */
  pipeline: { [key: string]: unknown };
  /** Of all events. */
  around?: Partial<Surroundings>;
  /** The link whose copies these are: with it and its salt they have the UIDs that it gives them. */
  link?: string;
  /** Needed where copies do not show the UIDs of their events. */
  uidSalt?: string;
}
/** What the copy of an event shows. Throws for a pipeline that cannot be used. */
export function transform(event: Event, options: TransformOptions): Copied;
export function transformMany(events: Iterable<Event>, options: TransformOptions): Copied[];

/** Between two instants, 400 days apart at most. */
export interface AvailabilityOptions {
  start: Instant | Date;
  end: Instant | Date;
  /** Nothing before it is open, and ages are told from it. */
  now: Instant | Date;
  terms?: SlotTerms;
}
/** When all calendars are free, and how far each can be trusted. All calendars with all their events are one call. */
export function availability(calendars: Iterable<CalendarEvents>, options: AvailabilityOptions): FreeAnswer;

/**
 * Those of some addresses that belong to the public internet: what a transport may connect to for a request whose `addresses` are `public`. They
 * are IPv4 and IPv6 addresses as text, without brackets and ports; what is no address is left out.
 */
export function publicAddresses(addresses: Iterable<string>): string[];

export interface CallOptions {
  /**
   * Ends the call where it waits; nothing is broken by it. Until the lease of a cancelled run is over, ten seconds after its last
   * sign of life, its link is `busy`.
   */
  signal?: AbortSignal;
}

export interface ConnectOptions extends CallOptions {
  provider: ProviderKind;
  url?: string;
  username?: string;
  /** The password, or the access token for Google and Microsoft. */
  secret?: string;
  /** In the place of an access token: the tokens are those `finishOauth` kept under the name, and are renewed when they run out. */
  client?: OAuthClient;
  /** Allows private and local addresses, and files as feeds: only for addresses that whoever runs the application wrote. */
  trustAddress?: boolean;
  /**
   * That the owner of a Cozi account knows that its interface is undocumented, may end on any day, and that using it may be against
   * Cozi's terms.
   */
  unofficial?: boolean;
  /** How many days ahead a feed is published for: nothing later is known to be free. Default: it is taken to list all there is. */
  aheadDays?: number;
}

export interface BeginOAuthOptions extends CallOptions {
  client: OAuthClient;
  /** What your application knows the session of the person by: only in the same one `finishOauth` takes what comes back. */
  session: string;
  /** Where the browser comes back to, as it is registered with the provider. */
  redirect: string;
  /** The address to offer for signing in. */
  loginHint?: string;
}

export interface FinishOAuthOptions extends CallOptions {
  /** Those of `beginOauth`. */
  client: OAuthClient;
  session: string;
  /** The query of the URL the browser came back to. */
  query: string;
}

export interface LinkOptions extends CallOptions {
  calendar: string;
  connection: string;
  /** The id of the remote calendar; a feed has only one. */
  remote?: string;
  direction?: Direction;
  conflicts?: ConflictPolicy;
  deletions?: DeletionPolicy;
  people?: PeoplePolicy;
  /**
   * Deletions wait for a person when they are more than this (10) and more than `guardPercent` of the events (20), or when they are all
   * of at least two. Those of the last seven days that nobody was asked about count with them.
   */
  guardCount?: number;
  guardPercent?: number;
  /**
   * What a link that imports or exports copies, and what the copies show. Its keys are those of the configuration. Without it a
   * link that exports shows when somebody is busy, and nothing else; `{ pipeline: { start: { type: 'everything' } } }` shows all.
   */
  copies?: CopyRules;
  /** On a link that exports: how many seconds its copies may stay unlooked at while there is nothing to write (0). */
  checkCopiesEvery?: number;
  /** What becomes of a copy that somebody edits. */
  edits?: CopyEdits;
}

/** The pipeline is as `docs/schema/pipeline.json` describes it. */
export interface CopyRules {
  pipeline: { [key: string]: unknown };
  calendar_name?: string;
  owner?: string[];
  zone?: string;
  /** Which part of the calendar is copied, by time; only on a link that exports. Default: all of it. */
  window?: CopyWindow;
  /**
   * Random characters, such as `crypto.randomBytes(16).toString('hex')`, drawn once for each link and kept with what you say of the
   * link: they keep others from telling by its UID which event a copy is of.
   */
  uid_salt?: string;
}

/** Default: 30 days back to 180 ahead, and the copies of what is over stay. */
export interface CopyWindow {
  from?: WindowEdge;
  to?: WindowEdge;
  leaving?: Leaving;
}

/** From now: days, or the beginning or the end of the month that is so many from this one. Negative: back. */
export type WindowEdge = { days: number } | { 'month-start': number } | { 'month-end': number };
/** What becomes of the copy of an event that is in the window no more. */
export type Leaving = 'stay' | 'go';

export interface SlotToHold {
  start: Instant | Date;
  end: Instant | Date;
  /** For how many minutes it is kept. */
  minutes: number;
}

export interface BookOptions extends CallOptions {
  /** The id of the event: a booking that is sent again under it is the same booking. */
  id?: string;
  /** The id of the hold that kept the slot. */
  hold?: string;
  /** The id of the booking this one takes the place of. */
  replaces?: string;
}

export interface EventsOfOptions extends CallOptions {
  /** The item of the last one there was. */
  after?: string;
  /** How many at most (1,000). */
  limit?: number;
}

export interface CleanOptions extends CallOptions {
  /** The held plan a person approved. */
  approve?: string;
  /** Shows what would be deleted, and deletes nothing. */
  preview?: boolean;
}

export interface PlanOptions extends CallOptions {
  /** The held plan a person approved. */
  approve?: string;
  /** The held plan a person refused. */
  refuse?: string;
  /** Compare everything with the remote listing. */
  audit?: boolean;
  /** Leave people out of every write of the run. */
  withholdPeople?: boolean;
}

export interface SyncOptions extends PlanOptions {
  /**
   * Is told how far it is, one step after the other. One that throws or rejects ends the run with the code `host-failed` and the item
   * `observer.progress`; one that takes longer than `patienceMs` with `host-silent`.
   */
  onProgress?: (progress: Progress) => void | Promise<void>;
}

export interface AnswerOptions extends CallOptions {
  by: string;
  /** Holds for every field that `fields` does not name. */
  take?: Take;
  fields?: { field: Field; take: Take }[];
}

/** Keeps calendars in a store in step with remote ones. */
export class Engine {
  /**
   * Over a SQLite file, `:memory:`, or a store of your own. Master keys that are none are an `Error`, and a store or rule that lacks a method
   * a `TypeError`; all that methods fail with is a `CalsyncError`.
   */
  constructor(store?: string | Store, options?: EngineOptions);
  /**
   * Names an account. Done again under a name, with a new token or password, it is what the links of that connection use from then
   * on.
   */
  connect(connection: string, options: ConnectOptions): Promise<null>;
  /**
   * Begins to connect an account at Google, Microsoft or any server with OAuth 2.0. Gives the URL to send the browser of the person to; it
   * comes back to `redirect` within 15 minutes. Under the name of a connection that has tokens the same account has to come back.
   */
  beginOauth(connection: string, options: BeginOAuthOptions): Promise<string>;
  /**
   * Takes what the browser brought back, and keeps the tokens in the store, sealed with the `masterKeys`. Then `connect` the account with the
   * same client; one that is connected goes on with the new tokens. Rejects with `consent-denied`, `needs-admin`, `wrong-account`, or
   * `oauth-state` when nothing was begun in this session with what came back, or it was used before: then begin again.
   */
  finishOauth(options: FinishOAuthOptions): Promise<OAuthGrant>;
  /**
   * Takes a connection out of the engine. Tokens it has are taken back at the provider and forgotten: `false` says that the provider could not
   * be told (Microsoft never can), so that a person has to take the access away there.
   */
  disconnect(connection: string, options?: CallOptions): Promise<boolean>;
  remoteCalendars(connection: string, options?: CallOptions): Promise<RemoteCalendar[]>;
  putCalendar(calendar: Calendar, options?: CallOptions): Promise<null>;
  calendars(options?: CallOptions): Promise<Calendar[]>;
  events(calendar: string, options?: CallOptions): Promise<StoredEvent[]>;
  addEvent(calendar: string, event: Event, options?: CallOptions): Promise<string>;
  updateEvent(calendar: string, id: string, revision: number, event: Event, options?: CallOptions): Promise<null>;
  deleteEvent(calendar: string, id: string, revision: number, options?: CallOptions): Promise<null>;
  addLink(link: string, options: LinkOptions): Promise<null>;
  /** What `sync` would do now. Writes nothing anywhere. */
  plan(link: string, options?: PlanOptions): Promise<Report>;
  /** Brings a link in step: pulls, merges, commits and pushes. */
  sync(link: string, options?: SyncOptions): Promise<Report>;
  /** `sync` as an iterable: how far it is, and the report at the end. Leaving the loop early ends the run. */
  progress(link: string, options?: PlanOptions): AsyncGenerator<Progress | Report, void, void>;
  conflicts(link: string, options?: CallOptions): Promise<Conflict[]>;
  answerConflict(link: string, conflict: string, options: AnswerOptions): Promise<Conflict>;
  runs(link: string, options?: CallOptions): Promise<Run[]>;
  /** Takes back what a run did here; the next `sync` carries it to the remote side. */
  undo(link: string, run: string, options?: CallOptions): Promise<Undone>;
  undoLast(link: string, count: number, options?: CallOptions): Promise<Undone[]>;
  questions(link: string, options?: CallOptions): Promise<Question[]>;
  /** Says which event an item is; `null`: none of them. */
  answerQuestion(link: string, remoteId: string, event: string | null, options?: CallOptions): Promise<null>;
  /** The writes to the remote side that are decided and not confirmed, the most urgent first. */
  outbox(link: string, options?: CallOptions): Promise<WaitingWrite[]>;
  /**
   * Gives the write of an event, by its id, all its tries again; the next `sync` sends the event as it is by then. Rejects with
   * `unknown-write` when none waits, with `busy` when a run is at the link.
   */
  retryWrite(link: string, event: string, options?: CallOptions): Promise<null>;
  /**
   * Gives the write of an event up: both sides stay as they are until either is edited again. A deletion that is given up leaves
   * the item alone for good. Rejects as `retryWrite` does.
   */
  dropWrite(link: string, event: string, options?: CallOptions): Promise<null>;
  /** What each link makes of an event, which step leaves it out, and what was done about it, why, and by whom. */
  explain(calendar: string, id: string, options?: CallOptions): Promise<Explanation>;
  /** What is known of items that are no events here, by their name there or their UID: what keeps them out, and since when. */
  explainItem(item: string, options?: CallOptions): Promise<SeenItem[]>;
  /** From where events came, and where they went. */
  sources(events: Iterable<string>, options?: CallOptions): Promise<Source[]>;
  /** The events that are joined over a link, by the name of their items. */
  eventsOf(link: string, options?: EventsOfOptions): Promise<Source[]>;
  /** Runs of a link, what they did, and conflicts, the oldest first. It holds no text of events. */
  history(link: string, options?: CallOptions): Promise<HistoryEntry[]>;
  /**
   * Deletes what a link wrote: the items it made there, or the events it brought in here. What people made or edited stays. More
   * than one deletion waits for a person.
   */
  clean(link: string, options?: CleanOptions): Promise<Cleaned>;
  /**
   * Forgets a link: which events it joined, what waits to be sent, and what was set aside. Both sides stay as they are, and what it did
   * stays in its history; `clean` before it deletes what it wrote. A link that is added again under the name meets both sides anew.
   */
  forget(link: string, options?: CallOptions): Promise<void>;
  /** When all calendars of the terms are free, and how far each can be trusted. */
  free(terms: FreeTerms, options?: CallOptions): Promise<FreeAnswer>;
  /** Keeps a slot for somebody who has not decided yet. Rejects with `slot-taken` or `slot-not-offered`. */
  hold(terms: FreeTerms, slot: SlotToHold, options?: CallOptions): Promise<Hold>;
  /** Gives a held slot back before it runs out. */
  release(hold: Hold, options?: CallOptions): Promise<null>;
  /** Books the time of an event: writes the event when every calendar of the terms is free then. Rejects as `hold` does. */
  book(terms: FreeTerms, calendar: string, event: Event, options?: BookOptions): Promise<Booking>;
  /** Gives a booked slot back: its event is deleted, and every link on the calendar carries that on. */
  cancelBooking(calendar: string, id: string, options?: CallOptions): Promise<null>;
  /** Lets go of connections and links. Later calls fail with the code `closed`. */
  close(options?: CallOptions): Promise<null>;
}

// Only what says `export` is exported.
export {};
