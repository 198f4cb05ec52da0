//! When two calendars meet: what no UID joins is joined by what it is, or asked about.
//!
//! A link meets its remote calendar until everything there was compared once. Later, only an item under a new name and UID
//! is looked at like this, and only for an event whose own item is gone from the same listing: a calendar that was made
//! again, or a server that rewrites UIDs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
};

use super::{
    EngineError,
    items::{CHUNK, Found, Item},
    listing::chunks,
    pair::Outcome,
    pull::Listed,
    run::{PAGE, Run},
};
use crate::{
    diff::changed_fields,
    identity::{Confidence, Profile, Starts, match_events},
    model::{Event, EventId, RemoteId, Version},
    plan::{Action, Operation},
    provider::{Payload, UnreadKind},
    store::{
        BaseQuery, BaseRecord, JournalOp, MatchAnswer, MatchQuestion, OutboxOp, QuarantineRecord, Revision,
        Write,
    },
};

/// Why pairs are joined, as journals tell it.
const ALIKE: &str = "title, start and place are the same on both sides";
const SAID: &str = "a person said that it is the same event";

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alike(confidence) => write!(f, "{ALIKE} ({confidence})"),
            Self::Said => f.write_str(SAID),
        }
    }
}

/// Whether a reason in a journal is one why a pair was joined.
pub(super) fn tells_join(reason: &str) -> bool {
    reason.starts_with(ALIKE) || reason == SAID
}

/// What a run knows of items that may be events here under another UID.
#[derive(Default)]
pub(super) struct Meeting {
    /// When the events here begin; loaded with the first item that may be one of them.
    starts: Option<Starts>,
    /// Items that begin when an event here does. They are decided once everything is listed.
    strangers: Vec<Stranger>,
    /// Which event an item is, and why.
    pub(super) matched: HashMap<RemoteId, (EventId, Because)>,
    /// Questions that wait for an answer, by item.
    open: BTreeMap<RemoteId, MatchQuestion>,
    /// Questions a person has answered.
    answered: Vec<QuarantineRecord>,
    /// The rows of open and answered questions.
    pub(super) asked: HashMap<RemoteId, QuarantineRecord>,
    /// Items whose question is answered, or has nothing left to ask. Their rows stay until the run is through: which events they
    /// name, and that these were here when the sides met, is written nowhere else.
    pub(super) ended: BTreeSet<RemoteId>,
    /// Events that an item may be which could not be read for now: nothing new is made of them in this run.
    held_back: HashSet<EventId>,
    /// Events of questions that this run let go of: they were here when the sides met.
    met: HashSet<EventId>,
}

struct Stranger {
    item: Item,
    profile: Profile,
}

/// Why an item is an event here although its UID does not say so.
#[derive(Clone, Copy)]
pub(super) enum Because {
    /// They are alike, so sure.
    Alike(Confidence),
    /// A person said so.
    Said,
}

impl Meeting {
    /// Takes up a question of an earlier run.
    pub(super) fn remember(&mut self, record: &QuarantineRecord) {
        let Some(question) = &record.question else { return };
        self.asked.insert(record.remote_id.clone(), record.clone());
        if question.answer.is_some() {
            self.answered.push(record.clone());
        } else {
            self.open.insert(record.remote_id.clone(), question.clone());
        }
    }

    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    pub(super) fn is_open(&self, id: &RemoteId) -> bool {
        self.open.contains_key(id)
    }

    /// Whether nobody is asked anything, and nothing that was answered is left to do.
    pub(super) fn is_settled(&self) -> bool {
        self.open.is_empty() && self.answered.is_empty()
    }

    /// The items that are asked about.
    pub(super) fn items(&self) -> impl Iterator<Item = &RemoteId> {
        self.open.keys()
    }

    /// Whether an open question names the event: then nothing new is made of it.
    pub(super) fn names(&self, event: &EventId) -> bool {
        self.held_back.contains(event)
            || self.open.values().any(|question| question.candidates.contains(event))
    }

    /// The item is gone, and the question with it: its events are looked at again.
    pub(super) fn forget(&mut self, id: &RemoteId) -> Vec<EventId> {
        self.asked.remove(id);
        let events = self.open.remove(id).map(|question| question.candidates).unwrap_or_default();
        self.met.extend(events.iter().cloned());
        events
    }

    /// Whether an event was here when the sides met, and its question was open until this run: it invites nobody, as it
    /// would not have then.
    pub(super) fn was_met(&self, event: &EventId) -> bool {
        self.met.contains(event)
    }

    pub(super) fn strangers(&self) -> usize {
        self.strangers.len()
    }

    pub(super) fn forget_strangers(&mut self, from: usize) {
        self.strangers.truncate(from);
    }
}

/// The event whose creation was sent without an answer and that an item holds, under a UID of the server's own.
pub(super) fn sent_before<'a>(unanswered: &'a [(EventId, Event)], event: &Event) -> Option<&'a EventId> {
    let mut same = unanswered.iter().filter(|(_, sent)| changed_fields(sent, event).is_empty());
    let (first, _) = same.next()?;
    same.next().is_none().then_some(first)
}

impl Run<'_> {
    /// Whether the two sides meet for the first time: they were never compared as a whole.
    pub(super) fn meets(&self) -> bool {
        self.state.last_audit.is_none()
    }

    /// Puts an item off when it may be an event here under another UID.
    pub(super) async fn puts_off(
        &mut self,
        id: &RemoteId,
        version: Option<&Version>,
        payload: &Payload,
        event: &Event,
    ) -> Result<bool, EngineError> {
        if !self.meets() && !self.rejoins {
            return Ok(false);
        }
        let Some(profile) = Profile::of(event) else { return Ok(false) };
        if self.meeting.starts.is_none() {
            let mut starts = Starts::default();
            self.each_local(|_, profile| starts.insert(&profile)).await?;
            self.meeting.starts = Some(starts);
        }
        if !self.meeting.starts.as_ref().is_some_and(|starts| starts.contains(&profile)) {
            return Ok(false);
        }
        // What a listing brought along is kept; everything else is fetched again when its turn comes.
        let payload = Some(payload.clone()).filter(|_| self.capabilities.pull_with_payload);
        let item = Item { id: id.clone(), version: version.cloned(), payload };
        self.meeting.strangers.push(Stranger { item, profile });
        Ok(true)
    }

    async fn each_local(&self, mut visit: impl FnMut(&EventId, Profile)) -> Result<(), EngineError> {
        let mut after = Revision::default();
        loop {
            let page = self.engine.store.events_since(&self.link.calendar, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.revision;
            for record in page.iter().filter(|record| record.deleted.is_none()) {
                if let Some(profile) = Profile::of(&record.event) {
                    visit(&record.id, profile);
                }
            }
        }
    }

    /// Decides about everything that was put off, once all of the listing is known.
    pub(super) async fn meet(&mut self, listed: &mut Listed) -> Result<(), EngineError> {
        let mut strangers = std::mem::take(&mut self.meeting.strangers);
        // Listed twice, by pages that overlap, it is one item: what was listed last.
        let mut seen = HashSet::new();
        strangers.reverse();
        strangers.retain(|stranger| seen.insert(stranger.item.id.clone()));
        strangers.reverse();
        if strangers.is_empty() {
            return Ok(());
        }
        let (ids, profiles) = self.unjoined(&strangers, listed).await?;
        let (items, remotes): (Vec<Item>, Vec<Profile>) =
            strangers.into_iter().map(|stranger| (stranger.item, stranger.profile)).unzip();
        let matching = match_events(&profiles, &remotes, &self.link.matching);
        let mut questions: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for pair in matching.joined {
            let known = ids[pair.local].1.as_ref();
            // A pair is joined unasked where both sides may be written: elsewhere one side would become a copy of the
            // other, although a person made it.
            if known.is_some() || self.may_join() {
                let found = (ids[pair.local].0.clone(), Because::Alike(pair.confidence));
                self.meeting.matched.insert(items[pair.remote].id.clone(), found);
                if let Some(gone) = known {
                    // It is not gone, but under another name.
                    listed.removed.remove(gone);
                }
            } else {
                questions.insert(pair.remote, vec![pair.local]);
            }
        }
        if self.meets() {
            questions
                .extend(matching.questions.into_iter().map(|question| (question.remote, question.locals)));
        }
        let (mut decided, mut asked) = (Vec::new(), Vec::new());
        for (index, item) in items.into_iter().enumerate() {
            // An event that is joined already, whose item is gone, is not asked about.
            let candidates: Vec<EventId> = questions
                .remove(&index)
                .unwrap_or_default()
                .into_iter()
                .filter(|local| ids[*local].1.is_none())
                .map(|local| ids[local].0.clone())
                .collect();
            if candidates.is_empty() {
                decided.push(item);
            } else {
                asked.push((item, candidates));
            }
        }
        while !asked.is_empty() {
            let rest = asked.split_off(asked.len().min(CHUNK));
            listed.incomplete |= self.ask(std::mem::replace(&mut asked, rest)).await?;
        }
        for items in chunks(decided) {
            listed.incomplete |= self.chunk(items, Found::Asked).await?;
        }
        Ok(())
    }

    fn may_join(&self) -> bool {
        let direction = self.link.direction;
        direction.imports() && direction.exports() && self.capabilities.write
    }

    /// The events that begin when a stranger does and are not joined: at a first meeting all of them, later those whose
    /// item is gone, with its name.
    async fn unjoined(
        &self,
        strangers: &[Stranger],
        listed: &Listed,
    ) -> Result<(Vec<(EventId, Option<RemoteId>)>, Vec<Profile>), EngineError> {
        let starts: Starts = strangers.iter().map(|stranger| &stranger.profile).collect();
        let mut found: Vec<(EventId, Profile)> = Vec::new();
        self.each_local(|id, profile| {
            if starts.contains(&profile) {
                found.push((id.clone(), profile));
            }
        })
        .await?;
        let gone: BTreeSet<&RemoteId> = listed.removed.keys().collect();
        let (mut ids, mut profiles) = (Vec::new(), Vec::new());
        for chunk in found.chunks(PAGE) {
            let events: Vec<EventId> = chunk.iter().map(|(id, _)| id.clone()).collect();
            let bases: HashMap<EventId, BaseRecord> = self
                .engine
                .store
                .bases(&self.link.id, BaseQuery::Events(&events))
                .await?
                .into_iter()
                .map(|base| (base.event_id.clone(), base))
                .collect();
            for (id, profile) in chunk {
                let known = bases.get(id).map(|base| &base.remote_id);
                let free = match known {
                    Some(remote_id) => gone.contains(remote_id),
                    None => self.meets(),
                };
                if free {
                    ids.push((id.clone(), known.cloned()));
                    profiles.push(profile.clone());
                }
            }
        }
        Ok((ids, profiles))
    }

    /// Leaves items and the events they may be to a person. `Ok(true)`: something could not be read for now.
    async fn ask(&mut self, asked: Vec<(Item, Vec<EventId>)>) -> Result<bool, EngineError> {
        let (items, questions): (Vec<Item>, Vec<_>) = asked
            .into_iter()
            .map(|(item, candidates)| {
                let question = (item.id.clone(), candidates);
                (item, question)
            })
            .unzip();
        let mut questions: HashMap<RemoteId, Vec<EventId>> = questions.into_iter().collect();
        let (items, incomplete) = self.with_payloads(items, &HashMap::new()).await?;
        let mut outcomes = Vec::new();
        for (id, version, payload) in items {
            let Some(candidates) = questions.remove(&id) else { continue };
            outcomes.push(self.question(id, version, payload, candidates));
        }
        // Asked once the items can be read; until then nothing is made of the events they may be.
        self.meeting.held_back.extend(questions.into_values().flatten());
        self.commit_outcomes(outcomes, Vec::new(), usize::MAX).await?;
        Ok(incomplete)
    }

    fn question(
        &mut self,
        id: RemoteId,
        version: Option<Version>,
        payload: Payload,
        candidates: Vec<EventId>,
    ) -> Outcome {
        let reason = match candidates.len() {
            1 => "it may be the same as an event here: a person decides".to_owned(),
            more => format!("it may be the same as one of {more} events here: a person decides"),
        };
        let question = MatchQuestion { candidates, answer: None };
        let operation = Operation {
            action: Action::Ask,
            event_id: question.candidates.first().cloned(),
            remote_id: Some(id.clone()),
            version: version.clone(),
            revision: None,
            to_local: Vec::new(),
            to_remote: Vec::new(),
            contested: Vec::new(),
            losses: Vec::new(),
            reason: reason.clone(),
            evidence: None,
        };
        let mut writes =
            vec![self.put_question(&id, version.as_ref(), payload, reason.clone(), question.clone())];
        for candidate in &question.candidates {
            // It was about to be made there. Everything that was applied is joined by now, so this was not.
            if let Some(entry) = self.outbox.remove(candidate) {
                writes.push(Write::DeleteOutbox { link: entry.link, id: entry.id });
            }
            writes.push(self.with_context(|cx| {
                cx.journal(JournalOp::Kept, candidate, Some(&id), &reason, None, Vec::new())
            }));
        }
        self.meeting.open.insert(id, question);
        Outcome { operation: Some(operation), writes, ..Outcome::default() }
    }

    fn put_question(
        &mut self,
        id: &RemoteId,
        version: Option<&Version>,
        payload: Payload,
        reason: String,
        question: MatchQuestion,
    ) -> Write {
        self.note_unread(id, version, UnreadKind::Undecided);
        self.unfetched.remove(id);
        let record = QuarantineRecord {
            link: self.link.id.clone(),
            remote_id: id.clone(),
            version: version.cloned(),
            kind: UnreadKind::Undecided,
            reason,
            payload: Some(payload),
            attempts: 1,
            since: self.engine.clock.now(),
            question: Some(question),
            left_out: None,
        };
        self.meeting.asked.insert(id.clone(), record.clone());
        Write::PutQuarantine(Box::new(record))
    }

    /// An item that is asked about was changed: the question stands, about what it is now.
    pub(super) fn still_asked(
        &mut self,
        id: &RemoteId,
        version: Option<&Version>,
        payload: Payload,
    ) -> Option<Write> {
        let question = self.meeting.open.get(id)?.clone();
        let reason = "it may be the same as an event here: a person decides".to_owned();
        Some(self.put_question(id, version, payload, reason, question))
    }

    /// Does what people answered, and lets go of questions that answer themselves: no event that they name is left.
    pub(super) async fn settle_answers(&mut self) -> Result<bool, EngineError> {
        let mut items = Vec::new();
        let mut records = std::mem::take(&mut self.meeting.answered);
        for (id, question) in std::mem::take(&mut self.meeting.open) {
            let events = self.engine.store.events(&self.link.calendar, &question.candidates).await?;
            if events.iter().any(|record| record.deleted.is_none()) {
                self.meeting.open.insert(id, question);
            } else {
                items.push(Item { id, version: None, payload: None });
            }
        }
        let mut questions = Vec::new();
        let names: Vec<RemoteId> = records.iter().map(|record| record.remote_id.clone()).collect();
        let joined = if names.is_empty() { HashMap::new() } else { self.bases_by_remote(&names).await? };
        for record in records.drain(..) {
            let Some(question) = record.question else { continue };
            if joined.contains_key(&record.remote_id) {
                // By a run that was not through: what is left to do is about the events that the item is not.
                self.let_out(&record.remote_id);
                questions.push((record.remote_id, question));
                continue;
            }
            if let Some(MatchAnswer::Join(event)) = &question.answer {
                self.meeting.matched.insert(record.remote_id.clone(), (event.clone(), Because::Said));
            }
            questions.push((record.remote_id.clone(), question));
            // As it is by now, and not as it was when it was asked about.
            items.push(Item { id: record.remote_id, version: None, payload: None });
        }
        let mut incomplete = false;
        for items in chunks(items) {
            incomplete |= self.chunk(items, Found::Asked).await?;
        }
        for (id, question) in questions {
            if self.could_not_fetch(&id) {
                // What was answered is done once the item is there; until then none of its events is made there.
                self.meeting.held_back.extend(question.candidates);
                continue;
            }
            self.meeting.met.extend(question.candidates.iter().cloned());
            // One that was joined is dealt with, and is not looked at again; where its item is gone, it is new there.
            self.recheck.extend(question.candidates);
        }
        // What another open question names still waits.
        let mut recheck = std::mem::take(&mut self.recheck);
        recheck.retain(|event| !self.meeting.names(event));
        self.recheck = recheck;
        Ok(incomplete)
    }

    /// The run is through: what was answered is done on both sides.
    pub(super) fn end_questions(&mut self) {
        let ended = std::mem::take(&mut self.meeting.ended).into_iter();
        // One that could not be used after all has another row by now.
        let ended = ended.filter(|id| !self.quarantine.contains_key(id) && !self.unfetched.contains_key(id));
        let link = &self.link.id;
        let rows = ended.map(|remote_id| Write::DeleteQuarantine { link: link.clone(), remote_id });
        self.last_writes.extend(rows);
    }

    /// What was sent to be made and never answered, as the provider reads it.
    pub(super) fn unanswered(&self) -> Vec<(EventId, Event)> {
        let sent = self.outbox.values().filter(|entry| entry.attempts > 0).filter_map(|entry| {
            let OutboxOp::Create { payload } = &entry.op else { return None };
            Some((entry.event_id.clone(), self.provider.read(payload).ok()?))
        });
        sent.filter(|(_, event)| event.body().is_some_and(|body| body.title.is_some())).collect()
    }
}
