//! What a test does behind the client's back, and what it can see.

use serde_json::{Value, json};

use super::{
    quirks::{ABOUT, CoziQuirks},
    server::CoziServer,
    state::{Object, recurrence_mut},
};
use crate::{
    Switch, SwitchError,
    dav::{Fault, RecordedRequest},
    switch::{self, Line},
};

impl CoziServer {
    /// Stores an item as it is, without any check. Returns its id.
    pub fn put(&self, item: Value) -> String {
        let Value::Object(item) = item else { return String::new() };
        self.state().store(item)
    }

    /// Changes an item, as a member of the household does.
    pub fn edit(&self, id: &str, change: impl FnOnce(&mut Object)) {
        let mut state = self.state();
        let Some(mut item) = state.items.get(id).cloned() else { return };
        change(&mut item);
        state.store(item);
    }

    /// Deletes an item, as a member of the household does.
    pub fn delete(&self, id: &str) {
        self.state().items.remove(id);
    }

    /// Changes one instance of a series, as a member of the household does: another item stands in for it. Returns that
    /// item's id.
    pub fn change_instance(&self, id: &str, day: &str, change: impl FnOnce(&mut Object)) -> String {
        let mut state = self.state();
        let Some(mut series) = state.items.get(id).cloned() else { return String::new() };
        let mut instance = series.clone();
        instance.remove("id");
        instance.insert("day".into(), day.into());
        if let Some(Value::Object(details)) = instance.get_mut("itemDetails") {
            details.remove("recurrence");
            details.remove("recurrenceStartDay");
        }
        change(&mut instance);
        let other = state.store(instance);
        if let Some(recurrence) = recurrence_mut(&mut series) {
            let dates = recurrence.entry("exdates").or_insert_with(|| json!([]));
            if let Some(dates) = dates.as_array_mut() {
                dates.push(json!({"date": day, "standinApptId": other}));
            }
        }
        state.store(series);
        other
    }

    /// An item as it is stored.
    pub fn item(&self, id: &str) -> Option<Value> {
        self.state().items.get(id).cloned().map(Value::Object)
    }

    /// Everything stored, in order of the ids.
    pub fn items(&self) -> Vec<Value> {
        self.state().items.values().cloned().map(Value::Object).collect()
    }

    /// A month as it is sent.
    pub fn page(&self, year: i32, month: u32) -> Value {
        super::page::page(&self.state(), year, month)
    }

    /// Changes some switches.
    pub fn change_quirks(&self, change: impl FnOnce(&mut CoziQuirks)) {
        change(&mut self.state().quirks);
    }

    /// Makes every token given out before now unknown; cookies go on.
    pub fn end_tokens(&self) {
        self.state().tokens.clear();
    }

    /// Ends every session, and changes the password.
    pub fn change_password(&self, password: &str) {
        let mut state = self.state();
        state.tokens.clear();
        state.cookies.clear();
        password.clone_into(&mut state.password);
    }

    /// What [`follow`](Self::follow) can be told.
    pub fn switches() -> Vec<Switch> {
        let mut all = switch::quirks(&ABOUT);
        all.extend(switch::plain_faults());
        all
    }

    /// Turns a switch by its name, or injects a fault: `quirk no_cookie`, `fault status=503 times=3`.
    ///
    /// # Errors
    ///
    /// When there is no such thing; it names what there is.
    pub fn follow(&self, line: &str) -> Result<(), SwitchError> {
        match switch::parse(line)? {
            Line::Quirk(name, value) => {
                let mut state = self.state();
                state.quirks = switch::with_quirk(&state.quirks, name, value)?;
            }
            Line::Fault(spec) => self.inject(switch::plain_fault(spec)?),
            _ => return switch::wrong(format!("{line:?}: write quirk NAME or fault WORDS")),
        }
        Ok(())
    }

    /// Queues a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Removes the faults that are still queued.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// The requests so far, in order of arrival.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// How often the password was sent.
    pub fn logins(&self) -> usize {
        self.state().logins
    }

    /// How often a token was renewed without the password.
    pub fn renewals(&self) -> usize {
        self.state().renewals
    }

    /// How many writes would have notified members of the household.
    pub fn notified(&self) -> usize {
        self.state().notified
    }
}
