//! When somebody is free, over fifty calendars of ten thousand events: as a host asks it, and beside recurring-ical-events.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use calsync_core::availability::{
    Answer, BusyIndex, BusyOptions, BusyTimes, CalendarTimes, ClockTime, DayHours, Question, WorkingHours,
    answer, busy_times,
};
use calsync_core::booking::{Bookings, Counted, Terms};
use calsync_core::context::{Clock, RandomIds};
use calsync_core::ical::{WriteOptions, write_calendar};
use calsync_core::model::{CalendarId, Event, EventBody, EventTime, TimeSpan};
use calsync_core::recurrence::{RuleEntry, Weekday};
use calsync_core::store::{Batch, MemoryStore, Store, Write};
use calsync_core::zone::Zone;
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use chrono::{DateTime, TimeDelta, Utc};

use crate::install::{output, python, script};
use crate::measure::{fastest, field, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

const CALENDARS: usize = 50;
const EVENTS: usize = 10_000;
const DAYS: i64 = 30;
const RUNS: usize = 15;
/// Calendars the peer is given: it holds some ten kilobytes for each event. Its time is counted as if it had all of them.
const PEER: usize = 2;
/// Every how many events one is a series, and every how many series one still runs: people end their series, or make new
/// ones.
const SERIES: usize = 20;
const RUNNING: usize = 10;

/// Stands.
struct Standing(DateTime<Utc>);

impl Clock for Standing {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let now: DateTime<Utc> = "2026-03-16T08:00:00Z".parse().map_err(|error| format!("{error}"))?;
    let zone = Zone::from_iana("Europe/Berlin").ok_or("no Europe/Berlin")?;
    let calendars: Vec<Vec<Event>> = (0..CALENDARS).map(|calendar| events(calendar, now, &zone)).collect();
    let mut question = Question::new(now..now + TimeDelta::days(DAYS), now, zone.clone());
    let clock = |hour| ClockTime::new(hour, 0).map_err(|error| error.to_string());
    let hours = DayHours { days: Weekday::ALL[..5].to_vec(), from: clock(9)?, to: clock(17)? };
    question.hours = vec![WorkingHours { zone: zone.clone(), hours: vec![hours] }];

    let window = question.busy_window();
    let busy_options = BusyOptions::new(window.clone(), zone.clone());
    let ask = |busy: &dyn Fn(usize) -> BusyTimes| -> Answer {
        let times = (0..CALENDARS)
            .map(|number| CalendarTimes::current(name(number), busy(number), now))
            .collect::<Vec<_>>();
        answer(&times, &question)
    };
    let indexes: Vec<BusyIndex> = calendars.iter().map(|events| index(events, &zone)).collect();
    let indexed = |number: usize| indexes[number].busy_times(&window);
    let plain = |number: usize| busy_times(&calendars[number], &busy_options);
    let found = ask(&indexed);
    if found.busy.is_empty() || found.slots.is_empty() || found != ask(&plain) {
        return Err(format!("{} busy times, {} slots", found.busy.len(), found.slots.len()));
    }
    let in_hand = fastest(RUNS, || ask(&indexed));
    let looking = fastest(RUNS, || ask(&plain));
    let making = fastest(3, || index(&calendars[0], &zone));
    let mut report = Report::default();
    report.note(format!(
        "{CALENDARS} calendars of {EVENTS} events over ten years, every {SERIES}th a series, of which every {RUNNING}th \
         still runs; {DAYS} days, working hours, slots of 30 minutes; the fastest of {RUNS} runs"
    ));
    report.row("indexes in hand", format!("{:>10}  {} slots", seconds(in_hand), found.slots.len()));
    report.row("nothing but the events", format!("{:>10}", seconds(looking)));
    report.row("making the index of one calendar", format!("{:>10}", seconds(making)));

    let counted = |number: usize| {
        let mut counted = Counted::new(name(number));
        counted.zone = zone.clone();
        counted
    };
    let terms = Terms {
        calendars: (0..CALENDARS).map(counted).collect(),
        elsewhere: Vec::new(),
        question: question.clone(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let file = options.folder("data")?.join("availability.db");
    let sqlite = runtime.block_on(open(&file))?;
    let mut times = Vec::new();
    for (store, what) in [(Arc::new(MemoryStore::new()) as Arc<dyn Store>, "memory"), (sqlite, "SQLite")] {
        for (number, events) in calendars.iter().enumerate() {
            runtime.block_on(fill(&*store, &name(number), events, now))?;
        }
        let ids = Arc::new(RandomIds::from_seed([1; 32]));
        let desk = Bookings::new(store, Arc::new(Standing(now)), ids);
        let mut said = None;
        let first = fastest(1, || said = Some(runtime.block_on(desk.free(&terms))));
        match said {
            Some(Ok(answer)) if answer.slots == found.slots && answer.busy == found.busy => {}
            Some(Ok(_)) => return Err(format!("from {what} the answer is another one")),
            other => return Err(format!("from {what}: {:?}", other.map(|said| said.map(drop)))),
        }
        let later = fastest(RUNS, || runtime.block_on(desk.free(&terms)).map(drop));
        report.row(format!("Bookings::free, {what}, the first question"), format!("{:>10}", seconds(first)));
        report.row(format!("Bookings::free, {what}, any later one"), format!("{:>10}", seconds(later)));
        times.push((what, later));
    }
    for (what, later) in &times {
        report.target(format!("time of an answer from {what}"), later * 1e3, " ms", Bound::Below(20.0));
    }
    match peer(options, &calendars[..PEER], &window) {
        Ok((prepared, whole, spans)) => {
            let ours: usize = (0..PEER).map(|number| merged(&indexed(number))).sum();
            if spans != ours {
                return Err(format!(
                    "recurring-ical-events finds {spans} busy times of {PEER} calendars, not {ours}"
                ));
            }
            let all = CALENDARS as f64 / PEER as f64;
            report.row("recurring-ical-events, `of` kept", format!("{:>10}", seconds(prepared * all)));
            report.row("recurring-ical-events, `of` and `between`", format!("{:>10}", seconds(whole * all)));
            report.note(format!(
                "recurring-ical-events: {PEER} calendars measured, times {all}; files read before, slots not made"
            ));
            for (what, later) in times {
                let ratio = prepared * all / later;
                report.target(
                    format!("times faster from {what}, `of` kept"),
                    ratio,
                    "",
                    Bound::AtLeast(50.0),
                );
            }
        }
        Err(error) => report.unmeasured(format!("recurring-ical-events: {error}")),
    }
    Ok(report)
}

fn name(calendar: usize) -> CalendarId {
    format!("c{calendar}").into()
}

fn index(events: &[Event], zone: &Zone) -> BusyIndex {
    let mut index = BusyIndex::new(zone.clone(), &[]);
    for event in events {
        index.put(&event.uid.as_str().into(), event);
    }
    index
}

async fn open(file: &Path) -> Outcome<Arc<dyn Store>> {
    for ending in ["", "-wal", "-shm"] {
        let mut part = file.as_os_str().to_owned();
        part.push(ending);
        let _ = std::fs::remove_file(PathBuf::from(part));
    }
    let store = SqliteStore::open(file, SqliteConfig::default()).await.map_err(|error| error.to_string())?;
    Ok(Arc::new(store))
}

async fn fill(store: &dyn Store, calendar: &CalendarId, events: &[Event], at: DateTime<Utc>) -> Outcome<()> {
    for some in events.chunks(1000) {
        let write = |event: &Event| Write::PutEvent {
            calendar: calendar.clone(),
            id: event.uid.as_str().into(),
            event: Box::new(event.clone()),
            at,
        };
        let batch = Batch { writes: some.iter().map(write).collect(), ..Batch::default() };
        store.commit(batch).await.map_err(|error| format!("filling: {error}"))?;
    }
    Ok(())
}

/// How many separate times there are, whatever their kinds.
fn merged(busy: &BusyTimes) -> usize {
    let mut count = 0;
    let mut last = None;
    for time in &busy.times {
        count += usize::from(last.is_none_or(|last| last < time.start));
        last = last.max(Some(time.end));
    }
    count
}

/// Seconds of an answer about some calendars with what `of` makes kept, seconds with it, and how many busy times there are.
fn peer(
    options: &Options,
    calendars: &[Vec<Event>],
    window: &std::ops::Range<DateTime<Utc>>,
) -> Outcome<(f64, f64, usize)> {
    let bin = python(options)?;
    let folder = options.folder("data")?;
    let mut command = Command::new(bin.join("python"));
    command.arg(script("availability.py"));
    command.arg(window.start.timestamp().to_string()).arg(window.end.timestamp().to_string());
    for (number, events) in calendars.iter().enumerate() {
        let file = folder.join(format!("availability-{number}.ics"));
        let text = write_calendar(events, &WriteOptions::new(window.start));
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        command.arg(file);
    }
    let said = output(&mut command)?;
    Ok((field(&said, "seconds")?, field(&said, "whole")?, field(&said, "spans")? as usize))
}

/// Ten years up to a month from now. Each calendar leaves the others some time.
fn events(calendar: usize, now: DateTime<Utc>, zone: &Zone) -> Vec<Event> {
    let first = now - TimeDelta::days(3620);
    (0..EVENTS)
        .map(|number| {
            // 40 of them fall into the window; all calendars meet on the same few hours of the day.
            let day = i64::try_from(number * 3650 / EVENTS).unwrap_or(0);
            let hour = [7, 9, 13][(number + calendar) % 3];
            let start =
                (first + TimeDelta::days(day)).date_naive().and_hms_opt(hour, 0, 0).unwrap_or_default();
            let time = match number % 10 {
                0 => {
                    TimeSpan { start: EventTime::Utc(start.and_utc()), end: EventTime::Utc(start.and_utc()) }
                }
                _ => TimeSpan {
                    start: EventTime::zoned(start, zone.clone()),
                    end: EventTime::zoned(start + TimeDelta::minutes(45), zone.clone()),
                },
            };
            let mut event = Event::single(format!("{calendar}-{number}"), EventBody::new(time));
            if number % SERIES == 1 {
                let rule = match number / SERIES % RUNNING {
                    0 => "FREQ=WEEKLY".to_owned(),
                    1..5 => "FREQ=WEEKLY;INTERVAL=2;COUNT=10".to_owned(),
                    _ => format!(
                        "FREQ=WEEKLY;UNTIL={}",
                        (start + TimeDelta::days(70)).format("%Y%m%dT%H%M%SZ")
                    ),
                };
                event.rules.push(RuleEntry::read(&rule));
            }
            event
        })
        .collect()
}
