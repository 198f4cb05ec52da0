//! Stores for calsync: SQLite, PostgreSQL and DynamoDB, each behind its feature.
//!
//! Each keeps the guarantees of [`calsync_core::store::Store`] and passes the conformance suite of `calsync-testkit`.

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "dynamodb"))]
mod codec;
#[cfg(feature = "dynamodb")]
pub mod dynamodb;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
