//! Filters and transforms: a chain of five, over events as people have them.

use std::sync::Arc;

use calsync_core::model::{
    Event, EventBody, EventTime, Participant, ParticipationStatus, Person, Role, TimeSpan,
};
use calsync_core::pipeline::{CompiledPipeline, HostFilter, HostOptions, HostRules, Pipeline, Surroundings};
use calsync_core::zone::Zone;
use chrono::{DateTime, TimeDelta, Utc};

use crate::measure::{fastest, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

const EVENTS: usize = 100_000;
const RUNS: usize = 15;

/// Two filters and three transforms: the whole of a usual CalendarSync file.
const CHAIN: &str = r#"{ "start": { "type": "bare", "title": "CalendarSync Event" }, "steps": [
    { "name": "declined", "filter": { "type": "not-declined" } },
    { "name": "private", "filter": { "type": "title", "exclude": "(?i)private|dentist" } },
    { "name": "title", "transform": { "type": "keep", "fields": ["title"] } },
    { "name": "place", "transform": { "type": "keep", "fields": ["location"] } },
    { "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } } ] }"#;
/// The same with everything that is copied by it, and hours.
const RICH: &str = r#"{ "start": { "type": "bare" }, "steps": [
    { "name": "hours", "filter": { "type": "time-frame", "from": "06:00", "to": "22:00", "zone": "Europe/Berlin" } },
    { "name": "declined", "filter": { "type": "not-declined" } },
    { "name": "all", "transform": { "type": "keep",
        "fields": ["title", "description", "location", "attendees", "reminders", "meeting-link", "categories"] } },
    { "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } },
    { "name": "travel", "transform": { "type": "pad-time", "before": 15, "after": 15 } } ] }"#;
/// The first one with a filter of the host.
const HOST: &str = r#"{ "start": { "type": "bare", "title": "CalendarSync Event" }, "steps": [
    { "name": "declined", "filter": { "type": "not-declined" } },
    { "name": "mine", "filter": { "type": "host", "rule": "short" } },
    { "name": "title", "transform": { "type": "keep", "fields": ["title"] } },
    { "name": "place", "transform": { "type": "keep", "fields": ["location"] } },
    { "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } } ] }"#;

struct Short;

impl HostFilter for Short {
    fn version(&self) -> &str {
        "1"
    }

    fn lets_through(&self, body: &EventBody, _: &HostOptions, _: &Surroundings<'_>) -> Result<bool, String> {
        Ok(body.title.as_deref().unwrap_or_default().len() < 200)
    }
}

pub(crate) fn run(_: &Options) -> Outcome<Report> {
    let zone = Zone::from_iana("Europe/Berlin").ok_or("no Europe/Berlin")?;
    let events: Vec<Event> = (0..EVENTS).map(|number| event(number, &zone)).collect::<Outcome<_>>()?;
    let owner = ["me@example.org".to_owned()];
    let around =
        Surroundings { calendar_name: "Anna", owner: &owner, zone: &zone, ..Surroundings::default() };
    let rules = HostRules::default().with_filter("short", Arc::new(Short));
    let mut report = Report::default();
    let chains = [
        ("two filters, three transforms", CHAIN, true),
        ("hours, and every field kept", RICH, false),
        ("with a filter of the host", HOST, true),
    ];
    for (what, text, has_target) in chains {
        let pipeline: Pipeline = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let pipeline = pipeline.compile_with(&rules).map_err(|error| error.to_string())?;
        let copied = copies(&pipeline, &events, &around);
        if copied * 10 < EVENTS * 9 || copied == EVENTS {
            return Err(format!("{what}: {copied} copies"));
        }
        let time = fastest(RUNS, || copies(&pipeline, &events, &around));
        let rate = EVENTS as f64 / time / 1e6;
        report.row(what, format!("{:>10}  {rate:.2} million events/s, {copied} copied", seconds(time)));
        if has_target {
            report.target(format!("million events a second, {what}"), rate, "", Bound::AtLeast(1.0));
        }
    }
    report.note(format!("{EVENTS} events with ten filled fields and two attendees, on one thread; each copy is made and dropped"));
    Ok(report)
}

fn copies(pipeline: &CompiledPipeline, events: &[Event], around: &Surroundings<'_>) -> usize {
    events.iter().filter(|event| matches!(pipeline.apply(event, around), Ok(Some(_)))).count()
}

fn event(number: usize, zone: &Zone) -> Outcome<Event> {
    let first: DateTime<Utc> = "2026-01-05T07:00:00Z".parse().map_err(|error| format!("{error}"))?;
    let start = (first + TimeDelta::hours(i64::try_from(number % 12).unwrap_or(0))).naive_utc();
    let start = start + TimeDelta::days(i64::try_from(number / 12 % 365).unwrap_or(0));
    let end = EventTime::zoned(start + TimeDelta::minutes(45), zone.clone());
    let mut body = EventBody::new(TimeSpan { start: EventTime::zoned(start, zone.clone()), end });
    let title = if number.is_multiple_of(50) { "Dentist" } else { "Review of the numbers" };
    body.title = Some(format!("{title} {number}"));
    body.description =
        Some(format!("Agenda {number}: what was done, what is next, and who does it. ").repeat(4));
    body.location = Some(format!("Room {}", number % 40));
    body.categories = ["Work".to_owned()].into();
    body.url = Some("https://example.org/e".to_owned());
    let person = |address: &str| Person { address: address.to_owned(), name: Some("Somebody".to_owned()) };
    body.organizer = Some(person("boss@example.org"));
    let status = if number % 40 == 1 { ParticipationStatus::Declined } else { ParticipationStatus::Accepted };
    for (address, status) in
        [("me@example.org", status), ("you@example.org", ParticipationStatus::NeedsAction)]
    {
        body.participants.push(Participant {
            person: person(address),
            status,
            role: Role::Required,
            expect_reply: true,
        });
    }
    Ok(Event::single(format!("{number}@example.org"), body))
}
