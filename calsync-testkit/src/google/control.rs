//! What a test does behind the client's back, and what it can see.

use std::fmt;

use serde_json::Value;

use super::{
    events,
    quirks::{ABOUT, GoogleQuirks},
    reply::error,
    route::Asked,
    server::GoogleServer,
    state::{Object, State, text},
};
use crate::{
    Switch, SwitchError,
    dav::{Fault, RecordedRequest},
    switch::{self, Line},
};

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
        let listed = state.tick();
        if let Some(calendar) = state.calendars.get_mut(&id) {
            calendar.entry.insert(member.to_owned(), value);
            calendar.listed = listed;
        }
    }

    /// Removes a calendar with everything in it.
    pub fn delete_calendar(&self, id: &str) {
        let mut state = self.state();
        let id = state.calendar_id(id);
        let tick = state.tick();
        if state.calendars.remove(&id).is_some() {
            state.unlisted.push((id, tick));
        }
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
        drop(state);
        self.flush();
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
        drop(state);
        self.flush();
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
        expire(&mut self.state(), calendar);
    }

    /// What [`follow`](Self::follow) can be told.
    pub fn switches() -> Vec<Switch> {
        let mut all = switch::quirks(&ABOUT);
        all.extend(switch::oauth());
        all.extend(switch::listed("do", &ACTIONS));
        all.extend(switch::faults());
        all
    }

    /// Turns a switch by its name, injects a fault or lets something happen: `quirk page_max=2`, `oauth consent=deny`,
    /// `do revoke-all`, `fault status=503 times=3`. A client in another language sends such lines to `/emulator`.
    ///
    /// # Errors
    ///
    /// When there is no such thing; it names what there is.
    pub fn follow(&self, line: &str) -> Result<(), SwitchError> {
        let followed = follow(&mut self.state(), line);
        self.flush();
        followed
    }

    /// Changes some switches.
    pub fn change_quirks(&self, change: impl FnOnce(&mut GoogleQuirks)) {
        change(&mut self.state().quirks);
    }

    /// Replaces the access tokens that are accepted.
    pub fn set_tokens<'t>(&self, tokens: impl IntoIterator<Item = &'t str>) {
        self.state().tokens = tokens.into_iter().map(ToOwned::to_owned).collect();
    }

    /// Queues a fault. The parts of a batch are caught as well, after the batch itself: one whose connection would be closed,
    /// or left open, has no answer in the batch.
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

/// What can happen at the service.
const ACTIONS: [(&str, &str); 5] = [
    (
        "expire-sync-tokens=primary",
        "every sync token of the calendar is answered 410, as after a change of access rights",
    ),
    ("end-access-tokens", "every access token so far is refused; refresh tokens stay good"),
    ("revoke-all", "the person takes the access away: every token so far is refused"),
    ("clear-faults", "faults that were not met yet are forgotten"),
    ("pass=3600", "so many seconds pass, where the emulator has a clock of its own"),
];

fn expire(state: &mut State, calendar: &str) {
    let calendar = state.calendar_id(calendar);
    if let Some(calendar) = state.calendars.get_mut(&calendar) {
        calendar.changes += 1;
        calendar.oldest = calendar.changes;
    }
}

pub(super) fn follow(state: &mut State, line: &str) -> Result<(), SwitchError> {
    match switch::parse(line)? {
        Line::Quirk(name, value) => state.quirks = switch::with_quirk(&state.quirks, name, value)?,
        Line::OAuth(name, value) => switch::turn(&mut state.oauth, name, value)?,
        Line::Do("expire-sync-tokens", calendar) => expire(state, calendar.unwrap_or("primary")),
        Line::Do("end-access-tokens", None) => state.oauth.end_access_tokens(),
        Line::Do("revoke-all", None) => state.oauth.revoke_all(),
        Line::Do("clear-faults", None) => state.faults.clear(),
        Line::Do("pass", Some(seconds)) => match seconds.parse::<u64>() {
            Ok(seconds) => state.ticks += seconds,
            Err(_) => return switch::wrong("write do pass=SECONDS"),
        },
        Line::Do(name, _) => {
            let known: Vec<&str> = ACTIONS.iter().map(|(example, _)| *example).collect();
            return switch::wrong(format!("do {name}: write one of {known:?}"));
        }
        Line::Fault(spec) => {
            let fault = spec.fault(|status, reason| error(status, reason).to_string());
            state.faults.push_back(fault);
        }
    }
    Ok(())
}
