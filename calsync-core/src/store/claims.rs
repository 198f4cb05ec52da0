//! Taking documents that are due, across tenants.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{Batch, Doc, DocQuery, Expectation, Result, Store, StoreError, StoreErrorKind, Write};

/// How many due documents a store looks at before it walks from tenant to tenant instead: fairness costs the same however
/// much is overdue.
pub const WINDOW: usize = 256;

/// Which due documents to take.
#[derive(Clone, Copy, Debug)]
pub struct ClaimRequest<'a> {
    /// The spaces to look in: what is due in the first goes before what is due in the second.
    pub spaces: &'a [&'a str],
    /// What is due at this time, or was before.
    pub now: DateTime<Utc>,
    /// The end of the claim: when what was taken is due again, unless it is prolonged or finished.
    pub until: DateTime<Utc>,
    /// The tenant that was served last: those after it come first.
    pub after: Option<&'a str>,
    /// Tenants that get nothing this time.
    pub except: &'a [&'a str],
    /// At most so many.
    pub limit: usize,
}

/// A document that was taken. Its [`Doc::version`] is the proof: finishing and prolonging expect it, and fail with
/// [`StoreErrorKind::Conflict`] when somebody else has written the document since.
#[derive(Clone)]
pub struct Claim {
    /// Whose it is.
    pub tenant: String,
    /// That tenant's store.
    pub store: Arc<dyn Store>,
    /// The document, as it is now: due at the end of the claim.
    pub doc: Doc,
    /// When it was due.
    pub since: DateTime<Utc>,
}

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Claim")
            .field("tenant", &self.tenant)
            .field("doc", &self.doc)
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// A page of a walk through what is due later than a time.
#[derive(Clone, Copy, Debug)]
pub struct LaterQuery<'a> {
    /// The space.
    pub space: &'a str,
    /// Documents that are due after this time.
    pub than: DateTime<Utc>,
    /// Where the page before ended: its [`Later::next`].
    pub after: Option<&'a DueDoc>,
    /// At most so many are looked at.
    pub limit: usize,
}

/// What a page of a walk met.
#[derive(Clone, Debug, Default)]
pub struct Later {
    /// Some that are due later; there may be none, and still be more to walk.
    pub docs: Vec<LaterDoc>,
    /// Where to go on. `None`: it has come to the end.
    pub next: Option<DueDoc>,
}

/// A document that is due later. Nobody took it.
#[derive(Clone)]
pub struct LaterDoc {
    /// Whose it is.
    pub tenant: String,
    /// That tenant's store.
    pub store: Arc<dyn Store>,
    /// The document.
    pub doc: Doc,
}

impl fmt::Debug for LaterDoc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaterDoc")
            .field("tenant", &self.tenant)
            .field("doc", &self.doc)
            .finish_non_exhaustive()
    }
}

/// How much waits, each counted up to a limit: as many as it means that many or more. `None`: it is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Documents that are due and that nobody has claimed.
    pub due: Option<usize>,
    /// Entries of outboxes: writes that the other side has not confirmed, also those that are refused for good.
    pub writes: Option<usize>,
}

/// Takes due documents of every tenant of a database, for workers that serve them all.
///
/// # Guarantees
///
/// Each is checked by the case of `claims_conformance!` (`calsync-testkit`) that is named with it.
///
/// 1. **Once**: of workers that claim at the same moment, one gets a document (`one_of_concurrent_workers_claims`). It gets
///    a new version and is due at the end of the claim, so nobody else gets it before
///    (`claimed_docs_are_due_when_the_claim_ends`).
/// 2. **Fenced**: after somebody else claimed a document, what the first one expects does not hold any more
///    (`late_claimer_is_refused`).
/// 3. **In order**: the first space is served before the second, and a tenant's documents by when they were due
///    (`spaces_are_served_in_order`).
/// 4. **Fair**: each tenant gets its first document before any gets its second, beginning after
///    [`ClaimRequest::after`] in the order of names (`tenants_take_turns`), however much is due
///    (`flood_of_one_tenant_delays_no_other`).
/// 5. **Exact**: values, keys and tenants come back as they were written (`claims_round_trip`); what is not due, or of an
///    excepted tenant, stays (`what_is_not_due_stays`).
/// 6. **Whole walks**: a walk through what is due later meets each such document once that nobody writes meanwhile, and
///    none that is due sooner (`walk_meets_what_is_due_later`).
/// 7. **Bounded counts**: what waits is counted up to a limit, or not at all (`backlog_is_counted_up_to_a_limit`).
#[async_trait]
pub trait Claims: Send + Sync {
    /// Takes what is due. A claim that collides with another worker's may get fewer than there are: when it got any, ask
    /// again.
    ///
    /// # Errors
    ///
    /// When the store fails. What was taken then falls due again at the end of the claim.
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>>;

    /// When the next document of these spaces is due, of any tenant; it may have been before. `None`: none is.
    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>>;

    /// A page of a walk through the documents of all tenants that are due later than a time, in an order of the store's own:
    /// the latest first, where it has an index for that. Takes nothing.
    ///
    /// A worker finds by it what clocks ahead of its own left behind. As it stands here it finds nothing: that is then left
    /// until its time comes.
    ///
    /// # Errors
    ///
    /// When the store fails.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let _ = query;
        Ok(Later::default())
    }

    /// How much of these spaces is due at a time, and how many writes wait, of all tenants it claims for: what an index tells
    /// within `limit` of its rows. As it stands here nothing is counted.
    ///
    /// # Errors
    ///
    /// When the store fails.
    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let _ = (spaces, now, limit);
        Ok(Backlog::default())
    }
}

/// Tells a worker that something may be due sooner than it thought, so that it need not ask again and again.
#[async_trait]
pub trait Wakes: Send + Sync {
    /// Returns when something may be due. It may return for nothing, and it may miss something: the worker looks once in a
    /// while anyway. Dropping the future loses at most one wake-up.
    async fn woken(&self);
}

/// A due document, for choosing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueDoc {
    /// Whose it is.
    pub tenant: String,
    /// Its key.
    pub key: String,
    /// When it was due.
    pub due: DateTime<Utc>,
}

/// Which of the due documents of one space are taken: turn by turn through the tenants, beginning after `after`, each
/// giving its longest overdue one first. For stores that implement [`Claims`].
pub fn take_turns(mut due: Vec<DueDoc>, after: Option<&str>, limit: usize) -> Vec<DueDoc> {
    due.sort_by(|one, two| (&one.due, &one.key).cmp(&(&two.due, &two.key)));
    let mut tenants: BTreeMap<(bool, String), Vec<DueDoc>> = BTreeMap::new();
    for doc in due {
        let served = after.is_some_and(|after| doc.tenant.as_str() <= after);
        tenants.entry((served, doc.tenant.clone())).or_default().push(doc);
    }
    let mut waiting: Vec<_> = tenants.into_values().map(Vec::into_iter).collect();
    let mut taken = Vec::new();
    while !waiting.is_empty() {
        waiting.retain_mut(|docs| {
            if taken.len() == limit {
                return false;
            }
            docs.next().is_some_and(|doc| {
                taken.push(doc);
                true
            })
        });
    }
    taken
}

/// [`Claims`] over any stores, one per tenant: for a host's own store, and for stores in memory.
///
/// One read per tenant and space, and one commit per document: meant for a few tenants. SQLite and PostgreSQL claim for all
/// tenants at once.
#[derive(Clone, Default)]
pub struct StoreClaims {
    tenants: BTreeMap<String, Arc<dyn Store>>,
}

impl StoreClaims {
    /// Claims of one tenant, named `""`.
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self::default().with_tenant("", store)
    }

    /// Adds a tenant, or gives it another store.
    #[must_use]
    pub fn with_tenant(mut self, name: impl Into<String>, store: Arc<dyn Store>) -> Self {
        self.tenants.insert(name.into(), store);
        self
    }

    async fn take(&self, space: &str, chosen: &DueDoc, request: &ClaimRequest<'_>) -> Result<Option<Claim>> {
        let Some(store) = self.tenants.get(&chosen.tenant) else { return Ok(None) };
        let found = store.docs(space, DocQuery::Keys(&[&chosen.key])).await?;
        let Some(mut doc) = found.into_iter().find(|doc| doc.due.is_some_and(|due| due <= request.now))
        else {
            return Ok(None);
        };
        let expect = vec![Expectation::Doc {
            space: space.to_owned(),
            key: doc.key.clone(),
            version: Some(doc.version),
        }];
        doc.due = Some(request.until);
        let writes = vec![Write::PutDoc(doc.clone())];
        match store.commit(Batch { expect, writes, ..Batch::default() }).await {
            Ok(receipt) => {
                let Some(version) = receipt.doc_versions.first() else {
                    return Err(StoreError::new(StoreErrorKind::Backend, "claim"));
                };
                doc.version = *version;
                Ok(Some(Claim {
                    tenant: chosen.tenant.clone(),
                    store: Arc::clone(store),
                    doc,
                    since: chosen.due,
                }))
            }
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl fmt::Debug for StoreClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreClaims").field("tenants", &self.tenants.len()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Claims for StoreClaims {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for space in request.spaces {
            let mut due = Vec::new();
            for (tenant, store) in &self.tenants {
                if request.except.contains(&tenant.as_str()) {
                    continue;
                }
                let query = DocQuery::Due { at: request.now, limit: request.limit };
                due.extend(
                    store.docs(space, query).await?.into_iter().filter_map(|doc| {
                        Some(DueDoc { tenant: tenant.clone(), due: doc.due?, key: doc.key })
                    }),
                );
            }
            for chosen in take_turns(due, request.after, request.limit - claims.len()) {
                claims.extend(self.take(space, &chosen, &request).await?);
            }
            if claims.len() >= request.limit {
                break;
            }
        }
        Ok(claims)
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let mut next: Option<DateTime<Utc>> = None;
        for space in spaces {
            for store in self.tenants.values() {
                let first = DocQuery::Due { at: DateTime::<Utc>::MAX_UTC, limit: 1 };
                for doc in store.docs(space, first).await? {
                    next = next.min(doc.due).or(next).or(doc.due);
                }
            }
        }
        Ok(next)
    }

    /// By key, tenant by tenant: a store has no order the other way round. The limit counts what is read.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let mut later = Later::default();
        let mut left = query.limit;
        let passed = |tenant: &str| query.after.is_some_and(|after| tenant < after.tenant.as_str());
        for (tenant, store) in self.tenants.iter().filter(|(tenant, _)| !passed(tenant)) {
            if left == 0 {
                break;
            }
            let after = query.after.filter(|after| after.tenant == *tenant).map(|after| after.key.as_str());
            let page = store.docs(query.space, DocQuery::Page { after, limit: left }).await?;
            left = left.saturating_sub(page.len());
            if left == 0
                && let Some(last) = page.last()
            {
                let due = last.due.unwrap_or(query.than);
                later.next = Some(DueDoc { tenant: tenant.clone(), key: last.key.clone(), due });
            }
            later.docs.extend(
                page.into_iter()
                    .filter(|doc| doc.due.is_some_and(|due| due > query.than))
                    .map(|doc| LaterDoc { tenant: tenant.clone(), store: Arc::clone(store), doc }),
            );
        }
        Ok(later)
    }

    /// What is due is read to be counted. A store has no list of all its links, so their writes are not counted.
    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let mut due = 0;
        for space in spaces {
            for store in self.tenants.values() {
                if due >= limit {
                    break;
                }
                due += store.docs(space, DocQuery::Due { at: now, limit: limit - due }).await?.len();
            }
        }
        Ok(Backlog { due: Some(due), writes: None })
    }
}
