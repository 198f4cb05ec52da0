//! What `plan_pairs` says of a pair is what a run of the engine does, and what it gives a side is what a run writes there: every edit
//! and deletion on either side, in every direction, also where the remote side keeps events in a form of its own, where both never
//! met, and where they were parted.
#![allow(clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::Arc;

use calsync_core::{
    context::Clock,
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

/// How both sides stand before anything becomes of them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Met {
    /// Neither heard of the other: what becomes of a side is what it has.
    Never,
    Agreed,
    /// The copy was deleted, which the link may not do to the original.
    Parted,
}

/// A server in whose form of an event less is said.
fn shortened(event: &Event) -> Event {
    let mut event = event.clone();
    if let Some(text) = &mut body(&mut event).description {
        text.truncate(5);
    }
    event
}

fn as_given(event: &Event) -> Event {
    event.clone()
}

/// What an operation is compared by.
fn shown(action: Action, reason: &str, fields: [Vec<String>; 3]) -> String {
    let [to_local, to_remote, contested] = fields;
    format!("{action:?} ({reason}): in {to_local:?}, out {to_remote:?}, contested {contested:?}")
}

/// A link and both its sides.
struct Sides {
    world: World,
    remote: MemoryRemote,
    holds: fn(&Event) -> Event,
    link: Link,
}

impl Sides {
    fn new(rules: Rules, holds: fn(&Event) -> Event) -> Self {
        let mut link = Link::new("home", "family", "memory")
            .with_direction(rules.direction)
            .with_conflicts(rules.conflicts)
            .with_deletions(rules.deletions);
        if rules.direction == Direction::Export {
            link = link.with_copies(CopyRules::everything());
        }
        let world = World::new(Arc::new(MemoryStore::default()), 1);
        Self { world, remote: MemoryRemote::default().holding(holds), holds, link }
    }

    async fn run(&self) {
        self.world.clock.advance(TimeDelta::seconds(30));
        self.world.engine.sync(&self.link, &self.remote, &SyncOptions::default()).await.expect("it runs");
    }

    /// What is here now.
    async fn here(&self) -> Option<Event> {
        let mut all = self.world.locals().await.into_iter().map(|record| record.event);
        all.find(|event| event.uid == "u1")
    }

    /// What is there now, and under which name.
    fn there(&self) -> Option<(RemoteId, Event)> {
        self.remote.items().into_iter().find(|(_, event)| event.uid == "u1")
    }

    async fn meet(&self, met: Met) {
        if met == Met::Never {
            return;
        }
        let mut base = event("u1", "base");
        body(&mut base).description = Some("short, and what only fits here".to_owned());
        if self.link.direction == Direction::Import {
            self.remote.put("r1", &(self.holds)(&base));
        } else {
            self.world.add(base).await;
        }
        self.run().await;
        self.run().await;
        if met == Met::Parted {
            match self.link.direction {
                Direction::Import => self.world.delete("u1").await,
                Direction::Export | Direction::TwoWay => self.becomes_there(Done::Deleted),
            }
            self.run().await;
        }
    }

    async fn becomes_here(&self, done: Done) {
        match (done, self.here().await) {
            (Done::Nothing, _) | (Done::Deleted, None) => {}
            (Done::Deleted, Some(_)) => self.world.delete("u1").await,
            (_, Some(_)) => self.world.edit("u1", |event| done.to(event)).await,
            (_, None) => {
                let mut new = event("u1", "base");
                done.to(&mut new);
                self.world.add(new).await;
            }
        }
    }

    /// The other side says when it was edited.
    fn becomes_there(&self, done: Done) {
        match (done, self.there()) {
            (Done::Nothing, _) | (Done::Deleted, None) => {}
            (Done::Deleted, Some((item, _))) => self.remote.remove(item.as_str()),
            (_, now) => {
                let (item, mut edited) = now.unwrap_or_else(|| (RemoteId::from("r1"), event("u1", "base")));
                done.to(&mut edited);
                body(&mut edited).updated = Some(self.world.clock.now());
                self.remote.put(item.as_str(), &edited);
            }
        }
    }
}

fn side(done: Done, now: Option<&Event>, evidence: Evidence) -> Side<'_> {
    match (done, now) {
        (Done::Title(_) | Done::Place, Some(now)) => Side::Holds(now),
        (Done::Deleted, _) => Side::Deleted(evidence),
        _ => Side::Silent,
    }
}

/// What a side has after a run that carried a decision out.
fn expected(before: Option<Event>, given: Option<Event>, deleted: bool) -> Option<Event> {
    given.or(before).filter(|_| !deleted)
}

async fn is_planned_alike(rules: Rules, met: Met, holds: fn(&Event) -> Event, here: Done, there: Done) {
    let case = format!("{rules:?}, {met:?}: here {here:?}, there {there:?}");
    let sides = Sides::new(rules, holds);
    sides.meet(met).await;
    let bases = (sides.here().await, sides.there().map(|(_, event)| event));
    sides.becomes_here(here).await;
    sides.becomes_there(there);
    sides.world.clock.advance(TimeDelta::seconds(30));
    let options = SyncOptions::default();
    let report = sides.world.engine.plan(&sides.link, &sides.remote, &options).await.expect("it is planned");
    let texts = |fields: &[calsync_core::diff::Field]| fields.iter().map(ToString::to_string).collect();
    let engine: Vec<String> = report
        .plan
        .operations
        .iter()
        .map(|op| {
            shown(op.action, &op.reason, [texts(&op.to_local), texts(&op.to_remote), texts(&op.contested)])
        })
        .collect();

    let (local, remote) = (sides.here().await, sides.there().map(|(_, event)| event));
    let agreed = match (met, &bases) {
        (Met::Agreed, (Some(local), Some(remote))) => Agreed::On(Bases { local, remote }),
        (Met::Parted, _) => Agreed::Parted,
        _ => Agreed::Never,
    };
    assert_eq!(met == Met::Agreed, matches!(agreed, Agreed::On(_)), "{case}");
    let pair = Pair {
        agreed,
        local: side(here, local.as_ref(), Evidence::DeletedHere),
        remote: side(there, remote.as_ref(), Evidence::Reported),
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
    assert_eq!(pure, engine, "{case}");
    assert_eq!(plan.held, report.plan.held, "{case}");

    sides.run().await;
    let deleted = |action| decision.action == action && !plan.held;
    let local = expected(local, decision.local.clone(), deleted(Action::DeleteLocal));
    assert!(sides.here().await == local, "{case}: a run leaves {:?} here, not {local:?}", sides.here().await);
    // A server has its own form of what is written.
    let written = decision.remote.as_ref().map(holds);
    let remote = expected(remote, written, deleted(Action::DeleteRemote));
    let left = sides.there().map(|(_, event)| event);
    assert!(left == remote, "{case}: a run leaves {left:?} there, not {remote:?}");
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
                    for there in [Nothing, Title("theirs"), Title("mine"), Place, Deleted] {
                        // Nobody asks it of a pair that was only edited.
                        if deletions != DeletionPolicy::KeepEdit && here != Deleted && there != Deleted {
                            continue;
                        }
                        let rules = Rules { direction, conflicts, deletions };
                        for holds in [as_given, shortened] {
                            is_planned_alike(rules, Met::Agreed, holds, here, there).await;
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn what_never_met_is_planned_as_a_run_joins_and_makes_it() {
    use Done::{Nothing, Place, Title};
    for direction in [Direction::TwoWay, Direction::Import, Direction::Export] {
        for conflicts in [
            ConflictPolicy::RemoteWins,
            ConflictPolicy::LocalWins,
            ConflictPolicy::KeepBoth,
            ConflictPolicy::Manual,
        ] {
            for here in [Nothing, Title("mine"), Place] {
                for there in [Nothing, Title("theirs"), Title("mine"), Place] {
                    let rules = Rules { direction, conflicts, ..Rules::default() };
                    is_planned_alike(rules, Met::Never, as_given, here, there).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_was_parted_is_left_alone_as_by_a_run() {
    use Done::{Deleted, Nothing, Place, Title};
    for done in [Nothing, Title("edited"), Place, Deleted] {
        let rules = |direction| Rules { direction, ..Rules::default() };
        is_planned_alike(rules(Direction::Import), Met::Parted, as_given, Nothing, done).await;
        is_planned_alike(rules(Direction::Export), Met::Parted, as_given, done, Nothing).await;
    }
}
