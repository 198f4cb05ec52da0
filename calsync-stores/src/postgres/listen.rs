//! Wake-ups: what other processes committed, without asking again and again.

use std::fmt;

use calsync_core::store::{Result, StoreError, StoreErrorKind};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_postgres::{AsyncMessage, Client, Config, Socket, tls::MakeTlsConnect};

use super::{
    PostgresError,
    error::{During, from_postgres},
    migrations::is_schema_name,
};

const LISTEN: &str = "listen";

/// Something was committed. It says where to look, not what is there, and it may come late, twice, or, over a connection
/// that broke, not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wake {
    /// A document with a due time was put.
    Doc {
        /// Whose.
        tenant: String,
        /// Its space.
        space: String,
    },
    /// A remote write waits.
    Outbox {
        /// Whose.
        tenant: String,
        /// Its link.
        link: String,
    },
    /// Events changed, or something else happened that is in the calendar's feed.
    Calendar {
        /// Whose.
        tenant: String,
        /// Their calendar.
        calendar: String,
    },
    /// Anything: its name was too long to be told.
    Anything,
}

#[derive(Deserialize)]
struct Payload {
    tenant: Option<String>,
    space: Option<String>,
    outbox: Option<String>,
    calendar: Option<String>,
}

/// The wake-up a payload tells. Whoever may connect can notify: what is not understood says to look everywhere.
fn wake(payload: &str) -> Wake {
    match serde_json::from_str(payload) {
        Ok(Payload { tenant: Some(tenant), space: Some(space), .. }) => Wake::Doc { tenant, space },
        Ok(Payload { tenant: Some(tenant), outbox: Some(link), .. }) => Wake::Outbox { tenant, link },
        Ok(Payload { tenant: Some(tenant), calendar: Some(calendar), .. }) => {
            Wake::Calendar { tenant, calendar }
        }
        _ => Wake::Anything,
    }
}

/// A connection of its own that hears what stores in the same schema commit, whoever commits it.
pub struct Listener {
    wakes: mpsc::Receiver<Result<Wake>>,
    /// Keeps the connection open.
    _client: Client,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").finish_non_exhaustive()
    }
}

/// How many wake-ups wait for a slow listener before the connection does.
const WAITING: usize = 1024;

impl Listener {
    /// Connects and listens. What was committed before it answers is not told: look once after it.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::InvalidInput`] when the schema's name cannot be used, [`StoreErrorKind::Unavailable`] when the
    /// server cannot be reached.
    pub async fn connect<T>(config: &Config, tls: T, schema: &str) -> Result<Self>
    where
        T: MakeTlsConnect<Socket> + Send + 'static,
        T::Stream: Send + 'static,
    {
        if !is_schema_name(schema) {
            return Err(
                StoreError::new(StoreErrorKind::InvalidInput, LISTEN).with_source(PostgresError::SchemaName)
            );
        }
        let (client, mut connection) = config.connect(tls).await.map_err(|error| {
            StoreError::new(StoreErrorKind::Unavailable, LISTEN)
                .with_source(PostgresError::Connection(error.to_string()))
        })?;
        let (sender, wakes) = mpsc::channel(WAITING);
        tokio::spawn(async move {
            loop {
                let told = match std::future::poll_fn(|context| connection.poll_message(context)).await {
                    Some(Ok(AsyncMessage::Notification(note))) => Ok(wake(note.payload())),
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => Err(from_postgres(LISTEN, &error)),
                    None => return,
                };
                let ended = told.is_err();
                if sender.send(told).await.is_err() || ended {
                    return;
                }
            }
        });
        client.batch_execute(&format!("LISTEN \"{schema}\"")).await.during(LISTEN)?;
        Ok(Self { wakes, _client: client })
    }

    /// The next wake-up. Dropping the future loses none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Unavailable`] when the connection broke: connect again, and look once.
    pub async fn next(&mut self) -> Result<Wake> {
        match self.wakes.recv().await {
            Some(told) => told,
            None => Err(StoreError::new(StoreErrorKind::Unavailable, LISTEN)),
        }
    }
}
