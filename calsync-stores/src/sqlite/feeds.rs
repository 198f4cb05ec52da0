//! The feeds of calendars, on the connection's thread.

use calsync_core::{
    feed::{Additions, EventSeq, FeedEntry, FeedPage, numbered},
    model::CalendarId,
    store::Result,
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::codec::{limited, signed, to_json, unsigned};

use super::{
    Db,
    error::{During, unreadable},
    rows::{from_json, micros},
    sql,
};

const COMMIT: &str = "commit";
const FEED: &str = "feed";
const FORGET: &str = "forget_feed";

/// Writes the entries of a batch.
pub(super) fn tell(db: &Db<'_>, added: Additions) -> Result<()> {
    for (calendar, added) in added.finish() {
        let count = added.len() as u64;
        let last: i64 = db
            .connection
            .prepare_cached(sql::COUNT_FEED)
            .and_then(|mut statement| {
                statement.query_row(params![db.tenant, calendar.as_str(), signed(count)], |row| row.get(0))
            })
            .during(COMMIT)?;
        let before = EventSeq(unsigned(last).saturating_sub(count));
        let mut statement = db
            .connection
            .prepare_cached(
                "INSERT INTO feed_entries (tenant, calendar, seq, at, json) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .during(COMMIT)?;
        for entry in numbered(before, added) {
            let json = to_json(COMMIT, &entry.what)?;
            let (seq, at) = (signed(entry.seq.0), micros(entry.at));
            statement.execute(params![db.tenant, calendar.as_str(), seq, at, json]).during(COMMIT)?;
        }
    }
    Ok(())
}

/// A page, and the last entry at the same moment.
pub(super) fn page(
    connection: &mut Connection,
    tenant: &str,
    calendar: &CalendarId,
    after: EventSeq,
    limit: usize,
) -> Result<FeedPage> {
    let transaction = connection.transaction().during(FEED)?;
    let last: Option<i64> = transaction
        .prepare_cached(sql::FEED_LAST)
        .and_then(|mut statement| {
            statement.query_row([tenant, calendar.as_str()], |row| row.get(0)).optional()
        })
        .during(FEED)?;
    let mut statement = transaction.prepare_cached(sql::FEED).during(FEED)?;
    let params = params![tenant, calendar.as_str(), signed(after.0), limited(limit)];
    let mut rows = statement.query(params).during(FEED)?;
    let mut entries = Vec::new();
    while let Some(row) = rows.next().during(FEED)? {
        let seq = unsigned(row.get(0).during(FEED)?);
        let at = DateTime::from_timestamp_micros(row.get(1).during(FEED)?);
        let json: String = row.get(2).during(FEED)?;
        entries.push(FeedEntry {
            seq: EventSeq(seq),
            at: at.ok_or_else(|| unreadable(FEED, "entry of a feed", seq))?,
            what: from_json(FEED, &json, "entry of a feed", seq)?,
        });
    }
    Ok(FeedPage { last: EventSeq(last.map_or(0, unsigned)), entries })
}

/// Of the oldest entries forgets those up to the last old one; answers how many.
pub(super) fn forget(
    connection: &mut Connection,
    tenant: &str,
    calendar: &CalendarId,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).during(FORGET)?;
    let mut last = None;
    {
        let mut statement = transaction.prepare_cached(sql::FEED_OLDEST).during(FORGET)?;
        let mut rows = statement.query(params![tenant, calendar.as_str(), limited(limit)]).during(FORGET)?;
        while let Some(row) = rows.next().during(FORGET)? {
            if row.get::<_, i64>(1).during(FORGET)? < micros(before) {
                last = Some(row.get::<_, i64>(0).during(FORGET)?);
            }
        }
    }
    let Some(last) = last else { return Ok(0) };
    let forgotten = transaction
        .prepare_cached(sql::FEED_TO_FORGET)
        .and_then(|mut statement| statement.execute(params![tenant, calendar.as_str(), last]))
        .during(FORGET)?;
    transaction.commit().during(FORGET)?;
    Ok(forgotten)
}
