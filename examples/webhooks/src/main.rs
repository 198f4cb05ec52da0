//! `cargo run -p webhooks`: an emulated Microsoft account calls this program when its calendar changes, and a worker pulls.
#![allow(clippy::print_stdout, reason = "the example tells what happens")]

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, RandomIds, SystemClock},
    engine::Link,
    model::LinkId,
    provider::Fault,
    provider::Retry,
    schedule::{Preset, Priority, Schedule, Task},
    store::{MemoryStore, PollOptions, Store, StoreChannels, StoreClaims},
    worker::{Announcements, Ended, Host, Opened, Timer, WorkError, Worker, WorkerEvent},
};
use calsync_providers::{
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
    microsoft::{MicrosoftConfig, MicrosoftProvider},
    webhook::{ChannelKey, ChannelOptions, Keeper, Tending},
};
use calsync_testkit::microsoft::{GraphOptions, GraphServer};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use tokio::sync::Notify;

/// The one link of this host.
struct Office {
    provider: Arc<MicrosoftProvider>,
    calendar: String,
    keeper: Keeper,
    schedule: Schedule,
    address: String,
    came_in: Arc<Notify>,
}

#[async_trait]
impl Host for Office {
    async fn open(&self, _tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        let link = Link::new(link.clone(), "work", self.calendar.as_str());
        let mut opened = Opened::new(link, self.provider.clone());
        // Calls are measured, and how often to look without one follows from that.
        opened.announcements = Announcements::Measured(PollOptions::default());
        Ok(Some(opened))
    }

    async fn renew(&self, _tenant: &str, link: &LinkId) -> Result<Option<DateTime<Utc>>, WorkError> {
        let about = Tending {
            link,
            calendar: &self.calendar.as_str().into(),
            provider: &*self.provider,
            address: &self.address,
            options: &ChannelOptions::graph(),
        };
        let tended = self.keeper.tend(about, &self.schedule).await;
        let tended = tended.map_err(|error| WorkError::new(Fault::Us, Retry::Backoff, error.to_string()))?;
        if tended.opened > 0 {
            println!("a channel is open; it is looked at again {}", tended.next.unwrap_or_default());
        }
        Ok(tended.next)
    }

    fn tell(&self, event: &WorkerEvent) {
        let WorkerEvent::Ended { ended, .. } = event else { return };
        let Ended::Done { counts: Some(counts), .. } = &**ended else { return };
        if counts.created > 0 {
            println!("the worker pulled: {} came in", counts.created);
            self.came_in.notify_one();
        }
    }
}

struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(RandomIds::new()?));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let schedule = Schedule::new(store.clone(), clock.clone());
    // What the secrets follow from comes from the host's vault; here it is drawn.
    let key = ChannelKey::new(calsync_core::context::IdSource::fresh(&*ids).as_bytes())?;
    let channels = Arc::new(StoreChannels::new(store.clone()));
    let keeper = Keeper::new(channels, key, clock.clone(), ids.clone());

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = format!("http://{}{}", listener.local_addr()?, webhooks::GRAPH);
    tokio::spawn(
        axum::serve(
            webhooks::limits::Bounded::new(listener, webhooks::limits::Limits::default()),
            webhooks::router(keeper.clone(), schedule.clone()),
        )
        .into_future(),
    );

    let account = GraphServer::start(GraphOptions::default())?;
    account.set_now(clock.now());
    let network = Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?);
    let config = MicrosoftConfig::new(Arc::new(Secret::from("secret")));
    let config = config.at(account.url(), AddressPolicy::AllowPrivate);
    let came_in = Arc::new(Notify::new());
    let host = Office {
        provider: Arc::new(MicrosoftProvider::new(config, network)?),
        calendar: account.default_calendar(),
        keeper,
        schedule: schedule.clone(),
        address,
        came_in: came_in.clone(),
    };
    // Polled seldom, for calls are to come; renewed as the plan says.
    for task in [Task::Sync("office".into()), Task::Renew("office".into())] {
        schedule.put(&task, &Preset::Microsoft.cadence(), Priority::Normal).await?;
    }
    let claims = Arc::new(StoreClaims::new(store));
    let worker = Worker::new(claims, Arc::new(host), clock, ids, Arc::new(TokioTimer));
    let people = async {
        // The first pull finds nothing, and the channel is opened.
        tokio::time::sleep(std::time::Duration::from_secs(2)).await;
        let lunch = json!({
            "subject": "lunch", "start": {"dateTime": "2026-01-06T12:00:00", "timeZone": "UTC"},
            "end": {"dateTime": "2026-01-06T13:00:00", "timeZone": "UTC"},
        });
        println!("somebody makes an event; its call is pulled for after five quiet seconds");
        if account.add(&account.default_calendar(), &lunch).is_ok() {
            came_in.notified().await;
        }
    };
    worker.run(people).await;
    Ok(())
}
