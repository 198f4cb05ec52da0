//! The scripted CalDAV server does what it says: well-behaved without quirks, and each quirk changes what it names.
//!
//! Test names carry the number of the scenario in the documentation of `Quirks`.

#![allow(clippy::expect_used, reason = "a helper of tests fails by panicking")]

mod client;
mod command;
mod discovery;
mod faults;
mod objects;
mod plain;
mod presets;
mod reports;
mod spelling;
mod tokens;
