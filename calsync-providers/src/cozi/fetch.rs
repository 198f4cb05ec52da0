//! Single items. The service has no certain way to name one: the months it may be in are read.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use calsync_core::{
    model::{RemoteCalendarId, RemoteId},
    provider::{ErrorKind, Fetched, Result},
};
use http::Method;
use serde_json::Value;

use super::{
    calls,
    cursor::Month,
    item,
    provider::{CoziProvider, Household},
    wire::{self, Page, text},
};

const OPERATION: &str = "fetch";

/// What a question for one item gave.
pub(crate) enum Lookup {
    /// It is there.
    There(Value),
    /// It is not.
    Gone,
    /// The service knows no such question.
    Unanswered,
}

impl CoziProvider {
    pub(super) async fn fetch_all(
        &self,
        calendar: &RemoteCalendarId,
        ids: &[RemoteId],
    ) -> Result<Vec<Fetched>> {
        let household = self.own(calendar, OPERATION).await?;
        let mut pages = BTreeMap::new();
        let mut fetched = Vec::with_capacity(ids.len());
        for id in ids {
            fetched.push(match item::proposed(id) {
                Some((day, digest)) => {
                    self.load(OPERATION, &household, &mut pages, Month::of(day)).await?;
                    let alike = |value: &&Value| {
                        value.as_object().is_some_and(|item| {
                            item::is_own(item) && item::digest_of(item).as_deref() == Some(digest)
                        })
                    };
                    let page = pages.get(&Month::of(day));
                    let found = page.and_then(|page| page.items.iter().find(|(_, value)| alike(value)));
                    match found {
                        Some((name, value)) => Fetched::Renamed {
                            asked: id.clone(),
                            id: RemoteId::from(name.as_str()),
                            version: Some(item::version(value)),
                            payload: item::payload(value, household.zone.name()),
                        },
                        None => Fetched::Missing(id.clone()),
                    }
                }
                None => match self.find(OPERATION, &household, id, None, &mut pages).await? {
                    Some(value) => Fetched::Found {
                        id: id.clone(),
                        version: Some(item::version(&value)),
                        payload: item::payload(&value, household.zone.name()),
                    },
                    None => Fetched::Missing(id.clone()),
                },
            });
        }
        Ok(fetched)
    }

    /// An item as it is now: in the month it should be in, in those it was seen in, in the window, or by its name.
    pub(super) async fn find(
        &self,
        operation: &'static str,
        household: &Household,
        id: &RemoteId,
        hint: Option<Month>,
        pages: &mut BTreeMap<Month, Page>,
    ) -> Result<Option<Value>> {
        let span = self.seen().get(id.as_str()).copied();
        let (first, last) = self.window(household);
        let mut tried = BTreeSet::new();
        let mut months: Vec<Month> = hint.into_iter().collect();
        months.extend(span.map(|span| span.0));
        months.extend(span.map(|span| span.1));
        months.extend(first.until(last));
        for month in months {
            if !tried.insert(month) {
                continue;
            }
            self.load(operation, household, pages, month).await?;
            if let Some(value) = pages.get(&month).and_then(|page| page.items.get(id.as_str())) {
                return Ok(Some(value.clone()));
            }
        }
        if self.config.lookups_max == 0 {
            return Ok(None);
        }
        Ok(match self.look_up(operation, household, id.as_str()).await? {
            Lookup::There(value) => Some(value),
            Lookup::Gone | Lookup::Unanswered => None,
        })
    }

    async fn load(
        &self,
        operation: &'static str,
        household: &Household,
        pages: &mut BTreeMap<Month, Page>,
        month: Month,
    ) -> Result<()> {
        if let Entry::Vacant(place) = pages.entry(month) {
            place.insert(self.page(operation, &household.account, month).await?);
        }
        Ok(())
    }

    /// Asks for an item by its name, which not every version of the service is known to answer.
    pub(super) async fn look_up(
        &self,
        operation: &'static str,
        household: &Household,
        id: &str,
    ) -> Result<Lookup> {
        if !calls::is_id(id) {
            return Ok(Lookup::Unanswered);
        }
        let request = self.calls.request(Method::GET, &self.calls.item(&household.account, id), operation)?;
        let answer = self.send(operation, request).await?;
        let body = match self.success(operation, &answer) {
            Ok(body) => body,
            Err(error) => {
                return match error.kind {
                    ErrorKind::NotFound | ErrorKind::VersionMismatch => Ok(Lookup::Gone),
                    ErrorKind::Refused | ErrorKind::Forbidden | ErrorKind::Protocol => Ok(Lookup::Unanswered),
                    _ => Err(error),
                };
            }
        };
        let Some(mut body) = wire::object(body) else { return Ok(Lookup::Unanswered) };
        if text(&body, "id") == Some(id) {
            return Ok(Lookup::There(Value::Object(body)));
        }
        match body.remove("item") {
            Some(Value::Object(item)) if text(&item, "id") == Some(id) => {
                Ok(Lookup::There(Value::Object(item)))
            }
            _ => Ok(Lookup::Unanswered),
        }
    }
}
