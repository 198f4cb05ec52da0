//! Claiming due documents of every tenant of the file.

use std::sync::Arc;

use async_trait::async_trait;
use calsync_core::store::{
    Backlog, Claim, ClaimRequest, Claims, Doc, DueDoc, Later, LaterDoc, LaterQuery, Result, WINDOW,
    take_turns,
};
use chrono::{DateTime, Utc};
use rusqlite::{Connection, OptionalExtension, Row, TransactionBehavior, params};

use super::{
    SqliteStore,
    error::{During, unreadable},
    rows::{self, micros},
    sql,
};
use crate::codec::{last_of, limited, unsigned};

const CLAIM: &str = "claim";
const NEXT_DUE: &str = "next_due";
const LATER: &str = "due_later";
const BACKLOG: &str = "backlog";

/// A request that can go to the connection's thread.
struct Owned {
    spaces: Vec<String>,
    now: DateTime<Utc>,
    until: DateTime<Utc>,
    after: Option<String>,
    except: Vec<String>,
    limit: usize,
}

/// What was taken: the tenant, the document as it is now, and when it was due.
type Taken = (String, Doc, DateTime<Utc>);

/// Claims for every tenant of the file, whatever tenant the handle is of: what is due is chosen and taken in one
/// transaction (`BEGIN IMMEDIATE`), which is begun only when something is due.
#[async_trait]
impl Claims for SqliteStore {
    async fn claim(&self, request: ClaimRequest<'_>) -> Result<Vec<Claim>> {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
        let request = Owned {
            spaces: owned(request.spaces),
            now: request.now,
            until: request.until,
            after: request.after.map(str::to_owned),
            except: owned(request.except),
            limit: request.limit,
        };
        let taken = self.run(CLAIM, move |connection, _| claim(connection, &request)).await?;
        Ok(taken
            .into_iter()
            .map(|(tenant, doc, since)| Claim { store: Arc::new(self.tenant(&tenant)), tenant, doc, since })
            .collect())
    }

    async fn next_due(&self, spaces: &[&str]) -> Result<Option<DateTime<Utc>>> {
        let spaces: Vec<String> = spaces.iter().map(|&space| space.to_owned()).collect();
        self.run(NEXT_DUE, move |connection, _| {
            let mut next: Option<i64> = None;
            for space in &spaces {
                let first: Option<i64> = connection
                    .prepare_cached(sql::NEXT_DUE)
                    .and_then(|mut statement| statement.query_row([space], |row| row.get(0)).optional())
                    .during(NEXT_DUE)?;
                next = next.min(first).or(next).or(first);
            }
            next.map(|next| instant(NEXT_DUE, next)).transpose()
        })
        .await
    }

    /// The latest first.
    async fn due_later(&self, query: LaterQuery<'_>) -> Result<Later> {
        let (space, than, limit) = (query.space.to_owned(), micros(query.than), query.limit);
        let after = query.after.cloned();
        let found =
            self.run(LATER, move |connection, _| later(connection, &space, than, after, limit)).await?;
        let docs: Vec<LaterDoc> = found
            .into_iter()
            .map(|(tenant, doc)| LaterDoc { store: Arc::new(self.tenant(&tenant)), tenant, doc })
            .collect();
        Ok(Later { next: last_of(&docs, limit), docs })
    }

    async fn backlog(&self, spaces: &[&str], now: DateTime<Utc>, limit: usize) -> Result<Backlog> {
        let spaces: Vec<String> = spaces.iter().map(|&space| space.to_owned()).collect();
        self.run(BACKLOG, move |connection, _| {
            let count = |sql: &str, params: &[&dyn rusqlite::ToSql]| {
                let mut statement = connection.prepare_cached(sql).during(BACKLOG)?;
                let mut rows = statement.query(params).during(BACKLOG)?;
                let mut count = 0;
                while rows.next().during(BACKLOG)?.is_some() {
                    count += 1;
                }
                Ok(count)
            };
            let mut due = 0;
            for space in &spaces {
                due += count(sql::ALL_DUE, &[space, &micros(now), &limited(limit - due)])?;
            }
            let writes = count(sql::ALL_WRITES, &[&limited(limit)])?;
            Ok(Backlog { due: Some(due), writes: Some(writes) })
        })
        .await
    }
}

fn later(
    connection: &Connection,
    space: &str,
    than: i64,
    after: Option<DueDoc>,
    limit: usize,
) -> Result<Vec<(String, Doc)>> {
    let (due, tenant, key) =
        after.map_or_else(Default::default, |after| (Some(after.due), after.tenant, after.key));
    let due = due.map_or(i64::MAX, micros);
    let mut statement = connection.prepare_cached(sql::DUE_LATER).during(LATER)?;
    let mut rows = statement.query(params![space, than, due, tenant, key, limited(limit)]).during(LATER)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().during(LATER)? {
        found.push((row.get(4).during(LATER)?, rows::doc(LATER, row, space)?));
    }
    Ok(found)
}

fn instant(operation: &'static str, micros: i64) -> Result<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros).ok_or_else(|| unreadable(operation, "document", ""))
}

fn claim(connection: &mut Connection, request: &Owned) -> Result<Vec<Taken>> {
    let mut taken = Vec::new();
    for space in &request.spaces {
        let left = request.limit - taken.len();
        // Nothing is due most of the time: then no writer is kept waiting.
        if left == 0 || window(connection, space, request, 1)?.is_empty() {
            continue;
        }
        let transaction =
            connection.transaction_with_behavior(TransactionBehavior::Immediate).during(CLAIM)?;
        for chosen in choose(&transaction, space, request, left)? {
            taken.push(take(&transaction, space, request, chosen)?);
        }
        transaction.commit().during(CLAIM)?;
    }
    Ok(taken)
}

/// What is due of all tenants, the longest overdue first.
fn window(connection: &Connection, space: &str, request: &Owned, limit: usize) -> Result<Vec<DueDoc>> {
    connection
        .prepare_cached(sql::DUE)
        .and_then(|mut statement| {
            let params = params![space, micros(request.now), limited(limit)];
            statement.query_map(params, due)?.collect::<rusqlite::Result<Vec<_>>>()
        })
        .during(CLAIM)?
        .into_iter()
        .map(readable)
        .collect()
}

fn due(row: &Row<'_>) -> rusqlite::Result<(String, String, i64)> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?))
}

fn readable((tenant, key, due): (String, String, i64)) -> Result<DueDoc> {
    Ok(DueDoc { tenant, key, due: instant(CLAIM, due)? })
}

fn choose(connection: &Connection, space: &str, request: &Owned, limit: usize) -> Result<Vec<DueDoc>> {
    let mut due = window(connection, space, request, WINDOW)?;
    if due.len() == WINDOW {
        // More than is looked at: the first of each tenant, so that none is hidden behind another one's.
        let mut tenants = Vec::new();
        for (start, end) in [(request.after.clone(), None), (None, request.after.clone())] {
            let mut after = start;
            while tenants.len() < limit
                && let Some(first) = first_of_next_tenant(connection, space, request, after.as_deref())?
                && end.as_ref().is_none_or(|end| first.tenant <= *end)
            {
                after = Some(first.tenant.clone());
                if !request.except.contains(&first.tenant) {
                    tenants.push(first);
                }
            }
            if request.after.is_none() {
                break;
            }
        }
        due.retain(|doc| !tenants.contains(doc));
        due.append(&mut tenants);
    }
    due.retain(|doc| !request.except.contains(&doc.tenant));
    Ok(take_turns(due, request.after.as_deref(), limit))
}

fn first_of_next_tenant(
    connection: &Connection,
    space: &str,
    request: &Owned,
    after: Option<&str>,
) -> Result<Option<DueDoc>> {
    connection
        .prepare_cached(sql::DUE_OF_NEXT_TENANT)
        .and_then(|mut statement| {
            statement.query_row(params![space, after, micros(request.now)], due).optional()
        })
        .during(CLAIM)?
        .map(readable)
        .transpose()
}

fn take(connection: &Connection, space: &str, request: &Owned, chosen: DueDoc) -> Result<Taken> {
    let version: i64 = connection
        .prepare_cached(sql::NEXT_DOC_VERSION)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .during(CLAIM)?;
    let value = connection
        .prepare_cached(
            "UPDATE docs SET due = ?4, version = ?5 WHERE tenant = ?1 AND space = ?2 AND key = ?3 RETURNING value",
        )
        .and_then(|mut statement| {
            let params = params![chosen.tenant, space, chosen.key, micros(request.until), version];
            statement.query_row(params, |row| row.get(0))
        })
        .during(CLAIM)?;
    let doc = Doc {
        space: space.to_owned(),
        key: chosen.key,
        value,
        version: unsigned(version),
        due: Some(instant(CLAIM, micros(request.until))?),
    };
    Ok((chosen.tenant, doc, chosen.due))
}
