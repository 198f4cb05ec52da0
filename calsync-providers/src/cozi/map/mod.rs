//! Items of Cozi to events and back.

mod fields;
mod project;
mod read;
mod recurrence;
mod render;

pub(crate) use project::project;
pub(crate) use read::{excluded, read_payload};
pub(crate) use render::{Plan, render};

use calsync_core::zone::Zone;

use super::config::{CoziConfig, Reminders};

/// What reading and writing depend on.
#[derive(Clone)]
pub(crate) struct Options<'a> {
    pub(crate) zone: Zone,
    pub(crate) reminders: Reminders,
    pub(crate) untitled: &'a str,
    pub(crate) attendees: &'a [String],
}

impl<'a> Options<'a> {
    pub(crate) fn new(config: &'a CoziConfig, zone: Zone) -> Self {
        Self { zone, reminders: config.reminders, untitled: &config.untitled, attendees: &config.attendees }
    }
}
