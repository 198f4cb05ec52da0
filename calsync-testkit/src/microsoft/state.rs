//! What the emulator holds.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use calsync_core::context::Clock;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::{Map, Value};

use super::{
    control::Seen,
    quirks::{Fault, Quirks},
};
use crate::oauth::OAuth;

pub(super) type Object = Map<String, Value>;

pub(super) struct State {
    pub(super) base: String,
    pub(super) oauth: OAuth,
    pub(super) token: String,
    pub(super) owner: String,
    pub(super) quirks: Quirks,
    pub(super) faults: VecDeque<Fault>,
    pub(super) seen: Vec<Seen>,
    pub(super) calendars: BTreeMap<String, CalendarRow>,
    pub(super) events: BTreeMap<u64, Stored>,
    /// What deleted events leave behind: calendar, number, when.
    pub(super) gone: Vec<Tombstone>,
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    /// Counts everything that happens: ids, versions, the order of changes.
    pub(super) sequence: u64,
    /// Delta tokens older than this are not known any more.
    pub(super) oldest_token: u64,
    /// Rows of delta queries in the middle of their pages.
    pub(super) rounds: BTreeMap<u64, Vec<Value>>,
    pub(super) mails: u64,
    /// Notifications that are still to be sent.
    pub(super) outgoing: Vec<crate::deliver::Outgoing>,
    pub(super) now: DateTime<Utc>,
    /// What sets `now` before each request; without one it moves when it is set.
    pub(super) clock: Option<Arc<dyn Clock>>,
    /// Requests being served.
    pub(super) active: usize,
}

#[derive(Debug, Clone)]
pub(super) struct CalendarRow {
    pub(super) name: String,
    pub(super) default: bool,
    pub(super) can_edit: bool,
}

/// A single event or a series.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub(super) calendar: String,
    /// Properties as written, times included.
    pub(super) properties: Object,
    pub(super) extended: BTreeMap<String, String>,
    pub(super) exceptions: BTreeMap<NaiveDate, Exception>,
    pub(super) cancelled: BTreeSet<NaiveDate>,
    pub(super) version: u64,
    /// When anything of it last changed.
    pub(super) changed: u64,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    /// The body it was created with, to recognise the same request.
    pub(super) request: Value,
    /// Another mailbox's meeting.
    pub(super) foreign: bool,
    /// The account sees exceptions of the series only.
    pub(super) hidden: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Exception {
    /// Properties of its own; the others are the master's.
    pub(super) properties: Object,
    pub(super) version: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Tombstone {
    pub(super) calendar: String,
    pub(super) name: String,
    pub(super) changed: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Subscription {
    pub(super) resource: String,
    pub(super) address: String,
    pub(super) lifecycle: Option<String>,
    pub(super) client_state: Option<String>,
    pub(super) expires: DateTime<Utc>,
    pub(super) immutable: bool,
}

/// What a name of an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Event(u64),
    Occurrence(u64, NaiveDate),
}

impl State {
    pub(super) fn next(&mut self) -> u64 {
        self.sequence += 1;
        // Every change has a time of its own.
        self.now += TimeDelta::seconds(1);
        self.sequence
    }

    /// Reads an id of either kind.
    pub(super) fn name(&self, id: &str) -> Option<Name> {
        let rest = id.strip_prefix("AAImm/").or_else(|| id.strip_prefix("AAMut-"))?.strip_suffix('=')?;
        let name = match rest.split_once('+') {
            Some((number, date)) => Name::Occurrence(number.parse().ok()?, date.parse().ok()?),
            None => Name::Event(rest.parse().ok()?),
        };
        let (Name::Event(number) | Name::Occurrence(number, _)) = name;
        self.events.contains_key(&number).then_some(name)
    }

    /// Marks a change of an event.
    pub(super) fn touch(&mut self, number: u64) {
        let version = self.next();
        let now = self.now;
        if let Some(event) = self.events.get_mut(&number) {
            event.version = version;
            event.changed = version;
            event.updated = now;
        }
    }
}

/// The id of an event. Real ones hold characters that have to be encoded in a path; here the immutable ones do, and the
/// others are left to clients that do not encode (O365).
pub(super) fn id_of(number: u64, immutable: bool) -> String {
    format!("{}{number}=", if immutable { "AAImm/" } else { "AAMut-" })
}

pub(super) fn occurrence_id(number: u64, date: NaiveDate, immutable: bool) -> String {
    format!("{}{number}+{date}=", if immutable { "AAImm/" } else { "AAMut-" })
}

pub(super) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}
