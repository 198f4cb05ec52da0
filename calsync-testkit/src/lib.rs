//! Conformance suites, emulators and builders for everything that plugs into calsync.

pub mod recurrence_cases;
pub mod recurrence_oracle;
