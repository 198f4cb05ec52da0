//! `patternedRecurrence` and RRULE.
//!
//! Every pattern of Graph is a rule; not every rule is a pattern. What is written is read back and its instances are
//! compared with those of the rule: a pattern that would mean other dates is never written.

mod read;
mod write;

pub(crate) use read::rule;
pub(crate) use write::series;

use calsync_core::recurrence::Weekday;

const DAYS: [(&str, Weekday); 7] = [
    ("monday", Weekday::Monday),
    ("tuesday", Weekday::Tuesday),
    ("wednesday", Weekday::Wednesday),
    ("thursday", Weekday::Thursday),
    ("friday", Weekday::Friday),
    ("saturday", Weekday::Saturday),
    ("sunday", Weekday::Sunday),
];

const INDEXES: [(&str, i8); 5] = [("first", 1), ("second", 2), ("third", 3), ("fourth", 4), ("last", -1)];

/// Case differs between what the documentation sends and what the service answers.
fn day_named(name: &str) -> Option<Weekday> {
    DAYS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, day)| *day)
}

fn name_of(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, known)| *known == day).map_or("monday", |(name, _)| name)
}
