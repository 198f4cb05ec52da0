//! What a test does behind the client's back, and what it can see.

use std::fmt;

use serde_json::Value;

use super::{
    events,
    quirks::GoogleQuirks,
    route::Asked,
    server::GoogleServer,
    state::{Object, text},
};
use crate::dav::{Fault, RecordedRequest};

/// A call that would have been made to whoever watches.
#[derive(Clone, PartialEq, Eq)]
pub struct Notification {
    /// `X-Goog-Channel-ID`.
    pub channel: String,
    /// `X-Goog-Resource-ID`.
    pub resource: String,
    /// `X-Goog-Resource-State`: `sync` first, then `exists`.
    pub state: String,
    /// `X-Goog-Channel-Token`.
    pub token: Option<String>,
    /// `X-Goog-Message-Number`.
    pub number: u64,
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notification")
            .field("state", &self.state)
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl GoogleServer {
    /// Makes another calendar. `role` is an `accessRole`.
    pub fn add_calendar(&self, id: &str, summary: &str, zone: &str, role: &str) {
        self.state().add_calendar(id, summary, zone, role);
    }

    /// Changes the entry of a calendar in the calendar list; `null` takes a member away.
    pub fn set_calendar(&self, id: &str, member: &str, value: Value) {
        let mut state = self.state();
        let id = state.calendar_id(id);
        if let Some(calendar) = state.calendars.get_mut(&id) {
            calendar.entry.insert(member.to_owned(), value);
        }
    }

    /// Removes a calendar with everything in it.
    pub fn delete_calendar(&self, id: &str) {
        let mut state = self.state();
        let id = state.calendar_id(id);
        state.calendars.remove(&id);
    }

    /// Stores an event as it is, without any check; what Google adds to every event is added. Returns its id.
    pub fn put(&self, calendar: &str, event: Value) -> String {
        let mut state = self.state();
        let calendar = state.calendar_id(calendar);
        let Value::Object(mut event) = event else { return String::new() };
        let id = match text(&event, "id") {
            Some(id) => id.to_owned(),
            None => blake3::hash(format!("event {}", state.ticks).as_bytes()).to_hex()[..26].to_owned(),
        };
        let every = |name: &str| vec![if name == "conferenceDataVersion" { "1" } else { "true" }.to_owned()];
        let query =
            ["conferenceDataVersion", "supportsAttachments"].map(|name| (name.to_owned(), every(name)));
        let asked = Asked {
            method: "POST".to_owned(),
            path: Vec::new(),
            query: query.into_iter().collect(),
            body: Object::new(),
            if_match: None,
            if_none_match: None,
        };
        events::complete(&state, &calendar, &mut event, &id, &asked);
        state.store(&calendar, event, true);
        id
    }

    /// Changes an event, or an instance of a series, as somebody does in Google's own application.
    pub fn edit(&self, calendar: &str, id: &str, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let mut state = self.state();
        let calendar = state.calendar_id(calendar);
        let Some(held) = state.calendars.get(&calendar) else { return };
        let event = held.events.get(id).map(|stored| stored.event.clone());
        let Some(mut event) = event.or_else(|| super::series::find(held, id)) else { return };
        change(&mut event);
        state.store(&calendar, event, true);
    }

    /// Deletes an event, or cancels an instance, as somebody does in Google's own application.
    pub fn delete(&self, calendar: &str, id: &str) {
        self.edit(calendar, id, |event| {
            event.insert("status".to_owned(), "cancelled".into());
        });
    }

    /// An event as it is stored. `None` when there is none; a deleted one is there, cancelled.
    pub fn event(&self, calendar: &str, id: &str) -> Option<Value> {
        let state = self.state();
        let calendar = state.calendar_id(calendar);
        state.calendars.get(&calendar)?.events.get(id).map(|stored| stored.event.clone().into())
    }

    /// Everything stored that is not cancelled, in order of the ids.
    pub fn events(&self, calendar: &str) -> Vec<Value> {
        let state = self.state();
        let calendar = state.calendar_id(calendar);
        let events = state.calendars.get(&calendar).into_iter().flat_map(|calendar| calendar.events.values());
        events
            .map(|stored| Value::Object(stored.event.clone()))
            .filter(|event| event["status"] != "cancelled")
            .collect()
    }

    /// Everything stored, also what is cancelled, in order of the ids.
    pub(crate) fn stored(&self, calendar: &str) -> Vec<Value> {
        let state = self.state();
        let events = state.calendars.get(calendar).into_iter().flat_map(|calendar| calendar.events.values());
        events.map(|stored| Value::Object(stored.event.clone())).collect()
    }

    /// Changes of a calendar so far.
    pub(crate) fn changes(&self, calendar: &str) -> u64 {
        self.state().calendars.get(calendar).map_or(0, |calendar| calendar.changes)
    }

    /// Makes every sync token given out before now unknown, as a change of access rights does.
    pub fn expire_tokens(&self, calendar: &str) {
        let mut state = self.state();
        let calendar = state.calendar_id(calendar);
        if let Some(calendar) = state.calendars.get_mut(&calendar) {
            calendar.changes += 1;
            calendar.oldest = calendar.changes;
        }
    }

    /// Changes some switches.
    pub fn change_quirks(&self, change: impl FnOnce(&mut GoogleQuirks)) {
        change(&mut self.state().quirks);
    }

    /// Replaces the access tokens that are accepted.
    pub fn set_tokens<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) {
        self.state().tokens = tokens.into_iter().map(ToOwned::to_owned).collect();
    }

    /// Queues a fault. Those that answer also catch parts of a batch.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Removes the faults that are still queued.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The requests so far, in order of arrival; a batch is one.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// How many people would have been mailed.
    pub fn mails(&self) -> usize {
        self.state().mails
    }

    /// Units of quota used: three for a `PATCH`, one for anything else; a batch costs what its parts do.
    pub fn quota(&self) -> u64 {
        self.state().quota
    }

    /// The calls that would have been made to whoever watches.
    pub fn notifications(&self) -> Vec<Notification> {
        self.state().notifications.clone()
    }

    /// How many channels are open.
    pub fn channels(&self) -> usize {
        let state = self.state();
        let now = state.now();
        state.channels.values().filter(|channel| channel.expires > now).count()
    }

    /// Lets time pass: nothing else does, but for a second with each change.
    pub fn pass(&self, time: std::time::Duration) {
        self.state().ticks += time.as_secs();
    }
}
