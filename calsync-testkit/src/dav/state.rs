//! What the server holds: calendars, their objects, and what changed when.

use std::collections::{BTreeMap, VecDeque};

use super::fault::{Edit, Fault};
use super::ical;
use super::quirks::Quirks;
use super::record::RecordedRequest;
use super::switch::{Etags, TokenForm};
use super::xml::Name;

/// Who may write to a calendar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Access {
    /// The user reads and writes.
    #[default]
    ReadWrite,
    /// The user only reads: writes are answered 403 with `need-privileges` (RFC 3744, 7.1.1).
    ReadOnly,
}

/// Which collection a calendar lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    Own,
    Shared,
}

#[derive(Debug, Clone)]
pub(super) struct Object {
    pub(super) body: String,
    pub(super) etag: String,
    /// Kept, because every PUT looks through those of all objects.
    pub(super) uids: Vec<String>,
    /// The tag before the last write: what a racing writer may hold.
    pub(super) previous_etag: Option<String>,
    pub(super) created: u64,
    pub(super) changed: u64,
    writes: u64,
}

impl Object {
    /// As if it had always been as it is.
    pub(super) fn forget_change(&mut self) {
        self.created = 0;
        self.changed = 0;
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Tombstone {
    pub(super) created: u64,
    pub(super) deleted: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Calendar {
    pub(super) home: Home,
    pub(super) access: Access,
    pub(super) components: Vec<String>,
    pub(super) properties: BTreeMap<Name, String>,
    pub(super) objects: BTreeMap<String, Object>,
    pub(super) tombstones: BTreeMap<String, Tombstone>,
    /// Names asked for in a PUT that stored under another name.
    pub(super) renamed: BTreeMap<String, String>,
    /// Differs for each calendar and each recreation of one.
    pub(super) incarnation: u64,
    /// Counts changes.
    pub(super) sequence: u64,
    /// The last change that was one of properties.
    pub(super) edited: u64,
    /// Tokens of earlier changes are unknown.
    pub(super) oldest_token: u64,
}

impl Calendar {
    pub(super) fn new(home: Home, incarnation: u64) -> Self {
        Self {
            home,
            access: Access::ReadWrite,
            components: ["VEVENT", "VTODO", "VJOURNAL"].map(str::to_owned).to_vec(),
            properties: BTreeMap::new(),
            objects: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            renamed: BTreeMap::new(),
            incarnation,
            sequence: 0,
            edited: 0,
            oldest_token: 0,
        }
    }

    /// Stores a body and returns its entity tag with quotes. An identical body leaves a content-hash calendar untouched.
    pub(super) fn store(&mut self, name: &str, body: String, etags: Etags) -> String {
        let old = self.objects.get(name);
        let writes = old.map_or(0, |old| old.writes + 1);
        let etag = match etags {
            Etags::ContentHash => ical::content_tag(&body),
            Etags::Counter => format!("\"gcs{writes:08}\""),
        };
        if let Some(old) = old
            && old.etag == etag
            && old.body == body
        {
            return etag;
        }
        let previous_etag = old.map(|old| old.etag.clone());
        let created = old.map(|old| old.created);
        self.sequence += 1;
        let uids = ical::summary(&body).map(|summary| summary.uids).unwrap_or_default();
        let object = Object {
            body,
            uids,
            etag: etag.clone(),
            previous_etag,
            created: created.unwrap_or(self.sequence),
            changed: self.sequence,
            writes,
        };
        self.tombstones.remove(name);
        self.objects.insert(name.to_owned(), object);
        etag
    }

    pub(super) fn remove(&mut self, name: &str) -> Option<Object> {
        let object = self.objects.remove(name)?;
        self.sequence += 1;
        self.tombstones
            .insert(name.to_owned(), Tombstone { created: object.created, deleted: self.sequence });
        Some(object)
    }

    pub(super) fn token(&self, quirks: &Quirks) -> String {
        self.token_at(quirks, self.sequence)
    }

    pub(super) fn token_at(&self, quirks: &Quirks, sequence: u64) -> String {
        let prefix = token_prefix(quirks);
        match quirks.token_form {
            TokenForm::Scoped => format!("{prefix}{}-{sequence}", self.incarnation),
            TokenForm::BareNumber => format!("{prefix}{sequence}"),
        }
    }

    pub(super) fn ctag(&self, quirks: &Quirks) -> String {
        match quirks.token_form {
            TokenForm::Scoped => format!("\"{}-{}\"", self.incarnation, self.sequence),
            TokenForm::BareNumber => self.token(quirks),
        }
    }

    /// The change a token stands for, or `None` for a token this calendar does not know.
    pub(super) fn read_token(&self, quirks: &Quirks, token: &str) -> Option<u64> {
        let token = token.strip_prefix(token_prefix(quirks))?;
        match quirks.token_form {
            TokenForm::Scoped => {
                let (incarnation, sequence) = token.split_once('-')?;
                let sequence: u64 = sequence.parse().ok()?;
                (incarnation.parse() == Ok(self.incarnation)
                    && (self.oldest_token..=self.sequence).contains(&sequence))
                .then_some(sequence)
            }
            TokenForm::BareNumber => token.parse().ok().filter(|sequence| *sequence >= self.oldest_token),
        }
    }
}

fn token_prefix(quirks: &Quirks) -> &str {
    match (&quirks.token_prefix, quirks.token_form) {
        (Some(prefix), _) => prefix,
        (None, TokenForm::Scoped) => "http://calsync.invalid/ns/sync/",
        (None, TokenForm::BareNumber) => "http://sabre.io/ns/sync/",
    }
}

/// Everything behind the lock.
pub(super) struct State {
    pub(super) user: String,
    pub(super) password: String,
    pub(super) max_resource_size: usize,
    /// Scheme, host and port, without trailing slash.
    pub(super) base: String,
    pub(super) quirks: Quirks,
    pub(super) calendars: BTreeMap<String, Calendar>,
    pub(super) max_recorded: usize,
    pub(super) requests: VecDeque<RecordedRequest>,
    pub(super) faults: VecDeque<Fault>,
    pub(super) authenticated: usize,
    pub(super) revoked: bool,
    pub(super) incarnations: u64,
}

impl State {
    /// Creates a calendar, replacing one of that name.
    pub(super) fn create(&mut self, name: &str, home: Home) -> &mut Calendar {
        self.incarnations += 1;
        self.calendars.remove(name);
        let incarnation = self.incarnations;
        self.calendars.entry(name.to_owned()).or_insert_with(|| Calendar::new(home, incarnation))
    }

    /// Stores a body unchecked, creating the calendar if need be; returns the entity tag.
    pub(super) fn put(&mut self, calendar: &str, name: &str, body: &str) -> String {
        let etags = self.quirks.etags;
        if !self.calendars.contains_key(calendar) {
            self.create(calendar, Home::Own);
        }
        self.calendars
            .get_mut(calendar)
            .map(|held| held.store(name, body.to_owned(), etags))
            .unwrap_or_default()
    }

    pub(super) fn delete(&mut self, calendar: &str, name: &str) -> bool {
        self.calendars.get_mut(calendar).is_some_and(|calendar| calendar.remove(name).is_some())
    }

    pub(super) fn edit(&mut self, edit: &Edit) {
        match edit {
            Edit::Put { calendar, name, body } => {
                self.put(calendar, name, body);
            }
            Edit::Delete { calendar, name } => {
                self.delete(calendar, name);
            }
        }
    }

    pub(super) fn record(&mut self, request: RecordedRequest) {
        self.requests.push_back(request);
        while self.requests.len() > self.max_recorded {
            self.requests.pop_front();
        }
    }

    /// The object of a calendar, unless the name is one that is listed and never found.
    pub(super) fn object(&self, calendar: &str, name: &str) -> Option<&Object> {
        if self.is_ghost(name) {
            return None;
        }
        self.calendars.get(calendar)?.objects.get(name)
    }

    pub(super) fn is_ghost(&self, name: &str) -> bool {
        self.quirks.ghosts.iter().any(|ghost| ghost == name)
    }

    pub(super) fn is_poison(&self, name: &str) -> bool {
        self.quirks.poison.iter().any(|poison| poison == name)
    }
}
