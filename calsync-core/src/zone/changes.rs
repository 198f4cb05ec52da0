//! The changes of the clock in a zone of the database.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};

use super::Tz;
use super::custom::{Observance, ObservanceKind};
use super::plus_seconds;
use super::tzif::State;

/// A change of the clock.
pub(super) struct Change {
    /// When it happens.
    pub(super) instant: DateTime<Utc>,
    /// The same on the clock that still shows the offset before.
    pub(super) local: NaiveDateTime,
    before: &'static State,
    after: &'static State,
}

impl Change {
    pub(super) fn observance(&self) -> Observance {
        Observance {
            kind: self.kind(),
            start: self.local,
            offset_from: self.before.offset,
            offset_to: self.after.offset,
            rule: None,
            rdates: Vec::new(),
            name: self.after.name(),
        }
    }

    /// Whether a rule may describe this change and that of another year: all but the day is the same.
    pub(super) fn repeats_as(&self, other: &Change) -> bool {
        self.before.offset == other.before.offset
            && self.after.offset == other.after.offset
            && self.after.name == other.after.name
            && self.kind() == other.kind()
            && self.local.month() == other.local.month()
            && self.local.time() == other.local.time()
    }

    fn kind(&self) -> ObservanceKind {
        self.after.kind()
    }
}

impl State {
    /// What a definition calls it.
    pub(super) fn kind(&self) -> ObservanceKind {
        if self.daylight { ObservanceKind::Daylight } else { ObservanceKind::Standard }
    }

    /// The abbreviation as a definition has it.
    pub(super) fn name(&self) -> Option<String> {
        Some(String::from(&*self.name))
    }
}

/// The changes of what is in force, be it only the name, after one instant and up to another, in UTC, in order.
pub(super) fn changes(tz: Tz, begin: NaiveDateTime, end: NaiveDateTime) -> Vec<Change> {
    let rules = tz.rules();
    let (mut found, mut at) = (Vec::new(), begin.and_utc().timestamp());
    let end = end.and_utc().timestamp();
    let mut before = rules.state_at(at);
    loop {
        at = rules.span(at).end;
        if at > end {
            return found;
        }
        let after = rules.state_at(at);
        if after != before
            && let Some(instant) = DateTime::from_timestamp(at, 0)
        {
            let local = plus_seconds(instant.naive_utc(), before.offset);
            found.push(Change { instant, local, before, after });
        }
        before = after;
    }
}
