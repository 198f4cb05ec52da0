//! The payload of one item, read into the model.

use calsync_core::ical::{CalendarZoneUse, IcalLimits, ReadOptions, read_calendar};
use calsync_core::model::{Event, Override, UidOrigin};
use calsync_core::provider::{Payload, ReadError, UnreadKind};

use super::config::{FeedAlarms, IcsConfig};
use super::payload;

/// Reads what [`payload::write`] wrote.
pub(super) fn read(payload: &Payload, config: &IcsConfig) -> Result<Event, ReadError> {
    let failed = |reason: &str| ReadError { kind: UnreadKind::Unreadable, reason: reason.to_owned() };
    if let Some(flaw) = payload::flaw(payload) {
        return Err(failed(&format!("the event was left out of the feed: {flaw}")));
    }
    let mut limits = IcalLimits::default();
    limits.max_bytes = config.limits.max_payload_bytes;
    limits.max_line_bytes = config.limits.max_line_bytes;
    // The zones of the item count as well, and its size is bounded already.
    limits.max_components = usize::MAX;
    let mut options = ReadOptions::default();
    options.limits = limits;
    options.calendar_zone = CalendarZoneUse::Apply;
    let document = read_calendar(payload.as_str(), &options).map_err(|error| failed(&error.to_string()))?;
    if let Some(item) = document.quarantined.first() {
        return Err(failed(&item.reason.to_string()));
    }
    if !document.is_complete {
        return Err(failed("the payload has no end"));
    }
    let mut items = document.items.into_iter();
    let (Some(item), None) = (items.next(), items.next()) else {
        return Err(failed("the payload does not hold exactly one item"));
    };
    let mut event = item.event;
    if payload::has_derived_uid(payload) {
        event.uid_origin = UidOrigin::Derived;
    }
    if config.alarms == FeedAlarms::Strip {
        strip_alarms(&mut event);
    }
    Ok(event)
}

fn strip_alarms(event: &mut Event) {
    let instances = event.overrides.values_mut().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    event.master.iter_mut().chain(instances).for_each(|body| body.alarms.clear());
}
