//! What is stored: calendars with their events and the order in which they changed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
};

use calsync_core::context::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::{control::Notification, quirks::GoogleQuirks};
use crate::{
    dav::{Fault, RecordedRequest},
    deliver::{Outgoing, can_call},
    oauth::OAuth,
};

pub(super) type Object = Map<String, Value>;

/// The time of the first change: 2026-01-05 12:00 UTC; each change is a second later.
const EPOCH: i64 = 1_767_614_400;

pub(super) struct State {
    pub(super) oauth: OAuth,
    pub(super) user: String,
    pub(super) tokens: BTreeSet<String>,
    pub(super) quirks: GoogleQuirks,
    pub(super) calendars: BTreeMap<String, Calendar>,
    /// Calendars that were removed, and when.
    pub(super) unlisted: Vec<(String, u64)>,
    pub(super) requests: VecDeque<RecordedRequest>,
    pub(super) max_recorded: usize,
    pub(super) faults: VecDeque<Fault>,
    pub(super) ticks: u64,
    /// Pages that were begun: what is left of them, by token.
    pub(super) pages: BTreeMap<String, Pending>,
    pub(super) channels: BTreeMap<String, Channel>,
    pub(super) notifications: Vec<Notification>,
    pub(super) mails: usize,
    pub(super) quota: u64,
    /// Calls that are still to be made.
    pub(super) outgoing: Vec<Outgoing>,
    /// The clock; without one, time passes with every change.
    pub(super) clock: Option<Arc<dyn Clock>>,
}

/// A listing in the middle of its pages.
pub(super) struct Pending {
    pub(super) rows: VecDeque<Value>,
    pub(super) sync: Option<String>,
    pub(super) question: String,
    pub(super) was_empty: bool,
}

pub(super) struct Channel {
    pub(super) calendar: String,
    pub(super) resource: String,
    pub(super) token: Option<String>,
    pub(super) messages: u64,
    pub(super) expires: DateTime<Utc>,
    /// Where it calls.
    pub(super) address: String,
}

#[derive(Default)]
pub(super) struct Calendar {
    pub(super) entry: Object,
    /// When the entry changed.
    pub(super) listed: u64,
    pub(super) zone: String,
    pub(super) events: BTreeMap<String, Stored>,
    pub(super) changes: u64,
    /// Tokens from before this change are forgotten.
    pub(super) oldest: u64,
}

#[derive(Clone)]
pub(super) struct Stored {
    pub(super) event: Object,
    pub(super) changed: u64,
}

impl State {
    pub(super) fn new(oauth: OAuth) -> Self {
        Self {
            oauth,
            user: String::new(),
            tokens: BTreeSet::new(),
            quirks: GoogleQuirks::default(),
            calendars: BTreeMap::new(),
            unlisted: Vec::new(),
            requests: VecDeque::new(),
            max_recorded: 0,
            faults: VecDeque::new(),
            ticks: 0,
            pages: BTreeMap::new(),
            channels: BTreeMap::new(),
            notifications: Vec::new(),
            mails: 0,
            quota: 0,
            outgoing: Vec::new(),
            clock: None,
        }
    }

    pub(super) fn tick(&mut self) -> u64 {
        self.ticks += 1;
        self.ticks
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        match &self.clock {
            Some(clock) => clock.now(),
            None => {
                DateTime::UNIX_EPOCH
                    + TimeDelta::seconds(EPOCH + i64::try_from(self.ticks).unwrap_or_default())
            }
        }
    }

    pub(super) fn stamp(&self) -> String {
        self.now().format("%Y-%m-%dT%H:%M:%S.000Z").to_string()
    }

    /// The calendar of an id; `primary` is the user's own.
    pub(super) fn calendar_id(&self, id: &str) -> String {
        if id == "primary" { self.user.clone() } else { id.to_owned() }
    }

    pub(super) fn add_calendar(&mut self, id: &str, summary: &str, zone: &str, role: &str) {
        let listed = self.tick();
        let etag = format!("\"c{listed}\"");
        let entry = json!({
            "kind": "calendar#calendarListEntry", "etag": etag, "id": id, "summary": summary, "timeZone": zone,
            "colorId": "14", "backgroundColor": "#9fe1e7", "foregroundColor": "#000000", "selected": true,
            "accessRole": role, "defaultReminders": [{"method": "popup", "minutes": 30}],
            "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
        });
        let mut entry = entry.as_object().cloned().unwrap_or_default();
        if id == self.user {
            entry.insert("primary".into(), true.into());
        }
        let calendar = Calendar { entry, listed, zone: zone.to_owned(), ..Calendar::default() };
        self.calendars.insert(id.to_owned(), calendar);
    }

    /// Stores an event with a new tag, and tells those who watch.
    pub(super) fn store(&mut self, calendar: &str, mut event: Object, updated: bool) -> Object {
        if self.quirks.strips_joining_text {
            without_joining_text(&mut event);
        }
        let tick = self.tick();
        event.insert("etag".into(), format!("\"{}\"", 3_535_228_800_000_000 + tick * 2000).into());
        if updated {
            event.insert("updated".into(), self.stamp().into());
        }
        let id = event.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        if let Some(calendar) = self.calendars.get_mut(calendar) {
            calendar.changes += 1;
            let stored = Stored { event: event.clone(), changed: calendar.changes };
            calendar.events.insert(id, stored);
        }
        self.notify(calendar);
        event
    }

    pub(super) fn notify(&mut self, calendar: &str) {
        let now = self.now();
        self.channels.retain(|_, channel| channel.expires > now);
        let watching = self.channels.iter().filter(|(_, channel)| channel.calendar == calendar);
        let watching: Vec<String> = watching.map(|(id, _)| id.clone()).collect();
        for id in watching {
            self.call(&id, "exists");
        }
    }

    /// A call of a channel: recorded, and made where it can be.
    pub(super) fn call(&mut self, id: &str, state: &str) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.messages += 1;
        if self.quirks.drops_notifications {
            return;
        }
        let call = Notification {
            channel: id.to_owned(),
            resource: channel.resource.clone(),
            state: state.to_owned(),
            token: channel.token.clone(),
            number: channel.messages,
        };
        if can_call(&channel.address) {
            let uri = format!(
                "https://www.googleapis.com/calendar/v3/calendars/{}/events?alt=json",
                channel.calendar
            );
            let mut headers = vec![
                ("X-Goog-Channel-ID", call.channel.clone()),
                (
                    "X-Goog-Channel-Expiration",
                    channel.expires.format("%a, %d %b %Y %H:%M:%S GMT").to_string(),
                ),
                ("X-Goog-Resource-ID", call.resource.clone()),
                ("X-Goog-Resource-URI", uri),
                ("X-Goog-Resource-State", call.state.clone()),
                ("X-Goog-Message-Number", call.number.to_string()),
            ];
            headers.extend(call.token.clone().map(|token| ("X-Goog-Channel-Token", token)));
            self.outgoing.push(Outgoing {
                address: channel.address.clone(),
                headers: headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
                body: String::new(),
            });
        }
        self.notifications.push(call);
    }

    pub(super) fn record(&mut self, request: RecordedRequest) {
        self.requests.push_back(request);
        while self.requests.len() > self.max_recorded {
            self.requests.pop_front();
        }
    }
}

pub(super) fn text<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

pub(super) fn is_cancelled(event: &Object) -> bool {
    text(event, "status") == Some("cancelled")
}

/// The line that opens and closes the joining information in a description.
const JOINING: &str = "-::~:~::~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~:~::~:~::-";

fn without_joining_text(event: &mut Object) {
    let Some(Value::String(description)) = event.get_mut("description") else { return };
    let Some((before, rest)) = description.split_once(JOINING) else { return };
    let after = rest.split_once(JOINING).map_or("", |(_, after)| after);
    *description = format!("{}{after}", before.trim_end());
}
