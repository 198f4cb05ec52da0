//! The engine on DynamoDB: both sides end in step; and what calls and runs cost follows their changes, not the calendar.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    feed::EventSeq,
    model::{CalendarId, Event, LinkId},
    store::{
        BaseQuery, Batch, Expectation, LeaseGrant, LinkState, Opening, Revision, Store, StoreErrorKind, Write,
    },
};
use calsync_stores::dynamodb::{
    DynamoConfig, DynamoStore,
    aws_sdk_dynamodb::{
        Client,
        config::{
            ConfigBag, Intercept, RuntimeComponents, interceptors::BeforeTransmitInterceptorContextRef,
        },
        error::BoxError,
    },
    provision,
};
use calsync_testkit::{
    events::canonical,
    remote::MemoryRemote,
    store_conformance::sample::{self, at, put_base, put_event, put_outbox},
    world::{World, body, event},
};
use chrono::TimeDelta;

use crate::dynamodb_conformance::{local, unique};

fn batch(writes: Vec<Write>) -> Batch {
    Batch { writes, ..Batch::default() }
}

/// Counts what is sent.
#[derive(Clone, Debug, Default)]
struct Sent(Arc<AtomicUsize>);

impl Intercept for Sent {
    fn name(&self) -> &'static str {
        "sent"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }
}

async fn counted(config: &DynamoConfig) -> (DynamoStore, Sent) {
    provision(&local(), config).await.unwrap();
    let sent = Sent::default();
    let client = local().config().to_builder().interceptor(sent.clone()).build();
    (DynamoStore::new(Client::from_conf(client), config.clone()), sent)
}

/// What `docs/adr/0010-dynamodb.md` says each call costs.
#[tokio::test]
async fn dynamodb_calls_cost_what_is_documented() {
    let config = DynamoConfig::default().with_table(unique("calls"));
    let (store, sent) = counted(&config).await;
    let (calendar, link) = (CalendarId::from("c"), LinkId::from("l"));
    let (ids, items) = (["e1".into(), "e2".into()], ["item 1".into(), "item 2".into()]);
    let mut last = 0;
    let mut cost = move |what: &str, expected: usize| {
        let now = sent.0.load(Ordering::SeqCst);
        assert_eq!(now - last, expected, "{what}");
        last = now;
    };

    store.events(&calendar, &ids).await.unwrap();
    cost("events, the first time", 3);
    let mut writes = vec![Write::PutLink(Box::new(sample::link_state(&link)))];
    for n in 1..=2 {
        writes.push(put_event(&calendar, &format!("e{n}"), "title"));
        writes.push(put_base(&link, &format!("item {n}"), &format!("e{n}")));
    }
    store.commit(batch(writes.clone())).await.unwrap();
    cost("a commit", 2);
    store.link(&link).await.unwrap();
    cost("a link", 1);
    store.events(&calendar, &ids).await.unwrap();
    cost("events", 2);
    store.events_since(&calendar, Revision(0), 100).await.unwrap();
    cost("changes", 2);
    store.feed(&calendar, EventSeq(0), 100).await.unwrap();
    cost("a feed", 2);
    store.events_by_uid(&calendar, &["uid-title"]).await.unwrap();
    cost("events by UID", 2);
    store.events_by_uid(&calendar, &["uid-nobody"]).await.unwrap();
    cost("events by a UID nothing has", 1);
    store.bases(&link, BaseQuery::Remote(&items)).await.unwrap();
    cost("bases by item", 3);
    store.bases(&link, BaseQuery::Events(&ids)).await.unwrap();
    cost("bases by event", 2);
    store.outbox(&link, None, 100).await.unwrap();
    cost("the outbox", 2);
    let token = match store.acquire_lease("l", "a", at(0), TimeDelta::seconds(60)).await.unwrap() {
        LeaseGrant::Granted(token) => token,
        LeaseGrant::Held { .. } => panic!("it is free"),
    };
    cost("a lease", 1);
    store.commit(Batch { lease: Some(token), writes, ..Batch::default() }).await.unwrap();
    cost("a commit under a lease, over rows this process wrote", 1);

    let seen = |seen| LinkState { seen: Revision(seen), ..sample::link_state(&link) };
    store.commit(batch(vec![Write::PutLink(Box::new(seen(4)))])).await.unwrap();
    cost("a link's state, which this process wrote", 1);
    let opening = Opening { lease: None, link: &link, calendar: &calendar, limit: 200 };
    store.open(opening).await.unwrap();
    cost("opening a link", 1);
    let edits = |count: usize| (0..count).map(|n| put_event(&calendar, &format!("e{}", n % 2), "title"));
    store.commit(batch(edits(32).collect())).await.unwrap();
    cost("edits", 2);
    store.open(opening).await.unwrap();
    cost("opening a link when the guard names what was edited", 2);
    store.commit(batch(edits(1).collect())).await.unwrap();
    cost("one edit more than it names", 1);
    store.open(opening).await.unwrap();
    cost("opening a link when it does not", 3);
    store
        .commit(batch(vec![put_outbox(&link, "o", "e1"), Write::PutLink(Box::new(seen(37)))]))
        .await
        .unwrap();
    cost("an entry", 1);
    store.open(opening).await.unwrap();
    cost("opening a link with something that waits", 3);
    store.commit(batch(edits(2).collect())).await.unwrap();
    cost("edits", 1);
    store.open(opening).await.unwrap();
    cost("opening a link with both", 3);
    store.waiting(&link, None, 9).await.unwrap();
    cost("what waits, with its bases", 2);
    store.pairs(&link, &calendar, &items).await.unwrap();
    cost("pairs", 2);
    store.pairs(&link, &calendar, &["item 3".into()]).await.unwrap();
    cost("pairs of what is not joined", 1);
    let made = |name: &str| {
        let expect = vec![Expectation::Event { calendar: calendar.clone(), id: name.into(), revision: None }];
        let writes = vec![put_event(&calendar, name, name), put_base(&link, "item 3", name)];
        Batch { expect, writes, ..Batch::default() }
    };
    store.events_by_uid(&calendar, &["uid-made"]).await.unwrap();
    cost("events by a UID nothing has", 1);
    store.commit(made("made")).await.unwrap();
    cost("a commit of an event that is made, for an item that was not joined", 1);
    store.commit(made("made")).await.unwrap_err();
    cost("the same once more, which is refused", 1);

    // A process that knows the guards, and not that the event is there.
    let (other, sent) = counted(&config).await;
    other.open(opening).await.unwrap();
    other.events_by_uid(&calendar, &["uid-other"]).await.unwrap();
    let before = sent.0.load(Ordering::SeqCst);
    let expect = vec![Expectation::Event { calendar: calendar.clone(), id: "e1".into(), revision: None }];
    let over = Batch { expect, writes: vec![put_event(&calendar, "e1", "other")], ..Batch::default() };
    let refused = other.commit(over).await.unwrap_err();
    assert!(matches!(refused.kind, StoreErrorKind::Conflict { expectation: 0 }), "{refused}");
    assert_eq!(sent.0.load(Ordering::SeqCst) - before, 2, "what it took to be new is looked at");
    assert_eq!(other.events(&calendar, &["e1".into()]).await.unwrap()[0].event.uid, "uid-title");
}

async fn sync(world: &World, remote: &MemoryRemote) -> SyncReport {
    world.clock.advance(TimeDelta::seconds(30));
    let link = Link::new("home", "family", "memory");
    world.engine.sync(&link, remote, &SyncOptions::default()).await.expect("the run goes through")
}

async fn assert_in_step(world: &World, remote: &MemoryRemote) {
    let json = |event: &Event| serde_json::to_string(&canonical(event)).unwrap();
    let mut theirs: Vec<String> = remote.items().values().map(json).collect();
    let mut ours: Vec<String> = world.locals().await.iter().map(|record| json(&record.event)).collect();
    theirs.sort();
    ours.sort();
    assert!(theirs == ours, "{} remote events, {} local ones, not the same", theirs.len(), ours.len());
}

#[tokio::test]
async fn dynamodb_calls_of_a_run_follow_its_changes() {
    let config = DynamoConfig::default().with_table(unique("engine"));
    let (store, sent) = counted(&config).await;
    let mut costs = Vec::new();
    for (tenant, size) in [("small", 50), ("large", 300)] {
        let world = World::new(Arc::new(store.tenant(tenant)), 1);
        let remote = MemoryRemote::default();
        for n in 0..size {
            remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "first"));
        }
        assert_eq!(sync(&world, &remote).await.counts.created, size);
        for n in 0..10 {
            remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "second"));
        }
        world.edit("uid-20", |event| body(event).title = Some("local".to_owned())).await;
        world.delete("uid-30").await;
        world.add(event("new", "made here")).await;
        sync(&world, &remote).await;
        sync(&world, &remote).await;
        assert_in_step(&world, &remote).await;

        let before = sent.0.load(Ordering::SeqCst);
        assert!(sync(&world, &remote).await.plan.operations.is_empty());
        let idle = sent.0.load(Ordering::SeqCst) - before;
        for n in 0..10 {
            remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "last"));
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.updated, 10);
        let there = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        for n in 40..50 {
            world.edit(&format!("uid-{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let here = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        for n in 0..10 {
            world.add(event(&format!("made-{n}"), "made here")).await;
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let made_here = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        for n in 0..10 {
            remote.put(&format!("there-{n}"), &event(&format!("made-there-{n}"), "made there"));
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.created, 10);
        let made_there = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        // What went counts for a week.
        world.clock.advance(TimeDelta::days(8));
        sync(&world, &remote).await;
        for n in 0..10 {
            remote.remove(&format!("there-{n}"));
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.deleted, 10);
        let gone_there = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        world.clock.advance(TimeDelta::days(8));
        sync(&world, &remote).await;
        for n in 0..10 {
            world.delete(&format!("made-{n}")).await;
        }
        let before = sent.0.load(Ordering::SeqCst);
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let gone_here = sent.0.load(Ordering::SeqCst) - before;
        assert_in_step(&world, &remote).await;
        costs.push((size, idle, [there, made_there, gone_there], [here, made_here, gone_here]));
    }
    // Without changes: the lease, the guards, the end. Ten edited there: what they are joined to, events and bases with the guards,
    // the commit besides. Ten made there: what they are joined to, what has their UIDs, the commit besides. Ten here: events and
    // bases with the guards, intents, answers besides. Ten deleted there: what they are joined to, where they came up, the commit
    // besides.
    assert_eq!(
        costs,
        [(50, 3, [6, 6, 6], [6, 6, 6]), (300, 3, [6, 6, 6], [6, 6, 6])],
        "size, calls with no changes, ten there: edited, made, deleted; ten here: the same"
    );
}
