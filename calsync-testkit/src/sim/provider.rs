//! A provider whose every call can be stopped, fail, or lie as planted. What crosses it is checked as it crosses.

use std::{
    borrow::Cow,
    collections::HashSet,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use calsync_core::{
    model::{CalendarId, Event, EventId, EventTime, LinkId, RemoteCalendarId, RemoteId, TimeSpan, Version},
    plan::Direction,
    provider::{
        Capabilities, ChangePage, ChangeScope, ChangesRequest, Covered, Cursor, ErrorKind, Fetched,
        ItemChange, Payload, PeoplePolicy, Provider, ProviderError, PullMode, ReadError, RemoteCalendar,
        RenderRequest, Rendered, Result, Retry, Written,
    },
    store::{BaseQuery, OutboxEntry, OutboxOp, Store},
};

use super::{
    book::{Book, Side},
    control::Control,
    emulated::Emulated,
    executor::{pause, wait},
    fault::{Fault, Op},
    law::Law,
    plant::Plant,
    script::{Dialect, LinkSetup},
    server::{Server, extra},
    world::CALENDAR,
};

pub(crate) struct SimRemote {
    pub(crate) setup: LinkSetup,
    pub(crate) side: Side,
    pub(crate) link: LinkId,
    pub(crate) server: Mutex<Server>,
    pub(crate) control: Arc<Control>,
    pub(crate) book: Arc<Mutex<Book>>,
    /// Where intents are looked up.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) requests: AtomicU64,
    pub(crate) writes: AtomicU64,
    /// Writes whose call has begun and whose effect is still to come.
    pub(crate) under_way: AtomicU64,
    /// Under which epoch of its lease the link is worked on.
    pub(crate) epoch: AtomicU64,
    pub(crate) seen: Mutex<Seen>,
}

/// What the engine was told so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// Versions whose content it was given.
    pub(crate) contents: HashSet<(RemoteId, Version)>,
    /// No cursor it uses may be older than this.
    pub(crate) floor: u64,
    /// Whether an older cursor can be somebody's who was paused.
    pub(crate) alone: bool,
    /// Clocks were so far apart that a worker may have lost its lease while its request was on its way.
    pub(crate) skewed: bool,
    /// The next listing is the first of its run.
    pub(crate) first: bool,
    /// Full listings begun since the run did.
    pub(crate) full: u32,
    /// Cursors refused since the run did.
    pub(crate) refused: u32,
    /// Credentials were refused since a run last went through.
    pub(crate) unauthorized: bool,
}

/// A cursor: where a listing stopped, or where the next begins.
enum Token {
    /// Everything up to this tick is known.
    Done(u64),
    /// Within a full listing that began at a tick.
    Full(u64, RemoteId),
    /// Within a listing of what changed between two ticks.
    Delta(u64, u64, RemoteId),
}

impl Token {
    fn read(cursor: &Cursor) -> Option<Self> {
        let (kind, rest) = cursor.0.split_at_checked(1)?;
        if kind == "t" {
            return Some(Self::Done(rest.parse().ok()?));
        }
        let (ticks, at) = rest.split_once('@')?;
        let at = RemoteId::from(at);
        match ticks.split_once('-') {
            Some((since, until)) => Some(Self::Delta(since.parse().ok()?, until.parse().ok()?, at)),
            None => Some(Self::Full(ticks.parse().ok()?, at)),
        }
    }

    fn write(&self) -> Cursor {
        Cursor(match self {
            Self::Done(tick) => format!("t{tick}"),
            Self::Full(tick, at) => format!("s{tick}@{at}"),
            Self::Delta(since, until, at) => format!("d{since}-{until}@{at}"),
        })
    }

    fn tick(&self) -> u64 {
        match self {
            Self::Done(tick) | Self::Full(tick, _) | Self::Delta(tick, ..) => *tick,
        }
    }
}

fn error(kind: ErrorKind, operation: &'static str) -> ProviderError {
    ProviderError::new(kind, operation, "injected")
}

impl SimRemote {
    pub(crate) fn server(&self) -> MutexGuard<'_, Server> {
        let mut server = self.server.lock().unwrap_or_else(PoisonError::into_inner);
        server.look();
        server
    }

    /// The emulator behind it, where there is one.
    pub(crate) fn emulated(&self) -> Option<Arc<dyn Emulated>> {
        self.server().emulated.clone()
    }

    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) {
        let asked = if self.control.has(Plant::AsksTooOften) { 10 } else { 1 };
        self.requests.fetch_add(asked, Ordering::Relaxed);
    }

    /// Whether an event that came to two sides by itself can be made twice when one of them is not seen. Where the server
    /// refuses a UID that is taken, it cannot.
    fn guarded(&self) -> bool {
        self.setup.dialect == Dialect::CalDav || self.book().created.values().all(|sides| sides.len() == 1)
    }

    /// Whether a copy of a one-way link was renamed: until that is seen, its old name counts as deleted.
    fn copy_renamed(&self) -> bool {
        self.setup.direction == Direction::Export && !self.book().odd.is_empty()
    }

    pub(crate) fn told(&self, id: &RemoteId, version: Option<&Version>) {
        if let Some(version) = version {
            self.seen().contents.insert((id.clone(), version.clone()));
        }
    }

    fn list(&self, request: ChangesRequest<'_>, fate: Option<Fault>) -> Result<ChangePage> {
        let mut server = self.server();
        let token = match request.cursor.map(|cursor| Token::read(cursor).ok_or(())) {
            None => None,
            Some(Ok(token)) if !server.is_dead(token.tick()) && fate != Some(Fault::ListPageExpires) => {
                Some(token)
            }
            Some(_) => {
                self.seen().refused += 1;
                return Err(error(ErrorKind::CursorInvalid, "changes"));
            }
        };
        let first = std::mem::take(&mut self.seen().first);
        let now = server.tick;
        let feed = self.setup.dialect == Dialect::Feed;
        let token = match token {
            Some(Token::Done(since)) if request.mode == PullMode::Incremental && !feed => {
                self.check_cursor(since, first);
                Token::Delta(since, now, RemoteId::from(""))
            }
            Some(token @ (Token::Full(..) | Token::Delta(..))) => token,
            // As the answer 304, and as a body that is the one that was read last.
            Some(Token::Done(since))
                if feed && request.mode == PullMode::Incremental && server.is_as_at(since) =>
            {
                return Ok(ChangePage {
                    changes: Vec::new(),
                    scope: ChangeScope::Delta,
                    cursor: request.cursor.cloned(),
                    more: false,
                    covered: Covered::ALL,
                });
            }
            _ => {
                if feed {
                    server.keep_digest();
                }
                self.seen().full += 1;
                Token::Full(now, RemoteId::from(""))
            }
        };
        if fate == Some(Fault::ListStale)
            && let (Token::Delta(since, ..), Some(cursor)) = (&token, request.cursor)
        {
            let mut seen = self.seen();
            seen.floor = seen.floor.min(*since);
            drop(seen);
            return Ok(ChangePage {
                changes: Vec::new(),
                scope: ChangeScope::Delta,
                cursor: Some(cursor.clone()),
                more: false,
                covered: Covered::ALL,
            });
        }
        if fate == Some(Fault::ListEmptyPage) {
            let scope =
                if matches!(token, Token::Delta(..)) { ChangeScope::Delta } else { ChangeScope::Snapshot };
            return Ok(ChangePage {
                changes: Vec::new(),
                scope,
                cursor: Some(token.write()),
                more: true,
                covered: Covered::ALL,
            });
        }
        let page = usize::from(self.setup.page.max(1));
        let next = |rest: &[RemoteId], token: &Token| -> (usize, bool, Cursor) {
            let shown = rest.len().min(page);
            let more = shown < rest.len();
            let cursor = match (more, token) {
                (true, Token::Full(tick, _)) => Token::Full(*tick, rest[shown - 1].clone()),
                (true, Token::Delta(since, until, _)) => {
                    Token::Delta(*since, *until, rest[shown - 1].clone())
                }
                (_, Token::Full(tick, _) | Token::Delta(_, tick, _) | Token::Done(tick)) => {
                    Token::Done(*tick)
                }
            };
            (shown, more, cursor.write())
        };
        let (rest, scope): (Vec<RemoteId>, _) = match &token {
            Token::Delta(since, until, at) => {
                let changed = server.changed(*since, *until);
                (changed.into_iter().filter(|id| id > at).collect(), ChangeScope::Delta)
            }
            _ => {
                let at = at_of(&token);
                (
                    server.items.keys().filter(|id| at.is_none_or(|at| *id > at)).cloned().collect(),
                    ChangeScope::Snapshot,
                )
            }
        };
        let (shown, more, cursor) = next(&rest, &token);
        let changes = rest[..shown].iter().map(|id| server.listed(id)).collect();
        Ok(ChangePage { changes, scope, cursor: Some(cursor), more, covered: Covered::ALL })
    }

    /// I15, as far as one worker alone can break it.
    fn check_cursor(&self, tick: u64, first: bool) {
        let mut seen = self.seen();
        if !seen.alone {
            return;
        }
        // Later ones of a run may be given up with it.
        if !first {
            return;
        }
        let floor = std::mem::replace(&mut seen.floor, tick);
        drop(seen);
        self.control.check(Law::I15, tick >= floor, || format!("a cursor went back from {floor} to {tick}"));
    }

    /// Whether another worker may have taken over while a request was on its way.
    fn may_be_late(&self) -> bool {
        let seen = self.seen();
        !seen.alone && seen.skewed
    }

    /// I31: no write without a committed intent that says the same.
    pub(crate) fn check_intent(&self, name: &str, says: impl Fn(&OutboxEntry) -> bool) {
        if self.may_be_late() {
            // It was there when the worker began to send, and another one has decided anew.
            return;
        }
        let entries = wait(self.store.outbox(&self.link, None, 1000)).unwrap_or_default();
        self.control
            .check(Law::I31, entries.iter().any(says), || format!("{name} without an intent in the outbox"));
        self.control.check(Law::I13, self.setup.direction != Direction::Import, || {
            format!("{name} at the source of a one-way link")
        });
    }

    /// Whether a write that names this version can have an effect.
    fn is_at(&self, id: &RemoteId, version: &Version) -> bool {
        self.server().items.get(id).is_some_and(|item| item.version == *version)
    }

    /// The fault that strikes before a write has any effect.
    fn before(&self, name: &'static str, fate: Option<Fault>) -> Result<()> {
        Err(match fate {
            Some(Fault::WriteFails) => error(ErrorKind::Unavailable, name),
            Some(Fault::WriteThrottled) => {
                error(ErrorKind::Throttled, name).with_retry(Retry::After(Duration::from_secs(30)))
            }
            Some(Fault::WriteUnauthorized) => {
                self.seen().unauthorized = true;
                error(ErrorKind::Unauthorized, name)
            }
            Some(Fault::WriteForbidden) => error(ErrorKind::Forbidden, name),
            Some(Fault::WriteTooLarge) => error(ErrorKind::TooLarge, name),
            Some(Fault::WriteNotFound) => error(ErrorKind::NotFound, name),
            Some(Fault::WriteTimeoutBefore) => error(ErrorKind::Unavailable, name).maybe_applied(),
            _ => return Ok(()),
        })
    }

    /// A creation or deletion that was still on its way when another worker took the lease arrives no more: what it could do
    /// then is in `docs/simulation.md`, and nothing that this simulation judges.
    fn in_time(&self, name: &'static str, epoch: u64) -> Result<()> {
        if self.epoch.load(Ordering::Relaxed) == epoch {
            return Ok(());
        }
        Err(error(ErrorKind::Unavailable, name).maybe_applied())
    }

    /// The fault that strikes once a write had its effect.
    fn after<T>(&self, name: &'static str, fate: Option<Fault>, result: Result<T>) -> Result<T> {
        let value = result?;
        Err(match fate {
            Some(Fault::WriteAnswerLost) => error(ErrorKind::Unavailable, name).maybe_applied(),
            Some(Fault::WriteThrottledThoughApplied) => error(ErrorKind::Throttled, name).maybe_applied(),
            Some(Fault::WriteConflictThoughApplied) if name == "create" => {
                error(ErrorKind::AlreadyExists { at: None }, name)
            }
            Some(Fault::WriteConflictThoughApplied) if name == "update" => {
                error(ErrorKind::VersionMismatch, name)
            }
            _ => return Ok(value),
        })
    }

    fn fate_of_write(&self, name: &str) -> Option<Fault> {
        // What is gone already is what a deletion wants: a 404 there is no failure.
        self.control.fate(Op::Write, |fault| name != "delete" || fault != Fault::WriteNotFound)
    }

    fn written(&self, server: &Server, id: &RemoteId, sent: &Payload) -> Written {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.control.count(|stats| stats.writes += 1);
        let item = server.items.get(id);
        let (version, payload) = match (item, self.setup.dialect) {
            (Some(item), Dialect::CalDav) if item.payload == *sent => (Some(item.version.clone()), None),
            (Some(item), Dialect::Google) => (Some(item.version.clone()), Some(item.payload.clone())),
            _ => (None, None),
        };
        // A version that comes with nothing rewritten stands for what was sent.
        self.told(id, version.as_ref());
        Written { id: id.clone(), version, payload }
    }

    fn create_now(&self, id: &RemoteId, payload: &Payload) -> Result<Written> {
        let mut server = self.server();
        let event = server.read(payload).map_err(|_| error(ErrorKind::Refused, "create"))?;
        if self.setup.dialect == Dialect::Graph && server.items.contains_key(id) {
            // The same transaction id again: the item that was made the first time.
            return Ok(self.written(&server, id, payload));
        }
        if server.taken(id) {
            let at = (self.setup.dialect == Dialect::CalDav).then(|| id.clone());
            return Err(error(ErrorKind::AlreadyExists { at }, "create"));
        }
        let twin = server.with_uid(&event.uid).cloned();
        if let Some(twin) = twin {
            // Then a creation may arrive when another worker has made the event anew: see `docs/simulation.md`.
            if (self.may_be_late() || self.setup.dialect == Dialect::CalDav)
                && !self.control.has(Plant::TwinsMade)
            {
                return Err(error(ErrorKind::AlreadyExists { at: Some(twin) }, "create"));
            }
            self.control
                .broken(Law::I03, format!("{} is made a second time on side {}", event.uid, self.side));
        }
        self.control.checked(Law::I03);
        server.put(id, extra(payload), &event);
        Ok(self.written(&server, id, payload))
    }

    fn update_now(
        &self,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
        part: Partly,
    ) -> Result<Written> {
        let mut server = self.server();
        let mut event = server.read(payload).map_err(|_| error(ErrorKind::Refused, "update"))?;
        let Some(item) = server.items.get(id).cloned() else {
            return Err(error(ErrorKind::NotFound, "update"));
        };
        if item.version != *expected && !self.control.has(Plant::UpdateIgnoresVersion) {
            return Err(error(ErrorKind::VersionMismatch, "update"));
        }
        if let (Partly::MasterOnly, Some(before)) = (part, &item.event) {
            event.overrides.clone_from(&before.overrides);
        }
        let known = self.seen().contents.contains(&(id.clone(), expected.clone()));
        self.control.check(Law::I10, known || part == Partly::Rest, || {
            format!("an update of {id} names {expected}, whose content it never read")
        });
        let (before, after) = (extra(&item.payload).to_owned(), extra(payload));
        self.control
            .check(Law::I18, before == after, || format!("an update of {id} makes {before:?} {after:?}"));
        server.put(id, after, &event);
        Ok(self.written(&server, id, payload))
    }

    fn delete_now(&self, id: &RemoteId, expected: &Version) -> Result<()> {
        let mut server = self.server();
        let Some(item) = server.items.get(id).cloned() else { return Ok(()) };
        if item.version != *expected && !self.control.has(Plant::DeleteIgnoresVersion) {
            return Err(error(ErrorKind::VersionMismatch, "delete"));
        }
        let known = self.seen().contents.contains(&(id.clone(), expected.clone()));
        self.control.check(Law::I10, known, || {
            format!("a deletion of {id} names {expected}, whose content it never read")
        });
        if let Some(event) = &item.event {
            let justified = self.book().deleted_elsewhere(&event.uid, self.side);
            self.check_lives(id, &event.uid);
            self.control.check(Law::I06, justified, || {
                format!("{} is deleted on side {}, and nobody deleted it anywhere else", event.uid, self.side)
            });
        }
        server.remove(id);
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.control.count(|stats| stats.writes += 1);
        Ok(())
    }

    /// I08: an item is deleted although its event is in the calendar. What is brought back here while the request is on its
    /// way is not promised: see `docs/guarantees.md`.
    pub(crate) fn check_lives(&self, id: &RemoteId, uid: &str) {
        // Another worker's link may bring it back at this moment just the same.
        if !self.seen().alone || self.book().odd.contains(uid) || self.setup.has_window() {
            return;
        }
        self.control
            .check(Law::I08, !self.lives_here(id), || format!("{uid} is deleted there and lives here"));
    }

    /// Whether the event joined to an item is in the calendar.
    fn lives_here(&self, id: &RemoteId) -> bool {
        let ids = std::slice::from_ref(id);
        let bases = wait(self.store.bases(&self.link, BaseQuery::Remote(ids))).unwrap_or_default();
        let events: Vec<EventId> = bases.into_iter().map(|base| base.event_id).collect();
        let rows = wait(self.store.events(&CalendarId::from(CALENDAR), &events)).unwrap_or_default();
        rows.iter().any(|row| row.deleted.is_none())
    }

    /// Whether a series of this provider is written in two requests: the series, then its instances.
    fn in_two(&self, id: &RemoteId, payload: &Payload) -> bool {
        if self.setup.dialect != Dialect::Google {
            return false;
        }
        let mut server = self.server();
        let Ok(event) = server.read(payload) else { return false };
        let before = server.items.get(id).and_then(|item| item.event.as_ref());
        before.is_some_and(|before| before.overrides != event.overrides)
    }
}

/// A write between its call and its effect; not any more when its future is dropped.
struct UnderWay<'a>(&'a AtomicU64);

impl<'a> UnderWay<'a> {
    fn begin(count: &'a AtomicU64) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Which part of an item one request writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Partly {
    Whole,
    MasterOnly,
    Rest,
}

fn at_of(token: &Token) -> Option<&RemoteId> {
    match token {
        Token::Full(_, at) | Token::Delta(_, _, at) => Some(at),
        Token::Done(_) => None,
    }
}

#[async_trait]
impl Provider for SimRemote {
    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        let dialect = self.setup.dialect;
        capabilities.pull_incremental = dialect != Dialect::Feed;
        capabilities.pull_with_payload = matches!(dialect, Dialect::Google | Dialect::Feed);
        capabilities.write = dialect != Dialect::Feed;
        capabilities.fetch_max = usize::from(self.setup.page);
        capabilities.requests_max = if dialect == Dialect::CalDav { 2 } else { 1 };
        capabilities
    }

    fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    async fn calendars(&self) -> Result<Vec<RemoteCalendar>> {
        Ok(Vec::new())
    }

    async fn changes(&self, _: &RemoteCalendarId, request: ChangesRequest<'_>) -> Result<ChangePage> {
        self.begin();
        pause().await;
        let paged = request.cursor.is_some_and(|cursor| !cursor.0.starts_with('t'));
        let fate = self.control.fate(Op::List, |fault| match fault {
            Fault::ListPageExpires => paged,
            Fault::ListPartial => self.guarded(),
            Fault::ListEmptyPage => !paged,
            // What is renamed has to be listed before it is written to: see `docs/simulation.md`.
            Fault::ListStale => {
                let from = request.cursor.and_then(Token::read).map_or(0, |token| token.tick());
                request.cursor.is_some() && !paged && from >= self.server().renamed
            }
            _ => true,
        });
        let failed = match fate {
            Some(Fault::ListFails) => Some(ErrorKind::Unavailable),
            Some(Fault::ListThrottled) => Some(ErrorKind::Throttled),
            Some(Fault::ListUnauthorized) => {
                self.seen().unauthorized = true;
                Some(ErrorKind::Unauthorized)
            }
            Some(Fault::ListGarbled) => Some(ErrorKind::Protocol),
            _ if self.control.has(Plant::FailureSticks) && self.control.has_struck() => {
                Some(ErrorKind::Unavailable)
            }
            _ => None,
        };
        let listed = match failed {
            Some(kind) => Err(error(kind, "changes")),
            None => self.list(request, fate),
        };
        let mut page = match listed {
            Ok(page) => page,
            Err(error) => {
                self.control.note(format_args!("list {} fails: {:?}", self.side, error.kind));
                return super::plant::failed_listing(&self.control, error, self.server().tick);
            }
        };
        if fate == Some(Fault::ListPartial) && page.scope == ChangeScope::Snapshot {
            page.changes.pop();
            page.scope = ChangeScope::PartialSnapshot;
            if !page.more {
                // Whoever knows that something is missing keeps the token that will list it again.
                page.cursor = request.cursor.filter(|_| !paged).cloned();
            }
        }
        super::plant::page(&self.control, &mut page, &self.server());
        for change in &page.changes {
            if let ItemChange::Present { version, payload: Some(_) } = &change.change {
                self.told(&change.id, version.as_ref());
            }
        }
        self.control.note(format_args!("list {}: {} {}", self.side, page.changes.len(), page.more));
        pause().await;
        Ok(page)
    }

    async fn fetch(&self, _: &RemoteCalendarId, ids: &[RemoteId]) -> Result<Vec<Fetched>> {
        self.begin();
        pause().await;
        let fate = self.control.fate(Op::Fetch, |fault| {
            fault != Fault::FetchItemFails || self.guarded() && !self.copy_renamed()
        });
        self.control.note(format_args!("fetch {}: {}", self.side, ids.len()));
        match fate {
            Some(Fault::FetchFails) => return Err(error(ErrorKind::Unavailable, "fetch")),
            Some(Fault::FetchGarbled) => return Err(error(ErrorKind::Protocol, "fetch")),
            _ => {}
        }
        let mut found = Vec::with_capacity(ids.len());
        for (place, id) in ids.iter().enumerate() {
            let fails = fate == Some(Fault::FetchItemFails) && place == 0;
            let server = self.server();
            found.push(match server.items.get(id) {
                _ if fails && self.control.has(Plant::UnreadIsGone) => Fetched::Missing(id.clone()),
                _ if fails => Fetched::Failed(id.clone(), error(ErrorKind::Unavailable, "fetch")),
                None => Fetched::Missing(id.clone()),
                Some(item) => {
                    self.told(id, Some(&item.version));
                    Fetched::Found {
                        id: id.clone(),
                        version: Some(item.version.clone()),
                        payload: item.payload.clone(),
                    }
                }
            });
        }
        pause().await;
        Ok(found)
    }

    fn read(&self, payload: &Payload) -> std::result::Result<Event, ReadError> {
        self.server().read(payload)
    }

    fn project<'a>(&self, event: &'a Event) -> Cow<'a, Event> {
        if self.control.has(Plant::ProjectionDrifts) {
            let mut drifted = event.clone();
            drifted.master.iter_mut().flat_map(|body| &mut body.title).for_each(|title| title.push('.'));
            return Cow::Owned(drifted);
        }
        if self.setup.dialect == Dialect::Graph {
            Cow::Owned(super::server::held(LinkSetup { rewrites: false, ..self.setup }, event))
        } else {
            Cow::Borrowed(event)
        }
    }

    fn render(&self, request: RenderRequest<'_>) -> Result<Rendered> {
        self.control.check(Law::I12, request.people == PeoplePolicy::Withhold, || {
            format!("a write on {} may name people", self.side)
        });
        let mut event = self.project(request.event).into_owned();
        let again = *self.project(&event) == event;
        self.control.check(Law::I19, again, || {
            format!("what {} can hold of an event is something else each time", self.side)
        });
        let mut unknown = request.original.map_or("", extra);
        if self.control.has(Plant::OverridesNotWritten) {
            event.overrides.clear();
        }
        if self.control.has(Plant::UnknownDropped) {
            unknown = "";
        }
        if self.control.has(Plant::DayIsMidnight)
            && let Some(body) = &mut event.master
            && body.time.is_all_day()
        {
            let midnight = |time: &EventTime| EventTime::Utc(time.local().and_utc());
            body.time = TimeSpan { start: midnight(&body.time.start), end: midnight(&body.time.end) };
        }
        Ok(Rendered { payload: self.server().payload(unknown, &event), losses: Vec::new() })
    }

    fn propose_id(&self, _: &RemoteCalendarId, _: &Event, fresh: &str) -> Result<RemoteId> {
        Ok(RemoteId::from(fresh))
    }

    async fn create(&self, _: &RemoteCalendarId, id: &RemoteId, payload: &Payload) -> Result<Written> {
        self.begin();
        // Made once more under the same name it has no effect, whoever was faster.
        if !self.server().items.contains_key(id) {
            self.check_intent("a creation", |entry| {
                entry.remote_id == *id
                    && matches!(&entry.op, OutboxOp::Create { payload: kept } if kept == payload)
            });
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        let under_way = UnderWay::begin(&self.under_way);
        pause().await;
        drop(under_way);
        let fate = self.fate_of_write("create");
        self.control.note(format_args!("create {} {id}", self.side));
        let result = match self.before("create", fate).and_then(|()| self.in_time("create", epoch)) {
            Ok(()) => self.create_now(id, payload),
            Err(error) => Err(error),
        };
        pause().await;
        let result = self.after("create", fate, result);
        super::plant::created(self, id, payload, result)
    }

    async fn update(
        &self,
        _: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        self.begin();
        if self.is_at(id, expected) {
            self.check_intent("an update", |entry| {
                entry.remote_id == *id
                    && matches!(&entry.op, OutboxOp::Update { payload: kept, expected: version }
                        if kept == payload && version == expected)
            });
        }
        let under_way = UnderWay::begin(&self.under_way);
        pause().await;
        let fate = self.fate_of_write("update");
        self.control.note(format_args!("update {} {id} {expected}", self.side));
        let mut result =
            self.before("update", fate).map(|()| Written { id: id.clone(), version: None, payload: None });
        if result.is_ok() {
            result = if self.in_two(id, payload) {
                match self.update_now(id, expected, payload, Partly::MasterOnly) {
                    Ok(written) => {
                        pause().await;
                        let expected = written.version.unwrap_or_else(|| expected.clone());
                        self.update_now(id, &expected, payload, Partly::Rest)
                    }
                    Err(error) => Err(error),
                }
            } else {
                self.update_now(id, expected, payload, Partly::Whole)
            };
        }
        drop(under_way);
        pause().await;
        let result = self.after("update", fate, result);
        super::plant::updated(self, id, payload, result)
    }

    async fn delete(&self, _: &RemoteCalendarId, id: &RemoteId, expected: &Version) -> Result<()> {
        self.begin();
        if self.is_at(id, expected) {
            self.check_intent("a deletion", |entry| {
                entry.remote_id == *id
                    && matches!(&entry.op, OutboxOp::Delete { expected: kept } if kept == expected)
            });
        }
        let epoch = self.epoch.load(Ordering::Relaxed);
        let under_way = UnderWay::begin(&self.under_way);
        pause().await;
        drop(under_way);
        let fate = self.fate_of_write("delete");
        self.control.note(format_args!("delete {} {id} {expected}", self.side));
        let result = match self.before("delete", fate).and_then(|()| self.in_time("delete", epoch)) {
            Ok(()) => self.delete_now(id, expected),
            Err(error) => Err(error),
        };
        pause().await;
        match self.after("delete", fate, result) {
            Err(_) if self.control.strikes(Plant::FailureIsSuccess, 500) => Ok(()),
            result => result,
        }
    }
}
