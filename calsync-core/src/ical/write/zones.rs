//! Which `TZID` a zone is written with, and which definitions a text still needs.

use std::sync::Arc;

use crate::zone::{CustomZone, Zone, write};

/// The names of the zones of one text.
#[derive(Debug, Default)]
pub(crate) struct ZoneNames {
    /// `TZID`s the text already uses or defines.
    known: Vec<(Zone, String)>,
    /// Zones used for the first time.
    new: Vec<(Zone, String)>,
}

impl ZoneNames {
    /// Names already in the text.
    pub(crate) fn with(known: Vec<(Zone, String)>) -> Self {
        Self { known, new: Vec::new() }
    }

    /// The `TZID` of a zone: the one the text has, else its own name.
    pub(crate) fn tzid(&mut self, zone: &Zone) -> &str {
        if let Some(at) = self.known.iter().position(|(known, _)| known == zone) {
            return &self.known[at].1;
        }
        let at = match self.new.iter().position(|(new, _)| new == zone) {
            Some(at) => at,
            None => {
                let named = self.named(zone);
                self.new.push(named);
                self.new.len() - 1
            }
        };
        &self.new[at].1
    }

    /// A zone the text does not have yet, with the name it gets.
    fn named(&self, zone: &Zone) -> (Zone, String) {
        let names = self.known.iter().chain(&self.new);
        // Two zones of one name are met: Outlook calls every zone of its own "Customized Time Zone".
        let is_free = |name: &str| names.clone().all(|(_, taken)| taken != name);
        let own = zone.name().to_owned();
        let renamed = match zone {
            Zone::Custom(custom) if !is_free(&own) => (2..)
                .map(|number| format!("{own} {number}"))
                .find(|name| is_free(name))
                .and_then(|name| CustomZone::new(name, custom.observances().to_vec()).ok())
                .map(|custom| Zone::Custom(Arc::new(custom))),
            _ => None,
        };
        // Equal to the zone asked for: rules count, not names.
        let zone = renamed.unwrap_or_else(|| zone.clone());
        let name = zone.name().to_owned();
        (zone, name)
    }

    /// Whether a zone was used that the text does not define.
    pub(crate) fn has_new(&self) -> bool {
        !self.new.is_empty()
    }

    /// The definitions of the zones used for the first time, each as content lines, good for the given years.
    pub(crate) fn new_definitions(&self, from_year: i32, to_year: i32) -> Vec<String> {
        self.new.iter().map(|(zone, _)| write::vtimezone(zone, from_year, to_year)).collect()
    }

    /// The same, once: a text that is written as it goes defines a zone before its first use.
    pub(crate) fn take_definitions(&mut self, from_year: i32, to_year: i32) -> Vec<String> {
        let definitions = self.new_definitions(from_year, to_year);
        self.known.append(&mut self.new);
        definitions
    }
}
