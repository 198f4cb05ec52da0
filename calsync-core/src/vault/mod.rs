//! Secrets at rest: access tokens, refresh tokens, passwords.
//!
//! In: a secret and the name of what it opens. Out: bytes the host's database may hold. Only whoever has the master key
//! reads them back, and only under the name they were sealed for: a row copied to another account, another tenant or
//! over a newer version of itself does not open.
//!
//! Each secret has a data key of its own, which is wrapped by a master key: changing the master key re-wraps the data
//! keys and leaves the secrets alone. The master keys are the host's: [`LocalKeys`] holds them in memory, and a host
//! with a key management service implements [`KeyWrapper`].

mod envelope;
mod error;
mod keeper;
mod keys;
mod name;
mod sealed;

use async_trait::async_trait;

pub use envelope::Envelope;
pub use error::{VaultError, VaultErrorKind};
pub use keeper::{Keeper, KeeperError, KeptSecret, SecretKey};
pub use keys::{KeyId, KeyWrapper, LocalKeys, WrappedKey};
pub use name::SecretName;
pub use sealed::Sealed;

use crate::secret::Secret;

/// The result of a call to a vault.
pub type Result<T> = std::result::Result<T, VaultError>;

/// Seals and opens secrets. [`Envelope`] is the one to use unless the host has its own.
#[async_trait]
pub trait Vault: Send + Sync {
    /// Makes a secret safe to keep.
    async fn seal(&self, name: &SecretName<'_>, secret: &Secret) -> Result<Sealed>;

    /// Opens what was sealed under exactly this name.
    ///
    /// # Errors
    ///
    /// [`VaultErrorKind::Tampered`] when it was sealed under another name or changed since,
    /// [`VaultErrorKind::UnknownKey`] when its master key is not there.
    async fn open(&self, name: &SecretName<'_>, sealed: &Sealed) -> Result<Secret>;

    /// Brings a sealed secret under the present master key. `None`: it is already.
    async fn rewrap(&self, name: &SecretName<'_>, sealed: &Sealed) -> Result<Option<Sealed>>;
}
