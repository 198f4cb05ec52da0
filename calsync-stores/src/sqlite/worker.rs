//! The thread that owns the connection.
//!
//! A thread of its own, and not the runtime's blocking pool, for three reasons: calls are answered in the order they
//! were made; the store works on any async runtime; and a call whose future was dropped either runs whole on this
//! thread or not at all, so that no transaction is ever left half done.
//!
//! A database in memory never waits for a disk: its calls run where they are made, one at a time, and whole as well.

use std::{
    sync::{Mutex, PoisonError, mpsc},
    thread::JoinHandle,
};

use calsync_core::store::{Result, StoreError, StoreErrorKind};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::{
    config::SqliteConfig,
    error::SqliteError,
    open::{Place, connect},
};

type Job = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the connection.
#[derive(Debug)]
pub(super) enum Worker {
    /// A thread of its own.
    Thread(Thread),
    /// Whoever calls.
    Caller(Mutex<Connection>),
}

/// A thread that ends when this is dropped, after the calls that were made. Dropping waits for it: a process that ended
/// before it would leave the data in the write-ahead log, and the file alone would hold none of it.
#[derive(Debug)]
pub(super) struct Thread {
    /// `None` once it was told to end.
    jobs: Option<mpsc::Sender<Job>>,
    ended: oneshot::Receiver<()>,
    handle: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(handle) = self.handle.take() {
            // A call that panicked has rolled its transaction back; there is nobody to tell.
            let _ = handle.join();
        }
    }
}

impl Worker {
    /// Opens an empty database in memory.
    pub(super) fn in_memory() -> Result<Self> {
        Ok(Self::Caller(Mutex::new(connect(&Place::Memory, &SqliteConfig::default())?)))
    }

    /// Opens the database on a new thread.
    pub(super) async fn start(place: Place, config: SqliteConfig) -> Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let (opened, ready) = oneshot::channel();
        let (ending, ended) = oneshot::channel();
        let body = move || {
            let mut connection = match connect(&place, &config) {
                Ok(connection) => connection,
                Err(error) => {
                    let _ = opened.send(Err(error));
                    return;
                }
            };
            let _ = opened.send(Ok(()));
            while let Ok(job) = queue.recv() {
                job(&mut connection);
            }
            drop(connection);
            let _ = ending.send(());
        };
        let handle = std::thread::Builder::new()
            .name("calsync-sqlite".to_owned())
            .spawn(body)
            .map_err(|error| StoreError::backend("open", error))?;
        // Not joined when opening fails or is given up: nothing was written that would have to be finished.
        ready.await.map_err(|_| closed("open"))??;
        Ok(Self::Thread(Thread { jobs: Some(jobs), ended, handle: Some(handle) }))
    }

    /// Runs a call, in the order of the calls. One nobody waits for any more is not begun.
    pub(super) async fn run<T, F>(&self, operation: &'static str, call: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Connection) -> Result<T> + Send + 'static,
    {
        let jobs = match self {
            Self::Thread(thread) => thread.jobs.as_ref().ok_or_else(|| closed(operation))?,
            // A call that panicked has rolled its transaction back.
            Self::Caller(connection) => {
                return call(&mut connection.lock().unwrap_or_else(PoisonError::into_inner));
            }
        };
        let (reply, answer) = oneshot::channel();
        let job = move |connection: &mut Connection| {
            if !reply.is_closed() {
                let _ = reply.send(call(connection));
            }
        };
        jobs.send(Box::new(job)).map_err(|_| closed(operation))?;
        answer.await.map_err(|_| closed(operation))?
    }

    /// Waits until everything that was asked for is done and the file is closed.
    pub(super) async fn close(self) {
        if let Self::Thread(mut thread) = self {
            drop(thread.jobs.take());
            // An error means that the thread is gone already.
            let _ = (&mut thread.ended).await;
        }
    }
}

fn closed(operation: &'static str) -> StoreError {
    StoreError::new(StoreErrorKind::Backend, operation).with_source(SqliteError::Closed)
}
