//! What only a database over a network does: connections break, poolers are shared, others listen.

use std::{error::Error as _, sync::Arc, time::Duration};

use calsync_core::{
    model::{CalendarId, LinkId},
    store::{
        Batch, Doc, DocQuery, Expectation, LeaseGrant, OutboxId, Revision, Store, StoreErrorKind, Write,
    },
};
use calsync_stores::postgres::{
    Listener, PostgresConfig, PostgresError, PostgresStore, Wake, WakeUps,
    deadpool_postgres::tokio_postgres::{self, Client, NoTls},
};
use calsync_testkit::store_conformance::sample;
use chrono::TimeDelta;

use crate::{
    postgres_conformance::{hosts_pool, store, unique},
    relay::Relay,
};

fn put(id: &str) -> Batch {
    Batch { writes: vec![sample::put_event(&"c".into(), id, id)], ..Batch::default() }
}

async fn count(store: &PostgresStore) -> usize {
    store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap().len()
}

async fn client() -> Client {
    let (client, connection) =
        tokio_postgres::connect(&calsync_testkit::postgres::url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Ends every connection whose application has a name.
async fn cut(client: &Client, application: &str) -> usize {
    let sql = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1";
    client.query(sql, &[&application]).await.unwrap().len()
}

#[tokio::test]
async fn cut_connections_are_replaced() {
    let name = unique("cut");
    let url = format!("{}?application_name={name}", calsync_testkit::postgres::url());
    let config = PostgresConfig::default().with_schema(&name).with_max_connections(2);
    let store = PostgresStore::connect(&url, config).await.unwrap();
    let other = client().await;
    for round in 0..5 {
        store.commit(put(&format!("e{round}"))).await.unwrap();
        assert!(cut(&other, &name).await > 0, "connections were cut");
        // Either the pool saw it in time, or one call is told to try again.
        if let Err(error) = store.calendars().await {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}");
            store.calendars().await.expect("the next one gets a new connection");
        }
    }
    assert_eq!(count(&store).await, 5);
}

#[tokio::test]
async fn commit_whose_connection_is_cut_is_whole_or_absent() {
    let name = unique("half");
    let url = format!("{}?application_name={name}", calsync_testkit::postgres::url());
    let store = PostgresStore::connect(&url, PostgresConfig::default().with_schema(&name)).await.unwrap();
    let other = client().await;
    for round in 0..10 {
        let writes = (0..50).map(|n| sample::put_event(&"c".into(), &format!("{round} {n}"), "e")).collect();
        let (done, _) = tokio::join!(store.commit(Batch { writes, ..Batch::default() }), cut(&other, &name));
        if let Err(error) = done {
            assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}");
        }
        let found = loop {
            match store.events_since(&"c".into(), Revision(0), usize::MAX).await {
                Ok(found) => break found.len(),
                Err(error) => assert_eq!(error.kind, StoreErrorKind::Unavailable),
            }
        };
        assert_eq!(found % 50, 0, "round {round}");
    }
}

#[tokio::test]
async fn dropped_commit_is_whole_or_absent_and_leaves_no_lock() {
    let config = PostgresConfig::default().with_schema(unique("dropped")).with_max_connections(2);
    let store = store(config).await;
    for round in 0..60_u64 {
        let writes = (0..20).map(|n| sample::put_event(&"c".into(), &format!("{round} {n}"), "e")).collect();
        // Cut off after more and more time: before it began, while it waits for locks, while it writes.
        let _ = tokio::time::timeout(
            Duration::from_micros(round * 100),
            store.commit(Batch { writes, ..Batch::default() }),
        )
        .await;
        assert_eq!(count(&store).await % 20, 0, "round {round}");
    }
    tokio::time::timeout(Duration::from_secs(20), store.commit(put("after")))
        .await
        .expect("no lock is left")
        .unwrap();
}

#[tokio::test]
async fn what_cannot_be_used_is_refused_without_its_password() {
    let error =
        PostgresStore::connect("postgres://me:secret@[oops", PostgresConfig::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::InvalidInput);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = format!("postgres://me:secret@127.0.0.1:{port}/d");
    let error = PostgresStore::connect(&nobody, PostgresConfig::default()).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::Unavailable);
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");

    let url = calsync_testkit::postgres::url();
    let error =
        PostgresStore::connect(&url, PostgresConfig::default().with_schema("a\"b")).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::InvalidInput);
    let cause: &PostgresError = error.source().and_then(|source| source.downcast_ref()).unwrap();
    assert_eq!(cause, &PostgresError::SchemaName);
}

#[tokio::test]
async fn ids_no_column_holds_are_refused_and_nothing_is_written() {
    let store = store(PostgresConfig::default().with_schema(unique("ids"))).await;
    // Text that does not shrink, longer than an entry of an index.
    let long: String = (0..4000_u32).filter_map(|n| char::from_u32(0x4e00 + n * 7919 % 20_000)).collect();
    for id in ["NUL \0 inside", &long] {
        let writes =
            vec![sample::put_event(&"c".into(), "fine", "e"), sample::put_event(&"c".into(), id, "e")];
        let error = store.commit(Batch { writes, ..Batch::default() }).await.expect_err("refused");
        assert_eq!(error.kind, StoreErrorKind::InvalidInput, "{error:?}");
        assert_eq!(count(&store).await, 0);
    }
    // A UID is not an id: it may be long, and hold anything.
    for (n, uid) in [long.as_str(), "NUL \0 inside"].into_iter().enumerate() {
        let mut event = sample::event("e");
        uid.clone_into(&mut event.uid);
        let put = Write::PutEvent {
            calendar: "c".into(),
            id: format!("{n}").into(),
            event: Box::new(event),
            at: sample::at(0),
        };
        let expect = vec![Expectation::Uid { calendar: "c".into(), uid: uid.to_owned(), events: Vec::new() }];
        store.commit(Batch { expect, writes: vec![put], ..Batch::default() }).await.unwrap();
        assert_eq!(store.events_by_uid(&"c".into(), &[uid]).await.unwrap().len(), 1);
    }
}

/// What an error says names tables and constraints, not rows: PostgreSQL's own details quote them.
#[tokio::test]
async fn errors_quote_no_rows() {
    let store = store(PostgresConfig::default().with_schema(unique("quiet"))).await;
    let link = LinkId::from("l");
    let writes = vec![
        sample::put_base(&link, "secret one", "secret"),
        sample::put_base(&link, "secret two", "secret"),
    ];
    let error = store.commit(Batch { writes, ..Batch::default() }).await.expect_err("refused");
    let text = format!("{error} {error:?} {}", error.source().unwrap());
    assert!(text.contains("23505") && text.contains("bases") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn hosts_rows_and_the_batch_are_one_transaction() {
    let pool = hosts_pool("");
    let schema = unique("joined");
    let config = PostgresConfig::default().with_schema(&schema);
    let store = PostgresStore::with_pool(pool.clone(), config).await.unwrap();
    let mut connection = pool.get().await.unwrap();
    connection.batch_execute(&format!("CREATE TABLE {schema}.bookings (id text)")).await.unwrap();
    let insert = format!("INSERT INTO {schema}.bookings VALUES ($1)");
    let bookings = format!("SELECT count(*) FROM {schema}.bookings");

    // Taken back by the host: both are gone.
    let transaction = connection.transaction().await.unwrap();
    transaction.execute(&insert, &[&"b1"]).await.unwrap();
    store.commit_in(&transaction, put("e1")).await.unwrap();
    transaction.rollback().await.unwrap();
    assert_eq!(count(&store).await, 0);

    // A refused batch leaves the host's row; nobody sees the accepted one before the end.
    let transaction = connection.transaction().await.unwrap();
    transaction.execute(&insert, &[&"b2"]).await.unwrap();
    let expect =
        vec![Expectation::Event { calendar: "c".into(), id: "e2".into(), revision: Some(Revision(7)) }];
    let error = store.commit_in(&transaction, Batch { expect, ..put("e2") }).await.expect_err("refused");
    assert_eq!(error.kind, StoreErrorKind::Conflict { expectation: 0 });
    let receipt = store.commit_in(&transaction, put("e3")).await.unwrap();
    assert_eq!(receipt.revisions[0].2, Revision(1), "what was taken back used no revision");
    assert_eq!(count(&store).await, 0);
    transaction.commit().await.unwrap();
    assert_eq!(count(&store).await, 1);
    assert_eq!(connection.query_one(&bookings, &[]).await.unwrap().get::<_, i64>(0), 1);
}

/// In a snapshot that is older than somebody's change, a batch is not decided on what is past.
#[tokio::test]
async fn old_snapshot_is_told_to_begin_again() {
    let pool = hosts_pool("");
    let store = PostgresStore::with_pool(pool.clone(), PostgresConfig::default().with_schema(unique("old")))
        .await
        .unwrap();
    store.commit(put("e")).await.unwrap();
    let mut connection = pool.get().await.unwrap();
    let isolation = tokio_postgres::IsolationLevel::RepeatableRead;
    let transaction = connection.build_transaction().isolation_level(isolation).start().await.unwrap();
    transaction.query("SELECT 1", &[]).await.unwrap();
    store.commit(put("f")).await.unwrap();
    let error = store.commit_in(&transaction, put("g")).await.expect_err("the calendar moved on");
    assert_eq!(error.kind, StoreErrorKind::Unavailable, "{error:?}");
}

#[tokio::test]
async fn listeners_hear_what_is_committed_and_no_more() {
    let schema = unique("wake");
    let store = store(PostgresConfig::default().with_schema(&schema)).await;
    let config: tokio_postgres::Config = calsync_testkit::postgres::url().parse().unwrap();
    let mut listener = Listener::connect(&config, NoTls, &schema).await.unwrap();

    let link = LinkId::from("l");
    let refused =
        Batch { expect: vec![Expectation::Link { id: link.clone(), generation: Some(9) }], ..put("never") };
    store.commit(refused).await.expect_err("refused");
    let quiet = Batch {
        writes: vec![
            Write::PutDoc(Doc::new("tokens", "never due", "")),
            Write::DeleteOutbox { link: link.clone(), id: OutboxId("o".to_owned()) },
        ],
        ..Batch::default()
    };
    store.commit(quiet).await.unwrap();
    let loud = vec![
        sample::put_event(&"c".into(), "e", "e"),
        sample::put_event(&"c".into(), "f", "f"),
        sample::put_outbox(&link, "o", "e"),
        Write::PutDoc(Doc::new("schedule", "l", "").with_due(Some(sample::at(0)))),
    ];
    store.tenant("acme").commit(Batch { writes: loud, ..Batch::default() }).await.unwrap();
    let tenant = || "acme".to_owned();
    let expected = [
        Wake::Calendar { tenant: tenant(), calendar: "c".to_owned() },
        Wake::Outbox { tenant: tenant(), link: "l".to_owned() },
        Wake::Doc { tenant: tenant(), space: "schedule".to_owned() },
    ];
    let mut heard = Vec::new();
    for _ in &expected {
        heard.push(
            tokio::time::timeout(Duration::from_secs(20), listener.next())
                .await
                .expect("it is told")
                .unwrap(),
        );
    }
    assert_eq!(heard, expected, "each once, and nothing of the batches before");

    let long = CalendarId::from("x".repeat(7_990));
    let told =
        store.commit(Batch { writes: vec![sample::put_event(&long, "e", "e")], ..Batch::default() }).await;
    told.unwrap();
    assert_eq!(listener.next().await.unwrap(), Wake::Anything);

    // Whoever may connect may notify.
    let other = client().await;
    other.batch_execute(&format!("NOTIFY {schema}, 'gibberish'")).await.unwrap();
    assert_eq!(listener.next().await.unwrap(), Wake::Anything);

    let silent = PostgresConfig::default().with_schema(&schema).with_wake_ups(WakeUps::Off);
    crate::postgres_conformance::store(silent).await.commit(put("silent")).await.unwrap();
    store.commit(put("loud")).await.unwrap();
    assert_eq!(
        listener.next().await.unwrap(),
        Wake::Calendar { tenant: String::new(), calendar: "c".to_owned() }
    );

    other
        .batch_execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN \"{schema}\"'"
        ))
        .await
        .unwrap();
    assert!(listener.next().await.is_err(), "a broken connection is told");
}

#[tokio::test]
async fn row_security_of_the_example_holds() {
    let admin = client().await;
    let database = unique("secure");
    admin.batch_execute(&format!("CREATE DATABASE {database}")).await.unwrap();
    let role = "DO $$ BEGIN CREATE ROLE calsync_app LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$";
    admin.batch_execute(role).await.unwrap();
    let mut config: tokio_postgres::Config = calsync_testkit::postgres::url().parse().unwrap();
    config.dbname(&database);
    let (owner, connection) = config.connect(NoTls).await.unwrap();
    tokio::spawn(connection);

    let url = calsync_testkit::postgres::url();
    let base = url.rsplit_once('/').unwrap().0;
    let owned = format!("{base}/{database}");
    PostgresStore::connect(&owned, PostgresConfig::default()).await.unwrap();
    owner.batch_execute(include_str!("../../../docs/postgres-row-security.sql")).await.unwrap();

    let bound = owned.replacen("postgres@", "calsync_app@", 1);
    let config = PostgresConfig::default().with_tenant_setting("calsync.tenant").with_max_connections(1);
    let store = PostgresStore::connect(&bound, config.clone()).await.unwrap();
    let (one, two) = (store.tenant("one"), store.tenant("two"));
    calsync_testkit::store_conformance::tenants::tenants_share_every_id(&one, &two).await;
    let lease = one.acquire_lease("l", "a", sample::at(0), TimeDelta::seconds(1)).await.unwrap();
    assert!(matches!(lease, LeaseGrant::Granted(_)));

    // A statement without WHERE: nothing without a tenant's name, one tenant's rows with it.
    let mut config: tokio_postgres::Config = url.parse().unwrap();
    let (app, connection) = config.dbname(&database).user("calsync_app").connect(NoTls).await.unwrap();
    tokio::spawn(connection);
    let tables = [
        "calendars",
        "revisions",
        "events",
        "links",
        "bases",
        "outbox",
        "conflicts",
        "quarantine",
        "runs",
        "journal",
        "docs",
    ];
    for table in tables {
        let sql = format!("SELECT tenant FROM calsync.{table}");
        app.batch_execute("RESET calsync.tenant").await.unwrap();
        assert_eq!(app.query(&sql, &[]).await.unwrap().len(), 0, "{table}");
        app.batch_execute("SET calsync.tenant = 'two'").await.unwrap();
        let seen = app.query(&sql, &[]).await.unwrap();
        assert!(!seen.is_empty() && seen.iter().all(|row| row.get::<_, &str>(0) == "two"), "{table}");
    }
    // Without the setting the store sees nothing either, and may write nothing.
    let forgetful = PostgresStore::connect(&bound, PostgresConfig::default()).await.unwrap().tenant("one");
    assert_eq!(forgetful.calendars().await.unwrap(), []);
    forgetful.commit(put("e")).await.expect_err("the policy refuses it");
}

/// A read is one round trip, a commit two, whatever they carry.
#[tokio::test]
async fn round_trips_do_not_grow_with_rows() {
    let relay = Relay::start(&calsync_testkit::postgres::url()).await;
    let config = PostgresConfig::default().with_schema(unique("trips")).with_max_connections(1);
    let store = PostgresStore::connect(&relay.url(), config).await.unwrap();
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let batch = |size: usize, round: usize| {
        let mut batch = Batch {
            expect: vec![Expectation::Link {
                id: link.clone(),
                generation: (round > 0).then_some(round as u64),
            }],
            writes: vec![
                Write::PutLink(Box::new(sample::link_state(&link))),
                Write::PutRun(Box::new(sample::run(&link, "r"))),
                Write::PutDoc(Doc::new("schedule", "l", "").with_due(Some(sample::at(0)))),
            ],
            ..Batch::default()
        };
        for n in 0..size {
            let id = format!("{round} {n}");
            let uid = format!("uid-{id}");
            batch.expect.push(Expectation::Uid { calendar: calendar.clone(), uid, events: Vec::new() });
            batch.writes.extend([
                sample::put_event(&calendar, &id, &id),
                sample::put_base(&link, &id, &id),
                sample::put_outbox(&link, &id, &id),
                Write::DeleteOutbox { link: link.clone(), id: OutboxId(format!("none {n}")) },
                Write::PutJournal(Box::new(sample::journal(&link, &id, &id, "r"))),
            ]);
        }
        // Deletes last, as the engine does.
        batch.writes.sort_by_key(|write| matches!(write, Write::PutOutbox(_)));
        batch
    };
    // Warm: statements are prepared once per connection.
    store.commit(batch(1, 0)).await.unwrap();
    store.events(&calendar, &["0 0".into()]).await.unwrap();
    store.docs("schedule", DocQuery::Due { at: sample::at(0), limit: 9 }).await.unwrap();
    for (round, size) in [(1, 1), (2, 10), (3, 1000)] {
        let before = relay.round_trips();
        store.commit(batch(size, round)).await.unwrap();
        assert_eq!(relay.round_trips() - before, 2, "a commit of {size} events");
        let ids: Vec<_> = (0..size).map(|n| format!("{round} {n}").into()).collect();
        let before = relay.round_trips();
        assert_eq!(store.events(&calendar, &ids).await.unwrap().len(), size);
        assert_eq!(relay.round_trips() - before, 1, "a read of {size} events");
    }
    // Nothing to decide on: one.
    let minute = TimeDelta::seconds(60);
    let LeaseGrant::Granted(lease) = store.acquire_lease("l", "a", sample::at(0), minute).await.unwrap()
    else {
        panic!("the lease is free");
    };
    let ended =
        || vec![Write::PutRun(Box::new(sample::run(&link, "r"))), sample::put_outbox(&link, "last", "none")];
    store.commit(Batch { lease: Some(lease.clone()), writes: ended(), ..Batch::default() }).await.unwrap();
    let before = relay.round_trips();
    store.commit(Batch { lease: Some(lease.clone()), writes: ended(), ..Batch::default() }).await.unwrap();
    assert_eq!(relay.round_trips() - before, 1, "a commit that depends on its lease alone");
    store.acquire_lease("l", "b", sample::at(60), minute).await.unwrap();
    let late = Batch {
        lease: Some(lease),
        writes: vec![Write::DeleteOutbox { link: link.clone(), id: OutboxId("last".to_owned()) }],
        ..Batch::default()
    };
    assert_eq!(store.commit(late).await.expect_err("the lease is lost").kind, StoreErrorKind::Fenced);
    assert!(store.outbox(&link, None, 9999).await.unwrap().iter().any(|entry| entry.id.0 == "last"));

    let before = relay.round_trips();
    store.docs("schedule", DocQuery::Due { at: sample::at(0), limit: 9 }).await.unwrap();
    assert_eq!(relay.round_trips() - before, 1);
}

/// Many writers of many links and one calendar, some of whose batches meet: all is written once, nothing locks up.
/// What PostgreSQL gave up for another transaction (40001) or for a deadlock (40P01) is tried again as a whole; when that
/// never helps, the caller is told to come again, and nothing is written.
#[tokio::test]
async fn transactions_that_lose_to_others_are_tried_again() {
    for code in ["40001", "40P01"] {
        let schema = unique("loses");
        let store = store(PostgresConfig::default().with_schema(&schema)).await;
        let client = client().await;
        // A sequence is not rolled back: it counts the tries.
        let trigger = format!(
            "CREATE SEQUENCE {schema}.tries; CREATE TABLE {schema}.most (tries int); INSERT INTO {schema}.most VALUES (2);
             CREATE FUNCTION {schema}.lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('{schema}.tries') <= (SELECT tries FROM {schema}.most) THEN
                     RAISE EXCEPTION 'lost' USING ERRCODE = '{code}';
                 END IF;
                 RETURN NEW;
             END $$;
             CREATE TRIGGER lose BEFORE INSERT ON {schema}.docs FOR EACH ROW EXECUTE FUNCTION {schema}.lose()"
        );
        client.batch_execute(&trigger).await.unwrap();
        let commit = async |name: &str| {
            let event = sample::put_event(&"c".into(), name, "title");
            let writes = vec![event, Write::PutDoc(Doc::new("space", name, "x"))];
            store.commit(Batch { writes, ..Batch::default() }).await
        };
        let names = async || {
            let found = store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap();
            found.into_iter().map(|record| (record.id.to_string(), record.revision.0)).collect::<Vec<_>>()
        };
        commit("third time").await.unwrap();
        assert_eq!(names().await, [("third time".to_owned(), 1)], "{code}: once");
        client.batch_execute(&format!("UPDATE {schema}.most SET tries = 1000")).await.unwrap();
        let refused = commit("never").await.unwrap_err();
        assert_eq!(refused.kind, StoreErrorKind::Unavailable, "{code}");
        assert_eq!(names().await.len(), 1, "{code}: nothing of it");
        client.batch_execute(&format!("UPDATE {schema}.most SET tries = 0")).await.unwrap();
        commit("afterwards").await.unwrap();
        assert_eq!(names().await.last(), Some(&("afterwards".to_owned(), 2)), "{code}: no revision was lost");
    }
}

#[tokio::test]
async fn writers_that_meet_all_get_through() {
    let store = Arc::new(store(PostgresConfig::default().with_schema(unique("meet"))).await);
    let tasks: Vec<_> = (0..8_u64)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for round in 0..20 {
                    // Documents in an order of its own, so that two of them can hold what the other waits for.
                    let mut writes: Vec<Write> = (0..6)
                        .map(|n| {
                            Write::PutDoc(Doc::new("shared", format!("{}", (n * (writer + 1)) % 7), "x"))
                        })
                        .collect();
                    writes.push(sample::put_event(&"c".into(), &format!("{writer} {round}"), "e"));
                    writes.push(Write::PutLink(Box::new(sample::link_state(
                        &format!("l{}", writer % 3).into(),
                    ))));
                    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let found = store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap();
    let revisions: Vec<u64> = found.iter().map(|record| record.revision.0).collect();
    assert_eq!(revisions, (1..=160).collect::<Vec<_>>());
    let mut generations = 0;
    for link in ["l0", "l1", "l2"] {
        generations += store.link(&link.into()).await.unwrap().unwrap().generation;
    }
    assert_eq!(generations, 160);
}
