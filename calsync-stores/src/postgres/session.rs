//! A connection with its prepared statements, and how many of them are sent at once.

use std::{future::Future, pin::Pin, task::Poll};

use calsync_core::store::Result;
use deadpool_postgres::{Object, StatementCache};
use tokio_postgres::{Client, Error, Row, Statement, types::ToSql};

use super::error::During;

/// A parameter of a statement.
pub(super) type Param<'a> = Box<dyn ToSql + Sync + Send + 'a>;

/// A statement with its parameters.
pub(super) struct Call<'a> {
    pub(super) sql: &'a str,
    pub(super) params: Vec<Param<'a>>,
}

impl<'a> Call<'a> {
    /// A statement without parameters.
    pub(super) fn bare(sql: &'a str) -> Self {
        Self { sql, params: Vec::new() }
    }
}

/// A connection to send calls on.
pub(super) struct Session<'a> {
    pub(super) client: &'a Client,
    /// `None` on a connection of the host's: what is prepared there is prepared for one commit.
    pub(super) statements: Option<&'a StatementCache>,
}

impl Session<'_> {
    async fn prepare(&self, sql: &str) -> std::result::Result<Statement, Error> {
        match self.statements {
            Some(cache) => cache.prepare(self.client, sql).await,
            None => self.client.prepare(sql).await,
        }
    }

    /// Sends all calls before it waits for the first answer, so that together they cost one round trip; answers in
    /// the order of the calls.
    ///
    /// A call that cannot even be sent ends the list: those after it, above all a `COMMIT`, are not sent, and have no
    /// answer.
    ///
    /// # Errors
    ///
    /// When a statement cannot be prepared; then nothing was sent.
    pub(super) async fn pipeline(
        &self,
        operation: &'static str,
        calls: &[Call<'_>],
    ) -> Result<Vec<std::result::Result<Vec<Row>, Error>>> {
        let mut statements = Vec::with_capacity(calls.len());
        for call in calls {
            statements.push(self.prepare(call.sql).await.during(operation)?);
        }
        let params: Vec<Vec<&(dyn ToSql + Sync)>> = calls
            .iter()
            .map(|call| call.params.iter().map(|param| &**param as &(dyn ToSql + Sync)).collect())
            .collect();
        let waiting = statements.iter().zip(&params).map(|(statement, params)| {
            let call = self.client.query(statement, params);
            Box::pin(call) as Waiting<'_, _, _>
        });
        Ok(in_order(waiting.collect()).await)
    }
}

/// A call that was or will be sent.
type Waiting<'a, T, E> = Pin<Box<dyn Future<Output = std::result::Result<T, E>> + Send + 'a>>;

/// Polls futures in their order until all have ended. One that fails when it is first polled ends the list.
pub(super) async fn in_order<T, E>(mut waiting: Vec<Waiting<'_, T, E>>) -> Vec<std::result::Result<T, E>> {
    let mut answers: Vec<Option<std::result::Result<T, E>>> = waiting.iter().map(|_| None).collect();
    let mut started = false;
    std::future::poll_fn(|context| {
        for index in 0..waiting.len() {
            if answers[index].is_none()
                && let Poll::Ready(answer) = waiting[index].as_mut().poll(context)
            {
                let failed = answer.is_err();
                answers[index] = Some(answer);
                if failed && !started {
                    waiting.truncate(index + 1);
                    answers.truncate(index + 1);
                    break;
                }
            }
        }
        started = true;
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

/// A pooled connection inside a transaction. When it is dropped there, because the call's future was, it does not go
/// back to the pool but is closed, which ends the transaction.
pub(super) struct InTransaction(Option<Object>);

impl InTransaction {
    pub(super) fn new(connection: Object) -> Self {
        Self(Some(connection))
    }

    /// The connection; `None` never happens before [`InTransaction::ended`].
    pub(super) fn connection(&self) -> Option<&Object> {
        self.0.as_ref()
    }

    /// The transaction has ended, one way or the other: the connection goes back to the pool.
    pub(super) fn ended(mut self) {
        drop(self.0.take());
    }
}

impl Drop for InTransaction {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
