//! First syncs: from far away, and of much into little memory.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use calsync_core::context::{RandomIds, SystemClock};
use calsync_core::engine::{Engine, Link, SyncOptions};
use calsync_core::provider::Provider as _;
use calsync_core::store::Store;
use calsync_providers::caldav::{CalDavConfig, CalDavProvider};
use calsync_providers::http::{
    HttpError, HttpRequest, HttpResponse, HttpTransport, ReqwestOptions, ReqwestTransport, Secret,
};
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::dav::{DavOptions, DavServer};
use tokio::runtime::Runtime;

use crate::measure::{field, memory_kib};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

/// The calendar on the server.
const NAME: &str = "work";
/// What `one` is called with for the sync that is a process of its own.
pub(crate) const INTO_POSTGRES: &str = "calsync-into-postgres";
const FAR: (usize, Duration) = (500, Duration::from_millis(50));
const MUCH: usize = 10_000;

/// A network on which every answer takes a while longer.
struct Far {
    near: ReqwestTransport,
    latency: Duration,
}

#[async_trait]
impl HttpTransport for Far {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        tokio::time::sleep(self.latency).await;
        self.near.send(request).await
    }
}

/// A server with so many events.
fn server(events: usize) -> Outcome<DavServer> {
    let server = DavServer::start(DavOptions::default().calendars([(NAME, NAME)]))
        .map_err(|error| format!("the CalDAV emulator: {error}"))?;
    for n in 0..events {
        let body = format!(
            "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//scale//EN\r\nBEGIN:VEVENT\r\nUID:uid-{n}@example.com\r\n\
             DTSTAMP:20260101T000000Z\r\nDTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\n\
             SUMMARY:A meeting of about this length\r\nLOCATION:Room {n}\r\nDESCRIPTION:What it is about\\, in a line or two of text\r\n\
             END:VEVENT\r\nEND:VCALENDAR\r\n"
        );
        server.put(NAME, &format!("{n}.ics"), &body);
    }
    Ok(server)
}

/// Discovers the calendar and brings everything in. Says how many requests that took.
async fn first_sync(url: &str, latency: Duration, store: Arc<dyn Store>, events: usize) -> Outcome<u64> {
    let near = ReqwestTransport::new(&ReqwestOptions::default()).map_err(|_| "no network")?;
    let config = CalDavConfig::new(url, "user", Secret::new("secret".to_owned()));
    let provider = CalDavProvider::new(config, Arc::new(Far { near, latency }))
        .map_err(|error| format!("CalDAV: {error}"))?;
    let calendars = provider.calendars().await.map_err(|error| format!("discovery: {error}"))?;
    let remote = calendars.into_iter().find(|calendar| calendar.name == NAME).ok_or("no calendar")?.id;
    let ids = Arc::new(RandomIds::new().map_err(|error| error.to_string())?);
    let engine = Engine::new(store, Arc::new(SystemClock), ids);
    let link = Link::new("link", "calendar", remote);
    let report = engine.sync(&link, &provider, &SyncOptions::default()).await;
    let created = report.map_err(|error| format!("sync: {error}"))?.counts.created;
    if created != events as u64 {
        return Err(format!("{created} of {events} events came in"));
    }
    Ok(provider.requests())
}

pub(super) fn run(options: &Options, runtime: &Runtime, report: &mut Report) -> Outcome<()> {
    let (events, latency) = FAR;
    let far = server(events)?;
    let file = options.folder("scale")?.join(format!("first-{}.db", std::process::id()));
    let sqlite = runtime
        .block_on(SqliteStore::open(&file, SqliteConfig::default()))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let start = Instant::now();
    let requests = runtime.block_on(first_sync(&far.url(), latency, Arc::new(sqlite.clone()), events))?;
    let took = start.elapsed().as_secs_f64();
    runtime.block_on(sqlite.close());
    let _ = std::fs::remove_file(&file);
    report.row(
        format!("first sync of {events}, {} ms to the server", latency.as_millis()),
        format!("{took:.2} s, {requests} requests"),
    );
    report.target(
        format!("first sync of {events} events, {} ms away, into SQLite", latency.as_millis()),
        took,
        " s",
        Bound::Below(3.0),
    );

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
        Bound::Below(64.0),
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
        first_sync(url, Duration::ZERO, Arc::new(store), MUCH).await?;
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
