//! What happens, in order.

use std::{error::Error, path::Path, sync::Arc};

use calsync_core::{
    context::{Clock, IdSource, RandomIds, SystemClock},
    engine::{Engine, Hub, Link, SyncOptions, SyncReport},
    model::{Calendar, CalendarId, EventBody, LinkId},
    plan::Direction,
    provider::Provider,
    store::{Record, RecordKind, RecordQuery, Store},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{HttpTransport, ReqwestOptions, ReqwestTransport, Secret},
    ics::{IcsConfig, IcsProvider},
};
use calsync_stores::sqlite::{SqliteConfig, SqliteStore};

use crate::{
    phone::Phone,
    screen::{Bars, Row, chapter, say, table},
};

/// A CalDAV server and a calendar on it.
pub(crate) struct Server {
    pub(crate) url: String,
    pub(crate) user: String,
    pub(crate) password: Secret<String>,
    pub(crate) calendar: String,
}

/// The holidays of one country, as its government's public-domain law gives them.
const HOLIDAYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/data/us-federal-holidays.ics");
const THANKSGIVING: &str = "thanksgiving-2026@us-federal-holidays.example";
const LABOR_DAY: &str = "labor-2026@us-federal-holidays.example";

struct Stage {
    store: Arc<dyn Store>,
    engine: Engine,
    hub: Hub,
    calendar: CalendarId,
    feed: IcsProvider,
    server: CalDavProvider,
    holidays: Link,
    home: Link,
    rows: Vec<Row>,
}

impl Stage {
    async fn sync_holidays(&mut self, step: &'static str) -> Result<SyncReport, Box<dyn Error>> {
        let report = self.engine.sync(&self.holidays, &self.feed, &SyncOptions::default()).await?;
        self.rows.push(Row { step, link: self.holidays.id.to_string(), report: report.clone() });
        Ok(report)
    }

    async fn sync_home(
        &mut self,
        step: &'static str,
        options: SyncOptions,
    ) -> Result<SyncReport, Box<dyn Error>> {
        let report = self.engine.sync(&self.home, &self.server, &options).await?;
        self.rows.push(Row { step, link: self.home.id.to_string(), report: report.clone() });
        Ok(report)
    }

    /// Edits an event in the database, as the application would.
    async fn edit(&self, uid: &str, change: impl FnOnce(&mut EventBody)) -> Result<(), Box<dyn Error>> {
        let found = self.store.events_by_uid(&self.calendar, &[uid]).await?;
        let mut record = found.into_iter().next().ok_or("the database has no such event")?;
        if let Some(body) = &mut record.event.master {
            change(body);
        }
        self.hub.update(&self.calendar, &record.id, record.revision, record.event).await?;
        Ok(())
    }

    async fn look(&self, uid: &str) -> Result<String, Box<dyn Error>> {
        let found = self.store.events_by_uid(&self.calendar, &[uid]).await?;
        Ok(found.first().and_then(|record| record.event.body()).map(describe).unwrap_or_default())
    }

    async fn conflicts(&self, link: &LinkId) -> Result<Vec<Record>, Box<dyn Error>> {
        let query =
            RecordQuery { kind: RecordKind::Conflict, link, event: None, run: None, after: None, limit: 10 };
        Ok(self.store.records(query).await?)
    }
}

pub(crate) fn describe(body: &EventBody) -> String {
    let title = body.title.as_deref().unwrap_or("(no title)");
    match &body.location {
        Some(place) => format!("\"{title}\" at \"{place}\""),
        None => format!("\"{title}\""),
    }
}

pub(crate) async fn tell(server: &Server, database: &Path) -> Result<(), Box<dyn Error>> {
    let transport: Arc<dyn HttpTransport> = Arc::new(ReqwestTransport::new(&ReqwestOptions::default())?);
    let account = || CalDavConfig::new(server.url.as_str(), server.user.as_str(), server.password.clone());

    let caldav = CalDavProvider::new(account(), transport.clone())?;
    let calendars = caldav.calendars().await?;
    let remote =
        calendars.into_iter().find(|calendar| calendar.name == server.calendar).ok_or_else(|| {
            format!(
                "the account has no calendar \"{}\": make an empty one, or name another with --calendar",
                server.calendar
            )
        })?;
    let phone =
        Phone { server: CalDavProvider::new(account(), transport.clone())?, calendar: remote.id.clone() };
    if !phone.names().await?.is_empty() {
        return Err(format!(
            "the calendar \"{}\" is not empty: this story deletes what is in it, so it only uses an empty one",
            server.calendar
        )
        .into());
    }

    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ids: Arc<dyn IdSource> = Arc::new(RandomIds::new()?);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(database, SqliteConfig::default()).await?);
    let mut config = IcsConfig::new(HOLIDAYS);
    config.allow_file = true;
    let feed = IcsProvider::new(config, transport, clock.clone())?;
    let calendar = CalendarId::from("family");
    let holidays =
        Link::new("holidays", calendar.clone(), feed.calendar().clone()).with_direction(Direction::Import);
    let home = Link::new("home", calendar.clone(), remote.id);
    let hub = Hub::new(store.clone(), clock.clone(), ids.clone());
    hub.put_calendar(Calendar { id: calendar.clone(), name: "Family".to_owned(), color: None }).await?;
    let engine = Engine::new(store.clone(), clock, ids).with_observer(Arc::new(Bars::default()));
    let mut stage =
        Stage { store, engine, hub, calendar, feed, server: caldav, holidays, home, rows: Vec::new() };

    let result = chapters(&mut stage, &phone).await;
    // What the story wrote is taken away again, also when it was cut short.
    let names = phone.names().await.map(|names| names.len()).unwrap_or_default();
    phone.delete(names).await?;
    result
}

async fn chapters(stage: &mut Stage, phone: &Phone) -> Result<(), Box<dyn Error>> {
    chapter(1, "A feed into the database, and the database onto the server");
    let preview = stage.engine.plan(&stage.holidays, &stage.feed, &SyncOptions::default()).await?;
    say(&format!("The plan, before anything is written: {} operations.", preview.plan.operations.len()));
    let report = stage.sync_holidays("1 feed comes in").await?;
    say(&format!("{} holidays came in from {}.", report.counts.created, "data/us-federal-holidays.ics"));
    let report = stage.sync_home("1 events go out", SyncOptions::default()).await?;
    say(&format!(
        "{} events went to the CalDAV server, in {} requests.",
        report.counts.pushed, report.counts.requests
    ));

    chapter(2, "Again: nothing changed, so nothing is written");
    stage.sync_holidays("2 again").await?;
    let report = stage.sync_home("2 again", SyncOptions::default()).await?;
    say(&format!("{} operations, {} request.", report.plan.operations.len(), report.counts.requests));

    chapter(3, "Both sides edit one event: different fields merge");
    stage.edit(THANKSGIVING, |body| body.location = Some("Grandma's".to_owned())).await?;
    say("The application adds a place to Thanksgiving.");
    phone.edit(THANKSGIVING, |body| body.title = Some("Thanksgiving dinner".to_owned())).await?;
    say("A phone renames it on the server.");
    stage.sync_home("3 disjoint edits", SyncOptions::default()).await?;
    say(&format!("The database has {}.", stage.look(THANKSGIVING).await?));
    say(&format!("The server has   {}.", phone.look(THANKSGIVING).await?));

    chapter(4, "Both sides edit the same field: the policy decides, and the loser is kept");
    stage.edit(LABOR_DAY, |body| body.title = Some("Picnic".to_owned())).await?;
    phone.edit(LABOR_DAY, |body| body.title = Some("Beach".to_owned())).await?;
    stage.sync_home("4 contested edit", SyncOptions::default()).await?;
    for record in stage.conflicts(&stage.home.id).await? {
        if let Record::Conflict(conflict) = record {
            for field in &conflict.fields {
                say(&format!(
                    "Conflict on {}: it was {}, here {}, there {}. Policy {}: kept the {} one.",
                    field.field, field.base, field.local, field.remote, conflict.policy, field.outcome
                ));
            }
        }
    }

    chapter(5, "A server loses most of its events: the deletion is held");
    let all = phone.names().await?.len();
    phone.delete(all * 4 / 5).await?;
    say(&format!("{} of {all} events vanish from the server.", all * 4 / 5));
    let held = stage.sync_home("5 mass deletion", SyncOptions::default()).await?;
    say(&format!(
        "{} deletions are held as plan {}; the database still has them all.",
        held.counts.held, held.plan_id
    ));
    let approved = stage.sync_home("5 approved", SyncOptions::default().approving(held.plan_id)).await?;
    say(&format!("A person approved exactly that plan: {} events were deleted.", approved.counts.deleted));

    chapter(6, "A mistake: the run is taken back");
    let undone = stage.engine.undo(&stage.home, &stage.server, &approved.run).await?;
    let report = stage.sync_home("6 undone", SyncOptions::default()).await?;
    say(&format!(
        "{} events are back in the database, and {} on the server.",
        undone.restored, report.counts.pushed
    ));

    table(&stage.rows);
    Ok(())
}
