//! The PostgreSQL store keeps every guarantee of the store trait: with a schema of its own, as one tenant among others,
//! inside transactions of the host, and with a zone set for the session.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use async_trait::async_trait;
use calsync_core::{
    feed::{Bell, EventSeq, FeedPage},
    model::{Calendar, CalendarId, EventId, LinkId, RemoteId},
    store::{
        BaseQuery, BaseRecord, BaseSummary, Batch, CommitReceipt, Doc, DocQuery, EventRecord, LeaseGrant,
        LeaseToken, LinkState, OutboxEntry, OutboxId, Record, RecordQuery, Result, Revision, Store,
    },
};
use chrono::{DateTime, TimeDelta, Utc};

use calsync_stores::postgres::{
    PostgresConfig, PostgresStore,
    deadpool_postgres::{Manager, Pool, Runtime, tokio_postgres},
};

/// A name no other test of any process has.
pub(crate) fn unique(prefix: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) async fn store(config: PostgresConfig) -> PostgresStore {
    PostgresStore::connect(&calsync_testkit::postgres::url(), config).await.expect("the store is opened")
}

mod own_schema {
    use super::*;

    async fn fresh() -> PostgresStore {
        store(PostgresConfig::default().with_schema(unique("own"))).await
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}

/// One schema for all its tests, each being a tenant of its own.
mod one_of_many_tenants {
    use super::*;

    async fn fresh() -> PostgresStore {
        let schema = format!("shared_{}", std::process::id());
        store(PostgresConfig::default().with_schema(schema).with_max_connections(4))
            .await
            .tenant(&unique("tenant"))
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);

    async fn tenants() -> impl Fn(&str) -> PostgresStore {
        let store = store(PostgresConfig::default().with_schema(unique("tenants"))).await;
        move |name| store.tenant(name)
    }

    calsync_testkit::tenant_conformance!(tenants);
    calsync_testkit::tenant_feed_conformance!(tenants);

    async fn claims() -> (Arc<PostgresStore>, impl Fn(&str) -> Arc<dyn Store>) {
        let store = store(PostgresConfig::default().with_schema(unique("claims"))).await;
        (Arc::new(store.clone()), move |name| Arc::new(store.tenant(name)))
    }

    calsync_testkit::claims_conformance!(claims);
}

/// A host's pool: its sessions live in another zone, look for tables elsewhere and begin serializable transactions,
/// and every commit is made inside one of its own transactions.
struct InHostsTransaction {
    pool: Pool,
    store: PostgresStore,
}

/// A pool as a host may have it.
pub(crate) fn hosts_pool(settings: &str) -> Pool {
    let mut config: tokio_postgres::Config = calsync_testkit::postgres::url().parse().expect("a URL");
    config.options(settings);
    let manager = Manager::new(config, tokio_postgres::NoTls);
    Pool::builder(manager).max_size(4).runtime(Runtime::Tokio1).build().expect("a pool")
}

#[async_trait]
impl Store for InHostsTransaction {
    async fn calendars(&self) -> Result<Vec<Calendar>> {
        self.store.calendars().await
    }

    async fn events(&self, calendar: &CalendarId, ids: &[EventId]) -> Result<Vec<EventRecord>> {
        self.store.events(calendar, ids).await
    }

    async fn events_by_uid(&self, calendar: &CalendarId, uids: &[&str]) -> Result<Vec<EventRecord>> {
        self.store.events_by_uid(calendar, uids).await
    }

    async fn events_since(
        &self,
        calendar: &CalendarId,
        after: Revision,
        limit: usize,
    ) -> Result<Vec<EventRecord>> {
        self.store.events_since(calendar, after, limit).await
    }

    async fn link(&self, link: &LinkId) -> Result<Option<LinkState>> {
        self.store.link(link).await
    }

    async fn bases(&self, link: &LinkId, query: BaseQuery<'_>) -> Result<Vec<BaseRecord>> {
        self.store.bases(link, query).await
    }

    async fn base_summaries(
        &self,
        link: &LinkId,
        after: Option<&RemoteId>,
        limit: usize,
    ) -> Result<Vec<BaseSummary>> {
        self.store.base_summaries(link, after, limit).await
    }

    async fn outbox(
        &self,
        link: &LinkId,
        after: Option<&OutboxId>,
        limit: usize,
    ) -> Result<Vec<OutboxEntry>> {
        self.store.outbox(link, after, limit).await
    }

    async fn records(&self, query: RecordQuery<'_>) -> Result<Vec<Record>> {
        self.store.records(query).await
    }

    async fn docs(&self, space: &str, query: DocQuery<'_>) -> Result<Vec<Doc>> {
        self.store.docs(space, query).await
    }

    /// Commits whatever the batch left: a refused one must have taken back what it did.
    async fn feed(&self, calendar: &CalendarId, after: EventSeq, limit: usize) -> Result<FeedPage> {
        self.store.feed(calendar, after, limit).await
    }

    async fn forget_feed(&self, calendar: &CalendarId, before: DateTime<Utc>, limit: usize) -> Result<usize> {
        self.store.forget_feed(calendar, before, limit).await
    }

    fn bell(&self) -> Option<Bell> {
        // What is committed in the host's transaction rings for nobody.
        None
    }

    async fn commit(&self, batch: Batch) -> Result<CommitReceipt> {
        let mut connection = self.pool.get().await.expect("a connection");
        let read_committed = tokio_postgres::IsolationLevel::ReadCommitted;
        let transaction =
            connection.build_transaction().isolation_level(read_committed).start().await.unwrap();
        let done = self.store.commit_in(&transaction, batch).await;
        transaction.commit().await.expect("the host's transaction is usable");
        done
    }

    async fn acquire_lease(
        &self,
        name: &str,
        holder: &str,
        now: DateTime<Utc>,
        ttl: TimeDelta,
    ) -> Result<LeaseGrant> {
        self.store.acquire_lease(name, holder, now, ttl).await
    }

    async fn release_lease(&self, token: &LeaseToken) -> Result<()> {
        self.store.release_lease(token).await
    }
}

mod in_the_hosts_transaction {
    use super::*;

    async fn fresh() -> InHostsTransaction {
        let pool = hosts_pool(
            "-c timezone=America/Chicago -c search_path=elsewhere -c default_transaction_isolation=serializable",
        );
        let config = PostgresConfig::default().with_schema(unique("host"));
        let store = PostgresStore::with_pool(pool.clone(), config).await.expect("the store is opened");
        InHostsTransaction { pool, store }
    }

    calsync_testkit::store_conformance!(fresh);
    calsync_testkit::feed_conformance!(fresh);
}

/// A worker that knows one tenant only takes, reads and counts nothing of another, in whatever order its own fall due.
#[tokio::test]
async fn claims_of_a_tenant_leave_the_others_alone() {
    use calsync_core::store::{Batch, ClaimRequest, Claims, Doc, LaterQuery, Store, Write};
    use calsync_testkit::store_conformance::sample::{at, put_outbox};

    let all = store(PostgresConfig::default().with_schema(unique("own"))).await;
    for tenant in ["a", "b"] {
        let docs = [("one", 0), ("two", 1), ("later", 4_000), ("latest", 5_000)];
        let mut writes: Vec<Write> =
            docs.map(|(key, due)| Write::PutDoc(Doc::new("s", key, tenant).with_due(Some(at(due))))).to_vec();
        writes.push(put_outbox(&"l".into(), "o", "e"));
        all.tenant(tenant).commit(Batch { writes, ..Batch::default() }).await.unwrap();
    }
    let of_all = all.backlog(&["s", "t"], at(2), 9).await.unwrap();
    assert_eq!((of_all.due, of_all.writes), (Some(4), Some(2)));
    let claims = all.tenant("a").claims_of_tenant();
    let request =
        ClaimRequest { spaces: &["s", "t"], now: at(2), until: at(12), after: None, except: &[], limit: 9 };
    let waits = claims.backlog(request.spaces, at(2), 9).await.unwrap();
    assert_eq!((waits.due, waits.writes), (Some(2), Some(1)));
    assert_eq!(claims.backlog(request.spaces, at(2), 1).await.unwrap().due, Some(1));
    assert_eq!(claims.next_due(request.spaces).await.unwrap(), Some(at(0)));
    let walk = async |after| {
        claims.due_later(LaterQuery { space: "s", than: at(100), after, limit: 1 }).await.unwrap()
    };
    let first = walk(None).await;
    assert_eq!((first.docs[0].doc.key.as_str(), first.docs[0].tenant.as_str()), ("latest", "a"));
    let second = walk(first.next.as_ref()).await;
    assert_eq!(second.docs[0].doc.key, "later");
    assert!(walk(second.next.as_ref()).await.docs.is_empty());

    assert!(claims.claim(ClaimRequest { except: &["a"], ..request }).await.unwrap().is_empty());
    let taken = claims.claim(request).await.unwrap();
    let names: Vec<_> = taken.iter().map(|claim| (&*claim.tenant, &*claim.doc.key, claim.since)).collect();
    assert_eq!(names, [("a", "one", at(0)), ("a", "two", at(1))]);
    assert_eq!(taken[0].doc.value, b"a");
    assert!(claims.claim(request).await.unwrap().is_empty(), "until the claim ends");
    let other = all.tenant("b").claims_of_tenant();
    assert_eq!(other.claim(request).await.unwrap().len(), 2, "nobody took them");
}
