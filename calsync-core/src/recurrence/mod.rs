//! Recurrence rules (RFC 5545 section 3.3.10) as values and as text.

mod rule;
mod text;

pub use rule::{Frequency, RecurrenceRule, RulePart, RuleProblem, Until, Weekday, WeekdayNum};
pub use text::RuleError;
