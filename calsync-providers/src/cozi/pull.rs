//! Changes: every month of the window, compared with what was there before.
//!
//! A month that was not read says nothing, so one that fails fails the pull. What is missing counts as deleted when every
//! month it was ever seen in was read and lacks it: then it is named as removed. Nothing is ever deleted for not being in
//! a listing, since a listing is a window and the calendar is not.

use std::collections::{BTreeMap, BTreeSet};

use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::{
        Change, ChangePage, ChangeScope, ChangesRequest, Covered, ErrorKind, ItemChange, ProviderError,
        PullMode, Result,
    },
    zone::Zone,
};
use chrono::NaiveTime;
use serde_json::Value;

use super::{
    cursor::{Month, Seen, Span, State},
    fetch::Lookup,
    item,
    provider::{CoziProvider, Household},
    wire::Page,
};

const OPERATION: &str = "changes";
/// Months outside of the window that are read to find out about one item.
const EXTRA_MAX: usize = 3;
/// How far back the months of a series are remembered once they have left the window.
const EXTRA_BACK: i32 = 2;

/// What the months hold.
#[derive(Default)]
struct Read {
    items: BTreeMap<String, (Value, Span)>,
    /// Named, and not to be read.
    unlisted: BTreeSet<String>,
    has_gaps: bool,
    months: BTreeSet<Month>,
}

impl Read {
    fn add(&mut self, month: Month, page: Page) {
        self.months.insert(month);
        self.has_gaps |= page.has_gaps;
        self.unlisted.extend(page.unlisted);
        for (id, value) in page.items {
            // The first month's word counts: they are read in order.
            self.items.entry(id).or_insert((value, Span(month, month))).1.over(month);
        }
    }
}

impl CoziProvider {
    pub(super) async fn pull(
        &self,
        calendar: &RemoteCalendarId,
        request: ChangesRequest<'_>,
    ) -> Result<ChangePage> {
        let before = match request.cursor {
            None => None,
            Some(cursor) => Some(State::read(cursor).ok_or_else(|| {
                ProviderError::new(ErrorKind::CursorInvalid, OPERATION, "not a cursor of Cozi")
            })?),
        };
        let household = self.own(calendar, OPERATION).await?;
        let (first, last) = self.window(&household);
        let mut read = Read::default();
        for month in first.until(last) {
            read.add(month, self.page(OPERATION, &household.account, month).await?);
        }
        let known = before.as_ref().map(|state| state.items.clone()).unwrap_or_default();
        let (gone, mut kept) = self.missing(&household, &known, &mut read).await?;

        let zone = household.zone.name();
        let compares = before.is_some() && request.mode == PullMode::Incremental;
        let mut state = State::default();
        let mut changes = Vec::with_capacity(gone.len());
        for (id, (value, mut span)) in std::mem::take(&mut read.items) {
            // The id in the page counts, also where the item has none of its own.
            let mut value = value;
            if let Some(object) = value.as_object_mut() {
                object.entry("id").or_insert_with(|| id.as_str().into());
            }
            let version = item::version(&value);
            if let Some(seen) = known.get(&id)
                && item_is_series(&value)
            {
                // The months just behind the window had it as well, and are read before it counts as gone. No more of
                // them than can be read: else a series that is old enough could never be.
                span.over(seen.span.0.max(first.plus(-EXTRA_BACK)));
            }
            let same = known.get(&id).is_some_and(|seen| seen.version == version.as_str());
            if !(compares && same) {
                let payload = Some(item::payload(&value, zone));
                let id = RemoteId::from(id.as_str());
                changes.push(Change {
                    id,
                    change: ItemChange::Present { version: Some(version.clone()), payload },
                });
            }
            kept.remove(&id);
            state.items.insert(id, Seen { span, version: version.as_str().to_owned() });
        }
        state.items.append(&mut kept);
        changes.extend(
            gone.into_iter().map(|id| Change { id: RemoteId::from(id), change: ItemChange::Removed }),
        );
        *self.seen() = state.items.iter().map(|(id, seen)| (id.clone(), seen.span)).collect();
        let scope = if compares { ChangeScope::Delta } else { ChangeScope::PartialSnapshot };
        let covered = covered(&household.zone, first, last);
        Ok(ChangePage { changes, scope, cursor: state.cursor(), more: false, covered })
    }

    /// The first and the last month that are read.
    pub(super) fn window(&self, household: &Household) -> (Month, Month) {
        let today = Month::of(household.zone.to_local(self.now()).date());
        let months = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
        let window = self.config.window;
        (today.plus(-months(window.past_months)), today.plus(months(window.ahead_months)))
    }

    /// What was there and is not: what is gone, and what nothing is known of and stays as it was.
    async fn missing(
        &self,
        household: &Household,
        known: &BTreeMap<String, Seen>,
        read: &mut Read,
    ) -> Result<(Vec<String>, BTreeMap<String, Seen>)> {
        let mut gone = Vec::new();
        let mut kept = BTreeMap::new();
        let missing: Vec<(&String, &Seen)> =
            known.iter().filter(|(id, _)| !read.items.contains_key(*id)).collect();
        let asks = missing.len() <= self.config.lookups_max;
        for (id, seen) in missing {
            let keep = (id.clone(), seen.clone());
            if read.unlisted.contains(id) || read.has_gaps {
                kept.extend([keep]);
                continue;
            }
            let months: Vec<Month> = seen.span.0.until(seen.span.1).collect();
            if !months.iter().any(|month| read.months.contains(month)) {
                // It has left the window, whole. Nobody deleted it, and nobody will say so.
                continue;
            }
            let outside: Vec<Month> =
                months.iter().filter(|month| !read.months.contains(*month)).copied().collect();
            // Too many to read: then only an answer about itself counts.
            let is_too_far = outside.len() > EXTRA_MAX;
            for month in outside.into_iter().filter(|_| !is_too_far) {
                let page = self.page(OPERATION, &household.account, month).await?;
                let mut own = Read::default();
                own.add(month, page);
                own.items.retain(|other, _| known.contains_key(other));
                own.items.append(&mut read.items);
                read.items = own.items;
                read.unlisted.append(&mut own.unlisted);
                read.has_gaps |= own.has_gaps;
                read.months.insert(month);
            }
            if read.items.contains_key(id) {
                continue;
            }
            if read.unlisted.contains(id) || read.has_gaps {
                kept.extend([keep]);
                continue;
            }
            let look = if asks { self.look_up(OPERATION, household, id).await? } else { Lookup::Unanswered };
            match look {
                Lookup::There(value) => {
                    let span = value.as_object().and_then(item::start_day).map_or(seen.span, |day| {
                        let month = Month::of(day);
                        Span(month, month)
                    });
                    read.items.insert(id.clone(), (value, span));
                }
                Lookup::Unanswered if is_too_far => kept.extend([keep]),
                Lookup::Gone | Lookup::Unanswered => gone.push(id.clone()),
            }
        }
        Ok((gone, kept))
    }
}

/// The months that were read, as the household's clock begins and ends them.
fn covered(zone: &Zone, first: Month, last: Month) -> Covered {
    let begins = |month: Month| Some(zone.resolve(month.first_day()?.and_time(NaiveTime::MIN)));
    Covered { from: begins(first), until: begins(last.plus(1)) }
}

fn item_is_series(value: &Value) -> bool {
    value.as_object().is_some_and(item::is_series)
}
