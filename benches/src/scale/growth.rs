//! What a sync costs as the calendar grows and as the changes do, from near and from far, and what a row takes on the disk.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use calsync_core::context::RandomIds;
use calsync_core::engine::{Engine, Link, SyncOptions};
use calsync_core::plan::Direction;
use calsync_core::store::Store;
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::world::VirtualClock;
use chrono::TimeDelta;
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::database::{Database, Size};
use super::far::{Far, LATENCIES, away};
use super::remote::Generated;
use super::targets;
use crate::measure::seconds;
use crate::report::Report;
use crate::{Options, Outcome};

/// Runs of a measurement; the least counts. Of those that wait for somebody far away, fewer are enough.
const RUNS: [usize; LATENCIES.len()] = [40, 10];
/// What changes in a sync with changes, spread over the calendar.
const CHANGES: usize = 10;
/// The curve over the number of changes, on the largest calendar: how many, and how many syncs of them are timed together. From a hundred
/// on they change as much as one of ten thousand, so that a busy machine is in the way of all alike.
const CURVE: [(usize, usize); 5] = [(1, 100), (10, 100), (100, 100), (1_000, 10), (10_000, 1)];
/// How often each of them is timed.
const ROUNDS: usize = 4;
/// The number that larger ones are compared with: what a run costs whatever it does is a small part of it.
const COMPARED: usize = 100;

/// What syncs cost at a size.
struct Point {
    size: usize,
    grown: f64,
    /// Without changes and with some, from near and from far.
    costs: Vec<(f64, f64)>,
    rows: Size,
}

/// What calendars of a store cost.
struct Grown {
    points: Vec<Point>,
    /// How many changes, and the seconds of their sync.
    curve: Vec<(usize, f64)>,
}

/// A link on a calendar that grows.
struct Growing<'a> {
    runtime: &'a Runtime,
    engine: Engine,
    clock: Arc<VirtualClock>,
    remote: Arc<Generated>,
    link: Link,
    /// Syncs with changes so far: each changes other events than the one before.
    changed: Cell<usize>,
}

impl Growing<'_> {
    /// Seconds of a sync, and how many events it wrote.
    fn sync(&self, latency: Duration) -> Outcome<(f64, u64)> {
        self.clock.advance(TimeDelta::seconds(30));
        let remote = Far { near: self.remote.clone(), latency };
        let start = Instant::now();
        let options = SyncOptions::default();
        let report = self.runtime.block_on(self.engine.sync(&self.link, &remote, &options));
        let took = start.elapsed().as_secs_f64();
        let counts = report.map_err(|error| format!("sync: {error}"))?.counts;
        Ok((took, counts.created + counts.updated))
    }

    /// A sync with changes spread over a calendar of this size.
    fn sync_of(&self, changes: usize, size: usize, latency: Duration) -> Outcome<f64> {
        self.changed.set(self.changed.get() + 1);
        self.remote.change((0..changes).map(|n| (n * (size / changes) + self.changed.get()) % size));
        let (took, events) = self.sync(latency)?;
        if events == changes as u64 {
            Ok(took)
        } else {
            Err(format!("a sync of {changes} changes wrote {events}"))
        }
    }

    /// The fastest of so many.
    fn least(&self, changes: usize, size: usize, latency: Duration, runs: usize) -> Outcome<f64> {
        (0..runs).try_fold(f64::INFINITY, |least, _| Ok(least.min(self.sync_of(changes, size, latency)?)))
    }

    fn at(&self, size: usize, before: usize, size_of: impl Fn() -> Outcome<Size>) -> Outcome<Point> {
        self.remote.grow(size);
        let (grown, events) = self.sync(Duration::ZERO)?;
        if events != (size - before) as u64 {
            return Err(format!("{} new items made {events} events", size - before));
        }
        // What one run left for the next one to settle is not measured.
        self.sync(Duration::ZERO)?;
        let rows = size_of()?;
        let cost = |(latency, runs)| {
            Ok((self.least(0, size, latency, runs)?, self.least(CHANGES, size, latency, runs)?))
        };
        let costs = LATENCIES.into_iter().zip(RUNS).map(cost).collect::<Outcome<_>>()?;
        Ok(Point { size, grown: (size - before) as f64 / grown, costs, rows })
    }

    /// Seconds of syncs of ever more changes.
    fn curve(&self, size: usize) -> Outcome<Vec<(usize, f64)>> {
        let seconds = |(changes, syncs)| {
            let round =
                || (0..syncs).map(|_| self.sync_of(changes, size, Duration::ZERO)).sum::<Outcome<f64>>();
            let least = (0..ROUNDS).try_fold(f64::INFINITY, |least, _| round().map(|took| least.min(took)));
            Ok((changes, least? / syncs as f64))
        };
        CURVE.into_iter().filter(|(changes, _)| *changes <= size).map(seconds).collect()
    }
}

pub(super) fn run(options: &Options, runtime: &Runtime, report: &mut Report) -> Outcome<()> {
    let sizes: Vec<usize> =
        (3..).map(|digits| 10_usize.pow(digits)).take_while(|size| *size <= options.largest).collect();
    let folder = options.folder("scale")?;
    let file = folder.join(format!("{}.db", std::process::id()));
    let sqlite = runtime
        .block_on(SqliteStore::open(&file, SqliteConfig::default()))
        .map_err(|error| format!("{}: {error}", file.display()))?;
    let grown = grow(runtime, Arc::new(sqlite.clone()), &sizes, || on_disk(&file))?;
    runtime.block_on(sqlite.close());
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
    tell(report, "SQLite", &grown);

    let database = match Database::start(runtime) {
        Ok(database) => database,
        Err(error) => {
            report.unmeasured(format!("PostgreSQL: {error}"));
            return Ok(());
        }
    };
    let config = PostgresConfig::default().with_schema("growth").with_max_connections(1);
    let store = runtime
        .block_on(PostgresStore::connect(database.url(), config))
        .map_err(|error| format!("PostgreSQL: {error}"))?;
    let grown = grow(runtime, Arc::new(store), &sizes, || database.size(runtime, "growth"))?;
    tell(report, "PostgreSQL", &grown);
    Ok(())
}

fn grow(
    runtime: &Runtime,
    store: Arc<dyn Store>,
    sizes: &[usize],
    size_of: impl Fn() -> Outcome<Size>,
) -> Outcome<Grown> {
    let clock = Arc::new(VirtualClock::default());
    let ids = Arc::new(RandomIds::from_seed([1; 32]));
    let engine = Engine::new(store, clock.clone(), ids);
    let link = Link::new("link", "calendar", "remote").with_direction(Direction::Import);
    let growing = Growing { runtime, engine, clock, remote: Arc::default(), link, changed: Cell::default() };
    let (mut points, mut before) = (Vec::new(), 0);
    for &size in sizes {
        points.push(growing.at(size, before, &size_of)?);
        before = size;
    }
    Ok(Grown { points, curve: growing.curve(before)? })
}

/// The file with its log, and what its tables hold.
fn on_disk(file: &Path) -> Outcome<Size> {
    let failed = |error: rusqlite::Error| format!("{}: {error}", file.display());
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    let connection = Connection::open(file).map_err(failed)?;
    let mut tables =
        connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").map_err(failed)?;
    let tables = tables.query_map([], |row| row.get(0)).map_err(failed)?;
    let count = |table: rusqlite::Result<String>| {
        let table = table?;
        let rows: u32 =
            connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        Ok((table, u64::from(rows)))
    };
    let rows = tables.map(count).collect::<rusqlite::Result<_>>().map_err(failed)?;
    Ok(Size { rows, bytes: length(file) + length(&file.with_extension("db-wal")) })
}

fn tell(report: &mut Report, store: &str, grown: &Grown) {
    for point in &grown.points {
        let each = |amount: u64| amount as f64 / point.size as f64;
        for (latency, (quiet, changed)) in LATENCIES.into_iter().zip(&point.costs) {
            report.row(
                format!("{store}, {} events, {}", point.size, away(latency)),
                format!("no change {}, {CHANGES} changes {}", seconds(*quiet), seconds(*changed)),
            );
        }
        let mut rows: Vec<&(String, u64)> =
            point.rows.rows.iter().filter(|(_, rows)| each(*rows) > 0.05).collect();
        rows.sort_by(|(a, some), (b, others)| others.cmp(some).then(a.cmp(b)));
        let rows: Vec<String> =
            rows.iter().map(|(table, rows)| format!("{table} {:.1}", each(*rows))).collect();
        report.row(
            format!("{store}, {} events, each on the disk", point.size),
            format!(
                "{:.0} bytes; rows: {}; grown by {:.0} events/s",
                each(point.rows.bytes),
                rows.join(", "),
                point.grown
            ),
        );
    }
    for (changes, took) in &grown.curve {
        report.row(
            format!("{store}, a sync of {changes} changes"),
            format!("{}, {} a change", seconds(*took), seconds(took / *changes as f64)),
        );
    }
    targets(report, store, grown);
}

fn targets(report: &mut Report, store: &str, grown: &Grown) {
    let each = |(changes, took): &(usize, f64)| took / *changes as f64;
    let compared = grown.curve.iter().find(|(changes, _)| *changes == COMPARED);
    if let (Some(compared), Some(most)) = (compared, grown.curve.last()) {
        report.target(
            format!("{store}: time for each of {} changes, beside each of {COMPARED}", most.0),
            each(most) / each(compared),
            "x",
            targets::EACH_CHANGE,
        );
    }
    if let [first, .., last] = &grown.points[..] {
        let times = last.size / first.size;
        for (n, latency) in LATENCIES.into_iter().enumerate() {
            let ((quiet, changed), (larger_quiet, larger_changed)) = (first.costs[n], last.costs[n]);
            report.target(
                format!("{store}: a sync without changes, {times} times the events, {}", away(latency)),
                larger_quiet / quiet,
                "x",
                targets::QUIET_GROWS,
            );
            report.target(
                format!("{store}: a sync of {CHANGES} changes, {times} times the events, {}", away(latency)),
                larger_changed / changed,
                "x",
                targets::CHANGES_GROW,
            );
        }
    }
    let Some(last) = grown.points.last() else { return };
    let rows: u64 = last.rows.rows.iter().map(|(_, rows)| rows).sum();
    let of = |amount: u64| amount as f64 / last.size as f64;
    report.target(format!("{store}: rows an event, {} events", last.size), of(rows), "", targets::ROWS);
    report.target(
        format!("{store}: bytes an event, {} events", last.size),
        of(last.rows.bytes),
        "",
        targets::BYTES,
    );
}
