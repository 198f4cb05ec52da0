//! Instances of a series: as they are when nobody changed them, and where they may be moved to.

use calsync_core::{
    model::{Event, EventBody, EventTime, RecurrenceId, TimeSpan},
    recurrence::ExpansionLimits,
    zone::Zone,
};
use chrono::TimeDelta;

/// Whether an instance was moved onto or past the day of the one before or after it.
pub(super) fn passes_neighbour(event: &Event, id: RecurrenceId, moved: &EventBody) -> bool {
    let Some(master) = &event.master else { return false };
    let zone = super::read::zone_of(&master.time.start).unwrap_or(Zone::UTC);
    let day = |time: &EventTime| zone.to_local(time.instant(&zone)).date();
    let (before, now) = (id.to_time(&master.time.start), &moved.time.start);
    if day(&before) == day(now) || master.time.is_all_day() {
        return false;
    }
    let (first, last) =
        (before.instant(&zone).min(now.instant(&zone)), before.instant(&zone).max(now.instant(&zone)));
    let margin = TimeDelta::days(1);
    let window = first - margin..last + margin;
    let (instances, _) = event.instances(window, &zone, &ExpansionLimits::default());
    instances.iter().filter(|instance| instance.id != id).any(|instance| {
        let other = day(&instance.time.start);
        if instance.id < id { day(now) <= other } else { day(now) >= other }
    })
}

/// The content of an instance nobody changed.
pub(super) fn at(master: &EventBody, id: RecurrenceId) -> EventBody {
    let start = id.to_time(&master.time.start);
    let by = start.local() - master.time.start.local();
    let lasts = || Some(master.time.end.absolute()? - master.time.start.absolute()?);
    // As long as the first, also where the clocks change in the middle of one of them.
    let end = match (start.absolute(), lasts()) {
        (Some(begins), Some(lasts)) => RecurrenceId::Instant(begins + lasts).to_time(&master.time.end),
        _ => shifted(&master.time.end, by),
    };
    EventBody { time: TimeSpan { start, end }, ..master.clone() }
}

/// The same reading of the clock on another day.
pub(super) fn shifted(time: &EventTime, by: TimeDelta) -> EventTime {
    match time {
        EventTime::Date(date) => EventTime::Date(date.checked_add_signed(by).unwrap_or(*date)),
        EventTime::Floating(local) => EventTime::Floating(local.checked_add_signed(by).unwrap_or(*local)),
        EventTime::Utc(instant) => EventTime::Utc(instant.checked_add_signed(by).unwrap_or(*instant)),
        EventTime::Zoned { local, zone, .. } => {
            EventTime::zoned(local.checked_add_signed(by).unwrap_or(*local), zone.clone())
        }
    }
}
