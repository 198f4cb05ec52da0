//! Copies that show the UID of their event although the link's rules hide it by now. No provider lets a UID be changed, so such
//! a copy is deleted and made again.
//!
//! An event has one write at a time. The deletion carries the event along, and the commit that confirms it puts the creation
//! in its place: whenever a worker dies, either the old copy is there, or a write that makes the new one.

use super::{
    gone::followed,
    pair::{Context, Outcome, Pair, RemoteView, creation, operation},
    push::ranked,
    run::Run,
};
use crate::{
    model::Event,
    plan::{Action, Evidence},
    provider::ProviderError,
    store::{BaseRecord, BaseState, OutboxEntry, OutboxOp, Write},
};

/// Why such a copy is deleted.
const REMADE: &str = "its UID tells of the event, which the link hides by now: the copy is deleted, and made again under another";

/// What is said of a copy that only a person may take away.
pub(super) const UID_STAYS: &str =
    "; the item keeps the UID of the event, for nothing tells that this link made it";

/// Whether a copy shows the UID of its event although it should not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ShownUid {
    /// It does not.
    No,
    /// It does, and its mark says that this link made it: nothing of anybody else's is lost with it.
    OfOurs,
    /// It does, and may have been there before the link.
    OfAnother,
}

/// What a pair that goes on shows.
pub(super) fn shown_uid(pair: &Pair<'_>, action: Action, cx: &Context<'_>) -> ShownUid {
    if !matches!(action, Action::None | Action::Merge | Action::Join) {
        return ShownUid::No;
    }
    let (Some(copies), Some(record)) = (cx.copies.filter(|copies| copies.hides_uids()), pair.local) else {
        return ShownUid::No;
    };
    let item: Option<(_, &Event)> = match pair.remote {
        RemoteView::Read { payload, event, .. } => Some((payload, event)),
        RemoteView::Silent => pair.base.map(|base| &base.payload).zip(pair.base_event),
        RemoteView::Removed => None,
    };
    match item.filter(|(_, event)| copies.is_former_uid(&event.uid, &record.event.uid)) {
        None => ShownUid::No,
        Some((payload, _)) if copies.made(cx.provider.marked(payload).as_ref()) => ShownUid::OfOurs,
        Some(_) => ShownUid::OfAnother,
    }
}

/// Plans the deletion of such a copy, unless the new one cannot be written.
pub(super) fn plan_remaking(pair: &Pair<'_>, cx: &mut Context<'_>) -> Result<Outcome, ProviderError> {
    let Some(record) = pair.local else { return Ok(Outcome::default()) };
    // What cannot be made again stays, and a person sees why.
    creation(&record.id, &record.event, cx, REMADE)?;
    let mut operation = operation(pair, Action::DeleteRemote, REMADE);
    operation.evidence = Some(Evidence::MadeAgain);
    let met = match (pair.remote, pair.base) {
        // Met for the first time: from here on it is joined, so that the deletion has a version to name.
        (RemoteView::Read { id, version, payload, .. }, None) => Some(Write::PutBase(Box::new(BaseRecord {
            link: cx.link.id.clone(),
            remote_id: id.clone(),
            event_id: record.id.clone(),
            version: version.cloned(),
            payload: payload.clone(),
            local: None,
            remote: None,
            state: BaseState::Linked,
        }))),
        _ => followed(pair),
    };
    Ok(Outcome {
        operation: Some(operation),
        expect: vec![cx.expect(pair, &record.id)],
        writes: met.into_iter().collect(),
        event_id: Some(record.id.clone()),
        ..Outcome::default()
    })
}

/// Whether a creation follows a deletion.
pub(super) fn is_remaking(entry: &OutboxEntry) -> bool {
    matches!(entry.op, OutboxOp::Delete { .. }) && entry.local.is_some()
}

impl Run<'_> {
    /// What takes the place of a deletion that is through, if the copy is to be made again. Committed with the confirmation.
    pub(super) fn made_again(&mut self, deleted: &OutboxEntry) -> Option<Write> {
        let event = deleted.local.as_deref().filter(|_| is_remaking(deleted))?;
        let made = self.with_context(|cx| creation(&deleted.event_id, event, cx, REMADE));
        let mut entry = match made {
            Ok(made) => made?,
            Err(error) => self.nameless(&deleted.event_id, event, &error),
        };
        entry.id = ranked(&entry, self.engine.clock.now());
        self.outbox.insert(entry.event_id.clone(), entry.clone());
        Some(Write::PutOutbox(Box::new(entry)))
    }
}
