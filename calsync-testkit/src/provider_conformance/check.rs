//! What the cases say again and again.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    diff::{Part, changed_fields, field_value},
    model::{Event, EventTime, RemoteId, TimeSpan, Version},
    provider::{
        ChangePage, ChangeScope, ChangesRequest, Cursor, Fetched, ItemChange, Payload, PeoplePolicy,
        ProviderError, PullMode, RenderRequest, Rendered, Written,
    },
    recurrence::ExpansionLimits,
    zone::Zone,
};
use chrono::{DateTime, Utc};

use super::{Account, Cannot};

/// A calendar as a client has it that does what the pages say.
#[derive(Default)]
pub(super) struct Mirror {
    pub(super) cursor: Option<Cursor>,
    pub(super) items: BTreeMap<RemoteId, Held>,
}

/// An item as the client has it.
#[derive(Clone)]
pub(super) struct Held {
    pub(super) version: Option<Version>,
    pub(super) payload: Option<Payload>,
    /// `None` when it cannot be read.
    pub(super) event: Option<Event>,
}

/// What a listing was.
pub(super) struct Pulled {
    pub(super) scope: ChangeScope,
    /// Whom it named, but for what was not known before and is not there: news of that is no news.
    pub(super) named: BTreeSet<RemoteId>,
    pub(super) pages: usize,
}

impl Mirror {
    /// A client that has listed everything.
    pub(super) async fn of(account: &dyn Account) -> Self {
        let mut mirror = Self::default();
        let pulled = mirror.pull(account).await;
        assert_eq!(pulled.scope, ChangeScope::Snapshot, "a listing without a cursor is of everything");
        mirror
    }

    /// Lists what changed; the listing must be answered.
    pub(super) async fn pull(&mut self, account: &dyn Account) -> Pulled {
        self.try_pull(account).await.expect("the listing is answered")
    }

    /// Lists what changed. Nothing is taken over when a page fails.
    pub(super) async fn try_pull(&mut self, account: &dyn Account) -> Result<Pulled, ProviderError> {
        let (pages, cursor) = pages(account, self.cursor.as_ref(), PullMode::Incremental).await?;
        let scope = pages[0].scope;
        let mut named = BTreeSet::new();
        let mut next = if scope == ChangeScope::Snapshot { BTreeMap::new() } else { self.items.clone() };
        let mut wanted = Vec::new();
        for change in pages.iter().flat_map(|page| &page.changes) {
            named.insert(change.id.clone());
            match &change.change {
                ItemChange::Removed => {
                    assert_eq!(scope, ChangeScope::Delta, "everything there is, and something that is not");
                    if !self.items.contains_key(&change.id) {
                        named.remove(&change.id);
                    }
                    next.remove(&change.id);
                }
                ItemChange::Present { version, payload: Some(payload) } => {
                    next.insert(change.id.clone(), held(account, version.clone(), payload.clone()));
                }
                ItemChange::Present { .. } => wanted.push(change.id.clone()),
            }
        }
        for (id, held) in fetch_all(account, &wanted).await {
            match held {
                Some(held) => next.insert(id, held),
                None => next.remove(&id),
            };
        }
        (self.items, self.cursor) = (next, cursor);
        Ok(Pulled { scope, named, pages: pages.len() })
    }

    /// Everything that takes place, in order.
    pub(super) fn shown(&self) -> Vec<String> {
        let mut shown: Vec<String> =
            self.items.values().filter_map(|held| held.event.as_ref()).flat_map(shown).collect();
        shown.sort();
        shown
    }
}

/// The pages of a listing, each checked by itself, and the cursor of the last.
pub(super) async fn pages(
    account: &dyn Account,
    cursor: Option<&Cursor>,
    mode: PullMode,
) -> Result<(Vec<ChangePage>, Option<Cursor>), ProviderError> {
    let mut pages: Vec<ChangePage> = Vec::new();
    let mut cursor = cursor.cloned();
    loop {
        // A listing of everything that goes on is asked for by its cursor, like any other.
        let request = ChangesRequest {
            cursor: cursor.as_ref(),
            mode: if pages.is_empty() { mode } else { PullMode::Incremental },
        };
        let page = account.provider().changes(&account.calendar(), request).await?;
        let mut once = BTreeSet::new();
        assert!(page.changes.iter().all(|change| once.insert(&change.id)), "an item twice on one page");
        assert!(!page.more || page.cursor.is_some(), "there is more, and no word of where");
        let more = page.more;
        cursor.clone_from(&page.cursor);
        pages.push(page);
        assert!(
            pages.iter().all(|page| page.scope == pages[0].scope),
            "the pages of one listing differ in scope"
        );
        if !more {
            return Ok((pages, cursor));
        }
        assert!(pages.len() < 1000, "the pages never end");
    }
}

fn held(account: &dyn Account, version: Option<Version>, payload: Payload) -> Held {
    let event = account.provider().read(&payload).ok();
    Held { version, payload: Some(payload), event }
}

/// Asks for items, as many at once as the provider takes. `None`: there is no such item.
pub(super) async fn fetch_all(account: &dyn Account, ids: &[RemoteId]) -> Vec<(RemoteId, Option<Held>)> {
    let mut found = Vec::new();
    let most = match account.provider().capabilities().fetch_max {
        0 => usize::MAX,
        most => most,
    };
    for some in ids.chunks(most.min(ids.len().max(1))) {
        let answers =
            account.provider().fetch(&account.calendar(), some).await.expect("the fetch is answered");
        assert_eq!(answers.len(), some.len(), "one answer for each item asked");
        for answer in answers {
            found.push(match answer {
                Fetched::Found { id, version, payload } | Fetched::Renamed { id, version, payload, .. } => {
                    (id, Some(held(account, version, payload)))
                }
                Fetched::Missing(id) => (id, None),
                Fetched::Failed(id, _) => (id, Some(Held { version: None, payload: None, event: None })),
            });
        }
    }
    found
}

/// One item as it is now.
pub(super) async fn fetch(account: &dyn Account, id: &RemoteId) -> Option<(RemoteId, Held)> {
    let (id, held) = fetch_all(account, std::slice::from_ref(id)).await.pop()?;
    Some((id, held?))
}

/// One item that is there and can be read and written: its version, its payload, what it says.
pub(super) async fn item(account: &dyn Account, id: &RemoteId) -> (Version, Payload, Event) {
    let (_, held) = fetch(account, id).await.expect("the item is there");
    let version = held.version.expect("an item that can be written has a version");
    (version, held.payload.expect("a payload"), held.event.expect("it can be read"))
}

/// What an item says.
pub(super) async fn held_event(account: &dyn Account, id: &RemoteId) -> Event {
    let (_, held) = fetch(account, id).await.expect("the item is there");
    held.event.expect("it can be read")
}

/// When an event takes place and under which titles, as [`Sample::shown`](super::Sample::shown).
pub(super) fn shown(event: &Event) -> Vec<String> {
    let at = |text: &str| text.parse::<DateTime<Utc>>().expect("an instant");
    let window = at("2025-01-01T00:00:00Z")..at("2028-01-01T00:00:00Z");
    let (instances, _) = event.instances(window, &Zone::UTC, &ExpansionLimits::default());
    instances
        .iter()
        .map(|instance| format!("{} {}", span(&instance.time), instance.body.title.as_deref().unwrap_or("-")))
        .collect()
}

fn span(time: &TimeSpan) -> String {
    let point = |time: &EventTime| match time {
        EventTime::Date(date) => date.to_string(),
        other => other.instant(&Zone::UTC).format("%Y-%m-%dT%H:%MZ").to_string(),
    };
    format!("{}/{}", point(&time.start), point(&time.end))
}

/// What an event says and what is held of it does not, as the provider can hold it. What the event leaves open a service
/// may fill in; how often it repeats is told by [`shown`], as there are many ways to write a rule.
pub(super) fn lost(account: &dyn Account, event: &Event, held: &Event) -> Vec<String> {
    let (event, held) = (account.provider().project(event), account.provider().project(held));
    changed_fields(&event, &held)
        .into_iter()
        .filter(|field| field.part != Part::Rules && !field_value(&event, field).is_null())
        .map(|field| field.to_string())
        .collect()
}

/// A new identifier for a name.
pub(super) fn fresh(number: u32) -> String {
    format!("{number:032x}")
}

/// The payload of a write, without people.
pub(super) fn render(
    account: &dyn Account,
    event: &Event,
    original: Option<&Payload>,
) -> Result<Rendered, ProviderError> {
    let now = DateTime::from_timestamp(1_767_614_400, 0).expect("2026-01-05");
    account.provider().render(RenderRequest { event, original, now, people: PeoplePolicy::Withhold })
}

/// The name and the payload of a new item.
pub(super) fn proposed(account: &dyn Account, event: &Event, number: u32) -> (RemoteId, Payload) {
    let id = account.provider().propose_id(&account.calendar(), event, &fresh(number)).expect("a name");
    (id, render(account, event, None).expect("a payload").payload)
}

/// Creates an item of an event.
pub(super) async fn create(
    account: &dyn Account,
    event: &Event,
    number: u32,
) -> Result<Written, ProviderError> {
    let (id, payload) = proposed(account, event, number);
    account.provider().create(&account.calendar(), &id, &payload).await
}

/// Reads an item, changes it, and writes it back.
pub(super) async fn update(
    account: &dyn Account,
    id: &RemoteId,
    change: impl FnOnce(&mut Event),
) -> Result<Written, ProviderError> {
    let (version, payload, mut event) = item(account, id).await;
    change(&mut event);
    let rendered = render(account, &event, Some(&payload))?;
    account.provider().update(&account.calendar(), id, &version, &rendered.payload).await
}

/// Sets the title of the event, or of the series.
pub(super) fn retitle(title: &str) -> impl FnOnce(&mut Event) {
    let title = title.to_owned();
    move |event| event.master.as_mut().expect("a master").title = Some(title)
}

/// Cases that write need a provider that does.
pub(super) fn writes(account: &dyn Account) -> Result<(), Cannot> {
    if account.provider().capabilities().write { Ok(()) } else { Err(Cannot("write")) }
}
