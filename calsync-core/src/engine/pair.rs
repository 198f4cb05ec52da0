//! One event and its remote item: what is known of them, and what is done about it.
//!
//! Pure but for the fresh identifiers it is handed.

use std::borrow::Cow;

use chrono::{DateTime, Utc};

use super::{
    Link,
    conflicts::{Standing, settle},
    copies::{Copies, exported, held},
    detach::{detach, is_detached},
    gone::{plan_deletion, restore_local, restore_remote, return_copy_here, suppress},
    merging,
    remade::{ShownUid, UID_STAYS, plan_remaking, shown_uid},
    turned::{as_written, meet_again, meets_again},
    window::is_off,
};
use crate::{
    context::IdSource,
    diff::{Field, changed_fields},
    model::{Event, EventId, RemoteId, RunId, Version},
    plan::{Action, Direction, LocalSide, Meeting, Operation, RemoteSide, decide, reason},
    provider::{ErrorKind, Payload, PeoplePolicy, Provider, ProviderError, RenderRequest, Seal},
    store::{
        BaseRecord, BaseState, EventRecord, Expectation, JournalEntry, JournalOp, OutboxEntry, OutboxId,
        OutboxOp, OutboxState, Revision, SettledBy, Write,
    },
};

/// What is known of the remote item.
#[derive(Clone, Copy)]
pub(super) enum RemoteView<'a> {
    /// It was read in this run.
    Read { id: &'a RemoteId, version: Option<&'a Version>, payload: &'a Payload, event: &'a Event },
    /// Nothing was heard of it: it is as the base says. Without a base: there is none.
    Silent,
    /// It is gone.
    Removed,
}

/// What is known of a pair.
#[derive(Clone, Copy)]
pub(super) struct Pair<'a> {
    pub(super) remote: RemoteView<'a>,
    pub(super) local: Option<&'a EventRecord>,
    pub(super) base: Option<&'a BaseRecord>,
    /// What the base's payload reads as; `None` without a base.
    pub(super) base_event: Option<&'a Event>,
}

/// What surrounds a decision.
pub(super) struct Context<'a> {
    pub(super) link: &'a Link,
    pub(super) provider: &'a dyn Provider,
    /// What is copied, when it is not everything.
    pub(super) copies: Option<&'a Copies<'a>>,
    /// Whether people are written. In the run in which the sides of a two-way link meet they are not, whatever it says: what
    /// has been there for long is no invitation.
    pub(super) people: PeoplePolicy,
    /// The rules for copies changed: the copy is compared with what it should be, not with what it was.
    pub(super) renewed: bool,
    /// Which way the link went until now, when it goes both ways since.
    pub(super) turned: Option<Direction>,
    /// The same, until all there was then was looked at: a deletion of before is told from one of after by that alone.
    pub(super) unseen: Option<Direction>,
    pub(super) run: &'a RunId,
    pub(super) ids: &'a dyn IdSource,
    pub(super) now: DateTime<Utc>,
    /// When the run began: what windows are told by, from its beginning to its end.
    pub(super) started: DateTime<Utc>,
    /// The next number of this run, for ids that sort.
    pub(super) next: &'a mut dyn FnMut() -> String,
}

/// What to do about a pair.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) operation: Option<Operation>,
    pub(super) expect: Vec<Expectation>,
    pub(super) writes: Vec<Write>,
    /// The event was made, changed: for the counts.
    pub(super) created: u64,
    pub(super) updated: u64,
    pub(super) conflicts: u64,
    /// Contested fields nobody decided.
    pub(super) open: Vec<Field>,
    /// The event this is about, once it has an id.
    pub(super) event_id: Option<EventId>,
    /// Its revision when this was decided.
    pub(super) revision: Option<Revision>,
    /// The event whose earlier, unconfirmed write this takes the place of.
    pub(super) supersedes: Option<EventId>,
    /// An event that is to be planned as well once this is committed: a copy made beside this one, or this one itself.
    pub(super) replan: Option<EventId>,
    /// The remote item has to be read before anything can be decided.
    pub(super) needs_read: Option<RemoteId>,
}

/// Decides about a pair. Deletions are only planned, not written: see [`super::deletions`].
pub(super) fn consider(
    pair: &Pair<'_>,
    standing: Standing<'_>,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    let pair = &heard(pair, standing);
    if let (Some(copies), Some(record)) = (cx.copies, pair.local)
        && record.deleted.is_none()
    {
        // Before anything is decided: that a rule cannot tell is neither an edit nor a deletion.
        copies.can_tell(&record.event)?;
    }
    if let Some(base) = pair.base
        && meets_again(pair, base, standing, cx)
    {
        return meet_again(pair, base, standing, cx);
    }
    let written = as_written(pair, standing, cx);
    let bases = Sided::of(pair, written.as_ref(), cx);
    let local = local_side(pair, &bases, cx);
    let remote = remote_side(pair, &bases, standing, cx);
    let meeting = match pair.base {
        None => Meeting::First,
        Some(base) if base.state == BaseState::Suppressed => Meeting::Parted,
        Some(_) => Meeting::Joined,
    };
    let action = decide(meeting, local, remote, cx.link.rules());
    if meeting == Meeting::Joined && action == Action::Merge && is_detached(local, remote, cx) {
        return Ok(detach(pair, &bases, cx));
    }
    let uid = shown_uid(pair, action, cx);
    let action = if uid == ShownUid::OfOurs { Action::DeleteRemote } else { action };
    let mut outcome = match (meeting, action) {
        _ if uid == ShownUid::OfOurs => plan_remaking(pair, cx)?,
        (Meeting::Parted, Action::None) => return Ok(left_alone(pair, cx)),
        (Meeting::Parted, _) => return Ok(forget(pair)),
        _ => carry_out(pair, &bases, action, (local, remote), standing, cx)?,
    };
    if !standing.open.is_empty() {
        let now = cx.now;
        let settled = match action {
            // Both sides have again what they agreed on.
            Action::None => settle(standing.open, "agreed", SettledBy::Edits, now),
            Action::RestoreLocal => settle(standing.open, "remote", SettledBy::Deletion, now),
            Action::RestoreRemote => settle(standing.open, "local", SettledBy::Deletion, now),
            Action::Suppress | Action::Forget => settle(standing.open, "deleted", SettledBy::Deletion, now),
            // A merge settles field by field; a deletion when it is carried out, which may be held.
            _ => Vec::new(),
        };
        if let (false, Some(record)) = (settled.is_empty(), pair.local) {
            // Somebody may be answering it right now.
            outcome.expect.push(cx.expect(pair, &record.id));
        }
        outcome.writes.extend(settled);
    }
    if let (ShownUid::OfAnother, Some(operation)) = (uid, &mut outcome.operation) {
        operation.reason.push_str(UID_STAYS);
    }
    if let (RemoteView::Read { id, .. }, Some(base)) = (pair.remote, pair.base)
        && *id != base.remote_id
    {
        // The item was renamed; an event has one base at any time.
        let old = Write::DeleteBase { link: cx.link.id.clone(), remote_id: base.remote_id.clone() };
        outcome.writes.insert(0, old);
    }
    outcome.revision = pair.local.map(|record| record.revision);
    if outcome.event_id.is_none() {
        outcome.event_id = pair.local.map(|record| record.id.clone());
    }
    Ok(outcome)
}

/// A remote side that is silent still has what an open conflict left undecided, or what came with a deletion that was
/// taken back before it was carried out: it counts as read.
fn heard<'a>(pair: &Pair<'a>, standing: Standing<'_>) -> Pair<'a> {
    let mut pair = *pair;
    if let (RemoteView::Silent, Some(base), Some(event)) = (pair.remote, pair.base, pair.base_event)
        && (!standing.open.is_empty() || base.remote.is_some())
        && base.version.is_some()
    {
        let version = base.version.as_ref();
        pair.remote = RemoteView::Read { id: &base.remote_id, version, payload: &base.payload, event };
    }
    pair
}

fn carry_out(
    pair: &Pair<'_>,
    bases: &Sided<'_>,
    action: Action,
    (local, remote): (LocalSide, RemoteSide),
    standing: Standing<'_>,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    match action {
        Action::None | Action::Ask => Ok(at_rest(pair, bases, cx)),
        Action::CreateLocal => Ok(create_local(pair, cx, reason::NEW_THERE)),
        Action::CreateRemote => create_remote(pair, cx, reason::NEW_HERE),
        Action::Join | Action::Merge => merging::merge_pair(pair, bases, action, standing, cx),
        Action::DeleteLocal | Action::DeleteRemote => {
            Ok(plan_deletion(pair, bases, action, (local, remote), cx))
        }
        Action::RestoreLocal if cx.link.direction == Direction::Import => {
            Ok(return_copy_here(pair, bases, cx))
        }
        Action::RestoreLocal => Ok(restore_local(pair, bases, cx)),
        Action::RestoreRemote => restore_remote(pair, cx),
        Action::Forget => Ok(forget(pair)),
        Action::Suppress => Ok(suppress(pair, local, cx)),
    }
}

/// The two bases of a pair.
pub(super) struct Sided<'a> {
    pub(super) local: Option<&'a Event>,
    pub(super) remote: Option<&'a Event>,
}

impl<'a> Sided<'a> {
    /// `written`: what the item was before somebody edited it, where it was left so.
    fn of(pair: &Pair<'a>, written: Option<&'a Event>, cx: &Context<'_>) -> Self {
        let Some(base) = pair.base else { return Self { local: None, remote: None } };
        if cx.renewed && written.is_some() && cx.turned == Some(Direction::Export) {
            return Self { local: written, remote: written };
        }
        if cx.renewed {
            // Both sides agreed under other rules. What the copy holds now is where it starts from under these.
            let copy = match cx.copies {
                Some(copies) if !copies.exports() => pair.local.map(|record| &record.event),
                None if !cx.link.direction.exports() => pair.local.map(|record| &record.event),
                None if cx.turned == Some(Direction::Import) => pair.local.map(|record| &record.event),
                _ => base.remote.as_deref().or(pair.base_event),
            };
            return Self { local: copy, remote: copy };
        }
        Self {
            local: base.local.as_deref().or(pair.base_event),
            remote: written.or(base.remote.as_deref()).or(pair.base_event),
        }
    }
}

fn local_side(pair: &Pair<'_>, bases: &Sided<'_>, cx: &Context<'_>) -> LocalSide {
    let Some(record) = pair.local else { return LocalSide::Absent };
    if record.deleted.is_some()
        || matches!(exported(cx.copies, &record.event), Ok(None))
        || is_outside(pair, record, cx)
    {
        return LocalSide::Deleted;
    }
    match bases.local {
        Some(base) if changed_fields(&cx.held_base(base), &cx.held(&record.event)).is_empty() => {
            LocalSide::Unchanged
        }
        _ => LocalSide::Changed,
    }
}

/// Whether the time of an event keeps it from being copied, or its copy from staying.
fn is_outside(pair: &Pair<'_>, record: &EventRecord, cx: &Context<'_>) -> bool {
    let there = match (pair.base, pair.remote) {
        // A pair that is left alone stays so, and a copy that somebody deleted does not come back later.
        (Some(base), _) if base.state == BaseState::Suppressed => return false,
        (Some(_), RemoteView::Removed) if cx.link.rules().copies_return() => false,
        (Some(_), RemoteView::Removed) => return false,
        (Some(_), _) | (None, RemoteView::Read { .. }) => true,
        (None, _) => false,
    };
    cx.copies.is_some_and(|copies| copies.is_outside(&record.event, there, cx.started))
}

fn remote_side(pair: &Pair<'_>, bases: &Sided<'_>, standing: Standing<'_>, cx: &Context<'_>) -> RemoteSide {
    match pair.remote {
        RemoteView::Removed => RemoteSide::Removed,
        RemoteView::Silent if pair.base.is_some() => RemoteSide::Unchanged,
        RemoteView::Silent => RemoteSide::Absent,
        // Our own update, sent before the event was deleted here and seen after: whoever deleted it saw just this.
        RemoteView::Read { event, .. } if was_deleted_like(pair, event, cx) => RemoteSide::Unchanged,
        RemoteView::Read { payload, event, .. } => match (bases.remote, pair.base) {
            (_, Some(base))
                if !cx.renewed
                    && standing.left.is_none()
                    && base.remote.is_none()
                    && base.payload == *payload =>
            {
                RemoteSide::Unchanged
            }
            (Some(base), _) if changed_fields(base, event).is_empty() => RemoteSide::Unchanged,
            _ => RemoteSide::Changed,
        },
    }
}

/// Whether the event was deleted here with the very content its item has.
fn was_deleted_like(pair: &Pair<'_>, item: &Event, cx: &Context<'_>) -> bool {
    let deleted = pair.local.filter(|record| record.deleted.is_some());
    deleted.is_some_and(|record| changed_fields(&cx.held(&record.event), item).is_empty())
}

impl Context<'_> {
    /// A local event as the remote side can hold it.
    pub(super) fn held<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        held(self.copies, self.provider, event)
    }

    /// A local event as what may be written there. What the link's pipeline does not let through, or cannot tell about, is
    /// an error and never the event itself.
    pub(super) fn sendable<'e>(&self, event: &'e Event) -> Result<Cow<'e, Event>, ProviderError> {
        match exported(self.copies, event)? {
            Some(Cow::Owned(copy)) => Ok(Cow::Owned(self.provider.project(&copy).into_owned())),
            Some(Cow::Borrowed(event)) => Ok(self.provider.project(event)),
            None => {
                let detail = "the link's pipeline lets it through no more";
                Err(ProviderError::new(ErrorKind::InvalidInput, "copy", detail))
            }
        }
    }

    /// What the local side was when both last agreed, as the remote side can hold it.
    pub(super) fn held_base<'e>(&self, base: &'e Event) -> Cow<'e, Event> {
        // Under changed rules the base of an exporting link is the copy itself.
        if self.renewed { self.provider.project(base) } else { self.held(base) }
    }

    pub(super) fn journal(
        &mut self,
        op: JournalOp,
        event_id: &EventId,
        remote_id: Option<&RemoteId>,
        reason: &str,
        before: Option<&Event>,
        fields: Vec<Field>,
    ) -> Write {
        Write::PutJournal(Box::new(JournalEntry {
            id: (self.next)(),
            link: self.link.id.clone(),
            run: self.run.clone(),
            event_id: event_id.clone(),
            remote_id: remote_id.cloned(),
            op,
            reason: reason.to_owned(),
            before: before.cloned().map(Box::new),
            losses: Vec::new(),
            fields,
            evidence: None,
            after: None,
            there: None,
            at: self.now,
        }))
    }

    pub(super) fn put_event(&self, id: &EventId, event: Event) -> Write {
        Write::PutEvent {
            calendar: self.link.calendar.clone(),
            id: id.clone(),
            event: Box::new(event),
            at: self.now,
        }
    }

    pub(super) fn expect(&self, pair: &Pair<'_>, id: &EventId) -> Expectation {
        Expectation::Event {
            calendar: self.link.calendar.clone(),
            id: id.clone(),
            revision: pair.local.map(|record| record.revision),
        }
    }

    pub(super) fn outbox(&mut self, event_id: &EventId, remote_id: RemoteId, op: OutboxOp) -> OutboxEntry {
        OutboxEntry {
            id: OutboxId((self.next)()),
            link: self.link.id.clone(),
            run: self.run.clone(),
            event_id: event_id.clone(),
            remote_id,
            op,
            local: None,
            losses: Vec::new(),
            people: PeoplePolicy::Withhold,
            fields: Vec::new(),
            reason: String::new(),
            state: OutboxState::Pending,
            attempts: 0,
            not_before: None,
        }
    }
}

pub(super) fn operation(pair: &Pair<'_>, action: Action, reason: &str) -> Operation {
    let (remote_id, version) = match pair.remote {
        RemoteView::Read { id, version, .. } => (Some(id), version),
        _ => (pair.base.map(|base| &base.remote_id), pair.base.and_then(|base| base.version.as_ref())),
    };
    Operation {
        action,
        event_id: pair.local.map(|record| record.id.clone()).or(pair.base.map(|base| base.event_id.clone())),
        remote_id: remote_id.cloned(),
        version: version.cloned(),
        revision: pair.local.map(|record| record.revision),
        to_local: Vec::new(),
        to_remote: Vec::new(),
        contested: Vec::new(),
        losses: Vec::new(),
        reason: reason.to_owned(),
        evidence: None,
    }
}

/// A pair that is left alone still follows the name and version of its item.
fn left_alone(pair: &Pair<'_>, cx: &Context<'_>) -> Outcome {
    let (RemoteView::Read { id, version, payload, .. }, Some(base)) = (pair.remote, pair.base) else {
        return Outcome::default();
    };
    Outcome {
        writes: vec![
            // The item may have been renamed; an event has one base at any time.
            Write::DeleteBase { link: cx.link.id.clone(), remote_id: base.remote_id.clone() },
            Write::PutBase(Box::new(BaseRecord {
                link: cx.link.id.clone(),
                remote_id: id.clone(),
                version: version.cloned(),
                payload: payload.clone(),
                ..base.clone()
            })),
        ],
        ..Outcome::default()
    }
}

/// Nothing to do, but a new version of the same content is the one the next write must expect.
fn at_rest(pair: &Pair<'_>, bases: &Sided<'_>, cx: &Context<'_>) -> Outcome {
    let (RemoteView::Read { id, version, payload, event }, Some(base)) = (pair.remote, pair.base) else {
        return Outcome::default();
    };
    let same = base.remote_id == *id && base.version.as_ref() == version && base.payload == *payload;
    if same && base.remote.is_none() {
        return Outcome::default();
    }
    let record = BaseRecord {
        link: cx.link.id.clone(),
        remote_id: id.clone(),
        event_id: base.event_id.clone(),
        version: version.cloned(),
        payload: payload.clone(),
        local: unless_same(bases.local, event),
        // It reads as its base does: nothing is open any more.
        remote: None,
        state: BaseState::Linked,
    };
    Outcome {
        event_id: Some(base.event_id.clone()),
        writes: vec![Write::PutBase(Box::new(record))],
        ..Outcome::default()
    }
}

pub(super) fn unless_same(event: Option<&Event>, read: &Event) -> Option<Box<Event>> {
    event.filter(|event| *event != read).cloned().map(Box::new)
}

pub(super) fn create_local(pair: &Pair<'_>, cx: &mut Context<'_>, reason: &str) -> Outcome {
    let RemoteView::Read { id, version, payload, event } = pair.remote else { return Outcome::default() };
    let event_id = pair.local.map_or_else(|| EventId::from(cx.ids.fresh()), |record| record.id.clone());
    let base = BaseRecord {
        link: cx.link.id.clone(),
        remote_id: id.clone(),
        event_id: event_id.clone(),
        version: version.cloned(),
        payload: payload.clone(),
        local: None,
        remote: None,
        state: BaseState::Linked,
    };
    let mut operation = operation(pair, Action::CreateLocal, reason);
    operation.event_id = None;
    let journal = cx.journal(JournalOp::LocalCreate, &event_id, Some(id), reason, None, Vec::new());
    Outcome {
        operation: Some(operation),
        expect: vec![cx.expect(pair, &event_id)],
        writes: vec![cx.put_event(&event_id, event.clone()), Write::PutBase(Box::new(base)), journal],
        created: 1,
        event_id: Some(event_id),
        ..Outcome::default()
    }
}

pub(super) fn create_remote(
    pair: &Pair<'_>,
    cx: &mut Context<'_>,
    reason: &str,
) -> Result<Outcome, ProviderError> {
    let Some(record) = pair.local else { return Ok(Outcome::default()) };
    let Some(entry) = creation(&record.id, &record.event, cx, reason)? else {
        return Ok(Outcome::default());
    };
    let mut operation = operation(pair, Action::CreateRemote, reason);
    operation.remote_id = None;
    operation.losses.clone_from(&entry.losses);
    Ok(Outcome {
        operation: Some(operation),
        expect: vec![cx.expect(pair, &record.id)],
        writes: vec![Write::PutOutbox(Box::new(entry))],
        event_id: Some(record.id.clone()),
        ..Outcome::default()
    })
}

/// The write that makes an event there; `None`: it is not let through.
pub(super) fn creation(
    event_id: &EventId,
    event: &Event,
    cx: &mut Context<'_>,
    reason: &str,
) -> Result<Option<OutboxEntry>, ProviderError> {
    let Some(copy) = exported(cx.copies, event)? else { return Ok(None) };
    // Nobody is invited to what is over or cancelled. Who a copy names is for its rules to say.
    let invites = cx.people == PeoplePolicy::Write && cx.link.direction == Direction::TwoWay;
    let off = invites && is_off(&copy, cx.now);
    let people = if off { PeoplePolicy::Withhold } else { cx.people };
    let request = RenderRequest { event: &copy, original: None, now: cx.now, people };
    let rendered = cx.provider.render(request)?;
    let remote_id = cx.provider.propose_id(&cx.link.remote, &copy, &cx.ids.fresh())?;
    let payload = marked(cx.link, cx.provider, &remote_id, rendered.payload);
    let mut entry = cx.outbox(event_id, remote_id, OutboxOp::Create { payload });
    entry.local = Some(Box::new(event.clone()));
    entry.people = people;
    entry.reason = reason.to_owned();
    entry.losses = rendered.losses;
    entry.losses.extend(cx.copies.into_iter().flat_map(|copies| copies.losses(event)));
    Ok(Some(entry))
}

/// What a link makes, with its mark where that is a copy. What goes both ways belongs to both sides, and is nobody's.
pub(super) fn marked(link: &Link, provider: &dyn Provider, id: &RemoteId, payload: Payload) -> Payload {
    match link.direction {
        Direction::Export => provider.mark(id, payload, &Seal::of(&link.id, &link.remote)),
        Direction::Import | Direction::TwoWay => payload,
    }
}

pub(super) fn forget(pair: &Pair<'_>) -> Outcome {
    let Some(base) = pair.base else { return Outcome::default() };
    Outcome {
        writes: vec![Write::DeleteBase { link: base.link.clone(), remote_id: base.remote_id.clone() }],
        ..Outcome::default()
    }
}
