//! The names of what can change, and the unit in which it merges.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::{AlarmTrigger, RecurrenceId};

/// One mergeable part of an event, or of one instance of a series.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Field {
    /// The instance; `None` for the event itself or the master of a series.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<RecurrenceId>,
    /// The part.
    pub part: Part,
}

impl Field {
    /// A field of the event itself.
    pub fn of(part: Part) -> Self {
        Self { instance: None, part }
    }
}

/// What merges as one. A change of any value inside it is a change of it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Part {
    /// Whether there is a master at all.
    Master,
    /// Start, end, zone, all-day.
    Time,
    /// The recurrence rules of a series.
    Rules,
    /// Whether an instance is excluded, added, changed or as the rules say.
    Override,
    /// `SUMMARY`.
    Title,
    /// `DESCRIPTION`.
    Description,
    /// `LOCATION`.
    Location,
    /// `GEO`.
    Geo,
    /// `URL`.
    Url,
    /// `CONFERENCE`.
    VirtualLocations,
    /// `STATUS`.
    Status,
    /// `TRANSP`.
    FreeBusy,
    /// `CLASS`.
    Privacy,
    /// `PRIORITY`.
    Priority,
    /// `COLOR`.
    Color,
    /// `ORGANIZER`.
    Organizer,
    /// Whether the set of categories holds this one.
    Category(String),
    /// The participant with this address, by [`Person::key`](crate::model::Person::key).
    Participant(String),
    /// The alarms with this trigger.
    Alarm(AlarmTrigger),
}

impl Part {
    fn name(&self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::Time => "time",
            Self::Rules => "rules",
            Self::Override => "override",
            Self::Title => "title",
            Self::Description => "description",
            Self::Location => "location",
            Self::Geo => "geo",
            Self::Url => "url",
            Self::VirtualLocations => "virtual-locations",
            Self::Status => "status",
            Self::FreeBusy => "free-busy",
            Self::Privacy => "privacy",
            Self::Priority => "priority",
            Self::Color => "color",
            Self::Organizer => "organizer",
            Self::Category(_) => "category",
            Self::Participant(_) => "participant",
            Self::Alarm(_) => "alarm",
        }
    }
}

/// The name without values: `title`, `20260105T090000Z/location`, `participant`.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(instance) = self.instance {
            write!(f, "{instance}/")?;
        }
        f.write_str(self.part.name())
    }
}

impl fmt::Debug for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
