//! What a sync costs as the calendar grows: nothing to do, ten changes, and what a row takes on the disk.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use calsync_core::context::RandomIds;
use calsync_core::engine::{Engine, Link, SyncOptions};
use calsync_core::plan::Direction;
use calsync_core::store::Store;
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::world::VirtualClock;
use chrono::TimeDelta;
use tokio::runtime::Runtime;

use super::database::{Database, Size};
use super::remote::Generated;
use crate::measure::seconds;
use crate::report::{Bound, Report};
use crate::{Options, Outcome};

/// Runs of a measurement; the least counts.
const RUNS: usize = 40;
/// What changes in a sync with changes, spread over the calendar.
const CHANGES: usize = 10;

/// What syncs cost at a size.
struct Point {
    size: usize,
    grown: f64,
    quiet: f64,
    changed: f64,
    rows: Size,
}

/// A link on a calendar that grows.
struct Growing<'a> {
    runtime: &'a Runtime,
    engine: Engine,
    clock: Arc<VirtualClock>,
    remote: Generated,
    link: Link,
}

impl Growing<'_> {
    /// Seconds of a sync, and how many events it wrote.
    fn sync(&self) -> Outcome<(f64, u64)> {
        self.clock.advance(TimeDelta::seconds(30));
        let start = Instant::now();
        let options = SyncOptions::default();
        let report = self.runtime.block_on(self.engine.sync(&self.link, &self.remote, &options));
        let took = start.elapsed().as_secs_f64();
        let counts = report.map_err(|error| format!("sync: {error}"))?.counts;
        Ok((took, counts.created + counts.updated))
    }

    fn least(&self, wrote: usize, prepare: impl Fn()) -> Outcome<f64> {
        let mut least = f64::INFINITY;
        for _ in 0..RUNS {
            prepare();
            let (took, events) = self.sync()?;
            if events != wrote as u64 {
                return Err(format!("a sync of {wrote} changes wrote {events}"));
            }
            least = least.min(took);
        }
        Ok(least)
    }

    fn at(&self, size: usize, before: usize, size_of: impl Fn() -> Outcome<Size>) -> Outcome<Point> {
        self.remote.grow(size);
        let (grown, events) = self.sync()?;
        if events != (size - before) as u64 {
            return Err(format!("{} new items made {events} events", size - before));
        }
        // What one run left for the next one to settle is not measured.
        self.sync()?;
        let rows = size_of()?;
        let quiet = self.least(0, || {})?;
        let step = size / CHANGES;
        let changed = self.least(CHANGES, || self.remote.change((0..CHANGES).map(|n| n * step)))?;
        Ok(Point { size, grown: (size - before) as f64 / grown, quiet, changed, rows })
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
    let points = grow(runtime, Arc::new(sqlite.clone()), &sizes, || on_disk(&file))?;
    runtime.block_on(sqlite.close());
    for end in ["db", "db-wal", "db-shm"] {
        let _ = std::fs::remove_file(file.with_extension(end));
    }
    tell(report, "SQLite", &points);

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
    let points = grow(runtime, Arc::new(store), &sizes, || database.size(runtime, "growth"))?;
    tell(report, "PostgreSQL", &points);
    Ok(())
}

fn grow(
    runtime: &Runtime,
    store: Arc<dyn Store>,
    sizes: &[usize],
    size_of: impl Fn() -> Outcome<Size>,
) -> Outcome<Vec<Point>> {
    let clock = Arc::new(VirtualClock::default());
    let ids = Arc::new(RandomIds::from_seed([1; 32]));
    let engine = Engine::new(store, clock.clone(), ids);
    let link = Link::new("link", "calendar", "remote").with_direction(Direction::Import);
    let growing = Growing { runtime, engine, clock, remote: Generated::default(), link };
    let (mut points, mut before) = (Vec::new(), 0);
    for &size in sizes {
        points.push(growing.at(size, before, &size_of)?);
        before = size;
    }
    Ok(points)
}

/// The file with its log; SQLite does not say cheaply how many rows there are.
fn on_disk(file: &Path) -> Outcome<Size> {
    let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
    Ok(Size { rows: None, bytes: length(file) + length(&file.with_extension("db-wal")) })
}

fn tell(report: &mut Report, store: &str, points: &[Point]) {
    for point in points {
        let each = point.rows.bytes as f64 / point.size as f64;
        let rows = point.rows.rows.map(|rows| format!("{:.1} rows, ", rows as f64 / point.size as f64));
        report.row(
            format!("{store}, {} events", point.size),
            format!(
                "no change {}, {CHANGES} changes {}; {}{each:.0} bytes an event; grown by {:.0} events/s",
                seconds(point.quiet),
                seconds(point.changed),
                rows.unwrap_or_default(),
                point.grown,
            ),
        );
    }
    let [first, .., last] = points else { return };
    let times = last.size / first.size;
    report.target(
        format!("{store}: a sync without changes, {times} times the events"),
        last.quiet / first.quiet,
        "x",
        Bound::AtMost(2.0),
    );
    report.target(
        format!("{store}: a sync of {CHANGES} changes, {times} times the events"),
        last.changed / first.changed,
        "x",
        Bound::AtMost(3.0),
    );
}
