//! Changes: a delta query says that something happened, and what it happened to is read anew.
//!
//! A delta row of an occurrence is a skeleton, extended properties are never in it, and `@removed` may mean "outside the
//! window": the rows are a signal, not content.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, ItemChange, ProviderError,
        PullMode, Result,
    },
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use super::{
    config::{DeltaSource, Listing},
    cursor::{Phase, State},
    error,
    fetch::Look,
    item,
    provider::MicrosoftProvider,
    wire::{Object, Page, text},
};

const OPERATION: &str = "changes";
/// Pages of changes that are looked at to see whether a listing missed something; with more it is taken to have.
const DELTA_PAGES_MAX: usize = 10;

impl MicrosoftProvider {
    pub(super) async fn pull(
        &self,
        calendar: &RemoteCalendarId,
        request: ChangesRequest<'_>,
    ) -> Result<ChangePage> {
        let state = match request.cursor {
            None => None,
            Some(cursor) => Some(State::read(cursor).ok_or_else(|| {
                ProviderError::new(ErrorKind::CursorInvalid, OPERATION, "not a cursor of Microsoft Graph")
            })?),
        };
        let state = state.filter(|state| self.goes_on(state, request.mode));
        let state = state.unwrap_or_else(|| self.start());
        let covered = self.covered(&state);
        Ok(ChangePage { covered, ..self.step(calendar, state).await? })
    }

    /// What the listing a query began with was of, and its changes are.
    fn covered(&self, state: &State) -> Covered {
        match (self.config.listing, self.config.delta) {
            (Listing::Everything, _) => Covered::ALL,
            (Listing::Window, DeltaSource::CalendarView) => Covered::from(state.from..state.until),
            (Listing::Window, DeltaSource::Events) => Covered { from: Some(state.from), until: None },
        }
    }

    /// Whether a cursor is to be followed: the next page of anything, or the changes since, as long as enough of the
    /// window lies ahead.
    fn goes_on(&self, state: &State, mode: PullMode) -> bool {
        match &state.phase {
            Phase::Start { .. } | Phase::List { .. } | Phase::Delta { mid: true, .. } => true,
            Phase::Delta { mid: false, .. } => {
                let least = TimeDelta::days(i64::from(self.config.window.ahead_days) / 2);
                mode == PullMode::Incremental
                    && (self.config.delta == DeltaSource::Events || state.until - self.now() > least)
            }
        }
    }

    fn start(&self) -> State {
        let now = self.now();
        let days = |days: u32| TimeDelta::days(i64::from(days));
        State {
            from: now - days(self.config.window.past_days),
            until: now + days(self.config.window.ahead_days),
            phase: Phase::Start { link: None },
            partial: false,
        }
    }

    async fn step(&self, calendar: &RemoteCalendarId, state: State) -> Result<ChangePage> {
        match state.phase.clone() {
            Phase::Start { link } => self.start_page(calendar, state, link).await,
            Phase::List { link, delta } => self.list_page(calendar, state, link, delta).await,
            Phase::Delta { link, .. } => self.delta_page(calendar, state, &link).await,
        }
    }

    /// The page behind a link the service gave. The link is all there is in such a question: where it is refused, whatever
    /// the words, or not found while the calendar is, it is good no more, and a listing says what there is.
    async fn follow(&self, calendar: &RemoteCalendarId, link: &str) -> Result<Page> {
        let mut error = match self.page(OPERATION, self.link(link, OPERATION)?).await {
            Ok(page) => return Ok(page),
            Err(error) => error,
        };
        let is_stale = match error.kind {
            ErrorKind::Refused => true,
            ErrorKind::NotFound => self.has_calendar(OPERATION, calendar).await?,
            _ => false,
        };
        if is_stale {
            error.kind = ErrorKind::CursorInvalid;
        }
        Err(error)
    }

    /// A page of the first round. Its rows are what takes place in the window.
    async fn start_page(
        &self,
        calendar: &RemoteCalendarId,
        mut state: State,
        link: Option<String>,
    ) -> Result<ChangePage> {
        let page = match &link {
            Some(link) => self.follow(calendar, link).await?,
            None => {
                let (from, until) = (stamp(state.from), stamp(state.until));
                let path = match self.config.delta {
                    DeltaSource::CalendarView => self.paths.view_delta(calendar, &from, &until),
                    DeltaSource::Events => self.paths.events_delta(calendar, &from),
                };
                self.page(OPERATION, self.url(&path, OPERATION)?).await?
            }
        };
        let next = next_of(&page, link.as_deref())?;
        let changes = match self.config.listing {
            Listing::Everything => Vec::new(),
            Listing::Window => {
                state.partial |= is_broken(&page);
                let seen = self.look_again(&page.items, &mut state).await?;
                // The first round names only what is there.
                seen.into_iter().filter(|change| change.change != ItemChange::Removed).collect()
            }
        };
        let (phase, more) = match (next, self.config.listing) {
            (Next::Page(link), _) => (Phase::Start { link: Some(link) }, true),
            (Next::Delta(delta), Listing::Everything) => (Phase::List { link: None, delta }, true),
            (Next::Delta(link), Listing::Window) => (Phase::Delta { link, mid: false }, false),
        };
        state.phase = phase;
        Ok(snapshot(changes, &state, more))
    }

    /// A page of the listing: single events as they are, masters read anew with all that belongs to them.
    async fn list_page(
        &self,
        calendar: &RemoteCalendarId,
        mut state: State,
        link: Option<String>,
        delta: String,
    ) -> Result<ChangePage> {
        let page = match &link {
            Some(link) => self.follow(calendar, link).await?,
            None => self.page(OPERATION, self.url(&self.paths.events(calendar), OPERATION)?).await?,
        };
        state.partial |= page.broken > 0;
        let mut changes = Vec::new();
        let mut masters = BTreeSet::new();
        for object in page.items {
            let Some(id) = text(&object, "id").map(RemoteId::from) else {
                state.partial = true;
                continue;
            };
            if item::is_series(&object) {
                masters.insert(id);
            } else {
                self.add(&mut changes, id, object, &mut state);
            }
        }
        self.read_into(&mut changes, masters, (Instances::new(), &BTreeSet::new()), &mut state).await?;
        let (phase, more) = match page.next {
            Some(next) if link.as_deref() == Some(next.as_str()) => {
                return Err(error::unusable(OPERATION, "the service sends the same page again"));
            }
            Some(next) => (Phase::List { link: Some(next), delta }, true),
            None if link.is_some() && self.lost_some(calendar, &delta).await? => {
                // Listed anew by the next run: this cursor would never name what was passed over.
                let scope = ChangeScope::PartialSnapshot;
                let (cursor, more, covered) = (None, false, Covered::ALL);
                return Ok(ChangePage { changes, scope, cursor, more, covered });
            }
            None => (Phase::Delta { link: delta, mid: false }, false),
        };
        state.phase = phase;
        Ok(snapshot(changes, &state, more))
    }

    /// Whether anything was deleted since the listing began. Its pages count from the first item: a deletion between two of
    /// them moves an item that was not listed yet to where nobody looks any more.
    async fn lost_some(&self, calendar: &RemoteCalendarId, delta: &str) -> Result<bool> {
        let mut link = delta.to_owned();
        for _ in 0..DELTA_PAGES_MAX {
            let page = self.follow(calendar, &link).await?;
            if page.items.iter().any(|row| row.contains_key("@removed")) {
                return Ok(true);
            }
            match next_of(&page, Some(&link))? {
                Next::Page(next) => link = next,
                Next::Delta(_) => return Ok(false),
            }
        }
        Ok(true)
    }

    async fn delta_page(
        &self,
        calendar: &RemoteCalendarId,
        mut state: State,
        link: &str,
    ) -> Result<ChangePage> {
        let page = self.follow(calendar, link).await?;
        if is_broken(&page) {
            // The link moves past a change nobody can name: a listing says what there is.
            return Err(ProviderError::new(ErrorKind::CursorInvalid, OPERATION, "a change without a name"));
        }
        let next = next_of(&page, Some(link))?;
        let changes = self.look_again(&page.items, &mut state).await?;
        let (phase, more) = match next {
            Next::Page(link) => (Phase::Delta { link, mid: true }, true),
            Next::Delta(link) => (Phase::Delta { link, mid: false }, false),
        };
        state.phase = phase;
        state.partial = false;
        Ok(ChangePage {
            changes,
            scope: ChangeScope::Delta,
            cursor: state.cursor(),
            more,
            covered: Covered::ALL,
        })
    }

    /// Reads the items that rows of a delta query are about. The row of a single event has its version, which says whether
    /// there is anything to read: what calsync wrote itself comes back as a row, too.
    async fn look_again(&self, rows: &[Object], state: &mut State) -> Result<Vec<Change>> {
        let mut ids = BTreeSet::new();
        let mut instances = Instances::new();
        let mut singles: BTreeMap<RemoteId, Version> = BTreeMap::new();
        let mut removed = BTreeSet::new();
        for row in rows {
            let Some(id) = text(row, "id").map(RemoteId::from) else { continue };
            if row.contains_key("@removed") {
                removed.insert(id.clone());
            }
            if text(row, "type") == Some("singleInstance")
                && let Some(version) = item::version(row)
                && singles.get(&id).is_none_or(|known| *known == version)
            {
                singles.insert(id, version);
                continue;
            }
            match text(row, "seriesMasterId").map(RemoteId::from) {
                // An instance says that something happened to its series.
                Some(master) => {
                    if text(row, "type") == Some("exception") {
                        instances.entry(master.clone()).or_default().insert(id);
                    }
                    ids.insert(master);
                }
                None => {
                    ids.insert(id);
                }
            }
        }
        let mut changes: Vec<Change> = singles
            .into_iter()
            // Named twice, and not alike.
            .filter(|(id, _)| !ids.contains(id))
            .map(|(id, version)| Change {
                id,
                change: ItemChange::Present { version: Some(version), payload: None },
            })
            .collect();
        self.read_into(&mut changes, ids, (instances, &removed), state).await?;
        Ok(changes)
    }

    /// Reads items whole. `instances`: what is known of series that may not be there; who is invited to one instance only
    /// has no master, and the instance is an event by itself. `removed`: what is said to be gone. Whether it is has to be
    /// known now, as nobody will say it again.
    async fn read_into(
        &self,
        changes: &mut Vec<Change>,
        ids: BTreeSet<RemoteId>,
        (mut instances, removed): (Instances, &BTreeSet<RemoteId>),
        state: &mut State,
    ) -> Result<()> {
        let mut wanted: Vec<RemoteId> = ids.iter().cloned().collect();
        let mut known = ids;
        let mut gone: BTreeSet<RemoteId> = BTreeSet::new();
        while !wanted.is_empty() {
            let looks = self.look(OPERATION, &wanted).await?;
            let mut next = BTreeSet::new();
            for (id, look) in wanted.into_iter().zip(looks) {
                match look {
                    Look::There(object) => self.add(changes, id, object, state),
                    Look::Instance { master, instance } => {
                        let master = RemoteId::from(master);
                        if gone.contains(&master) {
                            self.add(changes, id, instance, state);
                        } else if known.contains(&master) {
                            // Read with its series.
                        } else {
                            instances.entry(master.clone()).or_default().insert(id);
                            next.insert(master);
                        }
                    }
                    Look::Gone => {
                        let alone = instances.remove(&id).unwrap_or_default();
                        next.extend(alone);
                        gone.insert(id.clone());
                        changes.push(Change { id, change: ItemChange::Removed });
                    }
                    Look::Failed(error) if removed.contains(&id) => return Err(error),
                    // It is there and cannot be read: fetching it by name will say why.
                    Look::Failed(_) => {
                        changes.push(Change {
                            id,
                            change: ItemChange::Present { version: None, payload: None },
                        });
                    }
                }
            }
            known.extend(next.iter().cloned());
            wanted = next.into_iter().collect();
        }
        Ok(())
    }

    fn add(&self, changes: &mut Vec<Change>, id: RemoteId, object: Object, state: &mut State) {
        if self.is_unfinished(&object) {
            // Half of a write that is still to be finished is nobody's edit.
            state.partial = true;
            return;
        }
        if changes.iter().any(|change| change.id == id) {
            return;
        }
        let version = item::version(&object);
        let payload = Some(item::payload(object));
        changes.push(Change { id, change: ItemChange::Present { version, payload } });
    }
}

/// Series by their ids, with instances of them that were named.
type Instances = BTreeMap<RemoteId, BTreeSet<RemoteId>>;

enum Next {
    Page(String),
    Delta(String),
}

/// Whether something on a page of a delta query cannot be named.
fn is_broken(page: &Page) -> bool {
    page.broken > 0 || page.items.iter().any(|row| text(row, "id").is_none())
}

/// Where a page leads. One that leads nowhere, or to itself, cannot be followed.
fn next_of(page: &Page, this: Option<&str>) -> Result<Next> {
    match (&page.next, &page.delta) {
        (Some(next), _) if Some(next.as_str()) == this => {
            Err(error::unusable(OPERATION, "the service sends the same page again"))
        }
        (Some(next), _) => Ok(Next::Page(next.clone())),
        (None, Some(delta)) => Ok(Next::Delta(delta.clone())),
        (None, None) => Err(error::unusable(OPERATION, "a page that leads nowhere")),
    }
}

fn snapshot(changes: Vec<Change>, state: &State, more: bool) -> ChangePage {
    let scope = if state.partial { ChangeScope::PartialSnapshot } else { ChangeScope::Snapshot };
    ChangePage { changes, scope, cursor: state.cursor(), more, covered: Covered::ALL }
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
