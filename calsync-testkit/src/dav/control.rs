//! What a test does behind the client's back.

use super::fault::Fault;
use super::quirks::Quirks;
use super::record::RecordedRequest;
use super::server::DavServer;
use super::state::{Access, Calendar, Home};
use super::xml::{DAV, Name};
use crate::{
    Switch, SwitchError,
    switch::{self, Line},
};

/// Direct access. Calendars and objects are named as in paths, decoded; a calendar that does not exist is created by
/// [`put`](DavServer::put) and empty for everything else.
impl DavServer {
    /// Adds an empty calendar to the user's home, replacing one of that name.
    pub fn add_calendar(&self, name: &str, display: &str) {
        self.create(name, display, Home::Own);
    }

    /// Adds an empty calendar to the shared home, which the principal names under [`Homes::Two`](super::Homes::Two). Names are
    /// unique across both homes.
    pub fn add_shared_calendar(&self, name: &str, display: &str) {
        self.create(name, display, Home::Shared);
    }

    /// Deletes a calendar with everything in it.
    pub fn remove_calendar(&self, name: &str) {
        self.state().calendars.remove(name);
    }

    /// Deletes a calendar and creates an empty one at the same place, as a user does who starts over.
    pub fn recreate_calendar(&self, name: &str) {
        let mut state = self.state();
        let Some(old) = state.calendars.remove(name) else { return };
        let new = state.create(name, old.home);
        new.properties = old.properties;
        new.components = old.components;
        new.access = old.access;
    }

    /// Sets who may write to a calendar.
    pub fn set_access(&self, calendar: &str, access: Access) {
        self.with(calendar, |calendar| calendar.access = access);
    }

    /// Sets the component types a calendar holds, such as `VEVENT`. Default: `VEVENT`, `VTODO`, `VJOURNAL`.
    pub fn set_components(&self, calendar: &str, components: &[&str]) {
        let components = components.iter().map(|component| component.to_ascii_uppercase()).collect();
        self.with(calendar, |calendar| calendar.components = components);
    }

    /// Stores a body as it is, valid or not, as another client would; returns its entity tag with quotes.
    pub fn put(&self, calendar: &str, name: &str, body: &str) -> String {
        self.state().put(calendar, name, body)
    }

    /// The stored body.
    pub fn get(&self, calendar: &str, name: &str) -> Option<String> {
        Some(self.state().calendars.get(calendar)?.objects.get(name)?.body.clone())
    }

    /// The stored entity tag with quotes.
    pub fn etag(&self, calendar: &str, name: &str) -> Option<String> {
        Some(self.state().calendars.get(calendar)?.objects.get(name)?.etag.clone())
    }

    /// Gives an object this entity tag, quotes included if it is to have them, as a change. The next write makes a usual one.
    pub fn set_etag(&self, calendar: &str, name: &str, etag: &str) {
        self.with(calendar, |calendar| {
            calendar.sequence += 1;
            let changed = calendar.sequence;
            if let Some(object) = calendar.objects.get_mut(name) {
                etag.clone_into(&mut object.etag);
                object.changed = changed;
            }
        });
    }

    /// Deletes an object; returns whether there was one.
    pub fn delete(&self, calendar: &str, name: &str) -> bool {
        self.state().delete(calendar, name)
    }

    /// All objects in order of their names: name, entity tag with quotes, body.
    pub fn list(&self, calendar: &str) -> Vec<(String, String, String)> {
        let state = self.state();
        let objects = state.calendars.get(calendar).into_iter().flat_map(|calendar| &calendar.objects);
        objects.map(|(name, object)| (name.clone(), object.etag.clone(), object.body.clone())).collect()
    }

    /// The names of the calendars, in order.
    pub fn calendars(&self) -> Vec<String> {
        self.state().calendars.keys().cloned().collect()
    }

    /// The current sync token of a calendar.
    pub fn sync_token(&self, calendar: &str) -> Option<String> {
        let state = self.state();
        Some(state.calendars.get(calendar)?.token(&state.quirks))
    }

    /// Makes every token given out before now unknown, as a server may at any time (RFC 6578, 3.8). The current token works.
    pub fn expire_tokens(&self, calendar: &str) {
        self.with(calendar, |calendar| calendar.oldest_token = calendar.sequence);
    }

    /// Forgets every change until now but keeps accepting the old tokens, as Nextcloud does past 10,000 changes: who syncs
    /// from one learns of nothing that happened before this call.
    pub fn prune_change_log(&self, calendar: &str) {
        self.with(calendar, |calendar| {
            calendar.tombstones.clear();
            for object in calendar.objects.values_mut() {
                object.forget_change();
            }
        });
    }

    /// Replaces the switches. Objects, tokens and recorded requests stay.
    pub fn set_quirks(&self, quirks: Quirks) {
        self.state().quirks = quirks;
    }

    /// Changes some switches.
    pub fn change_quirks(&self, change: impl FnOnce(&mut Quirks)) {
        change(&mut self.state().quirks);
    }

    /// Makes the credentials stop working, as after a password change.
    pub fn revoke_credentials(&self) {
        self.state().revoked = true;
    }

    /// Makes the credentials work again; [`Quirks::revoke_after`] counts anew.
    pub fn restore_credentials(&self) {
        let mut state = self.state();
        state.revoked = false;
        state.authenticated = 0;
    }

    /// Queues a fault.
    pub fn inject(&self, fault: Fault) {
        self.state().faults.push_back(fault);
    }

    /// Removes the faults that are still queued.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// How many queued faults have not acted as often as they were to; those that act for ever count.
    pub fn pending_faults(&self) -> usize {
        self.state().faults.len()
    }

    /// The requests so far, in order of arrival, up to [`DavOptions::max_recorded`](super::DavOptions::max_recorded).
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.state().requests.iter().cloned().collect()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.state().requests.clear();
    }

    /// What [`follow`](Self::follow) can be told.
    pub fn switches() -> Vec<Switch> {
        let product = |(name, _)| Switch {
            verb: "quirk",
            example: format!("product={name}"),
            about: "every deviation this product is known for",
        };
        let mut all: Vec<Switch> = Quirks::products().into_iter().map(product).collect();
        all.extend(switch::plain_faults());
        all
    }

    /// Answers as a product does, or injects a fault: `quirk product=radicale`, `fault status=503 times=3`. Single
    /// deviations are set by [`change_quirks`](Self::change_quirks).
    ///
    /// # Errors
    ///
    /// When there is no such thing; it names what there is.
    pub fn follow(&self, line: &str) -> Result<(), SwitchError> {
        match switch::parse(line)? {
            Line::Quirk("product", Some(wanted)) => {
                let mut products = Quirks::products();
                let Some(at) = products.iter().position(|(name, _)| *name == wanted) else {
                    let names: Vec<&str> = products.iter().map(|(name, _)| *name).collect();
                    return switch::wrong(format!("no product is called {wanted:?}; there are {names:?}"));
                };
                self.set_quirks(products.swap_remove(at).1);
            }
            Line::Fault(spec) => self.inject(switch::plain_fault(spec)?),
            _ => return switch::wrong(format!("{line:?}: write quirk product=NAME or fault WORDS")),
        }
        Ok(())
    }

    fn create(&self, name: &str, display: &str, home: Home) {
        let mut state = self.state();
        let calendar = state.create(name, home);
        calendar.properties.insert(Name::new(DAV, "displayname"), display.to_owned());
    }

    fn with(&self, calendar: &str, change: impl FnOnce(&mut Calendar)) {
        if let Some(calendar) = self.state().calendars.get_mut(calendar) {
            change(calendar);
        }
    }
}
