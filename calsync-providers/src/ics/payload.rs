//! The text of one item, cut out of the feed so that it can be read alone.

use std::collections::BTreeSet;
use std::ops::Range;

use calsync_core::ical::Lines;
use calsync_core::provider::Payload;

use super::items::Named;
use super::split::{Component, Feed};

const BEGIN: &str = "BEGIN:VCALENDAR\r\n";
const END: &str = "END:VCALENDAR\r\n";
/// Stands right behind `BEGIN:VCALENDAR` when the UID is ours. Nothing of a feed gets there.
const DERIVED_UID: &str = "X-CALSYNC-UID:DERIVED\r\n";
/// Stands there in place of an item that is not handed on.
const BROKEN: &str = "X-CALSYNC-BROKEN:";

/// Writes the item as a calendar of its own: what the feed says about all its events, the zones this one uses, and its
/// components byte for byte. Where those bytes are no UTF-8 (a fold within a character, an old encoding), the line is
/// unfolded and decoded. `METHOD` is left out; that of a cancellation becomes the status of the event.
pub(super) fn write(feed: &Feed<'_>, named: &Named<'_>) -> Payload {
    if let Some(flaw) = named.item.flaw(feed) {
        return Payload::new(format!("{BEGIN}{BROKEN}{}\r\n{END}", flaw.as_str()));
    }
    let members = || named.item.members.iter().filter_map(|&at| feed.components.get(at));
    let mut out = String::with_capacity(members().map(|one| one.bytes.len()).sum::<usize>() + 512);
    out.push_str(BEGIN);
    if named.derived_uid.is_some() {
        out.push_str(DERIVED_UID);
    }
    if let Some(head) = members().next().and_then(|one| feed.calendars.get(one.calendar)) {
        if !head.has_version {
            out.push_str("VERSION:2.0\r\n");
        }
        head.kept.iter().for_each(|line| push(&mut out, line));
    }
    let mut written = BTreeSet::new();
    for component in members() {
        for tzid in &component.zones {
            if let Some(zone) = feed.zone(component.calendar, tzid)
                && written.insert(*zone.hash.as_bytes())
            {
                push(&mut out, zone.bytes);
            }
        }
    }
    for component in members() {
        push_component(&mut out, feed, component, named.derived_uid.as_deref());
    }
    out.push_str(END);
    Payload::new(out)
}

/// Whether the UID in a payload was derived by [`write`].
pub(super) fn has_derived_uid(payload: &Payload) -> bool {
    payload.as_str().strip_prefix(BEGIN).is_some_and(|rest| rest.starts_with(DERIVED_UID))
}

/// Why an item was not handed on, when it was not.
pub(super) fn flaw(payload: &Payload) -> Option<&str> {
    payload.as_str().strip_prefix(BEGIN)?.strip_prefix(BROKEN)?.lines().next()
}

fn push_component(out: &mut String, feed: &Feed<'_>, component: &Component<'_>, uid: Option<&str>) {
    let cancels = feed.calendars.get(component.calendar).is_some_and(|head| head.cancels);
    if uid.is_none() && !cancels {
        push(out, component.bytes);
        return;
    }
    let mut cuts: Vec<&Range<usize>> = Vec::new();
    if uid.is_some() {
        cuts.extend(&component.uid_lines);
    }
    if cancels {
        cuts.extend(&component.status_lines);
    }
    cuts.sort_unstable_by_key(|cut| cut.start);
    let mut at = Lines::new(component.bytes).next().map_or(0, |begin| begin.end());
    push(out, component.bytes.get(..at).unwrap_or_default());
    for (name, value) in [("UID", uid), ("STATUS", cancels.then_some("CANCELLED"))] {
        if let Some(value) = value {
            out.extend([name, ":", value, "\r\n"]);
        }
    }
    for cut in cuts {
        push(out, component.bytes.get(at..cut.start).unwrap_or_default());
        at = cut.end;
    }
    push(out, component.bytes.get(at..).unwrap_or_default());
}

/// Appends whole lines.
fn push(out: &mut String, bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        out.push_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    } else {
        for line in Lines::new(bytes) {
            match std::str::from_utf8(line.raw()) {
                Ok(text) => out.push_str(text),
                Err(_) => out.extend([&*line.text(), line.line_end().map_or("", |end| end.as_str())]),
            }
        }
    }
    if !bytes.is_empty() && !out.ends_with(['\r', '\n']) {
        out.push_str("\r\n");
    }
}
