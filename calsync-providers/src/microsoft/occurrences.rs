//! Writes to single instances of a series. Each step leaves a state that the same steps, done again, lead on from: what is
//! cancelled already is not cancelled again, what is changed already has the same content afterwards.

use calsync_core::{
    model::{EventTime, RecurrenceId, RemoteId},
    provider::{ErrorKind, ProviderError, Result},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::{Method, header};
use serde_json::{Value, json};

use super::{
    calls, error,
    item::{self, Unfinished},
    map::{self, Plan, cancelled_date, instance_of, props},
    provider::MicrosoftProvider,
    wire::{Object, inner, list, object, objects, text},
};

impl MicrosoftProvider {
    /// Carries out a plan on a series, and marks it as unfinished meanwhile. Returns the series as it is then.
    pub(super) async fn carry_out(
        &self,
        operation: &'static str,
        current: Object,
        plan: &Plan,
        expected: &str,
    ) -> Result<Object> {
        let set = &self.config.property_set;
        let id = text(&current, "id")
            .map(RemoteId::from)
            .ok_or_else(|| error::unusable(operation, "an event without an id"))?;
        let mut master = plan.master.clone();
        let steps = plan.has_steps();
        if steps {
            props::put(&mut master, set, props::PENDING, &Unfinished::mark(expected, self.now()));
        }
        if !master.is_empty() {
            self.patch_event(operation, &id, item::etag(&current).as_deref(), &Value::Object(master)).await?;
        }
        if steps {
            let series = self.there(operation, &id).await?;
            self.write_instances(operation, &series, plan).await?;
            let mut done = Object::new();
            props::put(&mut done, set, props::PENDING, "-");
            self.patch_event(operation, &id, None, &Value::Object(done)).await?;
        }
        self.there(operation, &id).await
    }

    async fn there(&self, operation: &'static str, id: &RemoteId) -> Result<Object> {
        self.look_at(operation, id)
            .await?
            .ok_or_else(|| ProviderError::new(ErrorKind::NotFound, operation, "it was deleted meanwhile"))
    }

    async fn write_instances(&self, operation: &'static str, series: &Object, plan: &Plan) -> Result<()> {
        let event = map::read_payload(&item::payload(series.clone()), &self.options())
            .map_err(|error| ProviderError::new(ErrorKind::Protocol, operation, error.reason))?;
        let Some(start) = event.master.map(|master| master.time.start) else { return Ok(()) };
        let gone: Vec<_> = list(series, "cancelledOccurrences")
            .iter()
            .filter_map(|name| name.as_str().and_then(cancelled_date))
            .collect();
        let wanted: Vec<RecurrenceId> = plan
            .cancel
            .iter()
            .chain(plan.change.iter().map(|change| &change.instance))
            .copied()
            .filter(|id| !gone.contains(&id.to_time(&start).local().date()))
            .collect();
        let known: Vec<(RecurrenceId, String)> = objects(series, "exceptionOccurrences")
            .filter_map(|exception| {
                Some((instance_of(exception, &start)?, text(exception, "id")?.to_owned()))
            })
            .collect();
        let named = self.names_of(operation, series, &start, &wanted, known).await?;
        let name = |id: &RecurrenceId| {
            named.iter().find(|(known, _)| known == id).map(|(_, name)| RemoteId::from(name.as_str()))
        };
        // Cancelled first: an instance is never moved onto one that is to go.
        for id in &plan.cancel {
            let Some(name) = name(id) else { continue };
            let url = self.url(&self.paths.event(name.as_str()), operation)?;
            let answer = self.send_write(operation, calls::request(Method::DELETE, url)).await?;
            match self.applied(operation, &answer) {
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        for change in &plan.change {
            let Some(name) = name(&change.instance) else { continue };
            match self.patch_event(operation, &name, None, &Value::Object(change.patch.clone())).await {
                Ok(_) => {}
                // An instance that the service does not take (moved past its neighbour) stays as it is there.
                Err(error) if matches!(error.kind, ErrorKind::Refused | ErrorKind::NotFound) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The ids of instances: of exceptions known with the series, of others asked for.
    async fn names_of(
        &self,
        operation: &'static str,
        series: &Object,
        start: &EventTime,
        wanted: &[RecurrenceId],
        known: Vec<(RecurrenceId, String)>,
    ) -> Result<Vec<(RecurrenceId, String)>> {
        let mut named = known;
        let missing: Vec<RecurrenceId> =
            wanted.iter().filter(|id| !named.iter().any(|(known, _)| known == *id)).copied().collect();
        let master = text(series, "id").unwrap_or_default();
        let paths: Vec<String> = missing
            .iter()
            .map(|id| {
                let at = id.to_time(start);
                let at = at.absolute().unwrap_or_else(|| at.local().and_utc());
                self.paths.instances(master, &stamp(at - TimeDelta::days(1)), &stamp(at + TimeDelta::days(2)))
            })
            .collect();
        for (id, part) in missing.into_iter().zip(self.get_all(operation, &paths).await?) {
            let part = part.ok_or_else(|| error::unusable(operation, "the batch has no answer for it"))?;
            if !(200..300).contains(&part.status) {
                return Err(error::of(operation, &part.refusal(), self.now()));
            }
            let found = objects(&part.body, "value").find(|row| starts(row, start) == Some(id));
            named.extend(found.and_then(|row| Some((id, text(row, "id")?.to_owned()))));
        }
        Ok(named)
    }

    /// Sends properties of one event or instance; returns its answer.
    pub(super) async fn patch_event(
        &self,
        operation: &'static str,
        id: &RemoteId,
        etag: Option<&str>,
        body: &Value,
    ) -> Result<Object> {
        let url = self.url(&self.paths.event(id.as_str()), operation)?;
        let mut request = calls::with_json(calls::request(Method::PATCH, url), body);
        if let Some(etag) = etag {
            request = request.try_header(header::IF_MATCH, etag).map_err(|error| error.writing(operation))?;
        }
        let answer = self.send_write(operation, request).await?;
        let body = self.applied(operation, &answer)?;
        Ok(object(body).unwrap_or_default())
    }
}

/// Which instance a row of a listing is.
fn starts(row: &Object, start: &EventTime) -> Option<RecurrenceId> {
    if let Some(id) = instance_of(row, start) {
        return Some(id);
    }
    let at = inner(row, "start").and_then(|start| text(start, "dateTime"))?;
    instance_of(json!({ "originalStart": at }).as_object()?, start)
}

fn stamp(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
