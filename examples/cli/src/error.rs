//! What goes wrong on the command line, and the exit code for it.

use std::{io, path::PathBuf};

use calsync_core::{
    booking::BookingError,
    engine::EngineError,
    provider::{ErrorKind, Fault, ProviderError},
    store::StoreError,
};
use calsync_providers::oauth::OAuthError;

/// A failed command. Messages hold no secret and no event text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error(
        "cannot read the configuration {}: {error}; write one, or name it with --config FILE",
        path.display()
    )]
    ConfigFile { path: PathBuf, error: io::Error },
    /// Names the key and the fix.
    #[error("configuration: {0}")]
    Config(String),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Booking(#[from] BookingError),
    #[error("store: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// The account is connected, and not for everything.
    #[error("{0}")]
    Scopes(String),
    #[error("{0}")]
    Unmet(String),
    #[error("{what}: {error}")]
    Io { what: String, error: io::Error },
    /// Some connections failed; each has said why.
    #[error("{failed} of {all} connections failed")]
    Connections { failed: usize, all: usize, credentials: bool },
    /// Some links failed; each has said why.
    #[error("{failed} of {all} links failed")]
    Links { failed: usize, all: usize, credentials: bool },
}

/// Exit code of a failure.
const ERROR: u8 = 1;
/// Exit code when a person has to renew credentials.
const CREDENTIALS: u8 = 3;

impl CliError {
    pub(crate) fn exit_code(&self) -> u8 {
        if self.needs_credentials() { CREDENTIALS } else { ERROR }
    }

    pub(crate) fn needs_credentials(&self) -> bool {
        match self {
            Self::Engine(error) => error.needs_credentials(),
            Self::Provider(error) => error.kind == ErrorKind::Unauthorized,
            Self::OAuth(error) => error.fault() == Fault::Credentials,
            Self::Scopes(_) => true,
            Self::Links { credentials, .. } | Self::Connections { credentials, .. } => *credentials,
            _ => false,
        }
    }
}
