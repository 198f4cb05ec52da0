//! A person's word in an open conflict.

use std::collections::BTreeMap;

use super::{EngineError, Hub, conflicts::OPEN, telling::of_conflicts};
use crate::{
    diff::Field,
    model::LinkId,
    store::{
        AnswerState, Batch, ConflictAnswer, ConflictRecord, ConflictState, Expectation, Record, RecordKind,
        RecordQuery, Take, Write,
    },
};

/// What a person answers to an open conflict.
///
/// It is an answer to what the conflict shows: it holds for a field as long as both sides have the values they have in
/// the record. When either changed meanwhile, the next run keeps the field open, with the new values, and marks the
/// answer [`AnswerState::Stale`].
///
/// The start of a series that was moved and its instances, on both sides, are carried out together: an answer to some of them
/// waits until all are answered. Instances then have the names they have from the start that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    who: String,
    all: Option<Take>,
    fields: BTreeMap<Field, Take>,
}

impl Answer {
    /// An answer by somebody, named as the host likes; it decides nothing yet.
    pub fn by(who: impl Into<String>) -> Self {
        Self { who: who.into(), all: None, fields: BTreeMap::new() }
    }

    /// Takes this side's value for every open field that is not named.
    #[must_use]
    pub fn taking(mut self, side: Take) -> Self {
        self.all = Some(side);
        self
    }

    /// Takes this side's value for one field. The others stay open, unless [`taking`](Self::taking) names a side.
    #[must_use]
    pub fn field(mut self, field: Field, side: Take) -> Self {
        self.fields.insert(field, side);
        self
    }
}

/// Conflicts read at once.
const PAGE: usize = 200;

impl Hub {
    /// The conflicts of a link, by id: the history of all, and those that wait.
    ///
    /// # Errors
    ///
    /// When the store fails.
    pub async fn conflicts(&self, link: &LinkId) -> Result<Vec<ConflictRecord>, EngineError> {
        let mut all = Vec::new();
        let mut after: Option<String> = None;
        loop {
            let query = RecordQuery {
                kind: RecordKind::Conflict,
                link,
                event: None,
                run: None,
                after: after.as_deref(),
                limit: PAGE,
            };
            let page = self.store.records(query).await?;
            let Some(Record::Conflict(last)) = page.last() else { return Ok(all) };
            after = Some(last.id.clone());
            all.extend(page.into_iter().filter_map(|record| match record {
                Record::Conflict(conflict) => Some(*conflict),
                Record::Quarantine(_) | Record::Run(_) | Record::Journal(_) => None,
            }));
        }
    }

    /// Answers an open conflict, whole or field by field. The next run of the link carries it out, if both sides still
    /// have what the conflict shows; gives the conflict as it is recorded now.
    ///
    /// Whoever answers last is heard: an answer that waits for the same field is replaced.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownConflict`]; [`EngineError::ConflictSettled`] when it does not wait any more;
    /// [`EngineError::NotContested`] for a field it does not ask about, or an answer without any;
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when the event is edited at this very moment: read it and answer again.
    pub async fn answer(
        &self,
        link: &LinkId,
        conflict: &str,
        answer: Answer,
    ) -> Result<ConflictRecord, EngineError> {
        let found = self.conflicts(link).await?.into_iter().find(|record| record.id == conflict);
        let unknown = || EngineError::UnknownConflict { conflict: conflict.to_owned() };
        let mut record = found.ok_or_else(unknown)?;
        if record.state != ConflictState::Open {
            return Err(EngineError::ConflictSettled { conflict: conflict.to_owned() });
        }
        let take = asked(&record, &answer)?;
        for earlier in record.answers.iter_mut().filter(|earlier| earlier.state == AnswerState::Waiting) {
            earlier.take.retain(|(field, _)| !take.iter().any(|(new, _)| new == field));
            if earlier.take.is_empty() {
                earlier.state = AnswerState::Stale;
            }
        }
        let at = self.clock.now();
        record.answers.push(ConflictAnswer { who: answer.who, at, take, state: AnswerState::Waiting });
        // Written again as it is, so that the next run looks at it. The revision keeps a run that is deciding about it
        // right now from passing over the answer.
        let state = self.store.link(link).await?.ok_or_else(unknown)?;
        let id = record.event_id.clone();
        let events = self.store.events(&state.calendar, std::slice::from_ref(&id)).await?;
        let Some(event) = events.into_iter().find(|event| event.deleted.is_none()) else {
            return Err(EngineError::ConflictSettled { conflict: conflict.to_owned() });
        };
        let expect = Expectation::Event {
            calendar: state.calendar.clone(),
            id: id.clone(),
            revision: Some(event.revision),
        };
        let writes = vec![
            Write::PutEvent { calendar: state.calendar.clone(), id, event: Box::new(event.event), at },
            Write::PutConflict(Box::new(record.clone())),
        ];
        let news = of_conflicts(&writes, &state.calendar, at).collect();
        self.store.commit(Batch { expect: vec![expect], writes, news, ..Batch::default() }).await?;
        Ok(record)
    }
}

/// The answer by field.
fn asked(record: &ConflictRecord, answer: &Answer) -> Result<Vec<(Field, Take)>, EngineError> {
    let open = || record.fields.iter().filter(|field| field.outcome == OPEN).map(|field| &field.field);
    let not_asked = |field: String| EngineError::NotContested { conflict: record.id.clone(), field };
    if let Some(field) = answer.fields.keys().find(|field| !open().any(|asked| asked == *field)) {
        return Err(not_asked(field.to_string()));
    }
    let take: Vec<(Field, Take)> = open()
        .filter_map(|field| Some((field.clone(), answer.fields.get(field).copied().or(answer.all)?)))
        .collect();
    if take.is_empty() { Err(not_asked("nothing".to_owned())) } else { Ok(take) }
}
