//! Everything `docs/metrics.md` names comes out, with its labels, as Prometheus reads it; and spans as OpenTelemetry does.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use calsync_core::{
    context::RandomIds,
    engine::Link,
    merge::ConflictPolicy,
    model::LinkId,
    provider::{Fault, Retry},
    schedule::{Cadence, Priority, Schedule, Task},
    store::{
        Claim, ClaimRequest, Claims, MemoryStore, Result, Store, StoreClaims, StoreError, StoreErrorKind,
    },
    worker::{Host, Opened, Timer, WorkError, Worker},
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::{DateTime, TimeDelta, Utc};
use observability::Instruments;
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

/// The names and the labels a page of the documentation promises.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let page = include_str!("../../../docs/metrics.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `calsync_"));
    let named = rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let name = format!("calsync_{}", cells[0].trim().trim_end_matches('`'));
        // Labels stand before the brackets with their values.
        let labels = cells[2].split('`').skip(1).step_by(2);
        let outside = labels.filter(|label| {
            cells[2].contains(&format!("`{label}` (")) || cells[2].trim() == format!("`{label}`")
        });
        (name, outside.map(str::to_owned).collect())
    });
    named.collect()
}

/// The names and the labels of what Prometheus is given.
fn rendered(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap_or(line.len()));
        let name =
            ["_bucket", "_sum", "_count"].iter().find_map(|end| name.strip_suffix(end)).unwrap_or(name);
        let labels =
            rest.strip_prefix('{').and_then(|rest| rest.split_once('}')).map_or("", |(labels, _)| labels);
        let labels =
            labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name.to_owned());
        found.entry(name.to_owned()).or_default().extend(labels.filter(|name| name != "le"));
    }
    found
}

#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

/// A host with one link that is well, one whose credentials are refused, and one that is taken out while it runs.
struct Links {
    remote: Arc<MemoryRemote>,
    schedule: Schedule,
}

#[async_trait]
impl Host for Links {
    async fn open(&self, _tenant: &str, link: &LinkId) -> std::result::Result<Option<Opened>, WorkError> {
        match link.as_str() {
            "refused" => return Err(WorkError::new(Fault::Credentials, Retry::Never, "refused")),
            "taken-out" => self.schedule.remove(&Task::Sync(link.clone())).await.unwrap(),
            _ => {}
        }
        let link = Link::new(link.clone(), "family", "memory").with_conflicts(ConflictPolicy::Manual);
        Ok(Some(Opened::new(link, self.remote.clone())))
    }
}

/// A store that is away the first time it is asked what is due.
struct AwayOnce(StoreClaims, AtomicBool);

#[async_trait]
impl Claims for AwayOnce {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        if self.1.swap(false, Ordering::SeqCst) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, "claim"));
        }
        self.0.claim(request).await
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        self.0.next_due(spaces).await
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
async fn what_is_documented_is_measured() {
    let kept = Kept::default();
    let instruments = Instruments::install(kept.clone()).unwrap();

    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::new(store.clone(), 1);
    let schedule = Schedule::new(store.clone(), world.clock.clone());
    let remote = Arc::new(MemoryRemote::default());
    remote.put("theirs", &event("theirs", "Board"));
    let host = Links { remote: remote.clone(), schedule: schedule.clone() };
    let claims = AwayOnce(StoreClaims::new(store), AtomicBool::new(true));
    let worker = Worker::new(
        Arc::new(claims),
        Arc::new(host),
        world.clock.clone(),
        Arc::new(RandomIds::from_seed([2; 32])),
        Arc::new(TokioTimer),
    );
    let every = Cadence::every(TimeDelta::minutes(15)).unwrap();
    for link in ["well", "refused", "taken-out"] {
        schedule.put(&Task::Sync(link.into()), &every, Priority::Normal).await.unwrap();
    }
    worker.run(tokio::time::sleep(std::time::Duration::from_secs(5))).await;
    // Both sides edit the same title.
    world.edit("theirs", |event| body(event).title = Some("Board, ours".to_owned())).await;
    remote.put("theirs", &event("theirs", "Board, theirs"));
    schedule.nudge(&Task::Sync("well".into())).await.unwrap();
    world.clock.advance(TimeDelta::minutes(1));
    worker.run(tokio::time::sleep(std::time::Duration::from_secs(5))).await;

    let text = instruments.render();
    let (documented, rendered) = (documented(), rendered(&text));
    assert_eq!(documented.len(), 10, "the page is read as it is written");
    assert_eq!(rendered, documented, "{text}");
    for (line, what) in [
        ("calsync_runs_total{task=\"sync\",outcome=\"failed\"} 1", "the refused one"),
        ("calsync_claims_lost_total 1", "the one taken out"),
        ("calsync_store_errors_total 1", "the store that was away once"),
        ("calsync_conflicts_total 1", "the title"),
        ("calsync_alerts_total{kind=\"needs-reauth\"} 1", "what a person has to do"),
        ("calsync_runs_active 0", "all have ended"),
    ] {
        assert!(text.lines().any(|found| found == line), "{what}: {line} in\n{text}");
    }

    instruments.shutdown().unwrap();
    let spans = kept.0.lock().unwrap();
    let of = |link: &str| {
        let is_link = |span: &&SpanData| {
            span.attributes.iter().any(|about| about.key.as_str() == "link" && about.value.as_str() == link)
        };
        spans.iter().filter(|span| span.name == "calsync.run").filter(is_link).count()
    };
    assert_eq!([of("well"), of("refused"), of("taken-out")], [2, 1, 1], "{spans:?}");
}
