//! A merge carried out on a pair: what each side gets, what its base becomes, what is recorded.

use std::{borrow::Cow, collections::BTreeSet};

use super::pair::{Context, Outcome, Pair, RemoteView, Sided, operation, unless_same};
use crate::{
    diff::{Field, copy_field, field_value},
    merge::{Bases, Choice, ConflictPolicy, Freshness, Merge, Sides, merge},
    model::{Event, EventId, RemoteId, Version},
    plan::{Action, Direction},
    provider::{ErrorKind, Payload, ProviderError, RenderRequest},
    store::{
        BaseRecord, BaseState, ConflictRecord, ConflictState, EventRecord, FieldConflict, JournalOp,
        OutboxOp, Write,
    },
};

/// A merge that is decided, with everything it was decided on.
struct Merging<'a> {
    pair: &'a Pair<'a>,
    bases: &'a Sided<'a>,
    action: Action,
    record: &'a EventRecord,
    /// The remote item: its name, version, payload and content.
    id: &'a RemoteId,
    version: Option<&'a Version>,
    payload: &'a Payload,
    remote: &'a Event,
    merged: Merge,
    /// Fields of the local side that the link's direction keeps from the remote one.
    unsent: BTreeSet<Field>,
}

/// Merges a pair, joined or meeting for the first time.
pub(super) fn merge_pair(
    pair: &Pair<'_>,
    bases: &Sided<'_>,
    action: Action,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    let Some(record) = pair.local else { return Ok(Outcome::default()) };
    let (id, version, payload, remote) = match (pair.remote, pair.base, pair.base_event) {
        (RemoteView::Read { id, version, payload, event }, ..) => (id, version, payload, event),
        (_, Some(base), Some(event)) => (&base.remote_id, base.version.as_ref(), &base.payload, event),
        _ => return Ok(Outcome::default()),
    };
    let local = cx.provider.project(&record.event);
    let mut merged = decide(&local, record, bases, remote, cx);
    if !cx.link.direction.imports() {
        merged.to_local.clear();
    }
    let unsent =
        if cx.link.direction.exports() { BTreeSet::new() } else { std::mem::take(&mut merged.to_remote) };
    let mut merging = Merging { pair, bases, action, record, id, version, payload, remote, merged, unsent };
    if merging.merged.to_remote.is_empty() {
        return Ok(merging.outcome(merging.new_local().as_ref(), cx));
    }
    // A write must name the version it was merged with.
    let Some(expected) = version else {
        return match pair.remote {
            RemoteView::Read { .. } => Err(ProviderError::new(
                ErrorKind::Refused,
                "merge",
                "the item has no version that a write could name",
            )),
            _ => Ok(Outcome { needs_read: Some(id.clone()), ..Outcome::default() }),
        };
    };
    let target = merging.merged.apply_to_remote(&local, remote);
    let rendered = cx.provider.render(RenderRequest {
        event: &target,
        original: Some(payload),
        now: cx.now,
        people: cx.link.people,
    })?;
    if rendered.payload == *payload {
        // Nothing of it can be said there: it stays here, and is no change (invariant 9).
        let fields = std::mem::take(&mut merging.merged.to_remote);
        let mut outcome = merging.outcome(merging.new_local().as_ref(), cx);
        if let Some(operation) = &mut outcome.operation {
            operation.losses = fields.iter().map(Field::to_string).collect();
        }
        return Ok(outcome);
    }
    let after = merging.new_local();
    let mut outcome = merging.outcome(after.as_ref(), cx);
    let update = OutboxOp::Update { expected: expected.clone(), payload: rendered.payload };
    let mut entry = cx.outbox(&record.id, id.clone(), update);
    entry.local = Some(Box::new(after.unwrap_or_else(|| record.event.clone())));
    entry.fields = merging.merged.to_remote.iter().cloned().collect();
    entry.reason = "it was edited here".to_owned();
    outcome.writes.push(Write::PutOutbox(Box::new(entry)));
    if let Some(operation) = &mut outcome.operation {
        operation.losses = rendered.losses;
    }
    Ok(outcome)
}

fn decide(local: &Event, record: &EventRecord, bases: &Sided<'_>, remote: &Event, cx: &Context<'_>) -> Merge {
    let base_local = bases.local.map(|base| cx.provider.project(base));
    let freshness = Freshness { local: Some(record.modified), remote: remote.updated() };
    let policy = match cx.link.direction {
        // A one-way link has one side that is right.
        Direction::Import if cx.link.conflicts != ConflictPolicy::Manual => ConflictPolicy::RemoteWins,
        Direction::Export => ConflictPolicy::LocalWins,
        _ => cx.link.conflicts,
    };
    let bases = match (&base_local, bases.remote) {
        (Some(local), Some(remote)) => Some(Bases { local, remote }),
        _ => None,
    };
    merge(Sides { bases, local, remote }, |_| policy.choose(freshness))
}

impl Merging<'_> {
    /// The local event after the merge, when the merge changes it.
    fn new_local(&self) -> Option<Event> {
        let changes = !self.merged.to_local.is_empty();
        changes.then(|| self.merged.apply_to_local(&self.record.event, self.remote))
    }

    /// Everything the merge writes into the store, but for a remote write.
    fn outcome(&self, after: Option<&Event>, cx: &mut Context<'_>) -> Outcome {
        let (record, merged) = (self.record, &self.merged);
        let base = self.next_base(after.unwrap_or(&record.event), cx);
        let unchanged_base = self.pair.base.is_some_and(|old| *old == base);
        let nothing_done = merged.is_empty() && self.action == Action::Merge;
        let mut outcome = Outcome { event_id: Some(record.id.clone()), ..Outcome::default() };
        if nothing_done && unchanged_base {
            return outcome;
        }
        if !unchanged_base {
            outcome.writes.push(Write::PutBase(Box::new(base)));
        }
        // Even a decision that writes no event holds only for the event it was taken on.
        outcome.expect.push(cx.expect(self.pair, &record.id));
        let reason = self.reason();
        if let Some(after) = after {
            outcome.writes.push(cx.put_event(&record.id, after.clone()));
            outcome.updated = 1;
            let fields = merged.to_local.iter().cloned().collect();
            let before = Some(&record.event);
            outcome.writes.push(cx.journal(
                JournalOp::LocalUpdate,
                &record.id,
                Some(self.id),
                reason,
                before,
                fields,
            ));
        }
        if !merged.contested.is_empty() {
            outcome.writes.push(self.conflict(cx));
            outcome.conflicts = 1;
        }
        if merged.keep_local_copy {
            let copy_id = EventId::from(cx.ids.fresh());
            let mut copy = record.event.clone();
            copy.uid = cx.ids.fresh();
            outcome.writes.push(cx.put_event(&copy_id, copy));
            let reason = "both versions are kept: this is the local one";
            outcome.writes.push(cx.journal(JournalOp::LocalCreate, &copy_id, None, reason, None, Vec::new()));
            outcome.created = 1;
            outcome.copy = Some(copy_id);
        }
        if !nothing_done {
            let mut operation = operation(self.pair, self.action, reason);
            operation.to_local = merged.to_local.iter().cloned().collect();
            operation.to_remote = merged.to_remote.iter().cloned().collect();
            operation.contested = merged.contested.iter().map(|contested| contested.field.clone()).collect();
            outcome.operation = Some(operation);
        }
        outcome
    }

    fn reason(&self) -> &'static str {
        match (self.action, self.merged.to_local.is_empty(), self.merged.to_remote.is_empty()) {
            (Action::Join, ..) => "the same event is on both sides",
            (_, false, false) => "both sides were edited",
            (_, false, true) => "it was edited on the remote side",
            (_, true, false) => "it was edited here",
            (_, true, true) => "both sides agree",
        }
    }

    /// The bases after the remote side's changes are in and before the local side's are out.
    fn next_base(&self, local: &Event, cx: &Context<'_>) -> BaseRecord {
        let (merged, bases, remote) = (&self.merged, self.bases, self.remote);
        let mut base_local = Cow::Borrowed(local);
        let open = merged.contested.iter().filter(|c| c.choice == Choice::Open).map(|c| &c.field);
        for field in merged.to_remote.iter().chain(&self.unsent).chain(open) {
            // What the remote side has yet to receive still counts as a local change, so that a write that never
            // happens is planned again. At a first meeting the base of such a field is what the remote side has.
            copy_field(field, bases.local.unwrap_or(remote), base_local.to_mut());
        }
        let base_remote = match bases.remote {
            Some(base) => merged.remote_base(base, remote),
            // Never agreed on: the base of an open field is what the other side has, so that both count as changed.
            None => merged.remote_base(&self.record.event, remote),
        };
        BaseRecord {
            link: cx.link.id.clone(),
            remote_id: self.id.clone(),
            event_id: self.record.id.clone(),
            version: self.version.cloned(),
            payload: self.payload.clone(),
            local: unless_same(Some(&base_local), remote),
            remote: unless_same(Some(&base_remote), remote),
            state: BaseState::Linked,
        }
    }

    fn conflict(&self, cx: &mut Context<'_>) -> Write {
        let contested = &self.merged.contested;
        let open = contested.iter().any(|contested| contested.choice == Choice::Open);
        let fields = contested
            .iter()
            .map(|contested| FieldConflict {
                base: self
                    .bases
                    .local
                    .map_or(serde_json::Value::Null, |base| field_value(base, &contested.field)),
                local: field_value(&self.record.event, &contested.field),
                remote: field_value(self.remote, &contested.field),
                outcome: contested.choice.name().to_owned(),
                field: contested.field.clone(),
            })
            .collect();
        Write::PutConflict(Box::new(ConflictRecord {
            id: (cx.next)(),
            link: cx.link.id.clone(),
            run: cx.run.clone(),
            event_id: self.record.id.clone(),
            remote_id: self.id.clone(),
            uid: self.record.event.uid.clone(),
            fields,
            local: Some(Box::new(self.record.event.clone())),
            remote: Some(Box::new(self.remote.clone())),
            policy: cx.link.conflicts.name().to_owned(),
            state: if open { ConflictState::Open } else { ConflictState::Resolved },
            at: cx.now,
        }))
    }
}
