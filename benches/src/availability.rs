//! When somebody is free, over fifty calendars of ten thousand events.

use calsync_core::availability::{
    Answer, BusyOptions, BusyTimes, CalendarTimes, ClockTime, DayHours, Extents, Question, WorkingHours,
    answer, busy_times, busy_times_within,
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

    let options = BusyOptions::new(question.busy_window(), zone.clone());
    let ask = |busy: &dyn Fn(usize) -> BusyTimes| -> Answer {
        let times = (0..CALENDARS)
            .map(|number| CalendarTimes::current(format!("c{number}").into(), busy(number), now))
            .collect::<Vec<_>>();
        answer(&times, &question)
    };
    let extents: Vec<Extents> = calendars.iter().map(Extents::of).collect();
    let prepared = |number: usize| busy_times_within(&calendars[number], &extents[number], &options);
    let unprepared = |number: usize| busy_times(&calendars[number], &options);
    let found = ask(&prepared);
    if found.busy.is_empty() || found.slots.is_empty() || found != ask(&unprepared) {
        return Err(format!("{} busy times, {} slots", found.busy.len(), found.slots.len()));
    }
    let time = fastest(RUNS, || ask(&prepared));
    let whole = fastest(RUNS, || ask(&unprepared));
    let making = fastest(3, || Extents::of(&calendars[0]));
    let mut report = Report::default();
    report.note(format!(
        "{CALENDARS} calendars of {EVENTS} events over ten years, every {SERIES}th a series, of which every {RUNNING}th \
         still runs; {DAYS} days, working hours, slots of 30 minutes; the fastest of {RUNS} runs"
    ));
    report
        .row("with the extents of the events", format!("{:>10}  {} slots", seconds(time), found.slots.len()));
    report.row("with nothing but the events", format!("{:>10}", seconds(whole)));
    report.row("extents of one calendar", format!("{:>10}", seconds(making)));
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
