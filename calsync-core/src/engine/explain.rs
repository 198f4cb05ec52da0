//! Where an event goes and where it came from: what each link makes of it, and what was done about it, by whom.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, Link, copies::Copies, run::PAGE};
use crate::{
    diff::Field,
    model::{Event, EventId, LinkId, RemoteId, RunId},
    pipeline::{Action, RuleFailure},
    plan::{Direction, Evidence},
    store::{
        BaseQuery, BaseState, ConflictState, EventRecord, JournalOp, OutboxEntry, OutboxState, Record,
        RecordKind, RecordQuery, SettledBy,
    },
};

/// What is known of an event. It names no text of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What each link of its calendar makes of it, in the order given.
    pub ways: Vec<Way>,
    /// What was done about it, the oldest first, as far back as the links keep their journals.
    pub timeline: Vec<Moment>,
}

/// What a link makes of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Way {
    /// The link.
    pub link: LinkId,
    /// Which way it goes.
    pub direction: Direction,
    /// How the event stands on it.
    pub state: WayState,
    /// The item on the other side, when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_id: Option<RemoteId>,
    /// The transforms its copy is made by, by name, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transforms: Vec<String>,
}

/// How an event stands on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum WayState {
    /// Both sides have it, and what was sent came back.
    InStep {},
    /// A write of it waits to be confirmed.
    Waiting {
        /// How often it was tried.
        attempts: u32,
    },
    /// A write of it was refused, and waits for a person.
    Stuck {
        /// Why, without event text.
        detail: String,
    },
    /// Both sides are left alone: a copy was deleted, or edited and detached.
    LeftAlone {},
    /// The link's pipeline does not let it through.
    LeftOut {
        /// The filter that does not; `None`: it takes no time, and the copy is busy-only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// The link never met it.
    NotJoined {},
}

/// Something that was done about an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// Over which link.
    pub link: LinkId,
    /// In which run.
    pub run: RunId,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// A side was written, or left as it is on purpose.
    Done {
        /// Which, and how.
        op: JournalOp,
        /// Why.
        reason: String,
        /// The fields that changed; none for a creation or deletion.
        fields: Vec<Field>,
        /// What spoke for a deletion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// Both sides had changed the same fields, or one had deleted what the other edited (then there are no fields).
    Conflicted {
        /// Its id.
        conflict: String,
        /// Each field, and what became of it.
        fields: Vec<(Field, String)>,
        /// Under which policy.
        policy: String,
        /// Whether it still waits for somebody.
        open: bool,
    },
    /// A conflict was settled.
    Settled {
        /// Its id.
        conflict: String,
        /// By what.
        by: SettledBy,
        /// By whom, where a person said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        who: Option<String>,
    },
}

impl Engine {
    /// Explains an event: through which of the links it goes, what leaves it out or changes it on the way, and what was done
    /// about it. The links are those of its calendar; others know nothing of it.
    ///
    /// # Errors
    ///
    /// When the store fails, or [`EngineError::CopyRules`].
    pub async fn explain(&self, links: &[Link], record: &EventRecord) -> Result<Explanation, EngineError> {
        let mut found = Explanation { ways: Vec::new(), timeline: Vec::new() };
        for link in links {
            found.ways.push(self.way(link, record).await?);
            for kind in [RecordKind::Journal, RecordKind::Conflict] {
                let mut after: Option<String> = None;
                loop {
                    let query = RecordQuery {
                        kind,
                        link: &link.id,
                        event: Some(&record.id),
                        run: None,
                        after: after.as_deref(),
                        limit: PAGE,
                    };
                    let page = self.store.records(query).await?;
                    let Some(last) = page.last() else { break };
                    after = match last {
                        Record::Journal(entry) => Some(entry.id.clone()),
                        Record::Conflict(conflict) => Some(conflict.id.clone()),
                        Record::Quarantine(_) | Record::Run(_) => break,
                    };
                    found.timeline.extend(page.into_iter().flat_map(moments));
                }
            }
        }
        // Of one instant in the order they were read: a conflict comes after what it was about.
        found.timeline.sort_by_key(|moment| moment.at);
        Ok(found)
    }

    async fn way(&self, link: &Link, record: &EventRecord) -> Result<Way, EngineError> {
        let mut way = Way {
            link: link.id.clone(),
            direction: link.direction,
            state: WayState::NotJoined {},
            remote_id: None,
            transforms: transforms(link),
        };
        let ids = std::slice::from_ref(&record.id);
        let base = self.store.bases(&link.id, BaseQuery::Events(ids)).await?.pop();
        if let Some(base) = &base {
            way.remote_id = Some(base.remote_id.clone());
            way.state = match base.state {
                BaseState::Linked => WayState::InStep {},
                BaseState::Suppressed => WayState::LeftAlone {},
            };
        }
        if let Some(entry) = self.waiting(link, &record.id).await? {
            way.state = match entry.state {
                OutboxState::Wedged { detail, .. } => WayState::Stuck { detail },
                _ => WayState::Waiting { attempts: entry.attempts },
            };
        }
        if record.deleted.is_none() {
            match self.refusal(link, &record.event)? {
                Ok(None) => {}
                Ok(Some(step)) => way.state = WayState::LeftOut { step },
                Err(failure) => way.state = WayState::Stuck { detail: failure.to_string() },
            }
        }
        Ok(way)
    }

    /// The step that keeps a local event out; `Some(None)` where that it takes no time does.
    fn refusal(
        &self,
        link: &Link,
        event: &Event,
    ) -> Result<Result<Option<Option<String>>, RuleFailure>, EngineError> {
        let copies = Copies::of(link, &self.host)?.filter(Copies::exports);
        Ok(copies.map_or(Ok(None), |copies| copies.refused(event)))
    }

    async fn waiting(&self, link: &Link, event: &EventId) -> Result<Option<OutboxEntry>, EngineError> {
        let mut after = None;
        loop {
            let page = self.store.outbox(&link.id, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(None) };
            after = Some(last.id.clone());
            if let Some(entry) = page.into_iter().find(|entry| entry.event_id == *event) {
                return Ok(Some(entry));
            }
        }
    }
}

fn transforms(link: &Link) -> Vec<String> {
    let steps = link.copies.iter().flat_map(|rules| &rules.pipeline.steps);
    steps.filter(|step| matches!(step.action, Action::Transform(_))).map(|step| step.name.clone()).collect()
}

fn moments(record: Record) -> Vec<Moment> {
    match record {
        Record::Journal(entry) => vec![Moment {
            at: entry.at,
            link: entry.link,
            run: entry.run,
            what: What::Done {
                op: entry.op,
                reason: entry.reason,
                fields: entry.fields,
                evidence: entry.evidence,
            },
        }],
        Record::Conflict(conflict) => {
            let moment =
                |at, what| Moment { at, link: conflict.link.clone(), run: conflict.run.clone(), what };
            let fields =
                conflict.fields.iter().map(|field| (field.field.clone(), field.outcome.clone())).collect();
            let mut all = vec![moment(
                conflict.at,
                What::Conflicted {
                    conflict: conflict.id.clone(),
                    fields,
                    policy: conflict.policy.clone(),
                    open: conflict.state == ConflictState::Open,
                },
            )];
            if let Some(settled) = &conflict.settled {
                let what =
                    What::Settled { conflict: conflict.id.clone(), by: settled.by, who: settled.who.clone() };
                all.push(moment(settled.at, what));
            }
            all
        }
        Record::Quarantine(_) | Record::Run(_) => Vec::new(),
    }
}
