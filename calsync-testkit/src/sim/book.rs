//! What people did, and so what has to be found again.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::model::{Event, EventBody, EventTime, Override};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};

/// A side: 0 is the calendar, `n` the provider of link `n - 1`.
pub(crate) type Side = u8;

/// Where a value was written, as far as it matters for who can hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Any,
    /// Not held by [`Dialect::Graph`](super::script::Dialect).
    Url,
}

/// A value somebody wrote. Each is written once only, so that it can be told where it went.
pub(crate) struct Value {
    pub(crate) uid: String,
    pub(crate) side: Side,
    pub(crate) part: Part,
    /// Somebody who saw it replaced or deleted it.
    pub(crate) replaced: bool,
}

#[derive(Default)]
pub(crate) struct Book {
    pub(crate) values: Vec<Value>,
    pub(crate) created: BTreeMap<String, BTreeSet<Side>>,
    pub(crate) edited: BTreeSet<(String, Side)>,
    pub(crate) deleted: BTreeSet<(String, Side)>,
    /// Renamed on a remote side, or brought back: whether a deletion was seen cannot be told for these.
    pub(crate) odd: BTreeSet<String>,
    /// What was here when its item became unreadable.
    pub(crate) garbled: BTreeSet<String>,
    /// What people or servers did something to since the end of a run last asked.
    pub(crate) touched: BTreeSet<String>,
    names: u32,
}

impl Book {
    pub(crate) fn name(&mut self) -> String {
        self.names += 1;
        format!("u{}", self.names)
    }

    pub(crate) fn value(&mut self, uid: &str, side: Side, part: Part) -> usize {
        self.values.push(Value { uid: uid.to_owned(), side, part, replaced: false });
        self.values.len() - 1
    }

    /// Somebody saw `before` and left `after`.
    pub(crate) fn replaced(&mut self, before: &Event, after: Option<&Event>) {
        let (mut gone, mut left) = (Vec::new(), Vec::new());
        values(before, &mut gone);
        if let Some(after) = after {
            values(after, &mut left);
        }
        for value in gone {
            if !left.contains(&value)
                && let Some(value) = self.values.get_mut(value)
            {
                value.replaced = true;
            }
        }
    }

    pub(crate) fn deleted_elsewhere(&self, uid: &str, side: Side) -> bool {
        self.deleted.iter().any(|(deleted, by)| deleted == uid && *by != side)
    }
}

/// How a value looks in a text.
pub(crate) fn text(value: usize) -> String {
    format!("<{value}>")
}

/// Whether a text shows a value.
pub(crate) fn shows_a_value(text: &str) -> bool {
    let is_value =
        |(number, _): (&str, &str)| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    text.split('<').skip(1).any(|rest| rest.split_once('>').is_some_and(is_value))
}

/// The hour all events are near: 2026-02-01 09:00 UTC.
pub(crate) fn noon() -> DateTime<Utc> {
    DateTime::from_timestamp(1_769_936_400, 0).unwrap_or_default()
}

const FIRST_DAY: NaiveDate = match NaiveDate::from_ymd_opt(2027, 1, 1) {
    Some(day) => day,
    None => NaiveDate::MIN,
};

/// How a value looks as a time.
pub(crate) fn moment(value: usize) -> DateTime<Utc> {
    noon() + TimeDelta::minutes(1 + i64::try_from(value).unwrap_or(0))
}

/// How a value looks as a day.
pub(crate) fn day(value: usize) -> NaiveDate {
    FIRST_DAY + TimeDelta::days(i64::try_from(value).unwrap_or(0))
}

/// The values in an event.
pub(crate) fn values(event: &Event, out: &mut Vec<usize>) {
    if let Some(body) = &event.master {
        of_body(body, out);
        match &body.time.start {
            EventTime::Date(start) => out.extend(usize::try_from((*start - FIRST_DAY).num_days()).ok()),
            start => {
                let minutes = start.absolute().map_or(0, |start| (start - noon()).num_minutes());
                if minutes > 0 {
                    out.extend(usize::try_from(minutes - 1).ok());
                }
            }
        }
    }
    for value in event.overrides.values() {
        if let Override::Changed { body, .. } = value {
            of_body(body, out);
        }
    }
}

fn of_body(body: &EventBody, out: &mut Vec<usize>) {
    let texts = [&body.title, &body.location, &body.description, &body.url];
    for text in texts.into_iter().flatten().chain(&body.categories) {
        for part in text.split('<').skip(1) {
            out.extend(part.split_once('>').and_then(|(number, _)| number.parse::<usize>().ok()));
        }
    }
}
