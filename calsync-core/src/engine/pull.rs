//! The pull: page by page, from the cursor to the next one.

use std::collections::BTreeMap;

use super::{
    EngineError, Progress,
    items::{CHUNK, Found, Item},
    run::{Ids, Mode, PAGE, Pulled, Run},
};
use crate::{
    model::{RemoteId, Version},
    plan::{Direction, Evidence},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, Cursor, ErrorKind, ItemChange,
        ProviderError, PullMode,
    },
    store::LinkHealth,
};

/// Pages of one pull: more means that a provider goes round in circles.
const PAGES_MAX: usize = 100_000;

/// An item that is gone, and what says so.
#[derive(Clone, Debug)]
pub(super) struct Gone {
    pub(super) id: RemoteId,
    pub(super) evidence: Evidence,
}

impl Run<'_> {
    /// Whether the copies of an exporting link need not be looked at in this run: that was done not long ago, and there is
    /// nothing this run could write on what it does not know.
    pub(super) fn may_skip_the_pull(&self) -> bool {
        let (now, every) = (self.started, self.link.check_copies_every);
        let lately = self.state.last_pull.is_some_and(|last| last <= now && now - last < every);
        let nothing_here =
            self.edited_before.as_ref().is_some_and(|before| before.edited.is_empty() && !before.more);
        let nothing_waits = self.outbox.is_empty()
            && self.due.is_empty()
            && self.recheck.is_empty()
            && self.unfetched.is_empty()
            && self.meeting.is_settled();
        let nobody_asks = !self.look
            && !self.audit
            && self.approve.is_none()
            && self.refuse.is_none()
            && self.permit.is_none();
        self.link.direction == Direction::Export
            && lately
            && nothing_here
            && nothing_waits
            && nobody_asks
            && !self.renewed
            && !self.looks_for_rows
            && self.state.health == LinkHealth::Active
            && self.cursor_is_usable()
            && !self.audit_is_due()
    }

    /// A provider that always lists everything needs no audit.
    fn audit_is_due(&self) -> bool {
        let (now, every) = (self.engine.clock.now(), self.link.audit_every);
        self.capabilities.pull_incremental
            && self.state.cursor.is_some()
            && self.state.last_audit.is_none_or(|last| now - last >= every || last > now)
    }

    fn cursor_is_usable(&self) -> bool {
        self.state.cursor_key == self.cursor_key
    }

    /// Pulls from the cursor, or everything when there is none, it is not accepted any more, or the audit is due.
    pub(super) async fn pull(&mut self) -> Result<Pulled, EngineError> {
        let audit = self.audit || self.audit_is_due();
        let usable = self.cursor_is_usable();
        let mut cursor = self.state.cursor.clone().filter(|_| usable);
        // While deletions wait that a listing of everything led to, what it lists by now says whether they still do.
        let lists_all = !self.capabilities.pull_incremental;
        let relists = self.state.ahead_since.is_some() || lists_all && self.state.held.is_some();
        let mut mode = if audit || relists { PullMode::Snapshot } else { PullMode::Incremental };
        self.ask_again().await?;
        let mut listed = Listed { incomplete: self.settle_answers().await?, ..Listed::default() };
        let mut resynced = false;
        let put_off = (self.deferred.len(), self.meeting.strangers());
        self.looks_for_rows |= audit || cursor.is_none() && self.state.last_audit.is_some();
        for _ in 0..PAGES_MAX {
            let request = ChangesRequest { cursor: cursor.as_ref(), mode };
            let page = match self.provider.changes(&self.link.remote, request).await {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::CursorInvalid && !resynced => {
                    // Exactly one full resync; what it lists is compared, never imported anew.
                    resynced = true;
                    cursor = None;
                    mode = PullMode::Incremental;
                    listed = Listed { incomplete: listed.incomplete, ..Listed::default() };
                    // What was put off is listed again, as it is by then.
                    self.deferred.truncate(put_off.0);
                    self.meeting.forget_strangers(put_off.1);
                    self.left_out.clear();
                    self.looks_for_rows = true;
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let (more, scope) = (page.more, page.scope);
            if more && page.cursor.is_some() && page.cursor == cursor {
                return Err(stuck().into());
            }
            cursor.clone_from(&page.cursor);
            listed.covered = page.covered;
            self.page(page, &mut listed).await?;
            if !more {
                // Only a last page that is partial itself has a cursor that knows of the gap.
                let gap = listed.scope == Some(ChangeScope::PartialSnapshot);
                listed.incomplete |= gap && scope != ChangeScope::PartialSnapshot;
                return self.listed(listed, cursor).await;
            }
        }
        Err(stuck().into())
    }

    async fn page(&mut self, page: ChangePage, listed: &mut Listed) -> Result<(), EngineError> {
        self.tell(&Progress::Listed { link: self.link.id.clone(), changes: page.changes.len() });
        if page.scope != ChangeScope::Delta && !listed.has_summaries {
            listed.summaries = self.summaries().await?;
            listed.has_summaries = true;
        }
        self.rejoins = page.scope == ChangeScope::Snapshot && !listed.summaries.is_empty();
        listed.scope = Some(match (listed.scope, page.scope) {
            (Some(ChangeScope::PartialSnapshot), _) | (_, ChangeScope::PartialSnapshot) => {
                ChangeScope::PartialSnapshot
            }
            (_, scope) => scope,
        });
        let mut items = Vec::new();
        for change in page.changes {
            if self.unknown.contains(&change.id) {
                listed.incomplete = true;
                listed.present.insert(change.id);
                continue;
            }
            match change.change {
                ItemChange::Removed => {
                    listed.removed.insert(change.id, Evidence::Reported);
                }
                ItemChange::Present { version, payload } => {
                    // Reported once as gone and later as there: the last word counts.
                    listed.removed.remove(&change.id);
                    if page.scope != ChangeScope::Delta {
                        listed.present.insert(change.id.clone());
                    }
                    let known = listed.summaries.get(&change.id);
                    if version.is_some()
                        && !self.compares_all()
                        && (known.is_some_and(|known| *known == version)
                            || self.is_quarantined(&change.id, &version))
                    {
                        continue;
                    }
                    items.push(Item { id: change.id, version, payload });
                }
            }
        }
        let total = items.len();
        let mut done = 0;
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let chunk: Vec<Item> = items.by_ref().take(self.rows_at_once() / 2).collect();
            done += chunk.len();
            listed.incomplete |= self.chunk(chunk, Found::Listed).await?;
            self.tell(&Progress::Pulled { link: self.link.id.clone(), done, total });
        }
        Ok(())
    }

    async fn summaries(&self) -> Result<BTreeMap<RemoteId, Option<Version>>, EngineError> {
        let mut all = BTreeMap::new();
        let mut after = None;
        loop {
            let page = self.engine.store.base_summaries(&self.link.id, after.as_ref(), PAGE * 5).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(last.remote_id.clone());
            all.extend(page.into_iter().map(|summary| (summary.remote_id, summary.version)));
        }
    }

    /// Ends a run: the cursor moves past what is applied, quarantined or queued, and past nothing else.
    pub(super) async fn settle(&mut self, pulled: Pulled) -> Result<(), EngineError> {
        if self.mode == Mode::Preview {
            return Ok(());
        }
        if pulled.asked {
            // Also where a part of it has to be seen again: that much was listed, and no more.
            self.state.covered = pulled.covered;
        }
        if !pulled.incomplete && !self.unfinished {
            // Also where deletions wait: all else is decided and committed.
            self.end_questions();
            self.state.met_both_ways = self.turned.is_some() && (pulled.audited || self.state.met_both_ways);
        }
        // What was held back or could not be done has to be seen again, on both sides.
        if self.plan.held || pulled.incomplete || self.unfinished || !self.left_out.is_empty() {
            self.state.seen = self.seen_before;
            return Ok(());
        }
        self.forget_held(&pulled);
        (self.state.ahead_since, self.state.met_both_ways) = (None, false);
        let mut cursor = pulled.cursor;
        if self.counts.pushed > 0 && self.capabilities.pull_incremental && cursor.is_some() {
            // Our own writes come back with the next pull; reading them now keeps that pull empty.
            cursor = self.past_echo(cursor).await;
        }
        if cursor.is_some() {
            self.state.cursor = cursor;
        }
        self.state.cursor_key.clone_from(&self.cursor_key);
        if pulled.asked {
            self.state.last_pull = Some(self.started);
        }
        if pulled.audited {
            self.state.last_audit = Some(self.engine.clock.now());
        }
        Ok(())
    }

    /// The cursor after our own writes, if nothing else happened in between; else the one before them.
    async fn past_echo(&mut self, cursor: Option<Cursor>) -> Option<Cursor> {
        let request = ChangesRequest { cursor: cursor.as_ref(), mode: PullMode::Incremental };
        let Ok(page) = self.provider.changes(&self.link.remote, request).await else { return cursor };
        if page.more || page.scope != ChangeScope::Delta || page.cursor.is_none() {
            return cursor;
        }
        for changes in page.changes.chunks(CHUNK) {
            let wrote = |change: &Change| match (&change.change, self.ours.get(&change.id)) {
                (ItemChange::Removed, Some(None)) => true,
                (ItemChange::Present { version, .. }, Some(ours)) => version.is_some() && ours == version,
                _ => false,
            };
            // Written earlier, and announced late.
            let others: Vec<&Change> = changes.iter().filter(|change| !wrote(change)).collect();
            if others.is_empty() {
                continue;
            }
            let ids: Vec<RemoteId> = others.iter().map(|change| change.id.clone()).collect();
            let Ok(bases) = self.bases_by_remote(&ids).await else { return cursor };
            let ours = others.iter().all(|change| {
                let base = bases.get(&change.id);
                match &change.change {
                    ItemChange::Removed => base.is_none() && !self.quarantine.contains_key(&change.id),
                    ItemChange::Present { version, .. } => {
                        version.is_some() && base.is_some_and(|base| base.version == *version)
                    }
                }
            });
            if !ours {
                return cursor;
            }
        }
        self.counts.echoed = page.changes.len() as u64;
        page.cursor
    }
}

/// What a pull has seen so far.
#[derive(Default)]
pub(super) struct Listed {
    pub(super) scope: Option<ChangeScope>,
    pub(super) has_summaries: bool,
    /// The versions both sides agreed on; loaded for snapshots only.
    pub(super) summaries: BTreeMap<RemoteId, Option<Version>>,
    pub(super) present: Ids,
    /// Each item once, however often it was reported.
    pub(super) removed: BTreeMap<RemoteId, Evidence>,
    pub(super) incomplete: bool,
    /// Which time it was told of.
    pub(super) covered: Covered,
}

fn stuck() -> ProviderError {
    ProviderError::new(ErrorKind::Protocol, "changes", "the pages do not end")
}
