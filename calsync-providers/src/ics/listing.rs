//! What a fetched feed means for a pull, decided without asking anybody.

use calsync_core::provider::{Change, ChangePage, ChangeScope, ItemChange, ProviderError, PullMode};

use super::config::IcsLimits;
use super::cursor::{State, Uids, Validators};
use super::error::FeedError;
use super::fetch::Body;
use super::items::{self, Named};
use super::payload;
use super::refresh;
use super::split::{Feed, split};

const OPERATION: &str = "changes";

/// The page of a fetched feed, and the state to go on from.
///
/// - The same bytes, or the same items in the same versions, as in `before` are a delta without changes.
/// - A feed of one event that is empty now is listed as partial once, and believed when the next fetch finds the same: the
///   engine asks nobody about a single deletion. A feed that has lost more is believed at once, and what it lost waits
///   for a person.
/// - A feed whose events all have other UIDs for the first time is a delta without changes, to be looked at again: were
///   those UIDs invented, all its events would be deleted and made anew.
pub(super) fn page(
    body: &Body,
    before: Option<&State>,
    mode: PullMode,
    fresh: State,
    limits: &IcsLimits,
) -> Result<ChangePage, ProviderError> {
    let trusted = before.filter(|state| mode == PullMode::Incremental && state.doubtful.is_none());
    let mut state = before.cloned().unwrap_or(fresh);
    state.read_at = body.at;
    state.validators = body.validators.clone();
    state.moved_to = body.moved_to.as_ref().map(|url| url.as_str().to_owned());
    state.body = blake3::hash(&body.bytes).to_hex()[..32].to_owned();
    if trusted.is_some_and(|trusted| trusted.body == state.body) {
        return unchanged(&state);
    }
    let feed = split(&body.bytes, limits).map_err(|error| error.during(OPERATION))?;
    let gathered = items::gather(&feed);
    let uids = state.compare_uids(&gathered);
    if let (Some(trusted), Uids::InDoubt) = (trusted, uids) {
        // What was listed stays listed; without validators the feed is asked for as a whole.
        state.validators = Validators::default();
        state.body.clone_from(&trusted.body);
        return unchanged(&state);
    }
    let asked = feed.calendars.iter().find_map(|head| refresh::duration(head.refresh.as_deref()?));
    state.refresh_seconds = asked.max(body.max_age).map(|wait| wait.as_secs());
    let named = items::name(&gathered, state.naming(), state.feed());
    state.listing = listing_hash(&feed, &named);
    if trusted.is_some_and(|trusted| trusted.listing == state.listing) {
        return unchanged(&state);
    }
    let is_drop =
        before.is_some_and(|before| is_sudden(before.doubtful.unwrap_or(before.items), named.len()));
    let scope = if is_drop {
        state.doubtful = Some(named.len());
        ChangeScope::PartialSnapshot
    } else {
        state.doubtful = None;
        state.items = named.len();
        if feed.has_gaps { ChangeScope::PartialSnapshot } else { ChangeScope::Snapshot }
    };
    let changes = changes(&feed, &named, limits).map_err(|error| error.during(OPERATION))?;
    Ok(ChangePage { changes, scope, cursor: Some(state.write()?), more: false })
}

/// The page of a feed that is as it was.
pub(super) fn unchanged(state: &State) -> Result<ChangePage, ProviderError> {
    let cursor = Some(state.write()?);
    Ok(ChangePage { changes: Vec::new(), scope: ChangeScope::Delta, cursor, more: false })
}

fn is_sudden(before: usize, now: usize) -> bool {
    before == 1 && now == 0
}

fn changes(feed: &Feed<'_>, named: &[Named<'_>], limits: &IcsLimits) -> Result<Vec<Change>, FeedError> {
    let mut bytes = 0usize;
    let mut changes = Vec::with_capacity(named.len());
    for one in named {
        let payload = payload::write(feed, one);
        bytes = bytes.saturating_add(payload.as_str().len());
        if bytes > limits.max_payload_bytes {
            return Err(FeedError::PayloadsTooLarge { limit: limits.max_payload_bytes });
        }
        let change = ItemChange::Present { version: Some(one.item.version()), payload: Some(payload) };
        changes.push(Change { id: one.id.clone(), change });
    }
    Ok(changes)
}

fn listing_hash(feed: &Feed<'_>, named: &[Named<'_>]) -> String {
    let mut parts: Vec<String> =
        named.iter().map(|one| format!("{} {}\n", one.id.as_str(), one.item.version().as_str())).collect();
    parts.sort_unstable();
    let mut hash = blake3::Hasher::new();
    parts.iter().for_each(|part| {
        hash.update(part.as_bytes());
    });
    hash.update(if feed.has_gaps { b"gaps" } else { b"whole" });
    hash.finalize().to_hex()[..32].to_owned()
}
