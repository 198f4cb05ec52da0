//! Files that older versions of calsync wrote: their rows are still read, and their schema ends up like a fresh one.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "helpers of tests")]

use std::path::Path;

use calsync_core::{
    model::{EventTime, LinkId},
    provider::ErrorKind,
    store::{
        BaseQuery, BaseState, Batch, LeaseGrant, LinkHealth, Log, OutboxOp, OutboxState, Record, RecordKind,
        RecordQuery, Revision, RunOutcome, Store, Write,
    },
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use calsync_testkit::store_conformance::sample;
use chrono::TimeDelta;
use rusqlite::Connection;

/// One file per released version.
const FIXTURES: [&str; 1] = [include_str!("fixtures/version_1.sql")];

/// What the schema of a file says, comments included.
fn schema(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT type || ' ' || name || ': ' || ifnull(sql, '') FROM sqlite_schema ORDER BY type, name",
        )
        .unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.map(Result::unwrap).collect()
}

#[tokio::test]
async fn older_files_are_upgraded_and_read() {
    let directory = tempfile::TempDir::new().unwrap();
    let fresh = directory.path().join("fresh.db");
    SqliteStore::open(&fresh, SqliteConfig::default()).await.unwrap().close().await;
    for (n, fixture) in FIXTURES.into_iter().enumerate() {
        let path = directory.path().join(format!("{n}.db"));
        let older = Connection::open(&path).unwrap();
        older.execute_batch(fixture).unwrap();
        older.close().unwrap();
        let store = SqliteStore::open(&path, SqliteConfig::default()).await.unwrap();
        every_row_is_read(&store).await;
        store.close().await;
        assert_eq!(schema(&path), schema(&fresh));
    }
}

/// All fixtures hold the same rows.
async fn every_row_is_read(store: &SqliteStore) {
    let (calendar, link) = ("calendar".into(), LinkId::from("link"));
    assert_eq!(store.calendars().await.unwrap()[0].color.as_deref(), Some("#ff0000"));

    let events = store.events_since(&calendar, Revision(0), 10).await.unwrap();
    let ids: Vec<_> = events.iter().map(|record| (record.id.as_str(), record.revision.0)).collect();
    assert_eq!(ids, [("rich", 1), ("zoned", 2), ("deleted", 4)]);
    assert_eq!(events[0].event.uid, "text \u{1f4c5}\r\nsecond line");
    assert_eq!(events[0].event.overrides.len(), 3);
    assert_eq!(events[0].modified, sample::at(1));
    let start = &events[1].event.master.as_ref().unwrap().time.start;
    assert_eq!(
        start,
        &EventTime::zoned(sample::local(sample::date(2026, 7, 1), 9, 0, 0), sample::custom_zone())
    );
    assert_eq!(events[2].deleted, Some(sample::at(3)));

    let state = store.link(&link).await.unwrap().unwrap();
    assert_eq!((state.generation, state.seen), (1, Revision(2)));
    assert_eq!(state.cursor.unwrap().0, "cursor");
    assert_eq!(state.health, LinkHealth::Error { kind: ErrorKind::Throttled, failures: 2 });

    let ids = ["rich".into(), "zoned".into()];
    let mut bases = store.bases(&link, BaseQuery::Events(&ids)).await.unwrap();
    bases.sort_by(|a, b| a.remote_id.cmp(&b.remote_id));
    assert_eq!([bases[0].state, bases[1].state], [BaseState::Suppressed, BaseState::Linked]);
    assert_eq!(bases[0].local.as_ref().unwrap().uid, "uid-local");
    assert_eq!(bases[1].payload.as_str(), "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n");

    let outbox = store.outbox(&link, None, 10).await.unwrap();
    assert!(matches!(&outbox[0].op, OutboxOp::Update { expected, .. } if expected.as_str() == "v1"));
    assert!(matches!(&outbox[0].state, OutboxState::Wedged { detail, .. } if detail == "d"));
    assert_eq!(outbox[1].state, OutboxState::Pending);

    for kind in [RecordKind::Conflict, RecordKind::Quarantine, RecordKind::Run, RecordKind::Journal] {
        let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 10 };
        let records = store.records(query).await.unwrap();
        assert_eq!(records.len(), 1, "{kind:?}");
        if let Record::Run(run) = &records[0] {
            assert_eq!(run.outcome, RunOutcome::Failed { error: "e".to_owned() });
        }
    }

    let held = store.acquire_lease("link", "other", sample::at(1), TimeDelta::seconds(1)).await.unwrap();
    assert_eq!(held, LeaseGrant::Held { until: sample::at(60) });
    let writes = vec![Write::PutEvent {
        calendar,
        id: "new".into(),
        event: Box::new(sample::event("new")),
        at: sample::at(0),
    }];
    let receipt = store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    assert_eq!(receipt.revisions[0].2, Revision(5), "revisions go on where they stopped");

    // The old rows have an age too: noon, all of them; the conflict is open.
    let purge = |before| {
        let logs = [Log::Runs, Log::Journal, Log::ResolvedConflicts];
        logs.map(|log| Write::PurgeLog { link: link.clone(), log, before, limit: 10 }).to_vec()
    };
    for (before, purged) in [(sample::at(0), [0, 0, 0]), (sample::at(1), [1, 1, 0])] {
        let receipt = store.commit(Batch { writes: purge(before), ..Batch::default() }).await.unwrap();
        assert_eq!(receipt.purged, purged);
    }
}
