//! What DynamoDB says, as errors of the store.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use calsync_core::store::{StoreError, StoreErrorKind};

/// Why a DynamoDB store refuses something; the source of a [`StoreError`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DynamoError {
    /// A name does not fit into a key: an id has at most 1,024 bytes, a tenant and the name of a calendar, link or space
    /// 2,045 together.
    #[error("the {0} is too long for a key")]
    KeyTooLong(&'static str),
    /// A value is larger than [`DynamoConfig::max_value`](super::DynamoConfig::max_value).
    #[error("the {kind} {id} has {bytes} bytes")]
    ValueTooLarge {
        /// What it is a row of.
        kind: &'static str,
        /// Its id; empty where the id may be private.
        id: String,
        /// Its size.
        bytes: usize,
    },
    /// A batch touches more calendars, links and spaces than one transaction can hold back.
    #[error("the batch touches {0} calendars, links and spaces; at most 95 can be held back together")]
    TooManyOwners(usize),
    /// Others wrote the same rows again and again.
    #[error("others were faster {0} times")]
    Contended(u32),
    /// A row cannot be read back.
    #[error("{kind} {id} is not readable")]
    UnreadableRow {
        /// What it is a row of.
        kind: &'static str,
        /// Its id; empty where the id may be private.
        id: String,
    },
    /// The service refused a request. Its message is left out, because it may quote values.
    #[error("the service answered {0}")]
    Refused(String),
    /// The service could not be reached, or did not answer in time.
    #[error("the service could not be reached")]
    Connection,
    /// The client cannot be made of this configuration.
    #[error("the configuration is incomplete: {0}")]
    Configuration(&'static str),
    /// There was no randomness.
    #[error("there is no randomness")]
    Entropy,
}

pub(super) fn invalid(operation: &'static str, error: DynamoError) -> StoreError {
    StoreError::new(StoreErrorKind::InvalidInput, operation).with_source(error)
}

pub(super) fn too_long(what: &'static str) -> StoreError {
    invalid("key", DynamoError::KeyTooLong(what))
}

/// A row that does not hold what was written.
pub(super) fn unreadable(operation: &'static str, kind: &'static str, id: impl ToString) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, operation)
        .with_source(DynamoError::UnreadableRow { kind, id: id.to_string() })
}

/// What is to be done about a failed request.
pub(super) enum Fault {
    /// Ask again after a while.
    Again(StoreError),
    /// A condition does not hold.
    Condition,
    /// It stays like this.
    Final(StoreError),
}

/// Reads an error of the client. Codes are those of the API reference, "Error handling with DynamoDB".
pub(super) fn fault<E: ProvideErrorMetadata>(operation: &'static str, error: &SdkError<E>) -> Fault {
    let unavailable = |source| StoreError::new(StoreErrorKind::Unavailable, operation).with_source(source);
    match error {
        SdkError::ServiceError(_) => {
            let code = error.code().unwrap_or("an error without a code");
            let refused = DynamoError::Refused(code.to_owned());
            match code {
                "ConditionalCheckFailedException" => Fault::Condition,
                "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "ThrottlingException"
                | "Throttling"
                | "InternalServerError"
                | "ServiceUnavailable"
                | "LimitExceededException"
                | "TransactionConflictException"
                | "TransactionInProgressException"
                | "ReplicatedWriteConflictException" => Fault::Again(unavailable(refused)),
                "ItemCollectionSizeLimitExceededException" => {
                    Fault::Final(StoreError::new(StoreErrorKind::Full, operation).with_source(refused))
                }
                // Refused for what it asks: the store's own fault, or a table that is none of its.
                _ => Fault::Final(StoreError::backend(operation, refused)),
            }
        }
        SdkError::ConstructionFailure(_) => {
            Fault::Final(StoreError::backend(operation, DynamoError::Configuration("the request")))
        }
        _ => Fault::Again(unavailable(DynamoError::Connection)),
    }
}
