//! When somebody is free, over fifty calendars of ten thousand events.

use calsync_core::availability::{
    BusyOptions, CalendarTimes, ClockTime, DayHours, Question, WorkingHours, answer, busy_times,
};
use calsync_core::model::{Event, EventBody, EventTime, TimeSpan};
use calsync_core::recurrence::{RuleEntry, Weekday};
use calsync_core::zone::Zone;
use chrono::{DateTime, TimeDelta, Utc};

use crate::measure::{fastest, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

const CALENDARS: usize = 50;
const EVENTS: usize = 10_000;
const DAYS: i64 = 30;
const RUNS: usize = 15;
/// Every how many events one is a series, and every how many series one still runs: people end their series, or make new
/// ones.
const SERIES: usize = 20;
const RUNNING: usize = 10;

pub(crate) fn run(_: &Options) -> Outcome<Report> {
    let now: DateTime<Utc> = "2026-03-16T08:00:00Z".parse().map_err(|error| format!("{error}"))?;
    let zone = Zone::from_iana("Europe/Berlin").ok_or("no Europe/Berlin")?;
    let calendars: Vec<Vec<Event>> = (0..CALENDARS).map(|calendar| events(calendar, now, &zone)).collect();
    let mut question = Question::new(now..now + TimeDelta::days(DAYS), now, zone.clone());
    let clock = |hour| ClockTime::new(hour, 0).map_err(|error| error.to_string());
    let hours = DayHours { days: Weekday::ALL[..5].to_vec(), from: clock(9)?, to: clock(17)? };
    question.hours = vec![WorkingHours { zone: zone.clone(), hours: vec![hours] }];

    let ask = || {
        let options = BusyOptions::new(question.busy_window(), zone.clone());
        let times = calendars.iter().enumerate().map(|(number, events)| {
            CalendarTimes::current(format!("c{number}").into(), busy_times(events, &options), now)
        });
        answer(&times.collect::<Vec<_>>(), &question)
    };
    let found = ask();
    if found.busy.is_empty() || found.slots.is_empty() {
        return Err(format!("{} busy times, {} slots", found.busy.len(), found.slots.len()));
    }
    let time = fastest(RUNS, ask);
    let mut report = Report::default();
    report.note(format!(
        "{CALENDARS} calendars of {EVENTS} events over ten years, every {SERIES}th a series, of which every {RUNNING}th \
         still runs; {DAYS} days, working hours, slots of 30 minutes; nothing prepared; the fastest of {RUNS} runs"
    ));
    report.row("merged and answered", format!("{:>10}  {} slots", seconds(time), found.slots.len()));
    report.target("time of an answer", time * 1e3, " ms", Bound::Below(20.0));
    Ok(report)
}

/// Ten years up to a month from now. Each calendar leaves the others some time.
fn events(calendar: usize, now: DateTime<Utc>, zone: &Zone) -> Vec<Event> {
    let first = now - TimeDelta::days(3620);
    (0..EVENTS)
        .map(|number| {
            // 40 of them fall into the window; all calendars meet on the same few hours of the day.
            let day = i64::try_from(number * 3650 / EVENTS).unwrap_or(0);
            let hour = [7, 9, 13][(number + calendar) % 3];
            let start = (first + TimeDelta::days(day)).date_naive().and_hms_opt(hour, 0, 0).unwrap_or_default();
            let time = match number % 10 {
                0 => TimeSpan { start: EventTime::Utc(start.and_utc()), end: EventTime::Utc(start.and_utc()) },
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
                    _ => format!("FREQ=WEEKLY;UNTIL={}", (start + TimeDelta::days(70)).format("%Y%m%dT%H%M%SZ")),
                };
                event.rules.push(RuleEntry::read(&rule));
            }
            event
        })
        .collect()
}
