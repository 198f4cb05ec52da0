//! Stores for calsync: SQLite and PostgreSQL, each behind its feature.
//!
//! Each keeps the guarantees of [`calsync_core::store::Store`] and passes the conformance suite of `calsync-testkit`.

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod codec;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "sqlite")]
pub mod sqlite;
