//! Changes: pages of events, put together to items.

use std::collections::BTreeMap;

use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, ItemChange, ProviderError,
        PullMode, Result,
    },
};

use super::{
    calls::{self, Position},
    cursor::State,
    error,
    fetch::{Series, is_open},
    item::{Item, is_cancelled, is_series, master_of, object_of},
    provider::{GoogleProvider, Purpose},
    round::Round,
    wire::{Object, Page, text},
};

const OPERATION: &str = "changes";

/// The changes of a page, each item once.
type Changes = BTreeMap<RemoteId, ItemChange>;

impl GoogleProvider {
    pub(super) async fn pull(
        &self,
        calendar: &RemoteCalendarId,
        request: ChangesRequest<'_>,
    ) -> Result<ChangePage> {
        let invalid = |detail: &str| ProviderError::new(ErrorKind::CursorInvalid, OPERATION, detail);
        let state = match request.cursor {
            Some(cursor) => {
                Some(State::read(cursor).ok_or_else(|| invalid("the cursor is none of Google's"))?)
            }
            None => None,
        };
        let (token, page, mut round) = match state {
            Some(State::Paging { page, token, round }) => {
                let round =
                    self.rounds.take(round).ok_or_else(|| invalid("the pages were begun elsewhere"))?;
                (token, Some(page), round)
            }
            Some(State::Done { token }) if request.mode == PullMode::Incremental => {
                (Some(token), None, Round::default())
            }
            _ => (None, None, Round::default()),
        };
        let position = Position { sync: token.as_deref(), page: page.as_deref() };
        let listed = self.list(calendar, position).await?;
        if page.is_some() && listed.next_page == page {
            return Err(ProviderError::new(ErrorKind::Protocol, OPERATION, "the pages do not end"));
        }
        let is_delta = token.is_some();
        let mut changes = Changes::new();
        for row in listed.items {
            match object_of(row).filter(|row| text(row, "id").is_some()) {
                Some(row) => self.row(row, is_delta, &mut round, &mut changes),
                // The token moves past a change nobody can name: a listing says what there is.
                None if is_delta => return Err(invalid("a change without a name")),
                None => round.incomplete = true,
            }
        }
        let (mut cursor, more) = match (listed.next_page, listed.next_sync) {
            (Some(page), _) => {
                let number = self.rounds.put(std::mem::take(&mut round));
                (State::Paging { page, token: token.clone(), round: number }.cursor(), true)
            }
            (None, Some(token)) => (State::Done { token }.cursor(), false),
            (None, None) => (None, false),
        };
        let incomplete = round.incomplete;
        if !more {
            if is_delta {
                if self.settle_delta(calendar, round, &mut changes).await? == Settled::InPart {
                    // Past this token nobody would name again what was left out: the next run lists everything.
                    cursor = None;
                }
            } else {
                settle_snapshot(round, &mut changes);
            }
        }
        let scope = match (is_delta, incomplete) {
            (true, _) => ChangeScope::Delta,
            (false, true) => ChangeScope::PartialSnapshot,
            (false, false) => ChangeScope::Snapshot,
        };
        let changes = changes.into_iter().map(|(id, change)| Change { id, change }).collect();
        Ok(ChangePage { changes, scope, cursor, more, covered: Covered::ALL })
    }

    async fn list(&self, calendar: &RemoteCalendarId, position: Position<'_>) -> Result<Page> {
        let call = calls::events(calendar.as_str(), self.config.page_max, position);
        let part = self.send(OPERATION, Purpose::Read, call).await?;
        let has_token = position.sync.is_some() || position.page.is_some();
        match part.status.as_u16() {
            200 => Page::read(&part.body).ok_or_else(|| self.unusable(OPERATION, &part)),
            // Whatever the reason says: nothing but a token can be gone, or wrong, in this question.
            400 | 410 if has_token => Err(ProviderError::new(
                ErrorKind::CursorInvalid,
                OPERATION,
                "the sync token is not valid any more",
            )),
            _ => {
                let mut error = error::classify(OPERATION, &part.reply(), self.timing());
                if error.kind == ErrorKind::NotFound {
                    error.kind = ErrorKind::CalendarGone;
                }
                Err(error)
            }
        }
    }

    /// One row: an item of its own, or a part of a series to be put together later.
    fn row(&self, row: Object, is_delta: bool, round: &mut Round, changes: &mut Changes) {
        let Some(id) = text(&row, "id").map(ToOwned::to_owned) else { return };
        let held_max = self.config.series_bytes_max;
        if let Some(master) = master_of(&row).map(ToOwned::to_owned) {
            round.keep(&master, row, false, held_max);
        } else if is_cancelled(&row) {
            // What was a master a page ago is gone with its exceptions.
            round.masters.remove(&id);
            round.cancelled.insert(id.clone());
            if is_delta {
                changes.insert(RemoteId::from(id), ItemChange::Removed);
            }
        } else if is_series(&row) {
            round.keep(&id, row, true, held_max);
        } else if !is_open(&row) {
            changes.insert(RemoteId::from(id), present(&Item::new(row)));
        }
    }

    /// A delta brings the parts that changed: the series they belong to are asked for whole.
    async fn settle_delta(
        &self,
        calendar: &RemoteCalendarId,
        mut round: Round,
        changes: &mut Changes,
    ) -> Result<Settled> {
        let exceptions = std::mem::take(&mut round.exceptions);
        let mut wanted: BTreeMap<String, Option<String>> = BTreeMap::new();
        for (series, parts) in &exceptions {
            if !round.cancelled.contains(series) {
                let uid = parts.iter().find_map(|part| text(part, "iCalUID")).map(ToOwned::to_owned);
                wanted.insert(series.clone(), uid);
            }
        }
        for (series, master) in &round.masters {
            wanted.insert(series.clone(), text(master, "iCalUID").map(ToOwned::to_owned));
        }
        let found = self.series(OPERATION, calendar, wanted).await?;
        let mut settled = Settled::Whole;
        for series in round.masters.keys().filter(|id| matches!(found.get(*id), Some(Series::Absent))) {
            // Named in this page, and not listed by its UID: what there is of it, fetching it by name says.
            changes.insert(RemoteId::from(series.as_str()), UNREAD);
        }
        for (series, parts) in exceptions {
            let known = found.get(&series).filter(|_| !round.cancelled.contains(&series));
            // An instance whose series is not in this calendar is an item of its own, until the series is.
            let alone = !round.cancelled.contains(&series) && matches!(known, None | Some(Series::Absent));
            for part in parts {
                let Some(id) = text(&part, "id").map(RemoteId::from) else { continue };
                let change = match known {
                    _ if is_cancelled(&part) => ItemChange::Removed,
                    // Part of a series, or an item of its own: nobody knows.
                    Some(Series::Unread(_)) => {
                        settled = Settled::InPart;
                        continue;
                    }
                    _ if alone => present(&Item::new(part)),
                    _ => ItemChange::Removed,
                };
                changes.entry(id).or_insert(change);
            }
        }
        for (series, found) in found {
            match found {
                Series::Here(item) => {
                    if let Some(id) = item.id().filter(|_| !is_open(&item.event)) {
                        changes.insert(id, present(&item));
                    }
                }
                // Something happened to it, and nothing else is to suffer: fetching it by name says what, or why not.
                Series::Unread(_) => {
                    changes.insert(RemoteId::from(series), UNREAD);
                }
                Series::Cancelled | Series::Absent => {}
            }
        }
        unheld(&round, changes);
        Ok(settled)
    }
}

/// How much of a delta is in its page.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Settled {
    Whole,
    InPart,
}

/// It is there, and what it says is not known.
const UNREAD: ItemChange = ItemChange::Present { version: None, payload: None };

/// A listing of everything brings every part.
fn settle_snapshot(mut round: Round, changes: &mut Changes) {
    for (series, master) in std::mem::take(&mut round.masters) {
        let exceptions = round.exceptions.remove(&series).unwrap_or_default();
        if !is_open(&master) {
            changes.insert(RemoteId::from(series), present(&Item::new(master).with_exceptions(exceptions)));
        }
    }
    // REC-10: instances without their series.
    for (series, parts) in std::mem::take(&mut round.exceptions) {
        if round.cancelled.contains(&series) {
            continue;
        }
        for part in parts {
            if let Some(id) = text(&part, "id").map(RemoteId::from).filter(|_| !is_cancelled(&part)) {
                changes.insert(id, present(&Item::new(part)));
            }
        }
    }
    unheld(&round, changes);
}

fn unheld(round: &Round, changes: &mut Changes) {
    for series in &round.unheld {
        changes.entry(RemoteId::from(series.as_str())).or_insert(UNREAD);
    }
}

fn present(item: &Item) -> ItemChange {
    ItemChange::Present { version: item.version(), payload: Some(item.payload()) }
}
