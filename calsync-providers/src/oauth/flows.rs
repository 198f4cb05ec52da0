//! Flows that were begun, in the host's store: any worker can finish what another one began.

use calsync_core::{
    context::Entropy,
    store::{Batch, Doc, DocQuery, Expectation, StoreErrorKind, Write},
    vault::{Sealed, SecretName, Vault},
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};
use url::Url;

use super::{
    Callback, Exchange, Grant, Intent, OAuthError, OAuthErrorKind, Pending, StateProblem, begin, redeem,
};
use crate::http::Secret;

/// The documents' space.
const SPACE: &str = "oauth-flows";
const OPERATION: &str = "connecting";
/// Flows that are forgotten at once when a new one begins.
const SWEEP: usize = 20;

/// Begins and finishes connections.
#[derive(Clone)]
pub struct Flows {
    store: Arc<dyn calsync_core::store::Store>,
    vault: Arc<dyn Vault>,
    entropy: Arc<dyn Entropy>,
    tenant: String,
}

impl fmt::Debug for Flows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Flows")
    }
}

/// What a person finished.
#[derive(Clone, Debug)]
pub struct Connected {
    /// The connection, as the host names it: [`Intent::account`].
    pub account: String,
    /// What came of it.
    pub grant: Grant,
}

#[derive(Serialize, Deserialize)]
struct Row {
    state: String,
    verifier: String,
    redirect: String,
    provider: String,
    client_id: String,
    account: String,
    session: String,
    expected: Option<String>,
    expires: DateTime<Utc>,
}

impl Flows {
    /// Keeps flows in `store`, sealed by `vault`.
    pub fn new(
        store: Arc<dyn calsync_core::store::Store>,
        vault: Arc<dyn Vault>,
        entropy: Arc<dyn Entropy>,
        tenant: impl Into<String>,
    ) -> Self {
        Self { store, vault, entropy, tenant: tenant.into() }
    }

    /// Begins a flow; send the browser to the URL. See [`begin`].
    ///
    /// # Errors
    ///
    /// When the store fails, or there is no randomness.
    pub async fn begin(
        &self,
        exchange: &Exchange,
        intent: Intent,
        redirect: &str,
        now: DateTime<Utc>,
    ) -> Result<Url, OAuthError> {
        let begun = begin(&exchange.config, intent, redirect, &*self.entropy, now)?;
        let pending = begun.pending;
        let key = key(&pending.state);
        let row = Row {
            state: pending.state.expose().clone(),
            verifier: pending.verifier.expose().clone(),
            redirect: pending.redirect,
            provider: pending.provider,
            client_id: pending.client_id,
            account: pending.intent.account,
            session: pending.intent.session,
            expected: pending.intent.expected,
            expires: pending.expires,
        };
        let text = Secret::from(serde_json::to_string(&row).map_err(|_| storage("a flow"))?);
        let sealed = self.vault.seal(&self.name(&key), &text).await.map_err(failed)?;
        let doc = Doc::new(SPACE, key, sealed.as_bytes()).with_due(Some(pending.expires));
        let mut writes = vec![Write::PutDoc(doc)];
        let over = self.store.docs(SPACE, DocQuery::Due { at: now, limit: SWEEP }).await;
        for doc in over.map_err(failed)? {
            writes.push(Write::DeleteDoc { space: doc.space, key: doc.key });
        }
        let batch = Batch { writes, ..Batch::default() };
        self.store.commit(batch).await.map_err(failed)?;
        Ok(begun.url)
    }

    /// Finishes a flow with what the browser brought back. Whatever comes of it, the state is used up.
    ///
    /// # Errors
    ///
    /// See [`redeem`] and [`Exchange::code`].
    pub async fn finish(
        &self,
        exchange: &Exchange,
        session: &str,
        query: &str,
        now: DateTime<Utc>,
    ) -> Result<Connected, OAuthError> {
        let callback = Callback::parse(query)?;
        let pending = self.take(&callback.state).await?;
        let code = redeem(&exchange.config, &pending, session, callback, now)?;
        let grant = exchange.code(&pending, &code, now).await?;
        Ok(Connected { account: pending.intent.account, grant })
    }

    /// Of two that bring the same state at the same time, one gets the flow.
    async fn take(&self, state: &Secret) -> Result<Pending, OAuthError> {
        let unknown = || OAuthError::new(OAuthErrorKind::State(StateProblem::Unknown), OPERATION, "");
        let key = key(state);
        let found = self.store.docs(SPACE, DocQuery::Keys(&[&key])).await;
        let Some(doc) = found.map_err(failed)?.pop() else {
            return Err(unknown());
        };
        let batch = Batch {
            expect: vec![Expectation::Doc {
                space: SPACE.to_owned(),
                key: key.clone(),
                version: Some(doc.version),
            }],
            writes: vec![Write::DeleteDoc { space: SPACE.to_owned(), key: key.clone() }],
            ..Batch::default()
        };
        match self.store.commit(batch).await {
            Ok(_) => {}
            Err(error) if matches!(error.kind, StoreErrorKind::Conflict { .. }) => return Err(unknown()),
            Err(error) => return Err(failed(error)),
        }
        let sealed = Sealed::from_bytes(doc.value);
        let text = self.vault.open(&self.name(&key), &sealed).await.map_err(failed)?;
        let row: Row =
            serde_json::from_str(text.expose()).map_err(|_| storage("a flow that cannot be read"))?;
        let mut intent = Intent::new(row.account, row.session);
        intent.expected = row.expected;
        Ok(Pending {
            state: Secret::from(row.state),
            verifier: Secret::from(row.verifier),
            redirect: row.redirect,
            provider: row.provider,
            client_id: row.client_id,
            intent,
            expires: row.expires,
        })
    }

    fn name<'a>(&'a self, key: &'a str) -> SecretName<'a> {
        SecretName { tenant: &self.tenant, account: key, provider: "", field: "flow", version: 0 }
    }
}

/// The state is a secret, and keys are shown in logs.
fn key(state: &Secret) -> String {
    blake3::hash(state.expose().as_bytes()).to_hex().to_string()
}

fn failed(cause: impl std::error::Error + Send + Sync + 'static) -> OAuthError {
    OAuthError::storage(OPERATION, cause)
}

fn storage(detail: impl Into<String>) -> OAuthError {
    OAuthError::new(OAuthErrorKind::Storage, OPERATION, detail)
}
