//! What the trait does not say: crashes in the middle of a commit, a service that is busy, limits, retention, the table itself.

use std::{
    collections::BTreeSet,
    error::Error as _,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::Poll,
    time::Duration,
};

use calsync_core::{
    context::Clock,
    model::{CalendarId, LinkId},
    provider::Payload,
    store::{
        BaseRecord, Batch, Claims, Doc, DocQuery, Expectation, JournalEntry, Opening, RecordKind,
        RecordQuery, Revision, Store, StoreErrorKind, Write,
    },
};
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoError, DynamoStore, Endpoint, aws_sdk_dynamodb::types::KeySchemaElement, client,
    provision,
};
use calsync_testkit::store_conformance::sample::{self, at, put_base, put_event};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use crate::dynamodb_conformance::{local, store, unique};

fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

/// Events with their bases, two hundred items.
fn sixty_events() -> Vec<Write> {
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let mut writes = vec![Write::PutLink(Box::new(sample::link_state(&link)))];
    for n in 0..60 {
        writes.push(put_event(&calendar, &format!("e{n}"), &format!("title {n}")));
        writes.push(put_base(&link, &format!("item {n}"), &format!("e{n}")));
    }
    writes
}

/// How many events and bases there are, and whether the link is.
async fn counts(store: &DynamoStore) -> (usize, usize, bool) {
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let events = store.events_since(&calendar, Revision(0), usize::MAX).await.unwrap();
    let bases = store.base_summaries(&link, None, usize::MAX).await.unwrap();
    (events.len(), bases.len(), store.link(&link).await.unwrap().is_some())
}

/// Polls a future so many times; `None`: it was dropped before it was done.
async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future: Pin<&mut F> = pin!(future);
    let mut left = times;
    std::future::poll_fn(|context| match future.as_mut().poll(context) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending if left == 0 => Poll::Ready(None),
        Poll::Pending => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

/// A writer that is gone at any moment leaves all of its batch or nothing, and nobody waits for it for ever: the next one
/// reads, and writes.
/// The suite takes a store that counts nothing; this one counts what is due.
#[tokio::test]
async fn dynamodb_counts_what_is_due() {
    let store = store(DynamoConfig::default().with_table(unique("due"))).await;
    let doc = Write::PutDoc(Doc::new("s", "k", "").with_due(Some(at(1))));
    store.commit(batch(vec![doc])).await.unwrap();
    let counted = store.backlog(&["s"], at(1), 9).await.unwrap();
    assert_eq!((counted.due, counted.writes), (Some(1), None));
}

#[tokio::test]
async fn dynamodb_commit_dropped_anywhere_is_whole_or_nothing() {
    let table = DynamoConfig::default().with_table(unique("dropped"));
    provision(&local(), &table).await.unwrap();
    let (mut whole, mut nothing) = (0, 0);
    for times in 0.. {
        let open = async || DynamoStore::open(local(), table.clone()).await.unwrap();
        let tenant = format!("dropped after {times}");
        let writer = open().await.tenant(&tenant);
        let done = poll_times(writer.commit(batch(sixty_events())), times).await;
        drop(writer);
        // Another process, which remembers nothing.
        let other = open().await.tenant(&tenant);
        match counts(&other).await {
            (0, 0, false) => nothing += 1,
            (60, 60, true) => whole += 1,
            other => panic!("after {times} polls there is half of it: {other:?}"),
        }
        if times % 8 == 0 {
            let receipt = other.commit(batch(vec![put_event(&"c".into(), "next", "next")])).await.unwrap();
            let last = counts(&other).await.0 as u64;
            assert_eq!(receipt.revisions[0].2, Revision(last), "after {times} polls");
        }
        if let Some(done) = done {
            done.unwrap();
            break;
        }
    }
    assert!(nothing > 3 && whole > 3, "{nothing} times nothing, {whole} times all: both must be seen");
}

/// The parts of a large value go with its base, whichever way it goes and whoever read it before.
#[tokio::test]
async fn dynamodb_parts_of_a_base_go_with_it() {
    let config = DynamoConfig::default().with_table(unique("parts"));
    let writer = store(config.clone()).await;
    let (link, calendar) = (LinkId::from("l"), CalendarId::from("c"));
    let large = |item: &str, event: &str| {
        let payload = Payload::new("p".repeat(400_000));
        Write::PutBase(Box::new(BaseRecord { payload, ..sample::base(&link, item, event) }))
    };
    let gone = |item: &str| Write::DeleteBase { link: link.clone(), remote_id: item.into() };
    let parts = async || {
        let rows = local().scan().table_name(&config.table).send().await.unwrap().items.unwrap_or_default();
        // The kind is behind the length of the tenant's name, which is empty.
        let is_part = |pk: &[u8]| pk.get(2) == Some(&b'x');
        rows.iter().filter(|row| is_part(row["pk"].as_b().unwrap().as_ref())).count()
    };
    writer.commit(batch(vec![put_event(&calendar, "e", "e"), large("item", "e")])).await.unwrap();
    assert_eq!(parts().await, 2);
    writer.commit(batch(vec![gone("item")])).await.unwrap();
    assert_eq!(parts().await, 0, "by who wrote it");
    writer.commit(batch(vec![large("item", "e")])).await.unwrap();
    DynamoStore::new(local(), config.clone()).commit(batch(vec![gone("item")])).await.unwrap();
    assert_eq!(parts().await, 0, "by who knows nothing of it");
    writer.commit(batch(vec![large("item", "e")])).await.unwrap();
    let opening = Opening { lease: None, link: &link, calendar: &calendar, limit: 9 };
    writer.open(opening).await.unwrap();
    assert_eq!(writer.pairs(&link, &calendar, &["item".into()]).await.unwrap().bases.len(), 1);
    writer.commit(batch(vec![gone("item"), large("renamed", "e")])).await.unwrap();
    assert_eq!(parts().await, 2, "renamed by who read it");
    writer.commit(batch(vec![put_base(&link, "renamed", "other")])).await.unwrap();
    assert_eq!(parts().await, 0, "its item is another event's");
    assert_eq!(writer.base_summaries(&link, None, 9).await.unwrap().len(), 1);
}

/// While one large batch after the other is written, a reader sees each whole.
#[tokio::test]
async fn dynamodb_readers_see_large_batches_whole() {
    let store = store(DynamoConfig::default().with_table(unique("whole"))).await;
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..4 {
                store.commit(batch(sixty_events())).await.unwrap();
            }
        })
    };
    let calendar = CalendarId::from("c");
    loop {
        let ended = writer.is_finished();
        let found = store.events_since(&calendar, Revision(0), usize::MAX).await.unwrap();
        let revisions: BTreeSet<u64> = found.iter().map(|event| event.revision.0).collect();
        assert!([0, 60].contains(&revisions.len()));
        let last = revisions.last().copied().unwrap_or(0);
        assert_eq!(last % 60, 0, "the last revision a reader sees is the last one of a batch");
        assert_eq!(revisions.first().copied().unwrap_or(1), last.saturating_sub(59).max(1));
        if ended {
            assert_eq!(last, 240);
            break;
        }
    }
    writer.await.unwrap();
}

/// A batch of hundreds with expectations of its own is refused like a small one, and changes nothing.
#[tokio::test]
async fn dynamodb_large_batches_are_refused_whole() {
    let store = store(DynamoConfig::default().with_table(unique("refused"))).await;
    let mut writes = sixty_events();
    writes.push(put_base(&"l".into(), "another item", "e0"));
    let refused = store.commit(batch(writes)).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::InvalidInput);
    assert_eq!(counts(&store).await, (0, 0, false));
    let mut expect: Vec<_> = (0..150)
        .map(|n| Expectation::Event {
            calendar: "c".into(),
            id: format!("e{n}").as_str().into(),
            revision: None,
        })
        .collect();
    store.commit(Batch { expect: expect.clone(), writes: sixty_events(), ..Batch::default() }).await.unwrap();
    expect.reverse();
    let refused = store.commit(Batch { expect, ..Batch::default() }).await.unwrap_err();
    assert_eq!(refused.kind, StoreErrorKind::Conflict { expectation: 90 });
}

/// What is too long or too large says so, and names the row.
#[tokio::test]
async fn dynamodb_limits_are_typed() {
    let store = store(DynamoConfig::default().with_table(unique("limits")).with_max_value(400_000)).await;
    let cause = |error: calsync_core::store::StoreError| {
        assert_eq!(error.kind, StoreErrorKind::InvalidInput);
        error.source().and_then(|source| source.downcast_ref::<DynamoError>()).cloned().unwrap()
    };
    let large = Write::PutDoc(Doc::new("s", "k", vec![1; 400_001]));
    let error = store.commit(batch(vec![large])).await.unwrap_err();
    let expected = DynamoError::ValueTooLarge { kind: "document", id: "k".to_owned(), bytes: 400_001 };
    assert_eq!(cause(error), expected);
    let just = Write::PutDoc(Doc::new("s", "k", vec![1; 400_000]));
    store.commit(batch(vec![just])).await.unwrap();
    assert_eq!(store.docs("s", DocQuery::Keys(&["k"])).await.unwrap()[0].value.len(), 400_000);

    let long = put_event(&"c".into(), &"x".repeat(1025), "long");
    let error = store.commit(batch(vec![long])).await.unwrap_err();
    assert_eq!(cause(error), DynamoError::KeyTooLong("id"));
    let many = (0..96).map(|n| put_event(&format!("c{n}").as_str().into(), "e", "e")).collect();
    let error = store.commit(batch(many)).await.unwrap_err();
    assert_eq!(cause(error), DynamoError::TooManyOwners(96));
}

/// A clock somebody else sets.
struct Fixed(DateTime<Utc>);

impl Clock for Fixed {
    fn now(&self) -> DateTime<Utc> {
        self.0
    }
}

/// Logs past their retention are not read any more, whether DynamoDB has removed them or not; open conflicts stay.
#[tokio::test]
async fn dynamodb_logs_past_their_retention_are_not_read() {
    let month = TimeDelta::days(30);
    let config = DynamoConfig::default().with_table(unique("retention")).with_log_retention(month);
    let now = store(config.clone().with_clock(Arc::new(Fixed(at(0))))).await;
    let link = LinkId::from("l");
    let journal = JournalEntry { at: at(0), ..sample::journal(&link, "j", "e", "r") };
    now.commit(batch(vec![
        Write::PutJournal(Box::new(journal)),
        Write::PutRun(Box::new(sample::run(&link, "r"))),
        Write::PutConflict(Box::new(sample::conflict(&link, "open", "e", "r"))),
    ]))
    .await
    .unwrap();
    let later = store(config.with_clock(Arc::new(Fixed(at(0) + month)))).await;
    for (kind, left) in [(RecordKind::Journal, 0), (RecordKind::Run, 0), (RecordKind::Conflict, 1)] {
        let query = RecordQuery { kind, link: &link, event: None, run: None, after: None, limit: 9 };
        assert_eq!(now.records(query).await.unwrap().len(), 1, "{kind:?}");
        assert_eq!(later.records(query).await.unwrap().len(), left, "{kind:?}");
    }
}

/// A service that answers every request with one error; the requests it got.
async fn refusing(code: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let count = Arc::clone(&count);
            tokio::spawn(async move {
                let mut request = vec![0; 64 * 1024];
                let _ = stream.read(&mut request).await;
                count.fetch_add(1, Ordering::SeqCst);
                let body = format!(
                    "{{\"__type\":\"com.amazonaws.dynamodb.v20120810#{code}\",\"message\":\"secret\"}}"
                );
                let length = body.len();
                let head = "content-type: application/x-amz-json-1.0\r\nconnection: close";
                let answer =
                    format!("HTTP/1.1 400 Bad Request\r\n{head}\r\ncontent-length: {length}\r\n\r\n{body}");
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, asked)
}

/// A busy service is asked again, so often and not oftener, and the host is told to come back; a refusal is final. What the
/// service wrote is in neither error.
#[tokio::test]
async fn dynamodb_busy_service_is_asked_again_so_often() {
    let good = store(DynamoConfig::default().with_table(unique("busy"))).await;
    good.link(&"l".into()).await.unwrap();
    for (code, kind, requests) in [
        ("ProvisionedThroughputExceededException", StoreErrorKind::Unavailable, 4),
        ("ThrottlingException", StoreErrorKind::Unavailable, 4),
        ("AccessDeniedException", StoreErrorKind::Backend, 1),
    ] {
        let (url, asked) = refusing(code).await;
        let busy = client(&Endpoint::region("eu-central-1").at(url), "key", "secret", None);
        let mut config = DynamoConfig::default().with_attempts(4);
        config.first_wait = Duration::from_millis(1);
        let error = provision(&busy, &config).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        let before = asked.load(Ordering::SeqCst);
        let store = DynamoStore::new(busy, config);
        let error = store.link(&"l".into()).await.unwrap_err();
        assert_eq!(error.kind, kind, "{code}");
        assert_eq!(asked.load(Ordering::SeqCst) - before, requests, "{code}");
        let shown = format!("{error} {:?}", error);
        assert!(!shown.contains("secret") && shown.contains(code), "{shown}");
    }
}

/// A table of somebody else's is not written to.
#[tokio::test]
async fn dynamodb_foreign_tables_are_refused() {
    let config = DynamoConfig::default().with_table(unique("nowhere"));
    let error = DynamoStore::open(local(), config).await.unwrap_err();
    assert_eq!(error.kind, StoreErrorKind::InvalidInput);
}

/// The template makes the table that `provision` makes.
#[tokio::test]
async fn dynamodb_template_says_what_is_provisioned() {
    let config = DynamoConfig::default().with_table(unique("template"));
    provision(&local(), &config).await.unwrap();
    // Again: nothing is changed.
    provision(&local(), &config).await.unwrap();
    let described = local().describe_table().table_name(&config.table).send().await.unwrap().table.unwrap();
    let template = include_str!("../../src/dynamodb/table.yaml");
    let template: serde_yaml_ng::Value = serde_yaml_ng::from_str(template).unwrap();
    let wanted = &template["Resources"]["Table"]["Properties"];

    let mut found = Vec::new();
    for attribute in described.attribute_definitions() {
        found.push(format!("{} {}", attribute.attribute_name(), attribute.attribute_type().as_str()));
    }
    let mut expected = Vec::new();
    for attribute in wanted["AttributeDefinitions"].as_sequence().unwrap() {
        let text = |name: &str| attribute[name].as_str().unwrap().to_owned();
        expected.push(format!("{} {}", text("AttributeName"), text("AttributeType")));
    }
    let keys = |schema: &[KeySchemaElement]| {
        let key = |key: &KeySchemaElement| format!("{} {}", key.attribute_name(), key.key_type().as_str());
        schema.iter().map(key).collect::<Vec<_>>().join(", ")
    };
    let keys_of = |value: &serde_yaml_ng::Value| {
        let key = |key: &serde_yaml_ng::Value| {
            format!("{} {}", key["AttributeName"].as_str().unwrap(), key["KeyType"].as_str().unwrap())
        };
        value["KeySchema"].as_sequence().unwrap().iter().map(key).collect::<Vec<_>>().join(", ")
    };
    found.push(keys(described.key_schema()));
    expected.push(keys_of(wanted));
    for index in described.local_secondary_indexes() {
        let shown = index.projection().unwrap();
        let kind = shown.projection_type().unwrap().as_str();
        let more = shown.non_key_attributes().join(" ");
        found.push(format!("{} {} {kind} {more}", index.index_name().unwrap(), keys(index.key_schema())));
    }
    for index in described.global_secondary_indexes() {
        let kind = index.projection().and_then(|shown| shown.projection_type()).unwrap().as_str();
        found.push(format!("{} {} {kind} ", index.index_name().unwrap(), keys(index.key_schema())));
    }
    for name in ["LocalSecondaryIndexes", "GlobalSecondaryIndexes"] {
        for index in wanted[name].as_sequence().unwrap() {
            let kind = index["Projection"]["ProjectionType"].as_str().unwrap();
            let more: Vec<&str> = index["Projection"]["NonKeyAttributes"]
                .as_sequence()
                .into_iter()
                .flatten()
                .filter_map(|name| name.as_str())
                .collect();
            let more = more.join(" ");
            expected.push(format!(
                "{} {} {kind} {more}",
                index["IndexName"].as_str().unwrap(),
                keys_of(index)
            ));
        }
    }
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    let expiry = local().describe_time_to_live().table_name(&config.table).send().await.unwrap();
    let expiry = expiry.time_to_live_description.unwrap().attribute_name.unwrap();
    assert_eq!(wanted["TimeToLiveSpecification"]["AttributeName"].as_str().unwrap(), expiry);
}
