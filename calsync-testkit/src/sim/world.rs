//! One calendar, its links, its workers.

use std::{
    cell::Cell,
    collections::BTreeMap,
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, Mutex, atomic::AtomicU64},
    task::Poll,
};

use calsync_core::{
    context::{Clock, RandomIds},
    engine::{CopyRules, CopyWindow, Engine, EngineError, Hub, Link, SyncOptions, SyncReport},
    merge::{Choice, ContestedEvent, DeletionPolicy, Resolution, ResolverError},
    model::{Calendar, CalendarId, Event, EventId, LinkId},
    pipeline::Pipeline,
    plan::{DeletionGuard, Direction, PlanId},
    provider::{ErrorKind, PeoplePolicy, Provider},
    store::{Batch, LinkHealth, Store, Write},
};
use chrono::{DateTime, TimeDelta, Utc};

use super::{
    book::{Book, shows_a_value},
    control::Control,
    executor::{poll_once, wait},
    guard::Guard,
    law::Law,
    people::People,
    plant::Plant,
    play::Connect,
    provider::{Seen, SimRemote},
    script::{LinkSetup, RemoteKind, Setup},
    server::Server,
    store::{Mine, Shared, SimStore},
    wire::Wire,
};
use crate::world::VirtualClock;

/// The one calendar.
pub(crate) const CALENDAR: &str = "family";
/// Polls after which a run counts as one that never ends.
const FOREVER: u32 = 20_000;
/// What the addresses of calendars begin with: whoever knows one may read the calendar.
pub(crate) const SECRET: &str = "secret-address-";

pub(crate) type Answer = Result<SyncReport, EngineError>;
type Running = Pin<Box<dyn Future<Output = Answer>>>;

/// A worker: its engine, and the run it is in.
pub(crate) struct Worker {
    engine: Engine,
    store: Arc<SimStore>,
    /// Of each link, with whatever it remembers.
    providers: Vec<Arc<dyn Provider>>,
    running: Option<(usize, Running)>,
    /// Whose turn it is.
    next: usize,
    /// What its last run on each link held back.
    pub(crate) held: Vec<Option<PlanId>>,
    approve: Vec<Option<PlanId>>,
    /// The run under way was approved.
    approved: bool,
    /// What people had done when it began.
    acts: u64,
    polls: u32,
}

pub(crate) struct World {
    pub(crate) people: People,
    /// What the host uses for people's answers.
    pub(crate) host: Engine,
    pub(crate) links: Vec<Arc<Link>>,
    pub(crate) remotes: Vec<Arc<SimRemote>>,
    pub(crate) workers: Vec<Worker>,
    connect: Option<Connect>,
    /// Runs compare everything.
    pub(crate) audit: bool,
    pub(crate) clock: Arc<VirtualClock>,
    /// The latest time any clock has shown.
    latest: Cell<DateTime<Utc>>,
    pub(crate) control: Arc<Control>,
    pub(crate) setup: Setup,
    /// Deletions that wait for a person, by link: the events, with their UIDs.
    held: Vec<BTreeMap<EventId, String>>,
    /// What the last run told, kept for its memory.
    told: String,
}

/// What the engine talks to: the model, or the real provider before its emulator.
fn provider(
    remote: &Arc<SimRemote>,
    connect: Option<Connect>,
    clock: &Arc<VirtualClock>,
) -> Arc<dyn Provider> {
    match connect.filter(|_| remote.emulated().is_some()) {
        Some(connect) => {
            let begun = Arc::new(AtomicU64::new(0));
            let wire = Wire { remote: remote.clone(), clock: clock.clone(), begun: begun.clone() };
            Arc::new(Guard { remote: remote.clone(), provider: connect(wire), begun })
        }
        None => remote.clone(),
    }
}

fn link_of(number: usize, calendar: String, setup: LinkSetup, whole: &Setup, control: &Control) -> Link {
    let mut link = Link::new(format!("link{number}"), CALENDAR, calendar)
        .with_conflicts(setup.policy)
        .with_direction(setup.direction)
        .with_commit_every(usize::from(setup.page));
    link.deletions = setup.deletions;
    link.guard = match whole.brake {
        Some(count) if !control.has(Plant::BrakeOff) => DeletionGuard { count, ..DeletionGuard::default() },
        _ => DeletionGuard { count: usize::MAX, percent: 1000, ..DeletionGuard::default() },
    };
    if setup.page.is_multiple_of(2) {
        // Only a link that exports leaves anything out for it; once all is calm, longer passes between two runs.
        link.check_copies_every = TimeDelta::minutes(15);
    }
    if control.has(Plant::PeopleAreWritten) {
        link.people = PeoplePolicy::Write;
    }
    if control.has(Plant::DeleteBeatsEdit) {
        link.deletions = DeletionPolicy::Delete;
    }
    if control.has(Plant::PolicyIgnored) {
        link.conflicts = calsync_core::merge::ConflictPolicy::RemoteWins;
    }
    if control.has(Plant::OneWayWritesBack) && setup.dialect != super::script::Dialect::Feed {
        link.direction = Direction::TwoWay;
    }
    if setup.has_window() && link.direction == Direction::Export {
        // What people make at an hour is 27 days away when the world begins, and what takes a day a year.
        let rules = CopyRules::new(Pipeline::everything()).with_window(CopyWindow::days(30, 26));
        link = link.with_copies(rules);
    } else if link.direction == Direction::Export {
        link = link.with_copies(CopyRules::everything());
    }
    link
}

/// A worker's own clock.
struct SkewedClock {
    clock: Arc<VirtualClock>,
    by: TimeDelta,
}

impl Clock for SkewedClock {
    fn now(&self) -> DateTime<Utc> {
        self.clock.now() + self.by
    }
}

/// The host's resolver: the same answer to the same question, one side or the other, and about some fields none.
fn resolve(contested: &ContestedEvent<'_>) -> Result<Resolution, ResolverError> {
    let title = |event: &Event| event.body().and_then(|body| body.title.as_ref()).map_or(0, String::len);
    let choice = |number: usize| match (title(contested.local) + title(contested.remote) + number) % 3 {
        0 => Some(Choice::Local),
        1 => Some(Choice::Remote),
        _ => None,
    };
    let fields = contested.fields.iter().enumerate();
    Ok(fields.filter_map(|(number, field)| Some((field.clone(), choice(number)?))).collect())
}

impl World {
    pub(crate) fn new(
        seed: u64,
        setup: &Setup,
        store: Arc<dyn Store>,
        control: Arc<Control>,
        connect: Option<Connect>,
    ) -> Self {
        let clock = Arc::new(VirtualClock::default());
        if control.has(Plant::TenantsShareRows) {
            let other = Calendar { id: CalendarId::from("another's"), name: "Team".to_owned(), color: None };
            let _ = wait(store.commit(Batch { writes: vec![Write::PutCalendar(other)], ..Batch::default() }));
        }
        let found = wait(store.calendars()).map(|found| found.len());
        control
            .check(Law::I30, matches!(found, Ok(0)), || format!("a fresh tenant holds calendars: {found:?}"));
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let ids = Arc::new(RandomIds::from_seed(key));
        let book = Arc::new(Mutex::new(Book::default()));
        let alone = setup.workers <= 1;
        let mut setup = setup.clone();
        if connect.is_none() {
            setup.links.iter_mut().for_each(|link| link.remote = RemoteKind::Model);
        }
        let setup = &setup;
        let remotes: Vec<Arc<SimRemote>> = (0u8..)
            .zip(&setup.links)
            .map(|(number, link)| {
                Arc::new(SimRemote {
                    setup: *link,
                    side: number + 1,
                    link: LinkId::from(format!("link{number}")),
                    server: Mutex::new(Server::new(*link)),
                    control: control.clone(),
                    book: book.clone(),
                    store: store.clone(),
                    requests: AtomicU64::new(0),
                    writes: AtomicU64::new(0),
                    under_way: AtomicU64::new(0),
                    epoch: AtomicU64::new(0),
                    seen: Mutex::new(Seen { alone, skewed: setup.skew != 0, ..Seen::default() }),
                })
            })
            .collect();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let links: Vec<Arc<Link>> = setup
            .links
            .iter()
            .enumerate()
            .zip(&remotes)
            .map(|((number, link), remote)| {
                let calendar =
                    remote.emulated().map_or_else(|| format!("{SECRET}{number}"), |e| e.calendar());
                Arc::new(link_of(number, calendar, *link, setup, &control))
            })
            .collect();
        let workers = (0..setup.workers.max(1))
            .map(|worker| {
                let store = Arc::new(SimStore {
                    inner: store.clone(),
                    control: control.clone(),
                    book: book.clone(),
                    shared: shared.clone(),
                    remotes: remotes.clone(),
                    rows: setup.rows,
                    worker,
                    mine: Mutex::new(Mine::default()),
                });
                let hours = if worker == 0 { 0 } else { i64::from(setup.skew) };
                let own = Arc::new(SkewedClock { clock: clock.clone(), by: TimeDelta::hours(hours) });
                Worker {
                    engine: Engine::new(store.clone(), own, ids.clone()).with_resolver(Arc::new(resolve)),
                    store,
                    providers: remotes.iter().map(|remote| provider(remote, connect, &clock)).collect(),
                    running: None,
                    next: usize::from(worker),
                    held: vec![None; links.len()],
                    approve: vec![None; links.len()],
                    approved: false,
                    acts: 0,
                    polls: 0,
                }
            })
            .collect();
        let host = Engine::new(store.clone(), clock.clone(), ids.clone());
        let people = People {
            hub: Hub::new(store.clone(), clock.clone(), ids),
            store,
            calendar: CalendarId::from(CALENDAR),
            remotes: remotes.clone(),
            control: control.clone(),
            book,
            clock: clock.clone(),
            begun: false,
            acts: 0,
        };
        Self {
            people,
            host,
            links,
            remotes,
            workers,
            connect,
            audit: false,
            latest: Cell::new(clock.now()),
            clock,
            control,
            setup: setup.clone(),
            held: vec![BTreeMap::new(); setup.links.len()],
            told: String::new(),
        }
    }

    /// Begins a run of a worker on a link.
    pub(crate) fn begin(&mut self, worker: usize, link: usize) {
        self.people.begun = true;
        let state = &mut self.workers[worker];
        {
            let mut mine = state.store.mine();
            let run = mine.run + 1;
            *mine = Mine { run, ..Mine::default() };
        }
        {
            let mut seen = self.remotes[link].seen();
            (seen.first, seen.full, seen.refused) = (true, 0, 0);
        }
        let (engine, link_of, provider) =
            (state.engine.clone(), self.links[link].clone(), state.providers[link].clone());
        let mut options = SyncOptions::default();
        options.audit = self.audit;
        options.approve = state.approve[link].take();
        state.approved = options.approve.is_some();
        if state.approved {
            self.held[link].clear();
        }
        (state.polls, state.acts) = (0, self.people.acts);
        self.control.note(format_args!("worker {worker} begins on link {link}"));
        state.running =
            Some((link, Box::pin(async move { engine.sync(&link_of, &*provider, &options).await })));
    }

    /// Goes on with a worker's run by one await, beginning one when it is idle.
    pub(crate) fn step(&mut self, worker: usize) -> Option<Answer> {
        if self.workers[worker].running.is_none() {
            let link = self.workers[worker].next % self.links.len();
            self.workers[worker].next += 1;
            self.begin(worker, link);
        }
        let state = &mut self.workers[worker];
        let (link, running) = state.running.as_mut()?;
        let link = *link;
        state.polls += 1;
        self.control.count(|stats| stats.awaits += 1);
        let Poll::Ready(answer) = poll_once(running) else {
            if state.polls > FOREVER {
                state.running = None;
                self.control.broken(Law::I28, format!("a run on link {link} does not end"));
            }
            return None;
        };
        state.running = None;
        self.ended(worker, link, &answer);
        Some(answer)
    }

    fn ended(&mut self, worker: usize, link: usize, answer: &Answer) {
        let state = &mut self.workers[worker];
        let control = &self.control;
        control.count(|stats| stats.runs += 1);
        control.checked(Law::I28);
        match answer {
            Ok(report) => {
                control.note(format_args!("worker {worker} ends: {:?}", report.counts));
                state.held[link] = report.plan.held.then(|| report.plan_id.clone());
            }
            Err(error) => control.note(format_args!("worker {worker} fails: {error}")),
        }
        if answer.is_ok() && self.setup.workers <= 1 {
            self.remotes[link].seen().unauthorized = false;
        }
        if let Ok(Some(known)) = wait(self.people.store.link(&self.links[link].id)) {
            let refused = self.remotes[link].seen().unauthorized;
            control.check(Law::I25, known.health != LinkHealth::NeedsReauth || refused, || {
                "credentials are called refused, and nobody refused them".to_owned()
            });
        }
        let told = &mut self.told;
        told.clear();
        // A string takes whatever is written to it.
        let _ = match answer {
            Ok(report) => write!(told, "{report:?}"),
            Err(error) => write!(told, "{error} {error:?}"),
        };
        control.check(Law::I21, !shows_a_value(told), || format!("this is told: {told}"));
        control.check(Law::I22, !told.contains(SECRET), || format!("this is told: {told}"));
        // I07: two sides of one deletion are one event.
        let deleted = state.store.mine().deletions.len();
        if let Some(brake) = self.setup.brake.filter(|_| deleted > 0) {
            // People may have deleted some on one side meanwhile.
            let items = self.remotes[link].server().items.len();
            let held = self.people.locals().len().max(items) + deleted;
            control.check(Law::I07, state.approved || deleted <= brake || deleted * 100 <= held * 20, || {
                format!("{deleted} of at most {held} were deleted, {brake} may be")
            });
            let untouched = state.acts == self.people.acts && self.setup.workers <= 1;
            let all = deleted == held && deleted > 1;
            control.check(Law::I07, state.approved || !untouched || !all, || {
                format!("all of {held} were deleted")
            });
        }
        let seen = self.remotes[link].seen();
        if self.setup.workers <= 1 && seen.refused > 0 {
            let (full, refused) = (seen.full, seen.refused);
            drop(seen);
            control.check(Law::I15, full <= 2 && refused <= 2, || {
                format!("{refused} dead cursors led to {full} full listings")
            });
        } else {
            drop(seen);
        }
        if self.setup.workers <= 1 {
            self.check_held(worker, link, answer);
        }
    }

    /// I07: what waits for a person goes on waiting, whatever is added meanwhile. What somebody did something to since is
    /// decided anew.
    fn check_held(&mut self, worker: usize, link: usize, answer: &Answer) {
        let touched = std::mem::take(&mut self.people.book().touched);
        let is_touched = |uid: &String| touched.contains(uid);
        self.held.iter_mut().for_each(|held| held.retain(|_, uid| !is_touched(uid)));
        let state = &self.workers[worker];
        let held = &mut self.held[link];
        if !held.is_empty() && !state.approved {
            let written = state.store.mine().written.clone();
            let unasked = written.iter().find_map(|event| held.get(event));
            self.control.check(Law::I07, unasked.is_none(), || {
                format!("{unasked:?} was held, and is deleted though nobody was asked")
            });
        }
        let Ok(report) = answer else { return };
        if !report.plan.held {
            return;
        }
        let operations = report.plan.operations.iter().filter(|operation| operation.deletes());
        // What it did delete does not wait.
        let written = &state.store.mine().written;
        let waits = |event: &EventId| !written.contains(event);
        let events: Vec<EventId> =
            operations.filter_map(|operation| operation.event_id.clone()).filter(waits).collect();
        let calendar = CalendarId::from(CALENDAR);
        let rows = wait(self.people.store.events(&calendar, &events)).unwrap_or_default();
        let rows = rows.into_iter().map(|row| (row.id, row.event.uid));
        held.extend(rows.filter(|(_, uid)| !is_touched(uid)));
    }

    /// I25, once a run has ended and nothing fails any more.
    pub(crate) fn check_health(&self, link: usize, answer: &Answer) {
        let Ok(Some(state)) = wait(self.people.store.link(&self.links[link].id)) else { return };
        let refused =
            matches!(answer, Err(EngineError::Provider(error)) if error.kind == ErrorKind::Unauthorized);
        self.control.check(Law::I25, (state.health == LinkHealth::NeedsReauth) == refused, || {
            format!("credentials were refused: {refused}, and the link is {:?}", state.health)
        });
    }

    /// The worker dies.
    pub(crate) fn crash(&mut self, worker: usize) -> bool {
        let died = self.workers[worker].running.take().is_some();
        if died {
            self.control.count(|stats| stats.crashes += 1);
            // With the memory of its process goes what its providers remembered.
            let remotes = &self.remotes;
            let fresh = |remote: &Arc<SimRemote>| provider(remote, self.connect, &self.clock);
            self.workers[worker].providers = remotes.iter().map(fresh).collect();
            self.control.note(format_args!("worker {worker} dies"));
        }
        died
    }

    pub(crate) fn approve(&mut self, worker: usize) {
        let state = &mut self.workers[worker];
        state.approve.clone_from(&state.held);
    }

    pub(crate) fn pass(&self, by: TimeDelta) {
        self.clock.advance(by);
        if by < TimeDelta::minutes(-5) {
            self.remotes.iter().for_each(|remote| remote.seen().skewed = true);
        }
        let ahead = TimeDelta::hours(i64::from(self.setup.skew.max(0)));
        self.latest.set(self.latest.get().max(self.clock.now() + ahead));
    }

    /// How far the clock is behind the latest time that any has shown.
    pub(crate) fn behind(&self) -> TimeDelta {
        (self.latest.get() - self.clock.now()).max(TimeDelta::zero())
    }

    /// Runs on a link to the end, without anybody interfering, approving what is held back.
    pub(crate) fn run(&mut self, worker: usize, link: usize) -> Answer {
        let mut waited = false;
        for _ in 0..5 {
            self.begin(worker, link);
            let answer = loop {
                if self.workers[worker].running.is_none() {
                    return Err(EngineError::Busy { until: DateTime::<Utc>::MAX_UTC });
                }
                if let Some(answer) = self.step(worker) {
                    break answer;
                }
            };
            if !matches!(answer, Err(EngineError::Busy { .. })) {
                self.check_health(link, &answer);
            }
            match &answer {
                Ok(report) if report.plan.held => self.approve(worker),
                // A worker that died left its lease behind, by a clock that may have been ahead.
                Err(EngineError::Busy { .. }) if !waited => {
                    waited = true;
                    self.pass(TimeDelta::seconds(11));
                }
                _ => return answer,
            }
        }
        self.control.broken(Law::I24, "what was approved is held back again".to_owned());
        Err(EngineError::Busy { until: DateTime::<Utc>::MAX_UTC })
    }

    /// Whether a worker is in a run.
    pub(crate) fn is_busy(&self, worker: usize) -> bool {
        self.workers[worker].running.is_some()
    }

    /// Rows the last run of a worker wrote, without the heartbeat.
    pub(crate) fn rows(&self, worker: usize) -> u64 {
        self.workers[worker].store.mine().rows
    }
}
