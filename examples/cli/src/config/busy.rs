//! `[busy.NAME]`: calendars of which an account sees only when they are busy.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Connection, ProviderKind};

/// A calendar nothing is known of but when it is busy.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BusyCalendar {
    /// The connection, by name.
    pub(crate) connection: String,
    /// Its name there. Google: the calendar's id, which is an address. Microsoft: its owner's address. CalDAV: its URL.
    pub(crate) remote: String,
}

impl BusyCalendar {
    /// Whether its connection is there, and tells when somebody is busy.
    pub(super) fn check(&self, connections: &BTreeMap<String, Connection>) -> Result<(), String> {
        let Some(connection) = connections.get(&self.connection) else {
            let known: Vec<&String> = connections.keys().collect();
            return Err(format!("`connection` is {:?}, but the connections are {known:?}", self.connection));
        };
        match connection.provider {
            ProviderKind::Caldav | ProviderKind::Google | ProviderKind::Microsoft => Ok(()),
            _ => Err("nobody tells busy times there: link the calendar".to_owned()),
        }
    }
}
