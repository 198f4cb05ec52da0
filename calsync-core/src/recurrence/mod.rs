//! Recurrence: rules as data, and the instances they mean.
//!
//! In: a series as [`RecurrenceSet`] (DTSTART, RRULE, EXRULE, RDATE, EXDATE) and a [`Window`]. Out: its [`Instance`]s in
//! order, each with its [`RecurrenceKey`], and an [`ExpansionReport`] that says what could not be expanded. Pure and
//! bounded: the work is limited by [`ExpansionLimits`], whatever the rule says and however long ago it began.
//!
//! Rules follow RFC 5545 3.3.10 in the words of RFC 8984 4.3.3. `docs/adr/0003-recurrence.md` says why they are
//! expanded here and not by the `rrule` crate, and how the open questions of the RFC are settled.

mod bits;
mod budget;
mod calendar;
mod canonical;
mod civil;
mod exact;
mod expansion;
mod plan;
mod rule;
mod set;
mod split;
mod stream;
mod text;
mod zone;

pub use budget::{ExpansionLimits, LimitReached};
pub use expansion::Expansion;
pub use rule::{Frequency, RecurrenceRule, RulePart, RuleProblem, Until, Weekday, WeekdayNum};
pub use set::{
    ExpansionReport, Instance, OpaqueRule, RecurrenceDate, RecurrenceKey, RecurrenceSet, SeriesStart, Window,
};
pub use split::SplitError;
pub use text::{RuleEntry, RuleError};
pub use zone::{ResolvedLocal, ZoneRules};
