//! A calendar the household subscribes to: its events stand beside the family's, and nobody may change them.

use calsync_core::{
    ical::{IcalError, read::ReadOptions, read_calendar},
    model::Event,
    zone::Zone,
};
use serde_json::{Value, json};

use super::{server::CoziServer, state::text};

impl CoziServer {
    /// The household subscribes to a feed (iCalendar text) under a name, or the service reads it again: what it showed of
    /// that name before gives way. Series and events without a title or master are left out.
    ///
    /// # Errors
    ///
    /// When the text is no calendar.
    pub fn subscribe(&self, name: &str, feed: &str) -> Result<(), IcalError> {
        let document = read_calendar(feed, &ReadOptions::default())?;
        let mut state = self.state();
        state.items.retain(|_, item| text(item, "itemSource") != Some(name));
        let zone = Zone::from_iana(&state.zone).unwrap_or(Zone::UTC);
        for read in document.items {
            if let Some(Value::Object(item)) = item(&read.event, name, &zone) {
                state.store(item);
            }
        }
        Ok(())
    }
}

fn item(event: &Event, name: &str, zone: &Zone) -> Option<Value> {
    let body = event.master.as_ref().filter(|_| event.rules.is_empty())?;
    let [start, end] = [&body.time.start, &body.time.end].map(|time| zone.to_local(time.instant(zone)));
    let id = blake3::hash(format!("{name} {}", event.uid).as_bytes()).to_hex();
    Some(json!({
        "id": id[..20], "itemSource": name, "description": body.title.as_ref()?, "day": start.date().to_string(),
        "startTime": start.format("%H:%M:%S").to_string(), "endTime": end.format("%H:%M:%S").to_string(),
        "dateSpan": (end.date() - start.date()).num_days(), "itemDetails": { "location": "", "notes": "" },
    }))
}
