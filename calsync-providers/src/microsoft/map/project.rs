//! What of an event Graph can hold: the rest stays here, and is no change.

use std::borrow::Cow;

use calsync_core::model::{
    Alarm, Event, EventBody, FreeBusyStatus, Override, OverrideScope, Privacy, Status,
};

use super::{Options, fields, recurrence};

/// Reduces an event to what Graph can hold. Idempotent.
pub(crate) fn project<'e>(event: &'e Event, options: &Options<'_>) -> Cow<'e, Event> {
    let mut reduced = event.clone();
    if let Some(master) = &event.master
        && event.is_series()
    {
        let can = !event.rules.is_empty()
            && event.excluded_rules.is_empty()
            && recurrence::series(&event.rules, &master.time.start, options.floating, options.month_end)
                .is_some();
        if can {
            reduced.overrides.retain(|_, instance| !matches!(instance, Override::Added { .. }));
        } else {
            reduced.rules.clear();
            reduced.excluded_rules.clear();
            reduced.overrides.clear();
        }
    }
    leave_out_cancelled(&mut reduced);
    if let Some(master) = &mut reduced.master {
        body(master, options);
    }
    for instance in reduced.overrides.values_mut() {
        if let Override::Changed { body: changed, .. } = instance {
            body(changed, options);
        }
    }
    if reduced == *event { Cow::Borrowed(event) } else { Cow::Owned(reduced) }
}

/// Takes the instances of a series that are cancelled for excluded ones: they do not take place.
pub(crate) fn leave_out_cancelled(event: &mut Event) {
    if event.master.is_none() {
        return;
    }
    for instance in event.overrides.values_mut() {
        if let Override::Changed { body, scope: OverrideScope::This } = instance
            && body.status == Some(Status::Cancelled)
        {
            *instance = Override::Excluded;
        }
    }
}

fn body(body: &mut EventBody, options: &Options<'_>) {
    if let Some(title) = &mut body.title {
        let held = fields::title(title, options.title_max).len();
        title.truncate(held);
    }
    body.url = None;
    body.color = None;
    // To cancel is an action there, and mails people: it is shown as something that takes up no time.
    if body.status == Some(Status::Cancelled) {
        body.free_busy = Some(FreeBusyStatus::Free);
    }
    if matches!(body.status, Some(Status::Confirmed | Status::Cancelled)) {
        body.status = None;
    }
    if body.privacy == Some(Privacy::Public) {
        body.privacy = None;
    }
    body.priority = match fields::importance(body.priority) {
        "high" => Some(1),
        "low" => Some(9),
        _ => None,
    };
    let (minutes, _) = fields::reminder(&body.alarms);
    body.alarms = minutes.map(|minutes| Alarm::display_before(minutes * 60)).into_iter().collect();
}
