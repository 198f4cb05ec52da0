//! Writes: each conditional where Graph has a condition, each found again when its answer was lost.

use calsync_core::{
    model::{RemoteCalendarId, RemoteId, Version},
    provider::{ErrorKind, Mark, Payload, PeoplePolicy, ProviderError, Result, Seal, Written},
};
use http::Method;
use serde_json::Value;

use super::{
    calls::Call,
    error,
    item::{self, Unfinished},
    map::{self, Plan, props},
    provider::MicrosoftProvider,
    wire::{self, Object, text},
};
use crate::http::request_id;

/// Puts a mark on what is to be created under a proposed name.
pub(super) fn mark(id: &RemoteId, payload: Payload, seal: &Seal, set: &str) -> Payload {
    let (Some(fresh), Some(mut item)) = (item::proposed(id), item::object_of(&payload)) else {
        return payload;
    };
    let mark = seal.mark(fresh);
    props::put(&mut item, set, props::MARK, &mark);
    // What is sent is in the plan.
    let mut plan = Plan::take(&mut item);
    props::put(&mut plan.master, set, props::MARK, &mark);
    item.insert(item::PATCH.to_owned(), serde_json::to_value(&plan).unwrap_or_default());
    item::payload(item)
}

/// The mark an item carries. A copy somebody makes of it was created with no identifier of ours, or another one.
pub(super) fn marked(payload: &Payload, set: &str) -> Option<Mark> {
    let item = item::object_of(payload)?;
    let mark = props::get(&item, set, props::MARK)?;
    Some(Mark { text: mark.to_owned(), identity: text(&item, "transactionId")?.to_owned() })
}

impl MicrosoftProvider {
    /// Creates an item. Sent again with the same name, it goes on where it stopped.
    pub(super) async fn post(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "create";
        let invalid = |text| ProviderError::new(ErrorKind::InvalidInput, OPERATION, text);
        let fresh = item::proposed(id).ok_or_else(|| invalid("not a name this provider proposed"))?;
        let mut item = item::object_of(payload).ok_or_else(|| invalid("not a payload of this provider"))?;
        let plan = Plan::take(&mut item);
        let mut body = plan.master.clone();
        body.insert("transactionId".into(), fresh.into());
        let set = &self.config.property_set;
        props::put(&mut body, set, props::CREATE, fresh);
        if plan.has_steps() {
            let seal = self.seal(&body);
            props::put(&mut body, set, props::PENDING, &Unfinished::mark(&seal, self.now()));
        }
        let call = Call::new(Method::POST, &self.paths.create(calendar)).with_body(&Value::Object(body));
        let part = self.write(OPERATION, call).await?;
        let code = wire::code(part.refusal().error);
        let headers = part.headers.clone();
        let created = match self.done(OPERATION, part) {
            Ok(object) => object.filter(|object| text(object, "id").is_some()).ok_or_else(|| {
                ProviderError::new(ErrorKind::Protocol, OPERATION, "the answer is no event")
                    .with_request_id(request_id(&headers))
                    .maybe_applied()
            })?,
            Err(refused) => {
                if code != "errorduplicatetransactionid" {
                    return Err(error::calendar_gone(refused));
                }
                self.made_before(calendar, fresh, OPERATION).await?
            }
        };
        if plan.has_steps() {
            let rest = Plan { master: Object::new(), ..plan };
            let seal = self.seal(&created);
            let id = text(&created, "id").map_or_else(|| id.clone(), RemoteId::from);
            // From here on the item is there: whatever fails may be found half done.
            let carried_out = self.carry_out(OPERATION, &id, created, (&rest, &seal)).await;
            return carried_out.map_err(ProviderError::maybe_applied);
        }
        Ok(written(&created, id))
    }

    /// The service has seen this creation before: it is unfinished, or it is there.
    async fn made_before(
        &self,
        calendar: &RemoteCalendarId,
        fresh: &str,
        operation: &'static str,
    ) -> Result<Object> {
        match self.find(calendar, fresh, operation).await? {
            Some(found) if self.is_unfinished(&found) => Ok(found),
            found => {
                let at = found.as_ref().and_then(|found| text(found, "id")).map(RemoteId::from);
                let kind = ErrorKind::AlreadyExists { at };
                Err(ProviderError::new(kind, operation, "it was created before"))
            }
        }
    }

    pub(super) async fn patch(
        &self,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> Result<Written> {
        const OPERATION: &str = "update";
        let mut item = item::object_of(payload).ok_or_else(|| {
            ProviderError::new(ErrorKind::InvalidInput, OPERATION, "not a payload of this provider")
        })?;
        let plan = Plan::take(&mut item);
        let simple = !plan.has_steps()
            && !item::is_series(&item)
            && !plan.master.contains_key("recurrence")
            && !plan.master.is_empty();
        if simple {
            let body = Value::Object(plan.master);
            let patched = self.patch_event(OPERATION, id, Some(expected.as_str()), &body).await?;
            // An answer about anything else is no answer: it is read back.
            let is_it = text(&patched, "id") == Some(id.as_str());
            let version = item::version(&patched).filter(|_| is_it);
            return Ok(Written { id: id.clone(), version, payload: None });
        }
        // A series has no etag of its own: its parts are looked at first.
        let current = self
            .look_at(OPERATION, id)
            .await?
            .ok_or_else(|| ProviderError::new(ErrorKind::NotFound, OPERATION, "it is not there"))?;
        let own = Unfinished::of(&current, &self.config.property_set)
            .is_some_and(|unfinished| unfinished.expected == expected.as_str());
        if !own && item::version(&current).as_ref() != Some(expected) {
            return Err(ProviderError::new(ErrorKind::VersionMismatch, OPERATION, "it has another version"));
        }
        self.carry_out(OPERATION, id, current, (&plan, expected.as_str())).await
    }

    pub(super) async fn remove(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        people: PeoplePolicy,
    ) -> Result<()> {
        const OPERATION: &str = "delete";
        if item::proposed(id).is_some() {
            return Ok(());
        }
        let Some(current) = self.look_at(OPERATION, id).await? else {
            // Gone with its calendar is not deleted: the calendar may come back.
            return match self.has_calendar(OPERATION, calendar).await? {
                true => Ok(()),
                false => {
                    let detail = "the calendar is not there";
                    Err(ProviderError::new(ErrorKind::CalendarGone, OPERATION, detail))
                }
            };
        };
        if item::version(&current).as_ref() != Some(expected) {
            return Err(ProviderError::new(ErrorKind::VersionMismatch, OPERATION, "it has another version"));
        }
        if people == PeoplePolicy::Withhold && map::is_meeting(&current) && map::is_own(&current) {
            return Err(ProviderError::new(
                ErrorKind::Refused,
                OPERATION,
                "deleting it would mail a cancellation to the people invited",
            ));
        }
        self.delete_event(OPERATION, id, item::etag(&current).as_deref()).await
    }
}

/// What the answer tells of a single event. The service rewrites what it is given and does not send the noted
/// properties along: it is read back.
fn written(object: &Object, id: &RemoteId) -> Written {
    let id = text(object, "id").map_or_else(|| id.clone(), RemoteId::from);
    Written { id, version: item::version(object), payload: None }
}
