//! Which deletions every link of a calendar has carried out: only those may be forgotten.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{EngineError, run::Run};
use crate::{
    model::{CalendarId, EventId, LinkId},
    store::{BaseQuery, BaseState, Doc, DocQuery, Store, StoreError, Write},
};

/// How far apart the clocks may be that deletions and runs are timed by.
const SKEW: TimeDelta = TimeDelta::hours(48);
/// A link that has not compared everything for so long holds nothing back any more.
const FORSAKEN: TimeDelta = TimeDelta::days(365);
/// Rows read at once.
const PAGE: usize = 200;

/// What a link says of itself when it has compared everything.
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
            let said = serde_json::from_slice::<Settled>(&doc.value).ok();
            let forsaken = said.as_ref().is_some_and(|said| now - said.at > FORSAKEN);
            if !forsaken {
                earliest = earliest.min(said.map_or(DateTime::<Utc>::MIN_UTC, |said| said.until));
            }
        }
    }
}

impl Run<'_> {
    /// Records which deletions this link has carried out, and forgets those that every link has: when everything was compared,
    /// and not more often than that is due.
    pub(super) async fn forget_deleted(&self, now: DateTime<Utc>) -> Result<Vec<Write>, EngineError> {
        let period = self.link.audit_every.num_seconds().max(1);
        let turn = |at: DateTime<Utc>| at.timestamp().div_euclid(period);
        let compared = self.state.last_audit.is_some_and(|audit| audit >= self.started);
        if !compared || self.audited_before.is_some_and(|before| turn(before) == turn(now)) {
            return Ok(Vec::new());
        }
        let (store, calendar) = (&*self.engine.store, &self.link.calendar);
        let until = self.settled_until().await?;
        let said = serde_json::to_vec(&Settled { until, at: now }).unwrap_or_default();
        let before = (now - self.link.keep_deleted).min(until);
        let before = forgettable(store, calendar, before, now, Some(&self.link.id)).await?;
        Ok(vec![
            Write::PutDoc(Doc::new(space(calendar), self.link.id.as_str(), said)),
            Write::PurgeDeleted { calendar: calendar.clone(), before },
        ])
    }

    /// The time of the first deletion here that is not carried out there: one that failed, waits for a person, or is of an
    /// item nobody can read.
    async fn settled_until(&self) -> Result<DateTime<Utc>, EngineError> {
        let mut until = self.started - SKEW;
        for deleted in self.deleted_here.chunks(PAGE) {
            let ids: Vec<EventId> = deleted.iter().map(|(id, _)| id.clone()).collect();
            for base in self.engine.store.bases(&self.link.id, BaseQuery::Events(&ids)).await? {
                if base.state == BaseState::Suppressed {
                    continue;
                }
                let at = deleted.iter().find(|(id, _)| *id == base.event_id).map(|(_, at)| *at);
                until = until.min(at.unwrap_or(until));
            }
        }
        Ok(until)
    }
}
