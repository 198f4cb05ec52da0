//! Reminders.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// What a relative trigger counts from (RFC 5545 section 3.2.14, RFC 8984 section 4.5.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelativeTo {
    /// The start of the event or instance.
    #[default]
    Start,
    /// Its end.
    End,
}

/// When an alarm goes off. The merge keys alarms by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlarmTrigger {
    /// Seconds from the start or end; negative is before.
    Offset {
        /// Seconds; negative is before.
        seconds: i64,
        /// Counted from.
        #[serde(default)]
        relative_to: RelativeTo,
    },
    /// A fixed instant.
    Absolute(DateTime<Utc>),
}

/// What an alarm does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum AlarmAction {
    /// Shows a message.
    #[default]
    Display,
    /// Plays a sound.
    Audio,
    /// Sends a mail. Never copied to another provider by default: it would mail people.
    Email,
}

/// A reminder of an event (RFC 5545 section 3.6.6).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Alarm {
    /// When.
    pub trigger: AlarmTrigger,
    /// What.
    #[serde(default)]
    pub action: AlarmAction,
    /// The text shown, when it is not just the title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

impl Alarm {
    /// A message `seconds` before the start.
    pub fn display_before(seconds: i64) -> Self {
        Self {
            trigger: AlarmTrigger::Offset { seconds: -seconds, relative_to: RelativeTo::Start },
            action: AlarmAction::Display,
            description: None,
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("trigger", &self.trigger)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}
