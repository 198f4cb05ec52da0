//! Stores for calsync: SQLite, each behind its feature.
//!
//! Each keeps the guarantees of [`calsync_core::store::Store`] and passes the conformance suite of `calsync-testkit`.

#[cfg(feature = "sqlite")]
pub mod sqlite;
