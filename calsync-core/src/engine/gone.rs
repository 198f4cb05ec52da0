//! A pair of which one side is gone: the deletion planned for the other, or what comes back because it was edited, and what
//! is left alone because the link may not delete it.

use super::merging::edited_there;
use super::pair::{Context, Outcome, Pair, RemoteView, Sided, create_remote, operation, unless_same};
use crate::{
    diff::changed_fields,
    merge::Choice,
    plan::{Action, Direction, Evidence, LocalSide, RemoteSide, here, reason},
    provider::ProviderError,
    store::{BaseRecord, BaseState, ConflictRecord, ConflictState, JournalOp, SettledBy, Settlement, Write},
};

/// Why an event has no copy, or no more: its time.
const OUTSIDE: &str = "it is outside the window of what the link copies";

/// Why a copy is deleted although its event is not: the step that does not let it through, or that it takes no time.
pub(super) fn no_more(step: Option<&str>) -> String {
    match step {
        Some(step) => format!("the step {step:?} of the link's pipeline lets it through no more"),
        None => "the link's pipeline lets it through no more".to_owned(),
    }
}

pub(super) fn plan_deletion(
    pair: &Pair<'_>,
    bases: &Sided<'_>,
    action: Action,
    (local, remote): (LocalSide, RemoteSide),
    cx: &mut Context<'_>,
) -> Outcome {
    let left_out = pair.local.filter(|record| action == Action::DeleteRemote && record.deleted.is_none());
    let reason = reason::of_deletion(action, local, remote);
    let mut operation = operation(pair, action, reason);
    if let Some(record) = left_out {
        let refused = cx.copies.and_then(|copies| copies.refused(&record.event).ok()).flatten();
        operation.evidence = Some(Evidence::LeftOut);
        operation.reason = match refused {
            Some(step) => no_more(step.as_deref()),
            None => OUTSIDE.to_owned(),
        };
        let held = |event| changed_fields(&cx.held_base(event), &cx.held(&record.event)).is_empty();
        if operation.reason == OUTSIDE && bases.local.is_some_and(held) {
            operation.evidence = Some(Evidence::OutsideWindow);
        }
    }
    let mut outcome = Outcome { operation: Some(operation), ..Outcome::default() };
    outcome.writes.extend(followed(pair));
    if let (RemoteView::Read { .. }, Some(base)) = (pair.remote, pair.base)
        && remote == RemoteSide::Changed
    {
        outcome.writes.push(deletion_conflict(pair, base, Choice::Local, cx));
        outcome.conflicts = 1;
    }
    outcome
}

/// The version to expect is the one just read: the base follows it, so that a deletion can name it.
pub(super) fn followed(pair: &Pair<'_>) -> Option<Write> {
    let (RemoteView::Read { id, version, payload, event }, Some(base)) = (pair.remote, pair.base) else {
        return None;
    };
    Some(Write::PutBase(Box::new(BaseRecord {
        remote_id: id.clone(),
        version: version.cloned(),
        payload: payload.clone(),
        local: unless_same(base.local.as_deref().or(pair.base_event), event),
        // What was edited there still counts as an edit, should the event be brought back before it is deleted.
        remote: unless_same(base.remote.as_deref().or(pair.base_event), event),
        ..base.clone()
    })))
}

/// The deleted event comes back with what the remote side changed. What only this side has, or had edited before it was
/// deleted, comes back with it.
pub(super) fn restore_local(pair: &Pair<'_>, bases: &Sided<'_>, cx: &mut Context<'_>) -> Outcome {
    let (RemoteView::Read { id, version, payload, event }, Some(base)) = (pair.remote, pair.base) else {
        return Outcome::default();
    };
    let reason = reason::EDIT_THERE_SURVIVES;
    let agreed = bases.local.cloned().map(|base| here::with_edits(base, bases.remote, event));
    let kept = pair.local.map(|record| here::with_edits(record.event.clone(), bases.remote, event));
    // What was edited here before it was deleted has still to go out.
    let unsent = agreed.as_ref().is_some_and(|agreed| agreed != kept.as_ref().unwrap_or(event));
    let edited = edited_there(event, bases, cx.now);
    let restored = match pair.local {
        Some(record) => here::restored(&record.event, bases.remote, event, edited),
        None => event.clone(),
    };
    let record = BaseRecord {
        link: cx.link.id.clone(),
        remote_id: id.clone(),
        event_id: base.event_id.clone(),
        version: version.cloned(),
        payload: payload.clone(),
        local: unless_same(agreed.as_ref(), event),
        remote: None,
        state: BaseState::Linked,
    };
    let conflict = deletion_conflict(pair, base, Choice::Remote, cx);
    let journal = cx.journal(JournalOp::LocalUpdate, &base.event_id, Some(id), reason, None, Vec::new());
    Outcome {
        operation: Some(operation(pair, Action::RestoreLocal, reason)),
        expect: vec![cx.expect(pair, &base.event_id)],
        writes: vec![
            cx.put_event(&base.event_id, restored),
            Write::PutBase(Box::new(record)),
            conflict,
            journal,
        ],
        updated: 1,
        conflicts: 1,
        event_id: Some(base.event_id.clone()),
        replan: unsent.then(|| base.event_id.clone()),
        ..Outcome::default()
    }
}

pub(super) fn restore_remote(pair: &Pair<'_>, cx: &mut Context<'_>) -> Result<Outcome, ProviderError> {
    let Some(base) = pair.base else { return Ok(Outcome::default()) };
    // A copy holds nothing of its own: nobody's edit stands against its deletion.
    let is_copy = cx.link.direction == Direction::Export;
    let reason = if is_copy { reason::RETURNS } else { reason::EDIT_HERE_SURVIVES };
    let mut outcome = create_remote(pair, cx, reason)?;
    if let Some(operation) = &mut outcome.operation {
        operation.action = Action::RestoreRemote;
    }
    outcome.writes.push(Write::DeleteBase { link: cx.link.id.clone(), remote_id: base.remote_id.clone() });
    if !is_copy {
        outcome.writes.push(deletion_conflict(pair, base, Choice::Local, cx));
        outcome.conflicts = 1;
    }
    Ok(outcome)
}

/// The deleted copy comes back as its source is now.
pub(super) fn return_copy_here(pair: &Pair<'_>, bases: &Sided<'_>, cx: &mut Context<'_>) -> Outcome {
    let Some(base) = pair.base else { return Outcome::default() };
    let (id, version, payload, source) = match pair.remote {
        RemoteView::Read { id, version, payload, event } => (id, version, payload, Some(event)),
        RemoteView::Silent | RemoteView::Removed => {
            (&base.remote_id, base.version.as_ref(), &base.payload, pair.base_event)
        }
    };
    let Some(source) = source else { return Outcome::default() };
    // What only this side can hold is in no source, and comes back as it was.
    let copy = here::with_edits(bases.local.unwrap_or(source).clone(), bases.remote, source);
    let record = BaseRecord {
        link: cx.link.id.clone(),
        remote_id: id.clone(),
        event_id: base.event_id.clone(),
        version: version.cloned(),
        payload: payload.clone(),
        local: unless_same(Some(&copy), source),
        remote: None,
        state: BaseState::Linked,
    };
    let mut operation = operation(pair, Action::RestoreLocal, reason::RETURNS);
    operation.event_id = Some(base.event_id.clone());
    let journal =
        cx.journal(JournalOp::LocalUpdate, &base.event_id, Some(id), reason::RETURNS, None, Vec::new());
    Outcome {
        operation: Some(operation),
        expect: vec![cx.expect(pair, &base.event_id)],
        writes: vec![cx.put_event(&base.event_id, copy), Write::PutBase(Box::new(record)), journal],
        updated: 1,
        event_id: Some(base.event_id.clone()),
        ..Outcome::default()
    }
}

pub(super) fn suppress(pair: &Pair<'_>, local: LocalSide, cx: &mut Context<'_>) -> Outcome {
    let Some(base) = pair.base else { return Outcome::default() };
    let reason = reason::of_suppressing(local);
    let record = BaseRecord { state: BaseState::Suppressed, ..base.clone() };
    let journal =
        cx.journal(JournalOp::Kept, &base.event_id, Some(&base.remote_id), reason, None, Vec::new());
    // The host may bring the event back right now.
    let expect = pair.local.map(|record| cx.expect(pair, &record.id));
    Outcome {
        operation: Some(operation(pair, Action::Suppress, reason)),
        expect: expect.into_iter().collect(),
        writes: vec![Write::PutBase(Box::new(record)), journal],
        event_id: Some(base.event_id.clone()),
        ..Outcome::default()
    }
}

/// A deletion against an edit, recorded with the whole version that lost or could have been lost.
pub(super) fn deletion_conflict(
    pair: &Pair<'_>,
    base: &BaseRecord,
    outcome: Choice,
    cx: &mut Context<'_>,
) -> Write {
    let remote = match pair.remote {
        RemoteView::Read { event, .. } => Some(Box::new(event.clone())),
        RemoteView::Silent | RemoteView::Removed => None,
    };
    let local = pair.local.filter(|record| record.deleted.is_none());
    let uid = local.map(|record| record.event.uid.clone()).or(remote.as_ref().map(|event| event.uid.clone()));
    Write::PutConflict(Box::new(ConflictRecord {
        id: (cx.next)(),
        link: cx.link.id.clone(),
        run: cx.run.clone(),
        event_id: base.event_id.clone(),
        remote_id: base.remote_id.clone(),
        uid: uid.unwrap_or_default(),
        fields: Vec::new(),
        local: local.map(|record| Box::new(record.event.clone())),
        remote,
        policy: format!("{} ({})", cx.link.conflicts.name(), outcome.name()),
        state: ConflictState::Resolved,
        at: cx.now,
        settled: Some(Settlement { by: SettledBy::Policy, who: None, at: cx.now }),
        answers: Vec::new(),
        copy: None,
    }))
}
