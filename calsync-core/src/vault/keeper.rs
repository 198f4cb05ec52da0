//! Sealed secrets in the host's store.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::{Sealed, SecretName, Vault, VaultError, VaultErrorKind};
use crate::{
    secret::Secret,
    store::{Batch, Doc, DocQuery, Expectation, LeaseToken, Store, StoreError, Write},
};

/// The documents' space.
const SPACE: &str = "secrets";
/// Rows read at once.
const PAGE: usize = 100;

/// Which secret of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SecretKey<'a> {
    /// The connection, as the host names it.
    pub account: &'a str,
    /// The provider's name.
    pub provider: &'a str,
    /// Which of its secrets: `password`, `tokens`.
    pub field: &'a str,
}

/// A secret as it was read or written.
#[derive(Clone, Debug)]
pub struct KeptSecret {
    /// The secret.
    pub secret: Secret,
    /// The row's version in the store: another one is another secret.
    pub version: u64,
    /// Counts the secrets of this name; sealed in.
    count: u64,
}

/// Why a secret could not be kept or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// It could not be sealed or opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The store failed, or the row is not the one that was to be replaced.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Keeps sealed secrets as documents of the store.
#[derive(Clone)]
pub struct Keeper {
    store: Arc<dyn Store>,
    vault: Arc<dyn Vault>,
    tenant: String,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keeper")
    }
}

#[derive(Serialize, Deserialize)]
struct Row {
    count: u64,
    sealed: String,
}

impl Keeper {
    /// Keeps the secrets of one tenant; empty where there is one.
    pub fn new(store: Arc<dyn Store>, vault: Arc<dyn Vault>, tenant: impl Into<String>) -> Self {
        Self { store, vault, tenant: tenant.into() }
    }

    /// The store the secrets are in.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Reads a secret.
    ///
    /// # Errors
    ///
    /// [`VaultErrorKind::Tampered`] when the row is not what was written under this name.
    pub async fn get(&self, key: SecretKey<'_>) -> Result<Option<KeptSecret>, KeeperError> {
        let id = id(key);
        let found = self.store.docs(SPACE, DocQuery::Keys(&[&id])).await?.pop();
        let Some(doc) = found else { return Ok(None) };
        let (count, sealed) = unpack(&doc)?;
        let secret = self.vault.open(&self.name(key, count), &sealed).await?;
        Ok(Some(KeptSecret { secret, version: doc.version, count }))
    }

    /// Keeps a secret in the place of `over`, or of none.
    ///
    /// # Errors
    ///
    /// [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when the row is another one by now,
    /// [`StoreErrorKind::Fenced`](crate::store::StoreErrorKind::Fenced) when the lease is.
    pub async fn put(
        &self,
        key: SecretKey<'_>,
        secret: &Secret,
        over: Option<&KeptSecret>,
        lease: Option<&LeaseToken>,
    ) -> Result<KeptSecret, KeeperError> {
        let id = id(key);
        let count = over.map_or(1, |over| over.count.saturating_add(1));
        let sealed = self.vault.seal(&self.name(key, count), secret).await?;
        let batch = Batch {
            lease: lease.cloned(),
            expect: vec![Expectation::Doc {
                space: SPACE.to_owned(),
                key: id.clone(),
                version: over.map(|over| over.version),
            }],
            writes: vec![Write::PutDoc(Doc::new(SPACE, id, pack(count, &sealed)))],
            ..Batch::default()
        };
        let receipt = self.store.commit(batch).await?;
        let version = receipt.doc_versions.first().copied().unwrap_or_default();
        Ok(KeptSecret { secret: secret.clone(), version, count })
    }

    /// Forgets a secret, or whatever is there where it is not said which one.
    ///
    /// # Errors
    ///
    /// When the store fails; [`StoreErrorKind::Conflict`](crate::store::StoreErrorKind::Conflict) when the row is another one by now.
    pub async fn remove(&self, key: SecretKey<'_>, kept: Option<&KeptSecret>) -> Result<(), KeeperError> {
        let (space, key) = (SPACE.to_owned(), id(key));
        let expect = kept.map(|kept| Expectation::Doc {
            space: space.clone(),
            key: key.clone(),
            version: Some(kept.version),
        });
        let writes = vec![Write::DeleteDoc { space, key }];
        self.store.commit(Batch { expect: expect.into_iter().collect(), writes, ..Batch::default() }).await?;
        Ok(())
    }

    /// Brings every secret under the present master key; the earlier one can be forgotten after it. Returns how many there
    /// were to do. A secret that is replaced meanwhile is under the present key already.
    ///
    /// # Errors
    ///
    /// At the first that does not open. What was done stays done.
    pub async fn rewrap_all(&self) -> Result<usize, KeeperError> {
        let mut done = 0;
        let mut after: Option<String> = None;
        loop {
            let query = DocQuery::Page { after: after.as_deref(), limit: PAGE };
            let page = self.store.docs(SPACE, query).await?;
            let Some(last) = page.last() else { return Ok(done) };
            after = Some(last.key.clone());
            for doc in page {
                done += usize::from(self.rewrap(&doc).await?);
            }
        }
    }

    async fn rewrap(&self, doc: &Doc) -> Result<bool, KeeperError> {
        let parts: [String; 3] = serde_json::from_str(&doc.key).map_err(|_| malformed())?;
        let [account, provider, field] = &parts;
        let (count, sealed) = unpack(doc)?;
        let name = self.name(SecretKey { account, provider, field }, count);
        let Some(sealed) = self.vault.rewrap(&name, &sealed).await? else { return Ok(false) };
        let batch = Batch {
            expect: vec![Expectation::Doc {
                space: SPACE.to_owned(),
                key: doc.key.clone(),
                version: Some(doc.version),
            }],
            writes: vec![Write::PutDoc(Doc::new(SPACE, doc.key.clone(), pack(count, &sealed)))],
            ..Batch::default()
        };
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, crate::store::StoreErrorKind::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn name<'a>(&'a self, key: SecretKey<'a>, count: u64) -> SecretName<'a> {
        SecretName {
            tenant: &self.tenant,
            account: key.account,
            provider: key.provider,
            field: key.field,
            version: count,
        }
    }
}

/// A key no two names share, whatever characters are in them.
fn id(key: SecretKey<'_>) -> String {
    serde_json::json!([key.account, key.provider, key.field]).to_string()
}

fn pack(count: u64, sealed: &Sealed) -> Vec<u8> {
    let row = Row { count, sealed: STANDARD.encode(sealed.as_bytes()) };
    serde_json::to_vec(&row).unwrap_or_default()
}

fn unpack(doc: &Doc) -> Result<(u64, Sealed), VaultError> {
    let row: Row = doc.read().ok_or_else(malformed)?;
    let bytes = STANDARD.decode(&row.sealed).map_err(|_| malformed())?;
    Ok((row.count, Sealed::from_bytes(bytes)))
}

fn malformed() -> VaultError {
    VaultError::new("reading a secret", VaultErrorKind::Malformed)
}
