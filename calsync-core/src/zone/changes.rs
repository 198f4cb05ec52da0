//! The changes of a database zone, found by asking for its offsets: the database gives no list of them.

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::{OffsetComponents, OffsetName, Tz};

use super::custom::{Observance, ObservanceKind};
use super::{plus_seconds, stand_in};

/// What is in force at some instant.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    /// Seconds east of Greenwich, daylight saving time included.
    pub(super) offset: i32,
    /// The part of it that is daylight saving time; negative where winter is the exception (Dublin).
    pub(super) dst_offset: i32,
}

/// A change of the clock.
pub(super) struct Change {
    /// When it happens.
    pub(super) instant: DateTime<Utc>,
    /// The same on the clock that still shows the offset before.
    pub(super) local: NaiveDateTime,
    before: State,
    after: State,
    /// The abbreviation from then on.
    name: Option<String>,
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
            name: self.name.clone(),
        }
    }

    /// Whether a rule may describe this change and that of another year: all but the day is the same.
    pub(super) fn repeats_as(&self, other: &Change) -> bool {
        self.before.offset == other.before.offset
            && self.after.offset == other.after.offset
            && self.name == other.name
            && self.kind() == other.kind()
            && self.local.month() == other.local.month()
            && self.local.time() == other.local.time()
    }

    /// Where winter time is the exception in the database, summer is still what others call daylight time.
    fn kind(&self) -> ObservanceKind {
        if self.after.dst_offset > 0 || (self.after.dst_offset == 0 && self.before.dst_offset < 0) {
            ObservanceKind::Daylight
        } else {
            ObservanceKind::Standard
        }
    }
}

/// The state of a zone at an instant.
pub(super) fn state_at(tz: Tz, instant: DateTime<Utc>) -> State {
    let naive = instant.naive_utc();
    let offset = tz.offset_from_utc_datetime(&stand_in(naive).unwrap_or(naive));
    State {
        offset: offset.fix().local_minus_utc(),
        dst_offset: i32::try_from(offset.dst_offset().num_seconds()).unwrap_or(0),
    }
}

/// The abbreviation in force at an instant, such as `CEST`.
pub(super) fn name_at(tz: Tz, instant: DateTime<Utc>) -> Option<String> {
    let naive = instant.naive_utc();
    tz.offset_from_utc_datetime(&stand_in(naive).unwrap_or(naive)).abbreviation().map(str::to_owned)
}

/// The changes of the offset between two instants in UTC, in order. Two that cancel each other within five days are
/// not seen; the shortest of the database are a week apart (Brazil in October 2000).
pub(super) fn changes(tz: Tz, begin: NaiveDateTime, end: NaiveDateTime) -> Vec<Change> {
    const STEP: i64 = 5 * 86_400;
    let (mut found, mut at) = (Vec::new(), begin.and_utc().timestamp());
    let end = end.and_utc().timestamp();
    let state = |at: i64| DateTime::from_timestamp(at, 0).map(|instant| state_at(tz, instant));
    let Some(mut before) = state(at) else { return found };
    while at < end {
        let next = at + STEP;
        // Between these, the state may change more than once.
        while let Some(after) = state(next).filter(|after| after.offset != before.offset) {
            let (mut low, mut high) = (at, next);
            while high - low > 1 {
                let middle = low + (high - low) / 2;
                match state(middle) {
                    Some(state) if state.offset == before.offset => low = middle,
                    _ => high = middle,
                }
            }
            let after_change = state(high).unwrap_or(after);
            if let Some(instant) = DateTime::from_timestamp(high, 0) {
                let local = plus_seconds(instant.naive_utc(), before.offset);
                let name = name_at(tz, instant);
                found.push(Change { instant, local, before, after: after_change, name });
            }
            (at, before) = (high, after_change);
        }
        if let Some(state) = state(next) {
            before = state;
        }
        at = next;
    }
    found
}
