//! Changes: by sync token, by ctag, or by listing.

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, ItemChange, ProviderError,
        PullMode, Result,
    },
};
use url::Url;

use super::{
    calls::{self, Depth, sync_collection::Outcome},
    cursor::{Marker, Paging, State},
    error, etag,
    href::{is_collection, path_key, resolve, resource_id},
    profile::ServerKind,
    provider::{CalDavProvider, calendar_gone},
    wire::{DavResponse, Multistatus},
    xml::Ns,
};

const OPERATION: &str = "changes";

/// A server that needs more pages than this for one pull is going in circles.
const PAGES_MAX: u32 = 10_000;

impl CalDavProvider {
    pub(super) async fn pull(
        &self,
        calendar: &RemoteCalendarId,
        request: ChangesRequest<'_>,
    ) -> Result<ChangePage> {
        let collection = self.collection(calendar, OPERATION)?;
        if request.mode == PullMode::Snapshot {
            let refused = request.cursor.and_then(State::read).is_some_and(|state| state.no_report);
            return self.list(&collection, refused).await;
        }
        let Some(cursor) = request.cursor else { return self.sync(&collection, None, None).await };
        let state = State::read(cursor).ok_or_else(|| {
            ProviderError::new(ErrorKind::CursorInvalid, OPERATION, "not a cursor of CalDAV")
        })?;
        match &state.marker {
            Marker::Token(token) if !state.no_report => {
                self.sync(&collection, Some(token), state.paging).await
            }
            Marker::None => self.list(&collection, state.no_report).await,
            _ => self.poll(&collection, state).await,
        }
    }

    /// `sync-collection`: one request, an answer as large as what changed.
    async fn sync(
        &self,
        collection: &Url,
        token: Option<&str>,
        paging: Option<Paging>,
    ) -> Result<ChangePage> {
        let mut depth = Depth::Zero;
        loop {
            let request = calls::sync_collection::request(collection.clone(), token, depth);
            let answer = self.send(OPERATION, request).await?;
            return match calls::sync_collection::outcome(&answer.response, token, depth) {
                Outcome::Answer(multistatus, next) => {
                    self.learn(ServerKind::from_token(&next));
                    self.spellings.learn_all(collection, &answer.url, &multistatus);
                    page(collection, &answer.url, &multistatus, token, next, paging)
                }
                Outcome::TokenInvalid => Err(ProviderError::new(
                    ErrorKind::CursorInvalid,
                    OPERATION,
                    "the server refuses the token",
                )),
                Outcome::Unsupported => self.list(collection, true).await,
                Outcome::TryDepthOne => {
                    depth = Depth::One;
                    continue;
                }
                Outcome::Failed => {
                    Err(calendar_gone(error::reading(OPERATION, &answer.response, self.now())))
                }
            };
        }
    }

    /// Asks for the change marker alone, and lists when it moved.
    async fn poll(&self, collection: &Url, state: State) -> Result<ChangePage> {
        let is_token = matches!(state.marker, Marker::Token(_));
        let request = if is_token {
            calls::propfind::token(collection.clone())
        } else {
            calls::propfind::ctag(collection.clone())
        };
        let (multistatus, _) = self.multistatus(OPERATION, request).await.map_err(calendar_gone)?;
        let response = alive(&multistatus)?;
        let marker = if is_token {
            response.text(Ns::Dav, "sync-token").map(|token| Marker::Token(token.to_owned()))
        } else {
            response.text(Ns::CalendarServer, "getctag").map(|ctag| Marker::Ctag(ctag.to_owned()))
        };
        if marker.as_ref() == Some(&state.marker) {
            return Ok(ChangePage {
                changes: Vec::new(),
                scope: ChangeScope::Delta,
                cursor: state.cursor(),
                more: false,
                covered: Covered::ALL,
            });
        }
        let next = State { marker: marker.unwrap_or(Marker::None), ..state };
        self.items(collection, next).await
    }

    /// Everything there is. `no_report`: `sync-collection` was refused, whatever the server says it offers.
    async fn list(&self, collection: &Url, no_report: bool) -> Result<ChangePage> {
        // The marker first: what changes while the listing is made is reported again, never lost.
        let request = calls::propfind::markers(collection.clone());
        let (multistatus, _) = self.multistatus(OPERATION, request).await.map_err(calendar_gone)?;
        let response = alive(&multistatus)?;
        let token = response.text(Ns::Dav, "sync-token").map(ToOwned::to_owned);
        let ctag = response.text(Ns::CalendarServer, "getctag").map(ToOwned::to_owned);
        if let Some(token) = &token {
            self.learn(ServerKind::from_token(token));
        }
        let state = match (token, ctag) {
            (Some(token), _) if !no_report && offers_sync(response) => State::new(Marker::Token(token)),
            (_, Some(ctag)) => State { no_report, ..State::new(Marker::Ctag(ctag)) },
            (Some(token), None) => State { no_report: true, ..State::new(Marker::Token(token)) },
            (None, None) => State { no_report, ..State::new(Marker::None) },
        };
        self.items(collection, state).await
    }

    async fn items(&self, collection: &Url, state: State) -> Result<ChangePage> {
        let request = calls::propfind::items(collection.clone());
        let (multistatus, base) = self.multistatus(OPERATION, request).await.map_err(calendar_gone)?;
        if multistatus.responses.is_empty() {
            // Even an empty calendar lists itself.
            return Err(error::unusable(OPERATION, "a listing without the calendar itself"));
        }
        self.spellings.learn_all(collection, &base, &multistatus);
        let mut changes = Changes::default();
        let mut scope = ChangeScope::Snapshot;
        for response in &multistatus.responses {
            for href in &response.hrefs {
                if is_collection(collection, &base, href) {
                    match response.status {
                        None | Some(200..300) => {}
                        Some(507) => scope = ChangeScope::PartialSnapshot,
                        Some(status) => return Err(refused(status)),
                    }
                    continue;
                }
                if response.is_type(Ns::Dav, "collection") || is_task(response) {
                    continue;
                }
                let Some(id) = resource_id(collection, &base, href) else {
                    if resolve(&base, href).is_none() {
                        // Something is there under a name that leads elsewhere: what is absent here may be that.
                        scope = ChangeScope::PartialSnapshot;
                    }
                    continue;
                };
                match response.status {
                    Some(404 | 410 | 418) => {}
                    Some(300..) => {
                        // There is something that could not be listed.
                        scope = ChangeScope::PartialSnapshot;
                    }
                    _ => changes.add(id, replayable(present(response))),
                }
            }
        }
        // The marker of a listing that lacks something would hide it until the calendar changes again.
        let cursor = state.cursor().filter(|_| scope == ChangeScope::Snapshot);
        Ok(ChangePage { changes: changes.list, scope, cursor, more: false, covered: Covered::ALL })
    }
}

/// The page of a `sync-collection` answer.
fn page(
    collection: &Url,
    base: &Url,
    multistatus: &Multistatus,
    token: Option<&str>,
    next: String,
    paging: Option<Paging>,
) -> Result<ChangePage> {
    let initial = token.is_none() || paging.is_some_and(|paging| paging.initial);
    let mut changes = Changes::default();
    let (mut more, mut misplaced) = (false, false);
    for response in &multistatus.responses {
        for href in &response.hrefs {
            if is_collection(collection, base, href) {
                // 507: the server stopped here (RFC 6578 section 3.6). Anything else it says of itself is no item.
                more |= response.status == Some(507);
                continue;
            }
            let Some(id) = resource_id(collection, base, href) else {
                misplaced |= resolve(base, href).is_none();
                continue;
            };
            match response.status {
                // 418 is what Nextcloud once said. A first listing names the dead as well.
                Some(404 | 410 | 418) if initial => {}
                Some(404 | 410 | 418) => changes.add(id, ItemChange::Removed),
                _ if is_task(response) => {}
                // Anything that is not plainly there or gone has to be looked at.
                Some(300..) => changes.add(id, ItemChange::Present { version: None, payload: None }),
                _ => changes.add(id, replayable(present(response))),
            }
        }
    }
    if misplaced && !initial {
        // The token would move past a change nobody can look at: a listing says what there is besides it.
        let detail = "an item under a name that leads to another site";
        return Err(ProviderError::new(ErrorKind::CursorInvalid, OPERATION, detail));
    }
    let pages = paging.map_or(0, |paging| paging.pages) + 1;
    if more && (token == Some(next.as_str()) || pages >= PAGES_MAX) {
        return Err(ProviderError::new(
            ErrorKind::CursorInvalid,
            OPERATION,
            "the server sends the same page again",
        ));
    }
    let partial = initial && (more || misplaced || paging.is_some());
    let scope = match (initial, partial) {
        (false, _) => ChangeScope::Delta,
        // Servers that cut a first listing have been seen to skip items between the pieces.
        (true, true) => ChangeScope::PartialSnapshot,
        (true, false) => ChangeScope::Snapshot,
    };
    let mut state = State::new(Marker::Token(next));
    state.paging = more.then_some(Paging { initial, pages });
    Ok(ChangePage { changes: changes.list, scope, cursor: state.cursor(), more, covered: Covered::ALL })
}

fn present(response: &DavResponse) -> ItemChange {
    let version = response.text(Ns::Dav, "getetag").and_then(etag::version);
    ItemChange::Present { version, payload: None }
}

/// A tag that counts from the start for each new item may be the one of another item that had this name: an item with
/// such a tag is fetched whatever the tag.
fn replayable(change: ItemChange) -> ItemChange {
    match change {
        ItemChange::Present { version: Some(version), payload } if etag::is_counter(&version) => {
            ItemChange::Present { version: None, payload }
        }
        other => other,
    }
}

/// Tasks and journals in a mixed calendar, where the server says so in the listing.
fn is_task(response: &DavResponse) -> bool {
    response.text(Ns::Dav, "getcontenttype").is_some_and(|content_type| {
        let content_type = content_type.to_ascii_lowercase();
        content_type.split(';').map(str::trim).any(|parameter| {
            parameter
                .strip_prefix("component=")
                .is_some_and(|component| ["vtodo", "vjournal"].contains(&component.trim_matches('"')))
        })
    })
}

fn offers_sync(response: &DavResponse) -> bool {
    response.prop(Ns::Dav, "supported-report-set").is_none_or(|set| {
        set.children.is_empty()
            || set.all(Ns::Dav, "supported-report").any(|supported| {
                supported
                    .all(Ns::Dav, "report")
                    .any(|report| report.child(Ns::Dav, "sync-collection").is_some())
            })
    })
}

/// The calendar's own entry in a `Depth: 0` answer.
fn alive(multistatus: &Multistatus) -> Result<&DavResponse> {
    let response = multistatus
        .responses
        .first()
        .ok_or_else(|| error::unusable(OPERATION, "an answer that says nothing of the calendar"))?;
    match response.status {
        None | Some(200..300) => Ok(response),
        Some(status) => Err(refused(status)),
    }
}

/// A status inside a 207, about the calendar.
fn refused(status: u16) -> ProviderError {
    let detail = format!("status {status} for the calendar");
    match status {
        404 | 410 => ProviderError::new(ErrorKind::CalendarGone, OPERATION, detail),
        401 | 403 => ProviderError::new(ErrorKind::Forbidden, OPERATION, detail),
        _ => ProviderError::new(ErrorKind::Unavailable, OPERATION, detail),
    }
}

/// Each item once, whatever the server repeats.
#[derive(Default)]
struct Changes {
    list: Vec<Change>,
    keys: std::collections::HashMap<Vec<u8>, usize>,
}

impl Changes {
    fn add(&mut self, id: RemoteId, change: ItemChange) {
        let key = path_key(id.as_str());
        if let Some(held) = self.keys.get(&key).and_then(|index| self.list.get_mut(*index)) {
            if held.change != change {
                // Contradictions are settled by looking.
                held.change = ItemChange::Present { version: None::<Version>, payload: None };
            }
            return;
        }
        self.keys.insert(key, self.list.len());
        self.list.push(Change { id, change });
    }
}
