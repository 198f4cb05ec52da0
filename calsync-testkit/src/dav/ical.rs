//! As much iCalendar as a server needs: whose UID, which components, and a rewrite that keeps the meaning.
//!
//! Independent of `calsync-core` on purpose, so that the client's parser is not tested against itself.

use super::xml::{CALDAV, DAV, Name};

/// A strong entity tag of the content, with quotes.
pub(super) fn content_tag(body: &str) -> String {
    let hash = blake3::hash(body.as_bytes()).to_hex();
    format!("\"{}\"", &hash[..32])
}

/// Logical lines: folds undone, empty lines left out (RFC 5545, 3.1).
pub(super) fn lines(body: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for raw in body.split('\n') {
        let raw = raw.strip_suffix('\r').unwrap_or(raw);
        match (raw.strip_prefix([' ', '\t']), lines.last_mut()) {
            (Some(continuation), Some(last)) => last.push_str(continuation),
            _ if raw.is_empty() => {}
            _ => lines.push(raw.to_owned()),
        }
    }
    lines
}

/// The name of a line in upper case and its value.
pub(super) fn property(line: &str) -> Option<(String, &str)> {
    let end = line.find([';', ':'])?;
    let mut quoted = false;
    let colon = line.char_indices().find_map(|(at, character)| {
        if character == '"' {
            quoted = !quoted;
        }
        (character == ':' && !quoted).then_some(at)
    })?;
    Some((line[..end].to_ascii_uppercase(), &line[colon + 1..]))
}

/// What a PUT is judged by.
#[derive(Debug, Default)]
pub(super) struct Summary {
    /// Distinct UIDs of components other than alarms and zones.
    pub(super) uids: Vec<String>,
    /// Distinct components directly in VCALENDAR, zones left out.
    pub(super) components: Vec<String>,
    pub(super) has_method: bool,
    /// A VEVENT has neither DTEND nor DURATION.
    pub(super) has_endless_event: bool,
    /// A component below VCALENDAR has no UID.
    pub(super) lacks_uid: bool,
    pub(super) is_series: bool,
}

/// Reads a body, or `None` when it is no balanced VCALENDAR.
pub(super) fn summary(body: &str) -> Option<Summary> {
    let mut summary = Summary::default();
    let mut open: Vec<String> = Vec::new();
    let (mut has_uid, mut has_end) = (false, false);
    let mut closed = false;
    for line in lines(body) {
        let (name, value) = property(&line)?;
        if closed {
            return None;
        }
        match name.as_str() {
            "BEGIN" => {
                let component = value.trim().to_ascii_uppercase();
                if open.is_empty() && component != "VCALENDAR" {
                    return None;
                }
                if open.len() == 1 {
                    (has_uid, has_end) = (false, false);
                    if component != "VTIMEZONE" && !summary.components.contains(&component) {
                        summary.components.push(component.clone());
                    }
                }
                open.push(component);
            }
            "END" => {
                let component = open.pop()?;
                if component != value.trim().to_ascii_uppercase() {
                    return None;
                }
                if open.len() == 1 && component != "VTIMEZONE" {
                    summary.lacks_uid |= !has_uid;
                    summary.has_endless_event |= component == "VEVENT" && !has_end;
                }
                closed = open.is_empty();
            }
            _ if open.is_empty() => return None,
            "METHOD" if open.len() == 1 => summary.has_method = true,
            _ if open.len() == 2 && open.last().is_some_and(|component| component != "VTIMEZONE") => {
                match name.as_str() {
                    "UID" => {
                        has_uid = true;
                        if !summary.uids.iter().any(|uid| uid == value) {
                            summary.uids.push(value.to_owned());
                        }
                    }
                    "DTEND" | "DURATION" => has_end = true,
                    "RRULE" | "RDATE" | "RECURRENCE-ID" => summary.is_series = true,
                    _ => {}
                }
            }
            _ => {}
        }
    }
    closed.then_some(summary)
}

/// The precondition of RFC 4791, 5.3.2.1 that a body breaks, if any.
pub(super) fn broken_precondition(summary: Option<&Summary>, components: &[String]) -> Option<Name> {
    let Some(summary) = summary else {
        return Some(Name::new(CALDAV, "valid-calendar-data"));
    };
    if summary.has_method || summary.uids.len() != 1 || summary.lacks_uid || summary.components.len() != 1 {
        return Some(Name::new(CALDAV, "valid-calendar-object-resource"));
    }
    if !summary.components.iter().all(|component| components.contains(component)) {
        return Some(Name::new(CALDAV, "supported-calendar-component"));
    }
    None
}

/// Missing privilege, for a read-only calendar.
pub(super) const NEED_PRIVILEGES: Name = Name::new(DAV, "need-privileges");

/// The same calendar spelled differently: properties of each component sorted and before its sub-components, names in upper
/// case, `PT90M` as `PT1H30M`, CRLF, folded at 75 octets. A body that is no calendar is returned as it is.
pub(super) fn rewrite(body: &str) -> String {
    if summary(body).is_none() {
        return body.to_owned();
    }
    struct Component {
        begin: String,
        properties: Vec<String>,
        inner: String,
    }
    let mut open: Vec<Component> = Vec::new();
    let mut out = String::new();
    for line in lines(body) {
        let Some((name, value)) = property(&line) else { continue };
        match name.as_str() {
            "BEGIN" => open.push(Component {
                begin: value.trim().to_ascii_uppercase(),
                properties: Vec::new(),
                inner: String::new(),
            }),
            "END" => {
                let Some(mut component) = open.pop() else { continue };
                component.properties.sort();
                let mut text = format!("BEGIN:{}\r\n", component.begin);
                for property in &component.properties {
                    fold(property, &mut text);
                }
                text.push_str(&component.inner);
                text.push_str(&format!("END:{}\r\n", component.begin));
                match open.last_mut() {
                    Some(parent) => parent.inner.push_str(&text),
                    None => out.push_str(&text),
                }
            }
            _ => {
                let tail = &line[name.len()..];
                let line = match normal_duration(value) {
                    Some(duration) if name == "DURATION" => {
                        format!("{name}{}{duration}", &tail[..tail.len() - value.len()])
                    }
                    _ => format!("{name}{tail}"),
                };
                if let Some(component) = open.last_mut() {
                    component.properties.push(line);
                }
            }
        }
    }
    out
}

/// Minutes alone as hours and minutes.
fn normal_duration(value: &str) -> Option<String> {
    let minutes: u64 = value.strip_prefix("PT")?.strip_suffix('M')?.parse().ok()?;
    match (minutes / 60, minutes % 60) {
        (0, _) => None,
        (hours, 0) => Some(format!("PT{hours}H")),
        (hours, minutes) => Some(format!("PT{hours}H{minutes}M")),
    }
}

fn fold(line: &str, out: &mut String) {
    let mut width = 0;
    for character in line.chars() {
        if width + character.len_utf8() > 75 {
            out.push_str("\r\n ");
            width = 1;
        }
        width += character.len_utf8();
        out.push(character);
    }
    out.push_str("\r\n");
}

/// Whether a body may overlap a time range of `calendar-query`, both bounds as `YYYYMMDDTHHMMSSZ`.
///
/// Coarse to one day either way, because zones are not read: only an object that is certainly outside is left out. A series, an
/// object with DURATION and one that cannot be read always match; servers that return too much are common.
pub(super) fn may_overlap(body: &str, start: Option<&str>, end: Option<&str>) -> bool {
    let Some(summary) = summary(body) else { return true };
    if summary.is_series || summary.components.iter().any(|component| component != "VEVENT") {
        return true;
    }
    let date = |text: &str| text.get(..8).and_then(|digits| digits.parse::<u64>().ok());
    let mut first = None;
    let mut last = None;
    let mut in_event = false;
    for line in lines(body) {
        match property(&line) {
            Some((name, value)) if name == "BEGIN" => in_event = value.trim().eq_ignore_ascii_case("VEVENT"),
            Some((name, value)) if in_event && name == "DTSTART" => {
                first = date(value);
                last = last.or(first);
            }
            Some((name, value)) if in_event && name == "DTEND" => last = date(value),
            Some((name, _)) if in_event && name == "DURATION" => return true,
            _ => {}
        }
    }
    let (Some(first), Some(last)) = (first, last) else { return true };
    // Dates as numbers are not evenly spaced, but one day is never more than the gap over a new year.
    let before = end.and_then(date).is_some_and(|end| first > next_day(end));
    let after = start.and_then(date).is_some_and(|start| next_day(last) < start);
    !before && !after
}

/// The day after a `YYYYMMDD` number, or a number between that day and the next valid one.
fn next_day(date: u64) -> u64 {
    match date % 100 {
        0..28 => date + 1,
        // Past the end of a shorter month the sum is no date; the first of the next month is the latest it can mean.
        _ if date / 100 % 100 == 12 => (date / 10_000 + 1) * 10_000 + 101,
        _ => (date / 100 + 1) * 100 + 1,
    }
}

/// Whether a property of that name holds the text, in any case (`prop-filter` with `text-match`).
pub(super) fn property_contains(body: &str, name: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    lines(body).iter().any(|line| {
        property(line).is_some_and(|(found, value)| {
            found.eq_ignore_ascii_case(name) && value.to_lowercase().contains(&text)
        })
    })
}

/// Whether the body has a component of that name.
pub(super) fn has_component(body: &str, component: &str) -> bool {
    lines(body).iter().any(|line| {
        property(line)
            .is_some_and(|(name, value)| name == "BEGIN" && value.trim().eq_ignore_ascii_case(component))
    })
}
