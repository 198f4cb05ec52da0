//! The first run of a link that goes both ways, and went one way until then: what was done on the side that it did not carry.
//!
//! A copy that somebody edited is compared with what it was before, so that the edit is one of two edits of an event. An edit is
//! carried over, a deletion is not, whether a run has seen it or none: who deleted a copy was promised that its original stays. It
//! is made again.

use super::{
    conflicts::Standing,
    pair::{Context, Outcome, Pair, RemoteView, consider, create_local, create_remote, forget},
};
use crate::{
    diff::{changed_fields, copy_field},
    model::Event,
    plan::Direction,
    provider::ProviderError,
    store::{BaseRecord, BaseState, Write},
};

const DELETED_THERE: &str = "it was deleted there while the link went one way, and is made again";
const DELETED_HERE: &str = "it was deleted here while the link went one way, and comes in again";

/// What the item of a pair was before somebody edited it, where the link left it so: in the fields that the base holds apart.
/// `None`: the base says what both sides agreed on.
pub(super) fn as_written(pair: &Pair<'_>, standing: Standing<'_>, cx: &Context<'_>) -> Option<Event> {
    let left = standing.left?;
    if cx.renewed {
        return left.written.clone();
    }
    let (base, read) = (pair.base?, pair.base_event?);
    let held = cx.held_base(base.local.as_deref().unwrap_or(read));
    // Where nothing else is known, it was what the link writes.
    let written = left.written.as_ref().unwrap_or(&held);
    let mut agreed = read.clone();
    changed_fields(&held, read).iter().for_each(|field| copy_field(field, written, &mut agreed));
    Some(agreed)
}

/// Whether a pair is met as if for the first time: it was left alone, or the side that the link did not carry lacks it.
pub(super) fn meets_again(
    pair: &Pair<'_>,
    base: &BaseRecord,
    standing: Standing<'_>,
    cx: &Context<'_>,
) -> bool {
    // The table of `plan` knows of pairs that are joined, parted or new; what is met again counts as none of them.
    let turned = cx.turned.is_some() || standing.left.is_some();
    let is_deleted = || pair.local.is_some_and(|record| record.deleted.is_some());
    match (base.state, cx.unseen) {
        (BaseState::Suppressed, _) => turned && !matches!(pair.remote, RemoteView::Silent),
        (BaseState::Linked, Some(Direction::Export)) => matches!(pair.remote, RemoteView::Removed),
        (BaseState::Linked, Some(Direction::Import)) => is_deleted(),
        (BaseState::Linked, _) => false,
    }
}

/// A pair that [`meets_again`].
pub(super) fn meet_again(
    pair: &Pair<'_>,
    base: &BaseRecord,
    standing: Standing<'_>,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    let lives = pair.local.is_some_and(|record| record.deleted.is_none());
    let written = standing.left.and_then(|left| left.written.as_ref());
    if let (RemoteView::Read { id, version, payload, .. }, true, Some(written)) =
        (pair.remote, lives, written)
    {
        let local = base.local.clone().or_else(|| Some(Box::new(written.clone())));
        let joined = BaseRecord { state: BaseState::Linked, local, ..base.clone() };
        let mut outcome = consider(&Pair { base: Some(&joined), ..*pair }, standing, cx)?;
        let is_put = |write: &Write| matches!(write, Write::PutBase(put) if put.event_id == base.event_id);
        if outcome.needs_read.is_none() && !outcome.writes.iter().any(is_put) {
            let (remote_id, version, payload) = (id.clone(), version.cloned(), payload.clone());
            outcome.writes.push(Write::PutBase(Box::new(BaseRecord {
                remote_id,
                version,
                payload,
                ..joined
            })));
        }
        return Ok(outcome);
    }
    let unjoined = Pair { base: None, base_event: None, ..*pair };
    let mut outcome = match pair.remote {
        RemoteView::Removed if lives => create_remote(&unjoined, cx, DELETED_THERE)?,
        // Nobody knows what it was before somebody edited it: what stands there is no reason to change the original.
        RemoteView::Read { .. } if lives => return Ok(Outcome::default()),
        RemoteView::Read { .. } => create_local(&unjoined, cx, DELETED_HERE),
        RemoteView::Silent => {
            return Ok(Outcome { needs_read: Some(base.remote_id.clone()), ..Outcome::default() });
        }
        RemoteView::Removed => return Ok(forget(pair)),
    };
    outcome
        .writes
        .insert(0, Write::DeleteBase { link: base.link.clone(), remote_id: base.remote_id.clone() });
    outcome.revision = pair.local.map(|record| record.revision);
    Ok(outcome)
}
