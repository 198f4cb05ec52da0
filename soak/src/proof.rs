//! What must hold besides, once both sides hold the same.

use std::{collections::BTreeSet, time::Duration, time::Instant};

use calsync_core::store::{Record, RecordKind, RecordQuery, Revision};
use calsync_testkit::dav::DavServer;

use crate::{Failure, crew::Crew, side::Side};

/// Rows of a list at once.
const PAGE: usize = 1_000;
/// Runs of each link that must write nothing.
const RUNS: usize = 2;

/// Both sides of a link: names and tags on the server, the last revision here.
type Written = (Vec<(String, String)>, Option<Revision>);

/// Looks at each link, lets it run again, and looks whether anything was written. How many runs there were.
pub(crate) async fn settled(
    sides: &[Side],
    dav: &DavServer,
    crew: &mut Crew,
    give_up: Instant,
) -> Result<usize, Failure> {
    for side in sides {
        left_over(side).await?;
        untold(side).await?;
    }
    let mut before = Vec::new();
    for side in sides {
        before.push(written(side, dav).await?);
    }
    for _ in 0..RUNS {
        for side in sides {
            let last = side.entry().await?.last_success;
            side.nudge().await?;
            while side.entry().await?.last_success == last {
                crew.check()?;
                if Instant::now() > give_up {
                    return Err(format!("{}: no run ends well any more", side.name).into());
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
    for (side, before) in sides.iter().zip(before) {
        if written(side, dav).await? != before {
            return Err(format!("{}: a run wrote although both sides held the same (I02)", side.name).into());
        }
    }
    Ok(RUNS * sides.len())
}

async fn written(side: &Side, dav: &DavServer) -> Result<Written, Failure> {
    let there = dav.list(&side.name).into_iter().map(|(name, tag, _)| (name, tag)).collect();
    let records = side.store.events_since(&side.calendar, Revision(0), usize::MAX).await?;
    Ok((there, records.last().map(|record| record.revision)))
}

/// Nothing waits to be written, nothing could not be read, and no conflict is open: nobody ever edited one event on both sides
/// (I05, I24).
async fn left_over(side: &Side) -> Result<(), Failure> {
    let waiting = side.store.outbox(&side.link(), None, PAGE).await?.len();
    let unread = records(side, RecordKind::Quarantine).await?.len();
    let conflicts = records(side, RecordKind::Conflict).await?.len();
    match (waiting, unread, conflicts) {
        (0, 0, 0) => Ok(()),
        _ => Err(format!(
            "{}: {waiting} writes wait, {unread} items are in quarantine, {conflicts} conflicts were found",
            side.name
        )
        .into()),
    }
}

/// Every event came to one of the sides by a write, and the journal says so (I31).
async fn untold(side: &Side) -> Result<(), Failure> {
    let journal = records(side, RecordKind::Journal).await?;
    let told: BTreeSet<&str> = journal
        .iter()
        .filter_map(|record| match record {
            Record::Journal(entry) if !entry.reason.is_empty() => Some(entry.event_id.as_str()),
            _ => None,
        })
        .collect();
    let events = side.store.events_since(&side.calendar, Revision(0), usize::MAX).await?;
    let living = events.iter().filter(|record| record.deleted.is_none());
    let untold = living.filter(|record| !told.contains(record.id.as_str())).count();
    if untold > 0 {
        return Err(format!("{}: the journal does not tell of {untold} events (I31)", side.name).into());
    }
    Ok(())
}

async fn records(side: &Side, kind: RecordKind) -> Result<Vec<Record>, Failure> {
    let link = side.link();
    let mut all: Vec<Record> = Vec::new();
    loop {
        let after = all.last().map(|record| id(record).to_owned());
        let query =
            RecordQuery { kind, link: &link, event: None, run: None, after: after.as_deref(), limit: PAGE };
        let page = side.store.records(query).await?;
        let last = page.len() < PAGE;
        all.extend(page);
        if last {
            return Ok(all);
        }
    }
}

fn id(record: &Record) -> &str {
    match record {
        Record::Conflict(row) => &row.id,
        Record::Quarantine(row) => row.remote_id.as_str(),
        Record::Run(row) => row.id.as_str(),
        Record::Journal(row) => &row.id,
    }
}
