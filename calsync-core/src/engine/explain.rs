//! Where an event goes and where it came from: what each link makes of it, and what was done about it, by whom.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{
    Engine, EngineError, Link,
    copies::{Copies, with_versions},
    meeting::tells_join,
    run::PAGE,
    withdrawn::withdrawn,
};
use crate::{
    diff::Field,
    model::{EventId, LinkId, RemoteId, RunId},
    pipeline::Action,
    plan::{Direction, Evidence},
    provider::UnreadKind,
    store::{
        BaseQuery, BaseState, ConflictState, EventRecord, JournalOp, OutboxEntry, OutboxState,
        QuarantineRecord, Record, RecordKind, RecordQuery, RunOutcome, RunRecord, SettledBy,
    },
};

/// What is known of an event. It names no text of the event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Explanation {
    /// What each link of its calendar makes of it, in the order given.
    pub ways: Vec<Way>,
    /// What happened to it, the oldest first, as far back as the links keep their journals.
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
    /// Its time keeps it out: it is outside the window of what the link copies, and has no copy.
    OutsideWindow {
        /// When it enters, if nobody touches it; `None`: never.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        enters: Option<DateTime<Utc>>,
    },
    /// The link never met it.
    NotJoined {},
}

/// Something that happened to an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// Over which link; `None`: over none, it was made here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkId>,
    /// In which run; `None`: in none, or in one of which no record is left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub enum What {
    /// The event came into the store: over the link of the moment, or made here. Where the journal does not say when, it is the
    /// latest it can have been.
    Seen {},
    /// The event and an item of the link's remote calendar became one. It is not told of a pair that was the same on both sides under one
    /// UID when the calendars met, for nothing was done then: how an event stands on a link says which item it has.
    Mapped {
        /// The item.
        item: RemoteId,
    },
    /// The link's rules kept it from being copied. No row is kept of that: it is what the rules say now, told where the last run that
    /// ended well was after the last edit and by the same rules. The time is that of this run.
    Filtered {
        /// The filter; `None`: it takes no time, and the copy is busy-only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// A side was written, or left as it is on purpose.
    Done {
        /// Which, and how.
        op: JournalOp,
        /// Why.
        reason: String,
        /// The fields that changed; none for a creation or deletion.
        fields: Vec<Field>,
        /// What of the event the remote side cannot hold, in words for people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        losses: Vec<String>,
        /// What spoke for a deletion.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        evidence: Option<Evidence>,
    },
    /// The item was seen again after the write, or seen gone after a deletion, and nothing was made of it: what came back was
    /// known as this link's own doing, or, where edited copies are left as they are, as an edit that stays. The time is the
    /// latest it can have been; the run is the one that saw it, or, where that left no record, the one that wrote.
    Echoed {
        /// What was written.
        op: JournalOp,
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

/// An item of the remote side that is no event here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenItem {
    /// The link that saw it.
    pub link: LinkId,
    /// Its name there.
    pub remote_id: RemoteId,
    /// Since when it stands like this.
    pub since: DateTime<Utc>,
    /// Why it is no event here.
    #[serde(flatten)]
    pub state: SeenState,
}

/// Why an item is no event here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum SeenState {
    /// The link's pipeline does not let it through.
    LeftOut {
        /// The filter that does not; `None`: it takes no time, and the copy is busy-only.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        step: Option<String>,
    },
    /// It is not brought in for another reason.
    SetAside {
        /// Which.
        kind: UnreadKind,
        /// In words, without its text.
        reason: String,
    },
}

impl SeenItem {
    /// A row of the quarantine, if it is about what somebody asks for.
    fn of(row: QuarantineRecord, wanted: &str) -> Option<Self> {
        let by_uid = row.left_out.as_ref().is_some_and(|left_out| left_out.is_about(&row.link, wanted));
        if row.remote_id.as_str() != wanted && !by_uid {
            return None;
        }
        let state = match row.left_out {
            Some(left_out) if row.kind == UnreadKind::LeftOut => SeenState::LeftOut { step: left_out.step },
            _ => SeenState::SetAside { kind: row.kind, reason: row.reason },
        };
        Some(Self { link: row.link, remote_id: row.remote_id, since: row.since, state })
    }
}

/// Writes of one event over one link whose coming back is looked for: the last ones.
const ECHOES: usize = 100;
/// Runs looked at for one that ended well after a write.
const RUNS_AFTER: usize = 20;

impl Engine {
    /// Explains an event: through which of the links it goes, what leaves it out or changes it on the way, and what happened
    /// to it: seen, joined to an item, kept out, written, seen again, contested and settled. The links are those of its calendar;
    /// others know nothing of it.
    ///
    /// # Errors
    ///
    /// When the store fails, or [`EngineError::CopyRules`].
    pub async fn explain(&self, links: &[Link], record: &EventRecord) -> Result<Explanation, EngineError> {
        let mut found = Explanation { ways: Vec::new(), timeline: Vec::new() };
        for link in links {
            let way = self.way(link, record).await?;
            found.timeline.extend(self.kept_out(link, record, &way.state).await?);
            found.ways.push(way);
            let mut joined = None;
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
                    for record in page {
                        let mapped = mapped(&record, &mut joined);
                        found.timeline.extend(moments(record));
                        found.timeline.extend(mapped);
                    }
                }
            }
            let is_done = |moment: &&Moment| {
                moment.link.as_ref() == Some(&link.id)
                    && !matches!(moment.what, What::Mapped { .. } | What::Filtered { .. })
            };
            let own: Vec<&Moment> = found.timeline.iter().filter(is_done).collect();
            let echoes = self.echoes(link, own).await?;
            found.timeline.extend(echoes);
        }
        found.timeline.insert(0, first_seen(&found, record));
        // Of one instant in the order they were read: a conflict comes after what it was about.
        found.timeline.sort_by_key(|moment| moment.at);
        Ok(found)
    }

    /// The last run that kept an event out, if it is kept out.
    async fn kept_out(
        &self,
        link: &Link,
        record: &EventRecord,
        state: &WayState,
    ) -> Result<Option<Moment>, EngineError> {
        let WayState::LeftOut { step } = state else { return Ok(None) };
        let Some(state) = self.store.link(&link.id).await? else { return Ok(None) };
        let by_these = with_versions(link, &self.host).cursor_key() == state.cursor_key;
        let at = state.last_success.filter(|at| by_these && *at >= record.modified);
        let (link, what) = (Some(link.id.clone()), What::Filtered { step: step.clone() });
        Ok(at.map(|at| Moment { at, link, run: None, what }))
    }

    /// The writes that came back and were known, the last ones: by the run that wrote them, where it still saw them coming
    /// back, or by a later one that ended well and did nothing about the event. No row is kept for it.
    async fn echoes(&self, link: &Link, mut own: Vec<&Moment>) -> Result<Vec<Moment>, EngineError> {
        own.sort_by_key(|moment| moment.at);
        let mut found = Vec::new();
        let first = own.len().saturating_sub(ECHOES);
        for (number, moment) in own.iter().enumerate().skip(first) {
            let What::Done { op, .. } = &moment.what else { continue };
            if !matches!(op, JournalOp::RemoteCreate | JournalOp::RemoteUpdate | JournalOp::RemoteDelete) {
                continue;
            }
            let next = own.get(number + 1).map(|next| next.at);
            if let Some((run, at)) = self.seen_again(link, moment, next).await? {
                let (link, run) = (Some(link.id.clone()), Some(run));
                found.push(Moment { at, link, run, what: What::Echoed { op: *op } });
            }
        }
        Ok(found)
    }

    /// Which run saw a write coming back, and until when.
    async fn seen_again(
        &self,
        link: &Link,
        written: &Moment,
        next: Option<DateTime<Utc>>,
    ) -> Result<Option<(RunId, DateTime<Utc>)>, EngineError> {
        let Some(wrote) = &written.run else { return Ok(None) };
        // Ids of runs sort: what comes after the run's own but for its last letter is itself, and those that came later.
        let mut before = wrote.as_str().to_owned();
        before.pop();
        let query = RecordQuery {
            kind: RecordKind::Run,
            link: &link.id,
            event: None,
            run: None,
            after: Some(&before),
            limit: RUNS_AFTER,
        };
        let runs = self.store.records(query).await?.into_iter().filter_map(|record| match record {
            Record::Run(run) => Some(*run),
            _ => None,
        });
        let mut runs = runs.skip_while(|run| run.id != *wrote);
        let Some((own, ended)) = runs.next().and_then(|own| own.ended.map(|ended| (own, ended))) else {
            return Ok(None);
        };
        if is_good(&own) && own.counts.echoed >= own.counts.pushed {
            return Ok(Some((own.id, ended)));
        }
        if let Some(run) = runs.find(is_good) {
            let seen = run.ended.filter(|at| next.is_none_or(|next| *at < next));
            return Ok(seen.map(|at| (run.id, at)));
        }
        // A run that found nothing to do leaves no record, but when it was.
        let last = self.store.link(&link.id).await?.and_then(|state| state.last_success);
        Ok(last.filter(|last| next.is_none() && ended < *last).map(|last| (wrote.clone(), last)))
    }

    /// What is known of items that are no events here, by their name there or their UID: what keeps them out, or why they are
    /// not read. The UID finds what a filter keeps out; of what cannot be read, nobody knows it.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn explain_item(&self, links: &[Link], wanted: &str) -> Result<Vec<SeenItem>, EngineError> {
        let mut found = Vec::new();
        for link in links {
            let mut after: Option<String> = None;
            loop {
                let query = RecordQuery {
                    kind: RecordKind::Quarantine,
                    link: &link.id,
                    event: None,
                    run: None,
                    after: after.as_deref(),
                    limit: PAGE,
                };
                let page = self.store.records(query).await?;
                let Some(Record::Quarantine(last)) = page.last() else { break };
                after = Some(last.remote_id.as_str().to_owned());
                let meant = page.into_iter().filter_map(|record| match record {
                    Record::Quarantine(row) => SeenItem::of(*row, wanted),
                    _ => None,
                });
                found.extend(meant);
            }
        }
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
        if base.is_none() && record.deleted.is_none() {
            let gone = withdrawn(&*self.store, &link.id, std::iter::once(&record.id)).await?;
            if !gone.is_empty() {
                way.state = WayState::LeftAlone {};
            }
        }
        if let Some(entry) = self.waiting(link, &record.id).await? {
            way.state = match entry.state {
                OutboxState::Wedged { detail, .. } => WayState::Stuck { detail },
                _ => WayState::Waiting { attempts: entry.attempts },
            };
        }
        if record.deleted.is_none() {
            let copies = Copies::of(link, &self.host)?.filter(Copies::exports);
            match copies.as_ref().map_or(Ok(None), |copies| copies.refused(&record.event)) {
                Ok(None) => {
                    let (now, there) = (self.clock.now(), base.is_some());
                    if let Some(copies) = &copies
                        && way.state == (WayState::NotJoined {})
                        && copies.is_outside(&record.event, there, now)
                        && let Some((window, zone)) = copies.window()
                    {
                        way.state =
                            WayState::OutsideWindow { enters: window.enters(&record.event, now, zone) };
                    }
                }
                Ok(Some(step)) => way.state = WayState::LeftOut { step },
                Err(failure) => way.state = WayState::Stuck { detail: failure.to_string() },
            }
        }
        Ok(way)
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

fn is_good(run: &RunRecord) -> bool {
    matches!(run.outcome, RunOutcome::InStep | RunOutcome::Held)
}

/// When an event came into the store, and over which link.
fn first_seen(found: &Explanation, record: &EventRecord) -> Moment {
    let came_in = |moment: &Moment| matches!(moment.what, What::Done { op: JournalOp::LocalCreate, .. });
    let told = found.timeline.iter().filter(|moment| !matches!(moment.what, What::Filtered { .. }));
    let first = told.min_by_key(|moment| (moment.at, !came_in(moment)));
    if let Some(came) = first.filter(|first| came_in(first)) {
        return Moment { what: What::Seen {}, ..came.clone() };
    }
    let origin = |way: &&Way| way.direction == Direction::Import && way.remote_id.is_some();
    let at = first.map_or(record.modified, |first| first.at.min(record.modified));
    let link = found.ways.iter().find(origin).map(|way| way.link.clone());
    Moment { at, link, run: None, what: What::Seen {} }
}

/// The join a row of the journal tells of. `joined` is the item of the rows before it.
fn mapped(record: &Record, joined: &mut Option<RemoteId>) -> Option<Moment> {
    let Record::Journal(entry) = record else { return None };
    let is_join = match entry.op {
        JournalOp::LocalCreate
        | JournalOp::LocalUpdate
        | JournalOp::RemoteCreate
        | JournalOp::RemoteUpdate => true,
        JournalOp::Kept => tells_join(&entry.reason),
        JournalOp::RemoteDelete => {
            *joined = None;
            false
        }
        JournalOp::LocalDelete => false,
    };
    let item = entry.remote_id.clone().filter(|item| is_join && joined.as_ref() != Some(item))?;
    *joined = Some(item.clone());
    let (link, run) = (Some(entry.link.clone()), Some(entry.run.clone()));
    Some(Moment { at: entry.at, link, run, what: What::Mapped { item } })
}

fn moments(record: Record) -> Vec<Moment> {
    match record {
        Record::Journal(entry) => vec![Moment {
            at: entry.at,
            link: Some(entry.link),
            run: Some(entry.run),
            what: What::Done {
                op: entry.op,
                reason: entry.reason,
                fields: entry.fields,
                losses: entry.losses,
                evidence: entry.evidence,
            },
        }],
        Record::Conflict(conflict) => {
            let moment = |at, what| Moment {
                at,
                link: Some(conflict.link.clone()),
                run: Some(conflict.run.clone()),
                what,
            };
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
