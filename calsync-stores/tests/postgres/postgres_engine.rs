//! The engine on PostgreSQL: both sides end in step, and what a run costs follows its changes, not the calendar.

use std::sync::Arc;

use calsync_core::{
    engine::{Link, SyncOptions, SyncReport},
    model::Event,
    store::Store,
};
use calsync_stores::postgres::{PostgresConfig, PostgresStore};
use calsync_testkit::{
    events::canonical,
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

use crate::{postgres_conformance::unique, relay::Relay};

async fn sync(world: &World, remote: &MemoryRemote) -> SyncReport {
    world.clock.advance(TimeDelta::seconds(30));
    let link = Link::new("home", "family", "memory");
    world.engine.sync(&link, remote, &SyncOptions::default()).await.expect("the run goes through")
}

fn assert_in_step(remote: &MemoryRemote, locals: Vec<calsync_core::store::EventRecord>) {
    let json = |event: &Event| serde_json::to_string(&canonical(event)).unwrap();
    let mut theirs: Vec<String> = remote.items().values().map(json).collect();
    let mut ours: Vec<String> = locals.iter().map(|record| json(&record.event)).collect();
    theirs.sort();
    ours.sort();
    assert!(theirs == ours, "{} remote events, {} local ones, not the same", theirs.len(), ours.len());
}

#[tokio::test]
async fn round_trips_of_a_run_follow_its_changes() {
    let relay = Relay::start(&calsync_testkit::postgres::url()).await;
    let schema = unique("engine");
    let mut costs = Vec::new();
    for (tenant, size) in [("small", 100), ("large", 10_000)] {
        let config = PostgresConfig::default().with_schema(&schema).with_max_connections(1);
        let store: Arc<dyn Store> =
            Arc::new(PostgresStore::connect(&relay.url(), config).await.unwrap().tenant(tenant));
        let world = World::new(store, 1);
        let remote = MemoryRemote::default();
        for n in 0..size {
            remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "first"));
        }
        let first = sync(&world, &remote).await;
        assert_eq!(first.counts.created, size);
        // Warm: each statement was prepared on the one connection.
        for round in 0..3 {
            for n in 0..10 {
                remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), &format!("round {round}")));
            }
            world.edit("uid-20", |event| body(event).title = Some(format!("local {round}"))).await;
            world.delete(&format!("uid-{}", 30 + round)).await;
            remote.remove(&format!("item-{}", 60 + round));
            world.add(event(&format!("new-{round}"), "made here")).await;
            sync(&world, &remote).await;
            sync(&world, &remote).await;
        }
        assert_in_step(&remote, world.locals().await);

        let before = relay.round_trips();
        let quiet = sync(&world, &remote).await;
        assert!(quiet.plan.operations.is_empty());
        let idle = relay.round_trips() - before;
        for n in 0..10 {
            remote.put(&format!("item-{n}"), &event(&format!("uid-{n}"), "last"));
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.updated, 10);
        let there = relay.round_trips() - before;
        for n in 40..50 {
            world.edit(&format!("uid-{n}"), |event| body(event).title = Some("here".to_owned())).await;
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let here = relay.round_trips() - before;
        for n in 0..10 {
            world.add(event(&format!("made-{n}"), "made here")).await;
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let made_here = relay.round_trips() - before;
        for n in 0..10 {
            remote.put(&format!("there-{n}"), &event(&format!("made-there-{n}"), "made there"));
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.created, 10);
        let made_there = relay.round_trips() - before;
        assert_in_step(&remote, world.locals().await);
        for n in 0..10 {
            remote.remove(&format!("there-{n}"));
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.deleted, 10);
        let gone_there = relay.round_trips() - before;
        assert_in_step(&remote, world.locals().await);
        // What went counts for a week.
        world.clock.advance(TimeDelta::days(8));
        sync(&world, &remote).await;
        for n in 0..10 {
            world.delete(&format!("made-{n}")).await;
        }
        let before = relay.round_trips();
        assert_eq!(sync(&world, &remote).await.counts.pushed, 10);
        let gone_here = relay.round_trips() - before;
        assert_in_step(&remote, world.locals().await);
        costs.push((size, idle, [there, made_there, gone_there], [here, made_here, gone_here]));
    }
    // Without changes: what a run begins with, and its end. Ten there: bases and events, with where else they came up
    // when they are gone, what has their UIDs where they are new, the commit, which is two. Ten here: intents, answers, and what the
    // provider made of them with the end, of which one is two.
    assert_eq!(
        costs,
        [(100, 2, [5, 6, 5], [4, 4, 4]), (10_000, 2, [5, 6, 5], [4, 4, 4])],
        "size, and round trips with no changes, ten there: edited, made, deleted; ten here: the same"
    );
}
