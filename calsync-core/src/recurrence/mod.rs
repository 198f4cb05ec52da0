//! Recurrence: rules as data, and the instances they mean.
//!
//! In: a series as [`RecurrenceSet`] (DTSTART, RRULE, EXRULE, RDATE, EXDATE) and a [`Window`]. Out: its [`Instance`]s in
//! order, each with its [`RecurrenceKey`], and an [`ExpansionReport`] that says what could not be expanded. Pure and
//! bounded: the work is limited by [`ExpansionLimits`], whatever the rule says and however long ago it began.
//!
//! Rules follow RFC 5545 3.3.10 in the words of RFC 8984 4.3.3. `docs/adr/0003-recurrence.md` says why they are
//! expanded here and not by the `rrule` crate, and how the open questions of the RFC are settled.
//!
//! ```
//! use calsync_core::recurrence::{ExpansionLimits, RecurrenceSet, RuleEntry, SeriesStart, Window};
//! use calsync_core::zone::Tz;
//! use chrono::NaiveDate;
//!
//! let nine = |day| NaiveDate::from_ymd_opt(2026, 3, day).and_then(|date| date.and_hms_opt(9, 0, 0)).unwrap();
//! let berlin: Tz = "Europe/Berlin".parse().unwrap();
//! let series = RecurrenceSet::new(SeriesStart::Zoned(nine(27), berlin))
//!     .with_rule(RuleEntry::read("FREQ=DAILY;COUNT=4"));
//! let (instances, report) = series.instances(Window::all(), &ExpansionLimits::default()).collect_all();
//!
//! assert!(report.is_complete());
//! assert_eq!(instances[3].local, nine(30)); // nine o'clock, also after the clock has changed
//! ```

mod bits;
mod budget;
mod calendar;
mod canonical;
mod civil;
mod event;
mod exact;
mod expansion;
mod plan;
mod rule;
mod series;
mod set;
mod split;
mod stream;
mod text;
mod zone;

pub use budget::{ExpansionLimits, LimitReached};
pub use event::EventInstance;
pub(crate) use event::later;
pub use expansion::Expansion;
pub use rule::{Frequency, RecurrenceRule, RulePart, RuleProblem, Until, Weekday, WeekdayNum};
pub use series::RuleChange;
pub use set::{
    ExpansionReport, Instance, OpaqueRule, RecurrenceDate, RecurrenceKey, RecurrenceSet, SeriesStart, Window,
};
pub use split::SplitError;
pub use text::{RuleEntry, RuleError};
pub use zone::{ResolvedLocal, ZoneRules};
