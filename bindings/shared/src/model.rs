//! What crosses the border: the events of the model with their rules as text, and what the calls answer.

use std::collections::BTreeMap;

use calsync_core::{
    diff::Field,
    engine::{CleanReport, OpenMatch, Progress, SyncReport, UndoReport},
    merge::Choice,
    model::{Event, EventBody, Lineage, Override, RecurrenceId, TimeSpan, UidOrigin},
    pipeline::Surroundings,
    plan::Operation,
    recurrence::{LimitReached, RuleEntry},
    store::{
        ConflictRecord, EventRecord, FieldConflict, MatchAnswer, OutboxEntry, OutboxOp, OutboxState,
        RunCounts,
    },
    zone::Zone,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Code, Failure};

/// A calendar object: [`Event`] with its rules as the text of RFC 5545.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventModel {
    /// See [`Event::uid`].
    pub uid: String,
    /// See [`Event::uid_origin`].
    #[serde(default)]
    pub uid_origin: UidOrigin,
    /// See [`Event::master`].
    #[serde(default)]
    pub master: Option<EventBody>,
    /// The values of `RRULE`.
    #[serde(default)]
    pub rules: Vec<String>,
    /// The values of `EXRULE`.
    #[serde(default)]
    pub excluded_rules: Vec<String>,
    /// See [`Event::overrides`].
    #[serde(default)]
    pub overrides: BTreeMap<RecurrenceId, Override>,
    /// See [`Event::lineage`].
    #[serde(default)]
    pub lineage: Option<Lineage>,
}

fn texts(rules: &[RuleEntry]) -> Vec<String> {
    let text = |rule: &RuleEntry| match rule {
        RuleEntry::Rule(rule) => rule.to_string(),
        RuleEntry::Opaque { text, .. } => text.clone(),
    };
    rules.iter().map(text).collect()
}

impl From<Event> for EventModel {
    fn from(event: Event) -> Self {
        Self {
            uid: event.uid,
            uid_origin: event.uid_origin,
            master: event.master,
            rules: texts(&event.rules),
            excluded_rules: texts(&event.excluded_rules),
            overrides: event.overrides,
            lineage: event.lineage,
        }
    }
}

impl From<EventModel> for Event {
    fn from(event: EventModel) -> Self {
        let read = |rules: Vec<String>| rules.iter().map(|text| RuleEntry::read(text)).collect();
        Self {
            uid: event.uid,
            uid_origin: event.uid_origin,
            master: event.master,
            rules: read(event.rules),
            excluded_rules: read(event.excluded_rules),
            overrides: event.overrides,
            lineage: event.lineage,
        }
    }
}

/// One of many results: a failed one stops no other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome<T> {
    /// It worked.
    Ok(T),
    /// It did not.
    Failure(Failure),
}

impl<T, E: Into<Failure>> From<Result<T, E>> for Outcome<T> {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(error) => Self::Failure(error.into()),
        }
    }
}

/// A calendar text that was read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParsedCalendar {
    /// The name the text gives the calendar.
    pub name: Option<String>,
    /// The events, in the order of the text.
    pub events: Vec<EventModel>,
    /// Items that cannot be read.
    pub unreadable: Vec<UnreadableItem>,
    /// Whether the text has its end. If not, nothing may be concluded from what it lacks.
    pub complete: bool,
}

/// An item that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableItem {
    /// Its UID, if it has one.
    pub uid: Option<String>,
    /// Why, without text of the item.
    pub reason: String,
}

/// One time an event takes place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceModel {
    /// Which instance: the key of [`EventModel::overrides`].
    pub id: RecurrenceId,
    /// When it takes place.
    pub time: TimeSpan,
}

/// The instances of an event in a window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expansion {
    /// In the order of their starts.
    pub instances: Vec<InstanceModel>,
    /// Rules without a clear meaning; only the start of the series stands for them.
    pub opaque_rules: usize,
    /// The limit that ended the expansion early.
    pub stopped: Option<LimitReached>,
}

/// One mergeable part of an event: [`Field`] without nesting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldModel {
    /// The instance; absent for the event itself.
    #[serde(default)]
    pub instance: Option<RecurrenceId>,
    /// The part, such as `title`.
    pub part: String,
    /// Which category, participant (address) or alarm (trigger).
    #[serde(default)]
    pub key: Option<Value>,
}

impl From<&Field> for FieldModel {
    fn from(field: &Field) -> Self {
        let (part, key) = match serde_json::to_value(&field.part) {
            Ok(Value::String(part)) => (part, None),
            Ok(Value::Object(one)) => {
                one.into_iter().next().map_or_else(Default::default, |(part, key)| (part, Some(key)))
            }
            _ => Default::default(),
        };
        Self { instance: field.instance, part, key }
    }
}

impl TryFrom<FieldModel> for Field {
    type Error = Failure;

    fn try_from(field: FieldModel) -> Result<Self, Failure> {
        let part = match field.key {
            None => Value::String(field.part),
            Some(key) => Value::Object(Map::from_iter([(field.part, key)])),
        };
        let part = serde_json::from_value(part).map_err(|_| Failure::invalid("there is no such field"))?;
        Ok(Self { instance: field.instance, part })
    }
}

pub(crate) fn fields<'f>(fields: impl IntoIterator<Item = &'f Field>) -> Vec<FieldModel> {
    fields.into_iter().map(FieldModel::from).collect()
}

/// A field both sides changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestedField {
    /// The field.
    pub field: FieldModel,
    /// Who won it.
    pub choice: Choice,
}

/// An event whose two sides changed the same fields to different values: what a resolver is asked about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ContestedEventModel {
    /// The link.
    pub link: String,
    /// The event in the store.
    pub event_id: String,
    /// What the local side held when both last agreed; absent at a first meeting.
    pub base: Option<EventModel>,
    /// The local side now.
    pub local: EventModel,
    /// The remote side now.
    pub remote: EventModel,
    /// The contested fields. Everything else is merged already.
    pub fields: Vec<FieldModel>,
}

/// What surrounds an event that is copied: [`Surroundings`] without what is secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SurroundingsModel {
    /// See [`Surroundings::calendar`].
    pub calendar: String,
    /// See [`Surroundings::calendar_name`].
    pub calendar_name: String,
    /// See [`Surroundings::owner`].
    pub owner: Vec<String>,
    /// See [`Surroundings::zone`].
    pub zone: Zone,
    /// See [`Surroundings::is_copy`].
    pub is_copy: bool,
}

impl Default for SurroundingsModel {
    fn default() -> Self {
        Self::from(&Surroundings::default())
    }
}

impl From<&Surroundings<'_>> for SurroundingsModel {
    fn from(around: &Surroundings<'_>) -> Self {
        Self {
            calendar: around.calendar.to_owned(),
            calendar_name: around.calendar_name.to_owned(),
            owner: around.owner.to_vec(),
            zone: around.zone.clone(),
            is_copy: around.is_copy,
        }
    }
}

/// What a merge decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Merged {
    /// The local side after it.
    pub local: EventModel,
    /// The remote side after it.
    pub remote: EventModel,
    /// Fields that went from the remote to the local side.
    pub to_local: Vec<FieldModel>,
    /// Fields that went from the local to the remote side.
    pub to_remote: Vec<FieldModel>,
    /// Fields both sides changed to different values.
    pub contested: Vec<ContestedField>,
    /// Whether the local version is to be kept as an event of its own.
    pub keep_local_copy: bool,
}

/// A connection somebody allowed, of `finish_oauth`. Its tokens are in the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OAuthGrant {
    /// The name of the connection.
    pub connection: String,
    /// What identifies the account for ever at its provider, where that said so. The same one has to come back the next time.
    pub subject: Option<String>,
    /// How a person knows the account: its address or user name.
    pub label: Option<String>,
    /// What was asked for and not granted. The tokens are good for the rest.
    pub missing_scopes: Vec<String>,
    /// Until when the account has to be connected again; none: nobody said so.
    pub ends: Option<DateTime<Utc>>,
}

/// An event as the store holds it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredEvent {
    /// Its id in the store.
    pub id: String,
    /// The revision of its last change: what an edit expects.
    pub revision: u64,
    /// Its content.
    pub event: EventModel,
    /// When its content was last written.
    pub modified: DateTime<Utc>,
}

impl From<EventRecord> for StoredEvent {
    fn from(record: EventRecord) -> Self {
        Self {
            id: record.id.as_str().to_owned(),
            revision: record.revision.0,
            event: record.event.into(),
            modified: record.modified,
        }
    }
}

/// One operation of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedOperation {
    /// What is done, such as `create-local`.
    pub action: String,
    /// The event here.
    pub event_id: Option<String>,
    /// The item there.
    pub remote_id: Option<String>,
    /// Fields that come in.
    pub to_local: Vec<FieldModel>,
    /// Fields that go out.
    pub to_remote: Vec<FieldModel>,
    /// Fields both sides changed.
    pub contested: Vec<FieldModel>,
    /// Names of fields the provider cannot hold.
    pub losses: Vec<String>,
    /// Why.
    pub reason: String,
}

impl From<&Operation> for PlannedOperation {
    fn from(operation: &Operation) -> Self {
        let action = match serde_json::to_value(operation.action) {
            Ok(Value::String(action)) => action,
            _ => String::new(),
        };
        Self {
            action,
            event_id: operation.event_id.as_ref().map(|id| id.as_str().to_owned()),
            remote_id: operation.remote_id.as_ref().map(|id| id.as_str().to_owned()),
            to_local: fields(&operation.to_local),
            to_remote: fields(&operation.to_remote),
            contested: fields(&operation.contested),
            losses: operation.losses.clone(),
            reason: operation.reason.clone(),
        }
    }
}

/// What a run did, or would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The run.
    pub run: String,
    /// What to approve or refuse, when deletions were held; else the id of the plan.
    pub plan_id: String,
    /// Whether deletions wait for a person.
    pub held: bool,
    /// Whether both sides hold the same now.
    pub in_step: bool,
    /// In numbers.
    pub counts: RunCounts,
    /// Every operation, with its reason.
    pub operations: Vec<PlannedOperation>,
    /// Items that may be events here; a person says which.
    pub undecided: usize,
    /// Writes that the next run tries again.
    pub waiting: usize,
    /// Writes that wait for a person.
    pub wedged: usize,
    /// Events looked at that are outside the window of what the link copies, and have no copy.
    pub outside: usize,
    /// The held plan that was approved or refused in this run.
    pub answered: Option<String>,
}

impl From<SyncReport> for Report {
    fn from(report: SyncReport) -> Self {
        Self {
            in_step: report.in_step(),
            run: report.run.as_str().to_owned(),
            plan_id: report.plan_id.0,
            held: report.plan.held,
            counts: report.counts,
            operations: report.plan.operations.iter().map(PlannedOperation::from).collect(),
            undecided: report.undecided,
            outside: report.outside,
            waiting: report.waiting,
            wedged: report.wedged,
            answered: report.answered.map(|plan| plan.0),
        }
    }
}

/// What a clean-up found and did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cleaned {
    /// What to approve, when the deletions were held; else the id of the plan.
    pub plan_id: String,
    /// Whether the deletions wait for a person.
    pub held: bool,
    /// Every deletion, with its reason.
    pub operations: Vec<PlannedOperation>,
    /// How many were carried out.
    pub deleted: usize,
    /// Items somebody edited since the link wrote them: they stay.
    pub edited: usize,
    /// Items that carry a mark which is not theirs: they stay.
    pub foreign: usize,
    /// Whether everything there is was listed.
    pub complete: bool,
}

impl From<CleanReport> for Cleaned {
    fn from(report: CleanReport) -> Self {
        Self {
            plan_id: report.plan.deletions_id().0,
            held: report.plan.held,
            operations: report.plan.operations.iter().map(PlannedOperation::from).collect(),
            deleted: report.deleted,
            edited: report.edited,
            foreign: report.foreign,
            complete: report.complete,
        }
    }
}

/// A field of a conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConflictField {
    /// The field.
    pub field: FieldModel,
    /// What both sides had before.
    pub base: Value,
    /// What the local side changed it to.
    pub local: Value,
    /// What the remote side changed it to.
    pub remote: Value,
    /// `open`, or what became of it.
    pub outcome: String,
}

impl From<FieldConflict> for ConflictField {
    fn from(conflict: FieldConflict) -> Self {
        Self {
            field: FieldModel::from(&conflict.field),
            base: conflict.base,
            local: conflict.local,
            remote: conflict.remote,
            outcome: conflict.outcome,
        }
    }
}

/// Both sides changed the same fields to different values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// Its id.
    pub id: String,
    /// Its link.
    pub link: String,
    /// The event.
    pub event_id: String,
    /// The UID of the event.
    pub uid: String,
    /// Whether it waits for a person.
    pub open: bool,
    /// The fields. Empty: one side deleted what the other edited.
    pub fields: Vec<ConflictField>,
    /// The whole local version.
    pub local: Option<EventModel>,
    /// The whole remote version.
    pub remote: Option<EventModel>,
    /// The policy of the link.
    pub policy: String,
    /// When it was found.
    pub at: DateTime<Utc>,
}

impl From<ConflictRecord> for Conflict {
    fn from(record: ConflictRecord) -> Self {
        Self {
            open: record.resolved_since().is_none(),
            id: record.id,
            link: record.link.as_str().to_owned(),
            event_id: record.event_id.as_str().to_owned(),
            uid: record.uid,
            fields: record.fields.into_iter().map(ConflictField::from).collect(),
            local: record.local.map(|event| (*event).into()),
            remote: record.remote.map(|event| (*event).into()),
            policy: record.policy,
            at: record.at,
        }
    }
}

/// What became of the changes of a run that was taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undone {
    /// The run.
    pub run: String,
    /// Events brought back to what they were.
    pub restored: u64,
    /// Events removed again.
    pub removed: u64,
    /// Items the run made on the remote side, and that are deleted there now.
    pub removed_there: u64,
    /// The run to take back for the next run to make those items again.
    pub removal: Option<String>,
    /// Events left alone.
    pub kept: u64,
    /// Those left alone whose items the run made on the remote side, and that cannot be deleted there.
    pub made_there: u64,
    /// Those of them that were edited since; at most 1,000.
    pub edited: Vec<String>,
}

impl Undone {
    pub(crate) fn of(run: &str, report: UndoReport) -> Self {
        Self {
            run: run.to_owned(),
            restored: report.restored,
            removed: report.removed,
            removed_there: report.removed_there,
            removal: report.removal.map(|run| run.as_str().to_owned()),
            kept: report.kept,
            made_there: report.made_there,
            edited: report.edited.iter().map(|id| id.as_str().to_owned()).collect(),
        }
    }
}

/// An item that may be an event here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The item.
    pub remote_id: String,
    /// The events it may be, the likeliest first.
    pub candidates: Vec<String>,
    /// Whether it was answered; the next run does it.
    pub answered: bool,
    /// Since when it waits.
    pub since: DateTime<Utc>,
}

impl From<OpenMatch> for Question {
    fn from(open: OpenMatch) -> Self {
        Self {
            remote_id: open.remote_id.as_str().to_owned(),
            candidates: open.candidates.iter().map(|id| id.as_str().to_owned()).collect(),
            answered: open.answer.as_ref().is_some_and(|_: &MatchAnswer| true),
            since: open.since,
        }
    }
}

/// What a write does to the item there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteKind {
    /// Makes it.
    Create,
    /// Replaces it.
    Update,
    /// Deletes it.
    Delete,
}

/// How far a write is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WriteState {
    /// A run sends it when its time has come.
    Pending,
    /// It may have been applied: a run looks before it sends it again.
    Ambiguous,
    /// It waits for a person, or for the event to change.
    Wedged,
}

/// A remote write that is decided and not confirmed. It holds no text of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingWrite {
    /// The link.
    pub link: String,
    /// The event: what [`retry_write`](crate::args::OfWrite) and `drop_write` are told. One write waits for it at most.
    pub event_id: String,
    /// The name the item has there or will have; absent where nothing could be made of the event.
    pub remote_id: Option<String>,
    /// What it does.
    pub kind: WriteKind,
    /// How far it is.
    pub state: WriteState,
    /// Why it was decided.
    pub reason: String,
    /// How often it was sent.
    pub attempts: u32,
    /// It is not sent before.
    pub not_before: Option<DateTime<Utc>>,
    /// Why it is wedged.
    pub error: Option<Code>,
    /// The same for people.
    pub detail: Option<String>,
}

impl From<OutboxEntry> for WaitingWrite {
    fn from(entry: OutboxEntry) -> Self {
        let (state, error, detail) = match entry.state {
            OutboxState::Pending => (WriteState::Pending, None, None),
            OutboxState::Ambiguous => (WriteState::Ambiguous, None, None),
            OutboxState::Wedged { kind, detail } => {
                (WriteState::Wedged, Some(Code::from(&kind)), Some(detail))
            }
        };
        Self {
            link: entry.link.as_str().to_owned(),
            event_id: entry.event_id.as_str().to_owned(),
            remote_id: Some(entry.remote_id.as_str().to_owned()).filter(|id| !id.is_empty()),
            kind: match entry.op {
                OutboxOp::Create { .. } => WriteKind::Create,
                OutboxOp::Update { .. } => WriteKind::Update,
                OutboxOp::Delete { .. } => WriteKind::Delete,
            },
            state,
            reason: entry.reason,
            attempts: entry.attempts,
            not_before: entry.not_before,
            error,
            detail,
        }
    }
}

/// What a run tells while it goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProgressModel {
    /// `listed`, `pulled`, `pushed` or `wedged`.
    pub step: String,
    /// The link.
    pub link: String,
    /// Done so far.
    pub done: usize,
    /// Of so many, where that is known.
    pub total: Option<usize>,
}

impl ProgressModel {
    pub(crate) fn of(progress: &Progress) -> Option<Self> {
        let (step, link, done, total) = match progress {
            Progress::Listed { link, changes } => ("listed", link, *changes, None),
            Progress::Pulled { link, done, total } => ("pulled", link, *done, Some(*total)),
            Progress::Pushed { link, done, total } => ("pushed", link, *done, Some(*total)),
            Progress::Wedged { link, .. } => ("wedged", link, 1, None),
            _ => return None,
        };
        Some(Self { step: step.to_owned(), link: link.as_str().to_owned(), done, total })
    }
}
