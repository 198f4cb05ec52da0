//! Which decided write goes first.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{model::Event, recurrence::ExpansionLimits, zone::Zone};

/// How urgent a remote write is: lower goes first. One digit, so that it can lead an id that is ordered as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Urgency(u8);

impl Urgency {
    /// Begins within the hour, or is going on.
    pub const NOW: Self = Self(1);
    /// A deletion: until it is done the remote side shows something that does not take place.
    pub const DELETION: Self = Self(2);
    /// Begins within a day.
    pub const TODAY: Self = Self(3);
    /// Begins within a week. Also a series whose rule cannot be expanded.
    pub const THIS_WEEK: Self = Self(5);
    /// Later, or over.
    pub const LATER: Self = Self(7);

    /// The digit.
    pub fn digit(self) -> u8 {
        self.0
    }

    /// The urgency of writing an event, by when it next takes place; `None` is a deletion. Dates and floating times
    /// are read as UTC, since nobody's zone is known here.
    pub fn of(event: Option<&Event>, now: DateTime<Utc>) -> Self {
        let Some(event) = event else { return Self::DELETION };
        let week = now.checked_add_signed(TimeDelta::days(7)).unwrap_or(DateTime::<Utc>::MAX_UTC);
        // The first one decides. A rule that needs more steps than this to get there is not worth them.
        let limits = ExpansionLimits { instances: 2_000, steps: 20_000, ..ExpansionLimits::default() };
        let (instances, report) = event.instances(now..week, &Zone::UTC, &limits);
        let next = instances.iter().map(|instance| instance.time.start.instant(&Zone::UTC)).min();
        match next.map(|start| start - now) {
            Some(wait) if wait <= TimeDelta::hours(1) => Self::NOW,
            Some(wait) if wait <= TimeDelta::hours(24) => Self::TODAY,
            Some(_) => Self::THIS_WEEK,
            None if !report.is_complete() => Self::THIS_WEEK,
            None => Self::LATER,
        }
    }
}
