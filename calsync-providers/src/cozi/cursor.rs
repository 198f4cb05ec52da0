//! What was seen, and in which months: Cozi keeps no record of what was deleted, so this is the evidence.

use std::{collections::BTreeMap, fmt};

use calsync_core::provider::Cursor;
use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// A month, counted from year 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Month(i32);

impl Month {
    pub(crate) fn of(day: NaiveDate) -> Self {
        Self(day.year().saturating_mul(12).saturating_add(i32::try_from(day.month0()).unwrap_or_default()))
    }

    pub(crate) fn plus(self, months: i32) -> Self {
        Self(self.0.saturating_add(months))
    }

    pub(crate) fn year(self) -> i32 {
        self.0.div_euclid(12)
    }

    /// 1 to 12.
    pub(crate) fn month(self) -> u32 {
        self.0.rem_euclid(12).unsigned_abs() + 1
    }

    /// `None`: past what a date can be.
    pub(crate) fn first_day(self) -> Option<NaiveDate> {
        NaiveDate::from_ymd_opt(self.year(), self.month(), 1)
    }

    /// From this month to the last, both included.
    pub(crate) fn until(self, last: Self) -> impl Iterator<Item = Self> {
        (self.0..=last.0).map(Self)
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.year(), self.month())
    }
}

/// The first and the last month an item was seen in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Span(pub(crate) Month, pub(crate) Month);

impl Span {
    pub(crate) fn over(&mut self, month: Month) {
        self.0 = self.0.min(month);
        self.1 = self.1.max(month);
    }
}

/// What is known of an item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Where it was.
    #[serde(rename = "m")]
    pub(crate) span: Span,
    /// Its version; empty when it could not be read.
    #[serde(rename = "v", default, skip_serializing_if = "String::is_empty")]
    pub(crate) version: String,
}

/// Opaque to everybody else; kept as JSON.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) items: BTreeMap<String, Seen>,
}

impl State {
    pub(crate) fn read(cursor: &Cursor) -> Option<Self> {
        serde_json::from_str(&cursor.0).ok()
    }

    pub(crate) fn cursor(&self) -> Option<Cursor> {
        serde_json::to_string(self).ok().map(Cursor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_pass_the_year() {
        let december = Month::of("2026-12-31".parse().unwrap());
        assert_eq!(december.to_string(), "2026/12");
        assert_eq!(december.plus(1).to_string(), "2027/1");
        assert_eq!(december.plus(-12).to_string(), "2025/12");
        assert_eq!(december.plus(1).first_day(), "2027-01-01".parse().ok());
        assert_eq!(december.until(december.plus(2)).count(), 3);
        assert_eq!(december.until(december.plus(-1)).count(), 0);
    }

    #[test]
    fn only_a_state_is_a_cursor() {
        let mut state = State::default();
        let month = Month(24_000);
        state.items.insert("a".into(), Seen { span: Span(month, month.plus(3)), version: "v".into() });
        assert_eq!(State::read(&state.cursor().unwrap()), Some(state));
        for text in ["", "{}", "[]", "null", r#"{"items":[]}"#, r#"{"items":{"a":{"m":[1]}}}"#] {
            assert_eq!(State::read(&Cursor(text.into())), None, "{text}");
        }
    }
}
