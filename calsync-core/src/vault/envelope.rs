//! Envelope encryption with AES-256-GCM.

use std::sync::Arc;

use async_trait::async_trait;

use super::{
    KeyWrapper, Result, Sealed, SecretName, Vault, VaultError, VaultErrorKind,
    keys::{KEY, NONCE, decrypt, encrypt, fresh},
};
use crate::{context::Entropy, secret::Secret};

/// What the associated data is for: a wrapped data key is never taken for a secret.
const SECRET: &[u8] = b"calsync secret 1";
const DATA_KEY: &[u8] = b"calsync data key 1";

/// The default vault: a fresh data key and nonce for every secret, both from `entropy`, the data key wrapped by the
/// master key.
#[derive(Clone)]
pub struct Envelope {
    keys: Arc<dyn KeyWrapper>,
    entropy: Arc<dyn Entropy>,
}

impl Envelope {
    /// A vault under these master keys.
    pub fn new(keys: Arc<dyn KeyWrapper>, entropy: Arc<dyn Entropy>) -> Self {
        Self { keys, entropy }
    }
}

#[async_trait]
impl Vault for Envelope {
    async fn seal(&self, name: &SecretName<'_>, secret: &Secret) -> Result<Sealed> {
        let what = "sealing a secret";
        let data_key = Secret::new(fresh::<KEY>(&*self.entropy, what)?);
        let nonce = fresh::<NONCE>(&*self.entropy, what)?;
        let aad = name.associated_data(SECRET);
        let ciphertext = encrypt(&data_key, &nonce, secret.expose().as_bytes(), &aad, what)?;
        let key = self.keys.wrap(&data_key, &name.associated_data(DATA_KEY)).await?;
        Sealed::pack(&key, &nonce, &ciphertext)
    }

    async fn open(&self, name: &SecretName<'_>, sealed: &Sealed) -> Result<Secret> {
        let what = "opening a secret";
        let parts = sealed.parts()?;
        let data_key = self.keys.unwrap(&parts.key, &name.associated_data(DATA_KEY)).await?;
        let aad = name.associated_data(SECRET);
        let bytes = decrypt(&data_key, parts.nonce, parts.ciphertext, &aad, what)?;
        let text = std::str::from_utf8(bytes.expose())
            .map_err(|_| VaultError::new(what, VaultErrorKind::Malformed))?;
        Ok(Secret::from(text))
    }

    async fn rewrap(&self, name: &SecretName<'_>, sealed: &Sealed) -> Result<Option<Sealed>> {
        let parts = sealed.parts()?;
        if parts.key.key == self.keys.current() {
            return Ok(None);
        }
        let context = name.associated_data(DATA_KEY);
        let data_key = self.keys.unwrap(&parts.key, &context).await?;
        let key = self.keys.wrap(&data_key, &context).await?;
        Sealed::pack(&key, parts.nonce, parts.ciphertext).map(Some)
    }
}
