//! What an engine tells of events: where they came from and went, what happened to them, and why an item is none.
//!
//! The variants of the core are flat here: a word says which it is, and the fields of the others are absent.

use calsync_core::{
    engine,
    plan::{Direction, Evidence},
    provider::UnreadKind,
    store::{JournalOp, RunCounts, SettledBy},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::model::{FieldModel, fields};

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HistoryKind {
    /// A run of the engine.
    Run,
    /// A side was written, or left as it is on purpose.
    Change,
    /// Both sides had changed the same.
    Conflict,
}

/// One thing that happened: [`engine::HistoryEntry`]. What does not apply is empty. It holds no text of events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEntry {
    /// When.
    pub at: DateTime<Utc>,
    /// Of which kind it is.
    pub kind: HistoryKind,
    /// The link.
    pub link: String,
    /// The run.
    pub run: String,
    /// The event.
    pub event: String,
    /// The remote item.
    pub item: String,
    /// The event's UID, where the record has it.
    pub uid: String,
    /// What was done: `local-create`, `remote-update`, `kept` and so on.
    pub what: String,
    /// Why.
    pub why: String,
    /// The fields it was about.
    pub fields: Vec<String>,
    /// How a run ended; of a conflict `open` or `resolved`.
    pub outcome: String,
    /// What decided it: the policy of a conflict, the evidence of a deletion.
    pub by: String,
    /// Who decided it, where it was a person.
    pub who: String,
    /// What a run did.
    pub counts: Option<RunCounts>,
}

impl From<engine::HistoryEntry> for HistoryEntry {
    fn from(entry: engine::HistoryEntry) -> Self {
        Self {
            at: entry.at,
            kind: match entry.kind {
                "run" => HistoryKind::Run,
                "conflict" => HistoryKind::Conflict,
                _ => HistoryKind::Change,
            },
            link: entry.link,
            run: entry.run,
            event: entry.event,
            item: entry.item,
            uid: entry.uid,
            what: entry.what,
            why: entry.why,
            fields: entry.fields,
            outcome: entry.outcome,
            by: entry.by,
            who: entry.who,
            counts: entry.counts,
        }
    }
}

/// How an event stands on a link: [`engine::WayState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WayState {
    /// Both sides have it, and what was sent came back.
    InStep,
    /// A write of it waits to be confirmed.
    Waiting,
    /// A write of it was refused, and waits for a person.
    Stuck,
    /// Both sides are left alone.
    LeftAlone,
    /// The link's pipeline does not let it through.
    LeftOut,
    /// It is outside the window of what the link copies.
    OutsideWindow,
    /// The link never met it.
    NotJoined,
}

/// What a link makes of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The link.
    pub link: String,
    /// Which way it goes.
    pub direction: Direction,
    /// How the event stands on it.
    pub state: WayState,
    /// The item on the other side.
    pub remote_id: Option<String>,
    /// The transforms its copy is made by, by name, in order.
    pub transforms: Vec<String>,
    /// How often a write that waits was tried.
    pub attempts: Option<u32>,
    /// Why a write is stuck, without event text.
    pub detail: Option<String>,
    /// The filter that leaves it out; absent of one left out where it takes no time, and the copy is busy-only.
    pub step: Option<String>,
    /// When what is outside the window enters it, if nobody touches it.
    pub enters: Option<DateTime<Utc>>,
}

impl From<engine::Way> for Way {
    fn from(way: engine::Way) -> Self {
        use engine::WayState as Core;
        let (mut attempts, mut stuck, mut left_out, mut enters_at) = (None, None, None, None);
        let state = match way.state {
            Core::InStep {} => WayState::InStep,
            Core::Waiting { attempts: tried } => {
                attempts = Some(tried);
                WayState::Waiting
            }
            Core::Stuck { detail } => {
                stuck = Some(detail);
                WayState::Stuck
            }
            Core::LeftAlone {} => WayState::LeftAlone,
            Core::LeftOut { step } => {
                left_out = step;
                WayState::LeftOut
            }
            Core::OutsideWindow { enters } => {
                enters_at = enters;
                WayState::OutsideWindow
            }
            Core::NotJoined {} => WayState::NotJoined,
        };
        Self {
            link: way.link.to_string(),
            direction: way.direction,
            state,
            remote_id: way.remote_id.map(|id| id.to_string()),
            transforms: way.transforms,
            attempts,
            detail: stuck,
            step: left_out,
            enters: enters_at,
        }
    }
}

/// What happened to an event: [`engine::What`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentKind {
    /// It came into the store.
    Seen,
    /// It and an item became one.
    Mapped,
    /// The link's rules kept it from being copied.
    Filtered,
    /// A side was written, or left as it is on purpose.
    Done,
    /// The item was seen again after the write.
    Echoed,
    /// Both sides had changed the same fields, or one had deleted what the other edited.
    Conflicted,
    /// A conflict was settled.
    Settled,
}

/// A contested field, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FieldOutcome {
    /// The field.
    pub field: FieldModel,
    /// `open`, or what became of it.
    pub outcome: String,
}

/// Something that happened to an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub what: MomentKind,
    /// Over which link; absent: it was made here.
    pub link: Option<String>,
    /// In which run, as far as there is a record.
    pub run: Option<String>,
    /// The item it was mapped to.
    pub item: Option<String>,
    /// The filter that kept it out; absent of what was filtered where it takes no time, and the copy is busy-only.
    pub step: Option<String>,
    /// Which side was written, and how: of what was done, and of what came back.
    pub op: Option<JournalOp>,
    /// Why it was done.
    pub reason: Option<String>,
    /// The fields that changed.
    pub fields: Vec<FieldModel>,
    /// What of the event the remote side cannot hold, in words for people.
    pub losses: Vec<String>,
    /// What spoke for a deletion.
    pub evidence: Option<Evidence>,
    /// The id of the conflict that was found or settled.
    pub conflict: Option<String>,
    /// Its fields. None: one side had deleted what the other edited.
    pub contested: Vec<FieldOutcome>,
    /// Under which policy it was found.
    pub policy: Option<String>,
    /// Whether it still waits for somebody.
    pub open: Option<bool>,
    /// By what it was settled.
    pub by: Option<SettledBy>,
    /// By whom, where a person said so.
    pub who: Option<String>,
}

impl From<engine::Moment> for Moment {
    fn from(moment: engine::Moment) -> Self {
        use engine::What;
        let plain = |what| Self {
            at: moment.at,
            what,
            link: moment.link.as_ref().map(ToString::to_string),
            run: moment.run.as_ref().map(ToString::to_string),
            item: None,
            step: None,
            op: None,
            reason: None,
            fields: Vec::new(),
            losses: Vec::new(),
            evidence: None,
            conflict: None,
            contested: Vec::new(),
            policy: None,
            open: None,
            by: None,
            who: None,
        };
        match moment.what {
            What::Seen {} => plain(MomentKind::Seen),
            What::Mapped { item } => Self { item: Some(item.to_string()), ..plain(MomentKind::Mapped) },
            What::Filtered { step } => Self { step, ..plain(MomentKind::Filtered) },
            What::Done { op, reason, fields: changed, losses, evidence } => Self {
                op: Some(op),
                reason: Some(reason),
                fields: fields(&changed),
                losses,
                evidence,
                ..plain(MomentKind::Done)
            },
            What::Echoed { op } => Self { op: Some(op), ..plain(MomentKind::Echoed) },
            What::Conflicted { conflict, fields, policy, open } => Self {
                conflict: Some(conflict),
                contested: fields
                    .into_iter()
                    .map(|(field, outcome)| FieldOutcome { field: FieldModel::from(&field), outcome })
                    .collect(),
                policy: Some(policy),
                open: Some(open),
                ..plain(MomentKind::Conflicted)
            },
            What::Settled { conflict, by, who } => {
                Self { conflict: Some(conflict), by: Some(by), who, ..plain(MomentKind::Settled) }
            }
        }
    }
}

/// What is known of an event. It names no text of the event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// What each link of its calendar makes of it.
    pub ways: Vec<Way>,
    /// What happened to it, the oldest first, as far back as the links keep their journals.
    pub timeline: Vec<Moment>,
}

impl From<engine::Explanation> for Explanation {
    fn from(explanation: engine::Explanation) -> Self {
        Self {
            ways: explanation.ways.into_iter().map(Way::from).collect(),
            timeline: explanation.timeline.into_iter().map(Moment::from).collect(),
        }
    }
}

/// Why an item is no event here: [`engine::SeenState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SeenState {
    /// The link's pipeline does not let it through.
    LeftOut,
    /// It is not brought in for another reason.
    SetAside,
}

/// An item of the remote side that is no event here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenItem {
    /// The link that saw it.
    pub link: String,
    /// Its name there.
    pub remote_id: String,
    /// Since when it stands like this.
    pub since: DateTime<Utc>,
    /// Why it is no event here.
    pub state: SeenState,
    /// The filter that leaves it out; absent of one left out where it takes no time, and the copy is busy-only.
    pub step: Option<String>,
    /// For which reason it was set aside.
    pub kind: Option<UnreadKind>,
    /// The same in words, without its text.
    pub reason: Option<String>,
}

impl From<engine::SeenItem> for SeenItem {
    fn from(item: engine::SeenItem) -> Self {
        let (state, step, kind, reason) = match item.state {
            engine::SeenState::LeftOut { step } => (SeenState::LeftOut, step, None, None),
            engine::SeenState::SetAside { kind, reason } => {
                (SeenState::SetAside, None, Some(kind), Some(reason))
            }
        };
        Self {
            link: item.link.to_string(),
            remote_id: item.remote_id.to_string(),
            since: item.since,
            state,
            step,
            kind,
            reason,
        }
    }
}
