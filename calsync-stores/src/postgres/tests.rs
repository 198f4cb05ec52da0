//! Tests that look inside: query plans, migrations, what is sent at once, rows that were tampered with.

use std::{collections::HashMap, error::Error as _, task::Poll};

use calsync_core::{
    feed::EventSeq,
    model::LinkId,
    store::{
        BaseQuery, Batch, Doc, DocQuery, RecordKind, RecordQuery, Store, StoreError, StoreErrorKind, Write,
    },
};
use calsync_testkit::store_conformance::sample;
use tokio_postgres::Client;

use super::{
    PostgresConfig, PostgresError, PostgresStore,
    migrations::{MIGRATIONS, is_schema_name, migrate},
    session::in_order,
    sql::Sql,
    tokio_postgres,
};

/// A connection beside the store's.
async fn client() -> Client {
    let url = calsync_testkit::postgres::url();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// A schema's name, one per test and process.
fn schema(test: &str) -> String {
    format!("{test}_{}", std::process::id())
}

fn cause(error: &StoreError) -> &PostgresError {
    error.source().and_then(|source| source.downcast_ref()).expect("a cause of ours")
}

/// 100,000 rows in each table, all of one tenant and one owner, and some of others.
const ROWS: &str = r#"
    INSERT INTO @.calendars SELECT 't' || n % 1000, 'c' || n, '{}' FROM generate_series(1, 100000) n;
    INSERT INTO @.revisions SELECT 't', 'c' || n, 1 FROM generate_series(1, 100000) n;
    INSERT INTO @.feeds SELECT 't', 'c' || n, n FROM generate_series(1, 100000) n;
    INSERT INTO @.feed_entries SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'c' END, n, now(), '{}'
        FROM generate_series(1, 100000) n;
    INSERT INTO @.links SELECT 't', 'l' || n, 1, '{}' FROM generate_series(1, 100000) n;
    INSERT INTO @.leases SELECT 't', 'l' || n, 1, 'h', now() FROM generate_series(1, 100000) n;
    INSERT INTO @.events SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'c' END, 'e' || n,
        decode(md5(n::text), 'hex'), n, now(), CASE WHEN n % 7 = 0 THEN now() - n * interval '1 minute' END, '{}'
        FROM generate_series(1, 100000) n;
    INSERT INTO @.bases SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'item' || n, 'e' || n, 'v', 'linked',
        decode(repeat('00', 300), 'hex') FROM generate_series(1, 100000) n;
    INSERT INTO @.outbox SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'o' || n, 'e' || n, '{}'
        FROM generate_series(1, 100000) n;
    INSERT INTO @.quarantine SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'item' || n, '{}'
        FROM generate_series(1, 100000) n;
    INSERT INTO @.conflicts SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'k' || n, 'e' || n / 3,
        'r' || n / 500, CASE WHEN n % 3 > 0 THEN now() - n * interval '1 minute' END, '{}'
        FROM generate_series(1, 100000) n;
    INSERT INTO @.journal SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'j' || n, 'e' || n / 3,
        'r' || n / 500, now() - n * interval '1 minute', '{}' FROM generate_series(1, 100000) n;
    INSERT INTO @.runs SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 'l' END, 'r' || n,
        now() - n * interval '1 minute', '{}' FROM generate_series(1, 100000) n;
    INSERT INTO @.docs SELECT 't', CASE WHEN n % 100 = 0 THEN 'other' ELSE 's' END, 'k' || n, n,
        CASE WHEN n % 2 = 0 THEN now() - n * interval '1 minute' END, '' FROM generate_series(1, 100000) n;
"#;

/// A node of a plan.
#[derive(Debug)]
struct Node {
    kind: String,
    index: Option<String>,
    /// What it looks for in its index.
    condition: Option<String>,
}

fn nodes(plan: &serde_json::Value, found: &mut Vec<Node>) {
    if let Some(kind) = plan["Node Type"].as_str() {
        let text = |name| plan[name].as_str().map(ToOwned::to_owned);
        found.push(Node { kind: kind.to_owned(), index: text("Index Name"), condition: text("Index Cond") });
    }
    for child in plan["Plans"].as_array().into_iter().flatten() {
        nodes(child, found);
    }
}

impl Node {
    /// How many columns of its index it looks for; `None` where it reads none.
    fn looks_for(&self) -> Option<usize> {
        let of_an_index =
            ["Index Scan", "Index Only Scan", "Bitmap Index Scan"].contains(&self.kind.as_str());
        let columns = self.condition.as_ref().map_or(0, |condition| condition.split(" AND ").count());
        of_an_index.then_some(columns)
    }
}

/// What reads many rows on purpose, and by how many columns: the calendars of a tenant, what is due, the oldest of a feed. What counts
/// ends at a limit.
const FEWER: [(&str, usize); 8] = [
    ("calendars", 1),
    ("next_due", 1),
    ("next_due_of_tenant", 2),
    ("due", 2),
    ("count_due", 2),
    ("count_writes", 1),
    ("count_writes_of_tenant", 1),
    ("forget_feed", 2),
];

/// By the name of each index, the columns that name a row of its table.
async fn key_columns(client: &Client, schema: &str) -> HashMap<String, usize> {
    let sql = "SELECT c.relname::text, p.indnkeyatts::int FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid \
        JOIN pg_index p ON p.indrelid = i.indrelid AND p.indisprimary \
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1";
    let rows = client.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| (row.get(0), usize::try_from(row.get::<_, i32>(1)).unwrap())).collect()
}

/// The plan PostgreSQL keeps for a prepared statement, whatever its parameters, at 100,000 rows in each table.
#[tokio::test]
async fn no_statement_scans_or_sorts_a_table() {
    let schema = schema("plans");
    let client = client().await;
    migrate(&client, &schema, MIGRATIONS).await.unwrap();
    client.batch_execute(&ROWS.replace('@', &schema)).await.unwrap();
    client.batch_execute("ANALYZE; SET plan_cache_mode = force_generic_plan").await.unwrap();
    let sql = Sql::new(&schema);
    let mut plans = Vec::new();
    for (name, sql) in sql.all() {
        client
            .batch_execute(&format!("PREPARE statement AS {sql}"))
            .await
            .unwrap_or_else(|e| panic!("{name}: {e:?}"));
        let count = (1..=9).rev().find(|n| sql.contains(&format!("${n}"))).unwrap_or(0);
        let nulls = vec!["NULL"; count].join(", ");
        let explain = format!("EXPLAIN (FORMAT JSON) EXECUTE statement({nulls})");
        let answer = client.simple_query(&explain).await.unwrap();
        let text: String = answer
            .iter()
            .filter_map(|message| match message {
                tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        let plan: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut found = Vec::new();
        nodes(&plan[0]["Plan"], &mut found);
        client.batch_execute("DEALLOCATE statement").await.unwrap();
        plans.push((name, sql, found));
    }
    let keys = key_columns(&client, &schema).await;
    for (name, sql, nodes) in &plans {
        let has = |kinds: &[&str]| nodes.iter().any(|node| kinds.contains(&node.kind.as_str()));
        assert!(!has(&["Seq Scan", "Hash Join"]), "{name}: {nodes:?}");
        // A page comes in the order of its index: reading it costs what it holds, not what there is.
        assert!(!sql.contains("LIMIT") || !has(&["Sort", "Incremental Sort"]), "{name}: {nodes:?}");
        let reads = !sql.starts_with("INSERT") && *name != "new_doc_versions";
        assert!(!reads || nodes.iter().any(|node| node.looks_for().is_some()), "{name}: {nodes:?}");
        // An index that is read from its beginning is a table that is scanned.
        let fewer = FEWER.iter().find(|(fewer, _)| fewer == name).map(|(_, columns)| *columns);
        for node in nodes {
            let Some(columns) = node.looks_for() else { continue };
            let index = node.index.as_ref().expect("an index has a name");
            assert!(columns >= fewer.unwrap_or(keys[index]), "{name}: {nodes:?}");
        }
    }
    client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
}

/// What a schema says of its tables, columns, indexes and constraints.
async fn described(client: &Client, schema: &str) -> Vec<String> {
    let sql = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || \
            coalesce(collation_name, '') || ' ' || coalesce(column_default, '') AS line \
            FROM information_schema.columns WHERE table_schema = $1 \
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = $1 \
        UNION ALL SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c \
            JOIN pg_namespace n ON n.oid = connamespace WHERE nspname = $1 \
        ORDER BY line";
    let rows = client.query(sql, &[&schema]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0).replace(schema, "@")).collect()
}

/// The next change of the schema, made up.
const NEXT: &str = "ALTER TABLE @.runs ADD COLUMN note text; CREATE TABLE @.notes (id text PRIMARY KEY);";

#[tokio::test]
async fn upgraded_schema_equals_fresh_schema() {
    let client = client().await;
    let longer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    let fresh = schema("fresh");
    migrate(&client, &fresh, &longer).await.unwrap();
    let expected = described(&client, &fresh).await;
    assert!(expected.len() > 80, "{} lines describe the schema", expected.len());
    for known in 0..longer.len() {
        let upgraded = schema(&format!("from_{known}"));
        migrate(&client, &upgraded, &longer[..known]).await.unwrap();
        migrate(&client, &upgraded, &longer).await.unwrap();
        assert_eq!(described(&client, &upgraded).await, expected, "from version {known}");
    }
}

#[tokio::test]
async fn interrupted_migration_leaves_the_version_before() {
    let client = client().await;
    let schema = schema("broken");
    migrate(&client, &schema, MIGRATIONS).await.unwrap();
    let before = described(&client, &schema).await;
    let broken: Vec<&str> = MIGRATIONS
        .iter()
        .copied()
        .chain(["CREATE TABLE @.half (id text); INSERT INTO @.nowhere VALUES (1);"])
        .collect();
    migrate(&client, &schema, &broken).await.expect_err("the last step fails");
    assert_eq!(described(&client, &schema).await, before);
    migrate(&client, &schema, MIGRATIONS).await.expect("the version before goes on working");
    let repaired: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    migrate(&client, &schema, &repaired).await.expect("the repaired step goes through");
    assert_ne!(described(&client, &schema).await, before);
}

#[tokio::test]
async fn newer_schema_is_refused_and_left_alone() {
    let client = client().await;
    let schema = schema("newer");
    let newer: Vec<&str> = MIGRATIONS.iter().copied().chain([NEXT]).collect();
    migrate(&client, &schema, &newer).await.unwrap();
    let config = PostgresConfig::default().with_schema(&schema);
    let error =
        PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.expect_err("it is newer");
    assert_eq!(error.kind, StoreErrorKind::InvalidInput);
    let known = i64::try_from(MIGRATIONS.len()).unwrap();
    assert_eq!(cause(&error), &PostgresError::NewerSchema { found: known + 1, known });
}

#[tokio::test]
async fn new_schema_is_opened_by_many_at_once() {
    let config = PostgresConfig::default().with_schema(schema("many")).with_max_connections(1);
    let tasks: Vec<_> = (0..8)
        .map(|n| {
            let config = config.clone();
            tokio::spawn(async move {
                let store = PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.unwrap();
                let writes = vec![sample::put_event(&"c".into(), &format!("e{n}"), "e")];
                store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

#[test]
fn names_of_schemas_need_no_escape() {
    for good in ["calsync", "_", "a1_b2", &"x".repeat(48)] {
        assert!(is_schema_name(good), "{good:?}");
    }
    for bad in ["", "1a", "Upper", "a-b", "a b", "a\"b", "a;b", "\u{e9}", "pg_own", &"x".repeat(49)] {
        assert!(!is_schema_name(bad), "{bad:?}");
    }
}

/// A call that cannot be sent keeps those after it from being sent; one that is refused later does not.
#[tokio::test]
async fn what_cannot_be_sent_ends_the_list() {
    let polled = std::sync::Mutex::new(Vec::new());
    let call = |n: usize, answers: Vec<Poll<Result<usize, usize>>>| {
        let mut answers = answers.into_iter();
        let polled = &polled;
        Box::pin(std::future::poll_fn(move |context| {
            polled.lock().unwrap().push(n);
            context.waker().wake_by_ref();
            answers.next().unwrap_or(Poll::Ready(Ok(n)))
        })) as _
    };
    let sent = vec![call(0, vec![Poll::Pending]), call(1, vec![Poll::Ready(Err(1))]), call(2, vec![])];
    assert_eq!(in_order(sent).await, [Ok(0_usize), Err(1_usize)]);
    assert_eq!(*polled.lock().unwrap(), [0, 1, 0], "the third was never polled");

    polled.lock().unwrap().clear();
    let sent = vec![
        call(0, vec![Poll::Pending, Poll::Ready(Err(0))]),
        call(1, vec![Poll::Pending]),
        call(2, vec![Poll::Pending]),
    ];
    assert_eq!(in_order(sent).await, [Err(0_usize), Ok(1_usize), Ok(2)]);
    assert_eq!(polled.lock().unwrap()[..3], [0, 1, 2], "all are sent before the first answer");
}

/// The rows the conformance suite cannot spoil: what a store reads that somebody else wrote.
#[tokio::test]
async fn unreadable_rows_are_named_without_their_text() {
    let schema = schema("tampered");
    let config = PostgresConfig::default().with_schema(&schema);
    let store = PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.unwrap();
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
    let other = client().await;
    let broken = r#"'{"secret title'"#;
    for table in [
        "calendars",
        "events",
        "links",
        "outbox",
        "conflicts",
        "quarantine",
        "runs",
        "journal",
        "feed_entries",
    ] {
        other.batch_execute(&format!("UPDATE {schema}.{table} SET json = {broken}")).await.unwrap();
    }
    other.batch_execute(&format!("UPDATE {schema}.bases SET payload = '\\xff'")).await.unwrap();
    other.batch_execute(&format!("UPDATE {schema}.docs SET due = '-infinity'")).await.unwrap();

    let query = |kind| RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 9 };
    let answers = [
        store.calendars().await.map(drop),
        store.events(&"c".into(), &["e".into()]).await.map(drop),
        store.link(&link).await.map(drop),
        store.bases(&link, BaseQuery::Events(&["e".into()])).await.map(drop),
        store.outbox(&link, None, 9).await.map(drop),
        store.records(query(RecordKind::Conflict)).await.map(drop),
        store.records(query(RecordKind::Quarantine)).await.map(drop),
        store.records(query(RecordKind::Run)).await.map(drop),
        store.records(query(RecordKind::Journal)).await.map(drop),
        store.docs("s", DocQuery::Keys(&["k"])).await.map(drop),
        store.feed(&"c".into(), EventSeq(0), 9).await.map(drop),
    ];
    for (n, answer) in answers.into_iter().enumerate() {
        let error = answer.expect_err("it is broken");
        assert_eq!(error.kind, StoreErrorKind::Corrupt, "{n}: {error:?}");
        assert!(matches!(cause(&error), PostgresError::UnreadableRow { .. }), "{n}: {error:?}");
        assert!(!format!("{error:?} {error} {}", cause(&error)).contains("secret"), "{n}: {error:?}");
    }
}
