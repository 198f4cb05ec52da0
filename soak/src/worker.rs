//! A worker, to be killed.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, RandomIds, SystemClock},
    engine::Link,
    model::LinkId,
    plan::DeletionGuard,
    provider::{Fault, Provider, Retry},
    worker::{Host, Opened, Timer, WorkError, Worker, WorkerOptions},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
};
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use crate::{Failure, place::Place, place::timing};

/// How often, and how long in between, it is tried to open the store.
const ATTEMPTS: u32 = 300;

/// Where it works.
#[derive(Args)]
pub(crate) struct Options {
    /// `sqlite:FILE` or a `postgres://` URL.
    #[arg(long)]
    store: String,
    /// The CalDAV server.
    #[arg(long)]
    dav: String,
    /// How many hours its clock is fast, or slow.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    skew_hours: i64,
}

/// A clock that is wrong.
struct Skewed(TimeDelta);

impl Clock for Skewed {
    fn now(&self) -> DateTime<Utc> {
        SystemClock.now() + self.0
    }
}

/// A link `c1` joins the calendars of this name on both sides.
struct Links {
    dav: String,
    transport: Arc<dyn HttpTransport>,
}

#[async_trait]
impl Host for Links {
    async fn open(&self, _tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        let config = CalDavConfig::new(self.dav.as_str(), "user", Secret::new("secret".to_owned()));
        let provider = CalDavProvider::new(config, Arc::clone(&self.transport))?;
        let calendars = provider.calendars().await?;
        let Some(remote) = calendars.into_iter().find(|calendar| calendar.name == link.as_str()) else {
            return Err(WorkError::new(Fault::Caller, Retry::Never, "no such calendar"));
        };
        // A day's deletions come in a minute: nobody is asked about them.
        let guard = DeletionGuard { count: usize::MAX, ..DeletionGuard::default() };
        let link = Link::new(link.clone(), link.as_str(), remote.id).with_guard(guard);
        Ok(Some(Opened::new(link, Arc::new(provider))))
    }
}

/// Waits by the clock of tokio.
struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

/// Opens the store; the database may be starting.
async fn open(address: &str) -> Result<Place, Failure> {
    for _ in 0..ATTEMPTS {
        if let Ok(place) = Place::open(address).await {
            return Ok(place);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Place::open(address).await
}

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let place = open(&options.store).await?;
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).map_err(|_| "no network")?;
    let host = Arc::new(Links { dav: options.dav, transport: Arc::new(transport) });
    let mut work = WorkerOptions::default();
    work.timing = timing();
    work.poll = TimeDelta::milliseconds(200);
    let ids = Arc::new(RandomIds::new()?);
    let clock = Arc::new(Skewed(TimeDelta::hours(options.skew_hours)));
    let worker = Worker::new(place.claims(), host, clock, ids, Arc::new(TokioTimer));
    // Nobody asks it to stop: it is killed.
    worker.with_options(work).run(std::future::pending()).await;
    Ok(())
}
