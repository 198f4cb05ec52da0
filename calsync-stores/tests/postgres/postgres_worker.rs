//! Workers on PostgreSQL: woken by what another process commits, one link to one worker, every tenant served.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    context::{RandomIds, SystemClock},
    model::LinkId,
    schedule::{Cadence, Priority, Schedule, Task},
    store::{Batch, Doc, Store, Wakes, Write},
    worker::{Host, Opened, Timer, WorkError, Worker, WorkerEvent, WorkerOptions},
};
use calsync_stores::postgres::{
    PostgresConfig, PostgresStore, PostgresWakes,
    deadpool_postgres::tokio_postgres::{self, NoTls},
};
use chrono::{TimeDelta, Utc};
use tokio::sync::mpsc;

use super::postgres_conformance::unique;

async fn store(schema: &str) -> PostgresStore {
    let config = PostgresConfig::default().with_schema(schema).with_max_connections(8);
    PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.unwrap()
}

fn wakes(schema: &str) -> PostgresWakes<NoTls> {
    let config: tokio_postgres::Config = calsync_testkit::postgres::url().parse().unwrap();
    PostgresWakes::new(config, NoTls, schema, &Priority::SPACES)
}

/// Fails loudly instead of hanging.
async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("{what} in time"))
}

#[tokio::test]
async fn wakes_hear_the_schedule_and_nothing_else() {
    let schema = unique("wakes");
    let store = store(&schema).await;
    let wakes = wakes(&schema);
    // Once for having connected.
    soon("the connection", wakes.woken()).await;
    let put = |space: &str| {
        let doc = Doc::new(space, "k", "").with_due(Some(Utc::now()));
        store.commit(Batch { writes: vec![Write::PutDoc(doc)], ..Batch::default() })
    };
    put("tokens").await.unwrap();
    assert!(
        tokio::time::timeout(Duration::from_millis(200), wakes.woken()).await.is_err(),
        "no work of a worker"
    );
    put("schedule.high").await.unwrap();
    soon("the wake-up", wakes.woken()).await;

    // Its connection breaks: it says so by waking, connects again, and hears the next.
    let (client, connection) =
        tokio_postgres::connect(&calsync_testkit::postgres::url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = $1";
    let ended = client.query(end, &[&format!("LISTEN \"{schema}\"")]).await.unwrap();
    assert_eq!(ended.len(), 1);
    soon("the broken connection", wakes.woken()).await;
    soon("the new connection", wakes.woken()).await;
    put("schedule.low").await.unwrap();
    soon("the next wake-up", wakes.woken()).await;
}

/// Knows no link: what it is asked to open it reports, and it leaves the schedule.
struct Asked {
    opened: mpsc::UnboundedSender<(String, String)>,
    events: Mutex<Vec<WorkerEvent>>,
}

#[async_trait]
impl Host for Asked {
    async fn open(&self, tenant: &str, link: &LinkId) -> Result<Option<Opened>, WorkError> {
        // Long enough for the others to come.
        tokio::time::sleep(Duration::from_millis(20)).await;
        let _ = self.opened.send((tenant.to_owned(), link.to_string()));
        Ok(None)
    }

    fn tell(&self, event: &WorkerEvent) {
        self.events.lock().unwrap().push(event.clone());
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_run_each_link_of_every_tenant_once() {
    let schema = unique("workers");
    let store = store(&schema).await;
    let (opened, mut asked) = mpsc::unbounded_channel();
    let host = Arc::new(Asked { opened, events: Mutex::default() });
    let stop = Arc::new(tokio::sync::Notify::new());
    let workers: Vec<_> = (1..=3)
        .map(|seed| {
            let mut options = WorkerOptions::default();
            // Without the wake-ups none would look before the test gives up.
            options.poll = TimeDelta::hours(1);
            let ids = Arc::new(RandomIds::from_seed([seed; 32]));
            let claims = Arc::new(store.clone());
            let worker = Worker::new(claims, host.clone(), Arc::new(SystemClock), ids, Arc::new(TokioTimer))
                .with_options(options)
                .with_wakes(Arc::new(wakes(&schema)));
            let stop = Arc::clone(&stop);
            tokio::spawn(async move { worker.run(stop.notified()).await })
        })
        .collect();
    // They are there before there is anything to do.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let cadence = Cadence::every(TimeDelta::hours(1)).unwrap();
    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    for tenant in ["", "a", "b"] {
        let schedule = Schedule::new(Arc::new(store.tenant(tenant)), Arc::new(SystemClock));
        for n in 0..20 {
            let link = format!("l{n}");
            schedule.put(&Task::Sync(link.as_str().into()), &cadence, Priority::Normal).await.unwrap();
            expected.insert((tenant.to_owned(), link), 1);
        }
    }
    let mut ran: BTreeMap<(String, String), usize> = BTreeMap::new();
    while ran.len() < expected.len() {
        let name = soon("the next run", asked.recv()).await.unwrap();
        *ran.entry(name).or_default() += 1;
    }
    stop.notify_waiters();
    for worker in workers {
        let report = soon("the end of a worker", worker).await.unwrap();
        assert_eq!((report.failed, report.returned), (0, 0));
    }
    while let Ok(name) = asked.try_recv() {
        *ran.entry(name).or_default() += 1;
    }
    assert_eq!(ran, expected, "each once");
    let failed = host.events.lock().unwrap().iter().any(|e| matches!(e, WorkerEvent::StoreFailed { .. }));
    assert!(!failed);
}
