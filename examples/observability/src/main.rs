//! `cargo run --manifest-path examples/observability/Cargo.toml`: a worker syncs with an emulated CalDAV account, and tells what it does: spans on the terminal,
//! metrics at `/metrics`.
use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use calsync_core::{
    context::{RandomIds, SystemClock},
    engine::Link,
    model::LinkId,
    provider::{Fault, Provider, Retry},
    schedule::{Cadence, Priority, Schedule, Task},
    store::{MemoryStore, Store, StoreClaims},
    worker::{Host, Opened, Timer, WorkError, Worker},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{ReqwestOptions, ReqwestTransport, Secret},
};
use calsync_testkit::dav::{DavOptions, DavServer};
use chrono::TimeDelta;
use observability::{Failure, Instruments};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

/// Prints a span a line, where a host would send it to its collector.
#[derive(Debug)]
struct Printed;

impl SpanExporter for Printed {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        for span in batch {
            let took = span.end_time.duration_since(span.start_time).unwrap_or_default();
            let about = span.attributes.iter().filter(|about| ["task", "link"].contains(&about.key.as_str()));
            let about: Vec<String> = about.map(|about| format!("{}={}", about.key, about.value)).collect();
            println!("span {} {} {:.1} ms", span.name, about.join(" "), took.as_secs_f64() * 1000.0);
        }
        Ok(())
    }
}

/// The one account of this host: its links are called as its calendars are.
struct Account(Arc<CalDavProvider>);

#[async_trait]
impl Host for Account {
    async fn open(&self, _tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        let calendars = self.0.calendars().await?;
        let Some(remote) = calendars.into_iter().find(|calendar| calendar.name == link.as_str()) else {
            return Err(WorkError::new(Fault::Caller, Retry::Never, "no such calendar"));
        };
        Ok(Some(Opened::new(Link::new(link.clone(), link.as_str(), remote.id), self.0.clone())))
    }
}

struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

fn ics(uid: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//observability//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\nDTSTAMP:20260101T000000Z\r\n\
         DTSTART:20260105T090000Z\r\nDTEND:20260105T100000Z\r\nSUMMARY:Lunch\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let instruments = Instruments::install(Printed)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("metrics at http://{}/metrics", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, instruments.router()).into_future());

    let account = DavServer::start(DavOptions::default().calendars([("work", "work"), ("home", "home")]))?;
    account.put("work", "lunch.ics", &ics("lunch"));
    let config = CalDavConfig::new(account.url(), "user", Secret::from("secret"));
    let provider = CalDavProvider::new(config, Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?))?;

    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let schedule = Schedule::new(store.clone(), Arc::new(SystemClock));
    // The third one is wrong, and shows what a failure looks like.
    for name in ["work", "home", "gone"] {
        let task = Task::Sync(name.into());
        schedule.put(&task, &Cadence::every(TimeDelta::minutes(1))?, Priority::Normal).await?;
    }
    let worker = Worker::new(
        Arc::new(StoreClaims::new(store)),
        Arc::new(Account(Arc::new(provider))),
        Arc::new(SystemClock),
        Arc::new(RandomIds::new()?),
        Arc::new(TokioTimer),
    );
    worker.run(tokio::time::sleep(Duration::from_secs(2))).await;
    println!("\n{}", instruments.render());
    instruments.shutdown()
}
