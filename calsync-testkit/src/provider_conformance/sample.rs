//! The events the suite puts into a service, in the model and as iCalendar.

use std::collections::BTreeMap;

use calsync_core::{
    model::{Event, EventBody, EventTime, Override, Participant, Person, RecurrenceId, TimeSpan},
    recurrence::RuleEntry,
    zone::Zone,
};
use chrono::{NaiveDate, NaiveDateTime};

use super::Edit;

/// An item as somebody else stores it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sample {
    /// An hour from 09:00 UTC on the 10th of January 2026 and as many days later as the number says, in `Room`; titled
    /// `single` and the number. UID `single-N`.
    Single(u8),
    /// From Monday 2026-02-02 to Wednesday 2026-02-04, whole days; titled `days off`. UID `days-off`.
    AllDay,
    /// 90 minutes from 09:00 on 2026-03-30 in Berlin, the first working day of summer time; titled `summer`. UID `summer`.
    Zoned,
    /// Five Mondays from 2026-01-12, 10:00 to 11:00 in Berlin; titled `weekly`. The second takes place on Tuesday the
    /// 20th at 15:00 for an hour, titled `moved`; the third is cancelled. UID `weekly`.
    Series,
    /// An hour from 09:00 UTC on 2026-01-10; titled `meeting`. Organised by the account, with `bob@example.com` invited.
    /// UID `meeting`.
    Meeting,
    /// An item the service lists and nobody can make sense of.
    Broken,
}

impl Sample {
    /// The UID.
    pub fn uid(self) -> String {
        match self {
            Self::Single(number) => format!("single-{number}"),
            Self::AllDay => "days-off".to_owned(),
            Self::Zoned => "summer".to_owned(),
            Self::Series => "weekly".to_owned(),
            Self::Meeting => "meeting".to_owned(),
            Self::Broken => "broken".to_owned(),
        }
    }

    /// When it takes place and under which title: the truth that what is read is compared with. Instants in UTC; whole
    /// days from the first up to, not including, the last.
    pub fn shown(self) -> Vec<String> {
        match self {
            Self::Single(number) => {
                let day = 10 + u32::from(number);
                vec![format!("2026-01-{day:02}T09:00Z/2026-01-{day:02}T10:00Z single {number}")]
            }
            Self::AllDay => vec!["2026-02-02/2026-02-05 days off".to_owned()],
            Self::Zoned => vec!["2026-03-30T07:00Z/2026-03-30T08:30Z summer".to_owned()],
            Self::Series => [
                "2026-01-12T09:00Z/2026-01-12T10:00Z weekly",
                "2026-01-20T14:00Z/2026-01-20T15:00Z moved",
                "2026-02-02T09:00Z/2026-02-02T10:00Z weekly",
                "2026-02-09T09:00Z/2026-02-09T10:00Z weekly",
            ]
            .map(ToOwned::to_owned)
            .to_vec(),
            Self::Meeting => vec!["2026-01-10T09:00Z/2026-01-10T10:00Z meeting".to_owned()],
            Self::Broken => Vec::new(),
        }
    }

    /// The event in the model; for [`Sample::Broken`] there is none, and it is a single one.
    pub fn event(self) -> Event {
        let utc = |day: u32, hour: u32| EventTime::Utc(clock(1, day, hour, 0).and_utc());
        let body = |title: &str, start: EventTime, end: EventTime| EventBody {
            title: Some(title.to_owned()),
            ..EventBody::new(TimeSpan { start, end })
        };
        let uid = self.uid();
        match self {
            Self::Single(number) => {
                let day = 10 + u32::from(number);
                let title = format!("single {number}");
                let location = Some("Room".to_owned());
                Event::single(uid, EventBody { location, ..body(&title, utc(day, 9), utc(day, 10)) })
            }
            Self::AllDay => {
                let time = TimeSpan::all_day(date(2, 2), date(2, 4));
                let title = Some("days off".to_owned());
                Event::single(uid, EventBody { title, ..EventBody::new(time) })
            }
            Self::Zoned => Event::single(uid, body("summer", berlin(3, 30, 9, 0), berlin(3, 30, 10, 30))),
            Self::Series => {
                let moved = body("moved", berlin(1, 20, 15, 0), berlin(1, 20, 16, 0));
                let key = |day| RecurrenceId::of(&berlin(1, day, 10, 0));
                let mut event =
                    Event::single(uid, body("weekly", berlin(1, 12, 10, 0), berlin(1, 12, 11, 0)));
                event.rules = vec![RuleEntry::read("FREQ=WEEKLY;COUNT=5")];
                event.overrides = BTreeMap::from([
                    (key(19), Override::Changed { body: Box::new(moved), scope: Default::default() }),
                    (key(26), Override::Excluded),
                ]);
                event
            }
            Self::Meeting | Self::Broken => {
                let person = Person { address: "bob@example.com".to_owned(), name: None };
                let bob = Participant {
                    person,
                    status: Default::default(),
                    role: Default::default(),
                    expect_reply: true,
                };
                Event::single(
                    uid,
                    EventBody { participants: vec![bob], ..body("meeting", utc(10, 9), utc(10, 10)) },
                )
            }
        }
    }
}

pub(super) fn date(month: u32, day: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, month, day).expect("a date")
}

fn clock(month: u32, day: u32, hour: u32, minute: u32) -> NaiveDateTime {
    date(month, day).and_hms_opt(hour, minute, 0).expect("a time of day")
}

pub(super) fn berlin(month: u32, day: u32, hour: u32, minute: u32) -> EventTime {
    EventTime::zoned(clock(month, day, hour, minute), Zone::from_iana("Europe/Berlin").expect("a zone"))
}

const ZONE: &str = "BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\nBEGIN:STANDARD\r\nDTSTART:19961027T030000\r\n\
    TZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\n\
    BEGIN:DAYLIGHT\r\nDTSTART:19810329T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\n\
    RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\nEND:VTIMEZONE\r\n";

/// A sample as a calendar file (RFC 5545), after these edits: for services that hold such files.
pub fn icalendar(sample: Sample, edits: &[Edit]) -> String {
    let title = |usual: &str| {
        let edited = edits.iter().rev().find_map(|edit| match edit {
            Edit::Title(title) => Some(*title),
            _ => None,
        });
        edited.unwrap_or(usual).to_owned()
    };
    let uid = sample.uid();
    let event = |time: &str, title: &str, more: &str| {
        format!(
            "BEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260105T120000Z\r\n{time}SUMMARY:{title}\r\n{more}END:VEVENT\r\n"
        )
    };
    let components = match sample {
        Sample::Single(number) => {
            let day = 10 + number;
            let time = format!("DTSTART:202601{day:02}T090000Z\r\nDTEND:202601{day:02}T100000Z\r\n");
            event(&time, &title(&format!("single {number}")), "LOCATION:Room\r\n")
        }
        Sample::AllDay => {
            event("DTSTART;VALUE=DATE:20260202\r\nDTEND;VALUE=DATE:20260205\r\n", &title("days off"), "")
        }
        Sample::Zoned => {
            let time =
                "DTSTART;TZID=Europe/Berlin:20260330T090000\r\nDTEND;TZID=Europe/Berlin:20260330T103000\r\n";
            format!("{ZONE}{}", event(time, &title("summer"), ""))
        }
        Sample::Series => {
            let time = |key: &str, start: &str, end: &str| {
                format!("{key}DTSTART;TZID=Europe/Berlin:{start}\r\nDTEND;TZID=Europe/Berlin:{end}\r\n")
            };
            let mut rule =
                "RRULE:FREQ=WEEKLY;COUNT=5\r\nEXDATE;TZID=Europe/Berlin:20260126T100000\r\n".to_owned();
            if edits.contains(&Edit::CancelInstance) {
                rule.push_str("EXDATE;TZID=Europe/Berlin:20260209T100000\r\n");
            }
            let moved = "RECURRENCE-ID;TZID=Europe/Berlin:20260119T100000\r\n";
            let changed = "RECURRENCE-ID;TZID=Europe/Berlin:20260202T100000\r\n";
            let instance = edits.iter().rev().find_map(|edit| match edit {
                Edit::InstanceTitle(title) => {
                    Some(event(&time(changed, "20260202T100000", "20260202T110000"), title, ""))
                }
                _ => None,
            });
            format!(
                "{ZONE}{}{}{}",
                event(&time("", "20260112T100000", "20260112T110000"), &title("weekly"), &rule),
                event(&time(moved, "20260120T150000", "20260120T160000"), "moved", ""),
                instance.unwrap_or_default(),
            )
        }
        Sample::Meeting => event(
            "DTSTART:20260110T090000Z\r\nDTEND:20260110T100000Z\r\n",
            &title("meeting"),
            "ORGANIZER:mailto:ann@example.com\r\nATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:bob@example.com\r\n",
        ),
        Sample::Broken => event("DTSTART:tomorrow\r\n", "broken", ""),
    };
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//calsync//conformance//EN\r\n{components}END:VCALENDAR\r\n"
    )
}
