//! Items of Graph to events and back.

mod body;
mod fields;
mod instance;
mod people;
mod project;
pub(crate) mod props;
mod read;
mod recurrence;
mod render;
pub(crate) mod time;

pub(crate) use people::{is_meeting, is_own};
pub(crate) use project::project;
pub(crate) use read::{cancelled_date, declined, instance_of, read_payload};
pub(crate) use render::{Plan, render};

use calsync_core::zone::Zone;

use super::config::MonthEnd;

/// What reading and writing depend on.
#[derive(Clone, Copy)]
pub(crate) struct Options<'a> {
    /// The property set of what calsync notes on events.
    pub(crate) set: &'a str,
    pub(crate) month_end: MonthEnd,
    /// The zone floating times are written in.
    pub(crate) floating: &'a Zone,
    /// The most characters of a title; 0 is no limit.
    pub(crate) title_max: usize,
}
