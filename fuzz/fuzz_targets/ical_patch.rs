//! A text, a line `----`, and edits of the events read from it, one a line: `title new one`, `move 3600`.
//!
//! The patched text reads as the edited event, and nothing around the event changes. In the words of an edit, `\n`,
//! `\r` and `\0` stand for the characters a careless writer would let out of their line.
#![no_main]

use calsync_core::ical::{
    CalendarDocument, Document, PatchOptions, PeoplePolicy, ReadItem, ReadOptions, SequenceChange,
    patch_bytes, read_calendar,
};
use calsync_core::model::{Event, EventBody, EventTime, Override, RecurrenceId, Status, VirtualLocation};
use calsync_core::recurrence::RuleEntry;
use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use libfuzzer_sys::fuzz_target;

/// Items patched per input, so that a large calendar does not cost its square.
const ITEMS: usize = 4;

fuzz_target!(|input: &[u8]| {
    const CUT: &[u8] = b"\n----\n";
    let at = input.windows(CUT.len()).position(|window| window == CUT);
    let (original, edits) = match at {
        Some(at) => (&input[..at + 1], &input[at + CUT.len()..]),
        None => (input, &b""[..]),
    };
    let edits = String::from_utf8_lossy(edits);
    let edits: Vec<&str> = edits.lines().take(20).collect();
    let Ok(document) = read_calendar(original, &ReadOptions::default()) else {
        return;
    };
    for (at, item) in document.items.iter().enumerate().take(ITEMS) {
        // Of two items with one name, the first is meant: the others cannot be asked for.
        if document.items[..at].iter().any(|earlier| earlier.event.uid == item.event.uid) {
            continue;
        }
        for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
            let mut options = PatchOptions::default();
            options.people = people;
            let same = patch_bytes(original, &item.event, &options).expect("an item that was read");
            assert!(same == original, "an unchanged event changes no byte");

            let mut target = item.event.clone();
            edits.iter().for_each(|edit| apply(edit, &mut target));
            let patched = patch_bytes(original, &target, &options).expect("an item that was read");
            check_surroundings(original, &patched, item);
            check_lines(original, &patched, item, &edits);
            check_reading(&document, at, &patched, &target);

            options.sequence = SequenceChange::Increment;
            options.stamp = Some(chrono::DateTime::UNIX_EPOCH);
            let stamped = patch_bytes(original, &target, &options).expect("an item that was read");
            check_reading(&document, at, &stamped, &target);
        }
    }
});

/// One edit; a line that is none does nothing.
fn apply(edit: &str, event: &mut Event) {
    let (word, rest) = edit.split_once(' ').unwrap_or((edit, ""));
    let text = rest.replace("\\n", "\n").replace("\\r", "\r").replace("\\0", "\0");
    let some = (!text.is_empty()).then(|| text.clone());
    if let Some(body) = &mut event.master {
        edit_body(word, &text, some.clone(), body);
    }
    if let Some(instance) = word.strip_prefix("each-") {
        for value in event.overrides.values_mut() {
            if let Override::Changed { body, .. } = value {
                edit_body(instance, &text, some.clone(), body);
            }
        }
    }
    let Some(master) = &event.master else {
        return;
    };
    let like = master.time.start.clone();
    let id = || instance(rest, &like);
    match word {
        "rule" if !text.is_empty() => event.rules = vec![RuleEntry::read(&text)],
        "norule" => event.rules.clear(),
        "exclude" if event.is_series() => {
            id().map(|id| event.overrides.insert(id, Override::Excluded));
        }
        "add" if event.is_series() => {
            id().map(|id| event.overrides.insert(id, Override::Added { end: None }));
        }
        "restore" => drop(id().map(|id| event.overrides.remove(&id))),
        "plain" => event.overrides.clear(),
        "override" if event.is_series() => {
            let Some(id) = id() else { return };
            let mut body = master.clone();
            body.title = Some("once".to_owned());
            let value =
                Override::Changed { body: Box::new(body), scope: calsync_core::model::OverrideScope::This };
            event.overrides.insert(id, value);
        }
        _ => {}
    }
}

fn edit_body(word: &str, text: &str, some: Option<String>, body: &mut EventBody) {
    match word {
        "title" => body.title = some,
        "description" => body.description = some,
        "location" => body.location = some,
        "url" => body.url = some,
        "color" => body.color = some,
        "category" => drop(body.categories.insert(text.to_owned())),
        "nocategories" => body.categories.clear(),
        "meeting" => body.virtual_locations = vec![VirtualLocation { uri: text.to_owned(), name: some }],
        "noalarms" => body.alarms.clear(),
        "alarm" => body.alarms.iter_mut().for_each(|alarm| alarm.description.clone_from(&some)),
        "cancel" => body.status = Some(Status::Cancelled),
        "nopeople" => body.participants.clear(),
        "people" => body.participants.iter_mut().for_each(|one| one.person.name.clone_from(&some)),
        "priority" => body.priority = text.parse().ok().filter(|priority| *priority <= 9),
        "move" => {
            let Ok(seconds) = text.parse::<i32>() else { return };
            moved(&mut body.time.start, seconds);
            moved(&mut body.time.end, seconds);
        }
        _ => {}
    }
}

fn moved(time: &mut EventTime, seconds: i32) {
    let by = TimeDelta::seconds(i64::from(seconds));
    let near = |local: NaiveDateTime| -> NaiveDateTime {
        local.checked_add_signed(by).filter(writable).unwrap_or(local)
    };
    match time {
        EventTime::Date(date) => *date = near((*date).into()).date(),
        EventTime::Floating(local) => *local = near(*local),
        EventTime::Utc(instant) => *instant = near(instant.naive_utc()).and_utc(),
        EventTime::Zoned { local, .. } => *local = near(*local),
    }
}

/// iCalendar has four digits for a year.
fn writable(local: &NaiveDateTime) -> bool {
    use chrono::Datelike;
    (2..9998).contains(&local.year())
}

fn instance(text: &str, like: &EventTime) -> Option<RecurrenceId> {
    let local = NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").ok().filter(writable)?;
    let date: NaiveDate = local.date();
    Some(RecurrenceId::of(&match like {
        EventTime::Date(_) => EventTime::Date(date),
        EventTime::Floating(_) => EventTime::Floating(local),
        EventTime::Utc(_) => EventTime::Utc(local.and_utc()),
        EventTime::Zoned { zone, .. } => EventTime::zoned(local, zone.clone()),
    }))
}

/// Everything before the event's first component and after its last one is as it was, but for zones put before it.
fn check_surroundings(original: &[u8], patched: &[u8], item: &ReadItem) {
    let (Some(first), Some(last)) = (item.spans.first(), item.spans.last()) else { return };
    assert!(patched.starts_with(&original[..first.start]), "the text before the event");
    assert!(patched.ends_with(&original[last.end..]), "the text after the event");
}

/// Edits of plain texts leave every line of another name.
fn check_lines(original: &[u8], patched: &[u8], item: &ReadItem, edits: &[&str]) {
    let words = edits.iter().map(|edit| edit.split_once(' ').map_or(*edit, |(word, _)| word));
    if item.spans.len() != 1 || !words.clone().all(|word| matches!(word, "title" | "location" | "url")) {
        return;
    }
    const TOUCHED: [&str; 4] = ["SUMMARY", "LOCATION", "URL", "X-APPLE-STRUCTURED-LOCATION"];
    let others = |text: &[u8]| -> Vec<Vec<u8>> {
        Document::new(text)
            .lines()
            .filter(|line| {
                let text = line.text();
                let text = text.trim_start();
                let name = text.find([':', ';']).map(|at| text[..at].trim_end());
                name.is_some_and(|name| !TOUCHED.iter().any(|touched| name.eq_ignore_ascii_case(touched)))
            })
            .map(|line| line.raw().to_vec())
            .collect()
    };
    let (before, after) = (others(original), others(patched));
    // A loose line with a colon may go with the property it belongs to; none may come.
    let mut left = before.iter();
    assert!(after.iter().all(|line| left.any(|known| known == line)), "no line came or changed");
}

/// The patched text holds the items it held, and the edited one reads as it should.
fn check_reading(before: &CalendarDocument, at: usize, patched: &[u8], target: &Event) {
    let after = read_calendar(patched, &ReadOptions::default()).expect("a patched text is a calendar");
    assert_eq!(after.is_complete, before.is_complete);
    // A component without an END may end where the next one starts; of a text without its end, none is sure.
    if !before.is_complete {
        return;
    }
    assert_eq!(after.other_components, before.other_components, "nothing was injected");
    assert_eq!(after.info, before.info, "the calendar's own lines");
    assert_eq!(after.quarantined.len(), before.quarantined.len(), "{:?}", after.quarantined);
    // An event without a UID is named by its content, which was edited: it cannot be found again.
    if before.items.iter().any(|item| item.event.uid_origin == calsync_core::model::UidOrigin::Derived) {
        return;
    }
    let others = |document: &CalendarDocument, uid: &str| -> Vec<Event> {
        document.items.iter().map(|item| item.event.clone()).filter(|event| event.uid != uid).collect()
    };
    assert!(others(before, &target.uid) == others(&after, &target.uid), "the other events");
    let Some(found) = after.items.iter().find(|item| item.event.uid == target.uid) else {
        assert!(target.master.is_none() && target.overrides.is_empty(), "the event is gone");
        return;
    };
    if let (Some(found), Some(target)) = (&found.event.master, &target.master) {
        let own = &before.items[at].event.master;
        assert_eq!(found.title, expected(&target.title, own.as_ref().and_then(|b| b.title.as_ref())));
        assert_eq!(
            found.location,
            expected(&target.location, own.as_ref().and_then(|b| b.location.as_ref()))
        );
        assert_eq!(found.time, target.time);
    }
}

/// A text as iCalendar can hold it; one nobody edited reads as it did.
fn expected(text: &Option<String>, own: Option<&String>) -> Option<String> {
    let text = text.as_ref()?;
    if own == Some(text) {
        return own.cloned();
    }
    let kept = text.replace("\r\n", "\n").replace('\r', "\n");
    let kept: String =
        kept.chars().filter(|one| !one.is_ascii_control() || matches!(one, '\t' | '\n')).collect();
    (!kept.is_empty()).then_some(kept)
}
