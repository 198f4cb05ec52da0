//! How fast, and in how much memory, a large calendar is read.
//!
//! `cargo run --release -p calsync-core --example ical_speed -- lines|stream|keep [events]`
//!
//! One step per run, so that the peak memory is that step's. The calendar is made up: 100,000 events of about 1 KiB.
#![allow(clippy::print_stdout, clippy::disallowed_methods, clippy::expect_used, reason = "a measuring tool")]

use std::fmt::Write;
use std::time::{Duration, Instant};

use calsync_core::ical::{CalendarReader, Document, ReadOptions, read_calendar};

fn calendar(events: usize) -> String {
    let mut out = String::with_capacity(events * 1100 + 100);
    out.push_str("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//speed//EN\r\nX-WR-TIMEZONE:Europe/Berlin\r\n");
    for n in 0..events {
        let (day, hour) = (n % 28 + 1, n % 20);
        write!(
            out,
            "BEGIN:VEVENT\r\nUID:{n:08}-4a1b-4c2d-8e3f@example.com\r\nDTSTAMP:20260101T000000Z\r\nCREATED:20250101T000000Z\r\n\
             LAST-MODIFIED:20250601T120000Z\r\nSEQUENCE:2\r\nDTSTART;TZID=Europe/Berlin:202603{day:02}T{hour:02}0000\r\n\
             DTEND;TZID=Europe/Berlin:202603{day:02}T{hour:02}3000\r\nSUMMARY:Planning round number {n}\\, third part\r\n\
             DESCRIPTION:A longer text about what is to be discussed\\, with an agenda\\nfirs\r\n t the review of last week\\nthen the plans for the next one\\nand at the end \r\n questions of all kinds\\; bring your notes\\, please.\r\n\
             LOCATION:Main building\\, room {day}\r\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;UNTIL=20261231T220000Z\r\n\
             EXDATE;TZID=Europe/Berlin:20260413T{hour:02}0000\r\nCATEGORIES:Work,Planning\r\nSTATUS:CONFIRMED\r\nTRANSP:OPAQUE\r\n\
             CLASS:PUBLIC\r\nORGANIZER;CN=\"Lead, the\":mailto:lead{n}@example.com\r\n\
             ATTENDEE;CN=First;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED:mailto:first@ex\r\n ample.com\r\n\
             ATTENDEE;CN=Second;ROLE=OPT-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:m\r\n ailto:second@example.com\r\n\
             X-CUSTOM-PROPERTY;X-PARAM=\"a;b\":kept as it is\r\nBEGIN:VALARM\r\nACTION:DISPLAY\r\nTRIGGER:-PT15M\r\nDESCRIPTION:Reminder\r\nEND:VALARM\r\nEND:VEVENT\r\n"
        )
        .expect("a String takes it");
    }
    out.push_str("END:VCALENDAR\r\n");
    out
}

fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// Processor time of this process, which other processes do not lengthen as they do the clock's.
fn processor_time(since: Instant) -> Duration {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds = stat.split_whitespace().next().and_then(|time| time.parse().ok());
    nanoseconds.map_or_else(|| since.elapsed(), Duration::from_nanos)
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let step = arguments.next().unwrap_or_else(|| "keep".to_owned());
    let events = arguments.next().and_then(|count| count.parse().ok()).unwrap_or(100_000);
    let text = calendar(events);
    let mut options = ReadOptions::default();
    options.limits.max_bytes = usize::MAX;
    options.limits.max_components = usize::MAX;
    let begin = Instant::now();
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..5 {
        // Kept until the time is taken: freeing the events is not reading them.
        let mut kept = None;
        let start = processor_time(begin);
        count = match step.as_str() {
            "lines" => Document::new(text.as_bytes()).lines().filter(|line| !line.is_folded()).count(),
            "unfold" => Document::new(text.as_bytes()).lines().map(|line| line.text().len()).sum(),
            "index" => CalendarReader::new(text.as_bytes(), &options).expect("a calendar").len_hint(),
            "stream" => CalendarReader::new(text.as_bytes(), &options)
                .expect("a calendar")
                .filter(Result::is_ok)
                .count(),
            _ => kept.insert(read_calendar(&text, &options).expect("a calendar")).items.len(),
        };
        times.push(processor_time(begin).saturating_sub(start));
    }
    times.sort();
    let speed = text.len() as f64 / 1e6 / times[2].as_secs_f64();
    println!(
        "{step}: {} MB, {count} counted, median {:?}, {speed:.0} MB/s, peak {} MiB",
        text.len() / 1_000_000,
        times[2],
        peak_mib()
    );
}
