//! Tests that look inside: query plans, migrations, rows that were tampered with.

use std::{collections::BTreeSet, error::Error as _, sync::Arc};

use calsync_core::{
    engine::{EngineError, Link, SyncOptions},
    feed::EventSeq,
    model::{Event, LinkId},
    store::{
        BaseQuery, Batch, Claims, Doc, DocQuery, RecordKind, RecordQuery, Revision, Store, StoreError,
        StoreErrorKind, Write,
    },
};
use calsync_testkit::{
    remote::MemoryRemote,
    store_conformance::sample,
    world::{World, event},
};
use chrono::TimeDelta;
use rusqlite::{Connection, params_from_iter};
use tempfile::TempDir;

use super::{
    SqliteConfig, SqliteError, SqliteStore,
    error::from_sqlite,
    migrations::{MIGRATIONS, migrate},
    sql,
};

fn migrated(migrations: &[&str]) -> Connection {
    let mut connection = Connection::open_in_memory().unwrap();
    migrate(&mut connection, migrations).unwrap();
    connection
}

/// What the schema says, comments included.
fn schema(connection: &Connection) -> Vec<String> {
    let mut statement = connection
        .prepare(
            "SELECT type || ' ' || name || ': ' || ifnull(sql, '') FROM sqlite_schema ORDER BY type, name",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

fn user_version(connection: &Connection) -> i64 {
    connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
}

fn cause(error: &StoreError) -> &SqliteError {
    error.source().and_then(|source| source.downcast_ref()).expect("a cause of ours")
}

#[test]
fn a_disk_that_is_full_when_the_file_is_opened_is_full() {
    for code in [rusqlite::ffi::SQLITE_FULL, rusqlite::ffi::SQLITE_IOERR_SHMSIZE] {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        assert_eq!(from_sqlite("open", error).kind, StoreErrorKind::Full);
    }
}

/// Lets the file grow by so many pages more, as a disk would that has no more room; `None`: as far as it likes.
async fn room(store: &SqliteStore, pages: Option<i64>) {
    let limit = move |connection: &mut Connection, _: &str| {
        let used: i64 = connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = pages.map_or(i64::from(u32::MAX) - 1, |pages| used + pages);
        connection.pragma_update_and_check(None, "max_page_count", most, |_| Ok(())).unwrap();
        Ok(())
    };
    store.run("room", limit).await.unwrap();
}

/// The disk is full in the middle of a commit. Nothing of that commit is there, all before it is, and it goes on when
/// there is room.
/// The suite takes a store that counts nothing; this one counts both.
#[tokio::test]
async fn what_waits_is_counted() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(directory.path().join("due.db"), SqliteConfig::default()).await.unwrap();
    let doc = Write::PutDoc(Doc::new("s", "k", "").with_due(Some(sample::at(1))));
    let writes = vec![doc, sample::put_outbox(&"l".into(), "o", "e")];
    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    let counted = store.backlog(&["s"], sample::at(1), 9).await.unwrap();
    assert_eq!((counted.due, counted.writes), (Some(1), Some(1)));
}

#[tokio::test]
async fn a_full_disk_refuses_whole_commits() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(directory.path().join("full.db"), SqliteConfig::default()).await.unwrap();
    let commit = async |round: usize| {
        let events = (0..50).map(|n| sample::put_event(&"c".into(), &format!("{round} {n}"), "title"));
        store.commit(Batch { writes: events.collect(), ..Batch::default() }).await
    };
    let there = async || store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap().len();
    room(&store, Some(40)).await;
    let mut rounds = 0;
    let error = loop {
        match commit(rounds).await {
            Ok(_) => rounds += 1,
            Err(error) => break error,
        }
        assert!(rounds < 1_000, "it is never full");
    };
    assert_eq!(error.kind, StoreErrorKind::Full);
    assert!(rounds > 0 && there().await == rounds * 50, "{rounds} commits, {} events", there().await);
    assert_eq!(commit(rounds).await.unwrap_err().kind, StoreErrorKind::Full, "still");
    room(&store, None).await;
    commit(rounds).await.unwrap();
    assert_eq!(there().await, (rounds + 1) * 50);
}

/// A run that meets a full disk fails and says so; the next one with room brings both sides in step, nothing twice.
#[tokio::test]
async fn a_run_that_met_a_full_disk_is_made_good_by_the_next() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::open(directory.path().join("full.db"), SqliteConfig::default()).await.unwrap();
    let world = World::new(Arc::new(store.clone()), 1);
    let remote = MemoryRemote::default();
    for n in 0..400 {
        remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "there"));
    }
    for n in 0..20 {
        world.add(event(&format!("here-{n}"), "here")).await;
    }
    let sync = async || {
        world.clock.advance(TimeDelta::minutes(2));
        let link = Link::new("home", "family", "memory");
        world.engine.sync(&link, &remote, &SyncOptions::default()).await
    };
    // Full at the first commits, and further on each time.
    let mut failed = 0;
    for pages in [2, 30, 60, 90] {
        room(&store, Some(pages)).await;
        match sync().await {
            Err(EngineError::Store(error)) => {
                assert_eq!(error.kind, StoreErrorKind::Full, "{pages} pages");
                failed += 1;
            }
            done => assert!(done.is_ok(), "{pages} pages: {done:?}"),
        }
    }
    assert!(failed > 1, "{failed} runs met the end of the disk");
    room(&store, None).await;
    sync().await.unwrap();
    let uids = |events: Vec<Event>| events.into_iter().map(|event| event.uid).collect::<BTreeSet<_>>();
    let (there, here) = (remote.items(), world.locals().await);
    assert_eq!((there.len(), here.len()), (420, 420));
    assert_eq!(
        uids(there.into_values().collect()),
        uids(here.into_iter().map(|record| record.event).collect())
    );
    assert!(sync().await.unwrap().plan.operations.is_empty());
}

#[test]
fn every_read_searches_one_index_and_sorts_nothing() {
    let connection = migrated(MIGRATIONS);
    for (name, sql) in sql::ALL {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let nothing = vec![rusqlite::types::Null; statement.parameter_count()];
        let plan: Vec<String> = statement
            .query_map(params_from_iter(nothing), |row| row.get("detail"))
            .unwrap()
            .map(Result::unwrap)
            .collect();
        assert_eq!(plan.len(), 1, "{name}: {plan:?}");
        assert!(plan[0].starts_with("SEARCH "), "{name}: {plan:?}");
        assert!(plan[0].contains(" USING "), "{name}: {plan:?}");
        let ranged = sql.contains(['<', '>']) || sql.contains("due IS NOT NULL");
        assert_eq!(plan[0].contains(['<', '>']), ranged, "{name}: a range is found in the index: {plan:?}");
    }
}

/// The next change of the schema, made up.
const NEXT: &str = "ALTER TABLE runs ADD COLUMN note TEXT; CREATE TABLE notes (id TEXT PRIMARY KEY) STRICT;";

#[test]
fn upgraded_schema_equals_fresh_schema() {
    let longer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    let fresh = migrated(&longer);
    for known in 0..longer.len() {
        let mut upgraded = migrated(&longer[..known]);
        migrate(&mut upgraded, &longer).unwrap();
        assert_eq!(schema(&upgraded), schema(&fresh), "from version {known}");
        assert_eq!(user_version(&upgraded), user_version(&fresh));
    }
}

#[test]
fn schema_explains_itself() {
    let schema = schema(&migrated(MIGRATIONS)).join("\n");
    assert!(schema.contains("-- microseconds since 1970 UTC"), "comments are kept");
}

#[test]
fn interrupted_migration_leaves_the_version_before() {
    let broken: Vec<&str> = MIGRATIONS
        .iter()
        .copied()
        .chain(["CREATE TABLE half (id TEXT); INSERT INTO nowhere VALUES (1);"])
        .collect();
    let mut connection = migrated(MIGRATIONS);
    let before = (schema(&connection), user_version(&connection));
    migrate(&mut connection, &broken).expect_err("the second step fails");
    assert_eq!((schema(&connection), user_version(&connection)), before);
    // The version before goes on working, and the repaired step goes through.
    migrate(&mut connection, MIGRATIONS).unwrap();
    let repaired: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    migrate(&mut connection, &repaired).unwrap();
}

#[test]
fn newer_schema_is_refused_and_left_alone() {
    let newer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    let mut connection = migrated(&newer);
    let before = schema(&connection);
    let error = migrate(&mut connection, MIGRATIONS).expect_err("it is newer");
    assert_eq!(error.kind, StoreErrorKind::InvalidInput);
    let known = i64::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(cause(&error), &SqliteError::NewerSchema { found: known + 1, known });
    assert_eq!(schema(&connection), before);
}

#[test]
fn database_of_another_application_is_refused_and_left_alone() {
    for other in [
        "CREATE TABLE theirs (id)",
        "PRAGMA user_version = 1",
        "PRAGMA application_id = 7",
        "CREATE TABLE theirs (id); PRAGMA user_version = 1; PRAGMA application_id = 7",
    ] {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch(other).unwrap();
        let before = schema(&connection);
        let error = migrate(&mut connection, MIGRATIONS).expect_err("it is theirs");
        assert_eq!(cause(&error), &SqliteError::ForeignFile, "{other}");
        assert_eq!(schema(&connection), before, "{other}");
    }
}

/// A file with a row of each kind, and a way to change it behind the store's back.
async fn tampered(change: &str) -> (TempDir, SqliteStore) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("calsync.db");
    let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
    let link = LinkId::from("l");
    let writes = vec![
        Write::PutCalendar(sample::calendar("c")),
        sample::put_event(&"c".into(), "e", "secret title"),
        Write::PutLink(Box::new(sample::link_state(&link))),
        sample::put_base(&link, "secret item", "e"),
        sample::put_outbox(&link, "o", "e"),
        Write::PutConflict(Box::new(sample::conflict(&link, "1", "e", "r"))),
        Write::PutQuarantine(Box::new(sample::quarantine(&link, "secret item"))),
        Write::PutRun(Box::new(sample::run(&link, "r"))),
        Write::PutJournal(Box::new(sample::journal(&link, "1", "e", "r"))),
        Write::PutDoc(Doc::new("s", "k", "secret value").with_due(Some(sample::at(0)))),
    ];
    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    store.close().await;
    let other = Connection::open(&path).unwrap();
    other.execute_batch(change).unwrap();
    other.close().unwrap();
    let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
    (directory, store)
}

#[tokio::test]
async fn unreadable_rows_are_named_without_their_text() {
    let link = LinkId::from("l");
    let query = |kind| RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 9 };
    let broken = r#"'{"secret title'"#;
    let table = [
        ("calendars SET json", "calendar c"),
        ("events SET json", "event e"),
        ("events SET modified = 9223372036854775807, json", "event e"),
        ("links SET json", "link l"),
        ("bases SET local", "base 1"),
        ("outbox SET json", "outbox entry 1"),
        ("conflicts SET json", "conflict 1"),
        ("quarantine SET json", "quarantined item 1"),
        ("runs SET json", "run 1"),
        ("journal SET json", "journal entry 1"),
        ("feed_entries SET json", "entry of a feed 1"),
        ("docs SET due = 9223372036854775807 WHERE NOT ''", "document k"),
    ];
    for (target, named) in table {
        let (_directory, store) = tampered(&format!("UPDATE {target} = {broken}")).await;
        let error = match named.split(' ').next().unwrap() {
            "calendar" => store.calendars().await.map(drop),
            "event" => store.events(&"c".into(), &["e".into()]).await.map(drop),
            "link" => store.link(&link).await.map(drop),
            "base" => store.bases(&link, BaseQuery::Events(&["e".into()])).await.map(drop),
            "outbox" => store.outbox(&link, None, 9).await.map(drop),
            "conflict" => store.records(query(RecordKind::Conflict)).await.map(drop),
            "quarantined" => store.records(query(RecordKind::Quarantine)).await.map(drop),
            "document" => store.docs("s", DocQuery::Keys(&["k"])).await.map(drop),
            "entry" => store.feed(&"c".into(), EventSeq(0), 9).await.map(drop),
            "run" => store.records(query(RecordKind::Run)).await.map(drop),
            _ => store.records(query(RecordKind::Journal)).await.map(drop),
        }
        .expect_err(named);
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{named}");
        assert_eq!(cause(&error).to_string(), format!("{named} is not readable"));
        assert!(!format!("{error:?} {error}").contains("secret"), "{error:?}");
    }
}

#[tokio::test]
async fn file_that_is_no_database_is_refused() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("calsync.db");
    std::fs::write(&path, "BEGIN:VCALENDAR\r\n".repeat(100)).unwrap();
    let error = SqliteStore::open(&path, SqliteConfig::default()).await.expect_err("no database");
    assert_eq!(error.kind, StoreErrorKind::Corrupt);
    assert_eq!(std::fs::read(&path).unwrap(), "BEGIN:VCALENDAR\r\n".repeat(100).as_bytes());
}
