//! The plug-in trait for calendar providers.
//!
//! In: a cursor, an expected version, a payload. Out: pages of changes, payloads, the provider's answer. A provider
//! does I/O and maps payloads to the neutral model and back; it decides nothing about merging, deleting or retrying.

mod capabilities;
mod changes;
mod covered;
mod declined;
mod error;
mod mark;
mod watch;

use std::{borrow::Cow, ops::Range};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

pub use capabilities::Capabilities;
pub use changes::{Change, ChangePage, ChangeScope, ChangesRequest, Cursor, Fetched, ItemChange, PullMode};
pub use covered::Covered;
pub use declined::Declined;
pub use error::{ErrorKind, Fault, ProviderError, Retry};
pub use mark::{Mark, Seal};
pub use watch::{FreeBusy, Watch, WatchRequest};

pub use crate::ical::PeoplePolicy;

use crate::model::{Event, RemoteCalendarId, RemoteId, Version};

/// The result of a call to a provider.
pub type Result<T> = std::result::Result<T, ProviderError>;

/// A calendar as a provider lists it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteCalendar {
    /// How the provider names it.
    pub id: RemoteCalendarId,
    /// The name people see.
    pub name: String,
    /// Its colour, as written.
    pub color: Option<String>,
    /// Whether this account may not write to it.
    pub read_only: bool,
}

impl std::fmt::Debug for RemoteCalendar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RemoteCalendar").field("read_only", &self.read_only).finish_non_exhaustive()
    }
}

/// What a provider sent for one item, kept whole so that an update can be a patch of it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Payload(pub Box<str>);

impl Payload {
    /// Wraps the text of a payload.
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}

/// Why an item is not an event here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnreadKind {
    /// It is one, and cannot be read.
    #[default]
    Unreadable,
    /// It is something else, a task or a journal entry in a calendar of mixed kinds. Left alone and not counted as
    /// quarantined.
    NotAnEvent,
    /// It is one, and the link's pipeline does not let it through. Set by the engine, never by a provider.
    LeftOut,
    /// It is what a feed published out of this store shows of an event that is in the link's calendar already. Set by the
    /// engine, never by a provider.
    OwnFeed,
    /// It is one, and may be the same as an event here: a person decides. Set by the engine, never by a provider.
    Undecided,
    /// It is listed, and fetching it fails with an error that should pass. Until it was tried often enough
    /// ([`FetchPatience`](crate::engine::FetchPatience)) the run counts as incomplete: no deletion is decided
    /// and the cursor stays. From then on it is in quarantine, and asked for again from time to time. Set by the engine,
    /// never by a provider.
    Unfetched,
}

/// A payload could not be read into the model: the item is set aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct ReadError {
    /// Whether something is wrong at all.
    pub kind: UnreadKind,
    /// What is wrong, without any of the item's text.
    pub reason: String,
}

/// What to write.
#[derive(Clone, Copy)]
pub struct RenderRequest<'a> {
    /// The event as the remote side is to hold it.
    pub event: &'a Event,
    /// The payload the provider holds now: the result is a patch of it. `None` makes a fresh one.
    pub original: Option<&'a Payload>,
    /// The time of the change, for `DTSTAMP` and `LAST-MODIFIED`.
    pub now: chrono::DateTime<chrono::Utc>,
    /// Whether addresses of people may be written to this calendar.
    pub people: PeoplePolicy,
}

/// A payload ready to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The payload.
    pub payload: Payload,
    /// Names of fields that this provider cannot hold, or that the policy keeps out of it.
    pub losses: Vec<String>,
}

/// The answer to a write that was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// The item's name; may differ from the one proposed.
    pub id: RemoteId,
    /// Its new version, when the provider told. `None`: read it back.
    pub version: Option<Version>,
    /// What the provider now holds, when it told. `None`: read it back before using it as base.
    pub payload: Option<Payload>,
}

/// A calendar provider: one authorised account.
///
/// # Behavior
///
/// - Every write takes the version it expects, and is refused by the provider with
///   [`ErrorKind::VersionMismatch`] when that is not the current one.
/// - An `Err` of a write with [`ProviderError::is_ambiguous`] may have been applied. The engine reads before it writes
///   again.
/// - Absence is never an empty list: what could not be read is an `Err`, and what was read in part says so in
///   [`ChangeScope`].
/// - Dropping a future of any method is safe; a write may or may not have been applied.
/// - `read` and `render` are pure.
#[async_trait]
pub trait Provider: Send + Sync {
    /// What this provider can do. Constant for the life of the value.
    fn capabilities(&self) -> Capabilities;

    /// How many requests this value has sent so far. For budgets and reports.
    fn requests(&self) -> u64;

    /// Calendars of the account.
    async fn calendars(&self) -> Result<Vec<RemoteCalendar>>;

    /// What a calendar is called by everybody who reaches it, whatever it is called here: one of several spellings of a URL,
    /// an alias such as `primary`. Two links whose calendars have the same name join the same one. Asked when a link is new
    /// or was changed. `None`, which is the default: nothing tells.
    async fn place(&self, calendar: &RemoteCalendarId) -> Result<Option<String>> {
        let _ = calendar;
        Ok(None)
    }

    /// One page of what changed since a cursor, or of everything.
    ///
    /// A cursor the provider does not accept any more is [`ErrorKind::CursorInvalid`]; the engine then asks for a
    /// snapshot.
    async fn changes(&self, calendar: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage>;

    /// The payloads of items: exactly one answer for each id asked, in any order.
    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>>;

    /// Reads a payload into the model.
    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError>;

    /// Reduces an event to what this provider can hold. Idempotent. The default holds everything.
    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        Cow::Borrowed(event)
    }

    /// Makes the payload of a write.
    ///
    /// Requires [`Capabilities::write`].
    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        let _ = request;
        Err(ProviderError::unsupported("render"))
    }

    /// The name a new item will have, known before it is written so that a lost answer can be looked up.
    /// `fresh` is a new identifier.
    ///
    /// Requires [`Capabilities::write`].
    fn propose_id(&self, calendar: &RemoteCalendarId, event: &Event, fresh: &str) -> Result<RemoteId> {
        let _ = (calendar, event, fresh);
        Err(ProviderError::unsupported("propose_id"))
    }

    /// Puts the mark of a link on the payload of a new item, under an identity that a copy of the item will not share: its
    /// UID, or the name it is created under. Every later write leaves it there. The default writes none; then what a link
    /// wrote cannot be told from what people wrote once its rows are lost.
    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        let _ = (id, seal);
        payload
    }

    /// The mark an item carries, with the item's identity. Pure. The default finds none.
    fn marked(&self, payload: &Payload) -> Option<Mark> {
        let _ = payload;
        None
    }

    /// What of an item the owner of the calendar declined, as the provider itself says it: what filters by answers go by
    /// where nobody wrote down who the owner is. Pure. The default, `None`, is that it does not say.
    ///
    /// Answers with [`Capabilities::tells_declined`].
    fn declined(&self, payload: &Payload) -> Option<Declined> {
        let _ = payload;
        None
    }

    /// Creates an item under the proposed name.
    ///
    /// Requires [`Capabilities::write`]. An item that is there already is [`ErrorKind::AlreadyExists`].
    async fn create(&self, calendar: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        let _ = (calendar, id, payload);
        Err(ProviderError::unsupported("create"))
    }

    /// Replaces an item that has the expected version.
    ///
    /// Requires [`Capabilities::write`].
    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        let _ = (calendar, id, expected, payload);
        Err(ProviderError::unsupported("update"))
    }

    /// Deletes an item that has the expected version, and tells nobody. An item that is gone already is `Ok`; one that
    /// cannot be deleted without people being told is [`ErrorKind::Refused`].
    ///
    /// Requires [`Capabilities::write`].
    async fn delete(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        let _ = (calendar, id, expected);
        Err(ProviderError::unsupported("delete"))
    }

    /// Deletes an item as [`Provider::delete`] does, and may tell the people of a meeting: called in its place on links
    /// with [`PeoplePolicy::Write`]. A provider whose `delete` refuses what it cannot do in silence does it here. The
    /// default is `delete`.
    ///
    /// Requires [`Capabilities::write`].
    async fn cancel(&self, calendar: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.delete(calendar, id, expected).await
    }

    /// Asks to be called when a calendar changes. Where a subscription cannot be prolonged ([`Provider::rewatch`]) the
    /// next one is made before this one ends, and the two overlap, so that no change falls between them.
    ///
    /// Requires [`Capabilities::watch`]. A calendar the provider does not watch (a holiday calendar) is
    /// [`ErrorKind::Refused`], and is to be polled.
    async fn watch(&self, calendar: &RemoteCalendarId, request: WatchRequest<'_>) -> Result<Watch> {
        let _ = (calendar, request);
        Err(ProviderError::unsupported("watch"))
    }

    /// Ends a subscription. One that has ended already is `Ok`.
    ///
    /// Requires [`Capabilities::watch`].
    async fn unwatch(&self, watch: &Watch) -> Result<()> {
        let _ = watch;
        Err(ProviderError::unsupported("unwatch"))
    }

    /// Prolongs a subscription, and authorises it anew. One the provider does not know any more is
    /// [`ErrorKind::NotFound`]; a provider that cannot prolong any says [`ErrorKind::Unsupported`], which is the default.
    async fn rewatch(&self, watch: &Watch, lifetime: std::time::Duration) -> Result<Watch> {
        let _ = (watch, lifetime);
        Err(ProviderError::unsupported("rewatch"))
    }

    /// When calendars are busy in a window: exactly one answer for each calendar asked, in the order asked.
    ///
    /// Requires [`Capabilities::free_busy`].
    async fn free_busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<chrono::DateTime<chrono::Utc>>,
    ) -> Result<Vec<FreeBusy>> {
        let _ = (calendars, window);
        Err(ProviderError::unsupported("free_busy"))
    }
}
