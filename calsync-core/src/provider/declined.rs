//! What the owner of a calendar does not go to, by the word of the provider.

use std::collections::BTreeMap;

use crate::model::RecurrenceId;

/// What of an item the owner of its calendar declined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Declined {
    /// The event, or what the instances of the series have in common.
    pub whole: bool,
    /// Instances with content of their own. One that is not here stands as the whole does.
    pub instances: BTreeMap<RecurrenceId, bool>,
}

impl Declined {
    /// The answer to one instance, as if it were an event of its own.
    pub(crate) fn of(&self, instance: &RecurrenceId) -> Self {
        let whole = self.instances.get(instance).copied().unwrap_or(self.whole);
        Self { whole, instances: BTreeMap::new() }
    }
}
