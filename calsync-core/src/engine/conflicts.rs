//! Conflicts between runs: kept up to date while they are open, answered, and settled.
//!
//! A field that waits for somebody has an old value in both bases of its pair ([`OpenFields`]), so that both sides count
//! as changed until it is decided. [`BaseRecord::remote`] is set as long as there is one: that is how a pair with an
//! open conflict is told from all others without reading a list.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::AssertUnwindSafe,
};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;

use super::{
    EngineError,
    left::{self, Left},
    pair::{Context, Outcome, Pair, RemoteView, consider},
    run::{PAGE, Run},
};
use crate::{
    diff::{Field, Part, changed_fields, copy_field, field_value, same_field},
    merge::{Choice, ConflictPolicy, ConflictResolver, ContestedEvent, Resolution},
    model::{Event, EventId},
    plan::Direction,
    provider::{PeoplePolicy, ProviderError},
    store::{
        AnswerState, BaseQuery, BaseRecord, Batch, ConflictAnswer, ConflictRecord, ConflictState,
        FieldConflict, OutboxEntry, Record, RecordKind, RecordQuery, SettledBy, Settlement, Take, Write,
    },
};

/// Outcome of a field that nobody decided yet.
pub(super) const OPEN: &str = "open";

/// What is known of the open conflicts of a pair.
#[derive(Clone, Copy)]
pub(super) struct Standing<'a> {
    /// Those recorded, by id.
    pub(super) open: &'a [ConflictRecord],
    /// What the host's resolver chose.
    pub(super) chosen: &'a Resolution,
    /// What the item was before somebody edited a copy, in the first run since the link goes both ways.
    pub(super) left: Option<&'a Left>,
}

/// A choice with the one who made it.
pub(super) struct Chosen<'a> {
    pub(super) choice: Choice,
    by: SettledBy,
    who: Option<&'a str>,
}

impl<'a> Standing<'a> {
    /// What was chosen for a field. A person's answer holds for the two values it was given on, and for no others.
    pub(super) fn choice(&self, field: &Field, local: &Event, remote: &Event) -> Option<Chosen<'a>> {
        let answered = self.open.iter().filter(|record| {
            record.local.as_deref().is_some_and(|seen| same_field(seen, local, field))
                && record.remote.as_deref().is_some_and(|seen| same_field(seen, remote, field))
        });
        let waiting = answered
            .flat_map(|record| record.answers.iter().rev())
            .filter(|answer| answer.state == AnswerState::Waiting);
        let person = waiting.flat_map(|answer| {
            answer.take.iter().filter(|(about, _)| about == field).map(|(_, take)| Chosen {
                choice: match take {
                    Take::Local => Choice::Local,
                    Take::Remote => Choice::Remote,
                },
                by: SettledBy::Person,
                who: Some(&answer.who),
            })
        });
        let resolver = || {
            let choice = *self.chosen.get(field)?;
            Some(Chosen { choice, by: SettledBy::Resolver, who: None })
        };
        person.take(1).next().or_else(resolver)
    }

    /// The settlement of a field with a choice.
    fn settlement(&self, field: &Field, sides: Versions<'_>, at: DateTime<Utc>) -> Settlement {
        match self.choice(field, sides.local, sides.remote) {
            Some(chosen) => Settlement { by: chosen.by, who: chosen.who.map(str::to_owned), at },
            None => Settlement { by: SettledBy::Policy, who: None, at },
        }
    }
}

/// Both sides as they are when a conflict is looked at.
#[derive(Clone, Copy)]
pub(super) struct Versions<'a> {
    pub(super) base: Option<&'a Event>,
    pub(super) local: &'a Event,
    pub(super) remote: &'a Event,
}

/// What became of the fields of a pair.
pub(super) struct Fate<'a> {
    /// The contested ones with their choices.
    pub(super) contested: BTreeMap<&'a Field, Choice>,
    /// What a field that is contested no longer ended as.
    pub(super) ended: &'a dyn Fn(&Field) -> &'static str,
}

/// The records of open conflicts as they are after a decision, without those that stay as they are; and the contested
/// fields that none of them is about.
pub(super) fn follow_up<'a>(
    standing: Standing<'_>,
    fate: &Fate<'a>,
    sides: Versions<'_>,
    now: DateTime<Utc>,
) -> (Vec<ConflictRecord>, BTreeMap<&'a Field, Choice>) {
    let mut new = fate.contested.clone();
    let mut changed = Vec::new();
    for old in standing.open {
        let mut record = old.clone();
        let (mut moved, mut contested) = (false, BTreeSet::new());
        let (mut applied, mut waiting) = (BTreeSet::new(), BTreeSet::new());
        for field in record.fields.iter_mut().filter(|field| field.outcome == OPEN) {
            let Some(choice) = new.remove(&field.field) else {
                (fate.ended)(&field.field).clone_into(&mut field.outcome);
                field.settled = Some(Settlement { by: SettledBy::Edits, who: None, at: now });
                continue;
            };
            contested.insert(field.field.clone());
            let seen = |was: &Option<Box<Event>>, is| {
                was.as_deref().is_some_and(|was| same_field(was, is, &field.field))
            };
            if !seen(&old.local, sides.local) || !seen(&old.remote, sides.remote) {
                // Edited since, on either side; also where it is decided now, because the one that loses is nowhere else.
                field.local = field_value(sides.local, &field.field);
                field.remote = field_value(sides.remote, &field.field);
                moved = true;
            }
            if choice != Choice::Open {
                choice.name().clone_into(&mut field.outcome);
                let settled = standing.settlement(&field.field, sides, now);
                if settled.by == SettledBy::Person {
                    applied.insert(field.field.clone());
                }
                field.settled = Some(settled);
            } else if standing.choice(&field.field, sides.local, sides.remote).is_some() {
                waiting.insert(field.field.clone());
            }
        }
        if moved {
            record.local = Some(Box::new(sides.local.clone()));
            record.remote = Some(Box::new(sides.remote.clone()));
            // Of what was decided before the record keeps both values as they were.
            for field in record.fields.iter().filter(|field| !contested.contains(&field.field)) {
                let versions = [(&old.local, &mut record.local), (&old.remote, &mut record.remote)];
                for (old, new) in versions {
                    if let (Some(old), Some(new)) = (old, new) {
                        copy_field(&field.field, old, new);
                    }
                }
            }
        }
        close(&mut record, &applied, &waiting);
        if record != *old {
            changed.push(record);
        }
    }
    (changed, new)
}

/// Ends every open field of some conflicts alike.
pub(super) fn settle(
    open: &[ConflictRecord],
    outcome: &'static str,
    by: SettledBy,
    at: DateTime<Utc>,
) -> Vec<Write> {
    let settled = open.iter().map(|old| {
        let mut record = old.clone();
        for field in record.fields.iter_mut().filter(|field| field.outcome == OPEN) {
            outcome.clone_into(&mut field.outcome);
            field.settled = Some(Settlement { by, who: None, at });
        }
        close(&mut record, &BTreeSet::new(), &BTreeSet::new());
        Write::PutConflict(Box::new(record))
    });
    settled.collect()
}

/// Marks the answers of a record that was looked at, and the record itself when nothing of it is open any more. What was
/// answered about fields that are decided with others which nobody answered yet goes on waiting.
fn close(record: &mut ConflictRecord, applied: &BTreeSet<Field>, waiting: &BTreeSet<Field>) {
    for mut answer in std::mem::take(&mut record.answers) {
        if answer.state != AnswerState::Waiting {
            record.answers.push(answer);
            continue;
        }
        let (rest, looked_at) = std::mem::take(&mut answer.take)
            .into_iter()
            .partition::<Vec<_>, _>(|(field, _)| waiting.contains(field));
        if !looked_at.is_empty() {
            let carried_out = looked_at.iter().any(|(field, _)| applied.contains(field));
            let state = if carried_out { AnswerState::Applied } else { AnswerState::Stale };
            record.answers.push(ConflictAnswer { take: looked_at, state, ..answer.clone() });
        }
        if !rest.is_empty() {
            record.answers.push(ConflictAnswer { take: rest, ..answer });
        }
    }
    if record.fields.iter().all(|field| field.outcome != OPEN) {
        record.state = ConflictState::Resolved;
        record.settled =
            record.fields.iter().filter_map(|field| field.settled.clone()).max_by_key(|settled| settled.at);
    }
}

/// A contested field as it is recorded.
pub(super) fn field_conflict(
    field: &Field,
    choice: Choice,
    standing: Standing<'_>,
    sides: Versions<'_>,
    now: DateTime<Utc>,
) -> FieldConflict {
    FieldConflict {
        base: sides.base.map_or(serde_json::Value::Null, |base| field_value(base, field)),
        local: field_value(sides.local, field),
        remote: field_value(sides.remote, field),
        outcome: choice.name().to_owned(),
        settled: (choice != Choice::Open).then(|| standing.settlement(field, sides, now)),
        field: field.clone(),
    }
}

/// The fields of a pair that wait for somebody, with what their bases hold.
pub(super) struct OpenFields {
    fields: BTreeSet<Field>,
    local: Event,
    remote: Event,
}

impl OpenFields {
    /// Those that a write leaves open, of a base whose payload reads as `read`. `None`: nothing is open.
    pub(super) fn of(base: &BaseRecord, read: &Event, entry: &OutboxEntry) -> Option<Self> {
        let remote = base.remote.as_deref()?;
        let local = base.local.as_deref().unwrap_or(read).clone();
        let mut fields = changed_fields(remote, read);
        if let Some(sent) = &entry.local {
            // What waits with others may have been touched on the local side only.
            let is_sent = |field: &Field| {
                let holds =
                    |part: &Part| *part == field.part || matches!(part, Part::Override | Part::Master);
                entry.fields.iter().any(|other| other.instance == field.instance && holds(&other.part))
            };
            fields.extend(changed_fields(&local, sent).into_iter().filter(|field| !is_sent(field)));
        }
        Some(Self { fields, local, remote: remote.clone() })
    }

    /// Keeps them open in the base that a confirmed write leaves, whose payload reads as `read`.
    pub(super) fn keep(&self, base: &mut BaseRecord, read: &Event) {
        let mut local = base.local.as_deref().unwrap_or(read).clone();
        let mut remote = read.clone();
        for field in &self.fields {
            copy_field(field, &self.local, &mut local);
            copy_field(field, &self.remote, &mut remote);
        }
        base.local = (local != *read).then(|| Box::new(local));
        base.remote = Some(Box::new(remote));
    }
}

impl Run<'_> {
    /// Decides about a pair, with what is recorded of its open conflicts and what the host's resolver says.
    pub(super) async fn consider(
        &mut self,
        pair: &Pair<'_>,
    ) -> Result<Result<Outcome, ProviderError>, EngineError> {
        let left = self.left_of(pair).await?;
        let mut decided = self.weigh(pair, left.as_ref()).await?;
        if let Ok(outcome) = &mut decided {
            self.mark_due(pair, outcome);
            let (store, link) = (&*self.engine.store, &self.link.id);
            match (&left, pair.base) {
                (Some(_), Some(base)) if outcome.needs_read.is_none() => {
                    outcome.writes.push(left::forget(link, &base.event_id));
                }
                _ => left::keep_first(store, link, &mut outcome.writes).await?,
            }
        }
        Ok(decided)
    }

    /// What is known of an item that was edited while the link went one way, where that counts from now on.
    async fn left_of(&self, pair: &Pair<'_>) -> Result<Option<Left>, EngineError> {
        match pair.base.filter(|base| self.edited_copies.contains(&base.event_id)) {
            Some(base) => Ok(left::of(&*self.engine.store, &self.link.id, &base.event_id).await?),
            None => Ok(None),
        }
    }

    async fn weigh(
        &mut self,
        pair: &Pair<'_>,
        left: Option<&Left>,
    ) -> Result<Result<Outcome, ProviderError>, EngineError> {
        let open = match pair.base {
            Some(base) if base.remote.is_some() => self.open_conflicts(&base.event_id).await?,
            _ => Vec::new(),
        };
        let nothing = Resolution::new();
        let standing = Standing { open: &open, chosen: &nothing, left };
        let met = self.link.direction == Direction::TwoWay
            && pair.base.is_none()
            && pair.local.is_some_and(|record| self.meeting.was_met(&record.id));
        let decide = |standing: Standing<'_>, cx: &mut Context<'_>| {
            if met {
                cx.people = PeoplePolicy::Withhold;
            }
            consider(pair, standing, cx)
        };
        let first = self.with_context(|cx| decide(standing, cx));
        if self.link.conflicts != ConflictPolicy::Resolver {
            return Ok(first);
        }
        let (Some(resolver), Ok(outcome)) = (self.engine.resolver.clone(), &first) else { return Ok(first) };
        let (false, Some(record)) = (outcome.open.is_empty(), pair.local) else { return Ok(first) };
        let remote = match (pair.remote, pair.base_event) {
            (RemoteView::Read { event, .. }, _) | (_, Some(event)) => event,
            _ => return Ok(first),
        };
        let base = pair.base.and_then(|base| base.local.as_deref()).or(pair.base_event);
        let question =
            ContestedEvent::new((&self.link.id, &record.id), base, (&record.event, remote), &outcome.open);
        let chosen = ask(&*resolver, question).await;
        if chosen.is_empty() {
            return Ok(first);
        }
        let standing = Standing { open: &open, chosen: &chosen, left };
        Ok(self.with_context(|cx| decide(standing, cx)))
    }

    pub(super) async fn open_conflicts(&self, event: &EventId) -> Result<Vec<ConflictRecord>, EngineError> {
        let mut open = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let query = RecordQuery {
                kind: RecordKind::Conflict,
                link: &self.link.id,
                event: Some(event),
                run: None,
                after: after.as_deref(),
                limit: PAGE,
            };
            let page = self.engine.store.records(query).await?;
            let Some(Record::Conflict(last)) = page.last() else { return Ok(open) };
            after = Some(last.id.clone());
            open.extend(page.into_iter().filter_map(|record| match record {
                Record::Conflict(conflict) if conflict.state == ConflictState::Open => Some(*conflict),
                _ => None,
            }));
        }
    }

    /// What was noted of edited copies goes with their pairs.
    async fn forget_what_was_left(&self, ended: &[BaseRecord], batch: &mut Batch) -> Result<(), EngineError> {
        if self.link.direction == Direction::TwoWay {
            return Ok(());
        }
        for event in left::edited(&*self.engine.store, &self.link.id, ended).await? {
            let goes_on = |write: &Write| matches!(write, Write::PutBase(base) if base.event_id == event);
            if !batch.writes.iter().any(goes_on) {
                batch.writes.push(left::forget(&self.link.id, &event));
            }
        }
        Ok(())
    }

    /// Settles the open conflicts of pairs that a batch ends: nobody can answer them any more.
    pub(super) async fn settle_ended(&self, batch: &mut Batch) -> Result<(), EngineError> {
        let ended: Vec<_> = batch
            .writes
            .iter()
            .filter_map(|write| match write {
                Write::DeleteBase { remote_id, .. } => Some(remote_id.clone()),
                _ => None,
            })
            .collect();
        if ended.is_empty() {
            return Ok(());
        }
        let bases = match self.known.of_items(&ended) {
            Some(bases) => bases,
            None => self.engine.store.bases(&self.link.id, BaseQuery::Remote(&ended)).await?,
        };
        self.forget_what_was_left(&bases, batch).await?;
        for base in bases.iter().filter(|base| base.remote.is_some()) {
            let goes_on = batch
                .writes
                .iter()
                .any(|write| matches!(write, Write::PutBase(other) if other.event_id == base.event_id));
            if goes_on {
                continue;
            }
            let mut open = self.open_conflicts(&base.event_id).await?;
            open.retain(|record| {
                !batch
                    .writes
                    .iter()
                    .any(|write| matches!(write, Write::PutConflict(other) if other.id == record.id))
            });
            let now = self.engine.clock.now();
            batch.writes.extend(settle(&open, "deleted", SettledBy::Deletion, now));
        }
        Ok(())
    }
}

/// Asks the host. What it does not decide, for whatever reason, stays open.
async fn ask(resolver: &dyn ConflictResolver, question: ContestedEvent<'_>) -> Resolution {
    let answer = AssertUnwindSafe(async { resolver.resolve(&question).await }).catch_unwind().await;
    let mut chosen = match answer {
        Ok(Ok(chosen)) => chosen,
        Ok(Err(_)) | Err(_) => Resolution::new(),
    };
    chosen.retain(|_, choice| *choice != Choice::Open);
    chosen
}
