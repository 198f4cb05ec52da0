//! What a test does behind the client's back, and what it can see.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};

use super::{
    events,
    quirks::{ABOUT, Fault, Quirks},
    render::View,
    request::Request,
    server::GraphServer,
    state::{CalendarRow, Name, State},
};
use crate::{
    Switch, SwitchError,
    switch::{self, Act, Line},
};

/// One request, in order of arrival.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The method.
    pub method: String,
    /// Path and query, as sent.
    pub path: String,
    /// The status answered; 0 when the connection was dropped.
    pub status: u16,
    /// The body, as text.
    pub body: String,
    /// The `Prefer` header.
    pub prefer: String,
    /// All headers by name, in lower case.
    pub headers: BTreeMap<String, String>,
}

/// An event as it is stored.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StoredEvent {
    /// Its immutable id.
    pub id: String,
    /// As the service answers, with exceptions, cancelled dates and extended properties.
    pub event: Value,
}

impl GraphServer {
    /// Adds a calendar; returns its id.
    pub fn add_calendar(&self, name: &str) -> String {
        let mut state = self.state();
        let id = format!("AAcal-{}=", state.next());
        state
            .calendars
            .insert(id.clone(), CalendarRow { name: name.to_owned(), default: false, can_edit: true });
        id
    }

    /// Removes a calendar with everything in it.
    pub fn remove_calendar(&self, id: &str) {
        let mut state = self.state();
        state.calendars.remove(id);
        state.events.retain(|_, event| event.calendar != id);
    }

    /// Sets a property of an event as it is, without any check.
    pub fn set_property(&self, id: &str, name: &str, value: Value) {
        let mut state = self.state();
        if let Some(Name::Event(number)) = state.name(id) {
            if let Some(event) = state.events.get_mut(&number) {
                event.properties.insert(name.to_owned(), value);
            }
            state.touch(number);
        }
    }

    /// The id of the calendar every mailbox has.
    pub fn default_calendar(&self) -> String {
        self.state().default_calendar()
    }

    /// Sets whether the account may write to a calendar.
    pub fn set_can_edit(&self, calendar: &str, can_edit: bool) {
        if let Some(row) = self.state().calendars.get_mut(calendar) {
            row.can_edit = can_edit;
        }
    }

    /// Creates an event as another client would; returns its immutable id.
    ///
    /// # Errors
    ///
    /// The code of the refusal.
    pub fn add(&self, calendar: &str, event: &Value) -> Result<String, String> {
        let reply = {
            let mut state = self.state();
            let request = behind("POST", "/v1.0/me/events", event);
            let mails = state.mails;
            let reply = events::create(&mut state, &request, calendar);
            state.mails = mails;
            reply
        };
        let body = reply.body.unwrap_or_default();
        self.flush();
        match body.get("id").and_then(Value::as_str) {
            Some(id) => Ok(id.to_owned()),
            None => Err(body["error"]["code"].as_str().unwrap_or_default().to_owned()),
        }
    }

    /// Changes an event or an instance as another client would; false when it is not taken.
    pub fn change(&self, id: &str, patch: &Value) -> bool {
        let changed = {
            let mut state = self.state();
            let mails = state.mails;
            let Some(name) = state.name(id) else { return false };
            let reply = events::patch(&mut state, &behind("PATCH", "/v1.0/me/events/x", patch), name);
            state.mails = mails;
            reply.status == 200
        };
        self.flush();
        changed
    }

    /// Deletes an event or an instance as another client would; false when there is none.
    pub fn delete(&self, id: &str) -> bool {
        let deleted = {
            let mut state = self.state();
            let mails = state.mails;
            let Some(name) = state.name(id) else { return false };
            let reply = events::delete(&mut state, &behind("DELETE", "/v1.0/me/events/x", &json!({})), name);
            state.mails = mails;
            reply.status == 204
        };
        self.flush();
        deleted
    }

    /// The id of the instance of a series on a day.
    pub fn instance(&self, id: &str, day: NaiveDate) -> Option<String> {
        let state = self.state();
        let Some(Name::Event(number)) = state.name(id) else { return None };
        state.has_instance(number, day).then(|| super::state::occurrence_id(number, day, true))
    }

    /// When an event takes place in a window, by the emulator's own reckoning.
    pub fn instants(&self, id: &str, from: DateTime<Utc>, until: DateTime<Utc>) -> Vec<DateTime<Utc>> {
        let state = self.state();
        let Some(Name::Event(number)) = state.name(id) else { return Vec::new() };
        let Some(event) = state.events.get(&number) else { return Vec::new() };
        let mut found: Vec<DateTime<Utc>> = if event.properties.contains_key("recurrence") {
            event
                .within(from, until)
                .into_iter()
                .filter_map(|day| event.actual(day))
                .map(|times| times.start)
                .collect()
        } else {
            super::render::times(&event.properties).map(|times| times.start).into_iter().collect()
        };
        found.sort_unstable();
        found
    }

    /// Everything in a calendar.
    pub fn events(&self, calendar: &str) -> Vec<StoredEvent> {
        let state = self.state();
        let numbers =
            state.events.iter().filter(|(_, event)| event.calendar == calendar).map(|(number, _)| *number);
        let all: Vec<u64> = numbers.collect();
        all.into_iter()
            .map(|number| {
                let id = super::state::id_of(number, true);
                let mut event = View::of(&whole()).event(&state, number);
                if let Some(stored) = state.events.get(&number) {
                    let cancelled: Vec<String> = stored.cancelled.iter().map(ToString::to_string).collect();
                    event["cancelledOccurrences"] = json!(cancelled);
                    event["extended"] = json!(stored.extended);
                }
                StoredEvent { id, event }
            })
            .collect()
    }

    /// Makes an event somebody else's meeting, to which this mailbox is invited.
    pub fn make_foreign(&self, id: &str) {
        let mut state = self.state();
        if let Some(Name::Event(number)) = state.name(id) {
            if let Some(event) = state.events.get_mut(&number) {
                event.foreign = true;
            }
            state.touch(number);
        }
    }

    /// Takes the series away from the account, but for its exceptions: an invitation to single instances.
    pub fn hide_series(&self, id: &str) {
        let mut state = self.state();
        if let Some(Name::Event(number)) = state.name(id) {
            if let Some(event) = state.events.get_mut(&number) {
                event.hidden = true;
            }
            state.touch(number);
        }
    }

    /// Counts everything that changes.
    pub(crate) fn changes(&self) -> u64 {
        self.state().sequence
    }

    /// Mails the service would have sent to people so far, for requests of clients.
    pub fn mails(&self) -> u64 {
        self.state().mails
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state().seen.clear();
    }

    /// Queues a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Forgets the faults that were not met yet.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Changes switches.
    pub fn change_quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.state().quirks);
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
    /// `do lifecycle=missed`, `fault status=503 times=3`. A client in another language sends such lines to `/emulator`.
    ///
    /// # Errors
    ///
    /// When there is no such thing; it names what there is.
    pub fn follow(&self, line: &str) -> Result<(), SwitchError> {
        let followed = follow(&mut self.state(), line);
        self.flush();
        followed
    }

    /// Makes every delta token so far unknown.
    pub fn expire_tokens(&self) {
        let mut state = self.state();
        state.oldest_token = state.next();
    }

    /// Makes the token wrong, as after a person took the access away; or right again.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut self.state().token);
    }

    /// Sets the time.
    pub fn set_now(&self, now: DateTime<Utc>) {
        self.state().now = now;
    }

    /// Sends a lifecycle notification to every subscription: `reauthorizationRequired`, `subscriptionRemoved`, `missed`.
    pub fn send_lifecycle(&self, event: &str) {
        self.state().lifecycle(event);
        self.flush();
    }

    /// How many subscriptions there are.
    pub fn subscriptions(&self) -> usize {
        self.state().subscriptions.len()
    }
}

fn behind(method: &str, path: &str, body: &Value) -> Request {
    let headers = [("prefer".to_owned(), "IdType=\"ImmutableId\"".to_owned())].into();
    let request = Request::new(method, path, headers, body.to_string().into_bytes());
    request.unwrap_or_else(whole)
}

fn whole() -> Request {
    Request {
        method: "GET".to_owned(),
        path: Vec::new(),
        query: [("$expand".to_owned(), "exceptionOccurrences".to_owned())].into(),
        headers: [("prefer".to_owned(), "IdType=\"ImmutableId\"".to_owned())].into(),
        body: Vec::new(),
        raw: String::new(),
    }
}

/// What can happen at the service.
const ACTIONS: [(&str, &str); 7] = [
    ("expire-sync-tokens", "every delta token so far is answered 410"),
    ("lifecycle=missed", "every subscription is told that notifications were lost"),
    ("lifecycle=reauthorizationRequired", "every subscription wants to be prolonged now"),
    ("lifecycle=subscriptionRemoved", "every subscription is ended, and told so"),
    ("end-access-tokens", "every access token so far is refused; refresh tokens stay good"),
    ("revoke-all", "the person takes the access away: every token so far is refused"),
    ("clear-faults", "faults that were not met yet are forgotten"),
];

pub(super) fn follow(state: &mut State, line: &str) -> Result<(), SwitchError> {
    match switch::parse(line)? {
        Line::Quirk(name, value) => state.quirks = switch::with_quirk(&state.quirks, name, value)?,
        Line::OAuth(name, value) => switch::turn(&mut state.oauth, name, value)?,
        Line::Do("expire-sync-tokens", None) => state.oldest_token = state.next(),
        Line::Do("lifecycle", Some(event @ ("missed" | "reauthorizationRequired"))) => state.lifecycle(event),
        Line::Do("lifecycle", Some(event @ "subscriptionRemoved")) => {
            state.lifecycle(event);
            state.subscriptions.clear();
        }
        Line::Do("end-access-tokens", None) => state.oauth.end_access_tokens(),
        Line::Do("revoke-all", None) => state.oauth.revoke_all(),
        Line::Do("clear-faults", None) => state.faults.clear(),
        Line::Do(name, _) => {
            let known: Vec<&str> = ACTIONS.iter().map(|(example, _)| *example).collect();
            return switch::wrong(format!("do {name}: write one of {known:?}"));
        }
        Line::Fault(spec) => {
            let mut fault = match spec.act {
                Act::Status(status) => match &spec.code {
                    Some(code) => Fault::code(status, code),
                    None => Fault::status(status),
                },
                Act::DropBefore => Fault::drop_before(),
                Act::DropAfter => Fault::drop_after(),
                Act::HangBefore => Fault::hang_before(),
                Act::HangAfter => Fault::hang_after(),
                Act::Truncate => Fault::truncate(),
            };
            fault = spec.headers.iter().fold(fault, |fault, (name, value)| fault.header(name, value));
            fault = spec.body.iter().fold(fault, |fault, body| fault.body(body));
            fault = spec.method.iter().fold(fault, |fault, method| fault.on_method(method));
            fault = spec.path.iter().fold(fault, |fault, path| fault.on_path(path));
            fault = fault.after(spec.after);
            state.faults.push_back(match spec.times {
                Some(times) => fault.times(times),
                None => fault.always(),
            });
        }
    }
    Ok(())
}
