//! What `plan_pairs` says of a pair is what a run of the engine would do: every edit and deletion on either side, in every direction.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    engine::{CopyRules, Link, SyncOptions},
    merge::{Bases, ConflictPolicy, DeletionPolicy},
    model::{Event, RemoteId},
    plan::{Action, Agreed, Direction, Evidence, Pair, PairRules, Rules, Side, plan_pairs},
    store::MemoryStore,
};
use calsync_testkit::{
    remote::MemoryRemote,
    world::{World, body, event},
};
use chrono::TimeDelta;

/// What becomes of a side.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Done {
    Nothing,
    Title(&'static str),
    Place,
    Deleted,
}

impl Done {
    fn to(self, event: &mut Event) {
        match self {
            Self::Title(title) => body(event).title = Some(title.to_owned()),
            Self::Place => body(event).location = Some("here".to_owned()),
            Self::Nothing | Self::Deleted => {}
        }
    }
}

/// What an operation is compared by.
fn shown(action: Action, reason: &str, fields: [Vec<String>; 3]) -> String {
    let [to_local, to_remote, contested] = fields;
    format!("{action:?} ({reason}): in {to_local:?}, out {to_remote:?}, contested {contested:?}")
}

async fn is_planned_alike(rules: Rules, here: Done, there: Done) {
    let world = World::new(Arc::new(MemoryStore::default()), 1);
    let remote = MemoryRemote::default();
    let mut link = Link::new("home", "family", "memory")
        .with_direction(rules.direction)
        .with_conflicts(rules.conflicts)
        .with_deletions(rules.deletions);
    let base = event("u1", "base");
    if rules.direction == Direction::Export {
        link = link.with_copies(CopyRules::everything());
        world.add(base.clone()).await;
    } else {
        remote.put("r1", &base);
    }
    let options = SyncOptions::default();
    for _ in 0..2 {
        world.clock.advance(TimeDelta::seconds(30));
        world.engine.sync(&link, &remote, &options).await.expect("both meet");
    }
    let base = world.local("u1").await.event;
    let item: RemoteId = remote.items().into_keys().next().expect("one item");
    match here {
        Done::Nothing => {}
        Done::Deleted => world.delete("u1").await,
        Done::Title(_) | Done::Place => world.edit("u1", |event| here.to(event)).await,
    }
    let mut edited = remote.get(&item).expect("it is there");
    match there {
        Done::Nothing => {}
        Done::Deleted => remote.remove(item.as_str()),
        Done::Title(_) | Done::Place => {
            there.to(&mut edited);
            remote.put(item.as_str(), &edited);
        }
    }
    world.clock.advance(TimeDelta::seconds(30));
    let report = world.engine.plan(&link, &remote, &options).await.expect("it is planned");
    let texts = |fields: &[calsync_core::diff::Field]| fields.iter().map(ToString::to_string).collect();
    let engine: Vec<String> = report
        .plan
        .operations
        .iter()
        .map(|op| {
            shown(op.action, &op.reason, [texts(&op.to_local), texts(&op.to_remote), texts(&op.contested)])
        })
        .collect();

    let local = match here {
        Done::Nothing | Done::Deleted => base.clone(),
        Done::Title(_) | Done::Place => world.local("u1").await.event,
    };
    let side = |done, now, evidence| match done {
        Done::Nothing => Side::Silent,
        Done::Deleted => Side::Deleted(evidence),
        Done::Title(_) | Done::Place => Side::Holds(now),
    };
    let pair = Pair {
        agreed: Agreed::On(Bases { local: &base, remote: &base }),
        local: side(here, &local, Evidence::DeletedHere),
        remote: side(there, &edited, Evidence::Reported),
    };
    let plan = plan_pairs(&[pair], &PairRules { rules, ..PairRules::default() });
    let decision = &plan.decisions[0];
    let merge = &decision.merge;
    let pure = shown(
        decision.action,
        decision.reason,
        [
            merge.to_local.iter().map(ToString::to_string).collect(),
            merge.to_remote.iter().map(ToString::to_string).collect(),
            merge.contested.iter().map(|contested| contested.field.to_string()).collect(),
        ],
    );
    // A run has nothing to show where nothing is done.
    let is_quiet = matches!(decision.action, Action::None | Action::Forget);
    let pure: Vec<String> = if is_quiet { Vec::new() } else { vec![pure] };
    assert_eq!(pure, engine, "{rules:?}: here {here:?}, there {there:?}");
    assert_eq!(plan.held, report.plan.held, "{rules:?}: here {here:?}, there {there:?}");
}

#[tokio::test]
async fn what_is_planned_for_pairs_is_what_a_run_would_do() {
    use Done::{Deleted, Nothing, Place, Title};
    for direction in [Direction::TwoWay, Direction::Import, Direction::Export] {
        for conflicts in [
            ConflictPolicy::RemoteWins,
            ConflictPolicy::LocalWins,
            ConflictPolicy::KeepBoth,
            ConflictPolicy::Manual,
        ] {
            for deletions in [
                DeletionPolicy::KeepEdit,
                DeletionPolicy::Delete,
                DeletionPolicy::ByConflicts,
                DeletionPolicy::RemoteWins,
                DeletionPolicy::LocalWins,
            ] {
                for here in [Nothing, Title("mine"), Place, Deleted] {
                    for there in [Nothing, Title("theirs"), Title("mine"), Deleted] {
                        // Nobody asks it of a pair that was only edited.
                        if deletions != DeletionPolicy::KeepEdit && here != Deleted && there != Deleted {
                            continue;
                        }
                        is_planned_alike(Rules { direction, conflicts, deletions }, here, there).await;
                    }
                }
            }
        }
    }
}
