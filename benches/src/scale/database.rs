//! The throw-away PostgreSQL, and what it takes: room and processor time.

use calsync_stores::postgres::deadpool_postgres::tokio_postgres::{self, Client, NoTls};
use tokio::runtime::Runtime;

use crate::Outcome;

/// What a store takes on the disk.
pub(super) struct Size {
    /// Rows by table.
    pub(super) rows: Vec<(String, u64)>,
    /// Tables and indexes.
    pub(super) bytes: u64,
}

/// A server of this process, and a connection to ask it.
pub(super) struct Database {
    url: String,
    client: Client,
    /// The process all others of it are children of.
    postmaster: u32,
}

impl Database {
    pub(super) fn start(runtime: &Runtime) -> Outcome<Self> {
        let url = calsync_testkit::postgres::try_url().map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let (client, connection) =
                tokio_postgres::connect(&url, NoTls).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let own: i32 = client
                .query_one("SELECT pg_backend_pid()", &[])
                .await
                .map_err(|error| error.to_string())?
                .get(0);
            let postmaster = Process::of(&own.to_string()).ok_or("PostgreSQL is not on this machine")?.parent;
            Ok(Self { url, client, postmaster })
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// What a schema takes.
    pub(super) fn size(&self, runtime: &Runtime, schema: &str) -> Outcome<Size> {
        runtime.block_on(async {
            // The count of rows is what ANALYZE estimates; of a table of a million it is off by less than one in a hundred.
            let failed = |error: tokio_postgres::Error| error.to_string();
            self.client.batch_execute("ANALYZE").await.map_err(failed)?;
            let tables = self
                .client
                .query(
                    "SELECT c.relname::text, greatest(c.reltuples, 0)::bigint, pg_total_relation_size(c.oid) \
                     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                     WHERE n.nspname = $1 AND c.relkind = 'r'",
                    &[&schema],
                )
                .await
                .map_err(failed)?;
            let rows =
                tables.iter().map(|table| (table.get(0), table.get::<_, i64>(1).unsigned_abs())).collect();
            Ok(Size { rows, bytes: tables.iter().map(|table| table.get::<_, i64>(2).unsigned_abs()).sum() })
        })
    }

    /// Seconds of processor time all its processes took, those that have ended included.
    pub(super) fn cpu(&self) -> f64 {
        let Ok(all) = std::fs::read_dir("/proc") else { return 0.0 };
        let names = all.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let processes = names.filter_map(|name| Some((name.parse::<u32>().ok()?, Process::of(&name)?)));
        let ticks = processes.map(|(id, process)| match process {
            _ if id == self.postmaster => process.own + process.children,
            _ if process.parent == self.postmaster => process.own,
            _ => 0,
        });
        seconds(ticks.sum())
    }
}

/// Seconds of processor time this process took.
pub(super) fn own_cpu() -> f64 {
    seconds(Process::of("self").map_or(0, |process| process.own))
}

/// Linux counts a hundred to the second, whatever the kernel ticks at.
fn seconds(ticks: u64) -> f64 {
    ticks as f64 / 100.0
}

/// What Linux says of a process.
struct Process {
    parent: u32,
    /// Processor time of its own, in ticks, and of children that ended.
    own: u64,
    children: u64,
}

impl Process {
    fn of(id: &str) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name stands in brackets and may hold anything. After it: state, parent, ... utime is the 12th, then stime and theirs.
        let words: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |place: usize| words.get(place)?.parse::<u64>().ok();
        Some(Self {
            parent: words.get(1)?.parse().ok()?,
            own: number(11)? + number(12)?,
            children: number(13)? + number(14)?,
        })
    }
}
