//! What we write, read by another implementation: the `icalendar` crate.
//!
//! It is a peer and not a part of calsync: docs/adr/0002-lossless-icalendar.md says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout, reason = "helpers of tests")]

use calsync_core::ical::{PeoplePolicy, WriteOptions, write_new};
use calsync_core::model::{
    Alarm, Event, EventBody, EventTime, FreeBusyStatus, Override, OverrideScope, Participant,
    ParticipationStatus, Person, Privacy, Role, RuleEntry, Status, TimeSpan,
};
use calsync_core::recurrence::RecurrenceRule;
use calsync_core::zone::Zone;
use chrono::NaiveDate;
use icalendar::{Calendar, CalendarComponent, CalendarDateTime, Component, DatePerhapsTime, EventLike};
use proptest::prelude::*;

fn peer(text: &str) -> Vec<icalendar::Event> {
    let calendar: Calendar = text.parse().expect("the peer reads it");
    let events = calendar.components.into_iter().filter_map(|component| match component {
        CalendarComponent::Event(event) => Some(event),
        _ => None,
    });
    events.collect()
}

fn options() -> WriteOptions {
    let mut options = WriteOptions::new("2026-01-01T00:00:00Z".parse().unwrap());
    options.people = PeoplePolicy::Write;
    options
}

fn at(day: u32, hour: u32) -> EventTime {
    let local = NaiveDate::from_ymd_opt(2026, 3, day).unwrap().and_hms_opt(hour, 0, 0).unwrap();
    EventTime::zoned(local, Zone::from_iana("Europe/Berlin").unwrap())
}

#[test]
fn the_peer_reads_every_field() {
    let mut body = EventBody::new(TimeSpan { start: at(2, 9), end: at(2, 10) });
    body.title = Some("Tea, cake; and \\ more\nlines".to_owned());
    body.location = Some("Room \u{1F600}".repeat(20));
    body.status = Some(Status::Tentative);
    body.privacy = Some(Privacy::Secret);
    body.free_busy = Some(FreeBusyStatus::Free);
    body.priority = Some(3);
    body.participants = (0..3)
        .map(|n| Participant {
            person: Person { address: format!("p{n}@example.com"), name: Some(format!("P: \"{n}\"")) },
            status: ParticipationStatus::Accepted,
            role: Role::Optional,
            expect_reply: true,
        })
        .collect();
    body.alarms = vec![Alarm::display_before(900)];
    let mut event = Event::single("uid-1", body.clone());
    event.rules = vec![RuleEntry::Rule(RecurrenceRule::parse("FREQ=WEEKLY;BYDAY=MO").unwrap())];
    let moved = EventBody { time: TimeSpan { start: at(9, 11), end: at(9, 12) }, ..body };
    let id = calsync_core::model::RecurrenceId::of(&at(9, 9));
    event.overrides.insert(id, Override::Changed { body: Box::new(moved), scope: OverrideScope::This });

    let text = write_new(&event, &options());
    let events = peer(&text);
    assert_eq!(events.len(), 2);
    let master = &events[0];
    assert_eq!(master.get_uid(), Some("uid-1"));
    assert_eq!(master.get_summary(), Some("Tea, cake; and \\ more\nlines"));
    assert_eq!(master.get_location(), Some("Room \u{1F600}".repeat(20).as_str()));
    assert_eq!(master.get_status(), Some(icalendar::EventStatus::Tentative));
    assert_eq!(master.get_priority(), Some(3));
    assert_eq!(master.property_value("RRULE"), Some("FREQ=WEEKLY;BYDAY=MO"));
    assert_eq!(master.property_value("TRANSP"), Some("TRANSPARENT"));
    assert_eq!(master.multi_properties()["ATTENDEE"].len(), 3);
    let start = DatePerhapsTime::DateTime(CalendarDateTime::WithTimezone {
        date_time: at(2, 9).local(),
        tzid: "Europe/Berlin".into(),
    });
    assert_eq!(master.get_start(), Some(start));
    let id = events[1].properties().get("RECURRENCE-ID").unwrap();
    assert_eq!((id.value(), id.params()["TZID"].value()), ("20260309T090000", "Europe/Berlin"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: ProptestConfig::default().cases / 4, ..ProptestConfig::default() })]

    #[test]
    fn the_peer_reads_any_text(title in "([a-zé€😀]|\\\\|;|,|:|\"|\\^|\n| ){0,90}x", uid in "[a-z0-9-]{1,80}") {
        let mut body = EventBody::new(TimeSpan { start: at(2, 9), end: at(2, 10) });
        body.title = Some(title.clone());
        let events = peer(&write_new(&Event::single(uid.clone(), body), &options()));
        prop_assert_eq!(events.len(), 1);
        prop_assert_eq!(events[0].get_uid(), Some(uid.as_str()));
        prop_assert_eq!(events[0].get_summary(), Some(title.as_str()));
    }
}
