//! First syncs and those after them: from near and from far away, and of much into little memory.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calsync_core::context::{RandomIds, SystemClock};
use calsync_core::engine::{Engine, Link, SyncOptions};
use calsync_core::provider::Provider as _;
use calsync_core::store::Store;
use calsync_providers::caldav::{CalDavConfig, CalDavProvider};
use calsync_providers::http::{ReqwestOptions, ReqwestTransport, Secret};
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::dav::{DavOptions, DavServer};
use tokio::runtime::Runtime;

use super::far::{Far, LATENCIES, away};
use super::targets;
use crate::measure::{field, memory_kib, seconds};
use crate::report::Report;
use crate::{Options, Outcome};

/// The calendar on the server.
const NAME: &str = "work";
/// What `one` is called with for the sync that is a process of its own.
pub(crate) const INTO_POSTGRES: &str = "calsync-into-postgres";
/// Events of the calendar that is synced from near and from far.
const EVENTS: usize = 500;
/// Of them, those that change before a sync with changes.
const CHANGES: usize = 10;
/// Runs of a sync that is not the first; the fastest counts.
const RUNS: usize = 10;
const MUCH: usize = 10_000;

/// An event's file, edited so many times.
fn item(n: usize, edits: usize) -> (String, String) {
    let body = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//scale//EN\r\nBEGIN:VEVENT\r\nUID:uid-{n}@example.com\r\n\
         DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\n\
         SUMMARY:A meeting of about this length\r\nLOCATION:Room {n} edition {edits}\r\n\
         DESCRIPTION:What it is about\\, in a line or two of text\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    );
    (format!("{n}.ics"), body)
}

/// A server with so many events.
fn server(events: usize) -> Outcome<DavServer> {
    let server = DavServer::start(DavOptions::default().calendars([(NAME, NAME)]))
        .map_err(|error| format!("the CalDAV emulator: {error}"))?;
    for n in 0..events {
        let (name, body) = item(n, 0);
        server.put(NAME, &name, &body);
    }
    Ok(server)
}

/// A link to the calendar of a server.
struct Linked {
    provider: CalDavProvider,
    engine: Engine,
    link: Link,
}

/// What a sync took.
struct Took {
    seconds: f64,
    requests: u64,
}

impl Linked {
    /// Discovers the calendar.
    async fn discover(url: &str, latency: Duration, store: Arc<dyn Store>) -> Outcome<Self> {
        let near = ReqwestTransport::new(&ReqwestOptions::default()).map_err(|_| "no network")?;
        let config = CalDavConfig::new(url, "user", Secret::new("secret".to_owned()));
        let provider = CalDavProvider::new(config, Arc::new(Far { near, latency }))
            .map_err(|error| format!("CalDAV: {error}"))?;
        let calendars = provider.calendars().await.map_err(|error| format!("discovery: {error}"))?;
        let remote = calendars.into_iter().find(|calendar| calendar.name == NAME).ok_or("no calendar")?.id;
        let ids = Arc::new(RandomIds::new().map_err(|error| error.to_string())?);
        let engine = Engine::new(store, Arc::new(SystemClock), ids);
        Ok(Self { provider, engine, link: Link::new("link", "calendar", remote) })
    }

    /// A sync that has to write so many events.
    async fn sync(&self, events: usize) -> Outcome<Took> {
        let (start, before) = (Instant::now(), self.provider.requests());
        let report = self.engine.sync(&self.link, &self.provider, &SyncOptions::default()).await;
        let counts = report.map_err(|error| format!("sync: {error}"))?.counts;
        let written = counts.created + counts.updated;
        if written != events as u64 {
            return Err(format!("{written} of {events} events were written"));
        }
        Ok(Took { seconds: start.elapsed().as_secs_f64(), requests: self.provider.requests() - before })
    }

    /// The fastest of some.
    async fn fastest(&self, events: usize, prepare: impl Fn(usize)) -> Outcome<Took> {
        let mut fastest = Took { seconds: f64::INFINITY, requests: 0 };
        for run in 1..=RUNS {
            prepare(run);
            let took = self.sync(events).await?;
            if took.seconds < fastest.seconds {
                fastest = took;
            }
        }
        Ok(fastest)
    }
}

/// From the CalDAV emulator, so far away: the first sync, one without changes, one with a few.
fn from_afar(options: &Options, runtime: &Runtime, report: &mut Report, latency: Duration) -> Outcome<()> {
    let server = server(EVENTS)?;
    let folder = options.folder("scale")?;
    let file = folder.join(format!("first-{}-{}.db", latency.as_millis(), std::process::id()));
    let sqlite = runtime
        .block_on(SqliteStore::open(&file, SqliteConfig::default()))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let (first, quiet, changed) = runtime.block_on(async {
        let start = Instant::now();
        let linked = Linked::discover(&server.url(), latency, Arc::new(sqlite.clone())).await?;
        linked.sync(EVENTS).await?;
        let first = Took { seconds: start.elapsed().as_secs_f64(), requests: linked.provider.requests() };
        let quiet = linked.fastest(0, |_| {}).await?;
        let changed = linked.fastest(CHANGES, |run| {
            for n in 0..CHANGES {
                let (name, body) = item(n, run);
                server.put(NAME, &name, &body);
            }
        });
        Ok::<_, String>((first, quiet, changed.await?))
    })?;
    runtime.block_on(sqlite.close());
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
    let away = away(latency);
    let all = [
        (format!("first sync of {EVENTS} from the CalDAV emulator, {away}"), first, targets::FIRST_SYNC),
        (format!("a sync of it without changes, {away}"), quiet, targets::QUIET_FAR),
        (format!("a sync of it with {CHANGES} changes, {away}"), changed, targets::CHANGES_FAR),
    ];
    for (what, took, bound) in all {
        report.row(what.clone(), format!("{}, {} requests", seconds(took.seconds), took.requests));
        report.target(what, took.seconds, " s", bound);
    }
    Ok(())
}

pub(super) fn run(options: &Options, runtime: &Runtime, report: &mut Report) -> Outcome<()> {
    for latency in LATENCIES {
        from_afar(options, runtime, report, latency)?;
    }

    let much = server(MUCH)?;
    let url = match calsync_testkit::postgres::try_url() {
        Ok(url) => url,
        Err(error) => {
            report.unmeasured(format!("PostgreSQL: {error}"));
            return Ok(());
        }
    };
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let done =
        Command::new(program).args(["one", INTO_POSTGRES, &much.url()]).env("SCALE_POSTGRES", url).output();
    let done = done.map_err(|error| error.to_string())?;
    let printed = String::from_utf8_lossy(&done.stdout).into_owned();
    if !done.status.success() {
        return Err(format!("{INTO_POSTGRES}: {}", String::from_utf8_lossy(&done.stderr)));
    }
    let (idle, peak) = (field(&printed, "idle_kib")?, field(&printed, "peak_kib")?);
    report.row(
        format!("first sync of {MUCH} into PostgreSQL"),
        format!(
            "{:.1} s, {:.1} MiB at its peak, {:.1} idle",
            field(&printed, "seconds")?,
            peak / 1024.0,
            idle / 1024.0
        ),
    );
    report.target(
        format!("memory above idle of a first sync of {MUCH} events into PostgreSQL"),
        (peak - idle) / 1024.0,
        " MiB",
        targets::MEMORY,
    );
    Ok(())
}

/// The sync into PostgreSQL, in a process that does nothing else: prints what it held before, and at its peak.
pub(crate) fn one(url: &str) -> Outcome<()> {
    let postgres = std::env::var("SCALE_POSTGRES").map_err(|_| "SCALE_POSTGRES names no server")?;
    let runtime = Runtime::new().map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let config = PostgresConfig::default().with_schema("first");
        let store = PostgresStore::connect(&postgres, config).await.map_err(|error| error.to_string())?;
        // Connected, prepared and with its code read: as it is between two syncs.
        store.calendars().await.map_err(|error| error.to_string())?;
        forget_peak()?;
        let idle = memory_kib("VmRSS")?;
        let start = Instant::now();
        Linked::discover(url, Duration::ZERO, Arc::new(store)).await?.sync(MUCH).await?;
        let took = start.elapsed().as_secs_f64();
        println!("seconds={took:.3} idle_kib={idle} peak_kib={}", memory_kib("VmHWM")?);
        Ok(())
    })
}

/// From here on the peak is counted anew.
fn forget_peak() -> Outcome<()> {
    std::fs::write(Path::new("/proc/self/clear_refs"), "5")
        .map_err(|error| format!("/proc/self/clear_refs (this needs Linux): {error}"))
}
