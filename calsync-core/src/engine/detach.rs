//! A copy that somebody edited, and that is an event of its own then.

use super::{
    CopyEdits, left,
    pair::{Context, Outcome, Pair, RemoteView, Sided, operation},
};
use crate::{
    plan::{Action, Direction, LocalSide, RemoteSide},
    store::{BaseRecord, BaseState, JournalOp, Write},
};

/// Whether somebody edited a copy that is to be an event of its own then.
pub(super) fn is_detached(local: LocalSide, remote: RemoteSide, cx: &Context<'_>) -> bool {
    // Under new rules for copies everything differs that they show otherwise.
    cx.link.edits == CopyEdits::Detach
        && !cx.renewed
        && match cx.link.direction {
            Direction::TwoWay => false,
            Direction::Export => remote == RemoteSide::Changed,
            Direction::Import => local == LocalSide::Changed,
        }
}

/// Leaves both sides alone from then on.
pub(super) fn detach(pair: &Pair<'_>, bases: &Sided<'_>, cx: &mut Context<'_>) -> Outcome {
    let Some(base) = pair.base else { return Outcome::default() };
    let reason = "the copy was edited, and is an event of its own from now on";
    // The item goes on without this side, so that what it holds does not say any more what both agreed on.
    let local = bases.local.cloned().map(Box::new);
    let mut record = BaseRecord { state: BaseState::Suppressed, local, ..base.clone() };
    let mut writes = vec![left::note(&cx.link.id, &base.event_id, bases.remote)];
    if let RemoteView::Read { id, version, payload, .. } = pair.remote {
        // The item may have been renamed; an event has one base at any time.
        writes.push(Write::DeleteBase { link: cx.link.id.clone(), remote_id: base.remote_id.clone() });
        record.remote_id = id.clone();
        (record.version, record.payload) = (version.cloned(), payload.clone());
    }
    let journal =
        cx.journal(JournalOp::Kept, &base.event_id, Some(&base.remote_id), reason, None, Vec::new());
    writes.extend([Write::PutBase(Box::new(record)), journal]);
    let expect = pair.local.map(|record| cx.expect(pair, &record.id));
    Outcome {
        operation: Some(operation(pair, Action::Suppress, reason)),
        expect: expect.into_iter().collect(),
        writes,
        event_id: Some(base.event_id.clone()),
        revision: pair.local.map(|record| record.revision),
        ..Outcome::default()
    }
}
