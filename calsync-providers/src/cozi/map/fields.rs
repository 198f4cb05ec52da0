//! The plain fields of an event.

use calsync_core::model::{Alarm, AlarmAction, AlarmTrigger, EventBody, RelativeTo};
use serde_json::Value;

use super::super::{config::Reminders, item::member, wire::Object};

/// The times of reminders Cozi offers, in minutes before the start.
const MINUTES: [i64; 8] = [0, 15, 30, 60, 1440, 2880, 10_080, 20_160];
/// How many an event may have.
const REMINDERS_MAX: usize = 3;

/// Reads everything but the time. A member that is missing or null is no text; one of another type is an error.
pub(crate) fn read(item: &Object, body: &mut EventBody, reminders: Reminders) -> Result<(), &'static str> {
    let names: &[&str] = match member(item, "itemType").and_then(Value::as_str) {
        Some("birthday") => &["description", "descriptionShort", "name"],
        _ => &["description", "descriptionShort"],
    };
    for name in names {
        if let Some(title) = text(item, name, "its title cannot be read")? {
            body.title = Some(title);
            break;
        }
    }
    body.location = text(item, "location", "its location cannot be read")?;
    body.description = text(item, "notes", "its notes cannot be read")?;
    if reminders == Reminders::Sync {
        body.alarms = alarms(item)?;
    }
    Ok(())
}

fn text(item: &Object, name: &str, problem: &'static str) -> Result<Option<String>, &'static str> {
    match member(item, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(tidy(text)),
        Some(_) => Err(problem),
    }
}

/// Text as Cozi keeps it: without blanks around it, with plain line ends; none rather than an empty one.
pub(crate) fn tidy(text: &str) -> Option<String> {
    let text = text.replace("\r\n", "\n");
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn alarms(item: &Object) -> Result<Vec<Alarm>, &'static str> {
    const UNREADABLE: &str = "its reminders cannot be read";
    let Some(found) = member(item, "reminders") else { return Ok(Vec::new()) };
    let entries = found.as_array().ok_or(UNREADABLE)?;
    let minutes = |entry: &Value| {
        let minutes = entry.as_i64().or_else(|| entry.as_object()?.get("minutesBefore")?.as_i64());
        minutes.filter(|minutes| (0..=1_051_200).contains(minutes)).ok_or(UNREADABLE)
    };
    let mut minutes = entries.iter().map(minutes).collect::<Result<Vec<i64>, _>>()?;
    minutes.sort_unstable();
    minutes.dedup();
    Ok(minutes.into_iter().map(|minutes| Alarm::display_before(minutes * 60)).collect())
}

/// The reminders Cozi can hold.
pub(crate) fn reminders(alarms: &[Alarm]) -> Vec<i64> {
    let minutes = |alarm: &Alarm| match alarm.trigger {
        AlarmTrigger::Offset { seconds, relative_to: RelativeTo::Start }
            if alarm.action != AlarmAction::Email =>
        {
            MINUTES.into_iter().find(|minutes| minutes * 60 == -seconds)
        }
        _ => None,
    };
    let mut found: Vec<i64> = alarms.iter().filter_map(minutes).collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(REMINDERS_MAX);
    found
}
