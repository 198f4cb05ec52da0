//! A commit of 1,000 new events: SQLite in a file, PostgreSQL, and what PostgreSQL takes by hand.
//!
//! By hand is one `INSERT` of 1,000 rows into a table like the store's, with the same indexes, its own transaction, and
//! nothing checked: no revisions, no expectations, no replacing. The server is the testkit's, on this machine, without `fsync`;
//! SQLite writes its log without one too.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use calsync_core::model::{CalendarId, Event};
use calsync_core::store::{Batch, Expectation, Revision, Store, Write};
use calsync_stores::postgres::deadpool_postgres::tokio_postgres::{Client, NoTls, types::ToSql};
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use chrono::{DateTime, Utc};

use crate::measure::{fastest, seconds};
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

const EVENTS: usize = 1000;
const RUNS: usize = 15;

/// A number no other run has: each run writes a new calendar.
fn next() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// What is written; reading clocks and making ids is not measured.
fn events() -> Vec<(String, Event)> {
    let event =
        |n| calsync_testkit::world::event(&format!("uid-{n}@example.com"), "A meeting of about this length");
    (0..EVENTS).map(|n| (format!("0192f3c4-aaaa-7bbb-8ccc-{n:012}"), event(n))).collect()
}

fn batch(calendar: usize, events: &[(String, Event)], at: DateTime<Utc>) -> Batch {
    let calendar = CalendarId::from(format!("calendar-{calendar}"));
    let writes = events.iter().map(|(id, event)| Write::PutEvent {
        calendar: calendar.clone(),
        id: id.as_str().into(),
        event: Box::new(event.clone()),
        at,
    });
    Batch { writes: writes.collect(), ..Batch::default() }
}

/// The same batch as a careful writer sends it: no event of these UIDs, none of these ids.
fn careful(calendar: usize, events: &[(String, Event)], at: DateTime<Utc>) -> Batch {
    let mut batch = batch(calendar, events, at);
    let calendar = CalendarId::from(format!("calendar-{calendar}"));
    for (id, event) in events {
        let (calendar, uid) = (calendar.clone(), event.uid.clone());
        batch.expect.push(Expectation::Uid { calendar: calendar.clone(), uid, events: Vec::new() });
        batch.expect.push(Expectation::Event { calendar, id: id.as_str().into(), revision: None });
    }
    batch
}

/// Seconds of a commit, made ready outside the time taken.
fn commits(
    runtime: &tokio::runtime::Runtime,
    store: &dyn Store,
    make: impl Fn(usize) -> Batch,
) -> Outcome<f64> {
    let mut least = f64::INFINITY;
    for _ in 0..RUNS {
        let mut batch = Some(make(next()));
        let mut done = Ok(());
        let took = fastest(1, || {
            done = runtime.block_on(store.commit(batch.take().unwrap_or_default())).map(drop);
        });
        done.map_err(|error| format!("commit: {error}"))?;
        least = least.min(took);
    }
    Ok(least)
}

/// One statement of 1,000 rows, written as anybody would.
async fn by_hand(
    client: &Client,
    calendar: &str,
    events: &[(String, Event)],
    at: DateTime<Utc>,
) -> Outcome<()> {
    let json: Result<Vec<String>, _> = events.iter().map(|(_, event)| serde_json::to_string(event)).collect();
    let json = json.map_err(|error| error.to_string())?;
    let revisions: Vec<i64> = (1..).take(events.len()).collect();
    let hashes: Vec<Vec<u8>> = (0..events.len()).map(|n| format!("{n:016}").into_bytes()).collect();
    let mut sql =
        "INSERT INTO bench.by_hand (tenant, calendar, id, uid_hash, revision, modified, json) VALUES "
            .to_owned();
    let mut params: Vec<&(dyn ToSql + Sync)> = vec![&calendar, &at];
    for (n, (id, _)) in events.iter().enumerate() {
        let first = 3 + n * 4;
        let comma = if n == 0 { "" } else { ", " };
        sql.push_str(&format!(
            "{comma}('', $1, ${first}, ${}, ${}, $2, ${})",
            first + 1,
            first + 2,
            first + 3
        ));
        params.push(id);
        params.push(&hashes[n]);
        params.push(&revisions[n]);
        params.push(&json[n]);
    }
    client.execute(&sql, &params).await.map(drop).map_err(|error| format!("INSERT: {error}"))
}

fn rate(took: f64) -> String {
    format!("{}, {:.0} events/s", seconds(took), EVENTS as f64 / took)
}

pub(crate) fn run(options: &Options) -> Outcome<Report> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let mut report = Report::default();
    let (events, at) = (events(), DateTime::<Utc>::UNIX_EPOCH);

    let file: PathBuf = options.folder("stores")?.join(format!("{}.db", std::process::id()));
    let sqlite = runtime
        .block_on(SqliteStore::open(&file, SqliteConfig::default()))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let in_sqlite = commits(&runtime, &sqlite, |n| batch(n, &events, at))?;
    let careful_sqlite = commits(&runtime, &sqlite, |n| careful(n, &events, at))?;
    runtime.block_on(sqlite.close());
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
    report.row("SQLite, a file", rate(in_sqlite));
    report.row("the same, 2,000 expectations", rate(careful_sqlite));

    let url = match calsync_testkit::postgres::try_url() {
        Ok(url) => url,
        Err(error) => {
            report.unmeasured(format!("PostgreSQL: {error}"));
            return Ok(report);
        }
    };
    let config = PostgresConfig::default().with_schema("bench").with_max_connections(1);
    let store = runtime
        .block_on(PostgresStore::connect(&url, config))
        .map_err(|error| format!("PostgreSQL: {error}"))?;
    let client = runtime.block_on(async {
        let (client, connection) = calsync_stores::postgres::deadpool_postgres::tokio_postgres::connect(&url, NoTls)
            .await
            .map_err(|error| error.to_string())?;
        tokio::spawn(connection);
        let table = "DROP TABLE IF EXISTS bench.by_hand; CREATE TABLE bench.by_hand (LIKE bench.events INCLUDING ALL)";
        client.batch_execute(table).await.map_err(|error| error.to_string())?;
        Ok::<_, String>(client)
    })?;
    let in_postgres = commits(&runtime, &store, |n| batch(n, &events, at))?;
    let careful_postgres = commits(&runtime, &store, |n| careful(n, &events, at))?;
    let mut manual = f64::INFINITY;
    for _ in 0..RUNS {
        let calendar = format!("calendar-{}", next());
        let mut done = Ok(());
        let took = fastest(1, || done = runtime.block_on(by_hand(&client, &calendar, &events, at)));
        done?;
        manual = manual.min(took);
    }
    let calendar = CalendarId::from(format!("calendar-{}", next()));
    let written =
        runtime.block_on(store.events_since(&calendar, Revision(0), 1)).map_err(|e| e.to_string())?;
    if !written.is_empty() {
        return Err("a calendar nobody wrote has events".to_owned());
    }
    report.row("PostgreSQL", rate(in_postgres));
    report.row("the same, 2,000 expectations", rate(careful_postgres));
    report.row("PostgreSQL by hand: one INSERT of 1,000 rows, nothing checked", rate(manual));
    report.target(
        "time of a commit, beside the INSERT by hand",
        in_postgres / manual,
        "x",
        Bound::AtMost(1.5),
    );
    report.target("the same with expectations", careful_postgres / manual, "x", Bound::AtMost(2.5));
    report.target("time in PostgreSQL, beside SQLite", in_postgres / in_sqlite, "x", Bound::AtMost(3.0));
    report.note("least of 15; making the batch is not measured, JSON and hashes are");
    Ok(report)
}
