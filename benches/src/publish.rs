//! A feed of 100,000 events out of an iterator, and out of a store: how fast, and in how much memory.

use std::hint::black_box;
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use calsync_core::context::{Clock, Entropy, SystemClock, SystemEntropy};
use calsync_core::model::{CalendarId, Event, EventBody, EventId, EventTime, TimeSpan};
use calsync_core::publish::{Detail, FeedCall, FeedOptions, FeedTokens, Published, Publisher, feed};
use calsync_core::recurrence::RuleEntry;
use calsync_core::secret::Secret;
use calsync_core::store::{Batch, Store, Write};
use calsync_core::zone::Zone;
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use chrono::{DateTime, TimeDelta, Utc};

use crate::install::output;
use crate::measure::{fastest, field, peak_kib, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

const RUNS: usize = 5;
/// The name `one` knows the measurement of memory by.
pub(crate) const STREAM: &str = "publish-stream";
pub(crate) const STORE: &str = "publish-store";

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let now = start()?;
    let events: Vec<Event> = (0..options.events).map(|number| event(number, now)).collect();
    let whole = |detail| feed(&events, feed_options(now, detail));
    let mut report = Report::default();
    report.note(format!(
        "{} events in Europe/Berlin, every fifth a weekly series, titles, descriptions and places of a usual length; the \
         fastest of {RUNS} runs",
        options.events
    ));
    for (what, detail) in [("details", Detail::Details), ("busy-only", Detail::BusyOnly)] {
        let bytes: usize = whole(detail).map(|chunk| chunk.len()).sum();
        let time = fastest(RUNS, || whole(detail).map(|chunk| black_box(chunk).len()).sum::<usize>());
        let speed = bytes as f64 / 1e6 / time;
        report.row(what, format!("{:>10}  {:>4.0} MB, {speed:>5.0} MB/s", seconds(time), bytes as f64 / 1e6));
        report.target(format!("speed of a feed, {what}"), speed, " MB/s", Bound::AtLeast(100.0));
    }
    drop(events);
    // In a process of its own, so that its peak is its own; the events are made one by one.
    let peaks = |name: &str, events: usize| -> Outcome<(f64, f64, f64)> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let said = output(Command::new(program).args(["one", name, &events.to_string()]))?;
        Ok((field(&said, "peak_kib")?, field(&said, "seconds")?, field(&said, "bytes")?))
    };
    for (what, name) in [("one by one", STREAM), ("out of SQLite", STORE)] {
        let (few, many) = (peaks(name, options.events / 10)?, peaks(name, options.events)?);
        report.row(
            format!("{what}, peak of a tenth and of all"),
            format!(
                "{:>10}  {:.1} and {:.1} MiB, {:.0} MB/s",
                seconds(many.1),
                few.0 / 1024.0,
                many.0 / 1024.0,
                many.2 / 1e6 / many.1
            ),
        );
        report.target(
            format!("what ten times the events add, {what}"),
            (many.0 - few.0) / 1024.0,
            " MiB",
            Bound::Below(8.0),
        );
    }
    Ok(report)
}

/// What `one` runs: a feed of so many events, none of which is kept.
pub(crate) fn one(name: &str, events: &str) -> Outcome<()> {
    let count: usize = events.parse().map_err(|_| format!("{events} is no number"))?;
    let now = start()?;
    let (begun, bytes) = if name == STREAM {
        let begun = Instant::now();
        let chunks = feed((0..count).map(|number| event(number, now)), feed_options(now, Detail::Details));
        (begun, chunks.map(|chunk| black_box(chunk).len()).sum::<usize>())
    } else {
        let runtime =
            tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
        runtime.block_on(stored(count, now))?
    };
    let taken = begun.elapsed().as_secs_f64();
    println!("seconds={taken:.6} events={count} bytes={bytes} peak_kib={}", peak_kib()?);
    Ok(())
}

/// A whole answer of a publisher over a SQLite file.
async fn stored(count: usize, now: DateTime<Utc>) -> Outcome<(Instant, usize)> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let folder = crate::root().join("benches").join("target").join(format!("publish-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| failed(&error))?;
    let path = folder.join("feed.db");
    let store = SqliteStore::open(&path, SqliteConfig::default()).await.map_err(|error| failed(&error))?;
    let store: Arc<dyn Store> = Arc::new(store);
    let calendar = CalendarId::from("work");
    let numbers: Vec<usize> = (0..count).collect();
    for part in numbers.chunks(500) {
        let writes = part
            .iter()
            .map(|number| Write::PutEvent {
                calendar: calendar.clone(),
                id: EventId::from(format!("e{number:06}")),
                event: Box::new(event(*number, now)),
                at: now,
            })
            .collect();
        store.commit(Batch { writes, ..Batch::default() }).await.map_err(|error| failed(&error))?;
    }
    let (clock, entropy): (Arc<dyn Clock>, Arc<dyn Entropy>) =
        (Arc::new(SystemClock), Arc::new(SystemEntropy));
    let tokens = FeedTokens::new(store.clone(), clock.clone(), entropy);
    let token = tokens.create("team").await.map_err(|error| failed(&error))?;
    let published = Published::new(calendar, feed_options(now, Detail::Details));
    let publisher = Publisher::new(store, clock, tokens).with_feed("team", published);
    let begun = Instant::now();
    let call = FeedCall { method: "GET", token: token.expose(), conditions: Default::default() };
    let mut body = publisher.respond(&call).await.body.ok_or("no feed was answered")?;
    let mut bytes = 0;
    while let Some(chunk) = body.next().await.map_err(|error| failed(&error))? {
        bytes += chunk.len();
    }
    std::fs::remove_dir_all(&folder).map_err(|error| failed(&error))?;
    Ok((begun, bytes))
}

fn start() -> Outcome<DateTime<Utc>> {
    SystemClock
        .now()
        .date_naive()
        .and_hms_opt(8, 0, 0)
        .map(|day| day.and_utc())
        .ok_or_else(|| "no morning".to_owned())
}

fn feed_options(now: DateTime<Utc>, detail: Detail) -> FeedOptions {
    let mut options = FeedOptions::new(now, Secret::new([7; 32]));
    options.detail = detail;
    options.name = Some("Team".to_owned());
    options
}

/// An event of the 180 days from now.
fn event(number: usize, now: DateTime<Utc>) -> Event {
    let zone = Zone::from_iana("Europe/Berlin").unwrap_or(Zone::UTC);
    let minutes = i64::try_from(number * 15 % (170 * 24 * 60)).unwrap_or(0);
    let local = (now + TimeDelta::minutes(minutes)).naive_utc();
    let time = TimeSpan {
        start: EventTime::zoned(local, zone.clone()),
        end: EventTime::zoned(local + TimeDelta::minutes(45), zone),
    };
    let mut body = EventBody::new(time);
    body.title = Some(format!("Planning, part {number}; with everybody"));
    body.location = Some("Großer Saal, 3rd floor".to_owned());
    body.description =
        Some("What was done last week\nWhat is next, and who does it\nWhat stands in the way\n".repeat(3));
    body.created = Some(now);
    body.updated = Some(now);
    let mut event = Event::single(format!("event-{number}@example.org"), body);
    if number.is_multiple_of(5) {
        event.rules.push(RuleEntry::read("FREQ=WEEKLY;COUNT=20"));
    }
    event
}
