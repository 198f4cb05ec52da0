//! The engine: one run keeps one link in step.
//!
//! In: a [`Link`], a provider, a store. Out: a [`SyncReport`]. All decisions are made by the pure functions of
//! [`diff`](crate::diff), [`merge`](crate::merge) and [`plan`](crate::plan); what is here reads, commits and sends.

mod anew;
mod answer;
mod arrivals;
mod brake;
mod clean;
mod commit;
mod confirm;
mod conflicts;
mod copies;
mod deletions;
mod detach;
mod earlier;
mod ending;
mod error;
mod explain;
mod export;
mod fetching;
mod gone;
mod graph;
mod history;
mod hub;
mod items;
mod joints;
mod journal;
mod known;
mod lease;
mod left;
mod link;
mod listing;
mod local;
mod meeting;
mod merging;
mod outbox;
mod own_feeds;
mod pair;
mod partner;
mod pull;
mod push;
mod questions;
mod remade;
mod report;
mod run;
pub(crate) mod settled;
mod sources;
mod telling;
mod turned;
mod undo;
mod undo_there;
mod window;
mod withdrawn;
mod wrong_feeds;

use std::sync::Arc;

pub use answer::Answer;
pub use clean::{CleanOptions, CleanReport, Preview};
pub use copies::CopyRules;
pub use error::EngineError;
pub use explain::{Explanation, Moment, SeenItem, SeenState, Way, WayState, What};
pub use export::conflicts_csv;
pub use fetching::FetchPatience;
pub use graph::{Joint, RuleCycle, check_rules};
pub use history::{HistoryEntry, history, history_csv};
pub use hub::Hub;
pub use joints::KnownLink;
pub use link::{CopyEdits, Link};
pub use outbox::RetryBudget;
pub use questions::OpenMatch;
pub use report::{Observer, Progress, Silent, SyncReport};
pub use sources::{Source, SourceRole};
pub use undo::UndoReport;
pub use window::{CopyWindow, Leaving, WindowEdge};

use crate::{
    context::{Clock, IdSource},
    merge::ConflictResolver,
    model::{LinkId, RemoteId, RunId},
    pipeline::HostRules,
    plan::{Permit, Plan, PlanId},
    provider::Provider,
    store::{MatchAnswer, Store},
};
use copies::{Copies, ReadAsCopies, with_versions};
use run::{Mode, Run};

/// Keeps links in step. Cheap to clone; holds no state of its own between runs.
#[derive(Clone)]
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    observer: Arc<dyn Observer>,
    resolver: Option<Arc<dyn ConflictResolver>>,
    host: HostRules,
}

/// What a run may do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct SyncOptions {
    /// The held plan a person approved: its deletions are carried out if they are still exactly these.
    pub approve: Option<PlanId>,
    /// The plan a person refused: its deletions are taken back on the side that deleted, if they are still exactly these.
    pub refuse: Option<PlanId>,
    /// Compare everything with the remote listing, whatever the cursor says.
    pub audit: bool,
    /// Look at the remote side in any case, also where [`Link::check_copies_every`] does not ask for it yet: somebody says
    /// that something changed there.
    pub look: bool,
    /// Write no people in this run, whatever the link says: nobody is mailed by what is made again after an undo.
    pub withhold_people: bool,
}

impl SyncOptions {
    /// Approves a held plan.
    #[must_use]
    pub fn approving(mut self, plan: PlanId) -> Self {
        self.approve = Some(plan);
        self
    }

    /// Refuses the deletions of a plan: the events come back.
    ///
    /// What the remote side deleted is made there again from what is here, and what was deleted here is brought back here.
    /// Where the link may not write the side that deleted, both sides are left alone from then on. It is not asked again;
    /// nobody is mailed.
    #[must_use]
    pub fn refusing(mut self, plan: PlanId) -> Self {
        self.refuse = Some(plan);
        self
    }

    /// Keeps people out of every write the run decides on. What an earlier run decided to send with people, and nobody has edited
    /// since, waits for the next one.
    #[must_use]
    pub fn withholding_people(mut self) -> Self {
        self.withhold_people = true;
        self
    }

    /// Looks at the remote side in any case.
    #[must_use]
    pub fn looking(mut self) -> Self {
        self.look = true;
        self
    }

    /// Asks for a full comparison.
    #[must_use]
    pub fn with_audit(mut self) -> Self {
        self.audit = true;
        self
    }
}

impl Engine {
    /// An engine over the host's store.
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn IdSource>) -> Self {
        Self { store, clock, ids, observer: Arc::new(Silent), resolver: None, host: HostRules::default() }
    }

    /// Reports progress to `observer`.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observer = observer;
        self
    }

    /// Asks `resolver` about contested fields of links whose policy is
    /// [`ConflictPolicy::Resolver`](crate::merge::ConflictPolicy::Resolver).
    #[must_use]
    pub fn with_resolver(mut self, resolver: Arc<dyn ConflictResolver>) -> Self {
        self.resolver = Some(resolver);
        self
    }

    /// Knows the filters and transforms of the host, for links whose rules name them. A link whose rule has another version
    /// than in its last run compares everything again.
    #[must_use]
    pub fn with_host_rules(mut self, rules: HostRules) -> Self {
        self.host = rules;
        self
    }

    /// Brings a link in step: pulls, merges, commits and pushes.
    ///
    /// Dropping the future at any point leaves nothing broken: what was decided is in the outbox, and what was not is
    /// decided again.
    ///
    /// # Errors
    ///
    /// When the store or the provider fails as a whole. What was committed before stays, and the next run goes on
    /// from there. Single items that fail do not end a run: see [`SyncReport`].
    pub async fn sync(
        &self,
        link: &Link,
        provider: &dyn Provider,
        options: &SyncOptions,
    ) -> Result<SyncReport, EngineError> {
        self.carry_out(link, provider, options, None).await
    }

    async fn carry_out(
        &self,
        link: &Link,
        provider: &dyn Provider,
        options: &SyncOptions,
        permit: Option<Permit>,
    ) -> Result<SyncReport, EngineError> {
        let link = &*with_versions(link, &self.host);
        let copies = Copies::of(link, &self.host)?;
        let copies = copies.map(|copies| copies.reading(provider)).transpose()?;
        let view = copies.as_ref().map(|copies| ReadAsCopies { provider, copies });
        let provider = view.as_ref().map_or(provider, |view| view);
        let mut run = Run::begin(self, link, (provider, copies.as_ref()), Mode::Apply, options).await?;
        run.permit = permit;
        let result = run.steps().await;
        run.finish(result).await
    }

    /// What [`sync`](Self::sync) would do now. Writes nothing anywhere.
    ///
    /// # Errors
    ///
    /// As for [`sync`](Self::sync).
    pub async fn plan(
        &self,
        link: &Link,
        provider: &dyn Provider,
        options: &SyncOptions,
    ) -> Result<SyncReport, EngineError> {
        let link = &*with_versions(link, &self.host);
        let copies = Copies::of(link, &self.host)?;
        let copies = copies.map(|copies| copies.reading(provider)).transpose()?;
        let view = copies.as_ref().map(|copies| ReadAsCopies { provider, copies });
        let provider = view.as_ref().map_or(provider, |view| view);
        let mut run = Run::begin(self, link, (provider, copies.as_ref()), Mode::Preview, options).await?;
        let result = run.steps().await;
        run.finish(result).await
    }

    /// Carries out exactly a plan that was previewed, or nothing. What turns up on either side after the comparison is left
    /// for the next run.
    ///
    /// # Errors
    ///
    /// [`EngineError::PlanChanged`] when either side changed since, so that the plan would be another one now.
    pub async fn apply(
        &self,
        link: &Link,
        provider: &dyn Provider,
        plan: &Plan,
        options: &SyncOptions,
    ) -> Result<SyncReport, EngineError> {
        let now = self.plan(link, provider, options).await?.plan;
        if now.id() != plan.id() {
            return Err(EngineError::PlanChanged { expected: plan.id(), now: now.id() });
        }
        self.carry_out(link, provider, options, Some(plan.permit())).await
    }

    /// Takes back what a run did. See [`UndoReport`]. Only items the run made on the remote side are taken away there at
    /// once; what it changed or deleted is carried over by the next run.
    ///
    /// # Errors
    ///
    /// When the run is not known, another worker is at the link, the store fails, or an item cannot be deleted. What was
    /// taken back until then stays so; ask again for the rest.
    pub async fn undo(
        &self,
        link: &Link,
        provider: &dyn Provider,
        run: &RunId,
    ) -> Result<UndoReport, EngineError> {
        undo::undo(self, link, provider, run).await
    }

    /// Takes back what the last `count` runs of a link did, the last one first; runs that did nothing or were taken back
    /// already do not count. Returns what became of each.
    ///
    /// # Errors
    ///
    /// As for [`undo`](Self::undo). Runs taken back before that stay so.
    pub async fn undo_last(
        &self,
        link: &Link,
        provider: &dyn Provider,
        count: usize,
    ) -> Result<Vec<(RunId, UndoReport)>, EngineError> {
        undo::undo_last(self, link, provider, count).await
    }

    /// Items of a link that may be events here, and wait for a person to say so; answered ones until the next run.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn open_matches(&self, link: &LinkId) -> Result<Vec<OpenMatch>, EngineError> {
        questions::open_matches(self, link).await
    }

    /// Says what an item is: one of the events it may be, or none of them. The next run does it.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownMatch`] when the item does not wait for an answer, or the event is none of those it may be;
    /// [`EngineError::Busy`] while a run is at the link.
    pub async fn answer(
        &self,
        link: &Link,
        remote_id: &RemoteId,
        answer: MatchAnswer,
    ) -> Result<(), EngineError> {
        questions::answer(self, link, remote_id, answer).await
    }

    /// The store this engine works on.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }
}
