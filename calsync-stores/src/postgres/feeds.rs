//! The feeds of calendars.

use std::collections::BTreeMap;

use calsync_core::{
    feed::{EventSeq, FeedEntry, FeedPage, Unnumbered},
    model::CalendarId,
    store::Result,
};
use chrono::{DateTime, Utc};

use super::{
    PostgresStore,
    rows::{self, column, to_micros},
    session::{Call, Param},
    sql::Sql,
};
use crate::codec::{limited, signed, to_json, unsigned};

const COMMIT: &str = "commit";
const FEED: &str = "feed";
const FORGET: &str = "forget_feed";

/// The statements that write entries, to be the last of their transaction: the first one locks the counters of the feeds, in
/// the order of their names and after everything else, so that nobody who holds one waits for anything but its commit.
pub(super) fn tell<'a>(
    added: BTreeMap<CalendarId, Unnumbered>,
    sql: &'a Sql,
    tenant: &'a str,
) -> Result<Vec<Call<'a>>> {
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let (mut feeds, mut counts) = (Vec::new(), Vec::new());
    let (mut calendars, mut behind) = (Vec::new(), Vec::new());
    let (mut at, mut json) = (Vec::new(), Vec::new());
    for (calendar, added) in added {
        let count = added.len();
        for (n, (when, what)) in added.into_iter().enumerate() {
            calendars.push(calendar.as_str().to_owned());
            behind.push(limited(count - 1 - n));
            at.push(when);
            json.push(to_json(COMMIT, &what)?);
        }
        feeds.push(calendar.as_str().to_owned());
        counts.push(limited(count));
    }
    let count: Vec<Param<'a>> = vec![Box::new(tenant), Box::new(feeds), Box::new(counts)];
    let put: Vec<Param<'a>> =
        vec![Box::new(tenant), Box::new(calendars), Box::new(behind), Box::new(at), Box::new(json)];
    Ok(vec![Call { sql: &sql.count_feeds, params: count }, Call { sql: &sql.put_feed_entries, params: put }])
}

pub(super) async fn page(
    store: &PostgresStore,
    calendar: &CalendarId,
    after: EventSeq,
    limit: usize,
) -> Result<FeedPage> {
    let params: Vec<Param<'_>> =
        vec![Box::new(calendar.as_str()), Box::new(signed(after.0)), Box::new(limited(limit))];
    let mut page = FeedPage::default();
    for row in &store.call(FEED, &store.shared.sql.feed, params).await? {
        page.last = EventSeq(unsigned(column(FEED, row, 0)?));
        let Some(seq) = column::<Option<i64>>(FEED, row, 1)? else { continue };
        page.entries.push(FeedEntry {
            seq: EventSeq(unsigned(seq)),
            at: column(FEED, row, 2)?,
            what: rows::from_json(FEED, column(FEED, row, 3)?, "entry of a feed", seq)?,
        });
    }
    // In the order of their index already, which nothing promises.
    page.entries.sort_by_key(|entry| entry.seq);
    Ok(page)
}

/// Forgets old entries; answers how many.
pub(super) async fn forget(
    store: &PostgresStore,
    calendar: &CalendarId,
    before: DateTime<Utc>,
    limit: usize,
) -> Result<usize> {
    let params: Vec<Param<'_>> =
        vec![Box::new(calendar.as_str()), Box::new(to_micros(before)), Box::new(limited(limit))];
    Ok(store.call(FORGET, &store.shared.sql.forget_feed, params).await?.len())
}
