//! Fetching what a listing did not carry, and what becomes of an item that cannot be fetched.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

use super::{
    EngineError,
    items::{Found, Item},
    listing::chunks,
    run::{PAGE, Run},
};
use crate::{
    model::{RemoteId, Version},
    provider::{ErrorKind, Fetched, Payload, ProviderError, Retry, UnreadKind},
    store::{BaseRecord, QuarantineRecord, Write},
};

/// How long an item that is listed and cannot be fetched holds a link back.
///
/// Nothing that is gone is deleted while something could not be read: it may have been renamed. One item that a server
/// never hands out would hold every deletion back for ever, so it is set aside once both limits are reached. It is asked
/// for again when it is listed with another version, with every audit, and in between after twice, four times, … `at_least`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FetchPatience {
    /// Runs that tried. One in which the provider had too many requests is none. Default: 5.
    pub attempts: u32,
    /// Time since the first of them. Default: one hour.
    pub at_least: TimeDelta,
}

impl Default for FetchPatience {
    fn default() -> Self {
        Self { attempts: 5, at_least: TimeDelta::hours(1) }
    }
}

/// An item that could not be fetched for now.
#[derive(Clone, Copy)]
pub(super) struct Unfetched {
    attempts: u32,
    since: DateTime<Utc>,
    /// This run has counted already: one run tries once, however often it asks.
    counted: bool,
}

impl Run<'_> {
    /// Takes up what earlier runs could not fetch. `true`: it is set aside.
    pub(super) fn remember_unfetched(&mut self, record: &QuarantineRecord) -> bool {
        let known = Unfetched { attempts: record.attempts, since: record.since, counted: false };
        self.unfetched.insert(record.remote_id.clone(), known);
        self.is_over(known)
    }

    /// Asks again for what is set aside, when it is time to. Nothing waits for it.
    pub(super) async fn ask_again(&mut self) -> Result<(), EngineError> {
        let (patience, now) = (self.link.fetching, self.engine.clock.now());
        let due = |item: &Unfetched| {
            let more = item.attempts.saturating_sub(patience.attempts).saturating_add(1);
            let times = 1_i32.checked_shl(more).filter(|times| *times > 0);
            let waits = times.and_then(|times| patience.at_least.checked_mul(times));
            waits.is_some_and(|waits| now - item.since >= waits)
        };
        let items: Vec<Item> = self
            .unfetched
            .iter()
            .filter(|(_, item)| self.is_over(**item) && due(item))
            .map(|(id, _)| Item { id: id.clone(), version: None, payload: None })
            .collect();
        for items in chunks(items) {
            self.chunk(items, Found::Asked).await?;
        }
        Ok(())
    }

    /// Whether this run tried to fetch the item, and could not.
    pub(super) fn could_not_fetch(&self, id: &RemoteId) -> bool {
        self.unfetched.get(id).is_some_and(|item| item.counted)
    }

    fn is_over(&self, item: Unfetched) -> bool {
        let patience = self.link.fetching;
        item.attempts >= patience.attempts && self.engine.clock.now() - item.since >= patience.at_least
    }

    /// The item could be read after all, or is gone: what kept it out of the way ends. Where that was a question, its row goes
    /// with the run ([`Run::end_questions`]).
    pub(super) fn let_out(&mut self, id: &RemoteId) -> Option<Write> {
        if self.meeting.asked.remove(id).is_some() {
            self.quarantine.remove(id);
            self.unfetched.remove(id);
            self.meeting.ended.insert(id.clone());
            return None;
        }
        let known = self.quarantine.remove(id).is_some() | self.unfetched.remove(id).is_some();
        known.then(|| Write::DeleteQuarantine { link: self.link.id.clone(), remote_id: id.clone() })
    }

    /// Fetches what the listing did not carry; `known` are bases of items that were listed. The flag says that something could not be read for now.
    pub(super) async fn with_payloads(
        &mut self,
        items: Vec<Item>,
        known: &HashMap<RemoteId, BaseRecord>,
    ) -> Result<(Vec<(RemoteId, Option<Version>, Payload)>, bool), EngineError> {
        let mut ready = Vec::with_capacity(items.len());
        let mut wanted = Vec::new();
        for item in items {
            match item.payload {
                Some(payload) => ready.push((item.id, item.version, payload)),
                None => wanted.push(item.id),
            }
        }
        // Who has waited longest comes first: of a provider that serves a few at a time nobody waits for ever.
        wanted.sort_by_key(|id| {
            let waits = self.unfetched.get(id).map(|item| item.since);
            (waits.is_none(), waits)
        });
        let (mut unreadable, mut failed) = (Vec::new(), Vec::new());
        for ids in wanted.chunks(self.most_fetched()) {
            for fetched in self.provider.fetch(&self.link.remote, ids).await? {
                match fetched {
                    Fetched::Found { id, version, payload }
                    | Fetched::Renamed { id, version, payload, .. } => {
                        ready.push((id, version, payload));
                    }
                    // Listed and not there: gone since, which the next listing tells, or not yet known to the server that was
                    // asked, and then no listing would name the change again. Never a deletion.
                    Fetched::Missing(id) if known.contains_key(&id) || self.unfetched.contains_key(&id) => {
                        failed
                            .push((id, ProviderError::new(ErrorKind::NotFound, "fetch", "it is not there")));
                    }
                    Fetched::Missing(_) => {}
                    Fetched::Failed(id, error) if error.retry == Retry::Never => unreadable.push((id, error)),
                    Fetched::Failed(id, error) => failed.push((id, error)),
                }
            }
        }
        if !unreadable.is_empty() {
            // Kept without a version: the refusal was about the request, and every complete listing tries again.
            let writes = unreadable
                .into_iter()
                .map(|(id, error)| self.quarantine_write(&id, None, error.to_string(), None))
                .collect();
            self.commit_outcomes(Vec::new(), writes, usize::MAX).await?;
        }
        let incomplete = self.count_failures(failed).await?;
        Ok((ready, incomplete))
    }

    /// Items asked for in one request, or held at once where the provider has no limit.
    pub(super) fn most_fetched(&self) -> usize {
        match self.capabilities.fetch_max {
            0 => PAGE,
            most => most,
        }
    }

    /// Counts what could not be fetched. `true`: some of it has not been tried often enough to go on without it.
    pub(super) async fn count_failures(
        &mut self,
        failed: Vec<(RemoteId, ProviderError)>,
    ) -> Result<bool, EngineError> {
        let mut waits = false;
        let mut writes = Vec::new();
        for (id, error) in failed {
            let now = self.engine.clock.now();
            let known = self.unfetched.get(&id).copied();
            let asked = self.meeting.asked.get(&id);
            let mut item = known.unwrap_or_else(|| Unfetched {
                // It was read when it was asked about: that was no failure.
                attempts: asked.map_or(0, |record| record.attempts.saturating_sub(1)),
                since: asked.map_or(now, |record| record.since),
                counted: false,
            });
            if !item.counted {
                // Too many requests at once are never the item's fault: that costs no try.
                let tries = u32::from(error.kind != ErrorKind::Throttled);
                item = Unfetched { attempts: item.attempts.saturating_add(tries), counted: true, ..item };
                // What is asked about keeps its question, and the answer to it.
                let record = match self.meeting.asked.get_mut(&id) {
                    Some(asked) => {
                        asked.attempts = item.attempts.saturating_add(1);
                        asked.clone()
                    }
                    None => QuarantineRecord {
                        link: self.link.id.clone(),
                        remote_id: id.clone(),
                        version: None,
                        kind: UnreadKind::Unfetched,
                        reason: error.to_string(),
                        payload: None,
                        attempts: item.attempts,
                        since: item.since,
                        question: None,
                        left_out: None,
                    },
                };
                writes.push(Write::PutQuarantine(Box::new(record)));
            }
            if !self.is_over(item) {
                waits = true;
            } else if !self.meeting.asked.contains_key(&id) {
                self.note_unread(&id, None, UnreadKind::Unfetched);
            }
            self.unfetched.insert(id, item);
        }
        if !writes.is_empty() {
            self.commit_outcomes(Vec::new(), writes, usize::MAX).await?;
        }
        Ok(waits)
    }
}
