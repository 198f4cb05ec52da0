//! Claiming due documents of every tenant of the schema.

use std::{collections::HashMap, sync::Arc};

use async_trait::async_trait;
use calsync_core::store::{
    Backlog, Claim, ClaimRequest, Claims, DueDoc, Later, LaterDoc, LaterQuery, Result, StoreError,
    StoreErrorKind, WINDOW, take_turns,
};
use chrono::{DateTime, Utc};
use tokio_postgres::Row;

use super::{
    PostgresStore, rows,
    rows::to_micros,
    session::{Call, Param, Session},
};
use crate::codec::{last_of, limited};

const CLAIM: &str = "claim";
const NEXT_DUE: &str = "next_due";
const LATER: &str = "due_later";
const BACKLOG: &str = "backlog";

/// Claims for every tenant of the schema, whatever tenant the handle is of, in two round trips: candidates are read without
/// a lock, and those that are chosen are locked where nobody else holds them (`SKIP LOCKED`), checked once more and
/// taken by one statement.
///
/// Where row-level security binds the role of the pool, a handle claims what is its own tenant's.
#[async_trait]
impl Claims for PostgresStore {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for space in request.spaces {
            let left = request.limit - claims.len();
            if left == 0 {
                break;
            }
            let chosen = choose(self, space, &request, left).await?;
            if !chosen.is_empty() {
                claims.extend(take(self, space, &request, &chosen).await?);
            }
        }
        Ok(claims)
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let mut next: Option<DateTime<Utc>> = None;
        for &space in spaces {
            let rows = ask(self, NEXT_DUE, &self.shared.sql.next_due, vec![Box::new(space)]).await?;
            let first = rows.first().map(|row| rows::column(NEXT_DUE, row, 0)).transpose()?;
            next = next.min(first).or(next).or(first);
        }
        Ok(next)
    }

    /// The latest first.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let LaterQuery { space, than, after, limit } = query;
        let (due, tenant, key) = after
            .map_or((DateTime::<Utc>::MAX_UTC, "", ""), |after| (after.due, &*after.tenant, &*after.key));
        let params: Vec<Param<'_>> = vec![
            Box::new(space),
            Box::new(to_micros(than)),
            Box::new(to_micros(due)),
            Box::new(tenant),
            Box::new(key),
            Box::new(limited(limit)),
        ];
        let mut docs = Vec::new();
        for row in &ask(self, LATER, &self.shared.sql.due_later, params).await? {
            let tenant: String = rows::column(LATER, row, 4)?;
            let doc = rows::doc(LATER, row, space)?;
            docs.push(LaterDoc { store: Arc::new(self.tenant(&tenant)), tenant, doc });
        }
        Ok(Later { next: last_of(&docs, limit), docs })
    }

    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let sql = &self.shared.sql;
        let mut due = 0;
        for &space in spaces {
            let left = limited(limit - due);
            let params: Vec<Param<'_>> = vec![Box::new(space), Box::new(to_micros(now)), Box::new(left)];
            due += count(self, &sql.count_due, params).await?;
        }
        let writes = count(self, &sql.count_writes, vec![Box::new(limited(limit))]).await?;
        Ok(Backlog { due: Some(due), writes: Some(writes) })
    }
}

/// Claims of one tenant, for a worker that knows the links of that one only: made by [`PostgresStore::claims_of_tenant`]. Taken
/// as by the [`Claims`] of all tenants, with `SKIP LOCKED`; what is another tenant's is neither read nor counted.
#[derive(Clone, Debug)]
pub struct TenantClaims {
    store: PostgresStore,
}

impl PostgresStore {
    /// Claims of the tenant this handle is of.
    pub fn claims_of_tenant(&self) -> TenantClaims {
        TenantClaims { store: self.clone() }
    }
}

#[async_trait]
impl Claims for TenantClaims {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        let store = &self.store;
        let mut claims = Vec::new();
        if request.except.contains(&&*store.tenant) {
            return Ok(claims);
        }
        for &space in request.spaces {
            let left = request.limit - claims.len();
            if left == 0 {
                break;
            }
            let (now, left) = (to_micros(request.now), limited(left));
            let params: Vec<Param<'_>> =
                vec![Box::new(&*store.tenant), Box::new(space), Box::new(now), Box::new(left)];
            let found = ask(store, CLAIM, &store.shared.sql.due_of_tenant, params).await?;
            let chosen = found.iter().map(due).collect::<Result<Vec<_>>>()?;
            if !chosen.is_empty() {
                claims.extend(take(store, space, &request, &chosen).await?);
            }
        }
        Ok(claims)
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let store = &self.store;
        let mut next: Option<DateTime<Utc>> = None;
        for &space in spaces {
            let params: Vec<Param<'_>> = vec![Box::new(&*store.tenant), Box::new(space)];
            let rows = ask(store, NEXT_DUE, &store.shared.sql.next_due_of_tenant, params).await?;
            let first = rows.first().map(|row| rows::column(NEXT_DUE, row, 0)).transpose()?;
            next = next.min(first).or(next).or(first);
        }
        Ok(next)
    }

    /// The latest first.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let store = &self.store;
        let LaterQuery { space, than, after, limit } = query;
        let (due, key) = after.map_or((DateTime::<Utc>::MAX_UTC, ""), |after| (after.due, &*after.key));
        let params: Vec<Param<'_>> = vec![
            Box::new(&*store.tenant),
            Box::new(space),
            Box::new(to_micros(than)),
            Box::new(to_micros(due)),
            Box::new(key),
            Box::new(limited(limit)),
        ];
        let mut docs = Vec::new();
        for row in &ask(store, LATER, &store.shared.sql.due_later_of_tenant, params).await? {
            let doc = rows::doc(LATER, row, space)?;
            docs.push(LaterDoc { store: Arc::new(store.clone()), tenant: store.tenant.to_string(), doc });
        }
        Ok(Later { next: last_of(&docs, limit), docs })
    }

    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let (store, sql) = (&self.store, &self.store.shared.sql);
        let mut due = 0;
        for &space in spaces {
            let (now, left) = (to_micros(now), limited(limit - due));
            let params: Vec<Param<'_>> =
                vec![Box::new(&*store.tenant), Box::new(space), Box::new(now), Box::new(left)];
            due += count(store, &sql.count_due_of_tenant, params).await?;
        }
        let params: Vec<Param<'_>> = vec![Box::new(&*store.tenant), Box::new(limited(limit))];
        let writes = count(store, &sql.count_writes_of_tenant, params).await?;
        Ok(Backlog { due: Some(due), writes: Some(writes) })
    }
}

async fn count(store: &PostgresStore, sql: &str, params: Vec<Param<'_>>) -> Result<usize> {
    let rows = ask(store, BACKLOG, sql, params).await?;
    let count: Option<i64> = rows.first().map(|row| rows::column(BACKLOG, row, 0)).transpose()?;
    Ok(count.and_then(|count| usize::try_from(count).ok()).unwrap_or_default())
}

/// Runs one statement about all tenants.
async fn ask(
    store: &PostgresStore,
    operation: &'static str,
    sql: &str,
    params: Vec<Param<'_>>,
) -> Result<Vec<Row>> {
    let connection = store.connection(operation).await?;
    let session = Session { client: &connection, statements: Some(&connection.statement_cache) };
    let mut calls: Vec<Call<'_>> = store.tenant_setting().into_iter().collect();
    let before = calls.len();
    calls.push(Call { sql, params });
    let mut answers = store.send(operation, &session, &calls, before).await?;
    answers.pop().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, operation))
}

fn due(row: &Row) -> Result<DueDoc> {
    Ok(DueDoc {
        tenant: rows::column(CLAIM, row, 0)?,
        key: rows::column(CLAIM, row, 1)?,
        due: rows::column(CLAIM, row, 2)?,
    })
}

async fn choose(
    store: &PostgresStore,
    space: &str,
    request: &ClaimRequest<'_>,
    limit: usize,
) -> Result<Vec<DueDoc>> {
    let sql = &store.shared.sql;
    let now = to_micros(request.now);
    let params: Vec<Param<'_>> = vec![Box::new(space), Box::new(now), Box::new(limited(WINDOW))];
    let found = ask(store, CLAIM, &sql.due, params).await?;
    let mut due = found.iter().map(due).collect::<Result<Vec<_>>>()?;
    if due.len() == WINDOW {
        // More than is looked at: the first of each tenant, so that none is hidden behind another one's.
        let mut tenants: Vec<DueDoc> = Vec::new();
        let last = request.after.map(str::to_owned);
        for (start, end) in [(last.clone(), None), (None, last.clone())] {
            let mut from = start.map_or_else(String::new, after);
            while tenants.len() < limit {
                let params: Vec<Param<'_>> = vec![Box::new(space), Box::new(from.as_str()), Box::new(now)];
                let found = ask(store, CLAIM, &sql.first_due_of_tenant_from, params).await?;
                let Some(first) = found.first().map(self::due).transpose()? else { break };
                if end.as_ref().is_some_and(|end| first.tenant > *end) {
                    break;
                }
                from = after(first.tenant.clone());
                if !request.except.contains(&first.tenant.as_str()) {
                    tenants.push(first);
                }
            }
            if last.is_none() {
                break;
            }
        }
        due.retain(|doc| !tenants.contains(doc));
        due.append(&mut tenants);
    }
    due.retain(|doc| !request.except.contains(&doc.tenant.as_str()));
    Ok(take_turns(due, request.after, limit))
}

/// The first name after one: text of PostgreSQL holds no NUL.
fn after(name: String) -> String {
    name + "\u{1}"
}

async fn take(
    store: &PostgresStore,
    space: &str,
    request: &ClaimRequest<'_>,
    chosen: &[DueDoc],
) -> Result<Vec<Claim>> {
    let (tenants, keys): (Vec<&str>, Vec<&str>) =
        chosen.iter().map(|doc| (doc.tenant.as_str(), doc.key.as_str())).unzip();
    let params: Vec<Param<'_>> = vec![
        Box::new(space),
        Box::new(tenants),
        Box::new(keys),
        Box::new(to_micros(request.now)),
        Box::new(to_micros(request.until)),
    ];
    let rows = ask(store, CLAIM, &store.shared.sql.claim, params).await?;
    let mut taken = HashMap::new();
    for row in &rows {
        let doc = rows::doc(CLAIM, row, space)?;
        let tenant: String = rows::column(CLAIM, row, 4)?;
        let since = rows::column(CLAIM, row, 5)?;
        taken.insert((tenant, doc.key.clone()), (doc, since));
    }
    // In the order they were chosen in: the last one says whose turn is next.
    let claims = chosen.iter().filter_map(|wanted| {
        let (doc, since) = taken.remove(&(wanted.tenant.clone(), wanted.key.clone()))?;
        let tenant = wanted.tenant.clone();
        Some(Claim { store: Arc::new(store.tenant(&tenant)), tenant, doc, since })
    });
    Ok(claims.collect())
}
