//! What every command works on: the configuration, the store, the engine.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use calsync_core::{
    context::{Clock, IdSource, RandomIds, SystemClock},
    engine::{Engine, Hub},
    model::{Calendar, CalendarId, LinkId},
    provider::ErrorKind,
    schedule::Priority,
    store::{Claims, Record, RecordKind, RecordQuery, Store, StoreBudgets, StoreClaims, Wakes},
};
use calsync_providers::http::{
    HttpTransport,
    pace::{Pace, PacedTransport, TokioTimer},
};
use calsync_stores::{
    postgres::{PostgresConfig, PostgresStore, PostgresWakes, deadpool_postgres::tokio_postgres},
    sqlite::{SqliteConfig, SqliteStore},
};

use crate::{
    config::{Config, Connection, LinkConfig, Place},
    dynamodb,
    error::CliError,
    progress::Meter,
};

/// The opened store with the configuration it was opened by.
pub(crate) struct App {
    pub(crate) config: Config,
    /// Where relative paths of the configuration start.
    pub(crate) folder: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    /// What a worker takes from: the tenant of the configuration, because it knows the links of no other.
    pub(crate) claims: Arc<dyn Claims>,
    /// What wakes it; `None`: it looks once in a while.
    pub(crate) wakes: Option<Arc<dyn Wakes>>,
    /// The store's file or server, for an error message.
    pub(crate) place: String,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) engine: Engine,
    pub(crate) hub: Hub,
    pub(crate) meter: Arc<Meter>,
    /// One for each connection: its links share it.
    paced: Mutex<BTreeMap<String, Arc<dyn HttpTransport>>>,
}

/// Where a PostgreSQL server is, without what may be a secret.
fn server(url: &str) -> String {
    let url = url::Url::parse(url).ok();
    let host = url.as_ref().and_then(url::Url::host_str).unwrap_or("of PostgreSQL");
    match url.as_ref().and_then(url::Url::port) {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// What tells of commits of other processes: a connection of its own, which it opens when a worker first waits.
fn wakes(url: &str) -> Option<Arc<dyn Wakes>> {
    let config = url.parse::<tokio_postgres::Config>().ok()?;
    let schema = PostgresConfig::default().schema;
    Some(Arc::new(PostgresWakes::new(config, tokio_postgres::NoTls, &schema, &Priority::SPACES)))
}

/// Rows read at once.
const PAGE: usize = 200;

impl App {
    pub(crate) async fn open(path: &Path) -> Result<Self, CliError> {
        let config = Config::read(path)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let mut own: Option<(Arc<dyn Claims>, Arc<dyn Wakes>)> = None;
        let (store, place): (Arc<dyn Store>, _) = match config.place() {
            Some(Place::Postgres(url)) => {
                let place = server(url);
                let opened = PostgresStore::connect(url, PostgresConfig::default()).await;
                let opened = opened.map_err(|error| CliError::from(error).in_store(&place))?;
                let store = opened.tenant(&config.tenant);
                own = wakes(url).map(|wakes| (Arc::new(store.claims_of_tenant()) as _, wakes));
                (Arc::new(store), place)
            }
            Some(Place::Dynamodb(table)) => {
                let opened = dynamodb::open(table, &config.tenant).await;
                (opened.map_err(|error| error.in_store("of DynamoDB"))?, "of DynamoDB".to_owned())
            }
            Some(Place::Sqlite(file)) => {
                let file = folder.join(file);
                let place = file.display().to_string();
                let opened = SqliteStore::open(&file, SqliteConfig::default()).await;
                let opened = opened.map_err(|error| CliError::from(error).in_store(&place))?;
                (Arc::new(opened.tenant(&config.tenant)), place)
            }
            None => return Err(CliError::Config("`store` names no place".to_owned())),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(
            RandomIds::new().map_err(|error| CliError::Io { what: "randomness".to_owned(), error })?,
        );
        let meter = Arc::new(Meter::new(clock.clone()));
        let (claims, wakes): (Arc<dyn Claims>, _) = match own {
            Some((claims, wakes)) => (claims, Some(wakes)),
            None => {
                let claims = StoreClaims::default().with_tenant(config.tenant.as_str(), store.clone());
                (Arc::new(claims), None)
            }
        };
        Ok(Self {
            claims,
            wakes,
            engine: Engine::new(store.clone(), clock.clone(), ids.clone()).with_observer(meter.clone()),
            hub: Hub::new(store.clone(), clock.clone(), ids.clone()),
            meter,
            config,
            folder,
            store,
            place,
            clock,
            ids,
            paced: Mutex::default(),
        })
    }

    /// The links a command is about: the named one, or all.
    pub(crate) fn links(&self, name: Option<&str>) -> Result<Vec<&LinkConfig>, CliError> {
        let links: Vec<&LinkConfig> =
            self.config.links.iter().filter(|link| name.is_none_or(|name| link.name == name)).collect();
        match (links.is_empty(), name) {
            (true, Some(name)) => {
                let known: Vec<&str> = self.config.links.iter().map(|link| link.name.as_str()).collect();
                Err(CliError::Config(format!("no link is called {name:?}; the links are {known:?}")))
            }
            (true, None) => Err(CliError::Config(
                "there are no [[links]]: add one that joins a calendar to a connection".to_owned(),
            )),
            _ => Ok(links),
        }
    }

    /// Where a connection leads, for an error message: a file, or the host and port, never the rest of a URL, which may
    /// hold a secret.
    pub(crate) fn whereabouts(&self, connection: &str) -> String {
        let found = self.config.connections.get(connection);
        if let Some(file) = found.and_then(|found| found.file(&self.folder)) {
            return format!("{connection}, {}", file.display());
        }
        let address = found.and_then(Connection::address);
        match address.as_ref().and_then(|url| Some((url.host_str()?, url.port()))) {
            Some((host, Some(port))) => format!("{connection}, {host}:{port}"),
            Some((host, None)) => format!("{connection}, {host}"),
            None => connection.to_owned(),
        }
    }

    /// The network at the pace of a connection.
    pub(crate) fn paced(
        &self,
        name: &str,
        connection: &Connection,
        network: &Arc<dyn HttpTransport>,
    ) -> Arc<dyn HttpTransport> {
        let mut all = self.paced.lock().unwrap_or_else(PoisonError::into_inner);
        let make = || {
            let (clock, timer) = (self.clock.clone(), Arc::new(TokioTimer));
            let pace = connection.pace();
            let paced = PacedTransport::new(network.clone(), name, pace, clock, timer);
            // Workers on other machines take from the same budget; what has no limit needs none.
            let paced = if pace == Pace::UNLIMITED {
                paced
            } else {
                paced.with_budgets(Arc::new(StoreBudgets::new(self.store.clone())), name)
            };
            Arc::new(paced) as Arc<dyn HttpTransport>
        };
        all.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// What a person can do about credentials that are refused and an address that is none; empty where nothing is known.
    pub(crate) fn hint(&self, connection: &str, error: &CliError) -> String {
        let Some(found) = self.config.connections.get(connection) else { return String::new() };
        if found.oauth.is_some() {
            let hint = format!("; run `calsync connect {connection}`");
            return if error.needs_credentials() { hint } else { String::new() };
        }
        match error.provider_error().map(|error| &error.kind) {
            Some(ErrorKind::Unauthorized) => found.refused(connection),
            Some(ErrorKind::Unavailable) => found.unreachable().to_owned(),
            Some(ErrorKind::CalendarGone) if found.file(&self.folder).is_some() => {
                "; what is on a server begins with https:// or http://".to_owned()
            }
            _ => String::new(),
        }
    }

    /// Makes the calendar of a link when it is not there yet.
    pub(crate) async fn ensure_calendar(&self, name: &str) -> Result<(), CliError> {
        let id = CalendarId::from(name);
        if !self.store.calendars().await?.iter().any(|calendar| calendar.id == id) {
            self.hub.put_calendar(Calendar { id, name: name.to_owned(), color: None }).await?;
        }
        Ok(())
    }

    /// A calendar of the store.
    pub(crate) async fn calendar(&self, name: &str) -> Result<CalendarId, CliError> {
        let id = CalendarId::from(name);
        let known = self.store.calendars().await?;
        if known.iter().any(|calendar| calendar.id == id) {
            return Ok(id);
        }
        let names: Vec<&str> = known.iter().map(|calendar| calendar.id.as_str()).collect();
        Err(CliError::Unmet(format!("no calendar {name:?} in the store; there are {names:?}")))
    }

    /// All rows of a list, of every configured link.
    pub(crate) async fn records(&self, kind: RecordKind) -> Result<Vec<Record>, CliError> {
        let mut all = Vec::new();
        for link in &self.config.links {
            all.extend(self.records_of(&link.name, kind).await?);
        }
        Ok(all)
    }

    /// All rows of a list, of one link.
    pub(crate) async fn records_of(&self, link: &str, kind: RecordKind) -> Result<Vec<Record>, CliError> {
        let (mut all, link) = (Vec::new(), LinkId::from(link));
        let mut after: Option<String> = None;
        loop {
            let query = RecordQuery {
                kind,
                link: &link,
                event: None,
                run: None,
                after: after.as_deref(),
                limit: PAGE,
            };
            let page = self.store.records(query).await?;
            let Some(last) = page.last() else { return Ok(all) };
            after = Some(match last {
                Record::Conflict(record) => record.id.clone(),
                Record::Quarantine(record) => record.remote_id.to_string(),
                Record::Run(record) => record.id.to_string(),
                Record::Journal(record) => record.id.clone(),
            });
            all.extend(page);
        }
    }
}
