//! What the CalDAV tests share.

#![allow(dead_code, reason = "each test binary uses its part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests, which clippy does not see as tests")]

use std::sync::Arc;

use calsync_core::{
    context::Clock,
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{ChangePage, ChangesRequest, Cursor, Fetched, Payload, Provider, PullMode, Result},
};
use calsync_providers::{
    caldav::{CalDavConfig, CalDavProvider},
    http::{HttpTransport, ReqwestOptions, ReqwestTransport},
};
use calsync_testkit::dav::{DavOptions, DavServer, Quirks};

pub(crate) fn transport() -> Arc<dyn HttpTransport> {
    Arc::new(ReqwestTransport::new(&ReqwestOptions::default()).unwrap())
}

pub(crate) fn start(quirks: Quirks) -> DavServer {
    DavServer::start(DavOptions::with_quirks(quirks)).unwrap()
}

pub(crate) fn provider(server: &DavServer) -> CalDavProvider {
    CalDavProvider::new(CalDavConfig::new(server.url(), "user", "secret"), transport()).unwrap()
}

/// The server's calendar `work`, without asking for it.
pub(crate) fn work(server: &DavServer) -> RemoteCalendarId {
    RemoteCalendarId::from(format!("{}dav/calendars/user/work/", server.url()))
}

pub(crate) fn id_of(name: &str) -> RemoteId {
    RemoteId::from(format!("/dav/calendars/user/work/{name}"))
}

pub(crate) fn text(uid: &str, title: &str) -> String {
    format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\nUID:{uid}\r\n\
         DTSTAMP:20261121T120000Z\r\nDTSTART:20261201T100000Z\r\nDTEND:20261201T110000Z\r\n\
         SUMMARY:{title}\r\nX-KEPT:yes\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    )
}

pub(crate) fn payload(uid: &str, title: &str) -> Payload {
    Payload::new(text(uid, title))
}

pub(crate) fn event(uid: &str) -> Event {
    Event {
        uid: uid.to_owned(),
        uid_origin: Default::default(),
        master: None,
        rules: Vec::new(),
        excluded_rules: Vec::new(),
        overrides: Default::default(),
        lineage: None,
    }
}

pub(crate) async fn changes(
    provider: &CalDavProvider,
    calendar: &RemoteCalendarId,
    cursor: Option<Cursor>,
    mode: PullMode,
) -> Result<ChangePage> {
    provider.changes(calendar, ChangesRequest { cursor: cursor.as_ref(), mode }).await
}

/// Every page of a pull, with the scope and the cursor of the last.
pub(crate) async fn pull(
    provider: &CalDavProvider,
    calendar: &RemoteCalendarId,
    cursor: Option<Cursor>,
) -> Result<ChangePage> {
    let mut page = changes(provider, calendar, cursor, PullMode::Incremental).await?;
    let mut rounds = 0;
    while page.more {
        rounds += 1;
        assert!(rounds < 1000);
        let next = changes(provider, calendar, page.cursor.take(), PullMode::Incremental).await?;
        assert_eq!(next.scope, page.scope);
        page.changes.extend(next.changes);
        page.cursor = next.cursor;
        page.more = next.more;
    }
    Ok(page)
}

pub(crate) fn name(id: &RemoteId) -> String {
    id.as_str().rsplit('/').next().unwrap().to_owned()
}

/// The names in a page, sorted.
pub(crate) fn names(page: &ChangePage) -> Vec<String> {
    let mut names: Vec<_> = page.changes.iter().map(|change| name(&change.id)).collect();
    names.sort();
    names
}

/// `name: found title`, `name: missing` or `name: failed kind`, in the order of the answers.
pub(crate) fn outcomes(fetched: &[Fetched]) -> Vec<String> {
    fetched
        .iter()
        .map(|fetched| match fetched {
            Fetched::Found { id, payload, .. } => {
                let summary = payload.as_str().lines().find_map(|line| line.strip_prefix("SUMMARY:"));
                format!("{}: found {}", name(id), summary.unwrap_or("nothing"))
            }
            Fetched::Renamed { asked, .. } => format!("{}: renamed", name(asked)),
            Fetched::Missing(id) => format!("{}: missing", name(id)),
            Fetched::Failed(id, error) => format!("{}: failed {:?}", name(id), error.kind),
        })
        .collect()
}

pub(crate) fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The version an item is fetched with.
pub(crate) async fn read_version(
    provider: &CalDavProvider,
    calendar: &RemoteCalendarId,
    id: &RemoteId,
) -> Version {
    match provider.fetch(calendar, std::slice::from_ref(id)).await.unwrap().pop() {
        Some(Fetched::Found { version: Some(version), .. }) => version,
        other => panic!("{other:?}"),
    }
}

pub(crate) struct FixedClock(pub(crate) chrono::DateTime<chrono::Utc>);

impl Clock for FixedClock {
    fn now(&self) -> chrono::DateTime<chrono::Utc> {
        self.0
    }
}
