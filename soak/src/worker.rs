//! A worker, to be killed.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    context::{RandomIds, SystemClock},
    engine::Link,
    model::LinkId,
    provider::{Fault, Provider, Retry},
    worker::{Host, Opened, Timer, WorkError, Worker, WorkerOptions},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
};
use chrono::TimeDelta;
use clap::Args;

use crate::{Failure, place::Place, place::timing};

/// Where it works.
#[derive(Args)]
pub(crate) struct Options {
    /// `sqlite:FILE` or a `postgres://` URL.
    #[arg(long)]
    store: String,
    /// The CalDAV server.
    #[arg(long)]
    dav: String,
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
        let link = Link::new(link.clone(), link.as_str(), remote.id);
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

pub(crate) async fn run(options: Options) -> Result<(), Failure> {
    let place = Place::open(&options.store).await?;
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).map_err(|_| "no network")?;
    let host = Arc::new(Links { dav: options.dav, transport: Arc::new(transport) });
    let mut work = WorkerOptions::default();
    work.timing = timing();
    work.poll = TimeDelta::milliseconds(200);
    let ids = Arc::new(RandomIds::new()?);
    let worker = Worker::new(place.claims(), host, Arc::new(SystemClock), ids, Arc::new(TokioTimer));
    // Nobody asks it to stop: it is killed.
    worker.with_options(work).run(std::future::pending()).await;
    Ok(())
}
