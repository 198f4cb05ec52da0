//! `DTSTART`, `DTEND` and `DURATION`: one group, of which only the lines that must change do.

use crate::ical::read::{Zones, effective_end};
use crate::ical::value::IcalDuration;
use crate::ical::write::property::{TimeForm, time_parts};
use crate::ical::write::zones::ZoneNames;
use crate::model::{EventTime, TimeSpan};

use super::component::ComponentLines;
use super::edits::Edits;

/// Parameters that belong to the old value of a time.
const STALE: [&str; 2] = ["TZID", "VALUE"];

/// Changes the time of a component. A duration stays one where it can say the new end.
pub(crate) fn patch_time(
    lines: &ComponentLines<'_>,
    current: &TimeSpan,
    target: &TimeSpan,
    zones: &mut Zones<'_>,
    names: &mut ZoneNames,
    edits: &mut Edits<'_>,
) {
    if current == target {
        return;
    }
    // With the flag, midnight means a date: the pair is written anew, and the flag made true.
    let is_flagged = lines.named("X-MICROSOFT-CDO-ALLDAYEVENT").next().is_some();
    if is_flagged {
        let word = if target.is_all_day() { "TRUE" } else { "FALSE" };
        lines.set("X-MICROSOFT-CDO-ALLDAYEVENT", Some(("", word)), &[], edits);
    }
    if current.start != target.start || is_flagged {
        set_time(lines, "DTSTART", &target.start, names, edits);
    }
    let end = lines.named("DTEND").find_map(|property| {
        let line = property.line()?.split_at_last_colon();
        zones.time(&line, "DTEND").ok()
    });
    let duration = lines
        .named("DURATION")
        .find_map(|property| IcalDuration::parse(property.line()?.split_at_last_colon().value()));
    // Readers forgive an end of another form than the start; writing one is no way to say a length.
    let other_form = match (&end, duration) {
        (Some(end), _) => TimeForm::of(end) != TimeForm::of(&target.start),
        (None, Some(duration)) => target.start.is_date() && duration.seconds > 0,
        (None, None) => false,
    };
    // Readers take an end on the day of the start for a day; nobody may write one.
    let is_mended = target.start.is_date() && end.as_ref() == Some(&target.start);
    // What the lines there are would say behind the new start.
    if !is_flagged
        && !other_form
        && !is_mended
        && effective_end(&target.start, end.as_ref(), duration) == (target.end.clone(), None)
    {
        return;
    }
    if duration.is_some()
        && end.is_none()
        && let Some(new) = length(target)
    {
        lines.set("DURATION", Some(("", &new.to_string())), &[], edits);
        return;
    }
    lines.delete_all("DURATION", edits);
    if lines.named("DTEND").next().is_none() {
        // Beside the start, where readers look for it.
        let (params, value) = time_parts(&target.end, names);
        edits.insert(lines.place_for("DTSTART"), [&format!("DTEND{params}:{value}")]);
    } else {
        set_time(lines, "DTEND", &target.end, names, edits);
    }
}

/// Gives a property that holds one time a new one; lines after its first would only contradict it.
fn set_time(
    lines: &ComponentLines<'_>,
    name: &str,
    time: &EventTime,
    names: &mut ZoneNames,
    edits: &mut Edits<'_>,
) {
    let (params, value) = time_parts(time, names);
    lines.set(name, Some((&params, &value)), &STALE, edits);
}

/// The length of a span as a duration that leads from its start to exactly its end.
fn length(span: &TimeSpan) -> Option<IcalDuration> {
    let (start, end) = (span.start.local(), span.end.local());
    let days = (end.time() == start.time() || span.is_all_day())
        .then(|| (end.date() - start.date()).num_days())
        .and_then(|days| u32::try_from(days).ok())
        .filter(|days| *days > 0)
        .map(|days| IcalDuration { days, ..IcalDuration::default() });
    let exact = u32::try_from(span.duration().num_seconds())
        .ok()
        .map(|seconds| IcalDuration { seconds, ..IcalDuration::default() });
    [days, exact]
        .into_iter()
        .flatten()
        .find(|duration| effective_end(&span.start, None, Some(*duration)) == (span.end.clone(), None))
}
