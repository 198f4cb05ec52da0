//! The entry of the schedule: everything that is known of when a link runs, as a value.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{BackOff, Cadence, Setback};
use crate::{
    model::{LinkId, RunId},
    provider::Fault,
};

/// Workers that may die at one link in a row before it counts as its fault.
const DEATHS: u32 = 4;

/// What tells a nudge apart from the beginning of the run it came in.
const NEXT: TimeDelta = TimeDelta::microseconds(1);

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// A link is brought in step.
    Sync(LinkId),
    /// The webhook subscription of a link is renewed before it ends.
    Renew(LinkId),
    /// Old logs and old soft deletes of the tenant are forgotten.
    Retain,
}

impl Task {
    /// Its name in the schedule.
    pub fn key(&self) -> String {
        match self {
            Self::Sync(link) => format!("sync:{link}"),
            Self::Renew(link) => format!("renew:{link}"),
            Self::Retain => "retain".to_owned(),
        }
    }

    /// Its link.
    pub fn link(&self) -> Option<&LinkId> {
        match self {
            Self::Sync(link) | Self::Renew(link) => Some(link),
            Self::Retain => None,
        }
    }

    /// What a metric calls it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Renew(_) => "renew",
            Self::Retain => "retain",
        }
    }
}

/// Which due entries go first. One priority is served before the next, so `High` is for what a person waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priority {
    /// Before all others.
    High,
    /// As usual.
    #[default]
    Normal,
    /// When nothing else is due.
    Low,
}

impl Priority {
    /// The spaces of documents entries are kept in, the most urgent first.
    pub const SPACES: [&'static str; 3] = ["schedule.high", "schedule.normal", "schedule.low"];

    /// The space of its entries.
    pub fn space(self) -> &'static str {
        match self {
            Self::High => Self::SPACES[0],
            Self::Normal => Self::SPACES[1],
            Self::Low => Self::SPACES[2],
        }
    }
}

/// It does not run until somebody resumes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when.
    pub since: DateTime<Utc>,
}

/// Somebody said that there is something to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// The first time since the last run.
    pub first: DateTime<Utc>,
    /// The last time.
    pub last: DateTime<Utc>,
}

/// A worker is at it, or died there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Which: a name that is given out once.
    pub holder: String,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Well.
    Done,
    /// Well, and part of it waits for a person.
    Held,
    /// It failed.
    Failed {
        /// Whose fault it was.
        fault: Fault,
        /// How, without secrets or event text.
        error: String,
    },
    /// Workers died at it, again and again.
    Died,
}

/// The last run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastRun {
    /// The run, where the engine made one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// When it began.
    pub started: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How it ended.
    pub outcome: Outcome,
}

/// What became of a run, for [`Entry::finished`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// It went through.
    Done {
        /// The run, where the engine made one.
        run: Option<RunId>,
        /// Part of it waits for a person.
        held: bool,
        /// Something is left to do at this time, such as a write the provider did not take.
        again: Option<DateTime<Utc>>,
    },
    /// It failed.
    Failed {
        /// Whose fault it was.
        fault: Fault,
        /// How, without secrets or event text.
        error: String,
        /// Whether it may go better.
        setback: Setback,
    },
    /// Somebody else is at the link, without the schedule: it is tried again at this time. Counts as nothing.
    Busy {
        /// When.
        until: DateTime<Utc>,
    },
    /// The worker had to stop: another one may go on at once. Counts as nothing.
    Interrupted,
}

/// How an entry stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It waits for its next run.
    Waiting,
    /// A worker is at it, or died there.
    Running,
    /// Somebody paused it.
    Paused,
    /// It failed, and is left alone for a while.
    BackingOff,
    /// It failed so often that it is tried only once in a while.
    CircuitOpen,
    /// The provider refused the credentials; a person has to renew them.
    NeedsReauth,
}

/// How entries are timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timing {
    /// How long after a nudge the run begins: more nudges may come. Default: 5 seconds.
    pub debounce: TimeDelta,
    /// However many nudges come, it begins so long after the first one. Default: 30 seconds.
    pub debounce_longest: TimeDelta,
    /// How failures are answered.
    pub back_off: BackOff,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            debounce: TimeDelta::seconds(5),
            debounce_longest: TimeDelta::seconds(30),
            back_off: BackOff::default(),
        }
    }
}

/// When something runs, and how it went. Each method gives what it changes; [`Entry::due`] follows from all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Entry {
    /// What is run.
    pub task: Task,
    /// How often.
    pub cadence: Cadence,
    /// Before what else.
    pub priority: Priority,
    /// The next run by the cadence, or after a failure.
    pub planned: Option<DateTime<Utc>>,
    /// When `planned` and `not_before` were worked out, by the clock of whoever did: what they are apart from it is how long
    /// the entry waits, also where that clock was wrong. `None` in entries of before there was this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timed: Option<DateTime<Utc>>,
    /// Not before this, however often it is nudged: it failed, or the provider asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<DateTime<Utc>>,
    /// Somebody said that there is something to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending: Option<Pending>,
    /// Set while it is paused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
    /// Set while a worker is at it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<Running>,
    /// The last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastRun>,
    /// When a run last ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<DateTime<Utc>>,
    /// When the first run failed since one last ended well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    /// When credentials were first refused, where every run since met the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused_since: Option<DateTime<Utc>>,
    /// Failures in a row.
    #[serde(default)]
    pub failures: u32,
    /// Workers in a row that died at it.
    #[serde(default)]
    pub deaths: u32,
    /// Runs in a row that found changes nobody had told of, where a webhook should have.
    #[serde(default)]
    pub unannounced: u32,
    /// When a run last looked for conflicts nobody answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicts_looked: Option<DateTime<Utc>>,
}

impl Entry {
    /// A new entry: it runs at once, unless it is on demand.
    pub fn new(task: Task, cadence: Cadence, priority: Priority, now: DateTime<Utc>) -> Self {
        let planned = (cadence != Cadence::on_demand()).then_some(now);
        Self {
            task,
            cadence,
            priority,
            planned,
            timed: Some(now),
            not_before: None,
            pending: None,
            paused: None,
            running: None,
            last: None,
            last_success: None,
            failing_since: None,
            refused_since: None,
            failures: 0,
            deaths: 0,
            unannounced: 0,
            conflicts_looked: None,
        }
    }

    /// When it runs next, while no worker is at it. `None`: it is paused, or nobody asked.
    pub fn due(&self, timing: &Timing) -> Option<DateTime<Utc>> {
        if self.paused.is_some() {
            return None;
        }
        let nudged = self
            .pending
            .map(|pending| (pending.last + timing.debounce).min(pending.first + timing.debounce_longest));
        let due = match (self.planned, nudged) {
            (Some(planned), Some(nudged)) => planned.min(nudged),
            (planned, nudged) => planned.or(nudged)?,
        };
        Some(self.not_before.map_or(due, |not_before| due.max(not_before)))
    }

    /// How it stands.
    pub fn status(&self, timing: &Timing) -> Status {
        if self.paused.is_some() {
            Status::Paused
        } else if self.running.is_some() {
            Status::Running
        } else if self.needs_credentials() {
            Status::NeedsReauth
        } else if timing.back_off.is_open(self.failures) {
            Status::CircuitOpen
        } else if self.failures > 0 {
            Status::BackingOff
        } else {
            Status::Waiting
        }
    }

    /// The entry as it were if it were neither run nor paused: how its last run left it.
    pub(crate) fn standing(&self) -> Self {
        Self { running: None, paused: None, ..self.clone() }
    }

    /// Since when it stands as [`status`](Self::status) says. `None`: it never ran, or ran before there was this.
    pub fn since(&self, timing: &Timing) -> Option<DateTime<Utc>> {
        match self.status(timing) {
            Status::Waiting => self.last_success,
            Status::Running => self.running.as_ref().map(|running| running.since),
            Status::Paused => self.paused.as_ref().map(|paused| paused.since),
            Status::BackingOff | Status::CircuitOpen => self.failing_since,
            Status::NeedsReauth => self.refused_since,
        }
    }

    /// Why it does not run as it should: the error of its last run, without secrets or event text. `None` when that ended well.
    pub fn reason(&self) -> Option<&str> {
        match &self.last.as_ref()?.outcome {
            Outcome::Failed { error, .. } => Some(error),
            Outcome::Died => Some("workers died at it, again and again"),
            Outcome::Done | Outcome::Held => None,
        }
    }

    /// Whether its last run met credentials that a person has to renew.
    pub fn needs_credentials(&self) -> bool {
        let fault = self.last.as_ref().map(|last| &last.outcome);
        matches!(fault, Some(Outcome::Failed { fault: Fault::Credentials, .. }))
    }

    /// There is something to do: a webhook came, or an event was edited here. It runs soon; a link that fails is not
    /// hurried.
    pub fn nudge(&mut self, now: DateTime<Utc>) {
        // In a run it came after the run began, whatever the clocks say: it asks for another.
        let begun = self.running.as_ref().and_then(|running| running.since.checked_add_signed(NEXT));
        let now = begun.map_or(now, |begun| begun.max(now));
        let first = self.pending.map_or(now, |pending| pending.first.min(now));
        self.pending = Some(Pending { first, last: now });
        self.unannounced = 0;
    }

    /// A person wants it now: whatever failed before is forgotten, but a pause is not.
    pub fn run_now(&mut self, now: DateTime<Utc>) {
        self.planned = Some(now);
        self.timed = Some(now);
        self.not_before = None;
        self.failures = 0;
        self.deaths = 0;
    }

    /// It runs no more until it is resumed. A run that has begun goes on.
    pub fn pause(&mut self, now: DateTime<Utc>) {
        self.paused.get_or_insert(Paused { since: now });
    }

    /// It runs again: at once when a run was missed, once however many.
    pub fn resume(&mut self) {
        self.paused = None;
    }

    /// Another cadence, from its last run on.
    pub fn set_cadence(&mut self, cadence: Cadence, now: DateTime<Utc>) {
        if self.cadence == cadence {
            return;
        }
        self.cadence = cadence;
        // A run that is due already stays due; one that was never made is made.
        if self.planned.is_none_or(|planned| planned > now) && self.not_before.is_none_or(|time| time <= now)
        {
            self.planned = match &self.last {
                Some(last) => self.cadence.next(&self.task.key(), last.started.min(now)),
                None => (self.cadence != Cadence::on_demand()).then_some(now),
            };
            if self.last.is_none() {
                self.timed = Some(now);
            }
        }
    }

    /// A worker begins. Returns whether it is to go on: not when so many died at it that it must be left alone for a
    /// while, which is then recorded.
    pub fn begin(&mut self, holder: &str, now: DateTime<Utc>, timing: &Timing) -> bool {
        // It begins: what a clock ahead of ours said to wait for has come, and what it said to do is done.
        self.not_before = self.not_before.map(|time| time.min(now));
        self.came_by(now);
        if let Some(dead) = self.running.take() {
            self.deaths = self.deaths.saturating_add(1);
            if self.deaths >= DEATHS {
                self.deaths = 0;
                self.fail(dead.since.min(now), now, Outcome::Died, Setback::Passing, timing);
                return false;
            }
        }
        self.running = Some(Running { holder: holder.to_owned(), since: now });
        true
    }

    /// The worker that began has ended: says when it runs next.
    pub fn finished(&mut self, finish: Finish, now: DateTime<Utc>, timing: &Timing) {
        let since = self.running.take().map_or(now, |running| running.since);
        // The clock may have been set back meanwhile.
        let started = since.min(now);
        self.timed = Some(now);
        match finish {
            Finish::Done { run, held, again } => {
                self.answered(since);
                self.deaths = 0;
                self.failures = 0;
                self.not_before = None;
                self.last_success = Some(now);
                (self.failing_since, self.refused_since) = (None, None);
                let outcome = if held { Outcome::Held } else { Outcome::Done };
                self.last = Some(LastRun { run, started, ended: now, outcome });
                // A run that took longer than its interval does not make the next one due at once.
                let key = self.task.key();
                let next = self.cadence.next(&key, started).filter(|next| *next > now);
                let next = next.or_else(|| self.cadence.next(&key, now));
                self.planned = match (next, again.map(|again| again.max(now + timing.debounce))) {
                    (Some(next), Some(again)) => Some(next.min(again)),
                    (next, again) => next.or(again),
                };
            }
            Finish::Failed { fault, error, setback } => {
                self.answered(since);
                self.deaths = 0;
                let setback = if fault == Fault::Credentials { Setback::Lasting } else { setback };
                self.fail(started, now, Outcome::Failed { fault, error }, setback, timing);
            }
            Finish::Busy { until } => {
                self.deaths = 0;
                self.planned = Some(until.max(now).min(now + timing.debounce_longest));
            }
            Finish::Interrupted => {
                self.deaths = 0;
                self.planned = Some(self.planned.map_or(now, |planned| planned.min(now)));
            }
        }
        self.came_by(now);
    }

    /// Brings back what a clock ahead of ours put off: it waits from `now` on as long as it was to wait by that clock, and no
    /// longer than its cadence says. Leaves an entry as it is that was timed by a clock like ours.
    pub fn set_back(&mut self, now: DateTime<Utc>) {
        let timed = self.timed.or(self.last.as_ref().map(|last| last.ended)).or(self.planned);
        let ahead = timed.map_or(TimeDelta::zero(), |timed| (timed - now).max(TimeDelta::zero()));
        let earlier = |time: DateTime<Utc>| time.checked_sub_signed(ahead).unwrap_or(now);
        self.planned = self.planned.map(earlier);
        self.not_before = self.not_before.map(earlier);
        self.timed = timed.map(|timed| timed.min(now));
        // What failed may wait for longer.
        if self.not_before.is_none_or(|time| time <= now)
            && let Some(next) = self.cadence.next(&self.task.key(), now)
        {
            self.planned = self.planned.map(|planned| planned.min(next));
        }
        self.came_by(now);
    }

    /// Nobody nudges in the future: such a nudge came by now.
    fn came_by(&mut self, now: DateTime<Utc>) {
        self.pending = self
            .pending
            .map(|pending| Pending { first: pending.first.min(now), last: pending.last.min(now) });
    }

    /// Nudges that came before the run began are answered by it; later ones ask for another.
    fn answered(&mut self, since: DateTime<Utc>) {
        self.pending = self
            .pending
            .filter(|pending| pending.last > since)
            .map(|pending| Pending { first: pending.last, last: pending.last });
    }

    fn fail(
        &mut self,
        started: DateTime<Utc>,
        now: DateTime<Utc>,
        outcome: Outcome,
        setback: Setback,
        timing: &Timing,
    ) {
        self.failures = self.failures.saturating_add(1);
        self.timed = Some(now);
        self.failing_since.get_or_insert(now);
        self.last = Some(LastRun { run: None, started, ended: now, outcome });
        self.refused_since = self.refused_since.or(Some(now)).filter(|_| self.needs_credentials());
        let wait = timing.back_off.wait(&self.task.key(), self.failures, setback);
        let again = now.checked_add_signed(wait).unwrap_or(DateTime::<Utc>::MAX_UTC);
        self.not_before = Some(again);
        self.planned = Some(again);
    }
}
