//! A merge carried out on a pair: what each side gets, what its base becomes, what is recorded.

use std::{borrow::Cow, collections::BTreeSet};

use chrono::{DateTime, Utc};

use super::{
    CopyEdits,
    conflicts::{Fate, Standing, Versions, field_conflict, follow_up},
    left,
    pair::{Context, Outcome, Pair, RemoteView, Sided, operation, unless_same},
};
use crate::{
    diff::{Field, Part, copy_field, same_field},
    merge::{Bases, Choice, Contested, Freshness, Merge, Sides, TOLERANCE, merge},
    model::{Descent, Event, EventId, Lineage, Override, RemoteId, UidOrigin, Version},
    plan::{Action, Direction, here, reason},
    provider::{ErrorKind, Payload, PeoplePolicy, ProviderError, RenderRequest},
    store::{BaseRecord, BaseState, ConflictRecord, ConflictState, EventRecord, JournalOp, OutboxOp, Write},
};

/// Why nothing is written of an edit.
const UNSAID: &str = "the remote side cannot hold what was edited here: it stays here";

/// Why a move over there moves nothing here.
const STAND_IN: &str =
    "one event stands for the series on the remote side: that it was moved there moves no series";

/// A merge that is decided, with everything it was decided on.
struct Merging<'a> {
    pair: &'a Pair<'a>,
    bases: &'a Sided<'a>,
    action: Action,
    record: &'a EventRecord,
    /// The remote item: its name, version, payload and content.
    id: &'a RemoteId,
    version: Option<&'a Version>,
    payload: &'a Payload,
    remote: &'a Event,
    /// The local side as the provider can hold it.
    local: &'a Event,
    standing: Standing<'a>,
    merged: Merge,
    /// Fields of the local side that the link's direction keeps from the remote one.
    unsent: BTreeSet<Field>,
    /// Fields of a copy over there that get their value back.
    restored: BTreeSet<Field>,
    /// Fields of a copy over there that keep what somebody made of them.
    left: BTreeSet<Field>,
    /// A copy here gets its values back.
    restores_here: bool,
    /// What stands for a series over there was moved, which moves nothing here.
    stand_in_moved: bool,
}

/// Merges a pair, joined or meeting for the first time.
pub(super) fn merge_pair(
    pair: &Pair<'_>,
    bases: &Sided<'_>,
    action: Action,
    standing: Standing<'_>,
    cx: &mut Context<'_>,
) -> Result<Outcome, ProviderError> {
    let Some(record) = pair.local else { return Ok(Outcome::default()) };
    let (id, version, payload, remote) = match (pair.remote, pair.base, pair.base_event) {
        (RemoteView::Read { id, version, payload, event }, ..) => (id, version, payload, event),
        (_, Some(base), Some(event)) => (&base.remote_id, base.version.as_ref(), &base.payload, event),
        _ => return Ok(Outcome::default()),
    };
    let local = cx.sendable(&record.event)?;
    let local = &*local;
    let mut merged = decide((local, record), bases, remote, standing, cx);
    let stand_in_moved = spare_the_start((&record.event, local), remote, &mut merged);
    // At a first meeting nobody edited anything yet.
    let restores = cx.link.edits == CopyEdits::Restore && bases.local.is_some() && !cx.renewed;
    let (mut restored, mut left) = (BTreeSet::new(), BTreeSet::new());
    if !cx.link.direction.imports() {
        let edits = std::mem::take(&mut merged.to_local);
        if restores {
            merged.to_remote.extend(edits.iter().cloned());
            restored = edits;
        } else if bases.remote.is_some() && !cx.renewed {
            left = edits;
        }
    }
    let mut unsent =
        if cx.link.direction.exports() { BTreeSet::new() } else { std::mem::take(&mut merged.to_remote) };
    let restores_here = restores && !unsent.is_empty();
    if restores {
        merged.to_local.append(&mut unsent);
    }
    let mut merging = Merging {
        pair,
        bases,
        action,
        record,
        id,
        version,
        payload,
        remote,
        local,
        standing,
        merged,
        unsent,
        restored,
        left,
        restores_here,
        stand_in_moved,
    };
    if cx.people == PeoplePolicy::Write && cx.link.direction == Direction::TwoWay {
        // Guests who were kept out when the item was made are no guests of it, whatever they answer here.
        merging.merged.to_remote.retain(|field| !is_kept_out(action, bases, field));
    }
    if merging.merged.to_remote.is_empty() {
        return Ok(merging.outcome(merging.new_local(cx.now).as_ref(), cx));
    }
    // A write must name the version it was merged with.
    let Some(expected) = version else {
        return match pair.remote {
            RemoteView::Read { .. } => Err(ProviderError::new(
                ErrorKind::Refused,
                "merge",
                "the item has no version that a write could name",
            )),
            _ => Ok(Outcome { needs_read: Some(id.clone()), ..Outcome::default() }),
        };
    };
    let target = merging.merged.apply_to_remote(local, remote);
    let rendered = cx.provider.render(RenderRequest {
        event: &target,
        original: Some(payload),
        now: cx.now,
        people: cx.people,
    })?;
    if rendered.payload == *payload {
        // Nothing of it can be said there: it stays here, and is no change (invariant 9).
        let fields = std::mem::take(&mut merging.merged.to_remote);
        let mut outcome = merging.outcome(merging.new_local(cx.now).as_ref(), cx);
        let fields: BTreeSet<Field> = fields.into_iter().filter(|field| !is_person(field)).collect();
        if !outcome.writes.is_empty() && !fields.is_empty() {
            // Said once: the base moves on with it.
            let told = outcome.operation.get_or_insert_with(|| operation(pair, action, UNSAID));
            told.losses = fields.iter().map(Field::to_string).collect();
            let fields = fields.into_iter().collect();
            outcome.writes.push(cx.journal(JournalOp::Kept, &record.id, Some(id), UNSAID, None, fields));
        }
        return Ok(outcome);
    }
    let after = merging.new_local(cx.now);
    let mut outcome = merging.outcome(after.as_ref(), cx);
    let update = OutboxOp::Update { expected: expected.clone(), payload: rendered.payload };
    let mut entry = cx.outbox(&record.id, id.clone(), update);
    entry.local = Some(Box::new(after.unwrap_or_else(|| record.event.clone())));
    entry.people = cx.people;
    entry.fields = merging.merged.to_remote.iter().cloned().collect();
    entry.reason = merging.reason().to_owned();
    entry.losses = rendered.losses;
    entry.losses.extend(cx.copies.into_iter().flat_map(|copies| copies.losses(&record.event)));
    if let Some(operation) = &mut outcome.operation {
        operation.losses.clone_from(&entry.losses);
    }
    outcome.writes.push(Write::PutOutbox(Box::new(entry)));
    Ok(outcome)
}

/// A single event that stands for a series which the provider cannot hold says when the first instance is. Where it is moved,
/// nobody said that all are, nor is the day one that the rule has: the series keeps its start. `true`: it was moved. Once the
/// provider is given the series, it gets its start with it.
fn spare_the_start((event, held): (&Event, &Event), remote: &Event, merged: &mut Merge) -> bool {
    if !event.is_series() || remote.is_series() {
        return false;
    }
    let time = Field::of(Part::Time);
    if held.is_series() && merged.to_remote.contains(&Field::of(Part::Rules)) {
        merged.to_local.remove(&time);
        merged.to_remote.insert(time);
        return false;
    }
    !held.is_series() && merged.to_local.remove(&time)
}

/// Whether a field is about somebody who may be mailed.
fn is_person(field: &Field) -> bool {
    matches!(field.part, Part::Participant(_) | Part::Organizer)
}

/// Whether somebody is not to be written to an item: it is joined to an event that was there before, or was made without the
/// guest, who has been one here since before that.
fn is_kept_out(action: Action, bases: &Sided<'_>, field: &Field) -> bool {
    if !is_person(field) {
        return false;
    }
    let (Some(local), Some(remote)) = (bases.local, bases.remote) else { return action == Action::Join };
    let names = |event: &Event| !same_field(event, &without_people(event), field);
    action == Action::Join || names(local) && !names(remote)
}

fn without_people(event: &Event) -> Event {
    let mut event = event.clone();
    let instances = event.overrides.values_mut().filter_map(|instance| match instance {
        Override::Changed { body, .. } => Some(&mut **body),
        Override::Excluded | Override::Added { .. } => None,
    });
    for body in event.master.iter_mut().chain(instances) {
        body.organizer = None;
        body.participants.clear();
    }
    event
}

/// When the local event became what it is. What a run brought here says when it was edited there; what says nothing new since
/// both sides agreed was written without saying so, and so was what is of a time that had not come.
fn edited(record: &EventRecord, bases: &Sided<'_>) -> DateTime<Utc> {
    let agreed = bases.local.and_then(Event::updated);
    let said = record.event.updated().filter(|said| agreed != Some(*said));
    said.filter(|said| *said - record.modified <= TOLERANCE).unwrap_or(record.modified)
}

/// When the remote side was edited, where it says so and that time has come.
pub(super) fn edited_there(remote: &Event, bases: &Sided<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    here::edited_there(bases.remote, remote).filter(|said| *said - now <= TOLERANCE)
}

fn decide(
    (local, record): (&Event, &EventRecord),
    bases: &Sided<'_>,
    remote: &Event,
    standing: Standing<'_>,
    cx: &Context<'_>,
) -> Merge {
    let base_local = bases.local.map(|base| cx.held_base(base));
    let freshness =
        Freshness { local: Some(edited(record, bases)), remote: edited_there(remote, bases, cx.now) };
    let policy = cx.link.rules().choosing();
    let bases = match (&base_local, bases.remote) {
        (Some(local), Some(remote)) => Some(Bases { local, remote }),
        _ => None,
    };
    merge(Sides { bases, local, remote }, |field| match standing.choice(field, &record.event, remote) {
        Some(chosen) => chosen.choice,
        None => policy.choose(freshness),
    })
}

impl Merging<'_> {
    /// The local event after the merge, when the merge changes it.
    fn new_local(&self, now: DateTime<Utc>) -> Option<Event> {
        let changes = !self.merged.to_local.is_empty();
        let edited = edited_there(self.remote, self.bases, now);
        changes.then(|| here::merged(&self.merged, &self.record.event, self.remote, edited))
    }

    /// Everything the merge writes into the store, but for a remote write.
    fn outcome(&self, after: Option<&Event>, cx: &mut Context<'_>) -> Outcome {
        let (record, merged) = (self.record, &self.merged);
        let base = self.next_base(after.unwrap_or(&record.event), cx);
        let unchanged_base = self.pair.base.is_some_and(|old| *old == base);
        let mut outcome = Outcome { event_id: Some(record.id.clone()), ..Outcome::default() };
        outcome.open = self.open().cloned().collect();
        outcome.writes.extend(self.of_the_copy(cx));
        let copy_id = merged.keep_local_copy.then(|| EventId::from(cx.ids.fresh()));
        let records = self.conflicts(copy_id.as_ref(), &mut outcome.conflicts, cx);
        // A conflict that goes on waiting as it did is nothing to do.
        let moved = !merged.to_local.is_empty() || !merged.to_remote.is_empty() || self.stand_in_moved;
        let nothing_done = !moved && records.is_empty() && self.action == Action::Merge;
        if nothing_done && unchanged_base {
            return outcome;
        }
        if !unchanged_base {
            outcome.writes.push(Write::PutBase(Box::new(base)));
        }
        // Even a decision that writes no event holds only for the event it was taken on.
        outcome.expect.push(cx.expect(self.pair, &record.id));
        let reason = self.reason();
        if let Some(after) = after {
            outcome.writes.push(cx.put_event(&record.id, after.clone()));
            outcome.updated = 1;
            let fields = merged.to_local.iter().cloned().collect();
            let before = Some(&record.event);
            outcome.writes.push(cx.journal(
                JournalOp::LocalUpdate,
                &record.id,
                Some(self.id),
                reason,
                before,
                fields,
            ));
        }
        outcome.writes.extend(records);
        if let Some(copy_id) = copy_id {
            outcome.writes.push(cx.put_event(&copy_id, copy_of(&record.event, cx.ids.fresh())));
            let reason = "both versions are kept: this is the local one";
            outcome.writes.push(cx.journal(JournalOp::LocalCreate, &copy_id, None, reason, None, Vec::new()));
            outcome.created = 1;
            outcome.replan = Some(copy_id);
        }
        if !nothing_done {
            let mut operation = operation(self.pair, self.action, reason);
            operation.to_local = merged.to_local.iter().cloned().collect();
            operation.to_remote = merged.to_remote.iter().cloned().collect();
            operation.contested = merged.contested.iter().map(|contested| contested.field.clone()).collect();
            if self.stand_in_moved {
                operation.losses.push(Field::of(Part::Time).to_string());
            }
            outcome.operation = Some(operation);
        }
        outcome
    }

    /// What is written down of an edit of a copy, or of what stands for a series.
    fn of_the_copy(&self, cx: &mut Context<'_>) -> Vec<Write> {
        let event = &self.record.id;
        if self.stand_in_moved {
            let fields = vec![Field::of(Part::Time)];
            return vec![cx.journal(JournalOp::Kept, event, Some(self.id), STAND_IN, None, fields)];
        }
        if !self.left.is_empty() {
            let fields = self.left.iter().cloned().collect();
            let journal = cx.journal(JournalOp::Kept, event, Some(self.id), left::LEFT, None, fields);
            return vec![left::note(&cx.link.id, event, self.bases.remote), journal];
        }
        if self.restored.is_empty() { Vec::new() } else { vec![left::forget(&cx.link.id, event)] }
    }

    fn reason(&self) -> &'static str {
        match (self.action, self.merged.to_local.is_empty(), self.merged.to_remote.is_empty()) {
            (Action::Join, ..) => reason::SAME_EVENT,
            (_, true, false) if !self.restored.is_empty() => "the copy was edited there, and is restored",
            (_, false, true) if self.restores_here => "the copy was edited here, and is restored",
            (_, true, true) if self.stand_in_moved => STAND_IN,
            (_, false, false) => reason::EDITED_BOTH,
            (_, false, true) => reason::EDITED_THERE,
            (_, true, false) => reason::EDITED_HERE,
            (_, true, true) if self.open().next().is_some() => reason::CONTESTED,
            (_, true, true) => reason::AGREED,
        }
    }

    /// The bases after the remote side's changes are in and before the local side's are out.
    fn next_base(&self, local: &Event, cx: &Context<'_>) -> BaseRecord {
        let (merged, bases, remote) = (&self.merged, self.bases, self.remote);
        let mut base_local = Cow::Borrowed(local);
        for field in merged.to_remote.iter().chain(&self.unsent).chain(self.open()) {
            // What the remote side has yet to receive still counts as a local change, so that a write that never
            // happens is planned again. At a first meeting the base of such a field is what the remote side has.
            // So is it where the local side won: whoever takes the winning value back has not taken the other one.
            let won = |contested: &&Contested| contested.field == *field && contested.choice == Choice::Local;
            // And where a copy is restored: until that is confirmed, this side has what the other lacks.
            // And where an instance got another name: neither side had it like that.
            let is_named = field.instance.is_some_and(|id| merged.instances.contains_key(&id));
            let is_won = is_named || merged.contested.iter().any(|contested| won(&contested));
            let from = if is_won || self.restored.contains(field) { None } else { bases.local };
            copy_field(field, from.unwrap_or(remote), base_local.to_mut());
        }
        if let (Cow::Owned(base_local), Some(agreed)) = (&mut base_local, bases.local) {
            // Nor is when it was edited agreed on before that.
            take_times(agreed, base_local);
        }
        let base_remote = match bases.remote {
            Some(base) => merged.remote_base(base, remote),
            // Never agreed on: the base of an open field is what the other side has, so that both count as changed.
            None => merged.remote_base(&self.record.event, remote),
        };
        BaseRecord {
            link: cx.link.id.clone(),
            remote_id: self.id.clone(),
            event_id: self.record.id.clone(),
            version: self.version.cloned(),
            payload: self.payload.clone(),
            local: unless_same(Some(&base_local), remote),
            // Set as long as anything is open, whatever it holds.
            remote: self.open().next().map(|_| Box::new(base_remote)),
            state: BaseState::Linked,
        }
    }

    /// The fields that wait for somebody.
    fn open(&self) -> impl Iterator<Item = &Field> {
        self.merged.contested.iter().filter(|c| c.choice == Choice::Open).map(|c| &c.field)
    }

    /// What is recorded: open conflicts that changed or ended, and one about what is contested now and was not before.
    fn conflicts(&self, copy: Option<&EventId>, found: &mut u64, cx: &mut Context<'_>) -> Vec<Write> {
        let sides = Versions { base: self.bases.local, local: &self.record.event, remote: self.remote };
        let ended = |field: &Field| match () {
            () if self.merged.to_local.contains(field) => "remote",
            () if self.merged.to_remote.contains(field) || self.unsent.contains(field) => "local",
            () if same_field(self.local, self.remote, field) => "agreed",
            () => "replaced",
        };
        let contested = self.merged.contested.iter().map(|c| (&c.field, c.choice)).collect();
        let (changed, new) = follow_up(self.standing, &Fate { contested, ended: &ended }, sides, cx.now);
        let mut writes: Vec<Write> =
            changed.into_iter().map(|record| Write::PutConflict(Box::new(record))).collect();
        if new.is_empty() {
            return writes;
        }
        *found = 1;
        let open = new.values().any(|choice| *choice == Choice::Open);
        let fields: Vec<_> = new
            .iter()
            .map(|(field, choice)| field_conflict(field, *choice, self.standing, sides, cx.now))
            .collect();
        let settled = fields.iter().filter_map(|field| field.settled.clone()).next_back();
        writes.push(Write::PutConflict(Box::new(ConflictRecord {
            id: (cx.next)(),
            link: cx.link.id.clone(),
            run: cx.run.clone(),
            event_id: self.record.id.clone(),
            remote_id: self.id.clone(),
            uid: self.record.event.uid.clone(),
            fields,
            local: Some(Box::new(self.record.event.clone())),
            remote: Some(Box::new(self.remote.clone())),
            policy: cx.link.conflicts.name().to_owned(),
            state: if open { ConflictState::Open } else { ConflictState::Resolved },
            at: cx.now,
            settled: settled.filter(|_| !open),
            answers: Vec::new(),
            copy: copy.cloned(),
        })));
        writes
    }
}

/// Gives what both have the time of its edit in the other.
fn take_times(from: &Event, into: &mut Event) {
    if let (Some(from), Some(into)) = (&from.master, &mut into.master) {
        into.updated = from.updated;
    }
    for (id, value) in &mut into.overrides {
        if let (Override::Changed { body, .. }, Some(Override::Changed { body: from, .. })) =
            (value, from.overrides.get(id))
        {
            body.updated = from.updated;
        }
    }
}

/// The local version as an event of its own. People stay behind: a copy invites nobody, also where the link writes
/// people.
fn copy_of(event: &Event, uid: String) -> Event {
    let mut copy = without_people(event);
    copy.lineage = Some(Lineage { uid: std::mem::replace(&mut copy.uid, uid), how: Descent::Copy });
    copy.uid_origin = UidOrigin::Given;
    copy
}
