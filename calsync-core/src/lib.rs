//! The neutral calendar model, the provider and store traits, and the sync engine of calsync: no HTTP, no SQL.

pub mod ical;
