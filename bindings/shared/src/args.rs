//! What the methods take, as owned values. Left out fields have their defaults.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use calsync_core::{
    booking::Hold,
    engine::CopyEdits,
    ical::PeoplePolicy,
    merge::{ConflictPolicy, DeletionPolicy},
    model::Calendar,
    plan::Direction,
    secret::Secret,
    store::Take,
    zone::Zone,
};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    available::{CalendarEvents, FreeTerms, SlotTerms},
    model::{EventModel, FieldModel, SurroundingsModel},
    planned::PlanPair,
};

/// `parse`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parse {
    /// The calendar texts.
    pub texts: Vec<String>,
    /// The zone of times whose `TZID` nothing is known of. Default: such an item is unreadable.
    pub default_zone: Option<Zone>,
}

/// `write`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// The events of the one text.
    pub events: Vec<EventModel>,
    /// `DTSTAMP`.
    pub stamp: DateTime<Utc>,
    /// Whether people are written. Default: not.
    #[serde(default)]
    pub people: PeoplePolicy,
}

/// One text to change, of `patch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The text as it is.
    pub original: String,
    /// The event it is to read as.
    pub event: EventModel,
}

/// `patch`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patch {
    /// The texts with what they are to say.
    pub edits: Vec<Edit>,
    /// `DTSTAMP` and `LAST-MODIFIED` of what changes. Default: they stay.
    #[serde(default)]
    pub stamp: Option<DateTime<Utc>>,
    /// Whether people are changed. Default: not.
    #[serde(default)]
    pub people: PeoplePolicy,
}

/// `expand`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expand {
    /// The events.
    pub events: Vec<EventModel>,
    /// The first instant of the window.
    pub start: DateTime<Utc>,
    /// The instant after the last.
    pub end: DateTime<Utc>,
    /// The zone dates and floating times are read in. Default: UTC.
    #[serde(default)]
    pub zone: Option<Zone>,
    /// Instances of one event at most. Default: 50,000.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// Two versions of an event, of `diff`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// As it was.
    pub before: EventModel,
    /// As it is.
    pub after: EventModel,
}

/// `diff`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// The pairs.
    pub pairs: Vec<Pair>,
}

/// Three versions of an event, of `merge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Versions {
    /// What both sides held when they last agreed; absent when they never did.
    #[serde(default)]
    pub base: Option<EventModel>,
    /// The local side.
    pub local: EventModel,
    /// The remote side.
    pub remote: EventModel,
}

/// `merge`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Merge {
    /// The events.
    pub items: Vec<Versions>,
    /// Who wins a field both changed. Default: the remote side.
    #[serde(default)]
    pub policy: ConflictPolicy,
}

/// `plan`, of pairs.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlanPairs {
    /// The pairs.
    pub pairs: Vec<PlanPair>,
    /// Which way changes go. Default: both.
    pub direction: Direction,
    /// Who wins a field both changed. Default: the remote side.
    pub conflicts: ConflictPolicy,
    /// What becomes of an event that one side deleted and the other edited.
    pub deletions: DeletionPolicy,
    /// Deletions that pass unasked, together with `guard_percent`. Default: 10.
    pub guard_count: Option<usize>,
    /// Percent of the joined pairs that may be deleted unasked. Default: 20.
    pub guard_percent: Option<usize>,
    /// How many pairs are joined, those that are not given included. Default: those of the pairs given that have a base.
    pub joined: Option<usize>,
    /// Deletions carried out in the last days that nobody was asked about.
    pub recent_deletions: usize,
}

/// `transform`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transform {
    /// The events.
    pub events: Vec<EventModel>,
    /// Filters and transforms, as JSON text: `docs/schema/pipeline.json` describes it. Rules of the host are asked by an engine only.
    pub pipeline: String,
    /// What surrounds the events.
    #[serde(default)]
    pub around: Option<SurroundingsModel>,
    /// The link whose copies these are: with it and its salt they have the UIDs that it gives them.
    #[serde(default)]
    pub link: String,
    /// The salt of the UIDs of copies: needed where they do not show those of their events. An empty one is none.
    #[serde(default)]
    pub uid_salt: Option<Secret<String>>,
}

/// `availability`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Availability {
    /// The calendars that have to be free, all of them.
    pub calendars: Vec<CalendarEvents>,
    /// The first instant of the window.
    pub start: DateTime<Utc>,
    /// The instant after the last; 400 days after the first at most.
    pub end: DateTime<Utc>,
    /// Now: nothing before it is open, and ages are told from it.
    pub now: DateTime<Utc>,
    /// What slots are offered under.
    #[serde(default)]
    pub terms: SlotTerms,
}

/// `zone_offset`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ZoneOffset {
    /// The zone.
    pub zone: Zone,
    /// The wall clock.
    pub local: NaiveDateTime,
}

/// Where an engine keeps its rows.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum StoreChoice {
    /// In memory, as long as the engine lives.
    Memory,
    /// In a SQLite file, made when absent.
    Sqlite {
        /// Its path.
        path: String,
    },
    /// In the host's own store.
    Host,
}

/// What an engine is made with: a store, or that and what of the host it asks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Opening {
    /// A store, and nothing else of the host.
    Store(StoreChoice),
    /// The host's rules, its resolver or its clock as well, or a store that answers several reads in one call.
    Asking {
        /// The store.
        store: StoreChoice,
        /// The rest.
        host: Asked,
    },
}

impl Opening {
    /// The store, and what of the host is asked.
    pub fn parts(self) -> (StoreChoice, Asked) {
        match self {
            Self::Store(choice) => (choice, Asked::default()),
            Self::Asking { store, host } => (store, host),
        }
    }
}

/// What of the host is asked beside its store. Each call asks the host it is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Asked {
    /// The names of its filters, with the version of each.
    pub filters: BTreeMap<String, String>,
    /// The names of its transforms, with the version of each.
    pub transforms: BTreeMap<String, String>,
    /// Whether it decides contested fields of links whose policy is `resolver`.
    pub resolver: bool,
    /// Whether it tells the time.
    pub clock: bool,
    /// Whether it sends what goes to providers. Default: the library does; one that was built without HTTP cannot.
    pub transport: bool,
    /// What tokens are sealed with in the store. Default: nothing, and no account is connected by OAuth.
    #[cfg_attr(not(feature = "oauth"), serde(skip_serializing))]
    pub master_keys: Option<MasterKeys>,
    /// How many milliseconds a filter, transform, resolver or clock may take. Default: 10,000, which is how long the lease of
    /// a run lasts.
    pub patience_ms: Option<u32>,
    /// How many milliseconds a method of its store may take. Default: 60,000.
    pub store_patience_ms: Option<u32>,
    /// What its store answers in one call; the rest is asked by single reads.
    pub in_one_call: BTreeSet<InOneCall>,
}

/// What seals tokens and flows of OAuth in the store, and opens them: it is written nowhere.
#[cfg(feature = "oauth")]
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MasterKeys {
    /// The name of the key that seals.
    pub current: String,
    /// Each is 32 random bytes in Base64, as `openssl rand -base64 32` prints them. Those beside `current` open what was sealed
    /// with them before. Their names are kept beside what they seal.
    pub keys: BTreeMap<String, Secret<String>>,
}

/// A method a store of the host may have: it answers what takes several reads otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum InOneCall {
    /// What a run begins with: the lease, the link, what was edited, the first pages of quarantine and outbox.
    OpenLink,
    /// Bases with their events.
    Pairs,
    /// A page of the outbox with its bases.
    Waiting,
}

/// `public_addresses`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicAddresses {
    /// IPv4 and IPv6 addresses as text, without brackets and ports.
    pub addresses: Vec<String>,
}

/// What kind of provider a connection is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProviderKind {
    /// A CalDAV server.
    Caldav,
    /// A household at Cozi, over an interface Cozi does not offer: only with `unofficial`.
    Cozi,
    /// Google Calendar, with an access token.
    Google,
    /// An ICS feed.
    Ics,
    /// Microsoft 365, with an access token.
    Microsoft,
}

/// An authorised account.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connect {
    /// How links name it.
    pub connection: String,
    /// Of which kind it is.
    pub provider: ProviderKind,
    /// The server, the feed (also a file's path), or another root of the service for Google and Microsoft.
    #[serde(default)]
    pub url: String,
    /// The user, where there is one.
    #[serde(default)]
    pub username: Option<String>,
    /// The password, or the access token for Google and Microsoft.
    #[serde(default)]
    pub secret: Secret<String>,
    /// In the place of the access token: the client whose tokens are kept under the name of the connection, see `finish_oauth`. They
    /// are renewed when they run out.
    #[serde(default)]
    pub client: Option<OAuthClient>,
    /// Whether private and local addresses may be asked, and a feed may be a file: only for addresses that whoever runs
    /// the host wrote.
    #[serde(default)]
    pub trust_address: bool,
    /// That the owner of a Cozi account knows that its interface is undocumented, may end on any day, and that using it may be
    /// against Cozi's terms.
    #[serde(default)]
    pub unofficial: bool,
    /// How many days ahead a feed is published for: nothing later is known to be free. Default: it is taken to list all there is.
    #[serde(default)]
    pub ahead_days: Option<u32>,
}

impl fmt::Debug for Connect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connect").field("provider", &self.provider).finish_non_exhaustive()
    }
}

/// An application as an authorization server knows it.
#[cfg(feature = "oauth")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OAuthClient {
    /// `google` and `microsoft` bring their addresses and the scopes two-way sync needs; any other name is the host's own. Tokens are
    /// kept under it and the name of the connection.
    pub provider: String,
    /// The client's id.
    pub client_id: String,
    /// Its secret. None for a public client: what runs on a phone or a desktop keeps no secret.
    #[serde(default)]
    pub client_secret: Option<Secret<String>>,
    /// For `microsoft`: `common` (default), `organizations`, `consumers`, or a tenant's id or domain.
    #[serde(default)]
    pub tenant: Option<String>,
    /// What is asked for. Default: what two-way sync needs at `google` and `microsoft`, nothing elsewhere.
    #[serde(default)]
    pub scopes: Option<Vec<String>>,
    /// The authorization endpoint of a server of one's own. It comes with `token`; `revoke` and `issuer` are then only what is said here.
    #[serde(default)]
    pub authorize: Option<String>,
    /// The token endpoint that belongs to `authorize`.
    #[serde(default)]
    pub token: Option<String>,
    /// Where it is told that tokens are not wanted any more (RFC 7009). Without one a person takes the access away there.
    #[serde(default)]
    pub revoke: Option<String>,
    /// Who issues the tokens, as it names itself; `{tenantid}` stands for the claim `tid`. Default: not looked at.
    #[serde(default)]
    pub issuer: Option<String>,
    /// How many days a grant lasts where the provider does not say so: 7 for a client at Google whose consent screen is in testing.
    #[serde(default)]
    pub grant_days: Option<u32>,
    /// Whether the endpoints may be at private and local addresses, and without TLS: only for those that whoever runs the host wrote.
    #[serde(default)]
    pub trust_address: bool,
}

#[cfg(feature = "oauth")]
impl fmt::Debug for OAuthClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuthClient").field("provider", &self.provider).finish_non_exhaustive()
    }
}

// Nothing is read of these in a library without OAuth.
#[cfg(not(feature = "oauth"))]
pub use serde::de::{
    IgnoredAny as BeginOAuth, IgnoredAny as FinishOAuth, IgnoredAny as MasterKeys, IgnoredAny as OAuthClient,
};

/// `begin_oauth`.
#[cfg(feature = "oauth")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginOAuth {
    /// The connection that is to have the tokens.
    pub connection: String,
    /// Who asks.
    pub client: OAuthClient,
    /// The session of the person in the host: only in the same one the flow is finished.
    pub session: String,
    /// Where the browser comes back to, as it is registered with the provider.
    pub redirect: String,
    /// The address to offer for signing in.
    #[serde(default)]
    pub login_hint: Option<String>,
}

#[cfg(feature = "oauth")]
impl fmt::Debug for BeginOAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BeginOAuth").field("connection", &self.connection).finish_non_exhaustive()
    }
}

/// `finish_oauth`.
#[cfg(feature = "oauth")]
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FinishOAuth {
    /// The one of `begin_oauth`.
    pub client: OAuthClient,
    /// The one of `begin_oauth`.
    pub session: String,
    /// What the browser brought back: the query of the URL, without its `?`, or the body of a form.
    pub query: Secret<String>,
}

#[cfg(feature = "oauth")]
impl fmt::Debug for FinishOAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FinishOAuth")
    }
}

/// A connection of an engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfConnection {
    /// Its name.
    pub connection: String,
}

/// `put_calendar`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutCalendar {
    /// The calendar.
    pub calendar: Calendar,
}

/// `calendars`, `close` and others without arguments.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Nothing {}

/// `events`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfCalendar {
    /// The calendar.
    pub calendar: String,
}

/// `add_event`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddEvent {
    /// The calendar.
    pub calendar: String,
    /// The event.
    pub event: EventModel,
}

/// `update_event`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateEvent {
    /// The calendar.
    pub calendar: String,
    /// The event's id.
    pub id: String,
    /// The revision the edit was made on.
    pub revision: u64,
    /// The event as it is to be.
    pub event: EventModel,
}

/// `delete_event`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeleteEvent {
    /// The calendar.
    pub calendar: String,
    /// The event's id.
    pub id: String,
    /// The revision that is deleted.
    pub revision: u64,
}

/// `add_link`: one calendar joined to one remote calendar.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddLink {
    /// How it is named from now on; the store keeps its state under this name.
    pub link: String,
    /// The calendar in the store.
    pub calendar: String,
    /// The connection.
    pub connection: String,
    /// The id of the remote calendar. For a feed it may be left empty.
    #[serde(default)]
    pub remote: String,
    /// Which way changes go. Default: both.
    #[serde(default)]
    pub direction: Direction,
    /// Who wins a field both sides changed. Default: the remote side.
    #[serde(default)]
    pub conflicts: ConflictPolicy,
    /// What becomes of an event that one side deleted and the other edited.
    #[serde(default)]
    pub deletions: DeletionPolicy,
    /// Whether people may be written to the remote side. Default: those there stay as they are.
    #[serde(default)]
    pub people: PeoplePolicy,
    /// Deletions that pass unasked, together with `guard_percent`. Default: 10.
    #[serde(default)]
    pub guard_count: Option<usize>,
    /// Percent of the events that may be deleted unasked. Default: 20.
    #[serde(default)]
    pub guard_percent: Option<usize>,
    /// What a link that imports or exports copies, and what the copies show: `{ pipeline, calendar_name, owner, zone, window, uid_salt }` as
    /// JSON text, the pipeline as `docs/schema/pipeline.json` describes it. `uid_salt` is random characters that the host draws once for
    /// each link and keeps with what it says of the link: without it whoever knows the link's name and a UID can tell which copy is of that
    /// event. Default: a link that exports
    /// shows when somebody is busy and nothing else until this says more (`{"pipeline": {"start": {"type": "everything"}}}`
    /// shows all); one that imports or goes both ways is whole.
    #[serde(default)]
    pub copies: Option<String>,
    /// On a link that exports: how many seconds it may leave its copies unlooked at while there is nothing to write. Default: 0,
    /// every run looks.
    #[serde(default)]
    pub check_copies_every: u32,
    /// What becomes of a copy that somebody edits: `leave` (default), `restore` or `detach`.
    #[serde(default)]
    pub edits: Option<CopyEdits>,
}

/// What is asked about a link.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfLink {
    /// The link.
    pub link: String,
}

/// `plan` and `sync`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// The link.
    pub link: String,
    /// The held plan a person approved.
    #[serde(default)]
    pub approve: Option<String>,
    /// The held plan a person refused.
    #[serde(default)]
    pub refuse: Option<String>,
    /// Compare everything with the remote listing.
    #[serde(default)]
    pub audit: bool,
    /// Tell nobody: people are left out of every write.
    #[serde(default)]
    pub withhold_people: bool,
    /// Whether the host's `progress` is called.
    #[serde(default)]
    pub progress: bool,
}

/// The answer for one field.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FieldAnswer {
    /// The field.
    pub field: FieldModel,
    /// Whose value is taken.
    pub take: Take,
}

/// `answer_conflict`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerConflict {
    /// The link.
    pub link: String,
    /// The conflict.
    pub conflict: String,
    /// Who answers, for the record.
    pub by: String,
    /// Whose value is taken for every field that is not named.
    #[serde(default)]
    pub take: Option<Take>,
    /// Answers field by field.
    #[serde(default)]
    pub fields: Vec<FieldAnswer>,
}

/// `undo`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Undo {
    /// The link.
    pub link: String,
    /// The run.
    pub run: String,
}

/// `undo_last`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UndoLast {
    /// The link.
    pub link: String,
    /// How many runs that did something.
    pub count: usize,
}

/// `explain`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfEvent {
    /// The calendar.
    pub calendar: String,
    /// The event's id.
    pub id: String,
}

/// `free`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Free {
    /// Which calendars have to be free, when, and for how long.
    pub terms: FreeTerms,
}

/// `answer_question`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerQuestion {
    /// The link.
    pub link: String,
    /// The item.
    pub remote_id: String,
    /// The event it is; absent: none of those here.
    #[serde(default)]
    pub event: Option<String>,
}

/// `retry_write` and `drop_write`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfWrite {
    /// The link.
    pub link: String,
    /// The id of the event whose write it is.
    pub event: String,
}

/// `sources`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfEvents {
    /// The ids of the events.
    pub events: Vec<String>,
}

/// `events_of`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsOf {
    /// The link.
    pub link: String,
    /// The item of the last one there was; absent: from the beginning.
    #[serde(default)]
    pub after: Option<String>,
    /// How many at most. Default: 1,000.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// `explain_item`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfItem {
    /// The name of the item there, or its UID.
    pub item: String,
}

/// `clean`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clean {
    /// The link.
    pub link: String,
    /// The held plan a person approved.
    #[serde(default)]
    pub approve: Option<String>,
    /// Show what would be deleted, and delete nothing.
    #[serde(default)]
    pub preview: bool,
}

/// `hold`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldSlot {
    /// As [`Free::terms`].
    pub terms: FreeTerms,
    /// When the slot begins.
    pub start: DateTime<Utc>,
    /// When it ends.
    pub end: DateTime<Utc>,
    /// For how many minutes it is kept.
    pub minutes: u32,
}

/// `release`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Release {
    /// What `hold` answered.
    pub hold: Hold,
}

/// `book`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Book {
    /// As [`Free::terms`].
    pub terms: FreeTerms,
    /// The calendar of the event: one of those of the terms.
    pub calendar: String,
    /// The event. Its time is the slot.
    pub event: EventModel,
    /// Its id, for a booking that may be sent twice. Default: a fresh one.
    #[serde(default)]
    pub id: Option<String>,
    /// The id of the hold that kept the slot.
    #[serde(default)]
    pub hold: Option<String>,
    /// The id of the booking this one takes the place of.
    #[serde(default)]
    pub replaces: Option<String>,
}
