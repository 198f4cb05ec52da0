//! Items that may be events here: what waits for a person, and the answers.

use chrono::{DateTime, Utc};

use super::{Engine, EngineError, Link};
use crate::{
    model::{EventId, LinkId, RemoteId},
    provider::Payload,
    store::{Batch, MatchAnswer, MatchQuestion, QuarantineRecord, Record, RecordKind, RecordQuery, Write},
};

/// An item that may be one of some events here. Neither side is touched until a person has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenMatch {
    /// The item.
    pub remote_id: RemoteId,
    /// Its content; the provider reads it.
    pub payload: Option<Payload>,
    /// The events it may be, the likeliest first.
    pub candidates: Vec<EventId>,
    /// What was answered and is done by the next run.
    pub answer: Option<MatchAnswer>,
    /// Since when it waits.
    pub since: DateTime<Utc>,
}

const PAGE: usize = 200;

async fn page(
    engine: &Engine,
    link: &LinkId,
    after: Option<&str>,
) -> Result<Vec<QuarantineRecord>, EngineError> {
    let query =
        RecordQuery { kind: RecordKind::Quarantine, link, event: None, run: None, after, limit: PAGE };
    let records = engine.store.records(query).await?;
    Ok(records
        .into_iter()
        .filter_map(|record| match record {
            Record::Quarantine(record) => Some(*record),
            Record::Conflict(_) | Record::Run(_) | Record::Journal(_) => None,
        })
        .collect())
}

pub(super) async fn open_matches(engine: &Engine, link: &LinkId) -> Result<Vec<OpenMatch>, EngineError> {
    let mut all = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = page(engine, link, after.as_deref()).await?;
        let Some(last) = page.last() else { return Ok(all) };
        after = Some(last.remote_id.to_string());
        all.extend(page.into_iter().filter_map(|record| {
            let MatchQuestion { candidates, answer } = record.question?;
            let QuarantineRecord { remote_id, payload, since, .. } = record;
            Some(OpenMatch { remote_id, payload, candidates, answer, since })
        }));
    }
}

pub(super) async fn answer(
    engine: &Engine,
    link: &Link,
    remote_id: &RemoteId,
    answer: MatchAnswer,
) -> Result<(), EngineError> {
    let lease = engine.exclusive(&link.id).await?;
    let result = put_answer(engine, link, remote_id, answer, &lease).await;
    // A lease that cannot be given back runs out by itself.
    let _ = engine.store.release_lease(&lease).await;
    result
}

/// Whether another item was answered to be the event.
async fn is_taken(
    engine: &Engine,
    link: &Link,
    remote_id: &RemoteId,
    event: &EventId,
) -> Result<bool, EngineError> {
    let answered = open_matches(engine, &link.id).await?;
    Ok(answered.iter().any(|other| {
        other.remote_id != *remote_id
            && matches!(&other.answer, Some(MatchAnswer::Join(joined)) if joined == event)
    }))
}

async fn put_answer(
    engine: &Engine,
    link: &Link,
    remote_id: &RemoteId,
    answer: MatchAnswer,
    lease: &crate::store::LeaseToken,
) -> Result<(), EngineError> {
    let unknown = || EngineError::UnknownMatch { link: link.id.to_string() };
    // Rows are listed after a text that is shorter by a letter.
    let mut after = remote_id.as_str().to_owned();
    after.pop();
    let mut after = Some(after);
    let mut record = loop {
        let page = page(engine, &link.id, after.as_deref()).await?;
        let last = page.last().ok_or_else(unknown)?;
        after = Some(last.remote_id.to_string());
        if let Some(record) = page.into_iter().find(|record| record.remote_id == *remote_id) {
            break record;
        }
    };
    let question = record.question.as_mut().ok_or_else(unknown)?;
    if let MatchAnswer::Join(event) = &answer
        && (!question.candidates.contains(event) || is_taken(engine, link, remote_id, event).await?)
    {
        return Err(unknown());
    }
    question.answer = Some(answer);
    let writes = vec![Write::PutQuarantine(Box::new(record))];
    engine.store.commit(Batch { lease: Some(lease.clone()), writes, ..Batch::default() }).await?;
    Ok(())
}
