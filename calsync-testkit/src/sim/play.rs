//! Plays a script: the storm, then the calm after it.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use calsync_core::{
    engine::{Answer, EngineError},
    merge::ConflictPolicy,
    plan::Direction,
    provider::Provider,
    store::{ConflictState, OutboxState, Store, Take},
};
use chrono::TimeDelta;

use super::{
    Plant,
    control::{Control, Outcome},
    executor::wait,
    law::Law,
    oracle,
    script::{Quirk, Script, Step},
    wire::Wire,
    world::World,
};

/// How a script is played.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Makes the real provider of a link whose server is an emulator.
    pub connect: Option<Connect>,
    /// A planted bug.
    pub plant: Option<Plant>,
    /// The one promise that counts, to show that its check sees something by itself. All of them, unless it is given.
    pub only: Option<Law>,
    /// Keep the trace as text.
    pub traced: bool,
}

/// Makes a real provider that sends everything by a wire, with the token and to the root the wire names. What is on a page
/// and in a batch is the wire's to say as well.
pub type Connect = fn(Wire) -> Arc<dyn Provider>;

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("plant", &self.plant)
            .field("only", &self.only)
            .field("traced", &self.traced)
            .finish_non_exhaustive()
    }
}

/// Plays a script against a store that is empty. The same script on the same kind of store gives the same outcome.
pub fn play(script: &Script, store: Arc<dyn Store>, options: Options) -> Outcome {
    let control = Arc::new(Control::new(script.seed, options));
    let mut world = World::new(script.seed, &script.setup, store, control.clone(), options.connect);
    control.note(format_args!("{:?}", script.setup));
    for step in &script.steps {
        take(&mut world, *step);
        if control.is_broken() {
            return control.outcome();
        }
    }
    calm(&mut world);
    control.outcome()
}

fn take(world: &mut World, step: Step) {
    let workers = world.workers.len();
    match step {
        Step::Run { worker, awaits } => {
            let worker = usize::from(worker) % workers;
            for _ in 0..awaits {
                if let Some(answer) = world.step(worker) {
                    // Whoever finds the link taken comes back a little later.
                    let busy = matches!(answer, Err(EngineError::Busy { .. }));
                    world.pass(TimeDelta::seconds(if busy { 6 } else { 1 }));
                    break;
                }
            }
        }
        Step::Crash { worker } => {
            world.crash(usize::from(worker) % workers);
        }
        Step::Pass { seconds } => {
            world.control.note(format_args!("{seconds} s pass"));
            world.pass(TimeDelta::seconds(i64::from(seconds)));
        }
        Step::Edit { side, edit, pick } => world.people.act(side, edit, pick),
        Step::Fault { fault } => world.control.arm(fault),
        Step::Server { link, quirk, pick } => {
            // An item renamed between the listing and a write to it is answered as gone: see `docs/simulation.md`.
            if quirk != Quirk::Rename || (0..workers).all(|worker| !world.is_busy(worker)) {
                world.people.quirk(link, quirk, pick);
            }
        }
        Step::Approve { worker } => world.approve(usize::from(worker) % workers),
    }
}

/// Nothing goes wrong any more: everything has to come to rest by itself, but for what is asked of people.
pub(crate) fn calm(world: &mut World) {
    let control = world.control.clone();
    control.disarm();
    control.note(format_args!("calm"));
    // What was put off by a clock that was ahead waits for a day at most; a run that finds it further away does not wait.
    world.pass(world.behind());
    if world.remotes.iter().any(|remote| remote.setup.has_window()) {
        // Everything that may enter a window has.
        world.pass(TimeDelta::days(2));
    }
    for worker in 0..world.workers.len() {
        // Whoever is under way goes on, or finds that somebody else has taken over.
        while world.is_busy(worker) {
            world.step(worker);
        }
    }
    // What a person answers on one link reaches the others a cycle later.
    for cycle in 0..2 + world.links.len() {
        for link in 0..world.links.len() {
            world.pass(TimeDelta::minutes(20));
            let answer = world.run(0, link);
            control.check(Law::I24, answer.is_ok(), || match answer {
                Err(error) => format!("a run without faults fails: {error}"),
                Ok(_) => String::new(),
            });
        }
        if control.is_broken() {
            return;
        }
        if cycle < 2 {
            ask_people(world);
        }
    }
    oracle::converged(world);
    quiet(world);
    if control.seed.is_multiple_of(4) {
        compared_again(world);
    }
    oracle::nothing_lost(world);
    oracle::everything_told(world);
}

/// What waits for a person is done by one: refused writes are retried, open conflicts answered.
fn ask_people(world: &mut World) {
    let (hub, engine) = (world.people.hub.clone(), world.host.clone());
    for link in &world.links {
        for entry in wait(engine.outbox(&link.id)).unwrap_or_default() {
            if matches!(entry.state, OutboxState::Wedged { .. }) {
                world.control.note(format_args!("a person retries the write of {}", entry.event_id));
                let _ = wait(engine.retry_write(&link.id, &entry.event_id));
            }
        }
        if !matches!(link.conflicts, ConflictPolicy::Manual | ConflictPolicy::Resolver) {
            continue;
        }
        for (number, conflict) in wait(hub.conflicts(&link.id)).unwrap_or_default().into_iter().enumerate() {
            if conflict.state == ConflictState::Open {
                // On a one-way link the other answer keeps a difference, and is not looked at here.
                let take = match (link.direction, number % 2) {
                    (Direction::Import, _) | (Direction::TwoWay, 1) => Take::Remote,
                    _ => Take::Local,
                };
                world.control.note(format_args!("a person takes {take:?} for {}", conflict.event_id));
                let _ = wait(hub.answer(&link.id, &conflict.id, Answer::by("a person").taking(take)));
            }
        }
    }
}

/// I19: everything is listed and merged again, and nothing moves.
fn compared_again(world: &mut World) {
    world.audit = true;
    for link in 0..world.links.len() {
        world.pass(TimeDelta::minutes(20));
        if let Ok(report) = world.run(0, link) {
            let planned = report.plan.operations;
            world.control.check(Law::I19, planned.is_empty(), || {
                format!("merging everything on link {link} again plans {planned:?}")
            });
        }
    }
    world.audit = false;
}

/// I02, I23: with everything in step, nothing is written, and little is asked.
fn quiet(world: &mut World) {
    let control = world.control.clone();
    for link in 0..world.links.len() {
        let remote = world.remotes[link].clone();
        let before = (remote.writes.load(Ordering::Relaxed), oracle::revisions(world));
        let requests = remote.requests.load(Ordering::Relaxed);
        world.pass(TimeDelta::minutes(20));
        match world.run(0, link) {
            Ok(report) => {
                control.check(Law::I02, report.plan.operations.is_empty() && report.in_step(), || {
                    format!("the next run of link {link} plans {:?}", report.plan.operations)
                });
            }
            Err(error) => control.broken(Law::I24, format!("a run without faults fails: {error}")),
        }
        let after = (remote.writes.load(Ordering::Relaxed), oracle::revisions(world));
        control.check(Law::I02, before == after, || format!("the next run of link {link} writes"));
        let rows = world.rows(0);
        control.check(Law::I02, rows == 0, || format!("the next run of link {link} writes {rows} rows"));
        let asked = remote.requests.load(Ordering::Relaxed) - requests;
        let items = remote.server().items.len() as u64;
        let pages = items / u64::from(remote.setup.page.max(1)) + 1;
        control.check(Law::I23, asked <= 2 * pages + 1, || {
            format!("the next run of link {link} asks {asked} times about {items} items")
        });
    }
}
