//! Conformance suites, emulators and builders for everything that plugs into calsync.

pub mod dav;
