//! What the feed of a calendar is told of a commit beside its events ([adr 41](../../../docs/adr/0041-change-feed.md)).

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use crate::{
    feed::{Happened, News},
    model::CalendarId,
    store::{LinkHealth, Write},
};

/// The conflicts that some writes find, answer or settle, each once, as it is after them.
pub(super) fn of_conflicts<'a>(
    writes: &'a [Write],
    calendar: &'a CalendarId,
    at: DateTime<Utc>,
) -> impl Iterator<Item = News> + use<'a> {
    let mut last: HashSet<&str> = HashSet::new();
    let mut written: Vec<_> = writes
        .iter()
        .rev()
        .filter_map(|write| match write {
            Write::PutConflict(record) => Some(record),
            _ => None,
        })
        .filter(|record| last.insert(&record.id))
        .collect();
    written.reverse();
    written.into_iter().map(move |record| News {
        calendar: calendar.clone(),
        at,
        what: Happened::Conflict {
            conflict: record.id.clone(),
            link: record.link.clone(),
            event: record.event_id.clone(),
            state: record.state,
        },
    })
}

/// Whether a link fares otherwise: one more failure of the same kind says nothing new.
pub(super) fn fares_otherwise(before: &LinkHealth, now: &LinkHealth) -> bool {
    match (before, now) {
        (LinkHealth::Error { kind: before, .. }, LinkHealth::Error { kind: now, .. }) => before != now,
        _ => before != now,
    }
}
