//! A calendar in the host's store.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::CalendarId;

/// The hub: a set of events that any number of links keep in step with remote calendars.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Calendar {
    /// Its id, chosen by the host.
    pub id: CalendarId,
    /// The name people see.
    pub name: String,
    /// Colour as `#RRGGBB` or a CSS name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub color: Option<String>,
}

impl fmt::Debug for Calendar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calendar").field("id", &self.id).finish_non_exhaustive()
    }
}
