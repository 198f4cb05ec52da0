//! Writes to single instances of a series. Each step leaves a state that the same steps, done again, lead on from: what is
//! cancelled already is not cancelled again, what is changed already has the same content afterwards.

use std::collections::BTreeMap;

use calsync_core::{
    model::{EventTime, RecurrenceId, RemoteId},
    provider::{ErrorKind, ProviderError, Result, Retry, Written},
};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use http::Method;
use serde_json::{Value, json};

use super::{
    calls::Call,
    error,
    item::{self, Unfinished},
    map::{self, Plan, cancelled_date, instance_of, props},
    provider::MicrosoftProvider,
    wire::{Object, inner, list, objects, text},
};

impl MicrosoftProvider {
    /// Carries out a plan on a series, and marks it as unfinished meanwhile. `current` is what the plan was decided on, or
    /// what an earlier try at the same plan left.
    pub(super) async fn carry_out(
        &self,
        operation: &'static str,
        id: &RemoteId,
        current: Object,
        (plan, expected): (&Plan, &str),
    ) -> Result<Written> {
        let set = &self.config.property_set;
        let mut master = plan.master.clone();
        let steps = plan.has_steps();
        let mut parts = Parts::of(&current);
        if steps {
            props::put(&mut master, set, props::PENDING, &Unfinished::mark(expected, self.now()));
        }
        if !master.is_empty() {
            let patch = Value::Object(master);
            let answer = self.patch_event(operation, id, item::etag(&current).as_deref(), &patch).await?;
            parts.is_now(&answer);
        }
        if steps {
            let series = self.there(operation, id).await?;
            // What an earlier try wrote is there already: only then may an exception be another one than was read.
            let resumed = Unfinished::of(&current, set).is_some();
            let written = self.write_instances(operation, (id, &series), plan, &mut parts, resumed).await;
            if let Err(error) = &written
                && error.kind != ErrorKind::VersionMismatch
            {
                return written.map(|()| Written { id: id.clone(), version: None, payload: None });
            }
            let mut done = Object::new();
            props::put(&mut done, set, props::PENDING, "-");
            parts.is_now(&self.patch_event(operation, id, None, &Value::Object(done)).await?);
            // Decided anew on what is there by now.
            written.map_err(ProviderError::maybe_applied)?;
        }
        let whole = self.there(operation, id).await?;
        // Edited by somebody before it was read: what is there is not what was written.
        let told = parts.are_all_of(&whole).then(|| (item::version(&whole), item::payload(whole)));
        let (version, payload) = told.unzip();
        Ok(Written { id: id.clone(), version: version.flatten(), payload })
    }

    async fn there(&self, operation: &'static str, id: &RemoteId) -> Result<Object> {
        self.look_at(operation, id)
            .await?
            .ok_or_else(|| ProviderError::new(ErrorKind::NotFound, operation, "it was deleted meanwhile"))
    }

    async fn write_instances(
        &self,
        operation: &'static str,
        (id, series): (&RemoteId, &Object),
        plan: &Plan,
        parts: &mut Parts,
        resumed: bool,
    ) -> Result<()> {
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
        let known: Vec<(RecurrenceId, Object)> = objects(series, "exceptionOccurrences")
            .filter_map(|exception| Some((instance_of(exception, &start)?, exception.clone())))
            .collect();
        let named = self.names_of(operation, id, &start, &wanted, known).await?;
        let mut targets = Vec::with_capacity(wanted.len());
        for (id, row) in named.iter().filter(|(id, _)| wanted.contains(id)) {
            // An exception nobody read, or one that is another by now: somebody edits it.
            let is_exception = text(row, "type") == Some("exception");
            if is_exception && !resumed && !parts.knows(row) {
                let detail = "an instance was changed meanwhile";
                return Err(ProviderError::new(ErrorKind::VersionMismatch, operation, detail));
            }
            if let Some(name) = text(row, "id") {
                targets.push((*id, RemoteId::from(name), item::etag(row)));
            }
        }
        let target = |id: &RecurrenceId| targets.iter().find(|(known, ..)| known == id);
        // Cancelled first: an instance is never moved onto one that is to go.
        for id in &plan.cancel {
            let Some((_, name, etag)) = target(id) else { continue };
            self.delete_event(operation, name, etag.as_deref()).await?;
            parts.cancelled += 1;
        }
        for change in &plan.change {
            let Some((_, name, etag)) = target(&change.instance) else { continue };
            let patch = Value::Object(change.patch.clone());
            match self.patch_event(operation, name, etag.as_deref(), &patch).await {
                Ok(answer) => parts.is_now(&answer),
                // One that was moved past its neighbour stays as it is there, which the plan has said. One that is gone was
                // called off meanwhile: the next pull tells.
                Err(error) if error::crosses_neighbour(&error) || error.kind == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The rows of instances: of exceptions known with the series, of others asked for.
    async fn names_of(
        &self,
        operation: &'static str,
        series: &RemoteId,
        start: &EventTime,
        wanted: &[RecurrenceId],
        known: Vec<(RecurrenceId, Object)>,
    ) -> Result<Vec<(RecurrenceId, Object)>> {
        let mut named = known;
        let missing: Vec<RecurrenceId> =
            wanted.iter().filter(|id| !named.iter().any(|(known, _)| known == *id)).copied().collect();
        let paths: Vec<String> = missing
            .iter()
            .map(|id| {
                let at = id.to_time(start);
                let at = at.absolute().unwrap_or_else(|| at.local().and_utc());
                self.paths.instances(
                    series.as_str(),
                    &stamp(at - TimeDelta::days(1)),
                    &stamp(at + TimeDelta::days(2)),
                )
            })
            .collect();
        for (id, part) in missing.into_iter().zip(self.get_all(operation, &paths).await?) {
            let part = part.ok_or_else(|| error::unusable(operation, "the batch has no answer for it"))?;
            if !part.is_success() {
                return Err(error::of(operation, &part.refusal(), self.now()));
            }
            let rows = part.body.ok_or_else(|| error::unusable(operation, "the answer is no list"))?;
            // One that cannot be told may be the one that was asked for, and would be passed over.
            let is_wanted = |row: &Object| text(row, "id").and(starts(row, start)).map(|found| found == id);
            let found = self.row(operation, rows, is_wanted).await?;
            named.extend(found.map(|row| (id, row)));
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
        let call = Call::new(Method::PATCH, &self.paths.event(id.as_str())).with_body(body).matching(etag);
        let part = self.write(operation, call).await?;
        Ok(self.done(operation, part)?.unwrap_or_default())
    }

    /// Deletes an event or an instance. One that is not there is no error; where the answer says so, it is looked whether that
    /// is true: a replica that does not know an event yet would have its deletion forgotten.
    pub(super) async fn delete_event(
        &self,
        operation: &'static str,
        id: &RemoteId,
        etag: Option<&str>,
    ) -> Result<()> {
        let call = Call::delete(&self.paths.event(id.as_str())).matching(etag);
        let part = self.write(operation, call).await?;
        match self.done(operation, part) {
            Err(error) if error.kind != ErrorKind::NotFound => Err(error),
            Err(_) if self.look_at(operation, id).await?.is_some() => {
                Err(ProviderError::new(ErrorKind::Protocol, operation, "404 although it is there")
                    .with_retry(Retry::Backoff))
            }
            _ => Ok(()),
        }
    }
}

/// The parts of a series as this write has read or left them: by their ids, with their etags.
struct Parts {
    etags: BTreeMap<String, Option<String>>,
    cancelled: usize,
}

impl Parts {
    fn of(series: &Object) -> Self {
        let mut parts =
            Self { etags: BTreeMap::new(), cancelled: list(series, "cancelledOccurrences").len() };
        std::iter::once(series)
            .chain(objects(series, "exceptionOccurrences"))
            .for_each(|part| parts.is_now(part));
        parts
    }

    fn is_now(&mut self, part: &Object) {
        if let Some(id) = text(part, "id") {
            self.etags.insert(id.to_owned(), item::etag(part));
        }
    }

    fn knows(&self, part: &Object) -> bool {
        text(part, "id").is_some_and(|id| self.etags.get(id) == Some(&item::etag(part)))
    }

    /// Whether a series consists of these and no others. An instance that is cancelled takes its exception with it.
    fn are_all_of(&self, series: &Object) -> bool {
        self.knows(series)
            && objects(series, "exceptionOccurrences").all(|part| self.knows(part))
            && list(series, "cancelledOccurrences").len() <= self.cancelled
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
