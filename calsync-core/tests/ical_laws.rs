//! Laws of reading, writing and patching, on random events and random text.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use calsync_core::ical::{
    CalendarReader, Document, PatchOptions, PeoplePolicy, ReadOptions, WriteOptions, patch, patch_bytes,
    read_calendar, write_new,
};
use calsync_core::model::{
    Alarm, AlarmAction, AlarmTrigger, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope,
    Participant, ParticipationStatus, Person, Privacy, RecurrenceId, RelativeTo, Role, RuleEntry, Status,
    TimeSpan, VirtualLocation,
};
use calsync_core::recurrence::RecurrenceRule;
use calsync_core::zone::Zone;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, TimeDelta, Utc};
use proptest::collection::{btree_set, vec};
use proptest::option::of;
use proptest::prelude::*;

const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];

fn text() -> impl Strategy<Value = String> {
    "([a-zé€😀]|\\\\|;|,|:|\"|\\^|\n| |=|\t){0,90}x"
}

fn word() -> impl Strategy<Value = String> {
    "[a-z]([a-z ,;:\"^é]{0,12}[a-z])?"
}

fn local() -> impl Strategy<Value = NaiveDateTime> {
    (0_u64..20_000, 0_i64..86_400).prop_map(|(days, seconds)| {
        let day = NaiveDate::from_ymd_opt(1990, 1, 1).unwrap().checked_add_days(Days::new(days)).unwrap();
        day.and_hms_opt(0, 0, 0).unwrap() + TimeDelta::seconds(seconds)
    })
}

/// The form a whole event keeps: iCalendar cannot mix them in one series.
#[derive(Clone, Copy, Debug)]
enum Form {
    Date,
    Floating,
    Utc,
    Zoned(usize),
}

fn form() -> impl Strategy<Value = Form> {
    prop_oneof![
        Just(Form::Date),
        Just(Form::Floating),
        Just(Form::Utc),
        (0..ZONES.len()).prop_map(Form::Zoned)
    ]
}

fn time_in(form: Form, local: NaiveDateTime) -> EventTime {
    match form {
        Form::Date => EventTime::Date(local.date()),
        Form::Floating => EventTime::Floating(local),
        Form::Utc => EventTime::Utc(local.and_utc()),
        Form::Zoned(at) => EventTime::zoned(local, Zone::from_iana(ZONES[at]).unwrap()),
    }
}

fn span(form: Form, start: NaiveDateTime, length: i64) -> TimeSpan {
    let end = start + TimeDelta::seconds(length);
    let (start, end) = (time_in(form, start), time_in(form, end));
    if let (EventTime::Date(first), EventTime::Date(last)) = (&start, &end) {
        return TimeSpan::all_day(*first, *last);
    }
    // A change of clocks may turn a short span round.
    if start.absolute() > end.absolute() {
        TimeSpan { end: start.clone(), start }
    } else {
        TimeSpan { start, end }
    }
}

fn person() -> impl Strategy<Value = Person> {
    ("[a-z]{1,4}@example\\.com", of(word())).prop_map(|(address, name)| Person { address, name })
}

fn participant() -> impl Strategy<Value = Participant> {
    use ParticipationStatus as S;
    let status = prop_oneof![
        Just(S::NeedsAction),
        Just(S::Accepted),
        Just(S::Declined),
        Just(S::Tentative),
        Just(S::Delegated)
    ];
    let role =
        prop_oneof![Just(Role::Required), Just(Role::Optional), Just(Role::Chair), Just(Role::Informational)];
    (person(), status, role, any::<bool>()).prop_map(|(person, status, role, expect_reply)| Participant {
        person,
        status,
        role,
        expect_reply,
    })
}

fn alarm() -> impl Strategy<Value = Alarm> {
    let offset = (-100_000_i64..100_000, any::<bool>()).prop_map(|(seconds, end)| AlarmTrigger::Offset {
        seconds,
        relative_to: if end { RelativeTo::End } else { RelativeTo::Start },
    });
    let absolute = local().prop_map(|local| AlarmTrigger::Absolute(local.and_utc()));
    // A mail alarm is only read: see the tests of patches.
    let action = prop_oneof![Just(AlarmAction::Display), Just(AlarmAction::Audio)];
    (prop_oneof![offset, absolute], action, of(text())).prop_map(|(trigger, action, description)| Alarm {
        trigger,
        action,
        description,
    })
}

fn body(form: Form) -> impl Strategy<Value = EventBody> {
    let texts = (
        of(text()),
        of(text()),
        of(text()),
        of("[0-9]{1,2}\\.[0-9]{1,4};-?[0-9]{1,3}"),
        of("https://[a-z,;]{1,90}"),
    );
    let words = (
        of(prop_oneof![Just(Status::Confirmed), Just(Status::Tentative), Just(Status::Cancelled)]),
        of(prop_oneof![Just(FreeBusyStatus::Busy), Just(FreeBusyStatus::Free)]),
        of(prop_oneof![Just(Privacy::Public), Just(Privacy::Private), Just(Privacy::Secret)]),
        of(0_u8..=9),
        // Of digits the nearest name is written.
        of("(navy|Teal)"),
    );
    let meeting = ("https://[a-z]{1,8}", of(word())).prop_map(|(uri, name)| VirtualLocation { uri, name });
    let lists = (
        btree_set(word(), 0..4),
        vec(meeting, 0..2),
        of(person()),
        vec(participant(), 0..4),
        vec(alarm(), 0..3),
    );
    (texts, words, lists, (local(), prop_oneof![Just(0), 1_i64..200_000])).prop_map(
        move |(texts, words, lists, (start, length))| {
            let mut body = EventBody::new(span(form, start, length));
            (body.title, body.description, body.location, body.geo, body.url) = texts;
            (body.status, body.free_busy, body.privacy, body.priority, body.color) = words;
            (body.categories, body.virtual_locations, body.organizer, body.participants, body.alarms) = lists;
            let mut seen = std::collections::BTreeSet::new();
            body.participants.retain(|participant| seen.insert(participant.person.key()));
            seen.clear();
            body.virtual_locations.retain(|location| seen.insert(location.uri.clone()));
            body
        },
    )
}

fn rules() -> impl Strategy<Value = Vec<RuleEntry>> {
    let texts = [
        "FREQ=DAILY",
        "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,TU",
        "FREQ=MONTHLY;BYDAY=-1FR;COUNT=5",
        "FREQ=YEARLY;X-A=1",
    ];
    vec(prop::sample::select(texts.to_vec()), 0..3).prop_map(|texts| {
        let mut texts = texts;
        texts.dedup();
        texts.iter().map(|text| RuleEntry::Rule(RecurrenceRule::parse(text).unwrap())).collect()
    })
}

/// A key of an instance whose wall-clock time is unambiguous in the form.
fn instance(form: Form, local: NaiveDateTime) -> RecurrenceId {
    RecurrenceId::of(&time_in(form, local))
}

fn event_with_uid(uid: &'static str) -> impl Strategy<Value = Event> {
    form().prop_flat_map(move |form| {
        let dates =
            vec((local(), prop_oneof![Just(None), Just(Some(0_i64)), Just(Some(1)), Just(Some(3600))]), 0..5);
        let changed = vec((local(), body(form)), 0..3);
        (body(form), rules(), rules(), dates, changed).prop_map(
            move |(master, rules, excluded, dates, changed)| {
                let mut event = Event::single(uid, master);
                if rules.is_empty() {
                    return event;
                }
                (event.rules, event.excluded_rules) = (rules, excluded);
                for (local, kind) in dates {
                    let instance_of = match kind {
                        None => Override::Excluded,
                        Some(0) => Override::Added { end: None },
                        Some(length) => {
                            let id = instance(form, local);
                            let start = id.to_time(&event.master.as_ref().unwrap().time.start);
                            let end = match &start {
                                EventTime::Utc(instant) => {
                                    EventTime::Utc(*instant + TimeDelta::seconds(length))
                                }
                                EventTime::Floating(local) => {
                                    EventTime::Floating(*local + TimeDelta::seconds(length))
                                }
                                _ => continue,
                            };
                            Override::Added { end: Some(end) }
                        }
                    };
                    event.overrides.insert(instance(form, local), instance_of);
                }
                for (local, body) in changed {
                    let changed = Override::Changed { body: Box::new(body), scope: OverrideScope::This };
                    event.overrides.insert(instance(form, local), changed);
                }
                event
            },
        )
    })
}

fn event() -> impl Strategy<Value = Event> {
    event_with_uid("uid-1@example.com")
}

/// What can be compared across a patch: people and alarms have keys and no order.
fn in_order(mut event: Event) -> Event {
    let bodies = event.overrides.values_mut().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&mut **body),
        _ => None,
    });
    for body in event.master.iter_mut().chain(bodies) {
        body.participants.sort_by_key(|participant| participant.person.key());
        body.alarms.sort();
        body.virtual_locations.sort_by(|a, b| a.uri.cmp(&b.uri));
    }
    event.rules.sort_by_key(|rule| match rule {
        RuleEntry::Rule(rule) => rule.to_string(),
        RuleEntry::Opaque { text, .. } => text.clone(),
    });
    event.excluded_rules.sort_by_key(|rule| match rule {
        RuleEntry::Rule(rule) => rule.to_string(),
        RuleEntry::Opaque { text, .. } => text.clone(),
    });
    event
}

fn stamp() -> DateTime<Utc> {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

fn write_options() -> WriteOptions {
    let mut options = WriteOptions::new(stamp());
    options.people = PeoplePolicy::Write;
    options
}

fn patch_options() -> PatchOptions {
    let mut options = PatchOptions::default();
    options.people = PeoplePolicy::Write;
    options
}

fn read_one(text: &str) -> Event {
    let mut document = read_calendar(text, &ReadOptions::default()).expect("a calendar");
    assert!(
        document.is_complete && document.quarantined.is_empty() && document.items.len() == 1,
        "{document:?}"
    );
    document.items.remove(0).event
}

/// Why two events are not equal: their Debug hides it.
fn show(event: &Event) -> String {
    serde_json::to_string_pretty(event).unwrap()
}

/// Text in the grammar's neighbourhood.
fn calendar_like() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(
        [
            "BEGIN:VCALENDAR\r\n",
            "END:VCALENDAR\r\n",
            "BEGIN:VEVENT\r\n",
            "END:VEVENT\n",
            "BEGIN:VALARM\r\n",
            "END:VALARM\r",
            "BEGIN:VTIMEZONE\n",
            "END:VTIMEZONE\n",
            "TZID:X\n",
            "BEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nEND:STANDARD\n",
            "UID:1\r\n",
            "UID:2\n",
            "DTSTART",
            "DTEND",
            "DURATION",
            ";VALUE=DATE",
            ";TZID=Europe/Berlin",
            ";TZID=X",
            ";TZID=\"a:b\"",
            ":20260105",
            ":20260105T090000",
            ":20260105T090000Z",
            "20260329T023000,",
            ":PT1H",
            ":-P1D",
            "\r\n",
            "\n",
            "\r",
            " ",
            "\t",
            "RRULE:FREQ=DAILY\n",
            "RRULE:FREQ=HOURLY;INTERVAL=0\n",
            "EXDATE",
            "RDATE",
            "RECURRENCE-ID",
            ";RANGE=THISANDFUTURE",
            "SUMMARY:a\\,b\n",
            "ATTENDEE",
            ";CN=\"",
            "\"",
            ":mailto:a@example.com\n",
            "TRIGGER:-PT5M\n",
            "CATEGORIES:a,b\n",
            "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE\n",
            "METHOD:CANCEL\n",
            "é",
            "\u{feff}",
            "junk",
            ":",
            ";",
            "=",
            "^n",
            "SEQUENCE:9\n",
        ]
        .to_vec(),
    );
    vec(piece, 0..60).prop_map(|pieces| format!("BEGIN:VCALENDAR\r\n{}", pieces.concat()))
}

proptest! {
    // A quarter of what PROPTEST_CASES says: each case writes, reads and patches whole calendars.
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn a_written_event_reads_back(event in event()) {
        let text = write_new(&event, &write_options());
        let back = read_one(&text);
        prop_assert!(back == event, "{text}\n{}\n{}", show(&event), show(&back));
    }

    #[test]
    fn writing_is_sound(event in event()) {
        let text = write_new(&event, &write_options());
        prop_assert!(text.split("\r\n").all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])));
        for tzid in ZONES.iter().filter(|zone| text.contains(&format!(";TZID={zone}:"))) {
            let definition = format!("TZID:{}\r\n", tzid);
            prop_assert_eq!(text.matches(definition.as_str()).count(), 1);
        }
        prop_assert_eq!(text.matches("\r\nDTEND").count(), text.matches("BEGIN:VEVENT").count());
    }

    #[test]
    fn an_unchanged_event_changes_no_byte(event in event()) {
        let text = write_new(&event, &write_options());
        prop_assert_eq!(&patch(&text, &read_one(&text), &patch_options()).unwrap(), &text);
    }

    #[test]
    fn a_patched_text_reads_as_its_target(original in event(), target in event()) {
        let text = write_new(&original, &write_options());
        let patched = patch(&text, &target, &patch_options()).unwrap();
        let (back, target) = (in_order(read_one(&patched)), in_order(target));
        prop_assert!(back == target, "{text}\n{patched}\n{}\n{}", show(&target), show(&back));
    }

    #[test]
    fn foreign_lines_survive_any_patch(original in event(), target in event()) {
        let foreign = "X-FOREIGN;A=\"b:c\";A=2:v\\\r\n alue\r\nx-lower:1\r\n";
        let text = write_new(&original, &write_options());
        let text = text.replacen("BEGIN:VEVENT\r\n", &format!("BEGIN:VEVENT\r\n{foreign}"), 1);
        let patched = patch(&text, &target, &patch_options()).unwrap();
        prop_assert!(patched.contains(foreign));
    }

    #[test]
    fn one_field_changes_only_its_lines(original in event(), title in text()) {
        let text = write_new(&original, &write_options());
        let mut target = read_one(&text);
        target.master.as_mut().unwrap().title = Some(title);
        let patched = patch(&text, &target, &patch_options()).unwrap();
        let without = |text: &str| -> Vec<String> {
            let mut first = true;
            let lines = Document::new(text.as_bytes());
            // The master is the first component.
            lines.lines().map(|line| line.text().into_owned()).filter(|line| {
                let is_first_title = first && line.starts_with("SUMMARY:");
                first &= line != "BEGIN:VALARM" && line != "END:VEVENT";
                !is_first_title
            }).collect()
        };
        prop_assert_eq!(without(&text), without(&patched));
    }

    #[test]
    fn any_text_is_read_or_refused(text in calendar_like(), target in event_with_uid("1")) {
        let options = ReadOptions::default();
        prop_assert_eq!(Document::new(text.as_bytes()).to_string(), text.clone());
        if let Ok(document) = read_calendar(&text, &options) {
            let streamed = CalendarReader::new(text.as_bytes(), &options).unwrap().filter_map(Result::ok);
            prop_assert!(streamed.map(|item| item.event).eq(document.items.iter().map(|item| item.event.clone())));
            for item in &document.items {
                prop_assert!(item.spans.iter().all(|span| span.end <= text.len() && span.start < span.end));
                prop_assert_eq!(&patch(&text, &item.event, &patch_options()).unwrap(), &text);
            }
        }
        let _ = patch(&text, &target, &patch_options());
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..300), target in event()) {
        let mut input = b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:20260105\n".to_vec();
        input.extend_from_slice(&bytes);
        input.extend_from_slice(b"\nEND:VEVENT\nEND:VCALENDAR");
        let _ = read_calendar(&bytes, &ReadOptions::default());
        if let Ok(patched) = patch_bytes(&input, &target, &patch_options()) {
            prop_assert!(read_calendar(&patched, &ReadOptions::default()).is_ok());
        }
    }
}
