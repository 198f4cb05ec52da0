//! Patching a text: what changes, line by line. Names start with the id of the field bug they reproduce.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use calsync_core::ical::{
    IcalError, PatchError, PatchOptions, PeoplePolicy, ReadOptions, SequenceChange, patch, read_calendar,
};
use calsync_core::model::{
    Alarm, AlarmTrigger, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Participant,
    ParticipationStatus, Person, RecurrenceId, RelativeTo, Role, Status, VirtualLocation,
};
use calsync_core::zone::Zone;
use chrono::{NaiveDate, NaiveDateTime};

fn crlf(lines: &str) -> String {
    let lines = lines
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .filter(|line| !line.trim().is_empty());
    lines.map(|line| format!("{line}\r\n")).collect()
}

fn calendar(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", crlf(lines))
}

fn event_text(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\n"))
}

fn event_of(text: &str) -> Event {
    read_calendar(text, &ReadOptions::default()).expect("a calendar").items.remove(0).event
}

fn writing_people() -> PatchOptions {
    let mut options = PatchOptions::default();
    options.people = PeoplePolicy::Write;
    options
}

/// Patches, checks that the result reads as the target, and gives the lines gone (`-`) and come (`+`).
fn change_with(text: &str, options: &PatchOptions, edit: impl FnOnce(&mut Event)) -> String {
    let mut target = event_of(text);
    edit(&mut target);
    let patched = patch(text, &target, options).expect("a patch");
    let mut back = event_of(&patched);
    if options.stamp.is_some() || options.sequence == SequenceChange::Increment {
        for (back, wanted) in back.master.iter_mut().zip(&target.master) {
            (back.updated, back.sequence) = (wanted.updated, wanted.sequence);
        }
    }
    assert!(back == target, "reads back otherwise:\n{patched}");
    assert_eq!(
        patch(&patched, &event_of(&patched), options).expect("a patch"),
        patched,
        "a second patch is quiet"
    );
    difference(text, &patched)
}

fn change(text: &str, edit: impl FnOnce(&mut Event)) -> String {
    change_with(text, &PatchOptions::default(), edit)
}

fn change_body(text: &str, edit: impl FnOnce(&mut EventBody)) -> String {
    change(text, |event| edit(event.master.as_mut().expect("a master")))
}

/// The lines that differ, in order: those before the first and after the last difference are equal.
fn difference(before: &str, after: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    // Longest common subsequence: the texts are short.
    let mut table = vec![vec![0_usize; b.len() + 1]; a.len() + 1];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i][j] =
                if a[i] == b[j] { table[i + 1][j + 1] + 1 } else { table[i + 1][j].max(table[i][j + 1]) };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || table[i + 1][j] >= table[i][j + 1]) {
            out.push(format!("-{}", a[i].trim_end()));
            i += 1;
        } else {
            out.push(format!("+{}", b[j].trim_end()));
            j += 1;
        }
    }
    out.join("\n")
}

fn at(day: u32, hour: u32) -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2026, 1, day).unwrap().and_hms_opt(hour, 0, 0).unwrap()
}

fn utc(day: u32, hour: u32) -> EventTime {
    EventTime::Utc(at(day, hour).and_utc())
}

fn in_zone(day: u32, hour: u32, zone: &str) -> EventTime {
    EventTime::zoned(at(day, hour), Zone::from_iana(zone).unwrap())
}

fn key(text: &str) -> RecurrenceId {
    text.parse().unwrap()
}

const RICH: &str = "
        DTSTAMP:20260101T000000Z
        DTSTART:20260105T090000Z
        DURATION:PT90M
        SUMMARY;LANGUAGE=en;X-A=\"b;c\":Old
        summary:second
        DESCRIPTION;ALTREP=\"data:text/html,old\":Old text
        X-ALT-DESC;FMTTYPE=text/html:<b>Old</b>
        LOCATION:Room
        X-UNKNOWN;X=1:kept
        CATEGORIES:A,B
        TRANSP:OPAQUE
        X-MICROSOFT-CDO-BUSYSTATUS:OOF
        BEGIN:VALARM
        UID:alarm
        ACTION:DISPLAY
        TRIGGER:-PT15M
        DESCRIPTION:Old
        X-B:kept
        END:VALARM
        BEGIN:X-OTHER
        SUMMARY:not this
        END:X-OTHER";

#[test]
fn one_field_at_a_time() {
    let text = event_text(RICH);
    let change = |edit: fn(&mut EventBody)| change_body(&text, edit);
    assert_eq!(change(|_| {}), "");
    assert_eq!(
        change(|body| body.title = Some("New".into())),
        "-SUMMARY;LANGUAGE=en;X-A=\"b;c\":Old\n+SUMMARY;LANGUAGE=en;X-A=\"b;c\":New"
    );
    assert_eq!(change(|body| body.title = None), "-SUMMARY;LANGUAGE=en;X-A=\"b;c\":Old\n-summary:second");
    assert_eq!(
        change(|body| body.description = Some("a\nb".into())),
        "-DESCRIPTION;ALTREP=\"data:text/html,old\":Old text\n-X-ALT-DESC;FMTTYPE=text/html:<b>Old</b>\n+DESCRIPTION:a\\nb"
    );
    assert_eq!(change(|body| body.url = Some("https://example.com".into())), "+URL:https://example.com");
    assert_eq!(change(|body| body.priority = Some(3)), "+PRIORITY:3");
    assert_eq!(change(|body| body.status = Some(Status::Tentative)), "+STATUS:TENTATIVE");
    assert_eq!(
        change(|body| body.free_busy = Some(FreeBusyStatus::Free)),
        "-TRANSP:OPAQUE\n-X-MICROSOFT-CDO-BUSYSTATUS:OOF\n+TRANSP:TRANSPARENT\n+X-MICROSOFT-CDO-BUSYSTATUS:FREE"
    );
    assert_eq!(
        change(|body| {
            body.categories.remove("A");
        }),
        "-CATEGORIES:A,B\n+CATEGORIES:B"
    );
    assert_eq!(
        change(|body| {
            body.categories.insert("C,D".into());
        }),
        "-CATEGORIES:A,B\n+CATEGORIES:A,B,C\\,D"
    );
    assert_eq!(change(|body| body.categories.clear()), "-CATEGORIES:A,B");
    let meeting = |name: Option<&str>| VirtualLocation {
        uri: "https://meet.example.com".into(),
        name: name.map(str::to_owned),
    };
    assert_eq!(
        change_body(&text, |body| body.virtual_locations.push(meeting(Some("a: b")))),
        "+CONFERENCE;VALUE=URI;LABEL=\"a: b\":https://meet.example.com"
    );
}

#[test]
fn alarms_are_keyed_by_trigger() {
    let text = event_text(RICH);
    assert_eq!(
        change_body(&text, |body| body.alarms[0].description = Some("New".into())),
        "-DESCRIPTION:Old\n+DESCRIPTION:New"
    );
    assert_eq!(change_body(&text, |body| body.alarms.clear()).lines().count(), 7);
    let at_end = AlarmTrigger::Offset { seconds: 0, relative_to: RelativeTo::End };
    assert_eq!(
        change_body(&text, |body| body.alarms.push(Alarm { trigger: at_end, ..Alarm::display_before(0) })),
        "+BEGIN:VALARM\n+ACTION:DISPLAY\n+TRIGGER;RELATED=END:PT0S\n+DESCRIPTION:Reminder\n+END:VALARM"
    );
}

#[test]
fn time_is_one_group_and_keeps_its_form() {
    let text = event_text("DTSTART;X-C=1:20260105T090000Z\n        DURATION:PT90M");
    let change = |text: &str, start: EventTime, end: EventTime| {
        change_body(text, |body| {
            body.time.start = start;
            body.time.end = end;
        })
    };
    let half_past = EventTime::Utc(
        NaiveDate::from_ymd_opt(2026, 1, 6).unwrap().and_hms_opt(10, 30, 0).unwrap().and_utc(),
    );
    assert_eq!(
        change(&text, utc(6, 9), half_past),
        "-DTSTART;X-C=1:20260105T090000Z\n+DTSTART;X-C=1:20260106T090000Z"
    );
    assert_eq!(change(&text, utc(5, 9), utc(5, 11)), "-DURATION:PT90M\n+DURATION:PT2H");
    assert_eq!(
        change(&text, utc(5, 9), in_zone(5, 12, "Europe/Berlin"))
            .lines()
            .filter(|line| line.starts_with("+DTEND"))
            .collect::<Vec<_>>(),
        ["+DTEND;TZID=Europe/Berlin:20260105T120000"]
    );
    let all_day = |day| EventTime::Date(NaiveDate::from_ymd_opt(2026, 1, day).unwrap());
    assert_eq!(
        change(&text, all_day(5), all_day(7)),
        "-DTSTART;X-C=1:20260105T090000Z\n-DURATION:PT90M\n+DTSTART;X-C=1;VALUE=DATE:20260105\n+DURATION:P2D"
    );
    let no_end = event_text("DTSTART;VALUE=DATE:20260105");
    assert_eq!(
        change(&no_end, all_day(6), all_day(7)),
        "-DTSTART;VALUE=DATE:20260105\n+DTSTART;VALUE=DATE:20260106"
    );
    assert_eq!(change(&no_end, all_day(5), all_day(8)), "+DTEND;VALUE=DATE:20260108");
    // Moved by its own length: where it ended before is where it begins, and that is no end.
    let one_day = event_text("DTSTART;VALUE=DATE:20260105\n        DTEND;VALUE=DATE:20260106");
    assert_eq!(
        change(&one_day, all_day(6), all_day(7)),
        "-DTSTART;VALUE=DATE:20260105\n-DTEND;VALUE=DATE:20260106\n+DTSTART;VALUE=DATE:20260106\n+DTEND;VALUE=DATE:20260107"
    );
    let both = event_text("DTSTART:20260105T090000Z\n        DTEND:20260105T100000Z\n        DURATION:PT5H");
    assert_eq!(
        change(&both, utc(5, 9), utc(5, 12)),
        "-DTEND:20260105T100000Z\n-DURATION:PT5H\n+DTEND:20260105T120000Z"
    );
    let flagged = event_text(
        "DTSTART:20260105T000000\n        DTEND:20260106T000000\n        X-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
    );
    let floating = |day| EventTime::Floating(at(day, 0));
    assert_eq!(
        change(&flagged, floating(5), floating(6)),
        "-X-MICROSOFT-CDO-ALLDAYEVENT:TRUE\n+X-MICROSOFT-CDO-ALLDAYEVENT:FALSE"
    );
}

#[test]
fn the_same_value_in_another_spelling_is_no_change() {
    for (a, b) in [
        ("DURATION:PT90M", "DURATION:PT1H30M"),
        (
            "DTEND;TZID=Europe/Berlin:20260105T100000\n        RRULE:FREQ=WEEKLY;BYDAY=MO;INTERVAL=1",
            "DTEND;TZID=\"Europe/Berlin\":20260105T1000\n        RRULE:BYDAY=MO;FREQ=WEEKLY",
        ),
        ("CATEGORIES:A,B", "CATEGORIES:B\n        CATEGORIES:A"),
        ("SUMMARY:a\\,b", "SUMMARY:a,b"),
        ("ATTENDEE:mailto:a@example.com", "ATTENDEE;ROLE=REQ-PARTICIPANT:MAILTO:a@example.com"),
    ] {
        let start = "DTSTART;TZID=Europe/Berlin:20260105T090000\n        ";
        let (a, b) = (event_text(&format!("{start}{a}")), event_text(&format!("{start}{b}")));
        assert_eq!(patch(&a, &event_of(&b), &writing_people()).unwrap(), a);
    }
}

#[test]
fn time_06_a_new_zone_brings_its_definition() {
    let text = event_text("DTSTART:20260105T090000Z\n        DTEND:20260105T100000Z");
    let mut target = event_of(&text);
    let body = target.master.as_mut().unwrap();
    (body.time.start, body.time.end) = (in_zone(5, 9, "Europe/Paris"), in_zone(5, 10, "Europe/Paris"));
    let patched = patch(&text, &target, &PatchOptions::default()).unwrap();
    assert!(
        patched.starts_with("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\n"),
        "{patched}"
    );
    assert!(patched.contains(
        "DTSTART;TZID=Europe/Paris:20260105T090000\r\nDTEND;TZID=Europe/Paris:20260105T100000\r\n"
    ));
    assert_eq!(patched.matches("BEGIN:VTIMEZONE").count(), 1);
    assert_eq!(event_of(&patched), target);
}

#[test]
fn a_zone_the_text_defines_keeps_its_name() {
    let text = calendar(
        "BEGIN:VTIMEZONE\nTZID:Romance Standard Time\nBEGIN:STANDARD\nDTSTART:16010101T030000\nTZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\nEND:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Romance Standard Time:20260105T090000\nDTEND;TZID=Romance Standard Time:20260105T100000\nEND:VEVENT\n",
    );
    assert_eq!(
        change_body(&text, |body| body.time.end = in_zone(5, 11, "Europe/Paris")),
        "-DTEND;TZID=Romance Standard Time:20260105T100000\n+DTEND;TZID=Romance Standard Time:20260105T110000"
    );
}

const SERIES: &str = "BEGIN:VEVENT
        UID:1
        DTSTAMP:20260101T000000Z
        DTSTART;TZID=Europe/Vienna:20260105T090000
        DTEND;TZID=Europe/Vienna:20260105T100000
        RRULE:FREQ=DAILY;X-Y=1
        EXDATE;TZID=Europe/Vienna:20260106T090000,20260107T090000
        EXDATE;VALUE=DATE:20260108
        RDATE;VALUE=PERIOD:20260205T090000Z/PT3H
        ORGANIZER:mailto:boss@example.com
        ATTENDEE:mailto:bob@example.com
        END:VEVENT
        BEGIN:VEVENT
        UID:1
        DTSTAMP:20260101T000000Z
        RECURRENCE-ID;TZID=Europe/London:20260110T080000
        DTSTART;TZID=Europe/Vienna:20260110T110000
        DURATION:PT1H
        SUMMARY:Moved
        X-KEPT:1
        END:VEVENT
        ";

#[test]
fn rec_01_exdates_survive_and_change_one_by_one() {
    let text = calendar(SERIES);
    let sixth = key("20260106T080000Z");
    assert_eq!(change_body(&text, |body| body.title = Some("x".into())), "+SUMMARY:x");
    assert_eq!(
        change(&text, |event| {
            event.overrides.remove(&sixth);
        }),
        "-EXDATE;TZID=Europe/Vienna:20260106T090000,20260107T090000\n+EXDATE;TZID=Europe/Vienna:20260107T090000"
    );
    assert_eq!(
        change(&text, |event| {
            event.overrides.remove(&key("20260108T080000Z"));
        }),
        "-EXDATE;VALUE=DATE:20260108"
    );
    assert_eq!(
        change(&text, |event| {
            event.overrides.insert(key("20260112T080000Z"), Override::Excluded);
        }),
        "+EXDATE;TZID=Europe/Vienna:20260112T090000"
    );
    assert_eq!(
        change(&text, |event| {
            event.overrides.insert(key("20260212T080000Z"), Override::Added { end: None });
        }),
        "+RDATE;TZID=Europe/Vienna:20260212T090000"
    );
    assert_eq!(
        change(&text, |event| {
            event.overrides.remove(&key("20260205T090000Z"));
        }),
        "-RDATE;VALUE=PERIOD:20260205T090000Z/PT3H"
    );
}

#[test]
fn overrides_come_change_and_go() {
    let text = calendar(SERIES);
    let tenth = key("20260110T080000Z");
    let edit = |event: &mut Event, edit: fn(&mut EventBody)| {
        if let Some(Override::Changed { body, .. }) = event.overrides.get_mut(&tenth) {
            edit(body)
        }
    };
    assert_eq!(
        change(&text, |event| edit(event, |body| body.title = Some("Again".into()))),
        "-SUMMARY:Moved\n+SUMMARY:Again"
    );
    assert_eq!(
        change(&text, |event| {
            event.overrides.remove(&tenth);
        })
        .lines()
        .count(),
        9
    );
    let gone = change(&text, |event| {
        event.overrides.insert(tenth, Override::Excluded);
    });
    assert!(gone.starts_with("+EXDATE;TZID=Europe/Vienna:20260110T090000\n-BEGIN:VEVENT"), "{gone}");
    let mut options = PatchOptions::default();
    options.stamp = Some("2026-02-01T00:00:00Z".parse().unwrap());
    let mut target = event_of(&text);
    let mut body = target.master.clone().unwrap();
    (body.time.start, body.time.end) = (in_zone(11, 13, "Europe/Vienna"), in_zone(11, 14, "Europe/Vienna"));
    target.overrides.insert(
        key("20260111T080000Z"),
        Override::Changed { body: Box::new(body), scope: OverrideScope::This },
    );
    let patched = patch(&text, &target, &options).unwrap();
    assert_eq!(
        difference(&text, &patched),
        "+BEGIN:VEVENT\n+UID:1\n+RECURRENCE-ID;TZID=Europe/Vienna:20260111T090000\n+DTSTAMP:20260201T000000Z\n+DTSTART;TZID=Europe/Vienna:20260111T130000\n+DTEND;TZID=Europe/Vienna:20260111T140000\n+ORGANIZER:mailto:boss@example.com\n+ATTENDEE:mailto:bob@example.com\n+END:VEVENT"
    );
    assert_eq!(event_of(&patched), target);
}

#[test]
fn rec_17_moving_a_series_moves_what_the_target_moves() {
    let text = event_text(
        "DTSTART;TZID=Europe/Vienna:20260105T090000\n        DURATION:PT1H\n        RRULE:FREQ=DAILY\n        EXDATE;TZID=Europe/Vienna:20260106T090000\n        EXDATE;VALUE=DATE:20260107",
    );
    let moved = change(&text, |event| {
        let body = event.master.as_mut().unwrap();
        (body.time.start, body.time.end) = (in_zone(5, 10, "Europe/Vienna"), in_zone(5, 11, "Europe/Vienna"));
        event.overrides =
            [(key("20260106T090000Z"), Override::Excluded), (key("20260107T090000Z"), Override::Excluded)]
                .into();
    });
    assert_eq!(
        moved,
        "-DTSTART;TZID=Europe/Vienna:20260105T090000\n+DTSTART;TZID=Europe/Vienna:20260105T100000\n-EXDATE;TZID=Europe/Vienna:20260106T090000\n+EXDATE;TZID=Europe/Vienna:20260106T100000",
        "the date names the instance of its day, moved or not"
    );
    let only_start = change(&text, |event| {
        let body = event.master.as_mut().unwrap();
        (body.time.start, body.time.end) = (in_zone(5, 10, "Europe/Vienna"), in_zone(5, 11, "Europe/Vienna"));
    });
    assert!(
        only_start.contains("-EXDATE;VALUE=DATE:20260107") && !only_start.contains("-EXDATE;TZID"),
        "{only_start}"
    );
}

#[test]
fn a_timed_series_becomes_all_day() {
    let text = calendar(SERIES);
    let mut target = event_of(&text);
    let date = |day| EventTime::Date(NaiveDate::from_ymd_opt(2026, 1, day).unwrap());
    let body = target.master.as_mut().unwrap();
    (body.time.start, body.time.end) = (date(5), date(6));
    let Some(Override::Changed { mut body, scope }) = target.overrides.remove(&key("20260110T080000Z"))
    else {
        panic!()
    };
    (body.time.start, body.time.end) = (date(10), date(11));
    target.overrides =
        [(key("20260106"), Override::Excluded), (key("20260110"), Override::Changed { body, scope })].into();
    let patched = patch(&text, &target, &PatchOptions::default()).unwrap();
    assert_eq!(event_of(&patched), target, "{patched}");
    assert!(
        patched.contains("EXDATE;VALUE=DATE:20260106\r\n")
            && patched.contains("RECURRENCE-ID;VALUE=DATE:20260110\r\n"),
        "{patched}"
    );
    assert!(patched.contains("X-KEPT:1"));
}

fn participant(address: &str) -> Participant {
    Participant {
        person: Person { address: address.to_owned(), name: None },
        status: ParticipationStatus::NeedsAction,
        role: Role::Required,
        expect_reply: false,
    }
}

#[test]
fn fld_01_people_stay_unless_they_are_meant() {
    let text = event_text(
        "DTSTART:20260105T090000Z\n        ORGANIZER;CN=Boss;SENT-BY=\"mailto:x@example.com\":mailto:boss@example.com\n        ATTENDEE;X-NUM=1;CN=\"Bob: B\";PARTSTAT=NEEDS-ACTION;CUTYPE=INDIVIDUAL:MAILTO:Bob@example.com\n        ATTENDEE;CN=Room: 5:mailto:r@example.com\n        ATTENDEE:",
    );
    let mut target = event_of(&text);
    let body = target.master.as_mut().unwrap();
    body.participants.clear();
    body.organizer = None;
    assert_eq!(
        patch(&text, &target, &PatchOptions::default()).unwrap(),
        text,
        "withheld people are no change"
    );

    let change = |edit: fn(&mut EventBody)| {
        change_with(&text, &writing_people(), |event| edit(event.master.as_mut().unwrap()))
    };
    assert_eq!(
        change(|body| body.participants[0].status = ParticipationStatus::Accepted),
        "-ATTENDEE;X-NUM=1;CN=\"Bob: B\";PARTSTAT=NEEDS-ACTION;CUTYPE=INDIVIDUAL:MAILTO:Bob@example.com\n+ATTENDEE;X-NUM=1;CN=\"Bob: B\";CUTYPE=INDIVIDUAL;PARTSTAT=ACCEPTED:MAILTO:Bob\n+ @example.com"
    );
    assert_eq!(
        change(|body| body.participants[1].role = Role::Optional),
        "-ATTENDEE;CN=Room: 5:mailto:r@example.com\n+ATTENDEE;CN=\"Room: 5\";ROLE=OPT-PARTICIPANT:mailto:r@example.com"
    );
    assert_eq!(
        change(|body| {
            body.participants.remove(1);
        }),
        "-ATTENDEE;CN=Room: 5:mailto:r@example.com"
    );
    assert_eq!(
        change(|body| body.participants.push(participant("new@example.com"))),
        "+ATTENDEE:mailto:new@example.com"
    );
    assert_eq!(
        change(|body| body.organizer.as_mut().unwrap().name = Some("The \"Boss\"".into())),
        "-ORGANIZER;CN=Boss;SENT-BY=\"mailto:x@example.com\":mailto:boss@example.com\n+ORGANIZER;SENT-BY=\"mailto:x@example.com\";CN=The ^'Boss^':mailto:boss@exampl\n+ e.com"
    );
}

#[test]
fn no_value_can_end_its_line() {
    let evil = "a\r\nX-INJ:1\nX-INJ:2\rX-INJ:3\u{0}\u{b}\u{85}\u{2028}";
    let text = event_text("DTSTART:20260105T090000Z\n        CATEGORIES:A");
    let mut target = event_of(&text);
    let body = target.master.as_mut().unwrap();
    for field in [
        &mut body.title,
        &mut body.description,
        &mut body.location,
        &mut body.geo,
        &mut body.url,
        &mut body.color,
    ] {
        *field = Some(evil.to_owned());
    }
    body.categories.insert(evil.to_owned());
    body.virtual_locations
        .push(VirtualLocation { uri: format!("https://x/{evil}"), name: Some(evil.to_owned()) });
    body.organizer = Some(Person { address: evil.to_owned(), name: Some(evil.to_owned()) });
    body.participants = vec![Participant {
        person: Person { address: format!("b{evil}"), name: Some(evil.to_owned()) },
        ..participant("")
    }];
    body.alarms = vec![Alarm { description: Some(evil.to_owned()), ..Alarm::display_before(60) }];
    let patched = patch(&text, &target, &writing_people()).unwrap();
    assert!(!patched.lines().any(|line| line.starts_with("X-INJ")), "{patched}");
    assert!(!patched.replace("\r\n", "").contains(['\r', '\n', '\0', '\u{b}']), "{patched}");
    let fresh = calsync_core::ical::write_new(
        &target,
        &calsync_core::ical::WriteOptions::new(chrono::DateTime::UNIX_EPOCH),
    );
    assert!(!fresh.lines().any(|line| line.starts_with("X-INJ")), "{fresh}");
}

#[test]
fn the_new_lines_look_like_the_old_ones() {
    let text = event_text("DTSTART:20260105T090000Z\n        DESCRIPTION:a\n\t b").replace("\r\n", "\n");
    let mut target = event_of(&text);
    target.master.as_mut().unwrap().title = Some("\u{e9}".repeat(60));
    let patched = patch(&text, &target, &PatchOptions::default()).unwrap();
    assert!(!patched.contains('\r'));
    assert!(patched.contains("\u{e9}\n\t\u{e9}"), "{patched}");
    assert!(patched.lines().all(|line| line.len() <= 75));
    assert_eq!(event_of(&patched), target);
}

#[test]
fn bookkeeping_moves_only_with_a_change() {
    let text = event_text("DTSTAMP:20260101T000000Z\n        DTSTART:20260105T090000Z\n        SEQUENCE:4");
    let mut options = PatchOptions::default();
    options.stamp = Some("2026-02-01T00:00:00Z".parse().unwrap());
    options.sequence = SequenceChange::Increment;
    assert_eq!(change_with(&text, &options, |_| {}), "");
    let stamps = "-DTSTAMP:20260101T000000Z\n+DTSTAMP:20260201T000000Z\n";
    assert_eq!(
        change_with(&text, &options, |event| event.master.as_mut().unwrap().title = Some("x".into())),
        format!("{stamps}+SUMMARY:x\n+LAST-MODIFIED:20260201T000000Z")
    );
    assert_eq!(
        change_with(&text, &options, |event| event.master.as_mut().unwrap().time.end = utc(5, 10)),
        format!("{stamps}-SEQUENCE:4\n+DTEND:20260105T100000Z\n+SEQUENCE:5\n+LAST-MODIFIED:20260201T000000Z")
    );
}

#[test]
fn rec_10_a_master_arrives_for_a_lone_override() {
    let lone =
        event_text("RECURRENCE-ID:20260106T090000Z\n        DTSTART:20260106T100000Z\n        X-KEPT:1");
    let series = calendar(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z\nEND:VEVENT\n",
    );
    let target = event_of(&series);
    let patched = patch(&lone, &target, &PatchOptions::default()).unwrap();
    assert_eq!(event_of(&patched), target, "{patched}");
    assert!(patched.contains("X-KEPT:1"));
    assert!(patched.find("RRULE") < patched.find("RECURRENCE-ID"), "the master first");
}

#[test]
fn one_item_of_many() {
    let text = calendar(
        "BEGIN:VEVENT\nUID:a\nDTSTART:20260105\nSUMMARY:A\nEND:VEVENT\nBEGIN:VEVENT\nUID:b\nDTSTART:20260105\nSUMMARY:B\nEND:VEVENT\n",
    );
    let mut target = read_calendar(&text, &ReadOptions::default()).unwrap().items.remove(1).event;
    target.master.as_mut().unwrap().title = Some("C".into());
    assert_eq!(
        difference(&text, &patch(&text, &target, &PatchOptions::default()).unwrap()),
        "-SUMMARY:B\n+SUMMARY:C"
    );
    target.uid = "c".into();
    assert_eq!(patch(&text, &target, &PatchOptions::default()), Err(PatchError::NoSuchItem));
    assert_eq!(
        patch("<html>", &target, &PatchOptions::default()),
        Err(PatchError::Unreadable(IcalError::NotICalendar))
    );
}

#[test]
fn an_older_copy_of_a_master_does_not_become_an_event() {
    let copies = |rule: &str| {
        calendar(&format!(
            "BEGIN:VEVENT\nUID:1\nSEQUENCE:2\nDTSTART:20260105T090000Z\n{rule}\nSUMMARY:new\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:1\nSEQUENCE:1\nDTSTART:20260105T090000Z\nSUMMARY:old\nEND:VEVENT\n\
             BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nSUMMARY:older\nEND:VEVENT\n"
        ))
    };
    let shifted = |event: &mut Event| {
        let time = &mut event.master.as_mut().expect("a master").time;
        (time.start, time.end) = (utc(6, 9), utc(6, 9));
    };
    type Edit<'a> = &'a dyn Fn(&mut Event);
    let cases: [(&str, &str, Edit<'_>, usize); 4] = [
        ("moved", "", &shifted, 1),
        ("a moved series", "RRULE:FREQ=DAILY", &shifted, 1),
        ("no series any more", "RRULE:FREQ=DAILY", &|event| event.rules.clear(), 1),
        ("of another title", "", &|event| event.master.as_mut().expect("a master").title = None, 3),
    ];
    for (name, rule, edit, components) in cases {
        let text = copies(rule);
        let mut target = event_of(&text);
        edit(&mut target);
        let patched = patch(&text, &target, &PatchOptions::default()).expect("a patch");
        let items = read_calendar(&patched, &ReadOptions::default()).expect("a calendar").items;
        assert!(items.len() == 1 && items[0].event == target, "{name}: {patched}");
        assert_eq!(patched.matches("BEGIN:VEVENT").count(), components, "{name}: {patched}");
    }
}

#[test]
fn a_latin_1_text_keeps_its_bytes() {
    let text: Vec<u8> = event_text("DTSTART:20260105\n        LOCATION:Caf\u{e9}\n        SUMMARY:x")
        .chars()
        .map(|char| char as u8)
        .collect();
    let mut target = read_calendar(&text, &ReadOptions::default()).unwrap().items.remove(0).event;
    target.master.as_mut().unwrap().title = Some("\u{fc}ber".into());
    let patched = calsync_core::ical::patch_bytes(&text, &target, &PatchOptions::default()).unwrap();
    assert!(patched.windows(6).any(|bytes| bytes == b":Caf\xE9\r"));
    assert_eq!(read_calendar(&patched, &ReadOptions::default()).unwrap().items.remove(0).event, target);
}

#[test]
fn a_range_is_taken_away_and_never_written() {
    let text = calendar(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\nRECURRENCE-ID;X-A=1;RANGE=THISANDFUTURE:20260106T090000Z\nDTSTART:20260106T100000Z\nEND:VEVENT\n",
    );
    let with_scope = |event: &mut Event, wanted| {
        for instance in event.overrides.values_mut() {
            if let Override::Changed { scope, .. } = instance {
                *scope = wanted;
            }
        }
    };
    assert_eq!(
        change(&text, |event| with_scope(event, OverrideScope::This)),
        "-RECURRENCE-ID;X-A=1;RANGE=THISANDFUTURE:20260106T090000Z\n+RECURRENCE-ID;X-A=1:20260106T090000Z"
    );
    assert_eq!(change(&text, |event| with_scope(event, OverrideScope::ThisAndFuture)), "");
}

/// Sizes at the limits: a patch that looks at every line for every line never ends.
#[test]
fn bad_16_large_items_are_patched_at_once() {
    let attendees: String = (0..9000).map(|n| format!("ATTENDEE:mailto:a{n}@example.com\n")).collect();
    let exdates: String = (0..9000)
        .map(|n| {
            format!(
                "EXDATE:{}Z\n",
                at(1, 9).checked_add_days(chrono::Days::new(n)).unwrap().format("%Y%m%dT%H%M%S")
            )
        })
        .collect();
    let text = calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260101T090000Z\nRRULE:FREQ=DAILY\n{exdates}{attendees}END:VEVENT\n"
    ));
    let mut target = event_of(&text);
    let body = target.master.as_mut().unwrap();
    for (n, participant) in body.participants.iter_mut().enumerate() {
        participant.person.address = format!("b{n}@example.com");
    }
    target.overrides = (0..9000_u64)
        .map(|n| {
            (
                RecurrenceId::Instant(
                    at(2, 9).checked_add_days(chrono::Days::new(20_000 + n)).unwrap().and_utc(),
                ),
                Override::Excluded,
            )
        })
        .collect();
    let patched = patch(&text, &target, &writing_people()).unwrap();
    assert!(event_of(&patched) == target);
}

fn patched(original: &str, change: impl FnOnce(&mut Event)) -> String {
    let mut target = read_calendar(original, &ReadOptions::default()).unwrap().items.remove(0).event;
    change(&mut target);
    let text = patch(original, &target, &PatchOptions::default()).unwrap();
    let again = read_calendar(&text, &ReadOptions::default()).unwrap().items.remove(0).event;
    assert_eq!(
        again.overrides.keys().collect::<Vec<_>>(),
        target.overrides.keys().collect::<Vec<_>>(),
        "{text}"
    );
    text
}

fn object(lines: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//x//EN\r\n{}\r\nEND:VCALENDAR\r\n",
        lines.replace('|', "\r\n")
    )
}

/// A start and an end are of one kind, whichever way an event is switched.
#[test]
fn switching_between_all_day_and_timed_writes_one_kind() {
    use calsync_core::model::{EventTime, TimeSpan};
    let day = NaiveDate::from_ymd_opt(2026, 1, 5).unwrap();
    let noon = day.and_hms_opt(12, 0, 0).unwrap();
    let midnight = day.and_hms_opt(0, 0, 0).unwrap();
    for end in ["DTEND:20260105T100000Z", "DURATION:PT1H"] {
        let text = object(&format!(
            "BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|DTSTART:20260105T090000Z|{end}|END:VEVENT"
        ));
        let text = patched(&text, |event| event.master.as_mut().unwrap().time = TimeSpan::all_day(day, day));
        assert!(text.contains("DTSTART;VALUE=DATE:20260105\r\n"), "{text}");
        assert!(!text.contains("T100000Z") && !text.contains("PT1H"), "{text}");
    }
    let all_day = object(
        "BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|DTSTART;VALUE=DATE:20260105|DTEND;VALUE=DATE:20260106|END:VEVENT",
    );
    for start in [noon, midnight] {
        let time = TimeSpan {
            start: EventTime::Utc(start.and_utc()),
            end: EventTime::Utc((midnight + chrono::TimeDelta::days(1)).and_utc()),
        };
        let text = patched(&all_day, |event| event.master.as_mut().unwrap().time = time);
        assert!(!text.contains("VALUE=DATE"), "{text}");
    }
}

/// Moving a series renames its instances; what is written in them stays, the answers of people above all.
#[test]
fn a_moved_series_keeps_what_its_instances_hold() {
    use calsync_core::model::{EventTime, Override, RecurrenceId};
    use chrono::TimeDelta;
    let original = object(
        "BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|DTSTART:20260105T090000Z|DTEND:20260105T100000Z|RRULE:FREQ=WEEKLY;COUNT=4|\
         ATTENDEE;PARTSTAT=ACCEPTED:mailto:a@example.com|SUMMARY:x|END:VEVENT|\
         BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|RECURRENCE-ID:20260112T090000Z|DTSTART:20260112T110000Z|\
         DTEND:20260112T120000Z|ATTENDEE;PARTSTAT=DECLINED:mailto:a@example.com|X-KEEP:me|SUMMARY:x|END:VEVENT",
    );
    let text = patched(&original, |event| {
        let earlier = |time: &mut EventTime| {
            if let EventTime::Utc(instant) = time {
                *instant -= TimeDelta::hours(1);
            }
        };
        let master = event.master.as_mut().unwrap();
        earlier(&mut master.time.start);
        earlier(&mut master.time.end);
        let overrides: Vec<(RecurrenceId, Override)> =
            std::mem::take(&mut event.overrides).into_iter().collect();
        for (id, instance) in overrides {
            let RecurrenceId::Instant(instant) = id else { panic!("an instant") };
            event.overrides.insert(RecurrenceId::Instant(instant - TimeDelta::hours(1)), instance);
        }
    });
    assert!(text.contains("RECURRENCE-ID:20260112T080000Z\r\n"), "{text}");
    assert!(text.contains("X-KEEP:me\r\n") && text.contains("PARTSTAT=DECLINED"), "{text}");
}

/// Two zones of one name, as Outlook writes them, stay two zones.
#[test]
fn two_zones_of_one_name_stay_apart() {
    use calsync_core::ical::{WriteOptions, write_calendar};
    let with_offset = |uid: &str, offset: &str| {
        let text = object(&format!(
            "BEGIN:VTIMEZONE|TZID:Customized Time Zone|BEGIN:STANDARD|DTSTART:16010101T000000|TZOFFSETFROM:{offset}|\
             TZOFFSETTO:{offset}|END:STANDARD|END:VTIMEZONE|BEGIN:VEVENT|UID:{uid}|DTSTAMP:20260101T000000Z|\
             DTSTART;TZID=Customized Time Zone:20260105T090000|DTEND;TZID=Customized Time Zone:20260105T100000|END:VEVENT"
        ));
        read_calendar(&text, &ReadOptions::default()).unwrap().items.remove(0).event
    };
    let events = [with_offset("a", "+0123"), with_offset("b", "-0517")];
    let text = write_calendar(&events, &WriteOptions::new(chrono::DateTime::<chrono::Utc>::UNIX_EPOCH));
    let read = read_calendar(&text, &ReadOptions::default()).unwrap();
    for (event, item) in events.iter().zip(&read.items) {
        let start = |event: &Event| event.master.as_ref().unwrap().time.start.absolute();
        assert_eq!(start(event), start(&item.event), "{text}");
    }
}

/// An instance that only an extra date made is still said to exist once it has content of its own.
#[test]
fn a_changed_extra_date_is_still_a_date_of_the_series() {
    use calsync_core::ical::{WriteOptions, write_new};
    let text = object(
        "BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|DTSTART:20260105T090000Z|DTEND:20260105T100000Z|RDATE:20260112T090000Z|\
         END:VEVENT|BEGIN:VEVENT|UID:u|DTSTAMP:20260101T000000Z|RECURRENCE-ID:20260112T090000Z|DTSTART:20260112T110000Z|\
         DTEND:20260112T120000Z|END:VEVENT",
    );
    let event = read_calendar(&text, &ReadOptions::default()).unwrap().items.remove(0).event;
    let fresh = write_new(&event, &WriteOptions::new(chrono::DateTime::<chrono::Utc>::UNIX_EPOCH));
    assert!(fresh.contains("RDATE:20260112T090000Z\r\n"), "{fresh}");
    assert!(read_calendar(&fresh, &ReadOptions::default()).unwrap().items.remove(0).event == event);
}

/// A single event of another day under the UID of a series stays in the text when the series is moved.
#[test]
fn another_event_under_the_same_uid_is_not_removed() {
    use calsync_core::model::EventTime;
    use chrono::TimeDelta;
    let original = object(
        "BEGIN:VEVENT|UID:1|DTSTAMP:20260101T000000Z|DTSTART:20260105T090000Z|DTEND:20260105T100000Z|RRULE:FREQ=WEEKLY|\
         SUMMARY:series|END:VEVENT|BEGIN:VEVENT|UID:1|DTSTAMP:20260101T000000Z|DTSTART:20270106T090000Z|SUMMARY:other|\
         END:VEVENT",
    );
    let text = patched(&original, |event| {
        let time = &mut event.master.as_mut().unwrap().time;
        for end in [&mut time.start, &mut time.end] {
            if let EventTime::Utc(instant) = end {
                *instant += TimeDelta::hours(1);
            }
        }
    });
    assert!(text.contains("DTSTART:20260105T100000Z\r\n") && text.contains("SUMMARY:other\r\n"), "{text}");
}

/// RFC 5545 sections 3.3.10, 3.8.4.4, 3.8.5.1 and 3.8.5.2: `UNTIL` and the names of instances have the form of the start.
/// A target may still carry the old `UNTIL`.
#[test]
fn a_series_that_turns_all_day_or_back_takes_its_dates_along() {
    use calsync_core::ical::{WriteOptions, write_new};
    use chrono::DateTime;
    let series = |start: &str, end: &str, exdate: &str, rdate: &str, id: &str, once: &str| {
        event_text(&format!(
            "{start}\n{end}\nRRULE:FREQ=DAILY;UNTIL=UNTIL\n{exdate}\n{rdate}\nEND:VEVENT\nBEGIN:VEVENT\nUID:1\n{id}\n\
             {once}\nSUMMARY:once"
        ))
    };
    let zoned = series(
        "DTSTART;TZID=Europe/Berlin:20260105T090000",
        "DTEND;TZID=Europe/Berlin:20260105T100000",
        "EXDATE;TZID=Europe/Berlin:20260106T090000",
        "RDATE;TZID=Europe/Berlin:20260301T090000",
        "RECURRENCE-ID;TZID=Europe/Berlin:20260107T090000",
        "DTSTART;TZID=Europe/Berlin:20260107T110000\nDTEND;TZID=Europe/Berlin:20260107T120000",
    );
    let floating = zoned.replace(";TZID=Europe/Berlin", "");
    let utc = series(
        "DTSTART:20260105T090000Z",
        "DTEND:20260105T100000Z",
        "EXDATE:20260106T090000Z",
        "RDATE:20260301T090000Z",
        "RECURRENCE-ID:20260107T090000Z",
        "DTSTART:20260107T110000Z\nDTEND:20260107T120000Z",
    );
    let all_day = series(
        "DTSTART;VALUE=DATE:20260105",
        "DTEND;VALUE=DATE:20260106",
        "EXDATE;VALUE=DATE:20260106",
        "RDATE;VALUE=DATE:20260301",
        "RECURRENCE-ID;VALUE=DATE:20260107",
        "DTSTART;VALUE=DATE:20260107\nDTEND;VALUE=DATE:20260108",
    );
    let forms = [
        (&zoned, "20260112T225959Z"),
        (&floating, "20260112T235959"),
        (&utc, "20260112T235959Z"),
        (&all_day, "20260112"),
    ];
    let expected_end = [
        // From zoned, floating, UTC and all-day, each read in the form it turns to.
        ["20260112T225959Z", "20260112T225959Z", "20260112T235959Z", "20260112T225959Z"],
        ["20260112T225959", "20260112T235959", "20260112T235959", "20260112T235959"],
        ["20260112T225959Z", "20260112T235959Z", "20260112T235959Z", "20260112T235959Z"],
        ["20260112"; 4],
    ];
    for (to, (target, _)) in forms.iter().enumerate() {
        for (from, (original, until)) in forms.iter().enumerate() {
            let original = original.replace("UNTIL=UNTIL", &format!("UNTIL={until}"));
            let mut target = event_of(&target.replace("UNTIL=UNTIL", &format!("UNTIL={until}")));
            target.rules.clone_from(&event_of(&original).rules);
            let text = patch(&original, &target, &PatchOptions::default()).unwrap();
            let lines = |text: &str, names: &[&str]| -> Vec<String> {
                let is_named = |line: &&str| names.iter().any(|name| line.starts_with(name));
                let event = &text[text.find("BEGIN:VEVENT").unwrap()..];
                let mut lines: Vec<String> = event.lines().filter(is_named).map(str::to_owned).collect();
                lines.sort();
                lines
            };
            let names = ["DTSTART", "DTEND", "EXDATE", "RDATE", "RECURRENCE-ID"];
            // Between the two forms of an instant, values that name the same moment may stay.
            if from == to || from == 3 || to == 3 || from == 1 || to == 1 {
                assert_eq!(lines(&text, &names), lines(forms[to].0, &names), "{from} to {to}");
            }
            let end = expected_end[to][from];
            assert_eq!(lines(&text, &["RRULE"]), [format!("RRULE:FREQ=DAILY;UNTIL={end}")], "{from} to {to}");
            let fresh = write_new(&target, &WriteOptions::new(DateTime::UNIX_EPOCH));
            assert_eq!(
                lines(&fresh, &["RRULE"]),
                [format!("RRULE:FREQ=DAILY;UNTIL={end}")],
                "{from} to {to}"
            );
            // The target says no more than the text: a second patch is quiet.
            assert_eq!(patch(&text, &target, &PatchOptions::default()).unwrap(), text, "{from} to {to}");
        }
    }
    // A form nobody asked to change stays, right or wrong.
    let odd = zoned.replace("UNTIL=UNTIL", "UNTIL=20260112");
    let text = patched(&odd, |event| event.master.as_mut().unwrap().title = Some("new".to_owned()));
    assert!(text.contains("UNTIL=20260112\r\n"), "{text}");
}

/// 02:30 comes twice in Berlin on 2026-10-25; a series that starts at the second one stays at 02:30.
#[test]
fn time_03_a_series_that_starts_in_the_repeated_hour_keeps_its_zone() {
    use calsync_core::ical::{WriteOptions, write_new};
    use calsync_core::model::Fold;
    use chrono::{DateTime, TimeDelta};
    let text = event_text(
        "DTSTART;TZID=Europe/Berlin:20261025T030000\nDTEND;TZID=Europe/Berlin:20261025T034500\nRRULE:FREQ=DAILY;COUNT=3",
    );
    let zone = Zone::from_iana("Europe/Berlin").unwrap();
    for (end, fold, written) in [
        ("20261025T024500", Fold::Second, "DTEND;TZID=Europe/Berlin:20261025T024500"),
        ("20261025T031500", Fold::First, "DTEND:20261025T011500Z"),
        ("20261025T050000", Fold::First, "DTEND;TZID=Europe/Berlin:20261025T040000"),
    ] {
        let mut series = event_of(&text);
        let local = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S").unwrap();
        let time = &mut series.master.as_mut().unwrap().time;
        let zoned = |text: &str, fold| EventTime::Zoned { local: local(text), zone: zone.clone(), fold };
        (time.start, time.end) = (zoned("20261025T023000", Fold::Second), zoned(end, fold));
        let length = time.duration();
        let options = WriteOptions::new(DateTime::UNIX_EPOCH);
        for text in [write_new(&series, &options), patch(&text, &series, &PatchOptions::default()).unwrap()] {
            assert!(text.contains("DTSTART;TZID=Europe/Berlin:20261025T023000\r\n"), "{text}");
            assert!(text.contains(&format!("{written}\r\n")), "{text}");
            assert_eq!(event_of(&text).master.unwrap().time.duration(), length);
        }
        // A single event is the instant it is.
        series.rules.clear();
        let single = write_new(&series, &options);
        assert!(single.contains("DTSTART:20261025T013000Z\r\n"), "{single}");
        let read = event_of(&single).master.unwrap().time;
        assert_eq!(read.start.absolute().unwrap() + length, read.end.absolute().unwrap());
        assert!(length > TimeDelta::zero());
    }
}

/// RFC 5545 section 3.6.6: a mail alarm without an ATTENDEE is refused by strict servers, and has nobody to go to.
#[test]
fn a_mail_alarm_is_written_as_a_message_and_one_that_is_there_stays() {
    use calsync_core::ical::{WriteOptions, write_new};
    use calsync_core::model::AlarmAction;
    let mail = "BEGIN:VALARM\nACTION:EMAIL\nTRIGGER:-PT15M\nSUMMARY:s\nDESCRIPTION:d\nATTENDEE:mailto:ann@example.com\nEND:VALARM";
    let text = event_text(&format!("DTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nSUMMARY:x\n{mail}"));
    let event = event_of(&text);
    assert_eq!(event.master.as_ref().unwrap().alarms[0].action, AlarmAction::Email);
    for people in [PeoplePolicy::Withhold, PeoplePolicy::Write] {
        let mut options = WriteOptions::new(chrono::DateTime::UNIX_EPOCH);
        options.people = people;
        let fresh = write_new(&event, &options);
        assert!(fresh.contains("ACTION:DISPLAY\r\n") && fresh.contains("DESCRIPTION:d\r\n"), "{fresh}");
        assert!(!fresh.contains("EMAIL") && !fresh.contains("mailto:"), "{fresh}");

        let mut options = PatchOptions::default();
        options.people = people;
        let mut target = event.clone();
        let body = target.master.as_mut().unwrap();
        let mut second = body.alarms[0].clone();
        second.trigger = AlarmTrigger::Offset { seconds: -3600, relative_to: RelativeTo::Start };
        body.alarms.push(second);
        let patched = patch(&text, &target, &options).unwrap();
        assert!(patched.contains(&crlf(mail)), "{patched}");
        assert_eq!((patched.matches("EMAIL").count(), patched.matches("ACTION:DISPLAY").count()), (1, 1));
    }
}

/// A component without its `END` ends where the next one starts. When that one goes, what comes after it must not become
/// a part of the first.
#[test]
fn bad_19_an_end_is_written_when_what_stood_for_it_goes() {
    let text = calendar(
        "
        BEGIN:VEVENT
        UID:1
        DTSTART:20260105T090000Z
        DTEND:20260105T100000Z
        RRULE:FREQ=WEEKLY;COUNT=9
        BEGIN:VEVENT
        UID:1
        RECURRENCE-ID:20260112T090000Z
        DTSTART:20260112T110000Z
        DTEND:20260112T120000Z
        END:VEVENT
        BEGIN:X-THING
        X-OWN:kept
        END:X-THING
        ",
    );
    let gone = change(&text, |event| event.overrides.clear());
    let lines = [
        "-BEGIN:VEVENT",
        "-UID:1",
        "-RECURRENCE-ID:20260112T090000Z",
        "-DTSTART:20260112T110000Z",
        "-DTEND:20260112T120000Z",
    ];
    assert_eq!(gone, lines.join("\n"), "an END stays, as that of the first");
    let mut target = event_of(&text);
    target.overrides.clear();
    let patched = patch(&text, &target, &PatchOptions::default()).unwrap();
    let read = read_calendar(&patched, &ReadOptions::default()).unwrap();
    assert_eq!((read.items.len(), read.other_components), (1, 1));
}

/// REC-16: a rule without a meaning is not handed on, and stays where somebody has written it.
#[test]
fn rec_16_a_rule_without_a_meaning_is_not_written() {
    use calsync_core::ical::{WriteOptions, write_new};
    use calsync_core::recurrence::RuleEntry;
    let plain = event_text("DTSTART:20260105T090000Z\nDTEND:20260105T100000Z\nSUMMARY:x");
    for rule in [
        "FREQ=DAILY;INTERVAL=0",
        "FREQ=DAILY;COUNT=0",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=FOO",
        "FREQ=DAILY;UNTIL=soon",
    ] {
        let text = plain.replace("SUMMARY:x", &format!("RRULE:{rule}\r\nSUMMARY:x"));
        let event = event_of(&text);
        assert!(!event.rules.is_empty(), "{rule}: the source is kept");
        let fresh = write_new(&event, &WriteOptions::new(chrono::DateTime::UNIX_EPOCH));
        assert!(!fresh.contains("RRULE"), "{rule}: {fresh}");
        assert!(event_of(&fresh).rules.is_empty());

        let mut target = event_of(&plain);
        target.rules = vec![RuleEntry::read(rule)];
        assert_eq!(patch(&plain, &target, &PatchOptions::default()).unwrap(), plain, "{rule}");

        let mut edited = event.clone();
        edited.master.as_mut().unwrap().title = Some("y".to_owned());
        let patched = patch(&text, &edited, &PatchOptions::default()).unwrap();
        assert_eq!(patched, text.replace("SUMMARY:x", "SUMMARY:y"), "{rule}");
    }
}
