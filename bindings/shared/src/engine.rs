//! The engine with what it needs around it: a store, connections and links, each by its name.

use std::{
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, RwLock},
};

use calsync_core::{
    booking::Bookings,
    context::{Clock, IdSource, RandomIds, SystemClock},
    diff::Field,
    engine::{self, Answer, CleanOptions, CopyRules, Hub, Link, Observer, Progress, SyncOptions},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId, RunId},
    pipeline::HostRules,
    plan::{DeletionGuard, Direction, PlanId},
    provider::{Provider, RemoteCalendar},
    store::{MatchAnswer, MemoryStore, Record, RecordKind, RecordQuery, Revision, RunRecord, Store},
};
use calsync_providers::http::HttpTransport;
#[cfg(feature = "http")]
use calsync_providers::http::{ReqwestOptions, ReqwestTransport};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::OnceCell;

use crate::{
    Code, Failure, Names,
    args::{self, Asked, Opening, StoreChoice},
    connect::{Connection, connect, paced},
    dispatch,
    guarded::Guarded,
    host::{CALL, Calling, Host, Patience, tell},
    host_rules::{self, CallClock, Resolver},
    host_store::HostStore,
    host_transport::{self, HostTransport},
    model::{Cleaned, Conflict, ProgressModel, Question, Report, StoredEvent, Undone, WaitingWrite},
    oauth,
};

/// Runs read at once.
const PAGE: usize = 200;

/// Writes sent between two commits into a store of the host: each crosses the border of its language.
const SENT: usize = 250;

/// A store with the connections and links on it. Cheap to clone; all clones are one engine.
#[derive(Clone)]
pub struct Engine {
    state: Arc<State>,
    pub(crate) names: Names,
}

struct State {
    choice: StoreChoice,
    asked: Asked,
    rules: HostRules,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    opened: OnceCell<Opened>,
    named: RwLock<Named>,
}

/// What is there once the store is open.
#[derive(Clone)]
struct Opened {
    store: Arc<dyn Store>,
    transport: Option<Arc<dyn HttpTransport>>,
    bookings: Bookings,
}

#[derive(Default)]
struct Named {
    connections: BTreeMap<String, Arc<Connection>>,
    links: BTreeMap<String, Added>,
    closed: bool,
}

/// A link that was added.
#[derive(Clone)]
struct Added {
    link: Link,
    /// By its name, so that one that is connected again, with another token, is the one that is used from then on.
    connection: String,
}

impl Engine {
    /// An engine made with what an [`Opening`] as JSON names. The store is opened by the first call.
    ///
    /// # Errors
    ///
    /// [`Code::InvalidInput`] when there is no such choice, a path is a URL, or the master keys are none.
    pub fn new(opening: &str) -> Result<Self, Failure> {
        let (choice, asked) = dispatch::read::<Opening>("open", opening)?.parts();
        if let StoreChoice::Sqlite { path } = &choice
            && path.contains("://")
        {
            // It may hold a password: it is not said again. As a path it would make a file that nobody looks for.
            return Err(Failure::new(
                Code::InvalidInput,
                "the store is the path of a SQLite file, not a URL",
            ));
        }
        #[cfg(feature = "oauth")]
        if let Some(keys) = &asked.master_keys {
            oauth::vault(keys)?;
        }
        let ids = RandomIds::new().map_err(|_| Failure::new(Code::Internal, "there is no randomness"))?;
        let state = State {
            choice,
            rules: host_rules::rules(&asked),
            clock: if asked.clock { Arc::new(CallClock) } else { Arc::new(SystemClock) },
            asked,
            ids: Arc::new(ids),
            opened: OnceCell::new(),
            named: RwLock::default(),
        };
        Ok(Self { state: Arc::new(state), names: Names::Snake })
    }

    /// The same engine, whose results have these names.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }

    /// Calls a method by its name; arguments and result are JSON, see [`args`]. `host` answers what the call needs of the
    /// host's language.
    ///
    /// Dropping the future at any point leaves nothing broken.
    ///
    /// # Errors
    ///
    /// What the method fails with; [`Code::InvalidInput`] for arguments that cannot be read.
    pub fn call(
        &self,
        method: String,
        args: String,
        host: Option<Arc<dyn Host>>,
    ) -> Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>> {
        let engine = self.clone();
        let calling = Calling::new(host, Patience::of(&engine.state.asked));
        Box::pin(CALL.scope(calling.clone(), async move {
            if engine.named().closed {
                return Err(Failure::new(Code::Closed, "this engine is closed"));
            }
            // A host with a broken clock can still let go of its engine.
            if engine.state.asked.clock && method != "close" {
                calling.begin().await.map_err(|failure| failure.failure())?;
            }
            let result = engine.dispatch(&method, &args).await;
            let result = result.map_err(|failure| failure.told_at(engine.now()));
            match (result, Calling::noted()) {
                // What was done without the host's answer is done. An event whose rule failed is set aside until it or the rule changes.
                (Ok(_), Some(failed)) => Err(failed.failure()),
                // To the provider a transport that is broken looks like a network that is.
                (Err(_), Some(failed)) if failed.method == host_transport::SEND => Err(failed.failure()),
                (result, _) => result,
            }
        }))
    }

    /// Lets go of connections and links, as the method `close` does, without waiting. Later calls fail with [`Code::Closed`].
    pub fn end(&self) {
        *self.named_mut() = Named { closed: true, ..Named::default() };
    }

    fn named(&self) -> std::sync::RwLockReadGuard<'_, Named> {
        self.state.named.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn named_mut(&self) -> std::sync::RwLockWriteGuard<'_, Named> {
        self.state.named.write().unwrap_or_else(PoisonError::into_inner)
    }

    async fn opened(&self) -> Result<&Opened, Failure> {
        self.state
            .opened
            .get_or_try_init(|| async {
                let store: Arc<dyn Store> = match &self.state.choice {
                    StoreChoice::Memory => Arc::new(MemoryStore::new()),
                    StoreChoice::Sqlite { path } => {
                        Arc::new(SqliteStore::open(path, SqliteConfig::default()).await?)
                    }
                    StoreChoice::Host => Arc::new(HostStore::new(None, self.state.asked.in_one_call.clone())),
                };
                let transport =
                    if self.state.asked.transport { Some(Arc::new(HostTransport) as _) } else { network()? };
                let (clock, ids) = (self.state.clock.clone(), self.state.ids.clone());
                let bookings = Bookings::new(store.clone(), clock, ids);
                Ok(Opened { store, transport, bookings })
            })
            .await
    }

    pub(crate) async fn store(&self) -> Result<Arc<dyn Store>, Failure> {
        Ok(self.opened().await?.store.clone())
    }

    pub(crate) async fn bookings(&self) -> Result<Bookings, Failure> {
        Ok(self.opened().await?.bookings.clone())
    }

    /// The links that were added.
    pub(crate) fn links(&self) -> Vec<Link> {
        self.named().links.values().map(|added| added.link.clone()).collect()
    }

    pub(crate) async fn engine(&self) -> Result<engine::Engine, Failure> {
        let mut store = self.opened().await?.store.clone();
        let asked = &self.state.asked;
        if asked.resolver || !asked.filters.is_empty() || !asked.transforms.is_empty() {
            store = Arc::new(Guarded(store));
        }
        let engine = engine::Engine::new(store, self.state.clock.clone(), self.state.ids.clone())
            .with_host_rules(self.state.rules.clone());
        Ok(if asked.resolver { engine.with_resolver(Arc::new(Resolver)) } else { engine })
    }

    async fn hub(&self) -> Result<Hub, Failure> {
        let store = self.opened().await?.store.clone();
        Ok(Hub::new(store, self.state.clock.clone(), self.state.ids.clone()))
    }

    pub(crate) fn link(&self, name: &str) -> Result<(Link, Arc<dyn Provider>), Failure> {
        let known = self.named().links.get(name).cloned();
        let unknown = || Failure::new(Code::UnknownLink, "there is no such link").about(name);
        let Added { link, connection } = known.ok_or_else(unknown)?;
        Ok((link, self.connection(&connection)?.provider.clone()))
    }

    /// What a connection leads to.
    pub(crate) fn provider(&self, connection: &str) -> Result<Arc<dyn Provider>, Failure> {
        Ok(self.connection(connection)?.provider.clone())
    }

    /// By the clock of this engine.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.state.clock.now()
    }

    #[cfg(feature = "oauth")]
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.state.clock.clone()
    }

    #[cfg(feature = "oauth")]
    pub(crate) fn ids(&self) -> Arc<dyn IdSource> {
        self.state.ids.clone()
    }

    #[cfg(feature = "oauth")]
    pub(crate) fn master_keys(&self) -> Option<&args::MasterKeys> {
        self.state.asked.master_keys.as_ref()
    }

    /// The way to providers: the host's, or the library's own.
    pub(crate) async fn transport(&self) -> Result<Arc<dyn HttpTransport>, Failure> {
        self.opened().await?.transport.clone().ok_or_else(|| {
            let text = "this library was built without HTTP, so the host has to hand over a transport";
            Failure::new(Code::Unsupported, text)
        })
    }

    pub(crate) fn connection(&self, name: &str) -> Result<Arc<Connection>, Failure> {
        let known = self.named().connections.get(name).cloned();
        known.ok_or_else(|| Failure::new(Code::UnknownConnection, "there is no such connection").about(name))
    }
}

/// The library's own way to providers.
#[cfg(feature = "http")]
fn network() -> Result<Option<Arc<dyn HttpTransport>>, Failure> {
    let transport = ReqwestTransport::new(&ReqwestOptions::default());
    Ok(Some(Arc::new(transport.map_err(|error| Failure::from(error.reading("start")))?)))
}

/// It has none: who connects nothing needs none either.
#[cfg(not(feature = "http"))]
#[allow(clippy::unnecessary_wraps, reason = "with HTTP it can fail")]
fn network() -> Result<Option<Arc<dyn HttpTransport>>, Failure> {
    Ok(None)
}

/// The methods, in the order of [`dispatch`].
impl Engine {
    pub(crate) async fn connect(&self, args: args::Connect) -> Result<(), Failure> {
        let name = args.connection.clone();
        let connection = self.connected(args).await.map_err(|failure| about(failure, &name))?;
        self.named_mut().connections.insert(name, Arc::new(connection));
        Ok(())
    }

    async fn connected(&self, args: args::Connect) -> Result<Connection, Failure> {
        let access = match &args.client {
            Some(client) => Some(self.access(client, &args).await?),
            None => None,
        };
        let transport = paced(&args, self.transport().await?, self.state.clock.clone());
        connect(args, access, transport, self.state.clock.clone(), self.state.ids.clone())
    }

    pub(crate) async fn disconnect(&self, args: args::OfConnection) -> Result<bool, Failure> {
        let connection = self.connection(&args.connection)?;
        let told = match &connection.access {
            Some(access) => {
                oauth::forget(access).await.map_err(|failure| about(failure, &args.connection))?
            }
            None => true,
        };
        let mut named = self.named_mut();
        // Not one that was connected meanwhile.
        if named.connections.get(&args.connection).is_some_and(|now| Arc::ptr_eq(now, &connection)) {
            named.connections.remove(&args.connection);
        }
        Ok(told)
    }

    pub(crate) async fn remote_calendars(
        &self,
        args: args::OfConnection,
    ) -> Result<Vec<RemoteCalendar>, Failure> {
        let connection = self.connection(&args.connection)?;
        connection.provider.calendars().await.map_err(|error| Failure::from(error).about(args.connection))
    }

    pub(crate) async fn put_calendar(&self, args: args::PutCalendar) -> Result<(), Failure> {
        Ok(self.hub().await?.put_calendar(args.calendar).await?)
    }

    pub(crate) async fn calendars(&self, _: args::Nothing) -> Result<Vec<Calendar>, Failure> {
        Ok(self.opened().await?.store.calendars().await?)
    }

    pub(crate) async fn events(&self, args: args::OfCalendar) -> Result<Vec<StoredEvent>, Failure> {
        let records = self.hub().await?.events(&CalendarId::from(args.calendar)).await?;
        Ok(records.into_iter().map(StoredEvent::from).collect())
    }

    pub(crate) async fn add_event(&self, args: args::AddEvent) -> Result<String, Failure> {
        let id = self.hub().await?.add(&CalendarId::from(args.calendar), args.event.into()).await?;
        Ok(id.as_str().to_owned())
    }

    pub(crate) async fn update_event(&self, args: args::UpdateEvent) -> Result<(), Failure> {
        let (calendar, id) = (CalendarId::from(args.calendar), EventId::from(args.id));
        Ok(self.hub().await?.update(&calendar, &id, Revision(args.revision), args.event.into()).await?)
    }

    pub(crate) async fn delete_event(&self, args: args::DeleteEvent) -> Result<(), Failure> {
        let (calendar, id) = (CalendarId::from(args.calendar), EventId::from(args.id));
        Ok(self.hub().await?.delete(&calendar, &id, Revision(args.revision)).await?)
    }

    pub(crate) async fn add_link(&self, args: args::AddLink) -> Result<(), Failure> {
        let connection = self.connection(&args.connection)?;
        let remote = match (&connection.only, args.remote.is_empty()) {
            (Some(only), true) => only.clone(),
            (None, true) => return Err(Failure::invalid("no remote calendar is named").about(args.link)),
            (_, false) => args.remote,
        };
        let guard = DeletionGuard::default();
        let mut link = Link::new(args.link.as_str(), args.calendar, remote)
            .with_direction(args.direction)
            .with_conflicts(args.conflicts)
            .with_deletions(args.deletions)
            .with_people(args.people)
            .with_guard(DeletionGuard {
                count: args.guard_count.unwrap_or(guard.count),
                percent: args.guard_percent.unwrap_or(guard.percent),
                ..guard
            });
        if let Some(text) = &args.copies {
            let rules: CopyRules = dispatch::read("copies", text)?;
            let wrong = |reason: String| Failure::invalid(reason).about(args.link.clone());
            rules.pipeline.compile_with(&self.state.rules).map_err(|error| wrong(error.to_string()))?;
            if link.direction == Direction::TwoWay {
                return Err(wrong("a link that copies by rules goes one way".to_owned()));
            }
            link = link.with_copies(rules);
        }
        if matches!(self.state.choice, StoreChoice::Host) {
            link = link.with_commit_every(SENT);
        }
        link = link
            .with_edits(args.edits.unwrap_or_default())
            .with_check_copies_every(TimeDelta::seconds(i64::from(args.check_copies_every)));
        self.named_mut().links.insert(args.link, Added { link, connection: args.connection });
        Ok(())
    }

    pub(crate) async fn plan(&self, args: args::Sync) -> Result<Report, Failure> {
        self.run(args, Mode::Plan).await
    }

    pub(crate) async fn sync(&self, args: args::Sync) -> Result<Report, Failure> {
        self.run(args, Mode::Sync).await
    }

    async fn run(&self, args: args::Sync, mode: Mode) -> Result<Report, Failure> {
        let (link, provider) = self.link(&args.link)?;
        let mut options = SyncOptions::default();
        options.approve = args.approve.map(PlanId);
        options.refuse = args.refuse.map(PlanId);
        options.audit = args.audit;
        options.withhold_people = args.withhold_people;
        let mut engine = self.engine().await?;
        if args.progress {
            engine = engine.with_observer(Arc::new(Teller));
        }
        let report = match mode {
            Mode::Plan => engine.plan(&link, &*provider, &options).await,
            Mode::Sync => engine.sync(&link, &*provider, &options).await,
        };
        Ok(report.map_err(|error| about(error.into(), &args.link))?.into())
    }

    pub(crate) async fn conflicts(&self, args: args::OfLink) -> Result<Vec<Conflict>, Failure> {
        let records = self.hub().await?.conflicts(&LinkId::from(args.link)).await?;
        Ok(records.into_iter().map(Conflict::from).collect())
    }

    pub(crate) async fn answer_conflict(&self, args: args::AnswerConflict) -> Result<Conflict, Failure> {
        let mut answer = Answer::by(args.by);
        if let Some(side) = args.take {
            answer = answer.taking(side);
        }
        for one in args.fields {
            answer = answer.field(Field::try_from(one.field)?, one.take);
        }
        Ok(self.hub().await?.answer(&LinkId::from(args.link), &args.conflict, answer).await?.into())
    }

    pub(crate) async fn runs(&self, args: args::OfLink) -> Result<Vec<RunRecord>, Failure> {
        let records = self.records(RecordKind::Run, &LinkId::from(args.link)).await?;
        let runs = records.into_iter().filter_map(|record| match record {
            Record::Run(run) => Some(*run),
            Record::Conflict(_) | Record::Quarantine(_) | Record::Journal(_) => None,
        });
        Ok(runs.collect())
    }

    /// All records of a kind of a link, in the order of their ids.
    pub(crate) async fn records(&self, kind: RecordKind, link: &LinkId) -> Result<Vec<Record>, Failure> {
        let store = self.store().await?;
        let mut all: Vec<Record> = Vec::new();
        loop {
            let after = all.last().map(|record| id_of(record).to_owned());
            let query =
                RecordQuery { kind, link, event: None, run: None, after: after.as_deref(), limit: PAGE };
            let page = store.records(query).await?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    pub(crate) async fn clean(&self, args: args::Clean) -> Result<Cleaned, Failure> {
        let (link, provider) = self.link(&args.link)?;
        let mut options = CleanOptions::default();
        options.approve = args.approve.map(PlanId);
        if args.preview {
            options = options.previewing();
        }
        let engine = self.engine().await?;
        let report = match link.direction {
            Direction::Import => engine.clean_imported(&link, &*provider, &options).await,
            Direction::TwoWay | Direction::Export => engine.clean(&link, &*provider, &options).await,
        };
        report.map(Cleaned::from).map_err(|error| about(error.into(), &args.link))
    }

    pub(crate) async fn forget(&self, args: args::OfLink) -> Result<(), Failure> {
        let (link, _) = self.link(&args.link)?;
        let forgotten = self.engine().await?.forget(&link).await;
        forgotten.map_err(|error| about(error.into(), &args.link))?;
        self.named_mut().links.remove(&args.link);
        Ok(())
    }

    pub(crate) async fn undo(&self, args: args::Undo) -> Result<Undone, Failure> {
        let (link, provider) = self.link(&args.link)?;
        let run = RunId::from(args.run.as_str());
        let report = self.engine().await?.undo(&link, &*provider, &run).await;
        report.map(|report| Undone::of(&args.run, report)).map_err(|error| about(error.into(), &args.link))
    }

    pub(crate) async fn undo_last(&self, args: args::UndoLast) -> Result<Vec<Undone>, Failure> {
        let (link, provider) = self.link(&args.link)?;
        let undone = self.engine().await?.undo_last(&link, &*provider, args.count).await?;
        Ok(undone.into_iter().map(|(run, report)| Undone::of(run.as_str(), report)).collect())
    }

    pub(crate) async fn questions(&self, args: args::OfLink) -> Result<Vec<Question>, Failure> {
        let open = self.engine().await?.open_matches(&LinkId::from(args.link)).await?;
        Ok(open.into_iter().map(Question::from).collect())
    }

    pub(crate) async fn answer_question(&self, args: args::AnswerQuestion) -> Result<(), Failure> {
        let (link, _) = self.link(&args.link)?;
        let answer = match args.event {
            Some(event) => MatchAnswer::Join(EventId::from(event)),
            None => MatchAnswer::KeepBoth,
        };
        let item = RemoteId::from(args.remote_id);
        Ok(self.engine().await?.answer(&link, &item, answer).await?)
    }

    pub(crate) async fn outbox(&self, args: args::OfLink) -> Result<Vec<WaitingWrite>, Failure> {
        let waiting = self.engine().await?.outbox(&LinkId::from(args.link)).await?;
        Ok(waiting.into_iter().map(WaitingWrite::from).collect())
    }

    pub(crate) async fn retry_write(&self, args: args::OfWrite) -> Result<(), Failure> {
        let (link, event) = (LinkId::from(args.link), EventId::from(args.event));
        Ok(self.engine().await?.retry_write(&link, &event).await?)
    }

    pub(crate) async fn drop_write(&self, args: args::OfWrite) -> Result<(), Failure> {
        let (link, event) = (LinkId::from(args.link), EventId::from(args.event));
        Ok(self.engine().await?.drop_write(&link, &event).await?)
    }

    pub(crate) async fn close(&self, _: args::Nothing) -> Result<(), Failure> {
        self.end();
        Ok(())
    }
}

/// What a record is paged by.
fn id_of(record: &Record) -> &str {
    match record {
        Record::Run(run) => run.id.as_str(),
        Record::Journal(entry) => &entry.id,
        Record::Conflict(conflict) => &conflict.id,
        Record::Quarantine(item) => item.remote_id.as_str(),
    }
}

enum Mode {
    Plan,
    Sync,
}

/// A failure about a link or a connection, where it says nothing closer.
pub(crate) fn about(failure: Failure, item: &str) -> Failure {
    if failure.item.is_some() { failure } else { failure.about(item) }
}

/// Passes progress on to the host of the call.
struct Teller;

impl Observer for Teller {
    fn progress(&self, progress: &Progress) {
        if let Some(progress) = ProgressModel::of(progress) {
            tell(&progress);
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}
