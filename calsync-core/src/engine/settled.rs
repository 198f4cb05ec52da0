//! Which deletions every link of a calendar has carried out: only those may be forgotten.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{EngineError, run::Run};
use crate::{
    model::{CalendarId, EventId, LinkId},
    store::{BaseQuery, BaseState, Batch, Doc, DocQuery, Store, StoreError, Write},
};

/// How far apart the clocks may be that deletions and runs are timed by.
const SKEW: TimeDelta = TimeDelta::hours(48);
/// A link that has not run through for so long holds nothing back any more.
const FORSAKEN: TimeDelta = TimeDelta::days(365);
/// Rows read at once.
const PAGE: usize = 200;

/// What a link says of itself: when it begins, and once a day from then on.
#[derive(Serialize, Deserialize)]
struct Settled {
    /// What was deleted before this is deleted on its other side, too, or was never there.
    until: DateTime<Utc>,
    /// When it said so.
    at: DateTime<Utc>,
}

fn space(calendar: &CalendarId) -> String {
    format!("settled.{calendar}")
}

/// What forgets that a link has a say.
pub(super) fn resign(calendar: &CalendarId, link: &LinkId) -> Write {
    Write::DeleteDoc { space: space(calendar), key: link.to_string() }
}

/// The other links of a calendar that ran in the last year.
pub(super) async fn other_links(
    store: &dyn Store,
    calendar: &CalendarId,
    but: &LinkId,
    now: DateTime<Utc>,
) -> Result<Vec<LinkId>, StoreError> {
    let space = space(calendar);
    let (mut links, mut after) = (Vec::new(), None::<String>);
    loop {
        let page = store.docs(&space, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(links) };
        after = Some(last.key.clone());
        let others = page.into_iter().filter(|doc| doc.key != but.as_str());
        links.extend(others.filter(|doc| !is_forsaken(doc, now)).map(|doc| LinkId::from(doc.key)));
    }
}

/// Whether a link has not run through for too long to have a say.
fn is_forsaken(doc: &Doc, now: DateTime<Utc>) -> bool {
    doc.read::<Settled>().is_some_and(|said| now - said.at > FORSAKEN)
}

/// Before when deletions of a calendar may be forgotten that are older than `before`: a link that did not run since, or holds
/// one back, would take the event for a new one of the other side. What link `but` said does not count.
///
/// # Errors
///
/// When the store fails.
pub(crate) async fn forgettable(
    store: &dyn Store,
    calendar: &CalendarId,
    before: DateTime<Utc>,
    now: DateTime<Utc>,
    but: Option<&LinkId>,
) -> Result<DateTime<Utc>, StoreError> {
    let space = space(calendar);
    let (mut earliest, mut after) = (before, None::<String>);
    loop {
        let page = store.docs(&space, DocQuery::Page { after: after.as_deref(), limit: PAGE }).await?;
        let Some(last) = page.last() else { return Ok(earliest) };
        after = Some(last.key.clone());
        for doc in page.into_iter().filter(|doc| but.is_none_or(|but| doc.key != but.as_str())) {
            // What nobody can read says nothing, and forgets nothing.
            if !is_forsaken(&doc, now) {
                let said = doc.read::<Settled>();
                earliest = earliest.min(said.map_or(DateTime::<Utc>::MIN_UTC, |said| said.until));
            }
        }
    }
}

/// Forgets the events of a calendar that were deleted before a time, `limit` in a commit, until none is left or so many commits
/// are made. What then remains is for another day.
///
/// # Errors
///
/// When the store fails.
pub(crate) async fn forget(
    store: &dyn Store,
    calendar: &CalendarId,
    before: DateTime<Utc>,
    (limit, commits): (usize, usize),
) -> Result<(), StoreError> {
    for _ in 0..commits {
        let purge = Write::PurgeDeleted { calendar: calendar.clone(), before, limit };
        let receipt = store.commit(Batch { writes: vec![purge], ..Batch::default() }).await?;
        if receipt.forgotten.first().is_none_or(|forgotten| *forgotten < limit) {
            break;
        }
    }
    Ok(())
}

impl Run<'_> {
    /// The first commit of a link that has not compared everything yet: from now on it has a say.
    pub(super) async fn first_say(&mut self) -> Result<Option<Write>, EngineError> {
        if self.audited_before.is_some() || std::mem::replace(&mut self.has_said, true) {
            return Ok(None);
        }
        let space = space(&self.link.calendar);
        let said = self.engine.store.docs(&space, DocQuery::Keys(&[self.link.id.as_str()])).await?;
        Ok(said.is_empty().then(|| self.say(self.started - SKEW)))
    }

    /// Which deletions this link has carried out, as is to be recorded, and before when those may be forgotten that every link
    /// has: after a run that went through and held nothing, and not more often than everything is compared. `last` is the last
    /// such run before it.
    pub(super) async fn forgettable(
        &mut self,
        last: Option<DateTime<Utc>>,
    ) -> Result<Option<(Write, DateTime<Utc>)>, EngineError> {
        if self.plan.held || !self.is_first_of_its_turn(last) {
            return Ok(None);
        }
        let now = self.engine.clock.now();
        self.forget_arrivals().await?;
        let until = self.settled_until().await?;
        let (store, calendar) = (&*self.engine.store, &self.link.calendar);
        let wanted = (now - self.link.keep_deleted).min(until);
        let before = forgettable(store, calendar, wanted, now, Some(&self.link.id)).await?;
        Ok(Some((self.say(until), before)))
    }

    /// Whether this is the first run since it was time to compare everything, going by when the last one went through.
    pub(super) fn is_first_of_its_turn(&self, last: Option<DateTime<Utc>>) -> bool {
        let period = self.link.audit_every.num_seconds().max(1);
        let turn = |at: DateTime<Utc>| at.timestamp().div_euclid(period);
        last.is_none_or(|last| turn(last) != turn(self.engine.clock.now()))
    }

    fn say(&self, until: DateTime<Utc>) -> Write {
        let said = Settled { until, at: self.engine.clock.now() };
        let said = serde_json::to_vec(&said).unwrap_or_default();
        Write::PutDoc(Doc::new(space(&self.link.calendar), self.link.id.as_str(), said))
    }

    /// The time of the first deletion here that is not carried out there: one that failed, waits for a person, or is of an
    /// item nobody can read. Its pair is still joined.
    async fn settled_until(&self) -> Result<DateTime<Utc>, EngineError> {
        let store = &self.engine.store;
        let mut until = self.started - SKEW;
        let mut after = None;
        loop {
            let page = store.base_summaries(&self.link.id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(until) };
            after = Some(last.remote_id.clone());
            let ids: Vec<EventId> = page.into_iter().map(|summary| summary.event_id).collect();
            let rows = store.events(&self.link.calendar, &ids).await?;
            let deleted: HashMap<EventId, DateTime<Utc>> =
                rows.into_iter().filter_map(|row| Some((row.id, row.deleted?))).collect();
            if deleted.is_empty() {
                continue;
            }
            let ids: Vec<EventId> = deleted.keys().cloned().collect();
            for base in store.bases(&self.link.id, BaseQuery::Events(&ids)).await? {
                if base.state == BaseState::Linked {
                    until = deleted.get(&base.event_id).map_or(until, |at| until.min(*at));
                }
            }
        }
    }
}
