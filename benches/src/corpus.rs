//! Calendars of any size, always the same: about 1.1 KB for each event, with what calendars of companies carry.

use std::fmt::Write;
use std::path::PathBuf;

use chrono::{Datelike, NaiveDate, TimeDelta};

use crate::{Options, Outcome};

/// Changes whenever the generated text does, so that an old file is not used.
pub(crate) const EDITION: u32 = 2;

const HEAD: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Example//Benchmark//EN\r\nCALSCALE:GREGORIAN\r\n\
X-WR-CALNAME:Benchmark\r\n\
BEGIN:VTIMEZONE\r\nTZID:Europe/Berlin\r\n\
BEGIN:DAYLIGHT\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nTZNAME:CEST\r\nDTSTART:19700329T020000\r\n\
RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU\r\nEND:DAYLIGHT\r\n\
BEGIN:STANDARD\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nTZNAME:CET\r\nDTSTART:19701025T030000\r\n\
RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n";
const TAIL: &str = "END:VCALENDAR\r\n";

const WORDS: [&str; 24] = [
    "planning",
    "review",
    "budget",
    "quarterly",
    "meeting",
    "über",
    "draft",
    "agenda",
    "release",
    "customer",
    "workshop",
    "naïve",
    "schedule",
    "follow-up",
    "decision",
    "roadmap",
    "notes",
    "team",
    "office",
    "travel",
    "résumé",
    "support",
    "contract",
    "training",
];

/// The large file, made once and kept under `benches/target/data`.
pub(crate) fn file(options: &Options) -> Outcome<PathBuf> {
    let path = options.folder("data")?.join(format!("events-{}-v{EDITION}.ics", options.events));
    if !path.exists() {
        let mut text = String::with_capacity(options.events * 1_150 + 2_000);
        text.push_str(HEAD);
        (0..options.events).for_each(|number| event(&mut text, number));
        text.push_str(TAIL);
        // Under another name first: a run that was stopped leaves no half file.
        let part = path.with_extension("part");
        std::fs::write(&part, text)
            .and_then(|()| std::fs::rename(&part, &path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(path)
}

/// One event as a calendar of its own, as a CalDAV server holds it.
pub(crate) fn object(number: usize) -> String {
    let mut text = HEAD.to_owned();
    event(&mut text, number);
    text.push_str(TAIL);
    text
}

/// The UID of an event.
pub(crate) fn uid(number: usize) -> String {
    format!("event-{number:06}@bench.example.com")
}

/// A line, folded at 75 octets as RFC 5545 section 3.1 asks.
fn line(out: &mut String, content: &str) {
    let mut column = 0;
    for character in content.chars() {
        if column + character.len_utf8() > 75 {
            out.push_str("\r\n ");
            column = 1;
        }
        out.push(character);
        column += character.len_utf8();
    }
    out.push_str("\r\n");
}

/// Numbers that look random and are the same everywhere: Knuth's MMIX generator, its upper bits.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % bound
    }

    fn words(&mut self, count: usize) -> String {
        let words: Vec<&str> = (0..count).map(|_| WORDS[self.below(WORDS.len())]).collect();
        words.join(" ")
    }
}

fn event(out: &mut String, number: usize) {
    let mut random = Numbers(number as u64);
    random.below(2);
    let start =
        NaiveDate::from_ymd_opt(2020, 1, 6).unwrap_or_default() + TimeDelta::days(random.below(2_500) as i64);
    let day = start.format("%Y%m%d");
    let hour = 7 + random.below(12);
    let mut add = |content: String| line(out, &content);
    add("BEGIN:VEVENT".into());
    add(format!("UID:{}", uid(number)));
    add(format!("DTSTAMP:{day}T060000Z"));
    add(format!("CREATED:{day}T050000Z"));
    add(format!("LAST-MODIFIED:{day}T055959Z"));
    if number % 10 == 9 {
        add(format!("DTSTART;VALUE=DATE:{day}"));
        add(format!("DTEND;VALUE=DATE:{}", (start + TimeDelta::days(1)).format("%Y%m%d")));
    } else {
        add(format!("DTSTART;TZID=Europe/Berlin:{day}T{hour:02}0000"));
        add(format!("DTEND;TZID=Europe/Berlin:{day}T{hour:02}4500"));
        if number % 5 == 2 {
            let weekday = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"][start.weekday() as usize];
            add(format!("RRULE:FREQ=WEEKLY;COUNT={};BYDAY={weekday}", 10 + random.below(40)));
            let out_of = (start + TimeDelta::days(14)).format("%Y%m%d").to_string();
            add(format!("EXDATE;TZID=Europe/Berlin:{out_of}T{hour:02}0000"));
        }
    }
    add(format!("SUMMARY:{} {number}", random.words(3)));
    let mut description = String::new();
    for _ in 0..4 {
        let _ = write!(description, "{}\\, {}\\; see below.\\n", random.words(5), random.words(3));
    }
    add(format!("DESCRIPTION:{description}"));
    add(format!("LOCATION:Building {}\\, room {}", random.below(9), random.below(400)));
    add(format!("CATEGORIES:{},{}", random.words(1), random.words(1)));
    add(format!("URL:https://calendar.example.com/events/{number}"));
    add("ORGANIZER;CN=Organizer:mailto:organizer@example.com".into());
    for _ in 0..2 {
        let who = random.below(5_000);
        let state = ["NEEDS-ACTION", "ACCEPTED", "DECLINED", "TENTATIVE"][random.below(4)];
        add(format!(
            "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT={state};RSVP=TRUE;CN=\"Attendee, {who}\":mailto:attendee{who}@example.com"
        ));
    }
    add("STATUS:CONFIRMED".into());
    add("TRANSP:OPAQUE".into());
    add("CLASS:PUBLIC".into());
    add(format!("SEQUENCE:{}", random.below(4)));
    add(format!("X-EXAMPLE-ID;X-KIND=internal:{:08x}", random.below(1 << 30)));
    add("BEGIN:VALARM".into());
    add("ACTION:DISPLAY".into());
    add("DESCRIPTION:Reminder".into());
    add(format!("TRIGGER:-PT{}M", 5 * (1 + random.below(6))));
    add("END:VALARM".into());
    add("END:VEVENT".into());
}
