//! Deletions: the last thing a run decides, and the only thing it may not decide alone.

use std::collections::{HashMap, HashSet};

use super::{
    EngineError,
    arrivals::Arrivals,
    gone::deletion_conflict,
    items::{Found, Item, by_id},
    pair::{Context, Outcome, Pair, RemoteView, create_remote, operation},
    remade::is_remaking,
    run::{Mode, PlannedDeletion, Pulled, Run},
};
use crate::{
    diff::changed_fields,
    merge::Choice,
    model::{EventId, RemoteId, Version},
    plan::{Action, Evidence, Operation, Plan, PlanId, Verdict},
    provider::{ErrorKind, PeoplePolicy, ProviderError},
    store::{
        BaseRecord, BaseState, Batch, EventRecord, Expectation, HeldDeletions, JournalOp, OutboxEntry,
        OutboxId, OutboxOp, OutboxState, Revision, RunOutcome, Write,
    },
};

/// Deletions committed at once.
const CHUNK: usize = 100;

/// Whether deletions count as ones that nobody was asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Toll {
    Counted,
    None,
}

impl Run<'_> {
    /// Carries the planned deletions out, takes them back, or holds all of them for a person to decide.
    ///
    /// Called more than once in a run: what is planned later is judged together with what waits already.
    pub(super) async fn carry_out_deletions(&mut self) -> Result<(), EngineError> {
        if self.deletions.is_empty() {
            return Ok(());
        }
        let planned = std::mem::take(&mut self.deletions);
        self.plan.operations.extend(planned.iter().map(|deletion| deletion.operation.clone()));
        let uncounted = |planned: &PlannedDeletion| {
            let event = planned.operation.event_id.as_ref();
            !planned.operation.evidence.is_none_or(Evidence::counts)
                || event.is_some_and(|event| self.wrongly_brought.contains(event))
                || self.is_decided(planned)
        };
        let (uncounted, planned): (Vec<_>, Vec<_>) = planned.into_iter().partition(uncounted);
        if self.mode == Mode::Apply {
            for chunk in uncounted.chunks(CHUNK) {
                // Nobody is asked about what the clock does to copies, nor about one that is there again at once, nor about what
                // only a wrong feed had, nor once more about one that the brake let pass. They make no other deletion wait.
                self.delete(chunk, Toll::None).await?;
            }
        }
        if planned.is_empty() {
            return Ok(());
        }
        self.held.extend(planned);
        let id = self.held_id();
        let approved = self.approve.as_ref() == Some(&id);
        let refused = self.refuse.as_ref() == Some(&id);
        let holds = self.plan.held || self.was_held() || self.judged().await? == Verdict::Hold;
        if !approved && !refused && holds {
            self.hold();
            if self.mode == Mode::Apply && self.note_held() {
                // At once: however this run ends, nothing but an answer lets them through.
                self.says_change = true;
                self.commit(Batch::default()).await?;
            }
            return Ok(());
        }
        if self.mode == Mode::Preview {
            let here = |planned: &&PlannedDeletion| planned.operation.action == Action::DeleteLocal;
            self.counts.deleted += self.held.iter().filter(here).count() as u64;
            self.held.clear();
            return Ok(());
        }
        (self.plan.held, self.counts.held) = (false, 0);
        if approved || refused {
            // What is left of them for any reason is judged anew.
            self.says_change |= self.state.held.take().is_some();
        }
        if approved {
            // A person has seen what is deleted: what went before it does not count against later ones.
            (self.approved, self.unasked) = (Some(id.clone()), 0);
            if let Some(tally) = &mut self.tally {
                tally.forgive();
            }
        }
        let planned = std::mem::take(&mut self.held);
        if refused {
            self.refused = Some(id);
            return self.take_back(&planned).await;
        }
        let toll = if approved { Toll::None } else { Toll::Counted };
        for chunk in planned.chunks(CHUNK) {
            self.delete(chunk, toll).await?;
        }
        Ok(())
    }

    /// Whether a deletion is one that an earlier run decided and counted, and that has not gone out: the item was edited
    /// meanwhile, and is to be deleted all the same.
    fn is_decided(&self, planned: &PlannedDeletion) -> bool {
        let Some(event) = &planned.operation.event_id else { return false };
        let waits = |entry: &OutboxEntry| matches!(entry.op, OutboxOp::Delete { .. }) && !is_remaking(entry);
        planned.operation.action == Action::DeleteRemote
            && self.outbox.get(event).is_some_and(waits)
            && !self.state.held.as_ref().is_some_and(|held| held.may_hold(event))
    }

    /// Whether an earlier run held one of the deletions that wait, and nobody answered: a calendar that was emptied is not
    /// less so because somebody adds an event to it, or time passes.
    fn was_held(&self) -> bool {
        let Some(held) = &self.state.held else { return false };
        let mut events = self.held.iter().filter_map(|deletion| deletion.operation.event_id.as_ref());
        events.any(|event| held.may_hold(event))
    }

    /// Remembers what waits, for the runs to come. `true`: something new does.
    fn note_held(&mut self) -> bool {
        let before = self.state.held.clone();
        let first = self.state.ahead_since.as_ref().unwrap_or(&self.id).clone();
        let held = self.state.held.get_or_insert_with(|| HeldDeletions::between(first, self.id.clone()));
        let events = self.held.iter().filter_map(|deletion| deletion.operation.event_id.as_ref());
        events.for_each(|event| held.add(event));
        self.state.held != before
    }

    /// What waited, and is not planned by a run that holds nothing, is there again. Only a listing of everything shows that:
    /// one of changes may be an old one, and of it counts what it says ([`Self::is_there`]) and not what it leaves out.
    pub(super) fn forget_held(&mut self, pulled: &Pulled) {
        if pulled.audited || self.state.held.as_ref().is_some_and(HeldDeletions::is_empty) {
            self.state.held = None;
        }
    }

    /// An event is here, its item was read, and none of the two is to be deleted.
    pub(super) fn is_there(&mut self, event: &EventId) {
        if let Some(held) = &mut self.state.held {
            held.remove(event);
        }
    }

    fn hold(&mut self) {
        self.plan.held = true;
        // What waits is decided again by every run: the mark stays before it, also when it was planned long ago.
        for Revision(held) in self.held.iter().filter_map(|deletion| deletion.revision) {
            self.seen_before = self.seen_before.min(Revision(held.saturating_sub(1)));
        }
        self.counts.held = self.held.len() as u64;
    }

    /// What a person approves or refuses: exactly the deletions that wait. The next run plans the same, if nothing changed.
    pub(super) fn held_id(&self) -> PlanId {
        let operations = self.held.iter().map(|deletion| deletion.operation.clone()).collect();
        Plan { link: self.link.id.clone(), operations, held: true }.deletions_id()
    }

    /// Writes some deletions, decided on what was read when they were planned, where that is known. Once more, on what is there
    /// now, when somebody wrote in between.
    async fn delete(&mut self, chunk: &[PlannedDeletion], toll: Toll) -> Result<(), EngineError> {
        if let Some(read) = self.read_before(chunk).await?
            && self.delete_as(chunk, read, toll).await?
        {
            return Ok(());
        }
        let read = self.read_now(chunk).await?;
        self.unfinished |= !self.delete_as(chunk, read, toll).await?;
        Ok(())
    }

    /// `Ok(false)`: somebody wrote in between, and nothing was done.
    async fn delete_as(
        &mut self,
        chunk: &[PlannedDeletion],
        read: ReadPairs,
        toll: Toll,
    ) -> Result<bool, EngineError> {
        let ReadPairs { bases, records, arrivals } = read;
        let unnamed = self.without_version(chunk, &bases).await?;
        let mut outcomes = Vec::new();
        let mut count = 0;
        for deletion in chunk {
            let operation = &deletion.operation;
            let Some(base) = bases.iter().find(|base| Some(&base.event_id) == operation.event_id.as_ref())
            else {
                continue;
            };
            let record = records.get(&base.event_id);
            // An event edited since this was decided is not what was to be deleted: the next run decides again. And
            // nothing is deleted without evidence.
            if record.map(|record| record.revision) != deletion.revision || operation.evidence.is_none() {
                self.unfinished = true;
                continue;
            }
            let outcome = match operation.action {
                Action::DeleteLocal if arrivals.of(&base.event_id).is_some() => {
                    // It turned out to have moved: the next run decides so.
                    self.unfinished = true;
                    continue;
                }
                Action::DeleteLocal => {
                    let mut outcome = self.delete_local(operation, base, record);
                    // Nor did it come up elsewhere since.
                    outcome.expect.push(arrivals.expect(&self.link.calendar, &base.event_id));
                    outcome
                }
                _ if base.version.is_none() && !unnamed.contains(&base.remote_id) => {
                    // It has one by now: the next run deletes that.
                    self.unfinished = true;
                    continue;
                }
                _ => self.delete_remote(operation, base, record),
            };
            count += u64::from(!outcome.writes.is_empty());
            outcomes.push(outcome);
        }
        let deleted = outcomes
            .iter()
            .flat_map(|o| &o.writes)
            .filter(|w| matches!(w, Write::DeleteEvent { .. }))
            .count();
        let before = self.unasked;
        if toll == Toll::Counted {
            self.unasked += count;
        }
        // The number is there as soon as the deletions are: a crash does not make room for more of them.
        let record = Write::PutRun(Box::new(self.record(RunOutcome::Running)));
        let taken = self.commit_outcomes(outcomes, vec![record], 0).await?;
        if taken {
            self.counts.deleted += deleted as u64;
        } else {
            self.unasked = before;
        }
        Ok(taken)
    }

    /// Items to be deleted that have no version, although they were asked for one: our own write may not have been read back.
    async fn without_version(
        &mut self,
        chunk: &[PlannedDeletion],
        bases: &[BaseRecord],
    ) -> Result<HashSet<RemoteId>, EngineError> {
        let there = |deletion: &&PlannedDeletion| deletion.operation.action == Action::DeleteRemote;
        let events: HashSet<Option<&EventId>> =
            chunk.iter().filter(there).map(|deletion| deletion.operation.event_id.as_ref()).collect();
        let items: Vec<Item> = bases
            .iter()
            .filter(|base| base.version.is_none() && events.contains(&Some(&base.event_id)))
            .map(|base| Item { id: base.remote_id.clone(), version: None, payload: None })
            .collect();
        if items.is_empty() {
            return Ok(HashSet::new());
        }
        let (read, _) = self.with_payloads(items, &HashMap::new()).await?;
        let (named, unnamed): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|(_, version, _)| version.is_some());
        let named: Vec<Item> = named
            .into_iter()
            .map(|(id, version, payload)| Item { id, version, payload: Some(payload) })
            .collect();
        self.chunk(named, Found::Asked).await?;
        Ok(unnamed.into_iter().map(|(id, ..)| id).collect())
    }

    /// Keeps what was read of the deletions that are planned now, of as many as are read at once.
    pub(super) fn note_planned<'r>(
        &mut self,
        records: impl Iterator<Item = &'r EventRecord>,
        arrivals: Option<&Arrivals>,
    ) {
        if self.deletions.is_empty() || self.deletions.len() > self.rows_at_once() {
            return;
        }
        let planned: HashMap<&EventId, Option<Revision>> = self
            .deletions
            .iter()
            .filter_map(|deletion| Some((deletion.operation.event_id.as_ref()?, deletion.revision)))
            .collect();
        for record in records.filter(|record| planned.get(&record.id) == Some(&Some(record.revision))) {
            let arrival = arrivals.map(|arrivals| arrivals.version(&record.id));
            self.planned.insert(record.id.clone(), PlannedOn { record: record.clone(), arrival });
        }
    }

    /// What some deletions are about, where all of it was read when they were planned and is still known. That it is still so
    /// is for the commit to find out.
    async fn read_before(&mut self, chunk: &[PlannedDeletion]) -> Result<Option<ReadPairs>, EngineError> {
        let mut read = ReadPairs::default();
        for deletion in chunk {
            let known = deletion.operation.event_id.as_ref().and_then(|event| self.planned.remove(event));
            let Some(PlannedOn { record, arrival }) = known else { return Ok(None) };
            if deletion.operation.action == Action::DeleteLocal && self.link.direction.imports() {
                let Some(version) = arrival else { return Ok(None) };
                read.arrivals.note(&record.id, version);
            }
            read.records.insert(record.id.clone(), record);
        }
        read.bases = self.bases_of(chunk).await?;
        Ok(Some(read))
    }

    async fn read_now(&mut self, chunk: &[PlannedDeletion]) -> Result<ReadPairs, EngineError> {
        let here = chunk.iter().filter(|deletion| deletion.operation.action == Action::DeleteLocal);
        let here: Vec<EventId> = here.filter_map(|deletion| deletion.operation.event_id.clone()).collect();
        let bases = self.bases_of(chunk).await?;
        let records = self.engine.store.events(&self.link.calendar, &events_of(chunk)).await?;
        Ok(ReadPairs { bases, records: by_id(records), arrivals: self.arrivals(&here).await? })
    }

    async fn bases_of(&mut self, chunk: &[PlannedDeletion]) -> Result<Vec<BaseRecord>, EngineError> {
        let ids = events_of(chunk);
        let mut known = self.bases_by_event(&ids).await?;
        Ok(ids.iter().filter_map(|id| known.remove(id)).collect())
    }

    /// Takes refused deletions back on the side that deleted. Where the link may not write that side, both are left alone.
    async fn take_back(&mut self, planned: &[PlannedDeletion]) -> Result<(), EngineError> {
        for chunk in planned.chunks(CHUNK) {
            let ReadPairs { bases, records, .. } = self.read_now(chunk).await?;
            let mut outcomes = Vec::new();
            for deletion in chunk {
                let event = deletion.operation.event_id.as_ref();
                let Some(base) = bases.iter().find(|base| Some(&base.event_id) == event) else { continue };
                let Some(record) = records.get(&base.event_id) else { continue };
                if Some(record.revision) != deletion.revision {
                    continue;
                }
                let pair = Pair {
                    remote: RemoteView::Removed,
                    local: Some(record),
                    base: Some(base),
                    base_event: None,
                };
                let action = deletion.operation.action;
                let outcome = self.with_context(|cx| take_back(&pair, base, record, action, cx));
                outcomes.push(match outcome {
                    Ok(outcome) => outcome,
                    Err(error) => self.unwritable(record, &error),
                });
            }
            // An event that was made anew meanwhile has the item; the next run compares the two.
            self.give_way(&mut outcomes, bases.iter()).await?;
            self.commit_outcomes(outcomes, Vec::new(), usize::MAX).await?;
        }
        // What is back is compared again by the next run: it may have been edited before it was deleted.
        self.unfinished = true;
        Ok(())
    }

    fn delete_local(
        &mut self,
        operation: &Operation,
        base: &BaseRecord,
        record: Option<&EventRecord>,
    ) -> Outcome {
        let Some(record) = record else { return Outcome::default() };
        let base_event = self.provider.read(&base.payload).ok();
        let agreed = base.local.as_deref().or(base_event.as_ref());
        // What is left out was not deleted by anybody: there is no other version to keep beside the one in the journal.
        let edited = operation.evidence != Some(Evidence::LeftOut)
            && agreed.is_none_or(|agreed| !changed_fields(agreed, &record.event).is_empty());
        let (link, now) = (self.link, self.engine.clock.now());
        let mut writes = vec![
            Write::DeleteEvent { calendar: link.calendar.clone(), id: record.id.clone(), at: now },
            Write::DeleteBase { link: link.id.clone(), remote_id: base.remote_id.clone() },
        ];
        let pair = Pair {
            remote: RemoteView::Removed,
            local: Some(record),
            base: Some(base),
            base_event: base_event.as_ref(),
        };
        self.with_context(|cx| {
            let mut journal = cx.journal(
                JournalOp::LocalDelete,
                &record.id,
                Some(&base.remote_id),
                &operation.reason,
                Some(&record.event),
                Vec::new(),
            );
            if let Write::PutJournal(entry) = &mut journal {
                entry.evidence = operation.evidence;
            }
            writes.push(journal);
            if edited {
                // The deletion won over an edit: the edit is kept where a person finds it.
                writes.push(deletion_conflict(&pair, base, Choice::Remote, cx));
            }
        });
        Outcome {
            expect: vec![Expectation::Event {
                calendar: link.calendar.clone(),
                id: record.id.clone(),
                revision: Some(record.revision),
            }],
            writes,
            conflicts: u64::from(edited),
            event_id: Some(record.id.clone()),
            revision: Some(record.revision),
            supersedes: Some(record.id.clone()),
            ..Outcome::default()
        }
    }

    fn delete_remote(
        &mut self,
        operation: &Operation,
        base: &BaseRecord,
        record: Option<&EventRecord>,
    ) -> Outcome {
        // Without a version there is nothing a conditional delete could name: a person sees it.
        let state = match base.version {
            Some(_) => OutboxState::Pending,
            None => OutboxState::Wedged {
                kind: ErrorKind::Refused,
                detail: "the provider gives this item no version to delete".to_owned(),
            },
        };
        let expected = base.version.clone().unwrap_or_else(|| Version::from(""));
        let entry = OutboxEntry {
            id: OutboxId(self.next_id()),
            link: self.link.id.clone(),
            run: self.id.clone(),
            event_id: base.event_id.clone(),
            remote_id: base.remote_id.clone(),
            op: OutboxOp::Delete { expected },
            local: record
                .filter(|_| operation.evidence == Some(Evidence::MadeAgain))
                .map(|record| Box::new(record.event.clone())),
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: operation.reason.clone(),
            state,
            attempts: 0,
            not_before: None,
        };
        // An event that is brought back meanwhile is decided about again.
        let expect = record.map(|record| Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: record.id.clone(),
            revision: Some(record.revision),
        });
        Outcome {
            expect: expect.into_iter().collect(),
            writes: vec![Write::PutOutbox(Box::new(entry))],
            event_id: Some(base.event_id.clone()),
            supersedes: Some(base.event_id.clone()),
            ..Outcome::default()
        }
    }
}

/// What a chunk of deletions is about.
#[derive(Default)]
struct ReadPairs {
    bases: Vec<BaseRecord>,
    records: HashMap<EventId, EventRecord>,
    /// Of what is to be deleted here.
    arrivals: Arrivals,
}

/// What a deletion was planned on.
pub(super) struct PlannedOn {
    record: EventRecord,
    /// The version of what says that the event came up elsewhere, where that was asked for.
    arrival: Option<Option<u64>>,
}

fn events_of(chunk: &[PlannedDeletion]) -> Vec<EventId> {
    chunk.iter().filter_map(|deletion| deletion.operation.event_id.clone()).collect()
}

/// Takes one refused deletion back.
fn take_back(
    pair: &Pair<'_>,
    base: &BaseRecord,
    record: &EventRecord,
    action: Action,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    let reason = "its deletion was refused";
    let may_return = match action {
        Action::DeleteLocal => cx.link.direction.exports(),
        _ => cx.link.direction.imports(),
    };
    let revision = Some(record.revision);
    if !may_return {
        // An event that is kept here meets its item again should that come back. An item that is kept there must not come
        // in again, so its join stays, and is left alone.
        let join = match action {
            Action::DeleteLocal => {
                let (link, remote_id) = (base.link.clone(), base.remote_id.clone());
                Write::DeleteBase { link, remote_id }
            }
            _ => Write::PutBase(Box::new(BaseRecord { state: BaseState::Suppressed, ..base.clone() })),
        };
        let journal =
            cx.journal(JournalOp::Kept, &record.id, Some(&base.remote_id), reason, None, Vec::new());
        let writes = vec![join, journal];
        return Ok(Outcome { event_id: Some(record.id.clone()), revision, writes, ..Outcome::default() });
    }
    if action == Action::DeleteLocal {
        // Made again there, without telling anybody: nobody is invited twice.
        cx.people = PeoplePolicy::Withhold;
        let mut outcome = create_remote(pair, cx, reason)?;
        let (link, remote_id) = (base.link.clone(), base.remote_id.clone());
        outcome.writes.insert(0, Write::DeleteBase { link, remote_id });
        if let Some(operation) = &mut outcome.operation {
            operation.action = Action::RestoreRemote;
        }
        outcome.revision = revision;
        outcome.supersedes = Some(record.id.clone());
        return Ok(outcome);
    }
    let mut operation = operation(pair, Action::RestoreLocal, reason);
    operation.event_id = Some(record.id.clone());
    let journal =
        cx.journal(JournalOp::LocalUpdate, &record.id, Some(&base.remote_id), reason, None, Vec::new());
    Ok(Outcome {
        operation: Some(operation),
        expect: vec![cx.expect(pair, &record.id)],
        writes: vec![cx.put_event(&record.id, record.event.clone()), journal],
        updated: 1,
        event_id: Some(record.id.clone()),
        revision,
        supersedes: Some(record.id.clone()),
        ..Outcome::default()
    })
}
