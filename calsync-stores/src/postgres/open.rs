//! The pool: made here, or handed over by the host.

use std::sync::Arc;

use calsync_core::{
    feed::Bell,
    store::{Result, StoreError, StoreErrorKind},
};
use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use tokio_postgres::{NoTls, Row};

use super::{
    PostgresConfig, PostgresError, PostgresStore, Shared,
    error::{During, from_pool, from_postgres, lost_to_another},
    migrations::{MIGRATIONS, is_schema_name, migrate},
    session::{Call, Param, Session},
    sql::Sql,
};

const OPEN: &str = "open";
/// How often what lost to another transaction is begun again before the caller is told.
pub(super) const ATTEMPTS: usize = 5;
const SET_TENANT: &str = "SELECT set_config($1, $2, false)";

/// A pool of unencrypted connections.
pub(super) fn pool(url: &str, config: &PostgresConfig) -> Result<Pool> {
    let url: tokio_postgres::Config = url.parse().map_err(|_| {
        StoreError::new(StoreErrorKind::InvalidInput, OPEN).with_source(PostgresError::ConnectionString)
    })?;
    let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    Pool::builder(Manager::from_config(url, NoTls, recycling))
        .max_size(config.max_connections.max(1))
        .wait_timeout(Some(config.wait))
        .create_timeout(Some(config.wait))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::backend(OPEN, error))
}

/// Checks the configuration and brings the schema up to date.
pub(super) async fn open(pool: Pool, config: PostgresConfig) -> Result<PostgresStore> {
    if !is_schema_name(&config.schema) {
        return Err(
            StoreError::new(StoreErrorKind::InvalidInput, OPEN).with_source(PostgresError::SchemaName)
        );
    }
    let connection = pool.get().await.map_err(|error| from_pool(OPEN, &error))?;
    let schema = migrate(&connection, &config.schema, MIGRATIONS).await;
    // A future dropped in the middle of a step leaves a transaction open: its connection is not used again.
    drop(Object::take(connection));
    schema?;
    let sql = Sql::new(&config.schema);
    Ok(PostgresStore {
        shared: Arc::new(Shared { pool, sql, config }),
        tenant: "".into(),
        bell: Bell::default(),
    })
}

impl PostgresStore {
    /// A connection of the pool.
    pub(super) async fn connection(&self, operation: &'static str) -> Result<Object> {
        self.shared.pool.get().await.map_err(|error| from_pool(operation, &error))
    }

    /// Names the tenant to the policies of row-level security, where they are used.
    pub(super) fn tenant_setting(&self) -> Option<Call<'_>> {
        let name = self.shared.config.tenant_setting.as_deref()?;
        Some(Call { sql: SET_TENANT, params: vec![Box::new(name), Box::new(self.tenant.as_ref())] })
    }

    /// Runs one statement, the tenant being its first parameter.
    pub(super) async fn call(
        &self,
        operation: &'static str,
        sql: &str,
        params: Vec<Param<'_>>,
    ) -> Result<Vec<Row>> {
        let mut answers = self.calls(operation, vec![(sql, params)]).await?;
        answers.pop().ok_or_else(|| StoreError::new(StoreErrorKind::Unavailable, operation))
    }

    /// Runs some statements in one round trip, each a transaction of its own and the tenant its first parameter; the rows of
    /// each.
    pub(super) async fn calls(
        &self,
        operation: &'static str,
        statements: Vec<(&str, Vec<Param<'_>>)>,
    ) -> Result<Vec<Vec<Row>>> {
        let connection = self.connection(operation).await?;
        let session = Session { client: &connection, statements: Some(&connection.statement_cache) };
        let mut calls: Vec<Call<'_>> = self.tenant_setting().into_iter().collect();
        let before = calls.len();
        for (sql, params) in statements {
            let mut all: Vec<Param<'_>> = vec![Box::new(self.tenant.as_ref())];
            all.extend(params);
            calls.push(Call { sql, params: all });
        }
        self.send(operation, &session, &calls, before).await
    }

    /// Sends calls that belong together, again when another transaction got in the way; the rows of those from `first` on.
    pub(super) async fn send(
        &self,
        operation: &'static str,
        session: &Session<'_>,
        calls: &[Call<'_>],
        first: usize,
    ) -> Result<Vec<Vec<Row>>> {
        let mut left = ATTEMPTS;
        loop {
            left -= 1;
            let answers = session.pipeline(operation, calls).await?;
            if answers.len() < calls.len() {
                // One that could not be sent ended the list: it says why.
                let failed = answers.into_iter().find_map(std::result::Result::err);
                return Err(failed.map_or_else(
                    || StoreError::new(StoreErrorKind::Unavailable, operation),
                    |error| from_postgres(operation, &error),
                ));
            }
            let answers: Result<Vec<Vec<Row>>> =
                answers.into_iter().skip(first).map(|answer| answer.during(operation)).collect();
            match answers {
                Err(error) if left > 0 && lost_to_another(&error) => {}
                done => return done,
            }
        }
    }
}
