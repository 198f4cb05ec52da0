//! Wake-ups for a worker, and for who reads feeds.

use std::{convert::Infallible, fmt, time::Duration};

use async_trait::async_trait;
use calsync_core::store::Wakes;
use tokio::sync::Mutex;
use tokio_postgres::{Config, Socket, tls::MakeTlsConnect};

use tokio::time::Instant;

use super::{Listener, PostgresStore, Wake};

/// How long it waits before it connects again.
const AGAIN: Duration = Duration::from_secs(5);

/// Wakes a worker when any process that shares the schema makes something due: [`Wakes`] over a [`Listener`], which connects
/// again when its connection breaks. One per worker.
pub struct PostgresWakes<T> {
    config: Config,
    tls: T,
    schema: String,
    spaces: Vec<String>,
    listener: Mutex<Option<Listener>>,
}

impl<T> PostgresWakes<T> {
    /// Listens to documents of these spaces; for a worker, `Priority::SPACES`. It connects when it is first asked; `tls` is
    /// `tokio_postgres::NoTls` where there is none.
    pub fn new(config: Config, tls: T, schema: &str, spaces: &[&str]) -> Self {
        let spaces = spaces.iter().map(|&space| space.to_owned()).collect();
        Self { config, tls, schema: schema.to_owned(), spaces, listener: Mutex::default() }
    }
}

impl<T> fmt::Debug for PostgresWakes<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresWakes").field("schema", &self.schema).finish_non_exhaustive()
    }
}

#[async_trait]
impl<T> Wakes for PostgresWakes<T>
where
    T: MakeTlsConnect<Socket> + Clone + Send + Sync + 'static,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as tokio_postgres::tls::TlsConnect<Socket>>::Future: Send,
{
    async fn woken(&self) {
        let mut listener = self.listener.lock().await;
        loop {
            let Some(open) = listener.as_mut() else {
                match Listener::connect(&self.config, self.tls.clone(), &self.schema).await {
                    Ok(open) => *listener = Some(open),
                    Err(_) => tokio::time::sleep(AGAIN).await,
                }
                // What was committed before it listened is not told: the worker looks.
                return;
            };
            match open.next().await {
                Ok(Wake::Doc { space, .. }) if !self.spaces.contains(&space) => {}
                Ok(Wake::Doc { .. } | Wake::Anything) => return,
                Ok(Wake::Outbox { .. } | Wake::Calendar { .. }) => {}
                Err(_) => {
                    *listener = None;
                    return;
                }
            }
        }
    }
}

impl PostgresStore {
    /// Wakes who reads a feed of this store, of any tenant, when any process that shares the schema adds to it, and when a
    /// transaction of the host's does: runs until it is dropped, on a connection of its own, which it makes again when it
    /// breaks. One per process is enough. Where it does not run, a feed hears only of what this process commits, and of
    /// the rest when it looks the next time. Nothing is told where the store is opened with [`WakeUps::Off`](super::WakeUps::Off).
    pub async fn hear_others<T>(&self, config: &Config, tls: T) -> Infallible
    where
        T: MakeTlsConnect<Socket> + Clone + Send + 'static,
        T::Stream: Send + 'static,
    {
        let mut short = 0_u32;
        loop {
            let begun = Instant::now();
            match Listener::connect(config, tls.clone(), &self.shared.config.schema).await {
                Ok(mut listener) => {
                    // What was committed before it listened is not told.
                    self.bell.ring_all();
                    while let Ok(wake) = listener.next().await {
                        match wake {
                            Wake::Calendar { tenant, calendar } => {
                                self.bell.tenant(&tenant).ring(&calendar.as_str().into());
                            }
                            Wake::Anything => self.bell.ring_all(),
                            Wake::Doc { .. } | Wake::Outbox { .. } => {}
                        }
                    }
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
            // A connection that breaks as soon as it is there, again and again.
            short = if begun.elapsed() < AGAIN { short + 1 } else { 0 };
            if short > 1 {
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}
