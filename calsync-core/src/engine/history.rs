//! What happened to calendars, for a spreadsheet: runs, what they did, conflicts.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use super::export::line;
use crate::store::{ConflictState, JournalEntry, Record, RunCounts, RunOutcome, RunRecord};

/// The columns, in their order. Further ones may be added at the end.
const HEAD: [&str; 19] = [
    "at",
    "kind",
    "link",
    "run",
    "event",
    "item",
    "uid",
    "what",
    "why",
    "fields",
    "outcome",
    "by",
    "who",
    "created",
    "updated",
    "deleted",
    "pushed",
    "conflicts",
    "held",
];

/// One thing that happened, the same columns for every kind: see [`history`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct HistoryEntry {
    /// When, to the moment a store keeps.
    pub at: DateTime<Utc>,
    /// `run`, `change` or `conflict`.
    pub kind: &'static str,
    /// The link.
    pub link: String,
    /// The run.
    pub run: String,
    /// The event; empty for a run.
    pub event: String,
    /// The remote item, where there is one.
    pub item: String,
    /// The event's UID, where the record has it.
    pub uid: String,
    /// What was done: `local-create`, `remote-update`, `kept` and so on.
    pub what: String,
    /// Why.
    pub why: String,
    /// The fields it was about.
    pub fields: Vec<String>,
    /// How it ended: of a run `in-step`, `held`, `failed`, `undone` or `running`; of a conflict `open` or `resolved`.
    pub outcome: String,
    /// What decided it: the policy of a conflict, the evidence of a deletion.
    pub by: String,
    /// Who decided it, where it was a person.
    pub who: String,
    /// What a run did; `None` for all else.
    pub counts: Option<RunCounts>,
}

/// Runs, journal entries and conflicts as one list, the oldest first. Quarantined items are a state and no history: they are
/// left out.
pub fn history<'a>(records: impl IntoIterator<Item = &'a Record>) -> Vec<HistoryEntry> {
    let mut all: Vec<HistoryEntry> = records.into_iter().filter_map(entry).collect();
    // A run goes before what it did.
    all.sort_by(|a, b| (a.at, a.kind != "run", &a.run).cmp(&(b.at, b.kind != "run", &b.run)));
    all
}

/// A history as CSV (RFC 4180) with a head line. Every cell is quoted, and one a spreadsheet could take for a formula begins
/// with an apostrophe, as in [`conflicts_csv`](super::conflicts_csv). It holds no text of events.
pub fn history_csv<'a>(entries: impl IntoIterator<Item = &'a HistoryEntry>) -> String {
    let mut out = String::new();
    line(&mut out, HEAD);
    for entry in entries {
        let counted = |of: fn(&RunCounts) -> u64| {
            entry.counts.as_ref().map(|counts| of(counts).to_string()).unwrap_or_default()
        };
        line(
            &mut out,
            [
                entry.at.to_rfc3339().as_str(),
                entry.kind,
                &entry.link,
                &entry.run,
                &entry.event,
                &entry.item,
                &entry.uid,
                &entry.what,
                &entry.why,
                &entry.fields.join(", "),
                &entry.outcome,
                &entry.by,
                &entry.who,
                &counted(|counts| counts.created),
                &counted(|counts| counts.updated),
                &counted(|counts| counts.deleted),
                &counted(|counts| counts.pushed),
                &counted(|counts| counts.conflicts),
                &counted(|counts| counts.held),
            ],
        );
    }
    out
}

fn entry(record: &Record) -> Option<HistoryEntry> {
    Some(match record {
        Record::Run(run) => of_run(run),
        Record::Journal(entry) => of_change(entry),
        Record::Conflict(conflict) => HistoryEntry {
            at: conflict.at,
            kind: "conflict",
            link: conflict.link.to_string(),
            run: conflict.run.to_string(),
            event: conflict.event_id.to_string(),
            item: conflict.remote_id.to_string(),
            uid: conflict.uid.clone(),
            what: if conflict.fields.is_empty() { "deleted against edited" } else { "changed on both sides" }
                .to_owned(),
            fields: conflict.fields.iter().map(|field| field.field.to_string()).collect(),
            outcome: match conflict.state {
                ConflictState::Open => "open",
                ConflictState::Resolved => "resolved",
            }
            .to_owned(),
            by: conflict.policy.clone(),
            who: conflict.settled.as_ref().and_then(|settled| settled.who.clone()).unwrap_or_default(),
            ..HistoryEntry::default()
        },
        Record::Quarantine(_) => return None,
    })
}

fn of_run(run: &RunRecord) -> HistoryEntry {
    let (outcome, why) = match &run.outcome {
        RunOutcome::Running => ("running", String::new()),
        RunOutcome::InStep => ("in-step", String::new()),
        RunOutcome::Held => {
            ("held", run.held_plan.as_ref().map(|plan| format!("plan {plan}")).unwrap_or_default())
        }
        RunOutcome::Failed { error } => ("failed", error.clone()),
        RunOutcome::Undone => ("undone", String::new()),
    };
    HistoryEntry {
        at: run.started,
        kind: "run",
        link: run.link.to_string(),
        run: run.id.to_string(),
        why,
        outcome: outcome.to_owned(),
        counts: Some(run.counts),
        ..HistoryEntry::default()
    }
}

fn of_change(entry: &JournalEntry) -> HistoryEntry {
    HistoryEntry {
        at: entry.at,
        kind: "change",
        link: entry.link.to_string(),
        run: entry.run.to_string(),
        event: entry.event_id.to_string(),
        item: entry.remote_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        what: word(entry.op),
        why: entry.reason.clone(),
        fields: entry.fields.iter().map(ToString::to_string).collect(),
        by: entry.evidence.map(word).unwrap_or_default(),
        ..HistoryEntry::default()
    }
}

/// The word a value is written as.
fn word(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
