//! Taking away what a link wrote, and forgetting the link.

use std::collections::HashMap;

use super::{
    Engine, EngineError, Link, left,
    run::{PAGE, new_state},
    settled::resign,
    telling::fares_otherwise,
    withdrawn::{delete_surely, let_all_return},
};
use crate::{
    feed::{Happened, News, Origin},
    model::{Event, EventId, RemoteId, Version},
    plan::{Action, Direction, Evidence, Operation, Plan, PlanId, Tally, Verdict},
    provider::{ChangesRequest, Cursor, ErrorKind, Fetched, ItemChange, Payload, Provider, PullMode, Seal},
    store::{
        BaseQuery, BaseRecord, BaseState, Batch, DocQuery, Expectation, JournalEntry, JournalOp, LeaseToken,
        Record, RecordKind, RecordQuery, Write,
    },
};

/// What a clean-up may do.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct CleanOptions {
    /// Show what would be deleted, and write nothing.
    pub preview: Preview,
    /// The plan a person approved: carried out if it is still exactly this one.
    pub approve: Option<PlanId>,
}

/// Whether a clean-up writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Preview {
    /// It does.
    #[default]
    No,
    /// It does not.
    Only,
}

impl CleanOptions {
    /// Shows what would be deleted, and writes nothing.
    #[must_use]
    pub fn previewing(mut self) -> Self {
        self.preview = Preview::Only;
        self
    }

    /// Approves a plan.
    #[must_use]
    pub fn approving(mut self, plan: PlanId) -> Self {
        self.approve = Some(plan);
        self
    }
}

/// What a clean-up found and did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CleanReport {
    /// The deletions. [`Plan::held`]: they wait for a person, who approves [`Plan::deletions_id`].
    pub plan: Plan,
    /// How many were carried out.
    pub deleted: usize,
    /// Items of the link that somebody edited since it wrote them, where that is known: they stay.
    pub edited: usize,
    /// Items that carry a mark which is not theirs: copies people made of copies. They stay.
    pub foreign: usize,
    /// Whether everything there is was listed. If not, there may be more.
    pub complete: bool,
}

/// An item that is to go.
struct Found {
    id: RemoteId,
    version: Option<Version>,
    event: Option<Event>,
    base: Option<BaseRecord>,
}

impl Engine {
    /// Deletes everything a link ever wrote into its remote calendar, also when all that was known of it is lost: every item
    /// it made carries a [mark](Seal). What people made is never touched, nor what somebody edited, where that is known.
    ///
    /// A clean-up is a mass deletion: more than one item waits for a person to approve exactly this plan. The events
    /// here stay, and the link leaves them alone from then on. A link that is lost and goes on running writes its copies
    /// again: take it out of the configuration.
    ///
    /// # Errors
    ///
    /// When the store or the provider fails, or another worker is at the link. What was deleted before stays deleted; ask
    /// again for the rest.
    pub async fn clean(
        &self,
        link: &Link,
        provider: &dyn Provider,
        options: &CleanOptions,
    ) -> Result<CleanReport, EngineError> {
        let mut report = CleanReport {
            plan: Plan { link: link.id.clone(), operations: Vec::new(), held: false },
            deleted: 0,
            edited: 0,
            foreign: 0,
            complete: true,
        };
        if link.direction == Direction::Import {
            return Ok(report);
        }
        let found = self.marked(link, provider, &mut report).await?;
        report.plan.operations = found.iter().map(operation).collect();
        let approved = options.approve.as_ref() == Some(&report.plan.deletions_id());
        let tally = Tally { planned: found.len(), recent: 0, joined: found.len() };
        report.plan.held = !approved && link.guard.judge(tally) == Verdict::Hold;
        if report.plan.held || options.preview == Preview::Only {
            return Ok(report);
        }
        let holder = self.ids.fresh();
        let run = self.run_id();
        let mut lease = None;
        for (number, item) in found.into_iter().enumerate() {
            let token = self.hold_lease(&link.id, &holder).await?;
            lease = Some(token.clone());
            let Some(version) = &item.version else { continue };
            // First written down: whatever becomes of the request, the event here is not deleted for it.
            let entry = JournalEntry {
                id: format!("{run}-{number:06x}"),
                link: link.id.clone(),
                run: run.clone().into(),
                event_id: event_of(&item),
                remote_id: Some(item.id.clone()),
                op: JournalOp::RemoteDelete,
                reason: REASON.to_owned(),
                before: item.event.clone().map(Box::new),
                losses: Vec::new(),
                fields: Vec::new(),
                evidence: Some(Evidence::Marked),
                after: None,
                there: None,
                at: self.clock.now(),
            };
            let mut writes = vec![Write::PutJournal(Box::new(entry))];
            if let Some(base) = item.base.clone() {
                writes.push(Write::PutBase(Box::new(BaseRecord { state: BaseState::Suppressed, ..base })));
            }
            self.store.commit(Batch { lease: Some(token), writes, ..Batch::default() }).await?;
            match delete_surely(link, provider, &item.id, version).await {
                Ok(()) => report.deleted += 1,
                Err(error) if error.kind == ErrorKind::VersionMismatch => report.edited += 1,
                Err(error) => {
                    // Where nobody knows whether it is there, a link that imports would delete the event for it.
                    let may_be_gone = error.is_ambiguous() && link.direction.imports();
                    if let (Some(base), Some(token), false) = (item.base, lease.clone(), may_be_gone) {
                        // It is there, and the link's, as before.
                        let writes = vec![Write::PutBase(Box::new(base))];
                        self.store.commit(Batch { lease: Some(token), writes, ..Batch::default() }).await?;
                    }
                    self.give_back(lease).await;
                    return Err(error.into());
                }
            }
        }
        self.give_back(lease).await;
        Ok(report)
    }

    /// Deletes the events an importing link brought in, softly, and parts it from them. More than one waits for approval, as
    /// in [`clean`](Self::clean). An event that was edited here since stays.
    ///
    /// # Errors
    ///
    /// As for [`clean`](Self::clean).
    pub async fn clean_imported(
        &self,
        link: &Link,
        provider: &dyn Provider,
        options: &CleanOptions,
    ) -> Result<CleanReport, EngineError> {
        let mut report = CleanReport {
            plan: Plan { link: link.id.clone(), operations: Vec::new(), held: false },
            deleted: 0,
            edited: 0,
            foreign: 0,
            complete: true,
        };
        if link.direction != Direction::Import {
            return Ok(report);
        }
        let mut found = Vec::new();
        let mut after = None;
        loop {
            let page = self.store.base_summaries(&link.id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.remote_id.clone());
            let ids: Vec<RemoteId> = page.into_iter().map(|base| base.remote_id).collect();
            let bases = self.store.bases(&link.id, BaseQuery::Remote(&ids)).await?;
            let events: Vec<EventId> = bases.iter().map(|base| base.event_id.clone()).collect();
            let records = self.store.events(&link.calendar, &events).await?;
            for base in bases.into_iter().filter(|base| base.state == BaseState::Linked) {
                let record = records
                    .iter()
                    .find(|record| record.id == base.event_id)
                    .filter(|record| record.deleted.is_none());
                let Some(record) = record else { continue };
                let held = match &base.local {
                    Some(local) => Some((**local).clone()),
                    None => self.as_copied(link, provider, &base.payload)?,
                };
                if held.as_ref() == Some(&record.event) {
                    found.push((base, record.clone()));
                } else {
                    report.edited += 1;
                }
            }
        }
        report.plan.operations = found
            .iter()
            .map(|(base, record)| Operation {
                action: Action::DeleteLocal,
                event_id: Some(record.id.clone()),
                remote_id: Some(base.remote_id.clone()),
                revision: Some(record.revision),
                ..bare()
            })
            .collect();
        let approved = options.approve.as_ref() == Some(&report.plan.deletions_id());
        let tally = Tally { planned: found.len(), recent: 0, joined: found.len() };
        report.plan.held = !approved && link.guard.judge(tally) == Verdict::Hold;
        if report.plan.held || options.preview == Preview::Only {
            return Ok(report);
        }
        let (holder, run) = (self.ids.fresh(), self.run_id());
        let mut lease = None;
        for (number, (base, record)) in found.into_iter().enumerate() {
            let token = self.hold_lease(&link.id, &holder).await?;
            lease = Some(token.clone());
            let now = self.clock.now();
            let expect = Expectation::Event {
                calendar: link.calendar.clone(),
                id: record.id.clone(),
                revision: Some(record.revision),
            };
            let entry = JournalEntry {
                id: format!("{run}-{number:06x}"),
                link: link.id.clone(),
                run: run.clone().into(),
                event_id: record.id.clone(),
                remote_id: Some(base.remote_id.clone()),
                op: JournalOp::LocalDelete,
                reason: REASON.to_owned(),
                before: Some(Box::new(record.event)),
                losses: Vec::new(),
                fields: Vec::new(),
                evidence: Some(Evidence::Marked),
                after: Some(super::journal::left_as(None)),
                there: None,
                at: now,
            };
            let writes = vec![
                Write::PutJournal(Box::new(entry)),
                Write::PutBase(Box::new(BaseRecord { state: BaseState::Suppressed, ..base })),
                Write::DeleteEvent { calendar: link.calendar.clone(), id: record.id, at: now },
            ];
            match self
                .store
                .commit(Batch {
                    lease: Some(token),
                    expect: vec![expect],
                    writes,
                    by: Some(Origin { link: link.id.clone(), run: run.clone().into() }),
                    ..Batch::default()
                })
                .await
            {
                Ok(_) => report.deleted += 1,
                Err(error) => {
                    let error = EngineError::from(error);
                    if !error.is_conflict() {
                        return Err(error);
                    }
                    report.edited += 1;
                }
            }
        }
        self.give_back(lease).await;
        Ok(report)
    }

    /// Forgets which events a link joined, what waits to be sent over it and what was set aside. Both sides stay as they
    /// are; a link that runs again under the same name meets them anew, or other calendars: those of `link` are the ones it
    /// joins from then on. What it did stays in the journal.
    ///
    /// # Errors
    ///
    /// When the store fails, or another worker is at the link.
    pub async fn forget(&self, link: &Link) -> Result<(), EngineError> {
        let holder = self.ids.fresh();
        loop {
            let token = self.hold_lease(&link.id, &holder).await?;
            let mut writes = Vec::new();
            for entry in self.store.outbox(&link.id, None, PAGE).await? {
                writes.push(Write::DeleteOutbox { link: link.id.clone(), id: entry.id });
            }
            for base in self.store.base_summaries(&link.id, None, PAGE).await? {
                writes.push(Write::DeleteBase { link: link.id.clone(), remote_id: base.remote_id });
            }
            let query = RecordQuery {
                kind: RecordKind::Quarantine,
                link: &link.id,
                event: None,
                run: None,
                after: None,
                limit: PAGE,
            };
            for record in self.store.records(query).await? {
                if let Record::Quarantine(record) = record {
                    writes
                        .push(Write::DeleteQuarantine { link: link.id.clone(), remote_id: record.remote_id });
                }
            }
            writes.extend(let_all_return(&*self.store, &link.id, PAGE).await?);
            writes.extend(left::forget_all(&*self.store, &link.id, PAGE).await?);
            let space = super::window::space(&link.id);
            for doc in self.store.docs(&space, DocQuery::Page { after: None, limit: PAGE }).await? {
                writes.push(Write::DeleteDoc { space: doc.space, key: doc.key });
            }
            let done = writes.is_empty();
            let mut news = Vec::new();
            if done {
                writes.extend([resign(&link.calendar, &link.id), super::joints::part(&link.id)]);
                if let Some(state) = self.store.link(&link.id).await? {
                    if state.calendar != link.calendar {
                        writes.push(resign(&state.calendar, &link.id));
                    }
                    let fresh = new_state(link);
                    if fares_otherwise(&state.health, &fresh.health) {
                        let what = Happened::Link { link: link.id.clone(), health: fresh.health.clone() };
                        news.push(News { calendar: state.calendar.clone(), at: self.clock.now(), what });
                    }
                    // The cursor last: as long as anything is joined, it belongs to that.
                    writes.push(Write::PutLink(Box::new(fresh)));
                }
            }
            self.store.commit(Batch { lease: Some(token.clone()), writes, news, ..Batch::default() }).await?;
            if done {
                self.give_back(Some(token)).await;
                return Ok(());
            }
        }
    }

    /// The items that carry the link's mark, as they are now.
    async fn marked(
        &self,
        link: &Link,
        provider: &dyn Provider,
        report: &mut CleanReport,
    ) -> Result<Vec<Found>, EngineError> {
        let seal = Seal::of(&link.id, &link.remote);
        let mut found = Vec::new();
        let mut cursor: Option<Cursor> = None;
        loop {
            let request = ChangesRequest { cursor: cursor.as_ref(), mode: PullMode::Snapshot };
            let page = provider.changes(&link.remote, request).await?;
            report.complete &= page.scope == crate::provider::ChangeScope::Snapshot;
            let mut read: Vec<(RemoteId, Option<Version>, Payload)> = Vec::new();
            let mut names = Vec::new();
            for change in page.changes {
                match change.change {
                    ItemChange::Present { version, payload: Some(payload) } => {
                        read.push((change.id, version, payload));
                    }
                    ItemChange::Present { payload: None, .. } => names.push(change.id),
                    ItemChange::Removed => {}
                }
            }
            for ids in names.chunks(provider.capabilities().fetch_max.max(1)) {
                for answer in provider.fetch(&link.remote, ids).await? {
                    match answer {
                        Fetched::Found { id, version, payload }
                        | Fetched::Renamed { id, version, payload, .. } => read.push((id, version, payload)),
                        Fetched::Missing(_) => {}
                        Fetched::Failed(..) => report.complete = false,
                    }
                }
            }
            let mut ours = Vec::new();
            for item in read {
                match provider.marked(&item.2) {
                    Some(mark) if mark.is_by(&seal) => ours.push(item),
                    // Of another link, or carried along by somebody's copy.
                    Some(mark) => report.foreign += usize::from(!mark.is_true(&link.remote)),
                    None => {}
                }
            }
            for items in ours.chunks(PAGE) {
                self.unedited(link, provider, items, &mut found, report).await?;
            }
            if !page.more {
                return Ok(found);
            }
            cursor = page.cursor;
        }
    }

    /// Takes those of some items that are still as the link wrote them, as far as the store tells.
    async fn unedited(
        &self,
        link: &Link,
        provider: &dyn Provider,
        items: &[(RemoteId, Option<Version>, Payload)],
        found: &mut Vec<Found>,
        report: &mut CleanReport,
    ) -> Result<(), EngineError> {
        let ids: Vec<RemoteId> = items.iter().map(|(id, ..)| id.clone()).collect();
        let bases = self.store.bases(&link.id, BaseQuery::Remote(&ids)).await?;
        let left = left::edited(&*self.store, &link.id, &bases).await?;
        let mut bases: HashMap<RemoteId, BaseRecord> =
            bases.into_iter().map(|base| (base.remote_id.clone(), base)).collect();
        for (id, version, payload) in items {
            let base = bases.remove(id);
            let is_edited = |base: &BaseRecord| {
                base.state == BaseState::Suppressed
                    || left.contains(&base.event_id)
                    || base.version.is_some() && base.version != *version
            };
            if base.as_ref().is_some_and(is_edited) {
                report.edited += 1;
                continue;
            }
            let event = provider.read(payload).ok();
            found.push(Found { id: id.clone(), version: version.clone(), event, base });
        }
        Ok(())
    }

    /// A payload as an importing link reads it.
    fn as_copied(
        &self,
        link: &Link,
        provider: &dyn Provider,
        payload: &Payload,
    ) -> Result<Option<Event>, EngineError> {
        let copies = super::copies::Copies::of(link, &self.host)?;
        let view = copies.as_ref().map(|copies| super::copies::ReadAsCopies { provider, copies });
        let provider: &dyn Provider = view.as_ref().map_or(provider, |view| view);
        Ok(provider.read(payload).ok())
    }

    pub(super) fn run_id(&self) -> String {
        let now = self.clock.now().timestamp_millis().max(0);
        format!("{now:012x}-{}", self.ids.fresh().get(..8).unwrap_or_default())
    }

    async fn give_back(&self, lease: Option<LeaseToken>) {
        if let Some(token) = lease {
            // A lease that cannot be given back runs out by itself.
            let _ = self.store.release_lease(&token).await;
        }
    }
}

const REASON: &str = "what the link wrote is taken away";

fn bare() -> Operation {
    Operation {
        action: Action::DeleteRemote,
        event_id: None,
        remote_id: None,
        version: None,
        revision: None,
        to_local: Vec::new(),
        to_remote: Vec::new(),
        contested: Vec::new(),
        losses: Vec::new(),
        reason: REASON.to_owned(),
        evidence: Some(Evidence::Marked),
    }
}

fn operation(item: &Found) -> Operation {
    Operation {
        event_id: item.base.as_ref().map(|base| base.event_id.clone()),
        remote_id: Some(item.id.clone()),
        version: item.version.clone(),
        ..bare()
    }
}

/// The event of an item; a name made of its own where nobody knows it any more.
fn event_of(item: &Found) -> EventId {
    let lost = || EventId::from(blake3::hash(item.id.as_str().as_bytes()).to_hex()[..32].to_owned());
    item.base.as_ref().map_or_else(lost, |base| base.event_id.clone())
}
