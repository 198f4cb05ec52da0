//! The SQLite store as a file: who may read it, who shares it, and what is left after a crash.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::{
    error::Error as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::Duration,
};

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{Batch, Revision, Store, StoreErrorKind, Write},
};
use calsync_stores::sqlite::{Durability, SqliteConfig, SqliteError, SqliteStore};
use calsync_testkit::{
    bookings::{Race, Wishes, race},
    store_conformance::{sample, values},
};
use chrono::DateTime;
use rusqlite::Connection;
use tempfile::TempDir;

/// Tells a child process of these tests what to do.
const CHILD: &str = "CALSYNC_TEST_CHILD";

async fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, SqliteConfig::default()).await.unwrap()
}

fn directory() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("calsync.db");
    (directory, path)
}

fn put(id: &str) -> Batch {
    Batch { writes: vec![sample::put_event(&"c".into(), id, id)], ..Batch::default() }
}

async fn count(store: &SqliteStore) -> usize {
    store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap().len()
}

/// Runs one of these tests again in a process of its own.
fn child(test: &str, task: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(CHILD, task);
    command
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    use std::os::unix::fs::PermissionsExt;

    let (directory, path) = directory();
    let store = open(&path).await;
    store.commit(put("e")).await.unwrap();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.file_name());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    assert_eq!(names, ["calsync.db", "calsync.db-shm", "calsync.db-wal"]);
    store.close().await;
}

#[cfg(unix)]
#[tokio::test]
async fn symbolic_link_to_a_file_is_refused() {
    let (directory, path) = directory();
    let target = directory.path().join("target.db");
    std::os::unix::fs::symlink(&target, &path).unwrap();
    for _ in ["a link to nothing", "a link to a database"] {
        let error = SqliteStore::open(&path, SqliteConfig::default()).await.expect_err("a link");
        assert_eq!(error.kind, StoreErrorKind::InvalidInput);
        let cause: &SqliteError = error.source().and_then(|source| source.downcast_ref()).expect("a cause");
        assert_eq!(cause, &SqliteError::SymbolicLink);
        open(&target).await.close().await;
    }

    let linked = directory.path().join("linked");
    std::os::unix::fs::symlink(directory.path(), &linked).unwrap();
    open(&linked.join("target.db")).await.close().await;
}

#[tokio::test]
async fn path_must_name_a_file_in_a_directory_that_exists() {
    let (directory, _) = directory();
    for (path, kind) in [
        (directory.path().to_owned(), StoreErrorKind::InvalidInput),
        (directory.path().join(".."), StoreErrorKind::InvalidInput),
        (directory.path().join("missing").join("calsync.db"), StoreErrorKind::Backend),
    ] {
        let error = SqliteStore::open(&path, SqliteConfig::default()).await.expect_err("no file");
        assert_eq!(error.kind, kind, "{error:?}");
    }
}

#[tokio::test]
async fn busy_file_is_unavailable_and_nothing_is_written() {
    let (_directory, path) = directory();
    let config = SqliteConfig::default().with_busy_timeout(Duration::from_millis(1));
    let store = SqliteStore::open(&path, config.clone()).await.unwrap();
    store.commit(put("before")).await.unwrap();

    let other = Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.commit(put("meanwhile")).await.expect_err("busy");
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert_eq!(error.retry(), calsync_core::provider::Retry::Backoff);
    assert_eq!(count(&store).await, 1, "reads go on");
    SqliteStore::open(&path, config).await.expect("opening an up-to-date file waits for no writer");

    other.execute_batch("ROLLBACK").unwrap();
    store.commit(put("after")).await.unwrap();
    assert_eq!(count(&store).await, 2);
}

#[tokio::test]
async fn new_file_is_opened_by_many_at_once() {
    for _ in 0..10 {
        let (_directory, path) = directory();
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let path = path.clone();
                tokio::spawn(async move { open(&path).await.commit(put(&format!("e{n}"))).await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(count(&open(&path).await).await, 8);
    }
}

#[tokio::test]
async fn two_connections_take_turns() {
    let (_directory, path) = directory();
    let stores = [open(&path).await, open(&path).await].map(Arc::new);
    let tasks = stores.clone().map(|store| {
        tokio::spawn(async move {
            for n in 0..50 {
                store.commit(put(&format!("{:p} {n}", Arc::as_ptr(&store)))).await.unwrap();
            }
        })
    });
    for task in tasks {
        task.await.unwrap();
    }
    for store in stores {
        let found = store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap();
        let revisions: Vec<u64> = found.iter().map(|record| record.revision.0).collect();
        assert_eq!(revisions, (1..=100).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn dropped_commit_is_whole_or_absent() {
    let (_directory, path) = directory();
    let store = open(&path).await;
    for round in 0..50 {
        let writes = (0..20).map(|n| sample::put_event(&"c".into(), &format!("{round} {n}"), "e")).collect();
        let mut commit = Box::pin(store.commit(Batch { writes, ..Batch::default() }));
        // Polled once: asked for, not answered.
        let waker = std::task::Waker::noop();
        let polled = commit.as_mut().poll(&mut std::task::Context::from_waker(waker));
        drop((polled, commit));
        assert_eq!(count(&store).await % 20, 0, "round {round}");
    }
    store.commit(put("after")).await.expect("the store goes on");
}

#[tokio::test]
async fn close_waits_for_the_calls_before_it() {
    let (directory, path) = directory();
    let store =
        SqliteStore::open(&path, SqliteConfig::default().with_durability(Durability::Full)).await.unwrap();
    store.commit(put("e")).await.unwrap();
    store.close().await;
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["calsync.db"], "the log was folded into the file");
    assert_eq!(count(&open(&path).await).await, 1);
}

#[tokio::test]
async fn dropping_the_last_handle_leaves_a_whole_file() {
    let (directory, path) = directory();
    let store = open(&path).await;
    let tenant = store.tenant("other");
    store.commit(put("e")).await.unwrap();
    drop(store);
    tenant.commit(put("f")).await.expect("another handle keeps it open");
    drop(tenant);
    let names: Vec<_> =
        std::fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["calsync.db"], "the log was folded into the file");
    let copy = directory.path().join("copy.db");
    std::fs::copy(&path, &copy).unwrap();
    assert_eq!(count(&open(&copy).await).await, 1);
}

/// The child commits batch after batch and aborts while the thread of the store is in the middle of one.
#[tokio::test]
async fn crash_leaves_whole_batches_and_every_answered_one() {
    const BATCH: usize = 50;
    const ANSWERED: usize = 10;
    if let Ok(path) = std::env::var(CHILD) {
        let store = Arc::new(open(Path::new(&path)).await);
        let commit = |round: usize| {
            let store = Arc::clone(&store);
            let id = move |n| format!("{round} {n}");
            let writes = (0..BATCH).map(|n| sample::put_event(&"c".into(), &id(n), "e")).collect();
            async move { store.commit(Batch { writes, ..Batch::default() }).await.unwrap() }
        };
        for round in 0..ANSWERED {
            commit(round).await;
        }
        // These are under way: the first await that gives up control starts them all, the answer to one ends it.
        let rest: Vec<_> = (ANSWERED..ANSWERED + 20).map(|round| tokio::spawn(commit(round))).collect();
        for task in rest.into_iter().take(3) {
            task.await.unwrap();
        }
        std::process::abort();
    }
    let (_directory, path) = directory();
    let test = "crash_leaves_whole_batches_and_every_answered_one";
    let ended = child(test, path.to_str().unwrap()).output().unwrap();
    assert!(!ended.status.success(), "the child aborts");
    let store = open(&path).await;
    let found = store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap();
    let revisions: Vec<u64> = found.iter().map(|record| record.revision.0).collect();
    assert_eq!(revisions, (1..=revisions.len() as u64).collect::<Vec<_>>());
    assert_eq!(found.len() % BATCH, 0, "whole batches only");
    assert!(found.len() >= (ANSWERED + 3) * BATCH, "{} events: what was answered is there", found.len());
}

/// The suite's case for instants in a process whose local time is Chicago's, and rows it wrote read by this one.
#[tokio::test]
async fn time_05_instants_do_not_depend_on_the_zone_of_the_process() {
    // Half past one in Chicago, on the day it happens twice: the second one.
    let instant = DateTime::from_timestamp_micros(1_793_518_200_000_001).unwrap();
    if let Ok(path) = std::env::var(CHILD) {
        let store = Arc::new(open(Path::new(&path)).await);
        values::instants_are_exact(&store).await;
        let event = Box::new(sample::event("e"));
        let put = Write::PutEvent { calendar: "c".into(), id: "twice".into(), event, at: instant };
        store.commit(Batch { writes: vec![put], ..Batch::default() }).await.unwrap();
        return;
    }
    for zone in ["America/Chicago", "Asia/Kolkata"] {
        let (_directory, path) = directory();
        let test = "time_05_instants_do_not_depend_on_the_zone_of_the_process";
        let ended = child(test, path.to_str().unwrap()).env("TZ", zone).output().unwrap();
        assert!(ended.status.success(), "{zone}: {}", String::from_utf8_lossy(&ended.stdout));
        let record = open(&path).await.events(&"c".into(), &["twice".into()]).await.unwrap().remove(0);
        assert_eq!(record.modified, instant);
    }
}

/// A first sync of a large calendar: 10,000 events with their bases, in batches of 100.
#[tokio::test]
async fn large_calendar_is_written_and_paged() {
    let (_directory, path) = directory();
    let store = open(&path).await;
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    for batch in 0..100 {
        let mut writes: Vec<Write> = Vec::with_capacity(201);
        for n in 0..100 {
            let id = format!("event-{batch:03}-{n:03}");
            writes.push(sample::put_event(&calendar, &id, &id));
            writes.push(sample::put_base(&link, &format!("/calendars/home/{id}.ics"), &id));
        }
        writes.push(Write::PutLink(Box::new(sample::link_state(&link))));
        store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    }
    assert_eq!(store.link(&link).await.unwrap().unwrap().generation, 100);
    let (mut after, mut seen) = (Revision(0), 0);
    loop {
        let page = store.events_since(&calendar, after, 500).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.revision;
        seen += page.len();
    }
    assert_eq!((after, seen), (Revision(10_000), 10_000));
    assert_eq!(store.base_summaries(&link, None, usize::MAX).await.unwrap().len(), 10_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_slot_is_booked_twice_by_those_who_share_a_file() {
    for wishes in [Wishes::Slots, Wishes::Overlapping] {
        let (_directory, path) = directory();
        let mut stores: Vec<Arc<dyn Store>> = Vec::new();
        for _ in 0..3 {
            stores.push(Arc::new(open(&path).await));
        }
        race(&stores, Race { reservations: 1000, slots: 100, workers: 12, wishes }).await;
    }
}
