//! Writes: one operation in each request, checked before and after, since the service checks little.
//!
//! An edit carries no version (the service is said to drop those that do), so the item is looked at right before. Nobody
//! is named to be notified.

use std::collections::BTreeMap;

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{ErrorKind, Payload, ProviderError, Result, Written},
};
use chrono::NaiveDate;
use http::Method;
use serde_json::{Value, json};

use super::{
    calls,
    cursor::{Month, Span},
    error,
    item::{self, member},
    map::Plan,
    provider::{CoziProvider, Household},
    wire::{self, Page},
};

impl CoziProvider {
    /// Creates an item. Its id is the one the page has after and had not before.
    pub(super) async fn insert(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "create";
        let plan = plan(payload, OPERATION)?;
        let (_, digest) = item::proposed(id).ok_or_else(|| {
            ProviderError::new(ErrorKind::InvalidInput, OPERATION, "not a name this provider proposed")
        })?;
        let household = self.own(calendar, OPERATION).await?;
        let month = Month::of(plan.day);
        let before = self.page(OPERATION, &household.account, month).await?;
        let operation = json!({"itemType": "appointment", "create": plan.body});
        let after = self.post(OPERATION, &household, month, &operation, None).await?;
        let mut fresh: Vec<(&String, &Value)> =
            after.items.iter().filter(|(id, _)| !before.items.contains_key(*id)).collect();
        if fresh.len() > 1 {
            let alike = |value: &Value| value.as_object().and_then(item::digest_of);
            fresh.retain(|(_, value)| alike(value).as_deref() == Some(digest));
        }
        let [(id, value)] = fresh[..] else {
            return Err(error::unusable(OPERATION, "the answer does not show the new item").maybe_applied());
        };
        let id = RemoteId::from(id.as_str());
        let value = self.exclude(OPERATION, &household, &id, value.clone(), &plan.excluded).await?;
        Ok(self.written(&household, id, &value))
    }

    /// Replaces an item that is still as expected.
    pub(super) async fn replace(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "update";
        let mut plan = plan(payload, OPERATION)?;
        let household = self.own(calendar, OPERATION).await?;
        self.current(OPERATION, &household, id, expected)
            .await?
            .ok_or_else(|| ProviderError::new(ErrorKind::NotFound, OPERATION, "it is not there"))?;
        plan.body.insert("id".into(), id.as_str().into());
        let operation = json!({"itemType": "appointment", "edit": plan.body});
        let month = Month::of(plan.day);
        let mut after = self.post(OPERATION, &household, month, &operation, Some(id)).await?;
        let value = match after.items.remove(id.as_str()) {
            Some(value) => value,
            // A series whose first month has no instance left is not on that page.
            None => self
                .find(OPERATION, &household, id, Some(month.plus(1)), &mut BTreeMap::from([(month, after)]))
                .await
                .map_err(ProviderError::maybe_applied)?
                .ok_or_else(|| {
                    error::unusable(OPERATION, "the answer does not show the item").maybe_applied()
                })?,
        };
        let value = self.exclude(OPERATION, &household, id, value, &plan.excluded).await?;
        Ok(self.written(&household, id.clone(), &value))
    }

    /// Deletes an item that is still as expected.
    pub(super) async fn remove(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
    ) -> Result<()> {
        const OPERATION: &str = "delete";
        if item::proposed(id).is_some() {
            return Ok(());
        }
        let household = self.own(calendar, OPERATION).await?;
        let Some(value) = self.current(OPERATION, &household, id, expected).await? else { return Ok(()) };
        if !value.as_object().is_some_and(item::is_own) {
            return Err(ProviderError::new(
                ErrorKind::Refused,
                OPERATION,
                "it is a birthday, a meal, or from a subscribed calendar",
            ));
        }
        let day =
            value.as_object().and_then(item::start_day).or_else(|| item::parts(expected).map(|(_, day)| day));
        let day = day.ok_or_else(|| ProviderError::new(ErrorKind::Refused, OPERATION, "it has no day"))?;
        let operation = json!({"itemType": "appointment", "delete": target(id, &value)});
        match self.post(OPERATION, &household, Month::of(day), &operation, Some(id)).await {
            Ok(_) => {
                self.seen().remove(id.as_str());
                Ok(())
            }
            Err(error) if error.kind == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The item as it is now, when it has the expected version.
    async fn current(
        &self,
        operation: &'static str,
        household: &Household,
        id: &RemoteId,
        expected: &Version,
    ) -> Result<Option<Value>> {
        let hint = item::parts(expected).map(|(_, day)| Month::of(day));
        let Some(value) = self.find(operation, household, id, hint, &mut BTreeMap::new()).await? else {
            return Ok(None);
        };
        if !item::same_content(&item::version(&value), expected) {
            return Err(ProviderError::new(ErrorKind::VersionMismatch, operation, "it has another version"));
        }
        Ok(Some(value))
    }

    /// Takes out the dates of a series that the service did not take with the rest.
    async fn exclude(
        &self,
        operation: &'static str,
        household: &Household,
        id: &RemoteId,
        mut value: Value,
        wanted: &[NaiveDate],
    ) -> Result<Value> {
        for date in wanted {
            if excluded(&value).contains(date) {
                continue;
            }
            // Half of it is done.
            let partly = ProviderError::maybe_applied;
            let mut scoped = json!({"itemType": "appointment", "delete": target(id, &value)});
            scoped["selectedDay"] = date.to_string().into();
            scoped["extent"] = "day".into();
            let month = Month::of(*date);
            let mut page = self.post(operation, household, month, &scoped, Some(id)).await.map_err(partly)?;
            value = match page.items.remove(id.as_str()) {
                Some(value) => value,
                None => self
                    .find(operation, household, id, None, &mut BTreeMap::from([(month, page)]))
                    .await
                    .map_err(partly)?
                    .ok_or_else(|| {
                        error::unusable(operation, "the series is not there any more").maybe_applied()
                    })?,
            };
        }
        Ok(value)
    }

    /// Sends one operation; the answer is the month after it.
    async fn post(
        &self,
        operation: &'static str,
        household: &Household,
        month: Month,
        change: &Value,
        id: Option<&RemoteId>,
    ) -> Result<Page> {
        let path = self.calls.month(&household.account, month);
        let request = calls::with_json(self.calls.request(Method::POST, &path, operation)?, &json!([change]));
        let answer = self.send_write(operation, request).await?;
        if !answer.response.status.is_success() {
            return Err(error::of_write(operation, &answer.response, self.now()));
        }
        let body = &answer.response.body;
        if let Some(reason) =
            wire::object(body).and_then(|body| wire::rejected(&body, id.map(RemoteId::as_str)))
        {
            return Err(error::of_rejection(operation, &reason));
        }
        Page::read(body, month)
            .ok_or_else(|| error::unusable(operation, "the answer is no page of that month").maybe_applied())
    }

    fn written(&self, household: &Household, id: RemoteId, value: &Value) -> Written {
        if let Some(day) = value.as_object().and_then(item::start_day) {
            let month = Month::of(day);
            self.seen().entry(id.as_str().to_owned()).or_insert(Span(month, month)).over(month);
        }
        let payload = Some(item::payload(value, household.zone.name()));
        Written { version: Some(item::version(value)), payload, id }
    }
}

fn plan(payload: &Payload, operation: &'static str) -> Result<Plan> {
    item::parts_of(payload).and_then(|parts| Plan::of(&parts.write?)).ok_or_else(|| {
        ProviderError::new(ErrorKind::InvalidInput, operation, "not a rendered payload of this provider")
    })
}

/// What a deletion names: the service refuses one of an older version.
fn target(id: &RemoteId, value: &Value) -> Value {
    match value.get("itemVersion").filter(|version| version.is_number()) {
        Some(version) => json!({"id": id.as_str(), "version": version}),
        None => json!({"id": id.as_str()}),
    }
}

fn excluded(value: &Value) -> Vec<NaiveDate> {
    let recurrence = value.as_object().and_then(|item| member(item, "recurrence")?.as_object());
    recurrence.and_then(|found| super::map::excluded(found).ok()).unwrap_or_default()
}
