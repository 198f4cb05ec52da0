//! Filters and transforms: which events of one calendar are copied to another, and what the copies show.
//!
//! In: an event, a [`Pipeline`] (plain data, from Rust, TOML or JSON; `docs/schema/pipeline.json` is its JSON Schema).
//! Out: nothing, or the event as the copy holds it. Pure.
//!
//! Two rules hold everywhere:
//!
//! - **Nothing is shown that was not asked for.** A pipeline begins with [`Start::BusyOnly`] unless it says otherwise;
//!   steps add to that. A field this version learns of later is not in a copy made by an older pipeline.
//! - **Filters see the event, not the copy**, wherever they stand: dropping a field never changes what is let through.
//!
//! What is built in is in [`Filter`] and [`Transform`]; [`HostRules`] adds what a host wrote itself.
//!
//! ```
//! use calsync_core::model::{Event, EventBody, EventTime, TimeSpan};
//! use calsync_core::pipeline::{Pipeline, Surroundings};
//!
//! let pipeline: Pipeline = serde_json::from_str(
//!     r#"{ "start": { "type": "bare", "title": "Work" }, "steps": [
//!         { "name": "no lunches", "filter": { "type": "title", "exclude": "(?i)lunch" } },
//!         { "name": "where", "transform": { "type": "keep", "fields": ["location"] } },
//!         { "name": "whose", "transform": { "type": "prefix-title", "prefix": "[{{calendar_name}}] " } } ] }"#,
//! )
//! .unwrap();
//! let pipeline = pipeline.compile().unwrap();
//!
//! let at = EventTime::Utc("2026-01-05T09:00:00Z".parse().unwrap());
//! let mut body = EventBody::new(TimeSpan { start: at.clone(), end: at });
//! (body.title, body.location) = (Some("Review".to_owned()), Some("Room 4".to_owned()));
//! let event = Event::single("u", body);
//!
//! let copy = pipeline.apply(&event, &Surroundings { calendar_name: "Anna", ..Surroundings::default() });
//! let copy = copy.unwrap().unwrap();
//! let body = copy.master.as_ref().unwrap();
//! assert_eq!(body.title.as_deref(), Some("[Anna] Work"));
//! assert_eq!(body.location.as_deref(), Some("Room 4"));
//! ```

mod apply;
mod compile;
mod filter;
mod host;
mod inovex;
mod template;
mod transform;
mod uids;

use serde::{Deserialize, Serialize};

pub use compile::{CompiledPipeline, PipelineError};
pub use filter::{AllDay, Filter, Keep, Within};
pub use host::{HostFilter, HostOptions, HostRules, HostTransform, RuleFailure};
pub use inovex::{InovexError, Translation, translate_inovex};
pub use transform::{Addresses, CopiedField, Names, Transform};
pub use uids::uid_key;

use crate::{provider::Declined, zone::Zone};

/// What a copy begins as, before any step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Start {
    /// The time the event takes, as [`busy_only`](crate::publish::busy_only) reduces it: an event that takes none is not
    /// copied.
    BusyOnly {
        /// The title. Default: `Busy`.
        #[serde(default = "busy")]
        title: String,
    },
    /// The time of every event, whether or not it takes any.
    Bare {
        /// The title. Default: `Busy`.
        #[serde(default = "busy")]
        title: String,
    },
    /// The whole event.
    Everything {},
}

fn busy() -> String {
    "Busy".to_owned()
}

impl Default for Start {
    fn default() -> Self {
        Self::BusyOnly { title: busy() }
    }
}

/// Filters and transforms, in the order they are applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pipeline {
    /// What a copy begins as. Default: busy-only.
    #[serde(default)]
    pub start: Start,
    /// The steps; 100 at most.
    #[serde(default)]
    pub steps: Vec<Step>,
}

impl Pipeline {
    /// A pipeline that copies every event whole.
    pub fn everything() -> Self {
        Self { start: Start::Everything {}, steps: Vec::new() }
    }

    /// Whether it copies every event whole.
    pub fn is_whole(&self) -> bool {
        matches!(self.start, Start::Everything {}) && self.steps.is_empty()
    }

    /// Adds a filter.
    #[must_use]
    pub fn with_filter(mut self, name: impl Into<String>, filter: Filter) -> Self {
        self.steps.push(Step { name: name.into(), action: Action::Filter(filter) });
        self
    }

    /// Adds a transform.
    #[must_use]
    pub fn with_transform(mut self, name: impl Into<String>, transform: Transform) -> Self {
        self.steps.push(Step { name: name.into(), action: Action::Transform(transform) });
        self
    }
}

/// One step, under the name reports and errors use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawStep", into = "RawStep")]
pub struct Step {
    /// Its name.
    pub name: String,
    /// What it does.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Lets events through, or not.
    Filter(Filter),
    /// Changes what the copy shows.
    Transform(Transform),
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawStep {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    transform: Option<Transform>,
}

impl TryFrom<RawStep> for Step {
    type Error = String;

    fn try_from(raw: RawStep) -> Result<Self, String> {
        let action = match (raw.filter, raw.transform) {
            (Some(filter), None) => Action::Filter(filter),
            (None, Some(transform)) => Action::Transform(transform),
            (None, None) => return Err(format!("step {:?} has neither a filter nor a transform", raw.name)),
            (Some(_), Some(_)) => {
                return Err(format!("step {:?} has both a filter and a transform: make it two", raw.name));
            }
        };
        Ok(Self { name: raw.name, action })
    }
}

impl From<Step> for RawStep {
    fn from(step: Step) -> Self {
        let (filter, transform) = match step.action {
            Action::Filter(filter) => (Some(filter), None),
            Action::Transform(transform) => (None, Some(transform)),
        };
        Self { name: step.name, filter, transform }
    }
}

/// What surrounds an event that is copied.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The id of the calendar it is copied from.
    pub calendar: &'a str,
    /// The name people see of that calendar: `{{calendar_name}}`.
    pub calendar_name: &'a str,
    /// The addresses of its owner.
    pub owner: &'a [String],
    /// Its zone: dates and floating times are read in it, and it is the clock of filters that name none.
    pub zone: &'a Zone,
    /// The secret UIDs of copies are made with that do not begin as the whole event. `None` keeps the UID.
    pub uid_key: Option<&'a [u8; 32]>,
    /// Whether the event was written by a link of calsync where it is copied from: what [`Filter::NotCopied`] asks.
    pub is_copy: bool,
    /// What of the event its owner declined, by the word of the provider it is read from. `None`: it does not say, and the
    /// answers of [`owner`](Self::owner) count alone.
    pub declined: Option<&'a Declined>,
}

impl Default for Surroundings<'_> {
    fn default() -> Self {
        Self {
            calendar: "",
            calendar_name: "",
            owner: &[],
            zone: &Zone::UTC,
            uid_key: None,
            is_copy: false,
            declined: None,
        }
    }
}
