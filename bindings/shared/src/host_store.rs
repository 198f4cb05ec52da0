//! A store written in the host's language.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use calsync_core::{
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId, Version},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseEnd,
        LeaseGrant, LeaseRequest, LeaseToken, LinkState, Opened, Opening, OutboxEntry, OutboxId, Pairs,
        Record, RecordKind, RecordQuery, Result, Revision, Store, StoreError, StoreErrorKind, Waiting,
        open_by_reads, pairs_by_reads, waiting_by_reads,
    },
};
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{
    args::InOneCall,
    host::{Calling, HostFailure, ask},
    rows::{self, DocRow, OpenedRow, PairsRow, WaitingRow},
};

/// Rows of one call: it crosses the border of a language, which costs more than they do.
const ROWS: usize = 1_000;

/// Passes every call on to the host of its call, else to that of the call that is being carried out.
#[derive(Clone)]
pub(crate) struct HostStore {
    call: Option<Arc<Calling>>,
    in_one_call: BTreeSet<InOneCall>,
}

impl HostStore {
    /// The store of the host of `call`, whoever calls, else that of each caller. It has these methods beside the single reads.
    pub(crate) fn new(call: Option<Arc<Calling>>, in_one_call: BTreeSet<InOneCall>) -> Self {
        Self { call, in_one_call }
    }

    async fn get<T: DeserializeOwned>(&self, method: &'static str, args: Value) -> Result<T> {
        ask(self.call.clone(), method, args).await.map_err(|failure| error(method, failure))
    }
}

/// The methods, as they are named in errors.
#[cfg(feature = "testing")]
pub(crate) const METHODS: &[&str] = &[
    "calendars",
    "events",
    "events_by_uid",
    "events_since",
    "link",
    "bases",
    "base_summaries",
    "outbox",
    "records",
    "docs",
    "commit",
    "acquire_lease",
    "release_lease",
];

#[derive(Deserialize)]
struct SummaryRow {
    remote_id: RemoteId,
    event_id: EventId,
    version: Option<Version>,
}

#[derive(Deserialize)]
struct ReceiptRow {
    revisions: Vec<(CalendarId, EventId, Revision)>,
    #[serde(default)]
    doc_versions: Vec<u64>,
    #[serde(default)]
    purged: Vec<usize>,
    /// Nothing from a host that knows no limit.
    #[serde(default)]
    forgotten: Vec<usize>,
    /// `given-back` from a host that gave the lease back with the batch.
    #[serde(default)]
    lease_end: Option<String>,
}

#[derive(Deserialize)]
struct GrantRow {
    #[serde(default)]
    token: Option<LeaseToken>,
    #[serde(default)]
    held_until: Option<DateTime<Utc>>,
}

fn error(method: &'static str, failure: HostFailure) -> StoreError {
    let kind = match failure.kind.as_str() {
        "conflict" => StoreErrorKind::Conflict { expectation: failure.expectation },
        "fenced" => StoreErrorKind::Fenced,
        "unavailable" => StoreErrorKind::Unavailable,
        "full" => StoreErrorKind::Full,
        "corrupt" => StoreErrorKind::Corrupt,
        "invalid-input" => StoreErrorKind::InvalidInput,
        _ => return StoreError::backend(method, failure),
    };
    StoreError::new(kind, method)
}

/// What the host is told of a lease it is asked for.
fn lease_args(method: &'static str, lease: LeaseRequest<'_>) -> Result<Value> {
    let LeaseRequest { name, holder, now, ttl } = lease;
    let until = now.checked_add_signed(ttl).filter(|_| ttl > TimeDelta::zero());
    let until = until.ok_or_else(|| StoreError::new(StoreErrorKind::InvalidInput, method))?;
    Ok(json!({ "name": name, "holder": holder, "now": now, "until": until }))
}

fn wrong(method: &'static str, expected: &str) -> StoreError {
    error(method, HostFailure::new(method, "wrong-type", format!("expected {expected}")))
}

#[async_trait]
impl Store for HostStore {
    fn rows_at_once(&self) -> usize {
        ROWS
    }

    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.get("store.calendars", json!({})).await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.get("store.events", json!({ "calendar": calendar, "ids": ids })).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.get("store.events_by_uid", json!({ "calendar": calendar, "uids": uids })).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.get("store.events_since", json!({ "calendar": calendar, "after": after, "limit": limit })).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.get("store.link", json!({ "link": link })).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        let args = match query {
            BaseQuery::Remote(ids) => json!({ "link": link, "by": "remote", "ids": ids }),
            BaseQuery::Events(ids) => json!({ "link": link, "by": "event", "ids": ids }),
        };
        self.get("store.bases", args).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        let args = json!({ "link": link, "after": after, "limit": limit });
        let rows: Vec<SummaryRow> = self.get("store.base_summaries", args).await?;
        let summary = |row: SummaryRow| BaseSummary {
            remote_id: row.remote_id,
            event_id: row.event_id,
            version: row.version,
        };
        Ok(rows.into_iter().map(summary).collect())
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.get("store.outbox", json!({ "link": link, "after": after, "limit": limit })).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        const METHOD: &str = "store.records";
        let args = json!({
            "kind": rows::kind_name(query.kind),
            "link": query.link,
            "event": query.event,
            "run": query.run,
            "after": query.after,
            "limit": query.limit,
        });
        fn each<T>(rows: Vec<T>, make: impl Fn(Box<T>) -> Record) -> Vec<Record> {
            rows.into_iter().map(|row| make(Box::new(row))).collect()
        }
        Ok(match query.kind {
            RecordKind::Conflict => each(self.get(METHOD, args).await?, Record::Conflict),
            RecordKind::Quarantine => each(self.get(METHOD, args).await?, Record::Quarantine),
            RecordKind::Run => each(self.get(METHOD, args).await?, Record::Run),
            RecordKind::Journal => each(self.get(METHOD, args).await?, Record::Journal),
        })
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        const METHOD: &str = "store.docs";
        let mut args = json!({ "space": space, "keys": null, "after": null, "due": null, "limit": null });
        match query {
            DocQuery::Keys(keys) => args["keys"] = json!(keys),
            DocQuery::Page { after, limit } => {
                args["after"] = json!(after);
                args["limit"] = json!(limit);
            }
            DocQuery::Due { at, limit } => {
                args["due"] = json!(at);
                args["limit"] = json!(limit);
            }
        }
        let rows: Vec<DocRow> = self.get(METHOD, args).await?;
        rows.into_iter().map(|row| row.doc().ok_or_else(|| wrong(METHOD, "a value in base64"))).collect()
    }

    async fn open(&self, opening: Opening<'_>) -> Result<Opened> {
        const METHOD: &str = "store.open_link";
        if !self.in_one_call.contains(&InOneCall::OpenLink) {
            return open_by_reads(self, opening).await;
        }
        let Opening { lease, link, calendar, limit } = opening;
        let asks = lease.is_some();
        let lease = lease.map(|lease| lease_args(METHOD, lease)).transpose()?;
        let args = json!({ "lease": lease, "link": link, "calendar": calendar, "limit": limit });
        let opened: OpenedRow = self.get(METHOD, args).await?;
        opened.opened(asks, limit).ok_or_else(|| wrong(METHOD, "a token, and all of a link"))
    }

    async fn pairs(&self, link: &LinkId, calendar: &CalendarId, items: &[RemoteId]) -> Result<Pairs> {
        if !self.in_one_call.contains(&InOneCall::Pairs) {
            return pairs_by_reads(self, link, calendar, items).await;
        }
        let args = json!({ "link": link, "calendar": calendar, "items": items });
        let PairsRow { bases, events } = self.get("store.pairs", args).await?;
        Ok(Pairs { bases, events })
    }

    async fn waiting(&self, link: &LinkId, after: Option<&OutboxId>, limit: usize) -> Result<Waiting> {
        if !self.in_one_call.contains(&InOneCall::Waiting) {
            return waiting_by_reads(self, link, after, limit).await;
        }
        let args = json!({ "link": link, "after": after, "limit": limit });
        let found: WaitingRow = self.get("store.waiting", args).await?;
        Ok(found.waiting())
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        let ending = batch.lease.clone().filter(|_| batch.lease_end == LeaseEnd::GivenBack);
        let receipt: ReceiptRow = self.get("store.commit", json!({ "batch": rows::batch(batch) })).await?;
        if let Some(token) = ending.filter(|_| receipt.lease_end.as_deref() != Some("given-back")) {
            // A host that does not say so gives it back when it is asked to. It is done in any case: the batch is written,
            // and a lease nobody could give back runs out.
            let _ = self.release_lease(&token).await;
        }
        Ok(CommitReceipt {
            revisions: receipt.revisions,
            doc_versions: receipt.doc_versions,
            purged: receipt.purged,
            forgotten: receipt.forgotten,
        })
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        const METHOD: &str = "store.acquire_lease";
        let args = lease_args(METHOD, LeaseRequest { name, holder, now, ttl })?;
        let grant: GrantRow = self.get(METHOD, args).await?;
        match grant {
            GrantRow { token: Some(token), .. } => Ok(LeaseGrant::Granted(token)),
            GrantRow { held_until: Some(until), .. } => Ok(LeaseGrant::Held { until }),
            GrantRow { .. } => Err(wrong(METHOD, "token or held_until")),
        }
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.get::<Value>("store.release_lease", json!({ "token": token })).await.map(|_| ())
    }
}
