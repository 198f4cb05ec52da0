//! Reading iCalendar text into events, case by case. Names start with the id of the field bug they reproduce.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use calsync_core::ical::{
    CalendarDocument, CalendarReader, CalendarZoneUse, IcalError, IssueKind, ItemIdentity, QuarantineReason,
    ReadItem, ReadOptions, read_calendar,
};
use calsync_core::model::{
    AlarmAction, AlarmTrigger, Event, EventTime, FreeBusyStatus, Override, OverrideScope, Privacy,
    RelativeTo, Status, UidOrigin,
};

/// A calendar with these lines in it.
fn calendar(lines: &str) -> String {
    format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\n{}END:VCALENDAR\r\n", crlf(lines))
}

/// A calendar with one event of these lines.
fn event_text(lines: &str) -> String {
    calendar(&format!("BEGIN:VEVENT\nUID:1\n{}END:VEVENT\n", unindent(lines)))
}

fn unindent(lines: &str) -> String {
    lines
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect()
}

fn crlf(lines: &str) -> String {
    unindent(lines).replace('\n', "\r\n")
}

fn read(text: &str) -> CalendarDocument {
    read_calendar(text, &ReadOptions::default()).expect("a calendar")
}

fn one(text: &str) -> ReadItem {
    let mut document = read(text);
    assert_eq!(document.quarantined.len(), 0, "{:?}", document.quarantined);
    assert_eq!(document.items.len(), 1);
    document.items.remove(0)
}

fn one_event(lines: &str) -> Event {
    one(&event_text(lines)).event
}

fn quarantined(text: &str) -> QuarantineReason {
    let document = read(text);
    assert_eq!(document.items.len(), 0);
    document.quarantined[0].reason
}

/// A time as words: `2026-01-05`, `~..` floating, `..Z`, `.. Zone`.
fn show(time: &EventTime) -> String {
    match time {
        EventTime::Date(date) => date.to_string(),
        EventTime::Floating(local) => format!("~{local}"),
        EventTime::Utc(instant) => format!("{}Z", instant.naive_utc()),
        EventTime::Zoned { local, zone, .. } => format!("{local} {}", zone.name()),
    }
}

fn span(event: &Event) -> String {
    let time = &event.master.as_ref().expect("a master").time;
    format!("{} / {}", show(&time.start), show(&time.end))
}

/// The overrides as `key=E|A|C`.
fn overrides(event: &Event) -> String {
    let words: Vec<String> = event
        .overrides
        .iter()
        .map(|(key, instance)| {
            let kind = match instance {
                Override::Excluded => "E",
                Override::Added { .. } => "A",
                Override::Changed { .. } => "C",
            };
            format!("{key}={kind}")
        })
        .collect();
    words.join(" ")
}

#[test]
fn start_and_end_forms() {
    for (lines, expected) in [
        ("DTSTART:20260105T090000\nDTEND:20260105T100000", "~2026-01-05 09:00:00 / ~2026-01-05 10:00:00"),
        ("DTSTART:20260105T090000Z\nDURATION:PT90M", "2026-01-05 09:00:00Z / 2026-01-05 10:30:00Z"),
        (
            "DTSTART;TZID=Europe/Berlin:20260105T090000\nDTEND;TZID=Europe/Berlin:20260105T100000",
            "2026-01-05 09:00:00 Europe/Berlin / 2026-01-05 10:00:00 Europe/Berlin",
        ),
        // TIME-11: different zones for start and end.
        (
            "DTSTART;TZID=America/New_York:20260105T090000\nDTEND;TZID=Europe/London:20260105T160000",
            "2026-01-05 09:00:00 America/New_York / 2026-01-05 16:00:00 Europe/London",
        ),
        ("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107", "2026-01-05 / 2026-01-07"),
        ("DTSTART:20260105", "2026-01-05 / 2026-01-06"),
        // AD-04: the end of a day is not its start.
        ("DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260105", "2026-01-05 / 2026-01-06"),
        // AD-08: a zone on a date means nothing.
        ("DTSTART;VALUE=DATE;TZID=America/New_York:20260612", "2026-06-12 / 2026-06-13"),
        // AD-05: midnight to midnight stays timed ...
        ("DTSTART:20260105T000000\nDTEND:20260105T240000", "~2026-01-05 00:00:00 / ~2026-01-06 00:00:00"),
        // ... unless its producer says it is a day.
        (
            "DTSTART:20260105T000000\nDTEND:20260106T000000\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            "2026-01-05 / 2026-01-06",
        ),
        (
            "DTSTART:20260105T090000\nDTEND:20260105T100000\nX-MICROSOFT-CDO-ALLDAYEVENT:TRUE",
            "~2026-01-05 09:00:00 / ~2026-01-05 10:00:00",
        ),
        // LOOP-06: without an end there is no length.
        ("DTSTART:20260105T090000Z", "2026-01-05 09:00:00Z / 2026-01-05 09:00:00Z"),
        ("DTSTART;TZID=UTC:20260105T090000", "2026-01-05 09:00:00Z / 2026-01-05 09:00:00Z"),
        (
            "DTSTART;TZID=GMT+01:00:20260105T090000\nDURATION:PT0S",
            "2026-01-05 09:00:00 Etc/GMT-1 / 2026-01-05 09:00:00 Etc/GMT-1",
        ),
    ] {
        assert_eq!(span(&one_event(lines)), expected, "{lines}");
    }
}

#[test]
fn bad_05_ends_that_contradict_their_start() {
    let start = "DTSTART:20260105T090000Z\n";
    for (lines, end, issue) in [
        ("DTEND:20260105T080000Z", "2026-01-05 09:00:00Z", Some(IssueKind::NegativeLength)),
        ("DURATION:-PT1H", "2026-01-05 09:00:00Z", Some(IssueKind::NegativeLength)),
        ("DTEND:20260105T100000Z\nDURATION:PT5H", "2026-01-05 10:00:00Z", None),
        ("DTEND:rubbish", "2026-01-05 09:00:00Z", Some(IssueKind::BadEnd)),
        ("DURATION:rubbish", "2026-01-05 09:00:00Z", Some(IssueKind::BadEnd)),
        ("DTEND:20260105T100000", "2026-01-05 10:00:00Z", None),
    ] {
        let item = one(&event_text(&format!("{start}{lines}")));
        assert_eq!(show(&item.event.master.unwrap().time.end), end, "{lines}");
        assert_eq!(item.issues.first().map(|issue| issue.kind), issue, "{lines}");
    }
}

#[test]
fn time_15_dates_at_the_ends_of_time() {
    for value in ["00010101T000000Z", "16010101T000000", "45000831T000000Z", "99991231T235959Z", "99991231"] {
        for zone in ["", ";TZID=Pacific/Kiritimati", ";TZID=Etc/GMT+12"] {
            let text = event_text(&format!(
                "DTSTART{zone}:{value}\nDURATION:P1D\nRRULE:FREQ=DAILY\nEXDATE{zone}:{value}"
            ));
            assert_eq!(read(&text).items.len(), 1, "{zone} {value}");
        }
    }
}

#[test]
fn text_fields() {
    let event = one_event(
        "DTSTART:20260105\nSUMMARY;LANGUAGE=en:Tea\\, cake\nDESCRIPTION:one\\ntwo\nLOCATION:Room \\\"5\\\"\nGEO:48.85;2.35
        URL:https://example.com/?a=1,2\nCATEGORIES:Work,Two\\,Words\nCATEGORIES:work,Work\nPRIORITY:5\nCOLOR:navy
        CLASS:confidential\nSTATUS:tentative \nTRANSP:TRANSPARENT\nSEQUENCE:99999999999999999999
        CREATED:20250101T000000Z\nLAST-MODIFIED:20250102T000000Z\nCONFERENCE;VALUE=URI;LABEL=\"Join: here\":https://meet.example.com/x
        X-GOOGLE-CONFERENCE:https://meet.example.com/x",
    );
    let body = event.master.unwrap();
    assert_eq!(body.title.as_deref(), Some("Tea, cake"));
    assert_eq!(body.description.as_deref(), Some("one\ntwo"));
    assert_eq!(body.location.as_deref(), Some("Room \"5\""));
    assert_eq!(body.geo.as_deref(), Some("48.85;2.35"));
    assert_eq!(body.url.as_deref(), Some("https://example.com/?a=1,2"));
    assert_eq!(body.categories.iter().map(String::as_str).collect::<Vec<_>>(), ["Two,Words", "Work", "work"]);
    assert_eq!((body.priority, body.color.as_deref()), (Some(5), Some("navy")));
    assert_eq!((body.privacy, body.status), (Some(Privacy::Secret), Some(Status::Tentative)));
    assert_eq!(body.free_busy, Some(FreeBusyStatus::Free));
    assert_eq!(body.sequence, u32::MAX, "BAD-17");
    assert_eq!(body.updated.unwrap().to_rfc3339(), "2025-01-02T00:00:00+00:00");
    assert_eq!(body.virtual_locations.len(), 1);
    assert_eq!(body.virtual_locations[0].name.as_deref(), Some("Join: here"));
}

/// A word nobody knows is to be treated as `PRIVATE` (RFC 5545 section 3.8.1.3).
#[test]
fn a_class_nobody_knows_is_private() {
    for (value, privacy) in [
        ("PUBLIC", Some(Privacy::Public)),
        ("private", Some(Privacy::Private)),
        ("CONFIDENTIAL", Some(Privacy::Secret)),
        ("X-FAMILY", Some(Privacy::Private)),
        ("RESTRICTED", Some(Privacy::Private)),
        ("", None),
    ] {
        let event = one_event(&format!("DTSTART:20260105\nCLASS:{value}"));
        assert_eq!(event.master.unwrap().privacy, privacy, "{value}");
    }
}

#[test]
fn fld_09_what_is_absent_stays_absent() {
    let body = one_event("DTSTART:20260105").master.unwrap();
    assert_eq!((body.title, body.status, body.privacy, body.free_busy), (None, None, None, None));
    assert_eq!((body.description, body.priority, body.created), (None, None, None));
    let busy = |lines: &str| one_event(&format!("DTSTART:20260105\n{lines}")).master.unwrap().free_busy;
    assert_eq!(busy("X-MICROSOFT-CDO-BUSYSTATUS:FREE"), Some(FreeBusyStatus::Free));
    assert_eq!(busy("X-MICROSOFT-CDO-BUSYSTATUS:OOF"), Some(FreeBusyStatus::Busy));
    assert_eq!(busy("X-MICROSOFT-CDO-BUSYSTATUS:FREE\nTRANSP:OPAQUE"), Some(FreeBusyStatus::Busy));
}

#[test]
fn fld_07_three_attendees_come_in() {
    let body = one_event(
        "DTSTART:20260105\nORGANIZER;CN=Ann:MAILTO:ann@example.com\nATTENDEE:mailto:bob@example.com
        ATTENDEE;PARTSTAT=ACCEPTED:mailto:cid@example.com\nATTENDEE:mailto:dan@example.com\nATTENDEE:MAILTO:BOB@example.com\nATTENDEE:",
    )
    .master
    .unwrap();
    assert_eq!(body.organizer.unwrap().address, "ann@example.com");
    let addresses: Vec<_> =
        body.participants.iter().map(|participant| participant.person.address.as_str()).collect();
    assert_eq!(addresses, ["bob@example.com", "cid@example.com", "dan@example.com"]);
}

#[test]
fn bad_04_alarms() {
    let item = one(&event_text(
        "DTSTART:20260105T090000Z\nBEGIN:VALARM\nTRIGGER:-PT15M\nACTION:DISPLAY\nDESCRIPTION:Reminder\nEND:VALARM
        BEGIN:VALARM\nTRIGGER;RELATED=END:-P10M\nACTION:AUDIO\nX-A:1\nEND:VALARM
        BEGIN:VALARM\nTRIGGER;VALUE=DATE-TIME:20260105T080000Z\nACTION:EMAIL\nSUMMARY:not the title\nDESCRIPTION:Go\nEND:VALARM
        BEGIN:VALARM\nTRIGGER;VALUE=DATE-TIME:19760401T005545Z\nACTION:NONE\nEND:VALARM
        BEGIN:VALARM\nTRIGGER:soon\nEND:VALARM",
    ));
    let body = item.event.master.unwrap();
    assert_eq!(body.title, None);
    let alarms: Vec<_> =
        body.alarms.iter().map(|alarm| (alarm.trigger, alarm.action, alarm.description.clone())).collect();
    let absolute = AlarmTrigger::Absolute("2026-01-05T08:00:00Z".parse().unwrap());
    assert_eq!(
        alarms,
        [
            (
                AlarmTrigger::Offset { seconds: -900, relative_to: RelativeTo::Start },
                AlarmAction::Display,
                None
            ),
            (AlarmTrigger::Offset { seconds: -600, relative_to: RelativeTo::End }, AlarmAction::Audio, None),
            (absolute, AlarmAction::Email, Some("Go".to_owned())),
        ]
    );
    assert_eq!(item.issues[0].kind, IssueKind::BadAlarm);
}

#[test]
fn rec_01_exdate_with_tzid() {
    let event = one_event(
        "DTSTART;TZID=Europe/Vienna:20151201T183000\nRRULE:FREQ=WEEKLY;UNTIL=20151215T225959Z;BYDAY=TU
        EXDATE;TZID=Europe/Vienna:20151208T183000",
    );
    assert_eq!(overrides(&event), "20151208T173000Z=E");
}

#[test]
fn rec_02_date_exdate_on_timed_series() {
    let start = "DTSTART;TZID=Europe/Berlin:20260310T100000\nRRULE:FREQ=WEEKLY\n";
    for (line, expected) in [
        ("EXDATE;VALUE=DATE:20260317", "20260317T090000Z=E"),
        ("EXDATE:20260317", "20260317T090000Z=E"),
        ("EXDATE:20260317T100000", "20260317T090000Z=E"),
        ("EXDATE:20260317T090000Z,20260324T090000Z", "20260317T090000Z=E 20260324T090000Z=E"),
        ("EXDATE;TZID=Europe/London:20260317T090000", "20260317T090000Z=E"),
        ("RDATE;VALUE=PERIOD:20260318T090000Z/PT3H", "20260318T090000Z=A"),
        ("RDATE:20260318T090000Z\nEXDATE:20260318T090000Z", "20260318T090000Z=E"),
        ("EXDATE:rubbish,20260317T090000Z", "20260317T090000Z=E"),
    ] {
        assert_eq!(overrides(&one_event(&format!("{start}{line}"))), expected, "{line}");
    }
    let all_day = one_event("DTSTART;VALUE=DATE:20260310\nRRULE:FREQ=WEEKLY\nEXDATE:20260317T000000Z");
    assert_eq!(overrides(&all_day), "20260317=E");
}

fn series(master: &str, instances: &[&str]) -> String {
    let instances: String =
        instances.iter().map(|lines| format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\n")).collect();
    calendar(&format!("BEGIN:VEVENT\nUID:1\n{master}\nEND:VEVENT\n{instances}"))
}

#[test]
fn dup_11_instance_keys_are_instants() {
    let text = series(
        "DTSTART;TZID=Europe/Stockholm:20260105T190000\nRRULE:FREQ=DAILY",
        &[
            "RECURRENCE-ID;TZID=Europe/London:20260107T180000\nDTSTART;TZID=Europe/London:20260107T200000\nSEQUENCE:1",
            "RECURRENCE-ID;TZID=Europe/Stockholm:20260107T190000\nDTSTART;TZID=Europe/London:20260107T210000\nSEQUENCE:2",
        ],
    );
    let item = one(&text);
    assert_eq!(overrides(&item.event), "20260107T180000Z=C");
    let Some(Override::Changed { body, .. }) = item.event.overrides.values().next() else { panic!() };
    assert_eq!(show(&body.time.start), "2026-01-07 21:00:00 Europe/London", "the newer version counts");
    assert_eq!(item.spans.len(), 3);
    assert!(item.issues.iter().any(|issue| issue.kind == IssueKind::DuplicateDropped));
}

#[test]
fn time_08_late_evening_instances_keep_their_day() {
    let text = series(
        "DTSTART;TZID=America/Los_Angeles:20260601T233000\nRRULE:FREQ=DAILY",
        &[
            "RECURRENCE-ID;TZID=America/Los_Angeles:20260603T233000\nDTSTART;TZID=America/Los_Angeles:20260603T220000",
        ],
    );
    assert_eq!(overrides(&one(&text).event), "20260604T063000Z=C");
    let by_date = series(
        "DTSTART;TZID=America/Los_Angeles:20260601T233000\nRRULE:FREQ=DAILY",
        &["RECURRENCE-ID;VALUE=DATE;RANGE=THISANDFUTURE:20260603\nDTSTART:20260604T050000Z"],
    );
    let event = one(&by_date).event;
    assert_eq!(overrides(&event), "20260604T063000Z=C");
    assert!(matches!(
        event.overrides.values().next(),
        Some(Override::Changed { scope: OverrideScope::ThisAndFuture, .. })
    ));
}

#[test]
fn rec_04_rules_inside_overrides_are_ignored() {
    let text = series(
        "DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY",
        &[
            "RECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z\nRRULE:FREQ=DAILY\nEXDATE:20260109T090000Z\nRDATE:20260110T090000Z",
        ],
    );
    let item = one(&text);
    assert_eq!(overrides(&item.event), "20260106T090000Z=C");
    assert_eq!(item.event.rules.len(), 1);
    assert!(item.issues.iter().any(|issue| issue.kind == IssueKind::RuleInOverride));
}

#[test]
fn rec_05_an_override_with_a_rule_and_no_master_is_a_series() {
    let item = one(&event_text("RECURRENCE-ID:20200106T090000Z\nDTSTART:20260106T100000Z\nRRULE:FREQ=DAILY"));
    assert_eq!(item.event.rules.len(), 1);
    assert_eq!(span(&item.event), "2026-01-06 10:00:00Z / 2026-01-06 10:00:00Z");
    assert_eq!(item.issues[0].kind, IssueKind::OverrideIsSeries);
}

#[test]
fn rec_10_overrides_without_a_master() {
    let item = one(&event_text(
        "RECURRENCE-ID;TZID=Europe/Berlin:20260106T100000\nDTSTART;TZID=Europe/Berlin:20260106T110000",
    ));
    assert_eq!(item.event.master, None);
    assert_eq!(overrides(&item.event), "20260106T090000Z=C");
    assert_eq!(item.issues[0].kind, IssueKind::MasterMissing);
}

#[test]
fn rec_16_rules_nobody_understands_are_kept_as_text() {
    let item = one(&event_text("DTSTART:20260105T090000Z\nRRULE:FREQ=YEARLY;INTERVAL=0"));
    assert!(
        matches!(&item.event.rules[0], calsync_core::model::RuleEntry::Opaque { text, .. } if text == "FREQ=YEARLY;INTERVAL=0")
    );
    assert_eq!(item.issues[0].kind, IssueKind::OpaqueRule);
}

#[test]
fn bad_02_one_bad_item_among_a_hundred() {
    for (bad, reason) in [
        ("DTSTART;TZID=Mars/Olympus:20260105T090000", QuarantineReason::UnknownZone { property: "DTSTART" }),
        ("SUMMARY:no start", QuarantineReason::NoStart),
        ("DTSTART:00000000T000000", QuarantineReason::BadTime { property: "DTSTART" }),
        ("DTSTART:20260105\nRECURRENCE-ID:x", QuarantineReason::BadTime { property: "RECURRENCE-ID" }),
    ] {
        let good: String = (0..99)
            .map(|n| format!("BEGIN:VEVENT\nUID:{n}\nDTSTART:20260105T090000Z\nEND:VEVENT\n"))
            .collect();
        let (before, after) = good.split_at(good.match_indices("BEGIN").nth(40).unwrap().0);
        let text = calendar(&format!("{before}BEGIN:VEVENT\nUID:bad\n{bad}\nEND:VEVENT\n{after}"));
        let document = read(&text);
        assert_eq!(document.items.len(), 99);
        assert!(document.is_complete);
        let item = &document.quarantined[0];
        assert_eq!((item.uid.as_deref(), item.reason), (Some("bad"), reason));
        assert!(text[item.spans[0].clone()].starts_with("BEGIN:VEVENT\r\nUID:bad"));
        assert!(text[item.spans[0].clone()].ends_with("END:VEVENT\r\n"));
    }
}

#[test]
fn a_series_with_a_broken_part_is_set_aside_whole() {
    let text =
        series("DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY", &["RECURRENCE-ID:20260106T090000Z\nSUMMARY:x"]);
    let document = read(&text);
    assert_eq!((document.items.len(), document.quarantined.len()), (0, 1));
    assert_eq!(document.quarantined[0].spans.len(), 2);
}

#[test]
fn bad_10_byte_order_mark_and_several_calendars() {
    let one_calendar = |uid: &str| {
        format!(
            "BEGIN:VCALENDAR\r\nNAME:{uid}\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTART:20260105\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        )
    };
    let text = format!("\u{feff}\r\n{}{}", one_calendar("a"), one_calendar("b"));
    let document = read(&text);
    let uids: Vec<_> = document.items.iter().map(|item| item.event.uid.as_str()).collect();
    assert_eq!(uids, ["a", "b"]);
    assert_eq!(document.info.name.as_deref(), Some("a"));
}

#[test]
fn bad_13_a_page_is_not_a_calendar() {
    for input in [
        "",
        "<html>",
        "%PDF-1.4",
        "PK\u{3}\u{4}",
        "{\"error\":\"gone\"}",
        "VERSION:2.0",
        "BEGIN:VEVENT\nEND:VEVENT",
    ] {
        assert_eq!(
            read_calendar(input, &ReadOptions::default()).unwrap_err(),
            IcalError::NotICalendar,
            "{input}"
        );
    }
    assert_eq!(
        read_calendar(calendar("CALSCALE:HEBREW\n"), &ReadOptions::default()).unwrap_err(),
        IcalError::CalendarScale
    );
}

#[test]
fn bad_14_bombs_give_typed_errors() {
    let nested = format!("BEGIN:VCALENDAR\r\n{}", "BEGIN:VALARM\r\n".repeat(4300));
    assert!(matches!(read_calendar(&nested, &ReadOptions::default()), Err(IcalError::TooDeep { .. })));
    let mut options = ReadOptions::default();
    options.limits.max_bytes = 1000;
    options.limits.max_components = 5;
    let flat = "BEGIN:VEVENT\nEND:VEVENT\n".repeat(6);
    assert_eq!(
        read_calendar(calendar(&flat), &options).unwrap_err(),
        IcalError::TooManyComponents { limit: 5 }
    );
    let large = "X:1\n".repeat(300);
    assert!(matches!(
        read_calendar(calendar(&large), &options),
        Err(IcalError::TooLarge { limit: 1000, .. })
    ));
}

#[test]
fn bad_16_limits_per_item_set_only_that_item_aside() {
    let mut options = ReadOptions::default();
    options.limits.max_line_bytes = 100;
    options.limits.max_lines_per_component = 20;
    options.limits.max_dates_per_event = 5;
    options.limits.max_overrides_per_event = 3;
    let good = "BEGIN:VEVENT\nUID:good\nDTSTART:20260105\nEND:VEVENT\n";
    let instances: String = (10..14)
        .map(|day| {
            format!("BEGIN:VEVENT\nUID:bad\nRECURRENCE-ID:202601{day}\nDTSTART:202601{day}\nEND:VEVENT\n")
        })
        .collect();
    for (bad, reason) in [
        (format!("DESCRIPTION:{}", "x".repeat(100)), QuarantineReason::LineTooLong),
        ("X-A:1\n".repeat(20), QuarantineReason::TooManyLines),
        (
            "EXDATE:20260105,20260106,20260107,20260108,20260109,20260110".to_owned(),
            QuarantineReason::TooManyDates,
        ),
        (
            format!("END:VEVENT\n{instances}BEGIN:VEVENT\nUID:other\nDTSTART:20260105"),
            QuarantineReason::TooManyOverrides,
        ),
    ] {
        let text = calendar(&format!("BEGIN:VEVENT\nUID:bad\nDTSTART:20260105\n{bad}\nEND:VEVENT\n{good}"));
        let document = read_calendar(&text, &options).unwrap();
        assert_eq!(document.quarantined.iter().map(|item| item.reason).collect::<Vec<_>>(), [reason]);
        assert!(document.items.iter().any(|item| item.event.uid == "good"));
    }
}

#[test]
fn a_truncated_feed_says_so() {
    let whole = calendar(
        "BEGIN:VEVENT\nUID:1\nDTSTART:20260105\nEND:VEVENT\nBEGIN:VEVENT\nUID:2\nDTSTART:20260106\nEND:VEVENT\n",
    );
    assert!(read(&whole).is_complete);
    for cut in [whole.len() - 5, whole.find("END:VCALENDAR").unwrap(), whole.rfind("DTSTART").unwrap() + 12] {
        let document = read(&whole[..cut]);
        assert!(!document.is_complete, "cut at {cut}");
        assert_eq!(document.items[0].event.uid, "1");
    }
    assert_eq!(
        quarantined("BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:1\nDTSTART:2026"),
        QuarantineReason::Truncated
    );
}

#[test]
fn bad_19_the_same_event_in_every_dress() {
    let plain = "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260105T090000Z\r\nSUMMARY:Caf\u{e9} and cake\r\nSTATUS:CONFIRMED\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    let expected = one(plain).event;
    let latin_1: Vec<u8> = plain.chars().map(|char| char as u8).collect();
    assert_eq!(read_calendar(&latin_1, &ReadOptions::default()).unwrap().items[0].event, expected);
    for text in [
        plain.replace("\r\n", "\n"),
        plain.replace("\r\n", "\r"),
        plain.replace("\r\n", "\r\r\n"),
        plain.replace("\r\n", " \r\n").replace("cake \r\n", "cake\r\n"),
        plain.replace("\r\n", "\r\n\r\n"),
        plain.replace("and cake", "an\r\n\td cake"),
        plain.replace("and cake", "and\r\n cake").replace("\r\n cake", "\r\n  cake"),
        plain.to_lowercase().replace("caf\u{e9}", "Caf\u{e9}"),
        plain.replace("SUMMARY", "SUM\r\n MARY"),
        plain.replace("BEGIN:VEVENT\r\n", "BEGIN:VEVENT\r\njunk without colon\r\n"),
        plain.replace("END:VEVENT\r\n", ""),
    ] {
        assert_eq!(one(&text).event, expected, "{text:?}");
    }
}

#[test]
fn a_fold_that_lost_its_blank_is_joined() {
    let item = one(&event_text("DTSTART:20260105\nSUMMARY:one two\nthree\nLOCATION:x"));
    assert_eq!(item.event.master.unwrap().title.as_deref(), Some("one twothree"));
    assert_eq!(item.issues[0].kind, IssueKind::LooseLine);
}

#[test]
fn time_09_a_known_name_wins_over_a_bogus_definition() {
    let zone = "BEGIN:VTIMEZONE\nTZID:Europe/Berlin\nBEGIN:STANDARD\nDTSTART:19700101T000000\nTZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\n";
    let text = calendar(&format!(
        "BEGIN:VEVENT\nUID:1\nDTSTART;TZID=Europe/Berlin:20260705T090000\nEND:VEVENT\n{zone}"
    ));
    let event = one(&text).event;
    assert_eq!(
        event.master.unwrap().time.start.absolute().unwrap().to_rfc3339(),
        "2026-07-05T07:00:00+00:00"
    );
}

#[test]
fn time_06_zones_are_kept_whatever_they_are_called() {
    for (tzid, expected) in [
        ("Europe/Paris", "Europe/Paris"),
        ("europe/paris", "Europe/Paris"),
        ("\"Europe/Paris\"", "Europe/Paris"),
        ("/freeassociation.sourceforge.net/Europe/Paris", "Europe/Paris"),
        ("Romance Standard Time", "Europe/Paris"),
    ] {
        let event = one_event(&format!("DTSTART;TZID={tzid}:20260105T090000"));
        assert_eq!(event.master.unwrap().time.start.zone().unwrap().name(), expected, "{tzid}");
    }
}

#[test]
fn the_calendar_zone_stands_in_and_applies_when_asked() {
    let text = calendar(
        "X-WR-TIMEZONE:Europe/Berlin\nBEGIN:VEVENT\nUID:1\nDTSTART;TZID=Mars/Olympus:20260105T090000\nEND:VEVENT
        BEGIN:VEVENT\nUID:2\nDTSTART:20260105T090000\nEND:VEVENT
        BEGIN:VEVENT\nUID:3\nDTSTART:20260105T090000Z\nRRULE:FREQ=DAILY\nEND:VEVENT
        BEGIN:VEVENT\nUID:4\nDTSTART:20260105T090000Z\nEND:VEVENT\n",
    );
    let starts = |options: &ReadOptions| -> Vec<String> {
        let document = read_calendar(&text, options).unwrap();
        document.items.iter().map(|item| show(&item.event.master.as_ref().unwrap().time.start)).collect()
    };
    let utc = "2026-01-05 09:00:00Z";
    assert_eq!(
        starts(&ReadOptions::default()),
        ["2026-01-05 09:00:00 Europe/Berlin", "~2026-01-05 09:00:00", utc, utc]
    );
    let mut apply = ReadOptions::default();
    apply.calendar_zone = CalendarZoneUse::Apply;
    assert_eq!(
        starts(&apply),
        [
            "2026-01-05 09:00:00 Europe/Berlin",
            "2026-01-05 09:00:00 Europe/Berlin",
            "2026-01-05 10:00:00 Europe/Berlin",
            utc,
        ]
    );
}

#[test]
fn loop_08_items_without_a_uid_get_the_same_one_again() {
    let item = "BEGIN:VEVENT\nDTSTART:20260105T090000Z\nSUMMARY:Match\nDTSTAMP:STAMP\nEND:VEVENT\n";
    let fetch = |stamp: &str| read(&calendar(&item.repeat(2).replace("STAMP", stamp)));
    let (first, second) = (fetch("20260101T000000Z"), fetch("20260102T000000Z"));
    let uids = |document: &CalendarDocument| -> Vec<String> {
        document.items.iter().map(|item| item.event.uid.clone()).collect()
    };
    assert_eq!(uids(&first), uids(&second));
    assert_ne!(uids(&first)[0], uids(&first)[1]);
    assert_eq!(first.items[0].event.uid_origin, UidOrigin::Derived);
    assert_eq!(first.items[0].issues[0].kind, IssueKind::UidDerived);
    let mut other_feed = ReadOptions::default();
    other_feed.feed_key = "https://example.com/other.ics".to_owned();
    let other = read_calendar(calendar(item), &other_feed).unwrap();
    assert_ne!(other.items[0].event.uid, uids(&first)[0]);
}

#[test]
fn loop_08_a_feed_with_new_uids_on_every_fetch() {
    let mut options = ReadOptions::default();
    options.identity = ItemIdentity::Content;
    let fetch = |uid: &str| {
        let text = calendar(&format!("BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260105\nSUMMARY:x\nEND:VEVENT\n"));
        read_calendar(text, &options).unwrap().items.remove(0).event
    };
    assert_eq!(fetch("a"), fetch("b"));
}

#[test]
fn shared_uids() {
    let event = |lines: &str| format!("BEGIN:VEVENT\nUID:1\n{lines}\nEND:VEVENT\n");
    let uids = |lines: &str| -> Vec<String> {
        read(&calendar(lines)).items.iter().map(|item| item.event.uid.clone()).collect()
    };
    let a = event("DTSTART:20260105T090000Z\nSUMMARY:old\nSEQUENCE:1");
    let newer = event("DTSTART:20260105T090000Z\nSUMMARY:new\nSEQUENCE:2");
    let other_day = event("DTSTART:20260106\nSUMMARY:b");
    assert_eq!(uids(&format!("{a}{a}")), ["1"]);
    assert_eq!(uids(&format!("{a}{other_day}")), ["1", "1#20260106"]);
    assert_eq!(uids(&format!("{other_day}{a}")), ["1#20260106", "1"]);
    for text in [format!("{a}{newer}"), format!("{newer}{a}")] {
        let item = one(&calendar(&text));
        assert_eq!(item.event.master.unwrap().title.as_deref(), Some("new"));
        assert_eq!(item.issues[0].kind, IssueKind::DuplicateDropped);
    }
    let series = event("DTSTART:20260107\nRRULE:FREQ=DAILY\nSEQUENCE:3");
    // Nothing is hidden by a series: a single event of another day is an event.
    for text in [format!("{a}{series}{other_day}"), format!("{other_day}{series}{a}{newer}")] {
        let document = read(&calendar(&text));
        let mut uids: Vec<&str> = document.items.iter().map(|item| item.event.uid.as_str()).collect();
        uids.sort_unstable();
        assert_eq!(uids, ["1", "1#20260105T090000Z", "1#20260106"]);
        for item in &document.items {
            assert_eq!(item.event.is_series(), item.event.uid == "1");
            assert!(item.issues.iter().any(|issue| issue.kind == IssueKind::UidShared));
        }
        let spans: usize = document.items.iter().map(|item| item.spans.len()).sum();
        assert_eq!(spans, text.matches("BEGIN:VEVENT").count());
    }
    // One that starts with the series is a version of it.
    let before = event("DTSTART:20260107\nSEQUENCE:2");
    let after = event("DTSTART:20260107\nSEQUENCE:4");
    assert!(one(&calendar(&format!("{before}{series}"))).event.is_series());
    assert!(!one(&calendar(&format!("{after}{series}"))).event.is_series());
    // A series of dates alone is one as well.
    let dates = event("DTSTART:20260107\nRDATE;VALUE=DATE:20260109");
    assert_eq!(uids(&format!("{a}{dates}")), ["1#20260105T090000Z", "1"]);
}

#[test]
fn uids_compare_byte_by_byte() {
    let texts = ["caf\u{e9}", "cafe\u{301}", "A", "a", "a\u{200b}"];
    let lines: String =
        texts.iter().map(|uid| format!("BEGIN:VEVENT\nUID:{uid}\nDTSTART:20260105\nEND:VEVENT\n")).collect();
    let document = read(&calendar(&lines));
    let uids: Vec<_> = document.items.iter().map(|item| item.event.uid.as_str()).collect();
    assert_eq!(uids, texts);
}

#[test]
fn calendar_properties() {
    let document = read(&calendar(
        "METHOD:publish\nX-WR-CALNAME:Old\nNAME:New\\, name\nX-WR-CALDESC:Text\nX-APPLE-CALENDAR-COLOR:#ff0000ff
        REFRESH-INTERVAL;VALUE=DURATION:PT1H\nX-PUBLISHED-TTL:PT12H\nX-WR-TIMEZONE:Europe/Berlin\nBEGIN:VTODO\nUID:t\nEND:VTODO\n",
    ));
    let info = document.info;
    assert_eq!((info.name.as_deref(), info.description.as_deref()), (Some("New, name"), Some("Text")));
    assert_eq!(info.color.as_deref(), Some("#ff0000ff"));
    assert_eq!(info.refresh_interval.unwrap().num_minutes(), 60);
    assert_eq!((info.zone_name.as_deref(), info.method.as_deref()), (Some("Europe/Berlin"), Some("PUBLISH")));
    assert_eq!(document.other_components, 1);
    let cancelled = one(&calendar("METHOD:CANCEL\nBEGIN:VEVENT\nUID:1\nDTSTART:20260105\nEND:VEVENT\n"));
    assert_eq!(cancelled.event.master.unwrap().status, Some(Status::Cancelled));
}

#[test]
fn the_streaming_reader_gives_the_same() {
    let text = series(
        "DTSTART:20260105T090000Z\nRRULE:FREQ=DAILY",
        &["RECURRENCE-ID:20260106T090000Z\nDTSTART:20260106T100000Z"],
    );
    let items: Vec<_> = CalendarReader::new(text.as_bytes(), &ReadOptions::default())
        .unwrap()
        .map(|item| item.unwrap().event)
        .collect();
    assert_eq!(items, [one(&text).event]);
}

#[test]
fn nothing_private_is_in_debug() {
    let text = event_text("DTSTART:20260105\nSUMMARY:Secret meeting\nATTENDEE:mailto:ann@example.com");
    let document = read(&text);
    let reader = CalendarReader::new(text.as_bytes(), &ReadOptions::default()).unwrap();
    let debug = format!("{document:?} {reader:?} {:?}", calsync_core::ical::Document::new(text.as_bytes()));
    assert!(!debug.contains("Secret") && !debug.contains("ann@"), "{debug}");
}

/// Texts that make a careless reader look at the same bytes again and again. They take no time, or the test never ends.
#[test]
fn bad_16_lines_of_quotes_and_folds_are_read_once() {
    for line in [
        format!("ATTENDEE;{}:mailto:a@example.com", "A=\"x;".repeat(150_000)),
        format!("ATTENDEE;{}:mailto:a@example.com", "=\"".repeat(400_000)),
        format!("ATTENDEE;CN={}:mailto:a@example.com", "\"x,".repeat(250_000)),
        format!("SUMMARY:{}", "\\".repeat(900_000)),
        format!("SUMMARY:x{}", "\r\n ".repeat(300_000)),
        format!("CATEGORIES:{}", "a,".repeat(450_000)),
        "CONFERENCE:https://a\n".to_owned()
            + &(0..18_000).map(|n| format!("CONFERENCE:https://{n}\n")).collect::<String>(),
    ] {
        let text = format!(
            "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:20260105\r\n{line}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        assert_eq!(one(&text).event.uid, "1");
    }
    let returns = format!("BEGIN:VCALENDAR\r\n{}END:VCALENDAR\r\n", "\r".repeat(4_000_000));
    assert!(read(&returns).is_complete);
}
