//! The neutral calendar model, the provider and store traits, and the sync engine of calsync: no HTTP, no SQL.

pub mod availability;
pub mod booking;
pub mod context;
pub mod diff;
pub mod engine;
pub mod feed;
pub mod ical;
pub mod identity;
pub mod merge;
pub mod model;
pub mod pipeline;
pub mod plan;
pub mod provider;
pub mod publish;
pub mod recurrence;
#[cfg(feature = "worker")]
pub mod schedule;
pub mod secret;
pub mod store;
#[cfg(feature = "vault")]
pub mod vault;
#[cfg(feature = "worker")]
pub mod worker;
pub mod zone;
