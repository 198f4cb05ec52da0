//! The pipeline of a link at work: what of each side the other one is to hold.
//!
//! On an exporting link the local side is compared, changed and written as the copy; on an importing one the remote side is
//! read as the copy. What the copy does not show is no change, as what a provider cannot hold is none.

use std::{borrow::Cow, ops::Range};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{CopyWindow, EngineError, Leaving, Link};
use crate::{
    model::{Event, LinkId, RemoteCalendarId, RemoteId, Version},
    pipeline::{CompiledPipeline, HostRules, Pipeline, RuleFailure, Surroundings, uid_key},
    plan::Direction,
    provider::{
        Capabilities, ChangePage, ChangesRequest, Declined, ErrorKind, Fetched, FreeBusy, Mark, Payload,
        Provider, ProviderError, ReadError, RemoteCalendar, RenderRequest, Rendered,
        Result as ProviderResult, Seal, UnreadKind, Watch, WatchRequest, Written,
    },
    publish::hidden_uid,
    store::LeftOut,
    zone::Zone,
};

/// What a one-way link copies, and what its copies show.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CopyRules {
    /// Filters and transforms.
    pub pipeline: Pipeline,
    /// The name of the calendar that is copied: `{{calendar_name}}`.
    #[serde(default)]
    pub calendar_name: String,
    /// The addresses of its owner.
    #[serde(default)]
    pub owner: Vec<String>,
    /// Its zone: dates and floating times are read in it, and it is the clock of filters that name none. Default: UTC.
    #[serde(default = "utc")]
    pub zone: Zone,
    /// Which part of the calendar is copied, by time; only on a link that exports. Default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<CopyWindow>,
    /// What the UIDs of copies that do not show their event's are made with, beside the link's name: so many random
    /// characters that nobody guesses them. A host draws it once, where it makes a link that shows less than everything. Without it, who
    /// knows the name of the link and a UID can tell which copy is of that event, and two links of one name give the copies of one
    /// meeting the same UID. Keep it where the configuration is kept, and not with the rows: copies are found again by it when those
    /// are lost. Copies made before it was set are made again. An empty one is none. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid_salt: Option<String>,
}

fn utc() -> Zone {
    Zone::UTC
}

impl CopyRules {
    /// Rules with a pipeline and nothing else.
    pub fn new(pipeline: Pipeline) -> Self {
        Self {
            pipeline,
            calendar_name: String::new(),
            owner: Vec::new(),
            zone: Zone::UTC,
            window: None,
            uid_salt: None,
        }
    }

    /// Rules that copy everything, whole: what a link that exports does only where it says so.
    pub fn everything() -> Self {
        Self::new(Pipeline::everything())
    }

    /// Whether they change nothing about any event.
    pub(super) fn is_whole(&self) -> bool {
        self.window.is_none() && self.pipeline.is_whole()
    }

    /// Sets which part of the calendar is copied, by time.
    #[must_use]
    pub fn with_window(mut self, window: CopyWindow) -> Self {
        self.window = Some(window);
        self
    }

    /// Sets what the UIDs of copies are made with beside the link's name.
    #[must_use]
    pub fn with_uid_salt(mut self, salt: impl Into<String>) -> Self {
        self.uid_salt = Some(salt.into());
        self
    }

    /// A short name of everything that decides what a copy holds: rules that differ have different ones.
    pub(super) fn fingerprint(&self) -> String {
        // Made of strings and numbers only: it can always be written.
        let text = serde_json::to_vec(self).unwrap_or_default();
        blake3::hash(&text).to_hex()[..16].to_owned()
    }
}

impl std::fmt::Debug for CopyRules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CopyRules").field("steps", &self.pipeline.steps.len()).finish_non_exhaustive()
    }
}

/// The rules of a link, ready.
pub(super) struct Copies<'a> {
    rules: Cow<'a, CopyRules>,
    pipeline: CompiledPipeline,
    calendar: &'a str,
    exports: bool,
    link: &'a LinkId,
    remote: &'a RemoteCalendarId,
    uid_key: [u8; 32],
    /// What the UIDs of copies were made with before the link had a salt.
    unsalted: Option<[u8; 32]>,
    /// What the items of an importing link are read by, before its rules.
    source: Option<&'a dyn Provider>,
}

impl<'a> Copies<'a> {
    /// The rules of a link, if it has any.
    pub(super) fn of(link: &'a Link, host: &HostRules) -> Result<Option<Self>, EngineError> {
        let Some(rules) = link.copy_rules() else { return Ok(None) };
        let error = |reason: String| EngineError::CopyRules { link: link.id.to_string(), reason };
        let pipeline = rules.pipeline.compile_with(host).map_err(|problem| error(problem.to_string()))?;
        let (calendar, exports) = match link.direction {
            Direction::Export => (link.calendar.as_str(), true),
            Direction::Import => (link.remote.as_str(), false),
            // What a copy does not show would come back as removed, and what is left out as deleted.
            Direction::TwoWay => {
                let reason =
                    "a link that copies by rules goes one way: set its direction to import or export";
                return Err(error(reason.to_owned()));
            }
        };
        if let Some(window) = &rules.window {
            let problem = (!exports)
                .then_some("a window is of the link that exports: what another link brings in is whole")
                .or_else(|| window.problem());
            if let Some(problem) = problem {
                return Err(error(problem.to_owned()));
            }
        }
        if exports
            && rules.owner.is_empty()
            && let Some(step) = pipeline.asks_for_the_owner()
        {
            return Err(error(ownerless(step)));
        }
        let unsalted = uid_key(&link.id, None);
        let salt = rules.uid_salt.as_deref().filter(|salt| !salt.is_empty());
        let salted = salt.map(|salt| uid_key(&link.id, Some(salt)));
        let (uid_key, unsalted) = (salted.unwrap_or(unsalted), salted.map(|_| unsalted));
        let (link, remote) = (&link.id, &link.remote);
        Ok(Some(Self { rules, pipeline, calendar, exports, link, remote, uid_key, unsalted, source: None }))
    }

    /// The same, where items can be read as they are: what [`left_out`](Self::left_out) needs.
    ///
    /// # Errors
    /// A step asks what the owner declined, which neither the rules nor the provider can tell.
    pub(super) fn reading(self, source: &'a dyn Provider) -> Result<Self, EngineError> {
        if !self.exports
            && self.rules.owner.is_empty()
            && !source.capabilities().tells_declined
            && let Some(step) = self.pipeline.asks_for_the_owner()
        {
            return Err(EngineError::CopyRules { link: self.link.to_string(), reason: ownerless(step) });
        }
        Ok(Self { source: Some(source), ..self })
    }

    /// What keeps an item out that the rules do not bring in.
    pub(super) fn left_out(&self, payload: &Payload) -> Option<LeftOut> {
        let source = self.source.filter(|_| !self.exports)?;
        let event = source.read(payload).ok()?;
        let declined = self.declined(source, payload);
        let is_copy = self.is_copy(source, payload);
        let around = Surroundings { is_copy, declined: declined.as_ref(), ..self.around() };
        let step = self.pipeline.refused_by(&event, &around).ok()?;
        Some(LeftOut::new(self.link, &event.uid, step.map(ToOwned::to_owned)))
    }

    fn is_copy(&self, source: &dyn Provider, payload: &Payload) -> bool {
        source.marked(payload).is_some_and(|mark| mark.is_true(self.remote))
    }

    /// What of an item the owner declined, where a step asks for it.
    fn declined(&self, source: &dyn Provider, payload: &Payload) -> Option<Declined> {
        self.pipeline.asks_for_the_owner().and_then(|_| source.declined(payload))
    }

    fn apply<'e>(&self, event: &'e Event) -> Result<Option<Cow<'e, Event>>, RuleFailure> {
        self.pipeline.apply(event, &self.around())
    }

    /// Whether the rules say what becomes of a local event. Only one of the host may not.
    pub(super) fn can_tell(&self, event: &Event) -> Result<(), ProviderError> {
        if self.exports && self.rules.pipeline.asks_the_host() {
            self.apply(event).map_err(untold)?;
        }
        Ok(())
    }

    /// What the copy of a local event lacks of what the rules say, in words of
    /// [`Operation::losses`](crate::plan::Operation).
    pub(super) fn losses(&self, event: &Event) -> impl Iterator<Item = String> {
        (self.exports && self.pipeline.leaves_unpadded(event)).then(|| "padding".to_owned()).into_iter()
    }

    /// The step that keeps a local event out; `Some(None)`: none, it takes no time, and the copy is busy-only.
    pub(super) fn refused(&self, event: &Event) -> Result<Option<Option<String>>, RuleFailure> {
        if self.apply(event)?.is_some() {
            return Ok(None);
        }
        Ok(Some(self.pipeline.refused_by(event, &self.around())?.map(ToOwned::to_owned)))
    }

    /// An item as it is brought in, or why it is not.
    fn read_in(&self, event: &Event, source: &dyn Provider, payload: &Payload) -> Result<Event, ReadError> {
        let declined = self.declined(source, payload);
        let is_copy = self.is_copy(source, payload);
        let around = Surroundings { is_copy, declined: declined.as_ref(), ..self.around() };
        // Nobody knows whether it is left out: the event there may be of it stays.
        let failed =
            |failure: RuleFailure| ReadError { kind: UnreadKind::Unreadable, reason: failure.to_string() };
        if let Some(copy) = self.pipeline.apply(event, &around).map_err(failed)? {
            return Ok(copy.into_owned());
        }
        let reason = match self.pipeline.refused_by(event, &around).map_err(failed)? {
            Some(step) => format!("the step {step:?} of the link's pipeline keeps it out"),
            None => "it takes no time, and the copy is busy-only".to_owned(),
        };
        Err(ReadError { kind: UnreadKind::LeftOut, reason })
    }

    fn around(&self) -> Surroundings<'_> {
        Surroundings {
            calendar: self.calendar,
            calendar_name: &self.rules.calendar_name,
            owner: &self.rules.owner,
            zone: &self.rules.zone,
            uid_key: self.hides_uids().then_some(&self.uid_key),
            is_copy: false,
            declined: None,
        }
    }

    /// Whether the copies do not show the UIDs of their events. An import keeps them: nothing leaves.
    pub(super) fn hides_uids(&self) -> bool {
        self.exports && self.rules.pipeline.hides_uids()
    }

    /// Whether this very item was made by the link, where that can be told.
    pub(super) fn made(&self, mark: Option<&Mark>) -> bool {
        mark.is_some_and(|mark| mark.is_by(&Seal::of(self.link, self.remote)))
    }

    /// The UIDs of the copy of an event: the one it has, and the one it had before the link had a salt.
    pub(super) fn copied_uids(&self, uid: &str) -> impl Iterator<Item = String> {
        [Some(hidden_uid(&self.uid_key, uid)), self.unsalted_uid(uid)].into_iter().flatten()
    }

    /// Whether a copy of an event has a UID that tells more of it than the rules say: its own, or one made without the salt.
    pub(super) fn is_former_uid(&self, copy: &str, uid: &str) -> bool {
        copy == uid || self.unsalted_uid(uid).is_some_and(|former| former == copy)
    }

    /// The UID of the copy of an event before the link had a salt.
    fn unsalted_uid(&self, uid: &str) -> Option<String> {
        self.unsalted.as_ref().map(|key| hidden_uid(key, uid))
    }

    pub(super) fn exports(&self) -> bool {
        self.exports
    }

    /// Which part of the calendar is copied, and the zone it is told in.
    pub(super) fn window(&self) -> Option<(&CopyWindow, &Zone)> {
        Some((self.rules.window.as_ref()?, &self.rules.zone))
    }

    /// Whether the time of an event keeps it from being copied; `there`: its copy is there already.
    pub(super) fn is_outside(&self, event: &Event, there: bool, now: DateTime<Utc>) -> bool {
        self.window().is_some_and(|(window, zone)| {
            !(there && window.leaving == Leaving::Stay || window.holds(event, now, zone))
        })
    }
}

/// A local event as its copy; `None`: it is not copied.
///
/// # Errors
/// A rule of the host cannot tell. Nothing is decided about the event then.
pub(super) fn exported<'e>(
    copies: Option<&Copies<'_>>,
    event: &'e Event,
) -> Result<Option<Cow<'e, Event>>, ProviderError> {
    match copies.filter(|copies| copies.exports) {
        Some(copies) => copies.apply(event).map_err(untold),
        None => Ok(Some(Cow::Borrowed(event))),
    }
}

/// What is wrong with a step that keeps out what the owner declined where nobody knows the owner: it would let through all of it.
fn ownerless(step: &str) -> String {
    format!(
        "the step {step:?} keeps out what the owner of the calendar declined, and nobody says who that is: give the rules the \
         owner's addresses, or put the step on the link that imports from a provider that tells, Google or Microsoft"
    )
}

fn untold(failure: RuleFailure) -> ProviderError {
    ProviderError::new(ErrorKind::InvalidInput, "copy", failure.to_string())
}

/// A local event as the remote side can hold it.
pub(super) fn held<'e>(
    copies: Option<&Copies<'_>>,
    provider: &dyn Provider,
    event: &'e Event,
) -> Cow<'e, Event> {
    match exported(copies, event) {
        Ok(Some(Cow::Owned(copy))) => Cow::Owned(provider.project(&copy).into_owned()),
        // One that is not copied is compared as it is, and never written.
        Ok(Some(Cow::Borrowed(_)) | None) | Err(_) => provider.project(event),
    }
}

/// A link whose rules name the versions of the host's: what its state is compared with.
pub(super) fn with_versions<'l>(link: &'l Link, host: &HostRules) -> Cow<'l, Link> {
    let Some(rules) = link.copies.as_ref().filter(|rules| rules.pipeline.asks_the_host()) else {
        return Cow::Borrowed(link);
    };
    let pipeline = rules.pipeline.with_versions(host);
    Cow::Owned(link.clone().with_copies(CopyRules { pipeline, ..rules.clone() }))
}

/// A provider whose items are read as their copies: the source of an importing link.
pub(super) struct ReadAsCopies<'p> {
    pub(super) provider: &'p dyn Provider,
    pub(super) copies: &'p Copies<'p>,
}

#[async_trait]
impl Provider for ReadAsCopies<'_> {
    fn read(&self, payload: &Payload) -> Result<Event, ReadError> {
        let event = self.provider.read(payload)?;
        if self.copies.exports {
            return Ok(event);
        }
        self.copies.read_in(&event, self.provider, payload)
    }

    fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    fn requests(&self) -> u64 {
        self.provider.requests()
    }

    async fn calendars(&self) -> ProviderResult<Vec<RemoteCalendar>> {
        self.provider.calendars().await
    }

    async fn place(&self, calendar: &RemoteCalendarId) -> ProviderResult<Option<String>> {
        self.provider.place(calendar).await
    }

    async fn changes(
        &self,
        calendar: &RemoteCalendarId,
        request: ChangesRequest<'_>,
    ) -> ProviderResult<ChangePage> {
        self.provider.changes(calendar, request).await
    }

    async fn fetch(&self, calendar: &RemoteCalendarId, ids: &[RemoteId]) -> ProviderResult<Vec<Fetched>> {
        self.provider.fetch(calendar, ids).await
    }

    fn project<'e>(&self, event: &'e Event) -> Cow<'e, Event> {
        self.provider.project(event)
    }

    fn render(&self, request: RenderRequest<'_>) -> ProviderResult<Rendered> {
        self.provider.render(request)
    }

    fn propose_id(
        &self,
        calendar: &RemoteCalendarId,
        event: &Event,
        fresh: &str,
    ) -> ProviderResult<RemoteId> {
        self.provider.propose_id(calendar, event, fresh)
    }

    fn mark(&self, id: &RemoteId, payload: Payload, seal: &Seal) -> Payload {
        self.provider.mark(id, payload, seal)
    }

    fn marked(&self, payload: &Payload) -> Option<Mark> {
        self.provider.marked(payload)
    }

    fn declined(&self, payload: &Payload) -> Option<Declined> {
        self.provider.declined(payload)
    }

    async fn create(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        payload: &Payload,
    ) -> ProviderResult<Written> {
        self.provider.create(calendar, id, payload).await
    }

    async fn update(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
        payload: &Payload,
    ) -> ProviderResult<Written> {
        self.provider.update(calendar, id, expected, payload).await
    }

    async fn delete(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
    ) -> ProviderResult<()> {
        self.provider.delete(calendar, id, expected).await
    }

    async fn cancel(
        &self,
        calendar: &RemoteCalendarId,
        id: &RemoteId,
        expected: &Version,
    ) -> ProviderResult<()> {
        self.provider.cancel(calendar, id, expected).await
    }

    async fn watch(&self, calendar: &RemoteCalendarId, request: WatchRequest<'_>) -> ProviderResult<Watch> {
        self.provider.watch(calendar, request).await
    }

    async fn unwatch(&self, watch: &Watch) -> ProviderResult<()> {
        self.provider.unwatch(watch).await
    }

    async fn free_busy(
        &self,
        calendars: &[RemoteCalendarId],
        window: Range<DateTime<Utc>>,
    ) -> ProviderResult<Vec<FreeBusy>> {
        self.provider.free_busy(calendars, window).await
    }
}
