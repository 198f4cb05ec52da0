//! The rows of a store as JSON, in the names a store of the host sees.

use std::collections::HashSet;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use calsync_core::{
    model::EventId,
    store::{
        BaseRecord, Batch, Doc, Edits, EventRecord, Expectation, LeaseEnd, LeaseToken, LinkState, Log,
        OpenLink, Opened, OutboxEntry, OutboxOp, QuarantineRecord, RecordKind, Revision, Waiting, Write,
    },
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

pub(crate) fn kind_name(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Conflict => "conflict",
        RecordKind::Quarantine => "quarantine",
        RecordKind::Run => "run",
        RecordKind::Journal => "journal",
    }
}

fn log_name(log: Log) -> &'static str {
    match log {
        Log::Runs => "runs",
        Log::Journal => "journal",
        Log::ResolvedConflicts => "resolved-conflicts",
    }
}

/// A document with its bytes in base64.
#[derive(Serialize, Deserialize)]
pub(crate) struct DocRow {
    space: String,
    key: String,
    value: String,
    version: u64,
    due: Option<DateTime<Utc>>,
}

impl From<Doc> for DocRow {
    fn from(doc: Doc) -> Self {
        Self {
            space: doc.space,
            key: doc.key,
            value: STANDARD.encode(doc.value),
            version: doc.version,
            due: doc.due,
        }
    }
}

impl DocRow {
    /// The document; `None` when its value is not base64.
    pub(crate) fn doc(self) -> Option<Doc> {
        let value = STANDARD.decode(self.value).ok()?;
        Some(Doc { space: self.space, key: self.key, value, version: self.version, due: self.due })
    }
}

/// What a host answers when a link is opened in one call: who has it, or the link. One row for both, as code that has to try
/// two of them reads every type in it a second way.
#[derive(Deserialize)]
pub(crate) struct OpenedRow {
    held_until: Option<DateTime<Utc>>,
    token: Option<LeaseToken>,
    /// A host that leaves it out would have the link begin anew: `null` is another answer.
    #[serde(default, deserialize_with = "named")]
    state: Option<Option<LinkState>>,
    /// From the last revision on that the link has seen.
    edits: Option<Vec<EventRecord>>,
    quarantine: Option<Vec<QuarantineRecord>>,
    outbox: Option<Vec<OutboxEntry>>,
}

/// A value that may be null, where it is there.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(value).map(Some)
}

impl OpenedRow {
    /// What it says; `None` when something is missing, or a lease was asked for and nothing is said of it.
    pub(crate) fn opened(self, asks: bool, limit: usize) -> Option<Opened> {
        if let Some(until) = self.held_until {
            return asks.then_some(Opened::Held { until });
        }
        if self.token.is_some() != asks {
            return None;
        }
        let (state, edits) = (self.state?, self.edits?);
        let seen = state.as_ref().map_or(Revision::default(), |state| state.seen);
        let edits = match seen {
            Revision(0) => Edits::Unseen,
            seen => Edits::of(edits, seen, limit),
        };
        let (quarantine, outbox) = (self.quarantine?, self.outbox?);
        let link = OpenLink { lease: self.token, state, edits, bases: None, quarantine, outbox };
        Some(Opened::Link(Box::new(link)))
    }
}

/// Bases with their events.
#[derive(Deserialize)]
pub(crate) struct PairsRow {
    pub(crate) bases: Vec<BaseRecord>,
    pub(crate) events: Vec<EventRecord>,
}

/// A page of the outbox, with the bases of its events.
#[derive(Deserialize)]
pub(crate) struct WaitingRow {
    entries: Vec<OutboxEntry>,
    bases: Vec<BaseRecord>,
}

impl WaitingRow {
    /// A host need not look into an entry: the base of what is created, if there is one, is left out here.
    pub(crate) fn waiting(self) -> Waiting {
        let Self { entries, mut bases } = self;
        let changed = entries.iter().filter(|entry| !matches!(entry.op, OutboxOp::Create { .. }));
        let changed: HashSet<&EventId> = changed.map(|entry| &entry.event_id).collect();
        bases.retain(|base| changed.contains(&base.event_id));
        Waiting { entries, bases }
    }
}

pub(crate) fn batch(batch: Batch) -> Value {
    json!({
        "lease": batch.lease,
        "lease_end": match batch.lease_end {
            LeaseEnd::Kept => "kept",
            LeaseEnd::GivenBack => "given-back",
        },
        "expect": batch.expect.iter().map(expectation).collect::<Vec<_>>(),
        "writes": batch.writes.into_iter().map(write).collect::<Vec<_>>(),
    })
}

fn expectation(expectation: &Expectation) -> Value {
    match expectation {
        Expectation::Event { calendar, id, revision } => {
            json!({ "of": "event", "calendar": calendar, "id": id, "revision": revision })
        }
        Expectation::Link { id, generation } => json!({ "of": "link", "id": id, "generation": generation }),
        Expectation::Uid { calendar, uid, events } => {
            json!({ "of": "uid", "calendar": calendar, "uid": uid, "events": events })
        }
        Expectation::Doc { space, key, version } => {
            json!({ "of": "doc", "space": space, "key": key, "version": version })
        }
    }
}

fn write(write: Write) -> Value {
    match write {
        Write::PutCalendar(row) => json!({ "op": "put-calendar", "row": row }),
        Write::PutEvent { calendar, id, event, at } => {
            json!({ "op": "put-event", "calendar": calendar, "id": id, "uid": event.uid, "event": event, "at": at })
        }
        Write::DeleteEvent { calendar, id, at } => {
            json!({ "op": "delete-event", "calendar": calendar, "id": id, "at": at })
        }
        Write::PurgeDeleted { calendar, before, limit } => {
            json!({ "op": "purge-deleted", "calendar": calendar, "before": before, "limit": limit })
        }
        Write::PutLink(row) => json!({ "op": "put-link", "row": row }),
        Write::PutBase(row) => json!({ "op": "put-base", "row": row }),
        Write::DeleteBase { link, remote_id } => {
            json!({ "op": "delete-base", "link": link, "remote_id": remote_id })
        }
        Write::PutOutbox(row) => json!({ "op": "put-outbox", "row": row }),
        Write::DeleteOutbox { link, id } => json!({ "op": "delete-outbox", "link": link, "id": id }),
        Write::PutConflict(row) => {
            json!({ "op": "put-conflict", "resolved": row.resolved_since(), "row": row })
        }
        Write::PutQuarantine(row) => json!({ "op": "put-quarantine", "row": row }),
        Write::DeleteQuarantine { link, remote_id } => {
            json!({ "op": "delete-quarantine", "link": link, "remote_id": remote_id })
        }
        Write::PutRun(row) => json!({ "op": "put-run", "row": row }),
        Write::PutJournal(row) => json!({ "op": "put-journal", "row": row }),
        Write::PurgeLog { link, log, before, limit } => {
            json!({ "op": "purge-log", "link": link, "log": log_name(log), "before": before, "limit": limit })
        }
        Write::PutDoc(doc) => json!({ "op": "put-doc", "row": DocRow::from(doc) }),
        Write::DeleteDoc { space, key } => json!({ "op": "delete-doc", "space": space, "key": key }),
    }
}
