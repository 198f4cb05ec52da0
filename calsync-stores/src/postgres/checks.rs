//! What a commit must know before it writes, and whether what it expects holds.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::store::{Batch, Expectation, Result, StoreError, StoreErrorKind, Write};
use chrono::{DateTime, Utc};
use tokio_postgres::{Error, Row};

use super::{error::During, rows::uid_hash, session::Call, sql::Sql};
use crate::codec::{signed, unsigned};

const COMMIT: &str = "commit";

/// The rows a batch depends on. Sets, so that every commit locks rows in the same order.
#[derive(Default)]
pub(super) struct Needs<'a> {
    lease: Option<&'a str>,
    calendars: BTreeSet<&'a str>,
    links: BTreeSet<&'a str>,
    docs: BTreeSet<(&'a str, &'a str)>,
    events: BTreeSet<(&'a str, &'a str)>,
    uids: BTreeSet<(&'a str, Vec<u8>)>,
    new_docs: usize,
}

impl<'a> Needs<'a> {
    pub(super) fn of(batch: &'a Batch) -> Self {
        let mut needs =
            Self { lease: batch.lease.as_ref().map(|token| token.name.as_str()), ..Self::default() };
        let mut put = BTreeSet::new();
        for expectation in &batch.expect {
            match expectation {
                Expectation::Event { calendar, id, .. } => {
                    needs.calendars.insert(calendar.as_str());
                    needs.events.insert((calendar.as_str(), id.as_str()));
                }
                Expectation::Uid { calendar, uid, .. } => {
                    needs.calendars.insert(calendar.as_str());
                    needs.uids.insert((calendar.as_str(), uid_hash(uid)));
                }
                Expectation::Link { id, .. } => {
                    needs.links.insert(id.as_str());
                }
                Expectation::Doc { space, key, .. } => {
                    needs.docs.insert((space, key));
                }
            }
        }
        for write in &batch.writes {
            match write {
                Write::PutEvent { calendar, .. } | Write::PurgeDeleted { calendar, .. } => {
                    needs.calendars.insert(calendar.as_str());
                }
                Write::DeleteEvent { calendar, id, .. } => {
                    needs.calendars.insert(calendar.as_str());
                    needs.events.insert((calendar.as_str(), id.as_str()));
                }
                Write::PutLink(link) => {
                    put.insert(link.id.as_str());
                }
                Write::PutDoc(_) => needs.new_docs += 1,
                _ => {}
            }
        }
        // A link's next generation need not be known to be written. Where other rows are locked first it is locked with them,
        // so that all commits do so in one order.
        if !needs.lease_only() {
            needs.links.append(&mut put);
        }
        needs
    }

    /// Whether nothing but the lease has to be known to write the batch.
    pub(super) fn lease_only(&self) -> bool {
        self.calendars.is_empty() && self.links.is_empty() && self.docs.is_empty() && self.new_docs == 0
    }

    /// What must hold, when that is all a batch depends on: its events have the revisions that are expected of them, and none
    /// gets a new one.
    pub(super) fn guard(&self, batch: &'a Batch, sql: &'a Sql, tenant: &'a str) -> Option<Vec<Call<'a>>> {
        let decides = |write: &Write| {
            matches!(
                write,
                Write::PutEvent { .. }
                    | Write::DeleteEvent { .. }
                    | Write::PurgeDeleted { .. }
                    | Write::PutLink(_)
                    | Write::PutDoc(_)
                    | Write::DeleteDoc { .. }
            )
        };
        if batch.expect.is_empty() || batch.writes.iter().any(decides) {
            return None;
        }
        let (mut calendars, mut ids, mut revisions) = (Vec::new(), Vec::new(), Vec::new());
        for expectation in &batch.expect {
            let Expectation::Event { calendar, id, revision } = expectation else { return None };
            calendars.push(calendar.as_str());
            ids.push(id.as_str());
            revisions.push(revision.map(|revision| signed(revision.0)));
        }
        let locked: Vec<&str> = self.calendars.iter().copied().collect();
        let lock = vec![Box::new(tenant) as _, Box::new(locked) as _];
        let hold = vec![
            Box::new(tenant) as _,
            Box::new(calendars) as _,
            Box::new(ids) as _,
            Box::new(revisions) as _,
        ];
        let lock = Call { sql: &sql.lock_calendars, params: lock };
        Some(vec![lock, Call { sql: &sql.hold_events, params: hold }])
    }

    /// The statements that lock and read these rows. First the lease, so that a late holder waits for nothing else;
    /// then the calendars, which whoever changes their events locks too, before events are read.
    pub(super) fn calls(&self, sql: &'a Sql, tenant: &'a str) -> Vec<(Answer, Call<'a>)> {
        let mut calls = Vec::new();
        if let Some(name) = self.lease {
            let params = vec![Box::new(tenant) as _, Box::new(name) as _];
            calls.push((Answer::Lease, Call { sql: &sql.lock_lease, params }));
        }
        if !self.calendars.is_empty() {
            let ids: Vec<&str> = self.calendars.iter().copied().collect();
            let params = vec![Box::new(tenant) as _, Box::new(ids) as _];
            calls.push((Answer::Calendars, Call { sql: &sql.lock_calendars, params }));
        }
        if !self.links.is_empty() {
            let ids: Vec<&str> = self.links.iter().copied().collect();
            let params = vec![Box::new(tenant) as _, Box::new(ids) as _];
            calls.push((Answer::Links, Call { sql: &sql.lock_links, params }));
        }
        if !self.docs.is_empty() {
            let (spaces, keys): (Vec<&str>, Vec<&str>) = self.docs.iter().copied().unzip();
            let params = vec![Box::new(tenant) as _, Box::new(spaces) as _, Box::new(keys) as _];
            calls.push((Answer::Docs, Call { sql: &sql.lock_docs, params }));
        }
        if !self.events.is_empty() {
            let (calendars, ids): (Vec<&str>, Vec<&str>) = self.events.iter().copied().unzip();
            let params = vec![Box::new(tenant) as _, Box::new(calendars) as _, Box::new(ids) as _];
            calls.push((Answer::Events, Call { sql: &sql.event_states, params }));
        }
        if !self.uids.is_empty() {
            let (calendars, hashes): (Vec<&str>, Vec<Vec<u8>>) = self.uids.iter().cloned().unzip();
            let params = vec![Box::new(tenant) as _, Box::new(calendars) as _, Box::new(hashes) as _];
            calls.push((Answer::Uids, Call { sql: &sql.event_ids_of_uids, params }));
        }
        if self.new_docs > 0 {
            let count = i64::try_from(self.new_docs).unwrap_or(i64::MAX);
            calls.push((
                Answer::DocVersions,
                Call { sql: &sql.new_doc_versions, params: vec![Box::new(count)] },
            ));
        }
        calls
    }
}

/// What a statement of [`Needs::calls`] answers.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Lease,
    Calendars,
    Links,
    Docs,
    Events,
    Uids,
    DocVersions,
}

/// An event as it is before the batch.
#[derive(Clone, Copy)]
pub(super) struct EventState {
    pub(super) revision: i64,
    pub(super) deleted: Option<DateTime<Utc>>,
}

/// What the database held, and holds until the commit ends, because its rows are locked.
#[derive(Default)]
pub(super) struct Found {
    lease: Option<i64>,
    /// The last revision of each calendar.
    pub(super) calendars: BTreeMap<String, i64>,
    /// Generations; 0 for a link that is not there.
    pub(super) links: BTreeMap<String, i64>,
    /// Versions; 0 for a document that is not there.
    pub(super) docs: BTreeMap<(String, String), i64>,
    pub(super) events: BTreeMap<(String, String), EventState>,
    uids: BTreeMap<(String, Vec<u8>), BTreeSet<String>>,
    /// One for each document that is put.
    pub(super) doc_versions: Vec<i64>,
}

impl Found {
    /// Takes the rows of one answer.
    pub(super) fn take(&mut self, answer: Answer, rows: std::result::Result<Vec<Row>, Error>) -> Result<()> {
        for row in &rows.during(COMMIT)? {
            self.take_row(answer, row).during(COMMIT)?;
        }
        Ok(())
    }

    fn take_row(&mut self, answer: Answer, row: &Row) -> std::result::Result<(), Error> {
        match answer {
            Answer::Lease => self.lease = Some(row.try_get(0)?),
            Answer::Calendars => {
                self.calendars.insert(row.try_get(0)?, row.try_get(1)?);
            }
            Answer::Links => {
                self.links.insert(row.try_get(0)?, row.try_get(1)?);
            }
            Answer::Docs => {
                self.docs.insert((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?);
            }
            Answer::Events => {
                let state = EventState { revision: row.try_get(2)?, deleted: row.try_get(3)? };
                self.events.insert((row.try_get(0)?, row.try_get(1)?), state);
            }
            Answer::Uids => {
                let ids = self.uids.entry((row.try_get(0)?, row.try_get(1)?)).or_default();
                ids.insert(row.try_get(2)?);
            }
            Answer::DocVersions => self.doc_versions.push(row.try_get(0)?),
        }
        Ok(())
    }

    /// Whether the batch's lease is the current one.
    pub(super) fn check_lease(&self, batch: &Batch) -> Result<()> {
        match &batch.lease {
            Some(token) if self.lease.map(unsigned) != Some(token.epoch) => {
                Err(StoreError::new(StoreErrorKind::Fenced, COMMIT))
            }
            _ => Ok(()),
        }
    }

    /// Whether all that the batch expects holds.
    pub(super) fn check_expectations(&self, batch: &Batch) -> Result<()> {
        match batch.expect.iter().position(|expectation| !self.holds(expectation)) {
            Some(expectation) => Err(StoreError::new(StoreErrorKind::Conflict { expectation }, COMMIT)),
            None => Ok(()),
        }
    }

    fn holds(&self, expectation: &Expectation) -> bool {
        match expectation {
            Expectation::Event { calendar, id, revision } => {
                let key = (calendar.as_str().to_owned(), id.as_str().to_owned());
                self.events.get(&key).map(|state| state.revision)
                    == revision.map(|revision| signed(revision.0))
            }
            Expectation::Link { id, generation } => counted(self.links.get(id.as_str())) == *generation,
            Expectation::Uid { calendar, uid, events } => {
                let found = self.uids.get(&(calendar.as_str().to_owned(), uid_hash(uid)));
                let expected: BTreeSet<&str> = events.iter().map(|id| id.as_str()).collect();
                found.into_iter().flatten().map(String::as_str).eq(expected)
            }
            Expectation::Doc { space, key, version } => {
                counted(self.docs.get(&(space.clone(), key.clone()))) == *version
            }
        }
    }
}

/// A counter; 0 says that there is no such row.
fn counted(value: Option<&i64>) -> Option<u64> {
    value.copied().map(unsigned).filter(|value| *value > 0)
}
