//! Conflicts that wait for an answer: those a run left, and those nobody has answered for long.

use chrono::{DateTime, TimeDelta, Utc};

use super::Alert;
use crate::{
    engine::SyncReport,
    model::{LinkId, RunId},
    schedule::Entry,
    store::{ConflictRecord, ConflictState, Record, RecordKind, RecordQuery, Store, StoreError},
};

/// Those of one run are counted up to this.
const COUNTED: usize = 100;
/// How often those of a link are looked through: by so much an alert comes late.
const LOOK: TimeDelta = TimeDelta::days(1);
/// Pages looked through, of [`COUNTED`] rows each, answered ones among them.
const PAGES: usize = 20;

/// What is open, and since when the first of it is.
#[derive(Clone, Copy)]
struct Open {
    count: usize,
    oldest: DateTime<Utc>,
}

impl Open {
    fn alert(self, link: &LinkId) -> Alert {
        Alert::OpenConflicts { link: link.clone(), open: self.count, oldest: self.oldest }
    }
}

/// Of the run that just ended.
pub(super) async fn of_run(
    store: &dyn Store,
    link: &LinkId,
    report: &SyncReport,
) -> Result<Option<Alert>, StoreError> {
    if report.counts.conflicts == 0 {
        return Ok(None);
    }
    let (rows, _) = page(store, link, Some(&report.run), None).await?;
    Ok(among(&rows, DateTime::<Utc>::MAX_UTC).map(|open| open.alert(link)))
}

/// Of any run, once the oldest of them is `age` old, and once more for each time it gets older by that. `None`: this is not
/// the time to look.
pub(super) async fn of_link(
    store: &dyn Store,
    link: &LinkId,
    before: &Entry,
    now: DateTime<Utc>,
    age: TimeDelta,
) -> Option<Looked> {
    let looked = before.conflicts_looked;
    // Also when a clock ahead of ours looked.
    if age <= TimeDelta::zero() || looked.is_some_and(|looked| (now - looked).abs() < LOOK) {
        return None;
    }
    // What the run did is done, also where these cannot be read: they are looked for again another day.
    let old = older(store, link, now - age).await.unwrap_or_else(|error| {
        tracing::debug!(%error, "open conflicts were not looked through");
        None
    });
    let told = old.filter(|old| {
        let turns = |at: DateTime<Utc>| (at - old.oldest).num_seconds().div_euclid(age.num_seconds().max(1));
        turns(now) > looked.map_or(0, |looked| turns(looked.min(now)).max(0))
    });
    Some(Looked { alert: told.map(|old| old.alert(link)) })
}

/// Those that are open since then or longer, among the first rows there are.
async fn older(store: &dyn Store, link: &LinkId, than: DateTime<Utc>) -> Result<Option<Open>, StoreError> {
    let mut old: Option<Open> = None;
    let mut after = None;
    for _ in 0..PAGES {
        let (rows, last) = page(store, link, None, after.as_deref()).await?;
        if let Some(more) = among(&rows, than) {
            let (count, oldest) = old.map_or((0, more.oldest), |old| (old.count, old.oldest));
            old = Some(Open { count: count + more.count, oldest: oldest.min(more.oldest) });
        }
        after = last;
        if after.is_none() {
            break;
        }
    }
    Ok(old)
}

/// What looking came to.
pub(super) struct Looked {
    pub(super) alert: Option<Alert>,
}

/// A page of conflicts, and where the next one starts.
async fn page(
    store: &dyn Store,
    link: &LinkId,
    run: Option<&RunId>,
    after: Option<&str>,
) -> Result<(Vec<ConflictRecord>, Option<String>), StoreError> {
    let query = RecordQuery { kind: RecordKind::Conflict, link, event: None, run, after, limit: COUNTED };
    let rows = store.records(query).await?.into_iter().filter_map(|record| match record {
        Record::Conflict(row) => Some(*row),
        _ => None,
    });
    let rows: Vec<ConflictRecord> = rows.collect();
    let last = rows.last().filter(|_| rows.len() == COUNTED).map(|row| row.id.clone());
    Ok((rows, last))
}

/// Those that are open and were found at a time or before.
fn among(rows: &[ConflictRecord], until: DateTime<Utc>) -> Option<Open> {
    let open = || rows.iter().filter(|row| row.state == ConflictState::Open && row.at <= until);
    let oldest = open().map(|row| row.at).min()?;
    Some(Open { count: open().count(), oldest })
}
