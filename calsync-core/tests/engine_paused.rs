//! A worker that is paused while another one takes its link over: what that one did since is not done again.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use calsync_core::{
    engine::{EngineError, Link, SyncOptions, SyncReport},
    model::Event,
    store::{MemoryStore, Result, Store, StoreErrorKind},
};
use calsync_testkit::{
    hooked_store::{HookedStore, Moment, StoreHook},
    remote::MemoryRemote,
    world::{VirtualClock, World, body, event},
};
use chrono::TimeDelta;

/// What happens while the worker is paused, before or after its `commit of 5`: four entries and the beginning of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pause {
    Before,
    After,
}

/// What happens meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Meanwhile {
    /// Another worker, whose clock goes on, takes the link over and does what there is to be done.
    TakenOver,
    /// Only time passes.
    Nothing,
    /// The host edits one of the events again.
    Edited,
    /// The host edits the event that is being made there, and another worker takes the link over.
    EditedAndTakenOver,
}

/// Pauses a worker, once, and notes what it asks.
struct Pausing {
    at: Pause,
    meanwhile: Mutex<Option<Meanwhile>>,
    /// Its own clock, which may stand still as well.
    clock: Mutex<Option<Arc<VirtualClock>>>,
    other: Arc<Other>,
    /// Writes there while it was paused.
    writes: Mutex<u64>,
    calls: Mutex<Vec<String>>,
}

/// Another worker, and the host beside it.
struct Other {
    world: World,
    remote: Arc<MemoryRemote>,
    link: Link,
}

impl Other {
    async fn sync(&self) -> std::result::Result<SyncReport, EngineError> {
        self.world.engine.sync(&self.link, &*self.remote, &SyncOptions::default()).await
    }
}

#[async_trait]
impl StoreHook for Pausing {
    async fn at(&self, moment: Moment<'_>) -> Result<()> {
        if let Moment::Before(call) = moment {
            self.calls.lock().unwrap().push(call.to_owned());
        }
        let here = match self.at {
            Pause::Before => Moment::Before("commit of 5"),
            Pause::After => Moment::After("commit of 5"),
        };
        let meanwhile = if moment == here { self.meanwhile.lock().unwrap().take() } else { None };
        let Some(meanwhile) = meanwhile else { return Ok(()) };
        let clock = self.clock.lock().unwrap().clone();
        clock.iter().for_each(|clock| clock.advance(TimeDelta::seconds(11)));
        self.other.world.clock.advance(TimeDelta::seconds(11));
        if meanwhile == Meanwhile::EditedAndTakenOver {
            self.other.world.edit("new", |event| body(event).title = Some("again".to_owned())).await;
        }
        match meanwhile {
            Meanwhile::TakenOver | Meanwhile::EditedAndTakenOver => {
                let before = self.other.remote.writes();
                self.other.sync().await.expect("the lease ran out");
                *self.writes.lock().unwrap() = self.other.remote.writes() - before;
            }
            Meanwhile::Nothing => {}
            Meanwhile::Edited => {
                self.other.world.edit("u3", |event| body(event).title = Some("again".to_owned())).await;
            }
        }
        Ok(())
    }
}

/// What became of a run that sends a creation and three updates, and was paused.
struct Ended {
    run: std::result::Result<SyncReport, EngineError>,
    /// Its own writes that changed something there.
    writes: u64,
    /// What it asked from its first commit on.
    calls: Vec<String>,
}

impl Ended {
    fn asked(&self, call: &str) -> bool {
        self.calls.iter().any(|asked| asked == call)
    }
}

/// Whether a worker's clock tells it that it was paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clock {
    GoesOn,
    StandsStill,
}

async fn paused(at: Pause, meanwhile: Meanwhile, clock: Clock) -> Ended {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::default());
    let remote = Arc::new(MemoryRemote::default().with_twins());
    let link = Link::new("home", "family", "memory");
    for n in 0..4 {
        remote.put(&format!("r{n}"), &event(&format!("u{n}"), "first"));
    }
    let world = World::new(store.clone(), 2);
    let other = Arc::new(Other { world, remote: remote.clone(), link: link.clone() });
    other.sync().await.unwrap();
    other.sync().await.unwrap();
    let pausing = Pausing {
        at,
        meanwhile: Mutex::new(Some(meanwhile)),
        clock: Mutex::new(None),
        other: other.clone(),
        writes: Mutex::new(0),
        calls: Mutex::new(Vec::new()),
    };
    let hooked = Arc::new(HookedStore::new(store, pausing));
    let world = World::new(hooked.clone(), 1);
    if clock == Clock::GoesOn {
        *hooked.hook.clock.lock().unwrap() = Some(world.clock.clone());
    }
    for uid in ["u1", "u2", "u3"] {
        world.edit(uid, |event| body(event).title = Some("here".to_owned())).await;
    }
    world.add(event("new", "made here")).await;
    hooked.hook.calls.lock().unwrap().clear();
    let before = remote.writes();
    let run = world.engine.sync(&link, &*remote, &SyncOptions::default()).await;
    let calls = hooked.hook.calls.lock().unwrap().clone();
    let calls = calls.into_iter().skip_while(|call| call != "commit of 5").collect();
    let writes = remote.writes() - before - *hooked.hook.writes.lock().unwrap();
    // Whatever happened, both sides are in step after the next run.
    other.world.clock.advance(TimeDelta::minutes(5));
    other.sync().await.unwrap();
    let title = |event: &Event| event.body().and_then(|body| body.title.clone());
    let mut here: Vec<_> = other.world.locals().await.iter().map(|record| title(&record.event)).collect();
    let mut there: Vec<_> = remote.items().values().map(title).collect();
    here.sort();
    there.sort();
    assert_eq!(here, there, "{at:?} {meanwhile:?} {clock:?}");
    assert_eq!(here.len(), 5, "{at:?} {meanwhile:?} {clock:?}");
    Ended { run, writes, calls }
}

/// An entry is sent after its commit under the lease, which another worker's lease refuses.
#[tokio::test]
async fn what_was_not_committed_under_the_lease_is_not_sent() {
    for clock in [Clock::GoesOn, Clock::StandsStill] {
        let ended = paused(Pause::Before, Meanwhile::TakenOver, clock).await;
        let refused = ended.run.expect_err("its lease is another one's");
        assert!(matches!(&refused, EngineError::Store(error) if error.kind == StoreErrorKind::Fenced));
        assert_eq!(ended.writes, 0, "{clock:?}");
    }
}

/// Once it is committed another worker may send it: whoever sees that time has passed asks for its lease first.
#[tokio::test]
async fn what_another_worker_took_over_is_not_sent_again() {
    let ended = paused(Pause::After, Meanwhile::TakenOver, Clock::GoesOn).await;
    assert!(matches!(ended.run.as_ref().unwrap_err(), EngineError::Busy { .. }));
    assert_eq!(ended.writes, 0);

    let ended = paused(Pause::After, Meanwhile::Nothing, Clock::GoesOn).await;
    assert_eq!(ended.run.as_ref().unwrap().counts.pushed, 4, "nobody took it over");
    assert!(ended.asked("acquire_lease") && !ended.asked("waiting"), "{:?}", ended.calls);
}

/// Where the clock tells nothing either, the provider does: each write names what it replaces. It is the same for a worker that is
/// paused between a read of the outbox and the request.
#[tokio::test]
async fn a_worker_that_cannot_tell_changes_nothing_there() {
    let ended = paused(Pause::After, Meanwhile::TakenOver, Clock::StandsStill).await;
    assert!(ended.run.is_err(), "what it found out it may not write down");
    assert_eq!(ended.writes, 0);
}

/// What another worker looked for and did not find may be on its way still. It is sent under the same name once more, so that one of
/// the two is refused, and what was edited since goes after it.
#[tokio::test]
async fn what_may_be_on_its_way_is_not_made_under_another_name() {
    let ended = paused(Pause::After, Meanwhile::EditedAndTakenOver, Clock::StandsStill).await;
    assert!(ended.run.is_err(), "what it found out it may not write down");
    assert_eq!(ended.writes, 0);
}

/// A commit that is refused says that the run does not know what the store holds: then it reads.
#[tokio::test]
async fn after_a_refused_commit_the_outbox_is_read() {
    let ended = paused(Pause::Before, Meanwhile::Edited, Clock::StandsStill).await;
    assert_eq!((ended.run.as_ref().unwrap().counts.pushed, ended.writes), (4, 4));
    assert!(ended.asked("waiting"), "{:?}", ended.calls);
    let undisturbed = paused(Pause::Before, Meanwhile::Nothing, Clock::StandsStill).await;
    assert_eq!((undisturbed.run.as_ref().unwrap().counts.pushed, undisturbed.writes), (4, 4));
    assert!(!undisturbed.asked("waiting"), "{:?}", undisturbed.calls);
}
