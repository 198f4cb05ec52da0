//! The neutral calendar model, the provider and store traits, and the sync engine of calsync: no HTTP, no SQL.

pub mod context;
pub mod diff;
pub mod ical;
pub mod model;
pub mod provider;
pub mod recurrence;
pub mod store;
pub mod zone;
