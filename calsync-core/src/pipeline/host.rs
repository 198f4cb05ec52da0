//! Filters and transforms a host writes itself.
//!
//! A pipeline names them, so that it stays plain data: `{ "type": "host", "rule": "no-internals", "options": { } }`. What a
//! name means the host says where it makes the engine. Their contract is that of the built-in ones:
//!
//! - **Pure.** The same event, options and surroundings give the same answer, on every machine that runs the link, until
//!   [`HostFilter::version`] says otherwise: a link whose rule has another version compares everything again.
//! - **No panic.** One that panics all the same fails for that event. What the panic says is dropped here; the hook of the
//!   process has printed it by then.
//! - **No guess.** A rule that cannot tell fails. Nothing is copied of an event a rule fails for, what was copied of it before
//!   stays as it is, and a person sees why.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use serde_json::{Map, Value};

use super::{Action, Filter, Pipeline, Surroundings, Transform};
use crate::model::EventBody;

/// What a step of a pipeline says to a host's rule: as written there.
pub type HostOptions = Map<String, Value>;

/// A filter of the host.
pub trait HostFilter: Send + Sync {
    /// Names what the rule does now: another version, and every link that uses it compares everything again.
    fn version(&self) -> &str;

    /// Says what is wrong with options, before anything is filtered. Default: nothing.
    ///
    /// # Errors
    /// What a person who configures it has to read.
    fn check(&self, _options: &HostOptions) -> Result<(), String> {
        Ok(())
    }

    /// Whether content passes. A series is asked about by what all its instances share, and each instance with content of
    /// its own by that.
    ///
    /// # Errors
    /// Why it cannot be told, without text of the event: it is kept and shown.
    fn lets_through(
        &self,
        body: &EventBody,
        options: &HostOptions,
        around: &Surroundings<'_>,
    ) -> Result<bool, String>;
}

/// A transform of the host.
pub trait HostTransform: Send + Sync {
    /// As [`HostFilter::version`].
    fn version(&self) -> &str;

    /// As [`HostFilter::check`].
    ///
    /// # Errors
    /// As there.
    fn check(&self, _options: &HostOptions) -> Result<(), String> {
        Ok(())
    }

    /// Changes the content of a copy, as the steps before made it, given that of the event. The time stays what it was,
    /// whatever is written there: it is the name of an instance, and [`Transform::PadTime`] knows how to move that.
    ///
    /// # Errors
    /// As [`HostFilter::lets_through`].
    fn change(
        &self,
        copy: &mut EventBody,
        event: &EventBody,
        options: &HostOptions,
        around: &Surroundings<'_>,
    ) -> Result<(), String>;
}

/// What the names in a pipeline mean. Cheap to clone.
#[derive(Clone, Default)]
pub struct HostRules {
    filters: BTreeMap<String, Arc<dyn HostFilter>>,
    transforms: BTreeMap<String, Arc<dyn HostTransform>>,
}

impl HostRules {
    /// Adds a filter, in the place of another one of this name.
    #[must_use]
    pub fn with_filter(mut self, name: impl Into<String>, filter: Arc<dyn HostFilter>) -> Self {
        self.filters.insert(name.into(), filter);
        self
    }

    /// Adds a transform, in the place of another one of this name.
    #[must_use]
    pub fn with_transform(mut self, name: impl Into<String>, transform: Arc<dyn HostTransform>) -> Self {
        self.transforms.insert(name.into(), transform);
        self
    }

    /// The rule of a step, ready to be called; `None` where the step is a built-in one.
    pub(super) fn find(&self, action: &Action) -> Result<Option<HostRule>, String> {
        let (name, options, pinned) = match action {
            Action::Filter(Filter::Host { rule, options, version })
            | Action::Transform(Transform::Host { rule, options, version }) => (rule, options, version),
            Action::Filter(_) | Action::Transform(_) => return Ok(None),
        };
        let found = match action {
            Action::Filter(_) => self.filters.get(name).cloned().map(HostRule::Filter),
            Action::Transform(_) => self.transforms.get(name).cloned().map(HostRule::Transform),
        };
        let rule = found.ok_or_else(|| format!("the host has no such rule as {name:?}"))?;
        let now = said(|| rule.version().to_owned()).map_err(|()| panicked(name))?;
        if let Some(pinned) = pinned.as_deref().filter(|pinned| *pinned != now) {
            return Err(format!("the host's rule {name:?} has the version {now:?}, not {pinned:?}"));
        }
        said(|| match &rule {
            HostRule::Filter(filter) => filter.check(options),
            HostRule::Transform(transform) => transform.check(options),
        })
        .map_err(|()| panicked(name))??;
        Ok(Some(rule))
    }
}

impl fmt::Debug for HostRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (filters, transforms) = (self.filters.keys(), self.transforms.keys());
        f.debug_set().entries(filters).entries(transforms).finish()
    }
}

/// A rule that was found.
#[derive(Clone)]
pub(super) enum HostRule {
    Filter(Arc<dyn HostFilter>),
    Transform(Arc<dyn HostTransform>),
}

impl HostRule {
    fn version(&self) -> &str {
        match self {
            Self::Filter(filter) => filter.version(),
            Self::Transform(transform) => transform.version(),
        }
    }
}

impl fmt::Debug for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter(_) => "HostFilter",
            Self::Transform(_) => "HostTransform",
        })
    }
}

impl Pipeline {
    /// Whether a step is the host's.
    pub(crate) fn asks_the_host(&self) -> bool {
        self.steps.iter().any(|step| {
            matches!(
                step.action,
                Action::Filter(Filter::Host { .. }) | Action::Transform(Transform::Host { .. })
            )
        })
    }

    /// The same with the versions the host's rules have: what decides what a copy holds. A rule the host has not is left as
    /// it is.
    pub(crate) fn with_versions(&self, rules: &HostRules) -> Self {
        let mut all = self.clone();
        for step in &mut all.steps {
            let Ok(Some(found)) = rules.find(&step.action) else { continue };
            if let Action::Filter(Filter::Host { version, .. })
            | Action::Transform(Transform::Host { version, .. }) = &mut step.action
            {
                // One that panicked when it was asked again is asked once more when the steps are made ready.
                *version = said(|| found.version().to_owned()).ok().or(version.take());
            }
        }
        all
    }
}

/// A rule of the host cannot tell what becomes of an event, or panicked. The fault is the host's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host's rule in the step {step:?} failed: {reason}")]
pub struct RuleFailure {
    /// The name of the step.
    pub step: String,
    /// What the rule says.
    pub reason: String,
}

/// Asks a host's rule.
pub(super) fn ask<T>(step: &str, rule: impl FnOnce() -> Result<T, String>) -> Result<T, RuleFailure> {
    // What the rule changed when it panicked is thrown away by every caller.
    let answer = said(rule).unwrap_or_else(|()| Err("it panicked".to_owned()));
    answer.map_err(|reason| RuleFailure { step: step.to_owned(), reason })
}

/// What a rule says, unless it panics.
fn said<T>(rule: impl FnOnce() -> T) -> Result<T, ()> {
    catch_unwind(AssertUnwindSafe(rule)).map_err(drop)
}

fn panicked(name: &str) -> String {
    format!("the host's rule {name:?} panicked when it was asked what it is")
}
