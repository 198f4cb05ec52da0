//! What goes wrong on the command line, and the exit code for it.

use std::{error::Error as _, io, path::PathBuf};

use calsync_core::{
    booking::BookingError,
    engine::EngineError,
    provider::{ErrorKind, Fault, ProviderError},
    store::{StoreError, StoreErrorKind},
};
use calsync_providers::oauth::OAuthError;
use calsync_stores::{postgres::PostgresError, sqlite::SqliteError};

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
    /// A secret is not where the configuration says.
    #[error("configuration: {0}")]
    Credentials(String),
    #[error("{}", engine_text(.0))]
    Engine(#[from] EngineError),
    #[error("{}", provider_text(.0))]
    Provider(#[from] ProviderError),
    #[error(transparent)]
    Booking(#[from] BookingError),
    #[error("store: {}", store_text(.0))]
    Store(#[from] StoreError),
    /// The same, with the store's file or server.
    #[error("store {place}: {}", store_text(.error))]
    InStore { place: String, error: StoreError },
    #[error(transparent)]
    OAuth(#[from] OAuthError),
    /// No password is kept yet, or none any more.
    #[error("{0}")]
    Unconnected(String),
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

    /// What a program tells failures apart by, with `--json`.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            _ if self.needs_credentials() => "credentials",
            Self::ConfigFile { .. } | Self::Config(_) => "configuration",
            Self::Provider(_) | Self::Engine(EngineError::Provider(_)) => "provider",
            Self::Store(_) | Self::InStore { .. } | Self::Engine(EngineError::Store(_)) => "store",
            Self::Engine(EngineError::Busy { .. }) => "busy",
            Self::OAuth(_) => "sign-in",
            Self::Io { .. } => "io",
            _ => "unmet",
        }
    }

    /// Names the store an error is of.
    pub(crate) fn in_store(self, place: &str) -> Self {
        match self {
            Self::Store(error) | Self::Engine(EngineError::Store(error)) => {
                Self::InStore { place: place.to_owned(), error }
            }
            other => other,
        }
    }

    /// What a provider answered, by whatever way it came here.
    pub(crate) fn provider_error(&self) -> Option<&ProviderError> {
        match self {
            Self::Provider(error) | Self::Engine(EngineError::Provider(error)) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn needs_credentials(&self) -> bool {
        match self {
            Self::Engine(error) => error.needs_credentials(),
            Self::Provider(error) => error.kind == ErrorKind::Unauthorized,
            Self::OAuth(error) => error.fault() == Fault::Credentials,
            Self::Scopes(_) | Self::Credentials(_) | Self::Unconnected(_) => true,
            Self::Links { credentials, .. } | Self::Connections { credentials, .. } => *credentials,
            _ => false,
        }
    }
}

fn engine_text(error: &EngineError) -> String {
    match error {
        EngineError::Provider(error) => provider_text(error),
        EngineError::Store(error) => format!("store: {}", store_text(error)),
        EngineError::CopiesUnsaid { .. } => format!(
            "{error}: write [links.copies] with start = {{ type = \"everything\" }} to go on, or start = {{ type = \"busy-only\" }} \
             to take the rest out of the copies there are"
        ),
        EngineError::LinkMoved { link } => format!(
            "link {link} was joined to another calendar before: write the one it had again, or part it from that one first: \
             `calsync unlink {link} --remove` deletes what it wrote there, `calsync unlink {link} --keep` leaves it; after \
             that it joins what is written now"
        ),
        other => other.to_string(),
    }
}

/// With what the operating system said, which holds no text of an event.
fn provider_text(error: &ProviderError) -> String {
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}

/// What the database said, which names no values, and what can be done where that is known.
fn store_text(error: &StoreError) -> String {
    let Some(cause) = error.source() else { return error.to_string() };
    let opening = error.operation == "open";
    let fix = match (cause.downcast_ref::<SqliteError>(), cause.downcast_ref::<io::Error>()) {
        (Some(SqliteError::SymbolicLink), _) => "; write the path of the file itself as `store`",
        (Some(SqliteError::NotAFile), _) => {
            "; write the path of a file as `store`, such as \"sqlite:calsync.db\""
        }
        (Some(SqliteError::ForeignFile), _) => "; it was left as it is: write another file as `store`",
        (Some(SqliteError::NewerSchema { .. }), _) => {
            "; it was left as it is: use that version, or a newer one"
        }
        (None, Some(cause)) if opening && cause.kind() == io::ErrorKind::NotFound => {
            "; its folder must exist"
        }
        (None, Some(cause)) if opening && cause.kind() == io::ErrorKind::PermissionDenied => {
            "; this user must be able to write in its folder"
        }
        _ if cause.is::<PostgresError>() => "",
        _ if error.kind == StoreErrorKind::Unavailable => "; try again when nothing else uses it",
        _ => "",
    };
    if opening && error.kind == StoreErrorKind::Full {
        return format!("no room: {cause}");
    }
    // What was said at opening is about the file, and not about a row of it.
    if opening { format!("{cause}{fix}") } else { format!("{error}: {cause}{fix}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_called_so_at_opening_as_well() {
        let full = |operation| {
            StoreError::new(StoreErrorKind::Full, operation).with_source(io::Error::other("full"))
        };
        assert_eq!(store_text(&full("open")), "no room: full");
        assert_eq!(store_text(&full("commit")), "commit: no room: full");
    }
}
