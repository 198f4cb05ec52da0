//! Master keys: what wraps the data keys.

use std::{collections::BTreeMap, fmt, sync::Arc};

use aes_gcm::{
    Aes256Gcm, KeyInit,
    aead::{Aead, Payload},
};
use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{Result, VaultError, VaultErrorKind};
use crate::{context::Entropy, secret::Secret};

/// Length of master keys and data keys, in bytes.
pub(super) const KEY: usize = 32;
/// Length of a nonce, in bytes (NIST SP 800-38D section 8.2).
pub(super) const NONCE: usize = 12;

/// Names a master key. Kept beside everything it wraps, so that an old one is found again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub String);

/// A data key as it may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedKey {
    /// The master key.
    pub key: KeyId,
    /// What the wrapper made of the data key; at most 65,535 bytes.
    pub bytes: Vec<u8>,
}

/// Wraps data keys with a master key: the hook for a host's key management service.
#[async_trait]
pub trait KeyWrapper: Send + Sync {
    /// The master key new secrets are to be under.
    fn current(&self) -> KeyId;

    /// Wraps a data key of 32 bytes with the current master key. `context` must be needed to unwrap it (an "encryption
    /// context").
    async fn wrap(&self, data_key: &Secret<[u8; 32]>, context: &[u8]) -> Result<WrappedKey>;

    /// Unwraps a data key.
    async fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<Secret<[u8; 32]>>;
}

/// Master keys in the memory of this process, read from the host's configuration.
#[derive(Clone)]
pub struct LocalKeys {
    current: KeyId,
    keys: BTreeMap<KeyId, Secret<[u8; KEY]>>,
    entropy: Arc<dyn Entropy>,
}

impl LocalKeys {
    /// One master key of 32 random bytes, in base64 as `openssl rand -base64 32` prints it.
    ///
    /// # Errors
    ///
    /// [`VaultErrorKind::WeakKey`] when it is no such thing, or all the same byte.
    pub fn new(id: impl Into<String>, base64: &Secret, entropy: Arc<dyn Entropy>) -> Result<Self> {
        let current = KeyId(id.into());
        let keys = BTreeMap::from([(current.clone(), read(base64)?)]);
        Ok(Self { current, keys, entropy })
    }

    /// Adds an earlier master key, so that what it wrapped still opens until it is re-wrapped.
    ///
    /// # Errors
    ///
    /// As for [`LocalKeys::new`].
    pub fn with_earlier(mut self, id: impl Into<String>, base64: &Secret) -> Result<Self> {
        self.keys.insert(KeyId(id.into()), read(base64)?);
        Ok(self)
    }
}

impl fmt::Debug for LocalKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKeys").field("current", &self.current).finish_non_exhaustive()
    }
}

fn read(base64: &Secret) -> Result<Secret<[u8; KEY]>> {
    let weak = || VaultError::new("reading a master key", VaultErrorKind::WeakKey);
    let bytes = Secret::new(STANDARD.decode(base64.expose().trim()).map_err(|_| weak())?);
    let key: [u8; KEY] = bytes.expose().as_slice().try_into().map_err(|_| weak())?;
    if key.iter().all(|byte| *byte == key[0]) {
        return Err(weak());
    }
    Ok(Secret::new(key))
}

#[async_trait]
impl KeyWrapper for LocalKeys {
    fn current(&self) -> KeyId {
        self.current.clone()
    }

    async fn wrap(&self, data_key: &Secret<[u8; KEY]>, context: &[u8]) -> Result<WrappedKey> {
        let what = "wrapping a data key";
        let Some(key) = self.keys.get(&self.current) else {
            return Err(VaultError::new(what, VaultErrorKind::WeakKey));
        };
        let mut bytes = fresh::<NONCE>(&*self.entropy, what)?.to_vec();
        let sealed = encrypt(key, &bytes, data_key.expose(), &bound(&self.current, context), what)?;
        bytes.extend(sealed);
        Ok(WrappedKey { key: self.current.clone(), bytes })
    }

    async fn unwrap(&self, wrapped: &WrappedKey, context: &[u8]) -> Result<Secret<[u8; KEY]>> {
        let what = "unwrapping a data key";
        let Some(key) = self.keys.get(&wrapped.key) else {
            return Err(VaultError::new(what, VaultErrorKind::UnknownKey { id: wrapped.key.0.clone() }));
        };
        let malformed = || VaultError::new(what, VaultErrorKind::Malformed);
        let (nonce, sealed) = wrapped.bytes.split_at_checked(NONCE).ok_or_else(malformed)?;
        let data_key = decrypt(key, nonce, sealed, &bound(&wrapped.key, context), what)?;
        Ok(Secret::new(data_key.expose().as_slice().try_into().map_err(|_| malformed())?))
    }
}

/// The context with the key's id: a wrapped key does not open under another id.
fn bound(id: &KeyId, context: &[u8]) -> Vec<u8> {
    let mut data = (id.0.len() as u64).to_be_bytes().to_vec();
    data.extend_from_slice(id.0.as_bytes());
    data.extend_from_slice(context);
    data
}

pub(super) fn fresh<const N: usize>(entropy: &dyn Entropy, what: &'static str) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    entropy
        .fill(&mut bytes)
        .map_err(|error| VaultError::new(what, VaultErrorKind::Unavailable).with_source(error))?;
    Ok(bytes)
}

pub(super) fn encrypt(
    key: &Secret<[u8; KEY]>,
    nonce: &[u8],
    msg: &[u8],
    aad: &[u8],
    what: &'static str,
) -> Result<Vec<u8>> {
    let nonce: [u8; NONCE] =
        nonce.try_into().map_err(|_| VaultError::new(what, VaultErrorKind::Malformed))?;
    Aes256Gcm::new(key.expose().into())
        .encrypt(&nonce.into(), Payload { msg, aad })
        .map_err(|_| VaultError::new(what, VaultErrorKind::Malformed))
}

pub(super) fn decrypt(
    key: &Secret<[u8; KEY]>,
    nonce: &[u8],
    msg: &[u8],
    aad: &[u8],
    what: &'static str,
) -> Result<Secret<Vec<u8>>> {
    let nonce: [u8; NONCE] =
        nonce.try_into().map_err(|_| VaultError::new(what, VaultErrorKind::Malformed))?;
    Aes256Gcm::new(key.expose().into())
        .decrypt(&nonce.into(), Payload { msg, aad })
        .map(Secret::new)
        .map_err(|_| VaultError::new(what, VaultErrorKind::Tampered))
}
