//! What the tests of the Cozi provider share.

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
    cozi::{CoziConfig, CoziProvider, UnofficialApi},
    http::{AddressPolicy, ReqwestOptions, ReqwestTransport, Secret},
};
use calsync_testkit::{
    cozi::{CoziOptions, CoziQuirks, CoziServer},
    world::VirtualClock,
};
use serde_json::{Value, json};

pub(crate) fn start(change: impl FnOnce(&mut CoziQuirks)) -> CoziServer {
    let mut options = CoziOptions::default();
    change(&mut options.quirks);
    CoziServer::start(options).unwrap()
}

pub(crate) fn config(server: &CoziServer) -> CoziConfig {
    let mut config = CoziConfig::new("ann@example.com", Secret::from("secret"))
        .at(server.url(), AddressPolicy::AllowPrivate);
    config.unofficial_api = UnofficialApi::Accepted;
    config.pace = None;
    config
}

pub(crate) fn with(config: CoziConfig, clock: &Arc<VirtualClock>) -> CoziProvider {
    let transport = ReqwestTransport::new(&ReqwestOptions::default()).unwrap();
    CoziProvider::new(config, Arc::new(transport), clock.clone()).unwrap()
}

pub(crate) fn provider(server: &CoziServer) -> CoziProvider {
    with(config(server), &Arc::default())
}

pub(crate) fn calendar() -> RemoteCalendarId {
    RemoteCalendarId::from("account-1")
}

pub(crate) fn timed(title: &str, day: &str) -> Value {
    json!({
        "day": day, "startTime": "09:00:00", "endTime": "10:00:00", "dateSpan": 0, "description": title,
        "householdMembers": ["person-1"], "itemDetails": {"location": "", "notes": ""},
    })
}

pub(crate) fn weekly(title: &str, day: &str, name: &str) -> Value {
    let mut item = timed(title, day);
    item["itemDetails"]["recurrenceStartDay"] = day.into();
    item["itemDetails"]["recurrence"] = json!({"rules": [
        {"frequency": "Weekly", "interval": 1, "byDay": [name], "end": {}}
    ]});
    item
}

pub(crate) async fn page(
    provider: &dyn Provider,
    cursor: Option<&Cursor>,
    mode: PullMode,
) -> Result<ChangePage> {
    let page = provider.changes(&calendar(), ChangesRequest { cursor, mode }).await?;
    assert!(!page.more);
    Ok(page)
}

pub(crate) async fn pull(provider: &dyn Provider, cursor: Option<&Cursor>) -> Result<ChangePage> {
    page(provider, cursor, PullMode::Incremental).await
}

/// The items of a page by their titles; what was removed by `-` and its name, what cannot be read by `!`.
pub(crate) fn shown(provider: &dyn Provider, page: &ChangePage) -> Vec<String> {
    let mut shown: Vec<String> = page
        .changes
        .iter()
        .map(|change| match &change.change {
            ItemChange::Removed => format!("-{}", change.id),
            ItemChange::Present { payload: Some(payload), .. } => match provider.read(payload) {
                Ok(event) => event.body().and_then(|body| body.title.clone()).unwrap_or_default(),
                Err(error) => format!("!{error}"),
            },
            ItemChange::Present { .. } => format!("?{}", change.id),
        })
        .collect();
    shown.sort();
    shown
}

/// One item as it is now.
pub(crate) async fn item(provider: &dyn Provider, id: &RemoteId) -> (Version, Payload, Event) {
    match provider.fetch(&calendar(), std::slice::from_ref(id)).await.unwrap().pop() {
        Some(Fetched::Found { version, payload, .. }) => {
            let event = provider.read(&payload).unwrap();
            (version.unwrap(), payload, event)
        }
        other => panic!("{other:?}"),
    }
}

pub(crate) fn render(provider: &dyn Provider, event: &Event, original: Option<&Payload>) -> Result<Rendered> {
    let now = "2026-01-05T12:00:00Z".parse().unwrap();
    provider.render(RenderRequest { event, original, now, people: PeoplePolicy::Withhold })
}

/// Creates an item of an event; returns its name.
pub(crate) async fn create(provider: &dyn Provider, event: &Event, fresh: &str) -> Result<RemoteId> {
    let id = provider.propose_id(&calendar(), event, fresh)?;
    let payload = render(provider, event, None)?.payload;
    Ok(provider.create(&calendar(), &id, &payload).await?.id)
}
