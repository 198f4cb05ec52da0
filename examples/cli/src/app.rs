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
    store::{Record, RecordKind, RecordQuery, Store, StoreBudgets},
};
use calsync_providers::http::{
    HttpTransport,
    pace::{PacedTransport, TokioTimer},
};
use calsync_stores::{
    postgres::{PostgresConfig, PostgresStore},
    sqlite::{SqliteConfig, SqliteStore},
};

use crate::{
    config::{Config, Connection, LinkConfig, Place},
    dynamodb,
    error::CliError,
};

/// The opened store with the configuration it was opened by.
pub(crate) struct App {
    pub(crate) config: Config,
    /// Where relative paths of the configuration start.
    pub(crate) folder: PathBuf,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) engine: Engine,
    pub(crate) hub: Hub,
    /// One for each connection: its links share it.
    paced: Mutex<BTreeMap<String, Arc<dyn HttpTransport>>>,
}

/// Rows read at once.
const PAGE: usize = 200;

impl App {
    pub(crate) async fn open(path: &Path) -> Result<Self, CliError> {
        let config = Config::read(path)?;
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        let store: Arc<dyn Store> = match config.place() {
            Some(Place::Postgres(url)) => {
                Arc::new(PostgresStore::connect(url, PostgresConfig::default()).await?.tenant(&config.tenant))
            }
            Some(Place::Dynamodb(table)) => dynamodb::open(table, &config.tenant).await?,
            Some(Place::Sqlite(file)) => {
                let file = folder.join(file);
                let opened = SqliteStore::open(&file, SqliteConfig::default()).await.map_err(|error| {
                    CliError::Config(format!(
                        "`store` is {}: {error}; its folder must exist, and this user be able to write there",
                        file.display()
                    ))
                })?;
                Arc::new(opened.tenant(&config.tenant))
            }
            None => return Err(CliError::Config("`store` names no place".to_owned())),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let ids: Arc<dyn IdSource> = Arc::new(
            RandomIds::new().map_err(|error| CliError::Io { what: "randomness".to_owned(), error })?,
        );
        Ok(Self {
            engine: Engine::new(store.clone(), clock.clone(), ids.clone()),
            hub: Hub::new(store.clone(), clock.clone(), ids.clone()),
            config,
            folder,
            store,
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

    /// Where a connection leads, for an error message: the host and port, never the rest of a URL, which may hold a
    /// secret.
    pub(crate) fn whereabouts(&self, connection: &str) -> String {
        let url = self
            .config
            .connections
            .get(connection)
            .map_or("", |connection| connection.base_url.as_deref().unwrap_or(&connection.url));
        match url::Url::parse(url).ok().as_ref().and_then(|url| Some((url.host_str()?, url.port()))) {
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
            let paced = PacedTransport::new(network.clone(), name, connection.pace(), clock, timer);
            // Workers on other machines take from the same budget.
            let paced = paced.with_budgets(Arc::new(StoreBudgets::new(self.store.clone())), name);
            Arc::new(paced) as Arc<dyn HttpTransport>
        };
        all.entry(name.to_owned()).or_insert_with(make).clone()
    }

    /// What a person can do about credentials that are refused; empty where it is not about that.
    pub(crate) fn hint(&self, connection: &str, error: &CliError) -> String {
        let connected = self.config.connections.get(connection).is_some_and(|found| found.oauth.is_some());
        if connected && error.needs_credentials() {
            format!("; run `calsync connect {connection}`")
        } else {
            String::new()
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
            let link = LinkId::from(link.name.as_str());
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
                let Some(last) = page.last() else { break };
                after = Some(match last {
                    Record::Conflict(record) => record.id.clone(),
                    Record::Quarantine(record) => record.remote_id.to_string(),
                    Record::Run(record) => record.id.to_string(),
                    Record::Journal(record) => record.id.clone(),
                });
                all.extend(page);
            }
        }
        Ok(all)
    }
}
