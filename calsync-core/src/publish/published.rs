//! What a feed holds and how it shows it: what a host says once, beside who may read it.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Detail, FeedOptions, Validators, feed::without_secret};
use crate::{
    model::{CalendarId, Event, Override, Privacy},
    pipeline::{CompiledPipeline, HostRules, Pipeline, PipelineError, Surroundings},
    secret::Secret,
};

/// What a feed is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeedForm {
    /// Events, as people subscribe to them.
    #[default]
    Events,
    /// Busy times (`VFREEBUSY`), for programs. [`FeedOptions::detail`] does not matter then.
    FreeBusy,
}

/// A feed as a host publishes it.
///
/// Filters and transforms come first and see the whole event; [`FeedOptions::detail`] comes last and cuts what is left. What
/// is marked private or secret stays so whatever a transform does.
#[derive(Clone)]
pub struct Published {
    pub(super) calendar: CalendarId,
    pub(super) form: FeedForm,
    pipeline: Option<CompiledPipeline>,
    calendar_name: String,
    pub(super) options: FeedOptions,
    since: Option<DateTime<Utc>>,
    fingerprint: String,
}

impl std::fmt::Debug for Published {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Published")
            .field("calendar", &self.calendar)
            .field("form", &self.form)
            .field("detail", &self.options.detail)
            .finish_non_exhaustive()
    }
}

impl Published {
    /// A feed of events of a calendar. `now` and `key` of the options are set for each request.
    pub fn new(calendar: CalendarId, options: FeedOptions) -> Self {
        let mut published = Self {
            calendar_name: calendar.to_string(),
            calendar,
            form: FeedForm::default(),
            pipeline: None,
            options,
            since: None,
            fingerprint: String::new(),
        };
        published.fingerprint = published.hash(None);
        published
    }

    /// Sets what it is made of. Default: events.
    #[must_use]
    pub fn in_form(mut self, form: FeedForm) -> Self {
        self.form = form;
        self
    }

    /// Sets filters and transforms, and what `{{calendar_name}}` stands for. Default: every event, as it is.
    ///
    /// # Errors
    /// When a step cannot be used, such as a pattern that is none, or one that asks what the owner declined where the
    /// options name none.
    pub fn through(self, pipeline: &Pipeline, calendar_name: &str) -> Result<Self, PipelineError> {
        self.through_with(pipeline, calendar_name, &HostRules::default())
    }

    /// The same with the rules of the host. What a rule of the host cannot tell about is not published.
    ///
    /// # Errors
    /// As [`through`](Self::through), and when a step names a rule the host does not have.
    pub fn through_with(
        mut self,
        pipeline: &Pipeline,
        calendar_name: &str,
        host: &HostRules,
    ) -> Result<Self, PipelineError> {
        let compiled = pipeline.compile_with(host)?;
        if self.options.owner.is_empty()
            && let Some(step) = compiled.asks_for_the_owner()
        {
            let reason =
                "it keeps out what the owner of the calendar declined, and the feed has no owner".to_owned();
            return Err(PipelineError { step: step.to_owned(), reason });
        }
        self.pipeline = Some(compiled);
        self.calendar_name = calendar_name.to_owned();
        // A rule of another version shows something else.
        self.fingerprint = self.hash(Some(&pipeline.with_versions(host)));
        Ok(self)
    }

    /// Sets since when the feed is published in this way. `Last-Modified` is never earlier: whoever asks by date alone gets
    /// the feed once more after it shows less than before.
    #[must_use]
    pub fn since(mut self, since: DateTime<Utc>) -> Self {
        self.since = Some(since);
        self
    }

    /// What was said of it, in one short text: another definition has another.
    fn hash(&self, pipeline: Option<&Pipeline>) -> String {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
            hash.update(bytes);
        };
        part(env!("CARGO_PKG_VERSION").as_bytes());
        part(self.calendar.as_str().as_bytes());
        part(self.calendar_name.as_bytes());
        // Made of strings and numbers only: it can always be written.
        part(&pipeline.and_then(|pipeline| serde_json::to_vec(pipeline).ok()).unwrap_or_default());
        // Whole, so that no option can be forgotten here: the secret does not show itself.
        let mut options = self.options.clone();
        options.now = DateTime::UNIX_EPOCH;
        part(format!("{options:?}").as_bytes());
        hash.finalize().to_hex()[..32].to_owned()
    }

    /// The options of one request.
    pub(super) fn options(&self, now: DateTime<Utc>, key: Secret<[u8; 32]>) -> FeedOptions {
        FeedOptions { now, key, ..self.options.clone() }
    }

    /// What a copy of it is compared with.
    pub(super) fn validators(
        &self,
        state: &str,
        changed: Option<DateTime<Utc>>,
        options: &FeedOptions,
    ) -> Validators {
        let variant = format!("{} {:?}", self.fingerprint, self.form);
        let changed = changed.max(self.since).filter(|_| self.shows_all());
        Validators::of_revision(state, &variant, changed, options)
    }

    /// Whether every edit shows. When an event was edited that is not shown, or not shown whole, is nobody's business.
    pub(super) fn shows_all(&self) -> bool {
        self.form == FeedForm::Events && self.options.detail == Detail::Details && self.pipeline.is_none()
    }

    /// The event after filters and transforms; `None`: it is not published. Nothing leaves that a step could not look at. What
    /// begins as less than the event has a UID made with the feed's key.
    pub(super) fn passed<'e>(&self, event: &'e Event, key: &[u8; 32]) -> Option<Cow<'e, Event>> {
        let Some(pipeline) = &self.pipeline else { return Some(Cow::Borrowed(event)) };
        let around = Surroundings {
            calendar: self.calendar.as_str(),
            calendar_name: &self.calendar_name,
            owner: &self.options.owner,
            zone: &self.options.zone,
            uid_key: Some(key),
            is_copy: false,
            declined: None,
        };
        if !has_marks(event) {
            return pipeline.apply(event, &around).ok()?;
        }
        let event = without_secret(event)?;
        // Before times are moved, while each instance has the name it has in the event.
        let mut copy = pipeline.at_its_time(&event, &around).ok()??.into_owned();
        if let Some(body) = &mut copy.master {
            body.privacy = event.master.as_ref().and_then(|body| body.privacy);
        }
        for (id, instance) in &mut copy.overrides {
            let Override::Changed { body, .. } = instance else { continue };
            if let Some(Override::Changed { body: own, .. }) = event.overrides.get(id) {
                body.privacy = own.privacy;
            }
        }
        let mut copy = Cow::Owned(copy);
        pipeline.begin_earlier(&mut copy);
        Some(copy)
    }
}

/// Whether anything of an event is marked.
fn has_marks(event: &Event) -> bool {
    let changed = event.overrides.values().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&**body),
        _ => None,
    });
    event.master.iter().chain(changed).any(|body| body.privacy.is_some_and(|mark| mark != Privacy::Public))
}
