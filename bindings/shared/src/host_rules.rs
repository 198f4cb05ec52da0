//! Filters, transforms, a resolver and a clock written in the host's language.
//!
//! What the contracts of the core say holds: one that fails decides nothing, the rest of the run goes on, and the call fails
//! with the method's name when the run is over.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    context::{Clock, SystemClock},
    diff::Field,
    merge::{ConflictResolver, ContestedEvent, Resolution, ResolverError},
    model::EventBody,
    pipeline::{HostFilter, HostOptions, HostRules, HostTransform, Surroundings},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    Failure,
    args::Asked,
    host::{CALL, Calling, HostFailure},
    model::{ContestedEventModel, ContestedField, EventModel, SurroundingsModel, fields},
};

/// What a host may answer beside its store, as it is named in errors: the methods of each.
#[cfg(feature = "testing")]
pub(crate) const METHODS: &[(&str, &[&str])] = &[
    ("Filter", &["lets_through"]),
    ("Transform", &["change"]),
    ("Resolver", &["resolve"]),
    ("Clock", &["now"]),
    ("Transport", &["send"]),
];

/// The rules a host named, each asked at the host of the call.
pub(crate) fn rules(asked: &Asked) -> HostRules {
    let rule = |(name, version): (&String, &String)| {
        (name.clone(), Arc::new(Rule { name: name.clone(), version: version.clone() }))
    };
    let filters: BTreeMap<_, _> = asked.filters.iter().map(rule).collect();
    let transforms: BTreeMap<_, _> = asked.transforms.iter().map(rule).collect();
    let known =
        filters.into_iter().fold(HostRules::default(), |known, (name, rule)| known.with_filter(name, rule));
    transforms.into_iter().fold(known, |known, (name, rule)| known.with_transform(name, rule))
}

struct Rule {
    name: String,
    version: String,
}

impl Rule {
    fn args(&self, options: &HostOptions, around: &Surroundings<'_>) -> Value {
        json!({ "rule": self.name, "options": options, "around": SurroundingsModel::from(around) })
    }
}

/// Why, without what the host's error says.
fn why(failure: HostFailure) -> String {
    failure.to_string()
}

impl HostFilter for Rule {
    fn version(&self) -> &str {
        &self.version
    }

    fn lets_through(
        &self,
        body: &EventBody,
        options: &HostOptions,
        around: &Surroundings<'_>,
    ) -> Result<bool, String> {
        let mut args = self.args(options, around);
        args["body"] = json!(body);
        Calling::at_once("filter.lets_through", args).map_err(why)
    }
}

impl HostTransform for Rule {
    fn version(&self) -> &str {
        &self.version
    }

    fn change(
        &self,
        copy: &mut EventBody,
        event: &EventBody,
        options: &HostOptions,
        around: &Surroundings<'_>,
    ) -> Result<(), String> {
        let mut args = self.args(options, around);
        args["copy"] = json!(copy);
        args["event"] = json!(event);
        *copy = Calling::at_once("transform.change", args).map_err(why)?;
        Ok(())
    }
}

/// Asks the host of the call about contested fields.
pub(crate) struct Resolver;

#[async_trait]
impl ConflictResolver for Resolver {
    async fn resolve(&self, conflict: &ContestedEvent<'_>) -> Result<Resolution, ResolverError> {
        let call = CALL.try_with(Clone::clone)?;
        let args = json!({ "conflict": ContestedEventModel {
            link: conflict.link.as_str().to_owned(),
            event_id: conflict.event_id.as_str().to_owned(),
            base: conflict.base.cloned().map(EventModel::from),
            local: conflict.local.clone().into(),
            remote: conflict.remote.clone().into(),
            fields: fields(conflict.fields),
        } });
        let answer = call.soon("resolver.resolve", args).await.and_then(|decided: Vec<ContestedField>| {
            let read = |one: ContestedField| Field::try_from(one.field).map(|field| (field, one.choice));
            let read: Result<Resolution, Failure> = decided.into_iter().map(read).collect();
            read.map_err(|_| HostFailure::new("resolver.resolve", "wrong-type", "there is no such field"))
        });
        answer.map_err(|failure| {
            call.note(&failure);
            failure.into()
        })
    }
}

/// The host's clock. It is asked once for each call, before anything else, so that it cannot fail where nothing may; the
/// machine's clock counts from there.
pub(crate) struct CallClock;

impl Clock for CallClock {
    fn now(&self) -> DateTime<Utc> {
        Calling::now().unwrap_or_else(|| SystemClock.now())
    }
}
