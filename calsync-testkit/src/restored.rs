//! A store that goes back to an older backup: what changed since comes in again, what was sent since is not sent again, nothing is
//! deleted or doubled, and what people edit in the restored store is merged or asked about.
//!
//! One table of events for every store. A calendar here has two links; each event has what was done to it before the backup, since, and
//! in the restored store before its first run.

#![allow(clippy::expect_used, clippy::panic, reason = "a test that cannot go on panics")]

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    context::Clock as _,
    engine::{Link, SyncOptions, SyncReport},
    merge::ConflictPolicy,
    model::{Event, EventTime},
    provider::ErrorKind,
    store::{ConflictState, Store},
};
use chrono::TimeDelta;

use crate::{
    remote::{MemoryRemote, RemoteFault},
    world::{World, body, event},
};

/// A store that can be backed up as its users would.
#[async_trait]
pub trait Backups {
    /// The store in use, empty.
    async fn begin(&self) -> Arc<dyn Store>;

    /// Keeps what the store holds at this moment.
    async fn back_up(&self);

    /// The store as it was kept. Nobody uses the one of before any more.
    async fn restore(&self) -> Arc<dyn Store>;
}

/// What somebody does to an event.
#[derive(Clone, Copy)]
enum Step {
    AddHere,
    AddThere,
    TitleHere(&'static str),
    TitleThere(&'static str),
    PlaceHere(&'static str),
    PlaceThere(&'static str),
    DeleteHere,
    DeleteThere,
}
use Step::{AddHere, AddThere, DeleteHere, DeleteThere, PlaceHere, PlaceThere, TitleHere, TitleThere};

/// What must be on every side in the end.
#[derive(Clone, Copy)]
enum Ends {
    /// What was there before the store went back.
    AsItWas,
    /// This title and place.
    Merged(&'static str, &'static str),
    /// Each side keeps its title until somebody answers: here, there.
    Asked(&'static str, &'static str),
    Gone,
}
use Ends::{AsItWas, Asked, Gone, Merged};

struct Row {
    uid: &'static str,
    /// Done and in step before the backup.
    first: &'static [Step],
    /// Done before the backup, and taken by the servers only after it.
    waiting: &'static [Step],
    /// Done after the backup; both links run after each.
    since: &'static [Step],
    /// Done in the restored store, and there, before its first run.
    after: &'static [Step],
    ends: Ends,
}

const fn row(uid: &'static str, first: &'static [Step], waiting: &'static [Step]) -> Row {
    Row { uid, first, waiting, since: &[], after: &[], ends: AsItWas }
}

impl Row {
    const fn since(mut self, since: &'static [Step]) -> Self {
        self.since = since;
        self
    }

    const fn after(mut self, after: &'static [Step], ends: Ends) -> Self {
        self.after = after;
        self.ends = ends;
        self
    }
}

const ROWS: &[Row] = &[
    row("untouched there", &[AddThere], &[]),
    row("untouched here", &[AddHere], &[]),
    // Writes that wait when the backup is made, and are sent after it.
    row("creation waits", &[], &[AddHere]),
    row("edit waits", &[AddThere], &[TitleHere("waited")]),
    row("edit waits, other field there", &[AddThere], &[TitleHere("waited")]).since(&[PlaceThere("there")]),
    row("edit waits, same field there", &[AddThere], &[TitleHere("waited")])
        .since(&[TitleThere("there")])
        .after(&[], Asked("waited", "there")),
    row("deletion waits", &[AddThere], &[DeleteHere]),
    // What the backup does not know.
    row("new here", &[], &[]).since(&[AddHere]),
    row("new there", &[], &[]).since(&[AddThere]),
    row("new here, edited there", &[], &[]).since(&[AddHere, TitleThere("there")]),
    row("edited here", &[AddThere], &[]).since(&[TitleHere("here")]),
    row("edited there", &[AddHere], &[]).since(&[TitleThere("there")]),
    row("edited on both sides", &[AddThere], &[]).since(&[TitleHere("here"), PlaceThere("there")]),
    row("deleted here", &[AddThere], &[]).since(&[DeleteHere]),
    row("deleted there", &[AddHere], &[]).since(&[DeleteThere]),
    row("came and went here", &[], &[]).since(&[AddHere, DeleteHere]),
    row("came and went there", &[], &[]).since(&[AddThere, DeleteThere]),
    row("went and came there", &[AddThere], &[]).since(&[DeleteThere, AddThere]),
    // What people do with the restored store.
    row("goes on here", &[AddThere], &[]).after(&[TitleHere("after")], Merged("after", "")),
    row("goes on there", &[AddThere], &[]).after(&[TitleThere("after")], Merged("after", "")),
    row("begins here", &[], &[]).after(&[AddHere], Merged("first", "")),
    row("ends here", &[AddThere], &[]).after(&[DeleteHere], Gone),
    row("other field here, sent", &[AddThere], &[])
        .since(&[TitleHere("here")])
        .after(&[PlaceHere("after")], Merged("here", "after")),
    row("other field here, of theirs", &[AddThere], &[])
        .since(&[TitleThere("there")])
        .after(&[PlaceHere("after")], Merged("there", "after")),
    row("other field there, sent", &[AddThere], &[])
        .since(&[TitleHere("here")])
        .after(&[PlaceThere("after")], Merged("here", "after")),
    row("same field here, sent", &[AddThere], &[])
        .since(&[TitleHere("here")])
        .after(&[TitleHere("after")], Asked("after", "here")),
    row("same field here, of theirs", &[AddThere], &[])
        .since(&[TitleThere("there")])
        .after(&[TitleHere("after")], Asked("after", "there")),
    // An edit outlives a deletion, whichever the store knows of.
    row("deleted here, edited again", &[AddThere], &[])
        .since(&[DeleteHere])
        .after(&[TitleHere("after")], Merged("after", "")),
    row("deleted there, edited here", &[AddThere], &[])
        .since(&[DeleteThere])
        .after(&[TitleHere("after")], Merged("after", "")),
    row("edited there, deleted here", &[AddThere], &[])
        .since(&[TitleThere("there")])
        .after(&[DeleteHere], Merged("there", "")),
];

/// Two links on one calendar: what is done there is done on the first.
struct Place {
    world: World,
    remotes: [MemoryRemote; 2],
    policy: ConflictPolicy,
}

const LINKS: [&str; 2] = ["home", "work"];

impl Place {
    fn link(&self, name: &str) -> Link {
        Link::new(name, "family", "memory").with_conflicts(self.policy)
    }

    /// Both links once.
    async fn sync(&self) -> Vec<SyncReport> {
        let mut reports = Vec::new();
        for (name, remote) in LINKS.iter().zip(&self.remotes) {
            self.world.clock.advance(TimeDelta::minutes(5));
            let report = self.world.engine.sync(&self.link(name), remote, &SyncOptions::default()).await;
            reports.push(report.expect("the run goes through"));
        }
        reports
    }

    /// Until there is nothing left to do: what one link brings, the other one takes over.
    async fn settle(&self) {
        for _ in 0..5 {
            if self.sync().await.iter().all(|report| report.plan.operations.is_empty()) {
                return;
            }
        }
        panic!("the links do not come to rest");
    }

    async fn step(&self, uid: &str, step: Step) {
        let there = |change: &dyn Fn(&mut Event)| {
            let mut items = self.remotes[0].items().into_iter();
            let (id, mut item) = items.find(|(_, item)| item.uid == uid).expect("it is there");
            change(&mut item);
            self.remotes[0].put(id.as_str(), &item);
        };
        match step {
            AddHere => drop(self.world.add(fresh(uid)).await),
            // A name of its own each time.
            AddThere => self.remotes[0].put(&format!("{uid} {}", self.world.clock.now()), &fresh(uid)),
            TitleHere(title) => {
                self.world.edit(uid, |event| body(event).title = Some(title.to_owned())).await
            }
            PlaceHere(place) => {
                self.world.edit(uid, |event| body(event).location = Some(place.to_owned())).await
            }
            TitleThere(title) => there(&|event| body(event).title = Some(title.to_owned())),
            PlaceThere(place) => there(&|event| body(event).location = Some(place.to_owned())),
            DeleteHere => self.world.delete(uid).await,
            DeleteThere => {
                let mut items = self.remotes[0].items().into_iter();
                let (id, _) = items.find(|(_, item)| item.uid == uid).expect("it is there");
                self.remotes[0].remove(id.as_str());
            }
        }
    }

    async fn steps(&self, steps: impl Fn(&Row) -> Option<Step>) {
        for row in ROWS {
            if let Some(step) = steps(row) {
                self.step(row.uid, step).await;
            }
        }
    }

    /// Every side in order: UID, title, place.
    async fn sides(&self) -> [Vec<[String; 3]>; 3] {
        let here = self.world.locals().await.into_iter().map(|record| record.event).collect();
        let there = self.remotes.each_ref().map(|remote| remote.items().into_values().collect());
        let [home, work] = there;
        [here, home, work].map(|events: Vec<Event>| {
            let mut all: Vec<_> = events.into_iter().map(shown).collect();
            all.sort();
            all
        })
    }

    fn writes(&self) -> [u64; 2] {
        self.remotes.each_ref().map(MemoryRemote::writes)
    }
}

/// Each on a day of its own: two that are alike would be asked about.
fn fresh(uid: &str) -> Event {
    let mut event = event(uid, "first");
    let days = TimeDelta::days(ROWS.iter().take_while(|row| row.uid != uid).count() as i64);
    let time = &mut body(&mut event).time;
    for end in [&mut time.start, &mut time.end] {
        if let EventTime::Utc(at) = end {
            *at += days;
        }
    }
    event
}

fn shown(event: Event) -> [String; 3] {
    let body = event.body().cloned();
    let (title, place) = body.map(|body| (body.title, body.location)).unwrap_or_default();
    [event.uid, title.unwrap_or_default(), place.unwrap_or_default()]
}

/// Up to the moment at which the store goes back; what was on every side then.
async fn before(kept: &impl Backups, policy: ConflictPolicy) -> (Place, Vec<[String; 3]>) {
    let remotes = [MemoryRemote::default(), MemoryRemote::default()];
    let mut place = Place { world: World::new(kept.begin().await, 1), remotes, policy };
    place.steps(|row| row.first.first().copied()).await;
    place.settle().await;
    let writes = place.writes();
    place.steps(|row| row.waiting.first().copied()).await;
    for remote in &place.remotes {
        for operation in ["create", "update", "delete"] {
            ROWS.iter().for_each(|_| remote.fail(operation, RemoteFault::Before(ErrorKind::Throttled)));
        }
    }
    for (name, remote) in LINKS.iter().zip(&place.remotes) {
        place.world.clock.advance(TimeDelta::minutes(5));
        let _ = place.world.engine.sync(&place.link(name), remote, &SyncOptions::default()).await;
    }
    assert_eq!(place.writes(), writes, "nothing waits: the servers took it");
    kept.back_up().await;
    place.remotes.iter().for_each(MemoryRemote::forget_faults);
    place.world.clock.advance(TimeDelta::hours(1));
    place.settle().await;
    for n in 0..2 {
        place.steps(|row| row.since.get(n).copied()).await;
        place.settle().await;
    }
    let [here, home, work] = place.sides().await;
    assert_eq!((&home, &work), (&here, &here), "all sides are in step before the store goes back");

    let restored = World::new(kept.restore().await, 2);
    restored.clock.advance(place.world.clock.now() - restored.clock.now());
    place.world = restored;
    (place, here)
}

/// I08, DUP-04, DUP-08: nothing is done after the store went back. Both sides end as they were, and nothing is sent.
///
/// # Panics
///
/// When something is deleted, doubled or sent, or the links do not come to rest.
pub async fn nothing_is_sent_again(kept: &impl Backups, cursors: Cursors) {
    let (place, was) = before(kept, ConflictPolicy::default()).await;
    cursors.apply(&place);
    let writes = place.writes();
    let reports = place.sync().await;
    assert!(reports.iter().all(|report| !report.plan.held), "{cursors:?}");
    place.settle().await;
    let sides = place.sides().await;
    assert_eq!(sides, [was.clone(), was.clone(), was], "{cursors:?}");
    assert_eq!(place.writes(), writes, "nothing is sent again: {cursors:?}");
}

/// People go on in the restored store before its first run: what they edit is merged with what it did not know, and what contradicts is
/// asked about.
///
/// # Panics
///
/// When something is deleted, doubled or overwritten, or the links do not come to rest.
pub async fn later_edits_are_merged_or_asked(kept: &impl Backups, cursors: Cursors) {
    let (place, was) = before(kept, ConflictPolicy::Manual).await;
    place.steps(|row| row.after.first().copied()).await;
    cursors.apply(&place);
    place.settle().await;

    let mut expected: [Vec<[String; 3]>; 3] = [was.clone(), was.clone(), was];
    for row in ROWS {
        for (side, events) in expected.iter_mut().enumerate() {
            let titled = |title: &str, place: &str| Some([row.uid, title, place].map(str::to_owned));
            let ends = match row.ends {
                AsItWas => continue,
                Merged(title, place) => titled(title, place),
                Asked(here, there) => titled(if side == 0 { here } else { there }, ""),
                Gone => None,
            };
            events.retain(|[uid, ..]| uid != row.uid);
            events.extend(ends);
        }
    }
    expected.iter_mut().for_each(|events| events.sort());
    assert_eq!(place.sides().await, expected, "{cursors:?}");

    for name in LINKS {
        let open = place.world.hub.conflicts(&name.into()).await.expect("the store answers");
        let asked: BTreeSet<[String; 3]> = open
            .into_iter()
            .filter(|conflict| conflict.state == ConflictState::Open)
            .map(|conflict| {
                let side =
                    |event: Option<Box<Event>>| event.map(|event| shown(*event)).map(|[_, title, _]| title);
                [
                    conflict.uid,
                    side(conflict.local).unwrap_or_default(),
                    side(conflict.remote).unwrap_or_default(),
                ]
            })
            .collect();
        let rows = ROWS.iter().filter_map(|row| match row.ends {
            Asked(here, there) => Some([row.uid, here, there].map(str::to_owned)),
            _ => None,
        });
        assert_eq!(asked, rows.collect(), "both versions are in the question: {name}, {cursors:?}");
    }
}

/// What the servers make of the cursors of a store that went back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cursors {
    /// They tell what changed since.
    Known,
    /// They list everything.
    Forgotten,
}

impl Cursors {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Known, Self::Forgotten];

    fn apply(self, place: &Place) {
        if self == Self::Forgotten {
            place.remotes.iter().for_each(MemoryRemote::forget_cursors);
        }
    }
}
