//! Why a secret could not be sealed or opened.

use crate::provider::{Fault, Retry};

/// A failed call to a vault. Holds no secret and no key.
#[derive(Debug, thiserror::Error)]
#[error("{what}: {kind}")]
pub struct VaultError {
    /// What was being done.
    pub what: &'static str,
    /// What kind of failure.
    pub kind: VaultErrorKind,
    /// The cause, when there is one.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VaultErrorKind {
    /// The master key it is wrapped with is not configured.
    #[error("master key {id:?} is not configured")]
    UnknownKey {
        /// The key's id.
        id: String,
    },
    /// A master key that protects nothing: too short, all the same byte, or none at all.
    #[error("the master key is missing, not 32 bytes long, or all the same byte")]
    WeakKey,
    /// It was sealed under another name, or its bytes changed.
    #[error("it was sealed for something else, or was changed since")]
    Tampered,
    /// The bytes are not a sealed secret.
    #[error("not a sealed secret of a version this program knows")]
    Malformed,
    /// The key management service, or the source of randomness, is not available for now.
    #[error("the keys or the source of randomness are not available")]
    Unavailable,
}

impl VaultError {
    /// An error without a cause.
    pub fn new(what: &'static str, kind: VaultErrorKind) -> Self {
        Self { what, kind, source: None }
    }

    /// Keeps the cause. It must hold no secret.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self.kind {
            VaultErrorKind::UnknownKey { .. } | VaultErrorKind::WeakKey | VaultErrorKind::Unavailable => {
                Fault::Caller
            }
            VaultErrorKind::Tampered | VaultErrorKind::Malformed => Fault::Store,
        }
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        if self.kind == VaultErrorKind::Unavailable { Retry::Backoff } else { Retry::Never }
    }
}
