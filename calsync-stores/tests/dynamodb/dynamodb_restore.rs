//! The table goes back to an older backup: what happened since comes in again, and nothing that was sent since is repeated.

use std::{collections::HashMap, sync::Arc};

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::Event,
    provider::ErrorKind,
};
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoStore, aws_sdk_dynamodb::types::AttributeValue, provision,
};
use calsync_testkit::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};
use chrono::TimeDelta;

use crate::dynamodb_conformance::{local, unique};

fn world(table: &DynamoConfig, seed: u8) -> World {
    World::new(Arc::new(DynamoStore::new(local(), table.clone())), seed)
}

/// Every row of one table, in another one: what a restored backup is.
async fn copy(from: &DynamoConfig, to: &DynamoConfig) {
    provision(&local(), to).await.unwrap();
    let mut start: Option<HashMap<String, AttributeValue>> = None;
    loop {
        let page =
            local().scan().table_name(&from.table).set_exclusive_start_key(start).send().await.unwrap();
        for item in page.items.unwrap_or_default() {
            local().put_item().table_name(&to.table).set_item(Some(item)).send().await.unwrap();
        }
        start = page.last_evaluated_key;
        if start.is_none() {
            break;
        }
    }
}

async fn sync(world: &World, remote: &MemoryRemote) -> SyncReport {
    world.clock.advance(TimeDelta::minutes(20));
    let link = Link::new("home", "family", "memory");
    world.engine.sync(&link, remote, &SyncOptions::default()).await.unwrap()
}

fn titled(title: &str) -> impl FnOnce(&mut Event) {
    move |event| body(event).title = Some(title.to_owned())
}

/// Both sides as `uid=title`.
async fn sides(world: &World, remote: &MemoryRemote) -> (Vec<String>, Vec<String>) {
    let text = |events: Vec<Event>| {
        let title = |event: &Event| event.body().and_then(|body| body.title.clone()).unwrap_or_default();
        let mut all: Vec<String> =
            events.iter().map(|event| format!("{}={}", event.uid, title(event))).collect();
        all.sort();
        all
    };
    let here = world.locals().await.into_iter().map(|record| record.event).collect();
    (text(here), text(remote.items().into_values().collect()))
}

fn table(name: &str) -> DynamoConfig {
    DynamoConfig::default().with_table(unique(name))
}

/// I08, DUP-04, DUP-08: with a cursor the server still knows, and with one it has forgotten.
#[tokio::test]
async fn i08_dynamodb_restored_from_an_older_backup() {
    for forgotten in [false, true] {
        let (now, backup) = (table("now"), table("backup"));
        provision(&local(), &now).await.unwrap();
        let remote = MemoryRemote::default();
        for n in 0..10 {
            remote.put(&format!("r{n}"), &event(&format!("u{n}"), &format!("title {n}")));
        }
        let before = world(&now, 1);
        sync(&before, &remote).await;
        // A creation waits to be sent when the backup is made.
        before.add(event("waiting", "Waiting")).await;
        remote.fail("create", RemoteFault::Before(ErrorKind::Throttled));
        let link = Link::new("home", "family", "memory");
        let _ = before.engine.sync(&link, &remote, &SyncOptions::default()).await;
        copy(&now, &backup).await;
        // And then it is sent, and life goes on.
        sync(&before, &remote).await;
        before.add(event("later", "Later")).await;
        before.edit("u1", titled("edited here")).await;
        before.delete("u2").await;
        remote.put("r3", &event("u3", "edited there"));
        remote.remove("r4");
        remote.put("new", &event("new", "New there"));
        sync(&before, &remote).await;
        let (here, there) = sides(&before, &remote).await;
        assert_eq!(here, there);
        let writes = remote.writes();

        let restored = world(&backup, 2);
        if forgotten {
            remote.forget_cursors();
        }
        let report = sync(&restored, &remote).await;
        assert!(!report.plan.held, "forgotten: {forgotten}");
        sync(&restored, &remote).await;
        assert_eq!(sides(&restored, &remote).await, (here, there), "forgotten: {forgotten}");
        assert_eq!(remote.writes(), writes, "nothing is sent again, forgotten: {forgotten}");
        assert!(sync(&restored, &remote).await.plan.operations.is_empty());
    }
}
