//! The stores a play may be on: each play has one of its own, or a tenant of its own. As every play names its links, calendars
//! and events alike, one that sees another's rows breaks at once.

use std::{cell::RefCell, sync::Arc};

use calsync_core::store::{MemoryStore, Store};
use calsync_stores::sqlite::SqliteStore;
use calsync_testkit::sim::wait;
use clap::ValueEnum;

/// The stores there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StoreKind {
    /// In memory, the fastest.
    Memory,
    /// SQLite, in memory.
    Sqlite,
    /// A PostgreSQL server, started for it.
    #[cfg(feature = "postgres")]
    Postgres,
}

impl StoreKind {
    pub(crate) fn open(self) -> Arc<dyn Store> {
        match self {
            Self::Memory => Arc::new(MemoryStore::default()),
            Self::Sqlite => Arc::new(sqlite()),
            #[cfg(feature = "postgres")]
            Self::Postgres => Arc::new(postgres::fresh_tenant()),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            #[cfg(feature = "postgres")]
            Self::Postgres => "postgres",
        }
    }
}

/// Tenants of one database before the next one is begun: so that it stays small.
const TENANTS: u32 = 200;

/// A new database for each play would cost more than the play.
fn sqlite() -> SqliteStore {
    thread_local! {
        static SHARED: RefCell<Option<(SqliteStore, u32)>> = const { RefCell::new(None) };
    }
    SHARED.with_borrow_mut(|shared| {
        if let Some((store, used)) = shared.as_mut().filter(|(_, used)| *used < TENANTS) {
            *used += 1;
            return store.tenant(&used.to_string());
        }
        match wait(SqliteStore::open_in_memory()) {
            Ok(store) => shared.insert((store, 0)).0.tenant("0"),
            Err(error) => give_up(&error),
        }
    })
}

fn give_up(error: &dyn std::error::Error) -> ! {
    eprintln!("no store: {error}");
    std::process::exit(2);
}

#[cfg(feature = "postgres")]
mod postgres {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };

    use calsync_stores::postgres::{PostgresConfig, PostgresStore};
    use calsync_testkit::{postgres, sim::wait};
    use tokio::runtime::{Builder, Runtime};

    use super::give_up;

    /// Drives the connections, while the simulator polls what waits for them.
    fn runtime() -> &'static Runtime {
        static RUNTIME: OnceLock<Runtime> = OnceLock::new();
        RUNTIME.get_or_init(|| {
            let built = Builder::new_multi_thread().worker_threads(1).enable_all().build();
            built.unwrap_or_else(|error| give_up(&error))
        })
    }

    pub(super) fn fresh_tenant() -> PostgresStore {
        static STORE: OnceLock<PostgresStore> = OnceLock::new();
        static PLAYS: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            // A thread stays in the runtime as long as it lives.
            static ENTERED: () = std::mem::forget(runtime().enter());
        }
        ENTERED.with(|()| ());
        let store = STORE.get_or_init(|| {
            let url = postgres::try_url().unwrap_or_else(|error| give_up(&error));
            let config = PostgresConfig::default().with_schema("simulation");
            wait(PostgresStore::connect(&url, config)).unwrap_or_else(|error| give_up(&error))
        });
        // A server that is named, and not begun for this, may hold earlier ones.
        let play = PLAYS.fetch_add(1, Ordering::Relaxed);
        store.tenant(&format!("{}-{play}", std::process::id()))
    }
}
