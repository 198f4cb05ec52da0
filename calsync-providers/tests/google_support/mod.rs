//! What the tests of the Google provider share.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    dead_code,
    reason = "a test that cannot go on panics; not every test uses everything"
)]

use std::sync::Arc;

use calsync_core::{
    model::{Event, RemoteCalendarId, RemoteId, Version},
    provider::{
        ChangePage, ChangesRequest, Cursor, Fetched, ItemChange, Payload, PeoplePolicy, Provider, PullMode,
        RenderRequest, Rendered, Result,
    },
};
use calsync_providers::{
    google::{GoogleConfig, GoogleProvider},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
};
use calsync_testkit::google::{GoogleOptions, GoogleQuirks, GoogleServer};

pub(crate) fn start(quirks: GoogleQuirks) -> GoogleServer {
    GoogleServer::start(GoogleOptions { quirks, ..GoogleOptions::default() }).unwrap()
}

pub(crate) fn config(server: &GoogleServer) -> GoogleConfig {
    GoogleConfig::new(Arc::new(Secret::from("secret"))).at(server.url(), AddressPolicy::AllowPrivate)
}

pub(crate) fn with(config: GoogleConfig) -> GoogleProvider {
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
    GoogleProvider::new(config, Arc::new(transport)).unwrap()
}

pub(crate) fn provider(server: &GoogleServer) -> GoogleProvider {
    with(config(server))
}

pub(crate) fn primary() -> RemoteCalendarId {
    RemoteCalendarId::from("ann@example.com")
}

pub(crate) async fn page(
    provider: &dyn Provider,
    cursor: Option<&Cursor>,
    mode: PullMode,
) -> Result<ChangePage> {
    provider.changes(&primary(), ChangesRequest { cursor, mode }).await
}

/// All pages of a pull as one.
pub(crate) async fn pull(provider: &dyn Provider, cursor: Option<Cursor>) -> Result<ChangePage> {
    let mut all = page(provider, cursor.as_ref(), PullMode::Incremental).await?;
    while all.more {
        let next = page(provider, all.cursor.as_ref(), PullMode::Incremental).await?;
        assert_eq!(next.scope, all.scope);
        all.changes.extend(next.changes);
        all.cursor = next.cursor;
        all.more = next.more;
    }
    Ok(all)
}

/// The items of a page by their titles; what was removed by `-` and its name.
pub(crate) fn shown(provider: &dyn Provider, page: &ChangePage) -> Vec<String> {
    let mut shown: Vec<String> = page
        .changes
        .iter()
        .map(|change| match &change.change {
            ItemChange::Removed => format!("-{}", change.id),
            ItemChange::Present { payload: Some(payload), .. } => match provider.read(payload) {
                Ok(event) => event.body().and_then(|body| body.title.clone()).unwrap_or_default(),
                Err(error) => format!("!{:?}", error.kind),
            },
            ItemChange::Present { .. } => format!("?{}", change.id),
        })
        .collect();
    shown.sort();
    shown
}

/// One item as it is now.
pub(crate) async fn item(provider: &dyn Provider, id: &RemoteId) -> (Version, Payload, Event) {
    match provider.fetch(&primary(), std::slice::from_ref(id)).await.unwrap().pop() {
        Some(Fetched::Found { version, payload, .. }) => {
            let event = provider.read(&payload).unwrap();
            (version.unwrap(), payload, event)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn render(provider: &dyn Provider, event: &Event, original: Option<&Payload>) -> Rendered {
    render_with(provider, event, original, PeoplePolicy::Withhold).unwrap()
}

pub(crate) fn render_with(
    provider: &dyn Provider,
    event: &Event,
    original: Option<&Payload>,
    people: PeoplePolicy,
) -> Result<Rendered> {
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    provider.render(RenderRequest { event, original, now, people })
}

/// Reads an item, changes it, and writes it back.
pub(crate) async fn edit(provider: &dyn Provider, id: &RemoteId, change: impl FnOnce(&mut Event)) {
    let (version, payload, mut event) = item(provider, id).await;
    change(&mut event);
    let rendered = render(provider, &event, Some(&payload));
    assert!(rendered.losses.is_empty(), "{:?}", rendered.losses);
    provider.update(&primary(), id, &version, &rendered.payload).await.unwrap();
}

/// Creates an item of an event; returns its name.
pub(crate) async fn create(provider: &dyn Provider, event: &Event, fresh: &str) -> RemoteId {
    let id = provider.propose_id(&primary(), event, fresh).unwrap();
    let payload = render(provider, event, None).payload;
    provider.create(&primary(), &id, &payload).await.unwrap().id
}
