//! A service that has no throughput left, again and again: whole requests are refused, transactions are cancelled, and of what
//! is read and written in batches only a part is done.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use std::time::Duration;

use calsync_core::{
    engine::{Link, SyncOptions},
    model::Event,
    store::{Batch, Revision, Store},
};
use calsync_stores::dynamodb::{DynamoConfig, DynamoStore, Endpoint, client, provision};
use calsync_testkit::{
    events::canonical,
    remote::MemoryRemote,
    store_conformance::sample::put_event,
    world::{World, body, event},
};
use chrono::TimeDelta;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::dynamodb_conformance::{local, unique};

/// What was done to requests.
#[derive(Default)]
struct Done {
    asked: AtomicUsize,
    refused: AtomicUsize,
    cancelled: AtomicUsize,
    halved: AtomicUsize,
}

/// One of so many requests is refused, and one of so many transactions cancelled. They share no factor with what a run
/// asks in turns.
const REFUSED: usize = 5;
const CANCELLED: usize = 7;

/// Before the service; of every batch that is read or written it does the first half.
async fn proxy() -> (String, Arc<Done>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let service = calsync_testkit::dynamodb::url().trim_start_matches("http://").to_owned();
    let done = Arc::new(Done::default());
    let seen = Arc::clone(&done);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (service, done) = (service.clone(), Arc::clone(&seen));
            tokio::spawn(async move {
                let Some((head, body)) = message(&mut stream).await else { return };
                let answer = answer(&service, &head, body, &done).await;
                let _ = stream.write_all(&answer).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    (url, done)
}

/// Head and body of a message with a length.
async fn message(stream: &mut TcpStream) -> Option<(String, Vec<u8>)> {
    let mut read = Vec::new();
    let end = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    };
    let body = read.split_off(end);
    let head = String::from_utf8(read).ok()?;
    let length = header(&head, "content-length")?.parse().ok()?;
    let mut body = body;
    while body.len() < length {
        if stream.read_buf(&mut body).await.ok()? == 0 {
            return None;
        }
    }
    Some((head, body))
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let (_, value) =
        head.lines().filter_map(|line| line.split_once(':')).find(|(n, _)| n.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

async fn answer(service: &str, head: &str, body: Vec<u8>, done: &Done) -> Vec<u8> {
    let number = done.asked.fetch_add(1, Ordering::SeqCst) + 1;
    let operation =
        header(head, "x-amz-target").and_then(|target| target.split('.').next_back()).unwrap_or_default();
    if number.is_multiple_of(REFUSED) {
        done.refused.fetch_add(1, Ordering::SeqCst);
        return reply(
            400,
            &json!({ "__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "" }),
        );
    }
    let mut request: Value = serde_json::from_slice(&body).unwrap();
    if operation == "TransactWriteItems" && number.is_multiple_of(CANCELLED) {
        done.cancelled.fetch_add(1, Ordering::SeqCst);
        let items = request["TransactItems"].as_array().map_or(1, Vec::len);
        let reasons: Vec<Value> =
            (0..items).map(|n| json!({ "Code": if n == 0 { "ThrottlingError" } else { "None" } })).collect();
        return reply(
            400,
            &json!({
                "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
                "message": "",
                "CancellationReasons": reasons,
            }),
        );
    }
    let left = second_half(operation, &mut request);
    let body = serde_json::to_vec(&request).unwrap();
    let (status, mut answered) = forward(service, head, &body).await;
    if let Some((name, left)) = left.filter(|_| status == 200) {
        done.halved.fetch_add(1, Ordering::SeqCst);
        answered[name] = left;
    }
    reply(status, &answered)
}

/// Takes the second half of a batch out, as the service gives back what it had no throughput for.
fn second_half(operation: &str, request: &mut Value) -> Option<(&'static str, Value)> {
    let (name, keys) = match operation {
        "BatchGetItem" => ("UnprocessedKeys", true),
        "BatchWriteItem" => ("UnprocessedItems", false),
        _ => return None,
    };
    let (table, asked) = request["RequestItems"].as_object_mut()?.iter_mut().next()?;
    let table = table.clone();
    let all = if keys { asked["Keys"].as_array_mut()? } else { asked.as_array_mut()? };
    if all.len() < 2 {
        return None;
    }
    let rest = all.split_off(all.len() / 2);
    let left = if keys {
        let mut left = asked.clone();
        left["Keys"] = Value::Array(rest);
        left
    } else {
        Value::Array(rest)
    };
    Some((name, json!({ table: left })))
}

async fn forward(service: &str, head: &str, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(service).await.unwrap();
    let kept = ["x-amz-target", "content-type", "authorization", "x-amz-date", "host"];
    let mut request = "POST / HTTP/1.1\r\n".to_owned();
    for name in kept {
        request.push_str(&format!("{name}: {}\r\n", header(head, name).unwrap_or_default()));
    }
    request.push_str(&format!("content-length: {}\r\nconnection: close\r\n\r\n", body.len()));
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let (head, body) = message(&mut stream).await.expect("an answer with a length");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    (status, serde_json::from_slice(&body).unwrap())
}

fn reply(status: u16, body: &Value) -> Vec<u8> {
    let body = body.to_string();
    let head = "content-type: application/x-amz-json-1.0\r\nconnection: close";
    format!("HTTP/1.1 {status} -\r\n{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

async fn throttled(config: DynamoConfig) -> (DynamoStore, Arc<Done>) {
    let mut config = config.with_table(unique("throttled")).with_attempts(40);
    config.first_wait = Duration::from_millis(1);
    config.longest_wait = Duration::from_millis(4);
    provision(&local(), &config).await.unwrap();
    let (url, done) = proxy().await;
    let busy = client(&Endpoint::region("eu-central-1").at(url), "key", "secret", None);
    (DynamoStore::new(busy, config), done)
}

mod small_batches {
    use super::*;

    async fn fresh() -> DynamoStore {
        throttled(DynamoConfig::default()).await.0
    }

    calsync_testkit::store_conformance_batches!(fresh);
}

mod written_ahead {
    use super::*;

    async fn fresh() -> DynamoStore {
        throttled(DynamoConfig::default().with_transaction_items(0)).await.0
    }

    calsync_testkit::store_conformance_batches!(fresh);
}

/// Batches of hundreds of rows, and runs of the engine over them: everything is there once, and the revisions have no gap.
#[tokio::test]
async fn dynamodb_without_throughput_loses_and_doubles_nothing() {
    let (store, done) = throttled(DynamoConfig::default()).await;
    let writes = (0..250).map(|n| put_event(&"c".into(), &format!("e{n}"), "title")).collect();
    store.commit(Batch { writes, ..Batch::default() }).await.unwrap();
    let found = store.events_since(&"c".into(), Revision(0), usize::MAX).await.unwrap();
    let revisions: Vec<u64> = found.iter().map(|record| record.revision.0).collect();
    assert_eq!(revisions, (1..=250).collect::<Vec<_>>());

    let world = World::new(Arc::new(store.tenant("world")), 1);
    let remote = MemoryRemote::default();
    for n in 0..120 {
        remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "first"));
    }
    let sync = async || {
        world.clock.advance(TimeDelta::minutes(2));
        let link = Link::new("home", "family", "memory");
        world.engine.sync(&link, &remote, &SyncOptions::default()).await.expect("the run goes through")
    };
    assert_eq!(sync().await.counts.created, 120);
    for n in 0..20 {
        remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "there"));
        world.edit(&format!("uid-{}", n + 40), |event| body(event).title = Some("here".to_owned())).await;
    }
    sync().await;
    assert!(sync().await.plan.operations.is_empty());
    let json = |event: &Event| serde_json::to_string(&canonical(event)).unwrap();
    let mut theirs: Vec<String> = remote.items().values().map(json).collect();
    let mut ours: Vec<String> = world.locals().await.iter().map(|record| json(&record.event)).collect();
    theirs.sort();
    ours.sort();
    assert!(theirs == ours && ours.len() == 120, "{} there, {} here", theirs.len(), ours.len());
    for (what, count) in
        [("refused", &done.refused), ("cancelled", &done.cancelled), ("done in part", &done.halved)]
    {
        assert!(count.load(Ordering::SeqCst) > 3, "{what}: {}", count.load(Ordering::SeqCst));
    }
}
