//! The host's store keeps every guarantee of the store trait, and its table of events stays the host's.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

// Named after its database, so that `--skip postgres` leaves it out.
mod hosts_table_on_postgres {
    use std::{
        str::FromStr as _,
        sync::{
            Arc,
            atomic::{AtomicU32, Ordering},
        },
    };

    use calsync_core::{
        engine::{Link, SyncOptions},
        model::CalendarId,
        store::{Batch, Expectation, Revision, Store, StoreErrorKind, Write},
    };
    use calsync_testkit::{
        remote::MemoryRemote,
        world::{World, body, event},
    };
    use chrono::TimeDelta;
    use sqlx::{
        PgPool,
        postgres::{PgConnectOptions, PgPoolOptions},
    };
    use sqlx_store::{HostStore, SCHEMA};

    /// A database of a host: empty, and nobody else's.
    async fn database() -> PgPool {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let schema = format!("host_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let options = PgConnectOptions::from_str(&calsync_testkit::postgres::url()).expect("a URL");
        let options = options.options([("search_path", schema.as_str())]);
        let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await.expect("PostgreSQL");
        let make = format!("CREATE SCHEMA {schema}; {SCHEMA}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(make)).execute(&pool).await.expect("the tables are made");
        pool
    }

    async fn fresh() -> HostStore {
        HostStore::new(database().await)
    }

    calsync_testkit::store_conformance!(fresh);

    async fn sync(world: &World, remote: &MemoryRemote) {
        world.clock.advance(TimeDelta::seconds(30));
        let link = Link::new("rooms", "family", "memory");
        world.engine.sync(&link, remote, &SyncOptions::default()).await.expect("the run goes through");
    }

    /// What the application's own query finds.
    async fn meetings(pool: &PgPool) -> Vec<(String, String, String)> {
        sqlx::query_as(
            "SELECT title, to_char(starts_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), catering FROM events \
             WHERE deleted IS NULL ORDER BY title",
        )
        .fetch_all(pool)
        .await
        .expect("the host's table is readable")
    }

    fn meeting(title: &str, catering: &str) -> (String, String, String) {
        (title.to_owned(), "2026-02-01 09:00".to_owned(), catering.to_owned())
    }

    /// What syncs in and out is in the host's columns, and those calsync knows nothing of keep what the host wrote.
    #[tokio::test]
    async fn a_sync_keeps_the_hosts_columns() {
        let pool = database().await;
        let world = World::new(Arc::new(HostStore::new(pool.clone())), 1);
        let remote = MemoryRemote::default();
        remote.put("theirs", &event("uid-theirs", "Board"));
        world.add(event("uid-ours", "Interview")).await;
        sync(&world, &remote).await;
        sync(&world, &remote).await;
        assert_eq!(meetings(&pool).await, [meeting("Board", "none"), meeting("Interview", "none")]);

        let order = sqlx::query("UPDATE events SET catering = 'lunch' WHERE title = 'Board'");
        assert_eq!(order.execute(&pool).await.unwrap().rows_affected(), 1);
        remote.put("theirs", &event("uid-theirs", "Board, moved"));
        world.delete("uid-ours").await;
        sync(&world, &remote).await;
        sync(&world, &remote).await;
        assert_eq!(meetings(&pool).await, [meeting("Board, moved", "lunch")]);
        let left: Vec<_> = remote.items().into_values().map(|event| event.uid).collect();
        assert_eq!(left, ["uid-theirs"]);
    }

    /// The application edits an event and its own column in one transaction: both are seen, or neither; and the edit goes out.
    #[tokio::test]
    async fn an_edit_of_the_application_is_one_transaction() {
        let pool = database().await;
        let store = HostStore::new(pool.clone());
        let world = World::new(Arc::new(store.clone()), 2);
        let remote = MemoryRemote::default();
        world.add(event("uid", "Board")).await;
        sync(&world, &remote).await;
        let record = world.local("uid").await;
        let calendar = CalendarId::from("family");

        for (expected, title) in [(Revision(99), "Refused"), (record.revision, "Board with lunch")] {
            let mut edited = record.event.clone();
            body(&mut edited).title = Some(title.to_owned());
            let batch = Batch {
                expect: vec![Expectation::Event {
                    calendar: calendar.clone(),
                    id: record.id.clone(),
                    revision: Some(expected),
                }],
                writes: vec![Write::PutEvent {
                    calendar: calendar.clone(),
                    id: record.id.clone(),
                    event: Box::new(edited),
                    at: record.modified,
                }],
                ..Batch::default()
            };
            let mut transaction = pool.begin().await.unwrap();
            let order = sqlx::query("UPDATE events SET catering = 'lunch' WHERE id = $1");
            order.bind(record.id.as_str()).execute(&mut *transaction).await.unwrap();
            match HostStore::commit_in(&mut transaction, &batch).await {
                Ok(_) => transaction.commit().await.unwrap(),
                Err(_) => transaction.rollback().await.unwrap(),
            }
            if title == "Refused" {
                assert_eq!(meetings(&pool).await, [meeting("Board", "none")], "the order went with the edit");
            }
        }
        assert_eq!(meetings(&pool).await, [meeting("Board with lunch", "lunch")]);
        // One that goes on seeing what was there when it began would not see who wrote since.
        let mut transaction = pool.begin().await.unwrap();
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .execute(&mut *transaction)
            .await
            .unwrap();
        let refused = HostStore::commit_in(&mut transaction, &Batch::default()).await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::InvalidInput);
        drop(transaction);
        sync(&world, &remote).await;
        let there = remote.items().into_values().next().expect("it is there");
        assert_eq!(there.master.unwrap().title.as_deref(), Some("Board with lunch"));
        assert!(store.outbox(&"rooms".into(), None, 9).await.unwrap().is_empty());
    }
}
