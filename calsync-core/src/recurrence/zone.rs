//! What expansion needs to know about a time zone.

use super::civil::{DAY, date_time, local_seconds};
use chrono::{DateTime, NaiveDateTime, Utc};

use crate::zone::{CustomZone, LocalOffset, Tz, Zone};

/// No two offsets on Earth are further apart than this many seconds (UTC-12 to UTC+14).
const WIDEST: i64 = 26 * 3_600;

/// The rules of a time zone, as far as expansion needs them.
///
/// Implemented for [`Zone`](crate::zone::Zone), [`Tz`](crate::zone::Tz) and [`chrono::Utc`]; another implements
/// [`offset_at`](Self::offset_at) and, knowing its own transitions, [`steady_span`](Self::steady_span).
pub trait ZoneRules {
    /// Seconds east of UTC in force at an instant given in Unix seconds. Must be between -86399 and 86399 and
    /// must answer for every instant.
    fn offset_at(&self, utc: i64) -> i32;

    /// A half-open span of Unix seconds that contains `utc` and in which the offset does not change. It may be
    /// shorter than the real one.
    ///
    /// The default looks three days back and ahead. The shortest time a zone of the IANA database has ever left
    /// an offset and come back to it is just under four days (Freetown, September 1939); a zone that does so
    /// faster must override this.
    fn steady_span(&self, utc: i64) -> (i64, i64) {
        let offset = self.offset_at(utc);
        let edge = |far: i64| {
            if self.offset_at(far) == offset {
                return far;
            }
            let (mut inside, mut outside) = (utc, far);
            while (inside - outside).abs() > 1 {
                let middle = inside + (outside - inside) / 2;
                if self.offset_at(middle) == offset { inside = middle } else { outside = middle }
            }
            inside
        };
        (edge(utc.saturating_sub(3 * DAY)), edge(utc.saturating_add(3 * DAY)).saturating_add(1))
    }

    /// The instant a local time means.
    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        let local = local_seconds(local);
        let before = i64::from(self.offset_at(local - WIDEST));
        let after = i64::from(self.offset_at(local + WIDEST));
        if before == after && i64::from(self.offset_at(local - before)) == before {
            return ResolvedLocal::Unique(local - before);
        }
        let holds = |offset: i64| i64::from(self.offset_at(local - offset)) == offset;
        match (holds(before), holds(after)) {
            (true, true) => ResolvedLocal::Repeated {
                first: (local - before).min(local - after),
                second: (local - before).max(local - after),
            },
            (true, false) => ResolvedLocal::Unique(local - before),
            (false, true) => ResolvedLocal::Unique(local - after),
            (false, false) => ResolvedLocal::Skipped(local - before),
        }
    }
}

/// The instant, in Unix seconds, that a wall-clock time means in a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResolvedLocal {
    /// The wall clock shows this time once.
    Unique(i64),
    /// The wall clock shows this time twice (it was set back).
    Repeated {
        /// The earlier instant; the one RFC 5545 3.3.5 means.
        first: i64,
        /// The later instant.
        second: i64,
    },
    /// The wall clock never shows this time (it was set forward). The instant is reckoned with the offset in
    /// force before the gap, as RFC 5545 3.3.5 says: 02:30 in a gap of one hour is 03:30.
    Skipped(i64),
}

impl ResolvedLocal {
    /// The instant RFC 5545 3.3.5 picks: the first of two, or the one reckoned with the offset before a gap.
    pub fn instant(self) -> i64 {
        match self {
            Self::Unique(instant) | Self::Skipped(instant) | Self::Repeated { first: instant, .. } => instant,
        }
    }

    /// The same, but the second of two.
    pub fn later_instant(self) -> i64 {
        match self {
            Self::Repeated { second, .. } => second,
            other => other.instant(),
        }
    }
}

impl<Z: ZoneRules + ?Sized> ZoneRules for &Z {
    fn offset_at(&self, utc: i64) -> i32 {
        (**self).offset_at(utc)
    }
    fn steady_span(&self, utc: i64) -> (i64, i64) {
        (**self).steady_span(utc)
    }
    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        (**self).resolve(local)
    }
}

impl<Z: ZoneRules + ?Sized> ZoneRules for std::sync::Arc<Z> {
    fn offset_at(&self, utc: i64) -> i32 {
        (**self).offset_at(utc)
    }
    fn steady_span(&self, utc: i64) -> (i64, i64) {
        (**self).steady_span(utc)
    }
    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        (**self).resolve(local)
    }
}

impl ZoneRules for Utc {
    fn offset_at(&self, _utc: i64) -> i32 {
        0
    }
    fn steady_span(&self, _utc: i64) -> (i64, i64) {
        (i64::MIN, i64::MAX)
    }
    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        ResolvedLocal::Unique(local_seconds(local))
    }
}

impl ZoneRules for Tz {
    fn offset_at(&self, utc: i64) -> i32 {
        self.rules().state_at(utc).offset
    }

    fn steady_span(&self, utc: i64) -> (i64, i64) {
        let span = self.rules().span(utc);
        (span.start, span.end)
    }

    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        let local = local_seconds(local);
        let instant = |offset| local - i64::from(offset);
        match self.rules().local(local) {
            LocalOffset::Once(offset) => ResolvedLocal::Unique(instant(offset)),
            LocalOffset::Twice(first, second) => {
                ResolvedLocal::Repeated { first: instant(first), second: instant(second) }
            }
            LocalOffset::Never(before) => ResolvedLocal::Skipped(instant(before)),
        }
    }
}

impl ZoneRules for CustomZone {
    fn offset_at(&self, utc: i64) -> i32 {
        CustomZone::offset_at(self, instant(utc))
    }
}

impl ZoneRules for Zone {
    fn offset_at(&self, utc: i64) -> i32 {
        match self {
            Zone::Iana(tz) => ZoneRules::offset_at(tz, utc),
            Zone::Custom(zone) => ZoneRules::offset_at(&**zone, utc),
        }
    }

    fn steady_span(&self, utc: i64) -> (i64, i64) {
        match self {
            Zone::Iana(tz) => tz.steady_span(utc),
            Zone::Custom(zone) => zone.steady_span(utc),
        }
    }

    fn resolve(&self, local: NaiveDateTime) -> ResolvedLocal {
        match self {
            Zone::Iana(tz) => ZoneRules::resolve(tz, local),
            Zone::Custom(zone) => ZoneRules::resolve(&**zone, local),
        }
    }
}

/// The instant, or the nearest that `chrono` knows.
fn instant(utc: i64) -> DateTime<Utc> {
    let end = if utc < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
    DateTime::from_timestamp(utc, 0).unwrap_or(end)
}

/// A zone with the offset in force kept between look-ups.
pub(super) struct ZoneCursor<Z> {
    zone: Option<Z>,
    /// Instants in this half-open span have `offset`.
    span: (i64, i64),
    offset: i64,
    /// The local time asked for last.
    last: i64,
}

/// Local times closer together than this are worth finding a steady span for: that costs several look-ups.
const DENSE: i64 = DAY / 4;

impl<Z: ZoneRules> ZoneCursor<Z> {
    /// A cursor on a zone; `None` is a wall clock of its own (floating times and dates), read as UTC.
    pub(super) fn new(zone: Option<Z>) -> Self {
        let span = if zone.is_some() { (0, 0) } else { (i64::MIN, i64::MAX) };
        Self { zone, span, offset: 0, last: i64::MIN }
    }

    /// The instant of a local time, and whether the local time fell into a gap.
    pub(super) fn instant_of(&mut self, local: i64) -> (i64, bool) {
        let guess = local - self.offset;
        let (from, until) = self.span;
        if guess.saturating_sub(WIDEST) >= from && guess.saturating_add(WIDEST) < until {
            return (guess, false);
        }
        let Some(zone) = &self.zone else { return (local, false) };
        let resolved = zone.resolve(date_time(local));
        let instant = resolved.instant();
        let dense = local.saturating_sub(self.last) < DENSE;
        self.last = local;
        if dense && !(from..until).contains(&instant) {
            self.span = zone.steady_span(instant);
            self.offset = i64::from(zone.offset_at(instant));
        }
        (instant, matches!(resolved, ResolvedLocal::Skipped(_)))
    }

    /// The offset at an instant and the instant up to which it is known to stay.
    pub(super) fn offset_until(&mut self, utc: i64) -> (i64, i64) {
        if (utc < self.span.0 || utc >= self.span.1)
            && let Some(zone) = &self.zone
        {
            self.span = zone.steady_span(utc);
            self.offset = i64::from(zone.offset_at(utc));
        }
        (self.offset, self.span.1)
    }

    /// A wall-clock time that nothing at or after an instant is earlier than.
    pub(super) fn earliest_local(&mut self, utc: i64) -> i64 {
        let Some(zone) = &self.zone else { return utc };
        let offset = |near: i64| i64::from(zone.offset_at(utc.saturating_add(near)));
        utc.saturating_add(offset(-WIDEST).min(offset(0)).min(offset(WIDEST)))
    }

    /// Whether the offset at an instant is known without a look-up.
    pub(super) fn knows(&self, utc: i64) -> bool {
        self.zone.is_none() || (self.span.0..self.span.1).contains(&utc)
    }

    /// An instant at which to look again when the wall clock shows nothing of interest from `utc`, whose offset is
    /// known, up to `local`: the first that shows `local`, or an earlier one where the clock changes in between.
    pub(super) fn first_instant_of(&self, local: i64, utc: i64) -> i64 {
        let (direct, until) = (local - self.offset, self.span.1);
        // With no change for a day, no clock set back can come back to before `utc`.
        if direct > until
            && until - utc > DAY
            && let Some(zone) = &self.zone
            && let ResolvedLocal::Unique(instant) | ResolvedLocal::Repeated { first: instant, .. } =
                zone.resolve(date_time(local))
        {
            return instant;
        }
        direct.min(until)
    }
}
