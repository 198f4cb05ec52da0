//! What a fetched feed means for a pull, decided without asking anybody.

use std::collections::HashSet;

use calsync_core::provider::{Change, ChangePage, ChangeScope, Covered, ItemChange, ProviderError, PullMode};

use super::config::IcsLimits;
use super::cursor::{State, Uids, Validators};
use super::error::FeedError;
use super::fetch::Body;
use super::items::{self, Named};
use super::payload;
use super::refresh;
use super::split::{Feed, split};

const OPERATION: &str = "changes";
/// A feed that lost no more items than this is believed, unless it lost all.
const DROP_MIN: usize = 10;
/// How many items are remembered to find out how many are gone.
const NAMES_MAX: usize = 64;

/// The page of a fetched feed, and the state to go on from.
///
/// - The same bytes, or the same items in the same versions, as in `before` are a delta without changes.
/// - A feed that has lost more than half of its items, and more than ten, or all of them, is a delta without changes once,
///   and believed at the next fetch: a page that stands in for the feed for a while deletes nothing and brings nothing
///   in. [`PullMode::Snapshot`] is always answered with what is there.
/// - A feed whose events all have other UIDs for the first time is a delta without changes, to be looked at again: were
///   those UIDs invented, all its events would be deleted and made anew.
pub(super) fn page(
    body: &Body,
    before: Option<&State>,
    mode: PullMode,
    fresh: State,
    limits: &IcsLimits,
) -> Result<ChangePage, ProviderError> {
    let trusted = before.filter(|state| mode == PullMode::Incremental && state.is_of_trusted_listing());
    let mut state = before.cloned().unwrap_or(fresh);
    let was_in_doubt = state.doubtful.take().is_some();
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
        return looked_at_again(state, trusted, gathered.len());
    }
    let asked = feed.calendars.iter().find_map(|head| refresh::duration(head.refresh.as_deref()?));
    state.refresh_seconds = asked.max(body.max_age).map(|wait| wait.as_secs());
    let named = items::name(&gathered, state.naming(), state.feed());
    state.listing = listing_hash(&feed, &named);
    if trusted.is_some_and(|trusted| trusted.listing == state.listing) {
        state.names = names(&named);
        return unchanged(&state);
    }
    if let Some(trusted) = trusted.filter(|trusted| !was_in_doubt && trusted.naming() == state.naming())
        && is_sudden(trusted, &named)
    {
        return looked_at_again(state, trusted, named.len());
    }
    state.items = named.len();
    state.names = names(&named);
    let scope = if feed.has_gaps { ChangeScope::PartialSnapshot } else { ChangeScope::Snapshot };
    let changes = changes(&feed, &named, limits).map_err(|error| error.during(OPERATION))?;
    Ok(ChangePage { changes, scope, cursor: Some(state.write()?), more: false, covered: Covered::ALL })
}

/// The page of a feed in doubt: what was listed stays listed. Without validators the feed is asked for as a whole.
fn looked_at_again(mut state: State, trusted: &State, items: usize) -> Result<ChangePage, ProviderError> {
    state.doubtful = Some(items);
    state.validators = Validators::default();
    state.body.clone_from(&trusted.body);
    state.listing.clone_from(&trusted.listing);
    state.refresh_seconds = trusted.refresh_seconds;
    unchanged(&state)
}

/// The page of a feed that is as it was.
pub(super) fn unchanged(state: &State) -> Result<ChangePage, ProviderError> {
    let cursor = Some(state.write()?);
    Ok(ChangePage {
        changes: Vec::new(),
        scope: ChangeScope::Delta,
        cursor,
        more: false,
        covered: Covered::ALL,
    })
}

/// Whether most of what was listed is gone, by the names that are remembered of it.
fn is_sudden(before: &State, named: &[Named<'_>]) -> bool {
    let now: HashSet<u32> = named.iter().filter_map(short).collect();
    let (known, lost) = (before.names.len(), before.names.iter().filter(|name| !now.contains(name)).count());
    let gone = before.items.saturating_mul(lost) / known.max(1);
    lost > 0 && (lost == known || gone > DROP_MIN && gone.saturating_mul(2) > before.items)
}

/// Short forms of some names: the lowest, so that of items that stay the same ones are remembered every time.
fn names(named: &[Named<'_>]) -> Vec<u32> {
    let mut names: Vec<u32> = named.iter().filter_map(short).collect();
    names.sort_unstable();
    names.truncate(NAMES_MAX);
    names
}

fn short(named: &Named<'_>) -> Option<u32> {
    u32::from_str_radix(named.id.as_str().get(..8)?, 16).ok()
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
