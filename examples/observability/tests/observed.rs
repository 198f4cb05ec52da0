//! What the worker measures is what Prometheus reads, and its spans are OpenTelemetry's. That everything `docs/metrics.md` names is measured,
//! `calsync-core/tests/metrics.rs` shows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    context::RandomIds,
    engine::Link,
    model::LinkId,
    schedule::{Cadence, Priority, Schedule, Task},
    store::{MemoryStore, Store, StoreClaims},
    worker::{Host, Opened, Timer, WorkError, Worker},
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, event},
};
use chrono::TimeDelta;
use observability::Instruments;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

struct OneLink(Arc<MemoryRemote>);

#[async_trait]
impl Host for OneLink {
    async fn open(&self, _tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        Ok(Some(Opened::new(Link::new(link.clone(), "family", "memory"), self.0.clone())))
    }
}

struct TokioTimer;

#[async_trait]
impl Timer for TokioTimer {
    async fn sleep(&self, time: TimeDelta) {
        tokio::time::sleep(time.to_std().unwrap_or_default()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_counted_and_traced() {
    let kept = Kept::default();
    let instruments = Instruments::install(kept.clone()).unwrap();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::new(store.clone(), 1);
    let remote = Arc::new(MemoryRemote::default());
    remote.put("theirs", &event("theirs", "Board"));
    let worker = Worker::new(
        Arc::new(StoreClaims::new(store.clone())),
        Arc::new(OneLink(remote)),
        world.clock.clone(),
        Arc::new(RandomIds::from_seed([2; 32])),
        Arc::new(TokioTimer),
    );
    let every = Cadence::every(TimeDelta::minutes(15)).unwrap();
    let schedule = Schedule::new(store, world.clock.clone());
    schedule.put(&Task::Sync("home".into()), &every, Priority::Normal).await.unwrap();
    worker.run(tokio::time::sleep(std::time::Duration::from_secs(5))).await;

    let text = instruments.render();
    for line in [
        "calsync_runs_total{task=\"sync\",outcome=\"done\"} 1",
        "calsync_run_seconds_bucket{task=\"sync\",le=\"0.05\"} 1",
        "calsync_run_lag_seconds_count{task=\"sync\"} 1",
        "calsync_runs_active 0",
        "calsync_events_total{change=\"created\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
    }

    let depth = "calsync_queue_depth{kind=\"due\"} ";
    assert!(text.lines().any(|found| found.starts_with(depth)), "{depth} in\n{text}");

    instruments.shutdown().unwrap();
    let spans = kept.0.lock().unwrap();
    let run = spans.iter().find(|span| span.name == "calsync.run").expect("the run is a span");
    for (name, value) in [("task", "sync"), ("link", "home")] {
        let found = run.attributes.iter().find(|about| about.key.as_str() == name);
        assert_eq!(found.map(|about| about.value.as_str().into_owned()).as_deref(), Some(value), "{name}");
    }
}
