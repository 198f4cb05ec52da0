//! Which time what a provider lists is about.

use std::ops::Range;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The instants that are listed: an event that takes place at any of them would be there. Outside nothing is known.
///
/// The default is all time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Covered {
    /// The first of them; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// The instant after the last; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Covered {
    /// All time.
    pub const ALL: Self = Self { from: None, until: None };

    /// Whether it is all time.
    pub fn is_all(&self) -> bool {
        *self == Self::ALL
    }

    /// What both cover: nothing, where they do not meet.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let until = match (self.until, other.until) {
            (Some(one), Some(two)) => Some(one.min(two)),
            (one, two) => one.or(two),
        };
        Self { from: self.from.max(other.from), until }
    }

    /// As a span, which is empty where nothing is covered; `None`: all time.
    pub fn span(&self) -> Option<Range<DateTime<Utc>>> {
        let (from, until) = (self.from, self.until);
        let span = from.unwrap_or(DateTime::<Utc>::MIN_UTC)..until.unwrap_or(DateTime::<Utc>::MAX_UTC);
        (!self.is_all()).then_some(span)
    }
}

impl From<Range<DateTime<Utc>>> for Covered {
    fn from(span: Range<DateTime<Utc>>) -> Self {
        Self { from: Some(span.start), until: Some(span.end) }
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn what_two_cover_is_what_both_do() {
        let at = |hour: i64| DateTime::<Utc>::UNIX_EPOCH + TimeDelta::hours(hour);
        let from = |hour| Covered { from: Some(at(hour)), until: None };
        let until = |hour| Covered { from: None, until: Some(at(hour)) };
        assert_eq!(Covered::ALL.and(Covered::ALL).span(), None);
        assert_eq!(from(1).and(until(9)), Covered::from(at(1)..at(9)));
        assert_eq!(Covered::from(at(1)..at(5)).and(Covered::from(at(3)..at(9))), Covered::from(at(3)..at(5)));
        assert_eq!(Covered::from(at(3)..at(9)).and(Covered::ALL), Covered::from(at(3)..at(9)));
        assert!(from(5).and(until(3)).span().unwrap().is_empty());
        assert_eq!(serde_json::to_string(&Covered::ALL).unwrap(), "{}");
    }
}
