//! What a store can answer instead of what was asked.

use std::fmt;

use crate::provider::Retry;

/// What kind of failure it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// An expectation of the batch does not hold: read again and decide again.
    Conflict {
        /// Which of the batch's expectations, by index.
        expectation: usize,
    },
    /// The batch's lease belongs to somebody else now: stop.
    Fenced,
    /// Busy or not reachable: try again.
    Unavailable,
    /// No room.
    Full,
    /// A row does not hold what was written.
    Corrupt,
    /// The call makes no sense (an id too long, a batch too large).
    InvalidInput,
    /// The store does not have what the call is about; it need not.
    Unsupported,
    /// Anything else of the database.
    Backend,
}

/// A failed call to a store. Messages hold no event text.
#[derive(Debug)]
pub struct StoreError {
    /// What kind of failure.
    pub kind: StoreErrorKind,
    /// What was being done.
    pub operation: &'static str,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// An error without a cause.
    pub fn new(kind: StoreErrorKind, operation: &'static str) -> Self {
        Self { kind, operation, source: None }
    }

    /// An error of the host's own database.
    pub fn backend(
        operation: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::new(StoreErrorKind::Backend, operation).with_source(source)
    }

    /// Keeps the cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Whether trying again can help.
    pub fn retry(&self) -> Retry {
        match self.kind {
            StoreErrorKind::Unavailable => Retry::Backoff,
            _ => Retry::Never,
        }
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            StoreErrorKind::Conflict { expectation } => {
                return write!(f, "{}: expectation {expectation} does not hold", self.operation);
            }
            StoreErrorKind::Fenced => "the lease belongs to somebody else",
            StoreErrorKind::Unavailable => "not available",
            StoreErrorKind::Full => "no room",
            StoreErrorKind::Corrupt => "a row does not hold what was written",
            StoreErrorKind::InvalidInput => "invalid input",
            StoreErrorKind::Unsupported => "not kept by this store",
            StoreErrorKind::Backend => "the database failed",
        };
        write!(f, "{}: {kind}", self.operation)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn std::error::Error + 'static))
    }
}
