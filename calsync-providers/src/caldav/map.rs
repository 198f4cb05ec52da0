//! Calendar objects to events and back: [`calsync_core::ical`], with what a CalDAV resource is on top (RFC 4791
//! section 4.1): one UID, one component type, no METHOD.

use calsync_core::{
    ical::{
        ContentLine, Document, PatchOptions, ReadOptions, SequenceChange, WriteOptions, patch, read_calendar,
        write_new,
    },
    model::{Color, Event, EventBody, Override, OverrideScope},
    provider::{
        ErrorKind, Mark, Payload, ProviderError, ReadError, RenderRequest, Rendered, Seal, UnreadKind,
    },
};

fn options() -> ReadOptions {
    let mut options = ReadOptions::default();
    // Objects without a UID get one from their content: the same for the same content, on every server.
    options.feed_key = "caldav".to_owned();
    options
}

/// Reads the one event of a resource.
pub(crate) fn read(payload: &Payload) -> Result<Event, ReadError> {
    let error = |reason: String| ReadError { kind: UnreadKind::Unreadable, reason };
    let document = read_calendar(payload.as_str(), &options()).map_err(|cause| error(cause.to_string()))?;
    if let Some(item) = document.quarantined.first() {
        return Err(error(item.reason.to_string()));
    }
    if !document.is_complete {
        return Err(error("the text ends in the middle of it".into()));
    }
    let mut items = document.items.into_iter();
    match (items.next(), items.next()) {
        (Some(item), None) => Ok(item.event),
        (Some(_), Some(_)) => Err(error("one resource holds more than one event".into())),
        // A task, a journal entry: whole, and none of our business.
        (None, _) if document.other_components > 0 => {
            Err(ReadError { kind: UnreadKind::NotAnEvent, reason: "it holds no event".into() })
        }
        (None, _) => Err(error("it holds no event".into())),
    }
}

/// Writes an event: into the text the server holds, where there is one.
pub(crate) fn render(request: RenderRequest<'_>) -> Result<Rendered, ProviderError> {
    const OPERATION: &str = "render";
    let people = request.people;
    let text = match request.original {
        Some(original) => {
            let mut change = PatchOptions::default();
            change.read = options();
            change.people = people;
            change.stamp = Some(request.now);
            // Where an event has an organizer, counting is up to that person's calendar (RFC 5546 section 2.1.4).
            change.sequence = match organizer(request.event) {
                Some(_) => SequenceChange::Keep,
                None => SequenceChange::Increment,
            };
            // Without its METHOD first: a CANCEL is what makes the event read as cancelled, and the word has to stay.
            patch(&normalise(original.as_str()), request.event, &change)
                .map_err(|cause| ProviderError::new(ErrorKind::Refused, OPERATION, cause.to_string()))?
        }
        None => {
            let mut fresh = WriteOptions::new(request.now);
            fresh.people = people;
            write_new(request.event, &fresh)
        }
    };
    let payload = Payload::new(normalise(&text));
    let losses = losses(&request, &payload);
    Ok(Rendered { payload, losses })
}

/// Which link wrote it, sealed with the UID: a copy somebody makes of it in the same calendar has to have another one (RFC
/// 4791 section 4.1).
const MARK: &str = "X-CALSYNC-MARK";

/// Puts a mark on what is to be created.
pub(crate) fn mark(payload: Payload, seal: &Seal) -> Payload {
    const BEGIN: &str = "BEGIN:VEVENT\r\n";
    let (Ok(event), Some((before, after))) = (read(&payload), payload.as_str().split_once(BEGIN)) else {
        return payload;
    };
    Payload::new(format!("{before}{BEGIN}{MARK}:{}\r\n{after}", seal.mark(&event.uid)))
}

/// The mark an item carries.
pub(crate) fn marked(payload: &Payload) -> Option<Mark> {
    if !payload.as_str().contains(MARK) {
        return None;
    }
    let document = Document::new(payload.as_str().as_bytes());
    let text = document.lines().find_map(|line| {
        let text = line.text();
        let line = ContentLine::parse(&text).filter(|line| line.is(MARK))?;
        Some(line.value().trim().to_owned())
    })?;
    Some(Mark { text, identity: read(payload).ok()?.uid })
}

/// What the payload does not say that the event does.
fn losses(request: &RenderRequest<'_>, payload: &Payload) -> Vec<String> {
    let mut losses = Vec::new();
    let has_range = request
        .event
        .overrides
        .values()
        .any(|o| matches!(o, Override::Changed { scope: OverrideScope::ThisAndFuture, .. }));
    if has_range && request.original.is_none() {
        losses.push("recurrence-range".to_owned());
    }
    let written = read(payload).ok();
    if written.as_ref().is_some_and(|written| written.rules.len() < request.event.rules.len()) {
        losses.push("recurrence".to_owned());
    }
    if written.as_ref().and_then(organizer) != organizer(request.event) {
        losses.push("organizer".to_owned());
    }
    // The name next to a colour that has none, or nothing for what is no colour.
    let color = |body: &EventBody| {
        body.color.as_deref().map(|color| Color::parse(color.trim()).ok_or_else(|| color.to_owned()))
    };
    if !written.iter().flat_map(bodies).map(color).eq(bodies(request.event).map(color)) {
        losses.push("color".to_owned());
    }
    if !written
        .iter()
        .flat_map(bodies)
        .map(|body| &body.participants)
        .eq(bodies(request.event).map(|body| &body.participants))
    {
        losses.push("participants".to_owned());
    }
    losses
}

fn bodies(event: &Event) -> impl Iterator<Item = &EventBody> {
    event.master.iter().chain(event.overrides.values().filter_map(|o| match o {
        Override::Changed { body, .. } => Some(&**body),
        Override::Excluded | Override::Added { .. } => None,
    }))
}

fn organizer(event: &Event) -> Option<&calsync_core::model::Person> {
    bodies(event).find_map(|body| body.organizer.as_ref())
}

/// What servers refuse whatever the event says: a byte order mark, bare line feeds, control characters, and `METHOD`
/// (RFC 4791 section 4.1), which some stored objects carry all the same.
fn normalise(text: &str) -> String {
    let mut clean = String::with_capacity(text.len() + 64);
    let mut skipping = false;
    for line in text.trim_start_matches('\u{feff}').split('\n') {
        let line = line.strip_suffix('\r').unwrap_or(line);
        let folded = line.starts_with([' ', '\t']);
        if !folded {
            let name = line.split([':', ';']).next().unwrap_or_default();
            skipping = name.eq_ignore_ascii_case("METHOD");
        }
        if skipping || line.is_empty() {
            continue;
        }
        clean.extend(
            line.chars().filter(|c| *c == '\t' || !(c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}'))),
        );
        clean.push_str("\r\n");
    }
    clean
}

/// The first UID in a text.
pub(crate) fn uid(text: &str) -> Option<String> {
    Document::new(text.as_bytes()).lines().find_map(|line| {
        let text = line.text();
        let line = ContentLine::parse(&text)?;
        line.is("UID").then(|| line.value().trim().to_owned()).filter(|uid| !uid.is_empty())
    })
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use calsync_core::provider::PeoplePolicy;

    const STORED: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//y//EN\r\nMETHOD:REQUEST\r\nX-CAL:1\r\n\
        BEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:20261201T100000Z\r\n\
        DTEND:20261201T110000Z\r\nSUMMARY:one\r\nORGANIZER:mailto:boss@example.com\r\n\
        ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=CLIENT:mailto:ann@example.com\r\nX-KEPT;A=b:c\r\n\
        END:VEVENT\r\nEND:VCALENDAR\r\n";

    fn now() -> DateTime<Utc> {
        "2026-11-21T12:00:00Z".parse().unwrap()
    }

    fn rendered(event: &Event, original: Option<&str>, people: PeoplePolicy) -> Rendered {
        let original = original.map(Payload::new);
        render(RenderRequest { event, original: original.as_ref(), now: now(), people }).unwrap()
    }

    /// A stored cancellation reads as cancelled; an edit that takes the METHOD away must not bring the event to life.
    #[test]
    fn an_edited_cancellation_stays_cancelled() {
        let stored = Payload::new(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nMETHOD:CANCEL\r\nBEGIN:VEVENT\r\nUID:u\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:x\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n",
        );
        let mut event = read(&stored).unwrap();
        event.master.as_mut().unwrap().title = Some("y".to_owned());
        let text = rendered(&event, Some(stored.as_str()), PeoplePolicy::Withhold).payload;
        assert!(text.as_str().contains("STATUS:CANCELLED"), "{}", text.as_str());
    }

    /// A task in a calendar of mixed kinds is no broken event.
    #[test]
    fn a_task_is_not_an_unreadable_event() {
        let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\nBEGIN:VTODO\r\nUID:t\r\nSUMMARY:milk\r\n\
                    END:VTODO\r\nEND:VCALENDAR\r\n";
        assert_eq!(read(&Payload::new(text)).unwrap_err().kind, UnreadKind::NotAnEvent);
        let cut = text.replace("END:VCALENDAR\r\n", "");
        assert_eq!(read(&Payload::new(cut)).unwrap_err().kind, UnreadKind::Unreadable);
    }

    #[test]
    fn an_update_keeps_what_calsync_does_not_know_and_who_is_in_it() {
        let mut event = read(&Payload::new(STORED)).unwrap();
        event.master.as_mut().unwrap().title = Some("two".into());
        let Rendered { payload, losses } = rendered(&event, Some(STORED), PeoplePolicy::Withhold);
        let text = payload.as_str();
        for kept in [
            "X-CAL:1\r\n",
            "X-KEPT;A=b:c\r\n",
            "ORGANIZER:mailto:boss@example.com\r\n",
            "ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-AGENT=CLIENT:mailto:ann@example.com\r\n",
            "SUMMARY:two\r\n",
        ] {
            assert!(text.contains(kept), "{kept}");
        }
        assert!(losses.is_empty());
        // FLD-12
        assert!(!text.contains("METHOD"));
    }

    /// RFC 7986 section 5.9 knows names only.
    #[test]
    fn a_colour_is_written_by_the_name_next_to_it() {
        let mut event = read(&Payload::new(STORED)).unwrap();
        for (color, written, is_lost) in [
            ("#ff0000", Some("COLOR:red\r\n"), false),
            ("Teal", Some("COLOR:Teal\r\n"), false),
            ("#dc2127", Some("COLOR:crimson\r\n"), true),
            ("nonsense", None, true),
        ] {
            event.master.as_mut().unwrap().color = Some(color.to_owned());
            for original in [None, Some(STORED)] {
                let Rendered { payload, losses } = rendered(&event, original, PeoplePolicy::Write);
                let line = payload.as_str().split_inclusive('\n').find(|line| line.starts_with("COLOR"));
                assert_eq!((line, losses.contains(&"color".to_owned())), (written, is_lost), "{color}");
            }
        }
        // What another program wrote stays until somebody gives the event another colour.
        let stored = STORED.replace("END:VEVENT", "COLOR:#FF0000\r\nEND:VEVENT");
        let mut event = read(&Payload::new(stored.as_str())).unwrap();
        event.master.as_mut().unwrap().title = Some("two".into());
        let text = rendered(&event, Some(&stored), PeoplePolicy::Withhold).payload;
        assert!(text.as_str().contains("COLOR:#FF0000\r\n"));
    }

    #[test]
    fn mail_07_people_are_neither_added_nor_changed_nor_removed_by_default() {
        let mut event = read(&Payload::new(STORED)).unwrap();
        let fresh = rendered(&event, None, PeoplePolicy::Withhold);
        assert!(!fresh.payload.as_str().contains("mailto:"));
        assert_eq!(fresh.losses, ["organizer", "participants"]);
        event.master.as_mut().unwrap().participants.clear();
        let kept = rendered(&event, Some(STORED), PeoplePolicy::Withhold);
        assert!(kept.payload.as_str().contains("mailto:ann@example.com"));
        assert_eq!(kept.losses, ["participants"]);
        let written = rendered(&event, Some(STORED), PeoplePolicy::Write);
        assert!(!written.payload.as_str().contains("mailto:ann@example.com"));
        assert!(written.losses.is_empty());
    }

    #[test]
    fn a_fresh_object_has_what_strict_servers_ask_for() {
        let event = read(&Payload::new(STORED)).unwrap();
        let text = rendered(&event, None, PeoplePolicy::Withhold).payload;
        for needed in [
            "VERSION:2.0",
            "PRODID:",
            "UID:u1",
            "DTSTAMP:20261121T120000Z",
            "DTSTART:",
            "DTEND:",
            "SUMMARY:one",
        ] {
            assert!(text.as_str().contains(needed), "{needed}");
        }
        assert_eq!(read(&text).unwrap().master.unwrap().title.as_deref(), Some("one"));
    }

    #[test]
    fn fld_12_what_servers_refuse_is_taken_out() {
        let dirty =
            "\u{feff}BEGIN:VCALENDAR\nmethod;x=1:PUB\n LISH\nSUMMARY:a\u{0}b\u{b}\tc\r\n d\n\nEND:VCALENDAR";
        assert_eq!(normalise(dirty), "BEGIN:VCALENDAR\r\nSUMMARY:ab\tc\r\n d\r\nEND:VCALENDAR\r\n");
    }

    #[test]
    fn what_is_no_single_event_is_refused_with_a_reason() {
        let two = STORED.replace(
            "END:VCALENDAR",
            "BEGIN:VEVENT\r\nUID:u2\r\nDTSTART:20261201T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR",
        );
        let task = "BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nUID:t\r\nEND:VTODO\r\nEND:VCALENDAR\r\n";
        // A single event under the UID of a series is neither read over nor written over.
        let beside = two
            .replace("UID:u2", "UID:u1")
            .replace("20261201T100000Z\r\nDTEND", "20261202T100000Z\r\nRRULE:FREQ=DAILY\r\nDTEND");
        for text in [&two, &beside, task, "", "<html>", &STORED[..STORED.len() - 40]] {
            assert!(read(&Payload::new(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn bad_08_the_uid_is_found_in_any_form() {
        assert_eq!(uid(STORED).as_deref(), Some("u1"));
        assert_eq!(uid("BEGIN:VCALENDAR\nuid;x=\"a:b\":lo\n ng\n").as_deref(), Some("long"));
        assert_eq!(uid("nothing"), None);
    }
}
